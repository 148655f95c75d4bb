use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use drydock_core::ErrorClass;
use drydock_core::plugin::FolderGrant;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::files::{Entry, FolderGrants, Page};

fn granted(directory: &Path, access: Access) -> FolderGrants {
    FolderGrants::new(vec![FolderGrant {
        directory: directory.to_owned(),
        access,
    }])
}

fn open(directory: &Path, access: Access) -> Folder {
    granted(directory, access)
        .open(directory.to_str().unwrap())
        .unwrap()
}

fn writable() -> (TempDir, Folder) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = open(scratch.path(), Access::Write);
    (scratch, folder)
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path)
        .unwrap()
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn only_the_granted_folder_and_what_lies_below_opens() {
    let scratch = tempfile::tempdir().unwrap();
    let granted_folder = scratch.path().join("a");
    let grants = granted(&granted_folder, Access::Write);
    let inside = granted_folder.join("deep/er");
    grants.open(inside.to_str().unwrap()).unwrap();
    assert_eq!((mode(&granted_folder), mode(&inside)), (0o700, 0o700));
    for outside in ["", "b", "ab"] {
        let outside = scratch.path().join(outside);
        let fault = grants.open(outside.to_str().unwrap()).unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("not-granted", ErrorClass::Denied)
        );
        let line = format!(
            "`files: [{{directory: {}",
            outside.to_str().unwrap().trim_end_matches('/')
        );
        assert!(fault.message.contains(&line), "{}", fault.message);
    }
    for bad in ["a", "", "/", "/a/../b", "/a//b"] {
        assert_eq!(grants.open(bad).unwrap_err().code, "bad-path", "{bad}");
    }
}

#[test]
fn a_link_below_the_grant_leads_nowhere() {
    let (scratch, folder) = writable();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("secret"), "s").unwrap();
    symlink(elsewhere.path(), scratch.path().join("out")).unwrap();
    symlink(elsewhere.path().join("secret"), scratch.path().join("file")).unwrap();
    symlink("inside", scratch.path().join("harmless")).unwrap();
    folder.write_bytes_at("inside", 0, b"x").unwrap();
    for path in ["out/secret", "file", "harmless", "out/new"] {
        let code = |fault: Fault| fault.code;
        assert_eq!(
            code(folder.read_bytes(path, 0, 1).unwrap_err()),
            "symbolic-link"
        );
        assert_eq!(
            code(folder.write_bytes_at(path, 0, b"y").unwrap_err()),
            "symbolic-link"
        );
        assert_eq!(
            code(folder.link_if_absent(path, "copy").unwrap_err()),
            "symbolic-link"
        );
    }
    let grants = granted(scratch.path(), Access::Write);
    let through = scratch.path().join("out/x");
    assert_eq!(
        grants.open(through.to_str().unwrap()).unwrap_err().code,
        "symbolic-link"
    );
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn removing_a_link_removes_the_link() {
    let (scratch, folder) = writable();
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("kept");
    std::fs::write(&kept, "s").unwrap();
    symlink(&kept, scratch.path().join("link")).unwrap();
    folder.remove("link").unwrap();
    assert!(kept.exists() && !scratch.path().join("link").exists());
}

#[test]
fn a_read_grant_refuses_every_way_to_write() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("a"), "abc").unwrap();
    let folder = open(scratch.path(), Access::Read);
    assert_eq!(folder.read_bytes("a", 0, 9).unwrap(), b"abc");
    let slice = Slice::whole(Arc::new(b"x".to_vec()));
    let refused = [
        folder.write_at("b", 0, &slice),
        folder.write_bytes_at("b", 0, b"x"),
        folder.sync("a"),
        folder.link_if_absent("a", "b"),
        folder.remove("a"),
    ];
    for result in refused {
        let fault = result.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("not-granted", ErrorClass::Denied)
        );
        assert!(fault.message.contains("access: write"), "{}", fault.message);
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
    let missing = scratch.path().join("missing");
    let fault = granted(&missing, Access::Read).open(missing.to_str().unwrap());
    assert_eq!(fault.unwrap_err().code, "not-found");
}

