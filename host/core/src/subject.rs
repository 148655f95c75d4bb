//! What runs work on, and which of them are in each other's way. The journal, which lets a
//! run begin, and the planner, which decides about an occurrence, go by the same rules:
//!
//! - runs that read are never in each other's way; one that writes a subject and any other
//!   run with that subject are;
//! - a run that waits at a gate which frees its subjects is in nobody's way;
//! - a Stuck run may wait for days. Where it only reads, it is in nobody's way. Where it
//!   writes something, nobody else may write what it works on, for its undo has that still
//!   to come; reading is allowed, so that backups go on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words::words;
use crate::{ClusterName, Name, TargetName};

words!(
    /// What a run does with a subject. Adding recovery points to a target is no write.
    SubjectAccess {
        Reads = "reads",
        Writes = "writes",
    }
);

/// Something that a run works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Subject {
    Cluster(ClusterName),
    Target(TargetName),
    /// A node of Drydock, by the name in its configuration.
    Node(Name),
}

/// A subject and what the run does with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSubject {
    #[serde(flatten)]
    pub subject: Subject,
    pub access: SubjectAccess,
}

/// What a run without an end keeps from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    pub subjects: &'a [RunSubject],
    /// An undo of the run waits for an operator.
    pub is_stuck: bool,
    /// The run waits at a gate that frees its subjects.
    pub frees_subjects: bool,
}

/// The first subject of a new run that an open run has as well, where one of the two
/// writes it.
#[must_use]
pub fn conflict<'a>(new: &'a [RunSubject], open: &[RunSubject]) -> Option<&'a RunSubject> {
    new.iter()
        .find(|new| open.iter().any(|open| open.conflicts_with(new)))
}

impl Claim<'_> {
    /// The subject on whose account a new run with these may not begin.
    #[must_use]
    pub fn conflict<'a>(&self, new: &'a [RunSubject]) -> Option<&'a RunSubject> {
        if self.frees_subjects {
            return None;
        }
        if !self.is_stuck {
            return conflict(new, self.subjects);
        }
        if !self.subjects.iter().any(RunSubject::is_written) {
            return None;
        }
        new.iter()
            .find(|new| new.is_written() && self.subjects.iter().any(|own| own.is_same(new)))
    }
}

impl Subject {
    /// The word of the subject's kind, as JSON has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cluster(_) => "cluster",
            Self::Target(_) => "target",
            Self::Node(_) => "node",
        }
    }

    /// Its name among those of its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Cluster(name) => name.as_str(),
            Self::Target(name) => name.as_str(),
            Self::Node(name) => name.as_str(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

impl RunSubject {
    /// A subject that is only looked at.
    #[must_use]
    pub fn read(subject: Subject) -> Self {
        Self {
            subject,
            access: SubjectAccess::Reads,
        }
    }

    /// A subject that is changed.
    #[must_use]
    pub fn write(subject: Subject) -> Self {
        Self {
            subject,
            access: SubjectAccess::Writes,
        }
    }

    fn is_written(&self) -> bool {
        self.access == SubjectAccess::Writes
    }

    fn is_same(&self, other: &Self) -> bool {
        self.subject == other.subject
    }

    fn conflicts_with(&self, other: &Self) -> bool {
        self.is_same(other) && (self.is_written() || other.is_written())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    fn cluster(name: &str) -> Subject {
        Subject::Cluster(ClusterName::new(name))
    }

    fn target(name: &str) -> Subject {
        Subject::Target(TargetName::new(name))
    }

    #[test]
    fn a_subject_is_one_flat_object() {
        let node = Name::parse("cp-1").unwrap();
        for (subject, kind, name) in [
            (cluster("c1"), "cluster", "c1"),
            (target("t1"), "target", "t1"),
            (Subject::Node(node), "node", "cp-1"),
        ] {
            let subject = RunSubject::read(subject);
            let value = to_value(&subject).unwrap();
            let expected = json!({"kind": kind, "name": name, "access": "reads"});
            assert_eq!(value, expected);
            assert_eq!(subject.subject.kind(), kind);
            assert_eq!(subject.subject.name(), name);
            let again: RunSubject = serde_json::from_value(value).unwrap();
            assert_eq!(again, subject);
        }
    }

    #[test]
    fn one_writer_of_a_subject_is_enough_for_a_conflict() {
        let (read, write) = (RunSubject::read, RunSubject::write);
        // A new run's subjects, an open run's, and which of the new run's is in the way.
        for (new, open, found) in [
            (vec![read(cluster("a"))], vec![read(cluster("a"))], None),
            (vec![write(cluster("a"))], vec![write(cluster("b"))], None),
            (vec![write(cluster("a"))], vec![write(target("a"))], None),
            (vec![write(cluster("a"))], vec![], None),
            (vec![], vec![write(cluster("a"))], None),
            (
                vec![read(cluster("a"))],
                vec![write(cluster("a"))],
                Some(read(cluster("a"))),
            ),
            (
                vec![write(cluster("a"))],
                vec![read(cluster("a"))],
                Some(write(cluster("a"))),
            ),
            (
                vec![read(cluster("a")), write(target("t"))],
                vec![read(cluster("a")), write(target("t"))],
                Some(write(target("t"))),
            ),
        ] {
            assert_eq!(
                conflict(&new, &open),
                found.as_ref(),
                "{new:?} beside {open:?}"
            );
        }
    }

    #[test]
    fn a_stuck_run_is_in_the_way_of_writers_where_it_writes_and_a_freed_one_of_nobody() {
        let (read, write) = (RunSubject::read, RunSubject::write);
        let backup = [read(cluster("a"))];
        let restore = [write(cluster("a")), read(target("t"))];
        let prune = [write(target("t"))];
        // Whose claim, whether it is stuck, whether it freed its subjects, the new run's
        // subjects, whether it may begin.
        for (own, is_stuck, frees_subjects, new, begins) in [
            (&backup[..], false, false, &restore[..], false),
            (&backup, true, false, &restore, true),
            (&restore, false, false, &backup, false),
            (&restore, true, false, &backup, true),
            (&restore, true, false, &restore, false),
            (&restore, true, false, &prune, false),
            (&restore, false, true, &restore, true),
            (&restore, false, true, &backup, true),
        ] {
            let claim = Claim {
                subjects: own,
                is_stuck,
                frees_subjects,
            };
            assert_eq!(claim.conflict(new).is_none(), begins, "{claim:?} {new:?}");
        }
    }
}
