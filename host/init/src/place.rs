//! Putting files into place, all of them or none.
//!
//! Everything is written into a hidden folder beside the wanted one, synced, and renamed
//! over it in one call, which the kernel refuses if anything is there but an empty folder.
//! A crash before that leaves the hidden folder, which nobody reads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use drydock_cli::{Context as _, Failure};
use tempfile::{NamedTempFile, TempDir};

const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// Names that a refusal lists; more would hide the sentence.
const NAMED_MAX: usize = 4;

/// Refuses a folder that holds something.
pub fn refuse_used(dir: &Path, verb: &str, flag: &str) -> Result<(), Failure> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "{} is no folder to write into; name another {flag}",
                    dir.display()
                )
            });
        }
    };
    let mut names: Vec<String> = entries
        .into_iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    names.sort();
    let more = if names.len() > NAMED_MAX { ", ..." } else { "" };
    names.truncate(NAMED_MAX);
    Err(Failure::failed(format!(
        "{} holds {}{more}, and {verb} overwrites nothing: move it away, or name another {flag}",
        dir.display(),
        names.join(", ")
    )))
}

/// Refuses a file that exists.
pub fn refuse_existing(file: &Path) -> Result<(), Failure> {
    if file.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} exists, and init overwrites nothing: name another --sealing-key-out",
        file.display()
    )))
}

/// The hidden folder in which everything is built.
pub struct Staging {
    folder: TempDir,
    dir: PathBuf,
}

impl Staging {
    /// Beside `dir`, whose parent is made if it is missing.
    pub fn beside(dir: &Path) -> Result<Self, Failure> {
        let dir = &std::path::absolute(dir)?;
        let parent = dir
            .parent()
            .ok_or_else(|| Failure::failed("/ cannot be the folder; name another --dir"))?;
        fs::create_dir_all(parent)
            .and_then(|()| builder().tempdir_in(parent))
            .map(|folder| Self {
                folder,
                dir: dir.to_owned(),
            })
            .with_context(|| {
                format!(
                    "nothing can be written beside {}: run init as root, or name another --dir",
                    dir.display()
                )
            })
    }

    /// Somewhere else, for a look at what would be written; it is never put into place.
    pub fn elsewhere() -> Result<Self, Failure> {
        let folder = builder()
            .tempdir()
            .context("the system's folder for temporary files cannot be written")?;
        let dir = folder.path().join("never");
        Ok(Self { folder, dir })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes one file, which nobody else can read, and syncs it.
    pub fn put(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.path().join(name);
        let parent = path.parent().expect("it lies in the folder");
        let write = || {
            make_private(parent)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(PRIVATE_FILE)
                .open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            sync_folder(parent)
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The one rename that puts everything into place.
    pub fn place(self) -> Result<(), Failure> {
        let why = || {
            format!(
                "{} cannot be put into place, and nothing was written; is it a mount point, or did something appear there meanwhile? name another --dir",
                self.dir.display()
            )
        };
        sync_folder(self.folder.path()).with_context(why)?;
        fs::rename(self.folder.path(), &self.dir).with_context(why)?;
        let parent = self.dir.parent().expect("it had one when this was made");
        // The rename happened; that it is not yet on the disk must not undo it.
        let _ = sync_folder(parent);
        let _ = self.folder.keep();
        Ok(())
    }
}

/// A private key outside of the folder: there as a whole or not at all.
pub struct KeyFile {
    path: PathBuf,
    kept: bool,
}

impl KeyFile {
    /// Writes it; it is removed again unless it is kept.
    pub fn write(path: &Path, text: &str) -> Result<Self, Failure> {
        let write = || -> std::io::Result<()> {
            let parent = path.parent().unwrap_or(Path::new("/"));
            let mut file = NamedTempFile::new_in(parent)?;
            file.as_file()
                .set_permissions(fs::Permissions::from_mode(PRIVATE_FILE))?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path).map_err(|error| error.error)?;
            sync_folder(parent)
        };
        write().with_context(|| {
            format!(
                "the sealing key cannot be written to {}: name another --sealing-key-out",
                path.display()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            kept: false,
        })
    }

    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A folder that was made if it was missing; then it is removed again unless it is kept.
pub struct Folder {
    made: Option<PathBuf>,
}

impl Folder {
    pub fn ensure(path: &Path) -> Result<Self, Failure> {
        let mend = || {
            format!(
                "the folder {} cannot be made: make it, or name another one",
                path.display()
            )
        };
        match fs::metadata(path) {
            Ok(found) => {
                if found.is_dir() {
                    return Ok(Self { made: None });
                }
                return Err(Failure::failed(format!(
                    "{} is no folder: name another one",
                    path.display()
                )));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(mend),
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(mend)?;
        }
        // Never one that is there by now: what was made is removed again.
        let mut one = DirBuilder::new();
        one.mode(PRIVATE_FOLDER).create(path).with_context(mend)?;
        Ok(Self {
            made: Some(path.to_owned()),
        })
    }

    pub fn keep(mut self) {
        self.made = None;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            let _ = fs::remove_dir_all(made);
        }
    }
}

fn builder<'a>() -> tempfile::Builder<'a, 'static> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".drydock-init-")
        .permissions(fs::Permissions::from_mode(PRIVATE_FOLDER));
    builder
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(folder)
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
