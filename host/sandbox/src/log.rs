//! What a plugin says during an attempt: its log, stdout and stderr, line by line,
//! bounded, and free of anything that a terminal would obey.

mod book;
mod rate;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use drydock_core::PluginDigest;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

pub(crate) use book::LogBook;

/// What a guest may write to stdout or stderr in one call.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Hex digits by which a digest is told from others in a line of a log.
const DIGEST_DIGITS: usize = 12;

/// What a plugin said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptLog {
    /// Whose words these are; none for a plugin that was never called.
    pub speaker: Option<Arc<Speaker>>,
    pub lines: Vec<LogLine>,
    /// Lines that a limit kept out. The last lines say which and how many.
    pub dropped: u64,
    /// The last lines of stderr, kept or not.
    pub(crate) last_words: Vec<String>,
}

/// A plugin, so that its words can be told from everybody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    pub name: String,
    /// The plugin's own.
    pub version: String,
    pub digest: PluginDigest,
}

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub source: LogSource,
    pub severity: Severity,
    pub text: String,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    Log,
    Stdout,
    Stderr,
    /// The host, about the plugin.
    Host,
}

/// How much a line weighs, in the plugin's own opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

/// A guest's stdout or stderr.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    book: LogBook,
    source: LogSource,
}

impl AttemptLog {
    /// Whether there is nothing to read in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The log as an attempt's record keeps it: whose it is, with the whole digest, and a
    /// line of text for each line.
    #[must_use]
    pub fn record(&self) -> String {
        match &self.speaker {
            Some(speaker) => format!(
                "plugin {} {} {}\n{self}",
                speaker.name, speaker.version, speaker.digest
            ),
            None => self.to_string(),
        }
    }

    /// Whose it is, as the daemon's own log says it.
    #[must_use]
    pub fn tag(&self) -> String {
        let speaker = self.speaker.as_ref();
        speaker.map_or_else(String::new, ToString::to_string)
    }

    /// Adds what the host has to say of the plugin.
    pub(crate) fn remark(&mut self, text: String) {
        self.lines.push(LogLine {
            source: LogSource::Host,
            severity: Severity::Warn,
            text,
        });
    }
}

/// A line of text for each line of the log.
impl fmt::Display for AttemptLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.source {
            LogSource::Log => write!(f, "{}: {text}", self.severity),
            LogSource::Stdout => write!(f, "stdout: {text}"),
            LogSource::Stderr => write!(f, "stderr: {text}"),
            LogSource::Host => write!(f, "host: {text}"),
        }
    }
}

/// With the first digits of the digest.
impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.digest.as_str();
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let short = hex.get(..DIGEST_DIGITS).unwrap_or(hex);
        write!(f, "{} {} {short}", self.name, self.version)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only preview 3 asks for this, and preview 3 is not linked.
        Box::new(tokio::io::sink())
    }

    /// Writes at once, so that the last words before a trap are kept.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.book.take_bytes(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}
