//! The manifest: built from what the journal knows, signed, and created at the target.
//! Everything in it follows from the run's records, so that it can be made again.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::nature::{SnapshotReport, SoundSnapshot};
use drydock_core::{Clock, ErrorCode, Fault, Nature, UnixTime, VERSION};
use drydock_engine::state::RunState;
use drydock_journal::{Journal, PointEntry};
use drydock_point::Point;
use drydock_point::model::{PointAnswer, SealedOutput};
use drydock_point::state::Output;
use drydock_repository::{
    Measure, Repository, Sealing, Sensitivity, SigningKey, TrustedSigners,
    manifest::{
        Artifact, Compression, Consistency, FORMAT_VERSION, Lineage, Manifest, PluginUsed,
        Predecessor, StepVerdict, Tool,
    },
    recovery_point::{CommitOutcome, LINEAGE_UNKNOWN, Signed},
};

use super::Store;
use super::digest::digest;
use super::nature::{media_type, section};

/// Signs and commits.
pub struct Commit {
    pub key: Arc<SigningKey>,
    pub signers: Arc<TrustedSigners>,
    pub clock: Arc<dyn Clock>,
    pub journal: Arc<Journal>,
}

impl Commit {
    pub fn sign(&self, state: &RunState, point: &Point) -> Result<PointAnswer, Fault> {
        let manifest = manifest(state, point, self.clock.now())?;
        let text = manifest
            .to_text()
            .map_err(|error| Fault::permanent(ErrorCode::BadManifest, error.to_string()))?;
        let signature = self
            .key
            .sign(text.as_bytes(), &manifest.cluster, &manifest.recovery_point)
            .map_err(|error| Fault::transient(ErrorCode::SigningFailed, error.to_string()))?;
        Ok(PointAnswer::Signed {
            manifest: text,
            signature,
        })
    }

    pub async fn commit(
        &self,
        store: &Store,
        manifest: &str,
        signature: &str,
    ) -> Result<PointAnswer, Fault> {
        let admitted = store.guard.admit_again(&*store.target).await;
        admitted.map_err(Fault::not_done)?;
        let repository = Repository::new(&*store.target, &self.signers);
        let signed = Signed {
            manifest,
            signature,
            retain_until: store.retain_until(manifest).map_err(Fault::not_done)?,
        };
        let outcome = repository.commit(signed).await?;
        let despite = match outcome {
            CommitOutcome::Superseded { names } => {
                return Ok(PointAnswer::Superseded { names });
            }
            CommitOutcome::Committed | CommitOutcome::AlreadyOurs => None,
            // A connection that breaks is nobody's fault, and the next look was enough.
            CommitOutcome::Despite(fault) => Some(fault).filter(|f| !f.class.is_retryable()),
        };
        self.index(store, manifest);
        Ok(PointAnswer::Committed { despite })
    }

    /// Notes the recovery point's revision here, for restores to go beyond: its manifest
    /// tells it as well, so that failing to is no reason to fail the run.
    fn index(&self, store: &Store, text: &str) {
        let Ok(manifest) = Manifest::parse(text.as_bytes()) else {
            return;
        };
        let entry = PointEntry {
            target: store.name.clone(),
            cluster: manifest.cluster.clone(),
            name: manifest.recovery_point.clone(),
            revision: manifest.figures().map_or(0, |etcd| etcd.revision),
        };
        if let Err(error) = self.journal.put_point(&entry) {
            tracing::warn!(%error, "the recovery point could not be entered into the local index");
        }
    }
}

fn manifest(state: &RunState, point: &Point, finished: UnixTime) -> Result<Manifest, Fault> {
    let spec = &state.spec;
    let outputs: Vec<(&Output, &SealedOutput)> = point
        .live_outputs()
        .filter_map(|output| Some((output, output.sealed()?)))
        .collect();
    let snapshot = snapshot(&outputs)?;
    let sound = snapshot.and_then(SnapshotReport::sound);
    Ok(Manifest {
        format_version: FORMAT_VERSION,
        cluster: spec.cluster.clone(),
        recovery_point: spec.run.recovery_point(),
        run: spec.run.clone(),
        schedule: spec.schedule.clone(),
        due: spec.due,
        taken: first_opened(&outputs).unwrap_or(state.created),
        finished,
        lineage: lineage(sound),
        etcd: snapshot.map(section),
        consistency: consistency(&outputs),
        artifacts: outputs
            .iter()
            .map(|(output, sealed)| artifact(output, sealed))
            .collect::<Result<_, _>>()?,
        verification: verification(&outputs),
        predecessor: predecessor(sound)?,
        workflow_digest: spec.workflow_digest.clone(),
        plugins: plugins(state),
        tool: Tool {
            name: "drydock".to_owned(),
            version: VERSION.to_owned(),
            wasmtime: drydock_sandbox::WASMTIME.to_owned(),
        },
    })
}

