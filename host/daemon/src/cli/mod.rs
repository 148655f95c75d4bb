//! The verbs, one module a noun.

pub mod args;
mod daemon;
mod drill;
mod key;
mod made;
mod open;
mod plugin;
pub mod print;
mod progress;
mod recovery_point;
mod run;
mod run_show;
mod schedule;
pub mod shelf;
mod snapshot;
mod target;

use std::time::Duration;

use args::{Cli, Command};

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::{self, Interrupts, interrupted};

/// Carries a command line out.
pub fn dispatch(cli: Cli) -> Outcome {
    let Cli { global, command } = cli;
    match command {
        Command::Init(args) => crate::init::dispatch(&global, &args),
        // These need no configuration for what is a file, so that they work on any machine.
        Command::Snapshot(verb) => snapshot::dispatch(&global, &verb),
        Command::Key(verb) => key::dispatch(&verb),
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
            crate::lab::children::become_guarded(parent, &words),
        )),
    }
}

/// Serves the process that started this one to compile something.
fn compile_plugin() -> Outcome {
    drydock_sandbox::compile_worker(std::io::stdin().lock(), std::io::stdout().lock())
        .map_err(Failure::failed)?;
    Ok(Exit::Done)
}

/// What runs on after a verb has ended, or was interrupted, is waited for so long: a thread
/// that removes what it wrote needs milliseconds, and one that nobody can cut off, such as a
/// read from a disk that does not answer, is left behind. The journal takes a record whole or
/// not at all, and files get their names last.
const REST_WALL_MAX: Duration = Duration::from_secs(1);

/// Runs a verb's future on a runtime of the process's own. At a signal it is dropped,
/// which takes back what it began.
pub fn block_on<T, F: Future<Output = Result<T, Failure>>>(future: F) -> Result<T, Failure> {
    block_on_uninterrupted(interruptible(future))
}

/// The same for who deals with signals, or has nothing to take back.
pub fn block_on_uninterrupted<T, F: Future<Output = Result<T, Failure>>>(
    future: F,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let done = runtime.block_on(future);
    runtime.shutdown_timeout(REST_WALL_MAX);
    done
}

/// Drops the work at a signal; does not begin it after one.
pub async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut interrupts = Interrupts::heed(Exit::Failed)?;
    if interrupt::asked() {
        return Err(interrupted());
    }
    tokio::select! {
        done = work => done,
        () = interrupts.next() => Err(interrupted()),
    }
}
