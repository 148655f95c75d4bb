//! Small objects written once, and large ones read over a connection that breaks.

use std::io;
use std::sync::Arc;

use drydock_core::{ErrorCode, Fault, ReadAt, UnixTime};
use drydock_fakes::{Call, FakeTarget};
use drydock_repository::object::{
    ATTEMPTS_MAX, Comparison, Creation, PIECES_AHEAD, Streamed, check_retained, compare_with,
    create, read, stream,
};
use tokio::sync::mpsc;

const KEY: &str = "lab/point/object";

fn sample(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect()
}

fn broken() -> Fault {
    Fault::transient(ErrorCode::Unreachable, "the connection broke")
}

#[tokio::test]
async fn an_object_is_created_once_and_read_back() {
    let target = FakeTarget::new();
    let bytes = sample(200_000);
    assert_eq!(
        create(&target, KEY, &bytes, None).await.unwrap(),
        Creation::Created
    );
    assert_eq!(read(&target, KEY, 200_000).await.unwrap(), Some(bytes));
    let second = create(&target, KEY, b"other", None).await.unwrap();
    assert_eq!(second, Creation::AlreadyThere);
    assert_eq!(target.open_uploads(), 0);
    assert_eq!(read(&target, "lab/point/none", 10).await.unwrap(), None);
}

#[tokio::test]
async fn an_object_above_the_bound_is_not_read() {
    let target = FakeTarget::new();
    target.put(KEY, &sample(101));
    let message = read(&target, KEY, 100).await.unwrap_err().to_string();
    assert_eq!(
        message,
        "lab/point/object is 101 bytes, more than the 100 that such an object may have: it is damaged or something else"
    );
}

#[tokio::test]
async fn what_fails_is_there_or_is_not_as_it_is_read() {
    for (call, is_there) in [(Call::PutObject, false), (Call::PutObjectAfterwards, true)] {
        let target = FakeTarget::new();
        target.fail_next(call, broken());
        let created = create(&target, KEY, &sample(10), None).await;
        match created {
            Ok(created) => assert!(is_there && created == Creation::Created),
            Err(error) => assert!(!is_there && error.code().as_str() == "unreachable"),
        }
        assert_eq!(target.objects().len(), usize::from(is_there));
        assert_eq!(target.open_uploads(), 0);
    }
}

/// Somebody else's object under that name is theirs, however the request failed.
#[tokio::test]
async fn another_that_is_first_is_told_from_ours() {
    let target = FakeTarget::new();
    target.intrude(KEY, b"theirs");
    let created = create(&target, KEY, b"ours", None).await.unwrap();
    assert_eq!(created, Creation::AlreadyThere);
    assert_eq!(target.bytes(KEY).unwrap(), b"theirs");
}

#[tokio::test]
async fn a_lock_is_what_the_target_shows() {
    let until = UnixTime(1_767_323_045);
    let target = FakeTarget::new();
    target.lock_objects();
    create(&target, KEY, b"ours", Some(until)).await.unwrap();
    check_retained(&target, KEY, until).await.unwrap();
    let longer = check_retained(&target, KEY, UnixTime(until.0 + 1)).await;
    assert_eq!(
        longer.unwrap_err().message,
        "the target was to lock lab/point/object until 2026-01-02T03:04:06Z, said that it did, and shows a lock until 2026-01-02T03:04:05Z only: see that its bucket locks objects and that locks may be read there, or leave `retainDays` out of the Target"
    );
    let target = FakeTarget::new();
    target.claim_locks();
    create(&target, KEY, b"ours", Some(until)).await.unwrap();
    let fault = check_retained(&target, KEY, until).await.unwrap_err();
    assert_eq!(
        fault.message,
        "the target was to lock lab/point/object until 2026-01-02T03:04:05Z, said that it did, and shows no lock of it: see that its bucket locks objects and that locks may be read there, or leave `retainDays` out of the Target"
    );
}

#[tokio::test]
async fn a_store_that_does_not_verify_is_read_back() {
    let target = FakeTarget::new();
    target.stop_verifying();
    assert_eq!(
        create(&target, KEY, &sample(10), None).await.unwrap(),
        Creation::Created
    );
}

#[tokio::test]
async fn an_object_that_was_spoilt_on_its_way_is_noticed() {
    let target = FakeTarget::new();
    target.spoil_what_is_written();
    let error = create(&target, KEY, &sample(10), None).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("lab/point/object is damaged: it should be 10 bytes with sha256"),
        "{message}"
    );
}

/// Bytes that cannot be read from some place on.
struct ReadableUntil(Vec<u8>, u64);

impl ReadAt for ReadableUntil {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + buffer.len() as u64 > self.1 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.0.read_exact_at(buffer, offset)
    }
}

#[tokio::test]
async fn an_object_is_compared_with_bytes_at_hand() {
    let target = FakeTarget::new();
    let bytes = sample(3 * 1024 * 1024 + 5);
    target.put(KEY, &bytes);
    let compared = async |bytes: Arc<dyn ReadAt>| compare_with(&target, KEY, bytes).await.unwrap();
    assert_eq!(compared(Arc::new(bytes.clone())).await, Comparison::Equal);
    for place in [0, 1024 * 1024 - 1, 1024 * 1024, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[place] ^= 1;
        let differs = Comparison::DiffersFrom(place as u64);
        assert_eq!(compared(Arc::new(other)).await, differs);
    }
    let shorter = Arc::new(bytes[1..].to_vec());
    assert_eq!(compared(shorter).await, Comparison::NotPossible);
    let unreadable = Arc::new(ReadableUntil(bytes.clone(), 2 * 1024 * 1024));
    assert_eq!(compared(unreadable).await, Comparison::NotPossible);
    let broken = Fault::permanent(ErrorCode::Refused, "no");
    target.close(KEY, broken);
    let failed = compare_with(&target, KEY, Arc::new(bytes)).await;
    assert_eq!(failed.unwrap_err().code(), ErrorCode::Refused);
}

async fn streamed(target: &FakeTarget, size: u64) -> (Result<Streamed, Fault>, Vec<u8>) {
    let (sender, mut receiver) = mpsc::channel(PIECES_AHEAD);
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(piece) = receiver.recv().await {
            bytes.extend(piece);
        }
        bytes
    };
    tokio::join!(stream(target, KEY, size, sender), collect)
}

#[tokio::test(start_paused = true)]
async fn a_broken_range_goes_on_where_it_broke() {
    let target = FakeTarget::new();
    let bytes = sample(20 * 1024 * 1024);
    target.put(KEY, &bytes);
    for _ in 0..10 {
        target.fail_next(Call::GetRangeMidway, broken());
    }
    let (outcome, got) = streamed(&target, bytes.len() as u64).await;
    assert_eq!(outcome, Ok(Streamed::Whole));
    assert!(got == bytes);
}

#[tokio::test(start_paused = true)]
async fn a_target_without_progress_is_given_up() {
    let target = FakeTarget::new();
    target.put(KEY, &sample(10));
    for _ in 0..ATTEMPTS_MAX {
        target.fail_next(Call::GetRange, broken());
    }
    assert_eq!(streamed(&target, 10).await.0, Err(broken()));
    let denied = Fault::denied(ErrorCode::NotGranted, "no");
    target.fail_next(Call::GetRange, denied.clone());
    assert_eq!(streamed(&target, 10).await.0, Err(denied));
    assert_eq!(streamed(&target, 10).await.1, sample(10));
}
