//! Sample values that several tests share.

use drydock_core::nature::{
    DamagedSnapshot, EtcdFigures, EtcdSection, HashKv, KeysPerResource, ResourceKeys,
    SnapshotDamage, Trailer,
};
use drydock_core::{
    ClusterName, Finding, Level, PluginDigest, RecoveryPointName, RunId, ScheduleName, StepName,
    UnixTime, Witness,
};

use drydock_repository::digest::{Measure, Sha256};
use drydock_repository::manifest::{
    Artifact, Compression, Consistency, FORMAT_VERSION, Lineage, Manifest, MediaType, PluginUsed,
    StepVerdict, Tool,
};
use drydock_repository::mark::{MARK_FORMAT_VERSION, Mark, MarkCheck, MarkKind, MarkTool};
use drydock_repository::names;
use drydock_repository::recipient::Sensitivity;
use drydock_repository::seal::Sealing;

/// A manifest of cluster `lab` without artifacts.
#[must_use]
pub fn manifest(recovery_point: &str) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        cluster: ClusterName::new("lab"),
        recovery_point: RecoveryPointName::new(recovery_point),
        run: RunId::new(recovery_point),
        schedule: ScheduleName::new("nightly"),
        due: UnixTime(1_767_323_040),
        taken: UnixTime(1_767_323_045),
        finished: UnixTime(1_767_323_055),
        lineage: Lineage {
            id: "0123456789abcdef".to_owned(),
            cluster_id: Some("cdf818194e3a8c32".to_owned()),
        },
        etcd: Some(EtcdSection::Sound(figures())),
        consistency: Consistency::single_snapshot(),
        artifacts: Vec::new(),
        verification: vec![verdict()],
        predecessor: None,
        workflow_digest: format!("sha256:{}", Sha256::of(b"workflow")),
        plugins: vec![PluginUsed {
            step: StepName::new("snapshot"),
            name: "etcd-backup".to_owned(),
            digest: PluginDigest::of(b"component"),
        }],
        tool: Tool {
            name: "drydock".to_owned(),
            version: "0.1.0".to_owned(),
            wasmtime: "48.0.8".to_owned(),
        },
    }
}

/// The entry of an artifact that was sealed into an object with suffix `0..0`.
///
/// # Panics
/// When the name cannot be an artifact's.
#[must_use]
pub fn artifact(name: &str, sealing: Sealing, plain: Measure, sealed: Measure) -> Artifact {
    Artifact {
        name: name.to_owned(),
        object: names::artifact_file(name, "0000000000000000", sealing).expect("a sample's name"),
        media_type: MediaType::EtcdSnapshot,
        sensitivity: Sensitivity::Secret,
        compression: Compression::Zstd,
        sealing,
        plain,
        sealed,
    }
}

/// A good drill of a recovery point, a day after it was made.
#[must_use]
pub fn mark(manifest: &Manifest, manifest_sha256: Sha256) -> Mark {
    Mark {
        format_version: MARK_FORMAT_VERSION,
        mark: MarkKind::Drilled,
        cluster: manifest.cluster.clone(),
        recovery_point: manifest.recovery_point.clone(),
        manifest_sha256,
        at: UnixTime(manifest.taken.0 + 86_400),
        node: "drill-1".to_owned(),
        reason: None,
        checks: vec![MarkCheck {
            name: "members healthy".to_owned(),
            expected: "3".to_owned(),
            found: "3".to_owned(),
            verdict: "pass".to_owned(),
        }],
        recovery_milliseconds: Some(4_210),
        restored: None,
        tool: MarkTool {
            name: "drydock".to_owned(),
            version: "0.1.0".to_owned(),
        },
    }
}

/// The measure of these bytes.
#[must_use]
pub fn measure(bytes: &[u8]) -> Measure {
    Measure {
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
    }
}

/// The figures of a sample's snapshot.
///
/// # Panics
/// When it has none.
pub fn figures_mut(manifest: &mut Manifest) -> &mut EtcdFigures {
    match manifest.etcd.as_mut() {
        Some(EtcdSection::Sound(figures)) => figures,
        other => panic!("{other:?}"),
    }
}

/// What stands in place of figures of a damaged snapshot.
#[must_use]
pub fn damaged() -> EtcdSection {
    EtcdSection::Damaged(DamagedSnapshot {
        member: None,
        damage: SnapshotDamage {
            trailer: Trailer::Mismatch,
            problems_total: 1,
            problems: vec!["a problem".to_owned()],
            not_etcd: None,
        },
    })
}

fn figures() -> EtcdFigures {
    EtcdFigures {
        revision: 5_021,
        hash: 3_829_710_554,
        hash_kv: Some(HashKv {
            hash: 1_284_619_113,
            compact_revision: 4_000,
            hash_revision: 5_021,
        }),
        total_keys: 5_004,
        total_size: 20_480,
        version: "3.6.0".to_owned(),
        member: Some("8e9e05c52164694d".to_owned()),
        raft_index: Some(5_104),
        raft_term: Some(3),
        witnesses: vec![witness(2, 0xa7), witness(5_021, 0x07)],
        keys_per_resource: Some(KeysPerResource {
            named: vec![keys("deployments.apps", 24), keys("pods", 4_976)],
            other: 4,
        }),
    }
}

fn witness(revision: i64, byte: u8) -> Witness {
    Witness { revision, byte }
}

fn keys(resource: &str, keys: u64) -> ResourceKeys {
    ResourceKeys {
        resource: resource.to_owned(),
        keys,
    }
}

fn verdict() -> StepVerdict {
    StepVerdict {
        step: StepName::new("verify"),
        artifact: "etcd.db".to_owned(),
        pass: true,
        findings: vec![Finding::new(
            Level::Note,
            "hash-kv-equal",
            "3 of 3 members have the snapshot's HashKV",
        )],
    }
}
