//! Digests out of the journal.

use drydock_core::{ErrorCode, Fault};
use drydock_repository::Sha256;

/// A digest as the journal holds it, in lower-case hex.
pub fn digest(digits: &str) -> Result<Sha256, Fault> {
    Sha256::from_hex(digits).ok_or_else(|| {
        Fault::permanent(
            ErrorCode::BadDigest,
            "the journal holds a digest that is none",
        )
    })
}
