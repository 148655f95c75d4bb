use drydock_core::nature::{DamagedSnapshot, EtcdSection, SnapshotDamage, Trailer};
use drydock_core::{
    ClusterName, GrantRecord, OutputId, PluginDigest, RunId, ScheduleName, StepName, Verdict,
};
use drydock_engine::model::{Effect, Policy, RunSpec, StepPin, VerifyPin};
use drydock_repository::manifest::{ConsistencyLevel, MediaType};

use super::*;

fn pin(name: &str) -> StepPin {
    StepPin {
        step: StepName::new(name),
        plugin: name.to_owned(),
        version: "1.0.0".to_owned(),
        digest: PluginDigest::of(name.as_bytes()),
        config: "{}".to_owned(),
        grants: GrantRecord::default(),
    }
}

fn spec() -> RunSpec {
    RunSpec {
        run: RunId::new("nightly.20260102T030405Z"),
        schedule: ScheduleName::new("nightly"),
        cluster: ClusterName::new("c1"),
        due: UnixTime(1_767_323_045),
        by_hand: false,
        backups: vec![pin("snapshot")],
        verify: vec![VerifyPin {
            pin: pin("verify"),
            judges: Vec::new(),
        }],
        stores: Vec::new(),
        drill: None,
        policy: Policy {
            backoff_limit: 0,
            backoff_ms: 1,
            backoff_ms_max: 1,
            active_deadline_seconds: None,
        },
        workflow_digest: "sha256:00".to_owned(),
    }
}

/// A run whose only output is of this nature, and was passed.
fn judged(nature: Nature) -> RunState {
    let output = OutputId(1);
    let mut state = RunState::new(spec(), UnixTime(1));
    state.started(&Effect::StartBackup {
        step: StepName::new("snapshot"),
        attempt: 1,
        first_output: output,
    });
    state.apply(&Event::OutputOpened {
        step: StepName::new("snapshot"),
        output,
        name: "etcd.db".to_owned(),
        secret: true,
        object_suffix: "0".repeat(16),
        extension: "zst.age".to_owned(),
    });
    state.apply(&Event::OutputSealed {
        sealed: Box::new(SealedOutput {
            output,
            name: "etcd.db".to_owned(),
            secret: true,
            plain_size: 3,
            plain_sha256: "07".repeat(32),
            sealed_size: 4,
            sealed_sha256: "08".repeat(32),
            opened: UnixTime(5),
            closed: UnixTime(6),
            nature,
            findings: Vec::new(),
        }),
    });
    state.apply(&Event::Judged {
        step: StepName::new("verify"),
        output,
        verdict: Verdict {
            pass: true,
            findings: Vec::new(),
        },
    });
    state
}

/// A verify plugin may pass what the host found to be damaged; the manifest says what it is.
#[test]
fn a_damaged_snapshot_that_was_passed_is_a_snapshot_and_says_so() {
    let damaged = DamagedSnapshot {
        member: Some("8e9e05c52164694d".to_owned()),
        damage: SnapshotDamage {
            trailer: Trailer::Mismatch,
            problems_total: 1,
            problems: vec!["page 7 calls itself page 8".to_owned()],
            not_etcd: None,
        },
    };
    let state = judged(Nature::Snapshot(SnapshotReport::Damaged(damaged.clone())));
    let manifest = manifest(&state, UnixTime(9)).unwrap();
    assert_eq!(manifest.artifacts[0].media_type, MediaType::EtcdSnapshot);
    assert_eq!(manifest.etcd, Some(EtcdSection::Damaged(damaged)));
    assert_eq!(manifest.figures(), None);
    assert_eq!(manifest.consistency.level, ConsistencyLevel::SingleSnapshot);
    assert_eq!(manifest.lineage.id, LINEAGE_UNKNOWN);
    assert_eq!((manifest.predecessor, manifest.taken), (None, UnixTime(5)));
    assert!(manifest.verification[0].pass);
}

#[test]
fn bytes_are_no_snapshot() {
    let manifest = manifest(&judged(Nature::Bytes), UnixTime(9)).unwrap();
    assert_eq!(manifest.artifacts[0].media_type, MediaType::Bytes);
    assert_eq!(manifest.etcd, None);
    assert_eq!(manifest.consistency.level, ConsistencyLevel::SeparateCuts);
}
