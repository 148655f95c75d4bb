//! `drydock open` where nothing is configured, and where it is interrupted: of neither is
//! anything left, no folder and no server.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use drydock_testkit::Scratch;
use drydock_testkit::tools::kubernetes;
use rustix::process::Signal;

use crate::drill::kit::{Node, etcd_program, processes_in};
use crate::drill::kubernetes::node_of;
use crate::interrupted::{ended, signal, start, wait};
use crate::world::{Answer, DRYDOCK};

const INTERRUPTED: &str = "error: interrupted; nothing is left behind";

fn program(name: &str) -> String {
    kubernetes().unwrap().join(name).display().to_string()
}

/// A machine with a copy of the folder, two keys and the programs.
struct Machine<'a> {
    node: &'a Node,
    scratch: Scratch,
}

impl<'a> Machine<'a> {
    fn new(node: &'a Node) -> Self {
        let scratch = Scratch::new().unwrap();
        std::fs::create_dir(scratch.join("tmp")).unwrap();
        Self { node, scratch }
    }

    fn open(&self, words: &[&str]) -> Command {
        let world = &self.node.world;
        let mut command = Command::new(DRYDOCK);
        command
            .args(["open", "latest", "--target-folder"])
            .arg(world.folder())
            .args(["--signer", &world.path("signing.key.pub")])
            .args(["--identity", &world.path("sealing.key")])
            .arg("--etcd")
            .arg(etcd_program())
            .args(["--kube-apiserver", &program("kube-apiserver")])
            .args(words)
            .env("DRYDOCK_CONFIG", self.scratch.join("none.yaml"))
            .env("TMPDIR", self.scratch.join("tmp"))
            .current_dir(self.scratch.path())
            .stdin(Stdio::null());
        command
    }

    /// Neither a folder nor a server.
    fn assert_nothing_left(&self) {
        let tmp = self.scratch.join("tmp");
        let left: Vec<_> = std::fs::read_dir(&tmp).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(processes_in(&tmp), Vec::<String>::new());
    }
}

#[test]
fn a_folder_is_opened_without_any_configuration() {
    let node = node_of(false, None, &[]);
    let machine = Machine::new(&node);
    let kubectl = program("kubectl");
    let before = node.world.stored_files();
    let words = ["get", "configmap", "prices", "-n", "shop", "-o"];
    let command = [&["--", &kubectl][..], &words, &["jsonpath={.data.bread}"]].concat();
    let got = Answer::of(machine.open(&command).output().unwrap()).ok();
    assert_eq!(got.stdout, "3");
    machine.assert_nothing_left();

    // Interrupted while its servers start, whoever asks.
    for number in [Signal::INT, Signal::TERM] {
        let child = started(&mut machine.open(&[]), &machine.scratch.join("tmp"));
        signal(&child, number);
        is_taken_back(ended(child));
        machine.assert_nothing_left();
    }
    assert_eq!(node.world.stored_files(), before);
}

#[test]
fn an_open_that_is_interrupted_leaves_nothing() {
    let node = node_of(false, None, &[]);
    for number in [Signal::INT, Signal::TERM] {
        let mut command = node.world.command(&["open", &node.point]);
        let child = started(&mut command, &node.lab());
        signal(&child, number);
        is_taken_back(ended(child));
        node.assert_nothing_left();
    }
    // Somebody looks already: a request to stop is the command's, and its end is ours.
    let ready = node.world.scratch.join("ready");
    let script = format!("touch {} && exec sleep 3600", ready.display());
    let arguments = ["open", &node.point, "--", "sh", "-c", &script];
    let child = start(&mut node.world.command(&arguments));
    wait("the command runs", || ready.exists());
    signal(&child, Signal::TERM);
    ended(child).code(143);
    node.assert_nothing_left();
}

/// An open whose first server runs.
fn started(command: &mut Command, lab: &Path) -> Child {
    let child = start(command);
    wait("a server runs", || !processes_in(lab).is_empty());
    child
}

/// Interrupted on the way; or, on a machine where that took longer than to open, afterwards.
fn is_taken_back(answer: Answer) {
    if answer.stdout.starts_with("export KUBECONFIG=") {
        answer.ok();
        return;
    }
    let answer = answer.code(1);
    assert_eq!(answer.stderr.lines().last(), Some(INTERRUPTED));
}
