//! Errors and findings: short ways to make them.

use crate::{Certainty, Error, ErrorClass, Finding, Level};

impl Error {
    /// An error of any class, of which nobody knows whether it happened all the same:
    /// whoever knows says [`Error::not_done`]. `code` is a short stable word in kebab-case; `message` is
    /// one sentence: what, where, and how to mend it. Never a secret.
    pub fn new(class: ErrorClass, code: &str, message: impl Into<String>) -> Self {
        Self {
            class,
            certainty: Certainty::Unknown,
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// Says that nothing happened. It counts where the host saw an answer to each call that
    /// could have changed something.
    #[must_use]
    pub fn not_done(mut self) -> Self {
        self.certainty = Certainty::NotDone;
        self
    }

    /// Says how long the other side asked to be left alone.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Trying again cannot help until somebody changes something.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    /// Trying again may help.
    pub fn transient(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }

    /// Trying again may help, but later.
    pub fn throttled(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Throttled, code, message)
    }

    /// A grant, a permission or a credential is missing or wrong.
    pub fn denied(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Denied, code, message)
    }

    /// The answer to a request to stop.
    pub fn cancelled() -> Self {
        Self::new(
            ErrorClass::Cancelled,
            "cancelled",
            "stopped because the run was asked to stop",
        )
    }

    /// A mistake in the configuration.
    pub fn bad_configuration(message: impl Into<String>) -> Self {
        Self::permanent("bad-configuration", message)
    }

    /// Adds a further fact. Never a secret.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl ToString) -> Self {
        self.details.push((name.to_owned(), value.to_string()));
        self
    }

    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl Finding {
    pub fn new(level: Level, code: &str, message: impl Into<String>) -> Self {
        Self {
            level,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// Worth knowing.
    pub fn note(code: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Note, code, message)
    }

    /// Needs an operator's eye, but the step stands.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Warning, code, message)
    }

    /// The step does not stand.
    pub fn failure(code: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Failure, code, message)
    }
}

/// Turns "there is no such thing" into an absent value.
pub trait Classed<T> {
    /// `Ok(None)` for an error with this code.
    fn absent_if(self, code: &str) -> Result<Option<T>, Error>;
}

impl<T> Classed<T> for Result<T, Error> {
    fn absent_if(self, code: &str) -> Result<Option<T>, Error> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is(code) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
