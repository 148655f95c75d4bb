//! What reaches the operator's terminal and what asks the process to end: stdout for data,
//! stderr for logs, notes and errors, signals.
//!
//! The crate knows no verb, no document and no exit code.
//!
//! **Invariant:** stdout carries data only; logs, progress and errors go to stderr.
//!
//! **Invariant:** nothing that happens to stdout or stderr touches a run or the daemon.
//!
//! A crash leaves what was printed.

pub mod interrupt;
pub mod print;
pub mod stderr;
pub mod telemetry;
