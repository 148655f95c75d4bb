use std::path::PathBuf;

use super::*;

/// A crate that uses all that its row allows, and these besides.
fn package(name: &str, uses: &[(&str, Option<&str>)]) -> Package {
    let rule = RULES.iter().find(|rule| rule.name == name);
    let (may_use, in_tests) = rule.map_or((CORE, CORE), |rule| (rule.may_use, rule.in_tests));
    let may_use = may_use.iter().map(|name| (*name, None));
    let in_tests = in_tests.iter().map(|name| (*name, Some("dev")));
    let uses = may_use.chain(in_tests).chain(uses.iter().copied());
    let dependencies = uses.map(|(name, kind)| Dependency {
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        path: None,
    });
    Package {
        name: name.to_owned(),
        manifest_path: PathBuf::new(),
        dependencies: dependencies.collect(),
        targets: Vec::new(),
    }
}

/// The sentences about one crate that uses another, both of the workspace.
fn use_of(user: &str, used: &str, kind: Option<&str>) -> Vec<String> {
    host_violations(&[package(user, &[(used, kind)]), package(used, &[])])
}

#[test]
fn the_way_down_is_open() {
    let ways = [
        ("drydock-point", "drydock-core"),
        ("drydock-engine", "drydock-core"),
        ("drydock-engine", "drydock-journal"),
        ("drydock-capability-etcd", "drydock-core"),
        ("drydock-sandbox", "drydock-capability-files"),
        ("drydock-capability-files", "drydock-capability-artifact"),
        ("drydock-archive", "drydock-capability-files"),
        ("drydock", "drydock-cli"),
    ];
    for (user, used) in ways {
        assert_eq!(use_of(user, used, None), [""; 0], "{user} -> {used}");
    }
}

#[test]
fn the_way_up_and_sideways_is_closed() {
    let ways = [
        ("drydock-core", "drydock-engine"),
        ("drydock-journal", "drydock-engine"),
        ("drydock-point", "drydock-journal"),
        ("drydock-point", "drydock-engine"),
        ("drydock-repository", "drydock-snapshot"),
        ("drydock-capability-etcd", "drydock-capability-artifact"),
        ("drydock-capability-artifact", "drydock-capability-files"),
        ("drydock-sandbox", "drydock"),
        ("drydock", "xtask"),
        ("drydock-testkit", "drydock-sandbox"),
    ];
    for (user, used) in ways {
        let expected = format!("{user} must not depend on {used}");
        for kind in [None, Some("dev"), Some("build")] {
            assert_eq!(use_of(user, used, kind), std::slice::from_ref(&expected));
        }
    }
}

#[test]
fn the_testkit_and_the_fakes_are_for_tests_only() {
    for used in [TESTKIT, FAKES] {
        assert_eq!(use_of("drydock-snapshot", used, Some("dev")), [""; 0]);
        assert_eq!(
            use_of("drydock-snapshot", used, None),
            [format!("drydock-snapshot must not depend on {used}")]
        );
    }
    assert_eq!(use_of("drydock-bench", TESTKIT, None), [""; 0]);
}

#[test]
fn what_only_tests_use_is_for_tests_only() {
    assert_eq!(use_of("drydock", "drydock-sandbox", Some("dev")), [""; 0]);
    assert_eq!(
        use_of("drydock", "drydock-sandbox", None),
        ["drydock must not depend on drydock-sandbox outside of its tests"]
    );
}

#[test]
fn a_row_allows_nothing_in_vain() {
    let mut drydock = package("drydock", &[]);
    let is_left = |used: &Dependency| !["drydock-init", "drydock-journal"].contains(&&*used.name);
    drydock.dependencies.retain(is_left);
    assert_eq!(
        host_violations(&[drydock]),
        [
            "drydock may use drydock-init and does not: take that out of its row",
            "drydock may use drydock-journal and does not: take that out of its row",
        ]
    );
}

#[test]
fn reserved_crates_stay_with_their_owner() {
    let owned = [
        package("drydock-capability-etcd", &[("etcd-client", None)]),
        package("drydock-sandbox", &[("wasmtime-wasi", None)]),
        package("drydock-journal", &[("rusqlite", None)]),
    ];
    assert_eq!(host_violations(&owned), [""; 0]);
    for kind in [None, Some("build")] {
        let strayed = [package("drydock-engine", &[("wasmtime-wasi", kind)])];
        assert_eq!(
            host_violations(&strayed),
            ["drydock-engine must not depend on wasmtime-wasi: only drydock-sandbox may"]
        );
    }
    let tests = [package("drydock-engine", &[("rusqlite", Some("dev"))])];
    assert_eq!(host_violations(&tests), [""; 0]);
    let near = [package("drydock-engine", &[("kubert", None)])];
    assert_eq!(host_violations(&near), [""; 0]);
}

#[test]
fn a_crate_without_a_rule_is_refused() {
    let unknown = [package("drydock-novelty", &[])];
    assert!(host_violations(&unknown)[0].starts_with("drydock-novelty has no rule"));
}

#[test]
fn plugins_stay_clear_of_the_host() {
    let mut guest = package("etcd-backup", &[("drydock-core", None)]);
    guest.dependencies[0].path = Some("/w/host/core".to_owned());
    let broken = plugin_violations(&[guest], Path::new("/w/host"));
    assert_eq!(broken.len(), 1);
    let mut fine = package("etcd-backup", &[("drydock-sdk", None)]);
    fine.dependencies[0].path = Some("/w/plugins/sdk".to_owned());
    assert_eq!(plugin_violations(&[fine], Path::new("/w/host")), [""; 0]);
}
