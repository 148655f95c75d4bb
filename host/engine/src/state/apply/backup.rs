//! The backup steps and their outputs. An output belongs to the step that opened it: what
//! becomes of the step's attempt becomes of its outputs, and of no others.

use drydock_core::{ErrorCode, Fault, Finding, OutputId, StepName};

use super::super::{Backup, Output, OutputPhase, Report, RunState, Store, name_taken};
use crate::model::{Effect, Event, SealedOutput};
use crate::task::{Phase, Retry, Task};

/// Attempts of a backup step that may be lost with their process. A backup that takes the
/// process down each time must end some day; a daemon that is restarted a few times
/// must not cost the recovery point.
const LOST_BACKUPS_MAX: u32 = 32;

impl RunState {
    /// The process that worked on the run is gone. What was sealed by a step that had
    /// finished can be sent again; a stream that was cut off cannot.
    pub(super) fn resumed(&mut self) {
        for index in 0..self.backups.len() {
            let backup = &mut self.backups[index];
            if backup.task.resumed() {
                let step = backup.step.clone();
                self.lose_backup(&step, &interrupted());
            }
        }
        if let Some(drill) = &mut self.drill {
            drill.task.resumed();
        }
        self.sign.resumed();
        self.drop_spool.resumed();
        self.finish.resumed();
        for output in self.outputs.values_mut() {
            output.judging.values_mut().for_each(|judging| {
                judging.task.resumed();
            });
        }
        self.stores.iter_mut().for_each(Store::resumed);
    }

    /// Nothing of the step's present attempt counts, through no fault of the plugin: the
    /// step runs anew.
    fn lose_backup(&mut self, step: &StepName, reason: &Fault) {
        self.discard_outputs(step, reason);
        self.manifest = None;
        self.sign = Task::default();
        let Some(backup) = self.backup_mut(step) else {
            return;
        };
        backup.task.phase = Phase::Idle;
        backup.report = None;
        backup.lost += 1;
        let lost = backup.lost;
        if lost > LOST_BACKUPS_MAX {
            self.end(lost_too_often(step, lost));
        }
    }

    pub(super) fn output_opened(&mut self, event: &Event) {
        let Event::OutputOpened {
            step,
            output,
            name,
            secret,
            object_suffix,
            extension,
        } = event
        else {
            return;
        };
        let Some(backup) = self.backup(step) else {
            return;
        };
        if self.outputs.contains_key(output) {
            return;
        }
        let object = format!("{}{name}.{object_suffix}.{extension}", self.prefix());
        let mut opened = Output::open(*output, &backup.step, name, *secret, object, &self.spec);
        if !backup.task.is_in_flight() {
            opened.discard(&interrupted());
        } else if let Some(other) = self.live_outputs().find(|other| other.name == *name) {
            opened.discard(&name_taken(name, &other.step));
        }
        self.outputs.insert(*output, opened);
    }

    pub(super) fn sealed_advanced(&mut self, output: OutputId, sealed_bytes: u64) {
        let phase = self.outputs.get_mut(&output).map(|found| &mut found.phase);
        if let Some(OutputPhase::Open { available }) = phase {
            *available = sealed_bytes.max(*available);
        }
    }

    /// Only the attempt that opened an output can take it back, while it runs.
    pub(super) fn output_discarded(&mut self, output: OutputId, reason: &Fault) {
        let is_running = self.backup_of(output).is_some_and(Backup::is_running);
        if let Some(found) = self.outputs.get_mut(&output).filter(|_| is_running) {
            found.discard(reason);
        }
    }

    /// The sealed bytes of a live output are gone. Where its step is done, the step runs
    /// anew; where it still runs, it finds out itself, and this output is lost.
    pub(super) fn output_lost(&mut self, output: OutputId, reason: &Fault) {
        let done = self.backup_of(output).filter(|b| b.task.is_done());
        match done.map(|backup| backup.step.clone()) {
            Some(step) => self.lose_backup(&step, reason),
            None => self.output_discarded(output, reason),
        }
    }

