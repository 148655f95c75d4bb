//! The log of an attempt while it runs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::rate::Rate;
use drydock_core::plain;

use super::{AttemptLog, Capture, LogLine, LogSource, Severity, Speaker};
use crate::limits::{Limits, mend};
use drydock_capability_secret::Redactor;

/// Longest line that is kept; the rest of it is cut off. A panic with its backtrace
/// comes in lines far shorter than this.
const LINE_BYTES_MAX: usize = 4096;

/// Counted for each line beside its text, so that empty lines cost something too.
const LINE_OVERHEAD_BYTES: usize = 16;

/// Lines of stderr that are remembered even when the log is full; a panic's message has
/// two or three.
const LAST_WORDS_LINES_MAX: usize = 6;

/// Longest of those.
const LAST_WORDS_LINE_BYTES_MAX: usize = 300;

/// The log of an attempt while it runs. Clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct LogBook {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    speaker: Option<Arc<Speaker>>,
    lines: Vec<LogLine>,
    bytes_max: usize,
    lines_per_second_max: u32,
    rate: Rate,
    /// What came, kept or not.
    came: Amount,
    kept_bytes: usize,
    /// Lines that came when the log was full.
    over_full: u64,
    /// Lines that came too fast.
    over_fast: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: VecDeque<String>,
    redactor: Redactor,
}

#[derive(Debug, Default)]
struct Amount {
    lines: u64,
    bytes: u64,
}

