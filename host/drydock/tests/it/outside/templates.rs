//! `drydock plugin new`: what it writes builds as it stands, passes `plugin check`, and is
//! tried by `plugin run`, all by the README that it writes with it.

use std::path::Path;
use std::process::Command;

use drydock_testkit::guests::GuestToolchain;
use drydock_testkit::tools;

use super::page::{self, Step};
use super::rust::SharedTarget;
use super::walk::Walk;
use crate::world::{Answer, DRYDOCK};

const WORLDS: [&str; 4] = ["backup", "verify", "store", "action"];

fn new(walk: &Walk, name: &str, world: &str, language: &str) {
    let mut command = Command::new(DRYDOCK);
    command
        .args(["plugin", "new", name, "--world", world])
        .args(["--lang", language])
        .current_dir(walk.scratch.path());
    Answer::of(command.output().unwrap()).ok();
}

/// The READMEs of a language's four plugins, one after the other in one shell.
fn readmes(walk: &Walk, language: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for world in WORLDS {
        let name = format!("a-{world}");
        new(walk, &name, world, language);
        let folder = walk.scratch.join(&name);
        steps.push(Step::Shell {
            script: format!("cd '{}'\n", folder.display()),
            printed: None,
        });
        steps.extend(page::steps(&folder.join("README.md")));
    }
    steps
}

fn done(walked: Result<(), String>) {
    walked.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn templates_in_rust_build_and_run() {
    let walk = Walk::alone(".");
    let shared = SharedTarget::lock();
    let steps = readmes(&walk, "rust");
    for world in WORLDS {
        shared.lend(
            &walk.scratch.join(format!("a-{world}")),
            &format!("a_{world}"),
        );
    }
    let toolchain = GuestToolchain::find().unwrap();
    done(walk.run(&steps, |command| {
        toolchain.apply(command);
        command.env("CARGO_NET_OFFLINE", "true");
    }));
}

#[test]
fn templates_in_python_build_and_run() {
    let walk = Walk::alone(".");
    walk.with_program(&tools::componentize_py().unwrap());
    let steps = readmes(&walk, "python");
    done(walk.run(&steps, |_| {}));
}

#[test]
fn templates_in_javascript_build_and_run() {
    let walk = Walk::alone(".");
    walk.with_program(&tools::componentize_js().unwrap());
    let steps = readmes(&walk, "js");
    done(walk.run(&steps, |_| {}));
    what_javascript_throws_keeps_its_text(&walk, &walk.scratch.join("a-action"));
}

fn what_javascript_throws_keeps_its_text(walk: &Walk, folder: &Path) {
    let mut command = Command::new(DRYDOCK);
    command
        .args(["plugin", "run", "try/a-action.wasm", "--output", "json"])
        .args(["--grant", "try/grant.yaml", "--plugin-config", "null"])
        .env("XDG_CACHE_HOME", walk.scratch.join("cache"))
        .current_dir(folder);
    let answer = Answer::of(command.output().unwrap()).code(1);
    let told: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(told["fault"]["code"], "javascript-error", "{told}");
    let message = told["fault"]["message"].as_str().unwrap();
    assert!(message.starts_with("TypeError: "), "{message}");
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let walk = Walk::alone(".");
    new(&walk, "mine", "verify", "js");
    let mut command = Command::new(DRYDOCK);
    command
        .args([
            "plugin", "new", "mine", "--world", "backup", "--lang", "rust",
        ])
        .current_dir(walk.scratch.path());
    let answer = Answer::of(command.output().unwrap()).code(1);
    assert!(
        answer.stderr.contains("mine cannot be made: "),
        "{}",
        answer.stderr
    );
    assert!(!walk.scratch.join("mine/Cargo.toml").exists());
    for (name, told) in [
        ("7up", "begins with a digit"),
        ("Mine", "lower-case letters"),
    ] {
        let mut command = Command::new(DRYDOCK);
        command.args(["plugin", "new", name, "--world", "backup", "--lang", "rust"]);
        let answer = Answer::of(command.current_dir(walk.scratch.path()).output().unwrap());
        let answer = answer.code(64);
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
    }
}
