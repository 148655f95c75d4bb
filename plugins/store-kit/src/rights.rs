//! What the Target's identity may do at a store, as far as that can be found out without leaving
//! anything there: what was not tried is not known, and not "no".

use drydock_plugin_sdk::{Error, Finding};

/// Whether something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Yes,
    No,
    Unknown,
}

/// Rights by their names, in the order in which they are told.
#[derive(Debug, Default)]
pub struct Rights(Vec<(&'static str, Right)>);

impl Right {
    #[must_use]
    pub fn of(is_given: bool) -> Self {
        if is_given { Self::Yes } else { Self::No }
    }

    /// By what was answered to a request about an object that is not there: who may do it is told
    /// that there is none.
    #[must_use]
    pub fn by_absence<T>(answer: &Result<T, Error>) -> Self {
        match answer {
            Ok(_) => Self::Yes,
            Err(error) if error.is("not-found") => Self::Yes,
            Err(error) if error.is("permission-denied") => Self::No,
            Err(_) => Self::Unknown,
        }
    }
}

impl Rights {
    #[must_use]
    pub fn with(mut self, name: &'static str, right: Right) -> Self {
        self.0.push((name, right));
        self
    }

    /// All of them in a sentence.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let those = |wanted: Right| {
            let names = self.0.iter().filter(|(_, right)| *right == wanted);
            let names: Vec<_> = names.map(|(name, _)| *name).collect();
            names.join(", ")
        };
        let parts = [
            ("it may ", those(Right::Yes)),
            ("it may not ", those(Right::No)),
            (
                "what was not tried is whether it may ",
                those(Right::Unknown),
            ),
        ];
        let told = parts.into_iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<_> = told.map(|(what, names)| format!("{what}{names}")).collect();
        Finding::note(
            "rights",
            format!("of the Target's identity: {}", told.join("; ")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_not_told_as_no() {
        let absent: Result<(), _> = Err(Error::permanent("not-found", "none"));
        let denied: Result<(), _> = Err(Error::permanent("permission-denied", "no"));
        let failed: Result<(), _> = Err(Error::permanent("http-status", "what"));
        let rights = Rights::default()
            .with("read", Right::by_absence(&absent))
            .with("list", Right::of(true))
            .with("delete", Right::by_absence(&denied))
            .with("overwrite", Right::by_absence(&failed));
        assert_eq!(
            rights.finding().message,
            "of the Target's identity: it may read, list; it may not delete; what was not tried is whether it may overwrite"
        );
    }
}
