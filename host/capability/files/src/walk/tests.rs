use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use super::*;
use crate::{Access, FolderGrant, FolderGrants};

fn folder(path: &Path) -> Folder {
    let grant = FolderGrant {
        directory: path.to_owned(),
        access: Access::Read,
    };
    FolderGrants::new(vec![grant])
        .open(path.to_str().unwrap(), false)
        .unwrap()
}

/// All items by their path.
fn items(walk: &Walk) -> Vec<Item> {
    let mut items = Vec::new();
    loop {
        let page = walk.next().unwrap();
        assert!(page.len() <= PAGE_ITEMS_MAX);
        if page.is_empty() {
            return items;
        }
        items.extend(page);
    }
}

fn by_path(items: Vec<Item>) -> BTreeMap<String, Item> {
    let named = |item: Item| (beneath::shown(&item.path), item);
    items.into_iter().map(named).collect()
}

/// Makes a file or device that is neither file nor folder.
fn node(path: &Path, kind: FileType) {
    let device = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(CWD, path, kind, Mode::RUSR, device).unwrap();
}

#[test]
fn everything_is_told_of_whatever_is_there() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    std::fs::create_dir(path("pki")).unwrap();
    std::fs::write(path("pki/ca.key"), "key").unwrap();
    std::os::unix::fs::lchown(path("pki/ca.key"), Some(12), Some(34)).unwrap();
    // Last, since a new owner takes the bit away.
    std::fs::set_permissions(path("pki/ca.key"), PermissionsExt::from_mode(0o4750)).unwrap();
    std::fs::hard_link(path("pki/ca.key"), path("again")).unwrap();
    symlink("../../etc/shadow", path("link")).unwrap();
    std::os::unix::fs::lchown(path("link"), Some(5), Some(6)).unwrap();
    node(&path("fifo"), FileType::Fifo);
    node(&path("device"), FileType::CharacterDevice);
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    // Access control lists: owner rw, user 7 r, group -, mask r, others -.
    let acl: Vec<u8> = [
        &[2, 0, 0, 0][..],
        &[1, 0, 6, 0, 255, 255, 255, 255],
        &[2, 0, 4, 0, 7, 0, 0, 0],
        &[4, 0, 0, 0, 255, 255, 255, 255],
        &[16, 0, 4, 0, 255, 255, 255, 255],
        &[32, 0, 0, 0, 255, 255, 255, 255],
    ]
    .concat();
    let attributes: [(&str, &[u8]); 3] = [
        ("user.note", b"a\0b\n="),
        ("trusted.label", b"x"),
        ("system.posix_acl_access", &acl),
    ];
    for (name, value) in attributes {
        rustix::fs::setxattr(path("pki"), name, value, XattrFlags::empty()).unwrap();
    }
    rustix::fs::lsetxattr(path("link"), "trusted.of-link", b"l", XattrFlags::empty()).unwrap();

    let found = by_path(items(&folder(scratch.path()).walk(false)));
    let kinds: Vec<_> = found.values().map(|item| item.kind).collect();
    use ItemKind::{CharacterDevice, Fifo, File, Folder, Socket, SymbolicLink};
    let wanted = [
        Folder,
        File,
        CharacterDevice,
        Fifo,
        SymbolicLink,
        Folder,
        File,
        Socket,
    ];
    assert_eq!(kinds, wanted);
    assert!(found.values().all(|item| item.trouble.is_none()));
    let key = &found["pki/ca.key"];
    assert_eq!(
        (key.size, key.mode, key.user, key.group),
        (3, 0o4750, 12, 34)
    );
    let metadata = std::fs::metadata(path("again")).unwrap();
    let modified = (
        metadata.mtime(),
        u32::try_from(metadata.mtime_nsec()).unwrap(),
    );
    assert_eq!(key.modified, modified);
    assert_eq!((key.identity, key.names), (found["again"].identity, 2));
    assert_ne!(key.identity, found["link"].identity);
    let link = &found["link"];
    assert_eq!(link.link, b"../../etc/shadow");
    assert_eq!((link.user, link.group), (5, 6));
    assert_eq!(
        link.attributes,
        [(b"trusted.of-link".to_vec(), b"l".to_vec())]
    );
    let mut wanted = attributes.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
    wanted.sort();
    assert_eq!(found["pki"].attributes, wanted);
}

