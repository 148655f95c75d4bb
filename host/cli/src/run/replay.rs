//! `drydock run replay`: what happened in a run, from its records alone.

use std::path::Path;

use drydock_api_types::run::{ReplayedRecord, RunDetails, RunReplay};
use drydock_core::{HoldEnd, Probed, RunId, reason};
use drydock_engine::model::{Answer, Effect, Emission, Event};
use drydock_engine::replay::{EffectRecord, LogError, read_log, replay, run_of};
use drydock_engine::{EngineError, RunView};
use drydock_journal::{Record, RecordKind};
use drydock_point::{OutputEvent, PointAnswer};
use drydock_runs::{cause, shape};
use drydock_terminal::print::{self, Output};

use super::show;
use crate::args::{self, Global};
use crate::{Exit, Failure, Outcome};

/// A file is not replayed.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error("{file} cannot be read: {why}")]
    Unread { file: String, why: String },
    #[error("{file} is not the records of a run, as `drydock run show RUN --records` writes them")]
    Log {
        file: String,
        #[source]
        source: LogError,
    },
    #[error("{file} does not begin with the creation of a run: its first lines are missing")]
    NoBeginning { file: String },
    #[error("{file} cannot be replayed")]
    Engine {
        file: String,
        #[source]
        source: EngineError,
    },
}

pub fn dispatch(global: &Global, file: &Path) -> Outcome {
    let replayed = of_file(file).map_err(Failure::failed)?;
    match global.output {
        Output::Json => print::line(&serde_json::to_string_pretty(&replayed)?),
        Output::Table => {
            let RunReplay { records, run } = replayed;
            let lines = records.iter().map(|record| {
                let ReplayedRecord { sequence, at, what } = record;
                format!("{sequence:>5}  {at}  {what}")
            });
            lines.for_each(|line| print::line(&line));
            print::line("");
            let attempts = Vec::new();
            let details = RunDetails { run, attempts };
            show::print_details(&args::program(&global.config), &details);
        }
    }
    Ok(Exit::Done)
}

fn of_file(path: &Path) -> Result<RunReplay, ReplayError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ReplayError::Unread {
        file: file.clone(),
        why: reason(&error),
    })?;
    let records = read_log(&text).map_err(|source| ReplayError::Log {
        file: file.clone(),
        source,
    })?;
    let run = run_of(&records).ok_or_else(|| ReplayError::NoBeginning { file: file.clone() })?;
    replayed(&run, &records).map_err(|source| ReplayError::Engine { file, source })
}

fn replayed(run: &RunId, records: &[Record]) -> Result<RunReplay, EngineError> {
    let state = replay(run, records)?;
    let lines = records.iter().map(|record| {
        let what = what(record).map_err(|source| EngineError::Record {
            run: run.clone(),
            sequence: record.sequence,
            source,
        })?;
        Ok(ReplayedRecord {
            sequence: record.sequence,
            at: record.at.into(),
            what: what.replace('\n', " "),
        })
    });
    Ok(RunReplay {
        records: lines.collect::<Result<_, EngineError>>()?,
        run: shape::run(RunView::of(&state)),
    })
}

/// A record in a line.
fn what(record: &Record) -> serde_json::Result<String> {
    Ok(match record.kind {
        RecordKind::Event => event(&serde_json::from_str(&record.body)?),
        RecordKind::Effect => {
            let EffectRecord { id, effect } = serde_json::from_str(&record.body)?;
            format!("effect {id}: {}", asked(&effect))
        }
    })
}

fn event(event: &Event) -> String {
    match event {
        Event::Created { spec, .. } => {
            format!("created: run {}, {} steps", spec.run, spec.nodes.len())
        }
        Event::Resumed { .. } => "resumed by another process".to_owned(),
        Event::Emitted { effect, emission } => format!("effect {effect} tells: {}", told(emission)),
        Event::Answered { effect, answer } => {
            format!("effect {effect} is over: {}", answered(answer))
        }
        Event::Decided {
            question,
            choice,
            by,
        } => format!("{by} answered question {question} with {choice}"),
        Event::Cancelled { reason } => format!("cancelled: {reason}"),
        Event::Deadline { seconds, under_way } => format!(
            "the run's deadline of {seconds} s passed, while this was under way: {}",
            listed(under_way)
        ),
        Event::CleanupGivenUp { seconds } => {
            format!("taking back what the run stored was given up after {seconds} s")
        }
        Event::Finished { outcome, .. } => match cause::of(outcome) {
            Some(cause) => format!("ended {}: {cause}", outcome.word()),
            None => format!("ended {}", outcome.word()),
        },
    }
}

