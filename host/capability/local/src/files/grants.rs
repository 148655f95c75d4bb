//! Which folder a plugin may open, and for what.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use drydock_core::Fault;
use drydock_core::plugin::{Access, FolderGrant};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::fault;
use super::folder::Folder;
use super::walk::NamesBudget;
use crate::Pulse;

/// The folders that a plugin was granted. Grants add up: where two cover a folder, the
/// wider access counts.
#[derive(Debug, Clone, Default)]
pub struct FolderGrants {
    grants: Vec<FolderGrant>,
    /// For all folders that are opened through these grants together.
    names: NamesBudget,
    pulse: Pulse,
}

impl FolderGrants {
    #[must_use]
    pub fn new(grants: Vec<FolderGrant>) -> Self {
        Self {
            grants,
            names: NamesBudget::default(),
            pulse: Pulse::default(),
        }
    }

    /// The same grants; bytes that move in or out of their folders are signs of life.
    #[must_use]
    pub fn with_pulse(self, pulse: &Pulse) -> Self {
        Self {
            pulse: pulse.clone(),
            ..self
        }
    }

    /// Opens the granted folder `path`, or one below a granted folder. With a write grant
    /// a missing folder is made, with its parents, 0700. Blocks.
    ///
    /// Symbolic links are followed in the path that the operator granted, and nowhere
    /// below it.
    ///
    /// # Errors
    /// `not-granted` when no grant covers the folder, `not-found` when it is missing and
    /// granted for reading only, otherwise what the kernel says.
    pub fn open(&self, path: &str) -> Result<Folder, Fault> {
        let wanted = plain_absolute(path)?;
        let grant = self.covering(&wanted).ok_or_else(|| not_granted(&wanted))?;
        let base = open_base(grant)?;
        let below = wanted
            .strip_prefix(&grant.directory)
            .expect("a covering grant is a prefix of the folder");
        let whole = Folder::new(
            base,
            grant.directory.clone(),
            grant.access,
            self.names.clone(),
            self.pulse.clone(),
        );
        match below.to_str() {
            None | Some("") => Ok(whole),
            Some(below) => whole.subfolder(below),
        }
    }

    /// The grant to use for `wanted`: one that allows writing before one that does not,
    /// then the nearest.
    fn covering(&self, wanted: &Path) -> Option<&FolderGrant> {
        self.grants
            .iter()
            .filter(|grant| wanted.starts_with(&grant.directory))
            .max_by_key(|grant| (grant.access, grant.directory.components().count()))
    }
}

/// `path` when it is absolute and holds no `.` or `..`; a trailing slash is dropped.
fn plain_absolute(path: &str) -> Result<PathBuf, Fault> {
    let plain = |name: &&str| !matches!(*name, "" | "." | "..") && !name.contains(char::is_control);
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let names = trimmed.strip_prefix('/').unwrap_or_default();
    if !names.is_empty() && names.split('/').all(|name| plain(&name)) {
        return Ok(PathBuf::from(trimmed));
    }
    let shown: String = path.chars().take(200).collect();
    Err(Fault::denied(
        "bad-path",
        format!(
            "the folder {shown:?} is refused: name it by an absolute path without empty names, `.` or `..`"
        ),
    ))
}

/// A descriptor of the granted folder itself.
fn open_base(grant: &FolderGrant) -> Result<rustix::fd::OwnedFd, Fault> {
    let directory = &grant.directory;
    let leads_up = directory
        .components()
        .any(|part| part == Component::ParentDir);
    if !directory.is_absolute() || leads_up {
        return Err(Fault::denied(
            "bad-grant",
            format!(
                "the grant for {} does not name an absolute folder: mend it",
                directory.display()
            ),
        ));
    }
    if grant.access == Access::Write {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| match error.kind() {
                // Something is there, and it is not a folder.
                std::io::ErrorKind::AlreadyExists => {
                    fault::of(Errno::NOTDIR, "make the folder", directory.display())
                }
                _ => fault::of_io(&error, "make the folder", directory.display()),
            })?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::empty())
        .map_err(|errno| fault::of(errno, "open the folder", directory.display()))
}

fn not_granted(wanted: &Path) -> Fault {
    Fault::denied(
        "not-granted",
        format!(
            "no grant covers the folder {wanted}: add `files: [{{directory: {wanted}, access: write}}]` (or `access: read`) under `grants:` of the plugin's PluginGrant",
            wanted = wanted.display()
        ),
    )
}
