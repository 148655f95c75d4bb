//! Runs that ask: what an operator sees, and what becomes of each answer.

use serde_json::Value;

use crate::daemon::kit::Daemon;
use crate::faulty::KILL;
use crate::world::{Answer, World};

/// A gate that stands before the backup: nothing is read until it is answered.
const GATE: &str = "{name: look, gate: {question: Is the cluster quiet?, choices: [{name: go-on, means: the snapshot is taken}, {name: stop, means: nothing is done, ends: true}]}}";

const SNAPSHOT: &str = "{name: snapshot, backup: etcd-backup, needs: [look]}";

const VERIFY: &str = "{name: verify, verify: etcd-verify}";

/// A node whose runs ask before they back up.
fn gated() -> World {
    let mut world = World::new();
    world.front_steps = [GATE, SNAPSHOT, VERIFY].map(str::to_owned).to_vec();
    world.write();
    world
}

/// A run that waits at the gate, by its id.
fn waiting(world: &World) -> String {
    let (answer, run) = world.run();
    let answer = answer.code(75);
    let id = run["run"].as_str().unwrap().to_owned();
    assert_eq!(run["phase"], "asking", "{run}");
    let command = format!("run decide {id} 1 go-on");
    assert!(answer.stderr.contains(&command), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("Is the cluster quiet?"),
        "{}",
        answer.stderr
    );
    id
}

fn shown(world: &World, run: &str) -> Value {
    let answer = world
        .drydock(&["run", "show", run, "--output", "json"])
        .ok();
    let mut details: Value = serde_json::from_str(&answer.stdout).unwrap();
    details["run"].take()
}

fn decide(world: &World, run: &str, question: &str, choice: &str) -> Answer {
    world.drydock(&["run", "decide", run, question, choice])
}

#[test]
fn a_run_asks_and_goes_on_when_it_is_answered() {
    let world = gated();
    let run = waiting(&world);
    assert!(world.stored_files().is_empty());

    let listed = world.drydock(&["run", "list"]).ok().stdout;
    let row = listed.lines().find(|line| line.contains(&run)).unwrap();
    assert!(
        row.contains("Asking") && row.contains("question 1: Is the cluster quiet?"),
        "{listed}"
    );
    let table = world.drydock(&["run", "show", &run]).ok().stdout;
    for told in [
        "run decide",
        "the snapshot is taken",
        "nothing is done; the run ends as Failed",
        "look      gate",
    ] {
        assert!(table.contains(told), "{told} in {table}");
    }
    let asked = &shown(&world, &run)["questions"][0];
    assert_eq!(asked["question"], 1);
    assert_eq!(asked["about"], "look");
    assert_eq!(asked["answer"], Value::Null);
    assert_eq!(asked["choices"][1]["ends"], true);

    decide(&world, &run, "1", "go-on").ok();
    let after = shown(&world, &run);
    assert_eq!(after["outcome"], "Succeeded");
    assert_eq!(after["questions"][0]["answer"]["choice"], "go-on");
    let by = after["questions"][0]["answer"]["by"].as_str().unwrap();
    assert!(by.starts_with("uid "), "{by}");
    assert_eq!(world.recovery_points(), [run]);
    world.assert_spool_empty();
}

