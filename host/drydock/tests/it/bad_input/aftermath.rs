//! What a refused command leaves: nothing that was not there before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use drydock_core::PluginDigest;
use drydock_journal::{Journal, OpenError};

use super::Case;
use crate::world::{World, files_under};

/// Files that a state folder may hold once nobody uses it; its `cache` aside.
const STATE_FILES: [&str; 5] = [
    "lock",
    "journal.db",
    "journal.db-wal",
    "journal.db-shm",
    "journal.copy.db",
];

/// Every file outside of the state folder, with its size and digest.
pub struct Picture(BTreeMap<PathBuf, (u64, PluginDigest)>);

impl Picture {
    pub fn of(world: &World) -> Self {
        let state = world.scratch.join("state");
        let files = files_under(world.scratch.path()).into_iter();
        Self(
            files
                .filter(|path| !path.starts_with(&state))
                .map(|path| {
                    let bytes = std::fs::read(&path).unwrap();
                    let digest = PluginDigest::of(&bytes);
                    (path, (bytes.len() as u64, digest))
                })
                .collect(),
        )
    }

    pub fn assert_same(&self, after: &Self) {
        let paths = self.0.keys().chain(after.0.keys());
        let differ: BTreeSet<&PathBuf> = paths
            .filter(|path| self.0.get(*path) != after.0.get(*path))
            .collect();
        assert!(differ.is_empty(), "written, changed or removed: {differ:?}");
    }
}

/// The spool is empty, no temporary file lies about, and every run has its end.
pub fn assert_state(case: &Case) {
    let state = case.world.scratch.join("state");
    for path in files_under(&state) {
        let name = path.strip_prefix(&state).unwrap();
        let known = STATE_FILES.iter().any(|file| name == Path::new(file));
        let kept = known || name.starts_with("cache") || case.leaves_unfinished;
        assert!(kept, "{} was left", path.display());
    }
    match Journal::open_reader(&state) {
        Ok(journal) => {
            let open = journal.open_runs(None).unwrap();
            assert_eq!(!open.is_empty(), case.leaves_unfinished, "{open:?}");
        }
        Err(OpenError::Missing { .. }) => {}
        Err(error) => assert!(case.journal_is_spoilt, "{error}"),
    }
}
