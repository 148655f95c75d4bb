//! The HTTP side: `/healthz`, `/readyz` and `/metrics`, as plain text.
//!
//! Nobody is asked who they are, which is why the default is loopback; nothing that is
//! answered is a secret, and nothing can be changed. Every connection serves one request
//! and is bounded in time and bytes, so that nobody can use up the daemon.

mod listener;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::health::Health;
use super::metrics::Metrics;
use listener::Limited;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PATHS: &str = "there are /healthz, /readyz and /metrics\n";

/// What is answered from.
#[derive(Clone)]
pub struct Shown {
    pub health: watch::Receiver<Health>,
    pub metrics: Arc<Metrics>,
}

/// Serves until `closing` becomes true, then until the last connection is through.
pub async fn serve(listener: TcpListener, shown: Shown, mut closing: watch::Receiver<bool>) {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .with_state(shown);
    let closed = async move {
        // A sender that is gone closes as well.
        let _ = closing.wait_for(|closing| *closing).await;
    };
    let served = axum::serve(Limited::new(listener), routes)
        .with_graceful_shutdown(closed)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "health and metrics are no longer answered");
    }
}

async fn healthz(State(shown): State<Shown>) -> impl IntoResponse {
    let alive = shown.health.borrow().is_alive(Instant::now());
    if alive {
        answer(StatusCode::OK, TEXT, "ok\n".to_owned())
    } else {
        answer(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            "the daemon's loop stands still\n".to_owned(),
        )
    }
}

async fn readyz(State(shown): State<Shown>) -> impl IntoResponse {
    let health = shown.health.borrow().clone();
    let status = if health.is_ready() && health.is_alive(Instant::now()) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(status, TEXT, health.report())
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    answer(StatusCode::OK, OPEN_METRICS, shown.metrics.text())
}

async fn unknown() -> impl IntoResponse {
    answer(StatusCode::NOT_FOUND, TEXT, PATHS.to_owned())
}

type Answer = (StatusCode, [(HeaderName, &'static str); 2], String);

fn answer(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let headers = [(CONTENT_TYPE, kind), (CONNECTION, "close")];
    (status, headers, body)
}
