//! Drydock, the binary: reads the command line, the configuration and the environment,
//! puts the crates together, and prints.
//!
//! The other crates know no environment, no terminal and no exit code; this one does.
//! `cli` holds one module a noun, `node` resolves the configuration into what the
//! verbs need, `steps` carries out the engine's effects: the backup pipeline, the
//! verdicts, the uploads, the manifest. `lab` has throw-away servers, in which `drill`
//! proves recovery points.
//!
//! **Invariant:** stdout carries data only; logs, progress and errors go to stderr.
//!
//! **Invariant:** no secret is formatted: keys live in types whose `Debug` hides them.
//!
//! A crash leaves the journal, the sealed spool of unfinished runs and staged uploads;
//! the next `drydock run` of the schedule takes them up or clears them away.

mod built_in;
mod cli;
mod clock;
mod crash;
mod daemon;
mod drill;
mod environment;
mod exit;
mod handles;
mod init;
mod lab;
mod node;
mod steps;
mod telemetry;
mod version;

use std::process::ExitCode;

use clap::Parser as _;

use crate::exit::Exit;

fn main() -> ExitCode {
    let cli = match cli::args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let result = cli::dispatch(cli);
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            exit::print_error(&failure.error);
            failure.exit.into()
        }
    }
}

/// clap's own text; `--help` and `--version` are no mistakes.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}
