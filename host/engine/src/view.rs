//! A run as it stands, for whoever watches or asks.

use drydock_core::{
    ClusterName, Fault, Finding, GrantRecord, Nature, OutputId, PluginDigest, RecoveryPointName,
    RunId, RunPhase, ScheduleName, StepName, StepState, StorePhase, TargetName, UnixTime, Verdict,
};

use crate::model::{DrillResult, Outcome, RunSpec, StepPin};
use crate::state::{Backup, EffectFault, Output, OutputPhase, RunState, Store, StoreStatus};
use crate::task::{Phase, Task};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    pub by_hand: bool,
    pub created: UnixTime,
    pub finished: Option<UnixTime>,
    pub phase: RunPhase,
    pub outcome: Option<Outcome>,
    /// Once it is committed somewhere, or was drilled.
    pub recovery_point: Option<RecoveryPointName>,
    /// In the order in which they run.
    pub backups: Vec<BackupView>,
    /// Those that count.
    pub outputs: Vec<OutputView>,
    pub stores: Vec<StoreView>,
    /// Of a run that drills.
    pub drill: Option<DrillView>,
    /// The plugin of each step, and what it may do in this run.
    pub pins: Vec<PinView>,
    /// What went wrong on the way, whether or not it mattered in the end.
    pub faults: Vec<FaultView>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupView {
    pub step: StepName,
    pub attempts: u32,
    pub failures: u32,
    pub state: StepState,
    /// What the step told when it finished.
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillView {
    pub target: TargetName,
    pub attempts: u32,
    pub failures: u32,
    pub state: StepState,
    pub result: Option<DrillResult>,
}

/// A step's plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinView {
    pub step: StepName,
    pub plugin: String,
    pub version: String,
    pub digest: PluginDigest,
    /// What it may do.
    pub grants: GrantRecord,
    /// For a verify step, the backup steps that it judges.
    pub judges: Vec<StepName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputView {
    pub output: OutputId,
    /// The backup step that made it.
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictView {
    pub step: StepName,
    /// None while the step has not judged yet.
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    pub step: StepName,
    pub target: TargetName,
    pub state: StorePhase,
    pub parts: u64,
    /// Known once all outputs are sealed and their uploads have begun.
    pub parts_total: Option<u64>,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub fault: Option<Fault>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultView {
    pub effect: &'static str,
    /// The backup step that it was about.
    pub backup: Option<StepName>,
    pub store: Option<StepName>,
    pub output: Option<OutputId>,
    pub fault: Fault,
}

impl RunView {
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let spec = &state.spec;
        Self {
            run: spec.run.clone(),
            schedule: spec.schedule.clone(),
            cluster: spec.cluster.clone(),
            due: spec.due,
            by_hand: spec.by_hand,
            created: state.created,
            finished: state.finished.as_ref().map(|finished| finished.at),
            phase: phase(state),
            outcome: state.finished.as_ref().map(|f| f.outcome.clone()),
            recovery_point: recovery_point(state),
            backups: state.backups.iter().map(backup).collect(),
            drill: drill(state),
            pins: pins(&state.spec),
            outputs: state.live_outputs().map(output).collect(),
            stores: state.stores.iter().map(|s| store(state, s)).collect(),
            faults: state.faults.iter().map(fault).collect(),
        }
    }
}

/// How far the run is.
pub(crate) fn phase(state: &RunState) -> RunPhase {
    match () {
        () if state.finished.is_some() => RunPhase::Finished,
        () if state.is_ending() => RunPhase::Ending,
        () if state.drill.is_some() => RunPhase::Drilling,
        () if state.is_backed_up() => RunPhase::Storing,
        () => RunPhase::BackingUp,
    }
}

/// The recovery point, once it is committed somewhere, or was drilled.
pub(crate) fn recovery_point(state: &RunState) -> Option<RecoveryPointName> {
    if let Some(result) = state.drill.as_ref().and_then(|drill| drill.result.as_ref()) {
        return Some(result.recovery_point.clone());
    }
    let is_committed = |store| store_phase(state, store) == StorePhase::Committed;
    let committed = state.stores.iter().any(is_committed);
    committed.then(|| state.spec.run.recovery_point())
}

fn backup(backup: &Backup) -> BackupView {
    let task = &backup.task;
    BackupView {
        step: backup.step.clone(),
        attempts: task.attempts,
        failures: task.failures,
        state: step_state(task),
        findings: backup
            .report
            .as_ref()
            .map(|report| report.findings.clone())
            .unwrap_or_default(),
    }
}

fn drill(state: &RunState) -> Option<DrillView> {
    let (drill, pin) = (state.drill.as_ref()?, state.spec.drill.as_ref()?);
    Some(DrillView {
        target: pin.target.clone(),
        attempts: drill.task.attempts,
        failures: drill.task.failures,
        state: step_state(&drill.task),
        result: drill.result.clone(),
    })
}

fn step_state(task: &Task) -> StepState {
    match task.phase {
        Phase::Idle => StepState::Pending,
        Phase::InFlight => StepState::Running,
        Phase::Waiting(_) => StepState::Waiting,
        Phase::Done => StepState::Done,
        Phase::GaveUp(_) => StepState::Failed,
    }
}

fn pins(spec: &RunSpec) -> Vec<PinView> {
    let judged = |pin: &StepPin| {
        let verify = spec
            .verify
            .iter()
            .find(|verify| verify.pin.step == pin.step);
        let backups = spec.backups.iter().map(|backup| &backup.step);
        let judged = |step: &&StepName| verify.is_some_and(|verify| verify.judges(step));
        backups.filter(judged).cloned().collect()
    };
    spec.pins()
        .map(|pin| PinView {
            step: pin.step.clone(),
            plugin: pin.plugin.clone(),
            version: pin.version.clone(),
            digest: pin.digest.clone(),
            grants: pin.grants.clone(),
            judges: judged(pin),
        })
        .collect()
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

fn store(state: &RunState, store: &Store) -> StoreView {
    let uploads = || {
        state
            .live_outputs()
            .filter_map(|output| Some((output, store.uploads.get(&output.id)?)))
    };
    StoreView {
        step: store.step.clone(),
        target: store.target.clone(),
        state: store_phase(state, store),
        parts: uploads().map(|(_, u)| u.parts.len() as u64).sum(),
        parts_total: state.live_outputs().map(|o| parts_total(store, o)).sum(),
        bytes: uploads().map(|(o, u)| u.stored_bytes(o.available())).sum(),
        bytes_total: state
            .live_outputs()
            .map(|output| output.sealed().map(|sealed| sealed.sealed_size))
            .sum(),
        fault: store.fault().cloned(),
    }
}

fn parts_total(store: &Store, output: &Output) -> Option<u64> {
    let open = store.uploads.get(&output.id)?.open.as_ref()?;
    Some(open.parts_of(output.sealed()?.sealed_size))
}

fn store_phase(state: &RunState, store: &Store) -> StorePhase {
    let is_over = !store.is_active() || state.is_ending();
    match store.status {
        _ if is_over && store.is_in_doubt() => StorePhase::Indeterminate,
        StoreStatus::Committed => StorePhase::Committed,
        StoreStatus::Superseded => StorePhase::Superseded,
        StoreStatus::GivenUp(_) => StorePhase::GivenUp,
        StoreStatus::Active if state.live_outputs().next().is_none() => StorePhase::Uploading,
        StoreStatus::Active if state.is_ready_to_commit(store) => StorePhase::Completed,
        StoreStatus::Active if state.is_past_spool(store) => StorePhase::Staged,
        StoreStatus::Active => StorePhase::Uploading,
    }
}

fn fault(kept: &EffectFault) -> FaultView {
    FaultView {
        effect: kept.effect,
        backup: kept.backup.clone(),
        store: kept.store.clone(),
        output: kept.output,
        fault: kept.fault.clone(),
    }
}
