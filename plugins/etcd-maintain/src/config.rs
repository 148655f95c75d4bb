//! What the step can be told, and what that comes to.

use drydock_plugin_sdk::Error;
use serde::Deserialize;

use crate::health::NoSpace;

/// Revisions that a compaction leaves where nothing is said: some minutes of a busy cluster,
/// so that nobody who watches it has to begin anew.
const KEEP_REVISIONS_DEFAULT: u64 = 10_000;

/// What a member has to have free before it is worth the time that it is blocked.
const MIN_FREE_BYTES_DEFAULT: u64 = 100 * 1024 * 1024;
const MIN_FREE_PERCENT_DEFAULT: u8 = 45;

/// The time between two members where nothing is said: clients come back to the first.
const PAUSE_SECONDS_DEFAULT: u32 = 10;

/// How long it is waited for all members to be healthy.
const SETTLE_SECONDS_DEFAULT: u32 = 120;

/// The longest of either: what waits longer is no maintenance that anybody looks after.
const PAUSE_SECONDS_MAX: u32 = 300;
const SETTLE_SECONDS_MAX: u32 = 240;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// `[compact]`, `[defragment]`, both, or `[repair-space]` alone.
    #[serde(rename = "do")]
    pub tasks: Vec<Task>,
    /// How many of the newest revisions a compaction leaves.
    pub keep_revisions: Option<u64>,
    /// A member is defragmented where so much of its file is free, by both measures.
    pub min_free_bytes: Option<u64>,
    pub min_free_percent: Option<u8>,
    /// What becomes of the leader.
    pub leader: Option<Leader>,
    /// Between two members.
    pub pause_seconds: Option<u32>,
    /// For all members to be healthy, before the first and after each.
    pub settle_seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    Compact,
    Defragment,
    /// After a NOSPACE alarm: all of it, until the cluster takes writes again.
    RepairSpace,
}

/// What becomes of the leader, which blocks the whole cluster while it is defragmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leader {
    /// It is left out.
    Skip,
    /// It is defragmented last, and leads meanwhile.
    Last,
    /// It hands the leadership over, and is then defragmented last.
    MoveFirst,
}

/// What the configuration comes to, in the order in which it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Revisions to keep.
    pub compact: Option<u64>,
    pub defragment: Option<Defragment>,
    /// Whether it begins with a NOSPACE alarm and ends without.
    pub repairs: bool,
    pub pause_seconds: u32,
    pub settle_seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defragment {
    pub min_free_bytes: u64,
    pub min_free_percent: u8,
    pub leader: Leader,
}

impl Work {
    /// Refuses what contradicts itself: a key that nothing comes of is a slip.
    pub fn of(config: &Config) -> Result<Self, Error> {
        let has = |task| config.tasks.contains(&task);
        check_tasks(&config.tasks)?;
        let repairs = has(Task::RepairSpace);
        let compacts = repairs || has(Task::Compact);
        let defragments = repairs || has(Task::Defragment);
        check_keys(config, compacts, defragments)?;
        if repairs && config.leader == Some(Leader::Skip) {
            return Err(refused(
                "says `leader: skip` with `do: [repair-space]`, which has to shrink every member: say `leader: last` or `leader: move-first`",
            ));
        }
        let usual = |value| if repairs { 0 } else { value };
        let keep = config.keep_revisions;
        Ok(Self {
            compact: compacts.then(|| keep.unwrap_or(usual(KEEP_REVISIONS_DEFAULT))),
            defragment: defragments.then(|| defragment(config, repairs)),
            repairs,
            pause_seconds: at_most(
                "pauseSeconds",
                config.pause_seconds.unwrap_or(PAUSE_SECONDS_DEFAULT),
                PAUSE_SECONDS_MAX,
            )?,
            settle_seconds: at_most(
                "settleSeconds",
                config.settle_seconds.unwrap_or(SETTLE_SECONDS_DEFAULT),
                SETTLE_SECONDS_MAX,
            )?,
        })
    }
}

impl Work {
    /// Whether the alarm that is to be repaired may stand.
    pub fn no_space(&self) -> NoSpace {
        if self.repairs {
            NoSpace::Allowed
        } else {
            NoSpace::Forbidden
        }
    }
}

/// A cluster that takes no writes gives back what it can, and has nobody to be blocked.
fn defragment(config: &Config, repairs: bool) -> Defragment {
    let (bytes, percent, leader) = if repairs {
        (0, 0, Leader::Last)
    } else {
        (
            MIN_FREE_BYTES_DEFAULT,
            MIN_FREE_PERCENT_DEFAULT,
            Leader::Skip,
        )
    };
    Defragment {
        min_free_bytes: config.min_free_bytes.unwrap_or(bytes),
        min_free_percent: config.min_free_percent.unwrap_or(percent),
        leader: config.leader.unwrap_or(leader),
    }
}

