//! Judges whether a tar archive of files can be trusted, from the facts that the host
//! gathered while the archive streamed in, and, where the step says which files it
//! requires, from what the archive holds under their names.
//!
//! An etcd snapshot passes with a note: it is not this plugin's to judge. Whatever else is
//! no archive fails.
//!
//! **Invariant:** a fact that a rule needs and that is not there is a failure: nothing
//! passes because something is unknown.

mod config;
mod names;
mod required;
mod rules;

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
            findings.extend(match plain {
                Some(plain) => required::judge(&required, &names::contents(plain)?),
                None => vec![required::not_checked()],
            });
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
