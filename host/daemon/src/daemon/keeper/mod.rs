//! The task that owns what is planned and what is under way. It comes round when
//! something happens, when something is due, and once a second at least: a beat looks at
//! the clock, plans what is due, does chores, and shows how things stand.

mod beat;
mod chores;
mod decide;
mod reload;
mod signals;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_core::{Clock as _, ClusterName, RunId, ScheduleName, UnixTime};
use drydock_journal::{Journal, JournalError};
use drydock_schedule::{ActiveRun, Activity, State};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet, spawn_blocking};

use super::attendant::{Attendant, Order, Task, Told};
use super::health::Health;
use super::lookout::{News, Renewed};
use super::metrics::Metrics;
use super::{notify, past};
use crate::clock::SystemClock;
use crate::crash::Kill;
use crate::exit::{Chain, Exit, Failure};
use crate::interrupt;
use crate::node::Station;
use chores::Chore;
use signals::Signal;
pub use signals::Signals;

/// The longest time between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// How long planning waits for unfinished runs to be taken up: one whose plugin takes a
/// minute to compile counts as under way meanwhile, and holds nobody else up.
const TAKE_UP_WALL_MAX: Duration = Duration::from_secs(10);

/// From the moment at which runs are left for the next start to the end of the process, at
/// most. Leaving a run takes milliseconds; what hangs then, a disk or a plugin, ends with
/// the process, as in a crash.
const LAST_WALL_MAX: Duration = Duration::from_millis(2_500);

/// Orders to an attendant that wait: each is given once at most.
const ORDERS_QUEUE_MAX: usize = 4;

/// How the keeper hears of everything.
pub struct Lines {
    pub signals: Signals,
    pub news: mpsc::Receiver<News>,
    pub asks: mpsc::Sender<()>,
    pub told: mpsc::Receiver<(RunId, Told)>,
    pub told_sender: mpsc::Sender<(RunId, Told)>,
}

pub struct Keeper {
    station: watch::Sender<Arc<Station>>,
    metrics: Arc<Metrics>,
    shown: watch::Sender<Health>,
    health: Health,
    lines: Lines,
    phase: Phase,
    plan: State,
    /// When planning is worth it next; none when nothing will ever be due.
    wake: Option<UnixTime>,
    attendants: JoinSet<()>,
    tasks: HashMap<Id, RunId>,
    attended: BTreeMap<RunId, Attended>,
    chores: VecDeque<Chore>,
    /// Chores and decisions that the journal did not take are tried again then.
    journal_again: Option<Instant>,
    /// Schedules in force whose past the journal has not told yet, and when it is asked again.
    unshown: BTreeSet<ScheduleName>,
    past_again: Option<Instant>,
    last_beat: (UnixTime, Instant),
    clock_is_known: bool,
    last_watchdog: Option<Instant>,
    last_status: String,
    reload_asked: bool,
    batches: u64,
    kill: Option<Kill>,
}

/// What the keeper is at.
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

/// A run that has an attendant.
struct Attended {
    orders: mpsc::Sender<Order>,
    schedule: ScheduleName,
    cluster: ClusterName,
    activity: Activity,
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
    Stuck,
}

impl Keeper {
    pub fn new(
        station: watch::Sender<Arc<Station>>,
        metrics: Arc<Metrics>,
        shown: watch::Sender<Health>,
        lines: Lines,
    ) -> Self {
        let health = shown.borrow().clone();
        Self {
            station,
            metrics,
            shown,
            health,
            lines,
            phase: Phase::Waiting,
            plan: State::default(),
            wake: None,
            attendants: JoinSet::new(),
            tasks: HashMap::new(),
            attended: BTreeMap::new(),
            chores: VecDeque::new(),
            journal_again: None,
            unshown: BTreeSet::new(),
            past_again: None,
            last_beat: (SystemClock.now(), Instant::now()),
            clock_is_known: false,
            last_watchdog: None,
            last_status: String::new(),
            reload_asked: false,
            batches: 0,
            kill: Kill::from_environment(),
        }
    }

    /// Keeps going until it was told to stop and everything is left in order.
    pub async fn run(mut self, address: Option<SocketAddr>) -> Result<(), Failure> {
        self.begin(address).await;
        while !self.is_over() {
            let pause = self.pause();
            tokio::select! {
                biased;
                signal = self.lines.signals.next() => self.signal(signal),
                Some((run, told)) = self.lines.told.recv() => self.told(&run, told),
                Some(news) = self.lines.news.recv() => self.news(news),
                Some(ended) = self.attendants.join_next_with_id() => self.joined(ended),
                () = tokio::time::sleep(pause) => {}
            }
            self.beat().await;
        }
        Ok(())
    }

