//! What a healthy cluster answers.

use std::collections::BTreeSet;
use std::time::Duration;

use drydock_testkit::wait_until;
use sha2::{Digest as _, Sha256};

use crate::{access, config, shared};

/// Far longer than a cluster takes even on a busy machine.
const SETTLING_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_member_tells_of_itself() {
    let cluster = shared().await;
    let access = access(config(cluster));
    let (mut members, mut clusters, mut leaders) = (BTreeSet::new(), BTreeSet::new(), 0);
    for endpoint in access.endpoints() {
        // A member that is behind the leader tells of itself as it is.
        let holds_all = async || access.status(endpoint).await.unwrap().db_size_in_use > 100_000;
        wait_until("a member that is level", SETTLING_MAX, holds_all)
            .await
            .unwrap();
        let status = access.status(endpoint).await.unwrap();
        members.insert(status.member_id);
        clusters.insert(status.cluster_id);
        leaders += usize::from(status.leader == status.member_id);
        assert!(status.revision > 50 && status.db_size >= status.db_size_in_use);
        assert!(status.raft_applied_index > 50);
        assert_eq!((status.version.as_str(), status.learner), ("3.6.16", false));
        assert_eq!((status.alarms.len(), status.errors.len()), (0, 0));
    }
    assert_eq!((members.len(), clusters.len(), leaders), (3, 1, 1));
}

#[tokio::test]
async fn the_member_list_names_all_members() {
    let cluster = shared().await;
    let access = access(config(cluster));
    let members = access.member_list(&access.endpoints()[1]).await.unwrap();
    let urls: BTreeSet<_> = members
        .iter()
        .flat_map(|member| &member.client_urls)
        .collect();
    assert_eq!(urls, access.endpoints().iter().collect());
    assert!(
        members
            .iter()
            .all(|member| !member.learner && !member.name.is_empty())
    );
}

#[tokio::test]
async fn members_agree_on_the_hash_of_a_revision() {
    let cluster = shared().await;
    let access = access(config(cluster));
    let newest = access
        .status(&access.endpoints()[0])
        .await
        .unwrap()
        .revision;
    let mut hashes = BTreeSet::new();
    for endpoint in access.endpoints() {
        let answer = access.hash_kv(endpoint, newest).await.unwrap();
        assert_eq!(answer.hash_revision, newest);
        hashes.insert((answer.hash, answer.compact_revision));
    }
    assert_eq!(hashes.len(), 1);
    let endpoint = &access.endpoints()[0];
    let earlier = access.hash_kv(endpoint, newest - 10).await.unwrap();
    assert!(!hashes.contains(&(earlier.hash, earlier.compact_revision)));
    let future = access.hash_kv(endpoint, newest + 1000).await.unwrap_err();
    assert_eq!(future.code.as_str(), "future-revision");
}

#[tokio::test]
async fn a_snapshot_is_what_etcdctl_saves() {
    let cluster = shared().await;
    let access = access(config(cluster));
    let endpoint = &access.endpoints()[2];
    // A cluster settles on its storage version some seconds after its start.
    let is_settled = async || {
        let mut stream = access.snapshot(endpoint).await.unwrap();
        while stream.next().await.unwrap().is_some() {}
        !stream.version().is_empty()
    };
    wait_until("a storage version", SETTLING_MAX, is_settled)
        .await
        .unwrap();
    let saved = cluster.folder().join("saved.db");
    cluster
        .etcdctl_of(2, &["snapshot", "save", saved.to_str().unwrap()])
        .unwrap();
    let mut stream = access.snapshot(endpoint).await.unwrap();
    let mut bytes = Vec::new();
    let mut last = u64::MAX;
    while let Some(chunk) = stream.next().await.unwrap() {
        assert!(chunk.remaining <= last);
        last = chunk.remaining;
        bytes.extend(chunk.bytes);
    }
    assert_eq!(last, 0);
    assert_eq!(stream.received(), std::fs::metadata(saved).unwrap().len());
    let (database, trailer) = bytes.split_at(bytes.len() - 32);
    assert_eq!(Sha256::digest(database).as_slice(), trailer);
    assert_eq!(stream.version(), "3.6.0");
    let status = access.status(endpoint).await.unwrap();
    assert_eq!(stream.member_id(), status.member_id);
}
