//! An HTTP proxy before a server that keeps objects, with faults on order: the so-many-th
//! request of a kind meets one, before the server heard of it or after it did its work.
//!
//! Requests reach the server as they came, headers, path and body, so that their signatures
//! hold; the proxy takes each of them, and each answer, in as a whole. With a certificate it
//! speaks TLS on both sides. Beside it stands [`crate::proxy`], which knows connections and
//! bytes alone: what etcd speaks is not to be read here.
//!
//! **Invariant:** at most one fault is on order; it is told of as happened once the server's part
//! in it is over, and before the client can know of it.

mod answers;
mod carry;
mod line;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Client, Message};
use crate::pki::{Authority, Issued, Purpose, Validity};
use crate::wait_until;
use crate::web::Seen;

pub use answers::Made;
use carry::serve;

/// Which requests are meant: all of a method whose target has all of these and none of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    pub method: &'static str,
    /// Parts of the path, or names of the query with `?` before them, e.g. `?uploads`; a value
    /// may stand with the name, as in `?comp=block`.
    pub with: &'static [&'static str],
    pub without: &'static [&'static str],
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset.
    Reset,
    /// Nothing comes until [`FaultProxy::release`] or [`FaultProxy::cut`].
    Stall,
    /// The proxy answers in the server's place.
    Answer(Made),
    /// Half of the answer comes, and then the end of the connection.
    Truncated,
    /// Half of the answer comes, and then nothing until it is released or cut.
    Halted,
    /// A bit in the middle of the answer's body is another one.
    Flipped,
    /// A bit in the middle of the request's body is another one when it comes to the server.
    FlippedRequest,
    /// The answer says that it is longer than it is.
    TooLong,
    /// The answer says that it is shorter than it is.
    TooShort,
    /// The answer comes byte by byte.
    Dripping,
    /// What comes is no TLS of this connection's. In the clear it is rubbish all the same.
    BrokenTls,
    /// The connection ends, and the next one shows a certificate that nobody trusts.
    ForeignCertificate,
}

/// Whether the server did what was asked when the fault comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It never hears of it.
    Before,
    /// It did, and its answer is what is lost or changed.
    After,
}

/// A fault that waits for its request.
#[derive(Debug, Clone)]
pub struct Order {
    pub requests: Requests,
    /// Which of them, from 1.
    pub nth: u32,
    /// How many from there on meet the fault.
    pub times: u32,
    pub fault: Fault,
    pub stage: Stage,
}

/// The proxy; it ends when this is dropped.
pub struct FaultProxy {
    port: u16,
    scheme: &'static str,
    ca_pem: Option<String>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    server: Upstream,
    doors: Option<Doors>,
    order: Mutex<Option<Waiting>>,
    /// Faults so far.
    happened: watch::Sender<u32>,
    /// What becomes of requests that are held.
    fate: watch::Sender<Fate>,
    /// Connections that are to be shown a foreign certificate.
    foreign: Mutex<u32>,
    seen: Mutex<Vec<Seen>>,
}

struct Upstream {
    port: u16,
    ca_pem: Option<String>,
}

/// The certificate of the proxy, and one that nobody trusts.
struct Doors {
    own: Issued,
    foreign: Issued,
}

struct Waiting {
    order: Order,
    met: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    GoOn,
    Cut,
}

impl Requests {
    #[must_use]
    pub const fn of(method: &'static str) -> Self {
        Self {
            method,
            with: &[],
            without: &[],
        }
    }

    #[must_use]
    pub const fn with(self, with: &'static [&'static str]) -> Self {
        Self { with, ..self }
    }

    #[must_use]
    pub const fn without(self, without: &'static [&'static str]) -> Self {
        Self { without, ..self }
    }

    /// Whether a request to this path, with its query, is one of them.
    #[must_use]
    pub fn cover(&self, method: &str, path: &str) -> bool {
        let has = |part: &&str| mentions(path, part);
        method == self.method && self.with.iter().all(has) && !self.without.iter().any(has)
    }
}

