//! Looks into the bytes of a finished artifact. Of an etcd snapshot: what its bytes say, what
//! the live members say of the same revision, and what the last recovery point said.

use std::sync::Arc;

use drydock_capability_artifact::spool::SpoolReader;
use drydock_capability_etcd::EtcdAccess;
use drydock_core::nature::{
    ClusterReport, DamagedSnapshot, Descent, EtcdFigures, HashKv, SnapshotDamage, SnapshotReport,
    SoundSnapshot, Trailer,
};
use drydock_core::{ErrorCode, Fault, Finding, Level, Nature, ReadAt, Witness};
use drydock_drill::resources;
use drydock_repository::recovery_point::Observed;
use drydock_sandbox::{StopSignal, asked_to_stop};
use drydock_snapshot::{Limits, SnapshotError, Source, Survey};
use tokio::runtime::Handle;

use super::live::{LiveCluster, live_members};
use super::nature::{Streamed, damage};
use super::previous::{Asking, Previous};
use super::stopwatch::Stopwatch;

/// Examines the artifacts of one run.
#[derive(Clone)]
pub struct Examiner {
    pub etcd: EtcdAccess,
    pub previous: Arc<Previous>,
    pub limits: Limits,
    /// The runtime on which the calls to live members wait.
    pub runtime: Handle,
    /// Set once the run is to stop.
    pub stop: StopSignal,
}

/// What an artifact is, and what an operator has to know besides.
pub struct Examined {
    pub nature: Nature,
    pub findings: Vec<Finding>,
}

impl Examined {
    fn plainly(nature: Nature) -> Self {
        Self {
            nature,
            findings: Vec::new(),
        }
    }
}

impl Examiner {
    /// Begins to ask what the snapshot that streams in will be compared with.
    pub fn look_back(&self) -> Asking {
        self.previous.ask(&self.runtime)
    }

    /// Examines a finished output. Called from a blocking thread; for a snapshot it waits
    /// for the live members, and for the targets, unless they were asked before.
    pub fn examine(
        &self,
        plain: &SpoolReader,
        streamed: Streamed,
        asking: Option<Asking>,
    ) -> Result<Examined, Fault> {
        let streamed = match streamed {
            Streamed::Bytes => return Ok(Examined::plainly(Nature::Bytes)),
            Streamed::Archive(report) => return Ok(Examined::plainly(Nature::Archive(report))),
            Streamed::Snapshot(streamed) => streamed,
        };
        let source = PlainSource {
            plain,
            stop: &self.stop,
        };
        let examined = self.snapshot(streamed, &source, asking);
        // What could not be read because nobody wants it any more is not damaged.
        self.go_on()?;
        examined
    }

    /// Refuses to go on once the run is to stop.
    fn go_on(&self) -> Result<(), Fault> {
        self.stop.borrow().clone().map_or(Ok(()), Err)
    }

    /// Walks over the whole spool, unless the bytes are known to be damaged; what the walk
    /// finds wrong counts as what the stream's check finds.
    fn snapshot(
        &self,
        streamed: Result<(), SnapshotDamage>,
        source: &PlainSource<'_>,
        asking: Option<Asking>,
    ) -> Result<Examined, Fault> {
        let member = self.etcd.snapshot_member().map(|id| format!("{id:x}"));
        let lap = Stopwatch::begin();
        let walked = match streamed {
            Err(damage) => Err(damage),
            Ok(()) => match Survey::of(source, &self.limits) {
                Ok(survey) => Ok(survey),
                // Whatever the pages are: the stream's check found nothing wrong with the trailer.
                Err(SnapshotError::Damaged(problems)) => Err(damage(Trailer::Match, &problems)),
                Err(error) => return Err(unreadable(&error)),
            },
        };
        tracing::info!(figures_ms = lap.ms(), "the snapshot's figures are known");
        match walked {
            Ok(survey) => self.sound(&survey, member, asking),
            Err(damage) => {
                let findings = vec![damaged(&damage)];
                let report = SnapshotReport::Damaged(DamagedSnapshot { member, damage });
                Ok(Examined {
                    nature: Nature::Snapshot(report),
                    findings,
                })
            }
        }
    }

