//! The text of a manifest: what it promises, and what is refused.

use drydock_core::RecoveryPointName;
use drydock_repository::Sha256;
use drydock_repository::manifest::{
    ConsistencyLevel, Manifest, ManifestError, MediaType, Predecessor,
};
use drydock_repository::seal::Sealing;

use crate::sample;

fn full() -> Manifest {
    let mut manifest = sample::manifest("nightly.20260102T030400Z");
    let plain = sample::measure(&[0; 20_512]);
    let sealed = sample::measure(&[1; 4_711]);
    manifest.artifacts = vec![sample::artifact("etcd.db", Sealing::Age, plain, sealed)];
    manifest.predecessor = Some(Predecessor {
        recovery_point: RecoveryPointName::new("nightly.20260101T030400Z"),
        manifest_sha256: Sha256::of(b"before"),
    });
    manifest
}

fn with(change: impl FnOnce(&mut serde_json::Value)) -> Result<Manifest, ManifestError> {
    let mut value = serde_json::to_value(full()).unwrap();
    change(&mut value);
    Manifest::parse(value.to_string().as_bytes())
}

/// The text is a promise: `docs/format.md` shows these very lines.
#[test]
fn the_text_is_the_one_that_the_format_page_shows() {
    let text = full().to_text().unwrap();
    let page = include_str!("../../../../docs/format.md");
    let shown = page
        .split("```json\n")
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.contains("\"artifacts\""));
    assert_eq!(
        shown,
        Some(text.as_str()),
        "write this into docs/format.md:\n{text}"
    );
}

#[test]
fn what_was_written_is_read_back() {
    let manifest = full();
    let text = manifest.to_text().unwrap();
    assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
    let mut bare = sample::manifest("m");
    bare.etcd = None;
    bare.lineage.cluster_id = None;
    let text = bare.to_text().unwrap();
    assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), bare);
}

/// It is a snapshot, and no figure of it stands in for what nobody knows.
#[test]
fn a_damaged_snapshot_has_its_damage_in_place_of_figures() {
    let mut damaged = sample::manifest("m");
    damaged.etcd = Some(sample::damaged());
    let text = damaged.to_text().unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "member": null,
        "damage": {
            "trailer": "mismatch",
            "problemsTotal": 1,
            "problems": ["a problem"],
            "notEtcd": null,
        },
    });
    assert_eq!(value["etcd"], expected);
    let read = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!((read.figures(), &read), (None, &damaged));
}

/// Figures beside damage are nobody's, and an empty id is no member's.
#[test]
fn what_a_manifest_says_in_two_ways_is_read_in_the_safe_one() {
    let mixed = with(|value| {
        value["etcd"]["damage"] = serde_json::to_value(sample::damaged()).unwrap()["damage"].take();
    });
    assert_eq!(mixed.unwrap().figures(), None);
    let torn = with(|value| value["etcd"]["damage"] = serde_json::json!({"trailer": "torn"}));
    assert!(matches!(torn, Err(ManifestError::Syntax(_))), "{torn:?}");
    let nobody = with(|value| value["etcd"]["member"] = "".into()).unwrap();
    assert_eq!(nobody.figures().unwrap().member, None);
}

#[test]
fn a_newer_format_is_refused_and_unknown_fields_are_passed_over() {
    let newer = with(|value| value["formatVersion"] = 2.into());
    assert_eq!(
        newer.unwrap_err().to_string(),
        "the manifest has formatVersion 2 and this version of Drydock reads up to 1: use a newer Drydock"
    );
    let bytes = b"{\"formatVersion\": 7, \"all\": \"else\"}";
    assert!(matches!(
        Manifest::parse(bytes),
        Err(ManifestError::Newer { found: 7 })
    ));
    assert!(matches!(
        Manifest::parse(b"{\"formatVersion\": 0}"),
        Err(ManifestError::Zero)
    ));
    let wider = with(|value| {
        value["added"] = "later".into();
        value["etcd"]["added"] = 1.into();
        value["consistency"]["level"] = "crash-group".into();
        value["artifacts"][0]["mediaType"] = "application/later".into();
    });
    let wider = wider.unwrap();
    assert_eq!(wider.consistency.level, ConsistencyLevel::Other);
    let later = MediaType::Other("application/later".to_owned());
    assert_eq!(wider.artifacts[0].media_type, later);
    assert_eq!(later.as_str(), "application/later");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let changes: [fn(&mut serde_json::Value); 5] = [
        |value| value["cluster"] = "..".into(),
        |value| value["recoveryPoint"] = "a/b".into(),
        |value| value["artifacts"][0]["name"] = "../etcd.db".into(),
        |value| value["artifacts"][0]["object"] = "../etcd.db.0000000000000000.zst.age".into(),
        |value| value["artifacts"][0]["object"] = "manifest.json".into(),
    ];
    for change in changes {
        let answer = with(change);
        assert!(
            matches!(
                answer,
                Err(ManifestError::Name(_) | ManifestError::Object { .. })
            ),
            "{answer:?}"
        );
    }
    let twice = with(|value| {
        let first = value["artifacts"][0].clone();
        value["artifacts"].as_array_mut().unwrap().push(first);
    });
    assert!(matches!(twice, Err(ManifestError::Twice { .. })));
}

#[test]
fn a_manifest_without_end_is_refused() {
    let mut manifest = full();
    let finding = manifest.verification[0].findings[0].clone();
    manifest.verification[0].findings = vec![finding; 20_000];
    assert!(matches!(manifest.to_text(), Err(ManifestError::TooLarge)));
    let bytes = vec![b' '; 2 * 1024 * 1024];
    assert!(matches!(
        Manifest::parse(&bytes),
        Err(ManifestError::TooLarge)
    ));
}
