//! Limits, each hit by the probe, each with its own name, and each just not hit.

use std::time::Duration;

use drydock_core::{ErrorClass, Fault};
use drydock_sandbox::{Limits, LogSource};

use crate::{admit_limited, call, probe, run, sandbox, sandbox_with, seen};

/// How the sentence of a limit that documents set ends.
fn mend(key: &str) -> String {
    format!(
        ": raise `limits: {{{key}: ...}}` of its PluginGrant, or of the node's configuration, if it is to have more"
    )
}

fn detail<'a>(fault: &'a Fault, name: &str) -> &'a str {
    let mut details = fault.details.iter();
    let found = details.find(|(found, _)| found == name);
    found.map_or("", |(_, value)| value)
}

/// The whole sentence, whose class and figures are these as well.
fn assert_told(fault: &Fault, class: ErrorClass, told: &str, key: &str, limit: &str) {
    assert_eq!(
        fault.message,
        format!("plugin probe {told}{}", mend(key)),
        "{fault:?}"
    );
    assert_eq!((fault.class, detail(fault, "limit")), (class, limit));
    assert!(!detail(fault, "asked").is_empty());
}

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
    let told = "MiB of memory, the limit is 32 MiB";
    assert!(fault.message.contains(told), "{}", fault.message);
    assert!(
        fault.message.ends_with(&mend("guestMemoryMebibytes")),
        "{}",
        fault.message
    );
    let plugin = probe(&sandbox_with(limits));
    let fits = run(&plugin, r#"{"do":"allocate","mebibytes":8}"#).await;
    assert_eq!(seen(fits), ["8 MiB"]);
}

#[tokio::test]
async fn tables() {
    let limits = Limits {
        table_elements_max: 3,
        ..Limits::default()
    };
    let fault = fault(limits, r#"{"do":"count"}"#).await;
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("table-limit", ErrorClass::Permanent)
    );
    assert!(
        fault.message.contains("elements, the limit is 3: raise"),
        "{}",
        fault.message
    );
}

