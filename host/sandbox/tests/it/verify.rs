//! Verify plugins: facts and slices.

use std::path::Path;
use std::sync::Arc;

use drydock_capability_local::Slice;
use drydock_core::plugin::Access;
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
