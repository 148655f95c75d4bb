//! What a test sets comes to pass: a lever that had stopped working would let the tests
//! which pull it pass. That cargo builds the program for these tests is what lets those of
//! `host/drydock` find it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test where something is not as it should be"
)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

const FAULTY: &str = env!("CARGO_BIN_EXE_drydock-faulty");

/// A hundred years.
const CENTURY_SECONDS: &str = "3155760000";

/// SIGKILL.
const KILLED: i32 = 9;

fn with(variable: &str, value: impl AsRef<OsStr>, arguments: &[&str]) -> Output {
    let mut command = Command::new(FAULTY);
    command.args(arguments).env(variable, value);
    command.output().unwrap()
}

/// The line of a new key that says when it was made.
fn made_with(offset: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let arguments = ["key", "new", "--kind", "sealing", "--out"];
    let arguments = [&arguments[..], &[key.to_str().unwrap()]].concat();
    let output = with("DRYDOCK_TEST_CLOCK_OFFSET", offset, &arguments);
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(key).unwrap();
    text.lines().next().unwrap().to_owned()
}

#[test]
fn the_clock_goes_by_the_variable_or_by_the_file_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    std::fs::write(&clock, CENTURY_SECONDS).unwrap();
    for offset in [CENTURY_SECONDS, &format!("@{}", clock.display())] {
        let made = made_with(offset);
        assert!(made.starts_with("# created: 21"), "{offset}: {made}");
    }
    assert!(made_with("0").starts_with("# created: 20"));
}

#[test]
fn it_dies_where_the_variable_says() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../snapshot/fixtures/etcd-3.6.16.db");
    let data = folder.path().join("data");
    let arguments = [
        "snapshot",
        "restore",
        fixture.to_str().unwrap(),
        "--config",
        "/nowhere",
        "--initial-cluster",
        "m1=https://10.0.0.1:2380",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let killed = with("DRYDOCK_TEST_KILL", "after-phase:1", &arguments);
    assert_eq!(killed.status.signal(), Some(KILLED), "{killed:?}");
    assert!(!data.exists());
}

#[test]
fn a_value_that_is_not_understood_is_no_fault_that_was_tried() {
    for (variable, value) in [
        ("DRYDOCK_TEST_KILL", "after-records:1"),
        ("DRYDOCK_TEST_KILL", "after-record"),
        ("DRYDOCK_TEST_CLOCK_OFFSET", "a day"),
    ] {
        let output = with(variable, value, &["--version"]);
        assert_eq!(output.status.code(), Some(101), "{variable}={value}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(value), "{told}");
    }
    let no_text = OsStr::from_bytes(b"after-record\xff:1");
    let output = with("DRYDOCK_TEST_KILL", no_text, &["--version"]);
    assert_eq!(output.status.code(), Some(101), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("DRYDOCK_TEST_KILL is no text"), "{told}");
}
