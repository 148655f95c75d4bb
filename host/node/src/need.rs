//! What a verb needs of the node's configuration and documents. Nothing else that is wrong
//! there stops it: at the moment somebody needs a recovery point, a broken file that has
//! nothing to do with it is a warning.

use drydock_core::ScheduleName;
use drydock_documents::{self as documents, Kind};

/// What a verb needs.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    documents: Option<documents::Need<'a>>,
    /// Keys of the configuration's `spec` that it does not use.
    unused: &'static [&'static str],
}

/// What only the daemon uses.
const OF_DAEMON: [&str; 2] = ["daemon", "log"];

/// What is not used where recovery points are only looked at. What bounds plugins is.
const NOT_OF_READING: [&str; 4] = ["daemon", "log", "drill", "signingKey"];

/// All keys but the one that says where the journal is.
const NOT_OF_JOURNAL: [&str; 12] = [
    "grants",
    "plugins",
    "signingKey",
    "trustedSigners",
    "ceiling",
    "limits",
    "limitsMax",
    "log",
    "daemon",
    "http",
    "drill",
    "development",
];

impl<'a> Need<'a> {
    /// Everything, as what is in force together.
    pub const ALL: Self = Self {
        documents: Some(documents::Need::All),
        unused: &[],
    };

    /// The state folder, where the journal is.
    pub const JOURNAL: Self = Self {
        documents: None,
        unused: &NOT_OF_JOURNAL,
    };

    /// Whatever documents are sound, to show them.
    pub const SOUND: Self = Self {
        documents: Some(documents::Need::Sound),
        unused: &NOT_OF_READING,
    };

    /// What an open run goes on with: it has its own documents, whatever those in force say.
    pub const OPEN_RUN: Self = Self {
        documents: Some(documents::Need::Sound),
        unused: &OF_DAEMON,
    };

    /// A target, or whichever is sound, to read what is kept there.
    #[must_use]
    pub fn target(name: Option<&'a str>) -> Self {
        Self {
            documents: Some(one(Kind::Target, name)),
            unused: &NOT_OF_READING,
        }
    }

    /// The same, and what a drill works with.
    #[must_use]
    pub fn drill(target: Option<&'a str>) -> Self {
        Self {
            documents: Some(one(Kind::Target, target)),
            unused: &OF_DAEMON,
        }
    }

    /// A cluster, or whichever is sound, to reach its etcd.
    #[must_use]
    pub fn cluster(name: Option<&'a str>) -> Self {
        Self {
            documents: Some(one(Kind::Cluster, name)),
            unused: &NOT_OF_READING,
        }
    }

    /// A schedule, to run it.
    #[must_use]
    pub fn schedule(name: &'a ScheduleName) -> Self {
        Self {
            documents: Some(documents::Need::Schedule(name)),
            unused: &OF_DAEMON,
        }
    }

    pub(super) fn documents(&self) -> Option<documents::Need<'a>> {
        self.documents
    }

    pub(super) fn unused(&self) -> &'static [&'static str] {
        self.unused
    }
}

fn one(kind: Kind, name: Option<&str>) -> documents::Need<'_> {
    match name {
        Some(name) => documents::Need::One(kind, name),
        None => documents::Need::Sound,
    }
}
