//! The daemon as a process: what it does by itself, and what it is told by signals, files
//! and the clock.

mod clock;
pub mod kit;
mod occurrences;
mod one_cpu;
mod reload;
mod serving;
mod stopping;
mod takeup;
