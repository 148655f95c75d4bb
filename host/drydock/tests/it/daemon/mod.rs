//! The daemon as a process: what it does by itself, and what it is told by signals, files
//! and the clock.

mod checks;
mod clock;
mod development;
pub mod kit;
mod occurrences;
mod one_cpu;
mod outcomes;
mod reload;
mod serving;
mod stopping;
mod takeup;
