use drydock_core::{StepName, TargetId, TargetName, UnixTime};
use drydock_fakes::{Call, FakeTarget};
use drydock_journal::Journal;

use super::*;
use crate::steps::TargetGuard;

struct StoppedClock;

impl drydock_core::Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(0)
    }
}

/// What is told of one target of which every look says that its place is not there.
async fn told_of_a_missing_place(known: Option<&str>) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::open(folder.path()).unwrap());
    let name = TargetName::new("local");
    if let Some(id) = known {
        let id = TargetId::new(id);
        journal.set_target_id(&name, &id, UnixTime(0)).unwrap();
    }
    let target = Arc::new(FakeTarget::new());
    let missing = || Fault::permanent(ErrorCode::PlaceMissing, "no folder");
    target.fail_at(Call::Stat, "", 9, missing());
    target.fail_at(Call::List, "", 9, missing());
    let store = Store {
        step: StepName::new("store"),
        name: name.clone(),
        target: target.clone(),
        cleanup: target,
        guard: Arc::new(TargetGuard::new(
            name,
            journal,
            Arc::new(StoppedClock),
            Arc::default(),
            false,
        )),
        clock: Arc::new(StoppedClock),
        retain_days: None,
    };
    let previous = Previous {
        cluster: ClusterName::new("c1"),
        name: RecoveryPointName::new("s1.1"),
        stores: vec![store],
        signers: Arc::default(),
    };
    previous.ask().await
}

#[tokio::test]
async fn a_place_at_which_nobody_ever_stored_misses_nothing() {
    let told = told_of_a_missing_place(None).await;
    assert!(
        !told.unread && told.findings.is_empty(),
        "{:?}",
        told.findings
    );
}

#[tokio::test]
async fn a_place_that_is_gone_is_not_taken_for_an_empty_one() {
    let told = told_of_a_missing_place(Some("0123456789abcdef0123456789abcdef")).await;
    assert!(told.unread);
    assert_eq!(told.findings[0].code, "previous-unread");
}
