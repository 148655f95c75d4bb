//! Where nothing can be restored to, whatever the snapshot: places that are no folder, and
//! the folder that the command runs in, which would be replaced under its caller's feet.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::error::RestoreError;

/// A place that nothing can be restored to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// An empty path.
    #[error("the name of a folder is empty; name the folder that is to be made")]
    Empty,
    /// A link that leads to nothing, at the end of the path or within it.
    #[error(
        "{} is a link to {}, which is not there; name a folder, or make the one that the link \
         leads to",
        link.display(),
        target.display()
    )]
    DanglingLink {
        /// The link.
        link: PathBuf,
        /// What it names.
        target: PathBuf,
    },
    /// Something that is no folder, at the end of the path or within it.
    #[error("{} is no folder; name one, or move that away", path.display())]
    NotAFolder {
        /// What is there.
        path: PathBuf,
    },
    /// The working folder, or one around it.
    #[error(
        "{} is the folder that this command runs in, or lies around it, and a restored folder \
         takes the place of another one; name a folder below it, or run this elsewhere",
        path.display()
    )]
    Around {
        /// The folder, resolved.
        path: PathBuf,
    },
    /// `..` behind a folder that is not there.
    #[error("{} leads through a folder that is not there; name the folder itself", path.display())]
    Nowhere {
        /// The path as it was given.
        path: PathBuf,
    },
}

/// Looks at a place that was named for a restored folder.
pub(crate) fn check(path: &Path) -> Result<(), RestoreError> {
    if path.as_os_str().is_empty() {
        return Err(PlaceError::Empty.into());
    }
    let whole = std::path::absolute(path).map_err(RestoreError::io("resolve", path))?;
    walk(&whole)?;
    let working = std::env::current_dir().map_err(RestoreError::io("resolve", path))?;
    match whole.canonicalize() {
        Ok(folder) if working.starts_with(&folder) => {
            Err(PlaceError::Around { path: folder }.into())
        }
        _ => Ok(()),
    }
}

/// Goes along the path as far as there is something: every part has to be a folder.
fn walk(whole: &Path) -> Result<(), RestoreError> {
    let mut so_far = PathBuf::new();
    let mut is_there = true;
    for part in whole.components() {
        so_far.push(part);
        if !is_there {
            if part == Component::ParentDir {
                let path = whole.to_owned();
                return Err(PlaceError::Nowhere { path }.into());
            }
            continue;
        }
        match fs::metadata(&so_far) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(PlaceError::NotAFolder { path: so_far }.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                check_no_link(&so_far)?;
                is_there = false;
            }
            Err(error) => return Err(RestoreError::io("look at", &so_far)(error)),
        }
    }
    Ok(())
}

/// What is not there may be a link that leads nowhere.
fn check_no_link(path: &Path) -> Result<(), RestoreError> {
    match fs::read_link(path) {
        Ok(target) => {
            let link = path.to_owned();
            Err(PlaceError::DanglingLink { link, target }.into())
        }
        Err(_) => Ok(()),
    }
}
