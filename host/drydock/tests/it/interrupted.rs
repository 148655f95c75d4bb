//! Ctrl-C and SIGTERM, while something hangs that nobody would wait for: an etcd that says
//! nothing more, a target that does not answer. Every wait of the product is far longer
//! here than a test may take, so that a process which ends was ended by the signal.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drydock_core::PluginDigest;
use drydock_testkit::proxy::{Accident, Proxy};
use drydock_testkit::wait_until;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::daemon::kit::{Daemon, configure, runs, set_clock, to_the_hour};
use crate::drill::kit::{processes_in, real};
use crate::trouble::endpoints::plain_cluster;
use crate::trouble::stream::{behind_proxy, started_and_held};
use crate::world::{Answer, World, fixture, runtime};

/// Longest wait for anything; what is waited for takes seconds on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Midway in the stream of the plain cluster.
const MIDWAY_BYTES: u64 = 128 * 1024;

/// A node whose etcd can be held, and that waits for it for hours.
fn patient() -> (World, Proxy) {
    let (world, proxy) = behind_proxy(&plain_cluster());
    let path = world.scratch.join("schedules/cluster.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let patient = "  etcd:\n    streamIdleSeconds: 3600\n    requestTimeoutSeconds: 600\n";
    std::fs::write(&path, text.replace("  etcd:\n", patient)).unwrap();
    (world, proxy)
}

/// A node whose target has a gate; see the fixture `store-gate`.
fn gated() -> World {
    let mut world = World::new();
    gate(&mut world);
    world.write();
    world
}

fn gate(world: &mut World) {
    let plugin = fixture("store-gate");
    let folder = world.folder().display().to_string();
    world.store_plugin = "store-gate".to_owned();
    world.plugins = format!("    store-gate: {{file: {}}}\n", plugin.display());
    world.target_config = format!("{{folder: {folder}}}");
    let digest = PluginDigest::of(&std::fs::read(plugin).unwrap());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: store-gate}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {folder}, access: write}}]\n"
    );
}

pub fn start(command: &mut Command) -> Child {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.spawn().unwrap()
}

pub fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// What it said, once it has ended; panics if it does not.
pub fn ended(mut child: Child) -> Answer {
    let over = wait_until("the process ends", SOON, async || {
        child.try_wait().unwrap().is_some()
    });
    if runtime().block_on(over).is_err() {
        let _ = child.kill();
        panic!(
            "it went on: {:?}",
            Answer::of(child.wait_with_output().unwrap())
        );
    }
    Answer::of(child.wait_with_output().unwrap())
}

pub fn wait(what: &str, mut met: impl FnMut() -> bool) {
    runtime()
        .block_on(wait_until(what, SOON, async || met()))
        .unwrap();
}

/// The runs, as soon as there is a journal.
fn begun(world: &World) -> Vec<Value> {
    world.runs_so_far()
}

/// Whether a scratch folder is there.
fn has_scratch(lab: &std::path::Path) -> bool {
    let mut entries = std::fs::read_dir(lab).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().starts_with("lab-"))
}

fn newest(world: &World) -> Value {
    runs(world).remove(0)
}

#[test]
fn a_run_whose_etcd_hangs_is_stopped_and_leaves_nothing() {
    for number in [Signal::INT, Signal::TERM] {
        let (world, proxy) = patient();
        let child = started_and_held(world.command(&["run", "s1"]), &proxy);
        signal(&child, number);
        let answer = ended(child).code(1);
        let cause = "the run was cancelled: interrupted by the operator";
        assert_eq!(
            answer.stderr.lines().last(),
            Some(cause),
            "{}",
            answer.stderr
        );
        let run = newest(&world);
        assert_eq!(run["outcome"], "Failed");
        assert_eq!(run["cause"], format!("cancelled: {cause}"));
        world.assert_nothing_left();
        let listed = world.drydock(&["run", "list"]).ok().stdout;
        assert!(
            listed.contains("CAUSE") && listed.contains(cause),
            "{listed}"
        );
        proxy.cut();
        world.drydock(&["run", "s1"]).ok();
    }
}

/// A member that takes the question and says nothing: before the stream begins.
#[test]
fn a_run_whose_etcd_never_answers_is_stopped() {
    let (world, proxy) = patient();
    proxy.order(Accident::Hold, 0, u32::MAX);
    let child = start(&mut world.command(&["run", "s1"]));
    wait("etcd is asked", || proxy.accidents() > 0);
    wait("the run began", || !begun(&world).is_empty());
    signal(&child, Signal::TERM);
    ended(child).code(1);
    world.assert_nothing_left();
}

