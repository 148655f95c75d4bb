//! The sentences that `docs/plugins.md` quotes are those that the host says.

use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_core::ErrorCode;
use drydock_testkit::Scratch;

use super::walk::line_matches;
use crate::world::{Answer, DRYDOCK, checkout, fixture};

/// The rows of the table below this line of the page, cell by cell.
fn table(begin: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(checkout().join("docs/plugins.md")).unwrap();
    let rest = page.split_once(begin).expect("the page has the table").1;
    let lines = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let inner = row.trim_matches('|');
        inner
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

fn quoted(cell: &str) -> &str {
    let inner = cell
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'));
    inner.unwrap_or_else(|| panic!("{cell} is no quotation"))
}

#[test]
fn every_refusal_that_the_page_explains_is_said_so() {
    let said = refusals();
    let rows = table("**Refusals.**");
    assert!(rows.len() >= 7, "{rows:?}");
    for row in &rows {
        let sentence = quoted(&row[0]);
        assert!(
            said.iter().any(|line| line_matches(sentence, line)),
            "nothing says\n{sentence}\nbut only\n{}",
            said.join("\n")
        );
    }
}

#[test]
fn every_limit_that_the_page_names_has_that_code() {
    let sources = [
        "host/sandbox/src",
        "host/capability/artifact/src",
        "host/capability/files/src",
        "host/capability/http/src",
        "host/capability/secret/src",
        "host/point/src",
        "host/engine/src",
    ];
    let sources = sources.map(|folder| checkout().join(folder));
    let text: String = sources.iter().map(|folder| sources_below(folder)).collect();
    let rows = table("**Limits**");
    assert!(rows.len() >= 8, "{rows:?}");
    for row in &rows {
        let word = quoted(&row[0]);
        let code = format!("ErrorCode::{:?}", ErrorCode::of(word));
        assert!(text.contains(&code), "nobody says {word}");
    }
}

fn sources_below(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let texts = entries.map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_below(&path)
        } else {
            std::fs::read_to_string(path).unwrap_or_default()
        }
    });
    texts.collect()
}

/// What `plugin check` says of one file of each wrong kind.
fn refusals() -> Vec<String> {
    let scratch = Scratch::new().unwrap();
    let text = scratch.join("notes.txt");
    std::fs::write(&text, "not a component").unwrap();
    let mut files = vec![text];
    let fixtures = [
        "asks-too-little",
        "no-manifest",
        "two-manifests",
        "wrong-version",
    ];
    files.extend(fixtures.map(fixture));
    let store = checkout().join("plugins/dist/store-file.wasm");
    // One letter more and one less, so that no length in the file changes.
    files.push(altered(
        &scratch,
        &store,
        r#""version":"0.1.0","world":"store""#,
        r#""version":"0.10","world":"backup""#,
    ));
    files.push(altered(
        &scratch,
        &store,
        "wasi:random/insecure-seed",
        "wasi:sockets/insecureseed",
    ));
    let asked = r#","secret.use","secret.reveal""#;
    files.push(altered(
        &scratch,
        &fixture("signer"),
        asked,
        &" ".repeat(asked.len()),
    ));
    files.iter().map(|file| refusal(file)).collect()
}

/// A copy of the component in which `one` reads `other`.
fn altered(scratch: &Scratch, component: &Path, one: &str, other: &str) -> PathBuf {
    let bytes = std::fs::read(component).unwrap();
    let place = scratch.join(format!(
        "{}.wasm",
        other.replace(|c: char| !c.is_alphanumeric(), "")
    ));
    std::fs::write(&place, replaced(&bytes, one.as_bytes(), other.as_bytes())).unwrap();
    place
}

/// All places of `one` read `other`, which is as long.
fn replaced(bytes: &[u8], one: &[u8], other: &[u8]) -> Vec<u8> {
    assert_eq!(one.len(), other.len());
    let mut altered = bytes.to_vec();
    let places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(one));
    let places: Vec<_> = places.collect();
    assert!(!places.is_empty());
    for at in places {
        altered[at..at + other.len()].copy_from_slice(other);
    }
    altered
}

fn refusal(file: &Path) -> String {
    let mut command = Command::new(DRYDOCK);
    command.args(["plugin", "check"]).arg(file);
    command.args(["--output", "json"]);
    let answer = Answer::of(command.output().unwrap()).code(1);
    let found: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
    let failure = found.iter().find(|one| one["level"] == "failure").unwrap();
    let sentence = failure["message"].as_str().unwrap().to_owned();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}
