//! An etcd that takes large requests: its snapshots are as good as any, whatever a stream's
//! window holds.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use drydock_snapshot::{StreamCheck, StreamRefused};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use etcd_client::{Txn, TxnOp};
use serde_json::Value;

use crate::world::{DRYDOCK, World, new_cluster, runtime};

fn options() -> EtcdOptions {
    EtcdOptions {
        arguments: vec![format!("--max-request-bytes={}", 32 * 1024 * 1024)],
        ..EtcdOptions::default()
    }
}

fn key(number: usize) -> String {
    format!("/large/{number}")
}

fn value(number: usize, bytes: usize) -> String {
    let word = format!("{number} is a large value. ");
    word.chars().cycle().take(bytes).collect()
}

/// A cluster whose newest keys have values of these lengths, all in one leaf: they are put
/// in one transaction, and bbolt leaves four elements together.
fn cluster(lengths: &[usize]) -> Arc<Cluster> {
    let cluster = new_cluster(options(), 20);
    let put =
        |(number, bytes): (usize, &usize)| TxnOp::put(key(number), value(number, *bytes), None);
    let puts: Vec<TxnOp> = lengths.iter().enumerate().map(put).collect();
    runtime().block_on(async {
        let mut client = cluster.client().await.unwrap();
        client.txn(Txn::new().and_then(puts)).await.unwrap();
    });
    Arc::new(cluster)
}

/// The stream's check alone cannot judge it, which is what this is about.
fn assert_longer_than_the_window(file: &Path) {
    let mut check = StreamCheck::new();
    for piece in std::fs::read(file).unwrap().chunks(32 * 1024) {
        check.push(piece).unwrap();
    }
    let end = check.finish();
    assert!(matches!(end, Err(StreamRefused::Unjudged(_))), "{end:?}");
}

/// A cluster on what `drydock snapshot restore` made.
fn restored(file: &str) -> Cluster {
    let options = options();
    let token = options.token.clone();
    let prepared = Cluster::start_prepared(options, |cluster| {
        let member = cluster.member(0);
        let mut command = Command::new(DRYDOCK);
        command
            .args(["snapshot", "restore", file, "--name", member.name()])
            .args(["--initial-cluster", &cluster.initial_cluster()])
            .args(["--initial-cluster-token", &token])
            .args(["--bump-revision", "0"])
            .arg("--data-dir")
            .arg(member.data_folder());
        drydock_testkit::program::run(&mut command)?;
        Ok(())
    });
    runtime().block_on(prepared).unwrap()
}

/// Backs such a cluster up, and holds what came of it against the cluster.
fn backed_up_and_restored(lengths: &[usize]) {
    let cluster = cluster(lengths);
    let world = World::of(Arc::clone(&cluster));
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded");
    let file = world.fetch(run["recoveryPoint"].as_str().unwrap());
    assert_longer_than_the_window(&file);
    let path = file.display().to_string();
    let verified = world.drydock(&["snapshot", "verify", &path]).ok();
    assert!(verified.stdout.contains("sound"), "{}", verified.stdout);

    let hash = ["snapshot", "hashkv", &path, "--output", "json"];
    let ours: Value = serde_json::from_str(&world.drydock(&hash).ok().stdout).unwrap();
    let theirs = runtime().block_on(async {
        let mut client = cluster.client_of(0).await.unwrap();
        let revision = ours["hashRevision"].as_i64().unwrap();
        client.hash_kv(revision).await.unwrap()
    });
    assert_eq!(ours["hash"], theirs.hash());

    let restored = restored(&path);
    for (number, bytes) in lengths.iter().enumerate() {
        let get = ["get", &key(number), "--print-value-only"];
        let printed = restored.etcdctl(&get).unwrap().stdout;
        assert!(
            printed.trim_end() == value(number, *bytes).trim_end(),
            "{number}"
        );
    }
}

#[test]
fn four_values_of_5_mb_in_one_leaf() {
    backed_up_and_restored(&[5_000_000; 4]);
}

#[test]
fn one_value_of_18_mb() {
    backed_up_and_restored(&[18_000_000]);
}

#[test]
fn the_live_cluster_is_looked_into() {
    let cluster = cluster(&[18_000_000]);
    let world = World::of(cluster);
    let endpoint = world.endpoints[0].as_str();
    let live = |words: &[&str]| {
        let all = [&["snapshot"], words, &["--endpoints", endpoint]].concat();
        world.drydock(&all).ok().stdout
    };
    let listed = live(&["ls", "live", "--by", "key"]);
    assert!(listed.contains(&key(0)), "{listed}");
}
