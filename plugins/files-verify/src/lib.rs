//! Judges whether a tar archive of files can be trusted, from the facts that the host
//! gathered while the archive streamed in, and, where the step says which names it
//! requires, from the names in the archive.
//!
//! An etcd snapshot passes with a note: it is not this plugin's to judge. Whatever else is
//! no archive fails.
//!
//! **Invariant:** a fact that a rule needs and that is not there is a failure: nothing
//! passes because something is unknown.

mod config;
mod names;
mod rules;

use drydock_plugin_sdk::glob::Glob;
use drydock_plugin_sdk::{Error, FactMap, Facts, Finding, Level, Slice, Verdict, Verify, plugin};

use config::Config;
use names::Bytes;

struct FilesVerify;

impl Verify for FilesVerify {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|_| Vec::new())
    }

    fn judge(config: Config, facts: &Facts, plain: Option<&Slice>) -> Result<Verdict, Error> {
        let required = config.check()?;
        let facts = FactMap::collect(facts);
        let mut findings = rules::judge(&facts);
        let sound = findings.iter().all(|found| found.level != Level::Failure);
        // Names are looked for only in what is sound.
        if sound && !required.is_empty() && !rules::is_snapshot(&facts) {
            findings.extend(missing(&required, plain)?);
        }
        Ok(Verdict::of(findings))
    }
}

plugin! { world: verify, step: FilesVerify, requests: [] }

impl Bytes for Slice {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        Slice::read(self, offset, length)
    }
}

/// Which patterns name nothing in the archive.
fn missing(required: &[Glob], plain: Option<&Slice>) -> Result<Option<Finding>, Error> {
    let Some(plain) = plain else {
        return Ok(Some(Finding::warning(
            "require-not-checked",
            "the run was taken up after a crash, when the archive's bytes were gone, so that nobody looked for the names under `require`",
        )));
    };
    let mut wanted: Vec<&Glob> = required.iter().collect();
    names::each(plain, |name| wanted.retain(|glob| !glob.matches(name)))?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let texts: Vec<String> = wanted
        .iter()
        .map(|glob| format!("`{}`", glob.text()))
        .collect();
    Ok(Some(Finding::failure(
        "required-missing",
        format!(
            "{} of `require` names nothing in the archive: see what the backup step left out, or mend the list",
            texts.join(", ")
        ),
    )))
}
