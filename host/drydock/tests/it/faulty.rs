//! The program with levers for tests. The package `faulty` makes it, and cargo puts it beside
//! the shipped one; see docs/decisions/0014.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::world::DRYDOCK;

/// The variable by which it dies.
pub const KILL: &str = "DRYDOCK_TEST_KILL";

/// The variable by which its clock is wrong.
pub const CLOCK_OFFSET: &str = "DRYDOCK_TEST_CLOCK_OFFSET";

/// Where it lies. Cargo builds it with the tests of the workspace, and not with those of
/// this package alone: one that is missing, or older than what it is made of, is told.
pub fn faulty() -> &'static Path {
    static FAULTY: OnceLock<PathBuf> = OnceLock::new();
    FAULTY.get_or_init(|| {
        let program = Path::new(DRYDOCK).with_file_name("drydock-faulty");
        let mend = "run `cargo build --workspace --bins`, or the tests with --workspace";
        let made_of = std::fs::read_to_string(program.with_extension("d"));
        let made_of =
            made_of.unwrap_or_else(|_| panic!("{} is not built: {mend}", program.display()));
        let built = written(&program).expect("it is there with the list of its sources");
        let newer = sources(&made_of).into_iter().find(|source| {
            let source = written(source);
            source.is_none_or(|source| source > built)
        });
        assert!(
            newer.is_none(),
            "{} is older than {newer:?}: {mend}",
            program.display()
        );
        program
    })
}

fn written(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

/// The files of `program: file file ...`, as cargo writes it: a blank in a name is escaped.
fn sources(made_of: &str) -> Vec<PathBuf> {
    let (_, files) = made_of.split_once(": ").unwrap();
    let files = files.trim().replace("\\ ", "\0");
    let files = files.split(' ').map(|file| file.replace('\0', " "));
    files.map(PathBuf::from).collect()
}
