//! A fake of Google Cloud Storage's JSON interface, for what fake-gcs-server does not do: it
//! takes bytes of a resumable upload where they belong and nowhere else.
//!
//! Kept: buckets made and missing; objects made by one multipart request or by a resumable
//! upload, under `ifGenerationMatch=0`, whose CRC-32C is compared with the one announced in the
//! metadata or in `X-Goog-Hash`; chunks that are multiples of 256 KiB but for the end; bytes that
//! were kept already are passed over; 308 with what was kept, the status of an upload; metadata,
//! ranges, listings by pages, locks until an instant, removal. Over TLS it asks for a token of
//! [`super::google`], and does not look into it. Not kept: what somebody may do, generations,
//! versions, several conditions.
//!
//! Levers: so many next chunks lose their answer, or keep only a part of their bytes.

mod body;
mod request;
mod state;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::task::JoinHandle;

use crate::pki::Issued;
use crate::web::{Door, TlsDoor};
use request::{Asked, Reply};
use state::Buckets;

/// Parts that tests send are far smaller.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How what [`super::google`] hands out begins.
const TOKEN: &str = "Bearer ya29.fake-";

/// A fake that serves until it is dropped.
pub struct CloudStorage {
    port: u16,
    scheme: &'static str,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    buckets: Mutex<Buckets>,
    lost: AtomicUsize,
    halved: AtomicUsize,
    /// Whether a request without a token is refused.
    wants_token: bool,
}

impl CloudStorage {
    /// Starts it in the clear with these buckets, for everybody.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(buckets: &[&str]) -> Result<Self> {
        Self::behind(buckets, None).await
    }

    /// Starts it over TLS with this certificate, for who has a token.
    ///
    /// # Errors
    /// When no port can be had or the certificate cannot be used.
    pub async fn https(buckets: &[&str], issued: &Issued) -> Result<Self> {
        Self::behind(buckets, Some(issued)).await
    }

    async fn behind(buckets: &[&str], issued: Option<&Issued>) -> Result<Self> {
        let door = Door::open().await?;
        let scheme = if issued.is_some() { "https" } else { "http" };
        let port = door.port();
        let shared = Arc::new(Shared {
            buckets: Mutex::new(Buckets::new(buckets, scheme)),
            lost: AtomicUsize::new(0),
            halved: AtomicUsize::new(0),
            wants_token: issued.is_some(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let task = match issued {
            None => tokio::spawn(super::serve(door, router)),
            Some(issued) => tokio::spawn(super::serve(TlsDoor::new(door, issued)?, router)),
        };
        Ok(Self {
            port,
            scheme,
            shared,
            task,
        })
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }

    /// So many next chunks are taken, and answered with 503.
    pub fn lose_answers(&self, count: usize) {
        self.shared.lost.store(count, Ordering::SeqCst);
    }

    /// Of so many next chunks half of the bytes are kept.
    pub fn keep_half(&self, count: usize) {
        self.shared.halved.store(count, Ordering::SeqCst);
    }

    /// Lets every upload that was begun be forgotten.
    pub fn forget_uploads(&self) {
        self.shared.buckets().forget_uploads();
    }
}

impl Drop for CloudStorage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn buckets(&self) -> std::sync::MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(Held(shared): Held<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let asked = Asked::new(&parts, bytes.to_vec());
    if shared.wants_token && !asked.header("authorization").starts_with(TOKEN) {
        return Reply::error(401, "required", "Anonymous caller.").response();
    }
    let is_chunk = asked.is_chunk() && !asked.body.is_empty();
    let is_halved = is_chunk && takes(&shared.halved);
    let reply = shared.buckets().answer(&asked, is_halved);
    if is_chunk && takes(&shared.lost) {
        return (StatusCode::SERVICE_UNAVAILABLE, "lost").into_response();
    }
    reply.response()
}

fn takes(lever: &AtomicUsize) -> bool {
    let less = |count: usize| count.checked_sub(1);
    lever
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}
