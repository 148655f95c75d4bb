//! Golden files: one a test module, with a heading a case and its whole sentences below.
//!
//! What the cases in `tests/it/trouble/target.rs` say stands in `trouble-target.txt`, what
//! those in this folder's `keys.rs` say in `keys.txt`, in the order of the source. A case
//! belongs to the one source file that has its name in quotes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::world::files_under;

/// A source file of these tests.
struct Source {
    /// Its golden file's name, whether or not it has one.
    golden: String,
    text: String,
}

/// A case in a golden file.
struct Section {
    name: String,
    said: String,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);

/// Tests run beside each other: whoever reads or writes a golden file holds this.
static FILES: Mutex<()> = Mutex::new(());

/// Compares with the case's section, or writes it where `UPDATE_GOLDEN` is set.
pub fn assert_said(name: &str, said: &str) {
    let source = source_of(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        return rewrite(source, name, said);
    }
    let file = &source.golden;
    let sections = read(&locked(), file);
    let Some(wanted) = sections.iter().find(|section| section.name == name) else {
        panic!(
            "{file} has no `# {name}`; with UPDATE_GOLDEN=1 it is written; the binary said:\n{said}"
        )
    };
    assert!(
        wanted.said == said,
        "{file}: {name}: the sentences changed.\nwanted:\n{}\nsaid:\n{said}",
        wanted.said
    );
}

fn locked() -> MutexGuard<'static, ()> {
    // Whoever panicked meanwhile left whole files: each is written at once.
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rewrite(source: &Source, name: &str, said: &str) {
    let lock = locked();
    let mut sections = read(&lock, &source.golden);
    sections.retain(|section| section.name != name);
    sections.push(Section {
        name: name.to_owned(),
        said: said.to_owned(),
    });
    sections.sort_by_key(|section| source.text.find(&quoted(&section.name)));
    let text: String = sections
        .iter()
        .map(|section| format!("# {}\n{}", section.name, section.said))
        .collect();
    std::fs::write(folder().join(&source.golden), text).unwrap();
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bad-input")
}

/// The cases of a golden file; none if there is no such file yet.
fn read(_: &MutexGuard<'_, ()>, file: &str) -> Vec<Section> {
    let path = folder().join(file);
    if path.exists() {
        sections(&std::fs::read_to_string(path).unwrap())
    } else {
        Vec::new()
    }
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            sections.push(Section {
                name: name.to_owned(),
                said: String::new(),
            });
        } else {
            let section = sections.last_mut().expect("a heading comes first");
            section.said.push_str(line);
            section.said.push('\n');
        }
    }
    sections
}

fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = files_under(&folder);
    files
        .iter()
        .map(|path| Source {
            golden: golden_file(path.strip_prefix(&folder).unwrap()),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect()
}

/// The golden file's name, from the path of a source file below `tests/it`.
fn golden_file(source: &Path) -> String {
    let source = source.strip_prefix("bad_input").unwrap_or(source);
    let module = source.with_extension("").display().to_string();
    format!("{}.txt", module.replace(['/', '_'], "-"))
}

/// The source file of the only case with this name.
fn source_of(name: &str) -> &'static Source {
    let quoted = quoted(name);
    let claims = |source: &&Source| source.text.contains(&quoted);
    let times: usize = SOURCES
        .iter()
        .map(|s| s.text.matches(&quoted).count())
        .sum();
    assert_eq!(times, 1, "{name} is claimed by {times} cases");
    SOURCES.iter().find(claims).expect("it was counted")
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The names of all golden files, and what stands in them.
fn golden_files() -> Vec<(String, Vec<Section>)> {
    let lock = locked();
    files_under(&folder())
        .iter()
        .map(|path| {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let sections = read(&lock, &file);
            (file, sections)
        })
        .collect()
}

#[test]
fn every_heading_is_claimed_by_exactly_one_case() {
    let mut seen = BTreeSet::new();
    for (file, sections) in golden_files() {
        for Section { name, .. } in sections {
            assert_eq!(file, source_of(&name).golden, "{name} is claimed elsewhere");
            assert!(seen.insert(name.clone()), "{file} has {name} twice");
        }
    }
}

/// Marks of text that was made for programmers.
const UNFIT: [&str; 12] = [
    "(os error",
    "Error {",
    "Error(",
    "Some(",
    "None,",
    "Err(",
    "panicked",
    "RUST_BACKTRACE",
    "transport error",
    "\u{1b}",
    "\\n",
    "::",
];

/// Longer than this nobody reads a sentence at night.
const SENTENCE_CHARS_MAX: usize = 450;

#[test]
fn every_sentence_is_fit_for_an_operator() {
    for (file, sections) in golden_files() {
        for Section { name, said } in sections {
            assert!(!said.trim().is_empty(), "{file}: {name} is silent");
            said.lines().for_each(|line| assert_fit(&name, line));
        }
    }
}

fn assert_fit(name: &str, line: &str) {
    let length = line.chars().count();
    assert!(length <= SENTENCE_CHARS_MAX, "{name}: {length}: {line}");
    for mark in UNFIT {
        assert!(!line.contains(mark), "{name}: {mark} in {line}");
    }
}

#[test]
fn a_golden_file_is_named_after_the_module_of_its_cases() {
    for (source, golden) in [
        ("archive.rs", "archive.txt"),
        ("trouble/own_node.rs", "trouble-own-node.txt"),
        ("bad_input/plugin_files.rs", "plugin-files.txt"),
    ] {
        assert_eq!(golden_file(Path::new(source)), golden);
    }
}