    fn sound(
        &self,
        survey: &Survey<'_>,
        member: Option<String>,
        asking: Option<Asking>,
    ) -> Result<Examined, Fault> {
        let status = survey.status();
        let lap = Stopwatch::begin();
        let live = self.wanted(live_members(self.etcd.clone(), status.revision))?;
        tracing::info!(
            members_ms = lap.ms(),
            "the members were asked for their hash"
        );
        let lap = Stopwatch::begin();
        let (own, cluster) = compare(survey, status.revision, &live)?;
        tracing::info!(hash_ms = lap.ms(), "the snapshot's own hash is known");
        let (witnesses, descent, mut findings) = self.history(survey, &live, asking)?;
        findings.extend(live.finding());
        let figures = EtcdFigures {
            revision: status.revision,
            hash: status.hash,
            hash_kv: Some(own),
            total_keys: status.total_key,
            total_size: status.total_size.unsigned_abs(),
            version: status.version,
            member,
            raft_index: live.raft_index,
            raft_term: live.raft_term,
            witnesses,
            keys_per_resource: Some(resources::named(survey.resource_counts())),
        };
        let sound = SoundSnapshot {
            figures,
            cluster,
            descent,
        };
        Ok(Examined {
            nature: Nature::Snapshot(SnapshotReport::Sound(Box::new(sound))),
            findings,
        })
    }

    /// What is told of the snapshot's history to later ones, and what was told before.
    fn history(
        &self,
        survey: &Survey<'_>,
        live: &LiveCluster,
        asking: Option<Asking>,
    ) -> Result<(Vec<Witness>, Descent, Vec<Finding>), Fault> {
        let lap = Stopwatch::begin();
        let witnesses = survey.witnesses().map_err(|error| unreadable(&error))?;
        let asking = asking.unwrap_or_else(|| self.look_back());
        let told = self.wanted(asking.told())?;
        let last = told.last.as_ref();
        let etcd = last.and_then(|last| last.manifest.figures());
        let noted = etcd.map_or(&[][..], |etcd| &etcd.witnesses);
        let history = survey.shared_history(noted);
        let cluster_id = live.id();
        let observed = Observed {
            cluster_id: cluster_id.as_deref(),
            raft_term: live.raft_term,
            raft_index: live.raft_index,
            bumped_to: survey.bumped_to(),
            history: history.map_err(|error| unreadable(&error))?,
        };
        let (descent, findings) = self.previous.descent(told, observed);
        tracing::info!(history_ms = lap.ms(), "the snapshot's history is compared");
        Ok((witnesses, descent, findings))
    }

    /// Waits for it, unless the run is to stop: a member or a target that says nothing must
    /// not hold it up.
    fn wanted<T>(&self, answer: impl Future<Output = T>) -> Result<T, Fault> {
        let mut stop = self.stop.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                answer = answer => Ok(answer),
                why = asked_to_stop(&mut stop) => Err(why),
            }
        })
    }
}

/// The snapshot's own hash, and for each live member the hash that it should answer.
fn compare(
    survey: &Survey<'_>,
    revision: i64,
    live: &LiveCluster,
) -> Result<(HashKv, ClusterReport), Fault> {
    let own = survey
        .hash_kv(Some(revision))
        .map_err(|error| unreadable(&error))?;
    let own = HashKv {
        hash: own.hash,
        compact_revision: own.compact_revision,
        hash_revision: revision,
    };
    Ok((own, live.report(survey, own)))
}

/// The spool as the snapshot crate reads it, until the run is to stop.
struct PlainSource<'a> {
    plain: &'a SpoolReader,
    stop: &'a StopSignal,
}

impl Source for PlainSource<'_> {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.plain.size())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        if self.stop.borrow().is_some() {
            return Err(std::io::Error::other("the run was asked to stop"));
        }
        self.plain.read_exact_at(buffer, offset)
    }
}

/// What makes a run Degraded whose verify steps passed a damaged snapshot.
fn damaged(damage: &SnapshotDamage) -> Finding {
    Finding::new(Level::Warning, "snapshot-damaged", damage.to_string())
}

/// Why a snapshot that is not known to be damaged has no figures.
fn unreadable(error: &SnapshotError) -> Fault {
    let why = drydock_core::chain(error);
    match error {
        SnapshotError::Limit(_) => Fault::permanent(
            ErrorCode::SnapshotLimit,
            format!(
                "{why}: nothing of it is stored; use a newer drydock, or store less under one key"
            ),
        ),
        SnapshotError::Read { .. } | SnapshotError::Size(_) | SnapshotError::Spill(_) => {
            Fault::transient(
                ErrorCode::Io,
                format!("the spool cannot be read back: {why}"),
            )
        }
        _ => Fault::permanent(
            ErrorCode::Corrupt,
            format!("the snapshot's figures cannot be read: {why}"),
        ),
    }
}
