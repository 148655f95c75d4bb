//! Drydock, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    drydock_cli::run(drydock_init::dispatch).into()
}
