//! How a recovery point ended, in words for an operator.

use drydock_core::{Certainty, ErrorCode, Fault, Finding, Level};

use super::cleanup::{UploadFate, needs_abort, needs_delete, upload_fate};
use crate::model::LEFT_BEHIND;
use crate::state::{Contributor, Output, Point, Store, StoreStatus, Upload};

impl Point {
    /// Why a recovery point that is committed somewhere is less than it should be, one
    /// sentence each: what the contributors said, what was found, where it is missing, and
    /// what was left behind.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        reasons.extend(self.contributors.iter().flat_map(said_by));
        reasons.extend(self.live_outputs().flat_map(found_in));
        let missing = |store| missing_at(self, store);
        reasons.extend(self.stores.iter().filter_map(missing));
        reasons.extend(self.left_behind());
        reasons
    }

    /// Why there is no recovery point of this run, once nothing more is tried and none is
    /// known to be anywhere. Without an ending, some targets were given up and others had the
    /// recovery point of another run. Nothing is certain that is in doubt at one of them.
    /// Details named [`LEFT_BEHIND`] say what stays.
    #[must_use]
    pub fn failure(&self) -> Option<Fault> {
        if self.is_committed() || self.is_superseded() {
            return None;
        }
        let settled = || self.no_target().filter(|_| self.is_settled());
        let fault = self.ending.clone().or_else(settled)?.not_done();
        let fault = self.doubts().into_iter().fold(fault, |fault, doubt| Fault {
            message: format!("{}; {doubt}", fault.message),
            certainty: Certainty::Unknown,
            ..fault
        });
        let left = self.left_behind().into_iter();
        Some(left.fold(fault, |fault, left| fault.with_detail(LEFT_BEHIND, left)))
    }

    /// Why a recovery point that is committed somewhere is not where its run has to bring it:
    /// at each required target, and at enough of all. None while it may still get there.
    #[must_use]
    pub fn shortfall(&self) -> Option<Fault> {
        if !self.is_committed() || !(self.is_settled() || self.is_ending()) {
            return None;
        }
        let (there, missing): (Vec<_>, Vec<_>) = self.stores.iter().partition(|s| has_one(s));
        let required = missing.iter().filter(|store| store.required);
        let required = names(required.copied());
        let minimum = self.spec.minimum_targets as usize;
        let wrong = match (required.is_empty(), there.len() >= minimum) {
            (true, true) => return None,
            (false, _) => format!("is not at target {required}, which is required"),
            (true, false) => {
                format!(
                    "is at {} of the {minimum} targets that it has to be at",
                    there.len()
                )
            }
        };
        let why = missing.iter().filter_map(|store| missing_at(self, store));
        let why: Vec<_> = why.collect();
        let message = format!(
            "the recovery point {wrong}; it is committed at {}, from where it can be restored: {}",
            names(there.iter().copied()),
            why.join("; ")
        );
        let fault = Fault::permanent(ErrorCode::TargetsMissing, message);
        let is_certain = self.doubts().is_empty();
        Some(if is_certain { fault.not_done() } else { fault })
    }

    /// The targets of which nobody knows whether they have the recovery point, and how to
    /// find out, one sentence each.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        self.stores.iter().filter_map(doubt).collect()
    }

    /// What could not be removed, one sentence each.
    #[must_use]
    pub fn left_behind(&self) -> Vec<String> {
        let mut left = Vec::new();
        for store in &self.stores {
            left.extend(left_at(self, store));
        }
        left.extend(
            self.drop_spool
                .gave_up()
                .map(|fault| format!("the sealed spool of the run could not be removed: {fault}")),
        );
        left
    }
}

fn said_by(contributor: &Contributor) -> Vec<String> {
    let Some(report) = contributor.report() else {
        return Vec::new();
    };
    let told: Vec<String> = worth_telling(&report.findings).collect();
    if report.degraded && told.is_empty() {
        return vec![format!(
            "step {} says that it worked under degraded circumstances",
            contributor.step
        )];
    }
    told
}

fn found_in(output: &Output) -> Vec<String> {
    let own = output.sealed().map(|sealed| &sealed.findings);
    let verdicts = output.judging.values().filter_map(|j| j.verdict.as_ref());
    let judged = verdicts.map(|verdict| &verdict.findings);
    own.into_iter()
        .chain(judged)
        .flat_map(|found| worth_telling(found))
        .collect()
}

fn worth_telling(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings
        .iter()
        .filter(|finding| finding.level >= Level::Warning)
        .map(|finding| finding.message.clone())
}

/// Whether a target surely has the recovery point of this occurrence, whichever run made it.
fn has_one(store: &Store) -> bool {
    matches!(
        store.status,
        StoreStatus::Committed | StoreStatus::Superseded
    )
}

fn names<'a>(stores: impl Iterator<Item = &'a Store>) -> String {
    let names = stores.map(|store| store.target.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn missing_at(point: &Point, store: &Store) -> Option<String> {
    let target = &store.target;
    if let Some(doubt) = doubt(store) {
        let why = store.fault().or(point.ending.as_ref());
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
        StoreStatus::Active => Some(match &point.ending {
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

fn left_at(point: &Point, store: &Store) -> Vec<String> {
    let target = &store.target;
    let mut left = Vec::new();
    let given_up = point.cleanup_given_up.as_ref();
    let sweep = store.sweep.gave_up().or(given_up);
    if let Some(fault) = sweep.filter(|_| store.sweep_wanted) {
        left.push(format!(
            "target {target} may hold unfinished uploads under {}: looking for them failed: {fault}",
            point.spec.prefix()
        ));
    }
    for (output, upload) in &store.uploads {
        match upload_fate(point, store, *output) {
            UploadFate::Keep => {}
            UploadFate::Undo => left.extend(left_of(store, upload, given_up)),
            UploadFate::Leave => left.push(format!(
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
