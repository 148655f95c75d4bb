//! The rules, each of which is a function of the facts alone. The contract's
//! `artifact.wit` lists the facts and their types.

use drydock_plugin_sdk::{FactMap, Finding};

/// How many of the host's problems are spelled out; the count tells of the others.
const PROBLEMS_SPELLED_MAX: u64 = 3;

/// All findings of all rules.
pub fn judge(facts: &FactMap) -> Vec<Finding> {
    if is_snapshot(facts) {
        return vec![Finding::note(
            "no-archive",
            "an etcd snapshot is not judged here: let a step with the plugin etcd-verify judge it",
        )];
    }
    if facts.get("archive.entries").is_none() {
        return vec![Finding::failure(
            "no-archive",
            format!(
                "{} is no tar archive: if it is not meant to be one, let this step judge the others alone (`verifies`)",
                facts.text("artifact.name").unwrap_or("the artifact")
            ),
        )];
    }
    let findings = [
        problems(facts),
        entries(facts),
        unchecked(facts),
        bytes(facts),
    ];
    findings.into_iter().flatten().collect()
}

/// The host has looked into it and found a database, which no archive looks like.
pub fn is_snapshot(facts: &FactMap) -> bool {
    facts.get("snapshot.trailer").is_some() && facts.get("archive.entries").is_none()
}

/// The archive has to be sound, entry by entry.
fn problems(facts: &FactMap) -> Option<Finding> {
    match facts.unsigned("archive.problems") {
        Some(0) => None,
        Some(count) => Some(Finding::failure(
            "archive-damaged",
            format!(
                "the archive has {count} problems ({}): make it anew, and if it stays, see what wrote it",
                spelled(facts, count)
            ),
        )),
        None => Some(fact_missing("archive.problems")),
    }
}

/// An archive of nothing protects nothing.
fn entries(facts: &FactMap) -> Option<Finding> {
    match facts.unsigned("archive.entries") {
        Some(0) => Some(Finding::failure(
            "archive-empty",
            "the archive holds nothing: see which folders the backup step names",
        )),
        Some(_) => None,
        None => Some(fact_missing("archive.entries")),
    }
}

/// What was not looked at is not known to be sound, and not known to be damaged either.
fn unchecked(facts: &FactMap) -> Option<Finding> {
    let count = facts.unsigned("archive.names-unchecked").unwrap_or(0);
    (count > 0).then(|| {
        Finding::warning(
            "archive-not-judged-whole",
            format!(
                "the archive has more entries than Drydock compares, and the names of the last {count} may come twice: back up fewer files in one step"
            ),
        )
    })
}

/// What lies in the archive takes no more room than the archive has: each entry has a
/// block of its own, and two blocks end it.
fn bytes(facts: &FactMap) -> Option<Finding> {
    let missing = |name| Some(fact_missing(name));
    let Some(bytes) = facts.unsigned("archive.bytes") else {
        return missing("archive.bytes");
    };
    let Some(size) = facts.unsigned("artifact.size") else {
        return missing("artifact.size");
    };
    let entries = facts.unsigned("archive.entries").unwrap_or(0);
    if bytes == 0 && entries > 0 {
        return Some(Finding::failure(
            "archive-without-bytes",
            format!(
                "the archive holds {entries} entries and no byte of any file: see which folders the backup step names"
            ),
        ));
    }
    let needed = u128::from(bytes) + 512 * (u128::from(entries) + 2);
    (needed > u128::from(size)).then(|| {
        Finding::failure(
            "sizes-differ",
            format!(
                "{entries} entries with {bytes} bytes cannot lie in an archive of {size} bytes: make it anew"
            ),
        )
    })
}

fn spelled(facts: &FactMap, count: u64) -> String {
    let named = (0..count.min(PROBLEMS_SPELLED_MAX))
        .filter_map(|n| facts.text(&format!("archive.problem.{n}")));
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
        format!("the host does not tell `{name}`, so the archive cannot be judged"),
    )
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::{FactValue, Level};

    use super::*;

    fn facts(pairs: &[(&str, u64)]) -> FactMap {
        let mut facts = FactMap::default();
        for (name, value) in pairs {
            facts.set(name, FactValue::Unsigned(*value));
        }
        facts
    }

    const SOUND: [(&str, u64); 4] = [
        ("artifact.size", 10_240),
        ("archive.entries", 3),
        ("archive.bytes", 7_000),
        ("archive.problems", 0),
    ];

    fn codes(facts: &FactMap) -> Vec<String> {
        let failures = judge(facts).into_iter();
        failures
            .filter(|f| f.level == Level::Failure)
            .map(|f| f.code)
            .collect()
    }

    #[test]
    fn a_sound_archive_passes_and_each_fact_counts() {
        assert_eq!(judge(&facts(&SOUND)), []);
        for (missing, (name, _)) in SOUND.iter().enumerate() {
            let mut some = SOUND.to_vec();
            some.remove(missing);
            assert_eq!(codes(&facts(&some)).len(), 1, "without {name}");
        }
        let changes = [
            (1, 0, "archive-empty"),
            (2, 0, "archive-without-bytes"),
            (1, u64::MAX, "sizes-differ"),
            (2, 10_240, "sizes-differ"),
            (3, 1, "archive-damaged"),
        ];
        for (fact, value, code) in changes {
            let mut some = SOUND;
            some[fact].1 = value;
            assert_eq!(codes(&facts(&some)), [code]);
        }
    }

    #[test]
    fn problems_are_spelled_out() {
        let mut some = facts(&SOUND);
        some.set("archive.problems", FactValue::Unsigned(2));
        some.set("archive.problem.0", FactValue::Text("a is bad".into()));
        some.set("archive.problem.1", FactValue::Text("b is bad".into()));
        let told = &judge(&some)[0].message;
        assert!(told.contains("2 problems (a is bad; b is bad)"), "{told}");
    }

    #[test]
    fn a_snapshot_is_left_to_others_and_anything_else_fails() {
        let mut some = FactMap::default();
        some.set("snapshot.trailer", FactValue::Text("match".into()));
        assert_eq!(codes(&some), [""; 0]);
        assert_eq!(judge(&some)[0].level, Level::Note);
        assert_eq!(codes(&FactMap::default()), ["no-archive"]);
        // Nothing hides behind another fact.
        let mut both = facts(&[("archive.entries", 1)]);
        both.set("snapshot.trailer", FactValue::Text("match".into()));
        assert!(!codes(&both).is_empty());
    }
}
