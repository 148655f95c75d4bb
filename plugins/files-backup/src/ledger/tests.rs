use drydock_plugin_sdk::Level;
use drydock_plugin_sdk::config::parse;

use super::*;
use crate::config::Config;

fn order(json: &str) -> Order {
    let config: Config = parse("the step's config", json).unwrap();
    config.check().unwrap()
}

pub fn item(path: &str, kind: ItemKind) -> Item {
    Item {
        path: path.as_bytes().to_vec(),
        kind,
        size: u64::from(kind == ItemKind::File) * 5,
        mode: 0o600,
        user_id: 0,
        group_id: 0,
        modified_seconds: 1,
        modified_nanoseconds: 0,
        identity: (1, u64::try_from(path.len()).unwrap()),
        names: 1,
        link: Vec::new(),
        attributes: Vec::new(),
        version: Vec::new(),
        trouble: None,
    }
}

/// Sees and archives, as a run does.
fn take(ledger: &mut Ledger<'_>, item: &Item) -> Step {
    let step = ledger.see("/etc/k", item);
    if step == Step::Archive {
        let path = whole("/etc/k", &item.path);
        ledger.archived("/etc/k", &path[1..], item);
    }
    step
}

fn top() -> Item {
    item("", ItemKind::Folder)
}

#[test]
fn what_is_excluded_takes_what_lies_in_it_along() {
    let order = order(r#"{"folders":["/etc/k"],"exclude":["tmp","*.bak","/etc/k/a/b"]}"#);
    let mut ledger = Ledger::new(&order);
    let table = [
        (top(), Step::Archive),
        (item("a", ItemKind::Folder), Step::Archive),
        (item("a/b", ItemKind::File), Step::Leave),
        (item("a/ca.bak", ItemKind::File), Step::Leave),
        (item("a/tmp", ItemKind::Folder), Step::LeaveFolder),
        (item("a/tmp/x", ItemKind::File), Step::Leave),
        (item("a/tmpx", ItemKind::File), Step::Archive),
    ];
    for (item, wanted) in table {
        assert_eq!(
            take(&mut ledger, &item),
            wanted,
            "{:?}",
            String::from_utf8_lossy(&item.path)
        );
    }
    assert_eq!(ledger.close(), Ok(Vec::new()));
}

#[test]
fn what_vanished_is_a_note_and_what_cannot_be_read_a_failure() {
    let order = order(r#"{"folders":["/etc/k"]}"#);
    let mut ledger = Ledger::new(&order);
    take(&mut ledger, &top());
    take(&mut ledger, &item("a", ItemKind::File));
    let mut gone = item("gone", ItemKind::Other);
    gone.trouble = Some(Error::permanent("not-found", "it does not exist"));
    assert_eq!(take(&mut ledger, &gone), Step::Leave);
    let findings = ledger.close().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].level, Level::Note);
    assert_eq!(
        findings[0].message,
        "/etc/k/gone: vanished while the folder was read"
    );

    let mut key = item("ca.key", ItemKind::File);
    key.trouble = Some(Error::transient(
        "io",
        "cannot read the attributes of /etc/k/ca.key: the disk failed",
    ));
    take(&mut ledger, &key);
    let error = ledger.close().unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.class),
        ("unreadable", ErrorClass::Transient)
    );
    assert!(
        error.message.starts_with(
            "cannot read the attributes of /etc/k/ca.key: the disk failed; list under"
        )
    );
    key.trouble = Some(Error::denied("permission-denied", "not allowed"));
    for _ in 0..5 {
        take(&mut ledger, &key);
    }
    key.trouble = Some(Error::transient("io", "x"));
    take(&mut ledger, &key);
    let error = ledger.close().unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert!(
        error.message.contains("; and 4 more; list"),
        "{}",
        error.message
    );
}

