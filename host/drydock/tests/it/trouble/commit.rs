//! Stores that fall in the one write that commits, once the manifest is visible, and deny
//! afterwards that it is. What the signed manifest names stays, whoever claims what, and
//! what is not known is told as not known.

use std::path::Path;

use super::endpoints::plain_cluster;
use super::with_store;
use crate::bad_input::{with_placeholders, without_log};
use crate::world::{Answer, World, assert_golden};

/// Small enough that a guest meets them soon, and far above what honest work takes. Only
/// one that waits meets the idle limit: a busy machine is no reason for another sentence.
fn limits(fall: &str) -> String {
    let idle = if fall == "waits" { 1 } else { 60 };
    format!(
        "  limits: {{guestCpuSeconds: 1, idleSeconds: {idle}, hostCalls: 5000, handles: 200, guestMemoryMebibytes: 64}}\n"
    )
}

/// Each way to fall: every limit that a guest can hit here, what it can return, and what
/// the host makes of its answer.
const FALLS: [&str; 16] = [
    "computes",
    "calls-the-host",
    "recurses",
    "hands-over-too-much",
    "too-large",
    "grows",
    "holds",
    "waits",
    "panics",
    "other-size",
    "exists",
    "permanent",
    "denied",
    "transient",
    "cancelled",
    "not",
];

/// A node whose store falls. What each run said is kept under a heading.
struct Falling {
    world: World,
    said: String,
}

impl Falling {
    fn new() -> Self {
        let mut world = World::of(plain_cluster());
        world.backup_config = "{name: snapshot.db}".to_owned();
        let said = String::new();
        Self { world, said }
    }

    /// One run with this store, which must end with this code.
    fn run(&mut self, fall: &str, then: &str, code: i32) {
        let world = &mut self.world;
        with_store(world, "store-falls", &format!("fall: {fall}, then: {then}"));
        world.extra_grants.push_str(&limits(fall));
        world.write();
        let schedule = world.scratch.join("schedules/schedule.yaml");
        let text = std::fs::read_to_string(&schedule).unwrap();
        let impatient = text.replace("  steps:\n", "  backoffLimit: 0\n  steps:\n");
        std::fs::write(schedule, impatient).unwrap();
        let answer = world.drydock(&["run", "s1"]);
        let answer = answer.code(code);
        self.keep(&format!("{fall}, {then}"), &answer);
    }

    fn keep(&mut self, heading: &str, answer: &Answer) {
        let scratch = self.world.scratch.path().display().to_string();
        let told = without_log(&answer.stderr).replace(&scratch, "<scratch>");
        let told = with_placeholders(&told, true);
        let told = figures_hidden(&told, "computed for ");
        let told = figures_hidden(&told, "src/lib.rs:");
        self.said.push_str(&format!("# {heading}\n{told}"));
    }

    /// With an honest store in its place, every manifest's objects can be read.
    fn assert_whole(mut self, count: usize) -> String {
        self.world.store_plugin = "store-file".to_owned();
        self.world.target_config = String::new();
        self.world.write();
        let points = self.world.recovery_points();
        assert_eq!(points.len(), count, "{points:?}");
        let identity = self.world.path("sealing.key");
        for point in points {
            let verify = ["recovery-point", "verify", &point, "--identity", &identity];
            self.world.drydock(&verify).ok();
        }
        self.world.assert_spool_empty();
        self.said
    }
}

/// What differs from build to build or from run to run: a place, a time.
fn figures_hidden(text: &str, behind: &str) -> String {
    let Some((before, after)) = text.split_once(behind) else {
        return text.to_owned();
    };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || ".:".contains(c));
    format!("{before}{behind}<figures>{}", figures_hidden(rest, behind))
}

/// The manifest is visible, and the store says that it is not there: nothing of the run may
/// go, and nobody may call it stored, or not stored.
#[test]
fn a_store_that_falls_in_its_commit_and_denies_it() {
    let mut falling = Falling::new();
    for fall in FALLS {
        falling.run(fall, "hides", 1);
    }
    let said = falling.assert_whole(FALLS.len());
    assert_golden("commit-denied.txt", &said);
}

/// The manifest is visible and can be read: the recovery point stands. What is wrong with
/// the plugin degrades the run, but for what the next try may do without.
#[test]
fn a_store_that_falls_in_a_commit_that_stands() {
    let mut falling = Falling::new();
    for (fall, code) in [
        ("calls-the-host", 2),
        ("denied", 2),
        ("other-size", 2),
        ("exists", 0),
        ("panics", 0),
        ("not", 0),
    ] {
        falling.run(fall, "shows", code);
    }
    let said = falling.assert_whole(6);
    assert_golden("commit-stands.txt", &said);
}

/// The manifest is whole, and what is read of it is not.
#[test]
fn a_store_that_gives_back_another_manifest() {
    let mut falling = Falling::new();
    falling.run("not", "garbles", 1);
    let runs = falling.world.runs();
    let run = runs.last().unwrap();
    assert_eq!(run["stores"][0]["state"], "indeterminate", "{run:#}");
    assert_eq!(run["fault"]["certainty"], "unknown", "{run:#}");
    let said = falling.assert_whole(1);
    assert_golden("commit-garbled.txt", &said);
}

/// An object that was completed, and is gone when the manifest is about to be written.
#[test]
fn a_store_that_loses_an_object_before_the_commit() {
    let mut falling = Falling::new();
    falling.run("not", "loses", 1);
    assert!(objects(&falling.world.folder()).is_empty());
    let said = falling.assert_whole(0);
    assert_golden("commit-of-nothing.txt", &said);
}

fn objects(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = crate::world::files_under(&folder.join("c1"));
    let manifest = |path: &std::path::PathBuf| path.ends_with("manifest.json");
    files.into_iter().filter(manifest).collect()
}
