//! What a run is to everybody but the engine: its kind, how far it is, what it holds and how
//! it ended. The journal keeps these as words.

use serde::{Deserialize, Serialize};

use crate::words::words;

words!(
    /// What a run does.
    RunKind {
        /// It makes a recovery point.
        Backup = "backup",
        Drill = "drill",
        /// Neither of both: its steps change the world.
        Actions = "actions",
    }
);

words!(
    /// How far a run is.
    RunPhase {
        /// Steps are under way or still to come.
        Running = "running",
        /// Every contributor to the recovery point is done; verification, uploads or commits
        /// are under way.
        Storing = "storing",
        /// It waits for an operator's answer, and nothing else is under way.
        Asking = "asking",
        /// An undo waits for an operator's answer.
        Stuck = "stuck",
        /// What the run began is being taken back.
        Ending = "ending",
        Finished = "finished",
    }
);

words!(
    /// How a run ended. The engine's outcome has the details.
    OutcomeCode {
        Succeeded = "Succeeded",
        Degraded = "Degraded",
        Failed = "Failed",
        Superseded = "Superseded",
    }
);

words!(
    /// How far a step is.
    StepState {
        Pending = "pending",
        Running = "running",
        /// It is tried again, after a while.
        Waiting = "waiting",
        /// It waits for an operator's answer.
        Asking = "asking",
        /// It holds, for the steps `during` it.
        Held = "held",
        Done = "done",
        Failed = "failed",
        /// It never ran, and will not: its `when` did not come true, or what it needs or
        /// stands `during` failed.
        Skipped = "skipped",
        Undoing = "undoing",
        Undone = "undone",
    }
);

words!(
    /// How a hold lasts.
    HoldKind {
        /// As long as the attempt that took it goes on.
        Session = "session",
        /// Until it is let go, whoever took it.
        State = "state",
    }
);

words!(
    /// How far a hold is.
    HoldPhase {
        /// It may be there: it was asked for, and no answer has come.
        Requested = "requested",
        Held = "held",
        /// It may still be there: letting go has begun.
        LettingGo = "letting-go",
        Released = "released",
    }
);

/// How far a run is with one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorePhase {
    Uploading,
    /// Everything is there, nothing is completed.
    Staged,
    /// Everything is completed and read back; the manifest is missing.
    Completed,
    Committed,
    Superseded,
    GivenUp,
    /// Nothing more is tried, and nobody knows whether the recovery point is there.
    Indeterminate,
}

impl OutcomeCode {
    /// Whether the recovery point exists at one target at least, or did not fail the drill.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Degraded)
    }
}

impl StorePhase {
    /// The word for people; JSON has it in kebab-case.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Uploading => "Uploading",
            Self::Staged => "Staged",
            Self::Completed => "Completed",
            Self::Committed => "Committed",
            Self::Superseded => "Superseded",
            Self::GivenUp => "GivenUp",
            Self::Indeterminate => "Indeterminate",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::to_value;

    use super::*;

    #[test]
    fn words_are_read_back_and_are_those_of_json() {
        for phase in RunPhase::ALL {
            assert_eq!(RunPhase::of_word(phase.word()), Some(*phase));
            assert_eq!(to_value(phase).unwrap(), phase.word());
        }
        for phase in HoldPhase::ALL {
            assert_eq!(HoldPhase::of_word(phase.word()), Some(*phase));
            assert_eq!(to_value(phase).unwrap(), phase.word());
        }
        assert_eq!(RunKind::of_word("restore"), None);
    }
}
