//! The words and signs of a source file, without what is only there for people or for tests.
//!
//! Comments go, and so does all that `#[cfg(test)]` stands before. A literal stays as one
//! token without its text: what a string says is no code.

use std::collections::BTreeSet;

/// A word, a sign (`::` is one, everything else is one character long) or a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Empty for a literal. A raw identifier stands without its `r#`.
    pub text: &'a str,
    /// Where it begins and where it ends, counted from 1. Only literals end later.
    pub line: usize,
    pub last_line: usize,
}

impl Token<'_> {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(is_of_word)
    }
}

/// The tokens of a file without its tests.
pub fn of(source: &str) -> Vec<Token<'_>> {
    without_tests(&all(source))
}

/// How many lines hold any of the tokens: lines that are neither blank nor comments alone.
pub fn lines(tokens: &[Token]) -> usize {
    let lines = tokens.iter().flat_map(|token| token.line..=token.last_line);
    lines.collect::<BTreeSet<_>>().len()
}

/// The place behind the bracket that closes the one at `open`.
pub fn behind_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The place behind `pub`, or `pub(..)`, if it is there.
pub fn behind_visibility(tokens: &[Token], at: usize) -> usize {
    match (text(tokens, at), text(tokens, at + 1)) {
        ("pub", "(") => behind_group(tokens, at + 1),
        ("pub", _) => at + 1,
        _ => at,
    }
}

/// The text of a token, and nothing behind the last.
pub fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