/// What cannot be taken back in time is left, and taken up.
#[test]
fn a_run_whose_target_hangs_is_left_and_taken_up() {
    let mut world = World::new();
    gate(&mut world);
    let folder = world.folder().display().to_string();
    world.target_config = format!("{{folder: {folder}, gateAfter: 3}}");
    world.write();
    let path = world.scratch.join("schedules/schedule.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let patient = text.replace("  steps:\n", "  backoffLimit: 1000\n  steps:\n");
    std::fs::write(&path, patient).unwrap();
    std::fs::create_dir_all(world.folder()).unwrap();
    let hang = world.folder().join("hang-abort");
    std::fs::write(&hang, "").unwrap();
    let child = start(&mut world.command(&["run", "s1"]));
    wait("the run stands at the gate", || {
        begun(&world)
            .first()
            .is_some_and(|run| run["stores"][0]["parts"] == 3)
    });
    signal(&child, Signal::INT);
    let answer = ended(child).code(75);
    let run = newest(&world);
    assert_eq!(run["outcome"], Value::Null);
    let told = format!(
        "error: run {0} was left as it is: `drydock run resume {0}` goes on with it",
        run["run"].as_str().unwrap()
    );
    assert_eq!(answer.stderr.lines().last(), Some(told.as_str()));
    std::fs::remove_file(hang).unwrap();
    world.resume().code(1);
    assert_eq!(newest(&world)["outcome"], "Failed");
    std::fs::remove_dir_all(world.folder().join(".puts")).unwrap();
    world.assert_nothing_left();
}

/// Every verb that brings something back, while its target does not send it.
#[test]
fn what_a_target_does_not_send_is_not_waited_for() {
    let mut world = gated();
    world.extra_node = real(true);
    world.write();
    let (answer, run) = world.run();
    answer.ok();
    let point = run["recoveryPoint"].as_str().unwrap();
    std::fs::write(world.folder().join("hang-get"), "").unwrap();
    let (key, to) = (world.path("sealing.key"), world.path("out/snapshot.db"));
    let (out, data) = (world.path("out"), world.path("out/data"));
    std::fs::create_dir(&out).unwrap();
    let cluster = "m1=http://127.0.0.1:2380";
    let lab = world.scratch.join("lab");
    let verbs: [&[&str]; 5] = [
        &[
            "recovery-point",
            "fetch",
            point,
            "--to",
            &to,
            "--identity",
            &key,
        ],
        &["recovery-point", "verify", point, "--identity", &key],
        &[
            "snapshot",
            "restore",
            point,
            "--identity",
            &key,
            "--data-dir",
            &data,
            "--initial-cluster",
            cluster,
        ],
        &["snapshot", "ls", point, "--identity", &key],
        &["drill", point],
    ];
    for arguments in verbs {
        let child = start(&mut world.command(arguments));
        let drills = arguments[0] == "drill";
        wait("it is at work", || {
            listens(&child) && (!drills || has_scratch(&lab))
        });
        signal(&child, Signal::TERM);
        let answer = ended(child);
        let interrupted = "error: interrupted; nothing is left behind";
        assert_eq!(answer.code, Some(1), "{arguments:?}: {}", answer.stderr);
        assert_eq!(
            answer.stderr.lines().last(),
            Some(interrupted),
            "{arguments:?}"
        );
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "{arguments:?}");
    }
    let left = std::fs::read_dir(&lab).unwrap().flatten();
    let left: Vec<_> = left
        .map(|e| e.file_name())
        .filter(|n| n != "lock")
        .collect();
    assert!(left.is_empty() && processes_in(&lab).is_empty(), "{left:?}");
}

/// Whether it has a handler for SIGTERM.
fn listens(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    let caught = status.ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    });
    let terminate = 1 << (Signal::TERM.as_raw() - 1);
    caught.is_some_and(|caught| caught & terminate != 0)
}

/// A daemon lets runs end as long as it was told to, and not a moment longer.
#[test]
fn a_daemon_whose_etcd_hangs_ends_and_the_next_one_goes_on() {
    for (drain_seconds, signals) in [(0, 1), (600, 2)] {
        let (mut world, proxy) = behind_proxy(&plain_cluster());
        configure(&mut world, "0 * * * *", "", drain_seconds);
        set_clock(&world, to_the_hour(-600));
        let mut daemon = Daemon::start(&world);
        daemon.wait_serving();
        proxy.order(Accident::Hold, MIDWAY_BYTES, 1);
        set_clock(&world, to_the_hour(0));
        daemon.wait("the stream is held", |_| proxy.accidents() > 0);
        for number in 1..=signals {
            daemon.signal(Signal::TERM);
            if number < signals {
                daemon.wait_said("the daemon was told to stop", 1);
            }
        }
        assert!(daemon.ended().success());
        assert_eq!(newest(&world)["outcome"], Value::Null);
        proxy.cut();
        let mut daemon = Daemon::start(&world);
        let end = daemon.wait_said("the run has ended", 1);
        assert_eq!(end["outcome"], "Succeeded");
        daemon.stop();
    }
}

