//! Judges whether an etcd snapshot can be trusted, from the facts that the host gathered
//! while the snapshot streamed in.
//!
//! Each rule ([`rules`]) looks at some facts and answers with findings; the snapshot
//! passes when none of them is a failure. The plain bytes are not looked at, so a run
//! that is taken up after a crash is judged in the same way.
//!
//! **Invariant:** a fact that a rule needs and that is not there is a failure: nothing
//! passes because something is unknown.

mod config;
mod rules;

use drydock_plugin_sdk::{Error, FactMap, Facts, Finding, Slice, Verdict, Verify, plugin};

use config::Config;

struct EtcdVerify;

impl Verify for EtcdVerify {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|()| Vec::new())
    }

    fn judge(config: Config, facts: &Facts, _plain: Option<&Slice>) -> Result<Verdict, Error> {
        config.check()?;
        Ok(Verdict::of(rules::judge(&config, &FactMap::collect(facts))))
    }
}

plugin! { world: verify, step: EtcdVerify, requests: [] }
