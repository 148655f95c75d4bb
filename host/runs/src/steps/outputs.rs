//! The outputs of a run whose backup steps may run side by side: their numbers, their names,
//! and which of them is the snapshot. The run's own state hears of an output only later, so
//! attempts of one process agree here.
//!
//! **Invariant:** a number is given once.
//!
//! **Invariant:** what an attempt claims is let go when it is lost, and it claims nothing
//! afterwards.
//!
//! Nothing of this is kept. The first attempt of a process takes over what the run's state
//! knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, StepName};
use drydock_point::Point;
use drydock_point::state::{check_output_count, name_taken};

/// The outputs of one run.
#[derive(Default)]
pub struct Outputs(Mutex<Table>);

#[derive(Default)]
struct Table {
    is_seeded: bool,
    /// The last number that was given.
    last: u32,
    /// What counts or may come to count.
    claims: BTreeMap<OutputId, Claim>,
    /// The attempt of each step that is under way.
    running: BTreeMap<StepName, u32>,
}

struct Claim {
    step: StepName,
    name: String,
    is_snapshot: bool,
}

/// What one attempt claims its outputs through.
#[derive(Clone)]
pub struct AttemptOutputs {
    outputs: Arc<Outputs>,
    step: StepName,
    attempt: u32,
}

/// Lets everything go that an attempt claimed, unless it counts.
pub struct AttemptClaims {
    outputs: AttemptOutputs,
    counts: bool,
}

impl Outputs {
    /// An attempt begins. Whatever earlier ones of its step claimed counts no more.
    pub fn begin(
        self: &Arc<Self>,
        step: &StepName,
        attempt: u32,
        point: Option<&Point>,
    ) -> AttemptClaims {
        let mut table = self.lock();
        table.seed(point);
        table.claims.retain(|_, claim| claim.step != *step);
        table.running.insert(step.clone(), attempt);
        AttemptClaims {
            outputs: AttemptOutputs {
                outputs: Arc::clone(self),
                step: step.clone(),
                attempt,
            },
            counts: false,
        }
    }

    /// The outputs that count or may come to count.
    pub fn claimed(&self) -> BTreeSet<OutputId> {
        self.lock().claims.keys().copied().collect()
    }

    /// The outputs that were begun and count no more. None of them ever will again.
    pub fn dead(&self) -> Vec<OutputId> {
        let table = self.lock();
        let all = (1..=table.last).map(OutputId);
        all.filter(|output| !table.claims.contains_key(output))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn seed(&mut self, point: Option<&Point>) {
        let Some(point) = point.filter(|_| !self.is_seeded) else {
            return;
        };
        self.is_seeded = true;
        self.last = point.next_output().0.saturating_sub(1);
        self.claims = point
            .live_outputs()
            .map(|output| {
                let sealed = output.sealed();
                let claim = Claim {
                    step: output.step.clone(),
                    name: output.name.clone(),
                    is_snapshot: sealed.is_some_and(|sealed| sealed.nature.is_snapshot()),
                };
                (output.id, claim)
            })
            .collect();
    }
}

impl AttemptOutputs {
    /// Claims an output of this name.
    ///
    /// # Errors
    /// The name is taken, the run has opened too many, or the attempt is over.
    pub fn open(&self, name: &str) -> Result<OutputId, Fault> {
        let mut table = self.table()?;
        if let Some(claim) = table.claims.values().find(|claim| claim.name == name) {
            return Err(name_taken(name, &claim.step));
        }
        let output = OutputId(table.last + 1);
        check_output_count(&self.step, output)?;
        table.last = output.0;
        let claim = Claim {
            step: self.step.clone(),
            name: name.to_owned(),
            is_snapshot: false,
        };
        table.claims.insert(output, claim);
        Ok(output)
    }

