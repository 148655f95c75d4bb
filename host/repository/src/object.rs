//! Small objects written whole and if absent, and objects read in bounded ranges.
//!
//! A range that breaks off is asked for again from the byte where it broke off, a few
//! times; a target that makes no progress is given up. Nothing here grows with the
//! size of an object.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::store::{Completion, Layout, PartReceipt, Session};
use drydock_core::{ErrorCode, Fault};
use tokio::sync::mpsc;

use crate::digest::{Measure, Sha256};
use crate::error::RepositoryError;
use crate::target::{Part, RangeSink, Target};

/// Bytes of one call to the target: large enough that a call's cost does not show,
/// small enough that little is read again after a broken connection.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// Pieces of at most 1 MiB between the target and the reader.
pub const PIECES_AHEAD: usize = 4;

/// Tries of one range without a single byte of progress.
pub const ATTEMPTS_MAX: u32 = 4;

/// Before the second try; doubles each time.
const BACKOFF_MIN: Duration = Duration::from_millis(200);

/// How a creation if absent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    Created,
    AlreadyThere,
}

/// How a stream ended without a fault of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streamed {
    Whole,
    ReceiverGone,
}

/// Creates `object` with these bytes if there is none; leaves no session behind
/// unless the target cannot even abort.
///
/// # Errors
/// When the target fails and the object is not there afterwards, or when other bytes are
/// read back.
pub async fn create(
    target: &dyn Target,
    object: &str,
    bytes: &[u8],
) -> Result<Creation, RepositoryError> {
    let draft = Draft::begin(target, object, bytes).await?;
    draft.publish_or_abort().await
}

/// The same in parts of a size that the caller chose within the target's layout.
pub(crate) async fn create_in_parts(
    target: &dyn Target,
    object: &str,
    bytes: &[u8],
    part_size: u64,
) -> Result<Creation, RepositoryError> {
    let draft = Draft::begin_in_parts(target, object, bytes, part_size).await?;
    draft.publish_or_abort().await
}

/// An upload of a small object that was begun and whose bytes are still here: what the
/// target does not know, it cannot have created.
pub(crate) struct Draft<'a> {
    target: &'a dyn Target,
    object: &'a str,
    bytes: &'a [u8],
    session: Session,
    part_size: u64,
}

impl<'a> Draft<'a> {
    pub async fn begin(
        target: &'a dyn Target,
        object: &'a str,
        bytes: &'a [u8],
    ) -> Result<Self, RepositoryError> {
        let layout = target.layout().await;
        let layout = layout.map_err(|fault| RepositoryError::target(object, fault))?;
        let part_size = part_size(&layout, bytes.len() as u64);
        Self::begin_in_parts(target, object, bytes, part_size).await
    }

    async fn begin_in_parts(
        target: &'a dyn Target,
        object: &'a str,
        bytes: &'a [u8],
        part_size: u64,
    ) -> Result<Self, RepositoryError> {
        let size = bytes.len() as u64;
        let session = target.begin(object, Some(size), part_size).await;
        Ok(Self {
            target,
            object,
            bytes,
            session: session.map_err(|fault| RepositoryError::target(object, fault))?,
            part_size,
        })
    }

    /// Hands the bytes over and reads the object back: whatever the target says of its own
    /// work, small objects are worth a look. After an error the object may be there.
    pub async fn publish(&self) -> Result<Creation, RepositoryError> {
        match self.put_and_complete().await {
            Ok(_) => compare(self.target, self.object, self.bytes).await,
            // Only a word of the target's: every caller reads what is there.
            Err(fault) if fault.code == ErrorCode::Exists => Ok(Creation::AlreadyThere),
            Err(fault) => Err(RepositoryError::target(self.object, fault)),
        }
    }

    /// For an object on which nothing but itself depends: a failure counts only where the
    /// object is not there afterwards.
    async fn publish_or_abort(&self) -> Result<Creation, RepositoryError> {
        let created = self.publish().await;
        if created.is_err()
            && let Ok(found) = compare(self.target, self.object, self.bytes).await
        {
            return Ok(found);
        }
        if !matches!(created, Ok(Creation::Created)) {
            self.abort().await;
        }
        created
    }

    /// Forgets the upload, for one that is not to be tried again.
    pub async fn abort(&self) {
        if let Err(fault) = self.target.abort(&self.session).await {
            let object = self.object;
            tracing::warn!(
                object,
                code = fault.code.as_str(),
                "an upload could not be aborted"
            );
        }
    }

    async fn put_and_complete(&self) -> Result<Completion, Fault> {
        let all: Arc<Vec<u8>> = Arc::new(self.bytes.to_vec());
        let size = self.bytes.len() as u64;
        let mut receipts = Vec::new();
        let (mut offset, mut number) = (0, 1);
        while offset < size {
            let part = Part {
                bytes: all.clone(),
                offset,
                length: self.part_size.min(size - offset),
            };
            let length = part.length;
            let receipt = self.target.put_part(&self.session, number, offset, part);
            let receipt = receipt.await?;
            receipts.push(PartReceipt { number, receipt });
            offset += length;
            number += 1;
        }
        let sha256 = Sha256::of(self.bytes).0;
        self.target
            .complete(&self.session, &receipts, size, sha256, true)
            .await
    }
}

