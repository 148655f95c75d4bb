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
                assert_eq!(files.len(), 4);
                assert!(!format!("{migrated:?}").contains("hunter"));
            }
            Err(failure) => assert!(failure.to_string().starts_with("a.yaml:"), "{failure}"),
        }
    }
}

/// A job of one container that runs this script.
fn job(script: &str) -> String {
    format!(
        "kind: CronJob
metadata: {{name: backup}}
spec:
  schedule: '@daily'
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: backup
              env:
                - {{name: CLEAR, value: hunter2}}
                - {{name: EMPTY, value: ''}}
                - {{name: AWS_REGION, value: eu-central-1}}
                - {{name: SEALED, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}
              command: [sh, -c, {}]
              volumeMounts:
                - {{name: a, mountPath: /a}}
                - {{name: b, mountPath: /b}}
          volumes:
            - {{name: a, hostPath: {{path: /node/a}}}}
            - {{name: b, hostPath: {{path: /node/b}}}}
",
        serde_json::Value::from(script)
    )
}

/// Everything that is written and told of it.
fn all_of(text: &str) -> String {
    let (migrated, files) = migrate("a.yaml", text, "c").unwrap();
    let texts = files.iter().map(|file| file.text.clone());
    let told = sentences("a.yaml", &migrated);
    texts.chain(told).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_secret_is_repeated_wherever_it_stands() {
    for script in [
        "az login --service-principal -u x -phunter2 --tenant t",
        "az storage blob upload --account-key -hunter2 --account-name x -c y",
        "az storage blob upload --unknown --hunter2",
        "cat > f <<EOF\nhunter2\nEOF\netcdctl snapshot save /a/x",
        "etcdctl snapshot save /a/x; $(tool hunter2) x",
        "aws s3 cp /a/x s3://b/c --endpoint-url https://ak:hunter2@minio:9000",
        "az storage blob upload -c y --account-name $CLEAR --account-key $CLEAR",
        "K=hunter2; az storage blob upload -c y -n $K/a/b --account-name x --account-key $K",
        "AWS_SECRET_ACCESS_KEY=hunter2; aws s3 cp /a/x s3://b/$AWS_SECRET_ACCESS_KEY/d/e",
        "curl https://x/?a=b&sig=hunter2%3D",
        "curl https://x/?a=b;--sig-hunter2",
    ] {
        let all = all_of(&job(script));
        assert!(!all.contains("hunter2"), "{script}\n{all}");
    }
    let only_arguments = job("x").replace(
        "command: [sh, -c, \"x\"]",
        "args: ['--account-key=hunter2']",
    );
    let all = all_of(&only_arguments);
    assert!(!all.contains("hunter2"), "{all}");
}

/// Scripts, and what the documents or sentences say of them.
const TOLD: &[(&str, &str)] = &[
    // Copies.
    (
        "etcdctl snapshot save /tmp/x; cp /tmp/x /b/x",
        "folder: /node/b",
    ),
    (
        "etcdctl snapshot save /tmp/x; cp /etc/y /b/y",
        "backup: cp (line 1 of its script): is not understood",
    ),
    (
        "etcdctl snapshot save /a/x; tar cf /b/y /etc",
        "`backup: files-backup`",
    ),
    ("aws s3 cp s3://b/x /tmp/x", "is no upload from this node"),
    ("D=s3://bucket/p/x; aws s3 cp /tmp/x $D", "bucket: bucket"),
    // A second one.
    (
        "aws s3 cp /tmp/x s3://one/x; aws s3 cp /tmp/x s3://two/x",
        "aws (line 1 of its script): is a second target",
    ),
    (
        "etcdctl snapshot save /a/x; aws s3 cp /a/x s3://one/x",
        "the folder /node/a: is a second target",
    ),
    (
        "etcdctl --endpoints a:1 snapshot save /a/x; etcdctl --endpoints b:1 snapshot save /a/y",
        "is a second cluster",
    ),
    // Nothing, or nothing known.
    (
        "az storage blob upload -c y --account-name \"$EMPTY\"",
        "Which storage account? The manifest leaves it empty.",
    ),
    (
        "aws s3 cp /tmp/x s3://$EMPTY/x",
        "Which bucket? The manifest leaves it empty.",
    ),
    (
        ". /etc/x; etcdctl snapshot save /a/x",
        "At which addresses do etcd's members listen?",
    ),
    (
        "etcdctl --discovery-srv x snapshot save /a/x",
        "At which addresses do etcd's members listen?",
    ),
    ("curl x", "curl (line 1 of its script): is not understood"),
    (
        "az cloud set -n x; az storage blob upload -c y --account-name abc",
        "The manifest sets another cloud",
    ),
    (
        "aws s3 cp /tmp/x s3://b/x --region cn-north-1",
        "In the regions of China",
    ),
    (
        "for A in x; do az storage blob upload -c y --account-name $A; done",
        "Which storage account? It is made of $A.",
    ),
    // Log-ins.
    (
        "az login --identity --username me; az storage blob upload -c y --account-name abc",
        "managedIdentity:\n      clientId: me",
    ),
    (
        "az login --service-principal -u x -t t --federated-token $(cat /a/t); az storage blob upload -c y --account-name abc",
        "federatedTokenFile: /node/a/t",
    ),
    (
        "az login --service-principal -u x -t t; az storage blob upload -c y --account-name abc",
        "The manifest gives none",
    ),
    (
        "az login --service-principal -u x -t t -p \"$(cat /x)\"; az storage blob upload -c y --account-name abc",
        "what the script makes there",
    ),
];

#[test]
fn what_a_script_does_is_told_as_what_it_is() {
    for (script, told) in TOLD {
        let all = all_of(&job(script));
        assert!(all.contains(told), "{script}\n{all}");
    }
}

#[test]
fn variables_that_name_each_other_end_as_not_known() {
    let many = |name: &str| format!("${name}").repeat(500);
    let names = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let sets = names.windows(2);
    let sets: Vec<String> = sets
        .map(|pair| format!("{}={}", pair[0], many(pair[1])))
        .collect();
    let script = format!("{};H=x;aws s3 cp /a/x s3://$A/$A/x", sets.join(";"));
    assert!(all_of(&job(&script)).contains("Which bucket? It is made of"));
}

#[test]
fn what_is_dropped_needs_no_variable() {
    let script = "az login --service-principal -u x -t t -p $SEALED; aws s3 cp /a/x s3://b/x";
    assert!(!all_of(&job(script)).contains("Set SEALED"));
}
