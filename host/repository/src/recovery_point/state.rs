//! What is known of a recovery point whose signature was checked, in words that say what was
//! looked at. A listing looks at names and sizes; only a mark tells of bytes.
//!
//! A drill does all that reading back does, and more: what a drill found wrong only a drill
//! takes back, while a drill that passed also takes back what reading back found before it.

use std::collections::BTreeMap;

use drydock_core::UnixTime;

use super::marks::{FoundMark, MarkStanding};
use crate::error::RepositoryError;
use crate::manifest::Artifact;
use crate::mark::{Mark, MarkKind, MarkName};

/// Objects of one folder whose sizes a walk remembers: as many as a manifest may name, and as
/// many again of attempts that died. Those beyond are asked for one by one.
const SIZES_KEPT_MAX: usize = 1024;

/// Why nobody knows what older marks say.
const UNSEEN: &str = "its newest marks cannot be believed, and they are too many to look at those before them: add their signer to trustedSigners, or remove them";

/// What is known of a listed recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The manifest cannot be believed.
    Refused,
    /// The manifest could not be read.
    Unread,
    /// An object is gone or has another size, or the newest drill or reading failed.
    Failed { why: String },
    /// The manifest is signed. What it names could not be looked at.
    Listed { why: String },
    /// Every object that the manifest names is there in its size.
    Complete,
    /// The same, and all bytes were read back and found to be what the manifest says.
    Verified { at: UnixTime },
}

/// Whether all objects of a manifest are there in their sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Objects {
    Complete,
    /// Why not.
    Wrong(String),
    /// Why nobody knows.
    Unknown(String),
}

/// The newest mark that can be believed of each sort.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// `drilled` or `failed`.
    pub drill: Option<FoundMark>,
    /// `verified` or `damaged`.
    pub reading: Option<FoundMark>,
    /// Whether older ones, which nobody looked at, may say more than these.
    unseen: bool,
}

/// Sizes of the objects in one folder.
#[derive(Debug, Default)]
pub(super) struct Sizes(BTreeMap<String, u64>);

impl State {
    /// The one place that decides.
    pub(super) fn of(objects: &Objects, marks: &Marks) -> Self {
        if let Objects::Wrong(why) = objects {
            return Self::Failed { why: why.clone() };
        }
        let (drill, reading) = (believed(&marks.drill), believed(&marks.reading));
        let newest = [drill, reading].into_iter().flatten().max_by_key(|m| m.at);
        let drill_failed = drill.filter(|mark| mark.mark == MarkKind::Failed);
        match (drill_failed.or(newest), objects) {
            (Some(mark), _) if !mark.mark.is_good() => Self::Failed { why: failed(mark) },
            (_, Objects::Unknown(why)) => Self::Listed { why: why.clone() },
            (mark, _) => match (marks.unread(), mark) {
                (Some(why), _) => Self::Listed { why },
                (None, Some(mark)) => Self::Verified { at: mark.at },
                (None, None) => Self::Complete,
            },
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Unread => "Unread",
            Self::Failed { .. } => "Failed",
            Self::Listed { .. } => "Listed",
            Self::Complete => "Complete",
            Self::Verified { .. } => "Verified",
        }
    }

    /// Why it is no better; none where there is nothing to say.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Failed { why } | Self::Listed { why } => Some(why),
            Self::Refused | Self::Unread | Self::Complete | Self::Verified { .. } => None,
        }
    }
}

impl Objects {
    /// Of one object: what size it should have, and what the target says.
    pub(super) fn of(
        object: &str,
        expected: u64,
        found: Result<Option<u64>, RepositoryError>,
    ) -> Self {
        match found {
            Ok(Some(size)) if size == expected => Self::Complete,
            Ok(Some(size)) => Self::Wrong(format!(
                "{object} has {size} bytes at the target and {expected} in the manifest"
            )),
            Ok(None) => Self::Wrong(format!("{object} is missing from the target")),
            Err(error) => {
                let fault = drydock_core::Fault::from(error);
                Self::Unknown(format!("{object} cannot be looked at: {}", fault.message))
            }
        }
    }

