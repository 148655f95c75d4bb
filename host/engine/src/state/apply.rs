//! What each event means for the state. Nothing here asks for an effect; the few
//! judgements that are made here (a store is given up, the run is ending, an output
//! does not count) follow from the event and the state alone, so that a replay makes
//! them again.

mod backup;
mod failure;
mod upload;

use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, StepName, Verdict};

use super::{Finished, RunState, SignedManifest};
use crate::model::{DrillResult, Effect, Event};

/// How many things that are slow one sentence names; the parts of one upload are one.
const SLOW_NAMED_MAX: usize = 3;

impl RunState {
    /// Takes in what happened. An event that does not fit (it came too late, or names
    /// what the run does not have) changes nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::RunCreated { .. } => {}
            Event::RunResumed { .. } => self.resumed(),
            Event::OutputOpened { .. } => self.output_opened(event),
            Event::SealedAdvanced {
                output,
                sealed_bytes,
            } => self.sealed_advanced(*output, *sealed_bytes),
            Event::OutputDiscarded { output, reason } => self.output_discarded(*output, reason),
            Event::OutputSealed { sealed } => self.output_sealed(sealed),
            Event::BackupFinished {
                step,
                attempt,
                degraded,
                findings,
            } => self.backup_finished(step, *attempt, *degraded, findings),
            Event::BackupFailed {
                step,
                attempt,
                fault,
            } => self.backup_failed(step, *attempt, fault),
            Event::Judged {
                step,
                output,
                verdict,
            } => self.judged(step, *output, verdict),
            Event::UploadBegan { .. } => self.upload_began(event),
            Event::PartStored {
                store,
                output,
                number,
                receipt,
            } => self.part_stored(store, *output, *number, receipt),
            Event::UploadCompleted {
                store,
                output,
                completion,
            } => self.upload_completed(store, *output, completion),
            Event::ReadBackPassed { store, output } => self.read_back_passed(store, *output),
            Event::ManifestSigned {
                manifest,
                signature,
            } => self.manifest_signed(manifest, signature),
            Event::Committed { store, despite } => self.committed(store, despite.as_ref()),
            Event::Superseded { store, names } => self.superseded(store, names),
            Event::UploadAborted { store, output } => self.upload_aborted(store, *output),
            Event::ObjectDeleted { store, output } => self.object_deleted(store, *output),
            Event::UploadsSwept { store, .. } => self.uploads_swept(store),
            Event::SpoolDropped => self.drop_spool.done(),
            Event::Drilled { attempt, result } => self.drilled(*attempt, result),
            Event::EffectFailed { effect, fault } => self.effect_failed(effect, fault),
            Event::SpoolMissing { effect, fault } => self.spool_missing(effect, fault),
            Event::WaitOver { timer } => self.each_task(|task| task.wait_over(*timer)),
            Event::CancelRequested { reason } => self.end(cancelled(reason)),
            Event::DeadlinePassed { seconds, under_way } => {
                self.end(overdue(*seconds, under_way));
            }
            Event::CleanupGivenUp { seconds } => {
                self.cleanup_given_up = Some(cleanup_overdue(*seconds));
            }
            Event::RunFinished { outcome, at } => {
                self.finish.done();
                self.finished = Some(Finished {
                    outcome: outcome.clone(),
                    at: *at,
                });
            }
        }
    }

    /// Brings the run to an end before its time, unless there is nothing left to stop.
    /// The first reason counts.
    pub(super) fn end(&mut self, fault: Fault) {
        if self.ending.is_none() && !self.is_settled() {
            self.ending = Some(fault);
        }
    }

    fn judged(&mut self, step: &StepName, output: OutputId, verdict: &Verdict) {
        let Some(found) = self.outputs.get_mut(&output) else {
            return;
        };
        let Some(judging) = found.judging.get_mut(step) else {
            return;
        };
        judging.task.done();
        judging.verdict = Some(verdict.clone());
        if !verdict.pass {
            let fault = not_passed(step, &found.name, verdict);
            self.end(fault);
        }
    }

    /// An answer of an attempt that was lost counts for nothing.
    fn drilled(&mut self, attempt: u32, result: &DrillResult) {
        let Some(drill) = &mut self.drill else { return };
        if drill.task.is_in_flight() && drill.task.attempts == attempt {
            drill.task.done();
            drill.result = Some(result.clone());
        }
    }

    fn manifest_signed(&mut self, manifest: &str, signature: &str) {
        // An answer that came after its outputs were discarded is about something else.
        if !self.sign.is_in_flight() {
            return;
        }
        self.sign.done();
        self.manifest = Some(SignedManifest {
            manifest: manifest.to_owned(),
            signature: signature.to_owned(),
        });
    }
}

impl RunState {
    /// What an effect that others can make slow works at, and where.
    pub fn slow(&self, effect: &Effect) -> Option<String> {
        let word = effect.word();
        match effect {
            Effect::Wait { .. } | Effect::Finish { .. } => None,
            Effect::StartBackup { step, .. } | Effect::Judge { step, .. } => {
                Some(format!("{word} of step {step}"))
            }
            Effect::Drill { .. } => Some(match &self.spec.drill {
                Some(drill) => format!("{word} at target {}", drill.target),
                None => word.to_owned(),
            }),
            effect => Some(match effect.store().and_then(|step| self.store(step)) {
                Some(store) => format!("{word} at target {}", store.target),
                None => word.to_owned(),
            }),
        }
    }
}

/// The fault of a run that took too long: it names what it was waiting for.
fn overdue(seconds: u64, under_way: &[String]) -> Fault {
    let what = match under_way {
        [] => ": find out what was slow".to_owned(),
        [one] => format!(" with {one} under way: find out why it is slow"),
        several => {
            let named = several[..several.len().min(SLOW_NAMED_MAX)].join(", ");
            let more = match several.len().saturating_sub(SLOW_NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(" with these under way: {named}{more}; find out why they are slow")
        }
    };
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Deadline,
        format!(
            "the run took longer than its activeDeadlineSeconds of {seconds}{what}, or raise the limit"
        ),
    )
}

fn cancelled(reason: &str) -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Cancelled,
        format!("the run was cancelled: {reason}"),
    )
}

fn cleanup_overdue(seconds: u64) -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::CleanupGivenUp,
        format!("the target did not come to an end with taking it back within {seconds} s"),
    )
}

fn not_passed(step: &StepName, name: &str, verdict: &Verdict) -> Fault {
    // The first of the worst, since the others may follow from it.
    let worst = verdict.findings.iter().rev();
    let worst = worst.max_by_key(|finding| finding.level);
    let why = worst.map_or("it gave no reason", |finding| finding.message.as_str());
    let fault = Fault::permanent(
        ErrorCode::VerificationFailed,
        format!("step {step} did not pass {name}: {why}"),
    );
    verdict.findings.iter().fold(fault, |fault, finding| {
        fault.with_detail(&finding.code, &finding.message)
    })
}
