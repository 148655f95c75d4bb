use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use drydock_core::ErrorClass;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::{Entry, FolderGrant, FolderGrants, FolderPower, Page};
use drydock_capability_artifact::{OutputSink, Outputs, WORK_BYTES_MAX, Work};

mod pieces;

fn granted(directory: &Path, access: Access) -> FolderGrants {
    FolderGrants::new(vec![FolderGrant {
        directory: directory.to_owned(),
        access,
    }])
}

fn open(directory: &Path, access: Access) -> Folder {
    granted(directory, access)
        .open(directory.to_str().unwrap(), false)
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
    let grants = granted(&granted_folder, Access::Write).within(FolderPower::Create);
    let inside = granted_folder.join("deep/er");
    grants.open(inside.to_str().unwrap(), true).unwrap();
    assert_eq!((mode(&granted_folder), mode(&inside)), (0o700, 0o700));
    for outside in ["", "b", "ab"] {
        let outside = scratch.path().join(outside);
        let fault = grants.open(outside.to_str().unwrap(), true).unwrap_err();
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
        assert_eq!(
            grants.open(bad, true).unwrap_err().code.as_str(),
            "bad-path",
            "{bad}"
        );
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
        let code = |fault: Fault| String::from(fault.code);
        assert_eq!(
            code(folder.read_bytes(path, 0, 1).unwrap_err()),
            "symbolic-link"
        );
        assert_eq!(
            code(folder.write_bytes_at(path, 0, b"y").unwrap_err()),
            "symbolic-link"
        );
        assert_eq!(
            code(folder.publish(path, "copy").unwrap_err()),
            "symbolic-link"
        );
    }
    let grants = granted(scratch.path(), Access::Write);
    let through = scratch.path().join("out/x");
    assert_eq!(
        grants
            .open(through.to_str().unwrap(), false)
            .unwrap_err()
            .code
            .as_str(),
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
        folder.publish("a", "b"),
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
}

#[test]
fn a_folder_is_made_only_where_the_call_may_and_the_grant_allows_it() {
    let scratch = tempfile::tempdir().unwrap();
    for missing in ["missing", "missing/below"] {
        let missing = scratch.path().join(missing);
        let missing = missing.to_str().unwrap();
        let made = |access, power, create| {
            let grants = granted(&scratch.path().join("missing"), access).within(power);
            grants.open(missing, create).map(drop)
        };
        for (access, power, create, code) in [
            (Access::Write, FolderPower::Create, false, "place-missing"),
            (Access::Read, FolderPower::Create, true, "place-missing"),
            (Access::Write, FolderPower::Write, true, "may-not-create"),
            (Access::Write, FolderPower::Read, true, "may-not-create"),
            (Access::Write, FolderPower::Write, false, "place-missing"),
        ] {
            assert_eq!(made(access, power, create).unwrap_err().code.as_str(), code);
            assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        }
        made(Access::Write, FolderPower::Create, true).unwrap();
        made(Access::Write, FolderPower::Read, false).unwrap();
        std::fs::remove_dir_all(scratch.path().join("missing")).unwrap();
    }
}

#[test]
fn a_missing_folder_says_how_to_mend_it() {
    let fault = granted(Path::new("/nowhere/at/all"), Access::Write)
        .open("/nowhere/at/all", false)
        .unwrap_err();
    assert_eq!(
        fault.message,
        "the folder /nowhere/at/all does not exist: mount the file system that it lies on, or make it"
    );
}

#[test]
fn a_call_that_only_looks_writes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("a"), "abc").unwrap();
    let grants = granted(scratch.path(), Access::Write).within(FolderPower::Read);
    let folder = grants
        .open(scratch.path().to_str().unwrap(), false)
        .unwrap();
    assert_eq!(folder.read_bytes("a", 0, 9).unwrap(), b"abc");
    for refused in [
        folder.write_bytes_at("b", 0, b"x"),
        folder.sync("a"),
        folder.publish("a", "b"),
        folder.remove("a"),
    ] {
        assert_eq!(refused.unwrap_err().code.as_str(), "may-not-write");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
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
        folder
            .write_bytes_at("x", 0, &too_many)
            .unwrap_err()
            .code
            .as_str(),
        "too-large"
    );
}

