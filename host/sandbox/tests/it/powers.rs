//! What every guest has: nothing of the node, and a life of one call.

use std::sync::{Arc, Mutex};

use drydock_core::ErrorClass;
use drydock_sandbox::Progress;
use tokio::sync::watch;

use crate::{DUE, call, probe, run, run_call, sandbox, seen};

#[tokio::test]
async fn environment_and_arguments_are_empty() {
    let plugin = probe(&sandbox());
    let attempt = run(&plugin, r#"{"do":"environment"}"#).await;
    assert_eq!(seen(attempt), ["0 arguments, 0 variables"]);
}

#[tokio::test]
async fn the_node_has_no_files() {
    let plugin = probe(&sandbox());
    for path in ["/etc/passwd", "etc/passwd", "/", "."] {
        let config = format!(r#"{{"do":"open-host-file","path":"{path}"}}"#);
        let seen = seen(run(&plugin, &config).await);
        assert!(seen[0].starts_with("refused"), "{path}: {seen:?}");
    }
}

#[tokio::test]
async fn every_call_starts_from_nothing() {
    let plugin = probe(&sandbox());
    for _ in 0..3 {
        assert_eq!(seen(run(&plugin, r#"{"do":"count"}"#).await), ["1"]);
    }
}

#[tokio::test]
async fn the_step_is_told_what_it_was_given() {
    let plugin = probe(&sandbox());
    let config = r#"{"do":"echo"}"#;
    let attempt = run(&plugin, config).await;
    assert_eq!(seen(attempt), [config, "quickstart", &DUE.0.to_string()]);
}

#[tokio::test]
async fn time_is_the_hosts() {
    let plugin = probe(&sandbox());
    let seen = seen(run(&plugin, r#"{"do":"clock"}"#).await);
    assert!(
        seen[0].starts_with(&format!("{}000000000 ", DUE.0 + 1)),
        "{seen:?}"
    );
}

#[tokio::test]
async fn random_bytes_differ() {
    let plugin = probe(&sandbox());
    let seen = seen(run(&plugin, r#"{"do":"random"}"#).await);
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn signs_of_life_reach_whoever_watches() {
    let watched = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&watched);
    let mut context = call(r#"{"do":"progress","done":3,"total":9,"unit":"by\u001btes"}"#);
    context.progress = Arc::new(move |progress| sink.lock().unwrap().push(progress));
    run_call(&probe(&sandbox()), context).await.result.unwrap();
    let expected = Progress {
        done: 3,
        total: 9,
        unit: "byes".to_owned(),
    };
    assert_eq!(*watched.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_guest_hears_that_it_is_to_stop() {
    let (ask, stop) = watch::channel(None);
    let mut context = call(r#"{"do":"wait-for-cancel"}"#);
    context.stop = stop;
    let plugin = probe(&sandbox());
    let running = run_call(&plugin, context);
    let (attempt, ()) = tokio::join!(running, async {
        ask.send_replace(Some(crate::stopping::reason()));
    });
    assert_eq!(attempt.result.unwrap_err().class, ErrorClass::Cancelled);
}

#[tokio::test]
async fn a_plugin_is_called_in_its_own_world_only() {
    let sandbox = sandbox();
    let grants = crate::all_grants(
        std::path::Path::new("/nowhere"),
        drydock_capability_files::Access::Write,
    );
    let plugin = crate::admit(&sandbox, "etcd-verify", &grants);
    let fault = run(&plugin, "{}").await.result.unwrap_err();
    assert_eq!(fault.code.as_str(), "wrong-world");
    assert_eq!(
        fault.message,
        "plugin etcd-verify is of the world verify, and one of the world backup is wanted"
    );
}
