//! Between records and what they mean.

use drydock_core::{RunId, UnixTime};
use drydock_journal::{NewRecord, Record, RecordKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::EngineError;
use crate::model::{Effect, Event};
use crate::state::RunState;

/// The state that a run's records lead to.
///
/// # Errors
/// A record cannot be read, or the first is not the run's creation.
pub fn replay(run: &RunId, records: &[Record]) -> Result<RunState, EngineError> {
    let beginning = || EngineError::NoBeginning { run: run.clone() };
    let (first, rest) = records.split_first().ok_or_else(beginning)?;
    let Event::RunCreated { spec, at } = read(run, first)? else {
        return Err(beginning());
    };
    let mut state = RunState::new(*spec, at);
    for record in rest {
        match record.kind {
            RecordKind::Event => state.apply(&read::<Event>(run, record)?),
            RecordKind::Effect => state.started(&read::<Effect>(run, record)?),
        }
    }
    Ok(state)
}

/// The record of an event.
#[must_use]
pub fn event_record(event: &Event, at: UnixTime) -> NewRecord {
    record(RecordKind::Event, event, at)
}

/// The record of an effect that is about to be carried out.
#[must_use]
pub fn effect_record(effect: &Effect, at: UnixTime) -> NewRecord {
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
