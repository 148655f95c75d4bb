//! Marks: written beside a recovery point, believed, and refused.

use drydock_core::{ErrorCode, UnixTime};

use super::*;
use drydock_repository::mark::{Mark, MarkKind, Restoration};

async fn committed(world: &World) -> RecoveryPoint {
    world.commit(&sample::manifest("one")).await;
    world.load("one").await.unwrap()
}

fn drilled(point: &RecoveryPoint) -> Mark {
    sample::mark(&point.manifest, point.manifest_sha256)
}

/// Why the only mark is not believed; none when it is.
async fn refused(world: &World, point: &RecoveryPoint) -> Option<String> {
    let mut marks = world.repository().marks(point, 10).await.unwrap();
    assert_eq!(marks.len(), 1);
    match marks.remove(0).standing {
        MarkStanding::Refused(why) | MarkStanding::Unread(why) => Some(why),
        MarkStanding::Sound { .. } => None,
    }
}

#[tokio::test]
async fn a_mark_is_read_back_and_shown_by_the_list() {
    let world = World::new();
    let point = committed(&world).await;
    let mut failed = drilled(&point);
    failed.mark = MarkKind::Failed;
    failed.at = UnixTime(failed.at.0 + 60);
    failed.reason = Some("a key is missing".to_owned());
    for mark in [&failed, &drilled(&point)] {
        world.repository().mark(mark, &world.key).await.unwrap();
    }
    let marks = world.repository().marks(&point, 10).await.unwrap();
    let kinds: Vec<_> = marks.iter().map(|mark| mark.name.kind()).collect();
    assert_eq!(kinds, [MarkKind::Failed, MarkKind::Drilled]);
    let listed = world.repository().list(None, 10).await.unwrap();
    let newest = listed.points[0].drill.as_ref().unwrap();
    match &newest.standing {
        MarkStanding::Sound { mark, signer } => {
            assert_eq!((&**mark, *signer), (&failed, world.key.id()));
        }
        MarkStanding::Refused(why) | MarkStanding::Unread(why) => panic!("{why}"),
    }
    assert_eq!(world.target.open_uploads(), 0);
}

#[tokio::test]
async fn the_same_mark_again_changes_nothing() {
    let world = World::new();
    let point = committed(&world).await;
    let mark = drilled(&point);
    let name = world.repository().mark(&mark, &world.key).await.unwrap();
    let before = world.target.objects();
    let again = world.repository().mark(&mark, &world.key).await.unwrap();
    assert_eq!((again, world.target.objects()), (name, before));
}

#[tokio::test]
async fn a_mark_of_a_stranger_a_changed_one_and_a_moved_one_are_refused() {
    let world = World::new();
    let point = committed(&world).await;
    let stranger = World::new();
    let mark = drilled(&point);
    let name = world.repository().mark(&mark, &stranger.key).await.unwrap();
    assert_eq!(
        refused(&world, &point).await.unwrap(),
        format!(
            "it is signed by key {}, which trustedSigners lacks: add its public key if its marks are to be believed",
            stranger.key.id()
        )
    );
    let listed = world.repository().list(None, 10).await.unwrap();
    assert!(listed.points[0].drill.is_none());

    let world = World::new();
    let point = committed(&world).await;
    world.repository().mark(&mark, &world.key).await.unwrap();
    assert_eq!(refused(&world, &point).await, None);
    let content = format!("lab/one/{}", name.content_file());
    let mut bytes = world.target.bytes(&content).unwrap();
    let place = bytes.iter().position(|byte| *byte == b'3').unwrap();
    bytes[place] = b'4';
    world.target.put(&content, &bytes);
    assert_eq!(
        refused(&world, &point).await.unwrap(),
        format!("the signature by key {} does not fit it", world.key.id())
    );
}

#[tokio::test]
async fn a_mark_that_is_about_another_manifest_is_refused() {
    let world = World::new();
    let point = committed(&world).await;
    let mut mark = drilled(&point);
    mark.manifest_sha256 = Sha256::of(b"another manifest");
    world.repository().mark(&mark, &world.key).await.unwrap();
    assert_eq!(
        refused(&world, &point).await.unwrap(),
        "the mark is about lab/one: its file was moved or renamed"
    );
}

