//! Verify plugins: facts and slices.

use std::path::Path;
use std::sync::Arc;

use drydock_capability_artifact::Slice;
use drydock_capability_files::Access;
use drydock_core::{FactValue, Facts, Verdict};
use drydock_sandbox::JudgeCall;

use crate::{admit, all_grants, call, sandbox};

async fn judged(plugin: &str, config: &str, facts: Facts, plain: Option<&[u8]>) -> Verdict {
    let grants = all_grants(Path::new("/nowhere"), Access::Write);
    let plugin = admit(&sandbox(), plugin, &grants);
    let call = JudgeCall {
        context: call(config),
        facts,
        plain: plain.map(|bytes| Slice::whole(Arc::new(bytes.to_vec()))),
    };
    plugin.judge(call).await.result.unwrap()
}

fn seen(verdict: &Verdict) -> Vec<&str> {
    verdict
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect()
}

#[tokio::test]
async fn facts_arrive_by_name_and_type() {
    let mut facts = Facts::default();
    facts.set_text("t", "text");
    facts.set("u", FactValue::Unsigned(7));
    facts.set("s", FactValue::Signed(-7));
    facts.set("f", FactValue::Flag(true));
    facts.set("b", FactValue::Bytes(vec![1, 2]));
    let config = r#"{"facts":["t","u","s","f","b","missing"],"names":true}"#;
    let verdict = judged("probe-verify", config, facts, None).await;
    let seen = seen(&verdict);
    for expected in ["text", "7", "-7", "true", "[1, 2]"] {
        assert!(
            seen.iter().any(|line| line.contains(expected)),
            "{expected}: {seen:?}"
        );
    }
    assert!(seen.contains(&"missing is absent") && seen.contains(&"names b f s t u"));
    assert!(verdict.pass && seen.contains(&"no plain bytes"));
}

#[tokio::test]
async fn plain_bytes_are_read_within_their_range() {
    let config = r#"{"read":[{"offset":0,"length":3},{"offset":8,"length":9},{"offset":10,"length":1},{"offset":11,"length":1}],"digest":"crc32c","pass":false}"#;
    let verdict = judged(
        "probe-verify",
        config,
        Facts::default(),
        Some(b"0123456789"),
    )
    .await;
    let seen = seen(&verdict);
    assert_eq!(seen[0], "10 plain bytes");
    assert_eq!(
        seen[1..4],
        ["read 0+3: 303132", "read 8+9: 3839", "read 10+1: "]
    );
    assert!(
        seen[4].starts_with("read 11+1 failed: out-of-range"),
        "{seen:?}"
    );
    assert_eq!(seen[5], "digest: 280c069e");
    assert!(!verdict.pass);
}

#[tokio::test]
async fn digests_are_the_hosts() {
    let config = |name| format!(r#"{{"digest":"{name}"}}"#);
    let plain = Some(&b"hello"[..]);
    let sha256 = judged("probe-verify", &config("sha256"), Facts::default(), plain).await;
    assert!(seen(&sha256)[1].starts_with("digest: 2cf24dba5fb0a30e26e83b2ac5b9e29e"));
    let other = judged("probe-verify", &config("other"), Facts::default(), plain).await;
    assert!(seen(&other)[1].contains("unknown-algorithm"));
}

#[tokio::test]
async fn the_shipped_verifier_does_not_pass_without_facts() {
    let verdict = judged("etcd-verify", "{}", Facts::default(), None).await;
    assert!(!verdict.pass && !verdict.findings.is_empty());
}

/// Facts as the host gathers them of an archive.
fn of_archive(archive: &[u8]) -> Facts {
    let mut check = drydock_archive::ArchiveCheck::new();
    check.push(archive);
    let summary = check.finish();
    let mut facts = Facts::default();
    facts.set_text("artifact.name", "pki.tar");
    let numbers = [
        ("artifact.size", archive.len() as u64),
        ("archive.entries", summary.entries),
        ("archive.bytes", summary.bytes),
        ("archive.problems", summary.problems_total),
    ];
    for (name, number) in numbers {
        facts.set(name, FactValue::Unsigned(number));
    }
    for (number, problem) in summary.problems.iter().enumerate() {
        facts.set_text(format!("archive.problem.{number}"), problem);
    }
    facts
}

fn gnu_tar() -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let long = scratch.path().join("etc/pki").join("n".repeat(150));
    std::fs::create_dir_all(long.parent().unwrap()).unwrap();
    std::fs::write(long, vec![1; 100_000]).unwrap();
    std::fs::write(scratch.path().join("etc/pki/ca.key"), "key").unwrap();
    let mut command = std::process::Command::new("tar");
    command.args(["--format=posix", "-cf", "-", "-C"]);
    let output = command.arg(scratch.path()).arg("etc").output().unwrap();
    output.stdout
}

#[tokio::test]
async fn sound_archives_with_what_is_required_pass() {
    let archive = gnu_tar();
    let config = r#"{"require":["etc/pki/ca.key","nnn*","**/ca.*"]}"#;
    let verdict = judged("files-verify", config, of_archive(&archive), Some(&archive)).await;
    assert!(
        verdict.pass && verdict.findings.is_empty(),
        "{:?}",
        verdict.findings
    );
    let verdict = judged("files-verify", config, of_archive(&archive), None).await;
    assert!(verdict.pass && verdict.findings[0].code == "require-not-checked");
}

#[tokio::test]
async fn archives_that_lack_something_or_are_damaged_fail() {
    let archive = gnu_tar();
    let config = r#"{"require":["etc/pki/ca.key","sa.key"]}"#;
    let verdict = judged("files-verify", config, of_archive(&archive), Some(&archive)).await;
    assert!(!verdict.pass);
    assert!(
        verdict.findings[0]
            .message
            .starts_with("`sa.key` of `require` names nothing")
    );
    let cut = &archive[..archive.len() / 2];
    let verdict = judged("files-verify", "{}", of_archive(cut), Some(cut)).await;
    assert!(!verdict.pass && verdict.findings[0].code == "archive-damaged");
    assert!(
        verdict.findings[0].message.contains("cut off"),
        "{:?}",
        verdict.findings
    );
    let verdict = judged("files-verify", "{}", Facts::default(), Some(b"text")).await;
    assert!(!verdict.pass && verdict.findings[0].code == "no-archive");
}