fn mentions(target: &str, part: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match part.strip_prefix('?') {
        Some(wanted) => query.split('&').any(|own| {
            let rest = own.strip_prefix(wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        }),
        None => path.contains(part),
    }
}

impl Order {
    /// The first request of that kind meets the fault, and no other.
    #[must_use]
    pub fn first(requests: Requests, fault: Fault, stage: Stage) -> Self {
        Self {
            requests,
            nth: 1,
            times: 1,
            fault,
            stage,
        }
    }
}

impl FaultProxy {
    /// Starts one before the server on this port of loopback, which speaks TLS if it has an
    /// authority.
    ///
    /// # Errors
    /// When no port is free, or no certificate can be made.
    pub async fn before(port: u16, ca_pem: Option<&str>) -> Result<Self> {
        Self::named(port, ca_pem, &["localhost"]).await
    }

    /// The same under other names too.
    ///
    /// # Errors
    /// As [`FaultProxy::before`].
    pub async fn named(port: u16, ca_pem: Option<&str>, names: &[&str]) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let authority = Authority::new("fault proxy authority")?;
        let issue = |authority: &Authority| {
            authority.issue_for("proxy", &names, Purpose::Server, Validity::Now)
        };
        let doors = match ca_pem {
            Some(_) => Some(Doors {
                own: issue(&authority)?,
                foreign: issue(&Authority::new("an authority of nobody's")?)?,
            }),
            None => None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own_port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server: Upstream {
                port,
                ca_pem: ca_pem.map(str::to_owned),
            },
            doors,
            order: Mutex::default(),
            happened: watch::Sender::new(0),
            fate: watch::Sender::new(Fate::Held),
            foreign: Mutex::default(),
            seen: Mutex::default(),
        });
        Ok(Self {
            port: own_port,
            scheme: if ca_pem.is_some() { "https" } else { "http" },
            ca_pem: ca_pem.map(|_| authority.pem()),
            task: tokio::spawn(serve(listener, Arc::clone(&shared))),
            shared,
        })
    }

    /// A URL at the proxy by the name `localhost`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.url_by("localhost", path)
    }

    /// The same by another name.
    #[must_use]
    pub fn url_by(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    /// The authority of its certificate; none in the clear.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Puts a fault on order, in the place of one that has not happened.
    pub fn order(&self, order: Order) {
        self.shared.fate.send_replace(Fate::Held);
        *self.shared.waiting() = Some(Waiting { order, met: 0 });
    }

    /// Takes back what is on order. False where it had happened as often as was ordered.
    pub fn call_off(&self) -> bool {
        let left = self.shared.waiting().take();
        *self.shared.foreign() = 0;
        left.is_some()
    }

    /// Waits until so many faults have happened.
    ///
    /// # Errors
    /// When they have not within `limit`.
    pub async fn wait_for(&self, faults: u32, limit: Duration) -> Result<()> {
        let happened = self.shared.happened.subscribe();
        wait_until("the fault has happened", limit, async || {
            *happened.borrow() >= faults
        })
        .await
    }

    /// Faults so far.
    #[must_use]
    pub fn happened(&self) -> u32 {
        *self.shared.happened.borrow()
    }

    /// Lets what is held go on.
    pub fn release(&self) {
        self.shared.fate.send_replace(Fate::GoOn);
    }

    /// Ends the connections of what is held.
    pub fn cut(&self) {
        self.shared.fate.send_replace(Fate::Cut);
    }

    /// Every request so far, as it came; bodies are not kept.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen().clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.seen().clear();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Its connections end with the task that owns them.
        self.task.abort();
    }
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn foreign(&self) -> std::sync::MutexGuard<'_, u32> {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this request meets; none where it is passed on as it is.
    fn take(&self, method: &str, path: &str) -> Option<(Fault, Stage)> {
        let mut guard = self.waiting();
        let waiting = guard.as_mut()?;
        if !waiting.order.requests.cover(method, path) {
            return None;
        }
        waiting.met += 1;
        let order = &waiting.order;
        if waiting.met < order.nth {
            return None;
        }
        let met = (order.fault.clone(), order.stage);
        if waiting.met + 1 >= order.nth + order.times {
            *guard = None;
        }
        Some(met)
    }

    async fn ask(&self, message: &Message<'_>) -> Result<crate::client::Answer> {
        let client = match &self.server.ca_pem {
            Some(ca_pem) => Client::tls(self.server.port, ca_pem),
            None => Client::clear(self.server.port),
        };
        client.send(message).await
    }

    fn happens(&self) {
        self.happened.send_modify(|count| *count += 1);
    }

    /// Waits for what becomes of a request that is held.
    async fn hold(&self) -> Result<()> {
        let mut fate = self.fate.subscribe();
        self.happens();
        let decided = fate.wait_for(|fate| *fate != Fate::Held).await?;
        ensure!(*decided == Fate::GoOn, "it was cut");
        Ok(())
    }
}
