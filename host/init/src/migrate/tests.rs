//! Manifests as people write them, and what becomes of them: `tests/golden/migrate.txt` has the
//! documents and every sentence, a heading a manifest.

use std::path::{Path, PathBuf};

use drydock_documents::{self as documents, DocumentSet};
use drydock_node::CAPABILITIES;

use super::*;

/// Manifests of which everything is told, so that their documents are sound.
const WHOLE: [&str; 4] = ["azure-principal", "azure-alone", "aws-s3", "host-path"];

/// With questions.
const OPEN: [&str; 3] = ["azure-key", "gcs", "own-script"];

/// No CronJob at all.
const NONE: [&str; 2] = ["deployment", "garbage"];

fn at(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

fn of(name: &str) -> Result<(MigratedCronJob, Vec<File>), Failure> {
    let file = format!("{name}.yaml");
    let text = std::fs::read_to_string(at("manifests").join(&file)).unwrap();
    migrate(&file, &text, "production")
}

/// The set of its documents, as `schedule check FILES` reads them.
fn judged(files: &[File]) -> Result<DocumentSet, String> {
    let mut all = Vec::new();
    for file in files {
        let parsed = documents::parse(&file.name, &file.text, &CAPABILITIES);
        all.extend(parsed.map_err(|error| error.to_string())?);
    }
    DocumentSet::build(all).map_err(|errors| errors[0].to_string())
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests asks by a variable for a new golden file"
)]
fn each_manifest_becomes_what_the_golden_file_says() {
    let mut text = String::new();
    for name in WHOLE.iter().chain(&OPEN).chain(&NONE) {
        text.push_str(&format!("==== {name}\n"));
        match of(name) {
            Ok((migrated, files)) => {
                for file in &files {
                    text.push_str(&format!("== {}\n{}", file.name, file.text));
                }
                let told = sentences(&format!("{name}.yaml"), &migrated);
                text.push_str(&format!("== told\n{}\n", told.join("\n")));
            }
            Err(failure) => text.push_str(&format!("error: {failure}\n")),
        }
    }
    assert!(!text.contains("hunter"), "{text}");
    let golden = at("golden/migrate.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&golden, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(wanted == text, "UPDATE_GOLDEN=1 writes it anew:\n{text}");
}

#[test]
fn documents_without_questions_are_sound_and_those_with_any_are_refused() {
    for name in WHOLE {
        let (migrated, files) = of(name).unwrap();
        assert_eq!(migrated.questions, Vec::<String>::new(), "{name}");
        let set = judged(&files).unwrap();
        assert_eq!(set.schedules().count(), 1, "{name}");
    }
    for name in OPEN {
        let (migrated, files) = of(name).unwrap();
        assert!(!migrated.questions.is_empty(), "{name}");
        let refused = judged(&files);
        assert!(refused.is_err(), "{name}");
    }
}

#[test]
fn the_files_of_a_test_are_those_that_are_there() {
    let entries = std::fs::read_dir(at("manifests")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let mut known: Vec<String> = WHOLE
        .iter()
        .chain(&OPEN)
        .chain(&NONE)
        .map(|name| format!("{name}.yaml"))
        .collect();
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn each_bit_of_a_manifest_that_is_cut_off_ends_in_a_sentence() {
    let text = std::fs::read_to_string(at("manifests/azure-principal.yaml")).unwrap();
    let ends = (0..text.len())
        .step_by(61)
        .filter(|end| text.is_char_boundary(*end));
    for end in ends {
        match migrate("a.yaml", &text[..end], "c") {
            Ok((migrated, files)) => {
                assert_eq!(files.len(), 2);
                assert!(!format!("{migrated:?}").contains("hunter"));
            }
            Err(failure) => assert!(failure.to_string().starts_with("a.yaml:"), "{failure}"),
        }
    }
}
