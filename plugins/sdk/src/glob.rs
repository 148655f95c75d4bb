//! Patterns for paths, in the words that operators know: `*` and `?` stay within a name,
//! `**` crosses folders, `[a-c]` and `[!a-c]` are one character.
//!
//! A pattern with a `/` in it is held against the whole path; one without is held against
//! the last name alone, so that `*.tmp` means such files anywhere.

use crate::Error;

/// Longest pattern; an operator types far less.
const PATTERN_BYTES_MAX: usize = 1024;

/// A pattern that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    /// The names between the slashes; one that is `**` stands for any number of them.
    names: Vec<Vec<u8>>,
    whole_path: bool,
}

impl Glob {
    /// Takes a pattern; a `/` at its end counts for nothing. `owner` begins the message,
    /// e.g. ``the step's config has `exclude` ``.
    ///
    /// # Errors
    /// `bad-configuration` with what is wrong with it.
    pub fn parse(owner: &str, pattern: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::bad_configuration(format!("{owner} `{pattern}`, which is no pattern: {why}"))
        };
        let trimmed = pattern.strip_suffix('/').unwrap_or(pattern);
        if trimmed.is_empty() {
            return Err(refuse("it is empty"));
        }
        if trimmed.len() > PATTERN_BYTES_MAX {
            return Err(refuse("it is longer than 1024 bytes"));
        }
        let inner = trimmed.strip_prefix('/').unwrap_or(trimmed);
        for name in inner.split('/') {
            match name {
                "" => return Err(refuse("it holds an empty name")),
                "." | ".." => return Err(refuse("it holds `.` or `..`")),
                "**" => {}
                _ if name.contains("**") => {
                    return Err(refuse("`**` stands alone between slashes"));
                }
                _ if !is_closed(name.as_bytes()) => return Err(refuse("a `[` has no `]`")),
                _ => {}
            }
        }
        Ok(Self {
            text: pattern.to_owned(),
            names: inner
                .split('/')
                .map(|name| name.as_bytes().to_vec())
                .collect(),
            whole_path: trimmed.contains('/'),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern begins at the root.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.text.starts_with('/')
    }

    /// The path that it stands for, without a `/` at either end; none where it may stand for
    /// several.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let is_plain = self.whole_path && !self.text.contains(['*', '?', '[']);
        is_plain.then(|| self.text.trim_matches('/'))
    }

    /// Whether it means `path`, which has no `/` at its ends.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        match (self.whole_path, names.last()) {
            (true, _) => names_match(&self.names, &names),
            (false, Some(last)) => names_match(&self.names, &[last]),
            (false, None) => false,
        }
    }
}

/// Whether every `[` of a name is closed.
fn is_closed(mut name: &[u8]) -> bool {
    while let Some(at) = name.iter().position(|byte| *byte == b'[') {
        match class(&name[at + 1..]) {
            Some((_, length)) => name = &name[at + 1 + length..],
            None => return false,
        }
    }
    true
}

/// Goes back to the last `**` alone: whatever an earlier one could take, it can too.
fn names_match(pattern: &[Vec<u8>], names: &[&[u8]]) -> bool {
    let (mut at, mut seen, mut back) = (0, 0, None);
    while seen < names.len() {
        let wanted = pattern.get(at).map(Vec::as_slice);
        if wanted == Some(b"**") {
            back = Some((at, seen));
            at += 1;
        } else if wanted.is_some_and(|wanted| name_matches(wanted, names[seen])) {
            at += 1;
            seen += 1;
        } else if let Some((star, taken)) = back {
            back = Some((star, taken + 1));
            at = star + 1;
            seen = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|name| name == b"**")
}

/// The same for the characters of one name.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen, mut back) = (0, 0, None);
    while seen < name.len() {
        if pattern.get(at) == Some(&b'*') {
            back = Some((at, seen));
            at += 1;
        } else if let Some(length) = takes(&pattern[at..], name[seen]) {
            at += length;
            seen += 1;
        } else if let Some((star, taken)) = back {
            back = Some((star, taken + 1));
            at = star + 1;
            seen = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How many bytes of the pattern take `byte`, if they do.
fn takes(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.split_first()? {
        (b'?', _) => Some(1),
        (b'[', rest) => {
            let (class, length) = class(rest)?;
            class_takes(class, byte).then_some(1 + length)
        }
        (wanted, _) => (*wanted == byte).then_some(1),
    }
}

/// What stands before the `]`, and the length with it. A `]` that comes first is meant.
fn class(rest: &[u8]) -> Option<(&[u8], usize)> {
    let first = usize::from(rest.first() == Some(&b'!'));
    let close = rest.iter().skip(first + 1).position(|byte| *byte == b']')?;
    let end = first + 1 + close;
    Some((&rest[..end], end + 1))
}

fn class_takes(class: &[u8], byte: u8) -> bool {
    let (negated, mut class) = match class.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, class),
    };
    let mut found = false;
    while let Some((first, rest)) = class.split_first() {
        class = match rest {
            [b'-', last, after @ ..] => {
                found |= (*first..=*last).contains(&byte);
                after
            }
            _ => {
                found |= *first == byte;
                rest
            }
        };
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse("it has", pattern)
            .unwrap()
            .matches(path.as_bytes())
    }

    #[test]
    fn patterns_mean_what_operators_expect() {
        let table = [
            ("*.tmp", "a.tmp", true),
            ("*.tmp", "deep/down/a.tmp", true),
            ("*.tmp", "a.tmp/b", false),
            ("pki/ca.crt", "pki/ca.crt", true),
            ("pki/ca.crt", "x/pki/ca.crt", false),
            ("pki/*.crt", "pki/etcd/ca.crt", false),
            ("pki/**/*.crt", "pki/etcd/ca.crt", true),
            ("pki/**/*.crt", "pki/ca.crt", true),
            ("**/ca.crt", "ca.crt", true),
            ("pki/**", "pki/a/b", true),
            ("pki/**", "pki", true),
            ("pki/**", "pkix/a", false),
            ("**/a/**/b", "x/a/y/a/z/b", true),
            ("a*b*c", "axxbxxbc", true),
            ("a*b*c", "axxbxx", false),
            ("ca.[ck]*", "ca.key", true),
            ("ca.[!k]*", "ca.key", false),
            ("[]a]", "]", true),
            ("v[0-9]", "v7", true),
            ("v[0-9]", "va", false),
            ("?", "ab", false),
            ("pki/", "pki", true),
            ("/etc/*", "etc/x", true),
        ];
        for (pattern, path, wanted) in table {
            assert_eq!(matches(pattern, path), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for bad in ["", "/", "a//b", "../a", "a/./b", "a**", "[a", "[", "[]"] {
            let error = Glob::parse("the step's config has `exclude`", bad).unwrap_err();
            assert_eq!(error.code, "bad-configuration", "{bad}");
            assert!(
                error
                    .message
                    .starts_with("the step's config has `exclude` `")
            );
        }
    }

    /// Many stars do not take for ever.
    #[test]
    fn stars_are_cheap() {
        let pattern = "*a".repeat(40);
        assert!(!matches(&pattern, &"a".repeat(39)));
        assert!(!matches(
            &format!("{}x", "*a".repeat(100)),
            &"a".repeat(5000)
        ));
    }
}
