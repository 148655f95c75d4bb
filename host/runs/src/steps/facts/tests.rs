use std::collections::BTreeSet;

use drydock_core::nature::{
    DamagedSnapshot, HashKv, KeysPerResource, MemberHash, PreviousPoint, ResourceKeys,
};
use drydock_core::{ErrorCode, RecoveryPointName};

use super::*;
use crate::steps::fixture::sealed;

/// The page that promises the names to plugins.
const PAGE: &str = include_str!("../../../../../wit/artifact.wit");

/// The lines of [`snapshot`], whose lineage begins, that only snapshots have.
const OF_A_SOUND_SNAPSHOT: [&str; 36] = [
    "cluster.id Text(\"c1\")",
    "cluster.quorum Flag(true)",
    "cluster.raft-index Unsigned(15)",
    "cluster.raft-term Unsigned(16)",
    "lineage.begins Text(\"why\")",
    "lineage.id Text(\"0123456789abcdef\")",
    "member.0.compact-revision Signed(9)",
    "member.0.endpoint Text(\"http://m1:2379\")",
    "member.0.expected-hash-kv Unsigned(12)",
    "member.0.hash-kv Unsigned(12)",
    "member.0.id Text(\"a1\")",
    "member.0.learner Flag(false)",
    "member.0.reachable Flag(true)",
    "member.1.endpoint Text(\"http://m1:2379\")",
    "member.1.id Text(\"a1\")",
    "member.1.learner Flag(false)",
    "member.1.not-comparable Text(\"it hangs\")",
    "member.1.reachable Flag(true)",
    "members Unsigned(2)",
    "previous.recovery-point Text(\"before\")",
    "previous.revision Signed(8)",
    "previous.total-key Unsigned(7)",
    "snapshot.hash Unsigned(11)",
    "snapshot.hash-kv Unsigned(12)",
    "snapshot.hash-kv.compact-revision Signed(-1)",
    "snapshot.keys.other Unsigned(18)",
    "snapshot.keys.resource.deployments.apps Unsigned(17)",
    "snapshot.member Text(\"a1\")",
    "snapshot.problems Unsigned(0)",
    "snapshot.revision Signed(10)",
    "snapshot.taken Signed(5)",
    "snapshot.total-key Unsigned(13)",
    "snapshot.total-size Unsigned(14)",
    "snapshot.trailer Text(\"match\")",
    "snapshot.version Text(\"3.6.0\")",
    "snapshot.witnesses Text(\"2:a7 4711:00\")",
];

fn snapshot(remark: DescentRemark) -> Nature {
    let figures = EtcdFigures {
        revision: 10,
        hash: 11,
        hash_kv: Some(HashKv {
            hash: 12,
            compact_revision: -1,
            hash_revision: 10,
        }),
        total_keys: 13,
        total_size: 14,
        version: "3.6.0".to_owned(),
        member: Some("a1".to_owned()),
        raft_index: Some(15),
        raft_term: Some(16),
        witnesses: ["2:a7", "4711:00"]
            .iter()
            .map(|w| w.parse().unwrap())
            .collect(),
        keys_per_resource: Some(KeysPerResource {
            named: vec![ResourceKeys {
                resource: "deployments.apps".to_owned(),
                keys: 17,
            }],
            other: 18,
        }),
    };
    let member = |hash, comparison| MemberReport {
        id: Some("a1".to_owned()),
        endpoint: Some("http://m1:2379".to_owned()),
        learner: false,
        reachable: true,
        hash,
        comparison,
    };
    let hash = MemberHash {
        hash_kv: 12,
        compact_revision: 9,
    };
    let cluster = ClusterReport {
        id: Some("c1".to_owned()),
        voters: 2,
        quorum: true,
        members: vec![
            member(Some(hash), Comparison::Expected(12)),
            member(None, Comparison::NotComparable("it hangs".to_owned())),
        ],
    };
    let descent = Descent {
        lineage: "0123456789abcdef".to_owned(),
        remark: Some(remark),
        previous: Some(PreviousPoint {
            recovery_point: RecoveryPointName::new("before"),
            manifest_sha256: "09".repeat(32),
            revision: 8,
            total_keys: 7,
        }),
    };
    Nature::Snapshot(SnapshotReport::Sound(Box::new(SoundSnapshot {
        figures,
        cluster,
        descent,
    })))
}

