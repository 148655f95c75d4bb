//! What a torture amounted to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use super::behaviours::Act;
use super::company::Played;
use super::footprint::Footprint;

/// How often each behaviour came up, and each way to end.
#[derive(Default)]
pub struct Counts(Mutex<Tables>);

#[derive(Default, Clone)]
struct Tables {
    acts: BTreeMap<String, u64>,
    codes: BTreeMap<String, u64>,
}

/// The end of a torture.
pub struct Summary {
    pub seed: u64,
    pub sequences: u64,
    pub backups: u64,
    pub took: Duration,
    pub slowest_sequence: Duration,
    pub slowest_backup: Duration,
    pub beats: u64,
    pub latest_beat: Duration,
    pub before: Footprint,
    pub after: Footprint,
    pub counts: Counts,
}

impl Counts {
    /// Counts one play; none when it was dropped midway.
    pub fn count(&self, act: Act, played: Option<&Played>) {
        let code = match played {
            None => "(dropped)",
            Some(played) => played.code().unwrap_or("(returned)"),
        };
        let Ok(mut tables) = self.0.lock() else {
            return;
        };
        *tables.acts.entry(act.to_string()).or_default() += 1;
        *tables.codes.entry(code.to_owned()).or_default() += 1;
    }

    fn tables(&self) -> Tables {
        self.0
            .lock()
            .map(|tables| tables.clone())
            .unwrap_or_default()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tables { acts, codes } = self.counts.tables();
        let seconds = self.took.as_secs_f64();
        writeln!(f, "seed {}", self.seed)?;
        writeln!(
            f,
            "{} sequences with {} plays in {seconds:.0} s, the slowest {:.2?}",
            self.sequences,
            acts.values().sum::<u64>(),
            self.slowest_sequence
        )?;
        writeln!(
            f,
            "{} backups beside them, each verified, the slowest {:.2?}",
            self.backups, self.slowest_backup
        )?;
        writeln!(
            f,
            "{} beats of an unrelated timer, the latest late by {:.2?}",
            self.beats, self.latest_beat
        )?;
        writeln!(f, "before: {}", self.before)?;
        writeln!(f, "after:  {}", self.after)?;
        writeln!(f, "how they ended:")?;
        table(f, &codes)?;
        writeln!(f, "what they did:")?;
        table(f, &acts)
    }
}

fn table(f: &mut fmt::Formatter<'_>, rows: &BTreeMap<String, u64>) -> fmt::Result {
    for (name, count) in rows {
        writeln!(f, "{count:8} {name}")?;
    }
    Ok(())
}
