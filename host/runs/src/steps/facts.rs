//! The facts of an artifact, as verify plugins get them: names and values, made of what the
//! host found. `wit/artifact.wit` lists the names. Nothing in the host reads them.

use drydock_core::nature::{
    ArchiveReport, ClusterReport, Comparison, Descent, DescentRemark, EtcdFigures, MemberReport,
    SnapshotDamage, SnapshotReport, SoundSnapshot, Trailer,
};
use drydock_core::{FactValue, Facts, Fault, Nature, Witness};
use drydock_point::model::SealedOutput;

use super::digest::digest;

/// The facts of a finished output.
///
/// # Errors
/// When the journal's digest of it is none.
pub fn of(sealed: &SealedOutput) -> Result<Facts, Fault> {
    let mut facts = Facts::default();
    facts.set_text("artifact.name", &sealed.name);
    facts.set("artifact.size", FactValue::Unsigned(sealed.plain_size));
    facts.set("artifact.opened", FactValue::Signed(sealed.opened.0));
    facts.set("artifact.closed", FactValue::Signed(sealed.closed.0));
    let sha256 = digest(&sealed.plain_sha256)?;
    facts.set("artifact.sha256", FactValue::Bytes(sha256.0.to_vec()));
    match &sealed.nature {
        Nature::Snapshot(report) => {
            facts.set("snapshot.taken", FactValue::Signed(sealed.opened.0));
            snapshot(report, &mut facts);
        }
        Nature::Archive(report) => archive(report, &mut facts),
        Nature::Bytes => {}
    }
    Ok(facts)
}

fn archive(report: &ArchiveReport, facts: &mut Facts) {
    let figures = [
        ("archive.entries", report.entries),
        ("archive.bytes", report.bytes),
        ("archive.problems", report.problems_total),
        ("archive.names-unchecked", report.names_unchecked),
    ];
    for (name, figure) in figures {
        facts.set(name, FactValue::Unsigned(figure));
    }
    problems("archive", &report.problems, facts);
}

fn snapshot(report: &SnapshotReport, facts: &mut Facts) {
    if let Some(member) = report.member() {
        facts.set_text("snapshot.member", member);
    }
    match report {
        SnapshotReport::Sound(snapshot) => sound(snapshot, facts),
        SnapshotReport::Damaged(snapshot) => damage(&snapshot.damage, facts),
    }
}

fn damage(damage: &SnapshotDamage, facts: &mut Facts) {
    facts.set_text("snapshot.trailer", damage.trailer.word());
    facts.set(
        "snapshot.problems",
        FactValue::Unsigned(damage.problems_total),
    );
    problems("snapshot", &damage.problems, facts);
    if let Some(why) = &damage.not_etcd {
        facts.set_text("snapshot.not-etcd", why);
    }
}

/// The first problems; their count tells of the rest.
fn problems(kind: &str, problems: &[String], facts: &mut Facts) {
    for (number, problem) in problems.iter().enumerate() {
        facts.set_text(format!("{kind}.problem.{number}"), problem);
    }
}

fn sound(snapshot: &SoundSnapshot, facts: &mut Facts) {
    facts.set_text("snapshot.trailer", Trailer::Match.word());
    facts.set("snapshot.problems", FactValue::Unsigned(0));
    figures(&snapshot.figures, facts);
    cluster(&snapshot.cluster, facts);
    descent(&snapshot.descent, facts);
}

fn figures(figures: &EtcdFigures, facts: &mut Facts) {
    facts.set("snapshot.hash", FactValue::Unsigned(figures.hash.into()));
    facts.set("snapshot.revision", FactValue::Signed(figures.revision));
    facts.set(
        "snapshot.total-key",
        FactValue::Unsigned(figures.total_keys),
    );
    facts.set(
        "snapshot.total-size",
        FactValue::Unsigned(figures.total_size),
    );
    facts.set_text("snapshot.version", &figures.version);
    if let Some(keys) = &figures.keys_per_resource {
        for line in &keys.named {
            let name = format!("snapshot.keys.resource.{}", line.resource);
            facts.set(name, FactValue::Unsigned(line.keys));
        }
        facts.set("snapshot.keys.other", FactValue::Unsigned(keys.other));
    }
    let witnesses: Vec<String> = figures.witnesses.iter().map(Witness::to_string).collect();
    facts.set_text("snapshot.witnesses", witnesses.join(" "));
    if let Some(own) = figures.hash_kv {
        facts.set("snapshot.hash-kv", FactValue::Unsigned(own.hash.into()));
        facts.set(
            "snapshot.hash-kv.compact-revision",
            FactValue::Signed(own.compact_revision),
        );
    }
    if let Some(index) = figures.raft_index {
        facts.set("cluster.raft-index", FactValue::Unsigned(index));
    }
    if let Some(term) = figures.raft_term {
        facts.set("cluster.raft-term", FactValue::Unsigned(term));
    }
}

fn cluster(cluster: &ClusterReport, facts: &mut Facts) {
    facts.set("members", FactValue::Unsigned(cluster.voters));
    facts.set("cluster.quorum", FactValue::Flag(cluster.quorum));
    if let Some(id) = &cluster.id {
        facts.set_text("cluster.id", id);
    }
    for (number, report) in cluster.members.iter().enumerate() {
        member(number, report, facts);
    }
}

fn member(number: usize, member: &MemberReport, facts: &mut Facts) {
    let name = |fact: &str| format!("member.{number}.{fact}");
    if let Some(endpoint) = &member.endpoint {
        facts.set_text(name("endpoint"), endpoint);
    }
    facts.set(name("learner"), FactValue::Flag(member.learner));
    facts.set(name("reachable"), FactValue::Flag(member.reachable));
    if let Some(id) = &member.id {
        facts.set_text(name("id"), id);
    }
    if let Some(hash) = &member.hash {
        facts.set(name("hash-kv"), FactValue::Unsigned(hash.hash_kv.into()));
        facts.set(
            name("compact-revision"),
            FactValue::Signed(hash.compact_revision),
        );
    }
    match &member.comparison {
        Comparison::Expected(hash) => {
            facts.set(
                name("expected-hash-kv"),
                FactValue::Unsigned((*hash).into()),
            );
        }
        Comparison::NotComparable(why) => facts.set_text(name("not-comparable"), why),
    }
}

fn descent(descent: &Descent, facts: &mut Facts) {
    facts.set_text("lineage.id", &descent.lineage);
    match &descent.remark {
        Some(DescentRemark::Begins(why)) => facts.set_text("lineage.begins", why),
        Some(DescentRemark::Unsure(why)) => facts.set_text("lineage.unsure", why),
        None => {}
    }
    if let Some(last) = &descent.previous {
        facts.set_text("previous.recovery-point", last.recovery_point.as_str());
        facts.set("previous.revision", FactValue::Signed(last.revision));
        facts.set("previous.total-key", FactValue::Unsigned(last.total_keys));
    }
}

#[cfg(test)]
mod tests;
