//! A target's folder on file systems that have no hard links, that overwrite nothing by a
//! rename either, or from which nothing can be removed. The kernel's answers are those of
//! such file systems, put in its mouth by strace.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use drydock_testkit::strace::Strace;
use serde_json::Value;

use crate::init::node::Node;
use crate::world::{Answer, TARGET_OBJECT, World, files_under, shared_cluster};

/// What CIFS, exFAT, file systems in user space, old kernels, and file systems with one name
/// a file say to a link.
const NO_LINKS: [&str; 5] = ["EOPNOTSUPP", "EPERM", "EINVAL", "ENOSYS", "EMLINK"];

const KILLED: i32 = 9;

fn strace(world: &World) -> Strace {
    Strace::new(&world.scratch.join("strace.log")).unwrap()
}

fn without_links(world: &World, errno: &str) -> Strace {
    strace(world)
        .inject("linkat", &format!("error={errno}"))
        .watch("renameat2")
}

/// A file system on which nothing can be published.
fn with_neither(strace: Strace) -> Strace {
    strace
        .inject("linkat", "error=EPERM")
        .inject("renameat2", "error=EINVAL")
}

fn answer(command: &mut Command) -> Answer {
    Answer::of(command.output().unwrap())
}

fn check(world: &World, strace: &Strace, words: &[&str]) -> (Answer, Vec<Value>) {
    let all = [&["target", "check", "local", "--output", "json"], words].concat();
    let answer = answer(&mut strace.around(&world.command(&all)));
    let findings = serde_json::from_str(&answer.stdout);
    (answer, findings.unwrap_or_default())
}

fn codes(findings: &[Value]) -> Vec<&str> {
    let codes = findings.iter().map(|finding| finding["code"].as_str());
    codes.map(Option::unwrap).collect()
}

fn message<'a>(findings: &'a [Value], code: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["code"] == code);
    finding.unwrap()["message"].as_str().unwrap()
}

/// A node whose target is there already.
fn placed() -> World {
    let world = World::alone();
    std::fs::create_dir(world.folder()).unwrap();
    world
}

#[test]
fn a_backup_is_published_by_a_rename_where_there_are_no_hard_links() {
    for errno in NO_LINKS {
        let world = World::new();
        let strace = without_links(&world, errno);
        answer(&mut strace.around(&world.command(&["run", "s1"]))).ok();
        let (refused, moved) = (strace.injected("linkat"), strace.succeeded("renameat2"));
        let (refused, moved) = (refused.unwrap(), moved.unwrap());
        // The target's own object, the artifact, its signature, the manifest.
        assert_eq!((refused, moved), (4, 4), "{errno}");
        let points = world.recovery_points();
        assert_eq!(points.len(), 1, "{errno}");
        // Nothing is left under the names that came before.
        let files = world.stored_files();
        assert_eq!(files.len(), 3, "{errno}: {files:?}");
        let mut hidden = std::fs::read_dir(world.folder()).unwrap();
        let is_hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        assert!(
            !hidden.any(|entry| is_hidden(&entry.unwrap().file_name())),
            "{errno}"
        );
        world.assert_spool_empty();
        let identity = world.path("sealing.key");
        let verify = [
            "recovery-point",
            "verify",
            &points[0],
            "--identity",
            &identity,
        ];
        world.drydock(&verify).ok();
    }
}

/// The probe makes the same object twice, in each of the two ways.
#[test]
fn a_rename_overwrites_nothing() {
    let world = placed();
    let strace = without_links(&world, "EOPNOTSUPP");
    let (answer, findings) = check(&world, &strace, &["--probe"]);
    answer.ok();
    for code in ["probe-create-again", "probe-upload-again", "probe-delete"] {
        assert!(codes(&findings).contains(&code), "{findings:?}");
    }
    assert!(strace.injected("linkat").unwrap() >= 3);
    assert_eq!(
        files_under(&world.folder()),
        Vec::<std::path::PathBuf>::new()
    );
}

