//! Runs in the shapes that are printed: from what the engine and the journal know of one to
//! the types of `api/types`.

use drydock_api_types::drill::Verdict;
use drydock_api_types::run::{
    AttemptResult, DrillSummary, OutputVerdict, PinnedPlugin, QuestionAnswer, QuestionChoice, Run,
    RunHold, RunOrigin, RunOutcome, RunOutput, RunQuestion, RunStep, RunSummary, SkippedOccurrence,
    SkippedPhase, StepAttempt, StepBody, StepFault, StoreStep,
};
use drydock_core::{OccurrenceEnd, QuestionId};
use drydock_engine::{
    RunView,
    model::{Origin, Outcome},
    view::{FaultView, HoldView, PinView, QuestionView, StepView},
};
use drydock_journal::{Attempt, Occurrence, RunEnd, RunRow};
use drydock_point::view::{OutputView, StoreView};
use serde_json::Value;

use crate::cause;
use crate::kinds::drill::{DrillResult, DrillVerdict};

/// The kind of a step whose body is a [`DrillResult`].
pub const DRILL: &str = "drill";

/// A run with all of its steps.
pub fn run(view: RunView) -> Run {
    let end = match &view.outcome {
        Some(ended) => outcome(ended),
        None => waiting(cause::asks(view.open_questions().map(asked))),
    };
    let steps: Vec<_> = view.steps.into_iter().map(step).collect();
    let drilled = steps.iter().find_map(RunStep::drill);
    let drilled = drilled.map(|drill| drill.recovery_point.clone());
    Run {
        run: view.run,
        schedule: view.schedule,
        cluster: view.cluster,
        kind: view.kind,
        by_hand: view.origin != Origin::Schedule,
        origin: origin(view.origin),
        due: view.due.into(),
        created: view.created.into(),
        finished: view.finished.map(Into::into),
        phase: view.phase,
        end,
        recovery_point: view.recovery_point.or(drilled),
        steps,
        outputs: view.outputs.into_iter().map(output).collect(),
        stores: view.stores.into_iter().map(store).collect(),
        holds: view.holds.into_iter().map(hold).collect(),
        questions: view.questions.into_iter().map(question).collect(),
        pins: view.pins.into_iter().map(pin).collect(),
        faults: view.faults.into_iter().map(fault).collect(),
    }
}

/// The time to recover that a drill of this run measured, if one passed.
pub fn recovery_milliseconds(view: &RunView) -> Option<u64> {
    let bodies = view.steps.iter().map(|step| body(&step.kind, &step.body));
    let drills = bodies.filter_map(|body| match body {
        Some(StepBody::Drill(drill)) => Some(drill),
        Some(StepBody::Unread { .. } | StepBody::Other(_)) | None => None,
    });
    let mut passed = drills.filter(|drill| drill.verdict == Verdict::Pass);
    passed.find_map(|drill| drill.recovery_milliseconds)
}

/// A run as the journal's index has it. Where the rest of its end cannot be read, that is what
/// there is to look at.
pub fn summary(row: RunRow) -> RunSummary {
    let end = row.progress.end;
    let open = row.progress.questions;
    let asks = cause::asks(open.iter().map(|open| (open.question, open.text.as_str())));
    RunSummary {
        run: row.run,
        schedule: row.schedule,
        cluster: row.cluster,
        kind: row.kind,
        subjects: row.subjects,
        due: row.due.into(),
        by_hand: row.by_hand,
        created: row.created.into(),
        finished: end.as_ref().map(|end| end.finished.into()),
        phase: row.progress.phase,
        end: end.as_ref().map_or_else(|| waiting(asks), kept),
        recovery_point: row.progress.recovery_point,
        open_questions: open.into_iter().map(|open| open.question).collect(),
    }
}

/// What there is to look at of a run without an end.
fn waiting(cause: Option<String>) -> RunOutcome {
    RunOutcome {
        cause,
        ..RunOutcome::default()
    }
}

fn asked(question: &QuestionView) -> (QuestionId, &str) {
    (question.question, &question.text)
}

fn kept(end: &RunEnd) -> RunOutcome {
    match serde_json::from_str(&end.details) {
        Ok(details) => outcome(&details),
        Err(error) => {
            let cause = format!("its end cannot be read: {error}");
            RunOutcome {
                outcome: Some(end.outcome),
                reasons: vec![cause.clone()],
                cause: Some(cause),
                fault: None,
            }
        }
    }
}

/// An occurrence that was skipped; none where it ended otherwise.
pub fn skipped(occurrence: &Occurrence) -> Option<SkippedOccurrence> {
    let OccurrenceEnd::Skipped(reason) = &occurrence.end else {
        return None;
    };
    Some(SkippedOccurrence {
        run: occurrence.run.clone(),
        schedule: occurrence.schedule.clone(),
        due: occurrence.due.into(),
        created: occurrence.decided_at.into(),
        phase: SkippedPhase::Skipped,
        cause: reason.to_string(),
    })
}

