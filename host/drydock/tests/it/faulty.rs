//! The program with levers for tests. The package `faulty` makes it, and cargo puts it beside
//! the shipped one; see docs/decisions/0014.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::world::DRYDOCK;

/// The variable by which it dies.
pub const KILL: &str = "DRYDOCK_TEST_KILL";

/// The variable by which its clock is wrong.
pub const CLOCK_OFFSET: &str = "DRYDOCK_TEST_CLOCK_OFFSET";

/// How much later than it the shipped program may be linked in one and the same build.
const LINKED_APART_MAX: Duration = Duration::from_secs(300);

/// Where it lies. Cargo builds it with the tests of the workspace, and not with those of
/// this package alone: one that is missing, or of an older build, is told.
pub fn faulty() -> &'static Path {
    static FAULTY: OnceLock<PathBuf> = OnceLock::new();
    FAULTY.get_or_init(|| {
        let program = Path::new(DRYDOCK).with_file_name("drydock-faulty");
        let shown = program.display();
        let Some(built) = written(&program) else {
            panic!("{shown} is not built: run the tests with --workspace");
        };
        let shipped = written(Path::new(DRYDOCK)).expect("cargo built it for these tests");
        assert!(
            built + LINKED_APART_MAX > shipped,
            "{shown} is of an older build than drydock: run `cargo clean -p drydock-faulty`, and the tests with --workspace",
        );
        program
    })
}

fn written(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}
