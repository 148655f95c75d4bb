//! The plugin `files-backup` on real folders, its archives read by GNU tar; and
//! `files-verify` on what came out.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drydock_archive::{ArchiveCheck, ArchiveSummary};
use drydock_capability_files::{Access, FolderGrant};
use drydock_core::{ErrorClass, Fault, Grants, Level};
use drydock_sandbox::{Attempt, BackupCall, BackupReport, Plugin};
use drydock_testkit::gnu_tar::packed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Shelf, admit, call, sandbox};

struct Place {
    scratch: TempDir,
    plugin: Arc<Plugin>,
}

/// `kubernetes` and `etcd` are granted, `beside` is not.
fn place() -> Place {
    let scratch = tempfile::tempdir().unwrap();
    for folder in ["kubernetes/pki/etcd", "etcd", "beside"] {
        std::fs::create_dir_all(scratch.path().join(folder)).unwrap();
    }
    for file in [
        "kubernetes/pki/ca.crt",
        "kubernetes/pki/ca.key",
        "etcd/config",
        "beside/secret",
    ] {
        std::fs::write(scratch.path().join(file), file).unwrap();
    }
    let grant = |name: &str| FolderGrant::new(scratch.path().join(name), Access::Read);
    let grants = Grants::default().with([grant("kubernetes"), grant("etcd")]);
    let plugin = admit(&sandbox(), "files-backup", &grants);
    Place { scratch, plugin }
}

impl Place {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.scratch.path().join(name)
    }

    fn config(&self, folders: &[&str]) -> Value {
        let folders: Vec<_> = folders.iter().map(|name| self.path(name)).collect();
        json!({"artifact": "pki", "folders": folders})
    }

    async fn attempt(&self, config: &Value) -> (Attempt<BackupReport>, Shelf) {
        let shelf = Shelf::default();
        let call = BackupCall {
            context: call(&config.to_string()),
            outputs: Box::new(shelf.clone()),
        };
        (self.plugin.run_backup(call).await, shelf)
    }

    /// The archive of a backup that has to work, and the codes of its findings.
    async fn archive(&self, config: &Value) -> (Vec<u8>, Vec<(String, Level)>) {
        let (attempt, shelf) = self.attempt(config).await;
        let report = attempt.result.unwrap();
        let items = shelf.items();
        let [item] = items.as_slice() else {
            panic!("{} outputs", items.len());
        };
        assert_eq!(
            (item.name.as_str(), item.secret, item.state.as_str()),
            ("pki.tar", true, "finished")
        );
        let findings = report.findings.into_iter();
        (
            item.bytes.clone(),
            findings.map(|f| (f.code, f.level)).collect(),
        )
    }

    async fn fault(&self, config: &Value) -> Fault {
        let (attempt, shelf) = self.attempt(config).await;
        assert!(shelf.items().iter().all(|item| item.state != "finished"));
        attempt.result.unwrap_err()
    }
}

fn check(archive: &[u8]) -> ArchiveSummary {
    let mut check = ArchiveCheck::new();
    check.push(archive);
    check.finish()
}