/// One try of a step. What cannot be read of its result is told in its place.
pub fn attempt(attempt: Attempt) -> StepAttempt {
    let result = attempt.result.as_deref().map(|text| {
        let read = serde_json::from_str::<Option<AttemptResult>>(text);
        read.unwrap_or_else(|error| {
            let unread = format!("the result cannot be read: {error}");
            Some(AttemptResult::Unread { unread })
        })
    });
    StepAttempt {
        step: attempt.step,
        attempt: attempt.attempt,
        started: attempt.started.into(),
        ended: attempt.ended.map(Into::into),
        result: result.flatten(),
        grants: attempt
            .grants
            .and_then(|text| serde_json::from_str(&text).ok()),
        log: attempt.log,
    }
}

fn outcome(outcome: &Outcome) -> RunOutcome {
    RunOutcome {
        outcome: Some(outcome.code()),
        cause: cause::of(outcome),
        reasons: cause::reasons(outcome),
        fault: match outcome {
            Outcome::Failed { fault } => Some(fault.clone()),
            Outcome::Succeeded | Outcome::Degraded { .. } | Outcome::Superseded { .. } => None,
        },
    }
}

fn origin(origin: Origin) -> RunOrigin {
    match origin {
        Origin::Schedule => RunOrigin::Schedule,
        Origin::Manual => RunOrigin::Manual,
        Origin::Plan(digest) => RunOrigin::Plan(digest),
    }
}

fn step(view: StepView) -> RunStep {
    RunStep {
        body: body(&view.kind, &view.body),
        step: view.step,
        kind: view.kind,
        state: view.state,
        attempts: view.attempts,
        failures: view.failures,
        reason: view.reason,
        findings: view.findings,
    }
}

/// What a step's kind has to show, in its shape. What cannot be read is told in its place.
fn body(kind: &str, body: &Value) -> Option<StepBody> {
    match (kind, body) {
        (_, Value::Null) => None,
        (DRILL, body) => {
            let read = serde_json::from_value(body.clone());
            let read = read.map(|result| StepBody::Drill(Box::new(drill(result))));
            Some(read.unwrap_or_else(|error| StepBody::Unread {
                unread: format!("what the drill found cannot be read: {error}"),
            }))
        }
        (_, body) => Some(StepBody::Other(body.clone())),
    }
}

fn drill(result: DrillResult) -> DrillSummary {
    DrillSummary {
        recovery_point: result.recovery_point,
        target: result.target,
        verdict: match result.verdict {
            DrillVerdict::Passed => Verdict::Pass,
            DrillVerdict::Failed => Verdict::Fail,
            DrillVerdict::Skipped => Verdict::Skipped,
        },
        reason: result.reason,
        checks: result.checks,
        recovery_milliseconds: result.recovery_milliseconds,
        data_age_seconds: result.data_age_seconds,
        report: result.report,
        warnings: result.warnings,
    }
}

fn hold(view: HoldView) -> RunHold {
    RunHold {
        step: view.step,
        kind: view.kind,
        phase: view.phase,
        since: view.since.into(),
        deadline: view.deadline.into(),
        evidence: view.evidence,
    }
}

/// A question, with its answer where it has one.
pub fn question(view: QuestionView) -> RunQuestion {
    let choices = view.choices.into_iter();
    RunQuestion {
        question: view.question,
        about: view.about,
        text: view.text,
        choices: choices
            .map(|choice| QuestionChoice {
                word: choice.word,
                means: choice.means,
                ends: choice.ends,
            })
            .collect(),
        asked: view.asked.into(),
        answer: view.answer.map(|answer| QuestionAnswer {
            choice: answer.choice,
            by: answer.by,
            at: answer.at.into(),
        }),
    }
}

fn output(view: OutputView) -> RunOutput {
    let verdicts = view.verdicts.into_iter();
    RunOutput {
        output: view.output,
        step: view.step,
        name: view.name,
        is_sealed: view.is_sealed,
        plain_bytes: view.plain_bytes,
        sealed_bytes: view.sealed_bytes,
        nature: view.nature,
        findings: view.findings,
        verdicts: verdicts
            .map(|judged| OutputVerdict {
                step: judged.step,
                verdict: judged.verdict,
            })
            .collect(),
    }
}

fn store(view: StoreView) -> StoreStep {
    StoreStep {
        step: view.step,
        target: view.target,
        required: view.required,
        identity: view.identity,
        state: view.state,
        parts: view.parts,
        parts_total: view.parts_total,
        bytes: view.bytes,
        bytes_total: view.bytes_total,
        fault: view.fault,
        room_until: view.room_until.map(Into::into),
    }
}

fn pin(view: PinView) -> PinnedPlugin {
    PinnedPlugin {
        step: view.step,
        plugin: view.plugin,
        version: view.version,
        digest: view.digest,
        grants: view.grants,
        verifies: view.verifies,
    }
}

