//! What is known of a commit at a target that fails, lies, or reads wrongly.

use drydock_core::{Certainty, ErrorClass, ErrorCode};
use drydock_repository::Target as _;

use super::*;

const MANIFEST: &str = "manifest.json";

/// More looks than any commit takes.
const EACH_TIME: u32 = 1000;

/// Every fault that a target can answer with, whatever it claims.
fn every_fault() -> impl Iterator<Item = Fault> {
    let certainties = [Certainty::NotDone, Certainty::Unknown];
    ErrorClass::ALL.into_iter().flat_map(move |class| {
        certainties.map(|certainty| {
            Fault::new(class, ErrorCode::Over, "it is over").with_certainty(certainty)
        })
    })
}

fn not_found() -> Fault {
    Fault::permanent(ErrorCode::NotFound, "there is no such object").not_done()
}

/// A world whose artifacts are stored, and the manifest that names them.
fn stored() -> (World, Signed) {
    let world = World::new();
    let mut manifest = sample::manifest("one");
    world.add_artifact(&mut manifest, "etcd.db", b"the snapshot", Sealing::Age);
    world.add_artifact(&mut manifest, "pki.tar", b"the keys", Sealing::Age);
    let signed = world.sign(&manifest);
    (world, signed)
}

/// The artifacts, the signature and the manifest are there, and can be read.
async fn assert_whole(world: &World) {
    world.target.heal();
    assert_eq!(world.target.objects().len(), 4);
    let one = RecoveryPointName::new("one");
    let verified = world
        .repository()
        .verify(&ClusterName::new("lab"), &one, None)
        .await;
    assert!(verified.unwrap().pass());
    assert_eq!(world.target.open_uploads(), 0);
}

#[tokio::test]
async fn what_is_read_back_is_committed_whatever_the_target_says() {
    for fault in every_fault() {
        let (world, signed) = stored();
        world
            .target
            .fail_at(Call::PutObjectAfterwards, MANIFEST, 1, fault.clone());
        let outcome = world.commit_signed(&signed).await.unwrap();
        let CommitOutcome::Despite(told) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((told.class, told.message), (fault.class, fault.message));
        assert_whole(&world).await;
    }
}

#[tokio::test]
async fn nobody_is_believed_that_the_manifest_was_not_written() {
    for fault in every_fault() {
        let (world, signed) = stored();
        world
            .target
            .fail_at(Call::PutObjectAfterwards, MANIFEST, 1, fault.clone());
        // Right before the write nothing is there, and the target goes on saying so.
        world
            .target
            .fail_at(Call::Stat, MANIFEST, EACH_TIME, not_found());
        let told = world.commit_signed(&signed).await.unwrap_err();
        assert_eq!((told.class, told.may_be_done()), (fault.class, true));
        assert_eq!(
            told.message,
            "it is not known whether lab/one/manifest.json was written: it is over; afterwards the target says that it is not there"
        );
        assert_whole(&world).await;
        let again = world.commit_signed(&signed).await.unwrap();
        assert_eq!(again, CommitOutcome::AlreadyOurs);
    }
}

#[tokio::test]
async fn a_look_that_fails_as_well_is_worth_another_try() {
    let (world, signed) = stored();
    let full = Fault::permanent(ErrorCode::NoSpace, "it is full").not_done();
    world
        .target
        .fail_at(Call::PutObjectAfterwards, MANIFEST, 1, full);
    let broken = Fault::transient(ErrorCode::Unreachable, "nobody answers");
    world
        .target
        .fail_at(Call::GetRange, MANIFEST, EACH_TIME, broken);
    let told = world.commit_signed(&signed).await.unwrap_err();
    assert_eq!(
        (told.class, told.may_be_done()),
        (ErrorClass::Transient, true)
    );
    assert_eq!(
        told.message,
        "it is not known whether lab/one/manifest.json was written: it is full; looking at it afterwards failed as well: nobody answers"
    );
    assert_whole(&world).await;
}

#[tokio::test]
async fn a_request_that_left_is_enough_for_doubt() {
    for fault in every_fault() {
        let (world, signed) = stored();
        world.target.fail_at(Call::PutObject, MANIFEST, 1, fault);
        let told = world.commit_signed(&signed).await.unwrap_err();
        assert!(told.may_be_done(), "{told:?}");
    }
}

#[tokio::test]
async fn before_the_manifest_left_the_host_knows_that_nothing_was_done() {
    for fault in every_fault() {
        for (call, ending) in [
            (Call::Stat, MANIFEST),
            (Call::Stat, ".age"),
            (Call::PutObject, ".minisig"),
        ] {
            let (world, signed) = stored();
            world.target.fail_at(call, ending, 1, fault.clone());
            let told = world.commit_signed(&signed).await.unwrap_err();
            assert!(!told.may_be_done(), "{call:?}: {told:?}");
            let objects = world.target.objects();
            assert!(!objects.iter().any(|object| object.ends_with(MANIFEST)));
        }
    }
}

/// A target that says that the object exists, and then that it does not: its own earlier
/// write, or a listing that lags behind. It is nobody else's recovery point.
#[tokio::test]
async fn a_name_that_is_taken_by_nothing_is_no_other_recovery_point() {
    let (world, signed) = stored();
    let exists = Fault::permanent(ErrorCode::Exists, "it is there").not_done();
    world
        .target
        .fail_at(Call::PutObjectAfterwards, MANIFEST, 1, exists);
    world
        .target
        .fail_at(Call::Stat, MANIFEST, EACH_TIME, not_found());
    let told = world.commit_signed(&signed).await.unwrap_err();
    assert!(told.may_be_done());
    assert_whole(&world).await;
}