#[test]
fn what_does_not_fit_is_refused_before_anything_begins() {
    let world = gated();
    let run = waiting(&world);
    let before = world.drydock(&["run", "show", &run, "--records"]).ok();
    let other = format!("{run}x");
    for (arguments, code, told) in [
        (
            [run.as_str(), "1", "maybe"],
            64,
            "answer with go-on or stop",
        ),
        ([run.as_str(), "2", "go-on"], 64, "question 1 is open"),
        ([other.as_str(), "1", "go-on"], 64, run.as_str()),
    ] {
        let [run, question, choice] = arguments;
        let refused = decide(&world, run, question, choice).code(code);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let after = world.drydock(&["run", "show", &run, "--records"]).ok();
    assert_eq!(after.stdout, before.stdout, "something was recorded");

    decide(&world, &run, "1", "stop").code(1);
    for verb in [
        &["decide", &run, "1", "go-on"][..],
        &["resume", &run],
        &["cancel", &run],
    ] {
        let refused = world.drydock(&[&["run"], verb].concat()).code(1);
        assert!(
            refused.stderr.contains("has ended Failed"),
            "{}",
            refused.stderr
        );
    }
    world.assert_nothing_left();
}

#[test]
fn an_answer_that_ends_the_run_and_a_cancel_take_everything_back() {
    let world = gated();
    let run = waiting(&world);
    let ended = decide(&world, &run, "1", "stop").code(1);
    assert!(ended.stderr.contains("answered stop"), "{}", ended.stderr);
    assert_eq!(shown(&world, &run)["fault"]["code"], "gate-ended");

    let run = waiting(&world);
    let cancel = ["run", "cancel", &run, "--reason", "the window is over"];
    let cancelled = world.drydock(&cancel).code(1);
    assert!(
        cancelled.stderr.contains("the window is over"),
        "{}",
        cancelled.stderr
    );
    assert_eq!(shown(&world, &run)["outcome"], "Failed");
    world.assert_nothing_left();
}

#[test]
fn a_new_run_says_that_an_older_one_waits_and_ends_by_its_own() {
    let mut world = gated();
    let run = waiting(&world);
    world.front_steps = Vec::new();
    world.write();
    let answer = world.drydock(&["run", "s1"]).ok();
    let command = format!("run decide {run} 1 go-on");
    assert!(answer.stderr.contains(&command), "{}", answer.stderr);
    // It goes on with the steps that it began with.
    decide(&world, &run, "1", "go-on").ok();
    assert_eq!(world.recovery_points().len(), 2);
}

#[test]
fn a_run_that_was_killed_is_resumed_by_its_id() {
    let world = gated();
    let run = waiting(&world);
    let killed = world
        .faulty(&["run", "decide", &run, "1", "go-on"])
        .env(KILL, "after-record:4")
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "it was not killed");
    world.resume().ok();
    assert_eq!(shown(&world, &run)["outcome"], "Succeeded");
}

#[test]
fn retry_goes_on_with_an_open_run_and_runs_the_schedule_of_an_ended_one() {
    let world = gated();
    let run = waiting(&world);
    // No question of it has that answer: it goes on waiting.
    let waits = world.drydock(&["run", "retry", &run]).code(75);
    assert!(waits.stderr.contains("run decide"), "{}", waits.stderr);
    decide(&world, &run, "1", "stop").code(1);
    world.drydock(&["run", "retry", &run]).code(75);
    let again = world.newest_run().unwrap();
    assert_ne!(again, run);
    decide(&world, &again, "1", "go-on").ok();
    assert_eq!(world.recovery_points(), [again]);
}

#[test]
fn records_are_replayed_where_the_journal_is_not() {
    let world = gated();
    let run = waiting(&world);
    let records = world.drydock(&["run", "show", &run, "--records"]).ok();
    let file = world.path("records.jsonl");
    std::fs::write(&file, &records.stdout).unwrap();
    let replayed = world.drydock(&["run", "replay", &file]).ok().stdout;
    for told in ["created: run", "ask question 1", "Asking"] {
        assert!(replayed.contains(told), "{told} in {replayed}");
    }
    let json = world
        .drydock(&["run", "replay", &file, "--output", "json"])
        .ok();
    let replayed: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(replayed["run"], shown(&world, &run));

    let torn = &records.stdout[..records.stdout.len() - 20];
    let headless = records.stdout.split_once('\n').unwrap().1;
    for (text, told) in [
        (torn, "is no record of a run"),
        (headless, "a line is missing"),
        ("", "there is no record in it"),
    ] {
        std::fs::write(&file, text).unwrap();
        let refused = world.drydock(&["run", "replay", &file]).code(1);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
}

#[test]
fn the_daemon_tells_of_a_question_and_keeps_others_from_answering_beside_it() {
    let world = gated();
    let run = waiting(&world);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    let said = daemon.wait_said("the run asks", 1);
    assert_eq!(said["run"], run.as_str());
    let (code, ready) = daemon.get("/readyz");
    let line = format!(
        "warn questions: {run} asks question 1: Is the cluster quiet?; answer with `drydock run decide {run} 1 go-on|stop`"
    );
    assert!(code == 200 && ready.lines().any(|l| l == line), "{ready}");
    let open = "drydock_run_questions{schedule=\"s1\"}";
    assert_eq!(daemon.metric(open), Some(1.0));
    assert_eq!(daemon.metric("drydock_runs_stuck"), Some(0.0));
    for verb in [
        &["decide", &run, "1", "go-on"][..],
        &["cancel", &run],
        &["resume", &run],
        &["retry", &run],
    ] {
        let refused = world.drydock(&[&["run"], verb].concat()).code(75);
        assert!(
            refused.stderr.contains("systemctl stop drydock"),
            "{}",
            refused.stderr
        );
    }
    daemon.stop();
    assert_eq!(shown(&world, &run)["outcome"], Value::Null);
    decide(&world, &run, "1", "go-on").ok();
}
