//! A recovery point as it stands, for whoever watches or asks.

use drydock_core::{
    Fault, Finding, Nature, OutputId, RecoveryPointName, StepName, StorePhase, TargetName,
    UnixTime, Verdict,
};

use crate::state::{Output, OutputPhase, Point, Store, StoreStatus};

/// A recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointView {
    /// Once it is committed somewhere.
    pub recovery_point: Option<RecoveryPointName>,
    /// Those that count.
    pub outputs: Vec<OutputView>,
    /// In the order of the specification.
    pub stores: Vec<StoreView>,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputView {
    pub output: OutputId,
    /// The contributor that made it.
    pub step: StepName,
    pub name: String,
    pub is_sealed: bool,
    /// Known once the output is sealed.
    pub plain_bytes: Option<u64>,
    /// So far, or in all once the output is sealed.
    pub sealed_bytes: u64,
    /// Known once the output is sealed.
    pub nature: Option<Nature>,
    /// What the host itself found of it.
    pub findings: Vec<Finding>,
    pub verdicts: Vec<VerdictView>,
}

/// What a verify step says of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictView {
    pub step: StepName,
    /// None while the step has not judged yet.
    pub verdict: Option<Verdict>,
}

/// How far the recovery point is at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    pub step: StepName,
    pub target: TargetName,
    /// Whether the run has failed without it.
    pub required: bool,
    /// The kind of the identity that requests there go under, if any.
    pub identity: Option<String>,
    pub state: StorePhase,
    pub parts: u64,
    /// Known once all outputs are sealed and their uploads have begun.
    pub parts_total: Option<u64>,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub fault: Option<Fault>,
    /// Until when uploads that were left take room there, which only the store can free.
    pub room_until: Option<UnixTime>,
}

/// What can be seen of it.
#[must_use]
pub fn of(point: &Point) -> PointView {
    PointView {
        recovery_point: recovery_point(point),
        outputs: point.live_outputs().map(output).collect(),
        stores: point.stores.iter().map(|s| store(point, s)).collect(),
    }
}

fn identity(point: &Point, store: &Store) -> Option<String> {
    let mut pins = point.spec.stores.iter();
    pins.find(|pin| pin.pin.step == store.step)?
        .identity
        .clone()
}

/// Its name, once it is committed somewhere.
#[must_use]
pub fn recovery_point(point: &Point) -> Option<RecoveryPointName> {
    let name = || point.spec.run.recovery_point();
    point.is_committed().then(name)
}

fn output(output: &Output) -> OutputView {
    let sealed = output.sealed();
    OutputView {
        output: output.id,
        step: output.step.clone(),
        name: output.name.clone(),
        is_sealed: matches!(output.phase, OutputPhase::Sealed(_)),
        plain_bytes: sealed.map(|sealed| sealed.plain_size),
        sealed_bytes: output.available(),
        nature: sealed.map(|sealed| sealed.nature.clone()),
        findings: sealed
            .map(|sealed| sealed.findings.clone())
            .unwrap_or_default(),
        verdicts: output
            .judging
            .iter()
            .map(|(step, judging)| VerdictView {
                step: step.clone(),
                verdict: judging.verdict.clone(),
            })
            .collect(),
    }
}

fn store(point: &Point, store: &Store) -> StoreView {
    let uploads = || {
        point
            .live_outputs()
            .filter_map(|output| Some((output, store.uploads.get(&output.id)?)))
    };
    StoreView {
        step: store.step.clone(),
        target: store.target.clone(),
        required: store.required,
        identity: identity(point, store),
        state: store_phase(point, store),
        parts: uploads().map(|(_, u)| u.parts.len() as u64).sum(),
        parts_total: point.live_outputs().map(|o| parts_total(store, o)).sum(),
        bytes: uploads().map(|(o, u)| u.stored_bytes(o.available())).sum(),
        bytes_total: point
            .live_outputs()
            .map(|output| output.sealed().map(|sealed| sealed.sealed_size))
            .sum(),
        fault: store.fault().cloned(),
        room_until: store.room_until(),
    }
}

fn parts_total(store: &Store, output: &Output) -> Option<u64> {
    let open = store.uploads.get(&output.id)?.open.as_ref()?;
    Some(open.parts_of(output.sealed()?.sealed_size))
}

fn store_phase(point: &Point, store: &Store) -> StorePhase {
    let is_over = !store.is_active() || point.is_ending();
    match store.status {
        _ if is_over && store.is_in_doubt() => StorePhase::Indeterminate,
        StoreStatus::Committed => StorePhase::Committed,
        StoreStatus::Superseded => StorePhase::Superseded,
        StoreStatus::GivenUp(_) => StorePhase::GivenUp,
        StoreStatus::Active if point.live_outputs().next().is_none() => StorePhase::Uploading,
        StoreStatus::Active if point.has_everything(store) => StorePhase::Completed,
        StoreStatus::Active if point.is_past_spool(store) => StorePhase::Staged,
        StoreStatus::Active => StorePhase::Uploading,
    }
}
