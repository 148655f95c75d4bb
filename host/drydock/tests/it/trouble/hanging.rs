//! Plugins that hold on: stores that never answer, host calls that would take for ever, and
//! outputs without end. The run's deadline and SIGTERM end each of them, the run's end is
//! recorded, and the process goes when it says so.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use drydock_core::{PluginDigest, RunId};
use drydock_journal::Journal;
use drydock_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{ended, ends, impatient};
use crate::bad_input::Case;
use crate::world::{Answer, World, fixture, runtime};

/// How long a test waits for a process that ends within seconds of its own.
const SOON: Duration = Duration::from_secs(60);

/// The most bytes that a call digests: minutes of work on a slow machine, and half of one on
/// the fastest.
const HOLE_BYTES: u64 = 64 << 30;

/// How long a process may take to end that has such work under way; less than the work.
const AT_ONCE: Duration = Duration::from_secs(20);

/// By when a run on a busy machine has reached the call that hangs: its sentence names it.
const REACHED_SECONDS: u32 = 10;

const GOOD_OUTPUT: &str =
    "{name: front, backup: probe, config: {do: output, name: a, text: x, repeat: 9, secret: true}}";
const GOOD_VERDICT: &str = "{name: look, verify: probe-verify}";

/// A node without a cluster: one step before the store, of a fixture, and a store that does
/// as it is told.
fn world(front: &str, store: &str) -> World {
    let mut world = World::alone();
    let folder = world.folder();
    let plugin = |name: &str| format!("    {name}: {{file: {}}}\n", fixture(name).display());
    let names = ["probe", "probe-verify", "hostile", "hostile-store"];
    world.plugins = names.map(plugin).concat();
    let files = format!(
        "files: [{{directory: {}, access: write}}]",
        folder.display()
    );
    world.extra_grants = [
        grant(
            "probe",
            &format!("etcd: [member-list, status, snapshot, hash-kv], {files}"),
        ),
        grant("probe-verify", ""),
        grant("hostile", &files),
        grant("hostile-store", &files),
    ]
    .concat();
    world.store_plugin = "hostile-store".to_owned();
    world.target_config = format!("{{folder: {}, do: {store}}}", folder.display());
    world.extra_node = "  limits: {stopSeconds: 1, hostCalls: 4000}\n".to_owned();
    world.front_steps = vec![front.to_owned(), GOOD_VERDICT.to_owned()];
    world.write();
    world
}

fn grant(name: &str, grants: &str) -> String {
    let digest = PluginDigest::of(&std::fs::read(fixture(name)).unwrap());
    format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: {name}}}\nspec:\n  digest: {digest}\n  grants: {{{grants}}}\n"
    )
}

/// A case whose run has a deadline of so many seconds.
fn with_deadline(name: &'static str, world: World, seconds: u32) -> Case {
    let case = impatient(name, world);
    case.edit(
        "schedules/schedule.yaml",
        "  backoffLimit: 0\n",
        &format!("  backoffLimit: 0\n  activeDeadlineSeconds: {seconds}\n"),
    );
    case
}

/// Effects that failed, as the run's record has them.
fn failed(run: &Value) -> Vec<&str> {
    let faults = run["faults"].as_array().unwrap().iter();
    faults
        .map(|fault| fault["effect"].as_str().unwrap())
        .collect()
}

#[test]
fn a_store_that_never_answers_is_ended_by_the_deadline() {
    for (name, hang, effect) in [
        ("hanging-layout", "layout-hangs", "begin-upload"),
        ("hanging-begin", "begin-hangs", "begin-upload"),
        ("hanging-complete", "complete-hangs", "complete-upload"),
        ("hanging-stat", "stat-hangs", "begin-upload"),
    ] {
        let case = with_deadline(name, world(GOOD_OUTPUT, hang), REACHED_SECONDS);
        let run = ends(&case, 1);
        assert!(failed(&run).contains(&effect), "{hang}: {run:#}");
        case.world.assert_spool_empty();
    }
}

#[test]
fn a_store_that_never_takes_back_is_told_and_left() {
    let case = with_deadline(
        "hanging-undo",
        world(GOOD_OUTPUT, "undo-hangs"),
        REACHED_SECONDS,
    );
    ends(&case, 1);
    case.world.assert_spool_empty();
}

#[test]
fn a_signal_ends_a_store_that_never_answers() {
    let case = impatient("hanging-signal", world(GOOD_OUTPUT, "complete-hangs"));
    let mut child = started(&case);
    let stands = async || {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended too early"
        );
        listed(&case).is_some_and(|run| {
            run["stores"][0]["parts"] == 1
                && run["outputs"][0]["verdicts"][0]["verdict"]["pass"] == true
        })
    };
    runtime()
        .block_on(wait_until("the store is to complete", SOON, stands))
        .unwrap();
    signal(&child, Signal::TERM);
    ended(&case, 1, answer_within(child, SOON));
}

/// The digest of a file that is all hole would take minutes.
#[test]
fn a_host_call_that_takes_for_ever_ends_with_its_run_and_its_process() {
    let elsewhere = tempfile::tempdir().unwrap();
    let hole = File::create(elsewhere.path().join("hole")).unwrap();
    hole.set_len(HOLE_BYTES).unwrap();
    let folder = elsewhere.path().display().to_string();
    let front = format!(
        "{{name: front, backup: probe, config: {{do: folder-sha256, folder: {folder}, path: hole}}}}"
    );
    let mut world = world(&front, "never-forgets");
    world.extra_grants = world.extra_grants.replace(
        &world.folder().display().to_string(),
        &elsewhere.path().display().to_string(),
    );
    world.store_plugin = "store-file".to_owned();
    world.target_config = String::new();
    world.write();
    let mut case = with_deadline("hanging-host-call", world, 2);
    case.hide(&folder, "<folder>");
    let child = started(&case);
    let begun = async || listed(&case).is_some();
    runtime()
        .block_on(wait_until("the run is recorded", SOON, begun))
        .unwrap();
    ended(&case, 1, answer_within(child, AT_ONCE));
}

#[test]
fn no_output_is_taken_past_the_last_that_a_run_may_have() {
    let front = "{name: front, backup: hostile, config: {do: output-flood-deaf}}";
    let case = impatient("outputs-without-end", world(front, "never-forgets"));
    let run = ends(&case, 1);
    let journal = Journal::open_reader(&case.world.scratch.join("state")).unwrap();
    let id = RunId::new(run["run"].as_str().unwrap());
    let records = journal.records(&id).unwrap();
    let opened = records
        .iter()
        .filter(|record| record.body.contains("\"event\":\"opened\""));
    assert_eq!(opened.count(), 256);
    case.world.assert_spool_empty();
}

fn started(case: &Case) -> Child {
    case.command(&["run", "s1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn listed(case: &Case) -> Option<Value> {
    case.world.runs_so_far().into_iter().next()
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// Waits for the process to end, and for no longer than that.
fn answer_within(mut child: Child, limit: Duration) -> Answer {
    let gone = async || child.try_wait().unwrap().is_some();
    let in_time = runtime().block_on(wait_until("the process ends", limit, gone));
    if in_time.is_err() {
        child.kill().unwrap();
    }
    let answer = Answer::of(child.wait_with_output().unwrap());
    assert!(in_time.is_ok(), "it does not end: {}", answer.stderr);
    answer
}
