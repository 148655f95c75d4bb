//! Where a new recovery point stands among those before it.

use drydock_core::SharedHistory;

use super::*;
use drydock_repository::recovery_point::{Ancestry, LINEAGE_UNKNOWN, Observed, Succession};

const ID: &str = "cdf818194e3a8c32";

fn observed(raft_index: u64) -> Observed<'static> {
    Observed {
        cluster_id: Some(ID),
        raft_term: Some(3),
        raft_index: Some(raft_index),
        // Long before the last recovery point.
        bumped_to: Some(5_021),
        history: SharedHistory {
            same: 2,
            differs: None,
        },
    }
}

async fn ancestry(world: &World) -> Ancestry {
    let cluster = ClusterName::new("lab");
    world.repository().last_point(&cluster).await.unwrap()
}

async fn succession(world: &World, observed: Observed<'_>) -> Succession {
    Succession::of(ancestry(world).await.last, observed)
}

fn lineage_id(succession: &Succession) -> String {
    let (cluster, name) = (ClusterName::new("lab"), RecoveryPointName::new("next"));
    succession.lineage(&cluster, &name, Some(ID)).id
}

#[tokio::test]
async fn the_first_recovery_point_begins_a_lineage() {
    let world = World::new();
    let first = succession(&world, observed(1)).await;
    assert!(matches!(&first, Succession::First));
    assert!(first.predecessor().is_none());
    let id = lineage_id(&first);
    assert_eq!(id.len(), 16);
    assert_eq!(id, lineage_id(&succession(&world, observed(1)).await));
}

#[tokio::test]
async fn the_lineage_goes_on_while_figures_do_not_fall() {
    let world = World::new();
    world.commit(&sample::manifest("one")).await;
    let point = world.load("one").await.unwrap();
    let next = succession(&world, observed(5_104)).await;
    assert_eq!(lineage_id(&next), "0123456789abcdef");
    assert_eq!(next.previous(), Some(&point));
    assert_eq!(
        next.predecessor().unwrap().manifest_sha256,
        point.manifest_sha256
    );
}

#[tokio::test]
async fn a_fall_or_another_cluster_begins_a_new_lineage_and_says_why() {
    let world = World::new();
    world.commit(&sample::manifest("one")).await;
    let other = Observed {
        cluster_id: Some("ffff"),
        ..observed(9_000)
    };
    let older_term = Observed {
        raft_term: Some(2),
        ..observed(9_000)
    };
    let bumped = Observed {
        bumped_to: Some(1_000_005_021),
        ..observed(9_000)
    };
    let parted = Observed {
        history: SharedHistory {
            same: 1,
            differs: Some(5_021),
        },
        ..observed(9_000)
    };
    let cases = [
        (
            observed(5_103),
            "etcd's raft index fell from 5104 to 5103 since one: a new lineage begins",
        ),
        (
            other,
            "etcd's cluster id changed since one: a new lineage begins",
        ),
        (
            older_term,
            "etcd's raft term fell from 3 to 2 since one: a new lineage begins",
        ),
        (
            bumped,
            "etcd was restored since one and its revision bumped to 1000005021: a new lineage begins",
        ),
        (
            parted,
            "etcd's revision 5021 is not what it was in one, so etcd was put back to a state from before that and went on differently: a new lineage begins",
        ),
    ];
    for (observed, expected) in cases {
        let next = succession(&world, observed).await;
        assert!(
            matches!(&next, Succession::Begins { why, .. } if why == expected),
            "{next:?}"
        );
        assert_ne!(lineage_id(&next), "0123456789abcdef");
        assert!(next.predecessor().is_none() && next.previous().is_none());
    }
}

/// What nobody tells is no change.
#[tokio::test]
async fn what_is_not_known_begins_no_lineage() {
    let world = World::new();
    world.commit(&sample::manifest("one")).await;
    let silent = Observed {
        history: observed(0).history,
        ..Observed::default()
    };
    let next = succession(&world, silent).await;
    assert!(matches!(next, Succession::Continues { unsure: None, .. }));
}

