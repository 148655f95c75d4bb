//! The row of a run in the journal: what others may know of it without replaying its
//! records. It follows from the run's specification and state alone.

use drydock_core::{RunSubject, Subject, UnixTime};
use drydock_journal::{NewRun, RunEnd, RunProgress};

use crate::model::RunSpec;
use crate::state::{Finished, RunState};
use crate::view::{phase, recovery_point};

/// What never changes.
pub fn new_run(spec: &RunSpec, created: UnixTime) -> NewRun {
    NewRun {
        run: spec.run.clone(),
        schedule: spec.schedule.clone(),
        cluster: spec.cluster.clone(),
        kind: spec.kind(),
        subjects: subjects(spec),
        due: spec.due,
        by_hand: spec.by_hand,
        created,
    }
}

/// How far the run is.
pub fn progress(state: &RunState) -> RunProgress {
    RunProgress {
        phase: phase(state),
        recovery_point: recovery_point(state),
        end: state.finished.as_ref().map(end),
    }
}

fn end(finished: &Finished) -> RunEnd {
    let outcome = &finished.outcome;
    RunEnd {
        outcome: outcome.code(),
        details: serde_json::to_string(outcome).expect("an outcome is plain data"),
        finished: finished.at,
    }
}

/// A backup reads its cluster, and a drill what a target has of it. Neither writes: what a
/// backup adds to its targets is in nobody's way.
fn subjects(spec: &RunSpec) -> Vec<RunSubject> {
    let cluster = Subject::Cluster(spec.cluster.clone());
    let target = spec.drill.as_ref();
    let target = target.map(|drill| Subject::Target(drill.target.clone()));
    [cluster]
        .into_iter()
        .chain(target)
        .map(RunSubject::read)
        .collect()
}
