//! The effects of a run's recovery point: `verdict` asks the verify plugins, `upload` calls
//! the store plugins part by part, `commit` signs and writes the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_core::{
    ErrorCode, Fault, OutputId, StepName,
    store::{Layout, Session},
};
use drydock_engine::state::RunState;
use drydock_point::Point;
use drydock_point::model::{PointAnswer, PointEffect};
use drydock_repository::Measure;

use super::digest::digest;
use super::spool::WholeSpool;
use super::upload::{PartRange, Upload};
use super::{Commit, PlainSpools, SealedSpool, Store, Verdicts};

/// Everything that the recovery point's effects need.
pub struct PointSteps {
    pub verdicts: Verdicts,
    pub stores: BTreeMap<StepName, Store>,
    pub commit: Commit,
    pub spool: SealedSpool,
    pub plain: Arc<PlainSpools>,
}

impl PointSteps {
    /// Carries one effect out.
    pub async fn perform(&self, state: &RunState, effect: &PointEffect) -> PointAnswer {
        let done = match &state.point {
            Some(point) => Box::pin(self.carry_out(state, point, effect)).await,
            None => Err(not_an_effect(effect)),
        };
        done.unwrap_or_else(|fault| PointAnswer::Failed { fault })
    }

    async fn carry_out(
        &self,
        state: &RunState,
        point: &Point,
        effect: &PointEffect,
    ) -> Result<PointAnswer, Fault> {
        match effect {
            PointEffect::Judge {
                step,
                output,
                attempt,
            } => {
                let plain = self.plain.get(*output);
                let verdict = self.verdicts.judge(point, step, *output, *attempt, plain);
                verdict.await
            }
            PointEffect::SignManifest => self.commit.sign(state, point),
            PointEffect::DropSpool => {
                self.plain.clear();
                self.spool.remove()?;
                Ok(PointAnswer::SpoolDropped)
            }
            PointEffect::BeginUpload { store, object, .. } => {
                self.store(store, effect).await?.begin(object).await
            }
            PointEffect::PutPart {
                store,
                output,
                session,
                number,
                offset,
                length,
                ..
            } => {
                let layout = layout_of(point, effect);
                let range = PartRange {
                    number: *number,
                    offset: *offset,
                    length: *length,
                    checksum: layout.and_then(|layout| layout.part_checksum),
                };
                let store = self.store(store, effect).await?;
                let sealed = sealed_of(point, *output)?;
                self.put_part(store, (*output, sealed), session, range)
                    .await
            }
            PointEffect::CompleteUpload { .. } => self.complete(effect).await,
            _ => self.after_the_upload(point, effect).await,
        }
    }

    /// Completes an upload. What was sent of a spool of other bytes is not known to be what was
    /// sealed.
    async fn complete(&self, effect: &PointEffect) -> Result<PointAnswer, Fault> {
        let PointEffect::CompleteUpload {
            store,
            output,
            object,
            session,
            receipts,
            size,
            sha256,
            ..
        } = effect
        else {
            return Err(not_an_effect(effect));
        };
        let store = self.store(store, effect).await?;
        let wanted = Measure {
            size: *size,
            sha256: digest(sha256)?,
        };
        let sealed = match self.whole(*output, wanted).await {
            WholeSpool::Rotten(fault) => return Ok(PointAnswer::SpoolMissing { fault }),
            whole => whole.sound(),
        };
        let upload = Upload {
            object,
            session,
            receipts,
            size: *size,
            sha256,
            sealed,
        };
        store.complete(*output, upload).await
    }