#[test]
fn folders_come_before_what_they_hold_and_names_in_order() {
    let scratch = tempfile::tempdir().unwrap();
    for path in ["b/x", "b/a/y", "a", "c", "b.d"] {
        let path = scratch.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let no_text = OsStr::from_bytes(b"\xff\n");
    std::fs::write(scratch.path().join(no_text), "").unwrap();
    let found = items(&folder(scratch.path()).walk(false));
    let paths: Vec<&[u8]> = found.iter().map(|item| item.path.as_slice()).collect();
    let wanted: [&[u8]; 9] = [
        b"", b"a", b"b", b"b/a", b"b/a/y", b"b/x", b"b.d", b"c", b"\xff\n",
    ];
    assert_eq!(paths, wanted);
}

#[test]
fn a_hundred_thousand_names_come_in_bounded_pages() {
    const NAMES: usize = 100_000;
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..NAMES {
        let name = format!("{number:06}");
        rustix::fs::symlink("x", scratch.path().join(name)).unwrap();
    }
    let folder = folder(scratch.path());
    let walk = folder.walk(false);
    let found = items(&walk);
    assert_eq!(found.len(), NAMES + 1);
    assert_eq!(found.last().unwrap().path, b"099999");
    drop(walk);
    assert_eq!(folder.names_budget().0.load(Ordering::Relaxed), 0);
}

#[test]
fn names_that_are_kept_are_bounded_for_all_walks_together() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir(scratch.path().join("a")).unwrap();
    let grants = FolderGrants::new(vec![FolderGrant {
        directory: scratch.path().to_owned(),
        access: Access::Read,
    }]);
    let open = || {
        grants
            .open(scratch.path().to_str().unwrap(), false)
            .unwrap()
    };
    let mut taken = open().names_budget().room();
    assert!(taken.grow(NAMES_BYTES_MAX));
    // Another handle of the same attempt.
    let refused = open().walk(false).next().unwrap();
    assert_eq!(
        refused[0].trouble.as_ref().unwrap().code.as_str(),
        "too-many"
    );
    assert_eq!(refused.len(), 1);
    drop(taken);
    assert_eq!(items(&open().walk(false)).len(), 2);
}

/// Deeper than any path that can be named at once.
#[test]
fn trees_beyond_the_longest_path_are_walked_to_their_bound() {
    let scratch = tempfile::tempdir().unwrap();
    let name = "n".repeat(200);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = rustix::fs::open(scratch.path(), flags, Mode::empty()).unwrap();
    let levels = beneath::PATH_BYTES_MAX / 201 + 2;
    for _ in 0..levels {
        rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, &name, flags, Mode::empty()).unwrap();
        rustix::fs::symlinkat("x", &at, "link").unwrap();
    }
    let found = items(&folder(scratch.path()).walk(false));
    let deepest = found.iter().map(|item| item.path.len()).max().unwrap();
    assert!(deepest > 2 * 4096, "{deepest}");
    let links = found.iter().filter(|item| item.link == b"x").count();
    let within = beneath::PATH_BYTES_MAX / 201;
    assert!(links >= within - 1, "{links}");
    let troubles: Vec<_> = found
        .iter()
        .filter_map(|item| item.trouble.clone())
        .collect();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(troubles[0].code.as_str(), "bad-path");
}

