//! `drydock snapshot restore`: of files and recovery points, killed at every step, and
//! what it refuses. That etcd boots what comes out is proven where the format is known, in
//! the tests of the crate `drydock-snapshot`.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use drydock_testkit::Scratch;
use drydock_testkit::etcd::EtcdOptions;
use drydock_testkit::mounts::Mounts;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

use crate::faulty::{KILL, faulty};
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
    let words = words.join(" ");
    let script = format!(
        "cd {}\n{KILL}=after-phase:{phase} {} {words} >/dev/null 2>&1\n\
         echo first=$?\n{DRYDOCK} {words} 2>&1\necho second=$?\n",
        scratch.path().display(),
        faulty().display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    mounts.around(&shell).output().unwrap()
}

/// Lets `restore` die after each phase until one lives, and counts those that were killed.
fn kills(restore: impl Fn(u64) -> String) -> usize {
    (1..PHASES_MAX)
        .take_while(|phase| restore(*phase).contains(KILLED))
        .count()
}

/// Kills a restore at each of its phases. Whenever it was, the next restore ends with all
/// members whole and nothing else: it either restores, or finds that all is there.
fn die_at_every_phase(case: impl Fn(&Scratch) -> (Mounts, Vec<String>, PathBuf)) -> usize {
    kills(|phase| {
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
        said
    })
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
    let phases = kills(|phase| {
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
        said
    });
    assert_eq!(
        phases, 7,
        "the folders of the logs are a rename of their own"
    );
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
        &["--initial-cluster", TWO, "--data-dir", "."],
        &format!(
            "{} is the folder that this command runs in, or lies around it, and a restored folder \
             takes the place of another one; name a folder below it, or run this elsewhere",
            std::env::current_dir().unwrap().display()
        ),
    );
    refused(
        &[
            "--initial-cluster",
            TWO,
            "--data-dir",
            "new",
            "--bump-revision",
            "5",
        ],
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
    let more = [&more[..], &["--initial-cluster-token", "etcd-cluster"]].concat();
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

/// Machines that restore a member each have to agree; the refusal has what they agree on.
#[test]
fn one_member_alone_is_given_the_token_and_the_bump_of_all() {
    let scratch = Scratch::new().unwrap();
    let (one, two) = (scratch.path().join("1"), scratch.path().join("2"));
    let [one, two] = [one, two].map(|path| path.display().to_string());
    let first = ["--initial-cluster", TWO, "--name", "m1", "--data-dir", &one];
    let second = ["--initial-cluster", TWO, "--name", "m2", "--data-dir", &two];
    let refused = |more: &[&str]| restore(&[&first[..], more].concat()).code(64).stderr;
    let token = "--initial-cluster-token";
    let counted = "--bump-revision 1000000000 --mark-compacted";
    let sentence = |flags: &str| {
        format!(
            "error: with --name each machine restores its own member, and all of them must be given the same token and the same bump: add `{flags}` to the command on every machine, or leave --name out to restore all members here\n"
        )
    };
    let given = refused(&[token, "t1"]);
    assert_eq!(given, sentence(&format!("{token} t1 {counted}")));
    let known = refused(&[token, "t1", "--known-revision", "500"]);
    let further = "--bump-revision 1000000407 --mark-compacted";
    assert_eq!(known, sentence(&format!("{token} t1 {further}")));
    let said = refused(&["--bump-revision", "0"]);
    let flags = said.split('`').nth(1).unwrap().to_owned();
    assert_eq!(said, sentence(&flags));
    assert!(flags.ends_with(" --bump-revision 0"), "{flags}");
    let said = refused(&[]);
    let flags = said.split('`').nth(1).unwrap().to_owned();
    assert_eq!(said, sentence(&flags));
    assert!(flags.ends_with(counted), "{flags}");
    let drawn = flags.split(' ').nth(1).unwrap().strip_prefix("drydock-");
    assert_eq!(drawn.unwrap().len(), 16, "{flags}");
    assert_ne!(refused(&[]), said, "a token is drawn anew each time");
    assert!(!scratch.path().join("1").exists());

    let flags: Vec<&str> = flags.split(' ').collect();
    let restored = |member: &[&str]| -> Value {
        let answer = restore(&[member, &flags, &["--output", "json"]].concat()).ok();
        serde_json::from_str(&answer.stdout).unwrap()
    };
    let (first, second) = (restored(&first), restored(&second));
    assert_eq!(first["clusterId"], second["clusterId"]);
    assert_eq!(first["bumpedTo"], second["bumpedTo"]);
}

/// A machine without configuration remembers nothing, and says what the next restore needs.
#[test]
fn a_bare_file_is_bumped_beyond_what_the_operator_knows() {
    let scratch = Scratch::new().unwrap();
    let restored = |name: &str, more: &[&str]| {
        let data = scratch.join(name).display().to_string();
        let arguments = ["--initial-cluster", TWO, "--data-dir", &data];
        let answer = restore(&[&arguments[..], &["--output", "json"], more].concat()).ok();
        let said: Value = serde_json::from_str(&answer.stdout).unwrap();
        (said, answer.stderr)
    };
    let (first, said) = restored("1", &[]);
    assert_eq!(first["bumpedTo"], 1_000_000_093_i64);
    let none = serde_json::json!({"mark": false, "journal": false});
    assert_eq!(first["remembered"], none);
    let token = first["token"].as_str().unwrap();
    let next = "That the cluster goes on from 1000000093 is remembered nowhere: give the next restore of this cluster --known-revision 1000000093, or it lands on the same revisions.\n";
    let drawn = format!("The token {token} was drawn for this cluster; no other has it.\n");
    assert!(said.contains(next) && said.contains(&drawn), "{said}");
    assert!(
        said.contains("The snapshot is of etcd 3.6: an older etcd does not start on it.\n"),
        "{said}"
    );
    let (second, _) = restored("2", &["--known-revision", "1000000093"]);
    assert_eq!(second["bumpedTo"], 2_000_000_093_i64);
    assert_ne!(first["token"], second["token"]);
    assert_ne!(first["clusterId"], second["clusterId"]);
}

/// A configuration that cannot be looked at is not one that is not there.
#[test]
fn a_configuration_that_cannot_be_read_is_a_doubt() {
    let scratch = Scratch::new().unwrap();
    std::fs::write(scratch.join("file"), "").unwrap();
    let config = scratch.join("file/drydock.yaml").display().to_string();
    let data = scratch.join("data").display().to_string();
    let arguments = ["--initial-cluster", TWO, "--data-dir", &data];
    let answer = restore(&[&["--config", &config][..], &arguments].concat()).code(2);
    let doubt = format!(
        "The node's configuration {config} is not used, so what it knows of the cluster's revisions is not counted: "
    );
    assert!(answer.stderr.contains(&doubt), "{}", answer.stderr);
}

#[test]
fn a_snapshot_that_is_no_file_is_refused_and_not_waited_for() {
    let scratch = Scratch::new().unwrap();
    let fifo = scratch.join("fifo");
    mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    let mut command = Command::new(DRYDOCK);
    command.args(["snapshot", "status"]).arg(&fifo);
    let answer = Answer::of(command.output().unwrap()).code(64);
    let told = format!(
        "error: {} is no file: write what comes out of it into one, and name that\n",
        fifo.display()
    );
    assert_eq!(answer.stderr, told);
}

/// A node with an etcd of its own, and recovery points of it.
struct Restores {
    world: World,
    count: Cell<usize>,
}

impl Restores {
    fn new() -> Self {
        Self {
            world: World::of(Arc::new(new_cluster(EtcdOptions::default(), 50))),
            count: Cell::new(0),
        }
    }

    /// Name and revision of a new recovery point.
    fn back_up(&self, code: i32) -> (String, i64) {
        let (answer, run) = self.world.run();
        answer.code(code);
        let name = run["recoveryPoint"].as_str().unwrap().to_owned();
        (name, run["snapshots"][0]["revision"].as_i64().unwrap())
    }

    fn puts(&self, count: usize) {
        let cluster = self.world.cluster.as_ref().unwrap();
        for number in 0..count {
            let value = number.to_string();
            let put = cluster.put("/registry/configmaps/default/late", &value);
            runtime().block_on(put).unwrap();
        }
    }

    /// A restore into a new folder, which comes with it.
    fn command(&self, source: &str, more: &[&str]) -> (Command, String) {
        self.command_of(World::command, source, more)
    }

    /// The same of the program with levers.
    fn faulty(&self, source: &str, more: &[&str]) -> (Command, String) {
        self.command_of(World::faulty, source, more)
    }

    fn command_of(
        &self,
        program: impl Fn(&World, &[&str]) -> Command,
        source: &str,
        more: &[&str],
    ) -> (Command, String) {
        self.count.set(self.count.get() + 1);
        let data = self.world.path(&format!("restored-{}", self.count.get()));
        let identity = self.world.path("sealing.key");
        let arguments = ["snapshot", "restore", source, "--initial-cluster", TWO];
        let to = ["--data-dir", &data, "--identity", &identity];
        let words = [&arguments[..], &to, &["--output", "json"], more].concat();
        (program(&self.world, &words), data)
    }

    /// Restores into a new folder, without etcd.
    fn restore(&self, source: &str, more: &[&str]) -> Answer {
        let (mut command, data) = self.command(source, more);
        let answer = Answer::of(command.output().unwrap());
        if answer.code != Some(64) {
            assert_eq!(below(Path::new(&data)), two_members());
        }
        answer
    }

    fn said(answer: &Answer) -> Value {
        serde_json::from_str(&answer.stdout).unwrap()
    }

    fn bumped_to(&self, source: &str) -> i64 {
        Self::said(&self.restore(source, &[]).ok())["bumpedTo"]
            .as_i64()
            .unwrap()
    }

    fn forget_journal(&self) {
        std::fs::remove_dir_all(self.world.scratch.join("state")).unwrap();
    }

    fn forget_marks(&self) {
        for file in self.world.stored_files() {
            if file.contains("/mark.") {
                std::fs::remove_file(self.world.folder().join(file)).unwrap();
            }
        }
    }
}

/// A, B, A restored, 5 puts, C, A restored again: beyond all that the cluster ever was.
#[test]
fn a_restore_lands_beyond_all_that_is_known_of_the_cluster() {
    const BUMP: i64 = 1_000_000_000;
    let restores = Restores::new();
    let (a, a_revision) = restores.back_up(0);
    restores.puts(1);
    let (_, b_revision) = restores.back_up(0);
    assert!(a_revision < b_revision);
    let first = restores.restore(&a, &[]).ok();
    let said = Restores::said(&first);
    let bumped_to = said["bumpedTo"].as_i64().unwrap();
    assert_eq!(said["revision"], a_revision);
    assert_eq!(bumped_to, b_revision + BUMP);
    let both = serde_json::json!({"mark": true, "journal": true});
    assert_eq!(said["remembered"], both);
    assert!(
        !first.stderr.contains("--known-revision"),
        "{}",
        first.stderr
    );
    // Nobody started it, and still its revisions are taken.
    let second = restores.bumped_to(&a);
    assert_eq!(second, bumped_to + BUMP);
    restores.forget_journal();
    let by_marks = restores.bumped_to(&a);
    assert_eq!(by_marks, second + BUMP);
    let shown = restores.world.drydock(&["recovery-point", "show", &a]).ok();
    assert!(shown.stdout.contains("restored"), "{}", shown.stdout);

    // The cluster goes on for real; and then only C tells how far it came.
    let snapshot = restores.world.fetch(&a);
    let by = (by_marks - a_revision).to_string();
    let bump = ["--bump-revision", &by, "--mark-compacted"];
    let cluster = restores.world.cluster.as_ref().unwrap();
    runtime()
        .block_on(cluster.put_back(&snapshot, &bump))
        .unwrap();
    restores.puts(5);
    let (c, c_revision) = restores.back_up(2);
    let shown = restores
        .world
        .drydock(&["recovery-point", "show", &c, "--output", "json"]);
    let told = format!("and its revision bumped to {by_marks}: a new lineage begins");
    assert!(shown.ok().stdout.contains(&told));
    assert_eq!(c_revision, by_marks + 5);
    restores.forget_marks();
    restores.forget_journal();
    assert_eq!(restores.bumped_to(&a), c_revision + BUMP);
}

/// A node that never ran has no journal yet: it is made for what has to be remembered. And
/// no bump at all is told of when it is too short.
#[test]
fn a_restore_is_remembered_where_no_journal_was() {
    const BUMP: i64 = 1_000_000_000;
    let restores = Restores::new();
    let (a, revision) = restores.back_up(0);
    restores.forget_journal();
    let first = restores.bumped_to(&a);
    assert_eq!(first, revision + BUMP);
    restores.forget_marks();
    assert_eq!(restores.bumped_to(&a), first + BUMP);
    let none = restores.restore(&a, &["--bump-revision", "0"]).code(2);
    let told = format!(
        "The cluster is known to have been at revision {}, beyond {revision} from which it goes on now",
        first + BUMP
    );
    assert!(none.stderr.contains(&told), "{}", none.stderr);
    assert!(
        none.stderr.contains("Then restart the API servers"),
        "{}",
        none.stderr
    );
}

/// Killed right before its folders appear, and right after. Of each, one memory is lost too.
#[test]
fn a_restore_that_is_killed_is_remembered_all_the_same() {
    const BUMP: i64 = 1_000_000_000;
    let restores = Restores::new();
    let (a, mut newest) = restores.back_up(0);
    type Loss = fn(&Restores);
    let cases: [(&str, bool, Loss); 2] = [
        ("after-phase:4", false, Restores::forget_marks),
        ("after-phase:5", true, Restores::forget_journal),
    ];
    for (kill, is_there, forget) in cases {
        let (mut command, data) = restores.faulty(&a, &[]);
        let killed = command.env(KILL, kill).output().unwrap();
        assert_eq!(killed.status.code(), None, "{kill}");
        assert_eq!(Path::new(&data).exists(), is_there, "{kill}");
        forget(&restores);
        let bumped_to = restores.bumped_to(&a);
        assert_eq!(bumped_to, newest + 2 * BUMP, "{kill}");
        newest = bumped_to;
    }
}

/// What is remembered in the journal alone, and for files by the only cluster of the node.
#[test]
fn the_journal_remembers_while_a_daemon_holds_it() {
    const BUMP: i64 = 1_000_000_000;
    let restores = Restores::new();
    let (_, revision) = restores.back_up(0);
    // The fixture's own is the newer one.
    let revision = revision.max(93);
    let owner = drydock_journal::LockOwner {
        command: "drydock daemon".to_owned(),
        since: drydock_core::UnixTime(0),
    };
    let state = restores.world.scratch.join("state");
    let _held = drydock_journal::StateLock::acquire(&state, &owner).unwrap();
    let file = fixture();
    let first = restores.restore(&file, &[]).ok();
    assert_eq!(Restores::said(&first)["bumpedTo"], revision + BUMP);
    let taken = format!(
        "{file} is taken for a snapshot of cluster c1: its revisions are counted from what is known of that cluster\n"
    );
    let alone = format!(
        "That the cluster goes on from {0} is known to this node's journal alone: on another machine, give the next restore of this cluster --known-revision {0}.\n",
        revision + BUMP
    );
    assert!(
        first.stderr.contains(&taken) && first.stderr.contains(&alone),
        "{}",
        first.stderr
    );
    assert_eq!(restores.bumped_to(&file), revision + 2 * BUMP);
}

#[test]
fn what_cannot_be_counted_or_remembered_is_told_and_degrades() {
    const BUMP: i64 = 1_000_000_000;
    let mut restores = Restores::new();
    let (a, revision) = restores.back_up(0);
    // A restore on a node that cannot sign.
    let world = &mut restores.world;
    let public = std::fs::read_to_string(world.scratch.join("signing.key.pub")).unwrap();
    let public = public.lines().last().unwrap();
    world.extra_node = format!("  trustedSigners: [\"{public}\"]\n");
    world.write();
    let key = world.scratch.join("signing.key");
    std::fs::rename(&key, world.scratch.join("away.key")).unwrap();
    let answer = restores.restore(&a, &[]).code(2);
    let bumped_to = revision + BUMP;
    let unmarked = format!("The mark `restored` could not be put beside {a}: ");
    let alone = format!(
        "That the cluster goes on from {bumped_to} is known to this node's journal alone: on another machine, give the next restore of this cluster --known-revision {bumped_to}.\n"
    );
    assert!(
        answer.stderr.contains(&unmarked) && answer.stderr.contains(&alone),
        "{}",
        answer.stderr
    );
    std::fs::rename(restores.world.scratch.join("away.key"), &key).unwrap();

    // A recovery point that nobody can read may be the newest.
    let folder = restores.world.folder().join("c1/s1.20991231T000000Z");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("manifest.json"), "{}").unwrap();
    let answer = restores.restore(&a, &[]).code(2);
    let bumped_to = bumped_to + BUMP;
    assert_eq!(Restores::said(&answer)["bumpedTo"], bumped_to);
    let doubt = format!(
        "Recovery points and marks of cluster c1 at local that cannot be read or believed, or hold a damaged snapshot, and whose revisions are not counted: 1. `drydock recovery-point list` and `show` say why.\nIf the cluster ever was beyond revision {bumped_to}, restore again with that revision as --known-revision.\n"
    );
    assert!(answer.stderr.contains(&doubt), "{}", answer.stderr);
    let far = (5 * BUMP).to_string();
    let answer = restores.restore(&a, &["--known-revision", &far]).ok();
    assert_eq!(Restores::said(&answer)["bumpedTo"], 6 * BUMP);
    // An explicit bump that is too short is carried out, and told.
    let answer = restores
        .restore(&a, &["--bump-revision", "7", "--mark-compacted"])
        .code(2);
    let short = format!(
        "The cluster is known to have been at revision {}, beyond {} from which it goes on now: ",
        6 * BUMP,
        revision + 7
    );
    assert!(answer.stderr.contains(&short), "{}", answer.stderr);
    // What is left as it is lies behind what the cluster had reached, which is told.
    let answer = restores.restore(&a, &["--bump-revision", "0"]).code(2);
    assert_eq!(Restores::said(&answer)["bumpedTo"], Value::Null);
}
