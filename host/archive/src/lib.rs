//! tar archives as they stream by. [`decode`] takes one apart, piece by piece; [`check`]
//! judges one without keeping it; [`unpack()`] writes one below a folder. All of them read
//! it through the same [`Decoder`], so that nothing else is unpacked than was judged.
//!
//! The crate refuses to know plugins, targets and seals: plain bytes come as slices and as
//! `Read`, and the folder to unpack into is an open descriptor that the caller hands in.
//!
//! Understood are POSIX ustar and pax, GNU's long names and numbers, and what went before
//! them. An archive may come from anybody: every length is checked before it is used, and
//! what is kept is bounded.
//!
//! **Invariant:** nothing is written outside the folder that is unpacked into, and nothing
//! that exists in it is written to.
//!
//! A crash while unpacking leaves a part of the archive below that folder, which the
//! caller has chosen so that it can be thrown away.

pub mod check;
pub mod decode;
mod header;
mod name;
mod pax;
mod unpack;

pub use check::{ArchiveCheck, ArchiveSummary, shown};
pub use decode::{Damage, Decoder, Entry, Event, Kind};
pub use name::{NameKey, Names, objection, parts};
pub use unpack::{UnpackError, Unpacked, open_folder, unpack};

/// Everything in an archive is counted in blocks of so many bytes.
pub const BLOCK_BYTES: usize = 512;
