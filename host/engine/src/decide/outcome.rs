//! How a run ended, in words for an operator.

use drydock_core::{Certainty, ErrorCode, Fault, Finding, Level};

use super::cleanup::{Fate, fate, needs_abort, needs_delete};
use crate::model::{DrillVerdict, LEFT_BEHIND, Outcome};
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

/// A recovery point that does not pass fails the run, however well the drill went. One
/// that there was nothing to compare of degrades it: nothing is proven.
fn drilled(state: &RunState, drill: &Drill) -> Outcome {
    let Some(result) = &drill.result else {
        return Outcome::Failed {
            fault: failure(state),
        };
    };
    let why = result.reason.as_deref().unwrap_or("no reason was given");
    let point = &result.recovery_point;
    let beside = || result.warnings.iter().cloned().chain(left_behind(state));
    match result.verdict {
        DrillVerdict::Passed => committed_outcome(beside().collect()),
        DrillVerdict::Skipped => {
            let skipped = format!("the drill of recovery point {point} was skipped: {why}");
            committed_outcome([skipped].into_iter().chain(beside()).collect())
        }
        DrillVerdict::Failed => {
            let message = format!("recovery point {point} failed its drill: {why}");
            let fault = Fault::permanent(ErrorCode::DrillFailed, message);
            let warnings = result.warnings.iter();
            let fault = warnings.fold(fault, |fault, told| fault.with_detail("warning", told));
            Outcome::Failed { fault }
        }
    }
}

fn committed_outcome(reasons: Vec<String>) -> Outcome {
    if reasons.is_empty() {
        Outcome::Succeeded
    } else {
        Outcome::Degraded { reasons }
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
        let own = output.sealed().map(|sealed| &sealed.findings);
        reasons.extend(own.into_iter().flat_map(|found| worth_telling(found)));
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
    if let Some(doubt) = doubt(store) {
        let why = store.fault().or(state.ending.as_ref());
        return Some(why.map_or(doubt.clone(), |why| format!("{doubt}: {why}")));
    }
    match &store.status {
        StoreStatus::Committed => store.despite.as_ref().map(|fault| {
            format!(
                "target {target} has this recovery point, read back byte for byte, although its plugin failed while the manifest was written, so have an eye on that plugin: {fault}"
            )
        }),
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

/// That nobody knows whether a target has the recovery point, and how to find out.
fn doubt(store: &Store) -> Option<String> {
    let target = &store.target;
    store.is_in_doubt().then(|| {
        format!(
            "it is not known whether target {target} has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target {target}`"
        )
    })
}

/// Without an ending, some targets were given up and others had the recovery point of
/// another run. Nothing is certain that is in doubt at one of them.
fn failure(state: &RunState) -> Fault {
    let ending = state.ending.clone().or_else(|| state.no_target());
    let fault = ending.unwrap_or_else(|| {
        Fault::permanent(
            ErrorCode::Unknown,
            "the run ended without a reason: report this",
        )
    });
    let doubts = state.stores.iter().filter_map(doubt);
    let fault = doubts.fold(fault.not_done(), |fault, doubt| Fault {
        message: format!("{}; {doubt}", fault.message),
        certainty: Certainty::Unknown,
        ..fault
    });
    left_behind(state)
        .into_iter()
        .fold(fault, |fault, left| fault.with_detail(LEFT_BEHIND, left))
}

fn left_at(state: &RunState, store: &Store) -> Vec<String> {
    let target = &store.target;
    let mut left = Vec::new();
    let given_up = state.cleanup_given_up.as_ref();
    let sweep = store.sweep.gave_up().or(given_up);
    if let Some(fault) = sweep.filter(|_| store.sweep_wanted) {
        left.push(format!(
            "target {target} may hold unfinished uploads under {}: looking for them failed: {fault}",
            state.prefix()
        ));
    }
    for (output, upload) in &store.uploads {
        match fate(state, store, *output) {
            Fate::Keep => {}
            Fate::Undo => left.extend(left_of(store, upload, given_up)),
            Fate::Leave => left.push(format!(
                "{} stays at target {target}, since a manifest there may name it",
                upload.object
            )),
        }
    }
    left
}

fn left_of(store: &Store, upload: &Upload, given_up: Option<&Fault>) -> Vec<String> {
    let target = &store.target;
    let object = &upload.object;
    let told = |what: String, fault: &Fault| match fault.certainty {
        Certainty::NotDone => format!("{what} stays at target {target}: {fault}"),
        Certainty::Unknown => {
            format!("{what} may still be at target {target}, since removing it failed: {fault}")
        }
    };
    let unfinished = format!("an unfinished upload of {object}");
    let abort = given_up.filter(|_| needs_abort(upload));
    let abort = abort.or_else(|| upload.abort.gave_up());
    let abort = abort.map(|fault| told(unfinished, fault));
    let delete = given_up.filter(|_| needs_delete(upload));
    let delete = delete.or_else(|| upload.delete.gave_up());
    let delete = delete.map(|fault| told(object.clone(), fault));
    abort.into_iter().chain(delete).collect()
}
