//! A ping as healthchecks.io and what runs its code take it: the URL alone for success,
//! `/start`, `/fail` and `/log` behind it for the others. Who does not hear in time raises the
//! alarm himself, also where no Drydock is left to tell.

use super::Message;
use crate::config::{Config, Method, Signal};
use crate::notice::{Notice, Status};
use crate::text;

/// What is kept of a body.
const BODY_BYTES_MAX: usize = 10_000;

pub fn render(config: &Config, notice: &Notice) -> Message {
    let method = config.method.unwrap_or_default();
    let body = match method {
        Method::Get => String::new(),
        Method::Post => {
            let whole = format!(
                "{}\n{}",
                notice.summary,
                text::details(notice, BODY_BYTES_MAX)
            );
            text::cut_lines(whole.trim_end(), BODY_BYTES_MAX)
        }
    };
    Message {
        method: method.word(),
        path: path(config.signal.unwrap_or_default(), notice.status),
        content_type: "text/plain; charset=utf-8",
        body: body.into_bytes(),
    }
}

/// A degraded run has a recovery point, or did what it was for: that is a success.
fn path(signal: Signal, status: Status) -> &'static str {
    match (signal, status) {
        (Signal::Start, _) => "/start",
        (Signal::Log, _) => "/log",
        (Signal::Fail, _) | (Signal::Outcome, Status::Failed) => "/fail",
        (Signal::Success, _) | (Signal::Outcome, Status::Good | Status::Degraded) => "",
    }
}

/// What a ping with that path is.
pub fn what(path: &str) -> &'static str {
    match path {
        "/start" => "a ping of the start",
        "/log" => "a ping for the log",
        "/fail" => "a ping of failure",
        _ => "a ping of success",
    }
}
