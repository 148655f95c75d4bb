//! Granted folders. [`FolderGrants`] decides which folder may be opened and for what;
//! [`Folder`] is an opened one and carries out the calls of `wit/files.wit`.
//!
//! All calls block on the file system, except [`Folder::read_range`], which hands each
//! blocking read to tokio's blocking threads: run the others there too.

mod fault;
mod folder;
mod grants;
mod listing;
mod path;

pub use folder::Folder;
pub use grants::FolderGrants;
pub use listing::{Entry, Page};
