//! What a step's `config:` may say, and whether it goes together.

use std::collections::BTreeMap;

use drydock_plugin_sdk::{Error, Finding};
use serde::Deserialize;

use crate::url::Url;

/// Most headers, labels and annotations of each.
const ENTRIES_MAX: usize = 16;

/// Longest text of the operator's, in bytes.
const TEXT_BYTES_MAX: usize = 2000;

/// Longest value of a header, a label or an annotation, in bytes.
const VALUE_BYTES_MAX: usize = 1000;

/// Longest wait for an answer: a notification is no reason to keep a run.
const TIMEOUT_SECONDS_MAX: u64 = 300;

/// Longest time until an alert goes by itself: a month.
const EXPIRES_SECONDS_MAX: u64 = 31 * 24 * 3600;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub format: Format,
    /// Where to, or:
    pub url: Option<String>,
    /// the secret that holds the whole URL.
    pub url_secret: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, Header>,
    /// What is told beside: who is to look, where the runbook is.
    pub text: Option<String>,
    /// Of JSON and of alerts.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Of alerts.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// After this an alert that nobody renewed goes by itself.
    pub expires_after_seconds: Option<u64>,
    /// Of a ping.
    pub signal: Option<Signal>,
    pub method: Option<Method>,
    #[serde(default = "usual_timeout_seconds")]
    pub timeout_seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
    Slack,
    Alertmanager,
    Ping,
}

/// What a ping says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Success, or failure where the run has failed.
    #[default]
    Outcome,
    Start,
    Success,
    Fail,
    Log,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    Get,
}

/// The value of a header.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// The secret of that name, which the host fills in.
    Secret(String),
    Value(String),
}

/// Where the URL comes from.
pub enum Place<'a> {
    Url(&'a str),
    Secret(&'a str),
}

impl Config {
    /// Whether it all goes together. Errors have the code `bad-configuration`.
    pub fn check(&self) -> Result<(), Error> {
        if let Place::Url(url) = self.place()? {
            Url::parse(url).map_err(|why| wrong(format!("`url` {why}")))?;
        }
        self.check_fit()?;
        self.check_sizes()?;
        self.headers
            .iter()
            .try_for_each(|(name, value)| check_header(name, value))?;
        // Labels are what tells its alerts from each other.
        if self.format == Format::Alertmanager && self.labels.contains_key("alertname") {
            return Err(wrong(
                "has the label \"alertname\": it names the two alerts of a run, so take another name",
            ));
        }
        let mut labels = self.labels.keys().chain(self.annotations.keys());
        match labels.find(|name| !is_label(name)) {
            Some(name) => Err(wrong(format!(
                "has the label {name:?}: use letters, digits and `_`, and begin with no digit"
            ))),
            None => Ok(()),
        }
    }

    /// What an operator should hear of a configuration that goes together.
    pub fn advice(&self) -> Option<Finding> {
        let is_password = matches!(self.format, Format::Slack | Format::Ping);
        let is_open = self.url.is_some() && is_password;
        is_open.then(|| {
            Finding::warning(
                "url-is-a-secret",
                "`url` stands in the schedule, and whoever knows the URL of a Slack webhook or a ping can use it: write it into a file, name that under `secrets:` of the step, and say `urlSecret` here",
            )
        })
    }

    pub fn place(&self) -> Result<Place<'_>, Error> {
        match (&self.url, &self.url_secret) {
            (Some(url), None) => Ok(Place::Url(url)),
            (None, Some(name)) => Ok(Place::Secret(name)),
            (Some(_), Some(_)) => Err(wrong("has both `url` and `urlSecret`: remove one")),
            (None, None) => Err(wrong(
                "does not say where to: add `url: URL`, or `urlSecret: NAME` for a secret that holds the URL",
            )),
        }
    }

    /// Keys that belong to other formats are a misunderstanding.
    fn check_fit(&self) -> Result<(), Error> {
        let format = self.format;
        for (key, is_there, formats) in [
            (
                "labels",
                !self.labels.is_empty(),
                &[Format::Json, Format::Alertmanager][..],
            ),
            (
                "annotations",
                !self.annotations.is_empty(),
                &[Format::Alertmanager],
            ),
            (
                "expiresAfterSeconds",
                self.expires_after_seconds.is_some(),
                &[Format::Alertmanager],
            ),
            ("signal", self.signal.is_some(), &[Format::Ping]),
            ("method", self.method.is_some(), &[Format::Ping]),
        ] {
            if is_there && !formats.contains(&format) {
                let formats: Vec<_> = formats.iter().map(|format| format.word()).collect();
                return Err(wrong(format!(
                    "has `{key}`, which belongs to the format {}: remove it, or correct `format`",
                    formats.join(" and ")
                )));
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), Error> {
        let counts = [
            self.headers.len(),
            self.labels.len(),
            self.annotations.len(),
        ];
        if counts.iter().any(|count| *count > ENTRIES_MAX) {
            return Err(wrong(format!(
                "has more than {ENTRIES_MAX} headers, labels or annotations"
            )));
        }
        let text = self.text.as_ref().map_or(0, String::len);
        let mut values = self.labels.values().chain(self.annotations.values());
        if text > TEXT_BYTES_MAX || values.any(|value| value.len() > VALUE_BYTES_MAX) {
            return Err(wrong(format!(
                "has a `text` of more than {TEXT_BYTES_MAX} bytes, or a label or annotation of more than {VALUE_BYTES_MAX}: shorten it"
            )));
        }
        if !(1..=TIMEOUT_SECONDS_MAX).contains(&self.timeout_seconds) {
            return Err(wrong(format!(
                "has a `timeoutSeconds` that is not 1 to {TIMEOUT_SECONDS_MAX}"
            )));
        }
        let expires = self.expires_after_seconds.unwrap_or(1);
        if !(1..=EXPIRES_SECONDS_MAX).contains(&expires) {
            return Err(wrong(format!(
                "has `expiresAfterSeconds` that are not 1 to {EXPIRES_SECONDS_MAX}"
            )));
        }
        Ok(())
    }
}

impl Format {
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Alertmanager => "alertmanager",
            Self::Ping => "ping",
        }
    }
}