#[tokio::test]
async fn cpu_time_of_a_guest_that_computes_without_end() {
    let limits = Limits {
        cpu_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let plugin = probe(&sandbox_with(limits));
    let attempt = run(&plugin, r#"{"do":"loop"}"#).await;
    let fault = attempt.result.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("cpu-limit", ErrorClass::Permanent)
    );
    assert_told(
        &fault,
        ErrorClass::Permanent,
        "computed for 0.1 s of CPU time, the limit is 0.1 s",
        "guestCpuSeconds",
        "0.1",
    );
    // Where it was is told as well.
    assert!(
        detail(&fault, "frames").contains("<probe::Probe as"),
        "{fault:?}"
    );
    let frame = attempt.log.lines.iter().any(|line| {
        line.source == LogSource::Host
            && line.text.starts_with("at ")
            && line.text.contains("<probe::Probe as")
    });
    assert!(frame, "{}", attempt.log);
}

#[tokio::test]
async fn cpu_time_is_not_spent_by_waiting() {
    let limits = Limits {
        cpu_max: Duration::from_millis(100),
        ..Limits::default()
    };
    let plugin = probe(&sandbox_with(limits.clone()));
    let waited = run(&plugin, r#"{"do":"wait","milliseconds":400}"#).await;
    assert_eq!(seen(waited), ["done"]);
    let often = r#"{"do":"wait-often","times":40,"milliseconds":10}"#;
    assert_eq!(seen(run(&plugin, often).await), ["done"]);
    // Calls are no way around it.
    let asking = r#"{"do":"ask-often","times":4000000}"#;
    let fault = run(&plugin, asking).await.result.unwrap_err();
    assert_eq!(fault.code.as_str(), "cpu-limit");
}

#[tokio::test]
async fn idleness() {
    let limits = Limits {
        idle_max: Duration::from_millis(300),
        ..Limits::default()
    };
    let plugin = probe(&sandbox_with(limits));
    for idle in [
        r#"{"do":"loop"}"#,
        r#"{"do":"wait","milliseconds":60000}"#,
        r#"{"do":"wait-often","times":100000,"milliseconds":1}"#,
        r#"{"do":"advance","times":100000,"milliseconds":1,"step":0}"#,
        r#"{"do":"output-slow","name":"a","text":"","repeat":100000,"milliseconds":1}"#,
    ] {
        let fault = run(&plugin, idle).await.result.unwrap_err();
        assert_eq!(fault.code.as_str(), "idle-limit", "{idle}");
        assert_told(
            &fault,
            ErrorClass::Transient,
            "moved no byte and reported no progress for 0.3 s, the limit is 0.3 s",
            "idleSeconds",
            "0.3",
        );
    }
}

#[tokio::test]
async fn whoever_gets_on_is_not_idle() {
    let limits = Limits {
        idle_max: Duration::from_millis(400),
        ..Limits::default()
    };
    let plugin = probe(&sandbox_with(limits));
    for busy in [
        r#"{"do":"advance","times":40,"milliseconds":20,"step":1}"#,
        r#"{"do":"output-slow","name":"a","text":"x","repeat":40,"milliseconds":20}"#,
    ] {
        assert_eq!(seen(run(&plugin, busy).await), ["done"], "{busy}");
    }
}

#[tokio::test]
async fn calls_of_the_host() {
    let limits = Limits {
        host_calls_max: 2000,
        ..Limits::default()
    };
    let plugin = probe(&sandbox_with(limits));
    let fits = run(&plugin, r#"{"do":"ask-often","times":1800}"#).await;
    assert_eq!(seen(fits), ["done"]);
    // WASI's calls count as well.
    for act in [
        r#"{"do":"ask-often","times":2001}"#,
        r#"{"do":"stderr-flood","lines":2001,"bytes":1}"#,
    ] {
        let fault = run(&plugin, act).await.result.unwrap_err();
        assert_eq!(fault.code.as_str(), "host-call-limit", "{act}");
        assert_told(
            &fault,
            ErrorClass::Permanent,
            "called the host more than 2000 times, the limit is 2000",
            "hostCalls",
            "2000",
        );
    }
}

#[tokio::test]
async fn ticks_are_no_calls_of_the_host() {
    let limits = Limits {
        cpu_max: Duration::from_millis(800),
        host_calls_max: 40,
        ..Limits::default()
    };
    // More ticks than calls are allowed.
    let fault = fault(limits, r#"{"do":"loop"}"#).await;
    assert_eq!(fault.code.as_str(), "cpu-limit", "{fault:?}");
}

#[tokio::test]
async fn arguments_that_are_too_large_to_copy() {
    let fault = fault(
        Limits::default(),
        r#"{"do":"output-large","name":"a","bytes":33554432}"#,
    )
    .await;
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("argument-limit", ErrorClass::Permanent)
    );
    assert_eq!(
        fault.message,
        "plugin probe handed the host more than 8 MiB in one call, the limit is 8 MiB, which no document raises: it must hand over less at once"
    );
}

#[tokio::test]
async fn each_plugin_has_limits_of_its_own() {
    let sandbox = sandbox();
    let tight = Limits {
        host_calls_max: 500,
        ..Limits::default()
    };
    let limited = admit_limited(&sandbox, "probe", &tight);
    assert_eq!(limited.limits().host_calls_max, 500);
    let free = probe(&sandbox);
    let act = r#"{"do":"ask-often","times":600}"#;
    let fault = run(&limited, act).await.result.unwrap_err();
    assert_eq!(fault.code.as_str(), "host-call-limit");
    assert_eq!(seen(run(&free, act).await), ["done"]);
}

#[tokio::test]
async fn nobody_enters_a_store_again() {
    let limits = Limits {
        wall_max: Duration::from_millis(200),
        ..Limits::default()
    };
    let plugin = probe(&sandbox_with(limits));
    // A guest's memory says how often it was entered: whatever became of the one before,
    // the next begins anew.
    for act in [
        r#"{"do":"panic","text":"x"}"#,
        r#"{"do":"loop"}"#,
        r#"{"do":"wait","milliseconds":60000}"#,
        r#"{"do":"exit","code":1}"#,
        r#"{"do":"fail","class":"permanent","code":"x","message":"x"}"#,
    ] {
        assert_eq!(seen(run(&plugin, r#"{"do":"count"}"#).await), ["1"]);
        run(&plugin, act).await.result.unwrap_err();
        assert_eq!(
            seen(run(&plugin, r#"{"do":"count"}"#).await),
            ["1"],
            "{act}"
        );
    }
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
    assert_told(
        &endless,
        ErrorClass::Transient,
        "did not return within 0.2 s, the limit is 0.2 s",
        "stepWallSeconds",
        "0.2",
    );
    let waiting = fault(limits, r#"{"do":"wait","milliseconds":60000}"#).await;
    assert_eq!(waiting.code.as_str(), "wall-limit");
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
async fn stack() {
    let fault = fault(Limits::default(), r#"{"do":"recurse"}"#).await;
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("stack-limit", ErrorClass::Permanent)
    );
    assert_eq!(
        fault.message,
        "plugin probe called itself too deeply for its stack, the limit is 512 KiB, which no document raises: it must recurse less"
    );
    let frames = detail(&fault, "frames");
    assert!(frames.contains("deeper"), "{frames}");
    // So many of the thousands.
    assert_eq!(frames.split("; ").count(), 32);
}

#[tokio::test]
async fn a_panic_is_told_with_its_message_and_where_it_was() {
    let plugin = probe(&sandbox());
    let attempt = run(&plugin, r#"{"do":"panic","text":"no \u001b[31midea"}"#).await;
    let fault = attempt.result.unwrap_err();
    assert_eq!(fault.code.as_str(), "plugin-trapped");
    assert!(fault.message.contains("no idea"), "{}", fault.message);
    assert!(!fault.message.contains('\n'), "{}", fault.message);
    let frames = detail(&fault, "frames");
    assert!(frames.contains("rust_panic; "), "{frames}");
    assert!(frames.contains("<probe::Probe as"), "{frames}");
    let digest = plugin.digest().to_string();
    let record = attempt.log.record();
    assert!(
        record.starts_with(&format!("plugin probe 0.1.0 {digest}\n")),
        "{record}"
    );
    assert!(record.contains("stderr: no idea\n"), "{record}");
    assert!(record.contains("host: at "), "{record}");
    assert_eq!(attempt.log.tag(), format!("probe 0.1.0 {}", &digest[7..19]));
}

#[tokio::test]
async fn handles() {
    let scratch = tempfile::tempdir().unwrap();
    let grants = crate::all_grants(scratch.path(), drydock_capability_files::Access::Write);
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
    assert_eq!(fault.code.as_str(), "handles-limit", "{fault:?}");
    assert_told(
        &fault,
        ErrorClass::Permanent,
        "holds more than 1000 handles at once, the limit is 1000",
        "handles",
        "1000",
    );
}

#[tokio::test]
async fn log() {
    let plugin = probe(&sandbox_with(Limits {
        log_bytes_max: 10 * 1024,
        ..Limits::default()
    }));
    for act in ["log-flood", "stderr-flood"] {
        let config = format!(r#"{{"do":"{act}","lines":1000,"bytes":84}}"#);
        let attempt = run(&plugin, &config).await;
        let (last, kept) = attempt.log.lines.split_last().unwrap();
        assert_eq!((kept.len(), attempt.log.dropped), (102, 898), "{act}");
        assert_eq!(
            (last.source, last.text.as_str()),
            (
                LogSource::Host,
                format!(
                    "log-limit: 898 of 1000 lines (84000 bytes) were dropped, the limit is 10 KiB{}",
                    mend("logKibibytes")
                )
                .as_str()
            )
        );
        attempt.result.unwrap();
    }
}

#[tokio::test]
async fn pace_of_the_log() {
    let plugin = probe(&sandbox_with(Limits {
        log_lines_per_second_max: 10,
        ..Limits::default()
    }));
    let fits = run(&plugin, r#"{"do":"log-flood","lines":100,"bytes":8}"#).await;
    assert_eq!((fits.log.lines.len(), fits.log.dropped), (100, 0));
    let attempt = run(&plugin, r#"{"do":"log-flood","lines":5000,"bytes":8}"#).await;
    let (last, kept) = attempt.log.lines.split_last().unwrap();
    // A hundred at once, and some more if the guest was held up.
    assert!((100..4000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.len() as u64 + attempt.log.dropped, 5000);
    assert_eq!(
        last.text,
        format!(
            "log-rate-limit: {} of 5000 lines came too fast and were dropped, the limit is 10 lines a second{}",
            attempt.log.dropped,
            mend("logLinesPerSecond")
        )
    );
    attempt.result.unwrap();
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
    assert_eq!(long.code.as_str(), "result-limit");
    assert_told(
        &long,
        ErrorClass::Permanent,
        "returned 12009 bytes, the limit is 10000 bytes",
        "resultKibibytes",
        "10000",
    );
    let many = fault(
        limits.clone(),
        r#"{"do":"findings","count":1001,"bytes":1}"#,
    )
    .await;
    assert_eq!(many.code.as_str(), "result-limit");
    let plugin = probe(&sandbox_with(limits));
    let config = call(r#"{"do":"findings","count":3,"bytes":4000}"#);
    let checked = plugin.check_config(config, None).await;
    assert_eq!(checked.result.unwrap_err().code.as_str(), "result-limit");
    let fits = run(&plugin, r#"{"do":"findings","count":2,"bytes":4000}"#).await;
    assert_eq!(seen(fits).len(), 2);
}
