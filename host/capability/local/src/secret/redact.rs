//! Takes secrets out of text that is about to be kept or shown.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Shorter pieces are left alone: they would blot out words that have nothing to do with
/// the secret. A secret of so few bytes protects nothing.
const PIECE_BYTES_MIN: usize = 4;

/// What is left of a secret at the end of a text that was cut off, if it has so many bytes.
const TAIL_BYTES_MIN: usize = 8;

/// What the first and the last line of a PEM block begin with: no secret.
const PEM_FRAME: &[u8] = b"-----";

/// The secrets of one attempt, as far as they were read. Clones are the same.
#[derive(Clone, Default)]
pub struct Redactor {
    pieces: Arc<RwLock<Vec<Piece>>>,
}

/// What is looked for, the longest first.
struct Piece {
    bytes: Zeroizing<Vec<u8>>,
    /// What is put in its place.
    mark: Arc<str>,
}

impl Redactor {
    /// From now on looks for `value`, as it is, line by line, in base64 and in hex.
    pub(super) fn add(&self, name: &str, value: &[u8]) {
        let mark: Arc<str> = Arc::from(format!("[redacted secret {name}]"));
        let encoded = [
            STANDARD_NO_PAD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            hex::encode(value),
            hex::encode_upper(value),
        ];
        // A text is kept line by line.
        let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| !line.starts_with(PEM_FRAME));
        let all = std::iter::once(value)
            .chain(lines)
            .chain(encoded.iter().map(String::as_bytes));
        let mut pieces = self.pieces.write().unwrap_or_else(PoisonError::into_inner);
        for bytes in all.filter(|bytes| bytes.len() >= PIECE_BYTES_MIN) {
            if !pieces.iter().any(|piece| *piece.bytes == bytes) {
                pieces.push(Piece {
                    bytes: Zeroizing::new(bytes.to_vec()),
                    mark: Arc::clone(&mark),
                });
            }
        }
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.bytes.len()));
    }

    /// `text` with a mark in the place of each secret.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        match self.bytes(text.as_bytes()) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => text.to_owned(),
        }
    }

    /// The same for bytes; none when there is nothing to take out.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let pieces = self.pieces.read().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Vec::with_capacity(bytes.len());
        let mut at = 0;
        let mut found = false;
        while at < bytes.len() {
            match found_at(&pieces, &bytes[at..]) {
                Some((piece, length)) => {
                    kept.extend_from_slice(piece.mark.as_bytes());
                    at += length;
                    found = true;
                }
                None => {
                    kept.push(bytes[at]);
                    at += 1;
                }
            }
        }
        found.then_some(kept)
    }
}

/// The piece that `rest` begins with, or of which it is a beginning that was cut off.
fn found_at<'p>(pieces: &'p [Piece], rest: &[u8]) -> Option<(&'p Piece, usize)> {
    let whole = pieces.iter().find(|piece| rest.starts_with(&piece.bytes));
    if let Some(piece) = whole {
        return Some((piece, piece.bytes.len()));
    }
    if rest.len() < TAIL_BYTES_MIN || rest.starts_with(PEM_FRAME) {
        return None;
    }
    let cut = pieces.iter().find(|piece| piece.bytes.starts_with(rest));
    cut.map(|piece| (piece, rest.len()))
}

/// Never the bytes.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(value: &str) -> Redactor {
        let redactor = Redactor::default();
        redactor.add("k", value.as_bytes());
        redactor
    }

    #[test]
    fn each_spelling_of_a_secret_is_taken_out() {
        let redactor = redactor("hunter2-secret");
        for text in [
            "hunter2-secret",
            "aHVudGVyMi1zZWNyZXQ",
            "68756e746572322d736563726574",
            "68756E746572322D736563726574",
        ] {
            assert_eq!(redactor.text(&format!("<{text}>")), "<[redacted secret k]>");
        }
        assert_eq!(redactor.text("hunter2-other"), "hunter2-other");
        assert_eq!(redactor.bytes(b"nothing here"), None);
    }

    #[test]
    fn a_secret_that_was_cut_off_leaves_no_beginning() {
        let redactor = redactor("hunter2-secret");
        assert_eq!(redactor.text("x hunter2-"), "x [redacted secret k]");
        assert_eq!(redactor.text("x hunter2"), "x hunter2");
    }

    #[test]
    fn lines_of_a_secret_go_one_by_one() {
        let redactor = redactor("-----BEGIN X-----\nabcdefgh\nijklmnop\n-----END X-----");
        assert_eq!(redactor.text("abcdefgh"), "[redacted secret k]");
        assert_eq!(redactor.text("-----BEGIN X-----"), "-----BEGIN X-----");
    }

    #[test]
    fn the_longer_secret_goes_first_and_short_ones_stay() {
        let redactor = redactor("password");
        redactor.add("long", b"password-and-more");
        redactor.add("tiny", b"a");
        assert_eq!(
            redactor.text("a password-and-more"),
            "a [redacted secret long]"
        );
        assert_eq!(redactor.text("my password is"), "my [redacted secret k] is");
    }
}
