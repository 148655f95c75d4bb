//! One output of a contributor.

use std::collections::BTreeMap;

use drydock_core::{ErrorCode, Fault, OutputId, StepName, Verdict};

use crate::model::{PointSpec, SealedOutput};
use crate::task::Task;

/// Outputs that a run may open in all its attempts. A plugin that opens and drops them
/// without end must not fill the journal.
pub const OUTPUTS_PER_RUN_MAX: usize = 256;

/// An output, from its opening on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub id: OutputId,
    /// The contributor that opened it, and whose fate it shares.
    pub step: StepName,
    /// The artifact's name inside the recovery point.
    pub name: String,
    pub secret: bool,
    /// The object's whole name at every target.
    pub object: String,
    pub phase: OutputPhase,
    /// By each verify step that judges the output's step. Empty once it is discarded.
    pub judging: BTreeMap<StepName, Judging>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputPhase {
    Open {
        /// Sealed bytes that can be sent already.
        available: u64,
    },
    Sealed(Box<SealedOutput>),
    Discarded(Fault),
}

/// What one verify step says of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judging {
    pub task: Task,
    pub verdict: Option<Verdict>,
}

impl Output {
    /// An output that was just opened.
    #[must_use]
    pub fn open(
        id: OutputId,
        step: &StepName,
        name: &str,
        secret: bool,
        object: String,
        spec: &PointSpec,
    ) -> Self {
        let judging = spec
            .judges_of(step)
            .map(|verify| (verify.pin.step.clone(), Judging::default()))
            .collect();
        Self {
            id,
            step: step.clone(),
            name: name.to_owned(),
            secret,
            object,
            phase: OutputPhase::Open { available: 0 },
            judging,
        }
    }

    /// Not discarded.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.phase, OutputPhase::Discarded(_))
    }

    #[must_use]
    pub fn sealed(&self) -> Option<&SealedOutput> {
        match &self.phase {
            OutputPhase::Sealed(sealed) => Some(sealed),
            _ => None,
        }
    }

    /// Sealed bytes that can be sent.
    #[must_use]
    pub fn available(&self) -> u64 {
        match &self.phase {
            OutputPhase::Open { available } => *available,
            OutputPhase::Sealed(sealed) => sealed.sealed_size,
            OutputPhase::Discarded(_) => 0,
        }
    }

    /// Sealed, and every verify step that judges it said yes.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.sealed().is_some() && self.judging.values().all(Judging::passed)
    }

    pub(crate) fn discard(&mut self, reason: &Fault) {
        self.phase = OutputPhase::Discarded(reason.clone());
        self.judging.clear();
    }
}

impl Judging {
    /// Whether it said yes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.pass)
    }
}

/// Why a second output of one recovery point may not have the name of the first. Denied:
/// no second try can change it.
#[must_use]
pub fn name_taken(name: &str, of: &StepName) -> Fault {
    Fault::denied(
        ErrorCode::NameTaken,
        format!(
            "step {of} has made an artifact {name} already, and each artifact of a recovery point has a name of its own: give one of the two steps another name in its config"
        ),
    )
}

/// Refuses an output of this number, before anything is made for it.
///
/// # Errors
/// `too-many-outputs` past [`OUTPUTS_PER_RUN_MAX`].
pub fn check_output_count(step: &StepName, output: OutputId) -> Result<(), Fault> {
    if output.0 as usize <= OUTPUTS_PER_RUN_MAX {
        return Ok(());
    }
    Err(Fault::permanent(
        ErrorCode::TooManyOutputs,
        format!(
            "step {step} wants to open output {output}, and a run has {OUTPUTS_PER_RUN_MAX} at most in all its attempts, which no document raises: its plugin must make fewer"
        ),
    )
    .with_detail("limit", OUTPUTS_PER_RUN_MAX))
}
