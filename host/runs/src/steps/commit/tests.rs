use drydock_core::RunKind;
use drydock_core::nature::{
    ClusterReport, DamagedSnapshot, Descent, EtcdFigures, EtcdSection, PreviousPoint,
    SnapshotDamage, Trailer,
};
use drydock_core::{
    ClusterName, GrantRecord, PluginDigest, RecoveryPointName, RunId, ScheduleName, StepName,
    Verdict,
};
use drydock_engine::model::{
    Answer, Effect, EffectId, Emission, Event, NodeSpec, Origin, Policy, RunSpec,
};
use drydock_point::model::{OutputEvent, PointEffect, PointSpec, RetryPolicy, StepPin, VerifyPin};
use drydock_repository::manifest::{ConsistencyLevel, MediaType};

use super::*;
use crate::steps::fixture::sealed;

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
    let (run, cluster) = (
        RunId::new("nightly.20260102T030405Z"),
        ClusterName::new("c1"),
    );
    RunSpec {
        point: Some(PointSpec {
            run: run.clone(),
            cluster: cluster.clone(),
            contributors: vec![StepName::new("snapshot")],
            verify: vec![VerifyPin {
                pin: pin("verify"),
                judges: Vec::new(),
            }],
            stores: Vec::new(),
            minimum_targets: 1,
            retry: RetryPolicy {
                backoff_limit: 0,
                backoff_ms: 1,
                backoff_ms_max: 1,
            },
        }),
        run,
        schedule: ScheduleName::new("nightly"),
        cluster,
        due: UnixTime(1_767_323_045),
        origin: Origin::Schedule,
        kind: RunKind::Backup,
        subjects: Vec::new(),
        pins: Vec::new(),
        nodes: vec![NodeSpec {
            contributes: true,
            pin: Some(pin("snapshot")),
            ..NodeSpec::new(StepName::new("snapshot"), "backup")
        }],
        policy: Policy {
            backoff_limit: 0,
            backoff_ms: 1,
            backoff_ms_max: 1,
            active_deadline_seconds: None,
            steps_max: 1,
        },
        workflow_digest: "sha256:00".to_owned(),
    }
}

/// A run whose only output is of this nature, and was passed.
fn judged(nature: Nature) -> RunState {
    sealed_as(sealed(nature))
}

fn sealed_as(sealed: SealedOutput) -> RunState {
    let at = UnixTime(1);
    let output = sealed.output;
    let mut state = RunState::new(spec(), at);
    let attempt = Effect::Attempt {
        node: StepName::new("snapshot"),
        attempt: 1,
    };
    state.started(EffectId(1), &attempt, at);
    for event in [
        OutputEvent::Opened {
            output,
            name: "etcd.db".to_owned(),
            secret: true,
            object_suffix: "0".repeat(16),
            extension: "zst.age".to_owned(),
        },
        OutputEvent::Sealed {
            sealed: Box::new(sealed),
        },
    ] {
        let emitted = Event::Emitted {
            effect: EffectId(1),
            emission: Emission::Output(event),
        };
        state.apply(&emitted, at);
    }
    let point = PointEffect::Judge {
        step: StepName::new("verify"),
        output,
        attempt: 1,
    };
    state.started(EffectId(2), &Effect::Point { point }, at);
    let verdict = Verdict {
        pass: true,
        findings: Vec::new(),
    };
    let answered = Event::Answered {
        effect: EffectId(2),
        answer: Answer::Point {
            point: PointAnswer::Judged { verdict },
        },
    };
    state.apply(&answered, at);
    state
}

fn made_of(state: &RunState) -> Result<Manifest, Fault> {
    manifest(state, state.point.as_ref().unwrap(), UnixTime(9))
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
    let manifest = made_of(&state).unwrap();
    assert_eq!(manifest.artifacts[0].media_type, MediaType::EtcdSnapshot);
    assert_eq!(manifest.etcd, Some(EtcdSection::Damaged(damaged)));
    assert_eq!(manifest.figures(), None);
    // Of what instant it is nobody knows.
    assert_eq!(
        manifest.consistency,
        Consistency::separate_cuts(Duration::from_secs(1))
    );
    assert_eq!(manifest.lineage.id, LINEAGE_UNKNOWN);
    assert_eq!((manifest.predecessor, manifest.taken), (None, UnixTime(5)));
    assert!(manifest.verification[0].pass);
}

#[test]
fn bytes_are_no_snapshot() {
    let manifest = made_of(&judged(Nature::Bytes)).unwrap();
    assert_eq!(manifest.artifacts[0].media_type, MediaType::Bytes);
    assert_eq!(manifest.etcd, None);
    assert_eq!(manifest.consistency.level, ConsistencyLevel::SeparateCuts);
}

/// What a clock says that was set back is no zero.
#[test]
fn a_clock_that_was_set_back_makes_no_single_instant() {
    let mut output = sealed(Nature::Bytes);
    output.closed = UnixTime(output.opened.0 - 60);
    let state = sealed_as(output);
    let consistency = made_of(&state).unwrap().consistency;
    assert_eq!(consistency.skew_milliseconds, 60_000);
}

#[test]
fn a_digest_that_is_none_is_no_missing_predecessor() {
    let mut snapshot = sound();
    let previous = |manifest_sha256: String| PreviousPoint {
        recovery_point: RecoveryPointName::new("before"),
        manifest_sha256,
        revision: 1,
        total_keys: 1,
    };
    let made = |snapshot: &SoundSnapshot| {
        let report = SnapshotReport::Sound(Box::new(snapshot.clone()));
        made_of(&judged(Nature::Snapshot(report)))
    };
    let alone = made(&snapshot).unwrap();
    assert_eq!(alone.predecessor, None);
    assert_eq!(alone.consistency, Consistency::single_snapshot());
    snapshot.descent.previous = Some(previous("09".repeat(32)));
    let told = made(&snapshot).unwrap().predecessor.unwrap();
    assert_eq!(told.recovery_point.as_str(), "before");
    snapshot.descent.previous = Some(previous("09".to_owned()));
    assert_eq!(made(&snapshot).unwrap_err().code, ErrorCode::BadDigest);
}

fn sound() -> SoundSnapshot {
    SoundSnapshot {
        figures: EtcdFigures {
            revision: 2,
            hash: 3,
            hash_kv: None,
            total_keys: 4,
            total_size: 5,
            version: "3.6.0".to_owned(),
            member: None,
            raft_index: None,
            raft_term: None,
            witnesses: Vec::new(),
            keys_per_resource: None,
        },
        cluster: ClusterReport {
            id: None,
            voters: 0,
            quorum: false,
            members: Vec::new(),
        },
        descent: Descent {
            lineage: "0123456789abcdef".to_owned(),
            remark: None,
            previous: None,
        },
    }
}
