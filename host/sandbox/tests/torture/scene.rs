//! The folders that a play takes place in: one that is granted, with traps in it, one
//! beside it that nobody may reach, one for spools, one that a store keeps objects in.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drydock_capability_artifact::{OutputSink, PlainSpool};
use drydock_capability_files::{Access, FolderGrant};
use drydock_core::{ErrorCode, Fault};
use tempfile::TempDir;

/// What lies where no guest may reach.
const BESIDE: &[u8] = b"nobody may read this";

/// The folders.
pub struct Scene {
    root: TempDir,
}

impl Scene {
    /// # Errors
    /// What the file system says.
    pub fn new() -> io::Result<Self> {
        let scene = Self {
            root: tempfile::tempdir()?,
        };
        for folder in ["granted/inner", "beside", "spool", "store"] {
            fs::create_dir_all(scene.path(folder))?;
        }
        fs::write(scene.path("beside/secret"), BESIDE)?;
        fs::write(scene.path("granted/file"), b"hello")?;
        let links = [
            ("to-file", "../beside/secret"),
            ("to-folder", "../beside"),
            ("to-parent", ".."),
            ("to-itself", "to-itself"),
            ("to-root", "/"),
            ("to-self", "/proc/self"),
            ("inner/to-up", "../.."),
            ("to-link", "to-folder"),
        ];
        for (name, target) in links {
            symlink(target, scene.granted().join(name))?;
        }
        Ok(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The folder with the traps.
    pub fn granted(&self) -> PathBuf {
        self.path("granted")
    }

    /// Where stores keep their objects.
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub fn spool(&self) -> PathBuf {
        self.path("spool")
    }

    /// The two folders that plugins are granted.
    pub fn grants(&self) -> [FolderGrant; 2] {
        [self.granted(), self.store()].map(|directory| FolderGrant::new(directory, Access::Write))
    }

    /// What is not as it was laid out; nothing, when nobody got anywhere. In the folders
    /// that guests are granted they may leave what they like.
    pub fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        if fs::read(self.path("beside/secret")).ok().as_deref() != Some(BESIDE) {
            changes.push("the file beside the granted folder is another one".to_owned());
        }
        for (folder, count) in [("beside", 1), ("spool", 0)] {
            let names = names(&self.path(folder));
            if names.len() != count {
                changes.push(format!("{folder} holds {names:?}"));
            }
        }
        changes
    }

    /// Removes what hostile stores left in theirs, of which they are free to make a mess.
    pub fn clear_store(&self) {
        let _gone = fs::remove_dir_all(self.store());
        let _made = fs::create_dir_all(self.store());
    }

    /// A sink that keeps outputs in the spool folder, as the daemon does.
    pub fn sink(&self) -> Box<dyn OutputSink> {
        Box::new(SpoolSink {
            folder: self.spool(),
            spool: None,
        })
    }
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

struct SpoolSink {
    folder: PathBuf,
    spool: Option<PlainSpool>,
}

impl OutputSink for SpoolSink {
    fn open(&mut self, _name: &str, _secret: bool) -> Result<(), Fault> {
        let spool = PlainSpool::create(&self.folder);
        self.spool = Some(spool.map_err(|error| broken(&error))?);
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let spool = self.spool.as_mut().ok_or_else(|| broken(&"none is open"))?;
        spool.append(&bytes).map_err(|error| broken(&error))
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.spool = None;
        Ok(())
    }

    fn discard(&mut self, _reason: Fault) {
        self.spool = None;
    }
}

fn broken(why: &dyn std::fmt::Display) -> Fault {
    Fault::permanent(ErrorCode::of("spool"), why.to_string())
}

/// A life that something holds: as long as anybody does, it is not over.
#[derive(Clone, Default)]
pub struct Life(Arc<()>);

impl Life {
    /// How many hold it beside the one who asks.
    pub fn held(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}
