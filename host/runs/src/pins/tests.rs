//! Pins on a disk that fails, beside a sweep, and in the place of documents that changed.

mod bindings;
mod node;
mod workflow;

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;

fn pins() -> (TempDir, Pins) {
    let state = tempfile::tempdir().unwrap();
    let pins = Pins::new(state.path());
    (state, pins)
}

fn put(batch: &mut PinBatch, bytes: &[u8]) -> Pin {
    batch.put(PinKind::Component, "thing", bytes).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & MODE_BITS
}

/// The names of the files in the folder.
fn names(pins: &Pins) -> Vec<String> {
    let entries = fs::read_dir(&pins.store.folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn used(pins: &[&Pin]) -> BTreeSet<String> {
    pins.iter().map(|pin| pin.sha256.clone()).collect()
}

#[test]
fn what_is_put_is_there_again_and_for_nobody_else() {
    let (state, pins) = pins();
    let mut batch = pins.batch();
    let pin = put(&mut batch, b"bytes");
    assert_eq!(pins.get(&pin).unwrap(), b"bytes");
    assert_eq!(Pins::new(state.path()).get(&pin).unwrap(), b"bytes");
    assert_eq!(names(&pins), [pin.sha256.as_str()]);
    assert_eq!(mode(&pins.store.folder), 0o700);
    assert_eq!(mode(&pins.store.path(&pin.sha256)), 0o600);
    // One file, whatever the things are called.
    let document = batch.put(PinKind::Document, "Target/a", b"bytes").unwrap();
    assert_eq!(document.sha256, pin.sha256);
    assert_eq!(names(&pins).len(), 1);
}

#[test]
fn a_file_with_the_right_bytes_stays_and_loses_only_a_wrong_mode() {
    let (_state, pins) = pins();
    let pin = put(&mut pins.batch(), b"bytes");
    let path = pins.store.path(&pin.sha256);
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&pins.store.folder, Permissions::from_mode(0o755)).unwrap();
    put(&mut pins.batch(), b"bytes");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    assert_eq!((mode(&path), mode(&pins.store.folder)), (0o600, 0o700));
}

#[test]
fn a_damaged_pin_is_told_and_the_next_put_writes_it_anew() {
    let (_state, pins) = pins();
    let pin = put(&mut pins.batch(), b"bytes");
    let path = pins.store.path(&pin.sha256);
    for damaged in [&b"byt"[..], b"", b"BYTES", b"bytes and more"] {
        fs::write(&path, damaged).unwrap();
        let told = pins.get(&pin).unwrap_err().to_string();
        assert_eq!(
            told,
            format!(
                "the component thing that the run pinned is damaged: the bytes of {} are others than the file's name says, and the run goes on with nothing else; bring the file back from a copy of the state folder, or end the run with `drydock run cancel RUN`",
                path.display()
            )
        );
        put(&mut pins.batch(), b"bytes");
        assert_eq!(pins.get(&pin).unwrap(), b"bytes");
    }
}

#[test]
fn a_missing_pin_says_what_was_there_and_how_to_mend_it() {
    let (state, pins) = pins();
    let pin = Pin::of(PinKind::Document, "Target/offsite", b"x");
    let told = pins.get(&pin).unwrap_err().to_string();
    assert_eq!(
        told,
        format!(
            "the document Target/offsite that the run pinned is gone: {}/pins/{} is not there, and the run goes on with nothing else; bring the file back from a copy of the state folder, or end the run with `drydock run cancel RUN`",
            state.path().display(),
            pin.sha256
        )
    );
}

#[test]
fn a_pin_that_cannot_be_read_is_not_taken_for_a_missing_one() {
    let (_state, pins) = pins();
    let pin = put(&mut pins.batch(), b"bytes");
    let path = pins.store.path(&pin.sha256);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = pins.get(&pin).unwrap_err();
    assert!(matches!(error, PinError::Unread { .. }), "{error}");
    let mut batch = pins.batch();
    let error = batch
        .put(PinKind::Component, "thing", b"bytes")
        .unwrap_err();
    assert!(matches!(error, PinError::Unwritten { .. }), "{error}");
}

/// A folder on a small file system, as long as this lives.
struct Small(Child, PathBuf);

impl Small {
    fn new(bytes: u32) -> Self {
        let script = format!("mount -t tmpfs -o size={bytes} tmpfs /mnt && echo ready && exec cat");
        let mut child = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let path = format!("/proc/{}/root/mnt", child.id()).into();
        Self(child, path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let small = Small::new(64 * 1024);
    let pins = Pins::new(&small.1);
    let mut batch = pins.batch();
    let fits = put(&mut batch, &[1; 20_000]);
    let error = batch.put(PinKind::Component, "large", &[2; 100_000]);
    let error = error.unwrap_err();
    let told = drydock_core::chain(&error);
    let path = pins
        .store
        .path(&Pin::of(PinKind::Component, "", &[2; 100_000]).sha256);
    assert_eq!(
        told,
        format!(
            "the component large cannot be kept for the run as {}: make room on its file system, or move `state:` of the node's configuration: No space left on device",
            path.display()
        )
    );
    // The room is free again, and what was there is whole.
    assert_eq!(names(&pins), [fits.sha256.as_str()]);
    let next = put(&mut batch, &[3; 30_000]);
    assert_eq!(pins.get(&next).unwrap(), [3; 30_000]);
    assert_eq!(pins.get(&fits).unwrap(), [1; 20_000]);
}

#[test]
fn a_sweep_takes_what_no_run_uses_and_nobody_is_putting() {
    let (_state, pins) = pins();
    assert_eq!(pins.begin_sweep().finish(&BTreeSet::new()).unwrap(), 0);
    let mut ended = pins.batch();
    let (open, over) = (put(&mut ended, b"open"), put(&mut ended, b"over"));
    drop(ended);
    let mut beginning = pins.batch();
    let held = put(&mut beginning, b"held");
    let unfinished = format!("{}{UNFINISHED}", over.sha256);
    fs::write(pins.store.path(&unfinished), "ov").unwrap();
    fs::create_dir(pins.store.path("lost+found")).unwrap();
    let swept = pins.begin_sweep().finish(&used(&[&open])).unwrap();
    assert_eq!(swept, 2);
    assert!(pins.get(&open).is_ok() && pins.get(&held).is_ok());
    assert!(matches!(pins.get(&over), Err(PinError::Missing { .. })));
    assert_eq!(names(&pins).len(), 3, "the two and lost+found");
    drop(beginning);
    assert_eq!(pins.begin_sweep().finish(&used(&[&open])).unwrap(), 1);
    assert!(pins.get(&held).is_err());
}

#[test]
fn two_batches_with_one_thing_hold_it_until_both_are_gone() {
    let (_state, pins) = pins();
    let (mut one, mut other) = (pins.batch(), pins.batch());
    let pin = put(&mut one, b"shared");
    put(&mut one, b"shared");
    put(&mut other, b"shared");
    drop(one);
    assert_eq!(pins.begin_sweep().finish(&BTreeSet::new()).unwrap(), 0);
    assert!(pins.get(&pin).is_ok());
    drop(other);
    assert_eq!(pins.begin_sweep().finish(&BTreeSet::new()).unwrap(), 1);
}

/// The sweep asks the journal, then the run begins there and its batch goes, then the sweep
/// removes by what it was told.
#[test]
fn a_run_that_begins_while_a_sweep_looks_loses_nothing() {
    let (_state, pins) = pins();
    let mut batch = pins.batch();
    let before = put(&mut batch, b"put before");
    let sweep = pins.begin_sweep();
    let open_runs = BTreeSet::new();
    let after = put(&mut batch, b"put after");
    drop(batch);
    // Another sweep that ends meanwhile forgets nothing of it.
    assert_eq!(pins.begin_sweep().finish(&open_runs).unwrap(), 0);
    assert_eq!(sweep.finish(&open_runs).unwrap(), 0);
    assert!(pins.get(&before).is_ok() && pins.get(&after).is_ok());
    // The next one knows the run, or that it never began.
    assert_eq!(pins.begin_sweep().finish(&used(&[&after])).unwrap(), 1);
    assert!(pins.get(&before).is_err() && pins.get(&after).is_ok());
}

#[test]
fn puts_and_sweeps_side_by_side_lose_nothing_that_is_held() {
    let (_state, pins) = pins();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let is_stopped = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        let sweeping = scope.spawn(|| {
            while !is_stopped() {
                pins.begin_sweep().finish(&BTreeSet::new()).unwrap();
            }
        });
        let putting = [0_u8, 1, 2].map(|own| {
            let pins = &pins;
            scope.spawn(move || {
                for turn in 0..50_u8 {
                    let mut batch = pins.batch();
                    // Every thread has things of its own, and one that all of them put.
                    let all = [put(&mut batch, &[own, turn]), put(&mut batch, b"shared")];
                    for pin in &all {
                        pins.get(pin).unwrap();
                    }
                }
            })
        });
        for putting in putting {
            putting.join().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        sweeping.join().unwrap();
    });
}