/// The only etcd snapshot: all of the manifest that concerns etcd is its.
fn snapshot<'a>(
    outputs: &[(&Output, &'a SealedOutput)],
) -> Result<Option<&'a SnapshotReport>, Fault> {
    let mut snapshots = outputs
        .iter()
        .filter_map(|(_, sealed)| match &sealed.nature {
            Nature::Snapshot(report) => Some(report),
            Nature::Archive(_) | Nature::Bytes => None,
        });
    match (snapshots.next(), snapshots.next()) {
        (found, None) => Ok(found),
        _ => Err(Fault::permanent(
            ErrorCode::SecondSnapshot,
            "the run made two etcd snapshots, and a recovery point can hold one only: give each a schedule of its own",
        )),
    }
}

/// When the first artifact began to be read.
fn first_opened(outputs: &[(&Output, &SealedOutput)]) -> Option<UnixTime> {
    outputs.iter().map(|(_, sealed)| sealed.opened).min()
}

/// One sound snapshot is of one instant. Everything else is told with the time from the first
/// byte that was asked for to the last that came.
fn consistency(outputs: &[(&Output, &SealedOutput)]) -> Consistency {
    let is_alone = matches!(outputs, [(_, sealed)] if sealed.nature.figures().is_some());
    if is_alone {
        return Consistency::single_snapshot();
    }
    let closed = outputs.iter().map(|(_, sealed)| sealed.closed);
    let seconds = match (first_opened(outputs), closed.max()) {
        // A clock that was set back meanwhile makes no instant of it.
        (Some(first), Some(last)) => last.0.abs_diff(first.0),
        _ => 0,
    };
    Consistency::separate_cuts(Duration::from_secs(seconds))
}

/// What is not sound belongs to no lineage that is known.
fn lineage(sound: Option<&SoundSnapshot>) -> Lineage {
    match sound {
        Some(snapshot) => Lineage {
            id: snapshot.descent.lineage.clone(),
            cluster_id: snapshot.cluster.id.clone(),
        },
        None => Lineage {
            id: LINEAGE_UNKNOWN.to_owned(),
            cluster_id: None,
        },
    }
}

fn predecessor(sound: Option<&SoundSnapshot>) -> Result<Option<Predecessor>, Fault> {
    let previous = sound.and_then(|snapshot| snapshot.descent.previous.as_ref());
    previous
        .map(|previous| {
            Ok(Predecessor {
                recovery_point: previous.recovery_point.clone(),
                manifest_sha256: digest(&previous.manifest_sha256)?,
            })
        })
        .transpose()
}

fn artifact(output: &Output, sealed: &SealedOutput) -> Result<Artifact, Fault> {
    let measure = |size, digits: &str| digest(digits).map(|sha256| Measure { size, sha256 });
    let object = output.object.rsplit('/').next().unwrap_or_default();
    Ok(Artifact {
        name: sealed.name.clone(),
        object: object.to_owned(),
        media_type: media_type(&sealed.nature),
        sensitivity: if sealed.secret {
            Sensitivity::Secret
        } else {
            Sensitivity::Public
        },
        compression: Compression::Zstd,
        sealing: if object.ends_with(".age") {
            Sealing::Age
        } else {
            Sealing::None
        },
        plain: measure(sealed.plain_size, &sealed.plain_sha256)?,
        sealed: measure(sealed.sealed_size, &sealed.sealed_sha256)?,
    })
}

fn verification(outputs: &[(&Output, &SealedOutput)]) -> Vec<StepVerdict> {
    outputs
        .iter()
        .flat_map(|(output, _)| {
            output.judging.iter().filter_map(|(step, judging)| {
                let verdict = judging.verdict.as_ref()?;
                Some(StepVerdict {
                    step: step.clone(),
                    artifact: output.name.clone(),
                    pass: verdict.pass,
                    findings: verdict.findings.clone(),
                })
            })
        })
        .collect()
}

fn plugins(state: &RunState) -> Vec<PluginUsed> {
    let spec = &state.spec;
    spec.step_pins()
        .map(|pin| PluginUsed {
            step: pin.step.clone(),
            name: pin.plugin.clone(),
            digest: pin.digest.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
