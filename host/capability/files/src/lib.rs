//! Granted folders of this node. [`FolderGrants`] decides which folder may be opened and
//! for what; [`Folder`] is an opened one and carries out the calls of `wit/files.wit`.
//!
//! The crate refuses to know what a file contains, and where a plugin's words come from:
//! every path, name, offset and length that it is handed is checked here, whoever handed
//! it over.
//!
//! Bytes pass through in two directions. [`Folder::append`] reads a file into an output of
//! an artifact, header first; a slice of one is written into a file, and a file is read
//! back into a sink. The plugin holds none of them.
//!
//! **Invariant:** no path leaves its granted folder: every open goes through `openat2`
//! beneath the folder's own descriptor, without symbolic links.
//!
//! **Invariant:** nothing is written through a read grant.
//!
//! A crash leaves, in a granted folder, files that were written and not yet synced, in any
//! state, under the names that the plugin chose.
//!
//! All calls block on the file system, except [`Folder::read_range`] and
//! [`Folder::append`], which hand each blocking read to tokio's blocking threads: run the
//! others there too.

mod append;
mod backend;
mod beneath;
mod fault;
mod folder;
pub mod grant;
mod item;
mod listing;
mod mount;
mod path;
mod publish;
mod walk;

pub use backend::{FolderGrants, FolderPower};
pub use beneath::open as open_beneath;
pub use folder::Folder;
pub use grant::{Access, FolderGrant};
pub use item::{Item, ItemKind};
pub use listing::{Entry, Page, PassedOver};
pub use mount::is_own_mount;
pub use walk::Walk;
