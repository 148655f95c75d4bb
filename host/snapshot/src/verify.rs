//! Verifying a complete file: the structure and the trailer, all findings.

use std::thread;

use ring::digest::{Context, SHA256};

use crate::error::SnapshotError;
use crate::figures::Status;
use crate::problem::{Problem, Problems};
use crate::source::{Source, read};
use crate::survey::{Limits, Survey};

/// The bytes of the SHA-256 that ends a snapshot.
pub(crate) const TRAILER_BYTES: u64 = 32;
/// Pages are whole sectors, so the remainder tells whether a trailer is there.
const SECTOR_BYTES: u64 = 512;
/// Read at once for hashing; larger pieces gain nothing.
const PIECE_BYTES: usize = 256 * 1024;

/// What is known of a file that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The SHA-256 of everything before the trailer, which is equal to it.
    pub sha256: [u8; 32],
    /// Pages in use; the others are free.
    pub pages_used: u64,
    /// The figures, since the walk had to look at everything anyway.
    pub status: Status,
}

/// Checks the whole structure of a file and compares its trailer.
///
/// # Errors
/// [`SnapshotError::Damaged`] with all problems of both checks, or a failure to
/// read.
pub fn verify<S: Source>(source: &S) -> Result<Verified, SnapshotError> {
    verify_with(source, None)
}

/// The same for a file whose bytes before the last 32 are known to have the SHA-256 `body`:
/// hashing them again would take most of the time.
///
/// # Errors
/// As [`verify`].
pub fn verify_hashed<S: Source>(source: &S, body: [u8; 32]) -> Result<Verified, SnapshotError> {
    verify_with(source, Some(body))
}

fn verify_with(source: &dyn Source, body: Option<[u8; 32]>) -> Result<Verified, SnapshotError> {
    let (trailer, survey) = thread::scope(|scope| {
        let trailer = scope.spawn(|| check_trailer(source, body));
        let survey = Survey::of(source, &Limits::default());
        (
            trailer
                .join()
                .expect("hashing returns its errors and never panics"),
            survey,
        )
    });
    let mut problems = Problems::default();
    let sha256 = gather(trailer, &mut problems)?;
    let survey = gather(survey, &mut problems)?;
    match (sha256, survey) {
        (Some(sha256), Some(survey)) => Ok(Verified {
            sha256,
            pages_used: survey.pages_used(),
            status: survey.status(),
        }),
        _ => Err(problems.into()),
    }
}

/// Whether a file of this many bytes ends in a trailer.
pub(crate) fn has_trailer(bytes: u64) -> bool {
    bytes % SECTOR_BYTES == TRAILER_BYTES
}

/// The problem of a trailer that is not the hash of what stands before it.
pub(crate) fn mismatch(trailer: &[u8], computed: &[u8]) -> Problem {
    Problem::TrailerMismatch {
        trailer: hex(trailer),
        computed: hex(computed),
    }
}

fn check_trailer(source: &dyn Source, known: Option<[u8; 32]>) -> Result<[u8; 32], SnapshotError> {
    let size = source.size().map_err(SnapshotError::Size)?;
    if !has_trailer(size) {
        return Err(Problem::TrailerMissing { bytes: size }.into());
    }
    let body = size - TRAILER_BYTES;
    let computed = known.map_or_else(|| sha256(source, body), Ok)?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    read(source, &mut trailer, body)?;
    if trailer == computed {
        Ok(computed)
    } else {
        Err(mismatch(&trailer, &computed).into())
    }
}

fn sha256(source: &dyn Source, bytes: u64) -> Result<[u8; 32], SnapshotError> {
    let mut hasher = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let length = (bytes - offset).min(PIECE_BYTES as u64);
        let piece = &mut piece[..length as usize];
        read(source, piece, offset)?;
        hasher.update(piece);
        offset += length;
    }
    Ok(hasher
        .finish()
        .as_ref()
        .try_into()
        .expect("a SHA-256 has 32 bytes"))
}

/// Moves the problems of one check to the others; passes a failure to read.
pub(crate) fn gather<T>(
    result: Result<T, SnapshotError>,
    problems: &mut Problems,
) -> Result<Option<T>, SnapshotError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(SnapshotError::Damaged(found)) => {
            problems.merge(found);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
