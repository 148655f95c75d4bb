//! Sends a message and judges the answer.

use std::time::Duration;

use drydock_plugin_sdk::http::{Request, Response};
use drydock_plugin_sdk::{Error, instant, secret};

use crate::config::{Config, Header};
use crate::format::Message;
use crate::text::cut;
use crate::url::{Url, words};

/// What is told of an answer's body, in bytes: the word that says what is wrong.
const ANSWER_BYTES_MAX: usize = 200;

/// From this length on a word could be what a URL keeps secret.
const SECRET_WORD_BYTES_MIN: usize = 6;

/// One request. A redirect is an answer that says no: a message would go to whom nobody named.
pub fn send(config: &Config, url: &Url, message: &Message, now: u64) -> Result<(), Error> {
    let target = url.with(message.path);
    let wait = Duration::from_secs(config.timeout_seconds);
    let mut request = Request::new(message.method, &target).wait_at_most(wait);
    for (name, value) in &config.headers {
        request = match value {
            Header::Secret(secret) => request.header(name, secret::placeholder(secret)?),
            Header::Value(text) => request.header(name, text),
        };
    }
    if !message.body.is_empty() {
        request = request
            .header("content-type", message.content_type)
            .bytes(&message.body);
    }
    let mut response = request.send()?;
    if (200..300).contains(&response.status) {
        return Ok(());
    }
    let retry_after = response.header("retry-after").map(String::from_utf8_lossy);
    let retry_after = retry_after.and_then(|value| instant::retry_after(&value, now));
    let told = told(&first_piece(&mut response), config, url);
    let server = format!("{} {}", message.method, url.server());
    Err(refusal(&server, response.status, &told, retry_after))
}

/// What the answer says. One that breaks off says less.
fn first_piece(response: &mut Response) -> Vec<u8> {
    response.chunk().ok().flatten().unwrap_or_default()
}

/// The part of a server's answer that may be told. What stands in a secret URL may come back
/// in it, whole or in part.
fn told(body: &[u8], config: &Config, url: &Url) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(ANSWER_BYTES_MAX)]);
    // Half a word is not known again.
    let whole = if body.len() > ANSWER_BYTES_MAX {
        text.trim_end_matches(|c: char| c.is_ascii_alphanumeric())
    } else {
        &text
    };
    let text = cut(whole.trim(), ANSWER_BYTES_MAX);
    let mut long = words(&text).filter(|word| word.len() >= SECRET_WORD_BYTES_MIN);
    let tells = config.url_secret.is_some() && long.any(|word| url.has_word(word));
    if text.is_empty() || tells {
        return String::new();
    }
    format!(", saying {text:?}")
}

/// Why the message was not taken, and whether it may be later.
fn refusal(server: &str, status: u16, told: &str, retry_after: Option<u64>) -> Error {
    let what = format!("{server} was answered by status {status}{told}");
    let error = match (status, retry_after) {
        (429, _) | (503, Some(_)) => Error::throttled(
            "http-status",
            format!("{what}: the server wants to be left alone for a while"),
        ),
        (408 | 500.., _) => Error::transient("http-status", what),
        (300..=399, _) => Error::permanent(
            "http-status",
            format!("{what}: redirects are not followed, so write the URL that it leads to"),
        ),
        (401 | 403 | 407, _) => Error::denied(
            "http-status",
            format!("{what}: mend the secret or header by which the server knows who sends"),
        ),
        _ => Error::permanent(
            "http-status",
            format!(
                "{what}: correct the URL and the format, and see at the server whether it still takes messages there"
            ),
        ),
    };
    let error = error.with_detail("status", status);
    let error = match retry_after {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    };
    // A server that fails may have taken the message before.
    if status < 500 {
        error.not_done()
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::{Certainty, ErrorClass, config};

    use super::*;

    #[test]
    fn the_status_says_whether_trying_again_helps() {
        for (status, retry_after, class, certainty) in [
            (429, None, ErrorClass::Throttled, Certainty::NotDone),
            (429, Some(7), ErrorClass::Throttled, Certainty::NotDone),
            (503, Some(7), ErrorClass::Throttled, Certainty::Unknown),
            (503, None, ErrorClass::Transient, Certainty::Unknown),
            (500, None, ErrorClass::Transient, Certainty::Unknown),
            (408, None, ErrorClass::Transient, Certainty::NotDone),
            (302, None, ErrorClass::Permanent, Certainty::NotDone),
            (401, None, ErrorClass::Denied, Certainty::NotDone),
            (403, None, ErrorClass::Denied, Certainty::NotDone),
            (404, None, ErrorClass::Permanent, Certainty::NotDone),
            (410, None, ErrorClass::Permanent, Certainty::NotDone),
        ] {
            let error = refusal("POST https://a", status, "", retry_after);
            assert_eq!(error.class, class, "{status}");
            assert_eq!(error.certainty, certainty, "{status}");
            assert_eq!(error.retry_after_seconds, retry_after, "{status}");
            assert!(error.message.contains(&status.to_string()));
        }
    }

    #[test]
    fn an_answer_is_told_unless_a_word_of_a_secret_url_comes_back_in_it() {
        let config = |json| config::parse::<Config>("it", json).unwrap();
        let open = config(r#"{"format":"json","url":"https://a"}"#);
        let secret = config(r#"{"format":"slack","urlSecret":"s"}"#);
        let url = Url::parse("https://a/services/T0123456/abcdefgh")
            .ok()
            .unwrap();
        let word = ", saying \"no_service\"";
        assert_eq!(told(b"no_service\n", &open, &url), word);
        assert_eq!(told(b"no_service", &secret, &url), word);
        let echo = b"Cannot POST /services/T0123456/abcdefgh";
        assert_eq!(told(echo, &secret, &url), "");
        assert_eq!(told(b"T0123456 is unknown", &secret, &url), "");
        assert!(told(echo, &open, &url).contains("Cannot POST"));
        assert_eq!(told(b"  ", &open, &url), "");
        assert!(told(&[b'x'; 5000], &open, &url).len() < 250);
    }
}