#[test]
fn other_file_systems_are_left_out_when_asked() {
    // Another file system is always mounted there.
    let inside = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    let name = inside.path().strip_prefix("/dev").unwrap();
    let name = name.to_str().unwrap().to_owned();
    let dev = folder(Path::new("/dev"));
    let all = by_path(items(&dev.walk(false)));
    assert!(all.contains_key(&name));
    assert_ne!(all["shm"].identity.0, all[""].identity.0);
    let own = by_path(items(&dev.walk(true)));
    assert!(own.contains_key("shm") && own.contains_key("null"));
    assert!(!own.contains_key(&name));
}

#[test]
fn folders_can_be_left_out_midway() {
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        let below = scratch.path().join(format!("a/{number:04}"));
        std::fs::create_dir_all(below).unwrap();
    }
    std::fs::create_dir(scratch.path().join("ab")).unwrap();
    let walk = folder(scratch.path()).walk(false);
    let first = walk.next().unwrap();
    assert_eq!(first.len(), PAGE_ITEMS_MAX);
    walk.skip(b"a");
    let rest: Vec<_> = items(&walk).into_iter().map(|item| item.path).collect();
    assert_eq!(rest, [b"ab"]);
}

#[test]
fn what_vanishes_meanwhile_is_an_item_with_its_trouble() {
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..PAGE_ITEMS_MAX + 10 {
        std::fs::write(scratch.path().join(format!("{number:04}")), "").unwrap();
    }
    let walk = folder(scratch.path()).walk(false);
    walk.next().unwrap();
    std::fs::remove_file(scratch.path().join("0260")).unwrap();
    let rest = by_path(items(&walk));
    assert_eq!(
        rest["0260"].trouble.as_ref().unwrap().code.as_str(),
        "not-found"
    );
    assert!(rest["0261"].trouble.is_none());
}

#[test]
fn paths_that_lead_out_are_not_looked_at() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir(scratch.path().join("granted")).unwrap();
    std::fs::write(scratch.path().join("secret"), "").unwrap();
    symlink("..", scratch.path().join("granted/up")).unwrap();
    let granted = folder(&scratch.path().join("granted"));
    let paths: [&[u8]; 7] = [b"..", b"../secret", b"/etc", b"a//b", b"a/", b"./a", b"a\0"];
    for path in paths {
        assert_eq!(
            granted.look(path).unwrap_err().code.as_str(),
            "bad-path",
            "{path:?}"
        );
    }
    assert_eq!(
        granted.look(b"up/secret").unwrap_err().code.as_str(),
        "symbolic-link"
    );
    assert_eq!(granted.look(b"up").unwrap().kind, ItemKind::SymbolicLink);
}

/// A folder is exchanged for a link to the outside, over and over, while it is walked.
#[test]
fn links_put_in_place_of_a_folder_lead_nowhere() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    for name in ["granted/a/inside", "outside/secret"] {
        std::fs::create_dir_all(path(name)).unwrap();
    }
    symlink("../outside", path("granted/b")).unwrap();
    let outside = std::fs::metadata(path("outside/secret")).unwrap();
    let outside = (outside.dev(), outside.ino());
    let stop = AtomicBool::new(false);
    let swap = || {
        let (a, b) = (path("granted/a"), path("granted/b"));
        while !stop.load(Ordering::Relaxed) {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(CWD, &a, CWD, &b, flags).unwrap();
        }
    };
    let granted = folder(&path("granted"));
    let (mut seen_inside, mut seen_trouble) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(swap);
        for _ in 0..50_000 {
            for item in items(&granted.walk(false)) {
                assert_ne!(item.identity, outside, "{item:?}");
                assert!(!item.path.ends_with(b"secret"), "{item:?}");
                seen_inside += usize::from(item.path.ends_with(b"inside"));
                seen_trouble += usize::from(item.trouble.is_some());
            }
            if seen_inside > 100 && seen_trouble > 10 {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    // The race took place.
    assert!(
        seen_inside > 0 && seen_trouble > 0,
        "{seen_inside} {seen_trouble}"
    );
}
