//! The records of a run for somebody else's eyes.

use drydock_core::RunId;
use drydock_engine::EngineError;
use drydock_engine::model::{Answer, Effect, Event};
use drydock_engine::replay::EffectRecord;
use drydock_journal::{Record, RecordKind};
use drydock_point::{PointAnswer, PointEffect};

/// The records without what a store handed out to go on with an upload: a session may be a
/// credential, and replaying goes without.
///
/// # Errors
/// A record cannot be read, so that nobody knows what stands in it.
pub fn without_secrets(run: &RunId, records: &[Record]) -> Result<Vec<Record>, EngineError> {
    let records = records.iter().map(|record| {
        let body = match record.kind {
            RecordKind::Event => event(&record.body),
            RecordKind::Effect => effect(&record.body),
        };
        let body = body.map_err(|source| EngineError::Record {
            run: run.clone(),
            sequence: record.sequence,
            source,
        })?;
        Ok(Record {
            body,
            ..record.clone()
        })
    });
    records.collect()
}

fn event(body: &str) -> serde_json::Result<String> {
    let mut event: Event = serde_json::from_str(body)?;
    clear_event(&mut event);
    serde_json::to_string(&event)
}

fn effect(body: &str) -> serde_json::Result<String> {
    let mut record: EffectRecord = serde_json::from_str(body)?;
    clear_effect(&mut record);
    serde_json::to_string(&record)
}

fn clear_event(event: &mut Event) {
    let Event::Answered {
        answer: Answer::Point { point },
        ..
    } = event
    else {
        return;
    };
    match point {
        PointAnswer::Began { session, .. } => session.0.clear(),
        PointAnswer::PartStored { part } => part.receipt.0.clear(),
        PointAnswer::Judged { .. }
        | PointAnswer::Completed { .. }
        | PointAnswer::ReadBack
        | PointAnswer::Signed { .. }
        | PointAnswer::Committed { .. }
        | PointAnswer::Superseded { .. }
        | PointAnswer::Retained { .. }
        | PointAnswer::Aborted { .. }
        | PointAnswer::Deleted
        | PointAnswer::Swept { .. }
        | PointAnswer::SpoolDropped
        | PointAnswer::SpoolMissing { .. }
        | PointAnswer::Failed { .. }
        | PointAnswer::WaitOver => {}
    }
}

fn clear_effect(record: &mut EffectRecord) {
    let Effect::Point { point } = &mut record.effect else {
        return;
    };
    match point {
        PointEffect::PutPart { session, .. }
        | PointEffect::CompleteUpload { session, .. }
        | PointEffect::AbortUpload { session, .. } => session.0.clear(),
        // Those of a sweep are not recorded.
        PointEffect::SweepUploads { .. }
        | PointEffect::BeginUpload { .. }
        | PointEffect::Judge { .. }
        | PointEffect::ReadBack { .. }
        | PointEffect::RetainObject { .. }
        | PointEffect::SignManifest
        | PointEffect::CommitManifest { .. }
        | PointEffect::DeleteObject { .. }
        | PointEffect::DropSpool
        | PointEffect::Wait { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use drydock_core::store::{Acknowledgement, Layout, Receipt, Session, Sessions};
    use drydock_core::{OutputId, StepName, UnixTime};
    use drydock_engine::model::EffectId;
    use drydock_engine::replay::{effect_record, event_record};

    use super::*;

    const SECRET: &[u8] = b"a bearer's";

    fn written(records: Vec<drydock_journal::NewRecord>) -> Vec<Record> {
        let records = (1..).zip(records);
        records
            .map(|(sequence, new)| Record {
                sequence,
                kind: new.kind,
                body: new.body,
                at: new.at,
            })
            .collect()
    }

    fn answered(point: PointAnswer) -> Event {
        Event::Answered {
            effect: EffectId(1),
            answer: Answer::Point { point },
        }
    }

    #[test]
    fn neither_sessions_nor_receipts_leave_the_journal() {
        let layout = Layout {
            part_bytes_min: 1,
            part_bytes_max: 1,
            parts_max: 1,
            parallel_max: 1,
            equal_parts: false,
            object_bytes_max: 1 << 20,
            part_checksum: None,
            sessions: Sessions::Listed,
            retain: false,
        };
        let session = Session(SECRET.to_owned());
        let put = PointEffect::PutPart {
            store: StepName::new("store"),
            output: OutputId(1),
            session: session.clone(),
            number: 1,
            offset: 0,
            length: 1,
            attempt: 1,
        };
        let began = PointAnswer::Began {
            session,
            layout,
            part_size: 1,
        };
        let stored = PointAnswer::PartStored {
            part: Acknowledgement {
                receipt: Receipt(SECRET.to_owned()),
                verified: true,
            },
        };
        let effect = EffectRecord {
            id: EffectId(2),
            effect: Effect::Point { point: put },
        };
        let records = written(vec![
            event_record(&answered(began), UnixTime(1)),
            effect_record(&effect, UnixTime(1)),
            event_record(&answered(stored), UnixTime(1)),
        ]);
        let secret: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
        let run = RunId::new("a.1");
        let cleared = without_secrets(&run, &records).unwrap();
        for (before, after) in records.iter().zip(&cleared) {
            assert!(before.body.contains(&secret), "{}", before.body);
            assert!(!after.body.contains(&secret), "{}", after.body);
        }
        let spoilt = written(vec![drydock_journal::NewRecord {
            kind: RecordKind::Event,
            body: format!("{{\"event\": \"other\", \"session\": \"{secret}\"}}"),
            at: UnixTime(1),
        }]);
        assert!(without_secrets(&run, &spoilt).is_err());
    }
}
