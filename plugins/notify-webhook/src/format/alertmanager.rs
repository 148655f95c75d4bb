//! Alerts for Alertmanager's API (version 2, `POST /api/v2/alerts`).
//!
//! An alert is what its labels are, so these hold nothing that differs from run to run: a run
//! that goes well resolves what an earlier one told. Both alerts are sent each time, the one
//! firing and the other resolved, or both resolved; one that never fired and is resolved is
//! told to nobody. Whoever says nothing of `endsAt` has his alert resolved after some minutes
//! (`resolve_timeout`), which suits Prometheus, who tells again and again, and not a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{JSON, Message, body};
use crate::config::Config;
use crate::notice::{Notice, Status, instant};
use crate::text;

/// Longest details of an alert.
const DETAILS_BYTES_MAX: usize = 6000;

/// How long an alert stands that no later run renews or resolves: a day and an hour.
const EXPIRES_SECONDS: u64 = 25 * 3600;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
}

pub fn render(config: &Config, notice: &Notice, now: u64) -> Message {
    let alert = |name, severity, status| alert(config, notice, now, name, severity, status);
    let alerts = [
        alert("DrydockRunFailed", "critical", Status::Failed),
        alert("DrydockRunDegraded", "warning", Status::Degraded),
    ];
    Message {
        method: "POST",
        path: "/api/v2/alerts",
        content_type: JSON,
        body: body(&alerts),
    }
}

fn alert(
    config: &Config,
    notice: &Notice,
    now: u64,
    name: &str,
    severity: &str,
    firing: Status,
) -> Alert {
    let mut labels = of([
        ("alertname", name.to_owned()),
        ("severity", severity.to_owned()),
        ("cluster", notice.cluster.clone()),
        ("schedule", notice.schedule.clone().unwrap_or_default()),
    ]);
    labels.extend(notice.labels.clone());
    let mut annotations = of([
        ("summary", notice.summary.clone()),
        ("description", text::details(notice, DETAILS_BYTES_MAX)),
        ("dedupKey", notice.dedup_key.clone()),
    ]);
    annotations.extend(config.annotations.clone());
    // A clock that was put back must not make an alert end before it begins.
    let now = now.max(notice.due_seconds);
    let stands = config.expires_after_seconds.unwrap_or(EXPIRES_SECONDS);
    let ends = if notice.status == firing {
        now + stands
    } else {
        now
    };
    Alert {
        labels,
        annotations,
        starts_at: notice.due.clone(),
        ends_at: instant(ends),
    }
}

fn of<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, String> {
    let entries = entries.into_iter().filter(|(_, value)| !value.is_empty());
    entries
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
