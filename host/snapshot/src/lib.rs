//! etcd snapshot files: are they sound, and what do they hold?
//!
//! This crate reads the files that etcd's `Snapshot` call streams (a bbolt
//! database, then the SHA-256 of it) and those that were copied from a member's
//! data folder. It answers what `etcdutl snapshot status` and `etcdutl hashkv`
//! answer, with the same figures, and judges the structure as strictly as
//! bbolt's own check, which `status` of etcd runs too.
//!
//! It makes data folders out of a snapshot, too, that real etcd boots from:
//! [`restore`].
//!
//! It refuses to know networks, running members, configuration, and where a
//! snapshot is kept. It never writes to a snapshot; a restore writes new folders
//! only.
//!
//! # The way data flows
//!
//! A complete file is a [`Source`]. [`Survey::of`] finds its layout in the meta
//! pages, reads the top-level buckets, splits the tree of bucket `key` into
//! units, and walks them with several threads. Each page is claimed once and
//! checked before its elements are followed; each leaf's rows are hashed and
//! their user keys indexed. From what the walk leaves come [`Status`] and any
//! [`HashKv`]; only pages that a compaction would thin out are read again.
//! [`status`], [`hash_kv`], [`figures`] and [`verify`] are that in one call. [`inspect`] reads
//! single keys and values of a file that was walked, and compares two files.
//!
//! A stream goes through [`StreamCheck`], piece by piece: pages are checked as
//! they complete, the trees at the end. It computes no figures that depend on
//! keys; those take a second pass over the spooled file.
//!
//! Everything here blocks its thread: on an async runtime it belongs on a
//! blocking one. [`StreamCheck::push`] only computes, some 3 ms a MiB on a
//! processor without SHA instructions.
//!
//! # Memory
//!
//! 32 MiB, and 16 bytes a page, and 32 bytes a distinct user key; past
//! [`Limits::index_bytes_max`] the index of keys moves to an unnamed file. Keys that are
//! sorted take 16 MiB once the index is gone, and then move to a file as well. A leaf of
//! several long values is read piece by piece and takes its keys; a value that is handed
//! over takes its size while it is looked at.
//!
//! # Invariants
//!
//! **Invariant:** bytes of a file are never trusted: no number from it is used
//! as a place, a length or a depth before it was compared with a limit.
//!
//! **Invariant:** a bound on memory is never told as damage: what a stream's window cannot
//! hold is left to the complete file ([`StreamRefused::Unjudged`]), and what no walk can
//! hold is a [`Limit`].
//!
//! **Invariant:** no page is followed twice, so work is linear in the size of
//! the file whatever it holds.
//!
//! **Invariant:** a figure is given only for a file whose whole structure was
//! found sound, and which is etcd's: other programs write bbolt files too.
//!
//! **Invariant:** values of keys appear in no error and no log; a problem names
//! a page and an element.
//!
//! A crash leaves nothing behind: the index on disk has no name, and what a
//! restore was building is cleared away by the next one.

mod abridged;
mod bucket;
mod bytes;
mod claims;
mod crc;
mod error;
mod figures;
mod freelist;
mod history;
mod index;
pub mod inspect;
mod look;
mod meta;
mod mvcc;
mod origin;
mod page;
mod pageset;
mod prefix;
mod problem;
mod reader;
mod resource;
pub mod restore;
mod source;
mod stream;
mod survey;
mod tree;
mod verify;
mod witness;

pub use error::{Limit, SnapshotError};
pub use figures::{Figures, HashKv, Hints, Status, figures, hash_kv, hash_kv_compacted_at, status};
pub use meta::Geometry;
pub use prefix::{NoPrefix, Prefix, Prefixes, ResourceKey};
pub use problem::{PROBLEMS_LISTED_MAX, Problem, Problems};
pub use resource::ResourceCounts;
pub use source::{SnapshotFile, Source};
pub use stream::{StreamCheck, StreamRefused, StreamSummary};
pub use survey::{Limits, Survey};
pub use verify::{Verified, verify, verify_hashed};
pub use witness::WITNESSES_MAX;
