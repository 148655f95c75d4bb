//! Which id a target has, and who gives it one.

use drydock_core::{ErrorCode, Fault, TargetId, UnixTime};
use drydock_fakes::{Call, FakeTarget};
use drydock_repository::RepositoryError;
use drydock_repository::identity::{Identity, find, make};
use drydock_repository::names::TARGET;

const ID: &str = "0123456789abcdef0123456789abcdef";
const NOW: UnixTime = UnixTime(1_767_323_045);

#[tokio::test]
async fn a_target_keeps_the_first_id_that_it_was_given() {
    let target = FakeTarget::new();
    assert_eq!(find(&target).await.unwrap(), Identity::Absent);
    let id = TargetId::new(ID);
    let made = make(&target, &id, NOW).await.unwrap();
    assert_eq!(made, Identity::Is(id.clone()));
    let other = TargetId::new("f".repeat(32));
    assert_eq!(make(&target, &other, NOW).await.unwrap(), made);
    assert_eq!(
        String::from_utf8(target.bytes(TARGET).unwrap()).unwrap(),
        format!(
            "{{\n  \"formatVersion\": 1,\n  \"id\": \"{ID}\",\n  \"created\": \"2026-01-02T03:04:05Z\"\n}}\n"
        )
    );
}

#[tokio::test]
async fn another_that_is_first_wins() {
    let target = FakeTarget::new();
    let theirs =
        format!("{{\"formatVersion\":1,\"id\":\"{ID}\",\"created\":\"2026-01-02T03:04:05Z\"}}");
    target.intrude(TARGET, theirs.as_bytes());
    let made = make(&target, &TargetId::new("f".repeat(32)), NOW).await;
    assert_eq!(made.unwrap(), Identity::Is(TargetId::new(ID)));
}

#[tokio::test]
async fn a_target_that_takes_no_id_keeps_nothing_of_it() {
    let target = FakeTarget::new();
    let fault = Fault::permanent(ErrorCode::Io, "the disk failed");
    target.fail_next(Call::PutObject, fault);
    let made = make(&target, &TargetId::new(ID), NOW).await;
    made.unwrap_err();
    assert_eq!(target.open_uploads(), 0);
    assert_eq!(target.objects(), Vec::<String>::new());
}

/// The answer was lost, and the object is there: whose id it is, is read there.
#[tokio::test]
async fn an_id_that_was_taken_in_spite_of_a_fault_is_found() {
    let target = FakeTarget::new();
    let fault = Fault::transient(ErrorCode::Unreachable, "the connection broke");
    target.fail_next(Call::PutObjectAfterwards, fault);
    let id = TargetId::new(ID);
    let made = make(&target, &id, NOW).await.unwrap();
    assert_eq!(made, Identity::Is(id));
    assert_eq!(target.called(Call::Begin), 0);
}

/// What it gives back is another thing than it was sent: that is told, and no id is taken.
#[tokio::test]
async fn a_target_that_spoils_its_id_is_told() {
    let target = FakeTarget::new();
    target.spoil_what_is_written();
    let error = make(&target, &TargetId::new(ID), NOW).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Damaged { .. }), "{error}");
    assert_eq!(target.open_uploads(), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_neither_absent_nor_another() {
    let target = FakeTarget::new();
    for fault in [
        Fault::transient(ErrorCode::Io, "the disk failed"),
        Fault::denied(ErrorCode::PermissionDenied, "not yours"),
        Fault::permanent(ErrorCode::of("not-mounted"), "mount it"),
    ] {
        target.fail_next(Call::Stat, fault.clone());
        let error = find(&target).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Target { source, .. } if source == fault));
    }
    target.fail_next(
        Call::Stat,
        Fault::permanent(ErrorCode::PlaceMissing, "no folder"),
    );
    assert_eq!(
        find(&target).await.unwrap(),
        Identity::NoPlace("no folder".to_owned())
    );
}

#[tokio::test]
async fn an_object_without_an_id_is_not_taken_for_one() {
    let target = FakeTarget::new();
    for bytes in [
        String::new(),
        "{}".to_owned(),
        "x".repeat(5000),
        r#"{"formatVersion":2,"id":"0123456789abcdef0123456789abcdef","created":"2026-01-02T03:04:05Z"}"#.to_owned(),
        r#"{"formatVersion":1,"id":"0123","created":"2026-01-02T03:04:05Z"}"#.to_owned(),
    ] {
        target.put(TARGET, bytes.as_bytes());
        let found = find(&target).await.unwrap();
        assert!(matches!(found, Identity::Unusable(_)), "{bytes}: {found:?}");
    }
}