    /// An output turns out to be an etcd snapshot. A recovery point has one revision, one
    /// lineage, one predecessor: those of its only snapshot.
    ///
    /// # Errors
    /// There is one already, or the attempt is over.
    pub fn is_snapshot(&self, output: OutputId) -> Result<(), Fault> {
        let mut table = self.table()?;
        let mut others = table.claims.iter().filter(|(id, _)| **id != output);
        let first = others.find(|(_, claim)| claim.is_snapshot);
        let first = first.map(|(_, claim)| claim.name.clone());
        let Some(claim) = table.claims.get_mut(&output) else {
            return Err(attempt_over());
        };
        match first {
            Some(first) => Err(second_snapshot(&claim.name, &first)),
            None => {
                claim.is_snapshot = true;
                Ok(())
            }
        }
    }

    /// An output was given up: its name is free again.
    pub fn discard(&self, output: OutputId) {
        if let Ok(mut table) = self.table() {
            table.claims.remove(&output);
        }
    }

    fn table(&self) -> Result<MutexGuard<'_, Table>, Fault> {
        let table = self.outputs.lock();
        if table.running.get(&self.step) == Some(&self.attempt) {
            Ok(table)
        } else {
            Err(attempt_over())
        }
    }
}

impl AttemptClaims {
    pub fn outputs(&self) -> AttemptOutputs {
        self.outputs.clone()
    }

    /// The attempt is done: what it claimed is kept.
    pub fn count(mut self) {
        self.counts = true;
    }
}

impl Drop for AttemptClaims {
    fn drop(&mut self) {
        let AttemptOutputs {
            outputs,
            step,
            attempt,
        } = &self.outputs;
        let mut table = outputs.lock();
        if table.running.get(step) != Some(attempt) {
            return;
        }
        table.running.remove(step);
        if !self.counts {
            table.claims.retain(|_, claim| claim.step != *step);
        }
    }
}

fn attempt_over() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::RunEnded,
        "the attempt that the output belongs to is over",
    )
}

/// Denied: neither another member nor a second try can change it.
fn second_snapshot(name: &str, first: &str) -> Fault {
    Fault::denied(
        ErrorCode::SecondSnapshot,
        format!(
            "{name} is an etcd snapshot, and this recovery point has {first}, which is one too: it can hold one only, so back the other up by a schedule of its own"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> StepName {
        StepName::new(name)
    }

    #[test]
    fn attempts_side_by_side_share_numbers_names_and_the_one_snapshot() {
        let outputs = Arc::new(Outputs::default());
        let (a, b) = (
            outputs.begin(&step("a"), 1, None),
            outputs.begin(&step("b"), 1, None),
        );
        let first = a.outputs().open("etcd.db").unwrap();
        let second = b.outputs().open("pki.tar").unwrap();
        assert_eq!((first, second), (OutputId(1), OutputId(2)));
        let taken = b.outputs().open("etcd.db").unwrap_err();
        assert_eq!(taken, name_taken("etcd.db", &step("a")));
        a.outputs().is_snapshot(first).unwrap();
        // Each piece of a stream says so again.
        a.outputs().is_snapshot(first).unwrap();
        let refused = b.outputs().is_snapshot(second).unwrap_err();
        assert_eq!(refused, second_snapshot("pki.tar", "etcd.db"));
        b.outputs().discard(second);
        assert_eq!(outputs.dead(), [second]);
        assert_eq!(b.outputs().open("pki.tar").unwrap(), OutputId(3));
    }

    #[test]
    fn a_lost_attempt_lets_go_and_claims_nothing_more() {
        let outputs = Arc::new(Outputs::default());
        let lost = outputs.begin(&step("a"), 1, None);
        let late = lost.outputs();
        let first = late.open("etcd.db").unwrap();
        drop(lost);
        assert_eq!(late.open("late").unwrap_err(), attempt_over());
        assert_eq!(late.is_snapshot(first).unwrap_err(), attempt_over());
        let again = outputs.begin(&step("a"), 2, None);
        let second = again.outputs().open("etcd.db").unwrap();
        again.count();
        let claimed: Vec<_> = outputs.claimed().into_iter().collect();
        assert_eq!((claimed, outputs.dead()), (vec![second], vec![first]));
        // What is done counts until its step runs anew.
        let other = outputs.begin(&step("b"), 1, None);
        assert!(other.outputs().open("etcd.db").is_err());
        drop(outputs.begin(&step("a"), 3, None));
        assert!(other.outputs().open("etcd.db").is_ok());
    }
}
