//! A store step's calls, at a target that locks, or frees by itself, or only says so.

use std::sync::Arc;

use drydock_core::UnixTime;
use drydock_fakes::{Call, FakeTarget};
use drydock_journal::Journal;

use super::*;
use crate::steps::spool::WholeSpool;

const NOW: UnixTime = UnixTime(1_767_225_600);

const WEEK_SECONDS: u64 = 7 * DAY_SECONDS;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        NOW
    }
}

struct Scene {
    _folder: tempfile::TempDir,
    target: Arc<FakeTarget>,
    store: Store,
}

fn scene(retain_days: Option<u32>) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::open(folder.path()).unwrap());
    let (target, name) = (Arc::new(FakeTarget::new()), TargetName::new("local"));
    let clock = Arc::new(StoppedClock);
    let guard = TargetGuard::new(name.clone(), journal, clock, Arc::default(), false);
    Scene {
        _folder: folder,
        store: Store {
            step: StepName::new("store"),
            name,
            target: target.clone(),
            cleanup: target.clone(),
            guard: Arc::new(guard),
            clock: Arc::new(StoppedClock),
            retain_days,
        },
        target,
    }
}

async fn begun(scene: &Scene) -> (Session, Layout) {
    match scene.store.begin("c/p/a").await.unwrap() {
        PointAnswer::Began {
            session, layout, ..
        } => (session, layout),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_can_be_listed_is_looked_for_and_aborted() {
    let scene = scene(None);
    let (session, layout) = begun(&scene).await;
    begun(&scene).await;
    let aborted = scene.store.abort(&session, &layout).await.unwrap();
    assert_eq!(aborted, PointAnswer::Aborted { room_until: None });
    let objects = ["c/p/a".to_owned()];
    let swept = PointAnswer::Swept {
        aborted: 1,
        room_until: None,
    };
    assert_eq!(
        scene.store.sweep("c/p/", &objects, &[]).await.unwrap(),
        swept
    );
    assert_eq!(scene.target.open_uploads(), 0);
}

/// Nobody is asked for a list that there is none of, or to abort what cannot be: it is told
/// until when that takes room.
#[tokio::test]
async fn what_only_expires_is_left_and_told() {
    let scene = scene(None);
    scene.target.expire(WEEK_SECONDS);
    let (session, layout) = begun(&scene).await;
    let room_until = Some(NOW.plus_seconds(WEEK_SECONDS));
    let aborted = scene.store.abort(&session, &layout).await.unwrap();
    assert_eq!(aborted, PointAnswer::Aborted { room_until });
    let objects = ["c/p/a".to_owned()];
    let swept = PointAnswer::Swept {
        aborted: 0,
        room_until,
    };
    assert_eq!(
        scene.store.sweep("c/p/", &objects, &[]).await.unwrap(),
        swept
    );
    for call in [Call::Abort, Call::ListSessions] {
        assert_eq!(scene.target.called(call), 0, "{call:?}");
    }
}

#[tokio::test]
async fn an_object_is_locked_where_the_target_shows_that_it_is() {
    let until = NOW.plus_seconds(DAY_SECONDS);
    let locking = scene(Some(1));
    locking.target.put("c/p/a", b"bytes");
    locking.target.lock_objects();
    begun(&locking).await;
    let retained = locking.store.retain("c/p/a", until).await.unwrap();
    assert_eq!(retained, PointAnswer::Retained { until });
    assert_eq!(locking.target.locked_until("c/p/a"), Some(until));
    let claiming = scene(Some(1));
    claiming.target.put("c/p/a", b"bytes");
    claiming.target.claim_locks();
    let fault = claiming.store.retain("c/p/a", until).await.unwrap_err();
    assert_eq!(fault.code, ErrorCode::NotRetained);
}

/// It is told before a byte is sent.
#[tokio::test]
async fn a_store_that_locks_nothing_takes_nothing_that_is_to_be_locked() {
    let scene = scene(Some(30));
    let fault = scene.store.begin("c/p/a").await.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.may_be_done()),
        ("no-retention", false)
    );
    assert_eq!(
        fault.message,
        "target local asks for `retainDays`, and its store cannot lock what it keeps: remove the key, or use a store that locks objects"
    );
    assert_eq!(scene.target.called(Call::Begin), 0);
}

/// A sealed output of these bytes in the spool of a run.
fn spooled(scene: &Scene, bytes: &[u8]) -> (crate::steps::SealedSpool, Measure) {
    let run = drydock_core::RunId::new("s1.20260101T000000Z");
    let spool = crate::steps::SealedSpool::new(scene._folder.path(), &run);
    let mut file = spool.create(OutputId(1)).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    let sha256 = drydock_repository::Sha256::of(bytes);
    let size = bytes.len() as u64;
    (spool, Measure { size, sha256 })
}

