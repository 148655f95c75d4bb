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
//! **Invariant:** nothing that happens to stdout or stderr touches a run or the daemon.
//!
//! **Invariant:** no secret is formatted: keys live in types whose `Debug` hides them.
//!
//! A crash leaves the journal, the sealed spool of unfinished runs and staged uploads;
//! the next `drydock run` of the schedule takes them up or clears them away.

mod built_in;
mod cause;
mod cli;
mod clock;
mod crash;
mod daemon;
mod drill;
mod environment;
mod exit;
mod handles;
mod init;
mod interrupt;
mod lab;
mod node;
mod stderr;
mod steps;
mod telemetry;
mod version;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::print;
use crate::exit::Exit;

fn main() -> ExitCode {
    stderr::take_panics();
    let exit = match cli::args::Cli::try_parse() {
        Ok(cli) => {
            let only_tells = cli.command.only_tells();
            print::ended(carry_out(cli), only_tells)
        }
        Err(error) => print::ended(usage(&error), true),
    };
    stderr::flush(stderr::STALL_MAX);
    exit.into()
}

fn carry_out(cli: cli::args::Cli) -> Exit {
    match cli::dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) if failure.error.is::<print::Unwritten>() => Exit::Done,
        Err(failure) => {
            exit::print_error(&failure.error);
            failure.exit
        }
    }
}

/// clap's own text; `--help` and `--version` are no mistakes.
fn usage(error: &clap::Error) -> Exit {
    let text = error.render();
    let coloured = |is_terminal: bool| {
        if is_terminal {
            text.ansi().to_string()
        } else {
            text.to_string()
        }
    };
    if error.use_stderr() {
        print::note(coloured(std::io::stderr().is_terminal()).trim_end());
        return Exit::Usage;
    }
    print::line(coloured(std::io::stdout().is_terminal()).trim_end());
    Exit::Done
}
