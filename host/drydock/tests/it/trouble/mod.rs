//! Trouble that nobody typed: clusters that refuse or fall silent, streams that break off,
//! disks that are full, targets that go away.
//!
//! Each case is a [`Case`] with its section in a golden file: one sentence for the
//! operator. On top of what every case asks for, a run's end must be recorded,
//! `drydock run show` must tell the same story, and the target must hold what was proven
//! before and nothing else.

mod certificates;
mod changed;
mod clusters;
mod commit;
pub mod endpoints;
mod hanging;
mod log_in;
mod own_node;
mod public;
mod spool;
pub mod stream;
mod target;

use std::process::Command;

use drydock_testkit::etcd::Cluster;
use serde_json::Value;

use crate::bad_input::Case;
use crate::world::{Answer, World, fixture, runtime};

/// A case whose schedule tries nothing twice: a test does not wait for a retry unless it
/// is about one.
fn impatient(name: &'static str, world: World) -> Case {
    let case = Case::new(name, world);
    case.edit(
        "schedules/schedule.yaml",
        "  steps:\n",
        "  backoffLimit: 0\n  steps:\n",
    );
    case
}

/// Names an endpoint in the golden file, whatever its port is.
fn hide_endpoints(case: &mut Case, cluster: &Cluster) {
    for (index, url) in cluster.endpoints().iter().enumerate() {
        let scheme = url.split("://").next().unwrap();
        case.hide(url, &format!("{scheme}://<member-{index}>"));
    }
}

/// The ids of a cluster and its members as sentences spell them. etcd's have a leading
/// zero now and then, which is not written.
fn ids(cluster: &Cluster) -> Vec<String> {
    let asked = runtime().block_on(async {
        let mut client = cluster.client().await.unwrap();
        client.member_list().await.unwrap()
    });
    let own = asked.header().unwrap().cluster_id();
    let members = asked.members().iter().map(etcd_client::Member::id);
    members.chain([own]).map(|id| format!("{id:x}")).collect()
}

fn hide_ids(case: &mut Case, ids: &[String]) {
    for id in ids {
        case.hide(id, "<id>");
    }
}

/// Runs the schedule, holds what it says against the golden file and against the run's
/// record, and gives the record.
fn ends(case: &Case, code: i32) -> Value {
    ends_with(case, code, |command| command)
}

/// The same with the command changed, e.g. by mounts around it.
fn ends_with(case: &Case, code: i32, change: impl Fn(Command) -> Command) -> Value {
    let output = change(case.command(&["run", "s1"])).output().unwrap();
    ended(case, code, Answer::of(output))
}

/// What must hold of any run that has ended with `code`.
fn ended(case: &Case, code: i32, answer: Answer) -> Value {
    let answer = case.judge(code, answer);
    let run = newest(case);
    let wanted = match code {
        0 => "Succeeded",
        1 => "Failed",
        2 => "Degraded",
        other => panic!("no run ends with {other}"),
    };
    assert_eq!(run["outcome"], wanted, "{run:#}");
    assert_shown(case, &run, &answer);
    run
}

/// A run that succeeded beside trouble: nothing is said of it at once, and `run show`
/// tells it. Its notes stand in the golden file.
fn notes(case: &Case, answer: Answer) {
    let answer = answer.ok();
    let said = answer.stderr.lines();
    let said: Vec<&str> = said
        .filter(|line| !is_log(line) && !is_next(line))
        .collect();
    assert_eq!(said, Vec::<&str>::new(), "{}", answer.stderr);
    let id = newest(case)["run"].as_str().unwrap().to_owned();
    let shown = case.world.drydock(&["run", "show", &id]).ok();
    let notes = shown
        .stdout
        .lines()
        .filter(|line| line.contains(": note: "));
    let notes = notes.map(|line| format!("{line}\n")).collect();
    case.judge(
        0,
        Answer {
            stderr: notes,
            ..answer
        },
    );
}

fn newest(case: &Case) -> Value {
    let runs = case.world.runs();
    runs.first().expect("the run is recorded").clone()
}

/// `run show` tells every sentence that the run ended with, once.
fn assert_shown(case: &Case, run: &Value, answer: &Answer) {
    let id = run["run"].as_str().unwrap();
    let shown = case.world.drydock(&["run", "show", id]).ok();
    let told = answer.stderr.lines().filter(|line| !is_log(line));
    let is_progress = |line: &str| line.starts_with("Taking up ") || line.starts_with("Stopping: ");
    for sentence in told.filter(|line| !is_progress(line) && !is_next(line)) {
        let times = shown
            .stdout
            .lines()
            .filter(|line| *line == sentence)
            .count();
        assert_eq!(times, 1, "{sentence}\n{}", shown.stdout);
    }
}

/// What to do next, which no record tells.
fn is_next(line: &str) -> bool {
    line.starts_with("Next: ")
}

/// Log lines begin with an instant.
fn is_log(line: &str) -> bool {
    line.starts_with("20") && line.get(19..20).is_some_and(|c| ".Z".contains(c))
}

/// Nothing of a run that failed at an empty target.
fn assert_nothing_stored(case: &Case) {
    case.world.assert_nothing_left();
}

/// Puts a fixture in the place of the store plugin, with this configuration.
fn with_store(world: &mut World, name: &str, config: &str) {
    let path = fixture(name);
    let digest = drydock_core::PluginDigest::of(&std::fs::read(&path).unwrap());
    let folder = world.folder();
    world.store_plugin = name.to_owned();
    world.plugins = format!("    {name}: {{file: {}}}\n", path.display());
    world.target_config = format!("{{folder: {}, {config}}}", folder.display());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: {name}}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {}, access: write}}]\n",
        folder.display()
    );
    world.write();
}
