//! tar archives as they stream by. [`decode`] takes one apart, piece by piece; [`check`]
//! judges one without keeping it. Whoever unpacks an archive reads it through the same
//! [`Decoder`], so that nothing else is unpacked than was judged.
//!
//! Understood are POSIX ustar and pax, GNU's long names and numbers, and what went before
//! them. An archive may come from anybody: every length is checked before it is used, and
//! what is kept is bounded.

pub mod check;
pub mod decode;
mod header;
mod name;
mod pax;

pub use check::{ArchiveCheck, ArchiveSummary, shown};
pub use decode::{Damage, Decoder, Entry, Event, Kind};
pub use name::{NameKey, Names, objection, parts};

/// Everything in an archive is counted in blocks of so many bytes.
pub const BLOCK_BYTES: usize = 512;
