//! Small objects written in one request and if absent, and objects read in bounded ranges.
//!
//! A range that breaks off is asked for again from the byte where it broke off, a few
//! times; a target that makes no progress is given up. Nothing here grows with the
//! size of an object.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::store::{Completion, Layout, PartReceipt, Session};
use drydock_core::{CALL_BYTES_MAX, ErrorCode, Fault, ReadAt, UnixTime};
use tokio::sync::mpsc;

use crate::digest::{Measure, Sha256};
use crate::error::RepositoryError;
use crate::target::{Part, RangeSink, Target, Whole};

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

/// Creates `object` with these bytes if there is none, in one request. For an object on which
/// nothing but itself depends: a failure counts only where the object is not there afterwards.
///
/// # Errors
/// When the target fails and the object is not there afterwards, or when other bytes are
/// read back.
pub async fn create(
    target: &dyn Target,
    object: &str,
    bytes: &[u8],
    retain_until: Option<UnixTime>,
) -> Result<Creation, RepositoryError> {
    let created = publish(target, object, bytes, retain_until).await;
    if created.is_err()
        && let Ok(found) = compare(target, object, bytes).await
    {
        return Ok(found);
    }
    created
}

/// Hands the bytes over and reads the object back: whatever the target says of its own
/// work, small objects are worth a look. After an error the object may be there.
pub(crate) async fn publish(
    target: &dyn Target,
    object: &str,
    bytes: &[u8],
    retain_until: Option<UnixTime>,
) -> Result<Creation, RepositoryError> {
    let part = Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: bytes.len() as u64,
    };
    match target.put_object(object, part, retain_until).await {
        Ok(_) => compare(target, object, bytes).await,
        // Only a word of the target's: every caller reads what is there.
        Err(fault) if fault.code == ErrorCode::Exists => Ok(Creation::AlreadyThere),
        Err(fault) => Err(RepositoryError::target(object, fault)),
    }
}

/// Creates an object if there is none by an upload in parts, as artifacts are, and reads it
/// back; aborts what did not become the object, where the target can.
pub(crate) async fn create_in_parts(
    target: &dyn Target,
    layout: &Layout,
    object: &str,
    bytes: &[u8],
    part_size: u64,
) -> Result<Creation, RepositoryError> {
    let failed = |fault| RepositoryError::target(object, fault);
    let size = bytes.len() as u64;
    let session = target.begin(object, Some(size), part_size).await;
    let session = session.map_err(failed)?;
    let created = match upload(target, layout, &session, bytes, part_size).await {
        Ok(_) => compare(target, object, bytes).await,
        Err(fault) if fault.code == ErrorCode::Exists => Ok(Creation::AlreadyThere),
        Err(fault) => Err(failed(fault)),
    };
    if !matches!(created, Ok(Creation::Created)) && layout.lists_sessions() {
        abort(target, object, &session).await;
    }
    created
}

async fn upload(
    target: &dyn Target,
    layout: &Layout,
    session: &Session,
    bytes: &[u8],
    part_size: u64,
) -> Result<Completion, Fault> {
    let all: Arc<Vec<u8>> = Arc::new(bytes.to_vec());
    let size = bytes.len() as u64;
    let mut receipts = Vec::new();
    let (mut offset, mut number) = (0, 1);
    while offset < size {
        let part = Part {
            bytes: all.clone(),
            offset,
            length: part_size.min(size - offset),
        };
        offset += part.length;
        let start = offset - part.length;
        let taken = target.put_part(session, number, start, part, layout.part_checksum);
        let receipt = taken.await?.receipt;
        receipts.push(PartReceipt { number, receipt });
        number += 1;
    }
    let whole = Whole {
        size,
        sha256: Sha256::of(bytes).0,
        bytes: Some(all),
    };
    target.complete(session, &receipts, whole).await
}

/// Forgets an upload that is not to be tried again.
async fn abort(target: &dyn Target, object: &str, session: &Session) {
    if let Err(fault) = target.abort(session).await {
        let code = fault.code.as_str();
        tracing::warn!(object, code, "an upload could not be aborted");
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

/// Looks whether an object is locked for as long as it was to be.
///
/// # Errors
/// `not-retained`, or the target's.
pub async fn check_retained(
    target: &dyn Target,
    object: &str,
    until: UnixTime,
) -> Result<(), Fault> {
    let found = target.stat(object).await?.retained_until;
    if found.is_some_and(|found| found >= until) {
        return Ok(());
    }
    let found = found.map_or_else(
        || "shows no lock of it".to_owned(),
        |found| format!("shows a lock until {found} only"),
    );
    Err(Fault::permanent(
        ErrorCode::NotRetained,
        format!(
            "the target was to lock {object} until {until}, said that it did, and {found}: see that its bucket locks objects and that locks may be read there, or leave `retainDays` out of the Target"
        ),
    ))
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

/// How an object compares with bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    /// The first byte that differs.
    DiffersFrom(u64),
    /// The bytes at hand could not be read, or the object has another size.
    NotPossible,
}

/// Reads an object whole and compares it with bytes at hand. It costs a fraction of a digest.
/// Whoever finds a difference does not know yet which of both is wrong.
///
/// # Errors
/// When the target fails.
pub async fn compare_with(
    target: &dyn Target,
    object: &str,
    bytes: Arc<dyn ReadAt>,
) -> Result<Comparison, RepositoryError> {
    let size = bytes.size();
    if size_of(target, object).await? != Some(size) {
        return Ok(Comparison::NotPossible);
    }
    let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
    let work = tokio::task::spawn_blocking(move || compare_pieces(pieces, &*bytes));
    let streamed = stream(target, object, size, sender).await;
    let compared = work.await.expect("the blocking thread does not panic");
    streamed.map_err(|fault| RepositoryError::target(object, fault))?;
    Ok(compared)
}

/// The bytes at hand are read in blocks that begin at multiples of their size, however the
/// pieces are cut: whoever keeps sums of them goes by the same.
fn compare_pieces(mut pieces: mpsc::Receiver<Vec<u8>>, bytes: &dyn ReadAt) -> Comparison {
    let (mut block, mut start, mut offset) = (Vec::new(), 0, 0);
    while let Some(piece) = pieces.blocking_recv() {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let end = start + block.len() as u64;
            if offset == end {
                start = offset;
                let length = (bytes.size() - start).min(CALL_BYTES_MAX as u64);
                block.resize(usize::try_from(length).unwrap_or(CALL_BYTES_MAX), 0);
                if block.is_empty() || bytes.read_exact_at(&mut block, start).is_err() {
                    return Comparison::NotPossible;
                }
            }
            let at = usize::try_from(offset - start).expect("it lies within the block");
            let length = rest.len().min(block.len() - at);
            let wanted = &block[at..at + length];
            if rest[..length] != *wanted {
                let place = rest.iter().zip(wanted).position(|(a, b)| a != b);
                return Comparison::DiffersFrom(offset + place.unwrap_or_default() as u64);
            }
            rest = &rest[length..];
            offset += length as u64;
        }
    }
    Comparison::Equal
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
