//! What the engine asks for. Each is recorded before it is carried out.

use std::fmt;

use drydock_core::{Fault, OutputId, QuestionId, StepName};
use drydock_point::model::PointEffect;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// The number of an effect in its run, counted from 1: an answer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u64);

/// A word that an operator may answer with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub word: String,
    /// What comes of it, in a sentence.
    pub means: String,
    /// Whether it ends the run as one that failed.
    #[serde(default)]
    pub ends: bool,
}

/// An effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Run a node. Of a session hold the attempt is the hold: it says Held once it has it,
    /// and ends when it is let go.
    Attempt { node: StepName, attempt: u32 },
    /// Ask what became of an attempt whose answer is not known, or whether a state hold
    /// still holds.
    Probe { node: StepName, attempt: u32 },
    /// Take a node back, however far it came. No error when it never happened.
    Undo { node: StepName, attempt: u32 },
    /// Ask an attempt to come to an end. Its own answer tells what became of it.
    Stop { attempt: EffectId, reason: Fault },
    /// Ask a session hold to look whether it still holds, and to let go. The attempt's own
    /// answer tells.
    LetGo { attempt: EffectId },
    /// Ask an operator. Answered by [`super::Event::Decided`].
    Ask {
        question: QuestionId,
        about: StepName,
        text: String,
        choices: Vec<Choice>,
    },
    /// Something of the recovery point.
    Point {
        #[serde(rename = "of")]
        point: PointEffect,
    },
    /// Answer WaitOver after this long. The driver does this itself.
    Wait { timer: u64, milliseconds: u64 },
    /// Record the end. The driver does this itself.
    Finish { outcome: Outcome },
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Effect {
    /// The effect's name for messages and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Attempt { .. } => "attempt",
            Self::Probe { .. } => "probe",
            Self::Undo { .. } => "undo",
            Self::Stop { .. } => "stop",
            Self::LetGo { .. } => "let-go",
            Self::Ask { .. } => "ask",
            Self::Point { point } => point.word(),
            Self::Wait { .. } => "wait",
            Self::Finish { .. } => "finish",
        }
    }

    /// The node that the effect works on.
    #[must_use]
    pub fn node(&self) -> Option<&StepName> {
        match self {
            Self::Attempt { node, .. } | Self::Probe { node, .. } | Self::Undo { node, .. } => {
                Some(node)
            }
            _ => None,
        }
    }

    /// The store step that the effect works on.
    #[must_use]
    pub fn store(&self) -> Option<&StepName> {
        match self {
            Self::Point { point } => point.store(),
            _ => None,
        }
    }

    /// The output that the effect works on.
    #[must_use]
    pub fn output(&self) -> Option<OutputId> {
        match self {
            Self::Point { point } => point.output(),
            _ => None,
        }
    }

    /// Whether somebody carries it out and answers.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(
            self,
            Self::Attempt { .. }
                | Self::Probe { .. }
                | Self::Undo { .. }
                | Self::Point { .. }
                | Self::Wait { .. }
        )
    }

    /// Whether it only passes time.
    #[must_use]
    pub fn is_wait(&self) -> bool {
        match self {
            Self::Wait { .. } => true,
            Self::Point { point } => matches!(point, PointEffect::Wait { .. }),
            _ => false,
        }
    }
}
