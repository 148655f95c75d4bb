use super::*;

fn wit_stat(object: &str, size: u64, sha256: Option<Vec<u8>>) -> step::ObjectStat {
    step::ObjectStat {
        object: object.to_owned(),
        size,
        sha256,
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
    assert_eq!(code(receipt(vec![])), "bad-answer");
}

#[test]
fn a_completion_must_be_of_what_was_sent() {
    let of = |size, sha256| step::Completion {
        stat: wit_stat("a/b", size, sha256),
        verified: true,
    };
    let sent = [7; 32];
    assert!(completion(of(3, Some(sent.to_vec())), 3, &sent).is_ok());
    assert!(completion(of(3, None), 3, &sent).is_ok());
    assert_eq!(code(completion(of(2, None), 3, &sent)), "bad-answer");
    assert_eq!(
        code(completion(of(3, Some(vec![8; 32])), 3, &sent)),
        "bad-answer"
    );
    assert_eq!(
        code(completion(of(3, Some(vec![7; 31])), 3, &sent)),
        "bad-answer"
    );
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
fn a_layout_must_fit_a_part() {
    let good = step::PartLayout {
        part_min: 1,
        part_max: 2,
        parts_max: 3,
        parallel_max: 1000,
        equal_parts: false,
    };
    assert_eq!(layout(good).unwrap().parallel_max, PARALLEL_MAX);
    for bad in [
        step::PartLayout {
            part_min: 3,
            ..good
        },
        step::PartLayout {
            part_min: 0,
            part_max: 0,
            ..good
        },
        step::PartLayout {
            parts_max: 0,
            ..good
        },
        step::PartLayout {
            parallel_max: 0,
            ..good
        },
    ] {
        assert_eq!(code(layout(bad)), "bad-answer");
    }
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