#[tokio::test]
async fn worthless_marks_hide_no_good_one() {
    let world = World::new();
    let point = committed(&world).await;
    let mark = drilled(&point);
    world.repository().mark(&mark, &world.key).await.unwrap();
    for number in 0..8 {
        let name = format!("lab/one/mark.drilled.20990103T03040{number}Z.0123456789abcdef.json");
        world.target.put(&name, b"junk");
    }
    let listed = world.repository().list(None, 10).await.unwrap();
    assert_eq!(
        listed.points[0].drill.as_ref().unwrap().name.content_file(),
        mark.name(&mark.to_text().unwrap()).content_file()
    );
}

/// A newer mark that nobody can read may be a failed one.
#[tokio::test]
async fn a_mark_that_cannot_be_read_is_not_passed_over_for_an_older_one() {
    let world = World::new();
    let point = committed(&world).await;
    let older = drilled(&point);
    let mut newer = older.clone();
    newer.at = UnixTime(newer.at.0 + 60);
    for mark in [&older, &newer] {
        world.repository().mark(mark, &world.key).await.unwrap();
    }
    let name = newer.name(&newer.to_text().unwrap());
    let file = format!("lab/one/{}", name.content_file());
    world.target.close(
        &file,
        Fault::denied(ErrorCode::PermissionDenied, "not yours"),
    );
    let listed = world.repository().list(None, 10).await.unwrap();
    let mark = listed.points[0].drill.as_ref().unwrap();
    assert_eq!(mark.name, name);
    assert!(matches!(&mark.standing, MarkStanding::Unread(why) if why == "not yours"));
}

/// A restore that counts on what is known has to hear of it; an archive has no revision.
#[tokio::test]
async fn a_damaged_snapshot_has_a_revision_that_nobody_knows() {
    let world = World::new();
    let mut damaged = sample::manifest("a.20250101T000000Z");
    damaged.etcd = Some(sample::damaged());
    world.commit(&damaged).await;
    let mut archive = sample::manifest("a.20250102T000000Z");
    archive.etcd = None;
    world.commit(&archive).await;
    let cluster = ClusterName::new("lab");
    let known = world.repository().known_revision(&cluster).await.unwrap();
    assert_eq!((known.newest, known.refused), (None, 1));
}

/// Revisions of all lineages count, and what restores bumped to; what cannot be believed is
/// told.
#[tokio::test]
async fn the_newest_revision_known_of_a_cluster_is_of_any_lineage_or_restore() {
    let world = World::new();
    let known = async || {
        let cluster = ClusterName::new("lab");
        let known = world.repository().known_revision(&cluster).await.unwrap();
        (known.newest, known.refused)
    };
    assert_eq!(known().await, (None, 0));
    let point = committed(&world).await;
    let mut other = sample::manifest("a.20250101T000000Z");
    other.lineage.id = "fedcba9876543210".to_owned();
    sample::figures_mut(&mut other).revision = 90_000;
    world.commit(&other).await;
    assert_eq!(known().await, (Some(90_000), 0));
    let restored = |bumped_to: i64, after: i64| {
        let mut mark = drilled(&point);
        mark.mark = MarkKind::Restored;
        mark.at = UnixTime(mark.at.0 + after);
        mark.restored = Some(Restoration {
            bumped_to,
            cluster_id: "1".to_owned(),
        });
        mark
    };
    for (bumped_to, after) in [(1_000_000_000, 0), (2_000_000_000, 1)] {
        let mark = restored(bumped_to, after);
        world.repository().mark(&mark, &world.key).await.unwrap();
    }
    // Later drills do not push them out, and they do not hide a drill.
    for after in 0..20 {
        let mut mark = drilled(&point);
        mark.at = UnixTime(mark.at.0 + after);
        world.repository().mark(&mark, &world.key).await.unwrap();
    }
    world
        .repository()
        .mark(&restored(1_500_000_000, 99), &world.key)
        .await
        .unwrap();
    assert_eq!(known().await, (Some(2_000_000_000), 0));
    let listed = world.repository().list(None, 10).await.unwrap();
    let shown = listed
        .points
        .iter()
        .filter_map(|entry| entry.drill.as_ref());
    let kinds: Vec<MarkKind> = shown.map(|mark| mark.name.kind()).collect();
    assert_eq!(kinds, [MarkKind::Drilled]);
    let stranger = World::new();
    let forged = restored(9_000_000_000, 100);
    world
        .repository()
        .mark(&forged, &stranger.key)
        .await
        .unwrap();
    world
        .target
        .put("lab/a.20260103T000000Z/manifest.json", b"{}");
    assert_eq!(known().await, (Some(2_000_000_000), 2));
}
