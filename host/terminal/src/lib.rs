//! What reaches the operator's terminal and how the process ends: stdout for data, stderr
//! for logs, notes and errors, exit codes, signals.
//!
//! The crate knows no verb and no document.
//!
//! **Invariant:** stdout carries data only; logs, progress and errors go to stderr.
//!
//! **Invariant:** nothing that happens to stdout or stderr touches a run or the daemon.
//!
//! A crash leaves what was printed.

mod exit;
pub mod interrupt;
pub mod print;
pub mod stderr;
pub mod telemetry;

pub use exit::{Exit, Outcome};