fn fault(view: FaultView) -> StepFault {
    StepFault {
        effect: view.effect.to_owned(),
        step: view.step,
        store: view.store,
        output: view.output,
        fault: view.fault,
    }
}

#[cfg(test)]
mod tests {
    use drydock_core::{
        ClusterName, OutcomeCode, RunId, RunKind, RunPhase, ScheduleName, StepName, UnixTime,
    };
    use drydock_journal::{QuestionRow, RunProgress};
    use serde_json::json;

    use super::*;

    fn row(progress: RunProgress) -> RunRow {
        RunRow {
            run: RunId::new("s1.1"),
            schedule: ScheduleName::new("s1"),
            cluster: ClusterName::new("c1"),
            kind: RunKind::Backup,
            subjects: Vec::new(),
            due: UnixTime(1),
            by_hand: false,
            created: UnixTime(1),
            despite: None,
            progress,
        }
    }

    fn ended(details: &str) -> RunSummary {
        summary(row(RunProgress {
            phase: RunPhase::Finished,
            recovery_point: None,
            holds: Vec::new(),
            questions: Vec::new(),
            frees_subjects: false,
            end: Some(RunEnd {
                outcome: OutcomeCode::Degraded,
                details: details.to_owned(),
                finished: UnixTime(2),
            }),
        }))
    }

    fn answered(result: Option<&str>) -> Option<AttemptResult> {
        let tried = attempt(Attempt {
            step: StepName::new("snapshot"),
            attempt: 1,
            started: UnixTime(1),
            ended: None,
            result: result.map(str::to_owned),
            grants: None,
            log: String::new(),
        });
        tried.result
    }

    #[test]
    fn a_result_that_cannot_be_read_is_not_absent() {
        assert_eq!((answered(None), answered(Some("null"))), (None, None));
        let judged = answered(Some(r#"{"pass": true, "findings": []}"#));
        assert!(
            matches!(judged, Some(AttemptResult::Judged(_))),
            "{judged:?}"
        );
        for spoilt in ["{}", "{\"pass\"", "7"] {
            let unread = answered(Some(spoilt));
            let Some(AttemptResult::Unread { unread }) = unread else {
                panic!("{spoilt} was read: {unread:?}")
            };
            assert!(
                unread.starts_with("the result cannot be read: "),
                "{unread}"
            );
        }
    }

    #[test]
    fn a_run_without_an_end_is_caused_by_what_it_asks() {
        let question = QuestionRow {
            question: QuestionId(1),
            about: StepName::new("look"),
            text: "Does the cluster serve?".to_owned(),
            choices: Vec::new(),
            asked: UnixTime(3),
        };
        let asking = summary(row(RunProgress {
            phase: RunPhase::Asking,
            recovery_point: None,
            holds: Vec::new(),
            questions: vec![question],
            frees_subjects: false,
            end: None,
        }));
        assert_eq!(asking.open_questions, [QuestionId(1)]);
        let cause = asking.end.cause.as_deref();
        assert_eq!(cause, Some("question 1: Does the cluster serve?"));
        assert_eq!((asking.end.outcome, asking.finished), (None, None));
    }

    #[test]
    fn what_a_drill_found_is_read_or_told_as_unread() {
        let summary = json!({"recoveryPoint": "s1.1", "target": "local", "verdict": "passed",
            "reason": null, "checks": 3, "recoveryMilliseconds": 7, "dataAgeSeconds": 9,
            "report": null, "warnings": []});
        let read = body(DRILL, &summary);
        assert!(matches!(read, Some(StepBody::Drill(_))), "{read:?}");
        let Some(StepBody::Unread { unread }) = body(DRILL, &json!({"checks": 3})) else {
            panic!("it was read, or dropped")
        };
        let told = "what the drill found cannot be read: missing field";
        assert!(unread.starts_with(told), "{unread}");
        let other = json!({"frozen": 3});
        assert_eq!(body("action", &other), Some(StepBody::Other(other)));
        assert_eq!(body(DRILL, &Value::Null), None);
    }

    #[test]
    fn an_end_that_cannot_be_read_keeps_its_word() {
        let reasons = vec!["a member was down".to_owned()];
        let details = serde_json::to_string(&Outcome::Degraded { reasons }).unwrap();
        let sound = ended(&details).end;
        assert_eq!(sound.outcome, Some(OutcomeCode::Degraded));
        assert_eq!(sound.cause.as_deref(), Some("a member was down"));
        let spoilt = ended("{}");
        assert_eq!(spoilt.end.outcome, Some(OutcomeCode::Degraded));
        assert_eq!(spoilt.finished, Some(UnixTime(2).into()));
        let cause = spoilt.end.cause.unwrap();
        assert!(cause.starts_with("its end cannot be read: "), "{cause}");
        assert_eq!(spoilt.end.reasons, [cause]);
    }
}
