//! How each behaviour has to end. The matches are exhaustive: a behaviour that nobody
//! claims does not compile.

use super::behaviours::{Act, Guest, Judge, Store};

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returns well: the guest could do no harm, or what it did is found elsewhere.
    Well,
    /// It ends with a fault of this code.
    Fault(&'static str),
    /// Now this, now that: it returns well or with a fault of this code.
    Either(&'static str),
}

impl Ending {
    /// Whether an attempt may have ended like this.
    pub fn fits(self, code: Option<&str>) -> bool {
        match (self, code) {
            (Self::Well | Self::Either(_), None) => true,
            (Self::Fault(expected) | Self::Either(expected), Some(code)) => expected == code,
            _ => false,
        }
    }
}

/// How `act` ends within [`super::company::limits`].
pub fn ends(act: Act) -> Ending {
    match act {
        Act::Guest(behaviour) => guest(behaviour),
        Act::Judge(behaviour) => judge(behaviour),
        Act::Store(behaviour) => store(behaviour),
    }
}

fn guest(behaviour: Guest) -> Ending {
    use Ending::{Either, Fault, Well};
    match behaviour {
        Guest::EndlessLoop | Guest::EndlessLoopInCheck | Guest::IgnoreCancel => Fault("cpu-limit"),
        Guest::HostCallLoop
        | Guest::ProgressForEver
        | Guest::OutputFlood
        | Guest::OutputFloodDeaf
        | Guest::WriteForEver
        | Guest::EmptyWrites => Fault("host-call-limit"),
        Guest::WaitForEver
        | Guest::SleepForEver
        | Guest::SpinAfterStop
        | Guest::ProgressBackwards
        | Guest::HoldOutput => Fault("idle-limit"),
        Guest::SparseFile => Fault("too-large"),
        Guest::MemoryBomb => Fault("memory-limit"),
        Guest::DeepRecursion => Fault("stack-limit"),
        Guest::HandleFlood => Fault("handles-limit"),
        Guest::LargeList => Fault("argument-limit"),
        Guest::GigabyteList
        | Guest::InvalidUtf8
        | Guest::BadEnum
        | Guest::DropTwice
        | Guest::UseAfterDrop
        | Guest::ForgedHandle
        | Guest::WrongHandle
        | Guest::InvalidUtf8Error => Fault("plugin-failed"),
        Guest::PanicInCheck
        | Guest::Panic
        | Guest::LongPanic
        | Guest::TrapMidway
        | Guest::Abort
        | Guest::DivideByZero
        | Guest::OutOfBounds
        | Guest::SecretInPanic => Fault("plugin-trapped"),
        Guest::Exit | Guest::ExitInCheck => Fault("plugin-exited"),
        Guest::AbortMidway => Fault("changed-my-mind"),
        Guest::CallAfterFinish => Fault("output-closed"),
        Guest::HugeFindings | Guest::ManyFindings => Fault("result-limit"),
        Guest::ManyDetails => Fault("many-details"),
        Guest::EscapeCodes | Guest::HugeError => Fault("other"),
        Guest::SecretInError => Fault("told"),
        Guest::DifferentAnswers => Either("bad-configuration"),
        Guest::ClockJump
        | Guest::LogFlood
        | Guest::StdoutFlood
        | Guest::StderrFlood
        | Guest::RandomFlood
        | Guest::LongLine
        | Guest::InvalidUtf8Streams
        | Guest::NeverFinish
        | Guest::PathTraversal
        | Guest::SymlinkEscape
        | Guest::HugeOffset
        | Guest::ReadStdin
        | Guest::ProbeEnvironment
        | Guest::ProbeFiles
        | Guest::SecretInLog
        | Guest::SecretInFinding => Well,
    }
}

fn judge(behaviour: Judge) -> Ending {
    use Ending::{Fault, Well};
    match behaviour {
        Judge::NeverReads | Judge::ReadOutOfRange | Judge::PassWithFailure => Well,
        Judge::ReadForEver | Judge::DigestForEver | Judge::FactsForEver => Fault("host-call-limit"),
        Judge::DropBorrowed | Judge::WrongHandle => Fault("plugin-failed"),
        Judge::KeepEverything => Fault("memory-limit"),
        Judge::Panic => Fault("plugin-trapped"),
        Judge::EndlessLoop => Fault("cpu-limit"),
        Judge::HugeFindings => Fault("result-limit"),
    }
}

/// How an upload and what follows it ends; [`super::company`] says what that is.
fn store(behaviour: Store) -> Ending {
    use Ending::{Fault, Well};
    match behaviour {
        Store::HugeLayout
        | Store::ChangingLayout
        | Store::NeverForgets
        | Store::PlaceNotMade
        | Store::ObjectOther
        | Store::ObjectOverwrites
        | Store::WrongPartUnverified
        | Store::WrongPartVerified
        | Store::OtherBytes
        | Store::StatHuge => Well,
        Store::EmptySession
        | Store::SmallObjects
        | Store::UnknownChecksum
        | Store::ExpireAtOnce
        | Store::ExpireNever
        | Store::ObjectElsewhere
        | Store::OtherAlgorithm
        | Store::ShortChecksum
        | Store::StatOther
        | Store::SameCursor
        | Store::UnsortedKeys
        | Store::RepeatedKeys
        | Store::RepeatedPages
        | Store::StrayKeys
        | Store::EscapeKeys => Fault("bad-answer"),
        Store::LayoutHangs
        | Store::PlaceHangs
        | Store::ObjectHangs
        | Store::RetainHangs
        | Store::BeginHangs
        | Store::PutHangs
        | Store::CompleteHangs
        | Store::UndoHangs
        | Store::StatHangs
        | Store::RangeHangs
        | Store::ListHangs
        | Store::DeleteHangs => Fault("idle-limit"),
        Store::PutLoops => Fault("cpu-limit"),
        Store::PutPanics | Store::CompletePanics => Fault("plugin-trapped"),
        Store::PutNeverReads | Store::WrongPart | Store::OtherSession => Fault("size-mismatch"),
        Store::OtherReceipt => Fault("parts-missing"),
        Store::PutBreaksOff => Fault("no-more"),
        Store::LayoutLooks => Fault("not-granted"),
        Store::OtherChecksum => Fault("checksum-differs"),
        Store::RetainNothing | Store::RetainShort => Fault("not-retained"),
        Store::ObjectNothing | Store::CompleteNothing | Store::CompleteElsewhere => {
            Fault("not-found")
        }
        Store::BytesTwice => Fault("out-of-range"),
        Store::NoBytes => Fault("short"),
        Store::EmptyPieces => Fault("host-call-limit"),
        Store::EndlessCursor | Store::EndlessSessions => Fault("endless"),
        Store::HugePage | Store::HugeKeys | Store::ManyFindings => Fault("result-limit"),
    }
}