#[test]
fn bytes_land_at_their_offset_with_private_modes() {
    let (scratch, folder) = writable();
    let bytes: Vec<u8> = (0..CALL_BYTES_MAX + 5).map(|n| (n % 251) as u8).collect();
    let slice = Slice::whole(Arc::new(bytes.clone()));
    folder.write_at("p/q/file", 3, &slice).unwrap();
    folder.write_bytes_at("p/q/file", 0, b"abc").unwrap();
    folder.sync("p/q/file").unwrap();
    let read = std::fs::read(scratch.path().join("p/q/file")).unwrap();
    assert_eq!((&read[..3], &read[3..]), (&b"abc"[..], &bytes[..]));
    assert_eq!(mode(&scratch.path().join("p/q/file")), 0o600);
    assert_eq!(
        (
            mode(&scratch.path().join("p")),
            mode(&scratch.path().join("p/q"))
        ),
        (0o700, 0o700)
    );
    let expected: [u8; 32] = Sha256::digest(&read).into();
    assert_eq!(folder.sha256("p/q/file").unwrap(), expected);
    assert_eq!(folder.size("p/q/file").unwrap(), read.len() as u64);
    let too_many = vec![0; CALL_BYTES_MAX + 1];
    assert_eq!(
        folder.write_bytes_at("x", 0, &too_many).unwrap_err().code,
        "too-large"
    );
}

#[test]
fn a_link_is_made_only_where_nothing_is() {
    let (scratch, folder) = writable();
    folder.write_bytes_at("up/part", 0, b"new").unwrap();
    folder.link_if_absent("up/part", "c/rp/object").unwrap();
    assert_eq!(
        std::fs::read(scratch.path().join("c/rp/object")).unwrap(),
        b"new"
    );
    folder.write_bytes_at("other", 0, b"old").unwrap();
    assert_eq!(
        folder.link_if_absent("up/part", "other").unwrap_err().code,
        "exists"
    );
    assert_eq!(std::fs::read(scratch.path().join("other")).unwrap(), b"old");
    assert_eq!(
        folder.link_if_absent("nothing", "z").unwrap_err().code,
        "not-found"
    );
}

#[test]
fn removing_takes_empty_parents_and_is_idempotent() {
    let (scratch, folder) = writable();
    folder.write_bytes_at("a/b/c", 0, b"x").unwrap();
    folder.write_bytes_at("a/d", 0, b"x").unwrap();
    folder.remove("a/b/c").unwrap();
    assert!(!scratch.path().join("a/b").exists() && scratch.path().join("a/d").exists());
    folder.remove("a/b/c").unwrap();
    folder.remove("a/d").unwrap();
    assert!(!scratch.path().join("a").exists() && scratch.path().exists());
    assert_eq!(folder.remove("../x").unwrap_err().code, "bad-path");
}

