//! Drydock for tests: the whole program, with a clock that a test moves and instants at which
//! it dies. It is never installed; the shipped program has nothing of this.
//!
//! It does what the shipped one does as long as no variable is set:
//!
//! - `DRYDOCK_TEST_KILL`, see [`crash`]
//! - `DRYDOCK_TEST_CLOCK_OFFSET`, see [`clock`]
//!
//! and as long as no schedule names one of its [`actions`].
//!
//! A value that is not understood ends the process at once, so that no test passes for want
//! of a fault.

mod actions;
mod clock;
mod crash;

use std::process::ExitCode;
use std::sync::Arc;

use drydock::{BUILT_IN, Deps, ProcessEnvironment};
use drydock_core::NoCrash;

use actions::TestActions;
use clock::MovedClock;
use crash::Kill;

fn main() -> ExitCode {
    drydock::main_with(Deps {
        clock: Arc::new(MovedClock::by(variable("DRYDOCK_TEST_CLOCK_OFFSET"))),
        crash: match variable("DRYDOCK_TEST_KILL") {
            Some(place) => Arc::new(Kill::at(&place)),
            None => Arc::new(NoCrash),
        },
        env: Arc::new(ProcessEnvironment),
        built_in: BUILT_IN,
        actions: Arc::new(TestActions),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests speak to this program through the environment"
)]
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    let text = value.into_string();
    Some(text.unwrap_or_else(|value| panic!("{name} is no text: {value:?}")))
}
