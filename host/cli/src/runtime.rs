//! What every verb begins with: the node that is meant, the log, and a runtime of the
//! process's own that signals end.

use std::path::Path;
use std::time::Duration;

use drydock_documents as documents;
use drydock_node::{Configuration, Need};
use drydock_terminal::interrupt::{Interrupted, Interrupts};
use drydock_terminal::print;
use drydock_terminal::telemetry::{self, LogFormat};

use crate::args::Global;
use crate::{Exit, Failure};

/// Warnings about documents that a verb shows; `schedule check` shows them all.
const WARNINGS_MAX: usize = 8;

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
        .build()?;
    let done = runtime.block_on(future);
    runtime.shutdown_timeout(REST_WALL_MAX);
    done
}

/// Drops the work at a signal; does not begin it after one.
pub async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut interrupts = Interrupts::heed(Exit::Failed.code())?;
    if drydock_node::interrupt::asked() {
        return Err(Interrupted.into());
    }
    tokio::select! {
        done = work => done,
        () = interrupts.next() => Err(Interrupted.into()),
    }
}

/// Reads configuration and documents as far as they are needed, and starts logging as they
/// and the command line say. What is wrong elsewhere is a warning.
///
/// # Errors
/// What is needed is not there, or wrong.
pub fn load(global: &Global, need: &Need<'_>) -> Result<Configuration, Failure> {
    let node = Configuration::load(&global.config, need, global.deps.clone())?;
    begin(global, &node)?;
    Ok(node)
}

/// The node whose only target is this folder.
pub fn of_folder(global: &Global, folder: &Path) -> Result<Configuration, Failure> {
    let node = Configuration::of_folder(folder, global.deps.clone())?;
    begin(global, &node)?;
    Ok(node)
}

/// Starts logging as this node and the command line say, and warns of what is wrong.
fn begin(global: &Global, node: &Configuration) -> Result<(), Failure> {
    let log = &node.config.value.spec.log;
    let format = global.log_format.unwrap_or(match log.format {
        documents::node::LogFormat::Text => LogFormat::Text,
        documents::node::LogFormat::Json => LogFormat::Json,
    });
    let level = global.log_level.as_deref().unwrap_or(log.level.word());
    telemetry::start(format, level).map_err(Failure::usage)?;
    for warning in node.warnings.iter().take(WARNINGS_MAX) {
        print::note(&format!("warning: {warning}"));
    }
    if let Some(more @ 1..) = node.warnings.len().checked_sub(WARNINGS_MAX) {
        print::note(&format!(
            "warning: {more} more documents are wrong; `drydock schedule check` tells of all"
        ));
    }
    for granted in &node.development {
        print::note(&format!("warning: {granted}"));
    }
    Ok(())
}
