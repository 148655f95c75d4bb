//! Between records and what they mean.
//!
//! A record's body is JSON. An event is itself; an effect has its number beside it, which its
//! answer names. The records of a run can be kept outside of the journal too, as a log of a
//! line a record.

mod log;

use drydock_core::{RunId, UnixTime};
use drydock_journal::{NewRecord, Record, RecordKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::model::{Effect, EffectId, Event};
use crate::state::RunState;

pub use log::{LogError, read_log, write_log};

/// An effect as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRecord {
    pub id: EffectId,
    pub effect: Effect,
}

/// The state that a run's records lead to.
///
/// # Errors
/// A record cannot be read, or the first is not the run's creation.
pub fn replay(run: &RunId, records: &[Record]) -> Result<RunState, EngineError> {
    let beginning = || EngineError::NoBeginning { run: run.clone() };
    let first = records.first().ok_or_else(beginning)?;
    let Event::Created { spec, at } = read(run, first)? else {
        return Err(beginning());
    };
    let mut state = RunState::new(*spec, at);
    for record in records {
        match record.kind {
            RecordKind::Event => state.apply(&read(run, record)?, record.at),
            RecordKind::Effect => {
                let EffectRecord { id, effect } = read(run, record)?;
                state.started(id, &effect, record.at);
            }
        }
    }
    Ok(state)
}

/// The run whose records these are; none when they do not begin with its creation.
#[must_use]
pub fn run_of(records: &[Record]) -> Option<RunId> {
    match serde_json::from_str(&records.first()?.body) {
        Ok(Event::Created { spec, .. }) => Some(spec.run),
        _ => None,
    }
}

/// The record of an event.
#[must_use]
pub fn event_record(event: &Event, at: UnixTime) -> NewRecord {
    record(RecordKind::Event, event, at)
}

/// The record of an effect that is about to be carried out.
#[must_use]
pub fn effect_record(effect: &EffectRecord, at: UnixTime) -> NewRecord {
    record(RecordKind::Effect, effect, at)
}

fn record(kind: RecordKind, value: &impl Serialize, at: UnixTime) -> NewRecord {
    let body = serde_json::to_string(value).expect("events and effects are plain data");
    NewRecord { kind, body, at }
}

fn read<T: DeserializeOwned>(run: &RunId, record: &Record) -> Result<T, EngineError> {
    serde_json::from_str(&record.body).map_err(|source| EngineError::Record {
        run: run.clone(),
        sequence: record.sequence,
        source,
    })
}
