//! How the driver brings a run to its end: cancelled, overdue, hanging, panicking.

use drydock_core::{ErrorCode, Fault, RunId};
use drydock_engine::model::{Outcome, RunSpec};

use crate::kit_driver::{
    Bench, RUN, backup, fault_of, finished, graph, node, object, with_deadline,
};

#[tokio::test]
async fn a_cancelled_run_does_not_wait_for_a_slow_part() {
    let bench = Bench::new();
    bench.runner.hang("put-part");
    let handle = bench.start(backup(&["s1"])).await;
    bench.runner.hanging().await;
    handle.cancel("enough").await;
    handle.cancel("once more").await;
    let fault = fault_of(finished(handle.wait().await));
    assert_eq!(fault.message, "the run was cancelled: enough");
    assert_eq!(bench.count("abort-upload"), 1);
    assert_eq!(bench.count("drop-spool"), 1);
}

#[tokio::test]
async fn a_cancelled_run_stops_its_attempt() {
    let bench = Bench::new();
    bench.runner.hang("attempt snapshot");
    let stopped = Fault::permanent(ErrorCode::Cancelled, "stopped");
    bench.runner.fail("attempt snapshot", stopped);
    let handle = bench.start(backup(&["s1"])).await;
    bench.runner.hanging().await;
    handle.cancel("enough").await;
    let fault = fault_of(finished(handle.wait().await));
    assert_eq!(fault.message, "the run was cancelled: enough");
    assert_eq!(
        bench.runner.performed(),
        ["attempt snapshot 1", "drop-spool"]
    );
}

/// A run of which one effect never answers.
async fn ends_though(word: &'static str, spec: RunSpec) -> (Bench, Fault) {
    let bench = Bench::new();
    bench.runner.hang(word);
    let fault = fault_of(bench.run(spec).await);
    (bench, fault)
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
        let state = bench.engine.state(&RunId::new(RUN)).await.unwrap();
        assert!(state.finished.is_some(), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_does_not_listen_is_dropped_after_its_grace() {
    let bench = Bench::new();
    bench.runner.hang("attempt a");
    bench.runner.be_deaf();
    let mut spec = graph(vec![node("a", &[])]);
    spec.policy.active_deadline_seconds = Some(60);
    let begun = tokio::time::Instant::now();
    let fault = fault_of(bench.run(spec).await);
    assert_eq!(fault.code.as_str(), "deadline");
    assert_eq!(begun.elapsed().as_secs(), 60 + 30);
    assert_eq!(bench.records_with(r#""code":"abandoned""#), 1);
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
    bench.runner.hang("complete-upload");
    bench.runner.hang("abort-upload");
    let begun = tokio::time::Instant::now();
    let fault = fault_of(bench.run(with_deadline(60)).await);
    // The deadline, the grace of what was under way, four graces of cleaning up.
    assert_eq!(begun.elapsed().as_secs(), 60 + 30 + 120);
    assert_eq!(fault.code.as_str(), "deadline");
    let left: Vec<_> = fault
        .details
        .iter()
        .map(|(_, left)| left.as_str())
        .collect();
    let object = object();
    let why = "since removing it failed: the target did not come to an end with taking it back within 120 s";
    assert_eq!(
        left,
        [
            format!("an unfinished upload of {object} may still be at target t-s1, {why}"),
            format!("{object} may still be at target t-s1, {why}"),
        ]
    );
    let view = bench.engine.view(&RunId::new(RUN)).await.unwrap();
    assert!(view.outcome.is_some());
}

/// The second target was given up, and holds what nobody gets back from it.
#[tokio::test(start_paused = true)]
async fn a_run_that_has_all_it_wanted_does_not_wait_for_a_cleanup_without_end() {
    let bench = Bench::new();
    let refused = Fault::permanent(ErrorCode::Refused, "no");
    bench.runner.fail("read-back", refused);
    bench.runner.hang("delete-object");
    let outcome = bench.run(backup(&["s1", "s2"])).await;
    let Outcome::Degraded { reasons } = outcome else {
        panic!("not degraded: {outcome:?}");
    };
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("taking it back within 120 s")),
        "{reasons:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_undo_is_not_given_up_with_the_cleanup() {
    let bench = Bench::new();
    bench.runner.hang("undo a");
    let mut a = node("a", &[]);
    a.undo = true;
    let no = Fault::permanent(ErrorCode::Refused, "no");
    bench.runner.fail("attempt b", no);
    let handle = bench.start(graph(vec![a, node("b", &["a"])])).await;
    bench.runner.hanging().await;
    // Far beyond every grace.
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    assert_eq!(bench.records_with("abandoned"), 0);
    assert_eq!(bench.records_with("cleanup-given-up"), 0);
    handle.suspend().await;
    let _ = handle.wait().await.unwrap();
    bench.runner.hang_no_more();
    let fault = fault_of(bench.resumed().await);
    assert!(fault.message.contains("no"), "{fault}");
    assert_eq!(bench.count("undo a"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_ended() {
    let (_, fault) = ends_though("judge", with_deadline(60)).await;
    assert_eq!(fault.code.as_str(), "deadline");
    assert_eq!(
        fault.message,
        "the run took longer than its activeDeadlineSeconds of 60 with judge of step verify under way: find out why it is slow, or raise the limit"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_runner_is_a_failure_like_any_other() {
    for word in ["attempt snapshot", "put-part", "judge"] {
        let bench = Bench::new();
        bench.runner.panic_at(word);
        assert_eq!(
            bench.run(backup(&["s1"])).await,
            Outcome::Succeeded,
            "{word}"
        );
        let view = bench.engine.view(&RunId::new(RUN)).await.unwrap();
        assert_eq!(view.faults[0].fault.code.as_str(), "panicked");
    }
}
