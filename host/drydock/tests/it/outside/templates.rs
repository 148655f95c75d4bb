//! `drydock plugin new`: what it writes builds as it stands, passes `plugin check`, and is
//! tried by `plugin run`, all by the README that it writes with it.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

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

/// Walks of one language at a time: building a component and compiling it keep one processor
/// busy each, and take up to 1 GiB.
const SIDE_BY_SIDE: usize = 2;

/// The README of a language's plugin of this world, in a shell of its own.
fn readme(walk: &Walk, world: &str, language: &str) -> Vec<Step> {
    let name = format!("a-{world}");
    new(walk, &name, world, language);
    let folder = walk.scratch.join(&name);
    let mut steps = vec![Step::Shell {
        script: format!("cd '{}'\n", folder.display()),
        printed: None,
    }];
    steps.extend(page::steps(&folder.join("README.md")));
    steps
}

/// Walks the READMEs of a language's four plugins, each in a folder of its own. Of interpreters
/// nearly all the time goes into making a component, once for each, on one processor.
fn walk_all(language: &str, program: &Path) {
    let left = Mutex::new(WORLDS.to_vec());
    let next = || left.lock().unwrap().pop();
    std::thread::scope(|scope| {
        let walkers = (0..SIDE_BY_SIDE).map(|_| {
            scope.spawn(|| {
                while let Some(world) = next() {
                    let walk = Walk::alone(".");
                    walk.with_program(program);
                    let steps = readme(&walk, world, language);
                    let walked = walk.run(&steps, |_| {});
                    walked.unwrap_or_else(|why| panic!("{world} in {language}: {why}"));
                    if (world, language) == ("action", "js") {
                        what_javascript_throws_keeps_its_text(&walk);
                    }
                }
            })
        });
        for walker in walkers.collect::<Vec<_>>() {
            walker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

#[test]
fn templates_in_rust_build_and_run() {
    let walk = Walk::alone(".");
    let shared = SharedTarget::lock();
    let mut steps = Vec::new();
    // Cargo's own folder is lent to all of them, one after the other.
    for world in WORLDS {
        steps.extend(readme(&walk, world, "rust"));
        shared.lend(
            &walk.scratch.join(format!("a-{world}")),
            &format!("a_{world}"),
        );
    }
    let toolchain = GuestToolchain::find().unwrap();
    let walked = walk.run(&steps, |command| {
        toolchain.apply(command);
        command.env("CARGO_NET_OFFLINE", "true");
    });
    walked.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn templates_in_python_build_and_run() {
    walk_all("python", &tools::componentize_py().unwrap());
}

#[test]
fn templates_in_javascript_build_and_run() {
    walk_all("js", &tools::componentize_js().unwrap());
}

fn what_javascript_throws_keeps_its_text(walk: &Walk) {
    let mut command = Command::new(DRYDOCK);
    command
        .args(["plugin", "run", "try/a-action.wasm", "--output", "json"])
        .args(["--grant", "try/grant.yaml", "--plugin-config", "null"])
        .env("XDG_CACHE_HOME", walk.scratch.join("cache"))
        .current_dir(walk.scratch.join("a-action"));
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
