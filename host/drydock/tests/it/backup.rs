//! A schedule file drives a real backup, end to end.

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use serde_json::Value;

use crate::world::{World, etcdutl, runtime, shared_cluster};

#[test]
fn a_schedule_makes_a_recovery_point_that_etcdutl_accepts() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded");
    let name = run["recoveryPoint"].as_str().unwrap().to_owned();
    assert_eq!(world.recovery_points(), std::slice::from_ref(&name));
    world.assert_spool_empty();

    let file = world.fetch(&name);
    let path = file.display().to_string();
    let theirs: Value =
        serde_json::from_str(&etcdutl(&["snapshot", "status", &path, "-w", "json"])).unwrap();
    assert_eq!(run["snapshots"][0], theirs);
    let ours = world
        .drydock(&["snapshot", "status", &path, "--output", "json"])
        .ok();
    assert_eq!(serde_json::from_str::<Value>(&ours.stdout).unwrap(), theirs);
    world.drydock(&["snapshot", "verify", &path]).ok();
}

#[test]
fn a_fetched_snapshot_boots_with_the_same_keys() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    let file = world.fetch(run["recoveryPoint"].as_str().unwrap());
    let source = shared_cluster();
    runtime().block_on(async {
        let restored = Cluster::start_restored(EtcdOptions::default(), &file, &[])
            .await
            .unwrap();
        let theirs = all_keys(&source).await;
        let ours = all_keys(&restored).await;
        assert!(theirs.len() > 1000);
        assert_eq!(ours, theirs);
    });
}

/// Every key with its value and revision.
pub async fn all_keys(cluster: &Cluster) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    let mut client = cluster.client().await.unwrap();
    let all = etcd_client::GetOptions::new().with_prefix();
    let answer = client.get("/registry/", Some(all)).await.unwrap();
    answer
        .kvs()
        .iter()
        .map(|kv| (kv.key().to_vec(), kv.value().to_vec(), kv.mod_revision()))
        .collect()
}

#[test]
fn the_hash_of_a_fetched_file_is_what_live_members_answer() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    let file = world.fetch(run["recoveryPoint"].as_str().unwrap());
    let shown = world
        .drydock(&[
            "snapshot",
            "hashkv",
            &file.display().to_string(),
            "--output",
            "json",
        ])
        .ok();
    let ours: Value = serde_json::from_str(&shown.stdout).unwrap();
    let revision = ours["hashRevision"].as_i64().unwrap();
    let live = runtime().block_on(async {
        let mut client = shared_cluster().client_of(0).await.unwrap();
        client.hash_kv(revision).await.unwrap()
    });
    assert_eq!(ours["hash"].as_u64().unwrap(), u64::from(live.hash()));
    assert_eq!(
        ours["compactRevision"].as_i64().unwrap(),
        live.compact_version()
    );
}

#[test]
fn every_live_member_is_compared_at_the_snapshots_revision() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    let id = run["run"].as_str().unwrap();
    let shown = world.drydock(&["run", "show", id, "--output", "json"]).ok();
    let value: Value = serde_json::from_str(&shown.stdout).unwrap();
    let cluster = &value["run"]["outputs"][0]["nature"]["snapshot"]["sound"]["cluster"];
    assert_eq!(cluster["voters"], 3);
    for member in 0..3 {
        let member = &cluster["members"][member];
        assert_eq!(member["reachable"], true);
        assert!(member["hash"]["hashKv"].is_u64(), "{cluster}");
        assert_eq!(member["hash"]["hashKv"], member["comparison"]["expected"]);
    }
}

