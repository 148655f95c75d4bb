//! What is not restored, and the sentence that says why. Nothing may be left of
//! it, not even of the folders above.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock_snapshot::SnapshotFile;
use drydock_snapshot::restore::{
    Bump, Request, RestoreError, Restored, Watch, restore, restore_watched,
};
use tempfile::TempDir;

use crate::files::{Image, open};

use super::{bump, refusal, request};

const FIXTURE: &str = "etcd-3.6.16";

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, bytes: &[u8]) -> SnapshotFile {
        let path = self.path().join("snapshot.db");
        fs::write(&path, bytes).expect("room for it");
        SnapshotFile::open(path).expect("it is there")
    }

    fn request(&self) -> Request {
        request(&self.path().join("new/cluster"))
    }

    /// Refuses a restore of a sound file, and leaves nothing.
    fn refused(&self, request: &Request) -> String {
        let before = everything(self.path());
        let said = refusal(&open(FIXTURE), request);
        assert_eq!(everything(self.path()), before, "{said}");
        said
    }
}

/// Every path below a folder.
pub fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            paths.extend(everything(&path));
        }
        paths.push(path);
    }
    paths.sort();
    paths
}

#[test]
fn folders_that_hold_something() {
    let place = Place::new();
    let data = place.path().join("data");
    fs::create_dir(&data).expect("room");
    fs::write(data.join("precious"), "x").expect("room");
    let mut request = request(&data);
    assert_eq!(
        place.refused(&request),
        format!(
            "{} is not empty and a restore overwrites nothing; name another folder, or move this \
             one away",
            data.display()
        )
    );
    request.data_dir = place.path().join("new");
    request.wal_dir = Some(data.clone());
    assert_eq!(
        place.refused(&request),
        format!(
            "{} exists and a restore overwrites nothing; name another folder for the write-ahead \
             log, or move this one away",
            data.display()
        )
    );
    request.data_dir = place.path().join("logs/data");
    request.wal_dir = Some(place.path().join("logs"));
    assert_eq!(
        place.refused(&request),
        format!(
            "the folder {0}/logs for the write-ahead log lies around the data folder \
             {0}/logs/data; name one beside it, or none",
            place.path().display()
        )
    );
}

/// Of the data folder and of the folder for logs alike, at the end of the path and within
/// it.
#[test]
fn places_that_are_no_folder() {
    let place = Place::new();
    let at = |name: &str| place.path().join(name);
    symlink(at("nothing"), at("link")).expect("room");
    symlink("nothing", at("relative")).expect("room");
    symlink(at("file"), at("to-file")).expect("room");
    symlink(at("link"), at("to-link")).expect("room");
    fs::write(at("file"), "x").expect("room");
    let (link, file) = (at("link"), at("file"));
    let dangling = |link: &Path, target: &Path| {
        format!(
            "{} is a link to {}, which is not there; name a folder, or make the one that the link \
             leads to",
            link.display(),
            target.display()
        )
    };
    let no_folder = |path: &Path| {
        let path = path.display();
        format!("{path} is no folder; name one, or move that away")
    };
    for (given, sentence) in [
        (link.clone(), dangling(&link, &at("nothing"))),
        (at("link/"), dangling(&link, &at("nothing"))),
        (at("link/new/data"), dangling(&link, &at("nothing"))),
        (
            at("relative"),
            dangling(&at("relative"), "nothing".as_ref()),
        ),
        (at("to-link"), dangling(&at("to-link"), &link)),
        (file.clone(), no_folder(&file)),
        (at("file/new"), no_folder(&file)),
        (at("to-file"), no_folder(&at("to-file"))),
        (PathBuf::from("/dev/null"), no_folder("/dev/null".as_ref())),
        (
            at("new/../data"),
            format!(
                "{} leads through a folder that is not there; name the folder itself",
                at("new/../data").display()
            ),
        ),
        (
            PathBuf::new(),
            "the name of a folder is empty; name the folder that is to be made".to_owned(),
        ),
    ] {
        let mut request = place.request();
        request.data_dir = given.clone();
        assert_eq!(place.refused(&request), sentence, "{given:?}");
        request.data_dir = place.path().join("new/cluster");
        request.wal_dir = Some(given.clone());
        assert_eq!(place.refused(&request), sentence, "{given:?}");
    }
}

