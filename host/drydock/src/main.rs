//! The program that is shipped.

use std::process::ExitCode;
use std::sync::Arc;

use drydock::{BUILT_IN, Deps, NoActions, ProcessEnvironment, SystemClock};
use drydock_core::NoCrash;

fn main() -> ExitCode {
    drydock::main_with(Deps {
        clock: Arc::new(SystemClock),
        crash: Arc::new(NoCrash),
        env: Arc::new(ProcessEnvironment),
        built_in: BUILT_IN,
        actions: Arc::new(NoActions),
    })
}
