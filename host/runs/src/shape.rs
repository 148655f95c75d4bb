//! Runs in the shapes that are printed: from what the engine and the journal know of one to
//! the types of `api/types`.

use drydock_api_types::{
    drill,
    run::{
        BackupStep, DrillStep, DrillSummary, OutputVerdict, PinnedPlugin, Run, RunOutcome,
        RunOutput, RunSummary, SkippedOccurrence, SkippedPhase, StepAttempt, StepFault, StoreStep,
    },
};
use drydock_core::OccurrenceEnd;
use drydock_engine::{
    RunView,
    model::{DrillResult, DrillVerdict, Outcome},
    view::{BackupView, DrillView, FaultView, OutputView, PinView, StoreView},
};
use drydock_journal::{Attempt, Occurrence, RunRow};

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

/// A run as the journal's index has it.
///
/// # Errors
/// The journal's outcome cannot be read.
pub fn summary(row: RunRow) -> Result<RunSummary, serde_json::Error> {
    let end = row.progress.end;
    let details = end.as_ref().map(|end| serde_json::from_str(&end.details));
    let details: Option<Outcome> = details.transpose()?;
    Ok(RunSummary {
        run: row.run,
        schedule: row.schedule,
        cluster: row.cluster,
        kind: row.kind,
        subjects: row.subjects,
        due: row.due.into(),
        by_hand: row.by_hand,
        created: row.created.into(),
        finished: end.map(|end| end.finished.into()),
        phase: row.progress.phase,
        end: details.as_ref().map(outcome).unwrap_or_default(),
        recovery_point: row.progress.recovery_point,
    })
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

/// One try of a step. A result of another version is left out.
pub fn attempt(attempt: Attempt) -> StepAttempt {
    let result = attempt.result.as_deref();
    StepAttempt {
        step: attempt.step,
        attempt: attempt.attempt,
        started: attempt.started.into(),
        ended: attempt.ended.map(Into::into),
        result: result.and_then(|text| serde_json::from_str(text).ok()),
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
