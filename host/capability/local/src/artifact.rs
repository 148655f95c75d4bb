//! Artifacts as a plugin sees them: bytes to read ([`Slice`]), bytes that somebody asked
//! for ([`Sink`]) and bytes that it produces ([`Output`]).

mod output;
mod sink;
mod slice;

pub use output::{Output, OutputOpener, OutputSink, Outputs};
pub use sink::Sink;
pub(crate) use sink::too_large;
pub use slice::Slice;
pub(crate) use slice::sha256_of;