impl Method {
    pub fn word(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
        }
    }
}

fn usual_timeout_seconds() -> u64 {
    30
}

fn check_header(name: &str, value: &Header) -> Result<(), Error> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
        return Err(wrong(format!(
            "has the header {name:?}, which is no name of one"
        )));
    }
    if name.to_ascii_lowercase().starts_with("content-") {
        return Err(wrong(format!(
            "has the header {name}, which the format sets: remove it"
        )));
    }
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    match value {
        Header::Value(text) if text.len() > VALUE_BYTES_MAX || !text.bytes().all(printable) => {
            Err(wrong(format!(
                "has a value of the header {name} that is too long or not printable"
            )))
        }
        Header::Value(_) | Header::Secret(_) => Ok(()),
    }
}

/// As Prometheus wants the names of labels.
fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.bytes().all(plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::bad_configuration(format!("the step's config {what}")).not_done()
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config;

    use super::*;

    fn told(json: &str) -> String {
        let parsed = config::parse::<Config>("the step's config", json);
        let checked = parsed.and_then(|config| config.check());
        checked.err().map_or_else(String::new, |error| {
            assert_eq!(error.code, "bad-configuration");
            error.message
        })
    }

    #[test]
    fn each_format_has_a_configuration_that_is_taken() {
        for json in [
            r#"{"format":"json","url":"https://a/hook","labels":{"team":"x"},"text":"look"}"#,
            r#"{"format":"slack","urlSecret":"slack-url"}"#,
            r#"{"format":"alertmanager","url":"http://a:9093","labels":{"team":"x"},"annotations":{"runbook_url":"https://r"},"expiresAfterSeconds":60,"headers":{"Authorization":{"secret":"token"},"X-Scope-OrgID":{"value":"a"}}}"#,
            r#"{"format":"ping","urlSecret":"ping-url","signal":"start","method":"GET","timeoutSeconds":5}"#,
        ] {
            assert_eq!(told(json), "", "{json}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (json, why) in [
            (
                r#"{"format":"json"}"#,
                "does not say where to: add `url: URL`",
            ),
            (
                r#"{"format":"json","url":"https://a","urlSecret":"b"}"#,
                "both `url` and `urlSecret`",
            ),
            (
                r#"{"format":"json","url":"a"}"#,
                "`url` must begin with https://",
            ),
            (
                r#"{"format":"slack","url":"https://a","labels":{"a":"b"}}"#,
                "`labels`, which belongs to the format json and alertmanager",
            ),
            (
                r#"{"format":"json","url":"https://a","annotations":{"a":"b"}}"#,
                "`annotations`, which belongs to the format alertmanager",
            ),
            (
                r#"{"format":"json","url":"https://a","signal":"start"}"#,
                "`signal`, which belongs to the format ping",
            ),
            (
                r#"{"format":"slack","url":"https://a","method":"GET"}"#,
                "`method`, which belongs to the format ping",
            ),
            (
                r#"{"format":"alertmanager","url":"https://a","labels":{"alertname":"b"}}"#,
                "has the label \"alertname\"",
            ),
            (
                r#"{"format":"json","url":"https://a","labels":{"1a":"b"}}"#,
                "has the label \"1a\"",
            ),
            (
                r#"{"format":"json","url":"https://a","headers":{"A b":{"value":"x"}}}"#,
                "is no name of one",
            ),
            (
                r#"{"format":"json","url":"https://a","headers":{"Content-Type":{"value":"x"}}}"#,
                "which the format sets",
            ),
            (
                r#"{"format":"json","url":"https://a","headers":{"A":{"value":"x\ny"}}}"#,
                "not printable",
            ),
            (
                r#"{"format":"json","url":"https://a","timeoutSeconds":0}"#,
                "that is not 1 to 300",
            ),
            (
                r#"{"format":"json","url":"https://a","uRl":"b"}"#,
                "has no key `uRl`; did you mean `url`?",
            ),
            (
                r#"{"format":"jsn","url":"https://a"}"#,
                "unknown variant `jsn`",
            ),
        ] {
            let message = told(json);
            assert!(message.contains(why), "{json}: {message}");
        }
        let long = format!(
            r#"{{"format":"json","url":"https://a","text":"{}"}}"#,
            "x".repeat(2001)
        );
        assert!(told(&long).contains("shorten it"));
    }

    #[test]
    fn a_url_that_is_a_password_should_be_a_secret() {
        let advice = |json| {
            let config: Config = config::parse("it", json).unwrap();
            config.advice().map(|finding| finding.code)
        };
        let open = Some("url-is-a-secret".to_owned());
        assert_eq!(advice(r#"{"format":"slack","url":"https://a/x"}"#), open);
        assert_eq!(advice(r#"{"format":"ping","url":"https://a/x"}"#), open);
        assert_eq!(advice(r#"{"format":"ping","urlSecret":"x"}"#), None);
        assert_eq!(
            advice(r#"{"format":"alertmanager","url":"https://a"}"#),
            None
        );
    }
}
