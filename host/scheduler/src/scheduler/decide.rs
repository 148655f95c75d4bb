//! Deciding what is due, and what the last process left undone.

use std::time::Instant;

use drydock_core::{FailReason, OccurrenceEnd, UnixTime};
use drydock_journal::{Occurrence, RunRow};
use drydock_schedule::{ActiveRun, Decision, next_wake, plan};

use super::outbox::OutboxEntry;
use super::{OpenRun, Phase, RunCommand, Scheduler, Stage, TAKE_UP_WALL_MAX, Task};
use crate::past;
use crate::planning;
use crate::planning::Patience;

/// What a run is told that has to make room.
const REPLACED: &str =
    "a later occurrence of its schedule is due, and concurrencyPolicy is Replace";

impl Scheduler {
    /// Takes up every run that has no end, of whichever schedule.
    pub(super) async fn take_up(&mut self) {
        let Some(rows) = self.journal(|journal| journal.open_runs(None)).await else {
            return;
        };
        for row in rows {
            tracing::info!(run = %row.run, schedule = %row.schedule, due = %row.due, "an unfinished run is taken up");
            let due = row.due;
            let open = OpenRun::of_row(&row);
            for asked in &open.questions {
                tracing::warn!(run = %row.run, schedule = %row.schedule, question = %asked.question, "the run asks: {}", asked.told(&row.run));
            }
            self.attend(active_run(row), open, due, Task::TakeUp);
        }
        self.phase = Phase::TakingUp(Instant::now() + TAKE_UP_WALL_MAX);
    }

    /// Whether planning may begin: all that is unfinished was taken up, or is at it for so
    /// long that it counts as under way.
    pub(super) fn has_taken_up(&self, until: Instant) -> bool {
        self.count(Stage::Beginning) == 0 || until <= Instant::now()
    }

    /// Starts what was decided to start and has no run: the last process ended in between.
    pub(super) async fn start_pending(&mut self, now: UnixTime) {
        let Some(pending) = self.journal(|journal| journal.pending_occurrences()).await else {
            return;
        };
        for (run, supervised) in &self.supervised {
            if supervised.stage == Stage::Beginning {
                tracing::warn!(%run, "the run is still being taken up, others go on");
                self.plan.resumed(supervised.active.clone());
            }
        }
        for occurrence in pending {
            self.start_one_pending(occurrence, now);
        }
        self.phase = Phase::Serving;
        self.wake = Some(now);
    }

    fn start_one_pending(&mut self, occurrence: Occurrence, now: UnixTime) {
        let Occurrence {
            schedule, due, run, ..
        } = occurrence;
        let planned = planning::find(&self.plan.schedules, &schedule);
        let why = match planned {
            None => FailReason::ScheduleGone,
            Some(planned)
                if planned
                    .timetable
                    .next_after(due)
                    .is_some_and(|next| next <= now) =>
            {
                FailReason::LaterDue
            }
            Some(planned) => {
                tracing::info!(%schedule, %run, %due, "an occurrence whose run had not begun is started");
                let patience = Patience::of(planned, due);
                let active = ActiveRun {
                    run,
                    schedule: schedule.clone(),
                    cluster: planned.cluster.clone(),
                    kind: planned.kind,
                    subjects: planned.subjects.clone(),
                    is_stuck: false,
                    frees_subjects: false,
                };
                self.plan.resumed(active.clone());
                let task = Task::Start {
                    schedule,
                    due,
                    patience,
                };
                return self.attend(active, OpenRun::default(), due, task);
            }
        };
        tracing::error!(%schedule, %run, %due, outcome = "Failed", "the occurrence ended: {why}");
        self.metrics
            .occurrence(&schedule, &OccurrenceEnd::Failed(why.clone()));
        if planned.is_some() {
            self.last_ended(&schedule, Some(past::not_started(due, &why)));
        }
        self.outbox
            .push_back(OutboxEntry::Fail { schedule, due, why });
    }

    /// Decides what is due, records it, and carries it out.
    pub(super) async fn plan(&mut self, now: UnixTime) {
        if self.wake.is_none_or(|wake| now < wake) {
            return;
        }
        let decisions = plan(&self.plan, now);
        if !decisions.is_empty() {
            let occurrences: Vec<_> = decisions
                .iter()
                .map(|decision| planning::occurrence(decision, now))
                .collect();
            let recorded = self
                .journal(move |journal| journal.decide(&occurrences))
                .await;
            if recorded.is_none() {
                return;
            }
            self.batches += 1;
            self.crash.after_decision(self.batches);
            for decision in decisions {
                self.carry_out(decision);
            }
        }
        self.wake = next_wake(&self.plan, now);
    }

    fn carry_out(&mut self, decision: Decision) {
        self.plan.record(&decision);
        let active = decision.active_run();
        let Decision {
            schedule,
            due,
            run,
            end,
            ..
        } = decision;
        self.metrics.occurrence(&schedule, &end);
        let outcome = end.word();
        match end.reason() {
            Some(reason) => {
                tracing::warn!(%schedule, %run, %due, outcome, "the occurrence ended: {reason}");
            }
            None => tracing::info!(%schedule, %run, %due, outcome, "the occurrence is due"),
        }
        let Some(planned) = planning::find(&self.plan.schedules, &schedule) else {
            return;
        };
        let next = planned.timetable.next_after(due);
        self.metrics.next_due(&schedule, next);
        let OccurrenceEnd::Started { replaces } = end else {
            return;
        };
        let patience = Patience::of(planned, due);
        for replaced in &replaces {
            if let Some(supervised) = self.supervised.get(replaced) {
                tracing::warn!(run = %replaced, by = %run, "the run is replaced");
                supervised.order(RunCommand::Cancel(REPLACED.to_owned()));
            }
        }
        let task = Task::Start {
            schedule,
            due,
            patience,
        };
        self.attend(active, OpenRun::default(), due, task);
    }
}

/// A run as its row tells, the way planning sees it.
fn active_run(row: RunRow) -> ActiveRun {
    let claim = row.claim();
    let (is_stuck, frees_subjects) = (claim.is_stuck, claim.frees_subjects);
    ActiveRun {
        run: row.run,
        schedule: row.schedule,
        cluster: row.cluster,
        kind: row.kind,
        subjects: row.subjects,
        is_stuck,
        frees_subjects,
    }
}
