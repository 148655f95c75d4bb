use super::*;

fn wit_stat(object: &str, size: u64, checksum: Option<step::Checksum>) -> step::ObjectStat {
    step::ObjectStat {
        object: object.to_owned(),
        size,
        checksum,
        retained_until: None,
    }
}

fn wit_layout() -> step::StoreLayout {
    step::StoreLayout {
        part_min: 1,
        part_max: 2,
        parts_max: 3,
        parallel_max: 1000,
        equal_parts: false,
        object_max: OBJECT_BYTES_MIN,
        part_checksum: None,
        sessions: step::SessionKeeping::Listed,
        retain: false,
    }
}

fn wit_checksum(algorithm: DigestAlgorithm, bytes: usize) -> step::Checksum {
    step::Checksum {
        algorithm,
        value: vec![7; bytes],
    }
}

fn bounds(bytes_max: usize) -> Bounds<'static> {
    Bounds {
        plugin: "store-x",
        bytes_max,
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    result.unwrap_err().code.into()
}

#[test]
fn sessions_and_receipts_stay_small() {
    assert!(session(vec![1; OPAQUE_BYTES_MAX]).is_ok());
    assert_eq!(code(session(vec![1; OPAQUE_BYTES_MAX + 1])), "bad-answer");
    let none = step::Acknowledgement {
        receipt: Vec::new(),
        checksum: None,
    };
    assert_eq!(code(acknowledgement(none, None)), "bad-answer");
}

#[test]
fn a_completion_must_be_of_what_was_sent() {
    let of = |size, checksum| stat_of_size(wit_stat("a/b", size, checksum), 3);
    let sha256 = |bytes| Some(wit_checksum(DigestAlgorithm::Sha256, bytes));
    let told = of(3, sha256(32)).unwrap().checksum.unwrap();
    same(&told, &Checksum::sha256([7; 32])).unwrap();
    assert_eq!(code(same(&told, &Checksum::sha256([8; 32]))), "bad-answer");
    assert!(of(3, None).is_ok());
    assert_eq!(code(of(2, None)), "bad-answer");
    assert_eq!(code(of(3, sha256(31))), "bad-answer");
    let unknown = wit_checksum(DigestAlgorithm::Other, 32);
    assert_eq!(code(of(3, Some(unknown))), "bad-answer");
}

#[test]
fn a_part_is_taken_under_the_checksum_of_the_layout() {
    let taken = |checksum, asked| {
        let acknowledged = step::Acknowledgement {
            receipt: vec![1],
            checksum,
        };
        acknowledgement(acknowledged, asked).map(|(_, told)| told.is_some())
    };
    let md5 = || Some(wit_checksum(DigestAlgorithm::Md5, 16));
    assert!(taken(md5(), Some(ChecksumAlgorithm::Md5)).unwrap());
    assert!(!taken(None, Some(ChecksumAlgorithm::Md5)).unwrap());
    for (asked, promised) in [
        (Some(ChecksumAlgorithm::Crc64Nvme), "crc64-nvme"),
        (None, "none"),
    ] {
        let fault = taken(md5(), asked).unwrap_err();
        let expected = format!(
            "the plugin returned the md5 of a part where its layout promises {promised}: it does not keep the contract, so ask its author"
        );
        assert_eq!(fault.message, expected);
    }
}

#[test]
fn what_is_left_expires_within_a_year_or_is_not_believed() {
    let of = |sessions| {
        layout(step::StoreLayout {
            sessions,
            ..wit_layout()
        })
    };
    assert!(of(step::SessionKeeping::Listed).unwrap().lists_sessions());
    for seconds in [1, 604_800, SESSION_SECONDS_MAX] {
        let found = of(step::SessionKeeping::Expire(seconds)).unwrap();
        assert_eq!(found.sessions, Sessions::Expire { seconds });
    }
    for seconds in [0, SESSION_SECONDS_MAX + 1, u64::MAX] {
        assert_eq!(
            code(of(step::SessionKeeping::Expire(seconds))),
            "bad-answer"
        );
    }
}