#[test]
fn the_folder_that_the_command_runs_in() {
    let place = Place::new();
    let working = std::env::current_dir().expect("there is one");
    let parent = working.parent().expect("it is not the root");
    for (given, folder) in [
        (".", working.as_path()),
        ("./", &working),
        ("./.", &working),
        ("tests/..", &working),
        ("..", parent),
        ("/", "/".as_ref()),
    ] {
        let mut request = place.request();
        request.data_dir = given.into();
        assert_eq!(
            place.refused(&request),
            format!(
                "{} is the folder that this command runs in, or lies around it, and a restored \
                 folder takes the place of another one; name a folder below it, or run this \
                 elsewhere",
                folder.display()
            ),
            "{given}"
        );
    }
}

#[test]
fn a_member_that_the_cluster_does_not_have() {
    let place = Place::new();
    let mut request = place.request();
    request.only = Some("m4".to_owned());
    assert_eq!(
        place.refused(&request),
        "there is no member `m4` in the initial cluster, which has m1, m2, m3"
    );
}

#[test]
fn bumps_that_make_no_sense() {
    let place = Place::new();
    let mut request = place.request();
    request.bump = Bump::By {
        revisions: 1,
        mark_compacted: false,
    };
    assert_eq!(
        place.refused(&request),
        "a revision bump has to mark the old revisions as compacted, or clients go on with what \
         they remember of the lost ones; add --mark-compacted, or leave --bump-revision out"
    );
    request.bump = bump(0);
    assert_eq!(
        place.refused(&request),
        "marking revisions as compacted goes with a bump; add --bump-revision N, or leave --mark-compacted out"
    );
    request.bump = bump(u64::MAX);
    assert_eq!(
        place.refused(&request),
        "revision 93 cannot be bumped by 18446744073709551615: revisions end at \
         9223372036854775807"
    );
}

#[test]
fn files_that_are_not_whole() {
    let place = Place::new();
    let request = place.request();
    let bytes = Image::of(FIXTURE).bytes;
    let body = &bytes[..bytes.len() - 32];
    assert_eq!(
        refusal(&place.file(body), &request),
        "the snapshot has no SHA-256 trailer, so nobody can tell whether it is whole; if it was \
         copied out of a member's data folder, skip the hash check"
    );
    let mut wrong = bytes.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    let said = refusal(&place.file(&wrong), &request);
    assert!(
        said.starts_with("the snapshot is damaged, 1 problem found: the SHA-256 trailer is "),
        "{said}"
    );
    let said = refusal(&place.file(&bytes[..bytes.len() - 4096]), &request);
    assert!(said.contains("the file ends early"), "{said}");
    assert_eq!(
        refusal(&place.file(b"not a snapshot"), &request),
        "the snapshot is damaged, 1 problem found: neither of the two meta pages is valid: this \
         is no bbolt file, or its head is damaged"
    );
    assert_eq!(everything(place.path()), [place.path().join("snapshot.db")]);
}

#[test]
fn a_damaged_page_below_a_right_trailer() {
    let place = Place::new();
    let mut image = Image::of(FIXTURE);
    let root = image.key_root();
    let first = image.child(root, 0);
    image.set_child(root, 1, first);
    let file = place.file(&image.sealed());
    let said = refusal(&file, &place.request());
    assert!(said.contains(&format!("page {first} is referenced more than once")));
    let mut unhashed = place.request();
    unhashed.skip_hash_check = true;
    restore(&file, &unhashed).expect_err("pages are checked all the same");
}

#[test]
fn a_storage_version_of_the_future() {
    let place = Place::new();
    let mut image = Image::of(FIXTURE);
    let found: Vec<usize> = (0..image.bytes.len() - 5)
        .filter(|at| image.bytes[*at..].starts_with(b"storageVersion3.6.0"))
        .collect();
    for at in found {
        image.bytes[at + 16] = b'8';
    }
    assert_eq!(
        refusal(&place.file(&image.sealed()), &place.request()),
        "the snapshot has storage version 3.8 and this drydock knows 3.7 at most; use a newer \
         drydock"
    );
}

#[test]
fn a_wrong_trailer_is_taken_when_that_was_asked_for() {
    let place = Place::new();
    let mut bytes = Image::of(FIXTURE).bytes;
    let body = bytes.len() - 32;
    bytes[body] ^= 1;
    let mut request = place.request();
    request.skip_hash_check = true;
    restore(&place.file(&bytes), &request).expect("its pages are sound");
    request.data_dir = place.path().join("other");
    restore(&place.file(&bytes[..body]), &request).expect("its pages are sound");
}

