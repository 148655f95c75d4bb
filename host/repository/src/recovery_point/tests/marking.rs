//! Marks: written beside a recovery point, believed, and refused.

use drydock_core::UnixTime;

use super::*;
use crate::mark::{Mark, MarkKind};

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
    let newest = listed.points[0].mark.as_ref().unwrap();
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
            "it is signed by key {}, which trustedSigners lacks: add its public key if its drills are to be believed",
            stranger.key.id()
        )
    );
    let listed = world.repository().list(None, 10).await.unwrap();
    assert!(listed.points[0].mark.is_none());

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
        listed.points[0].mark.as_ref().unwrap().name.content_file(),
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
    world
        .target
        .close(&file, Fault::denied("permission-denied", "not yours"));
    let listed = world.repository().list(None, 10).await.unwrap();
    let mark = listed.points[0].mark.as_ref().unwrap();
    assert_eq!(mark.name, name);
    assert!(matches!(&mark.standing, MarkStanding::Unread(why) if why == "not yours"));
}
