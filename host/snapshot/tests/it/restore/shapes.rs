//! Databases of every page size and every shape at the right edge of the tree,
//! where a bump appends its row: judged by ourselves, by bbolt's own check, and
//! by a server that goes on writing.

use std::fs;
use std::path::Path;

use drydock_snapshot::restore::{BUMP_REVISIONS, Bump, InitialCluster, Request, preview, restore};
use drydock_snapshot::{Limits, SnapshotFile, Source, Survey, status};

use crate::build::{built, built_of, grown};
use crate::tools::{Server, etcdutl_status};

use super::{THREE, bump, request};

const PAGE_SIZES: [usize; 5] = [512, 1024, 4096, 16_384, 65_536];

/// The database of every member, without writing it.
fn bumped(bytes: &Vec<u8>) -> Vec<u8> {
    prepared(bytes, bump(1000))
}

fn prepared(bytes: &Vec<u8>, bump: Bump) -> Vec<u8> {
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    let preview = preview(bytes, &cluster, bump, false).expect("a sound file");
    let mut whole = vec![0; preview.size().expect("it is known") as usize];
    preview.read_exact_at(&mut whole, 0).expect("all of it");
    whole
}

fn assert_bbolt_takes(database: &[u8], rows: u64) {
    let output = etcdutl_status(database);
    assert!(output.status.success(), "{rows} rows: {output:?}");
    let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).expect("etcdutl's JSON");
    let ours = status(&database.to_vec()).expect("sound");
    assert_eq!(serde_json::to_value(ours).expect("plain data"), theirs);
}

/// Where nobody says how far, it is counted from the newest revision that is known of the
/// cluster, whoever wrote and under whatever prefix.
#[test]
fn the_bump_of_nobodys_choice_is_counted_from_the_newest_known() {
    let own = 9;
    for user_key in ["/registry/pods/a/b", "/custom/pods/a/b", "k", ""] {
        let snapshot = built_of(4096, user_key, 3);
        for (last_known_revision, from) in [(None, own), (Some(500), 500), (Some(5), own)] {
            let bump = Bump::Auto {
                last_known_revision,
            };
            let database = prepared(&snapshot, bump);
            let survey = Survey::of(&database, &Limits::default()).expect("sound");
            let revision = survey.status().revision;
            assert_eq!(survey.bumped_to(), Some(revision), "the bump is seen");
            let expected = from + BUMP_REVISIONS.cast_signed();
            assert_eq!(revision, expected, "{user_key}, {last_known_revision:?}");
        }
    }
}

#[test]
fn a_row_is_appended_to_trees_of_any_height_and_fill() {
    for rows in (0..1200).chain([5_000, 20_000]) {
        let before = grown(512, rows);
        let database = bumped(&before);
        let status = status(&database).expect("sound");
        let last = if rows == 0 { 0 } else { rows as i64 + 1 };
        assert_eq!(status.revision, last + 1000, "{rows} rows");
        // The marker is a key without a name.
        assert_eq!(status.total_key, rows + 1, "{rows} rows");
        if rows % 97 == 0 {
            assert_bbolt_takes(&database, rows);
        }
    }
}

#[test]
fn databases_of_every_page_size_are_restored() {
    for page_bytes in PAGE_SIZES {
        for before in [
            grown(page_bytes, 0),
            grown(page_bytes, 3),
            grown(page_bytes, 3000),
            built(page_bytes.max(1024), 100_000),
        ] {
            assert_bbolt_takes(&bumped(&before), page_bytes as u64);
        }
    }
}

#[test]
fn what_is_written_is_what_was_previewed() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = grown(1024, 3000);
    let path = folder.path().join("snapshot.db");
    fs::write(&path, &before).expect("room");
    let request = Request {
        bump: bump(1000),
        keep_alarms: false,
        ..request(&folder.path().join("cluster"))
    };
    restore(&SnapshotFile::open(&path).expect("it is there"), &request).expect("sound");
    let expected = bumped(&before);
    for member in ["m1", "m2", "m3"] {
        let written = fs::read(super::database(&folder.path().join("cluster").join(member)));
        assert!(written.expect("it was restored") == expected, "{member}");
    }
}

/// A server compacts to the marker at its start, which merges pages at the edge
/// that we wrote; then it goes on, and we read what it wrote.
#[test]
fn a_server_goes_on_from_small_pages() {
    for rows in [0, 400, 3000] {
        let mut server =
            Server::restored(|data_dir, name, url| restore_one(data_dir, name, url, rows));
        let last = if rows == 0 { 1 } else { rows as i64 + 1 };
        assert!(server.put("/new", "value", None) > last);
        server.delete_prefix("/k/00000");
        for n in 0..200 {
            server.put(&format!("/more/{n}"), &"value".repeat(n), None);
        }
        let newest = server.put("/last", "value", None);
        server.compact(newest - 10);
        let (path, file) = server.snapshot("after.db");
        let bytes = fs::read(path).expect("it was just saved");
        assert_bbolt_takes(&bytes, rows);
        let ours = drydock_snapshot::hash_kv(&file, None).expect("an answer");
        assert_eq!(ours, server.hash_kv(0));
    }
}

fn restore_one(data_dir: &Path, name: &str, url: &str, rows: u64) {
    let snapshot = data_dir.with_extension("db");
    fs::write(&snapshot, grown(1024, rows)).expect("room");
    let request = Request {
        cluster: InitialCluster::parse(&format!("{name}={url}"), "tok").expect("one member"),
        only: Some(name.to_owned()),
        bump: bump(1000),
        ..request(data_dir)
    };
    restore(
        &SnapshotFile::open(&snapshot).expect("it is there"),
        &request,
    )
    .expect("sound");
}