/// A node with a recovery point, whose target hangs from now on in what `act` says.
fn hanging(act: &str, limits: &str) -> (World, String) {
    let mut world = World::new();
    world.extra_node = real(true);
    world.write();
    let (answer, run) = world.run();
    answer.ok();
    let point = run["recoveryPoint"].as_str().unwrap().to_owned();
    let plugin = fixture("hostile-store");
    let digest = PluginDigest::of(&std::fs::read(&plugin).unwrap());
    let folder = world.folder().display().to_string();
    world.store_plugin = "hostile-store".to_owned();
    world.plugins = format!("    hostile-store: {{file: {}}}\n", plugin.display());
    world.target_config = format!("{{folder: {folder}, do: {act}}}");
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: hostile-store}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {folder}, access: write}}]\n{limits}"
    );
    world.write();
    (world, point)
}

/// Every verb that reads a manifest, or the object that names the target.
fn reading_verbs(world: &World, point: &str) -> Vec<Vec<String>> {
    let [key, to, data] = ["sealing.key", "fetched.db", "data"].map(|name| world.path(name));
    let cluster = "m1=http://127.0.0.1:2380";
    let restore = [
        "snapshot",
        "restore",
        point,
        "--identity",
        &key,
        "--data-dir",
        &data,
        "--initial-cluster",
        cluster,
    ];
    let fetch = [
        "recovery-point",
        "fetch",
        point,
        "--to",
        &to,
        "--identity",
        &key,
    ];
    let rows: [&[&str]; 7] = [
        &["recovery-point", "list"],
        &["recovery-point", "show", point],
        &["recovery-point", "verify", point],
        &fetch,
        &restore,
        &["drill", point],
        &["target", "check", "local"],
    ];
    let owned = |row: &&[&str]| row.iter().map(|word| (*word).to_owned()).collect();
    rows.iter().map(owned).collect()
}

fn words(verb: &[String]) -> Vec<&str> {
    verb.iter().map(String::as_str).collect()
}

/// Nothing was brought back, and nothing of the attempt is there.
fn assert_nothing_came(world: &World) {
    for name in ["fetched.db", "data"] {
        assert!(!world.scratch.join(name).exists(), "{name}");
    }
    let lab = world.scratch.join("lab");
    assert!(!has_scratch(&lab) && processes_in(&lab).is_empty());
}

/// A target that does not even say what it has.
#[test]
fn a_manifest_that_does_not_come_is_not_waited_for() {
    let (world, point) = hanging("range-hangs", "");
    for verb in reading_verbs(&world, &point) {
        let child = start(&mut world.command(&words(&verb)));
        wait("it is at work", || listens(&child));
        signal(&child, Signal::TERM);
        let answer = ended(child).code(1);
        let last = answer.stderr.lines().last();
        let interrupted = "error: interrupted; nothing is left behind";
        assert_eq!(last, Some(interrupted), "{verb:?}");
    }
    assert_nothing_came(&world);
}

/// Where nobody interrupts, the limit does, and the sentence says where and in what.
#[test]
fn a_target_that_does_not_answer_is_named_with_the_call() {
    let limits = "  limits: {idleSeconds: 2}\n";
    let told = |call: &str| {
        format!(
            "target local did not answer {call}: plugin hostile-store moved no byte and reported no progress for 2 s, the limit is 2 s: raise `limits: {{idleSeconds: ...}}` of its PluginGrant, or of the node's configuration, if it is to have more"
        )
    };
    let (world, point) = hanging("range-hangs", limits);
    for verb in reading_verbs(&world, &point) {
        let answer = ended(start(&mut world.command(&words(&verb))));
        let said = [answer.stdout.as_str(), &answer.stderr].concat();
        assert!(said.contains(&told("get-range")), "{verb:?}\n{said}");
        // A list shows what it could not read.
        let is_list = verb[1] == "list";
        assert!(is_list || answer.code == Some(1), "{verb:?}\n{said}");
    }
    assert_nothing_came(&world);
    let (world, _) = hanging("list-hangs", limits);
    for name in ["list", "show"] {
        let latest: &[&str] = if name == "show" { &["latest"] } else { &[] };
        let verb = [&["recovery-point", name][..], latest].concat();
        let answer = ended(start(&mut world.command(&verb))).code(1);
        let said = &answer.stderr;
        assert!(said.contains(&told("list")), "{verb:?}\n{said}");
    }
}

/// What is no file is not opened to wait for whoever writes into it.
#[test]
fn a_fifo_in_place_of_an_object_holds_nobody_up() {
    let mut world = World::new();
    world.extra_node = real(true);
    world.write();
    let (answer, run) = world.run();
    answer.ok();
    let point = run["recoveryPoint"].as_str().unwrap().to_owned();
    let manifest = world.folder().join("c1").join(&point).join("manifest.json");
    let identity = world.folder().join("drydock-target.json");
    for object in [manifest, identity] {
        std::fs::remove_file(&object).unwrap();
        mkfifoat(CWD, &object, Mode::RWXU).unwrap();
    }
    for verb in reading_verbs(&world, &point) {
        let answer = ended(start(&mut world.command(&words(&verb))));
        let is_list = verb[1] == "list";
        assert!(is_list || answer.code == Some(1), "{verb:?} {answer:?}");
    }
    assert_nothing_came(&world);
}
