//! Dying on purpose, for the tests that kill the process at every record.
//!
//! `DRYDOCK_TEST_KILL=after-record:N` or `before-record:N` makes the process kill itself
//! with SIGKILL when the engine's N-th record of this process has just been written, or
//! is just about to be; `after-decision:N` when the daemon's N-th batch of decisions has
//! just been written; `after-phase:N` when the N-th phase of a restore has just ended;
//! `in-phase:N` when the N-th phase of a drill begins (0 prepare, 1 fetch, 2 check,
//! 3 restore, 4 boot, 5 compare, 6 API server, 7 its end). Nothing else reads the variable;
//! without it nothing happens.

use crate::environment;

const VARIABLE: &str = "DRYDOCK_TEST_KILL";

pub struct CrashInjection {
    place: Place,
    record: u64,
}

#[derive(PartialEq, Eq)]
enum Place {
    BeforeRecord,
    AfterRecord,
    AfterDecision,
    AfterPhase,
    InPhase,
}

impl CrashInjection {
    pub fn from_environment() -> Option<Self> {
        let text = environment::variable(VARIABLE)?;
        let (place, record) = text.split_once(':')?;
        let place = match place {
            "before-record" => Place::BeforeRecord,
            "after-record" => Place::AfterRecord,
            "after-decision" => Place::AfterDecision,
            "after-phase" => Place::AfterPhase,
            "in-phase" => Place::InPhase,
            _ => return None,
        };
        Some(Self {
            place,
            record: record.parse().ok()?,
        })
    }

    /// A record of a run is about to be written.
    pub fn before_record(&self, record: u64) {
        self.at(&Place::BeforeRecord, record);
    }

    /// A record of a run is written.
    pub fn after_record(&self, record: u64) {
        self.at(&Place::AfterRecord, record);
    }

    /// The daemon's decisions are recorded and nothing has come of them yet.
    pub fn after_decision(&self, batch: u64) {
        self.at(&Place::AfterDecision, batch);
    }

    /// A phase of a restore has ended.
    pub fn after_phase(&self, phase: u64) {
        self.at(&Place::AfterPhase, phase);
    }

    /// This phase of a drill begins.
    pub fn in_phase(&self, phase: u64) {
        self.at(&Place::InPhase, phase);
    }

    fn at(&self, place: &Place, record: u64) {
        if self.place == *place && self.record == record {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }
}
