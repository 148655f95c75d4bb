use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::*;

fn run(archive: &[u8], base: &Path, owners: bool) -> Result<Unpacked, UnpackError> {
    let folder = open_folder(base).unwrap();
    unpack(archive, folder.as_fd(), owners)
}

/// A header with any name and any link, as no decent program writes it.
fn entry(kind: u8, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// Everything that GNU tar sees in a folder, as the archive that it makes of it.
fn packed(folder: &Path) -> Vec<u8> {
    let output = Command::new("tar")
        .args([
            "--format=posix",
            "--sort=name",
            "--xattrs",
            "--xattrs-include=*",
        ])
        .args(["--pax-option=exthdr.name=%d/pax/%f,delete=atime,delete=ctime"])
        .args(["-cf", "-", "-C"])
        .arg(folder)
        .arg("etc")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn what_gnu_tar_packed_comes_back_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join("from").join(name);
    std::fs::create_dir_all(path("etc/kubernetes/pki")).unwrap();
    std::fs::write(path("etc/kubernetes/pki/ca.key"), "key").unwrap();
    std::fs::write(path("etc/kubernetes/empty"), "").unwrap();
    std::fs::write(path(&format!("etc/{}", "l".repeat(200))), vec![3; 100_000]).unwrap();
    std::fs::hard_link(
        path("etc/kubernetes/pki/ca.key"),
        path("etc/kubernetes/again"),
    )
    .unwrap();
    symlink("/etc/shadow", path("etc/kubernetes/link")).unwrap();
    rustix::fs::mknodat(CWD, path("etc/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for (name, owner, mode) in [
        ("etc/kubernetes/pki/ca.key", 12, 0o4751),
        ("etc/kubernetes/pki", 34, 0o3500),
    ] {
        std::os::unix::fs::lchown(path(name), Some(owner), Some(owner + 1)).unwrap();
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::lchown(path("etc/kubernetes/link"), Some(5), Some(6)).unwrap();
    for name in ["user.note", "trusted.x", "security.capability"] {
        let value: &[u8] = match name {
            // CAP_NET_BIND_SERVICE, permitted and effective.
            "security.capability" => &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            _ => b"a\0\xff",
        };
        rustix::fs::setxattr(
            path("etc/kubernetes/pki/ca.key"),
            name,
            value,
            XattrFlags::empty(),
        )
        .unwrap();
    }
    rustix::fs::setxattr(
        path("etc/kubernetes/pki"),
        "user.of-folder",
        b"",
        XattrFlags::empty(),
    )
    .unwrap();

    let before = packed(&scratch.path().join("from"));
    let to = scratch.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let unpacked = run(&before, &to, true).unwrap();
    let names = String::from_utf8_lossy(&before);
    for attribute in [
        "user.note",
        "trusted.x",
        "security.capability",
        "user.of-folder",
    ] {
        assert!(names.contains(attribute), "{attribute}");
    }
    assert!(packed(&to) == before, "see what differs with tar --compare");
    let wanted = Unpacked {
        files: 3,
        folders: 3,
        links: 2,
        pipes: 1,
        bytes: 100_003,
        roots: vec!["etc".to_owned()],
        ..Unpacked::default()
    };
    assert_eq!(unpacked, wanted);
}

#[test]
fn nothing_is_written_outside() {
    let attacks = [
        vec![entry(b'0', "../out", "", b"x")],
        vec![entry(b'0', "/tmp/drydock-out", "", b"x")],
        vec![entry(b'5', "a/../../out", "", b"")],
        vec![entry(b'2', "a", "..", b""), entry(b'0', "a/out", "", b"x")],
        vec![entry(b'2', "a", "../out", b""), entry(b'0', "a", "", b"x")],
        vec![entry(b'2', "a", "..", b""), entry(b'5', "a/out", "", b"")],
        vec![entry(b'2', "a", "..", b""), entry(b'2', "a/out", "x", b"")],
        vec![
            entry(b'2', "a", "..", b""),
            entry(b'1', "b", "a/secret", b""),
        ],
        vec![entry(b'1', "b", "../secret", b"")],
        vec![entry(b'1', "b", "/etc/passwd", b"")],
        vec![entry(b'1', "b", "", b"")],
        vec![entry(b'0', "a", "", b"x"), entry(b'0', "a", "", b"y")],
        vec![entry(b'0', "a", "", b"x"), entry(b'5', "a", "", b"")],
        vec![entry(b'5', "a", "", b""), entry(b'0', "a", "", b"x")],
        vec![entry(b'Z', "a", "", b"x")],
    ];
    for attack in attacks {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("secret"), "secret").unwrap();
        let to = scratch.path().join("to");
        std::fs::create_dir(&to).unwrap();
        let outcome = run(&archive(&attack), &to, true);
        let name = String::from_utf8_lossy(&attack[0][..20]).into_owned();
        assert!(outcome.is_err(), "{name}");
        let mut left: Vec<_> = std::fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["secret", "to"], "{name}");
        assert!(!Path::new("/tmp/drydock-out").exists());
        assert_eq!(
            std::fs::metadata(scratch.path().join("secret"))
                .unwrap()
                .nlink(),
            1
        );
    }
}

/// A link may point anywhere, and another name of it is one of the link.
#[test]
fn links_are_made_and_never_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let packed = archive(&[
        entry(b'2', "a", "/etc/passwd", b""),
        entry(b'1', "b", "a", b""),
        entry(b'3', "device", "", b""),
    ]);
    let before = std::fs::metadata("/etc/passwd").unwrap();
    let unpacked = run(&packed, scratch.path(), true).unwrap();
    assert_eq!((unpacked.links, unpacked.devices), (2, 1));
    let link = std::fs::symlink_metadata(scratch.path().join("b")).unwrap();
    assert!(link.is_symlink() && link.nlink() == 2 && link.mtime() == 1);
    assert_eq!(
        std::fs::metadata("/etc/passwd").unwrap().mtime(),
        before.mtime()
    );
    assert!(!scratch.path().join("device").exists());
}

#[test]
fn without_owners_no_powers_are_lent() {
    let scratch = tempfile::tempdir().unwrap();
    let mut file = tar::Header::new_ustar();
    file.set_path("unsaid/folder/tool").unwrap();
    file.set_entry_type(tar::EntryType::Regular);
    file.set_mode(0o6755);
    file.set_uid(12);
    file.set_gid(34);
    file.set_size(0);
    file.set_mtime(7);
    file.set_cksum();
    let packed = archive(&[file.as_bytes().to_vec()]);
    run(&packed, scratch.path(), false).unwrap();
    let tool = std::fs::metadata(scratch.path().join("unsaid/folder/tool")).unwrap();
    assert_eq!(
        (tool.mode() & 0o7777, tool.uid(), tool.mtime()),
        (0o755, 0, 7)
    );
    let folder = std::fs::metadata(scratch.path().join("unsaid/folder")).unwrap();
    assert_eq!(folder.mode() & 0o7777, 0o755);
    let with = tempfile::tempdir().unwrap();
    run(&packed, with.path(), true).unwrap();
    let tool = std::fs::metadata(with.path().join("unsaid/folder/tool")).unwrap();
    assert_eq!(
        (tool.mode() & 0o7777, tool.uid(), tool.gid()),
        (0o6755, 12, 34)
    );
}

#[test]
fn an_archive_that_ends_early_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let packed = archive(&[entry(b'0', "a", "", &[1; 2000])]);
    let error = run(&packed[..1500], scratch.path(), true).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}
