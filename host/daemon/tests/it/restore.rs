//! `drydock snapshot restore`: of files and recovery points, killed at every step, and
//! what it refuses. That etcd boots what comes out is proven where the format is known, in
//! the tests of the crate `drydock-snapshot`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use drydock_testkit::Scratch;
use drydock_testkit::etcd::EtcdOptions;
use drydock_testkit::mounts::Mounts;
use serde_json::Value;

use crate::world::{Answer, DRYDOCK, World, checkout, new_cluster, runtime};

const TWO: &str = "m1=http://127.0.0.1:1001,m2=http://127.0.0.1:1002";

/// More phases than a restore has; a loop ends at the first that lives.
const PHASES_MAX: u64 = 20;

/// What a shell says of a program that SIGKILL ended.
const KILLED: &str = "first=137";

fn fixture() -> String {
    let path = checkout().join("host/snapshot/fixtures/etcd-3.6.16.db");
    path.display().to_string()
}

fn restore(arguments: &[&str]) -> Answer {
    Answer::of(command(arguments).output().unwrap())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(DRYDOCK);
    command
        .args(["snapshot", "restore"])
        .arg(fixture())
        .args(arguments);
    command
}

/// The files and folders below a folder, sorted, without the folder's own path.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            let path = path.strip_prefix(folder).unwrap();
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

/// All that two restored members are.
fn two_members() -> Vec<String> {
    let mut whole = Vec::new();
    for member in ["m1", "m2"] {
        for path in [
            "",
            "/member",
            "/member/snap",
            "/member/snap/0000000000000001-0000000000000002.snap",
            "/member/snap/db",
            "/member/wal",
            "/member/wal/0000000000000000-0000000000000000.wal",
        ] {
            whole.push(format!("{member}{path}"));
        }
    }
    whole.sort();
    whole
}

