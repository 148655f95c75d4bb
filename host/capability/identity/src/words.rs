//! Percent-encoding as signatures want it: of every byte but letters, digits and `-._~`
//! (RFC 3986, 2.3), in capitals.

/// Encodes; `/` stays where `keep_slash` says so.
pub(crate) fn encoded(bytes: &[u8], keep_slash: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        if plain || (keep_slash && *byte == b'/') {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Decodes; a `%` that begins no escape stays, and so does `+`.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex::decode([*high, *low]).ok(),
            _ => None,
        };
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
        bytes.push(escaped.map_or(*first, |byte| byte[0]));
    }
    bytes
}

/// Names and values of a query, decoded, in their order. A name without `=` has an empty value.
pub(crate) fn fields(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// A form (`application/x-www-form-urlencoded`).
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| {
        format!(
            "{}={}",
            encoded(name.as_bytes(), false),
            encoded(value.as_bytes(), false)
        )
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        let text = "a b+c/d\u{e4}~-._%";
        let escaped = encoded(text.as_bytes(), false);
        assert_eq!(escaped, "a%20b%2Bc%2Fd%C3%A4~-._%25");
        assert_eq!(decoded(&escaped), text.as_bytes());
        assert_eq!(encoded(b"/a b/", true), "/a%20b/");
        assert_eq!(decoded("%zz%4"), b"%zz%4");
    }

    #[test]
    fn a_query_keeps_names_without_values() {
        let fields = fields("uploads&prefix=a%2Fb&empty=");
        let text: Vec<_> = fields
            .iter()
            .map(|(name, value)| {
                (
                    String::from_utf8_lossy(name).into_owned(),
                    String::from_utf8_lossy(value).into_owned(),
                )
            })
            .collect();
        let expected = [("uploads", ""), ("prefix", "a/b"), ("empty", "")];
        assert_eq!(text, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
