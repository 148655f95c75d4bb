//! `docs/plugins.md`: the sections that lead from `drydock plugin new` to a plugin, each in a
//! folder of its own.

use std::process::Command;

use drydock_testkit::guests::GuestToolchain;
use drydock_testkit::tools;

use super::page::{self, Step};
use super::rust::SharedTarget;
use super::store_pieces::STORE_PIECES;
use super::walk::Walk;
use crate::world::{Answer, DRYDOCK, checkout};

const VERIFY: &str = "A verify step in Rust";
const ACTION: &str = "An action in Rust";
const PYTHON: &str = "An action in Python";
const JAVASCRIPT: &str = "A backup in JavaScript";

fn steps(heading: &str) -> Vec<Step> {
    page::steps_under(&checkout().join("docs/plugins.md"), &[heading])
}

#[test]
fn every_section_with_blocks_is_walked() {
    let walked = [VERIFY, ACTION, PYTHON, JAVASCRIPT];
    for (heading, steps) in page::sections(&checkout().join("docs/plugins.md")) {
        let is_walked = walked
            .iter()
            .chain(STORE_PIECES)
            .any(|one| **one == heading);
        assert_eq!(is_walked, !steps.is_empty(), "{heading}");
    }
}

/// Walks a section whose first step makes and enters the folder of a crate.
fn walk_rust(heading: &str, name: &str) {
    let walk = Walk::alone(".");
    let shared = SharedTarget::lock();
    let mut steps = steps(heading);
    let entered = Step::Shell {
        script: shared.script(&name.replace('-', "_")),
        printed: None,
    };
    steps.insert(1, entered);
    let toolchain = GuestToolchain::find().unwrap();
    walk.run(&steps, |command| {
        toolchain.apply(command);
        command.env("CARGO_NET_OFFLINE", "true");
    })
    .unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_verify_step_in_rust() {
    walk_rust(VERIFY, "no-placeholder");
}

#[test]
fn an_action_in_rust_of_thirty_lines() {
    let steps = steps(ACTION);
    let source = steps.iter().find_map(|step| match step {
        Step::File { path, text } if path == "src/lib.rs" => Some(text),
        _ => None,
    });
    let lines = source.unwrap().lines().filter(|line| !line.is_empty());
    assert!(lines.count() <= 30);
    walk_rust(ACTION, "drain");
}

#[test]
fn an_action_in_python() {
    let walk = Walk::alone(".");
    walk.with_program(&tools::componentize_py().unwrap());
    let walked = walk.run(&steps(PYTHON), |_| {});
    walked.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_backup_in_javascript() {
    let walk = Walk::alone(".");
    walk.with_program(&tools::componentize_js().unwrap());
    let walked = walk.run(&steps(JAVASCRIPT), |_| {});
    walked.unwrap_or_else(|why| panic!("{why}"));
    let schedule = walk.scratch.join("inventory/try/schedule.yaml");
    let mut command = Command::new(DRYDOCK);
    command.args(["schedule", "check"]).arg(schedule);
    let answer = Answer::of(command.output().unwrap());
    // What the schedule names stands in other files; nothing else is wrong with it.
    let elsewhere = |line: &str| line.contains(", which no document defines");
    assert!(answer.stderr.lines().all(elsewhere), "{}", answer.stderr);
}