/// Restores with a kill after phase `phase`, and then again; both in one shell, so that
/// both see the same mounts. What it printed says how each ended.
fn twice(scratch: &Scratch, mounts: &Mounts, phase: u64, arguments: &[&str]) -> Output {
    let words: Vec<_> = command(arguments)
        .get_args()
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let program = format!("{DRYDOCK} {}", words.join(" "));
    let script = format!(
        "cd {}\nDRYDOCK_TEST_KILL=after-phase:{phase} {program} >/dev/null 2>&1\n\
         echo first=$?\n{program} 2>&1\necho second=$?\n",
        scratch.path().display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    mounts.around(&shell).output().unwrap()
}

/// Kills a restore at each of its phases. Whenever it was, the next restore ends with all
/// members whole and nothing else: it either restores, or finds that all is there.
fn die_at_every_phase(case: impl Fn(&Scratch) -> (Mounts, Vec<String>, PathBuf)) -> u64 {
    for phase in 1..PHASES_MAX {
        let scratch = Scratch::new().unwrap();
        let (mounts, mut arguments, data) = case(&scratch);
        arguments.extend(["--initial-cluster", TWO].map(str::to_owned));
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let kept = scratch.join("kept");
        let mounts = mounts.keep(&data, &kept);
        let output = twice(&scratch, &mounts, phase, &words);
        let said = String::from_utf8(output.stdout).unwrap();
        let whole = said.contains("second=0\n")
            || said.contains("second=1\n") && said.contains("is not empty and a restore");
        assert!(whole, "after phase {phase}: {said}");
        assert_eq!(below(&kept), two_members(), "after phase {phase}: {said}");
        let hidden = below(scratch.path());
        let hidden = hidden.iter().find(|path| path.contains("drydock-restore"));
        assert_eq!(hidden, None, "after phase {phase}: {said}");
        if !said.contains(KILLED) {
            return phase - 1;
        }
    }
    panic!("a restore has fewer phases");
}

#[test]
fn a_restore_that_is_killed_leaves_all_members_or_none() {
    let phases = die_at_every_phase(|scratch| {
        let data = scratch.join("a/b/data");
        let arguments = vec!["--data-dir".to_owned(), data.display().to_string()];
        (Mounts::new(), arguments, data)
    });
    assert_eq!(phases, 6, "one rename is all it takes");
}

#[test]
fn a_mount_point_is_switched_behind_a_marker() {
    let phases = die_at_every_phase(|scratch| {
        let data = scratch.join("mounted");
        let mounts = Mounts::new().small(&data, 200 << 20);
        let arguments = vec!["--data-dir".to_owned(), data.display().to_string()];
        (mounts, arguments, data)
    });
    assert_eq!(phases, 7, "each member is a rename of its own");
}

#[test]
fn logs_elsewhere_come_to_their_place_with_the_data() {
    for phase in 1..PHASES_MAX {
        let scratch = Scratch::new().unwrap();
        let (data, logs) = (scratch.join("data"), scratch.join("logs"));
        let [data_text, logs_text] = [&data, &logs].map(|path| path.display().to_string());
        let arguments = ["--initial-cluster", TWO, "--data-dir", &data_text];
        let arguments = [&arguments[..], &["--wal-dir", &logs_text]].concat();
        let output = twice(&scratch, &Mounts::new(), phase, &arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        let mut logs: Vec<String> = two_members()
            .into_iter()
            .filter_map(|path| Some(path.replace("/member/wal", "")).filter(|p| p != &path))
            .collect();
        logs.sort();
        assert_eq!(below(&scratch.join("logs")), logs, "phase {phase}: {said}");
        let data: Vec<String> = two_members();
        let data: Vec<&String> = data.iter().filter(|path| !path.contains("/wal")).collect();
        assert_eq!(
            below(&scratch.join("data")).iter().collect::<Vec<_>>(),
            data,
            "phase {phase}: {said}"
        );
        let hidden = below(scratch.path());
        assert!(!hidden.iter().any(|path| path.contains("drydock-restore")));
        if !said.contains(KILLED) {
            return;
        }
    }
    panic!("a restore has fewer phases");
}

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_written() {
    let scratch = Scratch::new().unwrap();
    let small = scratch.join("small");
    let mounts = Mounts::new().small(&small, 100_003_840);
    let folder = small.join("data").display().to_string();
    let restore = command(&["--initial-cluster", TWO, "--data-dir", &folder]);
    let answer = Answer::of(mounts.around(&restore).output().unwrap()).code(1);
    let expected = format!(
        "error: {} has 100003840 bytes free and the restore needs 132374528; free some, or name a \
         folder on a larger disk\n",
        small.display()
    );
    assert_eq!(answer.stderr, expected);
}

#[test]
fn flags_that_do_not_belong_together_are_refused() {
    let refused = |arguments: &[&str], sentence: &str| {
        let answer = restore(arguments).code(64);
        assert_eq!(answer.stderr, format!("error: {sentence}\n"));
    };
    refused(
        &[],
        "say with --initial-cluster which members to restore, or with --name which one alone",
    );
    refused(
        &["--initial-cluster", TWO],
        "say with --data-dir where the members' folders are to go",
    );
    let url = ["--initial-advertise-peer-urls", "http://127.0.0.1:1001"];
    refused(
        &[&["--initial-cluster", TWO], &url[..]].concat(),
        "--initial-advertise-peer-urls is about one member: name it with --name, or leave the flag \
         out to restore all members",
    );
    refused(
        &[&["--initial-cluster", TWO, "--name", "m2"], &url[..]].concat(),
        "member `m2` is to advertise http://127.0.0.1:1001 but the initial cluster gives it \
         http://127.0.0.1:1002; make them the same",
    );
    refused(
        &["--initial-cluster", TWO, "--name", "m3"],
        "there is no member `m3` in the initial cluster, which has m1, m2",
    );
    refused(
        &["--name", "m1", "--bump-revision", "5"],
        "a revision bump has to mark the old revisions as compacted, or clients go on with what \
         they remember of the lost ones; add --mark-compacted, or leave --bump-revision out",
    );
    restore(&["--name", "m1", "--bump-revision", "lots"]).code(64);
}

#[test]
fn one_member_is_written_to_the_data_dir_itself() {
    let scratch = Scratch::new().unwrap();
    let data = scratch.join("one").display().to_string();
    let arguments = [
        "--initial-cluster",
        TWO,
        "--name",
        "m2",
        "--data-dir",
        &data,
    ];
    let more = ["--bump-revision", "0", "--output", "json"];
    let answer = restore(&[&arguments[..], &more].concat()).ok();
    let said: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(said["members"][0]["dataDir"], data);
    assert_eq!(said["bumpedTo"], Value::Null);
    assert_eq!(said["members"].as_array().unwrap().len(), 1);
    assert!(below(&scratch.join("one")).contains(&"member/snap/db".to_owned()));
    assert!(
        answer.stderr.contains(&format!(
            "  etcd --name m2 --data-dir {data} --initial-advertise-peer-urls \
             http://127.0.0.1:1002 --initial-cluster {TWO} --initial-cluster-token etcd-cluster\n"
        )),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_recovery_point_is_bumped_beyond_the_newest_one_of_its_cluster() {
    let world = World::of(Arc::new(new_cluster(EtcdOptions::default(), 50)));
    let (answer, older) = world.run();
    answer.ok();
    let cluster = world.cluster.as_ref().unwrap();
    let put = cluster.put("/registry/configmaps/default/late", "value");
    runtime().block_on(put).unwrap();
    let (answer, newer) = world.run();
    answer.ok();
    let revision = |run: &Value| run["snapshots"][0]["revision"].as_i64().unwrap();
    assert!(revision(&older) < revision(&newer));
    let point = older["recoveryPoint"].as_str().unwrap();
    let (data, identity) = (world.path("restored"), world.path("sealing.key"));
    let answer = world.drydock(&[
        "snapshot",
        "restore",
        point,
        "--initial-cluster",
        TWO,
        "--data-dir",
        &data,
        "--identity",
        &identity,
        "--output",
        "json",
    ]);
    let said: Value = serde_json::from_str(&answer.ok().stdout).unwrap();
    assert_eq!(said["revision"], revision(&older));
    assert_eq!(said["bumpedTo"], revision(&newer) + 1_000_000_000);
    assert_eq!(below(Path::new(&data)), two_members());
}
