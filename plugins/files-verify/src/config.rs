//! What the step can be told.

use drydock_plugin_sdk::Error;
use drydock_plugin_sdk::glob::Glob;
use serde::Deserialize;

/// Patterns of one step; each is held against every name.
const PATTERNS_MAX: usize = 256;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Patterns of files that have to be in the archive with their bytes, e.g.
    /// `etc/kubernetes/pki/ca.key`.
    pub require: Vec<String>,
}

impl Config {
    /// # Errors
    /// `bad-configuration`.
    pub fn check(&self) -> Result<Vec<Glob>, Error> {
        if self.require.len() > PATTERNS_MAX {
            return Err(Error::bad_configuration(format!(
                "the step's config has more than {PATTERNS_MAX} patterns under `require`"
            )));
        }
        let owner = "the step's config has under `require`";
        self.require
            .iter()
            .map(|text| Glob::parse(owner, text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    #[test]
    fn patterns_are_checked() {
        let config: Config = parse("it", r#"{"require":["etc/**/ca.key"]}"#).unwrap();
        assert_eq!(config.check().unwrap().len(), 1);
        let config: Config = parse("it", r#"{"require":["../x"]}"#).unwrap();
        assert_eq!(config.check().unwrap_err().code, "bad-configuration");
        parse::<Config>("it", r#"{"required":[]}"#).unwrap_err();
    }
}
