//! Specifications and events for tests.

use drydock_core::store::{Completion, Layout, ObjectStat, Receipt, Session};
use drydock_core::{
    ClusterName, ErrorCode, Fault, GrantRecord, Nature, OutputId, PluginDigest, RunId,
    ScheduleName, StepName, TargetName, UnixTime, Verdict,
};
use drydock_engine::model::{
    Effect, Event, Policy, RunSpec, SealedOutput, StepPin, StorePin, VerifyPin,
};

pub const RUN: &str = "nightly.20260102T030405Z";

pub fn step(name: &str) -> StepName {
    StepName::new(name)
}

pub fn pin(name: &str) -> StepPin {
    StepPin {
        step: step(name),
        plugin: format!("plugin-of-{name}"),
        version: "1.0.0".to_owned(),
        digest: PluginDigest::of(name.as_bytes()),
        config: "{}".to_owned(),
        grants: GrantRecord::default(),
    }
}

/// A verify step that judges these backup steps, or all where there are none.
pub fn verify(name: &str, judges: &[&str]) -> VerifyPin {
    VerifyPin {
        pin: pin(name),
        judges: judges.iter().copied().map(step).collect(),
    }
}

/// One backup step, one verify step named `verify`, and these store steps.
pub fn spec(stores: &[&str], backoff_limit: u32) -> RunSpec {
    spec_of(&["snapshot"], stores, backoff_limit)
}

/// As [`spec`], with these backup steps.
pub fn spec_of(backups: &[&str], stores: &[&str], backoff_limit: u32) -> RunSpec {
    let store = |name: &&str| StorePin {
        pin: pin(name),
        target: TargetName::new(format!("t-{name}")),
    };
    RunSpec {
        run: RunId::new(RUN),
        schedule: ScheduleName::new("nightly"),
        cluster: ClusterName::new("c1"),
        due: UnixTime(1_767_323_045),
        by_hand: false,
        backups: backups.iter().copied().map(pin).collect(),
        verify: vec![verify("verify", &[])],
        stores: stores.iter().map(store).collect(),
        drill: None,
        policy: Policy {
            backoff_limit,
            backoff_ms: 100,
            backoff_ms_max: 1000,
            active_deadline_seconds: None,
        },
        workflow_digest: "sha256:00".to_owned(),
    }
}

pub fn opened(output: u32) -> Event {
    opened_by("snapshot", output, "db")
}

pub fn opened_by(backup: &str, output: u32, name: &str) -> Event {
    Event::OutputOpened {
        step: step(backup),
        output: OutputId(output),
        name: name.to_owned(),
        secret: true,
        object_suffix: format!("{output:016x}"),
        extension: "zst.age".to_owned(),
    }
}

/// The name of an output's object at every store.
pub fn object(output: u32) -> String {
    format!("c1/{RUN}/db.{output:016x}.zst.age")
}

/// The same for the one of this name.
pub fn object_of(output: u32, name: &str) -> String {
    format!("c1/{RUN}/{name}.{output:016x}.zst.age")
}

pub fn advanced(output: u32, sealed_bytes: u64) -> Event {
    Event::SealedAdvanced {
        output: OutputId(output),
        sealed_bytes,
    }
}

pub fn sealed(output: u32, sealed_size: u64) -> Event {
    Event::OutputSealed {
        sealed: Box::new(SealedOutput {
            output: OutputId(output),
            name: "db".to_owned(),
            secret: true,
            plain_size: sealed_size * 2,
            plain_sha256: "11".repeat(32),
            sealed_size,
            sealed_sha256: digest_text(output),
            opened: UnixTime(0),
            closed: UnixTime(0),
            nature: Nature::Bytes,
            findings: Vec::new(),
        }),
    }
}

pub fn digest_text(output: u32) -> String {
    format!("{output:02x}").repeat(32)
}

pub fn discarded(output: u32) -> Event {
    Event::OutputDiscarded {
        output: OutputId(output),
        reason: Fault::transient(ErrorCode::StreamBroken, "the stream broke"),
    }
}

pub fn finished(attempt: u32) -> Event {
    finished_by("snapshot", attempt)
}

pub fn finished_by(backup: &str, attempt: u32) -> Event {
    Event::BackupFinished {
        step: step(backup),
        attempt,
        degraded: false,
        findings: Vec::new(),
    }
}

pub fn failed(attempt: u32, fault: Fault) -> Event {
    failed_by("snapshot", attempt, fault)
}

pub fn failed_by(backup: &str, attempt: u32, fault: Fault) -> Event {
    Event::BackupFailed {
        step: step(backup),
        attempt,
        fault,
    }
}

pub fn began(store: &str, output: u32, part_size: u64, parallel_max: u32) -> Event {
    Event::UploadBegan {
        store: step(store),
        output: OutputId(output),
        session: Session(format!("{store}/{output}").into_bytes()),
        layout: Layout {
            part_bytes_min: 1,
            part_bytes_max: 1000,
            parts_max: 1000,
            parallel_max,
            equal_parts: false,
        },
        part_size,
    }
}

pub fn stored(store: &str, output: u32, number: u32) -> Event {
    Event::PartStored {
        store: step(store),
        output: OutputId(output),
        number,
        receipt: Receipt(vec![1]),
    }
}

pub fn completed(store: &str, output: u32, size: u64, verified: bool) -> Event {
    Event::UploadCompleted {
        store: step(store),
        output: OutputId(output),
        completion: Completion {
            stat: ObjectStat {
                object: object(output),
                size,
                sha256: None,
            },
            verified,
        },
    }
}

pub fn judged(output: u32, pass: bool) -> Event {
    judged_by("verify", output, pass)
}

pub fn judged_by(verify: &str, output: u32, pass: bool) -> Event {
    Event::Judged {
        step: step(verify),
        output: OutputId(output),
        verdict: Verdict {
            pass,
            findings: Vec::new(),
        },
    }
}

pub fn signed() -> Event {
    Event::ManifestSigned {
        manifest: "manifest".to_owned(),
        signature: "signature".to_owned(),
    }
}

pub fn committed(store: &str) -> Event {
    Event::Committed {
        store: step(store),
        despite: None,
    }
}

/// Another manifest, which names these objects, is there.
pub fn superseded(store: &str, names: &[String]) -> Event {
    Event::Superseded {
        store: step(store),
        names: names.to_vec(),
    }
}

/// The sealed bytes that the effect was to send are gone.
pub fn spool_missing(effect: &Effect) -> Event {
    Event::SpoolMissing {
        effect: Box::new(effect.clone()),
        fault: Fault::permanent(ErrorCode::SpoolMissing, "the sealed spool is gone"),
    }
}
