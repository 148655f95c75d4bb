//! Drills of good recovery points.

use super::kit::{Node, check};

#[test]
fn a_good_recovery_point_passes_and_is_marked() {
    let node = Node::new();
    let report = node.report(0);
    assert_eq!(report["verdict"], "pass", "{report:#}");
    assert_eq!(report["recoveryPoint"], node.point.as_str());
    for member in ["member-1", "member-2", "member-3"] {
        let hash = check(&report, &format!("HashKV of {member}"));
        assert_eq!(hash["verdict"], "pass");
        assert_eq!(
            hash["expected"],
            check(&report, "HashKV of the snapshot")["expected"]
        );
    }
    assert_eq!(check(&report, "members with a leader")["found"], "3");
    let keys = &check(&report, "keys in etcd")["found"];
    assert_eq!(keys, &check(&report, "keys of the snapshot")["expected"]);
    assert_eq!(check(&report, "pods in etcd")["verdict"], "pass");
    let phases: Vec<&str> = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|timed| timed["phase"].as_str().unwrap())
        .collect();
    assert_eq!(
        phases,
        ["prepare", "fetch", "check", "restore", "boot", "compare"]
    );
    let recovery: u64 = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|timed| timed["phase"] != "prepare" && timed["phase"] != "compare")
        .map(|timed| timed["milliseconds"].as_u64().unwrap())
        .sum();
    assert_eq!(report["recoveryMilliseconds"], recovery);

    assert_eq!(node.marks().len(), 1);
    let mark = node.listed_mark();
    assert_eq!(mark["mark"], "drilled");
    assert_eq!(mark["at"], report["started"]);
    assert_eq!(mark["recoveryMilliseconds"], recovery);
    let listed = node.listed();
    assert_eq!(
        (&listed["state"], &listed["verified"]),
        (&"Verified".into(), &report["started"])
    );
    let listed = node.world.drydock(&["recovery-point", "list"]).ok().stdout;
    let at = report["started"].as_str().unwrap();
    assert!(listed.contains(&format!("drilled {at}")), "{listed}");
    let shown = node
        .world
        .drydock(&["recovery-point", "show", &node.point])
        .ok()
        .stdout;
    assert!(shown.contains(&format!("drilled {at}")), "{shown}");
    // The recovery point is as good as before.
    let identity = node.world.path("sealing.key");
    node.world
        .drydock(&[
            "recovery-point",
            "verify",
            &node.point,
            "--identity",
            &identity,
        ])
        .ok();
}
