//! The formats: each makes of a notice what one kind of server takes. Pure.

mod alertmanager;
mod json;
mod ping;
mod slack;
#[cfg(test)]
mod tests;

use crate::config::{Config, Format, Header};
use crate::notice::Notice;
use crate::url::Url;

/// What is sent.
#[cfg_attr(test, derive(Debug))]
pub struct Message {
    pub method: &'static str,
    /// What is put behind the path of the URL.
    pub path: &'static str,
    pub content_type: &'static str,
    /// Empty for none.
    pub body: Vec<u8>,
}

pub fn render(config: &Config, notice: &Notice, now: u64) -> Message {
    match config.format {
        Format::Json => json::render(notice),
        Format::Slack => slack::render(notice),
        Format::Alertmanager => alertmanager::render(config, notice, now),
        Format::Ping => ping::render(config, notice),
    }
}

/// What would be sent, and to whom.
pub fn plan(config: &Config, url: &Url, notice: &Notice) -> Vec<String> {
    let message = render(config, notice, notice.due_seconds);
    let what = match config.format {
        Format::Json => "JSON",
        Format::Slack => "a Slack message",
        Format::Alertmanager => "alerts",
        Format::Ping => ping::what(message.path),
    };
    let server = url.server();
    let at = config
        .url_secret
        .as_ref()
        .map(|secret| format!(", to the URL in the secret {secret}"));
    let mut lines = vec![format!(
        "sends {what} to {server} by {}{}",
        message.method,
        at.unwrap_or_default()
    )];
    lines.extend(
        config
            .headers
            .iter()
            .filter_map(|(name, value)| match value {
                Header::Secret(secret) => Some(format!(
                    "has the host fill the secret {secret} into the header {name}"
                )),
                Header::Value(_) => None,
            }),
    );
    lines.push(if notice.schedule.is_some() {
        format!("tells now: {}", notice.summary)
    } else {
        "tells how the run goes by then".to_owned()
    });
    lines
}

const JSON: &str = "application/json";

/// Words, numbers and lists of them are always JSON.
fn body(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