#[test]
fn a_file_gets_its_name_only_where_nothing_is() {
    let (scratch, folder) = writable();
    folder.write_bytes_at("up/part", 0, b"new").unwrap();
    folder.publish("up/part", "c/rp/object").unwrap();
    assert_eq!(
        std::fs::read(scratch.path().join("c/rp/object")).unwrap(),
        b"new"
    );
    folder.write_bytes_at("other", 0, b"old").unwrap();
    assert_eq!(
        folder
            .publish("up/part", "other")
            .unwrap_err()
            .code
            .as_str(),
        "exists"
    );
    assert_eq!(std::fs::read(scratch.path().join("other")).unwrap(), b"old");
    assert_eq!(
        folder.publish("nothing", "z").unwrap_err().code.as_str(),
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
    assert_eq!(folder.remove("../x").unwrap_err().code.as_str(), "bad-path");
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
        folder.read_bytes("fifo", 0, 1).unwrap_err().code.as_str(),
        "not-a-file"
    );
    assert_eq!(
        folder.read_bytes("dir", 0, 1).unwrap_err().code.as_str(),
        "not-a-file"
    );
    assert_eq!(
        folder
            .write_bytes_at("dir", 0, b"x")
            .unwrap_err()
            .code
            .as_str(),
        "not-a-file"
    );
    assert_eq!(
        folder
            .read_bytes("dir/none", 0, 1)
            .unwrap_err()
            .code
            .as_str(),
        "not-found"
    );
}

/// The kernel opens neither, and says the same of a disk that is gone: waiting for it to
/// come back helps nobody.
#[test]
fn a_socket_is_no_disk_that_is_gone() {
    let (scratch, folder) = writable();
    let _socket = std::os::unix::net::UnixListener::bind(scratch.path().join("socket")).unwrap();
    let fifo = scratch.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RWXU).unwrap();
    for fault in [
        folder.read_bytes("socket", 0, 1).unwrap_err(),
        folder.size("socket").unwrap_err(),
        folder.write_bytes_at("socket", 0, b"x").unwrap_err(),
        folder.write_bytes_at("fifo", 0, b"x").unwrap_err(),
    ] {
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("not-a-file", ErrorClass::Denied),
            "{fault}"
        );
    }
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
    assert_eq!(
        folder.list("../", None).unwrap_err().code.as_str(),
        "bad-path"
    );
}

/// Paths and codes of what was passed over.
fn passed(page: &Page) -> Vec<(&str, &str)> {
    page.passed_over
        .iter()
        .map(|over| (over.path.as_str(), over.why.code.as_str()))
        .collect()
}

#[test]
fn what_is_no_file_is_passed_over_and_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let (scratch, folder) = writable();
    for path in ["c1/p/manifest.json", "z"] {
        folder.write_bytes_at(path, 0, b"1").unwrap();
    }
    symlink("nowhere", scratch.path().join("broken")).unwrap();
    symlink("/", scratch.path().join("c1/q")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
    std::fs::create_dir(scratch.path().join(odd)).unwrap();
    std::fs::write(scratch.path().join("new\nline"), b"").unwrap();
    let fifo = scratch.path().join("c1/fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RWXU).unwrap();
    let page = folder.list("", None).unwrap();
    let paths: Vec<_> = page.entries.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["c1/p/manifest.json", "z"]);
    assert_eq!(
        passed(&page),
        [
            ("broken", "symbolic-link"),
            ("c1/fifo", "not-a-file"),
            ("c1/q", "symbolic-link"),
            ("caf\u{fffd}", "bad-name"),
            ("new\\nline", "bad-name"),
        ]
    );
    // Only what can stand in the way of the prefix, and each thing on one page only.
    let below = folder.list("c1/", None).unwrap();
    assert_eq!(passed(&below).len(), 2);
    let after = folder.list("c1/", Some("c1/fifo")).unwrap();
    assert_eq!(passed(&after), [("c1/q", "symbolic-link")]);
    assert_eq!(passed(&folder.list("c1/p/", None).unwrap()), []);
}

