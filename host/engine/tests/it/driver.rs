//! The driver over a real journal, with a runner that answers as it is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::store::{Completion, Layout, ObjectStat, Receipt, Session};
use drydock_core::{
    Clock, CrashPoint, ErrorCode, Fault, OutcomeCode, RunId, RunKind, RunPhase, RunSubject,
    ScheduleName, StorePhase, Subject, UnixTime,
};
use drydock_engine::model::{Effect, Event, Outcome, RunSpec};
use drydock_engine::replay::replay;
use drydock_engine::state::RunState;
use drydock_engine::{Ended, Engine, EngineError, Events, RunView, STOP_GRACE, StepRunner};
use drydock_journal::{JOURNAL_FILE, Journal, RunProgress};
use tokio::sync::Notify;

use crate::kit;

/// Sealed bytes of the one output: three parts.
const SEALED_BYTES: u64 = 25;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(1_767_323_050)
    }
}

/// Succeeds at everything, but for what it is told.
#[derive(Default)]
struct ModelRunner {
    /// Short forms of everything that was performed, in order.
    performed: Mutex<Vec<String>>,
    /// Effects whose short form begins like this are answered with the fault once.
    failures: Mutex<Vec<(&'static str, Fault)>>,
    /// These never answer.
    hang: Mutex<BTreeSet<&'static str>>,
    hanging: Notify,
    panic_once: Mutex<Option<&'static str>>,
    lie_once: Mutex<Option<&'static str>>,
    stop: Notify,
}

#[async_trait]
impl StepRunner for ModelRunner {
    async fn perform(&self, _state: Arc<RunState>, effect: Effect, events: Events) -> Event {
        let word = effect.word();
        self.performed.lock().unwrap().push(short(&effect));
        if self.hang.lock().unwrap().contains(word) {
            self.hanging.notify_one();
            self.hang_on(&effect).await;
        }
        let panics = self.panic_once.lock().unwrap().take_if(|w| *w == word);
        assert!(panics.is_none(), "told to panic");
        if self
            .lie_once
            .lock()
            .unwrap()
            .take_if(|w| *w == word)
            .is_some()
        {
            return Event::SpoolDropped;
        }
        if let Some(fault) = self.failure_of(&short(&effect)) {
            let effect = Box::new(effect);
            return Event::EffectFailed { effect, fault };
        }
        answer(effect, events).await
    }

    fn stop(&self, _reason: &Fault) -> Duration {
        self.stop.notify_one();
        STOP_GRACE
    }
}

impl ModelRunner {
    fn failure_of(&self, word: &str) -> Option<Fault> {
        let mut failures = self.failures.lock().unwrap();
        let index = failures.iter().position(|(of, _)| word.starts_with(of))?;
        Some(failures.remove(index).1)
    }

    /// A backup that hangs can be told to stop, everything else hangs until dropped.
    async fn hang_on(&self, effect: &Effect) {
        match effect {
            Effect::StartBackup { .. } => self.stop.notified().await,
            _ => std::future::pending().await,
        }
    }

    fn performed(&self) -> Vec<String> {
        self.performed.lock().unwrap().clone()
    }
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::PutPart { number, .. } => format!("put-part {number}"),
        Effect::StartBackup { step, attempt, .. } => format!("start-backup {step} {attempt}"),
        other => other.word().to_owned(),
    }
}

async fn answer(effect: Effect, events: Events) -> Event {
    match effect {
        Effect::StartBackup {
            step,
            attempt,
            first_output,
        } => {
            let output = first_output.0;
            for event in [
                kit::opened_by(step.as_str(), output, step.as_str()),
                kit::advanced(output, 10),
                kit::advanced(output, 24),
                kit::sealed(output, SEALED_BYTES),
            ] {
                events.send(event).await.unwrap();
            }
            kit::finished_by(step.as_str(), attempt)
        }
        Effect::Judge { output, .. } => kit::judged(output.0, true),
        Effect::SignManifest => kit::signed(),
        Effect::CommitManifest { store, .. } => Event::Committed {
            store,
            despite: None,
        },
        Effect::DropSpool => Event::SpoolDropped,
        other => store_answer(other),
    }
}