#[test]
fn two_restores_to_one_place_at_once() {
    let place = Place::new();
    let hidden = place.path().join(".cluster.drydock-restore");
    fs::create_dir(&hidden).expect("room");
    let held = File::open(&hidden).expect("it is there");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("nobody else");
    let request = request(&place.path().join("cluster"));
    assert_eq!(
        place.refused(&request),
        format!(
            "another restore into {} is under way; wait for it, or end it first",
            request.data_dir.display()
        )
    );
    drop(held);
    restore(&open(FIXTURE), &request).expect("what is left of a dead one is cleared away");
    assert!(!hidden.exists());
}

/// A dead restore had moved the first of two folders to its place.
#[test]
fn a_half_restore_that_somebody_used_is_left_alone() {
    let place = Place::new();
    let hidden = place.path().join(".cluster.drydock-restore");
    let [first, second] = ["m1", "m2"].map(|name| place.path().join(name));
    let built = hidden.join("data");
    fs::create_dir_all(built.join("m2")).expect("room");
    fs::create_dir(&first).expect("room");
    let paths = [built.join("m1"), first.clone(), built.join("m2"), second];
    let lines = paths.map(|path| format!("{}\0", path.display()));
    fs::write(hidden.join("switch"), lines.concat()).expect("room");
    let used = File::create(first.join("used")).expect("room");
    let switched = fs::metadata(hidden.join("switch")).and_then(|found| found.modified());
    let switched = switched.expect("it is there");
    used.set_modified(switched + Duration::from_secs(1))
        .expect("it is ours");
    let request = request(&place.path().join("cluster"));
    assert_eq!(
        place.refused(&request),
        format!(
            "{} was put in place by a restore that died before it was done, and has been changed \
             since; move it away, and restore again",
            first.display()
        )
    );
    used.set_modified(switched - Duration::from_secs(1))
        .expect("it is ours");
    restore(&open(FIXTURE), &request).expect("the half one is taken back");
    assert!(!first.exists() && !hidden.exists());
}

/// Whoever interrupts a restore finds nothing of it, whenever that was.
#[test]
fn an_interrupted_restore_leaves_nothing() {
    let place = Place::new();
    let request = place.request();
    let before = everything(place.path());
    let watch = Watch {
        ended: &|_| {},
        placing: &|_| panic!("it was to stop before"),
        stop: || true,
    };
    let error = restore_watched(&open(FIXTURE), &request, &watch).expect_err("it is to stop");
    assert!(matches!(error, RestoreError::Interrupted), "{error:?}");
    assert_eq!(everything(place.path()), before);
    restore(&open(FIXTURE), &request).expect("the place is free");
}

/// What has to be kept of a restore is heard before anything of it can be seen, also of one
/// that fails afterwards.
#[test]
fn the_bump_is_heard_before_a_folder_appears() {
    let place = Place::new();
    let request = Request {
        bump: bump(5),
        ..place.request()
    };
    let theirs = request.data_dir.join("theirs");
    let heard = Cell::new(None);
    let placing = |restored: &Restored| {
        assert!(!request.data_dir.exists());
        heard.set(restored.bumped_to);
        // Somebody else was faster.
        fs::create_dir_all(&theirs).expect("a folder");
    };
    let watch = Watch {
        ended: &|_| {},
        placing: &placing,
        stop: || false,
    };
    let error = restore_watched(&open(FIXTURE), &request, &watch).expect_err("it is taken");
    assert!(matches!(error, RestoreError::Io { .. }), "{error:?}");
    let placed = Request {
        data_dir: place.path().join("other"),
        ..request.clone()
    };
    let other = restore(&open(FIXTURE), &placed).expect("nothing is there");
    assert!(heard.get().is_some());
    assert_eq!(heard.get(), other.bumped_to);
    let left = everything(&place.path().join("new"));
    assert_eq!(left, [request.data_dir.clone(), theirs.clone()]);
}

/// What a dead restore had done is not known where its switch cannot be read: nothing is
/// cleared away then.
#[test]
fn a_switch_that_cannot_be_read_is_not_one_that_is_not_there() {
    let place = Place::new();
    let hidden = place.path().join(".cluster.drydock-restore");
    let switch = hidden.join("switch");
    fs::create_dir_all(&switch).expect("room");
    let request = request(&place.path().join("cluster"));
    let said = place.refused(&request);
    assert!(
        said.starts_with(&format!("cannot read {}", switch.display())),
        "{said}"
    );
}
