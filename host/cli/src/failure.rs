//! What a verb says when it cannot be carried out, with the exit code that goes with it.

use std::error::Error;
use std::fmt;

use drydock_core::chain;

use crate::exit::{Ends, Exit};

type Cause = Box<dyn Error + Send + Sync>;

/// What a verb returns.
pub type Outcome = Result<Exit, Failure>;

/// The end of a verb. Nobody looks into the cause any more: it is printed.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    cause: Cause,
}

impl Failure {
    /// The command line or a document is wrong.
    pub fn usage(cause: impl Into<Cause>) -> Self {
        Self::of(Exit::Usage, cause)
    }

    pub fn failed(cause: impl Into<Cause>) -> Self {
        Self::of(Exit::Failed, cause)
    }

    /// Somebody else is at it.
    pub fn try_later(cause: impl Into<Cause>) -> Self {
        Self::of(Exit::TryLater, cause)
    }

    /// What could not be done, in front of the reason, which says how the process ends.
    pub fn undone(told: String, why: impl Into<Self>) -> Self {
        let Self { exit, cause } = why.into();
        Self::of(
            exit,
            Undone {
                told,
                source: cause,
            },
        )
    }

    /// Ends so.
    pub fn of(exit: Exit, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        Self { exit, cause }
    }
}

/// What the operator is told, with all causes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(&*self.cause))
    }
}

impl Error for Failure {}

impl<E: Ends> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(error.exit(), error)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{told}")]
struct Undone {
    told: String,
    source: Cause,
}

/// Says what could not be done when something fails, which ends the process as it would alone.
pub trait Context<T> {
    fn context(self, told: &str) -> Result<T, Failure>;

    fn with_context(self, told: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, told: &str) -> Result<T, Failure> {
        self.with_context(|| told.to_owned())
    }

    fn with_context(self, told: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::undone(told(), error))
    }
}
