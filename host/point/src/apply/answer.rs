//! The answers to effects. An answer whose kind is not that of its effect is a failure of
//! the effect: without one it would be in flight for ever.

use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, StepName, Verdict};

use crate::model::{PointAnswer, PointEffect, SignedManifest};
use crate::state::{Point, Signing};

impl Point {
    /// Takes in the answer to an effect. One that comes too late, about an output that does
    /// not count any more, changes nothing of what counts.
    pub fn answered(&mut self, effect: &PointEffect, answer: &PointAnswer) {
        if let PointEffect::Wait { timer, .. } = effect {
            return self.wait_answered(effect, *timer, answer);
        }
        if *effect == PointEffect::SignManifest && self.sign.is_void {
            self.sign = Signing::default();
            return;
        }
        match answer {
            PointAnswer::Failed { fault } => self.effect_failed(effect, fault),
            PointAnswer::SpoolMissing { fault } => self.spool_missing(effect, fault),
            answer => self.succeeded(effect, answer),
        }
    }

    /// A wait that could not be waited is over as well.
    fn wait_answered(&mut self, effect: &PointEffect, timer: u64, answer: &PointAnswer) {
        match answer {
            PointAnswer::WaitOver => {}
            PointAnswer::Failed { fault } | PointAnswer::SpoolMissing { fault } => {
                self.keep_fault(effect, fault);
            }
            _ => self.keep_fault(effect, &wrong_answer()),
        }
        self.each_task(|task| task.wait_over(timer));
    }

    fn succeeded(&mut self, effect: &PointEffect, answer: &PointAnswer) {
        match (effect, answer) {
            (PointEffect::Judge { step, output, .. }, PointAnswer::Judged { verdict }) => {
                self.judged(step, *output, verdict);
            }
            (
                PointEffect::SignManifest,
                PointAnswer::Signed {
                    manifest,
                    signature,
                },
            ) => self.manifest_signed(manifest, signature),
            (PointEffect::CommitManifest { store, .. }, PointAnswer::Committed { despite }) => {
                self.committed(store, despite.as_ref());
            }
            (PointEffect::CommitManifest { store, .. }, PointAnswer::Superseded { names }) => {
                self.superseded(store, names);
            }
            (PointEffect::SweepUploads { store, .. }, PointAnswer::Swept { room_until, .. }) => {
                self.uploads_swept(store, *room_until);
            }
            (PointEffect::DropSpool, PointAnswer::SpoolDropped) => self.drop_spool.done(),
            _ if self.upload_answered(effect, answer) => {}
            _ => self.effect_failed(effect, &wrong_answer()),
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

    fn manifest_signed(&mut self, manifest: &str, signature: &str) {
        if !self.sign.task.is_in_flight() {
            return;
        }
        self.sign.task.done();
        self.manifest = Some(SignedManifest {
            manifest: manifest.to_owned(),
            signature: signature.to_owned(),
        });
    }
}

fn wrong_answer() -> Fault {
    Fault::new(
        ErrorClass::Other,
        ErrorCode::WrongAnswer,
        "a part of Drydock answered something else than it was asked: report this",
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
