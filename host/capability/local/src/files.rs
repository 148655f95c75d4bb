//! Granted folders. [`FolderGrants`] decides which folder may be opened and for what;
//! [`Folder`] is an opened one and carries out the calls of `wit/files.wit`.
//!
//! All calls block on the file system, except [`Folder::read_range`] and
//! [`Folder::append`], which hand each blocking read to tokio's blocking threads: run the
//! others there too.

mod append;
mod beneath;
mod fault;
mod folder;
mod grants;
mod item;
mod listing;
mod mount;
mod path;
mod walk;

pub use beneath::open as open_beneath;
pub use folder::Folder;
pub use grants::{FolderGrants, FolderPower};
pub use item::{Item, ItemKind};
pub use listing::{Entry, Page, PassedOver};
pub use mount::is_own_mount;
pub use walk::Walk;