/// What GNU tar prints of an archive, or does with it.
fn tar(archive: &[u8], arguments: &[&str]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("a.tar");
    std::fs::write(&file, archive).unwrap();
    let output = Command::new("tar")
        .arg("-f")
        .arg(&file)
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn gnu_tar_brings_everything_back() {
    let place = place();
    let long = "n".repeat(180);
    let folder = place.path("kubernetes");
    std::fs::write(folder.join("empty"), "").unwrap();
    std::fs::write(folder.join(&long), vec![7; 6_000_000]).unwrap();
    std::fs::create_dir_all(folder.join("d".repeat(150)).join("e".repeat(150))).unwrap();
    std::fs::hard_link(folder.join("pki/ca.key"), folder.join("again")).unwrap();
    symlink("/etc/shadow", folder.join("absolute")).unwrap();
    symlink("t".repeat(300), folder.join("far")).unwrap();
    let odd = std::os::unix::ffi::OsStrExt::as_bytes;
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe odd\n");
    assert_eq!(odd(name).len(), 7);
    std::fs::write(folder.join(name), "x").unwrap();
    let key = folder.join("pki/ca.key");
    std::os::unix::fs::lchown(&key, Some(3_000_000_000), Some(77)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o4640)).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    // One each: GNU tar keeps several in the order in which the file system has them.
    for (path, name, value) in [
        (&key, "user.a=b%", &b"1\n\0"[..]),
        (&folder.join("empty"), "trusted.t", b""),
    ] {
        rustix::fs::setxattr(path, name, value, flags).unwrap();
    }
    let file = std::fs::File::options()
        .write(true)
        .open(folder.join("empty"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1_000_000_007))
        .unwrap();

    let (archive, findings) = place.archive(&place.config(&["kubernetes"])).await;
    let told = [
        ("link-leads-out", Level::Warning),
        ("link-leads-nowhere", Level::Note),
    ];
    assert_eq!(findings, told.map(|(code, level)| (code.to_owned(), level)));
    assert_eq!(check(&archive).problems, [""; 0]);
    let to = tempfile::tempdir().unwrap();
    let at = to.path().to_str().unwrap();
    tar(
        &archive,
        &[
            "-x",
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "-p",
            "-C",
            at,
        ],
    );
    let inside = place.scratch.path().strip_prefix("/").unwrap();
    let (ours, theirs) = (
        packed(&to.path().join(inside), "kubernetes").unwrap(),
        packed(place.scratch.path(), "kubernetes").unwrap(),
    );
    let listed = |archive: &[u8]| tar(archive, &["-tvv", "--full-time", "--xattrs"]);
    assert_eq!(listed(&ours), listed(&theirs));
    assert!(
        ours == theirs,
        "the same names with other attributes or bytes"
    );
    assert_eq!(
        check(&archive).entries,
        tar(&archive, &["-t", "--quoting-style=escape"])
            .lines()
            .count() as u64
    );
    // The same files, the same bytes.
    assert!(place.archive(&place.config(&["kubernetes"])).await.0 == archive);
}

#[tokio::test]
async fn several_folders_and_exclusions_make_one_archive() {
    let place = place();
    let mut config = place.config(&["kubernetes", "etcd"]);
    config["exclude"] = json!(["*.crt", "pki/etcd"]);
    config["required"] = json!(["pki/ca.key", place.path("etcd/config")]);
    let (archive, _) = place.archive(&config).await;
    let inside = place
        .scratch
        .path()
        .strip_prefix("/")
        .unwrap()
        .display()
        .to_string();
    let listed = tar(&archive, &["-t"]);
    let names: Vec<_> = listed
        .lines()
        .map(|line| line.strip_prefix(&inside).unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "/kubernetes/",
            "/kubernetes/pki/",
            "/kubernetes/pki/ca.key",
            "/etcd/",
            "/etcd/config"
        ]
    );
}

#[tokio::test]
async fn no_backup_is_called_good_that_is_none() {
    let place = place();
    let mut config = place.config(&["kubernetes"]);
    config["required"] = json!(["pki/ca.key", "pki/sa.key"]);
    let fault = place.fault(&config).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Permanent, "required-missing")
    );
    assert!(
        fault
            .message
            .starts_with("`pki/sa.key` of `required` names nothing in /"),
        "{}",
        fault.message
    );
    std::fs::write(place.path("kubernetes/pki/sa.key"), "").unwrap();
    assert_eq!(place.fault(&config).await.code.as_str(), "required-empty");
    std::fs::write(place.path("kubernetes/pki/sa.key"), "key").unwrap();
    place.archive(&config).await;
    config = place.config(&["kubernetes"]);
    config["exclude"] = json!(["**/*", "*"]);
    assert_eq!(place.fault(&config).await.code.as_str(), "empty");
}

#[tokio::test]
async fn folders_without_a_grant_or_that_are_missing_are_told() {
    let place = place();
    let fault = place.fault(&place.config(&["kubernetes", "beside"])).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Denied, "not-granted")
    );
    for near in ["kubernetesx", "kubernetes/../beside", ""] {
        place.fault(&place.config(&[near])).await;
    }
    let below = place.config(&["kubernetes/pki"]);
    place.archive(&below).await;
    std::fs::remove_dir_all(place.path("etcd")).unwrap();
    let fault = place.fault(&place.config(&["etcd"])).await;
    assert_eq!(fault.code.as_str(), "place-missing");
}

