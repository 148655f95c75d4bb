//! Guests that were asked to stop: they hear it once, have a little time and a few calls,
//! and end with the reason, whatever limit they run into.

use std::time::Duration;

use drydock_capability_files::{Access, FolderGrant};
use drydock_core::{ErrorClass, ErrorCode, Fault, Grants};
use drydock_sandbox::Limits;
use serde_json::json;
use tokio::sync::watch;

use crate::torture::company::admit;
use crate::{call, probe, run_call, sandbox, sandbox_with, seen};

/// Why, as the engine says it.
pub fn reason() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Deadline,
        "the run took longer than its activeDeadlineSeconds of 5",
    )
}

/// How the fixture `hostile` ends when it is asked to stop before it begins.
async fn stopped(act: &str, limits: &Limits) -> Fault {
    let grants = Grants::default().with([FolderGrant::new("/nowhere", Access::Write)]);
    let plugin = admit(&sandbox(), "hostile", &grants, Some(limits)).unwrap();
    let (ask, stop) = watch::channel(None);
    ask.send_replace(Some(reason()));
    let mut context = call(&json!({"do": act}).to_string());
    context.stop = stop;
    run_call(&plugin, context).await.result.unwrap_err()
}

fn told(how: &str) -> String {
    format!(
        "plugin hostile was asked to stop, {how}, and was ended: {}",
        reason().message
    )
}

#[tokio::test]
async fn whoever_only_calls_is_ended_after_some_calls_and_told_the_reason() {
    // An hour would be left, and a million calls.
    let limits = Limits {
        stop_grace_max: Duration::from_secs(3600),
        cpu_max: Duration::from_secs(3600),
        ..Limits::default()
    };
    for act in [
        "host-call-loop",
        "progress-for-ever",
        "empty-writes",
        "spin-after-stop",
        "output-flood",
    ] {
        let fault = stopped(act, &limits).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Cancelled, "deadline"),
            "{act}"
        );
        assert_eq!(
            fault.message,
            told("called the host 10000 times more"),
            "{act}"
        );
    }
}

#[tokio::test]
async fn whoever_waits_or_computes_is_ended_after_the_grace_and_told_the_reason() {
    let limits = Limits {
        stop_grace_max: Duration::from_millis(100),
        ..Limits::default()
    };
    for act in [
        "wait-for-ever",
        "sleep-for-ever",
        "endless-loop",
        "hold-output",
    ] {
        let fault = stopped(act, &limits).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Cancelled, "deadline"),
            "{act}"
        );
        assert_eq!(fault.message, told("did not within 0.1 s"), "{act}");
    }
}

#[tokio::test]
async fn a_limit_that_is_hit_after_the_request_is_no_advice() {
    let tight = Limits {
        stop_grace_max: Duration::from_secs(3600),
        host_calls_max: 1000,
        cpu_max: Duration::from_millis(50),
        idle_max: Duration::from_millis(200),
        ..Limits::default()
    };
    for (act, how) in [
        (
            "host-call-loop",
            "called the host more than 1000 times, the limit is 1000",
        ),
        (
            "wait-for-ever",
            "moved no byte and reported no progress for 0.2 s, the limit is 0.2 s",
        ),
        (
            "deep-recursion",
            "called itself too deeply for its stack, the limit is 512 KiB",
        ),
    ] {
        let fault = stopped(act, &tight).await;
        assert_eq!(
            (fault.code.as_str(), fault.message),
            ("deadline", told(how)),
            "{act}"
        );
    }
}

#[tokio::test]
async fn a_wait_ends_early_once() {
    let (ask, stop) = watch::channel(None);
    let plugin = probe(&sandbox());
    let mut context = call(r#"{"do":"wait","milliseconds":60000}"#);
    context.stop = stop.clone();
    let asking = async { ask.send_replace(Some(reason())) };
    let (attempt, _) = tokio::join!(run_call(&plugin, context), asking);
    assert_eq!(seen(attempt), ["done"]);
    // Whoever was told waits as before: a hundred times ten milliseconds are no spin.
    let mut context = call(r#"{"do":"wait-often","times":100,"milliseconds":10}"#);
    context.stop = stop;
    let begun = std::time::Instant::now();
    assert_eq!(seen(run_call(&plugin, context).await), ["done"]);
    assert!(begun.elapsed() >= Duration::from_millis(990));
}

#[tokio::test]
async fn a_reason_that_is_no_cancellation_keeps_its_words() {
    let (ask, stop) = watch::channel(None);
    ask.send_replace(Some(Fault::permanent(
        ErrorCode::VerificationFailed,
        "it did not pass",
    )));
    let plugin = probe(&sandbox_with(Limits {
        stop_grace_max: Duration::from_millis(50),
        ..Limits::default()
    }));
    let mut context = call(r#"{"do":"loop"}"#);
    context.stop = stop;
    let fault = run_call(&plugin, context).await.result.unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Cancelled, "cancelled")
    );
    assert_eq!(
        fault.message,
        "plugin probe was asked to stop, did not within 0.05 s, and was ended: it did not pass"
    );
}
