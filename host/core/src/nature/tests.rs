use serde_json::{Value, from_value, json, to_value};

use super::*;

fn figures() -> Value {
    json!({
        "revision": 2, "hash": 3, "hashKv": null, "totalKeys": 4, "totalSize": 5,
        "version": "3.6.0", "member": "a1", "raftIndex": null, "raftTerm": null,
        "witnesses": [], "keysPerResource": null, "added": "later",
    })
}

fn damage() -> Value {
    json!({"trailer": "mismatch", "problemsTotal": 1, "problems": ["why"], "notEtcd": null})
}

#[test]
fn what_tells_of_damage_is_never_read_as_sound() {
    let sound = from_value::<EtcdSection>(figures()).unwrap();
    assert_eq!(sound.figures().unwrap().total_keys, 4);
    let mut mixed = figures();
    mixed["damage"] = damage();
    let damaged = from_value::<EtcdSection>(mixed).unwrap();
    assert_eq!(damaged.figures(), None);
    assert_eq!(damaged.damage().unwrap().trailer, Trailer::Mismatch);
    let kept = json!({"member": "a1", "damage": damage()});
    assert_eq!(to_value(&damaged).unwrap(), kept);
    for worthless in [Value::Null, json!("much"), json!({})] {
        let mut mixed = figures();
        mixed["damage"] = worthless;
        from_value::<EtcdSection>(mixed).unwrap_err();
    }
}

#[test]
fn a_section_that_cannot_be_read_says_what_is_wrong() {
    let told = |value: Value| from_value::<EtcdSection>(value).unwrap_err().to_string();
    let mut unknown = json!({"damage": damage()});
    unknown["damage"]["trailer"] = json!("torn");
    assert_eq!(
        told(unknown),
        "unknown variant `torn`, expected one of `match`, `mismatch`, `missing`"
    );
    let mut short = figures();
    short.as_object_mut().unwrap().remove("totalKeys");
    assert_eq!(told(short), "missing field `totalKeys`");
}

#[test]
fn no_member_is_none_however_it_was_written() {
    for none in [Value::Null, json!("")] {
        let mut value = figures();
        value["member"] = none.clone();
        let section = from_value::<EtcdSection>(value).unwrap();
        assert_eq!(section.figures().unwrap().member, None);
        let damaged = json!({"member": none, "damage": damage()});
        let EtcdSection::Damaged(damaged) = from_value(damaged).unwrap() else {
            panic!("it tells of damage");
        };
        assert_eq!(damaged.member, None);
    }
    let bare = json!({"damage": damage()});
    assert!(from_value::<EtcdSection>(bare).is_ok());
}

#[test]
fn damage_is_one_sentence() {
    let mut told: SnapshotDamage = from_value(damage()).unwrap();
    assert_eq!(told.to_string(), "the snapshot is damaged: why");
    told.problems_total = 20;
    assert_eq!(
        told.to_string(),
        "the snapshot is damaged, 20 problems, the first of them: why"
    );
    told.not_etcd = Some("another's".to_owned());
    assert_eq!(told.to_string(), "another's");
}