impl LogBook {
    pub fn new(limits: &Limits, speaker: Option<Arc<Speaker>>) -> Self {
        let inner = Inner {
            speaker,
            lines: Vec::new(),
            bytes_max: limits.log_bytes_max,
            lines_per_second_max: limits.log_lines_per_second_max,
            rate: Rate::new(limits.log_lines_per_second_max, Instant::now()),
            came: Amount::default(),
            kept_bytes: 0,
            over_full: 0,
            over_fast: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            last_words: VecDeque::new(),
            redactor: Redactor::default(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// From now on the secrets that `redactor` knows are taken out of each line.
    pub fn redact_by(&self, redactor: Redactor) {
        self.lock().redactor = redactor;
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

    /// Bytes of a stream, in pieces of any size.
    pub(super) fn take_bytes(&self, source: LogSource, bytes: &[u8]) {
        self.lock().take_bytes(source, bytes);
    }

    /// The log as it stands, unfinished lines included, and last what the limits kept out
    /// of it. The book is empty afterwards.
    pub fn close(&self) -> AttemptLog {
        let mut inner = self.lock();
        for source in [LogSource::Stdout, LogSource::Stderr] {
            inner.finish_line(source);
        }
        let mut log = AttemptLog {
            speaker: inner.speaker.clone(),
            lines: std::mem::take(&mut inner.lines),
            dropped: inner.over_full + inner.over_fast,
            last_words: inner.last_words.drain(..).collect(),
        };
        inner.losses().into_iter().for_each(|loss| log.remark(loss));
        log
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, source: LogSource, severity: Severity, line: &str) {
        let text = plain(&self.redactor.text(line), LINE_BYTES_MAX);
        if source == LogSource::Stderr {
            self.remember(&text);
        }
        self.came.lines += 1;
        self.came.bytes += text.len() as u64;
        let bytes = self.kept_bytes + text.len() + LINE_OVERHEAD_BYTES;
        // A log that was full once stays so: a line in the gap of a longer one misleads.
        if self.over_full > 0 || bytes > self.bytes_max {
            self.over_full += 1;
        } else if !self.rate.take(Instant::now()) {
            self.over_fast += 1;
        } else {
            self.kept_bytes = bytes;
            self.lines.push(LogLine {
                source,
                severity,
                text,
            });
        }
    }

    fn remember(&mut self, text: &str) {
        let words = text.trim();
        if words.is_empty() {
            return;
        }
        if self.last_words.len() == LAST_WORDS_LINES_MAX {
            self.last_words.pop_front();
        }
        self.last_words
            .push_back(plain(words, LAST_WORDS_LINE_BYTES_MAX));
    }

    /// A sentence for each limit that kept lines out.
    fn losses(&self) -> Vec<String> {
        let Amount { lines, bytes } = self.came;
        let mut losses = Vec::new();
        if self.over_full > 0 {
            losses.push(format!(
                "log-limit: {} of {lines} lines ({bytes} bytes) were dropped, the limit is {} KiB: {}",
                self.over_full,
                self.bytes_max / 1024,
                mend("logKibibytes")
            ));
        }
        if self.over_fast > 0 {
            losses.push(format!(
                "log-rate-limit: {} of {lines} lines came too fast and were dropped, the limit is {} lines a second: {}",
                self.over_fast,
                self.lines_per_second_max,
                mend("logLinesPerSecond")
            ));
        }
        losses
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
            LogSource::Log | LogSource::Stdout | LogSource::Host => Severity::Info,
        };
        self.keep(source, severity, &String::from_utf8_lossy(&line));
    }

    fn pending(&mut self, source: LogSource) -> &mut Vec<u8> {
        match source {
            LogSource::Stderr => &mut self.stderr,
            LogSource::Log | LogSource::Stdout | LogSource::Host => &mut self.stdout,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use drydock_core::PluginDigest;
    use wasmtime_wasi::p2::OutputStream as _;

    use super::*;

    fn book(log_bytes_max: usize, log_lines_per_second_max: u32) -> LogBook {
        let limits = Limits {
            log_bytes_max,
            log_lines_per_second_max,
            ..Limits::default()
        };
        LogBook::new(&limits, None)
    }

    fn texts(log: &AttemptLog) -> Vec<&str> {
        log.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn streams_become_lines_in_order() {
        let book = book(1000, 100);
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
        assert_eq!(log.last_words, ["panicked at x", "boom"]);
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let book = book(1024, 100);
        for _ in 0..1000 {
            book.write(Severity::Info, "0123456789abcdef");
        }
        let log = book.close();
        assert_eq!((log.lines.len(), log.dropped), (33, 968));
        assert!(
            log.to_string().ends_with("info: 0123456789abcdef\nhost: log-limit: 968 of 1000 lines (16000 bytes) were dropped, the limit is 1 KiB: raise `limits: {logKibibytes: ...}` of its PluginGrant, or of the node's configuration, if it is to have more\n"),
            "{log}"
        );
    }

    #[test]
    fn haste_is_cut_and_counted() {
        let book = book(1_000_000, 1);
        for _ in 0..100 {
            book.write(Severity::Info, "line");
        }
        let log = book.close();
        // Ten at once, and one more for each second that this test was held up.
        let kept = log.lines.len() as u64 - 1;
        assert!((10..100).contains(&kept), "{kept}");
        assert_eq!(kept + log.dropped, 100);
        assert!(
            log.lines.last().unwrap().text.starts_with(&format!(
                "log-rate-limit: {} of 100 lines came too fast and were dropped, the limit is 1 lines a second: raise `limits: {{logLinesPerSecond: ...}}`",
                log.dropped
            )),
            "{log}"
        );
    }

    #[test]
    fn nothing_is_said_of_a_log_that_just_fits() {
        let book = book(1600, 10);
        for _ in 0..100 {
            book.write(Severity::Info, "");
        }
        let log = book.close();
        assert_eq!((log.lines.len(), log.dropped), (0, 0));
        for _ in 0..100 {
            book.write(Severity::Info, "\n");
        }
        let log = book.close();
        assert_eq!((log.lines.len(), log.dropped), (100, 0));
    }

    #[test]
    fn last_words_are_heard_over_any_flood() {
        let book = book(100, 1);
        let mut err = book.capture(LogSource::Stderr);
        for line in 0..1000 {
            err.write(Bytes::from(format!("line {line}\n"))).unwrap();
        }
        err.write(Bytes::from_static(b"panicked at x\nboom"))
            .unwrap();
        let log = book.close();
        assert_eq!(log.last_words.len(), LAST_WORDS_LINES_MAX);
        assert!(
            log.last_words
                .ends_with(&["panicked at x".into(), "boom".into()])
        );
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let book = book(1_000_000, 100);
        let mut out = book.capture(LogSource::Stdout);
        for _ in 0..10 {
            out.write(Bytes::from(vec![b'x'; 4000])).unwrap();
        }
        assert_eq!(book.close().lines[0].text.len(), LINE_BYTES_MAX);
    }

    #[test]
    fn a_record_says_whose_words_it_holds() {
        let speaker = Speaker {
            name: "store-x".to_owned(),
            version: "1.2.3".to_owned(),
            digest: PluginDigest::of(b"x"),
        };
        let book = LogBook::new(&Limits::default(), Some(Arc::new(speaker)));
        book.write(Severity::Info, "hello");
        let log = book.close();
        let digest = PluginDigest::of(b"x");
        assert_eq!(
            log.record(),
            format!("plugin store-x 1.2.3 {digest}\ninfo: hello\n")
        );
        assert_eq!(
            log.tag(),
            format!("store-x 1.2.3 {}", &digest.as_str()[7..19])
        );
    }
}