    /// Puts the first documents in force and says that the daemon is there.
    async fn begin(&mut self, address: Option<SocketAddr>) {
        let station = self.station();
        if SystemClock.is_moved() {
            tracing::warn!("a test moves the clock by DRYDOCK_TEST_CLOCK_OFFSET");
        }
        self.chores.push_back(Chore::PutInForce(Box::new(Renewed {
            station: Arc::clone(&station),
            waiting: Vec::new(),
        })));
        self.beat().await;
        let answers = address.map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
        tracing::info!(
            version = crate::version::VERSION,
            node = station.workshop.node.config.value.name.as_str(),
            state = %station.workshop.node.state().display(),
            schedules = self.health.schedules,
            listen = answers,
            "the daemon is there"
        );
        notify::ready(&self.status());
    }

    fn station(&self) -> Arc<Station> {
        Arc::clone(&self.station.borrow())
    }

    /// How long nothing can be due.
    fn pause(&self) -> Duration {
        let due = match self.phase {
            Phase::Serving => self.wake.map(|wake| SystemClock.until(wake)),
            Phase::Draining(until) => Some(until.saturating_duration_since(Instant::now())),
            _ => None,
        };
        // What waits for the journal waits for the next beat, and not in a tight loop.
        match (due, self.journal_again) {
            (Some(due), None) => due.min(BEAT),
            _ => BEAT,
        }
    }

    fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Suspending)
    }

    fn is_over(&self) -> bool {
        self.is_draining() && self.attended.is_empty() && self.attendants.is_empty()
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
            .station()
            .workshop
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
        self.order_all(&Order::Leave);
    }

    fn suspend(&mut self) {
        if self.phase == Phase::Suspending {
            // Asked once more: whatever does not stop ends with the process.
            return interrupt::end_within(Duration::ZERO, Exit::Done);
        }
        tracing::warn!(
            runs = self.count(Stage::Running),
            "runs that have not ended are left for the next start"
        );
        self.phase = Phase::Suspending;
        interrupt::end_within(LAST_WALL_MAX, Exit::Done);
        self.order_all(&Order::Suspend);
    }

    fn order_all(&self, order: &Order) {
        for attended in self.attended.values() {
            attended.order(order.clone());
        }
    }

    fn count(&self, stage: Stage) -> usize {
        let attended = self.attended.values();
        attended.filter(|attended| attended.stage == stage).count()
    }

    /// Gives a run to an attendant of its own.
    fn attend(&mut self, run: ActiveRun, due: UnixTime, task: Task) {
        let (orders, receiver) = mpsc::channel(ORDERS_QUEUE_MAX);
        let attendant = Attendant {
            run: run.run.clone(),
            station: self.station.subscribe(),
            orders: receiver,
            told: self.lines.told_sender.clone(),
        };
        let attended = Attended {
            orders,
            schedule: run.schedule,
            cluster: run.cluster,
            activity: run.activity,
            due,
            is_start: matches!(task, Task::Start { .. }),
            stage: Stage::Beginning,
        };
        let handle = self.attendants.spawn(attendant.run(task));
        self.tasks.insert(handle.id(), run.run.clone());
        self.attended.insert(run.run, attended);
    }

    /// An attendant says its last word before it ends, unless it panicked.
    fn joined(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(run) = self.tasks.remove(&id) else {
            return;
        };
        if let Err(error) = ended {
            let why = format!(
                "its attendant stopped in the middle of its work ({error}); restart the daemon to take it up, and report this"
            );
            self.told(&run, Told::Stuck { why });
            self.attended.remove(&run);
        }
    }

    /// Asks the journal. What goes wrong is shown until something goes right again.
    async fn journal<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Option<T> {
        let journal = Arc::clone(&self.station().journal);
        let answer = spawn_blocking(move || call(&journal)).await;
        let problem = match answer {
            Ok(Ok(value)) => {
                if self.health.journal.take().is_some() {
                    tracing::info!("the journal works again");
                }
                self.journal_again = None;
                return Some(value);
            }
            Ok(Err(error)) => Chain(&anyhow::Error::from(error)).to_string(),
            Err(error) => format!("the journal's thread stopped in its work: {error}"),
        };
        if self.health.journal.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
        }
        self.health.journal = Some(problem);
        self.journal_again = Some(Instant::now() + chores::JOURNAL_WAIT);
        None
    }

    /// Names of the schedules that are planned.
    fn names(&self) -> BTreeSet<ScheduleName> {
        let schedules = self.plan.schedules.iter();
        schedules.map(|planned| planned.schedule.clone()).collect()
    }
}

impl Attended {
    /// An attendant that has ended, or has this order already, needs it no more.
    fn order(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }

    fn active(&self, run: &RunId) -> ActiveRun {
        ActiveRun {
            run: run.clone(),
            schedule: self.schedule.clone(),
            cluster: self.cluster.clone(),
            activity: self.activity,
        }
    }
}
