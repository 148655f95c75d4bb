use std::collections::BTreeMap;

use prost::Message as _;

use super::*;

const SMALL: LoadOptions = LoadOptions {
    objects: 700,
    seed: 7,
};

/// The keys that are there after the plan, by carrying it out in memory.
fn outcome(plan: &Plan) -> BTreeMap<String, Vec<u8>> {
    let mut keys = BTreeMap::new();
    for write in plan.transactions.iter().flatten() {
        match write.clone() {
            Write::Put { key, value, .. } => keys.insert(key, value),
            Write::Delete { key } => keys.remove(&key),
        };
    }
    keys
}

#[test]
fn a_seed_gives_the_same_plan_and_another_seed_another() {
    assert_eq!(plan(SMALL), plan(SMALL));
    assert_ne!(plan(SMALL), plan(LoadOptions { seed: 8, ..SMALL }));
}

#[test]
fn exactly_the_wanted_keys_are_left() {
    for objects in [1, 5, 11, 100, 700] {
        let plan = plan(LoadOptions { objects, seed: 3 });
        assert_eq!(outcome(&plan).len(), objects);
        assert_eq!(plan.live_keys, objects);
    }
}

#[test]
fn there_are_updates_deletions_and_leases() {
    let plan = plan(SMALL);
    assert!(plan.updated > 100 && plan.deleted > 50, "{plan:?}");
    let leased = plan.transactions.iter().flatten().filter(
        |write| matches!(write, Write::Put { lease: Some(lease), .. } if plan.leases.contains(lease)),
    );
    assert!(leased.count() > 50);
}

#[test]
fn no_transaction_names_a_key_twice_or_is_too_long_for_etcd() {
    for writes in plan(SMALL).transactions {
        let keys: BTreeSet<String> = writes
            .iter()
            .map(|write| match write {
                Write::Put { key, .. } | Write::Delete { key } => key.clone(),
            })
            .collect();
        assert_eq!(keys.len(), writes.len());
        assert!(writes.len() <= OPERATIONS_MAX);
    }
}

#[test]
fn built_in_objects_can_be_decoded_after_updates_too() {
    let mut pods = 0;
    for (key, value) in outcome(&plan(SMALL)) {
        let Some(body) = value.strip_prefix(wire::MAGIC) else {
            let object: serde_json::Value = serde_json::from_slice(&value).unwrap();
            assert_eq!(object["kind"], "Widget", "{key}");
            continue;
        };
        let unknown = wire::Unknown::decode(body).unwrap();
        if unknown.type_meta.unwrap().kind == "Pod" {
            let pod = wire::Pod::decode(unknown.raw.as_slice()).unwrap();
            assert!(key.ends_with(&pod.metadata.unwrap().name));
            pods += 1;
        }
    }
    assert!(pods > 100);
}