    pub(super) fn output_sealed(&mut self, sealed: &SealedOutput) {
        let Some(found) = self.outputs.get_mut(&sealed.output) else {
            return;
        };
        if matches!(found.phase, OutputPhase::Open { .. }) {
            found.phase = OutputPhase::Sealed(Box::new(sealed.clone()));
            self.check_part_counts(sealed.output);
        }
    }

    pub(super) fn backup_finished(
        &mut self,
        step: &StepName,
        attempt: u32,
        degraded: bool,
        findings: &[Finding],
    ) {
        let Some(backup) = self.running_mut(step, attempt) else {
            return;
        };
        backup.task.done();
        backup.report = Some(Report {
            degraded,
            findings: findings.to_vec(),
        });
        let step = backup.step.clone();
        let left_open = |output: &&mut Output| matches!(output.phase, OutputPhase::Open { .. });
        for output in self.outputs_of_mut(&step).filter(left_open) {
            output.discard(&never_finished(&step));
        }
        if !self.live_outputs().any(|output| output.step == step) {
            self.end(no_output(&step));
        }
    }

    pub(super) fn backup_failed(&mut self, step: &StepName, attempt: u32, fault: &Fault) {
        let Some(backup) = self.running_mut(step, attempt) else {
            return;
        };
        let step = backup.step.clone();
        let effect = Effect::StartBackup {
            step: step.clone(),
            attempt,
            first_output: OutputId(1),
        };
        self.keep_fault(&effect, fault);
        self.discard_outputs(&step, fault);
        let timer = self.next_timer();
        let retry = Retry::of(&effect, &self.spec.policy);
        let Some(backup) = self.backup_mut(&step) else {
            return;
        };
        backup.task.fail(fault, retry, timer);
        if backup.task.gave_up().is_some() {
            self.end(fault.clone());
        }
    }

    /// The number of the next output.
    #[must_use]
    pub fn next_output(&self) -> OutputId {
        let last = self.outputs.keys().next_back();
        OutputId(last.map_or(1, |output| output.0.saturating_add(1)))
    }

    /// The backup step that made an output.
    fn backup_of(&self, output: OutputId) -> Option<&Backup> {
        self.backup(&self.outputs.get(&output)?.step)
    }

    /// The step, if this attempt of it is the one that runs.
    fn running_mut(&mut self, step: &StepName, attempt: u32) -> Option<&mut Backup> {
        let backup = self.backup_mut(step)?;
        let runs = backup.is_running() && backup.task.attempts == attempt;
        runs.then_some(backup)
    }

    fn outputs_of_mut<'a>(
        &'a mut self,
        step: &'a StepName,
    ) -> impl Iterator<Item = &'a mut Output> {
        let outputs = self.outputs.values_mut();
        outputs.filter(move |output| output.step == *step)
    }

    fn discard_outputs(&mut self, step: &StepName, reason: &Fault) {
        let live = |output: &&mut Output| output.is_live();
        for output in self.outputs_of_mut(step).filter(live) {
            output.discard(reason);
        }
    }
}

impl Backup {
    fn is_running(&self) -> bool {
        self.task.is_in_flight()
    }
}

fn interrupted() -> Fault {
    Fault::transient(
        ErrorCode::Interrupted,
        "the process that made the backup ended",
    )
}

fn never_finished(step: &StepName) -> Fault {
    Fault::permanent(
        ErrorCode::LeftOpen,
        format!("step {step} ended without finishing this output"),
    )
}

fn no_output(step: &StepName) -> Fault {
    Fault::permanent(
        ErrorCode::NoOutput,
        format!("step {step} ended without a finished output: there is nothing to store of it"),
    )
}

fn lost_too_often(step: &StepName, lost: u32) -> Fault {
    Fault::permanent(
        ErrorCode::LostTooOften,
        format!(
            "step {step} was cut off {lost} times: find out in the system's log what ends the process"
        ),
    )
}