/// Changes a byte where the spool lies.
fn rot(spool: &crate::steps::SealedSpool, place: usize) {
    let file = spool.folder().join("1.sealed");
    let file = if file.exists() {
        file
    } else {
        let mut entries = std::fs::read_dir(spool.folder()).unwrap();
        entries.next().unwrap().unwrap().path()
    };
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[place] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// The spool is what is compared with; who is wrong where both differ, the digest says.
#[tokio::test]
async fn an_object_is_read_back_by_the_spool_or_by_its_digest() {
    const OBJECT: &str = "c/p/a";
    let scene = scene(None);
    let bytes: Vec<u8> = (0..3_000_000).map(|at| (at % 251) as u8).collect();
    let (spool, sealed) = spooled(&scene, &bytes);
    let sha256 = sealed.sha256.to_string();
    let read_back = async |spool: Option<SealedFile>| {
        let answer = scene
            .store
            .read_back(OBJECT, sealed.size, &sha256, spool)
            .await;
        answer.map(|answer| assert_eq!(answer, PointAnswer::ReadBack))
    };
    let open = || spool.open_whole(OutputId(1), sealed).sound();
    scene.target.put(OBJECT, &bytes);
    read_back(open()).await.unwrap();
    let once = scene.target.called(Call::GetRange);
    read_back(None).await.unwrap();
    let mut other = bytes.clone();
    other[2_500_000] ^= 1;
    scene.target.put(OBJECT, &other);
    let fault = read_back(open()).await.unwrap_err();
    assert_eq!(fault.code, ErrorCode::Corrupt);
    assert_eq!(
        fault.message,
        "the target does not give back what it was sent of c/p/a from byte 2500000 on, so nothing of it is kept: look at its disks, then back up again"
    );
    // A spool that changes after it was opened accuses nobody: its object is hashed.
    scene.target.put(OBJECT, &bytes);
    let opened = open();
    rot(&spool, 2_500_000);
    let before = scene.target.called(Call::GetRange);
    read_back(opened).await.unwrap();
    assert!(scene.target.called(Call::GetRange) - before > once);
    // What it still holds elsewhere can be read.
    let mut block = vec![0; 1_000];
    let opened = open().unwrap();
    opened.read_exact_at(&mut block, 0).unwrap();
    let mut all = vec![0; bytes.len()];
    let error = opened.read_exact_at(&mut all, 0).unwrap_err();
    assert!(
        error.to_string().contains("from byte 2097152 on"),
        "{error}"
    );
    // Where a part could not be sent it is asked which of its bytes have changed.
    assert!(
        spool
            .changed(OutputId(1), sealed, (2_400_000, 200_000))
            .is_some()
    );
    assert_eq!(spool.changed(OutputId(1), sealed, (0, 2_000_000)), None);
}

/// Another process has no sums of it, and hashes it before it is believed.
#[tokio::test]
async fn a_spool_of_another_process_is_hashed_before_it_is_lent() {
    let scene = scene(None);
    let (spool, sealed) = spooled(&scene, b"sealed bytes");
    assert!(spool.open_whole(OutputId(1), sealed).sound().is_some());
    let (spool, sealed) = spooled(&scene, b"sealed bytes");
    rot(&spool, 3);
    let is_rotten = |wanted| {
        let whole = spool.open_whole(OutputId(1), wanted);
        matches!(whole, WholeSpool::Rotten(fault) if fault.code == ErrorCode::SpoolMissing)
    };
    assert!(is_rotten(sealed));
    assert!(is_rotten(Measure { size: 3, ..sealed }));
    assert!(spool.changed(OutputId(1), sealed, (0, 1)).is_some());
    spool.remove().unwrap();
    let gone = spool.open_whole(OutputId(1), sealed);
    assert!(matches!(gone, WholeSpool::Gone(fault) if fault.code == ErrorCode::SpoolMissing));
    assert_eq!(spool.changed(OutputId(1), sealed, (0, 1)), None);
}

/// Whether a completion is believed is the business of the protocol, by what is told here.
#[tokio::test]
async fn what_the_server_compared_is_told_of_each_part_and_of_the_whole() {
    for compares in [true, false] {
        let scene = scene(None);
        if !compares {
            scene.target.stop_verifying();
        }
        let (session, layout) = begun(&scene).await;
        let bytes: Arc<dyn ReadAt> = Arc::new(b"bytes".to_vec());
        let part = Part {
            bytes: Arc::clone(&bytes),
            offset: 0,
            length: 5,
        };
        let taken = scene
            .target
            .put_part(&session, 1, 0, part, layout.part_checksum);
        let taken = taken.await.unwrap();
        assert_eq!(taken.verified, compares);
        let receipts = [PartReceipt {
            number: 1,
            receipt: taken.receipt,
        }];
        let sha256 = drydock_repository::Sha256::of(b"bytes").to_string();
        let upload = Upload {
            object: "c/p/a",
            session: &session,
            receipts: &receipts,
            size: 5,
            sha256: &sha256,
            sealed: None,
        };
        let completed = scene.store.complete(OutputId(1), upload).await.unwrap();
        let PointAnswer::Completed { completion } = completed else {
            panic!("{completed:?}");
        };
        assert_eq!(completion.verified, compares);
    }
}
