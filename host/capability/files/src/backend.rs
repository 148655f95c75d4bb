//! Which folder a plugin may open, and for what.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use drydock_core::{ErrorCode, Fault};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::fault;
use super::folder::Folder;
use super::grant::{Access, FolderGrant};
use super::walk::NamesBudget;
use drydock_capability_artifact::Work;

/// The folders that a plugin was granted. Grants add up: where two cover a folder, the
/// wider access counts.
#[derive(Debug, Clone, Default)]
pub struct FolderGrants {
    grants: Vec<FolderGrant>,
    terms: Terms,
}

/// What a call may do with the folders that its plugin was granted, whatever the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FolderPower {
    /// It only looks.
    Read,
    /// It may write in folders that are there.
    #[default]
    Write,
    /// It may also make the folder itself.
    Create,
}

/// What holds for all folders that are opened through the same grants.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub power: FolderPower,
    /// What the daemon itself keeps on this node.
    pub own: Arc<[PathBuf]>,
    /// For all of them together.
    pub names: NamesBudget,
    pub work: Work,
}

impl FolderGrants {
    #[must_use]
    pub fn new(grants: Vec<FolderGrant>) -> Self {
        Self {
            grants,
            terms: Terms::default(),
        }
    }

    /// The same grants; calls on their folders are part of `work`, and end with it.
    #[must_use]
    pub fn part_of(mut self, work: &Work) -> Self {
        self.terms.work = work.clone();
        self
    }

    /// The same grants for a call that may do no more than this.
    #[must_use]
    pub fn within(mut self, power: FolderPower) -> Self {
        self.terms.power = power;
        self
    }

    /// The same grants on a node whose daemon keeps its own things in these folders: their
    /// file system is none of a granted folder's own.
    #[must_use]
    pub fn beside(mut self, own: Arc<[PathBuf]>) -> Self {
        self.terms.own = own;
        self
    }

    /// Opens the granted folder `path`, or one below a granted folder. With `create` and a
    /// write grant a missing folder is made, with its parents, 0700. Blocks.
    ///
    /// Symbolic links are followed in the path that the operator granted, and nowhere
    /// below it.
    ///
    /// # Errors
    /// `not-granted` when no grant covers the folder, `may-not-create` when the call asks
    /// for what it may not, `place-missing` when the folder is not there and not made,
    /// otherwise what the kernel says.
    pub fn open(&self, path: &str, create: bool) -> Result<Folder, Fault> {
        let wanted = plain_absolute(path)?;
        let grant = self.covering(&wanted).ok_or_else(|| not_granted(&wanted))?;
        if create && self.terms.power != FolderPower::Create {
            return Err(may_not_create(&wanted));
        }
        let create = create && grant.access == Access::Write;
        let base = open_base(grant, create)?;
        let below = wanted
            .strip_prefix(&grant.directory)
            .expect("a covering grant is a prefix of the folder");
        let directory = grant.directory.clone();
        let whole = Folder::new(base, directory, grant.access, self.terms.clone());
        match below.to_str() {
            None | Some("") => Ok(whole),
            Some(below) => whole.subfolder(below, create),
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
        ErrorCode::BadPath,
        format!(
            "the folder {shown:?} is refused: name it by an absolute path without empty names, `.` or `..`"
        ),
    ))
}

/// A descriptor of the granted folder itself.
fn open_base(grant: &FolderGrant, create: bool) -> Result<rustix::fd::OwnedFd, Fault> {
    let directory = &grant.directory;
    let leads_up = directory
        .components()
        .any(|part| part == Component::ParentDir);
    if !directory.is_absolute() || leads_up {
        return Err(Fault::denied(
            ErrorCode::BadGrant,
            format!(
                "the grant for {} does not name an absolute folder: mend it",
                directory.display()
            ),
        ));
    }
    if create {
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
        .map_err(|errno| fault::of_place(errno, directory.display()))
}

fn may_not_create(wanted: &Path) -> Fault {
    Fault::denied(
        ErrorCode::MayNotCreate,
        format!(
            "the plugin wanted to make the folder {} in a call that may not: only `make-place` of a store opens a folder with `create`, so ask its author",
            wanted.display()
        ),
    )
}

fn not_granted(wanted: &Path) -> Fault {
    Fault::denied(
        ErrorCode::NotGranted,
        format!(
            "no grant covers the folder {wanted}: add `files: [{{directory: {wanted}, access: write}}]` (or `access: read`) under `grants:` of the plugin's PluginGrant",
            wanted = wanted.display()
        ),
    )
}