#[tokio::test]
async fn a_history_that_no_revision_confirms_is_told() {
    let world = World::new();
    let said = async || {
        let unknown = Observed {
            history: SharedHistory::default(),
            ..observed(9_000)
        };
        match succession(&world, unknown).await {
            Succession::Continues { unsure, .. } => unsure.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let rest = ", so only the cluster's id and its raft figures say that etcd was not put back to an earlier state meanwhile";
    world.commit(&sample::manifest("one")).await;
    assert_eq!(
        said().await,
        format!("this snapshot has none of the 2 revisions that one noted{rest}")
    );
    let mut bare = sample::manifest("two");
    bare.taken = UnixTime(bare.taken.0 + 1);
    sample::figures_mut(&mut bare).witnesses.clear();
    world.commit(&bare).await;
    assert_eq!(
        said().await,
        format!("two noted no revision to compare{rest}")
    );
}

#[tokio::test]
async fn the_one_that_was_taken_last_counts_and_refused_ones_are_passed_over() {
    let world = World::new();
    let mut late = sample::manifest("a.20260101T000000Z");
    late.taken = UnixTime(late.taken.0 + 1_000);
    world.commit(&late).await;
    world.commit(&sample::manifest("a.20260102T000000Z")).await;
    world
        .target
        .put("lab/a.20260103T000000Z/manifest.json", b"{}");
    let next = succession(&world, observed(9_000)).await;
    assert_eq!(next.previous().unwrap().manifest, late);
}

#[tokio::test]
async fn refused_ones_are_named_when_nothing_else_is_there() {
    let world = World::new();
    world
        .target
        .put("lab/a.20260103T000000Z/manifest.json", b"{}");
    let cluster = ClusterName::new("lab");
    let last = world.repository().last_point(&cluster).await.unwrap();
    assert!(last.last.is_none());
    assert_eq!(last.refused, ["lab/a.20260103T000000Z (unsigned)"]);
}

/// Recovery points that cannot be read are not gone: what is read of the others still
/// counts, and nothing begins anew.
#[tokio::test]
async fn nothing_begins_while_recovery_points_cannot_be_read() {
    let closed = |object: &str| drydock_core::store::PassedOver {
        object: object.to_owned(),
        hides: true,
        why: "it is closed".to_owned(),
    };
    let world = World::new();
    world.target.pass_over(closed("lab/a.20260101T000000Z/"));
    let first = ancestry(&world).await;
    assert_eq!(
        first.unread,
        ["lab/a.20260101T000000Z cannot be read: it is closed"]
    );
    let unknown = succession(&world, observed(1)).await.with_unread();
    assert!(matches!(unknown, Succession::Unknown));
    assert_eq!(lineage_id(&unknown), LINEAGE_UNKNOWN);
    assert!(unknown.predecessor().is_none());

    world.commit(&sample::manifest("a.20260102T000000Z")).await;
    let goes_on = ancestry(&world).await;
    assert_eq!(goes_on.unread.len(), 1);
    let goes_on = succession(&world, observed(9_000)).await.with_unread();
    assert_eq!(lineage_id(&goes_on), "0123456789abcdef");
    // Whether it began here or at one that cannot be read, nobody knows.
    let begins = succession(&world, observed(1)).await;
    assert!(matches!(begins, Succession::Begins { .. }));
    assert!(matches!(begins.with_unread(), Succession::Unknown));
}

#[tokio::test]
async fn a_lineage_goes_on_after_one_whose_own_is_unknown() {
    let world = World::new();
    world.commit(&sample::manifest("a.20260101T000000Z")).await;
    let mut unknown = sample::manifest("a.20260102T000000Z");
    unknown.taken = UnixTime(unknown.taken.0 + 1_000);
    unknown.lineage.id = LINEAGE_UNKNOWN.to_owned();
    world.commit(&unknown).await;
    let next = succession(&world, observed(9_000)).await;
    assert_eq!(lineage_id(&next), "0123456789abcdef");

    let alone = World::new();
    alone.commit(&unknown).await;
    let next = succession(&alone, observed(9_000)).await;
    // It is compared with, and a lineage begins that the next one finds.
    assert_eq!(next.previous().unwrap().manifest, unknown);
    assert_ne!(lineage_id(&next), LINEAGE_UNKNOWN);
}

/// A schedule for files beside one for etcd must not stand between two snapshots.
#[tokio::test]
async fn recovery_points_without_a_snapshot_say_nothing_of_a_lineage() {
    let world = World::new();
    let snapshot = sample::manifest("a.20260101T000000Z");
    world.commit(&snapshot).await;
    let mut files = sample::manifest("files.20260102T000000Z");
    files.taken = UnixTime(files.taken.0 + 1_000);
    files.etcd = None;
    files.lineage.id = LINEAGE_UNKNOWN.to_owned();
    files.lineage.cluster_id = None;
    world.commit(&files).await;
    let next = succession(&world, observed(9_000)).await;
    assert_eq!(next.previous().unwrap().manifest, snapshot);
}
