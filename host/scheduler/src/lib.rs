//! `drydock daemon`: left alone on a node, it does the node's work on time.
//!
//! One task, the [`scheduler`], owns what is planned and what is under way. It holds the
//! schedules against the clock, enters every decision into the journal before anything
//! comes of it, and gives each run to a [`supervisor`], a task that starts or resumes it and
//! tells of its end. The [`watcher`] compares the documents with their files and hands over
//! new sets, and [`checks`] tries them out; [`http`] answers health and metrics from what the
//! scheduler shows.
//! [`planning`], [`open_run`] and [`health`] are the pure parts.
//!
//! **Invariant:** a decision is recorded, in one transaction with all others of its tick,
//! before its run starts; an occurrence is decided once, whatever the clock does.
//!
//! **Invariant:** unfinished runs are taken up before anything new is planned.
//!
//! **Invariant:** documents come into force whole or not at all, and a run keeps those
//! that it began with.
//!
//! **Invariant:** nothing is planned while the clock is behind the journal.
//!
//! **Invariant:** a run that asks an operator is shown until it is answered, in the log, by
//! /readyz and in the metrics.
//!
//! **Invariant:** neither the daemon nor a schedule waits for another one's plugin.
//!
//! A crash leaves what the journal has: occurrences whose run has not begun are started
//! by the next daemon, runs without an end are taken up by it.

mod checks;
mod error;
mod health;
mod http;
mod metrics;
mod notify;
mod open_run;
mod past;
mod planning;
mod scheduler;
mod supervisor;
mod watcher;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_core::reason;
use drydock_documents::node::Listen;
use drydock_node::Configuration;
use drydock_runs::RunService;
use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use error::SchedulerError;
use health::Health;
use http::Shown;
use metrics::Metrics;
use scheduler::{Lines, Scheduler};
use watcher::{DocumentWatcher, Fingerprint};

/// The file in the state folder that tells where health and metrics are answered.
pub const ADDRESS_FILE: &str = "daemon.addr";

/// DocumentUpdate that wait for the scheduler: it takes them once a tick.
const NEWS_QUEUE_MAX: usize = 4;

/// Words of supervisors that wait for the scheduler. Each waits until its word is taken.
const TOLD_QUEUE_MAX: usize = 64;

/// How long the end of the process waits for each of its tasks.
const JOIN_WALL_MAX: Duration = Duration::from_millis(500);

/// Requests to reload that wait; whoever asks more often gets one for all.
const RELOAD_QUEUE_MAX: usize = 4;

/// What the daemon needs of the process that it is.
pub struct Process {
    /// Ends it unless it has ended by itself by then.
    pub end_within: fn(Duration),
    /// Counts the lines of the log that nobody took.
    pub lost_log_lines: Counter,
}

/// Runs until it is told to stop.
///
/// # Errors
/// It cannot begin: somebody holds the state folder, a document is wrong, the address is
/// taken.
pub async fn run(
    config: PathBuf,
    node: Configuration,
    accept_clock: bool,
    process: Process,
) -> Result<(), SchedulerError> {
    let signals = scheduler::Signals::new().map_err(SchedulerError::Signals)?;
    let started = node.deps.clock.now();
    let seen = Fingerprint::of(&config, &node.config.value);
    let listen = node.config.value.spec.daemon.listen;
    let service = Arc::new(RunService::open(node, "daemon")?);
    if accept_clock {
        service.check_clock(true)?;
    }
    let metrics = Arc::new(Metrics::new(started, process.lost_log_lines.clone()));
    let (health, shown_health) = watch::channel(Health::new(Instant::now()));
    let shown = Shown {
        health: shown_health.clone(),
        metrics: Arc::clone(&metrics),
    };
    let server = Server::start(listen, service.registry.node.state(), shown).await?;
    let (current, follow) = watch::channel(Arc::clone(&service));
    let (asks, asked) = mpsc::channel(RELOAD_QUEUE_MAX);
    let (tells, news) = mpsc::channel(NEWS_QUEUE_MAX);
    let (told_sender, told) = mpsc::channel(TOLD_QUEUE_MAX);
    let watcher = DocumentWatcher {
        config,
        service: follow,
        seen,
        news: tells,
        health: shown_health,
    };
    let watcher = tokio::spawn(watcher.run(asked));
    let lines = Lines {
        signals,
        news,
        asks,
        told,
        told_sender,
    };
    let scheduler = Scheduler::new(current, metrics, health, lines, process);
    Box::pin(scheduler.run(server.address)).await;
    // The scheduler has dropped the queues by which the others hear of the end.
    join("watcher", watcher).await;
    server.stop().await;
    tracing::info!("the daemon has stopped");
    Ok(())
}

/// The task that answers HTTP, where there is one.
struct Server {
    address: Option<SocketAddr>,
    file: PathBuf,
    closing: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    async fn start(listen: Listen, state: &Path, shown: Shown) -> Result<Self, SchedulerError> {
        let (closing, closed) = watch::channel(false);
        let mut server = Self {
            address: None,
            file: state.join(ADDRESS_FILE),
            closing,
            task: None,
        };
        if let Listen::At(wanted) = listen {
            let (listener, address) = bind(wanted).await?;
            write_address(&server.file, address).map_err(|error| SchedulerError::Address {
                file: server.file.clone(),
                why: reason(&error),
            })?;
            server.address = Some(address);
            server.task = Some(tokio::spawn(http::serve(listener, shown, closed)));
        }
        Ok(server)
    }

    async fn stop(self) {
        let Some(task) = self.task else { return };
        // Nobody listens any more once the task has ended by itself.
        let _ = self.closing.send(true);
        join("HTTP server", task).await;
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::debug!(%error, "{} stays", self.file.display());
        }
    }
}

async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), SchedulerError> {
    let listener = TcpListener::bind(wanted).await;
    let listener = listener.map_err(|error| SchedulerError::Listen {
        wanted,
        why: reason(&error),
    })?;
    let address = listener.local_addr();
    let address = address.map_err(|error| SchedulerError::NoPort {
        wanted,
        why: reason(&error),
    })?;
    Ok((listener, address))
}

/// Another process may read the file at any time: it is there whole or not at all.
fn write_address(file: &Path, address: SocketAddr) -> std::io::Result<()> {
    let fresh = file.with_extension("addr.new");
    std::fs::write(&fresh, format!("{address}\n"))?;
    std::fs::rename(&fresh, file)
}

/// Waits for a task that has nothing more to do. One that is in the middle of a look at a
/// file, or of an answer to somebody slow, is left off: nothing of it is worth waiting.
async fn join(what: &str, mut task: JoinHandle<()>) {
    match timeout(JOIN_WALL_MAX, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the {what} stopped in the middle of its work: report this");
        }
        Err(_) => {
            tracing::warn!("the {what} is held up and is left in the middle of its work");
            task.abort();
        }
    }
}
