//! Golden files: what an operator reads about each behaviour, whole sentences.

use std::path::Path;

/// What stands before it, its characters, and what is written instead.
type Varying = (&'static str, fn(char) -> bool, &'static str);

/// What differs from run to run or with every change of a fixture, and what stands for it:
/// the text before, the characters that it consists of, the placeholder.
const VARYING: [Varying; 6] = [
    ("(at offset 0x", |c| c.is_ascii_hexdigit(), "<offset>"),
    ("c1/rp-", |c| c.is_ascii_digit(), "<number>"),
    ("sha256:", |c| c.is_ascii_hexdigit(), "<digest>"),
    (
        "computed for ",
        |c| c.is_ascii_digit() || c == '.',
        "<time>",
    ),
    (
        "src/",
        |c| c.is_ascii_alphanumeric() || "._/".contains(c),
        "<file>",
    ),
    ("<file>:", |c| c.is_ascii_digit() || c == ':', "<place>"),
];

/// Longer than this nobody reads a sentence at night; last words of a guest come on top.
const SENTENCE_CHARACTERS_MAX: usize = 450;

/// Compares with the golden file, or writes it where `UPDATE_GOLDEN` is set.
#[expect(
    clippy::disallowed_methods,
    reason = "how golden files are written everywhere"
)]
pub fn assert_told(name: &str, told: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = folder.join(format!("{name}.txt"));
    let told = varied(told);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        return std::fs::write(&path, told).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    for (wanted, told) in wanted.lines().zip(told.lines()) {
        assert_eq!(wanted, told, "{name}.txt; UPDATE_GOLDEN=1 rewrites it");
    }
    assert_eq!(wanted, told, "{name}.txt; UPDATE_GOLDEN=1 rewrites it");
}

/// Every sentence is free of what a terminal would obey, and short enough.
pub fn assert_fit(what: &str, sentence: &str) {
    let length = sentence.chars().count();
    assert!(
        length <= SENTENCE_CHARACTERS_MAX,
        "{what}: {length}: {sentence}"
    );
    assert!(!sentence.is_empty(), "{what} is silent");
    assert_plain(what, sentence);
}

/// Nothing that a terminal would obey.
pub fn assert_plain(what: &str, text: &str) {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
    assert!(!text.contains(obeyed), "{what}: {text:?}");
}

fn varied(told: &str) -> String {
    let vary = |text: String, (before, belongs, placeholder): &(&str, fn(char) -> bool, &str)| {
        let mut pieces = text.split(before);
        let mut varied = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let rest = piece.trim_start_matches(belongs);
            let kept = if rest.len() == piece.len() {
                ""
            } else {
                placeholder
            };
            varied.push_str(before);
            varied.push_str(kept);
            varied.push_str(rest);
        }
        varied
    };
    VARYING.iter().fold(told.to_owned(), vary)
}

#[test]
fn what_varies_has_a_placeholder() {
    assert_eq!(
        varied("plugin x (sha256:00ff): panicked at src/lib.rs:12:3: computed for 0.1 s"),
        "plugin x (sha256:<digest>): panicked at src/<file>:<place> computed for <time> s"
    );
}
