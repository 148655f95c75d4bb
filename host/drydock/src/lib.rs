//! Drydock, the program, over what `main` hands to it.
//!
//! The shipped `main` passes the real clock, the real environment, and nothing that ends the
//! process on the way; the package `faulty`, which is never installed, has another one.
//!
//! **Invariant:** no lever for tests is in here: a variable of the environment moves no clock
//! and ends no process.
//!
//! A crash leaves what the verb under way leaves.

mod clock;
mod environment;

use std::process::ExitCode;

use drydock_node::BuiltIn;

pub use clock::SystemClock;
pub use drydock_node::{Deps, action::NoActions};
pub use environment::ProcessEnvironment;

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Reads the command line and carries it out.
pub fn main_with(deps: Deps) -> ExitCode {
    drydock_cli::run(deps, drydock_init::dispatch).into()
}
