//! What supervisors tell of their runs.

use drydock_core::{FailReason, OccurrenceEnd, RunId, ScheduleName};
use drydock_engine::{RunView, model::Outcome, view::FaultView};

use super::outbox::OutboxEntry;
use super::{OpenRun, RunStatus, Scheduler, Stage};
use crate::past;
use crate::planning;

impl Scheduler {
    pub(super) fn told(&mut self, run: &RunId, told: RunStatus) {
        match told {
            RunStatus::Began { taken_up } => self.run_began(run, taken_up),
            RunStatus::NotYet { why, again } => {
                let Some(supervised) = self.supervised.get(run) else {
                    return;
                };
                let schedule = supervised.active.schedule.clone();
                tracing::warn!(
                    %run, %schedule, due = %supervised.due, again_in_seconds = again.as_secs(),
                    "the run could not be started yet: {why}"
                );
                self.cannot_run(&schedule, why);
            }
            RunStatus::GaveUp { why } => self.gave_up(run, why),
            RunStatus::Changed { open } => self.run_changed(run, *open),
            RunStatus::Halted { why } => self.run_halted(run, why),
            RunStatus::Ended { view } => self.run_ended(run, &view),
            RunStatus::Left => {
                tracing::info!(%run, "the run is left for the next start");
                self.over(run);
            }
        }
    }

    fn run_began(&mut self, run: &RunId, taken_up: bool) {
        self.health.halted.remove(run);
        let Some(supervised) = self.supervised.get_mut(run) else {
            return;
        };
        supervised.stage = Stage::Running;
        let (schedule, due) = (supervised.active.schedule.clone(), supervised.due);
        self.plan.resumed(supervised.active.clone());
        let late = self.clock.since(due);
        if supervised.is_start && !taken_up {
            self.metrics.began(late.as_secs_f64());
        }
        if self.health.cannot_run.remove(&schedule).is_some() {
            self.metrics.runnable(&schedule, true);
        }
        let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%run, %schedule, %due, taken_up, late_ms, "the run is under way");
    }

    fn gave_up(&mut self, run: &RunId, why: FailReason) {
        let Some(supervised) = self.supervised.get(run) else {
            return;
        };
        let (schedule, due) = (supervised.active.schedule.clone(), supervised.due);
        tracing::error!(%run, %schedule, %due, outcome = "Failed", "the occurrence ended, its run could not be started: {why}");
        self.metrics
            .occurrence(&schedule, &OccurrenceEnd::Failed(why.clone()));
        self.cannot_run(&schedule, why.to_string());
        self.last_ended(&schedule, Some(past::not_started(due, &why)));
        self.outbox
            .push_back(OutboxEntry::Fail { schedule, due, why });
        self.over(run);
    }

    /// Takes in what a run asks, holds and keeps from others, and says what is new of it.
    fn run_changed(&mut self, run: &RunId, open: OpenRun) {
        let Some(supervised) = self.supervised.get_mut(run) else {
            return;
        };
        let schedule = &supervised.active.schedule;
        for asked in open.newly_asked(&supervised.open) {
            tracing::warn!(%run, %schedule, question = %asked.question, "the run asks: {}", asked.told(run));
        }
        for answer in open.newly_answered(&supervised.open) {
            let (question, by) = (&answer.question, &answer.by);
            tracing::info!(%run, %schedule, %question, by, at = %answer.at, "the question is answered: {}", answer.choice);
        }
        supervised.active.is_stuck = open.is_stuck;
        supervised.active.frees_subjects = open.frees_subjects;
        supervised.open = open;
        if supervised.stage == Stage::Running {
            self.plan.resumed(supervised.active.clone());
        }
    }

    /// A halted run holds nobody up here: the next backup of its cluster may start.
    fn run_halted(&mut self, run: &RunId, mut why: String) {
        self.plan.ended(run);
        if let Some(supervised) = self.supervised.get_mut(run) {
            supervised.stage = Stage::Halted;
            why.extend(supervised.open.may_hold());
        }
        if self.health.halted.get(run) != Some(&why) {
            tracing::error!(%run, outcome = "Halted", "the run cannot be taken up, others go on: {why}");
        }
        self.health.halted.insert(run.clone(), why);
    }

    fn run_ended(&mut self, run: &RunId, view: &RunView) {
        let schedule = view.schedule.clone();
        if planning::find(&self.plan.schedules, &schedule).is_some() {
            self.metrics.ended(view);
            if let Some(outcome) = &view.outcome {
                let ended = past::told(run, outcome);
                self.last_ended(&schedule, ended);
            }
        }
        tell(run, view);
        self.outbox.push_back(OutboxEntry::Prune(schedule));
        self.over(run);
    }

    fn over(&mut self, run: &RunId) {
        self.plan.ended(run);
        self.health.halted.remove(run);
        self.supervised.remove(run);
    }

    /// Keeps why the schedule's last run is to be looked at, until one succeeds.
    pub(super) fn last_ended(&mut self, schedule: &ScheduleName, problem: Option<String>) {
        match problem {
            Some(problem) => self.health.last_ends.insert(schedule.clone(), problem),
            None => self.health.last_ends.remove(schedule),
        };
    }

    fn cannot_run(&mut self, schedule: &ScheduleName, why: String) {
        if planning::find(&self.plan.schedules, schedule).is_some() {
            self.metrics.runnable(schedule, false);
            self.health.cannot_run.insert(schedule.clone(), why);
        }
    }
}

/// The line that is looked for at 3 a.m.
fn tell(run: &RunId, view: &RunView) {
    let (schedule, due) = (&view.schedule, view.due);
    let seconds = view.finished.map_or(0, |at| at.0 - view.created.0);
    let bytes: u64 = view.stores.iter().map(|store| store.bytes).sum();
    let Some(outcome) = &view.outcome else { return };
    let word = outcome.word();
    match outcome {
        Outcome::Succeeded => {
            tracing::info!(%run, %schedule, %due, outcome = word, seconds, bytes, "the run has ended");
        }
        Outcome::Degraded { reasons } | Outcome::Superseded { reasons } => {
            tracing::warn!(%run, %schedule, %due, outcome = word, seconds, bytes, "the run has ended: {}", reasons.join("; "));
        }
        Outcome::Failed { fault } => {
            // What failed first with it; a cleanup that failed afterwards is another story.
            let is_cause = |kept: &&FaultView| kept.fault.code == fault.code;
            let step = view.faults.iter().find(is_cause);
            let step = step.map_or("", |fault| fault.effect);
            tracing::error!(%run, %schedule, %due, outcome = word, step, code = fault.code.as_str(), seconds, bytes, "the run has ended: {}", fault.message);
        }
    }
}
