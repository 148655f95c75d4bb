//! One credential at a time, renewed ahead of its end.
//!
//! A credential is fresh, then due (it is renewed in the background while requests go on with
//! it), then ending (requests wait for the new one, and take the old one if there is none),
//! then over. Lengths are counted on the monotonic clock, so that a clock which is set changes
//! nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drydock_core::{ErrorCode, Fault};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::credential::{Credential, Fetched};
use crate::exchange::{CredentialSource, Exchanger};

/// Renewal begins so long before the end: AWS's SDKs take 15 minutes, Azure's 5, Google's 4.
const DUE_BEFORE: Duration = Duration::from_secs(15 * 60);

/// From so long before the end on, requests wait for the renewal.
const ENDING_BEFORE: Duration = Duration::from_secs(60);

/// Where nobody says how long a credential lives (a key in a file), it is read again after this.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// And is good for so long if it cannot be read any more.
const UNREAD_MAX: Duration = Duration::from_secs(3600);

/// After a renewal failed, the next one begins no earlier while the old credential lives.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Without a credential the next exchange begins no earlier: many requests fail at once.
const FAILED_PAUSE: Duration = Duration::from_secs(2);

/// A refused credential that is younger is not the reason of the refusal.
const SUSPECT_AGE_MIN: Duration = Duration::from_secs(60);

/// Tries of one exchange, with these pauses in between.
const TRY_PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

type Outcome = Result<Arc<Credential>, Fault>;

/// Holds the credential of one identity.
pub(crate) struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn CredentialSource>,
    exchanger: Exchanger,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    running: Option<Running>,
    /// The last exchange, where it failed, and when it ended.
    failed: Option<(Instant, Fault)>,
}

struct Current {
    credential: Arc<Credential>,
    since: Instant,
    due: Instant,
    ending: Instant,
    over: Instant,
}

/// An exchange under way.
struct Running {
    outcome: watch::Receiver<Option<Outcome>>,
    task: AbortHandle,
}

/// What becomes of a request that wants a credential.
enum Look {
    Ready(Arc<Credential>),
    Failed(Fault),
    /// For the exchange; the old credential is good enough if that fails.
    Wait(watch::Receiver<Option<Outcome>>, Option<Arc<Credential>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Due,
    Ending,
    Over,
}

impl Cache {
    pub fn new(source: Box<dyn CredentialSource>, exchanger: Exchanger) -> Self {
        let shared = Shared {
            source,
            exchanger,
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The credential for a request that is sent now. Call it on a runtime.
    pub async fn get(&self) -> Outcome {
        match self.look() {
            Look::Ready(credential) => Ok(credential),
            Look::Failed(fault) => Err(fault),
            Look::Wait(outcome, old) => match waited(outcome).await {
                Ok(credential) => Ok(credential),
                Err(fault) => old.ok_or(fault),
            },
        }
    }

    /// A server refused it: the next request waits for another one.
    pub fn suspect(&self) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        if let Some(current) = &mut state.current
            && now.duration_since(current.since) >= SUSPECT_AGE_MIN
        {
            current.due = current.due.min(now);
            current.ending = current.ending.min(now);
        }
    }

    fn look(&self) -> Look {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let current = state.current.as_ref();
        let old = current.map(|current| Arc::clone(&current.credential));
        match (current.map_or(Age::Over, |current| current.age(now)), old) {
            (Age::Fresh, Some(old)) => Look::Ready(old),
            (Age::Due, Some(old)) => {
                if state.may_renew(now) {
                    self.begin(&mut state);
                }
                Look::Ready(old)
            }
            (Age::Ending, Some(old)) => match state.renewal(now) {
                Renewal::Running(outcome) => Look::Wait(outcome, Some(old)),
                Renewal::Later => Look::Ready(old),
                Renewal::Now => Look::Wait(self.begin(&mut state), Some(old)),
            },
            _ => self.without(&mut state, now),
        }
    }

    fn without(&self, state: &mut State, now: Instant) -> Look {
        match (state.running(), &state.failed) {
            (Some(running), _) => Look::Wait(running.outcome.clone(), None),
            (None, Some((at, fault))) if now.duration_since(*at) < FAILED_PAUSE => {
                Look::Failed(fault.clone())
            }
            _ => Look::Wait(self.begin(state), None),
        }
    }

    fn begin(&self, state: &mut State) -> watch::Receiver<Option<Outcome>> {
        let (told, outcome) = watch::channel(None);
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            let fetched = shared.fetch().await;
            let _ = told.send(Some(shared.keep(fetched)));
        });
        state.running = Some(Running {
            outcome: outcome.clone(),
            task: task.abort_handle(),
        });
        outcome
    }
}

