//! The task that owns what is planned and what is under way. It comes round when
//! something happens, when something is due, and once a second at least: a tick looks at
//! the clock, plans what is due, does outbox, and shows how things stand.

mod decide;
mod outbox;
mod reload;
mod run_events;
mod signals;
mod sweep;
mod tick;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_core::{Clock, CrashPoint, RunId, ScheduleName, UnixTime, chain};
use drydock_journal::{Journal, JournalError};
use drydock_runs::RunService;
use drydock_schedule::{ActiveRun, State};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet, spawn_blocking};

use super::health::Health;
use super::metrics::Metrics;
use super::open_run::OpenRun;
use super::supervisor::{RunCommand, RunStatus, RunSupervisor, Task};
use super::watcher::{DocumentUpdate, Reload};
use super::{Process, notify, past};
use outbox::OutboxEntry;
use signals::Signal;
pub use signals::Signals;
use sweep::Sweeping;

/// The longest time between two ticks.
const TICK: Duration = Duration::from_secs(1);

/// How long planning waits for unfinished runs to be taken up: one whose plugin takes a
/// minute to compile counts as under way meanwhile, and holds nobody else up.
const TAKE_UP_WALL_MAX: Duration = Duration::from_secs(10);

/// From the moment at which runs are left for the next start to the end of the process, at
/// most. Leaving a run takes milliseconds; what hangs then, a disk or a plugin, ends with
/// the process, as in a crash.
const LAST_WALL_MAX: Duration = Duration::from_millis(2_500);

/// Orders to an supervisor that wait: each is given once at most.
const ORDERS_QUEUE_MAX: usize = 4;

/// How the scheduler hears of everything.
pub struct Lines {
    pub signals: Signals,
    pub news: mpsc::Receiver<DocumentUpdate>,
    pub asks: mpsc::Sender<()>,
    pub told: mpsc::Receiver<(RunId, RunStatus)>,
    pub told_sender: mpsc::Sender<(RunId, RunStatus)>,
}

pub struct Scheduler {
    service: watch::Sender<Arc<RunService>>,
    metrics: Arc<Metrics>,
    shown: watch::Sender<Health>,
    health: Health,
    lines: Lines,
    phase: Phase,
    plan: State,
    /// When planning is worth it next; none when nothing will ever be due.
    wake: Option<UnixTime>,
    supervisors: JoinSet<()>,
    tasks: HashMap<Id, RunId>,
    supervised: BTreeMap<RunId, Supervised>,
    outbox: VecDeque<OutboxEntry>,
    /// Open questions by schedule, as the metrics show them.
    asked: BTreeMap<ScheduleName, i64>,
    sweeping: Sweeping,
    /// Chores and decisions that the journal did not take are tried again then.
    journal_again: Option<Instant>,
    /// Schedules in force whose past the journal has not told yet, and when it is asked again.
    unshown: BTreeSet<ScheduleName>,
    past_again: Option<Instant>,
    last_tick: (UnixTime, Instant),
    clock_is_known: bool,
    last_watchdog: Option<Instant>,
    last_status: String,
    reload_asked: bool,
    batches: u64,
    clock: Arc<dyn Clock>,
    crash: Arc<dyn CrashPoint>,
    process: Process,
}

/// What the scheduler is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was taken up yet: the clock is behind, or the journal is silent.
    Waiting,
    /// Unfinished runs are being taken up, until then at most.
    TakingUp(Instant),
    Serving,
    /// Runs may end until then.
    Draining(Instant),
    /// Runs were told to stop where they are.
    Suspending,
}

/// A run that has an supervisor.
struct Supervised {
    orders: mpsc::Sender<RunCommand>,
    /// The run as planning sees it.
    active: ActiveRun,
    /// What it asks and holds, as far as is known.
    open: OpenRun,
    due: UnixTime,
    /// Whether it is the run of an occurrence that was decided here.
    is_start: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is being started or taken up.
    Beginning,
    Running,
    /// It cannot be taken up, or not gone on with, for now.
    Halted,
}

impl Scheduler {
    pub fn new(
        service: watch::Sender<Arc<RunService>>,
        metrics: Arc<Metrics>,
        shown: watch::Sender<Health>,
        lines: Lines,
        process: Process,
    ) -> Self {
        let health = shown.borrow().clone();
        let deps = service.borrow().registry.node.deps.clone();
        Self {
            service,
            metrics,
            shown,
            health,
            lines,
            phase: Phase::Waiting,
            plan: State::default(),
            wake: None,
            supervisors: JoinSet::new(),
            tasks: HashMap::new(),
            supervised: BTreeMap::new(),
            outbox: VecDeque::new(),
            asked: BTreeMap::new(),
            sweeping: Sweeping::default(),
            journal_again: None,
            unshown: BTreeSet::new(),
            past_again: None,
            last_tick: (deps.clock.now(), Instant::now()),
            clock_is_known: false,
            last_watchdog: None,
            last_status: String::new(),
            reload_asked: false,
            batches: 0,
            clock: deps.clock,
            crash: deps.crash,
            process,
        }
    }

    /// Keeps going until it was told to stop and everything is left in order.
    pub async fn run(mut self, address: Option<SocketAddr>) {
        self.begin(address).await;
        while !self.is_over() {
            let pause = self.pause();
            tokio::select! {
                biased;
                signal = self.lines.signals.next() => self.signal(signal),
                Some((run, told)) = self.lines.told.recv() => self.told(&run, told),
                Some(news) = self.lines.news.recv() => self.news(news),
                Some(ended) = self.supervisors.join_next_with_id() => self.joined(ended),
                () = tokio::time::sleep(pause) => {}
            }
            self.tick().await;
        }
        self.sweeping.stop().await;
    }