#[tokio::test]
async fn sockets_are_noted_and_devices_warned_of() {
    let place = place();
    let _socket = std::os::unix::net::UnixListener::bind(place.path("etcd/socket")).unwrap();
    let device = rustix::fs::makedev(1, 3);
    let (kind, mode) = (
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RUSR,
    );
    rustix::fs::mknodat(rustix::fs::CWD, place.path("etcd/null"), kind, mode, device).unwrap();
    let (archive, findings) = place.archive(&place.config(&["etcd"])).await;
    let wanted = [("socket", Level::Note), ("device", Level::Warning)];
    assert_eq!(
        findings,
        wanted.map(|(code, level)| (code.to_owned(), level))
    );
    assert_eq!(check(&archive).entries, 2);
}

/// Ten thousand small files, and one attempt's memory.
#[tokio::test]
async fn ten_thousand_files_fit() {
    let place = place();
    for number in 0..10_000 {
        std::fs::write(place.path(&format!("etcd/{number:05}")), number.to_string()).unwrap();
    }
    let (archive, _) = place.archive(&place.config(&["etcd"])).await;
    let summary = check(&archive);
    assert_eq!((summary.entries, summary.problems_total), (10_002, 0));
}

/// Whatever is done to a folder meanwhile, an archive that is finished is a sound one,
/// and nothing of what lies beside the folder is in it.
#[tokio::test]
async fn folders_that_change_under_the_walk_never_spoil_an_archive() {
    let place = place();
    for number in 0..300 {
        std::fs::write(place.path(&format!("kubernetes/pki/{number}")), "inside").unwrap();
    }
    symlink("../beside", place.path("kubernetes/link")).unwrap();
    std::fs::write(place.path("beside/ca.key"), "OUTSIDE").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let meddler = std::thread::spawn({
        let (stop, root) = (Arc::clone(&stop), place.path("kubernetes"));
        move || {
            let mut number = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let (a, b) = (root.join("pki"), root.join("link"));
                // There and back: a moment is enough to lead a reader astray.
                for _ in 0..2 * u64::from(number.is_multiple_of(20)) {
                    rustix::fs::renameat_with(rustix::fs::CWD, &a, rustix::fs::CWD, &b, flags)
                        .unwrap();
                }
                let text = "x".repeat(usize::try_from(number % 999).unwrap());
                let _ = std::fs::write(root.join("changing"), text);
                let _ = std::fs::remove_file(root.join("coming"));
                let _ = std::fs::write(root.join("coming"), "and going");
            }
        }
    });
    let mut finished = 0;
    for _ in 0..40 {
        let (attempt, shelf) = place.attempt(&place.config(&["kubernetes"])).await;
        if let Err(fault) = attempt.result {
            assert!(
                ["unreadable", "symbolic-link", "not-a-folder", "not-found"]
                    .contains(&fault.code.as_str()),
                "{fault:?}"
            );
            continue;
        }
        let archive = &shelf.items()[0].bytes;
        assert_eq!(check(archive).problems, [""; 0]);
        assert!(!archive.windows(7).any(|bytes| bytes == b"OUTSIDE"));
        finished += 1;
    }
    stop.store(true, Ordering::Relaxed);
    meddler.join().unwrap();
    assert!(finished > 0);
}

#[tokio::test]
async fn slips_in_the_configuration_are_told_before_a_run() {
    let place = place();
    let check = async |config: Value| {
        let checked = place
            .plugin
            .check_config(call(&config.to_string()), None)
            .await;
        checked.result
    };
    assert_eq!(check(place.config(&["etcd"])).await.unwrap(), []);
    let fault = check(json!({"folders": ["etc"]})).await.unwrap_err();
    assert_eq!(fault.code.as_str(), "bad-configuration");
    let fault = check(json!({"folder": ["/etc"]})).await.unwrap_err();
    assert!(
        fault.message.contains("did you mean `folders`?"),
        "{}",
        fault.message
    );
}