fn store_answer(effect: Effect) -> Event {
    match effect {
        Effect::BeginUpload { store, output, .. } => Event::UploadBegan {
            store,
            output,
            session: Session(b"session".to_vec()),
            layout: Layout {
                part_bytes_min: 1,
                part_bytes_max: 10,
                parts_max: 10,
                parallel_max: 2,
                equal_parts: true,
            },
            part_size: 10,
        },
        Effect::PutPart {
            store,
            output,
            number,
            ..
        } => Event::PartStored {
            store,
            output,
            number,
            receipt: Receipt(vec![7]),
        },
        Effect::CompleteUpload {
            store,
            output,
            object,
            size,
            receipts,
            ..
        } => {
            assert_eq!(receipts.len(), 3);
            let stat = ObjectStat {
                object,
                size,
                sha256: None,
            };
            let completion = Completion {
                stat,
                verified: false,
            };
            Event::UploadCompleted {
                store,
                output,
                completion,
            }
        }
        Effect::ReadBack { store, output, .. } => Event::ReadBackPassed { store, output },
        Effect::AbortUpload { store, output, .. } => Event::UploadAborted { store, output },
        Effect::DeleteObject { store, output, .. } => Event::ObjectDeleted { store, output },
        Effect::SweepUploads { store, .. } => Event::UploadsSwept { store, aborted: 0 },
        other => panic!("{other:?} is not for the runner"),
    }
}

struct Bench {
    folder: tempfile::TempDir,
    runner: Arc<ModelRunner>,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runner = Arc::new(ModelRunner::default());
        let engine = engine(folder.path(), &runner);
        Self {
            folder,
            runner,
            engine,
        }
    }

    /// Runs to the end.
    async fn run(&self) -> Outcome {
        self.run_of(kit::spec(&["s1"], 1)).await
    }

    async fn run_of(&self, spec: RunSpec) -> Outcome {
        let handle = self.engine.start(spec).await.unwrap();
        finished(handle.wait().await)
    }

    async fn resume(&self) -> Outcome {
        let handle = self.engine.resume(&RunId::new(kit::RUN)).await.unwrap();
        finished(handle.wait().await)
    }

    fn count(&self, word: &str) -> usize {
        let performed = self.runner.performed();
        performed
            .iter()
            .filter(|done| done.starts_with(word))
            .count()
    }
}

fn engine(folder: &Path, runner: &Arc<ModelRunner>) -> Engine {
    let journal = Arc::new(Journal::open(folder).unwrap());
    let runner: Arc<dyn StepRunner> = Arc::clone(runner) as _;
    Engine::new(journal, runner, Arc::new(StoppedClock))
}

fn finished(ended: Result<Ended, EngineError>) -> Outcome {
    match ended.unwrap() {
        Ended::Finished(outcome) => outcome,
        Ended::Suspended => panic!("the run was suspended"),
    }
}

