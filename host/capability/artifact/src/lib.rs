//! Artifacts in flight: bytes that a plugin reads ([`Slice`]), bytes that somebody asked
//! it for ([`Sink`]), bytes that it produces ([`Output`]), and the plain spool that an
//! output goes into ([`PlainSpool`]).
//!
//! It is the lowest of the capabilities: [`Work`], the budget and the end of what the host
//! does for one attempt, and [`errno`], the class of what the kernel says, are shared with
//! those that move bytes to other places.
//!
//! The crate refuses to know what an artifact contains, where it is stored, and where a
//! plugin's words come from: every offset and length that it is handed is checked here,
//! whoever handed it over.
//!
//! Bytes pass through in two directions. A backup step's bytes come in through
//! [`Output`], go over a bounded queue to one worker that owns the daemon's
//! [`OutputSink`], and end in spool, checker and sealer. A store step's bytes leave as a
//! [`Slice`] of something that implements `ReadAt`, without the plugin ever holding them;
//! what is read back goes into a [`Sink`].
//!
//! **Invariant:** an output of which any byte was lost can only be discarded.
//!
//! **Invariant:** no call brings more than `CALL_BYTES_MAX` bytes or is given more at once.
//!
//! A crash leaves nothing: a plain spool has no name, so that it dies with the process.

pub mod errno;
pub mod grant;
mod output;
pub mod pace;
mod sink;
mod slice;
pub mod spool;
pub mod work;

pub use grant::{OutputUse, may_publish};
pub use output::{Output, OutputOpener, OutputSink, Outputs};
pub use pace::{Pace, Rate};
pub use sink::{Sink, too_large};
pub use slice::{Slice, sha256_of};
pub use spool::{PlainSpool, SpoolError};
pub use work::{EndOfWork, WORK_BYTES_MAX, Work};
