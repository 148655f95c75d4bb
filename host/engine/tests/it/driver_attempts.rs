//! Attempts of a graph under the driver: side by side, stopped one by one, let go, and what
//! comes of them too late.

use drydock_core::{ErrorCode, Fault};
use drydock_engine::model::{Emission, NodeSpec, Outcome};
use tokio::time::Instant;

use crate::kit_driver::{Bench, fault_of, finished, graph, held, node};

#[tokio::test]
async fn attempts_run_side_by_side_where_the_graph_allows() {
    let bench = Bench::new();
    // Neither goes on before the other has begun.
    bench.runner.meet(2);
    let spec = graph(vec![node("a", &[]), node("b", &[])]);
    assert_eq!(bench.run(spec).await, Outcome::Succeeded);
    let mut performed = bench.runner.performed();
    performed.sort();
    assert_eq!(performed, ["attempt a 1", "attempt b 1"]);
}

fn with_step_deadline() -> NodeSpec {
    NodeSpec {
        deadline_seconds: Some(60),
        ..node("a", &[])
    }
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_stopped_and_another_goes_on() {
    let bench = Bench::new();
    bench.runner.hang("attempt a");
    let stopped = Fault::permanent(ErrorCode::Cancelled, "stopped");
    bench.runner.fail("attempt a", stopped);
    let begun = Instant::now();
    let outcome = bench
        .run(graph(vec![with_step_deadline(), node("b", &[])]))
        .await;
    let fault = fault_of(outcome);
    assert_eq!(fault.code.as_str(), "step-deadline");
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(bench.count("stop for step-deadline"), 1);
    assert_eq!(bench.records_with("abandoned"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_attempt_that_does_not_listen_is_cut_off() {
    let bench = Bench::new();
    bench.runner.hang("attempt a");
    bench.runner.be_deaf();
    let begun = Instant::now();
    let fault = fault_of(bench.run(graph(vec![with_step_deadline()])).await);
    assert_eq!(fault.code.as_str(), "step-deadline");
    assert_eq!(begun.elapsed().as_secs(), 60 + 30);
    let told = "it was asked to come to an end, did not in its time, and was cut off";
    assert_eq!(bench.records_with(told), 1);
    assert_eq!(
        bench.records_with(r#""certainty":"unknown","code":"abandoned""#),
        1
    );
}

#[tokio::test]
async fn a_hold_is_let_go_at_the_cut() {
    let bench = Bench::new();
    assert_eq!(bench.run(held()).await, Outcome::Succeeded);
    assert_eq!(
        bench.runner.performed(),
        ["attempt lock 1", "attempt copy 1", "let-go"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_does_not_let_go_is_cut_off() {
    let bench = Bench::new();
    bench.runner.be_deaf();
    let mut spec = held();
    spec.policy.backoff_limit = 0;
    let begun = Instant::now();
    let outcome = bench.run(spec).await;
    assert_ne!(outcome, Outcome::Succeeded);
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(bench.count("let-go"), 1);
    assert_eq!(bench.records_with(r#""code":"abandoned""#), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_attempt_is_tried_again() {
    let bench = Bench::new();
    bench.runner.panic_at("attempt a");
    let spec = graph(vec![node("a", &[])]);
    assert_eq!(bench.run(spec).await, Outcome::Succeeded);
    assert_eq!(bench.runner.performed(), ["attempt a 1", "attempt a 2"]);
    assert_eq!(bench.records_with(r#""code":"panicked""#), 1);
}

#[tokio::test]
async fn what_an_attempt_tells_after_its_answer_counts_for_nothing() {
    let bench = Bench::new();
    bench.runner.hang("attempt b");
    let handle = bench
        .start(graph(vec![node("a", &[]), node("b", &["a"])]))
        .await;
    bench.runner.hanging().await;
    let handle_of = "a thing elsewhere".to_owned();
    let kept = Emission::Kept { handle: handle_of };
    bench.runner.tell_late(&kept).await;
    bench.runner.tell_late(&Emission::Cut).await;
    // Both come before the answer of the other attempt, which goes the same way.
    handle.cancel("enough").await;
    finished(handle.wait().await);
    assert_eq!(bench.records_with("a thing elsewhere"), 0);
    assert_eq!(bench.records_with(r#""event":"emitted""#), 0);
}
