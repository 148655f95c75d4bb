//! The backup step and its outputs.

use drydock_core::{Fault, Finding, OutputId};

use super::super::{Output, OutputPhase, Report, RunState, Store};
use crate::model::{Effect, Event, SealedOutput};
use crate::task::{Retry, Task};

/// Outputs that a run may open in all its attempts. A plugin that opens and drops them
/// without end must not fill the journal.
const OUTPUTS_PER_RUN_MAX: usize = 256;

/// Attempts of the backup that may be lost with their process. A backup that takes the
/// process down each time must end some day; a daemon that is restarted a few times
/// must not cost the recovery point.
const LOST_BACKUPS_MAX: u32 = 32;

impl RunState {
    /// The process that worked on the run is gone. What was sealed before the backup
    /// finished can be sent again; a stream that was cut off cannot.
    pub(super) fn resumed(&mut self) {
        let attempt_lost = self.backup.task.resumed();
        self.backup.stop = Task::default();
        if attempt_lost {
            self.lose_backup(&interrupted());
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

    /// Nothing of the present attempt counts, through no fault of the plugin: the backup
    /// is made anew.
    pub(super) fn lose_backup(&mut self, reason: &Fault) {
        self.discard_outputs(reason);
        self.backup.task.phase = crate::task::Phase::Idle;
        self.backup.report = None;
        self.backup.lost += 1;
        self.manifest = None;
        self.sign = Task::default();
        if self.backup.lost > LOST_BACKUPS_MAX {
            self.end(lost_too_often(self.backup.lost));
        }
    }

    pub(super) fn output_opened(&mut self, event: &Event) {
        let Event::OutputOpened {
            output,
            name,
            secret,
            object_suffix,
            extension,
        } = event
        else {
            return;
        };
        if self.outputs.contains_key(output) {
            return;
        }
        let object = format!("{}{name}.{object_suffix}.{extension}", self.prefix());
        let mut opened = Output::open(*output, name, *secret, object, &self.spec);
        if !self.backup.task.is_in_flight() {
            opened.discard(&interrupted());
        }
        self.outputs.insert(*output, opened);
        if self.outputs.len() > OUTPUTS_PER_RUN_MAX {
            self.end(too_many_outputs());
        }
    }

    pub(super) fn sealed_advanced(&mut self, output: OutputId, sealed_bytes: u64) {
        let phase = self.outputs.get_mut(&output).map(|found| &mut found.phase);
        if let Some(OutputPhase::Open { available }) = phase {
            *available = sealed_bytes.max(*available);
        }
    }

    /// Only a running backup can take an output back.
    pub(super) fn output_discarded(&mut self, output: OutputId, reason: &Fault) {
        if !self.backup.task.is_in_flight() {
            return;
        }
        if let Some(found) = self.outputs.get_mut(&output) {
            found.discard(reason);
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

    pub(super) fn backup_finished(&mut self, attempt: u32, degraded: bool, findings: &[Finding]) {
        if !self.is_running(attempt) {
            return;
        }
        self.backup.task.done();
        self.backup.report = Some(Report {
            degraded,
            findings: findings.to_vec(),
        });
        let left_open = |output: &&mut Output| matches!(output.phase, OutputPhase::Open { .. });
        for output in self.outputs.values_mut().filter(left_open) {
            output.discard(&never_finished());
        }
        if self.live_outputs().next().is_none() {
            self.end(no_output());
        }
    }

    pub(super) fn backup_failed(&mut self, attempt: u32, fault: &Fault) {
        if !self.is_running(attempt) {
            return;
        }
        let effect = Effect::StartBackup {
            attempt,
            first_output: OutputId(1),
        };
        self.keep_fault(&effect, fault);
        self.discard_outputs(fault);
        let timer = self.next_timer();
        let retry = Retry::of(&effect, &self.spec.policy);
        self.backup.task.fail(fault, retry, timer);
        if self.backup.task.gave_up().is_some() {
            self.end(fault.clone());
        }
    }

    /// The number of the next output.
    #[must_use]
    pub fn next_output(&self) -> OutputId {
        let last = self.outputs.keys().next_back();
        OutputId(last.map_or(1, |output| output.0.saturating_add(1)))
    }

    fn is_running(&self, attempt: u32) -> bool {
        self.backup.task.is_in_flight() && self.backup.task.attempts == attempt
    }

    fn discard_outputs(&mut self, reason: &Fault) {
        let live = |output: &&mut Output| output.is_live();
        for output in self.outputs.values_mut().filter(live) {
            output.discard(reason);
        }
    }
}

fn interrupted() -> Fault {
    Fault::transient("interrupted", "the process that made the backup ended")
}

fn never_finished() -> Fault {
    Fault::permanent(
        "left-open",
        "the backup step ended without finishing this output",
    )
}

fn no_output() -> Fault {
    Fault::permanent(
        "no-output",
        "the backup step ended without a finished output: there is nothing to store",
    )
}

fn too_many_outputs() -> Fault {
    Fault::permanent(
        "too-many-outputs",
        format!(
            "the backup step opened more than {OUTPUTS_PER_RUN_MAX} outputs: it is broken, ask its author"
        ),
    )
}

fn lost_too_often(lost: u32) -> Fault {
    Fault::permanent(
        "lost-too-often",
        format!(
            "the backup was cut off {lost} times: find out in the system's log what ends the process"
        ),
    )
}