/// Whether a renewal begins.
enum Renewal {
    Now,
    Later,
    Running(watch::Receiver<Option<Outcome>>),
}

impl State {
    /// The exchange under way. One that ended without a word is none.
    fn running(&self) -> Option<&Running> {
        let running = self.running.as_ref();
        running.filter(|running| !running.task.is_finished())
    }

    fn renewal(&self, now: Instant) -> Renewal {
        match (self.running(), &self.failed) {
            (Some(running), _) => Renewal::Running(running.outcome.clone()),
            (None, Some((at, _))) if now.duration_since(*at) < RETRY_PAUSE => Renewal::Later,
            _ => Renewal::Now,
        }
    }

    fn may_renew(&self, now: Instant) -> bool {
        matches!(self.renewal(now), Renewal::Now)
    }
}

impl Current {
    fn new(fetched: Fetched, since: Instant) -> Self {
        let (due, ending, over) = match fetched.lives {
            None => (READ_AGAIN, UNREAD_MAX, UNREAD_MAX),
            Some(lives) => (
                lives - DUE_BEFORE.min(lives / 2),
                lives - ENDING_BEFORE.min(lives / 4),
                lives,
            ),
        };
        Self {
            credential: Arc::new(fetched.credential),
            since,
            due: since + due,
            ending: since + ending,
            over: since + over,
        }
    }

    fn age(&self, now: Instant) -> Age {
        match now {
            now if now >= self.over => Age::Over,
            now if now >= self.ending => Age::Ending,
            now if now >= self.due => Age::Due,
            _ => Age::Fresh,
        }
    }
}

impl Shared {
    /// Tries what may help to try again at once.
    async fn fetch(&self) -> Result<(Fetched, Instant), Fault> {
        let mut pauses = TRY_PAUSES.into_iter();
        loop {
            // A credential lives from before it was asked for: the answer took its time.
            let begun = Instant::now();
            let fault = match self.source.fetch(&self.exchanger).await {
                Ok(fetched) => return Ok((fetched, begun)),
                Err(fault) => fault,
            };
            let told_to_wait = fault.retry_after_seconds.is_some();
            match pauses
                .next()
                .filter(|_| fault.class.is_retryable() && !told_to_wait)
            {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(self.exchanger.told(fault)),
            }
        }
    }

    fn keep(&self, fetched: Result<(Fetched, Instant), Fault>) -> Outcome {
        let mut state = self.lock();
        state.running = None;
        match fetched {
            Ok((fetched, since)) => {
                self.exchanger.know(&fetched.credential);
                let current = Current::new(fetched, since);
                let credential = Arc::clone(&current.credential);
                state.current = Some(current);
                state.failed = None;
                Ok(credential)
            }
            Err(fault) => {
                if state.current.is_some() {
                    tracing::warn!("a credential could not be renewed: {fault}");
                }
                state.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn waited(mut outcome: watch::Receiver<Option<Outcome>>) -> Outcome {
    let told = outcome.wait_for(Option::is_some).await;
    told.ok().and_then(|told| told.clone()).unwrap_or_else(|| {
        Err(Fault::transient(
            ErrorCode::Interrupted,
            "asking for a credential was cut off",
        ))
    })
}

/// An exchange whose identity is gone serves nobody.
impl Drop for Cache {
    fn drop(&mut self) {
        if let Some(running) = &self.shared.lock().running {
            running.task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
