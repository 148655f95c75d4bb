//! The comparison with the cluster itself: the snapshot's HashKV has to be that of every
//! voting member that answers and can be compared.

use drydock_plugin_sdk::{FactMap, Finding};

use super::fact_missing;
use crate::config::RequireHashKv;

/// etcd's own advice ends at seven members; a count beyond this one is no cluster, and
/// the loop over it has to end.
const MEMBERS_MAX: u64 = 64;

/// What became of one member.
enum Comparison {
    Equal,
    Differs(Finding),
    /// Cannot be compared, which is worth a note.
    NotPossible(Finding),
    /// A learner, which may lag, is left out.
    LeftOut,
    FactMissing(Finding),
}

pub fn compare(require: RequireHashKv, facts: &FactMap) -> Vec<Finding> {
    if require == RequireHashKv::Never {
        return Vec::new();
    }
    if facts.unsigned("snapshot.hash-kv").is_none() {
        return vec![fact_missing("snapshot.hash-kv")];
    }
    let Some(members) = facts.unsigned("members").filter(|n| *n <= MEMBERS_MAX) else {
        return vec![fact_missing("members")];
    };
    let mut any_compared = false;
    let mut findings = Vec::new();
    for number in 0..members {
        match compare_member(facts, number) {
            Comparison::Equal => any_compared = true,
            Comparison::Differs(finding) => {
                any_compared = true;
                findings.push(finding);
            }
            Comparison::NotPossible(finding) | Comparison::FactMissing(finding) => {
                findings.push(finding);
            }
            Comparison::LeftOut => {}
        }
    }
    if !any_compared {
        findings.push(nobody_compared(require));
    }
    findings
}

fn compare_member(facts: &FactMap, number: u64) -> Comparison {
    let name = |fact: &str| format!("member.{number}.{fact}");
    if facts.flag(&name("learner")) == Some(true) {
        return Comparison::LeftOut;
    }
    let Some(reachable) = facts.flag(&name("reachable")) else {
        return Comparison::FactMissing(fact_missing(&name("reachable")));
    };
    let member = spelled(facts, number);
    if !reachable {
        return Comparison::NotPossible(Finding::note(
            "member-unreachable",
            format!("{member} does not answer, so the snapshot was not compared with it"),
        ));
    }
    if let Some(why) = facts.text(&name("not-comparable")) {
        return Comparison::NotPossible(Finding::note(
            "hash-kv-not-comparable",
            format!("the snapshot cannot be compared with {member}: {why}"),
        ));
    }
    let fact = |fact: &str| {
        let name = name(fact);
        facts.unsigned(&name).ok_or_else(|| fact_missing(&name))
    };
    match (fact("hash-kv"), fact("expected-hash-kv")) {
        (Ok(theirs), Ok(ours)) if theirs == ours => Comparison::Equal,
        (Ok(theirs), Ok(ours)) => Comparison::Differs(differs(&member, ours, theirs)),
        (Err(missing), _) | (_, Err(missing)) => Comparison::FactMissing(missing),
    }
}

fn differs(member: &str, ours: u64, theirs: u64) -> Finding {
    Finding::failure(
        "hash-kv-differs",
        format!(
            "the snapshot's keys are not those of {member} (HashKV {ours} here, {theirs} there), so one of the two is wrong: check the cluster with `etcdctl endpoint hashkv --cluster`"
        ),
    )
}

fn nobody_compared(require: RequireHashKv) -> Finding {
    let code = "hash-kv-not-compared";
    match require {
        RequireHashKv::Always => Finding::failure(
            code,
            "the snapshot was compared with no member, which `requireHashKv: always` asks for: back up again once a voting member answers",
        ),
        RequireHashKv::WhenComparable | RequireHashKv::Never => Finding::warning(
            code,
            "the snapshot was compared with no member: only its own checksum and structure speak for it",
        ),
    }
}

fn spelled(facts: &FactMap, number: u64) -> String {
    let part = |fact: &str| facts.text(&format!("member.{number}.{fact}"));
    match (part("id"), part("endpoint")) {
        (Some(id), Some(endpoint)) => format!("member {id} at {endpoint}"),
        (Some(id), None) => format!("member {id}"),
        (None, Some(endpoint)) => format!("the member at {endpoint}"),
        (None, None) => format!("member number {number}"),
    }
}
