//! Fakes of the small servers at which clouds hand out credentials, and of one that keeps
//! objects, written from the vendors' documentation. Each says what of the vendor's behaviour it keeps; what it does not name, it
//! does not do. They refuse what the vendor refuses, with the vendor's words.
//!
//! Those that hand out credentials have the same levers: so many next requests fail with 503, the clock of the header
//! `Date` goes wrong, credentials live for so long.

pub mod azure_metadata;
pub mod cloud_storage;
pub mod container_credentials;
pub mod ec2_metadata;
pub mod entra;
pub mod google;
mod jwt;
mod message;
pub mod sts;

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Result;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::task::JoinHandle;

pub use jwt::rsa_key_pem;
pub use message::{Asked, Reply};

use crate::pki::Issued;
use crate::web::{Door, TlsDoor};

/// A request to such a server is a form or less.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// How long credentials live unless a test says otherwise.
const LIFETIME_SECONDS: u64 = 3600;

/// What one of the servers does.
pub trait Behaviour: Send + Sync + 'static {
    /// Answers a request. `levers` say how long what it hands out is to live.
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply;
}

/// A fake that serves until it is dropped.
pub struct FakeServer {
    port: u16,
    scheme: &'static str,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a test can change while the fake runs.
pub struct Levers {
    failures: AtomicUsize,
    clock_ahead_seconds: AtomicI64,
    lifetime_seconds: AtomicU64,
    handed_out: AtomicUsize,
}

struct Shared {
    behaviour: Box<dyn Behaviour>,
    levers: Levers,
    asked: Mutex<Vec<Asked>>,
}

impl FakeServer {
    /// Serves over TLS with this certificate, in the clear without one.
    ///
    /// # Errors
    /// When no port can be had or the certificate cannot be used.
    pub async fn start(behaviour: impl Behaviour, issued: Option<&Issued>) -> Result<Self> {
        let shared = Arc::new(Shared {
            behaviour: Box::new(behaviour),
            levers: Levers::default(),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let door = Door::open().await?;
        let port = door.port();
        let (scheme, task) = match issued {
            None => ("http", tokio::spawn(serve(door, router))),
            Some(issued) => {
                let door = TlsDoor::new(door, issued)?;
                ("https", tokio::spawn(serve(door, router)))
            }
        };
        Ok(Self {
            port,
            scheme,
            shared,
            task,
        })
    }

    /// A URL at this server, by the name `localhost`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().clone()
    }

    #[must_use]
    pub fn levers(&self) -> &Levers {
        &self.shared.levers
    }
}

impl Levers {
    /// So many next requests are answered with 503.
    pub fn fail(&self, count: usize) {
        self.failures.store(count, Ordering::SeqCst);
    }

    /// The header `Date` is so far ahead of the real time.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.clock_ahead_seconds.store(seconds, Ordering::SeqCst);
    }

    /// What is handed out from now on lives so long.
    pub fn set_lifetime(&self, seconds: u64) {
        self.lifetime_seconds.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn lifetime(&self) -> u64 {
        self.lifetime_seconds.load(Ordering::SeqCst)
    }

    /// Counts what is handed out, from 1: no two tokens are the same.
    pub(crate) fn next(&self) -> usize {
        self.handed_out.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn takes_failure(&self) -> bool {
        let less = |count: usize| count.checked_sub(1);
        self.failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
    }
}

impl Default for Levers {
    fn default() -> Self {
        Self {
            failures: AtomicUsize::new(0),
            clock_ahead_seconds: AtomicI64::new(0),
            lifetime_seconds: AtomicU64::new(LIFETIME_SECONDS),
            handed_out: AtomicUsize::new(0),
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(door: impl axum::serve::Listener<Addr = std::net::SocketAddr>, router: Router) {
    // It serves until it is aborted.
    let _ = axum::serve(door, router).await;
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let asked = Asked::new(&parts, &body);
    shared.lock().push(asked.clone());
    let reply = if shared.levers.takes_failure() {
        Reply::text(503, "come back later")
    } else {
        shared.behaviour.answer(&asked, &shared.levers)
    };
    let ahead = shared.levers.clock_ahead_seconds.load(Ordering::SeqCst);
    reply.response(now().saturating_add(ahead))
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = now.expect("the clock is past 1970").as_secs();
    i64::try_from(seconds).expect("the clock is no million years ahead")
}