/// The place behind what begins at `from`, an item or a field: behind its `;`, its `}` or its
/// `,`, or before the bracket that closes what it lies in.
pub fn behind_item(tokens: &[Token], from: usize) -> usize {
    let start = behind_visibility(tokens, from);
    let first = text(tokens, start);
    let is_function = ["fn", "unsafe", "async", "extern"].contains(&text(tokens, start + 1));
    let ends_with_semicolon =
        matches!(first, "use" | "static" | "type") || (first == "const" && !is_function);
    let is_field = text(tokens, start + 1) == ":";
    let mut at = start;
    while at < tokens.len() {
        match text(tokens, at) {
            ")" | "]" | "}" => return at,
            ";" => return at + 1,
            "," if is_field => return at + 1,
            open @ ("(" | "[" | "{") => {
                at = behind_group(tokens, at);
                if open == "{" && !ends_with_semicolon {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// Leaves out what stands behind a `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if is_for_tests(&tokens[at..]) {
            while text(tokens, at) == "#" {
                at = behind_group(tokens, at + 1);
            }
            at = behind_item(tokens, at);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// Whether here begins `#[cfg(test)]`, or `#[cfg(all(test, ..))]`.
fn is_for_tests(tokens: &[Token]) -> bool {
    let begins = |signs: &[&str]| {
        let mut pairs = signs.iter().enumerate();
        pairs.all(|(at, sign)| text(tokens, at) == *sign)
    };
    begins(&["#", "[", "cfg", "(", "test", ")", "]"])
        || begins(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

fn all(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, text) = next(rest, first);
        let last_line = line + rest[..length].matches('\n').count();
        if let Some(text) = text {
            tokens.push(Token {
                text,
                line,
                last_line,
            });
        }
        line = last_line;
        rest = &rest[length..];
    }
    tokens
}

/// How many bytes the next piece takes, and the token that it is, if it is one.
fn next(rest: &str, first: char) -> (usize, Option<&str>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (comment(rest), None);
    }
    if first.is_whitespace() {
        return (first.len_utf8(), None);
    }
    if let Some(length) = string(rest).or_else(|| character(rest)) {
        return (length, Some(""));
    }
    if first.is_ascii_digit() {
        return (number(rest), Some(""));
    }
    if let Some(raw) = rest.strip_prefix("r#") {
        let length = word(raw);
        return (2 + length, Some(&raw[..length]));
    }
    if is_of_word(first) {
        let length = word(rest);
        return (length, Some(&rest[..length]));
    }
    let length = if rest.starts_with("::") {
        2
    } else {
        first.len_utf8()
    };
    (length, Some(&rest[..length]))
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word(rest: &str) -> usize {
    let end = rest.find(|character| !is_of_word(character));
    end.unwrap_or(rest.len())
}

/// A comment between `/*` and `*/`, others within it.
fn comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A string of any sort: with `b`, `c`, `r` and signs before it.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""];
    let prefix = prefix.iter().find(|prefix| rest.starts_with(**prefix))?;
    let behind = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let signs = behind.len() - behind.trim_start_matches('#').len();
        let text = behind[signs..].strip_prefix('"')?;
        let end = format!("\"{}", &behind[..signs]);
        let length = text.find(&end)? + end.len();
        return Some(prefix.len() + signs + 1 + length);
    }
    behind.strip_prefix('"')?;
    Some(prefix.len() + quoted(behind, b'"'))
}

/// A character such as `'a'`, `'\n'` or `b'a'`, and no lifetime.
fn character(rest: &str) -> Option<usize> {
    let behind = rest.strip_prefix('b').unwrap_or(rest);
    let mut inside = behind.strip_prefix('\'')?.chars();
    let escaped = inside.next()? == '\\';
    (escaped || inside.next() == Some('\''))
        .then(|| rest.len() - behind.len() + quoted(behind, b'\''))
}

/// From a quotation mark to the one that closes it.
fn quoted(rest: &str, mark: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == mark => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A number with its point and its type, but not the dots of a range behind it.
fn number(rest: &str) -> usize {
    let whole = word(rest);
    let fraction = rest[whole..].strip_prefix('.');
    match fraction {
        Some(digits) if digits.starts_with(|digit: char| digit.is_ascii_digit()) => {
            whole + 1 + word(digits)
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        of(source).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_texts_are_no_code() {
        assert_eq!(texts("a // b\n/* c /* d */ e */ f"), ["a", "f"]);
        for literal in [
            r#""use crate::b;""#,
            r#""a \" b""#,
            r##"r#"a " b"#"##,
            r#"br"a\""#,
            r#"b"a""#,
            "'a'",
            r"'\''",
            r"b'\\'",
            "'\"'",
            "1_000u64",
            "0.5e3",
        ] {
            assert_eq!(texts(literal), [""], "{literal}");
        }
    }

    #[test]
    fn lifetimes_ranges_and_raw_words_are_no_literals() {
        assert_eq!(texts("&'a str"), ["&", "'", "a", "str"]);
        assert_eq!(texts("0..n"), ["", ".", ".", "n"]);
        assert_eq!(texts("r#type::b"), ["type", "::", "b"]);
        assert_eq!(texts("brown"), ["brown"]);
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let rest = ["a", "b"];
        for test in [
            "#[cfg(test)] mod tests { fn f() { {} } }",
            "#[cfg(test)] mod tests;",
            "#[cfg(test)] use x::{y, z};",
            "#[cfg(test)] #[expect(c, reason = \"d\")] pub(crate) fn f<A, B>() -> u8 { 1 }",
            "#[cfg(test)] const X: [Y; 1] = [Y { z: 1 }];",
            "#[cfg(test)] pub field: Map<u8>,",
            "#[cfg(all(test, unix))] mod tests;",
        ] {
            assert_eq!(texts(&format!("a {test} b")), rest, "{test}");
        }
        assert_eq!(texts("{ #[cfg(test)] last: u8 } b"), ["{", "}", "b"]);
        assert_eq!(texts("#[cfg(unix)] b").len(), 8);
    }

    #[test]
    fn lines_are_those_with_code() {
        let source = "//! Story.\n\nfn a() {\n    // why\n    b(\"c\n\nd\");\n}\n\n#[cfg(test)]\nmod tests;\n";
        assert_eq!(lines(&of(source)), 5);
    }
}