#[tokio::test]
async fn a_byte_that_is_read_wrongly_takes_nothing_away() {
    // How often it is read wrongly, and whether the commit is known to stand.
    for (times, stands) in [(1, true), (EACH_TIME, false)] {
        for unverified in [true, false] {
            let (world, signed) = stored();
            if unverified {
                world.target.stop_verifying();
            }
            world.target.misread(MANIFEST, times);
            match world.commit_signed(&signed).await {
                Ok(outcome) => assert!(stands && matches!(outcome, CommitOutcome::Despite(_))),
                Err(fault) => assert!(!stands && fault.may_be_done(), "{fault:?}"),
            }
            assert_whole(&world).await;
        }
    }
}

#[tokio::test]
async fn our_own_manifest_read_wrongly_is_nobody_elses() {
    let (world, signed) = stored();
    world.commit_signed(&signed).await.unwrap();
    world.target.misread(MANIFEST, 1);
    let again = world.commit_signed(&signed).await.unwrap();
    assert_eq!(again, CommitOutcome::AlreadyOurs);
    assert_whole(&world).await;
}

#[tokio::test]
async fn an_object_that_is_gone_or_cut_right_before_the_manifest_commits_nothing() {
    for (found, cut) in [("not there any more", false), ("3 bytes instead of", true)] {
        let (world, signed) = stored();
        let object = world.target.objects()[1].clone();
        world.target.delete(&object).await.unwrap();
        if cut {
            world.target.put(&object, b"cut");
        }
        let told = world.commit_signed(&signed).await.unwrap_err();
        assert_eq!(
            (told.code.as_str(), told.class, told.may_be_done()),
            ("object-missing", ErrorClass::Permanent, false)
        );
        let begin = format!(
            "{object} was completed, and right before the manifest was to be written it is {found}"
        );
        assert!(told.message.starts_with(&begin), "{told}");
        let objects = world.target.objects();
        assert!(!objects.iter().any(|object| object.ends_with(MANIFEST)));
    }
}

/// The commit's answer was lost, and until it is asked for again the target lost something.
#[tokio::test]
async fn a_manifest_alone_is_no_recovery_point_that_was_committed_before() {
    for cut in [false, true] {
        let (world, signed) = stored();
        world.commit_signed(&signed).await.unwrap();
        let mut objects = world.target.objects().into_iter();
        let object = objects.rfind(|object| object.ends_with(".age")).unwrap();
        world.target.delete(&object).await.unwrap();
        if cut {
            world.target.put(&object, b"cut");
        }
        let told = world.commit_signed(&signed).await.unwrap_err();
        assert_eq!(
            (told.code.as_str(), told.class, told.may_be_done()),
            ("object-missing", ErrorClass::Permanent, true)
        );
        let found = if cut {
            "3 bytes instead of"
        } else {
            "not there any more"
        };
        let begin = format!("the manifest was written, and {object}, which it names, is {found}");
        assert!(told.message.starts_with(&begin), "{told}");
    }
}

#[tokio::test]
async fn a_signature_that_was_lost_after_the_commit_is_put_back() {
    let (world, signed) = stored();
    world.commit_signed(&signed).await.unwrap();
    let signature = signature_key(&signed.manifest, "one");
    world.target.delete(&signature).await.unwrap();
    let again = world.commit_signed(&signed).await.unwrap();
    assert_eq!(again, CommitOutcome::AlreadyOurs);
    assert_whole(&world).await;
    world.target.put(&signature, b"something else");
    let told = world.commit_signed(&signed).await.unwrap_err();
    assert_eq!((told.code.as_str(), told.may_be_done()), ("exists", true));
}

/// Looking is enough where nothing is missing: a target that became read-only meanwhile has
/// the recovery point all the same.
#[tokio::test]
async fn what_was_committed_before_is_not_written_again() {
    let (world, signed) = stored();
    world.commit_signed(&signed).await.unwrap();
    let read_only = Fault::permanent(ErrorCode::ReadOnly, "it is mounted read-only");
    world
        .target
        .fail_at(Call::PutObject, "", EACH_TIME, read_only);
    let again = world.commit_signed(&signed).await.unwrap();
    assert_eq!(again, CommitOutcome::AlreadyOurs);
}

/// Signature and manifest are locked from the moment in which they are there, and not before
/// what they name is.
#[tokio::test]
async fn a_manifest_is_written_with_its_lock_once_its_artifacts_are_locked() {
    let (world, signed) = stored();
    world.target.lock_objects();
    let until = UnixTime(1_800_000_000);
    for artifact in world.target.objects() {
        let told = world.commit_until(&signed, Some(until)).await.unwrap_err();
        assert_eq!(
            (told.code.as_str(), told.may_be_done()),
            ("not-retained", false)
        );
        world.target.retain(&artifact, until).await.unwrap();
    }
    let outcome = world.commit_until(&signed, Some(until)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
    for object in world.target.objects() {
        assert_eq!(world.target.locked_until(&object), Some(until), "{object}");
    }
}

/// The recovery point is there and can be restored, but somebody may remove it.
#[tokio::test]
async fn a_lock_that_is_only_claimed_is_told_beside_the_commit() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    world.target.claim_locks();
    let until = Some(UnixTime(1_800_000_000));
    for _ in 0..2 {
        let outcome = world.commit_until(&signed, until).await.unwrap();
        let CommitOutcome::Despite(fault) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(fault.code, ErrorCode::NotRetained);
    }
}
