//! Keeps an etcd cluster small: compacts its history, gives the free pages of its members
//! back, and brings it out of a NOSPACE alarm.
//!
//! What is done, in this order: a look at all members, which have to be healthy; where it is
//! asked for, a compaction, and a wait until every member has carried it out; then one member
//! after the other, followers first, with a pause and another look between any two; the leader
//! last, left out, or after it handed the leadership over. A repair begins with the NOSPACE
//! alarm, ends with disarming it, and then asks every member whether it would take a write.
//!
//! A defragmented member answers nobody meanwhile, so that two of them at once could cost the
//! cluster its quorum: whoever is not sure that the last one is back stops. [`health`] says
//! what healthy means and [`choice`] who comes next; both know nothing of the host.
//!
//! **Invariant:** no member is touched unless all of them answered a moment ago, agree on a
//! leader, are level, and answer for the cluster.
//! **Invariant:** one member at a time, and the next one only once the last is back.
//! **Invariant:** no key is written and no member is started, stopped or removed.
//!
//! Nothing is taken back: a compacted history is gone, free pages come back by themselves, and
//! who leads is the cluster's own affair. Whoever comes again after a crash looks at the
//! members as they are and leaves out those that are small already. A member that was being
//! defragmented goes on by itself, and is waited for by the look at its health.

mod choice;
mod config;
mod health;
mod maintain;
mod record;
mod survey;
mod tell;

use drydock_plugin_sdk::{Action, Error, Finding, plugin};

use config::{Config, Work};
use health::judge;
use maintain::Maintenance;

struct EtcdMaintain;

impl Action for EtcdMaintain {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        Work::of(config).map(|_| Vec::new())
    }

    fn plan(config: Config) -> Result<Vec<String>, Error> {
        let work = Work::of(&config)?;
        let judged = judge(&survey::take(), work.no_space());
        Ok(tell::plan(&work, &judged))
    }

    fn run(config: Config) -> Result<(), Error> {
        let work = Work::of(&config)?;
        Maintenance::new(work).run()
    }
}

plugin! {
    world: action,
    step: EtcdMaintain,
    requests: [
        "etcd.member-list", "etcd.status", "etcd.health", "etcd.compact", "etcd.defragment",
        "etcd.move-leader", "etcd.alarm-disarm", "etcd.probe-put",
    ],
    action: {
        repeat: "idempotent",
        access: "writes",
        outputs: {
            "bytes-before": "integer", "bytes-after": "integer", "bytes-freed": "integer",
            "compact-revision": "integer", "members": "json",
        },
    },
}
