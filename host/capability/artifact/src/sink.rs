//! Where the bytes of an asked-for range go.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::{CALL_BYTES_MAX, ErrorClass, ErrorCode, Fault};
use tokio::sync::mpsc;

use crate::{Pace, Work};

/// Takes exactly the bytes that were asked for, in order. Clones are the same sink.
#[derive(Clone)]
pub struct Sink {
    into: mpsc::Sender<Vec<u8>>,
    progress: Arc<Mutex<Progress>>,
    work: Work,
    pace: Pace,
}

/// Both in bytes.
#[derive(Debug, Clone, Copy)]
struct Progress {
    asked: u64,
    taken: u64,
}

impl Sink {
    /// A sink for `asked` bytes that go to `into` in pieces of at most
    /// [`CALL_BYTES_MAX`].
    #[must_use]
    pub fn new(asked: u64, into: mpsc::Sender<Vec<u8>>) -> Self {
        Self {
            into,
            progress: Arc::new(Mutex::new(Progress { asked, taken: 0 })),
            work: Work::default(),
            pace: Pace::default(),
        }
    }

    /// The same sink, which takes what comes at this pace.
    #[must_use]
    pub fn paced(self, pace: &Pace) -> Self {
        Self {
            pace: pace.clone(),
            ..self
        }
    }

    /// The same sink, of which every write that is taken is a sign of life of `work`.
    #[must_use]
    pub fn part_of(self, work: &Work) -> Self {
        Self {
            work: work.clone(),
            ..self
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `too-large` past [`CALL_BYTES_MAX`], `out-of-range` for more bytes than were asked
    /// for, `cancelled` when nobody waits for them any more.
    pub async fn write(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        if bytes.len() > CALL_BYTES_MAX {
            return Err(too_large(bytes.len()));
        }
        self.count(bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let moved = bytes.len();
        self.pace.take(moved, &self.work).await?;
        self.into.send(bytes).await.map_err(|_| nobody_waits())?;
        self.work.moved(moved);
        Ok(())
    }

    /// Judges the transfer once the plugin says it is done.
    ///
    /// # Errors
    /// `short` when fewer bytes came than were asked for.
    pub fn finish(&self) -> Result<(), Fault> {
        let Progress { asked, taken } = *self.lock();
        if taken == asked {
            return Ok(());
        }
        Err(Fault::transient(
            ErrorCode::Short,
            format!("{taken} of {asked} bytes came back, and the plugin called that complete"),
        ))
    }

    fn count(&self, bytes: u64) -> Result<(), Fault> {
        let mut progress = self.lock();
        if bytes > progress.asked - progress.taken {
            return Err(Fault::permanent(
                ErrorCode::OutOfRange,
                format!(
                    "{} bytes were asked for and {} more were handed over",
                    progress.asked,
                    progress.taken + bytes - progress.asked
                ),
            ));
        }
        progress.taken += bytes;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({:?})", *self.lock())
    }
}

/// The fault of a call that brings more than [`CALL_BYTES_MAX`].
#[must_use]
pub fn too_large(bytes: usize) -> Fault {
    Fault::permanent(
        ErrorCode::TooLarge,
        format!("{bytes} bytes came in one call: hand over at most {CALL_BYTES_MAX} at a time"),
    )
}

fn nobody_waits() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Cancelled,
        "whoever asked for the bytes is gone",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn exactly_the_asked_bytes_pass() {
        let (into, mut out) = mpsc::channel(8);
        let sink = Sink::new(4, into);
        sink.write(b"ab".to_vec()).await.unwrap();
        assert_eq!(sink.finish().unwrap_err().code.as_str(), "short");
        assert_eq!(
            sink.write(b"cde".to_vec()).await.unwrap_err().code.as_str(),
            "out-of-range"
        );
        sink.write(b"cd".to_vec()).await.unwrap();
        sink.finish().unwrap();
        assert_eq!(out.recv().await.unwrap(), b"ab");
        assert_eq!(out.recv().await.unwrap(), b"cd");
    }

    #[tokio::test]
    async fn a_receiver_that_went_away_is_a_cancellation() {
        let (into, out) = mpsc::channel(1);
        drop(out);
        let fault = Sink::new(1, into).write(vec![0]).await.unwrap_err();
        assert_eq!(fault.class, ErrorClass::Cancelled);
    }

    #[tokio::test]
    async fn a_call_has_its_limit() {
        let (into, _out) = mpsc::channel(1);
        let fault = Sink::new(u64::MAX, into)
            .write(vec![0; CALL_BYTES_MAX + 1])
            .await
            .unwrap_err();
        assert_eq!(fault.code.as_str(), "too-large");
    }
}