fn check_tasks(tasks: &[Task]) -> Result<(), Error> {
    use Task::{Compact, Defragment, RepairSpace};
    match tasks {
        [Compact | Defragment | RepairSpace] | [Compact, Defragment] => Ok(()),
        [] => Err(refused(
            "does not say what to do: add e.g. `do: [compact, defragment]`",
        )),
        [Defragment, Compact] => Err(refused(
            "defragments before it compacts, which frees nothing: write `do: [compact, defragment]`",
        )),
        _ => Err(refused(
            "says more under `do` than goes together: it is `[compact]`, `[defragment]`, `[compact, defragment]` or `[repair-space]`",
        )),
    }
}

fn check_keys(config: &Config, compacts: bool, defragments: bool) -> Result<(), Error> {
    let unused = |key: &str, task: &str| {
        Err(refused(&format!(
            "has the key `{key}`, of which nothing comes without {task} under `do`: add that, or remove the key"
        )))
    };
    if config.keep_revisions.is_some() && !compacts {
        return unused("keepRevisions", "compact");
    }
    let given = [
        ("minFreeBytes", config.min_free_bytes.is_some()),
        ("minFreePercent", config.min_free_percent.is_some()),
        ("leader", config.leader.is_some()),
    ];
    let given = given.iter().find(|(_, is_given)| *is_given);
    if let Some((key, _)) = given.filter(|_| !defragments) {
        return unused(key, "defragment");
    }
    match config.min_free_percent {
        Some(percent @ 101..) => Err(refused(&format!(
            "has `minFreePercent: {percent}`: it is 0 to 100"
        ))),
        _ => Ok(()),
    }
}

fn at_most(key: &str, seconds: u32, max: u32) -> Result<u32, Error> {
    if seconds <= max {
        return Ok(seconds);
    }
    Err(refused(&format!(
        "has `{key}: {seconds}`: it is {max} at most"
    )))
}

fn refused(why: &str) -> Error {
    Error::bad_configuration(format!("the step's config {why}"))
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    fn work(json: &str) -> Result<Work, Error> {
        Work::of(&parse::<Config>("the step's config", json)?)
    }

    #[test]
    fn little_is_said_and_the_rest_is_careful() {
        let work = work(r#"{"do": ["compact", "defragment"]}"#).unwrap();
        let defragment = Defragment {
            min_free_bytes: 104_857_600,
            min_free_percent: 45,
            leader: Leader::Skip,
        };
        let expected = Work {
            compact: Some(10_000),
            defragment: Some(defragment),
            repairs: false,
            pause_seconds: 10,
            settle_seconds: 120,
        };
        assert_eq!(work, expected);
    }

    #[test]
    fn one_task_is_not_another() {
        let compact = work(r#"{"do": ["compact"], "keepRevisions": 5}"#).unwrap();
        assert_eq!((compact.compact, compact.defragment), (Some(5), None));
        let defragment = work(r#"{"do": ["defragment"], "leader": "move-first"}"#).unwrap();
        assert_eq!(defragment.compact, None);
        assert_eq!(defragment.defragment.unwrap().leader, Leader::MoveFirst);
    }

    #[test]
    fn a_repair_takes_everything_that_is_free() {
        let work = work(r#"{"do": ["repair-space"], "pauseSeconds": 0}"#).unwrap();
        let all = Defragment {
            min_free_bytes: 0,
            min_free_percent: 0,
            leader: Leader::Last,
        };
        assert_eq!((work.compact, work.defragment), (Some(0), Some(all)));
        assert!(work.repairs && work.pause_seconds == 0);
    }

    #[test]
    fn each_slip_reads_as_what_it_is() {
        for (json, expected) in [
            (
                "{}",
                "does not say what to do: add e.g. `do: [compact, defragment]`",
            ),
            (
                r#"{"do": ["defragment", "compact"]}"#,
                "defragments before it compacts, which frees nothing: write `do: [compact, defragment]`",
            ),
            (
                r#"{"do": ["repair-space", "defragment"]}"#,
                "says more under `do` than goes together: it is `[compact]`, `[defragment]`, `[compact, defragment]` or `[repair-space]`",
            ),
            (
                r#"{"do": ["defragment"], "keepRevisions": 1}"#,
                "has the key `keepRevisions`, of which nothing comes without compact under `do`: add that, or remove the key",
            ),
            (
                r#"{"do": ["compact"], "leader": "last"}"#,
                "has the key `leader`, of which nothing comes without defragment under `do`: add that, or remove the key",
            ),
            (
                r#"{"do": ["repair-space"], "leader": "skip"}"#,
                "says `leader: skip` with `do: [repair-space]`, which has to shrink every member: say `leader: last` or `leader: move-first`",
            ),
            (
                r#"{"do": ["defragment"], "minFreePercent": 101}"#,
                "has `minFreePercent: 101`: it is 0 to 100",
            ),
            (
                r#"{"do": ["compact"], "settleSeconds": 241}"#,
                "has `settleSeconds: 241`: it is 240 at most",
            ),
            (
                r#"{"do": ["defrag"]}"#,
                "has a wrong value for `do`: unknown variant `defrag`, expected one of `compact`, `defragment`, `repair-space`",
            ),
        ] {
            let error = work(json).unwrap_err();
            assert_eq!(error.code, "bad-configuration");
            assert_eq!(error.message, format!("the step's config {expected}"));
        }
    }
}
