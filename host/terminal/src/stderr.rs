//! Everything that goes to stderr: the log, notes, a line of progress.
//!
//! A thread of its own writes it, out of a queue of bounded length. Whoever has something
//! to say puts it there and goes on: nobody who works waits for whoever reads, and nobody
//! fails because nobody reads. What was not taken, because the other side is gone, full or
//! asleep, is dropped and counted.
//!
//! **Invariant:** nothing that happens to stderr reaches whoever writes to it.
//!
//! The standard library opens `/dev/null` in the place of a descriptor that is closed when
//! the process begins, so that no file of ours ever gets the number 2.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// Bytes that wait for their reader: some thousand lines, which bridge a pause of his.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// A reader who has taken nothing for so long sleeps, and no verb waits for him any more.
pub const STALL_MAX: Duration = Duration::from_secs(2);

static STDERR: LazyLock<Arc<Stderr>> = LazyLock::new(|| Stderr::over(io::stderr()));

/// Lines that nobody took.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// A line of the log; it never waits and never fails. What is written at once is a line.
pub struct LogLine;

struct Stderr {
    queue: Mutex<Queue>,
    /// Something was put into the queue, or taken out of it.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    texts: VecDeque<Text>,
    bytes: usize,
    /// Whether a text is being written.
    at_work: bool,
    /// Texts that were written or dropped so far.
    done: u64,
    /// Whether the reader sleeps.
    stalled: bool,
    /// Lost since the last one that was taken.
    lost: u64,
}

enum Text {
    Line(Vec<u8>),
    /// A drawing that the next one replaces: losing it is no loss.
    Drawing(Vec<u8>),
}

/// Lines that nobody took so far, for the metrics.
pub fn lost() -> Counter {
    LOST.clone()
}

/// Puts a line down for whoever watches; waits for room as long as its reader reads.
pub fn line(text: &str) {
    STDERR.put(text.as_bytes(), true);
}

/// Draws on the terminal, if there is room just now.
pub fn draw(text: &str) {
    STDERR.offer(Text::Drawing(text.as_bytes().to_vec()));
}

/// Waits until everything was taken, or nothing was for so long.
pub fn flush(stall_max: Duration) {
    STDERR.flush(stall_max);
}

/// Lets panics say what they have to say by the same way.
pub fn take_panics() {
    std::panic::set_hook(Box::new(|panic| {
        told(panic);
        // Nobody else does it where the main thread ends so.
        if std::thread::current().name() == Some("main") {
            flush(STALL_MAX);
        }
    }));
}

fn told(panic: &PanicHookInfo<'_>) {
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace = match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => format!("\n{backtrace}"),
        _ => String::new(),
    };
    let text = format!("a part of Drydock failed, report this: {panic}{backtrace}");
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{text}");
    } else {
        STDERR.put(text.as_bytes(), false);
    }
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        STDERR.offer(Text::Line(bytes.to_vec()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stderr {
    /// Starts the thread. Without it everything is lost, and counted.
    fn over(output: impl Write + Send + 'static) -> Arc<Self> {
        let shared = Arc::new(Self {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let started = std::thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || own.write_on(output));
        if started.is_err() {
            shared.lock().stalled = true;
            shared.lock().bytes = QUEUE_BYTES_MAX;
        }
        shared
    }

    fn put(&self, line: &[u8], may_wait: bool) {
        let mut text = line.to_vec();
        text.push(b'\n');
        if may_wait {
            self.wait_until(STALL_MAX, |queue| queue.has_room(text.len()));
        }
        self.offer(Text::Line(text));
    }

    fn offer(&self, text: Text) {
        let mut queue = self.lock();
        if queue.has_room(text.bytes().len()) {
            queue.bytes += text.bytes().len();
            queue.texts.push_back(text);
        } else {
            queue.lose(&text);
        }
        self.changed.notify_all();
    }

    fn flush(&self, stall_max: Duration) {
        self.wait_until(stall_max, |queue| queue.texts.is_empty() && !queue.at_work);
    }

    /// Waits for a condition of the queue while its reader reads.
    fn wait_until(&self, stall_max: Duration, met: impl Fn(&Queue) -> bool) {
        let mut queue = self.lock();
        while !met(&queue) && !queue.stalled {
            let before = queue.done;
            let waited = self.changed.wait_timeout(queue, stall_max);
            let (next, time) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = next;
            queue.stalled |= time.timed_out() && queue.done == before;
        }
    }

    fn write_on(&self, mut output: impl Write) {
        loop {
            let text = self.next();
            let written = output.write_all(text.bytes()).and_then(|()| output.flush());
            let lost = self.wrote(&text, written.is_ok());
            if lost > 0 {
                tracing::warn!(lost, "lines of the log were lost here: nobody took them");
            }
        }
    }

    fn next(&self) -> Text {
        let mut queue = self.lock();
        loop {
            if let Some(text) = queue.texts.pop_front() {
                queue.bytes -= text.bytes().len();
                queue.at_work = true;
                return text;
            }
            let waited = self.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says how many lines were lost before one that was taken again.
    fn wrote(&self, text: &Text, taken: bool) -> u64 {
        let mut queue = self.lock();
        queue.at_work = false;
        queue.done += 1;
        queue.stalled = false;
        self.changed.notify_all();
        if taken {
            return std::mem::take(&mut queue.lost);
        }
        queue.lose(text);
        0
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// One text fits in any case, however long it is.
    fn has_room(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= QUEUE_BYTES_MAX
    }

    fn lose(&mut self, text: &Text) {
        if matches!(text, Text::Line(_)) {
            self.lost += 1;
            LOST.inc();
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Line(bytes) | Self::Drawing(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader who takes a piece when he is told to, or refuses it.
    struct Told {
        orders: Receiver<bool>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.orders.recv() {
                Ok(true) => {
                    self.taken.send(bytes.to_vec()).unwrap();
                    Ok(bytes.len())
                }
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn over_a_reader() -> (Arc<Stderr>, Sender<bool>, Receiver<Vec<u8>>) {
        let (order, orders) = channel();
        let (taken, read) = channel();
        (Stderr::over(Told { orders, taken }), order, read)
    }

    #[test]
    fn a_reader_who_sleeps_holds_nobody_up_and_what_he_misses_is_counted() {
        let (stderr, order, read) = over_a_reader();
        let line = vec![b'x'; QUEUE_BYTES_MAX / 4];
        for _ in 0..12 {
            stderr.offer(Text::Line(line.clone()));
        }
        let lost = stderr.lock().lost;
        assert!(
            (7..=8).contains(&lost),
            "one is written and four wait: {lost}"
        );
        // He wakes up: what waited comes, in its order.
        for _ in 0..(12 - lost) {
            order.send(true).unwrap();
            assert_eq!(read.recv().unwrap().len(), line.len());
        }
        stderr.flush(STALL_MAX);
        assert_eq!(stderr.lock().lost, 0, "it was told");
    }

    #[test]
    fn a_reader_who_is_gone_is_no_error() {
        let (stderr, order, _read) = over_a_reader();
        drop(order);
        stderr.put(b"one", true);
        stderr.put(b"two", false);
        stderr.offer(Text::Drawing(b"bar".to_vec()));
        stderr.flush(STALL_MAX);
        assert_eq!(stderr.lock().lost, 2, "a drawing is no loss");
    }
}
