//! What the step can be told.

use drydock_plugin_sdk::Error;
use serde::Deserialize;

/// A cluster that lost more than half of its keys since the last backup was more likely
/// emptied by accident than cleaned up.
const KEYS_FALL_PERCENT_DEFAULT: u64 = 50;

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// By how many percent the number of keys may fall from one recovery point to the
    /// next of the same lineage, 0 to 100.
    pub keys_fall_max_percent: u64,
    pub require_hash_kv: RequireHashKv,
}

/// How much weight the comparison with the live members has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequireHashKv {
    /// Whoever can be compared has to be equal; it is a warning when nobody can.
    WhenComparable,
    /// At least one member has to be equal.
    Always,
    /// Nobody is compared.
    Never,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys_fall_max_percent: KEYS_FALL_PERCENT_DEFAULT,
            require_hash_kv: RequireHashKv::WhenComparable,
        }
    }
}

impl Config {
    pub fn check(&self) -> Result<(), Error> {
        if self.keys_fall_max_percent <= 100 {
            return Ok(());
        }
        Err(Error::bad_configuration(format!(
            "the step's config has `keysFallMaxPercent: {}`: give a number from 0 to 100",
            self.keys_fall_max_percent
        )))
    }
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    #[test]
    fn thresholds_are_read_and_checked() {
        let config: Config = parse("it", "{}").unwrap();
        assert_eq!(config.keys_fall_max_percent, 50);
        assert_eq!(config.require_hash_kv, RequireHashKv::WhenComparable);
        let json = r#"{"keysFallMaxPercent":101,"requireHashKv":"always"}"#;
        let config: Config = parse("it", json).unwrap();
        assert_eq!(config.require_hash_kv, RequireHashKv::Always);
        assert_eq!(config.check().unwrap_err().code, "bad-configuration");
        parse::<Config>("it", r#"{"requireHashKv":"sometimes"}"#).unwrap_err();
    }
}
