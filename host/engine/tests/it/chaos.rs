//! How often things go wrong in a simulated world.

/// How likely things go wrong, in a thousand operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chaos {
    /// An operation fails before it did anything.
    pub transient: u64,
    /// An operation takes place and its answer is a failure, of any class.
    pub answer_lost: u64,
    /// A commit is answered by any fault there is, whether or not it took place.
    pub commit_fails: u64,
    pub permanent: u64,
    /// From some operation on a store answers nothing any more.
    pub store_dies: u64,
    /// An attempt of a step fails, at any place of its work.
    pub step_fails: u64,
    /// A backup discards an output and opens another one.
    pub output_discarded: u64,
    pub verdict_no: u64,
    /// The process ends at a transaction.
    pub crash: u64,
    /// The spool is gone after a crash.
    pub spool_lost: u64,
    pub cancel: u64,
    /// Another daemon's manifest is at a store already, in a thousand stores.
    pub rival: u64,
    /// A probe says what is not so.
    pub probe_lies: u64,
    pub undo_fails: u64,
    /// A step cannot be taken back by its plugin, in a thousand steps.
    pub undo_never: u64,
    /// A hold is lost while it stands.
    pub hold_lost: u64,
    /// Somebody else has what a hold is about, in a thousand attempts.
    pub hold_blocked: u64,
    /// A deadline comes before what it is about.
    pub deadline: u64,
    /// The run's own deadline comes.
    pub run_deadline: u64,
    /// The operator answers with a word that the question does not have.
    pub wrong_words: u64,
    /// The operator ends the run at a gate.
    pub gate_ends: u64,
    /// Taking back what the recovery point began is given up.
    pub cleanup_given_up: u64,
}

/// Everything at once, as it was before there were graphs.
pub const EVERYTHING: Chaos = Chaos {
    transient: 60,
    answer_lost: 30,
    commit_fails: 100,
    permanent: 5,
    store_dies: 2,
    step_fails: 150,
    output_discarded: 150,
    verdict_no: 30,
    crash: 40,
    spool_lost: 200,
    cancel: 1,
    rival: 50,
    ..CALM
};

/// Everything that can go wrong with a graph, besides.
pub const GRAPH: Chaos = Chaos {
    step_fails: 120,
    answer_lost: 60,
    crash: 25,
    probe_lies: 30,
    undo_fails: 150,
    undo_never: 60,
    hold_lost: 40,
    hold_blocked: 100,
    deadline: 8,
    run_deadline: 1,
    wrong_words: 150,
    gate_ends: 150,
    cleanup_given_up: 5,
    ..EVERYTHING
};

/// Nothing goes wrong.
pub const CALM: Chaos = Chaos {
    transient: 0,
    answer_lost: 0,
    commit_fails: 0,
    permanent: 0,
    store_dies: 0,
    step_fails: 0,
    output_discarded: 0,
    verdict_no: 0,
    crash: 0,
    spool_lost: 0,
    cancel: 0,
    rival: 0,
    probe_lies: 0,
    undo_fails: 0,
    undo_never: 0,
    hold_lost: 0,
    hold_blocked: 0,
    deadline: 0,
    run_deadline: 0,
    wrong_words: 0,
    gate_ends: 0,
    cleanup_given_up: 0,
};
