//! The engine's effects, carried out: where sandbox, snapshot, repository and etcd meet.
//!
//! [`Steps`] serves one run. Each effect goes to one leaf: `backup` runs the plugins
//! whose outputs `pipeline` checks and seals, `verdict` asks the verify plugins,
//! `upload` calls the store plugins part by part, `commit` signs and writes the manifest.

mod attempts;
mod backup;
mod commit;
mod digest;
mod examine;
mod facts;
#[cfg(test)]
mod fixture;
pub mod guard;
mod live;
mod nature;
mod pipeline;
mod previous;
mod room;
mod seal;
mod spool;
mod stopwatch;
mod upload;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{ErrorCode, Fault, StepName};
use drydock_engine::{
    model::{Effect, Event},
    runner::{Events, StepRunner},
    state::RunState,
};

pub use attempts::Attempts;
pub use backup::{Backup, Backups};
pub use commit::Commit;
pub use examine::Examiner;
pub use guard::{RunTargets, TargetGuard};
pub use pipeline::{PipelineContext, PipelineFactory, PlainSpools};
pub use previous::Previous;
pub use seal::Sealing;
pub use spool::SealedSpool;
pub use upload::Store;
pub use verdict::Verdicts;

use backup::BackupAttempt;
use pipeline::Taken;
use upload::PartRange;

/// Everything that one run's effects need.
pub struct Steps {
    pub backups: Backups,
    pub verdicts: Verdicts,
    pub stores: BTreeMap<StepName, Store>,
    pub commit: Commit,
    pub spool: SealedSpool,
    pub plain: Arc<PlainSpools>,
    /// How long the run's plugins may go on once they were asked to stop.
    pub grace: Duration,
}

/// What a plugin's end takes after its own grace, until its effect is dropped with it.
pub const GRACE_SPARE: Duration = Duration::from_secs(1);

#[async_trait]
impl StepRunner for Steps {
    async fn perform(&self, state: Arc<RunState>, effect: Effect, events: Events) -> Event {
        if let Effect::StartBackup {
            step,
            attempt,
            first_output,
        } = &effect
        {
            // What other steps made is needed until its verdicts are in.
            self.plain.keep_only(|output| {
                let found = state.outputs.get(&output);
                found.is_some_and(|found| found.is_live() && !found.is_verified())
            });
            let asked = BackupAttempt {
                step,
                attempt: *attempt,
                first: *first_output,
                taken: Taken::of(&state),
            };
            return self.backups.run(asked, events).await;
        }
        match self.carry_out(&state, &effect).await {
            Ok(event) => event,
            Err(fault) => Event::EffectFailed {
                effect: Box::new(effect),
                fault,
            },
        }
    }

    /// The plugins hear of it first, and end by themselves or by their own limit.
    fn stop(&self, reason: &Fault) -> Duration {
        self.backups.stop.send_replace(Some(reason.clone()));
        self.grace + GRACE_SPARE
    }
}

impl Steps {
    async fn carry_out(&self, state: &RunState, effect: &Effect) -> Result<Event, Fault> {
        match effect {
            Effect::Judge {
                step,
                output,
                attempt,
            } => {
                self.verdicts
                    .judge(state, step, *output, *attempt, self.plain.get(*output))
                    .await
            }
            Effect::SignManifest => self.commit.sign(state),
            Effect::DropSpool => {
                self.plain.clear();
                self.spool.remove()?;
                Ok(Event::SpoolDropped)
            }
            Effect::StartBackup { .. } | Effect::Wait { .. } | Effect::Finish { .. } => {
                Err(Fault::permanent(
                    ErrorCode::NotAnEffect,
                    format!("{} is not carried out here", effect.word()),
                ))
            }
            _ => self.at_store(effect).await,
        }
    }

    /// Effects that concern one store.
    async fn at_store(&self, effect: &Effect) -> Result<Event, Fault> {
        let store = effect
            .store()
            .and_then(|step| self.stores.get(step))
            .ok_or_else(|| {
                Fault::permanent(
                    ErrorCode::NoSuchStep,
                    format!("the run has no store step for {}", effect.word()),
                )
                .not_done()
            })?;
        let admitted = store.guard.admit(&*store.target).await;
        admitted.map_err(Fault::not_done)?;
        match effect {
            Effect::BeginUpload { output, object, .. } => store.begin(*output, object).await,
            Effect::PutPart {
                output,
                session,
                number,
                offset,
                length,
                ..
            } => {
                let range = PartRange {
                    number: *number,
                    offset: *offset,
                    length: *length,
                };
                match self.spool.open(*output, offset.saturating_add(*length)) {
                    Ok(sealed) => store.put_part(sealed, *output, session, range).await,
                    // It is there, and this node cannot open it just now.
                    Err(fault) if fault.class.is_retryable() => Err(fault),
                    Err(fault) => Ok(Event::SpoolMissing {
                        effect: Box::new(effect.clone()),
                        fault,
                    }),
                }
            }
            Effect::CompleteUpload {
                output,
                object,
                session,
                receipts,
                size,
                sha256,
                ..
            } => {
                store
                    .complete(*output, object, session, receipts, *size, sha256)
                    .await
            }
            Effect::ReadBack {
                output,
                object,
                size,
                sha256,
                ..
            } => store.read_back(*output, object, *size, sha256).await,
            _ => self.at_the_end(store, effect).await,
        }
    }

    /// Effects that commit or take back.
    async fn at_the_end(&self, store: &Store, effect: &Effect) -> Result<Event, Fault> {
        match effect {
            Effect::CommitManifest {
                manifest,
                signature,
                ..
            } => self.commit.commit(store, manifest, signature).await,
            Effect::AbortUpload {
                output, session, ..
            } => store.abort(*output, session).await,
            Effect::DeleteObject { output, object, .. } => store.delete(*output, object).await,
            Effect::SweepUploads {
                prefix,
                objects,
                keep,
                ..
            } => store.sweep(prefix, objects, keep).await,
            _ => Err(Fault::permanent(
                ErrorCode::NotAnEffect,
                format!("{} is not carried out at a store", effect.word()),
            )),
        }
    }
}
