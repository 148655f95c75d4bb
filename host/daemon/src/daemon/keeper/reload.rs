//! New documents, and those that were refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_core::{ScheduleName, UnixTime};

use super::chores::Chore;
use super::{Keeper, News, Renewed, notify, past};
use crate::daemon::agenda;
use crate::exit::Chain;

impl Keeper {
    pub(super) fn news(&mut self, news: News) {
        if self.is_draining() {
            return;
        }
        match news {
            News::Sound(renewed) => {
                // Those that still wait for the journal are out of date.
                self.chores
                    .retain(|chore| !matches!(chore, Chore::PutInForce(_)));
                self.chores.push_back(Chore::PutInForce(renewed));
            }
            News::Refused(why) => self.refuse(why),
            News::Checked(cannot_run) => return self.checked(cannot_run),
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
        renewed: Box<Renewed>,
        now: UnixTime,
    ) -> Option<Box<Renewed>> {
        let node = &renewed.station.workshop.node;
        let known = agenda::known(node);
        let decided = self
            .journal(move |journal| journal.plan_schedules(&known, now))
            .await;
        let Some(decided) = decided else {
            return Some(renewed);
        };
        let planned = match agenda::planned(node, &decided) {
            Ok(planned) => planned,
            Err(failure) => {
                self.refuse(Chain(&failure.error).to_string());
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
        self.metrics.in_force(&before, &names);
        self.metrics.documents_loaded.set(now.0);
        self.health.documents = None;
        self.health.schedules = names.len();
        self.wake = Some(now);
        self.take_over(*renewed);
        self.show_past(added.iter().map(|name| (*name).to_owned()).collect())
            .await;
        None
    }

    fn take_over(&mut self, renewed: Renewed) {
        let Renewed {
            station,
            cannot_run,
            waiting,
        } = renewed;
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
        self.checked(cannot_run);
        if !Arc::ptr_eq(&station, &self.station()) {
            self.station.send_replace(station);
        }
    }

    /// Takes in which schedules cannot run, and says what is new about it.
    fn checked(&mut self, cannot_run: BTreeMap<ScheduleName, String>) {
        for planned in &self.plan.schedules {
            let schedule = &planned.schedule;
            let why = cannot_run.get(schedule);
            self.metrics.runnable(schedule, why.is_none());
            if let Some(why) = why
                && self.health.cannot_run.get(schedule) != Some(why)
            {
                tracing::error!(%schedule, "the schedule cannot run as things are, others go on: {why}");
            }
            if why.is_none() && self.health.cannot_run.contains_key(schedule) {
                tracing::info!(%schedule, "the schedule can run again");
            }
        }
        self.health.cannot_run = cannot_run;
    }

    /// Fills the gauges of the past for schedules that have just come into force.
    async fn show_past(&mut self, added: Vec<String>) {
        let views = self
            .journal(move |journal| {
                let names = added.into_iter().map(ScheduleName::new);
                Ok(names
                    .flat_map(|name| past::last_good(journal, &name))
                    .collect::<Vec<_>>())
            })
            .await;
        for view in views.iter().flatten() {
            self.metrics.left(view);
        }
    }
}
