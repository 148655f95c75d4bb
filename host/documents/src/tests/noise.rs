//! Documents that somebody spoilt: cut off, with lines lost, repeated or exchanged, with
//! marks of YAML where none belong. Whatever comes in, the answer comes at once, is one
//! plain sentence or a whole set, and no grant comes out that no document could give.

use std::path::{Component, Path};
use std::time::{Duration, Instant};

use super::words::Folder;
use super::{DocumentSet, VALID, parse};

/// Spoilt documents that are tried.
const TRIES: u64 = 4_000;

/// A document of a few kilobytes takes less than a millisecond.
const PARSING_MAX: Duration = Duration::from_secs(2);

/// What YAML, a terminal or a careless reader could take for something.
const MARKS: [&str; 26] = [
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!x ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "| ",
    "> ",
    "%",
    "@",
    "\"",
    "'",
    "#",
    "\t",
    "\u{0}",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{feff}",
    "---\n",
    "...\n",
    "..",
];

/// Numbers that look random and are the same each time (Marsaglia: "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// Somewhere between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn spoilt(random: &mut Random) -> String {
    let mut text = VALID.to_owned();
    for _ in 0..=random.below(4) {
        spoil(&mut text, random);
    }
    text
}

fn spoil(text: &mut String, random: &mut Random) {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (one, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(7) {
        0 => return text.truncate(random.place(text)),
        1 => {
            let at = random.place(text);
            return text.insert_str(at, MARKS[random.below(MARKS.len())]);
        }
        2 => {
            let at = random.place(text);
            return text.insert_str(at, &"[".repeat(random.below(3_000)));
        }
        // Nothing is left to spoil.
        3..=5 if lines.is_empty() => {}
        3 => drop(lines.remove(one)),
        4 => lines.insert(one, lines[other]),
        5 => lines.swap(one, other),
        _ => {
            let (from, to) = (random.place(text), random.place(text));
            let piece = text[from.min(to)..from.max(to)].to_owned();
            return text.push_str(&piece);
        }
    }
    *text = lines.concat();
}

fn assert_plain(sentence: &str) {
    assert_eq!(
        sentence,
        drydock_core::plain(sentence, sentence.len()),
        "{sentence:?}"
    );
}

#[test]
fn spoilt_documents_are_told_at_once_and_plainly() {
    let mut random = Random(20_261_121);
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..TRIES {
        let text = spoilt(&mut random);
        let start = Instant::now();
        let built = parse("conf/a.yaml", &text)
            .map_err(|error| vec![error])
            .and_then(DocumentSet::build);
        assert!(start.elapsed() < PARSING_MAX, "{text}");
        match built {
            Ok(set) => {
                whole += 1;
                assert_grants_are_sound(&set);
            }
            Err(errors) => {
                refused += 1;
                assert!(!errors.is_empty());
                errors
                    .iter()
                    .for_each(|error| assert_plain(&error.to_string()));
            }
        }
    }
    // Both happen, or the spoiling is too tame or too wild to say anything.
    assert!(
        whole > 100 && refused > 1_000,
        "{whole} whole, {refused} refused"
    );
}

/// A grant names one plugin, and folders in full.
fn assert_grants_are_sound(set: &DocumentSet) {
    for grant in set.grants() {
        for folder in grant.value.spec.grants.of::<Folder>() {
            let mut parts = Path::new(&folder.directory).components();
            assert_eq!(parts.next(), Some(Component::RootDir), "{folder:?}");
            assert!(
                parts.all(|part| matches!(part, Component::Normal(_))),
                "{folder:?}"
            );
        }
    }
}

#[test]
fn a_document_that_grows_by_aliases_is_refused_at_once() {
    let mut text = String::from("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        text.push_str(&format!(
            "b{level}: &a{level} [{}]\n",
            [alias.as_str(); 10].join(", ")
        ));
    }
    let start = Instant::now();
    assert_plain(&parse("conf/a.yaml", &text).unwrap_err().to_string());
    assert!(start.elapsed() < PARSING_MAX);
}
