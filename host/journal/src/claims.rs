//! Whether a run may begin beside those that have no end.

use drydock_core::{Claim, RunPhase, RunSubject, SubjectAccess};
use rusqlite::Transaction;

use crate::error::JournalError;
use crate::runs::open;
use crate::{Change, NewRun, RunRow};

impl RunRow {
    /// What the run keeps from others as long as it has no end.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            subjects: &self.subjects,
            is_stuck: self.progress.phase == RunPhase::Stuck,
            frees_subjects: self.progress.frees_subjects,
        }
    }
}

/// Refuses a run on account of an open one, but for the one that it passes over.
pub(crate) fn refuse_blocked(transaction: &Transaction<'_>, new: &NewRun) -> Result<(), Change> {
    for open in open(transaction, None)? {
        if new.despite.as_ref() == Some(&open.run) {
            continue;
        }
        if let Some(subject) = open.claim().conflict(&new.subjects) {
            return Err(blocked(new, &open, subject).into());
        }
    }
    Ok(())
}

fn blocked(new: &NewRun, open: &RunRow, subject: &RunSubject) -> JournalError {
    let own = open
        .subjects
        .iter()
        .find(|own| own.subject == subject.subject);
    JournalError::RunBlocked {
        run: new.run.clone(),
        by: open.run.clone(),
        subject: subject.clone(),
        by_access: own.map_or(SubjectAccess::Writes, |own| own.access),
        is_stuck: open.claim().is_stuck,
        question: open.progress.questions.first().map(|q| q.question),
    }
}
