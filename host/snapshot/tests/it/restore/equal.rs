//! Beside etcdutl: the same members, logs, ids and content.

use std::fs;
use std::path::Path;

use crate::files::{FREELIST_STORED, SERVERS, path};
use crate::tools::etcdutl_status;

use super::{bump, database, etcdutl_restore, request, restored};

/// Neither the first nor the last by its id.
const MEMBER: &str = "m2";
const LOG: &str = "member/wal/0000000000000000-0000000000000000.wal";

/// Hash, revision, keys and version, by etcdutl itself; it runs bbolt's check
/// first. The size is left out: it depends on how pages were laid out.
fn content(database: &Path) -> serde_json::Value {
    let bytes = fs::read(database).expect("it was restored");
    let output = etcdutl_status(&bytes);
    assert!(output.status.success(), "{output:?}");
    let mut status: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("etcdutl's JSON");
    status
        .as_object_mut()
        .expect("an object")
        .remove("totalSize");
    status
}

fn log(data_dir: &Path) -> Vec<u8> {
    fs::read(data_dir.join(LOG)).expect("it was restored")
}

#[test]
fn every_bucket_and_every_log_is_as_etcdutl_writes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in SERVERS.into_iter().chain([FREELIST_STORED]) {
        for by in [0, 7] {
            let ours = folder.path().join(format!("{name}-{by}"));
            let mut request = request(&ours);
            let by_text = by.to_string();
            let mut more = vec![];
            if by > 0 {
                request.bump = bump(by);
                more = vec!["--bump-revision", &by_text, "--mark-compacted"];
            }
            restored(name, &request);
            let snapshot = path(&format!("{name}.db"));
            let theirs = folder.path().join("theirs");
            etcdutl_restore("3.6.16", &snapshot, MEMBER, &theirs, &more);
            let mine = ours.join(MEMBER);
            assert_eq!(
                content(&database(&mine)),
                content(&database(&theirs)),
                "{name} bumped by {by}"
            );
            assert!(log(&mine) == log(&theirs), "the logs differ");
            fs::remove_dir_all(theirs).expect("it is ours");
            fs::remove_dir_all(ours).expect("it is ours");
        }
    }
}
