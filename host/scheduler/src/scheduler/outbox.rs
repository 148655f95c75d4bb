//! What has to be written some time: the journal may be out of room for a while, and
//! nothing of it may be lost. Chores are done in their order; one that fails is tried
//! again, with everything behind it.

use std::time::Duration;

use drydock_core::{FailReason, ScheduleName, UnixTime};

use super::{Scheduler, past};
use crate::planning;
use crate::watcher::Reload;

/// Wait before the journal is asked again after it took nothing.
pub const JOURNAL_WAIT: Duration = Duration::from_secs(5);

/// How long occurrences are kept: a quarter, for whoever is asked what happened.
const OCCURRENCE_SECONDS_MAX: i64 = 90 * 86_400;

/// Chores of one tick; the loop must come round in between.
const CHORES_MAX: usize = 32;

pub enum OutboxEntry {
    /// New documents come into force.
    PutInForce(Box<Reload>),
    /// An occurrence ends as Failed.
    Fail {
        schedule: ScheduleName,
        due: UnixTime,
        why: FailReason,
    },
    /// The history of a schedule is cut to its limits.
    Prune(ScheduleName),
}

impl Scheduler {
    pub(super) async fn do_chores(&mut self, now: UnixTime) {
        for _ in 0..CHORES_MAX {
            if !self.may_ask_journal() {
                return;
            }
            let Some(entry) = self.outbox.pop_front() else {
                return;
            };
            if let Some(entry) = self.do_chore(entry, now).await {
                return self.outbox.push_front(entry);
            }
        }
    }

    /// Gives the entry back when the journal did not take it.
    async fn do_chore(&mut self, entry: OutboxEntry, now: UnixTime) -> Option<OutboxEntry> {
        match entry {
            OutboxEntry::PutInForce(renewed) => {
                let renewed = self.put_in_force(renewed, now).await?;
                Some(OutboxEntry::PutInForce(renewed))
            }
            OutboxEntry::Fail { schedule, due, why } => {
                let (name, reason) = (schedule.clone(), why.clone());
                let done = self
                    .journal(move |journal| journal.fail_occurrence(&name, due, &reason))
                    .await;
                match done {
                    Some(()) => None,
                    None => Some(OutboxEntry::Fail { schedule, due, why }),
                }
            }
            OutboxEntry::Prune(schedule) => {
                let pruned = self.prune(&schedule, now).await;
                (!pruned).then_some(OutboxEntry::Prune(schedule))
            }
        }
    }

    /// A schedule that is no longer there keeps its history: nobody says how much of it.
    async fn prune(&mut self, schedule: &ScheduleName, now: UnixTime) -> bool {
        let service = self.service();
        let Some(document) = service.registry.node.documents.schedule(schedule) else {
            return true;
        };
        let document = document.value.clone();
        let pruned = self
            .journal(move |journal| {
                let newest = past::newest_good(journal, &document.name)?;
                let kept = newest.into_iter().map(|row| row.run).collect();
                let limits = planning::history(&document, now, kept);
                let runs = journal.prune(&document.name, &limits)?;
                let oldest = UnixTime(now.0.saturating_sub(OCCURRENCE_SECONDS_MAX));
                Ok((runs, journal.prune_occurrences(oldest)?))
            })
            .await;
        if let Some((runs, occurrences)) = pruned {
            tracing::debug!(%schedule, runs, occurrences, "old records were removed");
        }
        pruned.is_some()
    }
}
