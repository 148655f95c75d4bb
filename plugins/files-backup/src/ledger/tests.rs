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
        ledger.archived(&path[1..], item);
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
}

fn link(path: &str, target: &str) -> Item {
    Item {
        link: target.as_bytes().to_vec(),
        ..item(path, ItemKind::SymbolicLink)
    }
}

fn empty(path: &str) -> Item {
    Item {
        size: 0,
        ..item(path, ItemKind::File)
    }
}

/// How a backup of these items in `/etc/k` ends: its findings, or why it is none.
fn ended(json: &str, items: &[Item]) -> Result<Vec<Finding>, Error> {
    let order = order(json);
    let mut ledger = Ledger::new(&order);
    take(&mut ledger, &top());
    for item in items {
        take(&mut ledger, item);
    }
    ledger.close()
}

const KEY_REQUIRED: &str = r#"{"folders":["/etc/k"],"required":["pki/ca.key"]}"#;

#[test]
fn what_is_required_has_to_be_there_with_its_bytes() {
    let other = || item("other", ItemKind::File);
    let folder = || item("pki", ItemKind::Folder);
    let key = |kind| item("pki/ca.key", kind);
    let table: [(Vec<Item>, &str, &str); 9] = [
        (
            vec![folder(), link("pki/ca.key", "/srv/ca.key")],
            "required-missing",
            "/etc/k/pki/ca.key leads out of the archive, to /srv/ca.key",
        ),
        (
            vec![folder(), link("pki/ca.key", "../../../srv/ca.key")],
            "required-missing",
            "/etc/k/pki/ca.key leads out of the archive, to /srv/ca.key",
        ),
        (
            vec![folder(), link("pki/ca.key", "gone.key")],
            "required-missing",
            "/etc/k/pki/ca.key leads to /etc/k/pki/gone.key, which is not there",
        ),
        (
            vec![folder(), link("pki/ca.key", "ca.key")],
            "required-missing",
            "/etc/k/pki/ca.key is a link that leads round in a circle",
        ),
        (
            vec![folder(), key(ItemKind::Fifo)],
            "required-missing",
            "/etc/k/pki/ca.key is a pipe",
        ),
        (
            vec![folder(), key(ItemKind::Folder)],
            "required-missing",
            "/etc/k/pki/ca.key is a folder",
        ),
        (
            vec![folder(), empty("pki/ca.key")],
            "required-empty",
            "/etc/k/pki/ca.key is empty",
        ),
        (
            vec![folder(), empty("pki/none"), link("pki/ca.key", "none")],
            "required-empty",
            "/etc/k/pki/ca.key is empty",
        ),
        (
            vec![link("pki", "/srv/pki")],
            "required-missing",
            "/etc/k/pki/ca.key leads out of the archive, to /srv/pki/ca.key",
        ),
    ];
    for (mut items, code, why) in table {
        items.push(other());
        let error = ended(KEY_REQUIRED, &items).unwrap_err();
        assert_eq!(error.code, code, "{why}");
        assert_eq!(
            error.message,
            format!(
                "`pki/ca.key` ({why}) of `required` names no file with bytes in the archive: without it this backup would be none, so see what became of the file, or mend the list"
            )
        );
    }
}

#[test]
fn links_inside_meet_what_is_required() {
    let key = item("real/ca.key", ItemKind::File);
    let real = item("real", ItemKind::Folder);
    let folder = item("pki", ItemKind::Folder);
    let met: [Vec<Item>; 4] = [
        vec![folder.clone(), link("pki/ca.key", "../real/ca.key")],
        vec![folder.clone(), link("pki/ca.key", "/etc/k/real/ca.key")],
        vec![
            folder,
            link("pki/ca.key", "b"),
            link("pki/b", "../real/ca.key"),
        ],
        vec![link("pki", "real")],
    ];
    for links in met {
        let items = [links, vec![real.clone(), key.clone()]].concat();
        assert_eq!(ended(KEY_REQUIRED, &items), Ok(Vec::new()));
    }
}

/// One that is met stands, and whoever matches as well without bytes is told of.
#[test]
fn a_pattern_that_is_met_in_part_is_a_warning() {
    let keys = r#"{"folders":["/etc/k"],"required":["*.key"]}"#;
    let items = [item("ca.key", ItemKind::File), empty("sa.key")];
    let findings = ended(keys, &items).unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].level, findings[0].message.as_str()),
        (
            Level::Warning,
            "`*.key` of `required` names 1 file that is in the archive, and also /etc/k/sa.key is empty: see what became of the latter, or mend the list"
        )
    );
}

#[test]
fn links_that_lead_out_are_told_by_where_they_lead() {
    let any = r#"{"folders":["/etc/k"]}"#;
    let key = || item("a.key", ItemKind::File);
    let table = [
        ("/srv/pki", Some(("link-leads-out", Level::Warning))),
        ("../../var/x", Some(("link-leads-out", Level::Warning))),
        ("/usr/local/pki", Some(("link-leads-out", Level::Warning))),
        ("/usrx", Some(("link-leads-out", Level::Warning))),
        (
            "/usr/share/zoneinfo/UTC",
            Some(("link-to-system", Level::Note)),
        ),
        ("/dev/null", Some(("link-to-system", Level::Note))),
        ("gone", Some(("link-leads-nowhere", Level::Note))),
        ("l", Some(("link-leads-nowhere", Level::Note))),
        ("/etc/k/a.key", None),
        ("a.key", None),
        (".", None),
    ];
    for (target, expected) in table {
        let findings = ended(any, &[key(), link("l", target)]).unwrap();
        let found = findings.first().map(|f| (f.code.as_str(), f.level));
        assert_eq!(found, expected, "{target}");
        let told = format!("/etc/k/l -> {target}: archived as a link");
        assert!(
            findings.iter().all(|f| f.message.starts_with(&told)),
            "{findings:?}"
        );
    }
    let excluded = r#"{"folders":["/etc/k"],"exclude":["l"]}"#;
    assert_eq!(
        ended(excluded, &[key(), link("l", "/srv/pki")]),
        Ok(Vec::new())
    );
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
    ledger.archived(b"etc/k/a", &first);
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

/// A key that was empty under its first name and has bytes under its second one: what is
/// counted as its bytes is what is in the archive.
#[test]
fn a_file_that_was_written_to_is_no_other_name_of_what_it_was() {
    let order = order(r#"{"folders":["/etc/k"],"required":["b"]}"#);
    let mut ledger = Ledger::new(&order);
    take(&mut ledger, &top());
    let state = |path: &str, size: u64, version: u8| Item {
        size,
        names: 3,
        identity: (1, 99),
        version: vec![version],
        ..item(path, ItemKind::File)
    };
    let first = state("a", 0, 1);
    assert_eq!(ledger.entry(b"etc/k/a", &first).unwrap().kind, Kind::File);
    take(&mut ledger, &first);
    let later = state("b", 5, 2);
    let entry = ledger.entry(b"etc/k/b", &later).unwrap();
    assert_eq!((entry.kind, entry.size()), (Kind::File, 5));
    take(&mut ledger, &later);
    let last = state("c", 5, 2);
    let entry = ledger.entry(b"etc/k/c", &last).unwrap();
    assert_eq!(entry.kind, Kind::HardLink(b"etc/k/b"));
    assert_eq!(ledger.close(), Ok(Vec::new()));
}
