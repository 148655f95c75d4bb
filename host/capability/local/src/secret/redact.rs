//! Takes secrets out of text that is about to be kept or shown.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
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

/// A character of base64 holds so many bits, and a group is three bytes in four of them.
const BASE64_BITS: usize = 6;
const GROUP_BYTES: usize = 3;

/// What is looked for, the longest first.
struct Piece {
    bytes: Zeroizing<Vec<u8>>,
    /// What is put in its place.
    mark: Arc<str>,
    /// Whether the characters beside it hold bits of the secret too, as in base64 of a
    /// longer text.
    shared: Shared,
}

/// Which neighbours of a piece go with it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Shared {
    before: bool,
    after: bool,
}

/// One way to write a secret.
struct Spelling {
    bytes: Zeroizing<Vec<u8>>,
    shared: Shared,
}

impl Redactor {
    /// From now on looks for `value`: as it is, line by line, and in the spellings that
    /// requests and messages put a text into, by itself or inside a longer text (as
    /// `user:secret` in base64).
    pub(super) fn add(&self, name: &str, value: &[u8]) {
        let mark: Arc<str> = Arc::from(format!("[redacted secret {name}]"));
        let mut pieces = self.pieces.write().unwrap_or_else(PoisonError::into_inner);
        let spellings = spellings(value).into_iter();
        for Spelling { bytes, shared } in spellings.filter(|s| s.bytes.len() >= PIECE_BYTES_MIN) {
            if !pieces.iter().any(|piece| piece.bytes == bytes) {
                pieces.push(Piece {
                    bytes,
                    mark: Arc::clone(&mark),
                    shared,
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
                    let is_base64 = |byte: &u8| is_of_base64(*byte);
                    if piece.shared.before && kept.last().is_some_and(is_base64) {
                        kept.pop();
                    }
                    kept.extend_from_slice(piece.mark.as_bytes());
                    at += length;
                    if piece.shared.after && bytes.get(at).is_some_and(is_base64) {
                        at += 1;
                    }
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

/// All ways in which a secret is looked for.
fn spellings(value: &[u8]) -> Vec<Spelling> {
    // A text is kept line by line.
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.starts_with(PEM_FRAME));
    let plain = std::iter::once(value).chain(lines).map(<[u8]>::to_vec);
    // What is put into a header or a form is the value without the end of its line.
    let trimmed = value.trim_ascii();
    let mut written = vec![
        hex::encode(trimmed).into_bytes(),
        hex::encode_upper(trimmed).into_bytes(),
        quoted(trimmed, b"\"\\"),
        quoted(trimmed, b"\"\\/"),
    ];
    for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
        written.push(percent_encoded(trimmed, digits, false));
        written.push(percent_encoded(trimmed, digits, true));
    }
    let whole = |bytes: Vec<u8>| Spelling {
        bytes: Zeroizing::new(bytes),
        shared: Shared::default(),
    };
    let mut all: Vec<_> = plain.chain(written).map(whole).collect();
    for text in [value, trimmed] {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            all.extend((0..GROUP_BYTES).map(|place| in_base64(text, place, &engine)));
        }
    }
    all
}

/// What base64 of any text holds in which `value` begins at a byte number that leaves
/// `place` when divided by three, whatever stands around it. A character that the value
/// shares with its neighbours is left out, and told of.
fn in_base64(value: &[u8], place: usize, engine: &GeneralPurpose) -> Spelling {
    let padded = Zeroizing::new([&[0; GROUP_BYTES][..place], value].concat());
    let encoded = Zeroizing::new(engine.encode(&*padded));
    let bits = padded.len() * 8;
    let begin = (place * 8).div_ceil(BASE64_BITS);
    let end = (bits / BASE64_BITS).max(begin);
    Spelling {
        bytes: Zeroizing::new(encoded.as_bytes()[begin..end].to_vec()),
        shared: Shared {
            before: place > 0,
            after: bits % BASE64_BITS != 0,
        },
    }
}

fn is_of_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// As in a URL: all but unreserved characters (RFC 3986, section 2.3) as `%` and two hex
/// digits; in a form a space is `+`.
fn percent_encoded(value: &[u8], digits: &[u8; 16], form: bool) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(value.len() * 3);
    for byte in value {
        match byte {
            b' ' if form => encoded.push(b'+'),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => encoded.push(*byte),
            byte => {
                let digit = |nibble: u8| digits[usize::from(nibble)];
                encoded.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    encoded
}

/// As in a string of JSON, and in most programs' messages: a backslash before what is in
/// `escaped`, and letters for control characters.
fn quoted(value: &[u8], escaped: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            byte if escaped.contains(byte) => quoted.extend([b'\\', *byte]),
            byte => quoted.push(*byte),
        }
    }
    quoted
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

    /// As a program writes a text that holds the secret, without anything left of it.
    fn goes(redactor: &Redactor, written: &str, rest: &str) {
        let found = redactor.text(&format!("sent {written}, done"));
        assert_eq!(found, format!("sent {rest}, done"), "{written}");
    }

    #[test]
    fn base64_of_a_longer_text_gives_nothing_away() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        // Bytes that base64 writes with `+` and `/`, or `-` and `_`.
        for secret in ["hunter2-secret", "\u{fb}\u{ff}\u{fe}~~~???>>>", "abcd"] {
            let redactor = redactor(secret);
            for before in ["", "u", "us", "user:", "Bearer ", "Authorization: Basic "] {
                for after in ["", "x", "\n", "; and more"] {
                    let text = format!("{before}{secret}{after}");
                    for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                        let told = redactor.text(&encoded);
                        let marks = told.matches("[redacted secret k]").count();
                        assert_eq!(marks, 1, "{text:?} as {encoded} is told as {told}");
                        let padding = told.matches('=').count();
                        let left = told.len() - "[redacted secret k]".len() - padding;
                        let around = (before.len() + after.len()) * 8 / BASE64_BITS + 2;
                        assert!(left <= around, "{text:?} as {encoded} is told as {told}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_urls_forms_and_json_make_of_it_goes_too() {
        let redactor = redactor("p\"w /\\\u{e4}?");
        let mark = "[redacted secret k]";
        for written in [
            "p%22w%20%2F%5C%C3%A4%3F",
            "p%22w%20%2f%5c%c3%a4%3f",
            "p%22w+%2F%5C%C3%A4%3F",
            "p\\\"w /\\\\\u{e4}?",
            "p\\\"w \\/\\\\\u{e4}?",
        ] {
            goes(&redactor, written, mark);
        }
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
