//! One node as it stands.

use drydock_core::{Fault, UnixTime};

use crate::model::{Done, EffectId};

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub phase: NodePhase,
    /// How often it was started, answered by a fault, and lost with its process.
    pub attempts: u32,
    pub failures: u32,
    pub lost: u32,
    pub probe_failures: u32,
    /// The rank of its first attempt among those of the run, since it was last taken back.
    pub began: Option<u32>,
    /// When the last attempt that is over ended.
    pub done: Option<Done>,
    /// What the kind has to show of a failure.
    pub shown: serde_json::Value,
    /// Handles of what it left elsewhere, in the order in which it said so.
    pub kept: Vec<String>,
    /// When what it takes was cut, in the pass that is under way.
    pub cut: Option<UnixTime>,
    /// Whether its attempt was asked to come to an end.
    pub stopping: bool,
    /// Why no attempt of it counts any more: all together took too long.
    pub overdue: Option<Fault>,
    /// Whether nobody knows if an attempt of it took place.
    pub in_doubt: bool,
    /// The unit that it belongs to: holds, and the steps during them.
    pub unit: Option<usize>,
    /// Of a hold node that was asked for.
    pub hold: Option<Hold>,
    pub undo: Undo,
}

/// How far a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NodePhase {
    /// It waits for what it needs, or is about to be started.
    #[default]
    Pending,
    Running(EffectId),
    /// Nobody knows what became of it, for this reason: it is probed.
    Unknown {
        fault: Fault,
        probe: ProbeAt,
    },
    /// It is tried again after a while.
    Waiting,
    /// An operator is asked: its own question, or whether it was done.
    Asking,
    Done,
    Failed(Fault),
    /// It never ran, or what it gave does not count any more, for this reason.
    Skipped(String),
}

/// How far a probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAt {
    Wanted,
    Running(EffectId),
    /// It failed and is tried again after a while.
    Waiting,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub at: HoldAt,
    pub asked: UnixTime,
    pub held: Option<UnixTime>,
    pub evidence: Option<String>,
    /// It is let go by then, whatever happens.
    pub deadline: UnixTime,
    /// Whether it stood when the last of the steps had made its cut, as far as is known.
    pub stood: bool,
    /// The probe of a state hold that is under way.
    pub probe: Option<EffectId>,
}

/// How far a hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldAt {
    Asked,
    Held,
    /// It is to be let go.
    Leaving,
    /// Whoever has it was told, or is asked whether it still holds.
    Telling,
    Released(UnixTime),
}

/// What is to become of what a node did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undo {
    pub phase: UndoPhase,
    pub attempts: u32,
    pub failures: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UndoPhase {
    /// Nobody wants it taken back.
    #[default]
    Unwanted,
    Wanted,
    Running(EffectId),
    Waiting,
    /// It failed too often: an operator is asked.
    Asking,
    Done,
    /// An operator mended it by hand.
    ByHand,
    /// What could take it back is gone for good.
    GivenUp,
}

impl Node {
    #[must_use]
    pub fn new(unit: Option<usize>) -> Self {
        Self {
            phase: NodePhase::Pending,
            attempts: 0,
            failures: 0,
            lost: 0,
            probe_failures: 0,
            began: None,
            done: None,
            shown: serde_json::Value::Null,
            kept: Vec::new(),
            cut: None,
            stopping: false,
            overdue: None,
            in_doubt: false,
            unit,
            hold: None,
            undo: Undo::default(),
        }
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.phase,
            NodePhase::Done | NodePhase::Failed(_) | NodePhase::Skipped(_)
        )
    }

    /// Whether an attempt or a probe of it is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running().is_some()
            || self.is_probed()
            || matches!(self.undo.phase, UndoPhase::Running(_))
    }

    /// Whether a probe of it, or of its hold, is under way.
    #[must_use]
    pub fn is_probed(&self) -> bool {
        let unknown = matches!(
            self.phase,
            NodePhase::Unknown {
                probe: ProbeAt::Running(_),
                ..
            }
        );
        unknown || self.hold.as_ref().is_some_and(|hold| hold.probe.is_some())
    }

    /// The attempt that is under way.
    #[must_use]
    pub fn running(&self) -> Option<EffectId> {
        match self.phase {
            NodePhase::Running(effect) => Some(effect),
            _ => None,
        }
    }

    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &self.phase {
            NodePhase::Failed(fault) => Some(fault),
            _ => None,
        }
    }

    /// Whether its hold, if it has one, may stand.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        self.hold
            .as_ref()
            .is_some_and(|hold| !matches!(hold.at, HoldAt::Released(_)))
    }

    /// Whether its hold stands and nobody wants it let go.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.hold
            .as_ref()
            .is_some_and(|hold| hold.at == HoldAt::Held)
    }

    /// It does not go on without what it stands during.
    pub(super) fn give_up(&mut self, fault: &Fault, is_ending: bool) {
        if is_ending && self.is_over() {
            return;
        }
        self.phase = match &self.overdue {
            Some(overdue) => NodePhase::Failed(overdue.clone()),
            None if is_ending => NodePhase::Failed(fault.clone()),
            None => NodePhase::Skipped(format!("what it stands during could not be had: {fault}")),
        };
    }

    /// As if it had never begun: its unit runs anew.
    pub(super) fn renew(&mut self) {
        self.phase = NodePhase::Pending;
        self.began = None;
        self.done = None;
        self.kept.clear();
        self.cut = None;
        self.stopping = false;
        self.in_doubt = false;
        self.hold = None;
        self.undo = Undo::default();
    }
}

impl UndoPhase {
    /// Whether it is wanted and has not come to its end.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(
            self,
            Self::Unwanted | Self::Done | Self::ByHand | Self::GivenUp
        )
    }
}