#[test]
fn sockets_and_devices_are_told() {
    let order = order(r#"{"folders":["/etc/k"]}"#);
    let mut ledger = Ledger::new(&order);
    let kinds = [
        ItemKind::Folder,
        ItemKind::File,
        ItemKind::SymbolicLink,
        ItemKind::Fifo,
    ];
    take(&mut ledger, &top());
    for kind in kinds {
        assert_eq!(take(&mut ledger, &item("x", kind)), Step::Archive);
    }
    for kind in [
        ItemKind::Socket,
        ItemKind::CharacterDevice,
        ItemKind::BlockDevice,
        ItemKind::Other,
    ] {
        assert_eq!(take(&mut ledger, &item("y", kind)), Step::Leave);
    }
    let found: Vec<_> = ledger
        .close()
        .unwrap()
        .into_iter()
        .map(|f| (f.code, f.level))
        .collect();
    let wanted = [("socket", Level::Note), ("device", Level::Warning)];
    assert_eq!(found, wanted.map(|(code, level)| (code.to_owned(), level)));
}

#[test]
fn nothing_is_called_good_without_what_is_required() {
    let order =
        order(r#"{"folders":["/etc/k"],"required":["pki/ca.key","*.crt","/etc/k/sa.key"]}"#);
    let close = |names: &[(&str, u64)]| {
        let mut ledger = Ledger::new(&order);
        take(&mut ledger, &top());
        for (name, size) in names {
            let file = Item {
                size: *size,
                ..item(name, ItemKind::File)
            };
            take(&mut ledger, &file);
        }
        ledger.close().map_err(|error| (error.code, error.message))
    };
    let all = [("pki/ca.key", 1), ("pki/x/ca.crt", 1), ("sa.key", 1)];
    assert_eq!(close(&all), Ok(Vec::new()));
    for missing in 0..3 {
        let mut names = all.to_vec();
        let (name, _) = names.remove(missing);
        let (code, message) = close(&names).unwrap_err();
        assert_eq!(code, "required-missing", "{name}");
        assert!(
            message.contains(order.required[missing].text()),
            "{message}"
        );
    }
    let mut near = all;
    near[0].0 = "pki/ca.key.old";
    assert_eq!(close(&near).unwrap_err().0, "required-missing");
    let mut empty = all;
    empty[0].1 = 0;
    assert_eq!(close(&empty).unwrap_err().0, "required-empty");
    // A folder of that name is no key.
    let mut ledger = Ledger::new(&order);
    take(&mut ledger, &item("pki/ca.key", ItemKind::Folder));
    assert!(!ledger.required[0].0);
}

#[test]
fn an_archive_without_files_is_none() {
    let order = order(r#"{"folders":["/etc/k"]}"#);
    let mut ledger = Ledger::new(&order);
    take(&mut ledger, &top());
    assert_eq!(ledger.close().unwrap_err().code, "empty");
}

#[test]
fn a_second_name_is_a_link_to_the_first() {
    let order = order(r#"{"folders":["/etc/k"]}"#);
    let mut ledger = Ledger::new(&order);
    let first = Item {
        names: 2,
        identity: (1, 9),
        ..item("a", ItemKind::File)
    };
    let second = Item {
        path: b"b".to_vec(),
        ..first.clone()
    };
    let other = Item {
        identity: (2, 9),
        ..second.clone()
    };
    assert_eq!(ledger.entry(b"etc/k/a", &first).unwrap().kind, Kind::File);
    ledger.archived("/etc/k", b"etc/k/a", &first);
    assert_eq!(
        ledger.entry(b"etc/k/b", &second).unwrap().kind,
        Kind::HardLink(b"etc/k/a")
    );
    assert_eq!(ledger.entry(b"etc/k/b", &other).unwrap().kind, Kind::File);
}

#[test]
fn other_file_systems_are_left_out_when_asked() {
    let order = order(r#"{"folders":["/etc/k"],"oneFileSystem":true}"#);
    let mut ledger = Ledger::new(&order);
    take(&mut ledger, &top());
    take(&mut ledger, &item("a", ItemKind::File));
    let mount = Item {
        identity: (2, 1),
        ..item("m", ItemKind::Folder)
    };
    assert_eq!(take(&mut ledger, &mount), Step::LeaveFolder);
    assert_eq!(ledger.close().unwrap()[0].code, "other-file-system");
}
