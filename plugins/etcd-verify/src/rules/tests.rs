use drydock_plugin_sdk::{FactValue, Level, Verdict};

use super::*;
use crate::config::RequireHashKv;

fn text(value: &str) -> FactValue {
    FactValue::Text(value.to_owned())
}

/// A sound snapshot with three members that agree and an earlier recovery point.
fn sound() -> FactMap {
    let mut facts = FactMap::default();
    facts.set("snapshot.trailer", text("match"));
    facts.set("snapshot.problems", FactValue::Unsigned(0));
    facts.set("snapshot.hash", FactValue::Unsigned(7));
    facts.set("snapshot.revision", FactValue::Signed(100));
    facts.set("snapshot.total-key", FactValue::Unsigned(50));
    facts.set("snapshot.hash-kv", FactValue::Unsigned(9));
    facts.set("previous.revision", FactValue::Signed(100));
    facts.set("previous.total-key", FactValue::Unsigned(100));
    facts.set("previous.recovery-point", text("rp-1"));
    facts.set("members", FactValue::Unsigned(3));
    for number in 0..3 {
        let mut member = |fact: &str, value| facts.set(&format!("member.{number}.{fact}"), value);
        member("id", text(&format!("a{number}")));
        member("endpoint", text(&format!("https://m{number}:2379")));
        member("reachable", FactValue::Flag(true));
        member("learner", FactValue::Flag(false));
        member("hash-kv", FactValue::Unsigned(9));
        member("expected-hash-kv", FactValue::Unsigned(9));
    }
    facts
}

fn with(changes: &[(&str, FactValue)]) -> FactMap {
    let mut facts = sound();
    for (name, value) in changes {
        facts.set(name, value.clone());
    }
    facts
}

fn without(names: &[&str]) -> FactMap {
    let mut facts = sound();
    names.iter().for_each(|name| facts.remove(name));
    facts
}

fn judged(facts: &FactMap) -> (bool, Vec<(Level, String)>) {
    judged_by(&Config::default(), facts)
}

fn judged_by(config: &Config, facts: &FactMap) -> (bool, Vec<(Level, String)>) {
    let verdict = Verdict::of(judge(config, facts));
    let findings = verdict.findings.into_iter();
    (verdict.pass, findings.map(|f| (f.level, f.code)).collect())
}

fn requiring(require_hash_kv: RequireHashKv) -> Config {
    Config {
        require_hash_kv,
        ..Config::default()
    }
}

#[test]
fn what_another_step_made_is_named_with_the_key_that_keeps_it_away() {
    let mut facts = FactMap::default();
    facts.set("artifact.name", text("motd.txt"));
    let findings = judge(&Config::default(), &facts);
    assert_eq!(
        findings,
        [Finding::failure(
            "no-snapshot",
            "motd.txt is no etcd snapshot: if it is not meant to be one, let this step judge the others alone: `verifies: [STEP]`"
        )]
    );
}

#[test]
fn sound_snapshot_passes_without_a_word() {
    assert_eq!(judged(&sound()), (true, Vec::new()));
}

#[test]
fn a_new_lineage_is_told_and_passes() {
    let facts = with(&[(
        "lineage.begins",
        text("etcd's cluster id changed since rp-1"),
    )]);
    let told = vec![(Level::Warning, "lineage-begins".to_owned())];
    assert_eq!(judged(&facts), (true, told));
}

#[test]
fn a_history_that_nothing_confirms_is_a_note() {
    let facts = with(&[("lineage.unsure", text("of the 64 revisions none is there"))]);
    let told = vec![(Level::Note, "history-not-compared".to_owned())];
    assert_eq!(judged(&facts), (true, told));
}

#[test]
fn first_recovery_point_has_nothing_to_be_behind() {
    let facts = without(&[
        "previous.revision",
        "previous.total-key",
        "previous.recovery-point",
    ]);
    assert_eq!(judged(&facts), (true, Vec::new()));
}

#[test]
fn each_rule_fails_by_itself() {
    for (changes, code) in [
        (
            vec![("snapshot.trailer", text("mismatch"))],
            "trailer-mismatch",
        ),
        (
            vec![("snapshot.trailer", text("missing"))],
            "trailer-missing",
        ),
        (
            vec![("snapshot.trailer", text("no such word"))],
            "trailer-mismatch",
        ),
        (
            vec![("snapshot.problems", FactValue::Unsigned(1))],
            "structure-damaged",
        ),
        (
            vec![("snapshot.revision", FactValue::Signed(99))],
            "revision-behind",
        ),
        (
            vec![("snapshot.total-key", FactValue::Unsigned(49))],
            "keys-fell",
        ),
        (
            vec![("member.1.hash-kv", FactValue::Unsigned(8))],
            "hash-kv-differs",
        ),
    ] {
        let expected = (false, vec![(Level::Failure, code.to_owned())]);
        assert_eq!(judged(&with(&changes)), expected, "{changes:?}");
    }
}

