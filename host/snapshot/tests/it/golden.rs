//! The figures of files that real servers wrote, as etcd's own tools gave them.

use drydock_snapshot::{
    Figures, HashKv, Hints, Limits, SnapshotError, Status, Survey, figures, hash_kv,
    hash_kv_compacted_at, status, verify, verify_hashed,
};

use crate::files::{SERVERS, open, path};

/// Where the fixtures were compacted, and their newest revision.
const COMPACTED: i64 = 80;
const NEWEST: i64 = 93;

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect("the fixture is there")
}

fn hash_kvs(server: &str) -> Vec<HashKv> {
    let lines = text(&format!("{server}.hashkv.jsonl"));
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of etcdutl"))
        .collect()
}

#[test]
fn status_is_what_etcdutl_says() {
    for server in SERVERS {
        let ours = status(&open(server)).expect("a sound file");
        let theirs: serde_json::Value =
            serde_json::from_str(&text(&format!("{server}.status.json"))).expect("etcdutl's JSON");
        assert_eq!(
            serde_json::to_value(&ours).expect("plain data"),
            theirs,
            "{server}"
        );
    }
}

#[test]
fn hash_kv_is_what_etcdutl_says_at_every_revision() {
    for server in SERVERS {
        for theirs in hash_kvs(server) {
            let ours = hash_kv(&open(server), Some(theirs.hash_revision)).expect("an answer");
            assert_eq!(ours, theirs, "{server}");
        }
        let newest = hash_kv(&open(server), None).expect("an answer");
        assert_eq!(newest, hash_kvs(server)[0], "{server}");
    }
}

#[test]
fn one_walk_gives_all_figures() {
    for server in SERVERS {
        let file = open(server);
        let Figures {
            status: all,
            hash_kv,
        } = figures(&file, Hints::default(), &Limits::default()).expect("a sound file");
        assert_eq!(all, status(&file).expect("a sound file"));
        assert_eq!(hash_kv, hash_kvs(server)[0]);
    }
}

/// `fixtures/make.sh` says which keys it leaves.
#[test]
fn live_keys_are_counted_by_resource() {
    for server in SERVERS {
        let file = open(server);
        let survey = Survey::of(&file, &Limits::default()).expect("a sound file");
        let counts = survey.resource_counts();
        let resources = counts.resources();
        let lines: Vec<_> = resources.iter().map(|(r, n)| (*r, *n)).collect();
        let expected = [
            ("configmaps", 1),
            ("events", 8),
            ("pods", 32),
            ("secrets", 19),
        ];
        assert_eq!(
            (lines.as_slice(), counts.other),
            (&expected[..], 0),
            "{server}"
        );
        assert_eq!(resources.values().sum::<u64>(), survey.status().total_key);
    }
}

#[test]
fn an_unchanged_file_is_verified() {
    for server in SERVERS {
        let verified = verify(&open(server)).expect("a sound file");
        let hashed = verify_hashed(&open(server), verified.sha256).expect("a sound file");
        assert_eq!(hashed, verified);
        let other = verify_hashed(&open(server), [0; 32]).expect_err("another hash");
        assert!(other.to_string().contains("trailer"), "{other}");
        let Status { revision, .. } = verified.status;
        assert_eq!(revision, NEWEST);
        assert!(verified.pages_used > 5);
    }
}

#[test]
fn revisions_without_an_answer_are_refused_as_members_refuse_them() {
    let file = open("etcd-3.6.16");
    let compacted = hash_kv(&file, Some(COMPACTED - 1)).expect_err("compacted away");
    assert_eq!(
        compacted.to_string(),
        "revision 79 is compacted away; the oldest that can be asked for is 80"
    );
    let future = hash_kv(&file, Some(NEWEST + 1)).expect_err("in the future");
    assert!(matches!(
        future,
        SnapshotError::Future { newest: NEWEST, .. }
    ));
    let earlier = hash_kv_compacted_at(&file, NEWEST, COMPACTED - 1).expect_err("rows are gone");
    assert!(matches!(
        earlier,
        SnapshotError::NotComparable {
            oldest: COMPACTED,
            ..
        }
    ));
    hash_kv_compacted_at(&file, NEWEST, NEWEST + 1).expect_err("compacted after the hash");
}

#[test]
fn an_index_on_disk_gives_the_same_figures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spill = Limits {
        threads: 3,
        index_bytes_max: 0,
        spill_folder: Some(folder.path().to_path_buf()),
        ..Limits::default()
    };
    for server in SERVERS {
        let file = open(server);
        let hints = Hints {
            revision: Some(COMPACTED + 5),
            compact_revision: Some(COMPACTED + 2),
        };
        let in_memory = figures(&file, hints, &Limits::default()).expect("a sound file");
        assert_eq!(
            figures(&file, hints, &spill).expect("a sound file"),
            in_memory
        );
    }
}
