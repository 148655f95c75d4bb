//! An incoming webhook of Slack (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>),
//! and of what takes the same: Mattermost, Rocket.Chat, Discord behind `/slack`.

use serde_json::json;

use super::{JSON, Message, body};
use crate::notice::Notice;
use crate::text;

/// Longest details. Slack cuts messages of more than 40,000 characters, and a character can
/// become five by being escaped.
const DETAILS_BYTES_MAX: usize = 6000;

/// Words that call everybody after an `@`.
const CALLS: [&str; 4] = ["all", "channel", "everyone", "here"];

/// A character without width, which keeps an `@` from the word after it.
const NOTHING: char = '\u{200b}';

pub fn render(notice: &Notice) -> Message {
    let details = text::details(notice, DETAILS_BYTES_MAX);
    let text = escaped(&format!("{}\n{details}", notice.summary));
    Message {
        method: "POST",
        path: "",
        content_type: JSON,
        // Nothing in it is markup.
        body: body(&json!({"text": text.trim_end(), "mrkdwn": false})),
    }
}

/// So that nothing is a link or calls a whole channel, which Slack does at `<!channel>` and the
/// others at a plain word.
fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    CALLS.iter().fold(text, |text, call| {
        text.replace(&format!("@{call}"), &format!("@{NOTHING}{call}"))
    })
}
