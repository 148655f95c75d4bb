//! Bytes as text: percent-encoding, base64 and hex.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A path: each name percent-encoded, `/` left as it is.
#[must_use]
pub fn path(text: &str) -> String {
    percent(text, |byte| byte == b'/')
}

/// One name of a path, or a value of a query: `/` is encoded too.
#[must_use]
pub fn name(text: &str) -> String {
    percent(text, |_| false)
}

/// A query, with its `?`; empty for no fields. A field without a value is written `name=`.
#[must_use]
pub fn query(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(field, value)| format!("{}={}", name(field), name(value)));
    let text = pairs.collect::<Vec<_>>().join("&");
    if text.is_empty() {
        text
    } else {
        format!("?{text}")
    }
}

/// Everything but letters, digits and `-._~` (RFC 3986, 2.3) is encoded, in capitals, as
/// signatures want it.
fn percent(text: &str, keeps: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keeps(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(HEX[usize::from(digit)]));
            }
        }
    }
    encoded
}

/// What a listing in `encoding-type=url` says: escapes, and `+` for a space. None for what is
/// no UTF-8.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| escaped(bytes, at)).flatten();
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(match (escaped, byte) {
            (Some(byte), _) => byte,
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn escaped(bytes: &[u8], at: usize) -> Option<u8> {
    let digits = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// None for what is no base64.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// In lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(HEX[usize::from(digit)].to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_may_not_hold_is_encoded_once() {
        assert_eq!(path("a b/c+d/\u{e4}~-._%"), "a%20b/c%2Bd/%C3%A4~-._%25");
        assert_eq!(name("a/b=c&d"), "a%2Fb%3Dc%26d");
        assert_eq!(
            query(&[("uploads", ""), ("prefix", "a/b")]),
            "?uploads=&prefix=a%2Fb"
        );
        assert_eq!(query(&[]), "");
    }

    #[test]
    fn what_a_listing_escaped_comes_back() {
        for (text, expected) in [
            ("a%2Fb+c%2Bd", Some("a/b c+d")),
            ("100%", Some("100%")),
            ("%zz%4", Some("%zz%4")),
            ("%C3%A4", Some("\u{e4}")),
            ("%C3", None),
        ] {
            assert_eq!(decoded(text).as_deref(), expected, "{text}");
        }
        let key = "c/ \u{e4}+%&=\u{7f}";
        assert_eq!(decoded(&name(key)).as_deref(), Some(key));
    }

    #[test]
    fn digests_are_written_as_services_want_them() {
        assert_eq!(hex(&[0x0a, 0xff]), "0aff");
        assert_eq!(base64(&[0xae, 0x8b, 0x14]), "rosU");
        assert_eq!(
            from_base64("rosU\n").as_deref(),
            Some(&[0xae, 0x8b, 0x14][..])
        );
        assert_eq!(from_base64("rosU-2"), None);
    }
}
