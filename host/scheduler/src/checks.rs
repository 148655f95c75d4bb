//! Whether the schedules in force could start a run: each is tried out in a task of its
//! own, a few at a time. Nobody waits for them, neither the daemon nor a schedule: what
//! they find is news for the scheduler, and so is what each of them is at.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::{ScheduleName, chain};
use drydock_runs::RunService;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::planning;

/// Checks at once: enough that one that hangs leaves room for others, few enough for a
/// node with other work to do.
const AT_ONCE_MAX: usize = 4;

/// Time that the check of one schedule may take: its plugins are compiled in it, and
/// judge their configuration.
const CHECK_WALL_MAX: Duration = Duration::from_secs(60);

/// A check that is at one thing for so long says what it is.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// Words of one check that wait to be told; it says a few.
const WORDS_MAX: usize = 16;

/// What checks tell and nobody has heard yet. They wait for their hearer.
const TOLD_MAX: usize = 1024;

/// What a check tells.
pub struct Check {
    /// The documents that it is about.
    pub service: Arc<RunService>,
    pub schedule: ScheduleName,
    pub state: CheckState,
}

pub enum CheckState {
    /// It is at this, in words.
    At(String),
    /// A run could be started.
    Passed,
    /// It could not, for this reason.
    CannotRun(String),
}

/// The checks under way. Dropping them ends them.
pub struct Checks {
    tasks: JoinSet<()>,
    told: mpsc::Sender<Check>,
    hear: mpsc::Receiver<Check>,
}

/// One of them.
struct Checker {
    service: Arc<RunService>,
    schedule: ScheduleName,
    turn: Arc<Semaphore>,
    told: mpsc::Sender<Check>,
}

impl Checks {
    pub fn none() -> Self {
        let (told, hear) = mpsc::channel(TOLD_MAX);
        Self {
            tasks: JoinSet::new(),
            told,
            hear,
        }
    }

    /// Checks every schedule of this node; those that are being checked are left off.
    pub fn begin(&mut self, service: &Arc<RunService>) {
        self.tasks = JoinSet::new();
        let turn = Arc::new(Semaphore::new(AT_ONCE_MAX));
        for schedule in planning::of_this_node(&service.registry.node) {
            let checker = Checker {
                service: Arc::clone(service),
                schedule: schedule.value.name.clone(),
                turn: Arc::clone(&turn),
                told: self.told.clone(),
            };
            self.tasks.spawn(checker.run());
        }
    }

    /// What checks have to tell, all that there is.
    pub async fn hear(&mut self) -> Vec<Check> {
        let mut heard = Vec::new();
        self.hear.recv_many(&mut heard, TOLD_MAX).await;
        heard
    }

    pub fn are_over(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.is_empty()
    }
}

impl Checker {
    async fn run(self) {
        let turn = Arc::clone(&self.turn);
        let Ok(_turn) = turn.acquire().await else {
            return;
        };
        let (words, mut at) = mpsc::channel(WORDS_MAX);
        // A word that finds no room is out of date before it is read.
        let tell = move |what: &str| drop(words.try_send(what.to_owned()));
        let mut last = String::new();
        let checked = async {
            let checked = self.service.check(&self.schedule, &tell).await;
            drop(tell);
            checked
        };
        let checked = timeout(CHECK_WALL_MAX, checked);
        tokio::pin!(checked);
        let mut quiet = None;
        let found = loop {
            tokio::select! {
                biased;
                Some(what) = at.recv() => {
                    last = what;
                    quiet = Some(Instant::now() + QUIET_MAX);
                }
                found = &mut checked => break found,
                () = reached(quiet) => {
                    quiet = None;
                    self.tell(CheckState::At(last.clone())).await;
                }
            }
        };
        let state = match found {
            Ok(Ok(())) => CheckState::Passed,
            Ok(Err(error)) => CheckState::CannotRun(chain(&error)),
            Err(_) => CheckState::CannotRun(format!(
                "its check took longer than {} s, and stood at this: {last}",
                CHECK_WALL_MAX.as_secs()
            )),
        };
        self.tell(state).await;
    }

    async fn tell(&self, state: CheckState) {
        let check = Check {
            service: Arc::clone(&self.service),
            schedule: self.schedule.clone(),
            state,
        };
        // Whoever is gone needs no news.
        let _ = self.told.send(check).await;
    }
}

async fn reached(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
