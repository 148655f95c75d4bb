//! The powers over this node's own bytes that a plugin can be granted: folders, slices
//! of an artifact, outputs of a backup, and the plain spool that an output goes into;
//! requests to servers, and secrets that are used and not seen.
//!
//! The crate knows neither wasmtime nor etcd; of what an artifact contains it knows tar
//! archives alone, which [`archive`] judges for the daemon. It refuses
//! to know where a plugin's words come from: every path, name, offset and length that
//! it is handed is checked here, whoever handed it over.
//!
//! Bytes pass through in two directions. A backup step's bytes come in through
//! [`Output`], go over a bounded queue to one worker that owns the daemon's
//! [`OutputSink`], and end in spool, checker and sealer. A store step's bytes leave as a
//! [`Slice`] of something that implements `ReadAt`, and are written by [`Folder`] without
//! the plugin ever holding them; what is read back goes into a [`Sink`].
//!
//! **Invariant:** no path leaves its granted folder: every open goes through `openat2`
//! beneath the folder's own descriptor, without symbolic links.
//!
//! **Invariant:** an output of which any byte was lost can only be discarded.
//!
//! **Invariant:** nothing is written through a read grant.
//!
//! **Invariant:** no request leaves for a place that no grant names, and no key leaves at
//! all.
//!
//! A crash leaves: in a granted folder, files that were written and not yet synced, in
//! any state, under the names that the plugin chose; of a plain spool, nothing, since it
//! has no name.

pub mod archive;
pub mod artifact;
pub mod errno;
pub mod files;
pub mod http;
pub mod secret;
pub mod spool;
pub mod work;

pub use archive::{ArchiveCheck, ArchiveSummary};
pub use artifact::{Output, OutputOpener, OutputSink, Outputs, Sink, Slice};
pub use files::{Folder, FolderGrants};
pub use http::{HttpAccess, HttpConfig};
pub use secret::{Redactor, SecretAccess, SecretSource};
pub use spool::{PlainSpool, SpoolError};
pub use work::{EndOfWork, WORK_BYTES_MAX, Work};

/// Most bytes that one call moves between a plugin and the host: large enough that the
/// cost of a call vanishes, small enough that a hundred calls at once fit into memory.
pub const CALL_BYTES_MAX: usize = 1024 * 1024;
