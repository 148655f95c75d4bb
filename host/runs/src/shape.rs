//! Runs in the shapes that are printed: from what the engine and the journal know of one to
//! the types of `api/types`.

use drydock_api_types::{
    drill,
    run::{
        AttemptResult, BackupStep, DrillStep, DrillSummary, OutputVerdict, PinnedPlugin, Run,
        RunOutcome, RunOutput, RunSummary, SkippedOccurrence, SkippedPhase, StepAttempt, StepFault,
        StoreStep,
    },
};
use drydock_core::OccurrenceEnd;
use drydock_engine::{
    RunView,
    model::{DrillResult, DrillVerdict, Outcome},
    view::{BackupView, DrillView, FaultView, OutputView, PinView, StoreView},
};
use drydock_journal::{Attempt, Occurrence, RunEnd, RunRow};

use crate::cause;

/// A run with all of its steps.
pub fn run(view: RunView) -> Run {
    Run {
        run: view.run,
        schedule: view.schedule,
        cluster: view.cluster,
        due: view.due.into(),
        by_hand: view.by_hand,
        created: view.created.into(),
        finished: view.finished.map(Into::into),
        phase: view.phase,
        end: view.outcome.as_ref().map(outcome).unwrap_or_default(),
        recovery_point: view.recovery_point,
        backups: view.backups.into_iter().map(backup).collect(),
        outputs: view.outputs.into_iter().map(output).collect(),
        stores: view.stores.into_iter().map(store).collect(),
        drill: view.drill.map(drill),
        pins: view.pins.into_iter().map(pin).collect(),
        faults: view.faults.into_iter().map(fault).collect(),
    }
}

/// A run as the journal's index has it. Where the rest of its end cannot be read, that is what
/// there is to look at.
pub fn summary(row: RunRow) -> RunSummary {
    let end = row.progress.end;
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
        end: end.as_ref().map(kept).unwrap_or_default(),
        recovery_point: row.progress.recovery_point,
    }
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

fn backup(view: BackupView) -> BackupStep {
    BackupStep {
        step: view.step,
        attempts: view.attempts,
        failures: view.failures,
        state: view.state,
        findings: view.findings,
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
        state: view.state,
        parts: view.parts,
        parts_total: view.parts_total,
        bytes: view.bytes,
        bytes_total: view.bytes_total,
        fault: view.fault,
    }
}

fn drill(view: DrillView) -> DrillStep {
    DrillStep {
        target: view.target,
        attempts: view.attempts,
        failures: view.failures,
        state: view.state,
        result: view.result.map(drilled),
    }
}

fn drilled(result: DrillResult) -> DrillSummary {
    DrillSummary {
        recovery_point: result.recovery_point,
        verdict: match result.verdict {
            DrillVerdict::Passed => drill::Verdict::Pass,
            DrillVerdict::Failed => drill::Verdict::Fail,
            DrillVerdict::Skipped => drill::Verdict::Skipped,
        },
        reason: result.reason,
        checks: result.checks,
        recovery_milliseconds: result.recovery_milliseconds,
        data_age_seconds: result.data_age_seconds,
        report: result.report,
        warnings: result.warnings,
    }
}

fn pin(view: PinView) -> PinnedPlugin {
    PinnedPlugin {
        step: view.step,
        plugin: view.plugin,
        version: view.version,
        digest: view.digest,
        grants: view.grants,
        judges: view.judges,
    }
}

fn fault(view: FaultView) -> StepFault {
    StepFault {
        effect: view.effect.to_owned(),
        backup: view.backup,
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
    use drydock_journal::RunProgress;

    use super::*;

    fn ended(details: &str) -> RunSummary {
        summary(RunRow {
            run: RunId::new("s1.1"),
            schedule: ScheduleName::new("s1"),
            cluster: ClusterName::new("c1"),
            kind: RunKind::Backup,
            subjects: Vec::new(),
            due: UnixTime(1),
            by_hand: false,
            created: UnixTime(1),
            progress: RunProgress {
                phase: RunPhase::Finished,
                recovery_point: None,
                end: Some(RunEnd {
                    outcome: OutcomeCode::Degraded,
                    details: details.to_owned(),
                    finished: UnixTime(2),
                }),
            },
        })
    }

    fn answered(result: Option<&str>) -> Option<AttemptResult> {
        let tried = attempt(Attempt {
            step: StepName::new("snapshot"),
            attempt: 1,
            started: UnixTime(1),
            ended: None,
            result: result.map(str::to_owned),
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