#[test]
fn a_link_where_the_prefix_leads_is_told() {
    let (scratch, folder) = writable();
    symlink("/elsewhere", scratch.path().join("c1")).unwrap();
    let page = folder.list("c1/", None).unwrap();
    assert_eq!(passed(&page), [("c1", "symbolic-link")]);
}

/// Does `work` on a thread that permissions stop, also where the tests run as root.
fn as_anybody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let restricted = || {
        let mut sets = capabilities(None).unwrap();
        sets.effective
            .remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, sets).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(restricted).join().unwrap())
}

fn forbid(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn folders_that_cannot_be_read_do_not_end_a_listing() {
    let (scratch, folder) = writable();
    for path in ["c1/p/manifest.json", "c1/q/manifest.json", "lost+found/x"] {
        folder.write_bytes_at(path, 0, b"1").unwrap();
    }
    for unreadable in ["lost+found", "c1/q"] {
        forbid(&scratch.path().join(unreadable), 0);
    }
    let page = as_anybody(|| folder.list("", None)).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(
        passed(&page),
        [
            ("c1/q/", "permission-denied"),
            ("lost+found/", "permission-denied")
        ]
    );
    forbid(&scratch.path().join("c1"), 0);
    let page = as_anybody(|| folder.list("c1/", None)).unwrap();
    assert_eq!(passed(&page), [("c1/", "permission-denied")]);
    // Whatever there is in the folder itself, nobody can tell.
    forbid(scratch.path(), 0o300);
    let fault = as_anybody(|| folder.list("c1/", None)).unwrap_err();
    assert_eq!(fault.code.as_str(), "permission-denied");
    forbid(scratch.path(), 0o700);
}

#[test]
fn folders_too_deep_to_follow_do_not_end_a_listing() {
    let (scratch, folder) = writable();
    let deep = scratch.path().join(".snapshot").join("d/".repeat(40));
    std::fs::create_dir_all(deep).unwrap();
    folder.write_bytes_at("z", 0, b"1").unwrap();
    let page = folder.list("", None).unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.passed_over.len(), 1);
    assert_eq!(page.passed_over[0].why.code.as_str(), "too-many");
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
    assert_eq!(fault.unwrap_err().code.as_str(), "out-of-range");
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
    std::fs::create_dir(&below).unwrap();
    let folder = grants.open(below.to_str().unwrap(), false).unwrap();
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
fn a_mount_of_its_own_is_told_from_the_nodes_own_disk() {
    let mounted = Mounted::new("mount -t tmpfs tmpfs /mnt && mkdir /mnt/below");
    let is_mounted = |path: &Path, own: &[&Path]| {
        let own: Vec<_> = own.iter().map(|path| path.to_path_buf()).collect();
        let grants = granted(path, Access::Write).beside(own.into());
        let folder = grants.open(path.to_str().unwrap(), false).unwrap();
        folder.is_mounted().unwrap()
    };
    let (_scratch, folder) = writable();
    let plain = folder.inner.path.clone();
    // Where the folder for temporary files is a mount, so are those in it.
    let alone = is_mounted(&plain, &[]);
    assert!(!is_mounted(&plain, &[&plain]));
    assert!(is_mounted(&mounted.path, &[&plain]));
    assert!(is_mounted(&mounted.path.join("below"), &[&plain]));
    assert!(!is_mounted(
        &mounted.path,
        &[&mounted.path.join("missing/state")]
    ));
    let same = crate::is_own_mount(&plain.join("not/yet/there"), &[]);
    assert_eq!(same.unwrap(), alone);
}

/// As a hardened service sees each folder that it may write.
#[test]
fn a_bind_mount_of_the_nodes_own_disk_is_none_of_its_own() {
    let mounted = Mounted::new("mount --rbind /etc /mnt");
    assert!(!crate::is_own_mount(&mounted.path, &[]).unwrap());
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
        folder.publish("a", "b").unwrap_err(),
        folder.remove("a").unwrap_err(),
    ] {
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("read-only", ErrorClass::Permanent)
        );
    }
}
