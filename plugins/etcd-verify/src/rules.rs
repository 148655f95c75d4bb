//! The rules, each of which is a function of the facts alone. The contract's
//! `artifact.wit` lists the facts and their types.

mod hash_kv;

use drydock_plugin_sdk::{FactMap, Finding};

use crate::config::Config;

/// How many of the host's problems are spelled out; the count tells of the others.
const PROBLEMS_SPELLED_MAX: u64 = 3;

/// All findings of all rules.
pub fn judge(config: &Config, facts: &FactMap) -> Vec<Finding> {
    if let Some(elsewhere) = foreign(facts).or_else(|| no_snapshot(facts)) {
        return vec![elsewhere];
    }
    let findings = [
        trailer(facts),
        structure(facts),
        hash(facts),
        revision(facts),
        lineage(facts),
        unsure(facts),
        keys(config, facts),
        no_key(facts),
    ];
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    findings.extend(hash_kv::compare(config.require_hash_kv, facts));
    findings
}

/// What another step made is no business of this one. Nobody can know that before it is made.
fn no_snapshot(facts: &FactMap) -> Option<Finding> {
    let told = ["snapshot.trailer", "snapshot.problems", "snapshot.taken"];
    if told.iter().any(|name| facts.get(name).is_some()) {
        return None;
    }
    Some(Finding::failure(
        "no-snapshot",
        format!(
            "{} is no etcd snapshot: if it is not meant to be one, let this step judge the others alone: `verifies: [STEP]`",
            facts.text("artifact.name").unwrap_or("the artifact")
        ),
    ))
}

/// A database that is not etcd's has nothing else that could be judged.
fn foreign(facts: &FactMap) -> Option<Finding> {
    let why = facts.text("snapshot.not-etcd")?;
    Some(Finding::failure(
        "not-etcd",
        format!("{why}: see what the backup step read, since nothing of a cluster is in it"),
    ))
}

/// The digest that the server sent behind the snapshot has to be that of its bytes.
fn trailer(facts: &FactMap) -> Option<Finding> {
    match facts.text("snapshot.trailer") {
        Some("match") => None,
        Some("missing") => Some(Finding::failure(
            "trailer-missing",
            "the snapshot has no checksum at its end, so it was cut short or never came from a server's stream: take it anew",
        )),
        Some(_) => Some(Finding::failure(
            "trailer-mismatch",
            "the checksum at the snapshot's end is not that of its bytes, so they changed on the way: take it anew",
        )),
        None => Some(fact_missing("snapshot.trailer")),
    }
}

/// The database inside has to be sound, page by page.
fn structure(facts: &FactMap) -> Option<Finding> {
    match facts.unsigned("snapshot.problems") {
        Some(0) => None,
        Some(count) => Some(Finding::failure(
            "structure-damaged",
            format!(
                "the snapshot's database is damaged in {count} places ({}): take the snapshot from another member and check this one's disk",
                problems(facts, count)
            ),
        )),
        None => Some(fact_missing("snapshot.problems")),
    }
}

/// The host could read the database to its end.
fn hash(facts: &FactMap) -> Option<Finding> {
    let present = facts.unsigned("snapshot.hash").is_some();
    (!present).then(|| fact_missing("snapshot.hash"))
}

/// A lineage never goes back: a lower revision than the last recovery point's means that
/// the member lags far behind or that the cluster was put back.
fn revision(facts: &FactMap) -> Option<Finding> {
    let Some(revision) = facts.signed("snapshot.revision") else {
        return Some(fact_missing("snapshot.revision"));
    };
    if !has_previous(facts) {
        return None;
    }
    let Some(previous) = facts.signed("previous.revision") else {
        return Some(fact_missing("previous.revision"));
    };
    (revision < previous).then(|| {
        Finding::failure(
            "revision-behind",
            format!(
                "the snapshot is at revision {revision}, behind revision {previous} of {}: see whether the member lags or the cluster was put back",
                previous_name(facts)
            ),
        )
    })
}

/// Where history was cut, nothing can be compared with what came before, and an operator
/// has to know whether that was meant.
fn lineage(facts: &FactMap) -> Option<Finding> {
    facts.text("lineage.begins").map(|why| {
        Finding::warning(
            "lineage-begins",
            format!(
                "{why}; nothing was compared with earlier recovery points: see that this was meant"
            ),
        )
    })
}

/// Nothing contradicts that the history went on, and nothing shows it either.
fn unsure(facts: &FactMap) -> Option<Finding> {
    let why = facts.text("lineage.unsure")?;
    Some(Finding::note("history-not-compared", why))
}

/// Most keys do not vanish between two backups.
fn keys(config: &Config, facts: &FactMap) -> Option<Finding> {
    let Some(now) = facts.unsigned("snapshot.total-key") else {
        return Some(fact_missing("snapshot.total-key"));
    };
    if !has_previous(facts) {
        return None;
    }
    let Some(before) = facts.unsigned("previous.total-key") else {
        return Some(fact_missing("previous.total-key"));
    };
    let limit = config.keys_fall_max_percent;
    fell_too_far(before, now, limit).then(|| {
        Finding::failure(
            "keys-fell",
            format!(
                "the snapshot has {now} keys where {} had {before}, a fall of more than {limit} %: see what was deleted, or raise `keysFallMaxPercent` if that was meant",
                previous_name(facts)
            ),
        )
    })
}

/// It may be meant, as of a cluster that is about to be filled. Nothing can be proven of it.
fn no_key(facts: &FactMap) -> Option<Finding> {
    let is_empty = facts.unsigned("snapshot.total-key") == Some(0);
    is_empty.then(|| {
        Finding::note(
            "no-key",
            "the snapshot holds no key at all, so a drill of it has nothing to compare: see that this is the right etcd",
        )
    })
}

/// Counted in 128 bits, where no number of keys can overflow.
fn fell_too_far(before: u64, now: u64, limit_percent: u64) -> bool {
    let fall = u128::from(before.saturating_sub(now));
    fall * 100 > u128::from(before) * u128::from(limit_percent)
}

/// The host gives all three facts of an earlier recovery point, or none.
fn has_previous(facts: &FactMap) -> bool {
    [
        "previous.revision",
        "previous.total-key",
        "previous.recovery-point",
    ]
    .iter()
    .any(|name| facts.get(name).is_some())
}

fn previous_name(facts: &FactMap) -> &str {
    facts
        .text("previous.recovery-point")
        .unwrap_or("the last recovery point")
}

fn problems(facts: &FactMap, count: u64) -> String {
    let named = (0..count.min(PROBLEMS_SPELLED_MAX))
        .filter_map(|n| facts.text(&format!("snapshot.problem.{n}")));
    let named: Vec<&str> = named.collect();
    if named.is_empty() {
        "none of them named".to_owned()
    } else {
        named.join("; ")
    }
}

/// Absence is never a pass.
fn fact_missing(name: &str) -> Finding {
    Finding::failure(
        "fact-missing",
        format!("the host does not tell `{name}`, so the snapshot cannot be judged"),
    )
}

#[cfg(test)]
mod tests;
