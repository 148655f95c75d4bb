//! The README's "Use it", as it is written: every line of its blocks runs on a made-up
//! control plane node. `/etc`, `/var`, `/mnt` and `/root` are that node's, in a mount
//! namespace of the shell's own. Only what builds and installs is written down instead of
//! done: the binary under test is already there.

use std::path::Path;
use std::process::{Command, Stdio};

use drydock_testkit::tools;

use super::node::{Node, answer};
use crate::world::{Answer, DRYDOCK, checkout, shared_cluster};

/// Folders of the node that the commands name.
const FOLDERS: [&str; 4] = ["etc", "var", "mnt", "root"];

/// Programs that are not run, only written down.
const NOTED: [&str; 3] = ["cargo", "install", "systemctl"];

#[test]
fn every_command_of_use_it_works_as_written() {
    let node = Node::kubeadm(&shared_cluster());
    lay_out(&node);
    let lines = chapter("README.md", "Use it");
    assert!(lines.len() > 9, "{lines:#?}");
    let mut name = String::new();
    for line in &lines {
        let answered = answer(&mut on(&node, &line.replace("NAME", &name)));
        if line.starts_with("drydock run") {
            name = recovery_point(&node);
        }
        let Answer {
            code,
            stdout,
            stderr,
        } = answered;
        // The made-up node names one member of three, which is worth a word and no more.
        assert_eq!(code, Some(0), "{line}\n{stdout}{stderr}");
    }
    assert_eq!(noted(&node), noted_by_hand());
    assert!(
        node.path("root/etc/drydock/drydock.service.d/node.conf")
            .is_file()
    );
    for file in [
        "deploy/drydock.service",
        "schedules/examples",
        "docs/operating.md",
    ] {
        assert!(
            checkout().join(file).exists(),
            "the README names {file}, which is not there"
        );
    }
}

/// The lines of the shell blocks of a page's chapter.
pub fn chapter(page: &str, title: &str) -> Vec<String> {
    let page = std::fs::read_to_string(checkout().join(page)).unwrap();
    let chapter = page
        .split(&format!("\n## {title}\n"))
        .nth(1)
        .expect("the page has the chapter");
    let chapter = chapter.split("\n## ").next().unwrap();
    let blocks = chapter.split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// The folders, and the programs that only write down how they were called.
pub fn lay_out(node: &Node) {
    for folder in FOLDERS {
        std::fs::create_dir_all(node.path("root").join(folder)).unwrap();
    }
    let bin = node.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    // Copies: a checkout under one of the folders cannot be seen from the node.
    std::fs::copy(DRYDOCK, bin.join("drydock")).unwrap();
    let etcdutl = tools::etcd(tools::ETCD_VERSION).unwrap().join("etcdutl");
    std::fs::copy(etcdutl, bin.join("etcdutl")).unwrap();
    for program in NOTED {
        let script = format!(
            "#!/bin/sh\necho {program} \"$@\" >> '{}'\n",
            node.text("noted")
        );
        node.put(&format!("bin/{program}"), &script);
        make_executable(&bin.join(program));
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A line of shell on the node.
pub fn on(node: &Node, line: &str) -> Command {
    let mut script = String::from("set -eu\n");
    for folder in FOLDERS {
        script.push_str(&format!(
            "mount --bind '{}/{folder}' /{folder}\n",
            node.text("root")
        ));
    }
    script.push_str(&format!("cd '{}'\n{line}\n", node.text("work")));
    std::fs::create_dir_all(node.path("work")).unwrap();
    let mut command = Command::new("unshare");
    // Whoever is not root becomes it in a user namespace.
    command
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .env(
            "PATH",
            format!("{}:{}", node.text("bin"), std::env::var("PATH").unwrap()),
        )
        .env_remove("DRYDOCK_CONFIG")
        .stdin(Stdio::null());
    command
}

fn recovery_point(node: &Node) -> String {
    let listed = answer(&mut on(node, "drydock recovery-point list --output json")).ok();
    let points: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    points[0]["recoveryPoint"].as_str().unwrap().to_owned()
}

fn noted(node: &Node) -> Vec<String> {
    let text = std::fs::read_to_string(node.path("noted")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What the README may ask of programs that are not run here: each of these was tried by
/// hand, and the package and the unit that they name are in the repository.
fn noted_by_hand() -> Vec<String> {
    [
        "cargo xtask build",
        "install -m 0755 target/debug/drydock /usr/local/bin/drydock",
        "install -m 0644 deploy/drydock.service /etc/systemd/system/drydock.service",
        "install -D -m 0644 /etc/drydock/drydock.service.d/node.conf /etc/systemd/system/drydock.service.d/node.conf",
        "systemctl enable --now drydock",
    ]
    .map(str::to_owned)
    .to_vec()
}
