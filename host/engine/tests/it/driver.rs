//! The driver over a real journal, with a runner that answers as it is told: what it writes,
//! when, and in which order.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use drydock_core::{
    CrashPoint, ErrorCode, Fault, HoldPhase, OutcomeCode, RunId, RunKind, RunPhase, RunSubject,
    ScheduleName, StorePhase, Subject,
};
use drydock_engine::model::{Outcome, RunSpec};
use drydock_engine::replay::{read_log, replay, run_of, write_log};
use drydock_engine::{Ended, EngineError, RunView};
use drydock_journal::{JOURNAL_FILE, Journal, RunProgress};

use crate::kit_driver::{
    Bench, ModelRunner, RUN, backup, fault_of, finished, gate, graph, held, node,
};

#[tokio::test]
async fn a_run_ends_and_the_journal_tells_its_story() {
    let bench = Bench::new();
    assert_eq!(bench.run(backup(&["s1"])).await, Outcome::Succeeded);
    assert_eq!(bench.count("put-part"), 3);
    let journal = Journal::open_reader(bench.folder.path()).unwrap();
    let row = journal.run(&RunId::new(RUN)).unwrap().unwrap();
    assert_eq!(row.kind, RunKind::Backup);
    let cluster = RunSubject::read(Subject::Cluster(row.cluster));
    assert_eq!(row.subjects, [cluster]);
    assert_eq!(row.progress.phase, RunPhase::Finished);
    let end = row.progress.end.unwrap();
    assert_eq!(end.outcome, OutcomeCode::Succeeded);
    assert_eq!(end.details, r#"{"outcome":"succeeded"}"#);
    let view = bench.engine.view(&RunId::new(RUN)).await.unwrap();
    assert_eq!(view.outcome, Some(Outcome::Succeeded));
    assert!(view.recovery_point.is_some());
    assert_eq!(view.recovery_point, row.progress.recovery_point);
    let store = &view.stores[0];
    assert_eq!(
        (store.state, store.parts, store.bytes),
        (StorePhase::Committed, 3, 25)
    );
    assert_eq!((store.parts_total, store.bytes_total), (Some(3), Some(25)));
}

#[tokio::test]
async fn volatile_events_are_not_recorded_and_manifests_only_once() {
    let bench = Bench::new();
    bench.run(backup(&["s1"])).await;
    assert_eq!(bench.records_with(r#""event":"advanced""#), 0);
    assert_eq!(bench.records_with(r#""signature":"signature""#), 1);
    assert_eq!(bench.records_with(r#""point":"put-part""#), 3);
}

#[tokio::test]
async fn effects_are_numbered_from_one_without_a_gap() {
    let bench = Bench::new();
    bench.run(backup(&["s1", "s2"])).await;
    let records = bench.records();
    let bodies = records.iter().map(|record| &record.body);
    let bodies = bodies.map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap());
    let ids: Vec<_> = bodies.filter_map(|body| body["id"].as_u64()).collect();
    let expected: Vec<_> = (1..=ids.len() as u64).collect();
    assert_eq!(ids, expected);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again() {
    let bench = Bench::new();
    let busy = Fault::transient(ErrorCode::of("busy"), "busy");
    bench.runner.fail("put-part", busy);
    assert_eq!(bench.run(backup(&["s1"])).await, Outcome::Succeeded);
    assert_eq!(bench.count("put-part"), 4);
    let view = bench.engine.view(&RunId::new(RUN)).await.unwrap();
    assert_eq!(view.faults[0].effect, "put-part");
}

#[tokio::test]
async fn a_suspended_run_is_resumed_without_sending_parts_again() {
    let bench = Bench::new();
    bench.runner.hang("complete-upload");
    let handle = bench.start(backup(&["s1"])).await;
    bench.runner.hanging().await;
    handle.suspend().await;
    assert_eq!(handle.wait().await.unwrap(), Ended::Suspended);
    let nightly = ScheduleName::new("nightly");
    let open = bench.engine.unfinished(Some(&nightly)).await.unwrap();
    assert_eq!(open, [RunId::new(RUN)]);
    bench.runner.hang_no_more();
    let again = bench.restarted();
    assert_eq!(again.resumed().await, Outcome::Succeeded);
    assert_eq!(again.count("put-part"), 3);
    assert_eq!(again.count("attempt snapshot"), 1);
    assert_eq!(again.count("complete-upload"), 2);
    assert!(again.engine.unfinished(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn dropping_the_handle_suspends_the_run() {
    let bench = Bench::new();
    bench.runner.hang("judge");
    let handle = bench.start(backup(&["s1"])).await;
    bench.runner.hanging().await;
    let mut progress = handle.progress();
    drop(handle);
    // The run's task has ended when its progress is closed.
    while progress.changed().await.is_ok() {}
    bench.runner.hang_no_more();
    assert_eq!(bench.resumed().await, Outcome::Succeeded);
}

#[tokio::test]
async fn one_occurrence_runs_once() {
    let bench = Bench::new();
    bench.runner.hang("judge");
    let run = RunId::new(RUN);
    let handle = bench.start(backup(&["s1"])).await;
    let second = bench.engine.resume(&run).await;
    assert!(matches!(second.err(), Some(EngineError::Running { .. })));
    bench.runner.hanging().await;
    handle.cancel("enough").await;
    let _ = handle.wait().await.unwrap();
    let third = bench.engine.start(backup(&["s1"]), None).await;
    assert_eq!(
        third.err().unwrap().to_string(),
        format!("run {run} was started before: one occurrence is run once")
    );
    let fourth = bench.engine.resume(&run).await.err().unwrap();
    assert_eq!(
        fourth.to_string(),
        format!("run {run} has ended; start a new one")
    );
    let unknown = bench.engine.resume(&RunId::new("x")).await.err().unwrap();
    assert!(matches!(unknown, EngineError::NoBeginning { .. }));
}

#[tokio::test]
async fn a_specification_that_is_not_one_of_a_run_is_refused() {
    let bench = Bench::new();
    let twice = graph(vec![node("a", &[]), node("a", &[])]);
    let refused = bench.engine.start(twice, None).await.err().unwrap();
    assert!(matches!(refused, EngineError::BadSpec { .. }));
    let told = format!("run {RUN} cannot be started: ");
    assert!(refused.to_string().starts_with(&told), "{refused}");
    assert!(bench.runner.performed().is_empty());
    assert!(bench.records().is_empty());
}

/// A run that changes the cluster, and waits for an operator.
fn writer(run: &str) -> RunSpec {
    let spec = graph(vec![gate("ask")]);
    let cluster = Subject::Cluster(spec.cluster.clone());
    RunSpec {
        run: RunId::new(run),
        subjects: vec![RunSubject::write(cluster)],
        ..spec
    }
}

#[tokio::test]
async fn two_runs_that_would_be_in_each_others_way_are_kept_apart() {
    let bench = Bench::new();
    let first = bench.start(writer("first")).await;
    let refused = bench.engine.start(writer("second"), None).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, EngineError::Blocked(_)), "{refused}");
    assert!(refused.to_string().contains("first"), "{refused}");
    let despite = Some(RunId::new("first"));
    let second = bench.engine.start(writer("second"), despite).await.unwrap();
    assert_eq!(second.run().as_str(), "second");
    first.suspend().await;
    assert_eq!(first.wait().await.unwrap(), Ended::Suspended);
}

#[tokio::test]
async fn a_journal_that_fails_stops_the_run_before_the_effect() {
    let bench = Bench::new();
    let database = bench.folder.path().join(JOURNAL_FILE);
    let other = rusqlite::Connection::open(database).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON records WHEN NEW.body LIKE '%commit-manifest%'
             BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        )
        .unwrap();
    let handle = bench.start(backup(&["s1"])).await;
    let error = handle.wait().await.unwrap_err();
    assert!(matches!(error, EngineError::Journal { .. }));
    assert_eq!(bench.count("commit-manifest"), 0);
    other.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(bench.resumed().await, Outcome::Succeeded);
    assert_eq!(bench.count("commit-manifest"), 1);
}

/// Notes what had been performed when each point was passed.
struct Watcher {
    runner: Arc<ModelRunner>,
    passed: Mutex<Vec<(char, u64, bool)>>,
}

impl CrashPoint for Watcher {
    fn before_record(&self, n: u64) {
        self.note('b', n);
    }

    fn after_record(&self, n: u64) {
        self.note('a', n);
    }
}

impl Watcher {
    fn note(&self, point: char, n: u64) {
        let committed = self
            .runner
            .performed()
            .contains(&"commit-manifest".to_owned());
        self.passed.lock().unwrap().push((point, n, committed));
    }
}

#[tokio::test]
async fn crash_points_stand_on_both_sides_of_every_record() {
    let bench = Bench::new();
    let watcher = Arc::new(Watcher {
        runner: Arc::clone(&bench.runner),
        passed: Mutex::default(),
    });
    let engine = bench
        .engine
        .clone()
        .with_crash_point(Arc::clone(&watcher) as _);
    let handle = engine.start(backup(&["s1"]), None).await.unwrap();
    assert_eq!(finished(handle.wait().await), Outcome::Succeeded);
    let passed = watcher.passed.lock().unwrap();
    for (index, (point, n, _)) in passed.iter().enumerate() {
        assert_eq!((*point, *n), (['b', 'a'][index % 2], index as u64 / 2 + 1));
    }
    // The commit starts only after the record that says so, and its answer comes to a
    // point before its own record.
    let first = passed.iter().find(|(_, _, committed)| *committed).unwrap();
    assert_eq!(first.0, 'b');
}

/// Compares the journal's row with what its records lead to, after each transaction.
struct RowReader {
    folder: PathBuf,
    phases: Mutex<Vec<RunPhase>>,
    /// Of its rows of holds.
    holds: Mutex<Vec<HoldPhase>>,
}

impl CrashPoint for RowReader {
    fn before_record(&self, _n: u64) {}

    fn after_record(&self, _n: u64) {
        let journal = Journal::open_reader(&self.folder).unwrap();
        let run = RunId::new(RUN);
        let RunProgress {
            phase,
            recovery_point,
            end,
            holds,
            ..
        } = journal.run(&run).unwrap().unwrap().progress;
        let records = journal.records(&run).unwrap();
        let view = RunView::of(&replay(&run, &records).unwrap());
        assert_eq!((phase, recovery_point), (view.phase, view.recovery_point));
        assert_eq!(
            end.as_ref().map(|end| (end.outcome, end.finished)),
            view.outcome.map(|o| o.code()).zip(view.finished)
        );
        let rows: Vec<_> = holds.iter().map(|row| (&row.step, row.phase)).collect();
        let open = view
            .holds
            .iter()
            .filter(|hold| hold.phase != HoldPhase::Released);
        let open: Vec<_> = open.map(|hold| (&hold.step, hold.phase)).collect();
        assert_eq!(rows, open);
        let mut seen = self.holds.lock().unwrap();
        seen.extend(holds.iter().map(|row| row.phase));
        let mut phases = self.phases.lock().unwrap();
        if phases.last() != Some(&phase) {
            phases.push(phase);
        }
    }
}

#[tokio::test]
async fn a_row_is_what_the_records_lead_to_after_every_transaction() {
    use RunPhase::{Ending, Finished, Running, Storing};
    let fault = Fault::permanent(ErrorCode::of("no-key"), "there is no key");
    for (fault, phases) in [
        (None, vec![Running, Storing, Finished]),
        (Some(fault), vec![Running, Storing, Ending, Finished]),
    ] {
        let bench = Bench::new();
        if let Some(fault) = fault {
            bench.runner.fail("sign-manifest", fault);
        }
        let reader = read_along(&bench, backup(&["s1"])).await;
        assert_eq!(*reader.phases.lock().unwrap(), phases);
    }
}

#[tokio::test]
async fn a_hold_has_its_row_from_before_it_is_asked_for_until_it_is_let_go() {
    let reader = read_along(&Bench::new(), held()).await;
    let mut seen = reader.holds.lock().unwrap().clone();
    seen.dedup();
    let all = [HoldPhase::Requested, HoldPhase::Held, HoldPhase::LettingGo];
    assert_eq!(seen, all);
}

/// Runs to the end, and looks at the row after each transaction.
async fn read_along(bench: &Bench, spec: RunSpec) -> Arc<RowReader> {
    let reader = Arc::new(RowReader {
        folder: bench.folder.path().to_owned(),
        phases: Mutex::default(),
        holds: Mutex::default(),
    });
    let engine = bench.engine.clone();
    let engine = engine.with_crash_point(Arc::clone(&reader) as _);
    let handle = engine.start(spec, None).await.unwrap();
    finished(handle.wait().await);
    reader
}

#[tokio::test]
async fn progress_counts_parts_and_bytes() {
    let bench = Bench::new();
    bench.runner.hang("complete-upload");
    let handle = bench.start(backup(&["s1"])).await;
    let mut progress = handle.progress();
    let staged = progress
        .wait_for(|view| view.stores[0].state == StorePhase::Staged)
        .await
        .unwrap();
    assert_eq!((staged.stores[0].parts, staged.stores[0].bytes), (3, 25));
    drop(staged);
    handle.suspend().await;
    assert_eq!(handle.wait().await.unwrap(), Ended::Suspended);
}

#[tokio::test]
async fn an_answer_of_another_kind_does_not_hang_the_run() {
    let bench = Bench::new();
    bench.runner.lie_at("judge");
    let fault = fault_of(bench.run(backup(&["s1"])).await);
    assert_eq!(fault.code.as_str(), "wrong-answer");
}

#[tokio::test]
async fn records_survive_as_a_log() {
    let bench = Bench::new();
    bench.run(backup(&["s1"])).await;
    let records = bench.records();
    let log = write_log(&records);
    assert_eq!(log.lines().count(), records.len());
    let again = read_log(&log).unwrap();
    let run = run_of(&again).unwrap();
    assert_eq!(run, RunId::new(RUN));
    assert_eq!(
        replay(&run, &again).unwrap(),
        replay(&run, &records).unwrap()
    );
    assert_eq!(write_log(&again), log);
}

#[test]
fn a_text_that_is_no_log_is_told_by_its_line() {
    let first = r#"{"sequence":1,"kind":"event","at":5,"body":{"event":"resumed","at":5}}"#;
    let third = first.replace(r#""sequence":1"#, r#""sequence":3"#);
    let told = |text: &str| read_log(text).unwrap_err().to_string();
    assert_eq!(
        told(&format!("{first}\n{{\n")),
        "line 2 is no record of a run"
    );
    assert_eq!(
        told(&format!("{first}\n\n{third}\n")),
        "line 3 has record 3 where record 2 belongs: a line is missing, or they are not in their order"
    );
    assert_eq!(told("\n"), "there is no record in it");
    let records = read_log(first).unwrap();
    let error = replay(&RunId::new("x"), &records).unwrap_err();
    assert!(matches!(error, EngineError::NoBeginning { .. }));
}
