//! Witnesses: revisions by which a snapshot is told to be of the same history or of
//! another.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use drydock_core::{SharedHistory, Witness};
use drydock_snapshot::{Limits, Source, Survey, WITNESSES_MAX};
use sha2::{Digest, Sha256};

use crate::build::{built_of, grown};
use crate::files::{SERVERS, open};

fn survey(source: &dyn Source) -> Survey<'_> {
    Survey::of(source, &Limits::default()).expect("a sound file")
}

fn witnesses(source: &dyn Source) -> Vec<Witness> {
    survey(source).witnesses().expect("it can be read")
}

fn shared(source: &dyn Source, witnesses: &[Witness]) -> SharedHistory {
    let shared = survey(source).shared_history(witnesses);
    shared.expect("it can be read")
}

/// The formula of `docs/format.md`.
fn byte(key: &[u8], value: &[u8]) -> u8 {
    let length = (key.len() as u64).to_be_bytes();
    Sha256::digest([b"drydock witness\n", &length[..], key, value].concat())[0]
}

#[test]
fn live_revisions_are_told_with_the_byte_of_the_page() {
    for server in SERVERS {
        let file = open(server);
        let found = witnesses(&file);
        let mut live = BTreeMap::new();
        let mut secrets = 0;
        let each = |pair: &drydock_snapshot::inspect::KeyValue<'_>| {
            let text = String::from_utf8_lossy(pair.key);
            secrets += usize::from(text.contains("/secrets/"));
            if !text.contains("/secrets/") {
                live.insert(pair.mod_revision, byte(pair.key, pair.value));
            }
            ControlFlow::Continue(())
        };
        survey(&file).live(None, each).expect("an answer");
        assert!(secrets > 0 && !found.is_empty(), "{server}");
        for witness in &found {
            assert_eq!(live.get(&witness.revision), Some(&witness.byte), "{server}");
        }
        assert!(found.is_sorted() && found.len() <= WITNESSES_MAX);
        let all = SharedHistory {
            same: found.len(),
            differs: None,
        };
        assert_eq!(shared(&file, &found), all, "{server}");
    }
}

#[test]
fn the_newest_are_told_and_others_of_all_ages() {
    let revisions = |rows| -> Vec<i64> {
        let found = witnesses(&grown(1024, rows));
        found.iter().map(|witness| witness.revision).collect()
    };
    for rows in [0, 1, 31, 32, 33, 63, 64] {
        let all: Vec<i64> = (2..2 + rows as i64).collect();
        assert_eq!(revisions(rows), all, "{rows} rows");
    }
    for rows in [65, 100, 5_000, 20_000] {
        let found = revisions(rows);
        assert_eq!(found.len(), WITNESSES_MAX, "{rows} rows");
        let (last, gap) = (rows as i64 + 1, rows as i64 / 32 + 1);
        let newest: Vec<i64> = (last - 31..=last).collect();
        assert_eq!(found[32..], newest, "{rows} rows");
        let widest = found.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(widest <= Some(gap), "{rows} rows: {widest:?}");
    }
}

#[test]
fn keys_of_secrets_are_no_witnesses() {
    for (key, told) in [
        ("/registry/pods/a/b", 1),
        ("", 1),
        ("/registry/secrets/a/b", 0),
        ("/custom/secrets/a/b", 0),
        ("/my/SeCrEt", 0),
        ("/openshift.io/oauth/accesstokens/x", 0),
    ] {
        assert_eq!(witnesses(&built_of(4096, key, 3)).len(), told, "{key}");
    }
}

/// Each row of a file, wherever it stands in its leaf; and one that is not there.
#[test]
fn every_revision_is_found_and_one_that_differs_is_told() {
    const ROWS: i64 = 700;
    let mut file = grown(512, ROWS as u64);
    for revision in 2..2 + ROWS {
        let key = format!("/k/{revision:08}");
        let byte = byte(key.as_bytes(), b"val");
        let found = shared(&file, &[Witness { revision, byte }]);
        let same = SharedHistory {
            same: 1,
            differs: None,
        };
        assert_eq!(found, same, "{revision}");
    }
    for revision in [0, 1, ROWS + 2, i64::MAX] {
        let nothing = shared(&file, &[Witness { revision, byte: 0 }]);
        assert_eq!(nothing, SharedHistory::default(), "{revision}");
    }
    let before = witnesses(&file);
    let at = find(&file, b"/k/00000699").expect("the row is there");
    let value = at + find(&file[at..], b"val").expect("its value is, too");
    file[value] = b'x';
    let parted = SharedHistory {
        same: WITNESSES_MAX - 1,
        differs: Some(699),
    };
    assert_eq!(shared(&file, &before), parted);
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}
