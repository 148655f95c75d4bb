//! The end of the process by SIGKILL at a chosen instant, written `PLACE:N`: `before-record`,
//! `after-record`, `after-decision`, `after-phase` or `in-phase`, and the number that
//! [`CrashPoint`] tells there.

use drydock_core::CrashPoint;
use rustix::process::{Signal, getpid, kill_process};

/// Kills this process when it comes to the place.
pub struct Kill {
    place: Place,
    number: u64,
}

#[derive(PartialEq, Eq)]
enum Place {
    BeforeRecord,
    AfterRecord,
    AfterDecision,
    AfterPhase,
    InPhase,
}

impl Kill {
    pub fn at(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| panic!("there is no place {text:?} to die at"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (place, number) = text.split_once(':')?;
        let place = match place {
            "before-record" => Place::BeforeRecord,
            "after-record" => Place::AfterRecord,
            "after-decision" => Place::AfterDecision,
            "after-phase" => Place::AfterPhase,
            "in-phase" => Place::InPhase,
            _ => return None,
        };
        let number = number.parse().ok()?;
        Some(Self { place, number })
    }

    fn come_to(&self, place: &Place, number: u64) {
        if self.place == *place && self.number == number {
            die();
        }
    }
}

/// Ends this process as a power cut does.
pub fn die() {
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
}

impl CrashPoint for Kill {
    fn before_record(&self, n: u64) {
        self.come_to(&Place::BeforeRecord, n);
    }

    fn after_record(&self, n: u64) {
        self.come_to(&Place::AfterRecord, n);
    }

    fn after_decision(&self, n: u64) {
        self.come_to(&Place::AfterDecision, n);
    }

    fn after_phase(&self, n: u64) {
        self.come_to(&Place::AfterPhase, n);
    }

    fn in_phase(&self, phase: u64) {
        self.come_to(&Place::InPhase, phase);
    }
}