#[test]
fn writing_and_removing_at_once_never_fails() {
    let (_scratch, folder) = writable();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let folder = folder.clone();
            std::thread::spawn(move || {
                for round in 0..200 {
                    let path = format!("shared/{n}/{round}");
                    folder.write_bytes_at(&path, 0, b"x")?;
                    folder.remove(&path)?;
                }
                Ok::<(), Fault>(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn only_plain_files_are_opened() {
    let (scratch, folder) = writable();
    std::fs::create_dir(scratch.path().join("dir")).unwrap();
    let fifo = scratch.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RWXU).unwrap();
    assert_eq!(
        folder.read_bytes("fifo", 0, 1).unwrap_err().code,
        "not-a-file"
    );
    assert_eq!(
        folder.read_bytes("dir", 0, 1).unwrap_err().code,
        "not-a-file"
    );
    assert_eq!(
        folder.write_bytes_at("dir", 0, b"x").unwrap_err().code,
        "not-a-file"
    );
    assert_eq!(
        folder.read_bytes("dir/none", 0, 1).unwrap_err().code,
        "not-found"
    );
}

#[test]
fn a_listing_is_sorted_by_whole_path_and_paged() {
    let (scratch, folder) = writable();
    for path in ["a-b", "a/z", "a/b/c", "b", "ab/x", "a.txt"] {
        folder.write_bytes_at(path, 0, b"1").unwrap();
    }
    symlink("b", scratch.path().join("link")).unwrap();
    let paths = |page: &Page| {
        page.entries
            .iter()
            .map(|e| e.path.clone())
            .collect::<Vec<_>>()
    };
    let all = folder.list("", None).unwrap();
    assert_eq!(paths(&all), ["a-b", "a.txt", "a/b/c", "a/z", "ab/x", "b"]);
    assert_eq!(all.next, None);
    assert_eq!(paths(&folder.list("a/", None).unwrap()), ["a/b/c", "a/z"]);
    assert_eq!(
        paths(&folder.list("a", Some("a/b/c")).unwrap()),
        ["a/z", "ab/x"]
    );
    assert_eq!(paths(&folder.list("nothing/here", None).unwrap()), [""; 0]);
    assert_eq!(folder.list("../", None).unwrap_err().code, "bad-path");
}

#[test]
fn a_long_listing_comes_in_pages() {
    let (_scratch, folder) = writable();
    let expected: Vec<_> = (0..2003).map(|n| format!("d{}/{n:05}", n % 2)).collect();
    for path in &expected {
        folder.write_bytes_at(path, 0, b"").unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = folder.list("d", cursor.as_deref()).unwrap();
        assert!(page.entries.len() <= 1000);
        seen.extend(page.entries.into_iter().map(|Entry { path, .. }| path));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let mut sorted = expected;
    sorted.sort();
    assert_eq!(seen, sorted);
}

#[tokio::test]
async fn a_range_goes_to_the_sink_whole_or_not_at_all() {
    let (_scratch, folder) = writable();
    let bytes = vec![9; 2 * CALL_BYTES_MAX + 7];
    folder
        .write_at("f", 0, &Slice::whole(Arc::new(bytes.clone())))
        .unwrap();
    let (into, mut out) = mpsc::channel(8);
    let sink = Sink::new(bytes.len() as u64 - 1, into);
    folder
        .read_range("f", 1, bytes.len() as u64 - 1, &sink)
        .await
        .unwrap();
    sink.finish().unwrap();
    drop(sink);
    let mut got = Vec::new();
    while let Some(chunk) = out.recv().await {
        got.extend(chunk);
    }
    assert_eq!(got, bytes[1..]);
    let (into, _out) = mpsc::channel(8);
    let fault = folder
        .read_range("f", 8, bytes.len() as u64, &Sink::new(u64::MAX, into))
        .await;
    assert_eq!(fault.unwrap_err().code, "out-of-range");
}

#[test]
fn overlapping_grants_give_the_wider_access() {
    let scratch = tempfile::tempdir().unwrap();
    let below = scratch.path().join("below");
    let grants = FolderGrants::new(vec![
        FolderGrant {
            directory: below.clone(),
            access: Access::Read,
        },
        FolderGrant {
            directory: scratch.path().to_owned(),
            access: Access::Write,
        },
    ]);
    let folder = grants.open(below.to_str().unwrap()).unwrap();
    folder.write_bytes_at("x", 0, b"x").unwrap();
    assert!(folder.free().unwrap() > 0);
}

/// A file system of its own, in a mount namespace that ends with the child.
struct Mounted {
    child: std::process::Child,
    path: std::path::PathBuf,
}

impl Mounted {
    /// Runs `mount` in a new namespace; what it mounts at `/mnt` is the folder.
    fn new(mount: &str) -> Self {
        use std::io::BufRead as _;
        let script = format!("{mount} && echo ready && exec cat");
        let mut child = std::process::Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", &script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n", "{script}");
        let path = format!("/proc/{}/root/mnt", child.id()).into();
        Self { child, path }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_full_disk_says_so() {
    let mounted = Mounted::new("mount -t tmpfs -o size=64k tmpfs /mnt");
    let folder = open(&mounted.path, Access::Write);
    assert_eq!(folder.free().unwrap(), 65_536);
    let fault = folder.write_bytes_at("a", 0, &[1; 100_000]).unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("no-space", ErrorClass::Transient)
    );
    assert!(
        fault
            .message
            .contains("the file system is full (100000 bytes more are wanted and 0 are free)"),
        "{}",
        fault.message
    );
}

#[test]
fn a_read_only_disk_says_so() {
    let mounted =
        Mounted::new("mount -t tmpfs tmpfs /mnt && echo x > /mnt/a && mount -o remount,ro /mnt");
    let folder = open(&mounted.path, Access::Write);
    assert_eq!(folder.read_bytes("a", 0, 1).unwrap(), b"x");
    for fault in [
        folder.write_bytes_at("b", 0, b"x").unwrap_err(),
        folder.write_bytes_at("c/d", 0, b"x").unwrap_err(),
        folder.link_if_absent("a", "b").unwrap_err(),
        folder.remove("a").unwrap_err(),
    ] {
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("read-only", ErrorClass::Permanent)
        );
    }
}
