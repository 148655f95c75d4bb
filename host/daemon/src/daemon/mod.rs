//! `drydock daemon`: left alone on a node, it does the node's work on time.
//!
//! One task, the [`keeper`], owns what is planned and what is under way. It holds the
//! schedules against the clock, enters every decision into the journal before anything
//! comes of it, and gives each run to an [`attendant`], a task that starts it or takes it
//! up and tells of its end. The [`lookout`] compares the documents with their files and
//! hands over new sets, and [`checks`] tries them out; [`http`] answers health and metrics from what the keeper shows.
//! [`agenda`] and [`health`] are the pure parts.
//!
//! **Invariant:** a decision is recorded, in one transaction with all others of its beat,
//! before its run starts; an occurrence is decided once, whatever the clock does.
//!
//! **Invariant:** unfinished runs are taken up before anything new is planned.
//!
//! **Invariant:** documents come into force whole or not at all, and a run keeps those
//! that it began with.
//!
//! **Invariant:** nothing is planned while the clock is behind the journal.
//!
//! **Invariant:** neither the daemon nor a schedule waits for another one's plugin.
//!
//! A crash leaves what the journal has: occurrences whose run has not begun are started
//! by the next daemon, runs without an end are taken up by it.

mod agenda;
mod attendant;
mod checks;
mod health;
mod http;
mod keeper;
mod lookout;
mod metrics;
mod notify;
mod past;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use drydock_core::Clock as _;
use drydock_core::files::node::Listen;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::SystemClock;
use crate::exit::{Exit, Failure, Outcome};
use crate::node::{Node, Station};
use health::Health;
use http::Shown;
use keeper::{Keeper, Lines};
use lookout::{Fingerprint, Lookout};
use metrics::Metrics;

/// The file in the state folder that tells where health and metrics are answered.
pub const ADDRESS_FILE: &str = "daemon.addr";

/// News that wait for the keeper: it takes them once a beat.
const NEWS_QUEUE_MAX: usize = 4;

/// Words of attendants that wait for the keeper. Each waits until its word is taken.
const TOLD_QUEUE_MAX: usize = 64;

/// How long the end of the process waits for each of its tasks.
const JOIN_WALL_MAX: Duration = Duration::from_millis(500);

/// Requests to reload that wait; whoever asks more often gets one for all.
const RELOAD_QUEUE_MAX: usize = 4;

/// Runs until it is told to stop.
pub async fn run(config: PathBuf, node: Node, accept_clock: bool) -> Outcome {
    let signals = keeper::Signals::new()?;
    let started = SystemClock.now();
    let seen = Fingerprint::of(&config, &node.config.value);
    let listen = node.config.value.spec.daemon.listen;
    let station = Arc::new(Station::open(node, "daemon")?);
    if accept_clock {
        station.check_clock(true)?;
    }
    let metrics = Arc::new(Metrics::new(started));
    let (health, shown_health) = watch::channel(Health::new(Instant::now()));
    let shown = Shown {
        health: shown_health.clone(),
        metrics: Arc::clone(&metrics),
    };
    let server = Server::start(listen, station.workshop.node.state(), shown).await?;
    let (current, follow) = watch::channel(Arc::clone(&station));
    let (asks, asked) = mpsc::channel(RELOAD_QUEUE_MAX);
    let (tells, news) = mpsc::channel(NEWS_QUEUE_MAX);
    let (told_sender, told) = mpsc::channel(TOLD_QUEUE_MAX);
    let lookout = Lookout {
        config,
        station: follow,
        seen,
        news: tells,
        health: shown_health,
    };
    let lookout = tokio::spawn(lookout.run(asked));
    let lines = Lines {
        signals,
        news,
        asks,
        told,
        told_sender,
    };
    let kept = Box::pin(Keeper::new(current, metrics, health, lines).run(server.address)).await;
    // The keeper has dropped the queues by which the others hear of the end.
    join("lookout", lookout).await;
    server.stop().await;
    tracing::info!("the daemon has stopped");
    kept.map(|()| Exit::Done)
}

/// The task that answers HTTP, where there is one.
struct Server {
    address: Option<SocketAddr>,
    file: PathBuf,
    closing: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    async fn start(listen: Listen, state: &Path, shown: Shown) -> Result<Self, Failure> {
        let (closing, closed) = watch::channel(false);
        let mut server = Self {
            address: None,
            file: state.join(ADDRESS_FILE),
            closing,
            task: None,
        };
        if let Listen::At(wanted) = listen {
            let (listener, address) = bind(wanted).await?;
            write_address(&server.file, address)
                .with_context(|| format!("cannot write {}", server.file.display()))?;
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

async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind(wanted).await.with_context(|| {
        format!(
            "cannot listen on {wanted}: stop whoever uses that address, or set spec.daemon.listen of the node's configuration to another one or to none"
        )
    })?;
    let address = listener.local_addr()?;
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
