//! The row of a run in the journal: what others may know of it without replaying its
//! records. It follows from the run's specification and state alone.

use drydock_core::{HoldPhase, QuestionId, RunId, UnixTime};
use drydock_journal::{HoldRow, NewRun, QuestionChoice, QuestionRow, RunEnd, RunProgress};

use crate::model::{NodeSpec, RunSpec};
use crate::state::{Finished, Node, Question, RunState};
use crate::view::hold_phase;

/// What never changes. `despite` is an open run that is in its way, and is passed over.
pub fn new_run(spec: &RunSpec, created: UnixTime, despite: Option<RunId>) -> NewRun {
    NewRun {
        run: spec.run.clone(),
        schedule: spec.schedule.clone(),
        cluster: spec.cluster.clone(),
        kind: spec.kind,
        subjects: spec.subjects.clone(),
        due: spec.due,
        by_hand: spec.origin.is_by_hand(),
        created,
        despite,
        pins: spec.pins.iter().map(|pin| pin.sha256.clone()).collect(),
    }
}

/// How far the run is.
pub fn progress(state: &RunState) -> RunProgress {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    let questions = state.open_questions();
    RunProgress {
        phase: state.phase(),
        recovery_point: state.recovery_point(),
        holds: nodes.filter_map(|(node, spec)| hold(node, spec)).collect(),
        questions: questions
            .filter_map(|(id, open)| question(id, open))
            .collect(),
        frees_subjects: state.frees_subjects(),
        end: state.finished.as_ref().map(end),
    }
}

/// None where nothing is held any more.
fn hold(node: &Node, spec: &NodeSpec) -> Option<HoldRow> {
    let hold = node.hold.as_ref()?;
    let phase = hold_phase(hold.at);
    (phase != HoldPhase::Released).then_some(HoldRow {
        step: spec.step.clone(),
        kind: spec.hold?.kind,
        phase,
        since: hold.asked,
        deadline: hold.deadline,
        evidence: hold.evidence.clone(),
    })
}

/// None where it is not asked yet.
fn question(id: QuestionId, open: &Question) -> Option<QuestionRow> {
    let choices = open.choices.iter().map(|choice| QuestionChoice {
        word: choice.word.clone(),
        means: choice.means.clone(),
    });
    Some(QuestionRow {
        question: id,
        about: open.about.step().clone(),
        text: open.text.clone(),
        choices: choices.collect(),
        asked: open.asked?,
    })
}

fn end(finished: &Finished) -> RunEnd {
    let outcome = &finished.outcome;
    RunEnd {
        outcome: outcome.code(),
        details: serde_json::to_string(outcome).expect("an outcome is plain data"),
        finished: finished.at,
    }
}