/// Reads a whole object of at most `bytes_max`; none when it is not there.
///
/// # Errors
/// When the object is larger, or when the target fails.
pub async fn read(
    target: &dyn Target,
    object: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, RepositoryError> {
    let Some(size) = size_of(target, object).await? else {
        return Ok(None);
    };
    if size > bytes_max {
        return Err(RepositoryError::TooLarge {
            object: object.to_owned(),
            size,
            bytes_max,
        });
    }
    let (sender, mut receiver) = mpsc::channel(PIECES_AHEAD);
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(piece) = receiver.recv().await {
            bytes.extend(piece);
        }
        bytes
    };
    let (streamed, bytes) = tokio::join!(stream(target, object, size, sender), collect);
    streamed.map_err(|fault| RepositoryError::target(object, fault))?;
    Ok(Some(bytes))
}

/// Size of an object in bytes; none when it is not there.
///
/// # Errors
/// When the target fails.
pub async fn size_of(target: &dyn Target, object: &str) -> Result<Option<u64>, RepositoryError> {
    match target.stat(object).await {
        Ok(stat) => Ok(Some(stat.size)),
        Err(fault) if fault.code == ErrorCode::NotFound => Ok(None),
        Err(fault) => Err(RepositoryError::target(object, fault)),
    }
}

/// Hands the first `size` bytes of an object to `out`, range by range, and closes it.
///
/// # Errors
/// The target's, after as many tries without progress as are allowed.
pub async fn stream(
    target: &dyn Target,
    object: &str,
    size: u64,
    out: RangeSink,
) -> Result<Streamed, Fault> {
    let mut position = 0;
    let mut attempt = 1;
    while position < size {
        let length = RANGE_BYTES.min(size - position);
        let (got, outcome) = range(target, object, position, length, &out).await;
        position += got;
        if got > 0 {
            attempt = 1;
        }
        match outcome {
            Ok(Streamed::Whole) => {}
            Ok(Streamed::ReceiverGone) => return Ok(Streamed::ReceiverGone),
            Err(fault) if fault.class.is_retryable() && attempt < ATTEMPTS_MAX => {
                tracing::warn!(
                    object,
                    position,
                    attempt,
                    code = fault.code.as_str(),
                    "reading again"
                );
                tokio::time::sleep(BACKOFF_MIN * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(Streamed::Whole)
}

/// One range: how many bytes went through, and how it ended.
async fn range(
    target: &dyn Target,
    object: &str,
    offset: u64,
    length: u64,
    out: &RangeSink,
) -> (u64, Result<Streamed, Fault>) {
    let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
    let (asked, (got, forwarded)) = tokio::join!(
        target.get_range(object, offset, length, sender),
        forward(receiver, length, out)
    );
    let outcome = match (forwarded, asked) {
        (Ok(Streamed::Whole), Err(fault)) => Err(fault),
        (Ok(Streamed::Whole), Ok(())) if got < length => Err(Fault::transient(
            ErrorCode::StreamBroken,
            format!("the target gave {got} of {length} bytes of {object} from {offset} on"),
        )),
        (forwarded, _) => forwarded,
    };
    (got, outcome)
}

/// Passes pieces on; a target that gives more than it was asked for is refused.
async fn forward(
    mut receiver: mpsc::Receiver<Vec<u8>>,
    length: u64,
    out: &RangeSink,
) -> (u64, Result<Streamed, Fault>) {
    let mut got = 0;
    while let Some(piece) = receiver.recv().await {
        let size = piece.len() as u64;
        if got + size > length {
            let message = format!("the target gave more than the {length} bytes it was asked for");
            return (got, Err(Fault::permanent(ErrorCode::Corrupt, message)));
        }
        if out.send(piece).await.is_err() {
            return (got, Ok(Streamed::ReceiverGone));
        }
        got += size;
    }
    (got, Ok(Streamed::Whole))
}

/// Reads an object back that was just created.
async fn compare(
    target: &dyn Target,
    object: &str,
    bytes: &[u8],
) -> Result<Creation, RepositoryError> {
    let expected = Measure {
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
    };
    match read(target, object, expected.size).await? {
        Some(stored) if stored == bytes => Ok(Creation::Created),
        Some(stored) => {
            let found = format!("{} bytes with sha256 {}", stored.len(), Sha256::of(&stored));
            Err(RepositoryError::damaged(object, &expected, found))
        }
        None => Err(RepositoryError::Vanished {
            object: object.to_owned(),
        }),
    }
}

fn part_size(layout: &Layout, size: u64) -> u64 {
    size.max(layout.part_bytes_min)
        .min(layout.part_bytes_max)
        .max(1)
}