#[tokio::test]
async fn a_run_ends_and_the_journal_tells_its_story() {
    let bench = Bench::new();
    assert_eq!(bench.run().await, Outcome::Succeeded);
    assert_eq!(bench.count("put-part"), 3);
    let journal = Journal::open_reader(bench.folder.path()).unwrap();
    let row = journal.run(&RunId::new(kit::RUN)).unwrap().unwrap();
    assert_eq!(row.kind, RunKind::Backup);
    let cluster = RunSubject::read(Subject::Cluster(row.cluster));
    assert_eq!(row.subjects, [cluster]);
    assert_eq!(row.progress.phase, RunPhase::Finished);
    let end = row.progress.end.unwrap();
    assert_eq!(end.outcome, OutcomeCode::Succeeded);
    assert_eq!(end.details, r#"{"outcome":"succeeded"}"#);
    let view = bench.engine.view(&RunId::new(kit::RUN)).await.unwrap();
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
    bench.run().await;
    let journal = Journal::open_reader(bench.folder.path()).unwrap();
    let records = journal.records(&RunId::new(kit::RUN)).unwrap();
    let with = |text: &str| records.iter().filter(|r| r.body.contains(text)).count();
    assert_eq!(with("sealed-advanced"), 0);
    assert_eq!(with(r#""signature":"signature""#), 1);
    assert_eq!(with(r#""effect":"put-part""#), 3);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again() {
    let bench = Bench::new();
    let busy = Fault::transient(ErrorCode::of("busy"), "busy");
    bench
        .runner
        .failures
        .lock()
        .unwrap()
        .push(("put-part", busy));
    assert_eq!(bench.run().await, Outcome::Succeeded);
    assert_eq!(bench.count("put-part"), 4);
    let view = bench.engine.view(&RunId::new(kit::RUN)).await.unwrap();
    assert_eq!(view.faults[0].effect, "put-part");
}

#[tokio::test]
async fn a_cancelled_run_does_not_wait_for_a_slow_part() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("put-part");
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
    bench.runner.hanging.notified().await;
    handle.cancel("enough").await;
    let Outcome::Failed { fault } = finished(handle.wait().await) else {
        panic!("not failed");
    };
    assert_eq!(fault.message, "the run was cancelled: enough");
    assert_eq!(bench.count("abort-upload"), 1);
    assert_eq!(bench.count("drop-spool"), 1);
}

/// A run of which one effect never answers.
async fn ends_though(word: &'static str, spec: RunSpec) -> (Bench, Fault) {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert(word);
    let outcome = bench.run_of(spec).await;
    let Outcome::Failed { fault } = outcome else {
        panic!("{word}: {outcome:?}");
    };
    (bench, fault)
}

fn with_deadline(seconds: u64) -> RunSpec {
    let mut spec = kit::spec(&["s1"], 1);
    spec.policy.active_deadline_seconds = Some(seconds);
    spec
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_whatever_hangs() {
    for word in [
        "begin-upload",
        "put-part",
        "complete-upload",
        "read-back",
        "commit-manifest",
        "judge",
    ] {
        let begun = tokio::time::Instant::now();
        let (bench, fault) = ends_though(word, with_deadline(60)).await;
        let took = begun.elapsed();
        assert_eq!(fault.code.as_str(), "deadline", "{word}");
        assert!((60..=180).contains(&took.as_secs()), "{word}: {took:?}");
        assert_eq!(bench.count("drop-spool"), 1, "{word}");
        let state = bench.engine.state(&RunId::new(kit::RUN)).await.unwrap();
        assert!(state.finished.is_some(), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_cut_off_while_it_committed_stays_and_is_told() {
    let (bench, fault) = ends_though("commit-manifest", with_deadline(60)).await;
    assert_eq!(bench.count("delete-object"), 0);
    let (_, left) = &fault.details[0];
    assert!(left.contains("a manifest there may name it"), "{left}");
}

#[tokio::test(start_paused = true)]
async fn what_was_cut_off_while_it_began_is_looked_for() {
    let (bench, _) = ends_though("begin-upload", with_deadline(60)).await;
    assert_eq!(bench.count("sweep-uploads"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cleanup_that_hangs_is_given_up_and_told() {
    let bench = Bench::new();
    for word in ["complete-upload", "abort-upload"] {
        bench.runner.hang.lock().unwrap().insert(word);
    }
    let begun = tokio::time::Instant::now();
    let Outcome::Failed { fault } = bench.run_of(with_deadline(60)).await else {
        panic!("not failed");
    };
    // The deadline, the grace of what was under way, four graces of cleaning up.
    assert_eq!(begun.elapsed().as_secs(), 60 + 30 + 120);
    assert_eq!(fault.code.as_str(), "deadline");
    let left: Vec<_> = fault
        .details
        .iter()
        .map(|(_, left)| left.as_str())
        .collect();
    let object = kit::object_of(1, "snapshot");
    let why = "since removing it failed: the target did not come to an end with taking it back within 120 s";
    assert_eq!(
        left,
        [
            format!("an unfinished upload of {object} may still be at target t-s1, {why}"),
            format!("{object} may still be at target t-s1, {why}"),
        ]
    );
    let view = bench.engine.view(&RunId::new(kit::RUN)).await.unwrap();
    assert!(view.outcome.is_some());
}

/// The second target was given up, and holds what nobody gets back from it.
#[tokio::test(start_paused = true)]
async fn a_run_that_has_all_it_wanted_does_not_wait_for_a_cleanup_without_end() {
    let bench = Bench::new();
    let refused = Fault::permanent(ErrorCode::Refused, "no");
    let failures = &bench.runner.failures;
    failures.lock().unwrap().push(("read-back", refused));
    bench.runner.hang.lock().unwrap().insert("delete-object");
    let Outcome::Degraded { reasons } = bench.run_of(kit::spec(&["s1", "s2"], 1)).await else {
        panic!("not degraded");
    };
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("taking it back within 120 s")),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn a_cancelled_run_stops_its_backup() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("start-backup");
    let failure = Fault::permanent(ErrorCode::Cancelled, "stopped");
    bench
        .runner
        .failures
        .lock()
        .unwrap()
        .push(("start-backup", failure));
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
    bench.runner.hanging.notified().await;
    handle.cancel("enough").await;
    assert!(matches!(
        finished(handle.wait().await),
        Outcome::Failed { .. }
    ));
    assert_eq!(
        bench.runner.performed(),
        ["start-backup snapshot 1", "drop-spool"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_ended() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("judge");
    let mut spec = kit::spec(&["s1"], 1);
    spec.policy.active_deadline_seconds = Some(60);
    let Outcome::Failed { fault } = bench.run_of(spec).await else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "deadline");
    assert_eq!(
        fault.message,
        "the run took longer than its activeDeadlineSeconds of 60 with judge of step verify under way: find out why it is slow, or raise the limit"
    );
}

#[tokio::test]
async fn a_suspended_run_is_taken_up_without_sending_parts_again() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("complete-upload");
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
    bench.runner.hanging.notified().await;
    let nightly = ScheduleName::new("nightly");
    handle.suspend().await;
    assert_eq!(handle.wait().await.unwrap(), Ended::Suspended);
    let open = bench.engine.unfinished(Some(&nightly)).await.unwrap();
    assert_eq!(open, [RunId::new(kit::RUN)]);
    bench.runner.hang.lock().unwrap().clear();
    // Another process: another engine on the same folder.
    let again = Bench {
        engine: engine(bench.folder.path(), &bench.runner),
        ..bench
    };
    assert_eq!(again.resume().await, Outcome::Succeeded);
    assert_eq!(again.count("put-part"), 3);
    assert_eq!(again.count("start-backup"), 1);
    assert_eq!(again.count("complete-upload"), 2);
    assert!(again.engine.unfinished(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn dropping_the_handle_suspends_the_run() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("judge");
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
    bench.runner.hanging.notified().await;
    let mut progress = handle.progress();
    drop(handle);
    // The run's task has ended when its progress is closed.
    while progress.changed().await.is_ok() {}
    bench.runner.hang.lock().unwrap().clear();
    assert_eq!(bench.resume().await, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_runner_is_a_failure_like_any_other() {
    for word in ["start-backup", "put-part", "judge"] {
        let bench = Bench::new();
        *bench.runner.panic_once.lock().unwrap() = Some(word);
        assert_eq!(bench.run().await, Outcome::Succeeded, "{word}");
        let view = bench.engine.view(&RunId::new(kit::RUN)).await.unwrap();
        assert_eq!(view.faults[0].fault.code.as_str(), "panicked");
    }
}

#[tokio::test]
async fn an_answer_to_another_question_does_not_hang_the_run() {
    let bench = Bench::new();
    *bench.runner.lie_once.lock().unwrap() = Some("judge");
    let Outcome::Failed { fault } = bench.run().await else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "wrong-answer");
}

#[tokio::test]
async fn one_occurrence_runs_once() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("judge");
    let run = RunId::new(kit::RUN);
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
    let second = bench.engine.resume(&run).await;
    assert!(matches!(second.err(), Some(EngineError::Running { .. })));
    bench.runner.hanging.notified().await;
    handle.cancel("enough").await;
    let _ = handle.wait().await.unwrap();
    let third = bench
        .engine
        .start(kit::spec(&["s1"], 1))
        .await
        .err()
        .unwrap();
    assert_eq!(
        third.to_string(),
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

const UNJUDGED: &str = "no verify step judges one of its backup steps, and nothing counts as stored that was not verified";

#[tokio::test]
async fn specifications_that_cannot_protect_anything_are_refused() {
    let bench = Bench::new();
    let with = |verify| RunSpec {
        verify,
        ..kit::spec_of(&["b1", "b2"], &["s1"], 1)
    };
    let rows = [
        (kit::spec(&[], 1), "it has no store step"),
        (kit::spec_of(&[], &["s1"], 1), "it has no backup step"),
        (
            kit::spec(&["s1", "s1"], 1),
            "two of its steps have the same name",
        ),
        (
            kit::spec(&["snapshot"], 1),
            "two of its steps have the same name",
        ),
        (
            with(vec![kit::verify("v", &["s1"])]),
            "a verify step judges a step that is no backup step",
        ),
        (with(Vec::new()), UNJUDGED),
        (with(vec![kit::verify("v", &["b2"])]), UNJUDGED),
    ];
    for (spec, problem) in rows {
        let refused = bench.engine.start(spec).await.err().unwrap();
        let told = format!("run {} cannot be started: {problem}", kit::RUN);
        assert_eq!(refused.to_string(), told);
    }
    assert!(bench.runner.performed().is_empty());
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
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
    let error = handle.wait().await.unwrap_err();
    assert!(matches!(error, EngineError::Journal { .. }));
    assert_eq!(bench.count("commit-manifest"), 0);
    other.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(bench.resume().await, Outcome::Succeeded);
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
    let handle = engine.start(kit::spec(&["s1"], 1)).await.unwrap();
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
}

impl CrashPoint for RowReader {
    fn before_record(&self, _n: u64) {}

    fn after_record(&self, _n: u64) {
        let journal = Journal::open_reader(&self.folder).unwrap();
        let run = RunId::new(kit::RUN);
        let RunProgress {
            phase,
            recovery_point,
            end,
        } = journal.run(&run).unwrap().unwrap().progress;
        let records = journal.records(&run).unwrap();
        let view = RunView::of(&replay(&run, &records).unwrap());
        assert_eq!((phase, recovery_point), (view.phase, view.recovery_point));
        assert_eq!(
            end.as_ref().map(|end| (end.outcome, end.finished)),
            view.outcome.map(|o| o.code()).zip(view.finished)
        );
        let mut phases = self.phases.lock().unwrap();
        if phases.last() != Some(&phase) {
            phases.push(phase);
        }
    }
}

#[tokio::test]
async fn a_row_is_what_the_records_lead_to_after_every_transaction() {
    use RunPhase::{BackingUp, Ending, Finished, Storing};
    let fault = Fault::permanent(ErrorCode::of("no-key"), "there is no key");
    for (fault, phases) in [
        (None, vec![BackingUp, Storing, Finished]),
        (Some(fault), vec![BackingUp, Storing, Ending, Finished]),
    ] {
        let bench = Bench::new();
        let failures = fault.map(|fault| ("sign-manifest", fault));
        bench.runner.failures.lock().unwrap().extend(failures);
        let reader = Arc::new(RowReader {
            folder: bench.folder.path().to_owned(),
            phases: Mutex::default(),
        });
        let engine = bench
            .engine
            .clone()
            .with_crash_point(Arc::clone(&reader) as _);
        let handle = engine.start(kit::spec(&["s1"], 1)).await.unwrap();
        finished(handle.wait().await);
        assert_eq!(*reader.phases.lock().unwrap(), phases);
    }
}

#[tokio::test]
async fn progress_counts_parts_and_bytes() {
    let bench = Bench::new();
    bench.runner.hang.lock().unwrap().insert("complete-upload");
    let handle = bench.engine.start(kit::spec(&["s1"], 1)).await.unwrap();
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
