//! `drydock migrate cronjob` as it is typed: from a file and from stdin, to a folder and to
//! stdout. What becomes of manifests is told by the tests of its crate.

use std::io::Write as _;
use std::process::{Command, Stdio};

use drydock_testkit::Scratch;

use crate::world::{Answer, DRYDOCK, checkout, files_under};

fn manifest(name: &str) -> String {
    let path = checkout().join("host/init/tests/manifests").join(name);
    path.display().to_string()
}

fn migrate(file: &str, flags: &[&str]) -> Answer {
    let mut command = Command::new(DRYDOCK);
    command
        .args(["migrate", "cronjob", file, "--cluster", "production"])
        .args(flags)
        .stdin(Stdio::null());
    Answer::of(command.output().unwrap())
}

#[test]
fn a_folder_of_sound_documents_is_written_once() {
    let scratch = Scratch::new().unwrap();
    let out = scratch.join("drydock");
    let out = out.display().to_string();
    let made = migrate(&manifest("azure-principal.yaml"), &["--out", &out]).ok();
    assert!(
        made.stdout.contains("schedules/etcd-snapshot.yaml"),
        "{}",
        made.stdout
    );
    for secret in ["hunter1", "hunter2", "hunter3"] {
        assert!(!made.stderr.contains(secret), "{}", made.stderr);
        for file in files_under(scratch.path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains(secret), "{}", file.display());
        }
    }
    let checked = Command::new(DRYDOCK)
        .args(["schedule", "check", &out])
        .output()
        .unwrap();
    Answer::of(checked).ok();
    let again = migrate(&manifest("azure-principal.yaml"), &["--out", &out]).code(1);
    assert!(
        again
            .stderr
            .contains("migrate overwrites nothing: move it away, or name another --out"),
        "{}",
        again.stderr
    );
}

/// Nothing but the file need be said; the cluster is then called as kubeadm calls each.
#[test]
fn a_file_alone_is_enough() {
    let file = manifest("azure-principal.yaml");
    let mut command = Command::new(DRYDOCK);
    command.args(["migrate", "cronjob", &file]);
    let made = Answer::of(command.stdin(Stdio::null()).output().unwrap()).ok();
    assert!(
        made.stdout
            .contains("kind: Cluster\nmetadata:\n  name: kubernetes\n")
    );
}

#[test]
fn questions_end_with_two_and_are_refused_until_they_are_answered() {
    let scratch = Scratch::new().unwrap();
    let out = scratch.join("drydock").display().to_string();
    let made = migrate(&manifest("own-script.yaml"), &["--out", &out]).code(2);
    assert!(
        made.stderr.contains("\nQuestion: How is etcd reached?"),
        "{}",
        made.stderr
    );
    let checked = Command::new(DRYDOCK)
        .args(["schedule", "check", &out])
        .output()
        .unwrap();
    let checked = Answer::of(checked).code(64);
    assert!(checked.stderr.contains("question"), "{}", checked.stderr);
}

#[test]
fn a_manifest_comes_from_stdin_too_and_json_says_the_same() {
    let text = std::fs::read(manifest("host-path.yaml")).unwrap();
    let mut child = Command::new(DRYDOCK)
        .args([
            "migrate",
            "cronjob",
            "-",
            "--cluster",
            "c1",
            "--output",
            "json",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let answered = Answer::of(child.wait_with_output().unwrap()).ok();
    let value: serde_json::Value = serde_json::from_str(&answered.stdout).unwrap();
    let schedule = value["files"]["schedules/etcd-backup.yaml"]
        .as_str()
        .unwrap();
    assert!(schedule.contains("folder: /data/backup"), "{schedule}");
    assert_eq!(value["questions"], serde_json::json!([]));
    assert_eq!(value["leftOut"][0]["line"], 5);
    assert!(
        answered.stderr.contains("stdin:5: metadata.namespace"),
        "{}",
        answered.stderr
    );
}

#[test]
fn what_is_no_cronjob_is_refused_by_its_line() {
    let refused = migrate(&manifest("deployment.yaml"), &[]).code(64);
    assert!(
        refused
            .stderr
            .contains("deployment.yaml:1: this is a Deployment; name the file with the CronJob"),
        "{}",
        refused.stderr
    );
    migrate("/nowhere/at-all.yaml", &[]).code(1);
}
