//! The faults, and where each can happen.

use drydock_testkit::fault_proxy::{Fault, Made, Stage};

use super::calls::Call;

/// One row of the grid.
pub struct Row {
    pub name: &'static str,
    pub fault: fn() -> Fault,
    pub stages: &'static [Stage],
    /// Whether a plugin is to get over it by itself.
    pub passes: bool,
    /// Only for calls that carry bytes.
    pub wants_body: bool,
    /// Only for these calls; for all where none is named.
    pub only: &'static [&'static str],
}

const BOTH: &[Stage] = &[Stage::Before, Stage::After];
const BEFORE: &[Stage] = &[Stage::Before];
const AFTER: &[Stage] = &[Stage::After];

/// The calls that make an object.
const MAKING: &[&str] = &["complete", "put", "block list"];

const fn row(name: &'static str, fault: fn() -> Fault, stages: &'static [Stage]) -> Row {
    Row {
        name,
        fault,
        stages,
        passes: true,
        wants_body: false,
        only: &[],
    }
}

const fn final_row(row: Row) -> Row {
    Row {
        passes: false,
        ..row
    }
}

const fn only(row: Row, only: &'static [&'static str]) -> Row {
    Row { only, ..row }
}

pub const ROWS: &[Row] = &[
    row("reset", || Fault::Reset, BOTH),
    row("stalled", || Fault::Stall, BOTH),
    row(
        "429 with Retry-After",
        || Fault::Answer(Made::of(429, "TooManyRequests").retry_after(1)),
        BOTH,
    ),
    row(
        "503 with Retry-After",
        || Fault::Answer(Made::of(503, "ServerBusy").retry_after(1)),
        BOTH,
    ),
    row(
        "503 without",
        || Fault::Answer(Made::of(503, "SlowDown")),
        BEFORE,
    ),
    row(
        "500",
        || Fault::Answer(Made::of(500, "InternalError")),
        BOTH,
    ),
    only(
        row(
            "200 with an error in it",
            || Fault::Answer(Made::of(200, "InternalError")),
            BOTH,
        ),
        &["complete"],
    ),
    only(
        row(
            "409 conflict",
            || Fault::Answer(Made::of(409, "ConditionalRequestConflict")),
            BEFORE,
        ),
        &["put"],
    ),
    only(
        final_row(row(
            "409 conflict",
            || Fault::Answer(Made::of(409, "ConditionalRequestConflict")),
            BEFORE,
        )),
        &["complete"],
    ),
    only(
        row(
            "412",
            || Fault::Answer(Made::of(412, "PreconditionFailed")),
            AFTER,
        ),
        MAKING,
    ),
    row("truncated", || Fault::Truncated, AFTER),
    row("halted", || Fault::Halted, AFTER),
    final_row(row("flipped", || Fault::Flipped, AFTER)),
    // Not every service has a word of its own for it, after which the same is sent again.
    Row {
        wants_body: true,
        ..final_row(row(
            "flipped on the way there",
            || Fault::FlippedRequest,
            AFTER,
        ))
    },
    final_row(row("too long", || Fault::TooLong, AFTER)),
    final_row(row("too short", || Fault::TooShort, AFTER)),
    row("dripping", || Fault::Dripping, AFTER),
    final_row(row(
        "expired token",
        || Fault::Answer(Made::of(403, "ExpiredToken")),
        BEFORE,
    )),
    row(
        "401",
        || Fault::Answer(Made::of(401, "InvalidAuthenticationInfo")),
        BEFORE,
    ),
    final_row(row(
        "clock skew",
        || Fault::Answer(Made::of(403, "RequestTimeTooSkewed")),
        BEFORE,
    )),
    final_row(row("broken TLS", || Fault::BrokenTls, BOTH)),
    final_row(row(
        "foreign certificate",
        || Fault::ForeignCertificate,
        BOTH,
    )),
];

impl Row {
    /// Whether it can happen to this call.
    pub fn is_for(&self, call: &Call) -> bool {
        (call.has_body || !self.wants_body)
            && (self.only.is_empty() || self.only.contains(&call.name))
    }
}
