//! What a plugin says during an attempt: its log, stdout and stderr, line by line,
//! bounded, and free of anything that a terminal would obey.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Longest line that is kept; the rest of it is cut off. A panic with its backtrace
/// comes in lines far shorter than this.
const LINE_BYTES_MAX: usize = 4096;

/// What a guest may write to stdout or stderr in one call.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Counted for each line beside its text, so that empty lines cost something too.
const LINE_OVERHEAD_BYTES: usize = 16;

/// What a plugin said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptLog {
    pub lines: Vec<LogLine>,
    /// Lines that came after the limit was reached.
    pub dropped: u64,
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
}

/// How much a line weighs, in the plugin's own opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

/// The log of an attempt while it runs. Clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct LogBook {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    log: AttemptLog,
    bytes_left: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A guest's stdout or stderr.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    book: LogBook,
    source: LogSource,
}

impl AttemptLog {
    /// The last lines of stderr, where a panic leaves its message.
    pub(crate) fn last_words(&self, lines_max: usize) -> Option<String> {
        let stderr: Vec<&str> = self
            .lines
            .iter()
            .filter(|line| line.source == LogSource::Stderr && !line.text.trim().is_empty())
            .map(|line| line.text.trim())
            .collect();
        let last = &stderr[stderr.len().saturating_sub(lines_max)..];
        (!last.is_empty()).then(|| last.join(" "))
    }
}

/// A line of text for each line of the log, and one for what was dropped.
impl fmt::Display for AttemptLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LogLine {
            source,
            severity,
            text,
        } in &self.lines
        {
            match source {
                LogSource::Log => writeln!(f, "{severity}: {text}")?,
                LogSource::Stdout => writeln!(f, "stdout: {text}")?,
                LogSource::Stderr => writeln!(f, "stderr: {text}")?,
            }
        }
        match self.dropped {
            0 => Ok(()),
            dropped => writeln!(f, "({dropped} more lines were dropped)"),
        }
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

impl LogBook {
    pub fn new(bytes_max: usize) -> Self {
        let inner = Inner {
            log: AttemptLog::default(),
            bytes_left: bytes_max,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// A message of the plugin's own; several lines stay several lines.
    pub fn write(&self, severity: Severity, message: &str) {
        let mut inner = self.lock();
        for line in message.lines() {
            inner.keep(LogSource::Log, severity, line);
        }
    }

    pub fn capture(&self, source: LogSource) -> Capture {
        Capture {
            book: self.clone(),
            source,
        }
    }

    /// The log as it stands, unfinished lines included; the book is empty afterwards.
    pub fn close(&self) -> AttemptLog {
        let mut inner = self.lock();
        for source in [LogSource::Stdout, LogSource::Stderr] {
            inner.finish_line(source);
        }
        std::mem::take(&mut inner.log)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, source: LogSource, severity: Severity, line: &str) {
        let text = plain(line, LINE_BYTES_MAX);
        let cost = text.len() + LINE_OVERHEAD_BYTES;
        if self.log.dropped > 0 || cost > self.bytes_left {
            self.log.dropped += 1;
            return;
        }
        self.bytes_left -= cost;
        self.log.lines.push(LogLine {
            source,
            severity,
            text,
        });
    }

    fn take_bytes(&mut self, source: LogSource, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let pending = self.pending(source);
            let room = LINE_BYTES_MAX.saturating_sub(pending.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            pending.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line(source);
            }
        }
    }

    fn finish_line(&mut self, source: LogSource) {
        if !self.pending(source).is_empty() {
            self.end_line(source);
        }
    }

    fn end_line(&mut self, source: LogSource) {
        let line = std::mem::take(self.pending(source));
        let severity = match source {
            LogSource::Stderr => Severity::Warn,
            LogSource::Log | LogSource::Stdout => Severity::Info,
        };
        self.keep(source, severity, &String::from_utf8_lossy(&line));
    }

    fn pending(&mut self, source: LogSource) -> &mut Vec<u8> {
        match source {
            LogSource::Stderr => &mut self.stderr,
            LogSource::Log | LogSource::Stdout => &mut self.stdout,
        }
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
        self.book.lock().take_bytes(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

/// `text` without escape sequences and control characters, cut to `bytes_max`.
pub(crate) fn plain(text: &str, bytes_max: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(bytes_max));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            skip_escape(&mut characters);
        } else if let Some(kept) = keep(character) {
            if plain.len() + kept.len_utf8() > bytes_max {
                break;
            }
            plain.push(kept);
        }
    }
    plain
}

/// A tab becomes a space; other control characters, and those that reorder the text
/// around them, vanish.
fn keep(character: char) -> Option<char> {
    match character {
        '\t' | '\n' => Some(' '),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        other if other.is_control() => None,
        other => Some(other),
    }
}

/// Skips what follows an ESC: `[` up to a letter (ECMA-48 CSI), `]` up to BEL or `\`
/// (OSC), or one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
        Some(']') => {
            while characters
                .next()
                .is_some_and(|c| !matches!(c, '\u{7}' | '\\'))
            {}
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &AttemptLog) -> Vec<&str> {
        log.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        let table = [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}cx", "x"),
            ("a\tb\rc\u{8}\u{0}", "a bc"),
            ("\u{9b}31mx", "31mx"),
            ("evil\u{202e}txt", "eviltxt"),
            ("\u{1b}[", ""),
            ("äöü", "äöü"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text, 100), expected, "{text:?}");
        }
        assert_eq!(plain("äää", 3), "ä");
    }

    #[test]
    fn streams_become_lines_in_order() {
        let book = LogBook::new(1000);
        let (mut out, mut err) = (
            book.capture(LogSource::Stdout),
            book.capture(LogSource::Stderr),
        );
        out.write(Bytes::from_static(b"one\ntw")).unwrap();
        err.write(Bytes::from_static(b"panicked at x\nboom"))
            .unwrap();
        out.write(Bytes::from_static(b"o\n")).unwrap();
        book.write(Severity::Error, "a\nb");
        let log = book.close();
        assert_eq!(
            texts(&log),
            ["one", "panicked at x", "two", "a", "b", "boom"]
        );
        assert_eq!(log.last_words(4).unwrap(), "panicked at x boom");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let book = LogBook::new(100);
        for _ in 0..1000 {
            book.write(Severity::Info, "0123");
        }
        let log = book.close();
        assert_eq!((log.lines.len(), log.dropped), (5, 995));
        assert!(
            log.to_string()
                .ends_with("info: 0123\n(995 more lines were dropped)\n")
        );
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let book = LogBook::new(1_000_000);
        let mut out = book.capture(LogSource::Stdout);
        for _ in 0..10 {
            out.write(Bytes::from(vec![b'x'; 4000])).unwrap();
        }
        assert_eq!(book.close().lines[0].text.len(), LINE_BYTES_MAX);
    }
}
