//! Why something cannot be done, with what that means for whoever asked.

use std::error::Error;
use std::fmt;

use drydock_core::chain;
use drydock_documents::FileError;

type Cause = Box<dyn Error + Send + Sync>;

/// What a failure calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A document or the command line is wrong, and nothing was begun.
    Usage,
    Failed,
    /// Somebody else is at it; try again later.
    TryLater,
    /// It failed, in a verb of which plain failure says something else.
    Trouble,
    /// Nobody takes what there is to say; nothing went wrong otherwise.
    Unheard,
}

/// An error with what it calls for.
#[derive(Debug)]
pub struct Failure {
    pub kind: FailureKind,
    cause: Told,
}

#[derive(Debug)]
enum Told {
    /// At a line of a document.
    At(FileError),
    Because(Cause),
}

impl Failure {
    /// The command line or a document is wrong.
    pub fn usage(cause: impl Into<Cause>) -> Self {
        Self::of(FailureKind::Usage, cause)
    }

    /// A document is wrong, at this line.
    #[must_use]
    pub fn at(place: FileError) -> Self {
        Self {
            kind: FailureKind::Usage,
            cause: Told::At(place),
        }
    }

    pub fn failed(cause: impl Into<Cause>) -> Self {
        Self::of(FailureKind::Failed, cause)
    }

    pub fn try_later(cause: impl Into<Cause>) -> Self {
        Self::of(FailureKind::TryLater, cause)
    }

    /// Of this kind.
    pub fn of(kind: FailureKind, cause: impl Into<Cause>) -> Self {
        Self {
            kind,
            cause: Told::Because(cause.into()),
        }
    }

    /// What the operator is told.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.to_string()
    }

    /// The same at a place in a document, unless it tells of a place already.
    #[must_use]
    pub fn placed(self, place: &FileError) -> Self {
        let message = match self.cause {
            Told::At(_) => return self,
            Told::Because(cause) => chain(&*cause),
        };
        Self {
            kind: self.kind,
            cause: Told::At(FileError {
                message,
                ..place.clone()
            }),
        }
    }
}

/// With all causes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Told::At(place) => f.write_str(&chain(place)),
            Told::Because(cause) => f.write_str(&chain(&**cause)),
        }
    }
}

/// What goes wrong by itself failed; everything else says so.
impl<E: Into<Cause>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
