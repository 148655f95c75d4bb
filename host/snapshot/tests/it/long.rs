//! Leaves of several long values, which only an etcd with `--max-request-bytes` writes: as
//! sound as any other, and read without being held.

use std::ops::ControlFlow;

use drydock_snapshot::inspect::Order;
use drydock_snapshot::restore::{InitialCluster, preview};
use drydock_snapshot::{Limits, Problem, SnapshotError, Source, Survey, hash_kv, status, verify};

use crate::allocations;
use crate::build::{built_rows, put};
use crate::restore::{THREE, bump};
use crate::tools::{etcdutl_hash_kv, etcdutl_status};

const LONG: usize = 5 << 20;

/// What walking over such a leaf may take on one thread: far below one of its values.
const WALK_BYTES_MAX: usize = 4 << 20;

fn value(number: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7) as u8 ^ number).collect()
}

/// Four values of 5 MiB and one that is small, two of them of the same key.
fn four_long() -> Vec<u8> {
    let rows = [
        (5, put(b"/a", &value(1, LONG))),
        (6, put(b"/b", b"short")),
        (7, put(b"/b", &value(2, LONG))),
        (8, put(b"/c", &value(3, LONG))),
        (9, put(b"/d", &value(4, LONG))),
    ];
    built_rows(4096, &rows)
}

fn alone() -> Limits {
    Limits {
        threads: 1,
        ..Limits::default()
    }
}

#[test]
fn its_figures_are_those_of_etcd() {
    let file = four_long();
    let theirs: serde_json::Value =
        serde_json::from_slice(&etcdutl_status(&file).stdout).expect("etcdutl's JSON");
    let ours = verify(&file).expect("a sound file").status;
    assert_eq!(serde_json::to_value(ours).expect("plain data"), theirs);
    assert_eq!(theirs["totalKey"], 4);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    std::fs::write(&path, &file[..file.len() - 32]).expect("room");
    assert_eq!(
        hash_kv(&file, None).expect("an answer"),
        etcdutl_hash_kv(&path)
    );
}

#[test]
fn walking_over_it_holds_no_value() {
    let file = four_long();
    let before = allocations::start();
    let survey = Survey::of(&file, &alone()).expect("a sound file");
    survey.hash_kv(Some(8)).expect("an answer");
    let peak = allocations::peak_since(before);
    assert!(peak < WALK_BYTES_MAX, "{peak} bytes");
}

#[test]
fn its_values_are_handed_over_whole() {
    let file = four_long();
    let survey = Survey::of(&file, &alone()).expect("a sound file");
    let expected = [
        (&b"/a"[..], value(1, LONG)),
        (b"/b", value(2, LONG)),
        (b"/c", value(3, LONG)),
        (b"/d", value(4, LONG)),
    ];
    let mut found = 0;
    let each = |pair: &drydock_snapshot::inspect::KeyValue<'_>| {
        let (key, value) = &expected[found];
        assert!(pair.key == *key && pair.value == *value, "key {found}");
        found += 1;
        ControlFlow::Continue(())
    };
    survey.live(None, each).expect("an answer");
    assert_eq!(found, expected.len());
    let mut sorted = survey
        .sorted(Some(6), Order::Size)
        .and_then(drydock_snapshot::inspect::SortedKeys::merge)
        .expect("memory alone");
    let mut next = || sorted.next_key().expect("memory alone");
    assert_eq!(next().map(|key| key.value_bytes), Some(LONG as u64));
    assert_eq!(next().map(|key| key.value_bytes), Some(5));
}

#[test]
fn it_is_restored_and_goes_on_behind_it() {
    let file = four_long();
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    let restored = preview(&file, &cluster, bump(1000), false).expect("a sound file");
    let after = status(&restored).expect("a restored database is sound");
    assert!(after.revision >= 1009, "{after:?}");
    let mut whole = vec![0; restored.size().expect("known") as usize];
    restored.read_exact_at(&mut whole, 0).expect("in memory");
    let theirs: serde_json::Value =
        serde_json::from_slice(&etcdutl_status(&whole).stdout).expect("etcdutl's JSON");
    assert_eq!(serde_json::to_value(after).expect("plain data"), theirs);
}

#[test]
fn a_long_key_is_told_from_another() {
    let long = |last: u8| [vec![b'k'; 3 << 20], vec![last]].concat();
    let rows = [
        (5, put(&long(b'a'), b"1")),
        (6, put(&long(b'b'), &value(1, LONG))),
        (7, put(&long(b'a'), &value(2, LONG))),
    ];
    let file = built_rows(4096, &rows);
    assert_eq!(verify(&file).expect("a sound file").status.total_key, 2);
}

#[test]
fn what_is_wrong_with_it_is_damage() {
    let mut cut_short = put(b"/b", &value(2, LONG));
    // The value says that it is longer than its row.
    cut_short[5] += 1;
    let rows = [(5, put(b"/a", &value(1, LONG))), (6, cut_short)];
    let SnapshotError::Damaged(problems) =
        verify(&built_rows(4096, &rows)).expect_err("row 6 is no row")
    else {
        panic!("it is damage");
    };
    assert_eq!(problems.listed(), [Problem::KeyValue { page: 3, index: 1 }]);
    let rows = [(6, put(b"/a", &value(1, LONG))), (5, put(b"/b", b""))];
    let SnapshotError::Damaged(problems) =
        verify(&built_rows(4096, &rows)).expect_err("revisions go forward")
    else {
        panic!("it is damage");
    };
    assert_eq!(problems.listed(), [Problem::KeyOrder { page: 3, index: 1 }]);
}