/// Killed after the artifact has its name and before its upload is tidied up, a run goes on
/// with an upload whose data was moved away.
#[test]
fn a_run_that_dies_between_the_rename_and_the_rest_goes_on() {
    let world = World::new();
    // The target has its own object from then on, which is the first that is published.
    answer(&mut without_links(&world, "EPERM").around(&world.command(&["run", "s1"]))).ok();
    let strace = without_links(&world, "EPERM").inject("unlinkat", "signal=KILL");
    let run = world.command(&["run", "s1"]);
    let ended = strace.around(&run).output().unwrap();
    assert_eq!(ended.status.signal(), Some(KILLED), "{ended:?}");
    assert_eq!(strace.succeeded("renameat2").unwrap(), 1);
    let run = world.newest_run().unwrap();
    let resume = world.command(&["run", "resume", &run]);
    answer(&mut without_links(&world, "EPERM").around(&resume)).ok();
    assert_eq!(world.recovery_points().len(), 2);
    let files = world.stored_files();
    assert_eq!(files.len(), 6, "{files:?}");
}

/// It is found out by whoever looks, before a night's backup is lost; what was tried is gone.
#[test]
fn a_folder_that_can_publish_nothing_is_found_out_by_a_look() {
    let world = placed();
    let strace = with_neither(strace(&world));
    let (answer, findings) = check(&world, &strace, &[]);
    answer.code(1);
    let folder = world.folder().display().to_string();
    let told = message(&findings, "cannot-publish");
    let begins = format!("{folder} cannot keep objects: cannot publish {folder}/.drydock-puts/");
    assert!(told.starts_with(&begins), "{told}");
    let ends = format!(
        "-published: the file system of {folder} has neither hard links (linkat: Operation not permitted) nor renames that overwrite nothing (renameat2: Invalid argument), without which two runs could overwrite each other's objects: keep them in a folder on another file system, e.g. ext4, XFS, Btrfs or NFS, or at a store that is no folder"
    );
    assert!(told.ends_with(&ends), "{told}");
    assert_eq!(
        files_under(&world.folder()),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn a_run_at_such_a_folder_fails_with_that_sentence_and_leaves_nothing() {
    let world = World::new();
    let strace = with_neither(strace(&world));
    let ran = answer(&mut strace.around(&world.command(&["run", "s1"]))).code(1);
    assert!(
        ran.stderr.contains("has neither hard links"),
        "{}",
        ran.stderr
    );
    assert!(!world.folder().join(TARGET_OBJECT).exists());
    world.assert_nothing_left();
}

#[test]
fn init_warns_of_such_a_folder() {
    let node = Node::kubeadm(&shared_cluster());
    // The target's alone: keys and documents get their names in the same way.
    let strace = Strace::new(&node.path("strace.log")).unwrap();
    let strace = with_neither(strace.within(&node.path("target/.drydock-puts")));
    let made = answer(&mut strace.around(&node.init_with_key(&[]))).code(2);
    assert!(
        made.stderr.contains("has neither hard links"),
        "{}",
        made.stderr
    );
    assert_eq!(
        files_under(&node.path("target")),
        Vec::<std::path::PathBuf>::new()
    );
}

/// Who is not allowed to publish has a file system that could.
#[test]
fn a_rename_that_is_forbidden_is_no_missing_rename() {
    for (errno, code) in [("EPERM", "permission-denied"), ("EROFS", "read-only")] {
        let world = placed();
        let strace = without_links(&world, "EPERM").inject("renameat2", &format!("error={errno}"));
        let (answer, findings) = check(&world, &strace, &[]);
        answer.code(1);
        assert!(codes(&findings).contains(&code), "{findings:?}");
    }
    let world = placed();
    let strace = strace(&world)
        .inject("linkat", "error=ENOSPC")
        .watch("renameat2");
    let (answer, findings) = check(&world, &strace, &[]);
    answer.code(1);
    assert!(codes(&findings).contains(&"no-space"), "{findings:?}");
    assert_eq!(strace.succeeded("renameat2").unwrap(), 0);
}

#[test]
fn what_a_look_cannot_take_away_is_named() {
    let world = placed();
    let strace = strace(&world).inject("unlinkat", "error=EPERM");
    let (answer, findings) = check(&world, &strace, &[]);
    answer.code(2);
    let left = files_under(&world.folder());
    assert_eq!(left.len(), 2, "{left:?}");
    for file in left {
        let sentence = format!("remove {} by hand", file.display());
        let told = findings.iter().any(|finding| {
            finding["level"] == "warning"
                && finding["message"].as_str().unwrap().contains(&sentence)
        });
        assert!(told, "{sentence}: {findings:?}");
    }
}
