//! A real server under thousands of random changes: our figures of its
//! snapshots are its own.

use drydock_snapshot::{
    SnapshotError, SnapshotFile, hash_kv, hash_kv_compacted_at, status, verify,
};

use crate::files::stream;
use crate::tools::{Server, etcdutl_hash_kv, etcdutl_status};

const ROUNDS: usize = 4;
const CHANGES_PER_ROUND: usize = 700;

/// A small generator, so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn key(&mut self) -> String {
        format!(
            "/registry/{}/{:03}",
            ["pods", "events", "secrets"][self.below(3) as usize],
            self.below(300)
        )
    }

    fn value(&mut self) -> String {
        let length = if self.below(50) == 0 {
            20_000
        } else {
            self.below(600)
        };
        "v".repeat(length as usize) + &self.below(1 << 30).to_string()
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }
}

/// One random change; gives the revision behind it.
fn change(server: &mut Server, random: &mut Random, lease: &str) -> i64 {
    match random.below(20) {
        0..3 => server.delete_prefix(&random.key()),
        3 => server.delete_prefix(&random.key()[..random.below(3) as usize + 16]),
        4..6 => {
            let puts: Vec<_> = (0..random.below(8) + 1)
                .map(|n| (format!("/txn/{n}/{}", random.below(30)), random.value()))
                .collect();
            server.transact(&puts, &random.key())
        }
        6..10 => {
            let (key, value) = (random.key(), random.value());
            server.put(&key, &value, Some(lease))
        }
        _ => {
            let (key, value) = (random.key(), random.value());
            server.put(&key, &value, None)
        }
    }
}

#[test]
fn figures_are_those_of_the_server_through_changes_and_compactions() {
    let mut server = Server::start();
    let mut random = Random(20_260_101);
    let lease = server.lease();
    let mut newest = 1;
    let mut compacted = 0;
    for round in 0..ROUNDS {
        for _ in 0..CHANGES_PER_ROUND {
            newest = change(&mut server, &mut random, &lease);
        }
        if round > 0 {
            compacted = random.between(compacted + 1, newest - 1);
            server.compact(compacted);
        }
        compare_and_compact_on(&mut server, &mut random, round, newest, &mut compacted);
    }
}

/// Compares a snapshot of now with the server now, then again after the server
/// has been compacted further.
fn compare_and_compact_on(
    server: &mut Server,
    random: &mut Random,
    round: usize,
    newest: i64,
    compacted: &mut i64,
) {
    let (path, file) = server.snapshot(&format!("round-{round}.db"));
    let bytes = std::fs::read(&path).expect("it was just saved");
    let theirs: serde_json::Value =
        serde_json::from_slice(&etcdutl_status(&bytes).stdout).expect("etcdutl's JSON");
    assert_eq!(
        serde_json::to_value(status(&file).expect("sound")).expect("data"),
        theirs
    );
    verify(&file).expect("a sound file");
    stream(&bytes, 32 * 1024).expect("a sound stream");

    for _ in 0..8 {
        // At a compacted revision itself a member answers from memory.
        let revision = random.between(*compacted + 1, newest);
        assert_eq!(
            hash_kv(&file, Some(revision)).expect("an answer"),
            server.hash_kv(revision)
        );
    }
    assert_eq!(hash_kv(&file, None).expect("an answer"), server.hash_kv(0));

    for _ in 0..2 {
        *compacted = random.between(*compacted + 1, newest - 1);
        server.compact(*compacted);
        for revision in [newest, random.between(*compacted + 1, newest)] {
            let ours = hash_kv_compacted_at(&file, revision, *compacted).expect("comparable");
            assert_eq!(ours, server.hash_kv(revision), "compacted at {compacted}");
        }
    }
}

#[test]
fn the_hash_of_a_store_without_living_keys_is_that_of_the_server() {
    let mut server = Server::start();
    for n in 0..30 {
        server.put(&format!("/k/{}", n % 7), "value", None);
    }
    let compacted = server.put("/k/last", "value", None);
    server.compact(compacted - 3);
    let (_, before) = server.snapshot("before.db");
    let empty = server.delete_prefix("/k/");
    let (_, file) = server.snapshot("empty.db");
    assert_eq!(status(&file).expect("sound").total_key, 0);
    assert_eq!(
        hash_kv(&file, None).expect("an answer"),
        server.hash_kv(empty)
    );
    server.compact(compacted - 1);
    let ours = hash_kv_compacted_at(&file, empty, compacted - 1).expect("comparable");
    assert_eq!(ours, server.hash_kv(empty));
    let future = hash_kv(&before, Some(empty)).expect_err("it was taken before");
    assert!(matches!(future, SnapshotError::Future { .. }));
}

#[test]
fn a_new_store_has_the_figures_of_the_server() {
    let mut server = Server::start();
    let (path, file) = server.snapshot("new.db");
    let bytes = std::fs::read(path).expect("it was just saved");
    let theirs: serde_json::Value =
        serde_json::from_slice(&etcdutl_status(&bytes).stdout).expect("etcdutl's JSON");
    assert_eq!(
        serde_json::to_value(status(&file).expect("sound")).expect("data"),
        theirs
    );
    assert_eq!(hash_kv(&file, None).expect("an answer"), server.hash_kv(0));
    let first = server.put("/only", "value", None);
    server.delete_prefix("/only");
    server.compact(first + 1);
    let (_, file) = server.snapshot("emptied.db");
    assert_eq!(
        hash_kv(&file, None).expect("an answer").compact_revision,
        first + 1
    );
}

#[test]
fn a_compaction_that_waits_for_the_next_start_counts() {
    let mut server = Server::start();
    for n in 0..200 {
        server.put(&format!("/k/{}", n % 60), &"value".repeat(20), None);
    }
    server.delete_prefix("/k/1");
    server.compact(100);
    let (path, _) = server.snapshot("whole.db");
    let database = server.restore_bumped(&path, 1000);
    let file = SnapshotFile::open(&database).expect("it was just restored");
    let ours = hash_kv(&file, None).expect("an answer");
    assert_eq!(
        ours.compact_revision,
        status(&file).expect("sound").revision
    );
    assert_eq!(ours, etcdutl_hash_kv(&database));
}
