//! Questions to an operator under the driver: the run is parked until somebody decides.

use drydock_core::{ErrorCode, Fault, QuestionId, RunPhase};
use drydock_engine::model::{Outcome, RunSpec};
use drydock_engine::{DecideError, Ended};

use crate::kit_driver::{Bench, RUN, fault_of, finished, gate, graph, node, reached};

/// The first question of a run.
fn asked() -> QuestionId {
    QuestionId(1)
}

/// A step after a gate.
fn asking() -> RunSpec {
    graph(vec![gate("ask"), node("a", &["ask"])])
}

#[tokio::test]
async fn a_run_asks_is_decided_and_goes_on() {
    let bench = Bench::new();
    let handle = bench.start(asking()).await;
    reached(&handle, RunPhase::Asking).await;
    assert!(bench.runner.performed().is_empty());
    handle.decide(asked(), "go", "alice").await.unwrap();
    assert_eq!(finished(handle.wait().await), Outcome::Succeeded);
    assert_eq!(bench.runner.performed(), ["attempt a 1"]);
    let decided = r#"{"event":"decided","question":1,"choice":"go","by":"alice"}"#;
    assert_eq!(bench.records_with(decided), 1);
}

#[tokio::test]
async fn a_choice_that_ends_the_run_ends_it() {
    let bench = Bench::new();
    let handle = bench.start(asking()).await;
    handle.decide(asked(), "stop", "alice").await.unwrap();
    let fault = fault_of(finished(handle.wait().await));
    assert_eq!(fault.code.as_str(), "gate-ended");
    assert!(bench.runner.performed().is_empty());
}

#[tokio::test]
async fn only_what_a_question_offers_is_taken_and_only_once() {
    let bench = Bench::new();
    bench.runner.hang("attempt a");
    let handle = bench.start(asking()).await;
    let before = bench.records().len();
    let told = |refused: Result<(), DecideError>| refused.unwrap_err().to_string();
    assert_eq!(
        told(handle.decide(QuestionId(7), "go", "alice").await),
        format!("run {RUN} asked no question 7: question 1 is open")
    );
    assert_eq!(
        told(handle.decide(asked(), "perhaps", "alice").await),
        format!(r#"question 1 of run {RUN} has no choice "perhaps": answer with go or stop"#)
    );
    assert_eq!(bench.records().len(), before);
    handle.decide(asked(), "go", "alice").await.unwrap();
    assert_eq!(
        told(handle.decide(asked(), "stop", "bob").await),
        format!("question 1 of run {RUN} was answered before, with go by alice")
    );
    assert_eq!(
        told(handle.decide(QuestionId(7), "go", "bob").await),
        format!("run {RUN} asked no question 7: it waits for no answer")
    );
    handle.suspend().await;
    let mut progress = handle.progress();
    while progress.changed().await.is_ok() {}
    assert_eq!(
        told(handle.decide(asked(), "go", "bob").await),
        format!(
            "run {RUN} has ended or is not worked on here any more, so that nothing was decided: see where it is with `drydock run show {RUN}`"
        )
    );
}

#[tokio::test]
async fn a_run_that_asks_is_resumed_and_decided() {
    let bench = Bench::new();
    let handle = bench.start(asking()).await;
    handle.suspend().await;
    assert_eq!(handle.wait().await.unwrap(), Ended::Suspended);
    let again = bench.restarted();
    let handle = again.resume().await;
    handle.decide(asked(), "go", "alice").await.unwrap();
    assert_eq!(finished(handle.wait().await), Outcome::Succeeded);
    assert_eq!(again.records_with(r#""effect":"ask""#), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_asks_waits_for_days_and_its_deadline_goes_on() {
    let bench = Bench::new();
    let mut spec = asking();
    let days = 3 * 24 * 3600;
    spec.policy.active_deadline_seconds = Some(days);
    let begun = tokio::time::Instant::now();
    let fault = fault_of(bench.run(spec).await);
    assert_eq!(fault.code.as_str(), "deadline");
    assert_eq!(begun.elapsed().as_secs(), days);
}

#[tokio::test]
async fn a_run_that_asks_can_be_cancelled() {
    let bench = Bench::new();
    let handle = bench.start(asking()).await;
    handle.cancel("enough").await;
    let fault = fault_of(finished(handle.wait().await));
    assert_eq!(fault.message, "the run was cancelled: enough");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_run_stays_parked_until_its_undo_is_decided() {
    let bench = Bench::new();
    let mut a = node("a", &[]);
    a.undo = true;
    let no = || Fault::permanent(ErrorCode::Refused, "no");
    bench.runner.fail("attempt b", no());
    for _ in 0..10 {
        bench.runner.fail("undo a", no());
    }
    let handle = bench.start(graph(vec![a, node("b", &["a"])])).await;
    reached(&handle, RunPhase::Stuck).await;
    assert_eq!(bench.count("undo a"), 10);
    handle.decide(asked(), "retry", "alice").await.unwrap();
    fault_of(finished(handle.wait().await));
    assert_eq!(bench.count("undo a"), 11);
}
