//! The program with levers for tests. The package `faulty` makes it, and cargo puts it beside
//! the shipped one; see docs/decisions/0014.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::world::{DRYDOCK, checkout};

/// The variable by which it dies.
pub const KILL: &str = "DRYDOCK_TEST_KILL";

/// The variable by which its clock is wrong.
pub const CLOCK_OFFSET: &str = "DRYDOCK_TEST_CLOCK_OFFSET";

/// Libraries of ours that are no part of it.
const OTHERS: [&str; 3] = ["drydock_testkit-", "drydock_fakes-", "drydock_quickstart-"];

/// Where it lies. Cargo builds it with the tests of the workspace, and not with those of
/// this package alone: one that is missing, or older than what it is made of, is told.
pub fn faulty() -> &'static Path {
    static FAULTY: OnceLock<PathBuf> = OnceLock::new();
    FAULTY.get_or_init(|| {
        let program = Path::new(DRYDOCK).with_file_name("drydock-faulty");
        let shown = program.display();
        let Some(built) = written(&program) else {
            panic!("{shown} is not built: run the tests with --workspace");
        };
        let sources = sources(&program.with_file_name("deps"));
        assert!(sources.len() > 100, "few sources are known: {sources:?}");
        let newer = sources.into_iter().find(|source| {
            // What is there no more was named by an older build.
            written(source).is_some_and(|source| source > built)
        });
        if let Some(newer) = newer {
            let newer = newer.display();
            panic!("{shown} is older than {newer}: run the tests with --workspace");
        }
        program
    })
}

fn written(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

/// The sources of it and of the libraries that it is made of, as the compiler noted them
/// beside what it made.
fn sources(built: &Path) -> BTreeSet<PathBuf> {
    let notes = std::fs::read_dir(built).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?;
        let is_part = name.starts_with("drydock") && !OTHERS.iter().any(|o| name.starts_with(o));
        (is_part && name.ends_with(".d")).then_some(path)
    });
    notes
        .flat_map(|note| noted(&std::fs::read_to_string(note).unwrap()))
        .collect()
}

/// The files of `made: file file ...`, a blank in a name escaped, where what was made is a
/// library, or the program itself; tests of a crate are made of more.
fn noted(note: &str) -> Vec<PathBuf> {
    let line = note.lines().find_map(|line| {
        let (made, files) = line.split_once(": ")?;
        let is_part = made.ends_with(".rlib") || made.contains("/drydock_faulty-");
        is_part.then_some(files)
    });
    let files = line.unwrap_or_default().replace("\\ ", "\0");
    let files = files.split_whitespace();
    files
        .map(|file| checkout().join(file.replace('\0', " ")))
        .collect()
}