    /// Puts the first documents in force and says that the daemon is there.
    async fn begin(&mut self, address: Option<SocketAddr>) {
        let service = self.service();
        self.outbox
            .push_back(OutboxEntry::PutInForce(Box::new(Reload {
                service: Arc::clone(&service),
                waiting: Vec::new(),
            })));
        self.tick().await;
        let answers = address.map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
        tracing::info!(
            version = drydock_core::VERSION,
            node = service.registry.node.config.value.name.as_str(),
            state = %service.registry.node.state().display(),
            schedules = self.health.schedules,
            listen = answers,
            "the daemon is there"
        );
        notify::ready(&self.status());
    }

    fn service(&self) -> Arc<RunService> {
        Arc::clone(&self.service.borrow())
    }

    /// How long nothing can be due.
    fn pause(&self) -> Duration {
        let due = match self.phase {
            Phase::Serving => self.wake.map(|wake| self.clock.until(wake)),
            Phase::Draining(until) => Some(until.saturating_duration_since(Instant::now())),
            _ => None,
        };
        // What waits for the journal waits for the next tick, and not in a tight loop.
        match (due, self.journal_again) {
            (Some(due), None) => due.min(TICK),
            _ => TICK,
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Suspending)
    }

    fn is_over(&self) -> bool {
        self.is_draining() && self.supervised.is_empty() && self.supervisors.is_empty()
    }

    fn signal(&mut self, signal: Signal) {
        match (signal, self.phase) {
            (Signal::Reload, _) if self.is_draining() => {}
            (Signal::Reload, _) => {
                tracing::info!("a reload was asked for");
                notify::reloading();
                self.reload_asked = true;
                // One that waits already will do.
                let _ = self.lines.asks.try_send(());
            }
            (Signal::Stop, Phase::Draining(_) | Phase::Suspending) => self.suspend(),
            (Signal::Stop, _) => self.drain(),
        }
    }

    fn drain(&mut self) {
        let limit = self
            .service()
            .registry
            .node
            .config
            .value
            .spec
            .daemon
            .drain();
        let running = self.count(Stage::Running);
        tracing::info!(
            runs = running,
            limit_seconds = limit.as_secs(),
            "the daemon was told to stop: it starts nothing more and lets runs end"
        );
        self.phase = Phase::Draining(Instant::now() + limit);
        notify::stopping(&format!("letting {running} runs end"));
        self.order_all(&RunCommand::Leave);
    }

    fn suspend(&mut self) {
        if self.phase == Phase::Suspending {
            // Asked once more: whatever does not stop ends with the process.
            return (self.process.end_within)(Duration::ZERO);
        }
        tracing::warn!(
            runs = self.count(Stage::Running),
            "runs that have not ended are left for the next start"
        );
        self.phase = Phase::Suspending;
        (self.process.end_within)(LAST_WALL_MAX);
        self.order_all(&RunCommand::Suspend);
    }

    fn order_all(&self, order: &RunCommand) {
        for supervised in self.supervised.values() {
            supervised.order(order.clone());
        }
    }

    fn count(&self, stage: Stage) -> usize {
        let supervised = self.supervised.values();
        supervised
            .filter(|supervised| supervised.stage == stage)
            .count()
    }

    /// Gives a run to an supervisor of its own.
    fn attend(&mut self, run: ActiveRun, open: OpenRun, due: UnixTime, task: Task) {
        let (orders, receiver) = mpsc::channel(ORDERS_QUEUE_MAX);
        let supervisor = RunSupervisor {
            run: run.run.clone(),
            service: self.service.subscribe(),
            orders: receiver,
            told: self.lines.told_sender.clone(),
            holds: !open.holds.is_empty(),
        };
        let supervised = Supervised {
            orders,
            active: run.clone(),
            open,
            due,
            is_start: matches!(task, Task::Start { .. }),
            stage: Stage::Beginning,
        };
        let handle = self.supervisors.spawn(supervisor.run(task));
        self.tasks.insert(handle.id(), run.run.clone());
        self.supervised.insert(run.run, supervised);
    }

    /// An supervisor says its last word before it ends, unless it panicked.
    fn joined(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(run) = self.tasks.remove(&id) else {
            return;
        };
        if let Err(error) = ended {
            let why = format!(
                "its supervisor stopped in the middle of its work ({error}); restart the daemon to take it up, and report this"
            );
            self.told(&run, RunStatus::Halted { why });
            self.supervised.remove(&run);
        }
    }

    /// Asks the journal. What goes wrong is shown until something goes right again.
    async fn journal<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Option<T> {
        let journal = Arc::clone(&self.service().journal);
        let answer = spawn_blocking(move || call(&journal)).await;
        let problem = match answer {
            Ok(Ok(value)) => {
                if self.health.journal.take().is_some() {
                    tracing::info!("the journal works again");
                }
                self.journal_again = None;
                return Some(value);
            }
            Ok(Err(error)) => chain(&error),
            Err(error) => format!("the journal's thread stopped in its work: {error}"),
        };
        if self.health.journal.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
        }
        self.health.journal = Some(problem);
        self.journal_again = Some(Instant::now() + outbox::JOURNAL_WAIT);
        None
    }

    /// Names of the schedules that are planned.
    fn names(&self) -> BTreeSet<ScheduleName> {
        let schedules = self.plan.schedules.iter();
        schedules.map(|planned| planned.schedule.clone()).collect()
    }
}

impl Supervised {
    /// An supervisor that has ended, or has this order already, needs it no more.
    fn order(&self, order: RunCommand) {
        let _ = self.orders.try_send(order);
    }
}
