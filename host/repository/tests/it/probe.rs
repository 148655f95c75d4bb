//! What the probe finds at a sound target and at broken ones.

use drydock_core::{ErrorCode, Fault, Level};
use drydock_fakes::{Call, FakeTarget};
use drydock_repository::probe::probe;

const PREFIX: &str = "probe/";

async fn codes(target: &FakeTarget) -> Vec<(Level, String)> {
    let findings = probe(target, PREFIX).await;
    findings.into_iter().map(|f| (f.level, f.code)).collect()
}

fn notes(codes: &[&str]) -> Vec<(Level, String)> {
    let note = |code: &&str| (Level::Note, (*code).to_owned());
    codes.iter().map(note).collect()
}

#[tokio::test]
async fn a_sound_target_passes_every_law_and_is_left_empty() {
    let target = FakeTarget::new();
    let all = [
        "probe-create",
        "probe-create-again",
        "probe-upload",
        "probe-upload-again",
        "probe-read",
        "probe-list",
        "probe-uploads",
        "probe-delete",
    ];
    assert_eq!(codes(&target).await, notes(&all));
    assert!(target.objects().is_empty());
}

#[tokio::test]
async fn the_first_broken_law_ends_the_probe_and_nothing_is_left() {
    let target = FakeTarget::new();
    target.fail_next(
        Call::PutPart,
        Fault::permanent(ErrorCode::NoSpace, "it is full"),
    );
    let findings = probe(&target, PREFIX).await;
    let last = findings.last().unwrap();
    assert_eq!(
        (last.level, last.code.as_str()),
        (Level::Failure, "probe-upload")
    );
    assert!(last.message.contains("it is full"), "{findings:?}");
    assert_eq!(target.open_uploads(), 0);
    assert!(target.objects().is_empty());
}

/// A node that only backs up is best given no right to delete.
#[tokio::test]
async fn who_may_not_delete_is_told_what_stays() {
    let target = FakeTarget::new();
    for _ in 0..2 {
        let denied = Fault::denied(ErrorCode::PermissionDenied, "no right to delete");
        target.fail_next(Call::Delete, denied);
    }
    let findings = probe(&target, PREFIX).await;
    let worse: Vec<_> = findings.iter().filter(|f| f.level != Level::Note).collect();
    assert!(worse.is_empty(), "{worse:?}");
    let told = findings.iter().find(|found| found.code == "probe-delete");
    assert_eq!(
        told.unwrap().message,
        "what was made may not be deleted from here, so that probe/object and probe/parts stay: a node that only backs up needs no such right, and what removes recovery points has to have it (no right to delete)"
    );
    assert_eq!(target.objects(), ["probe/object", "probe/parts"]);
}

/// Of a store whose uploads only expire, nobody asks for the list, and nobody aborts.
#[tokio::test]
async fn uploads_that_expire_are_told_and_left() {
    let target = FakeTarget::new();
    target.expire(604_800);
    let findings = probe(&target, PREFIX).await;
    assert!(
        findings.iter().all(|found| found.level == Level::Note),
        "{findings:?}"
    );
    let told = findings.iter().find(|found| found.code == "probe-uploads");
    assert_eq!(
        told.unwrap().message,
        "an upload that is left takes room for 604800 s, and can be neither listed nor aborted here"
    );
    assert_eq!(
        (
            target.called(Call::ListSessions),
            target.called(Call::Abort)
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn bytes_that_came_to_rest_wrong_are_found() {
    let target = FakeTarget::new();
    target.spoil_what_is_written();
    let found = codes(&target).await;
    assert_eq!(found.last().map(|(level, _)| *level), Some(Level::Failure));
    assert!(target.objects().is_empty());
}