#[test]
fn recovery_points_are_listed_shown_verified_and_fetched_sealed() {
    let world = World::new();
    world.run().0.ok();
    let name = world.recovery_points().remove(0);
    let identity = world.path("sealing.key");

    let list = world.drydock(&["recovery-point", "list"]).ok();
    assert!(list.stdout.contains(&name), "{}", list.stdout);
    let shown = world
        .drydock(&["recovery-point", "show", &name, "--output", "json"])
        .ok();
    let manifest: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(manifest["formatVersion"], 1);
    assert_eq!(manifest["cluster"], "c1");
    let member = manifest["etcd"]["member"].as_str().unwrap();
    assert_ne!(u64::from_str_radix(member, 16).unwrap(), 0);
    let state = || {
        let list = world.drydock(&["recovery-point", "list", "--output", "json"]);
        let list: Value = serde_json::from_str(&list.ok().stdout).unwrap();
        list[0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "Complete");
    let before = world.stored_files();
    let unmarked = ["recovery-point", "verify", &name, "--no-mark"];
    world.drydock(&unmarked).ok();
    assert_eq!(world.stored_files(), before);
    assert_eq!(state(), "Complete");
    world
        .drydock(&["recovery-point", "verify", &name, "--identity", &identity])
        .ok();
    assert_eq!(state(), "Verified");

    let named = &manifest["etcd"]["keysPerResource"]["named"];
    let keys = named.as_array().unwrap().iter();
    let keys: u64 = keys.map(|line| line["keys"].as_u64().unwrap()).sum();
    let other = manifest["etcd"]["keysPerResource"]["other"].as_u64();
    assert_eq!(other.unwrap() + keys, manifest["etcd"]["totalKeys"]);
    assert!(named.to_string().contains("configmaps"), "{named}");

    let folder = world.path("sealed");
    world
        .drydock(&[
            "recovery-point",
            "fetch",
            &name,
            "--to",
            &folder,
            "--sealed",
        ])
        .ok();
    let sealed: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(sealed.len(), 1);
    let path = sealed[0].as_ref().unwrap().path();
    let head = std::fs::read(&path).unwrap();
    assert!(
        head.starts_with(b"age-encryption.org/v1"),
        "{}",
        path.display()
    );
}

#[test]
fn the_second_recovery_point_follows_the_first() {
    let world = World::new();
    world.run().0.ok();
    let first = world.recovery_points().remove(0);
    let (answer, run) = world.run();
    answer.ok();
    let name = run["recoveryPoint"].as_str().unwrap();
    let shown = world
        .drydock(&["recovery-point", "show", name, "--output", "json"])
        .ok();
    let manifest: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(manifest["predecessor"]["recoveryPoint"], first.as_str());
    assert_eq!(world.recovery_points().len(), 2);
}

#[test]
fn a_snapshot_is_looked_into_at_its_target() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    let name = run["recoveryPoint"].as_str().unwrap();
    let identity = world.path("sealing.key");
    for (verb, word) in [
        ("status", "revision"),
        ("hashkv", "hash"),
        ("verify", "verdict"),
    ] {
        let sealed = world.drydock(&["snapshot", verb, name]).code(64);
        assert!(
            sealed
                .stderr
                .contains("is sealed: open it with --identity FILE")
        );
        let shown = world
            .drydock(&[
                "snapshot",
                verb,
                name,
                "--identity",
                &identity,
                "--output",
                "json",
            ])
            .ok();
        let value: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert!(value[word].is_i64() || value[word] == "sound", "{value}");
    }
    let near = beside(name);
    let missing = world.drydock(&["snapshot", "status", &near]).code(1);
    assert_eq!(
        missing.stderr.trim_end(),
        format!("error: there is no recovery point {near} at local; did you mean {name}?")
    );
    counted_as_the_manifest_says(&world, name);
    let scratch = std::fs::read_dir(world.path("state/scratch")).unwrap();
    assert_eq!(scratch.count(), 0);
}

/// A name that differs from `name` in its last character, whatever that is.
fn beside(name: &str) -> String {
    let (rest, last) = name.split_at(name.len() - 1);
    format!("{rest}{}", if last == "9" { "8" } else { "9" })
}

/// What `ls` counts in the fetched snapshot is what the backup counted before it was sealed.
fn counted_as_the_manifest_says(world: &World, name: &str) {
    let identity = world.path("sealing.key");
    let json = |arguments: &[&str]| -> Value {
        let answer = world.drydock(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&answer.ok().stdout).unwrap()
    };
    let manifest = json(&["recovery-point", "show", name]);
    let listed = json(&[
        "snapshot",
        "ls",
        name,
        "--by",
        "resource",
        "--identity",
        &identity,
    ]);
    let counted = |line: &Value| (line["name"].clone(), line["keys"].clone());
    let mut counted: Vec<_> = listed.as_array().unwrap().iter().map(counted).collect();
    counted.retain(|(name, keys)| !name.is_null() && *keys != 0);
    let named = &manifest["etcd"]["keysPerResource"]["named"];
    assert_eq!(named.as_array().unwrap().len(), counted.len());
    for line in named.as_array().unwrap() {
        assert!(counted.contains(&(line["resource"].clone(), line["keys"].clone())));
    }
}
