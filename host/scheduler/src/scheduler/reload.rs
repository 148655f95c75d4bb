//! New documents, and those that were refused.

use std::sync::Arc;
use std::time::Instant;

use drydock_core::{ScheduleName, UnixTime};

use super::outbox::{JOURNAL_WAIT, OutboxEntry};
use super::{DocumentUpdate, Reload, Scheduler, notify, past};
use crate::checks::Check;
use crate::checks::CheckState;
use crate::health::Unchecked;
use crate::planning;

impl Scheduler {
    pub(super) fn news(&mut self, news: DocumentUpdate) {
        if self.is_draining() {
            return;
        }
        match news {
            DocumentUpdate::Sound(renewed) => {
                // Those that still wait for the journal are out of date.
                self.outbox
                    .retain(|entry| !matches!(entry, OutboxEntry::PutInForce(_)));
                self.outbox.push_back(OutboxEntry::PutInForce(renewed));
            }
            DocumentUpdate::Refused(why) => self.refuse(why),
            DocumentUpdate::Checks(checks) => {
                return checks.into_iter().for_each(|check| self.checked(check));
            }
        }
        if std::mem::take(&mut self.reload_asked) {
            notify::ready(&self.status());
        }
    }

    fn refuse(&mut self, why: String) {
        tracing::error!("the documents were refused, those before stay in force: {why}");
        self.health.documents = Some(why);
    }

    /// Puts documents in force. Gives them back when the journal does not note them.
    pub(super) async fn put_in_force(
        &mut self,
        renewed: Box<Reload>,
        now: UnixTime,
    ) -> Option<Box<Reload>> {
        let node = &renewed.service.registry.node;
        let known = planning::known(node);
        let decided = self
            .journal(move |journal| journal.plan_schedules(&known, now))
            .await;
        let Some(decided) = decided else {
            return Some(renewed);
        };
        let planned = match planning::planned(node, &decided) {
            Ok(planned) => planned,
            Err(error) => {
                self.refuse(error.to_string());
                return None;
            }
        };
        let before = self.names();
        self.plan.schedules = planned;
        let names = self.names();
        let added: Vec<_> = names.difference(&before).map(|n| n.as_str()).collect();
        let removed: Vec<_> = before.difference(&names).map(|n| n.as_str()).collect();
        tracing::info!(
            schedules = names.len(),
            added = added.join(","),
            removed = removed.join(","),
            "the documents are in force"
        );
        for granted in &node.development {
            tracing::warn!("{granted}");
        }
        self.metrics.in_force(&before, &names);
        self.metrics.documents_loaded.set(now.0);
        self.health.documents = None;
        self.health.schedules = names.len();
        self.wake = Some(now);
        self.health
            .cannot_run
            .retain(|name, _| names.contains(name));
        self.health.last_ends.retain(|name, _| names.contains(name));
        let waits = Unchecked::at("it waits for its turn");
        let unchecked = names.iter().map(|name| (name.clone(), waits.clone()));
        self.health.unchecked = unchecked.collect();
        self.take_over(*renewed);
        self.unshown.retain(|name| names.contains(name));
        self.unshown.extend(names.difference(&before).cloned());
        self.past_again = None;
        self.show_past().await;
        None
    }

    fn take_over(&mut self, renewed: Reload) {
        let Reload { service, waiting } = renewed;
        for key in waiting {
            tracing::warn!(
                key,
                "this key of the node's configuration changed and stays as it was until the daemon is restarted"
            );
        }
        for planned in &self.plan.schedules {
            let next = planned.timetable.next_after(planned.decided);
            self.metrics.next_due(&planned.schedule, next);
        }
        if !Arc::ptr_eq(&service, &self.service()) {
            self.service.send_replace(service);
        }
    }

    /// Takes in how the check of a schedule stands, and says what is new about it. One of
    /// other documents than those in force says nothing.
    fn checked(&mut self, check: Check) {
        let Check {
            service,
            schedule,
            state,
        } = check;
        if !Arc::ptr_eq(&service, &self.service())
            || planning::find(&self.plan.schedules, &schedule).is_none()
        {
            return;
        }
        let why = match state {
            CheckState::At(what) => {
                // Of one that was checked before, the last answer stands meanwhile.
                if let Some(unchecked) = self.health.unchecked.get_mut(&schedule) {
                    *unchecked = Unchecked::at(what);
                }
                return;
            }
            CheckState::Passed => None,
            CheckState::CannotRun(why) => Some(why),
        };
        self.health.unchecked.remove(&schedule);
        self.metrics.runnable(&schedule, why.is_none());
        let before = self.health.cannot_run.remove(&schedule);
        match &why {
            Some(why) if before.as_ref() != Some(why) => {
                tracing::error!(%schedule, "the schedule cannot run as things are, others go on: {why}");
            }
            None if before.is_some() => tracing::info!(%schedule, "the schedule can run again"),
            _ => {}
        }
        self.health
            .cannot_run
            .extend(why.map(|why| (schedule, why)));
    }

    /// Shows the past of schedules that came into force. Until the journal tells it, nobody
    /// may take it for a good one: it is asked again, which holds nothing else up.
    pub(super) async fn show_past(&mut self) {
        let is_early = self.past_again.is_some_and(|again| again > Instant::now());
        if self.unshown.is_empty() || is_early {
            return;
        }
        let names = self.unshown.clone();
        let past = self
            .journal(move |journal| {
                let occurrences = journal.last_occurrences()?;
                let of = |schedule: ScheduleName| {
                    let good = past::last_good(journal, &schedule);
                    let end = past::last_end(journal, &occurrences, &schedule)?;
                    Ok((schedule, good, end))
                };
                names.into_iter().map(of).collect::<Result<Vec<_>, _>>()
            })
            .await;
        let Some(past) = past else {
            self.past_again = Some(Instant::now() + JOURNAL_WAIT);
            // What else waits for the journal need not wait because of this.
            self.journal_again = None;
            for name in &self.unshown {
                let end = self.health.last_ends.entry(name.clone());
                end.or_insert_with(|| past::UNTOLD.to_owned());
            }
            return;
        };
        self.unshown.clear();
        for (schedule, good, end) in past {
            good.iter().for_each(|view| self.metrics.left(view));
            self.last_ended(&schedule, end);
        }
    }
}