#[test]
fn object_keys_are_plain() {
    for good in ["a", "a/b/c.zst.age", ".x"] {
        assert!(object(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        "a\nb",
        &"x".repeat(1025),
    ] {
        assert_eq!(code(object(bad)), "bad-answer", "{bad}");
    }
}

#[test]
fn a_listing_stays_below_its_prefix_and_moves_on() {
    let page = |object: &str, next: Option<&str>| step::ObjectPage {
        objects: vec![wit_stat(object, 1, None)],
        passed_over: Vec::new(),
        next: next.map(str::to_owned),
    };
    let bounds = bounds(1_000_000);
    assert!(object_page(page("c/x", Some("2")), "c/", Some("1"), bounds).is_ok());
    assert_eq!(
        code(object_page(page("d/x", None), "c/", None, bounds)),
        "bad-answer"
    );
    assert_eq!(
        code(object_page(page("c/x", Some("1")), "c/", Some("1"), bounds)),
        "bad-answer"
    );
    let long = "n".repeat(CURSOR_BYTES_MAX + 1);
    assert_eq!(
        code(object_page(page("c/x", Some(&long)), "c/", None, bounds)),
        "result-limit"
    );
    let full = step::ObjectPage {
        objects: vec![wit_stat("c/x", 1, None); PAGE_ENTRIES_MAX + 1],
        passed_over: Vec::new(),
        next: None,
    };
    assert_eq!(code(object_page(full, "c/", None, bounds)), "result-limit");
}

#[test]
fn what_a_listing_passed_over_is_made_plain_and_bounded() {
    let passed = |object: &str| step::PassedOver {
        object: object.to_owned(),
        hides: true,
        why: "\u{1b}[31mno\npermission".to_owned(),
    };
    let page = |passed_over| step::ObjectPage {
        objects: Vec::new(),
        passed_over,
        next: None,
    };
    // What stands in the way of a prefix need not begin with it.
    let told = object_page(page(vec![passed("c\n")]), "c/x/", None, bounds(1000)).unwrap();
    assert_eq!(
        told.passed_over,
        [PassedOver {
            object: "c ".to_owned(),
            hides: true,
            why: "no permission".to_owned(),
        }]
    );
    let many = page(vec![passed("c"); PAGE_ENTRIES_MAX + 1]);
    assert_eq!(
        code(object_page(many, "", None, bounds(1_000_000))),
        "result-limit"
    );
    let long = page(vec![passed(&"x".repeat(2000))]);
    assert_eq!(
        code(object_page(long, "", None, bounds(1000))),
        "result-limit"
    );
}

#[test]
fn a_layout_must_fit_a_part_and_a_manifest() {
    let good = wit_layout();
    assert_eq!(layout(good).unwrap().parallel_max, PARALLEL_MAX);
    let changed: [fn(&mut step::StoreLayout); 5] = [
        |layout| layout.part_min = 3,
        |layout| (layout.part_min, layout.part_max) = (0, 0),
        |layout| layout.parts_max = 0,
        |layout| layout.parallel_max = 0,
        |layout| layout.object_max = OBJECT_BYTES_MIN - 1,
    ];
    for change in changed {
        let mut bad = good;
        change(&mut bad);
        assert_eq!(code(layout(bad)), "bad-answer", "{bad:?}");
    }
    let unknown = step::StoreLayout {
        part_checksum: Some(DigestAlgorithm::Other),
        ..good
    };
    assert_eq!(code(layout(unknown)), "bad-answer");
}

#[test]
fn findings_are_counted_and_weighed() {
    let finding = |message: String| wit::Finding {
        level: wit::Level::Note,
        code: "x".to_owned(),
        message,
    };
    assert!(findings(vec![finding("a".repeat(99))], bounds(100)).is_ok());
    let long = findings(vec![finding("a".repeat(100))], bounds(100)).unwrap_err();
    assert_eq!(long.code.as_str(), "result-limit");
    assert_eq!(
        long.message,
        "plugin store-x returned 101 bytes, the limit is 100 bytes: raise `limits: {resultKibibytes: ...}` of its PluginGrant, or of the node's configuration, if it is to have more"
    );
    let many = vec![finding(String::new()); FINDINGS_MAX + 1];
    assert_eq!(code(findings(many, bounds(1_000_000))), "result-limit");
}

#[test]
fn a_stat_is_of_the_object_that_was_asked_for() {
    assert!(stat_of("a", wit_stat("a", 1, None)).is_ok());
    assert_eq!(code(stat_of("a", wit_stat("b", 1, None))), "bad-answer");
}

#[test]
fn every_count_passes_at_its_limit_and_not_past_it() {
    let bounds = bounds(1_000_000);
    let finding = wit::Finding {
        level: wit::Level::Note,
        code: "x".to_owned(),
        message: String::new(),
    };
    let found = |count| findings(vec![finding.clone(); count], bounds);
    assert_eq!(found(FINDINGS_MAX).unwrap().len(), FINDINGS_MAX);
    assert_eq!(code(found(FINDINGS_MAX + 1)), "result-limit");
    let objects = |count| {
        let objects = (0..count).map(|n| wit_stat(&format!("c/{n:05}"), 1, None));
        let page = step::ObjectPage {
            objects: objects.collect(),
            passed_over: Vec::new(),
            next: None,
        };
        object_page(page, "c/", None, bounds)
    };
    assert_eq!(
        objects(PAGE_ENTRIES_MAX).unwrap().objects.len(),
        PAGE_ENTRIES_MAX
    );
    assert_eq!(code(objects(PAGE_ENTRIES_MAX + 1)), "result-limit");
    let sessions = |count| {
        let session = |n| step::SessionInfo {
            object: format!("c/{n:05}"),
            session: vec![1],
        };
        let page = step::SessionPage {
            sessions: (0..count).map(session).collect(),
            next: None,
        };
        session_page(page, "c/", None, bounds)
    };
    assert_eq!(
        sessions(PAGE_ENTRIES_MAX).unwrap().sessions.len(),
        PAGE_ENTRIES_MAX
    );
    assert_eq!(code(sessions(PAGE_ENTRIES_MAX + 1)), "result-limit");
}