#[test]
fn absence_is_never_a_pass() {
    for name in [
        "snapshot.trailer",
        "snapshot.problems",
        "snapshot.hash",
        "snapshot.revision",
        "snapshot.total-key",
        "snapshot.hash-kv",
        "previous.revision",
        "previous.total-key",
        "members",
        "member.2.reachable",
        "member.2.hash-kv",
        "member.2.expected-hash-kv",
    ] {
        let expected = (false, vec![(Level::Failure, "fact-missing".to_owned())]);
        assert_eq!(judged(&without(&[name])), expected, "{name}");
        let wrong_type = with(&[(name, FactValue::Bytes(Vec::new()))]);
        assert!(!judged(&wrong_type).0, "{name}");
    }
}

#[test]
fn absurd_number_of_members_ends() {
    let facts = with(&[("members", FactValue::Unsigned(u64::MAX))]);
    assert!(!judged(&facts).0);
}

#[test]
fn keys_may_fall_by_the_limit_and_no_further() {
    for (before, now, limit, too_far) in [
        (100, 50, 50, false),
        (100, 49, 50, true),
        (100, 0, 100, false),
        (100, 99, 0, true),
        (100, 200, 0, false),
        (0, 0, 0, false),
        (u64::MAX, 0, 99, true),
    ] {
        assert_eq!(
            fell_too_far(before, now, limit),
            too_far,
            "{before} {now} {limit}"
        );
    }
}

#[test]
fn member_that_differs_is_named() {
    let facts = with(&[("member.1.hash-kv", FactValue::Unsigned(8))]);
    let findings = judge(&Config::default(), &facts);
    assert_eq!(
        findings[0].message,
        "the snapshot's keys are not those of member a1 at https://m1:2379 (HashKV 9 here, 8 there), so one of the two is wrong: check the cluster with `etcdctl endpoint hashkv --cluster`"
    );
}

#[test]
fn problems_are_spelled_out_up_to_a_few() {
    let mut facts = with(&[("snapshot.problems", FactValue::Unsigned(9))]);
    for n in 0..9 {
        facts.set(&format!("snapshot.problem.{n}"), text(&format!("page {n}")));
    }
    let message = &judge(&Config::default(), &facts)[0].message;
    assert!(
        message.contains("damaged in 9 places (page 0; page 1; page 2): "),
        "{message}"
    );
}

#[test]
fn who_cannot_be_compared_is_a_note_while_another_agrees() {
    let facts = with(&[
        ("member.0.reachable", FactValue::Flag(false)),
        ("member.1.not-comparable", text("compacted further")),
    ]);
    let expected = ["member-unreachable", "hash-kv-not-comparable"];
    let expected = expected.map(|code| (Level::Note, code.to_owned()));
    assert_eq!(judged(&facts), (true, expected.to_vec()));
}

#[test]
fn learner_is_left_out() {
    let facts = with(&[
        ("member.1.learner", FactValue::Flag(true)),
        ("member.1.hash-kv", FactValue::Unsigned(8)),
    ]);
    assert_eq!(judged(&facts), (true, Vec::new()));
}

#[test]
fn nobody_to_compare_with_weighs_as_configured() {
    let mut facts = sound();
    for number in 0..3 {
        facts.set(&format!("member.{number}.learner"), FactValue::Flag(true));
    }
    let one = |level| vec![(level, "hash-kv-not-compared".to_owned())];
    for (require, expected) in [
        (RequireHashKv::WhenComparable, (true, one(Level::Warning))),
        (RequireHashKv::Always, (false, one(Level::Failure))),
        (RequireHashKv::Never, (true, Vec::new())),
    ] {
        assert_eq!(
            judged_by(&requiring(require), &facts),
            expected,
            "{require:?}"
        );
    }
}

#[test]
fn never_means_never_even_when_a_member_differs() {
    let facts = with(&[("member.1.hash-kv", FactValue::Unsigned(8))]);
    assert!(judged_by(&requiring(RequireHashKv::Never), &facts).0);
}

/// Whatever else is told of it.
#[test]
fn a_database_that_is_not_etcds_fails_in_one_sentence() {
    let why = "this is a bbolt database but not etcd's: it has the bucket v1, and lacks the buckets key and meta";
    for mut facts in [sound(), FactMap::default()] {
        facts.set("snapshot.not-etcd", text(why));
        let findings = judge(&Config::default(), &facts);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].level, findings[0].code.as_str()),
            (Level::Failure, "not-etcd")
        );
        assert!(findings[0].message.starts_with(why));
    }
}
