//! The words of a listing: what was looked at, and what was found.

use drydock_core::UnixTime;

use super::*;
use drydock_repository::Target as _;
use drydock_repository::mark::{Mark, MarkKind};

/// The object of the only artifact of [`committed`].
const OBJECT: &str = "lab/one/etcd.db.0000000000000000.zst";

/// A recovery point of one artifact.
async fn committed(world: &World) -> RecoveryPoint {
    let mut manifest = sample::manifest("one");
    world.add_artifact(&mut manifest, "etcd.db", b"a snapshot", Sealing::None);
    world.commit(&manifest).await;
    world.load("one").await.unwrap()
}

async fn state_of(world: &World) -> State {
    let mut listed = world.repository().list(None, 10).await.unwrap();
    let listed = listed.points.remove(0).state;
    let point = world.load("one").await.unwrap();
    let alone = world.repository().listed(point).await.unwrap();
    assert_eq!(alone.state, listed);
    listed
}

/// Puts a mark that was made so many days after the recovery point.
async fn mark(world: &World, point: &RecoveryPoint, kind: MarkKind, day: i64) -> Mark {
    let mut mark = sample::mark(&point.manifest, point.manifest_sha256);
    mark.mark = kind;
    mark.at = UnixTime(point.manifest.taken.0 + day * 86_400);
    mark.reason = (!kind.is_good()).then(|| "a key is missing".to_owned());
    world.repository().mark(&mark, &world.key).await.unwrap();
    mark
}

#[tokio::test]
async fn all_objects_in_their_sizes_are_complete_and_no_more() {
    let world = World::new();
    committed(&world).await;
    assert_eq!(state_of(&world).await, State::Complete);
    // Other bytes of the same size are not seen by a listing, and it does not say so.
    let bytes = world.target.bytes(OBJECT).unwrap();
    world.target.put(OBJECT, &vec![0; bytes.len()]);
    assert_eq!(state_of(&world).await, State::Complete);
}

#[tokio::test]
async fn an_object_that_is_cut_or_gone_fails_it_whatever_a_mark_says() {
    for drilled_before in [false, true] {
        let world = World::new();
        let point = committed(&world).await;
        if drilled_before {
            mark(&world, &point, MarkKind::Drilled, 1).await;
        }
        let bytes = world.target.bytes(OBJECT).unwrap();
        let cut = &bytes[..bytes.len() - 1];
        world.target.put(OBJECT, cut);
        let why = format!(
            "{OBJECT} has {} bytes at the target and {} in the manifest",
            cut.len(),
            bytes.len()
        );
        assert_eq!(state_of(&world).await, State::Failed { why });
        world.target.delete(OBJECT).await.unwrap();
        let why = format!("{OBJECT} is missing from the target");
        assert_eq!(state_of(&world).await, State::Failed { why });
    }
}

#[tokio::test]
async fn a_manifest_of_nothing_is_not_complete() {
    let world = World::new();
    world.commit(&sample::manifest("one")).await;
    let why = "its manifest names no artifact".to_owned();
    assert_eq!(state_of(&world).await, State::Failed { why });
}

/// Marks by their days, and what they come to: the day of the one that counts.
#[tokio::test]
async fn the_newest_mark_counts_and_only_a_drill_takes_back_a_drill() {
    use MarkKind::{Damaged, Drilled, Failed, Verified};
    let table: [(&[MarkKind], Result<i64, i64>); 9] = [
        (&[Drilled], Ok(1)),
        (&[Verified], Ok(1)),
        (&[Drilled, Verified], Ok(2)),
        (&[Drilled, Failed], Err(2)),
        (&[Failed, Verified], Err(1)),
        (&[Failed, Drilled], Ok(2)),
        (&[Damaged, Verified], Ok(2)),
        (&[Damaged, Drilled], Ok(2)),
        (&[Drilled, Damaged], Err(2)),
    ];
    for (kinds, expected) in table {
        let world = World::new();
        let point = committed(&world).await;
        let mut at = Vec::new();
        for (kind, day) in kinds.iter().zip(1..) {
            at.push(mark(&world, &point, *kind, day).await.at);
        }
        let of_day = |day: i64| at[usize::try_from(day).unwrap() - 1];
        match (state_of(&world).await, expected) {
            (State::Verified { at }, Ok(day)) => assert_eq!(at, of_day(day), "{kinds:?}"),
            (State::Failed { why }, Err(day)) => {
                let told = format!(" at {}: a key is missing", of_day(day));
                assert!(why.ends_with(&told), "{kinds:?}: {why}");
            }
            (other, _) => panic!("{kinds:?} come to {other:?}"),
        }
    }
}

/// Marks that cannot be believed neither fail a recovery point nor vouch for it.
#[tokio::test]
async fn marks_of_a_stranger_change_no_state() {
    for kind in MarkKind::ALL {
        let (world, stranger) = (World::new(), World::new());
        let point = committed(&world).await;
        let mut forged = sample::mark(&point.manifest, point.manifest_sha256);
        forged.mark = kind;
        world
            .repository()
            .mark(&forged, &stranger.key)
            .await
            .unwrap();
        assert_eq!(state_of(&world).await, State::Complete, "{kind:?}");
    }
}

/// However many marks a stranger puts before it, what a drill found wrong is not forgotten:
/// at worst nobody knows.
#[tokio::test]
async fn marks_of_a_stranger_do_not_hide_what_a_drill_found() {
    let (world, stranger) = (World::new(), World::new());
    let point = committed(&world).await;
    mark(&world, &point, MarkKind::Failed, 1).await;
    for day in 2..=30 {
        let mut forged = sample::mark(&point.manifest, point.manifest_sha256);
        forged.mark = MarkKind::Failed;
        forged.at = UnixTime(point.manifest.taken.0 + day * 86_400);
        let key = &stranger.key;
        world.repository().mark(&forged, key).await.unwrap();
        match state_of(&world).await {
            State::Failed { .. } => assert!(day < 17, "{day}"),
            State::Listed { why } => {
                assert!(day >= 17, "{day}");
                assert!(why.starts_with("its newest marks cannot be believed"));
            }
            other => panic!("{day}: {other:?}"),
        }
    }
    // One that is newer than all of them makes them old.
    mark(&world, &point, MarkKind::Drilled, 31).await;
    assert!(matches!(state_of(&world).await, State::Verified { .. }));
}