fn told(emission: &Emission) -> String {
    match emission {
        Emission::Output(OutputEvent::Opened { output, name, .. }) => {
            format!("output {output} is begun: {name}")
        }
        Emission::Output(OutputEvent::Advanced {
            output,
            sealed_bytes,
        }) => format!("output {output} has {sealed_bytes} sealed bytes"),
        Emission::Output(OutputEvent::Discarded { output, reason }) => {
            format!("output {output} counts for nothing: {reason}")
        }
        Emission::Output(OutputEvent::Sealed { sealed }) => format!(
            "output {} is whole: {} bytes, {} sealed",
            sealed.output, sealed.plain_size, sealed.sealed_size
        ),
        Emission::Cut => "what it takes is of this instant".to_owned(),
        Emission::Held { evidence } => format!("it holds: {evidence}"),
        Emission::Kept { handle } => format!("it left {handle} elsewhere"),
    }
}

fn answered(answer: &Answer) -> String {
    match answer {
        Answer::Done { done } => match &done.hold {
            None => "done".to_owned(),
            Some(HoldEnd::ToTheEnd) => "let go, it held to the end".to_owned(),
            Some(HoldEnd::Lost { why }) => format!("let go, it was lost before: {why}"),
        },
        Answer::Failed { fault, .. } => format!("failed: {fault}"),
        Answer::Probed { state } => {
            let found = match state {
                Probed::NotBegun => "it had not begun",
                Probed::Begun => "it had begun and is not done",
                Probed::Undone => "it was taken back",
                Probed::Held => "it holds",
                Probed::Lost => "it holds no more",
            };
            format!("found that {found}")
        }
        Answer::Undone => "taken back".to_owned(),
        Answer::Gone { fault } => format!("never to be taken back: {fault}"),
        Answer::Point { point } => of_point(point),
        Answer::WaitOver => "waited".to_owned(),
    }
}

fn of_point(answer: &PointAnswer) -> String {
    match answer {
        PointAnswer::Judged { verdict } if verdict.pass => "passed".to_owned(),
        PointAnswer::Judged { .. } => "refused".to_owned(),
        PointAnswer::Began { part_size, .. } => format!("begun, in parts of {part_size} bytes"),
        PointAnswer::PartStored { part } if part.verified => {
            "stored, under its checksum".to_owned()
        }
        PointAnswer::PartStored { .. } => "stored".to_owned(),
        PointAnswer::Completed { completion } => {
            format!("completed: {} bytes", completion.stat.size)
        }
        PointAnswer::ReadBack => "read back, byte for byte".to_owned(),
        PointAnswer::Signed { .. } => "signed".to_owned(),
        PointAnswer::Committed { despite: None } => "committed".to_owned(),
        PointAnswer::Committed {
            despite: Some(fault),
        } => format!("committed, although the store said: {fault}"),
        PointAnswer::Superseded { .. } => "another recovery point was there first".to_owned(),
        PointAnswer::Retained { until } => format!("locked until {until}"),
        PointAnswer::Aborted { room_until: None } => "aborted".to_owned(),
        PointAnswer::Aborted {
            room_until: Some(until),
        }
        | PointAnswer::Swept {
            room_until: Some(until),
            ..
        } => format!("left for the store to free by {until}"),
        PointAnswer::Deleted => "deleted".to_owned(),
        PointAnswer::Swept {
            aborted,
            room_until: None,
        } => format!("{aborted} uploads found and aborted"),
        PointAnswer::SpoolDropped => "the spool is gone".to_owned(),
        PointAnswer::SpoolMissing { fault } => format!("the spool is missing: {fault}"),
        PointAnswer::Failed { fault } => format!("failed: {fault}"),
        PointAnswer::WaitOver => "waited".to_owned(),
    }
}

fn asked(effect: &Effect) -> String {
    match effect {
        Effect::Attempt { node, attempt } => format!("attempt {attempt} of step {node}"),
        Effect::Probe { node, attempt } => {
            format!("look what became of attempt {attempt} of step {node}")
        }
        Effect::Undo { node, attempt } => format!("take step {node} back, try {attempt}"),
        Effect::Stop { attempt, reason } => format!("stop effect {attempt}: {reason}"),
        Effect::LetGo { attempt } => format!("let go what effect {attempt} holds"),
        Effect::Ask {
            question,
            about,
            text,
            ..
        } => format!("ask question {question}, about step {about}: {text}"),
        Effect::Point { point } => {
            let store = point.store().map(|store| format!(" at {store}"));
            let output = point.output().map(|output| format!(" of output {output}"));
            format!(
                "{}{}{}",
                point.word(),
                output.unwrap_or_default(),
                store.unwrap_or_default()
            )
        }
        Effect::Wait { milliseconds, .. } => format!("wait {milliseconds} ms"),
        Effect::Finish { outcome } => format!("end as {}", outcome.word()),
    }
}

fn listed(words: &[String]) -> String {
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}
