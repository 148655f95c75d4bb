//! The contributors and their outputs. An output belongs to the step that opened it: what
//! becomes of the step's attempt becomes of its outputs, and of no others.

use drydock_core::{ErrorCode, Fault, Nature, OutputId, StepName};

use crate::model::{AttemptEnd, Gathered, OutputEvent, Report, SealedOutput};
use crate::state::{Contributor, ContributorPhase, Output, OutputPhase, Point, Upload, name_taken};

impl Point {
    /// An attempt of a contributor begins. Nothing that an earlier one left counts.
    pub fn attempt_began(&mut self, step: &StepName) {
        self.lose(step, &interrupted());
        if let Some(contributor) = self.contributor_mut(step) {
            contributor.phase = ContributorPhase::Running;
        }
    }

    /// What an attempt of a contributor told while it ran. What does not fit (it came too
    /// late, or names what another step made) changes nothing.
    pub fn emitted(&mut self, step: &StepName, event: &OutputEvent) {
        match event {
            OutputEvent::Opened { .. } => self.output_opened(step, event),
            OutputEvent::Advanced {
                output,
                sealed_bytes,
            } => self.sealed_advanced(step, *output, *sealed_bytes),
            OutputEvent::Discarded { output, reason } => {
                self.output_discarded(step, *output, reason);
            }
            OutputEvent::Sealed { sealed } => self.output_sealed(step, sealed),
        }
    }

    /// How an attempt of a contributor ended. One that was whole may be lost later, when what
    /// it made is gone or the step has to run anew for another reason.
    pub fn attempt_ended(&mut self, step: &StepName, end: &AttemptEnd) {
        match end {
            AttemptEnd::Whole(report) => self.attempt_whole(step, report),
            AttemptEnd::Lost(reason) => self.lose(step, reason),
        }
    }

    /// Every contributor is done and every hold that they stood `during` was let go. Before
    /// all of them are whole this changes nothing.
    pub fn gathered(&mut self, gathered: Gathered) {
        if self.contributors.iter().all(Contributor::is_whole) {
            self.gathered = Some(gathered);
        }
    }

    /// A contributor runs anew after all: whatever was signed is about something else.
    pub fn ungather(&mut self) {
        self.gathered = None;
        self.manifest = None;
        self.sign.discard();
        self.uploads_mut().for_each(Upload::unlock);
    }

    /// Nothing of the step's present attempt counts.
    fn lose(&mut self, step: &StepName, reason: &Fault) {
        let Some(contributor) = self.contributor_mut(step) else {
            return;
        };
        if contributor.phase == ContributorPhase::Waiting {
            return;
        }
        contributor.phase = ContributorPhase::Waiting;
        let live = |output: &&mut Output| output.is_live();
        for output in self.outputs_of_mut(step).filter(live) {
            output.discard(reason);
        }
        self.ungather();
    }

    fn attempt_whole(&mut self, step: &StepName, report: &Report) {
        let Some(contributor) = self.contributor_mut(step).filter(|c| c.is_running()) else {
            return;
        };
        contributor.phase = ContributorPhase::Whole(report.clone());
        let left_open = |output: &&mut Output| matches!(output.phase, OutputPhase::Open { .. });
        for output in self.outputs_of_mut(step).filter(left_open) {
            output.discard(&never_finished(step));
        }
        if !self.live_outputs().any(|output| output.step == *step) {
            self.end(no_output(step));
        }
    }

    fn output_opened(&mut self, step: &StepName, event: &OutputEvent) {
        let OutputEvent::Opened {
            output,
            name,
            secret,
            object_suffix,
            extension,
        } = event
        else {
            return;
        };
        let Some(contributor) = self.contributor(step) else {
            return;
        };
        if self.outputs.contains_key(output) {
            return;
        }
        let object = format!("{}{name}.{object_suffix}.{extension}", self.spec.prefix());
        let mut opened = Output::open(*output, step, name, *secret, object, &self.spec);
        if !contributor.is_running() {
            opened.discard(&interrupted());
        } else if let Some(other) = self.live_outputs().find(|other| other.name == *name) {
            opened.discard(&name_taken(name, &other.step));
        }
        self.outputs.insert(*output, opened);
    }

    fn sealed_advanced(&mut self, step: &StepName, output: OutputId, sealed_bytes: u64) {
        let phase = self
            .output_of_mut(step, output)
            .map(|found| &mut found.phase);
        if let Some(OutputPhase::Open { available }) = phase {
            *available = sealed_bytes.max(*available);
        }
    }

    /// Only the attempt that opened an output can take it back, while it runs.
    fn output_discarded(&mut self, step: &StepName, output: OutputId, reason: &Fault) {
        let is_running = self.contributor(step).is_some_and(Contributor::is_running);
        let found = self.output_of_mut(step, output);
        if let Some(found) = found.filter(|_| is_running) {
            found.discard(reason);
        }
    }

    fn output_sealed(&mut self, step: &StepName, sealed: &SealedOutput) {
        let Some(found) = self.output_of_mut(step, sealed.output) else {
            return;
        };
        if matches!(found.phase, OutputPhase::Open { .. }) {
            found.phase = OutputPhase::Sealed(Box::new(sealed.clone()));
            self.check_part_counts(sealed.output);
            self.check_snapshots();
        }
    }

    /// Attempts that run side by side may each make a snapshot, and neither can know of the
    /// other's in time.
    fn check_snapshots(&mut self) {
        let sealed = self.live_outputs().filter_map(Output::sealed);
        let snapshots = sealed.filter(|sealed| matches!(sealed.nature, Nature::Snapshot(_)));
        if snapshots.count() > 1 {
            self.end(second_snapshot());
        }
    }

    /// The sealed bytes of a live output are gone. Where its step is done, the step has to
    /// run anew, and nothing changes before that is answered; where it still runs, it finds
    /// out itself, and this output is lost.
    pub(crate) fn output_lost(&mut self, output: OutputId, reason: &Fault) {
        let Some(step) = self.outputs.get(&output).map(|found| found.step.clone()) else {
            return;
        };
        if self.contributor(&step).is_some_and(Contributor::is_whole) {
            self.ask_again(step, reason);
        } else {
            self.output_discarded(&step, output, reason);
        }
    }

    fn output_of_mut(&mut self, step: &StepName, output: OutputId) -> Option<&mut Output> {
        let found = self.outputs.get_mut(&output);
        found.filter(|found| found.step == *step)
    }

    fn outputs_of_mut<'a>(
        &'a mut self,
        step: &'a StepName,
    ) -> impl Iterator<Item = &'a mut Output> {
        let outputs = self.outputs.values_mut();
        outputs.filter(move |output| output.step == *step)
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

fn second_snapshot() -> Fault {
    Fault::permanent(
        ErrorCode::SecondSnapshot,
        "the run made two etcd snapshots, and a recovery point can hold one only: give each a schedule of its own",
    )
}
