//! How a run ended, in words for an operator.

use drydock_core::{Fault, Finding, Level};

use super::cleanup::{Fate, fate};
use crate::model::Outcome;
use crate::state::{Drill, RunState, Store, StoreStatus, Upload};

/// The outcome of a run in which nothing more can happen.
#[must_use]
pub fn outcome(state: &RunState) -> Outcome {
    if let Some(drill) = &state.drill {
        return drilled(state, drill);
    }
    let mut stores = state.stores.iter();
    let committed = stores.any(|store| store.status == StoreStatus::Committed);
    let mut stores = state.stores.iter();
    let superseded = stores.all(|store| store.status == StoreStatus::Superseded);
    match (committed, superseded) {
        (true, _) => committed_outcome(reasons(state)),
        (false, true) => Outcome::Superseded {
            reasons: left_behind(state),
        },
        (false, false) => Outcome::Failed {
            fault: failure(state),
        },
    }
}

/// What could not be removed, one sentence each.
#[must_use]
pub fn left_behind(state: &RunState) -> Vec<String> {
    let mut left = Vec::new();
    for store in &state.stores {
        left.extend(left_at(state, store));
    }
    left.extend(
        state
            .drop_spool
            .gave_up()
            .map(|fault| format!("the sealed spool of the run could not be removed: {fault}")),
    );
    left
}

/// A recovery point that does not pass fails the run, however well the drill went.
fn drilled(state: &RunState, drill: &Drill) -> Outcome {
    match &drill.result {
        None => Outcome::Failed {
            fault: failure(state),
        },
        Some(result) if result.passed => {
            let left = left_behind(state);
            committed_outcome(result.warnings.iter().cloned().chain(left).collect())
        }
        Some(result) => {
            let why = result.reason.as_deref().unwrap_or("no reason was given");
            let point = &result.recovery_point;
            let message = format!("recovery point {point} failed its drill: {why}");
            let fault = Fault::permanent("drill-failed", message);
            let warnings = result.warnings.iter();
            let fault = warnings.fold(fault, |fault, told| fault.with_detail("warning", told));
            Outcome::Failed { fault }
        }
    }
}

fn committed_outcome(reasons: Vec<String>) -> Outcome {
    match reasons.is_empty() {
        true => Outcome::Succeeded,
        false => Outcome::Degraded { reasons },
    }
}

fn reasons(state: &RunState) -> Vec<String> {
    let mut reasons = Vec::new();
    for backup in &state.backups {
        let Some(report) = &backup.report else {
            continue;
        };
        let unexplained = report.degraded && worth_telling(&report.findings).next().is_none();
        reasons.extend(unexplained.then(|| {
            format!(
                "step {} says that it worked under degraded circumstances",
                backup.step
            )
        }));
        reasons.extend(worth_telling(&report.findings));
    }
    for output in state.live_outputs() {
        let verdicts = output.judging.values().filter_map(|j| j.verdict.as_ref());
        reasons.extend(verdicts.flat_map(|verdict| worth_telling(&verdict.findings)));
    }
    reasons.extend(
        state
            .stores
            .iter()
            .filter_map(|store| missing_at(state, store)),
    );
    reasons.extend(left_behind(state));
    reasons
}

fn worth_telling(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings
        .iter()
        .filter(|finding| finding.level >= Level::Warning)
        .map(|finding| finding.message.clone())
}

fn missing_at(state: &RunState, store: &Store) -> Option<String> {
    let target = &store.target;
    match &store.status {
        StoreStatus::Committed => None,
        StoreStatus::Superseded => Some(format!(
            "target {target} already had this recovery point from another run"
        )),
        StoreStatus::GivenUp(fault) => Some(format!("target {target} was given up: {fault}")),
        StoreStatus::Active => Some(match &state.ending {
            Some(fault) => format!("target {target} has nothing of this run: {fault}"),
            None => format!("target {target} has nothing of this run"),
        }),
    }
}

/// Without an ending, some targets were given up and others had the recovery point of
/// another run.
fn failure(state: &RunState) -> Fault {
    let ending = state.ending.clone().or_else(|| state.no_target());
    let fault = ending.unwrap_or_else(|| {
        Fault::permanent("unknown", "the run ended without a reason: report this")
    });
    left_behind(state)
        .into_iter()
        .fold(fault, |fault, left| fault.with_detail("left-behind", left))
}

fn left_at(state: &RunState, store: &Store) -> Vec<String> {
    let target = &store.target;
    let mut left = Vec::new();
    if let Some(fault) = store.sweep.gave_up().filter(|_| store.sweep_wanted) {
        left.push(format!(
            "target {target} may hold unfinished uploads under {}: looking for them failed: {fault}",
            state.prefix()
        ));
    }
    for (output, upload) in &store.uploads {
        match fate(state, store, *output) {
            Fate::Keep => {}
            Fate::Undo => left.extend(left_of(store, upload)),
            Fate::Leave => left.push(format!(
                "{} stays at target {target}, since nobody knows whether its manifest was written: look with `drydock recovery-point list --target {target}`",
                upload.object
            )),
        }
    }
    left
}

fn left_of(store: &Store, upload: &Upload) -> Vec<String> {
    let target = &store.target;
    let object = &upload.object;
    let abort = upload
        .abort
        .gave_up()
        .map(|fault| format!("an unfinished upload of {object} stays at target {target}: {fault}"));
    let delete = upload
        .delete
        .gave_up()
        .map(|fault| format!("{object} stays at target {target}: {fault}"));
    abort.into_iter().chain(delete).collect()
}
