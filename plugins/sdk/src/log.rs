//! Lines for the attempt's log: `debug!`, `info!`, `warn!` and `error!`, written like
//! `println!`. Never a secret.

use crate::Severity;
use crate::bindings::host::drydock::plugin::log;

/// Writes one line; the macros call it.
pub fn say(severity: Severity, line: &str) {
    log::write(severity, line);
}

/// A line for whoever looks for a cause.
#[macro_export]
macro_rules! debug {
    ($($part:tt)*) => { $crate::say($crate::Severity::Debug, &format!($($part)*)) };
}

/// A line for whoever watches.
#[macro_export]
macro_rules! info {
    ($($part:tt)*) => { $crate::say($crate::Severity::Info, &format!($($part)*)) };
}

/// A line for something odd.
#[macro_export]
macro_rules! warn {
    ($($part:tt)*) => { $crate::say($crate::Severity::Warn, &format!($($part)*)) };
}

/// A line for something that failed.
#[macro_export]
macro_rules! error {
    ($($part:tt)*) => { $crate::say($crate::Severity::Error, &format!($($part)*)) };
}
