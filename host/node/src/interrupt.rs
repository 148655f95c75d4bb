//! Whether this process was asked to stop what it is at. Whoever works through many bytes
//! looks here now and then; who listens to signals counts them here.

use std::io::{self, Read};
use std::sync::LazyLock;

use tokio::sync::watch;

/// Signals so far that were meant for the work under way.
static SEEN: LazyLock<watch::Sender<u32>> = LazyLock::new(|| watch::Sender::new(0));

/// Counts a signal, and says how many there were.
pub fn count() -> u32 {
    SEEN.send_modify(|seen| *seen += 1);
    *SEEN.borrow()
}

/// Hears of every signal from now on.
#[must_use]
pub fn listen() -> watch::Receiver<u32> {
    let mut seen = SEEN.subscribe();
    seen.mark_unchanged();
    seen
}

/// Whether the work under way was asked to stop.
#[must_use]
pub fn asked() -> bool {
    *SEEN.borrow() > 0
}

/// A reader that ends where the work was asked to stop.
pub struct Heeding<R>(pub R);

impl<R: Read> Read for Heeding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if asked() {
            return Err(io::Error::other("it was interrupted"));
        }
        self.0.read(buffer)
    }
}
