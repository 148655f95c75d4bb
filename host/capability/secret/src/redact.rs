//! Takes secrets out of text that is about to be kept or shown.
//!
//! A secret is looked for as it is, in hex and in base64; and each of these in whatever way
//! a URL, a form, JSON, XML or a program's debug output writes single characters.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Shorter pieces are left alone: they would blot out words that have nothing to do with
/// the secret. A secret of so few bytes protects nothing.
pub const REDACTED_BYTES_MIN: usize = 4;

/// What stands in the place of a secret begins so; its name and `]` follow.
pub const MARK_BEGIN: &str = "[redacted secret ";

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
    pub fn add(&self, name: &str, value: &[u8]) {
        let mark: Arc<str> = Arc::from(mark_of(name));
        let mut pieces = self.pieces.write().unwrap_or_else(PoisonError::into_inner);
        let spellings = spellings(value).into_iter();
        for spelling in spellings.filter(|s| s.bytes.len() >= REDACTED_BYTES_MIN) {
            if !pieces.iter().any(|piece| piece.bytes == spelling.bytes) {
                pieces.push(Piece {
                    bytes: spelling.bytes,
                    mark: Arc::clone(&mark),
                    shared: spelling.shared,
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

/// What stands in the place of a secret.
#[must_use]
pub fn mark_of(name: &str) -> String {
    format!("{MARK_BEGIN}{name}]")
}

/// What servers know a caller by in the URL that they gave him: what stands behind their own
/// names, which others write in another way, e.g. in small letters.
fn url_path(value: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(value).ok()?;
    let (_, rest) = text.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    let path = path.split('#').next().unwrap_or_default();
    (path.len() >= TAIL_BYTES_MIN).then_some(path.as_bytes())
}

/// All ways in which a secret is looked for.
fn spellings(value: &[u8]) -> Vec<Spelling> {
    // A text is kept line by line.
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.starts_with(PEM_FRAME));
    // What is put into a header or a form is the value without the end of its line.
    let trimmed = value.trim_ascii();
    let plain = [value, trimmed]
        .into_iter()
        .chain(url_path(trimmed))
        .chain(lines)
        .map(<[u8]>::to_vec);
    let hex = [hex::encode(trimmed), hex::encode_upper(trimmed)];
    let hex = hex.into_iter().map(String::into_bytes);
    let whole = |bytes: Vec<u8>| Spelling {
        bytes: Zeroizing::new(bytes),
        shared: Shared::default(),
    };
    let mut all: Vec<_> = plain.chain(hex).map(whole).collect();
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

/// The piece that `rest` begins with, or of which it is a beginning that was cut off.
fn found_at<'p>(pieces: &'p [Piece], rest: &[u8]) -> Option<(&'p Piece, usize)> {
    let of = |piece: &'p Piece| Some((piece, piece.length_in(rest)?));
    if let Some(whole) = pieces.iter().find_map(of) {
        return Some(whole);
    }
    if rest.len() < TAIL_BYTES_MIN || rest.starts_with(PEM_FRAME) {
        return None;
    }
    let cut = pieces.iter().find(|piece| piece.was_cut_to(rest));
    cut.map(|piece| (piece, rest.len()))
}

impl Piece {
    /// Bytes of `text` that are this piece, if it begins with it.
    fn length_in(&self, text: &[u8]) -> Option<usize> {
        if text.starts_with(&self.bytes) {
            return Some(self.bytes.len());
        }
        let (read, length) = self.read(text);
        (read == self.bytes.len()).then_some(length)
    }

    /// Whether all of `text` is a beginning of this piece.
    fn was_cut_to(&self, text: &[u8]) -> bool {
        self.bytes.starts_with(text) || self.read(text).1 == text.len()
    }

    /// Reads as much of the piece as `text` begins with, whatever is escaped in it: bytes of
    /// the piece, and of the text.
    fn read(&self, text: &[u8]) -> (usize, usize) {
        let (mut read, mut length) = (0, 0);
        while let (Some(wanted), Some(next)) = (self.bytes.get(read..), text.get(length..)) {
            let (Some(byte), Some(literal)) = (wanted.first(), next.first()) else {
                break;
            };
            match unescaped(next) {
                Some(unit) if wanted.starts_with(unit.bytes()) => {
                    read += unit.count;
                    length += unit.length;
                }
                _ if byte == literal => {
                    read += 1;
                    length += 1;
                }
                _ => break,
            }
        }
        (read, length)
    }
}

/// Bytes that stand for others in a text.
struct Unit {
    held: [u8; 4],
    count: usize,
    /// Bytes of the text.
    length: usize,
}

impl Unit {
    fn byte(byte: u8, length: usize) -> Self {
        Self {
            held: [byte, 0, 0, 0],
            count: 1,
            length,
        }
    }

    fn character(code: u32, length: usize) -> Option<Self> {
        let mut held = [0; 4];
        let count = char::from_u32(code)?.encode_utf8(&mut held).len();
        Some(Self {
            held,
            count,
            length,
        })
    }

    fn bytes(&self) -> &[u8] {
        &self.held[..self.count]
    }
}

/// How XML writes what it would take for its own.
const ENTITIES: [(&[u8], u8); 7] = [
    (b"&amp;", b'&'),
    (b"&lt;", b'<'),
    (b"&gt;", b'>'),
    (b"&quot;", b'"'),
    (b"&apos;", b'\''),
    (b"&#34;", b'"'),
    (b"&#39;", b'\''),
];

/// What an escape at the beginning of `text` stands for: `%2F` and `+` of URLs and forms
/// (RFC 3986, section 2.1), those of JSON (RFC 8259, section 7), of XML, and `\x2f` and
/// `\u{2f}` of debug output.
fn unescaped(text: &[u8]) -> Option<Unit> {
    match text {
        [b'%', high, low, ..] => Some(Unit::byte(byte_of(&[*high, *low])?, 3)),
        [b'+', ..] => Some(Unit::byte(b' ', 1)),
        [b'&', ..] => {
            let found = ENTITIES.iter().find(|(name, _)| text.starts_with(name));
            found.map(|(name, byte)| Unit::byte(*byte, name.len()))
        }
        [b'\\', b'x', high, low, ..] => Some(Unit::byte(byte_of(&[*high, *low])?, 4)),
        [b'\\', b'u', b'{', digits @ ..] => {
            let end = digits.iter().position(|byte| *byte == b'}')?;
            Unit::character(number_of(&digits[..end])?, end + 4)
        }
        [b'\\', b'u', digits @ ..] => of_json(digits),
        [b'\\', letter, ..] => Some(Unit::byte(
            match letter {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                b'0' => 0,
                other if other.is_ascii_punctuation() => *other,
                _ => return None,
            },
            2,
        )),
        _ => None,
    }
}

/// The character behind a `\u`: four digits, or two times four for what lies beyond.
fn of_json(digits: &[u8]) -> Option<Unit> {
    let first = number_of(digits.get(..4)?)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Unit::character(first, 6);
    }
    let second = digits.get(4..)?.strip_prefix(b"\\u")?;
    let second = number_of(second.get(..4)?)?;
    let low = second.checked_sub(0xdc00)?;
    Unit::character(0x10000 + ((first - 0xd800) << 10) + low, 12)
}

fn byte_of(digits: &[u8]) -> Option<u8> {
    u8::try_from(number_of(digits)?).ok()
}

/// Of at most six hex digits.
fn number_of(digits: &[u8]) -> Option<u32> {
    let digits = Some(digits).filter(|digits| (1..=6).contains(&digits.len()))?;
    digits.iter().try_fold(0, |sum: u32, digit| {
        Some(sum * 16 + char::from(*digit).to_digit(16)?)
    })
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
            // Each program escapes what it likes.
            "p%22w%20/%5c%C3%a4?",
            "%70%22%77+%2F%5C%c3%A4%3f",
            "p\\u0022w\\u0020\\/\\u005C\\u00e4?",
            "p\\\"w /\\\\\\u{e4}?",
            "p\\\"w /\\\\\\xc3\\xa4?",
            "p&quot;w /\\\u{e4}?",
            "p&#34;w /\\\u{e4}?",
        ] {
            goes(&redactor, written, mark);
        }
        for other in [
            "p%22w%20%2F%5C%C3%A4",
            "p%2",
            "\\u",
            "\\u{",
            "\\ud83d\\u0041",
            "%zz",
            "&",
        ] {
            assert_eq!(redactor.text(&format!("{other} x")), format!("{other} x"));
        }
    }

    #[test]
    fn characters_beyond_and_beginnings_go_in_every_spelling() {
        let redactor = redactor("\u{1f511}<key>&more");
        for written in [
            "\\ud83d\\udd11\\u003ckey\\u003e\\u0026more",
            "\\u{1f511}<key>&more",
            "%F0%9F%94%91%3Ckey%3E%26more",
            "\u{1f511}&lt;key&gt;&amp;more",
        ] {
            goes(&redactor, written, "[redacted secret k]");
        }
        // Base64 of it, as a query has it.
        let redactor = self::redactor("\u{fb}\u{ff}~~~???>>>");
        goes(&redactor, "w7vDv35%2Bfj8%2FPz4%2BPg", "[redacted secret k]");
        let redactor = self::redactor("\u{1f511}<key>&more");
        assert_eq!(
            redactor.text("x %F0%9F%94%91%3Cke"),
            "x [redacted secret k]"
        );
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
