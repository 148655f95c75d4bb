//! The command line: the verbs, one module a noun. They parse, ask and print.
//!
//! The other crates know no command line; this one reads it, and [`run`] is all that
//! the program calls.
//!
//! **Invariant:** exit codes are known to this crate and to `init` alone: one file says how an
//! error of another crate ends the process, and what a verb itself finds wrong is told with
//! its code.
//!
//! **Invariant:** no secret is formatted: keys live in types whose `Debug` hides them.
//!
//! A crash leaves what the verb under way had written under hidden names, and what the
//! journal has of its runs.

pub mod args;
pub mod catalog;
mod daemon;
mod drill;
mod exit;
mod failure;
mod findings;
mod key;
mod made;
mod open;
mod plugin;
mod progress;
mod recovery_point;
mod run;
mod runtime;
mod schedule;
mod snapshot;
mod target;

use std::io::IsTerminal as _;

use clap::Parser as _;
use drydock_node::Deps;
use drydock_terminal::{print, stderr};

pub use exit::Exit;
pub use failure::{Context, Failure, Outcome};
pub use runtime::{block_on, load};

use args::{Cli, Command, Global, InitArgs, MigrateVerb};

/// What makes documents out of what is there already.
#[derive(Debug)]
pub enum Preparation {
    Init(Box<InitArgs>),
    Migrate(MigrateVerb),
}

/// What carries these verbs out: it stands above this crate.
pub type Prepare = fn(&Global, &Preparation) -> Outcome;

/// The whole program: reads the command line, carries it out and says why it could not.
pub fn run(deps: Deps, prepare: Prepare) -> Exit {
    stderr::take_panics();
    let exit = match Cli::try_parse() {
        Ok(cli) => {
            let only_tells = cli.command.only_tells();
            carry_out(cli, deps, prepare).once_printed(only_tells)
        }
        Err(error) => usage(&error).once_printed(true),
    };
    stderr::flush(stderr::STALL_MAX);
    exit
}

fn carry_out(cli: Cli, deps: Deps, prepare: Prepare) -> Exit {
    match dispatch(cli, deps, prepare) {
        Ok(exit) => exit,
        Err(failure) => {
            if failure.exit != Exit::Done {
                print::error_line(&format!("error: {failure}"));
            }
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

fn dispatch(cli: Cli, deps: Deps, prepare: Prepare) -> Outcome {
    let Cli { global, command } = cli;
    let global = global.with(deps);
    match command {
        Command::Init(args) => prepare(&global, &Preparation::Init(args)),
        Command::Migrate(verb) => prepare(&global, &Preparation::Migrate(verb)),
        // These need no configuration for what is a file, so that they work on any machine.
        Command::Snapshot(verb) => snapshot::dispatch(&global, &verb),
        Command::Key(verb) => key::dispatch(&global, &verb),
        Command::Daemon(args) => daemon::dispatch(&global, &args),
        Command::Run(args) => run::dispatch(&global, args),
        Command::Schedule(verb) => schedule::dispatch(&global, &verb),
        Command::RecoveryPoint(verb) => recovery_point::dispatch(&global, verb),
        Command::Open(args) => open::dispatch(&global, *args),
        Command::Drill(args) => drill::dispatch(&global, *args),
        Command::Target(verb) => target::dispatch(&global, &verb),
        Command::Plugin(verb) => plugin::dispatch(&global, &verb),
        Command::CompilePlugin => compile_plugin(),
        Command::RunGuarded { parent, words } => Err(Failure::failed(
            drydock_scratch::children::become_guarded(parent, &words),
        )),
    }
}

/// Serves the process that started this one to compile something.
fn compile_plugin() -> Outcome {
    drydock_sandbox::compile_worker(std::io::stdin().lock(), std::io::stdout().lock())
        .map_err(Failure::failed)?;
    Ok(Exit::Done)
}