    /// What follows once an object is whole, and what takes back.
    async fn after_the_upload(
        &self,
        point: &Point,
        effect: &PointEffect,
    ) -> Result<PointAnswer, Fault> {
        match effect {
            PointEffect::ReadBack {
                store,
                output,
                object,
                size,
                sha256,
                ..
            } => {
                let store = self.store(store, effect).await?;
                let wanted = Measure {
                    size: *size,
                    sha256: digest(sha256)?,
                };
                let sealed = self.whole(*output, wanted).await.sound();
                store.read_back(object, *size, sha256, sealed).await
            }
            PointEffect::RetainObject { store, object, .. } => {
                let store = self.store(store, effect).await?;
                let signed = point.manifest().ok_or_else(|| not_an_effect(effect))?;
                let until = store.retain_until(&signed.manifest)?;
                let until = until.ok_or_else(|| not_an_effect(effect))?;
                store.retain(object, until).await
            }
            PointEffect::CommitManifest {
                store,
                manifest,
                signature,
                ..
            } => {
                let store = self.store(store, effect).await?;
                self.commit.commit(store, manifest, signature).await
            }
            PointEffect::AbortUpload { store, session, .. } => {
                let layout = layout_of(point, effect).ok_or_else(|| not_an_effect(effect))?;
                self.store(store, effect)
                    .await?
                    .abort(session, layout)
                    .await
            }
            PointEffect::DeleteObject { store, object, .. } => {
                self.store(store, effect).await?.delete(object).await
            }
            PointEffect::SweepUploads {
                store,
                prefix,
                objects,
                keep,
                ..
            } => {
                let store = self.store(store, effect).await?;
                store.sweep(prefix, objects, keep).await
            }
            _ => Err(not_an_effect(effect)),
        }
    }

    /// What the spool has of a sealed output.
    async fn whole(&self, output: OutputId, wanted: Measure) -> WholeSpool {
        let spool = self.spool.clone();
        let opened = tokio::task::spawn_blocking(move || spool.open_whole(output, wanted)).await;
        opened.unwrap_or_else(|error| {
            let fault = Fault::transient(ErrorCode::SpoolFailed, error.to_string());
            WholeSpool::Gone(fault.not_done())
        })
    }

    /// Sends a part. Once the output is sealed, nothing leaves that is not known to be what was
    /// sealed: a server would acknowledge other bytes just as well.
    async fn put_part(
        &self,
        store: &Store,
        (output, wanted): (OutputId, Option<Measure>),
        session: &Session,
        range: PartRange,
    ) -> Result<PointAnswer, Fault> {
        let (offset, length) = (range.offset, range.length);
        let opened = match wanted {
            None => self.spool.open(output, offset.saturating_add(length)),
            Some(wanted) => match self.whole(output, wanted).await {
                WholeSpool::Sound(sealed) => Ok(sealed),
                WholeSpool::Gone(fault) | WholeSpool::Rotten(fault) => Err(fault),
            },
        };
        let sent = match opened {
            Ok(sealed) => store.put_part(sealed, output, session, range).await,
            // It is there, and this node cannot open it just now.
            Err(fault) if fault.class.is_retryable() => return Err(fault),
            Err(fault) => return Ok(PointAnswer::SpoolMissing { fault }),
        };
        match (sent, wanted) {
            (Err(fault), Some(wanted)) => {
                let spool = self.spool.clone();
                let range = (offset, length);
                let changed = move || spool.changed(output, wanted, range);
                let changed = tokio::task::spawn_blocking(changed).await;
                let told = |fault| Ok(PointAnswer::SpoolMissing { fault });
                changed.ok().flatten().map_or(Err(fault), told)
            }
            (sent, _) => sent,
        }
    }

    /// The store of an effect, once its target is known to be the one that it was.
    async fn store(&self, step: &StepName, effect: &PointEffect) -> Result<&Store, Fault> {
        let store = self.stores.get(step).ok_or_else(|| {
            Fault::permanent(
                ErrorCode::NoSuchStep,
                format!("the run has no store step for {}", effect.word()),
            )
            .not_done()
        })?;
        let admitted = store.guard.admit(&*store.target).await;
        admitted.map_err(Fault::not_done)?;
        Ok(store)
    }
}

/// What a sealed output is to be; none while it still streams in.
fn sealed_of(point: &Point, output: OutputId) -> Result<Option<Measure>, Fault> {
    let mut outputs = point.live_outputs();
    let sealed = outputs.find(|live| live.id == output);
    let measured = sealed.and_then(|output| output.sealed()).map(|sealed| {
        Ok(Measure {
            size: sealed.sealed_size,
            sha256: digest(&sealed.sealed_sha256)?,
        })
    });
    measured.transpose()
}

/// What the store said it is like when the upload of this effect began.
fn layout_of<'a>(point: &'a Point, effect: &PointEffect) -> Option<&'a Layout> {
    let upload = point.upload(effect.store()?, effect.output()?)?;
    upload.open.as_ref().map(|open| &open.layout)
}

fn not_an_effect(effect: &PointEffect) -> Fault {
    Fault::permanent(
        ErrorCode::NotAnEffect,
        format!("{} is not carried out here", effect.word()),
    )
}
