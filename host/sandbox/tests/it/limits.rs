//! Limits, each hit by the probe, each with its own name.

use std::time::Duration;

use drydock_core::{ErrorClass, Fault};
use drydock_sandbox::Limits;
use tokio::sync::watch;

use crate::{call, probe, run, run_call, sandbox_with, seen};

async fn fault(limits: Limits, config: &str) -> Fault {
    let plugin = probe(&sandbox_with(limits));
    run(&plugin, config).await.result.unwrap_err()
}

#[tokio::test]
async fn memory() {
    let limits = Limits {
        memory_bytes_max: 32 * 1024 * 1024,
        ..Limits::default()
    };
    let fault = fault(limits.clone(), r#"{"do":"allocate","mebibytes":64}"#).await;
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("memory-limit", ErrorClass::Permanent)
    );
    assert!(
        fault.message.contains("the limit is 32 MiB"),
        "{}",
        fault.message
    );
    let plugin = probe(&sandbox_with(limits));
    let fits = run(&plugin, r#"{"do":"allocate","mebibytes":8}"#).await;
    assert_eq!(seen(fits), ["8 MiB"]);
}

#[tokio::test]
async fn wall_time_of_a_guest_that_never_returns() {
    let limits = Limits {
        wall_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let endless = fault(limits.clone(), r#"{"do":"loop"}"#).await;
    assert_eq!(
        (endless.code.as_str(), endless.class),
        ("wall-limit", ErrorClass::Transient)
    );
    let waiting = fault(limits, r#"{"do":"wait","milliseconds":60000}"#).await;
    assert_eq!(waiting.code, "wall-limit");
}

#[tokio::test]
async fn guests_that_never_return_leave_the_others_their_turn() {
    let sandbox = sandbox_with(Limits {
        wall_max: Duration::from_secs(5),
        ..Limits::default()
    });
    let plugin = probe(&sandbox);
    let endless = || run(&plugin, r#"{"do":"loop"}"#);
    let turn = async {
        let mut done = 0;
        while done < 20 {
            assert_eq!(seen(run(&plugin, r#"{"do":"count"}"#).await), ["1"]);
            done += 1;
        }
    };
    // Twice as many as there are threads for guests. They are dropped, not waited for.
    tokio::select! {
        _ = async { tokio::join!(endless(), endless(), endless(), endless()) } => {
            panic!("twenty short calls took longer than the wall limit of four endless ones")
        }
        () = turn => {}
    }
}

#[tokio::test]
async fn a_guest_that_ignores_the_request_to_stop_is_ended() {
    let sandbox = sandbox_with(Limits {
        cancel_grace_max: Duration::from_millis(50),
        ..Limits::default()
    });
    let (cancel, cancelled) = watch::channel(false);
    let mut context = call(r#"{"do":"loop"}"#);
    context.cancelled = cancelled;
    let plugin = probe(&sandbox);
    let running = run_call(&plugin, context);
    cancel.send_replace(true);
    let fault = running.await.result.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("cancelled", ErrorClass::Cancelled)
    );
}

#[tokio::test]
async fn stack() {
    let fault = fault(Limits::default(), r#"{"do":"recurse"}"#).await;
    assert_eq!(fault.code, "plugin-trapped");
    assert!(
        fault.message.contains("call stack exhausted"),
        "{}",
        fault.message
    );
}

#[tokio::test]
async fn handles() {
    let scratch = tempfile::tempdir().unwrap();
    let grants = crate::all_grants(scratch.path(), drydock_core::plugin::Access::Write);
    let plugin = crate::admit(&sandbox_with(Limits::default()), "probe", &grants);
    let open = |count: u32| serde_json::json!({"do": "folder-handles", "folder": scratch.path(), "count": count});
    assert_eq!(
        seen(run(&plugin, &open(900).to_string()).await),
        ["900 handles"]
    );
    let fault = run(&plugin, &open(1100).to_string())
        .await
        .result
        .unwrap_err();
    assert_eq!(fault.code, "handles-limit", "{fault:?}");
}

#[tokio::test]
async fn log() {
    let plugin = probe(&sandbox_with(Limits {
        log_bytes_max: 10_000,
        ..Limits::default()
    }));
    for act in ["log-flood", "stderr-flood"] {
        let config = format!(r#"{{"do":"{act}","lines":1000,"bytes":84}}"#);
        let attempt = run(&plugin, &config).await;
        assert_eq!(
            (attempt.log.lines.len(), attempt.log.dropped),
            (100, 900),
            "{act}"
        );
        attempt.result.unwrap();
    }
}

#[tokio::test]
async fn results() {
    let limits = Limits {
        result_bytes_max: 10_000,
        ..Limits::default()
    };
    let long = fault(
        limits.clone(),
        r#"{"do":"findings","count":3,"bytes":4000}"#,
    )
    .await;
    assert_eq!(long.code, "result-limit");
    let many = fault(
        limits.clone(),
        r#"{"do":"findings","count":1001,"bytes":1}"#,
    )
    .await;
    assert_eq!(many.code, "result-limit");
    let plugin = probe(&sandbox_with(limits));
    let config = call(r#"{"do":"findings","count":3,"bytes":4000}"#);
    let checked = plugin.check_config(config, None).await;
    assert_eq!(checked.result.unwrap_err().code, "result-limit");
    let fits = run(&plugin, r#"{"do":"findings","count":2,"bytes":4000}"#).await;
    assert_eq!(seen(fits).len(), 2);
}
