//! What a guest says is kept with the attempt, and in its fault when it dies.

use drydock_core::ErrorClass;
use drydock_sandbox::{LogLine, LogSource, Severity};

use crate::{probe, run, sandbox};

#[tokio::test]
async fn a_panics_text_is_in_the_fault_and_in_the_log() {
    let plugin = probe(&sandbox());
    let attempt = run(&plugin, r#"{"do":"panic","text":"the moon is full"}"#).await;
    let fault = attempt.result.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("plugin-trapped", ErrorClass::Transient)
    );
    assert!(
        fault.message.starts_with("plugin probe broke off ("),
        "{}",
        fault.message
    );
    assert!(
        fault.message.contains("the moon is full"),
        "{}",
        fault.message
    );
    let stderr = |line: &&LogLine| line.source == LogSource::Stderr;
    let mut said = attempt.log.lines.iter().filter(stderr);
    assert!(said.any(|line| line.text.contains("the moon is full")));
}

#[tokio::test]
async fn an_exit_is_a_fault_with_its_status() {
    let plugin = probe(&sandbox());
    for code in [0, 3] {
        let attempt = run(&plugin, &format!(r#"{{"do":"exit","code":{code}}}"#)).await;
        let fault = attempt.result.unwrap_err();
        assert_eq!(fault.code.as_str(), "plugin-exited", "{fault:?}");
    }
}

#[tokio::test]
async fn streams_and_log_are_told_apart() {
    let plugin = probe(&sandbox());
    let said = async |act: &str| {
        let config = format!(r#"{{"do":"{act}","text":"a \u001b[31mred\u001b[0m word"}}"#);
        run(&plugin, &config).await.log.lines
    };
    let line = |source, severity| LogLine {
        source,
        severity,
        text: "a red word".to_owned(),
    };
    assert_eq!(
        said("stdout").await,
        [line(LogSource::Stdout, Severity::Info)]
    );
    assert_eq!(
        said("stderr").await,
        [line(LogSource::Stderr, Severity::Warn)]
    );
    let log = |severity| line(LogSource::Log, severity);
    let expected = [
        log(Severity::Debug),
        log(Severity::Info),
        log(Severity::Warn),
        log(Severity::Error),
        log(Severity::Info),
    ];
    assert_eq!(said("log").await, expected);
}

#[tokio::test]
async fn an_error_keeps_its_class_and_loses_its_escapes() {
    let plugin = probe(&sandbox());
    let classes = [
        ("permanent", ErrorClass::Permanent),
        ("transient", ErrorClass::Transient),
        ("throttled", ErrorClass::Throttled),
        ("denied", ErrorClass::Denied),
        ("cancelled", ErrorClass::Cancelled),
        ("other", ErrorClass::Other),
    ];
    for (word, class) in classes {
        let config = format!(
            r#"{{"do":"fail","class":"{word}","code":"no-space","message":"\u001b[2Jfull"}}"#
        );
        let fault = run(&plugin, &config).await.result.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (class, "no-space"));
        assert_eq!(fault.message, "full");
    }
}
