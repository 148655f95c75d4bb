//! Actions that change a small world which a test looks at: files in a folder, and locks of a
//! testkit server. What goes wrong stands in the step's `config:`, see [`config`].
//!
//! | action | does |
//! |---|---|
//! | `test-file` | makes a file that its key names; keyed, undone by removing it; writes the cluster |
//! | `test-once` | appends a line to a file; at most once |
//! | `test-lock` | a session hold: a lock, as long as its connection stays open |
//! | `test-freeze` | a state hold: a file with the hold's deadline |
//! | `test-cut` | writes down which locks and holds stand, then makes its cut; undone by removing that |
//! | `test-tell` | appends its inputs to a file |

mod config;
mod cut;
mod file;
mod freeze;
mod lock;
mod once;
mod tell;

use std::io;
use std::path::Path;
use std::sync::Arc;

use drydock_core::{ActionManifest, ErrorCode, Fault, HoldKind, Repeat, SubjectAccess};
use drydock_node::action::{Action, Actions};

/// All of them.
pub struct TestActions;

impl Actions for TestActions {
    fn names(&self) -> Vec<String> {
        let names = [
            "test-cut",
            "test-file",
            "test-freeze",
            "test-lock",
            "test-once",
            "test-tell",
        ];
        names.map(str::to_owned).to_vec()
    }

    fn get(&self, name: &str) -> Option<Arc<dyn Action>> {
        Some(match name {
            "test-cut" => Arc::new(cut::TestCut::new()),
            "test-file" => Arc::new(file::TestFile::new()),
            "test-freeze" => Arc::new(freeze::TestFreeze::new()),
            "test-lock" => Arc::new(lock::TestLock::new()),
            "test-once" => Arc::new(once::TestOnce::new()),
            "test-tell" => Arc::new(tell::TestTell::new()),
            _ => return None,
        })
    }
}

/// The version of all of them.
const VERSION: &str = "0.0.0";

/// What an action says that reads the cluster, gives nothing and holds nothing.
fn manifest(repeat: Repeat, undo: bool) -> ActionManifest {
    ActionManifest {
        repeat,
        undo,
        hold: None,
        outputs: std::collections::BTreeMap::new(),
        access: SubjectAccess::Reads,
    }
}

/// The same of one that holds.
fn holding(kind: HoldKind) -> ActionManifest {
    ActionManifest {
        hold: Some(kind),
        ..manifest(Repeat::Idempotent, kind == HoldKind::State)
    }
}

fn failed(path: &Path, error: &io::Error) -> Fault {
    Fault::permanent(ErrorCode::Io, format!("{}: {error}", path.display()))
}

/// Puts a line at the end of a file, in one write.
fn append(path: &Path, line: &str) -> Result<(), Fault> {
    use std::io::Write as _;
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.map_err(|error| failed(path, &error))
}

/// Makes a file; one that is there is made anew.
fn make(path: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(path, text).map_err(|error| failed(path, &error))
}

/// Removes a file; one that is not there is no mistake.
fn remove(path: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