fn damaged() -> Nature {
    Nature::Snapshot(SnapshotReport::Damaged(DamagedSnapshot {
        member: Some("a1".to_owned()),
        damage: SnapshotDamage {
            trailer: Trailer::Missing,
            problems_total: 20,
            problems: vec!["one".to_owned()],
            not_etcd: Some("another's".to_owned()),
        },
    }))
}

fn archived() -> Nature {
    Nature::Archive(ArchiveReport {
        entries: 1,
        bytes: 2,
        problems_total: 3,
        problems: vec!["one".to_owned()],
        names_unchecked: 4,
    })
}

/// A line a fact.
fn lines(nature: Nature) -> Vec<String> {
    let facts = of(&sealed(nature)).unwrap();
    let line = |(name, value): (&str, &FactValue)| format!("{name} {value:?}");
    facts.iter().map(line).collect()
}

/// A name as the page has it.
fn on_page(name: &str) -> String {
    match name.split('.').collect::<Vec<_>>()[..] {
        ["member", _, fact] => format!("member.<n>.{fact}"),
        [kind, "problem", _] => format!("{kind}.problem.<n>"),
        ["snapshot", "keys", "resource", ..] => "snapshot.keys.resource.<resource>".to_owned(),
        _ => name.to_owned(),
    }
}

#[test]
fn the_names_are_those_that_the_page_promises() {
    let unsure = snapshot(DescentRemark::Unsure("why".to_owned()));
    let begins = snapshot(DescentRemark::Begins("why".to_owned()));
    let mut given = BTreeSet::new();
    for nature in [unsure, begins, damaged(), archived(), Nature::Bytes] {
        let facts = of(&sealed(nature)).unwrap();
        given.extend(facts.iter().map(|(name, _)| on_page(name)));
    }
    let of_facts = |word: &&str| {
        let first = word.split('.').next().unwrap_or_default();
        let kinds = [
            "artifact", "archive", "snapshot", "member", "previous", "lineage",
        ];
        *word == "members" || word.contains('.') && (kinds.contains(&first) || first == "cluster")
    };
    let page = PAGE.split("What the host knows of an artifact").nth(1);
    let promised = page.unwrap().split('`').filter(of_facts);
    let promised: BTreeSet<String> = promised.map(str::to_owned).collect();
    assert_eq!(given, promised);
}

#[test]
fn the_values_are_those_that_were_found() {
    let every = [
        "artifact.closed Signed(6)".to_owned(),
        "artifact.name Text(\"etcd.db\")".to_owned(),
        "artifact.opened Signed(5)".to_owned(),
        format!("artifact.sha256 {:?}", FactValue::Bytes(vec![7; 32])),
        "artifact.size Unsigned(3)".to_owned(),
    ];
    assert_eq!(lines(Nature::Bytes), every);
    let rest = |nature: Nature| {
        let lines = lines(nature).into_iter();
        lines
            .filter(|line| !every.contains(line))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rest(archived()),
        [
            "archive.bytes Unsigned(2)",
            "archive.entries Unsigned(1)",
            "archive.names-unchecked Unsigned(4)",
            "archive.problem.0 Text(\"one\")",
            "archive.problems Unsigned(3)",
        ]
    );
    assert_eq!(
        rest(damaged()),
        [
            "snapshot.member Text(\"a1\")",
            "snapshot.not-etcd Text(\"another's\")",
            "snapshot.problem.0 Text(\"one\")",
            "snapshot.problems Unsigned(20)",
            "snapshot.taken Signed(5)",
            "snapshot.trailer Text(\"missing\")",
        ]
    );
    let begins = snapshot(DescentRemark::Begins("why".to_owned()));
    assert_eq!(rest(begins), OF_A_SOUND_SNAPSHOT);
}

#[test]
fn a_digest_that_is_none_is_no_fact() {
    let mut broken = sealed(Nature::Bytes);
    broken.plain_sha256 = "07".to_owned();
    assert_eq!(of(&broken).unwrap_err().code, ErrorCode::BadDigest);
}
