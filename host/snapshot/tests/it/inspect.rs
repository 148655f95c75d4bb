//! Keys and values of files that real servers wrote; `fixtures/make.sh` says which.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use drydock_snapshot::inspect::{Difference, Order, compare};
use drydock_snapshot::{Limits, SnapshotError, SnapshotFile, Survey};

use crate::files::{SERVERS, open};

fn survey(file: &SnapshotFile) -> Survey<'_> {
    Survey::of(file, &Limits::default()).expect("a sound file")
}

/// Live keys with value and version.
fn live(survey: &Survey<'_>, revision: Option<i64>) -> BTreeMap<String, (String, i64)> {
    let mut live = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let each = |pair: &drydock_snapshot::inspect::KeyValue<'_>| {
        assert!(!pair.deleted);
        live.insert(text(pair.key), (text(pair.value), pair.version));
        ControlFlow::Continue(())
    };
    survey.live(revision, each).expect("an answer");
    live
}

#[test]
fn live_keys_are_those_of_the_revision() {
    for server in SERVERS {
        let file = open(server);
        let survey = survey(&file);
        let now = live(&survey, None);
        assert_eq!(now.len() as u64, survey.status().total_key);
        let pod = |live: &BTreeMap<_, _>| live.get("/registry/pods/default/pod-2").cloned();
        assert_eq!(pod(&now), Some(("pod 2 is back".to_owned(), 1)));
        // The revision before was the deletion, the one before that deleted another key.
        assert_eq!(pod(&live(&survey, Some(92))), None);
        assert_eq!(
            pod(&live(&survey, Some(91))),
            Some(("pod 2 again".to_owned(), 2))
        );
        let gone = live(&survey, Some(90));
        assert!(gone.contains_key("/registry/secrets/a/s-1"));
        let error = survey.live(Some(79), |_| ControlFlow::Continue(()));
        assert!(matches!(error, Err(SnapshotError::Compacted { .. })));
        let error = survey.live(Some(94), |_| ControlFlow::Continue(()));
        assert!(matches!(error, Err(SnapshotError::Future { .. })));
    }
}

#[test]
fn every_change_that_is_left_is_told_in_order() {
    let file = open("etcd-3.6.16");
    let mut pod = Vec::new();
    let mut live = 0;
    survey(&file)
        .changes(|pair, is_live| {
            live += u64::from(is_live);
            if pair.key == b"/registry/pods/default/pod-2" {
                pod.push((pair.mod_revision, pair.deleted, pair.lease));
            }
            ControlFlow::Continue(())
        })
        .expect("a sound file");
    assert_eq!(live, survey(&file).status().total_key);
    let deletions: Vec<bool> = pod.iter().map(|(_, deleted, _)| *deleted).collect();
    assert_eq!(deletions, [false, true, false]);
    assert!(pod.is_sorted());
}

#[test]
fn two_files_differ_in_the_keys_that_differ() {
    let (a, b) = (open("etcd-3.5.35"), open("etcd-3.7.3"));
    let (a, b) = (survey(&a), survey(&b));
    let sorted = |survey: &Survey<'_>, revision| survey.sorted(revision, Order::Key).expect("keys");
    let same = compare(sorted(&a, None), sorted(&b, None), |difference| {
        panic!("{difference:?}");
    });
    assert_eq!(same.expect("runs"), a.status().total_key);
    let mut told = Vec::new();
    let same = compare(sorted(&a, Some(90)), sorted(&b, None), |difference| {
        let (word, key) = match difference {
            Difference::Added(key) => ("added", key),
            Difference::Removed(key) => ("removed", key),
            Difference::Changed(_, key) => ("changed", key),
        };
        told.push((word, String::from_utf8(key.key.clone()).expect("text")));
    });
    assert_eq!(
        told,
        [
            ("changed", "/registry/pods/default/pod-2".to_owned()),
            ("removed", "/registry/secrets/a/s-1".to_owned()),
        ]
    );
    assert_eq!(same.expect("runs"), a.status().total_key - 1);
}