    /// Of all objects, each of which is there.
    pub(super) fn of_all(artifacts: &[Artifact]) -> Self {
        if artifacts.is_empty() {
            return Self::Wrong("its manifest names no artifact".to_owned());
        }
        Self::Complete
    }
}

impl Marks {
    /// Whether a mark of this kind would say more than what is known.
    pub(super) fn wants(&self, kind: MarkKind) -> bool {
        match kind {
            MarkKind::Drilled | MarkKind::Failed => self.drill.is_none(),
            MarkKind::Verified | MarkKind::Damaged => self.reading.is_none(),
            // That it was restored says nothing of what it holds.
            MarkKind::Restored => false,
        }
    }

    /// Why nobody knows what the newest mark of a sort says, if so.
    fn unread(&self) -> Option<String> {
        let marks = [&self.drill, &self.reading].into_iter().flatten();
        let unread = marks.into_iter().find_map(|mark| match &mark.standing {
            MarkStanding::Unread(why) => Some(format!(
                "its {} cannot be read: {why}",
                mark.name.content_file()
            )),
            _ => None,
        });
        unread.or_else(|| self.unseen.then(|| UNSEEN.to_owned()))
    }

    /// Says that marks of this one's kind were not looked at that are older than it. They
    /// count unless what was found is as new as this one.
    pub(super) fn look_no_further(&mut self, last: &MarkName) {
        let found = match last.kind() {
            MarkKind::Drilled | MarkKind::Failed => &self.drill,
            MarkKind::Verified | MarkKind::Damaged => &self.reading,
            MarkKind::Restored => return,
        };
        self.unseen |= found.as_ref().is_none_or(|found| found.name < *last);
    }

    /// Takes a mark that was wanted, if it can be believed, or not be read.
    pub(super) fn take(&mut self, mark: FoundMark) {
        if matches!(mark.standing, MarkStanding::Refused(_)) {
            return;
        }
        match mark.name.kind() {
            MarkKind::Drilled | MarkKind::Failed => self.drill = Some(mark),
            MarkKind::Verified | MarkKind::Damaged => self.reading = Some(mark),
            MarkKind::Restored => {}
        }
    }
}

impl Sizes {
    pub(super) fn take(&mut self, file: &str, size: u64) {
        if self.0.len() < SIZES_KEPT_MAX {
            self.0.insert(file.to_owned(), size);
        }
    }

    pub(super) fn of(&self, file: &str) -> Option<u64> {
        self.0.get(file).copied()
    }
}

fn believed(mark: &Option<FoundMark>) -> Option<&Mark> {
    match &mark.as_ref()?.standing {
        MarkStanding::Sound { mark, .. } => Some(mark),
        MarkStanding::Refused(_) | MarkStanding::Unread(_) => None,
    }
}

fn failed(mark: &Mark) -> String {
    let what = match mark.mark {
        MarkKind::Drilled | MarkKind::Failed => "it failed its drill",
        MarkKind::Verified | MarkKind::Damaged => "it could not be read back",
        MarkKind::Restored => "it was restored",
    };
    let why = mark.reason.as_deref().unwrap_or("no reason is kept");
    format!("{what} at {}: {why}", mark.at)
}

#[cfg(test)]
mod tests {
    use drydock_core::{ErrorCode, Fault};

    use super::*;

    const OBJECT: &str = "lab/one/etcd.db.0000000000000000.zst";

    #[test]
    fn an_object_that_nobody_can_look_at_is_listed_and_not_gone() {
        let fault = Fault::transient(ErrorCode::Unreachable, "no answer");
        let found = Err(RepositoryError::target(OBJECT, fault));
        let objects = Objects::of(OBJECT, 10, found);
        assert_eq!(
            State::of(&objects, &Marks::default()),
            State::Listed {
                why: format!("{OBJECT} cannot be looked at: no answer")
            }
        );
    }
}
