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
    let target = Arc::new(FakeTarget::new());
    let missing = || Fault::permanent(ErrorCode::PlaceMissing, "no folder");
    target.fail_at(Call::Stat, "", 9, missing());
    target.fail_at(Call::List, "", 9, missing());
    asked(vec![store_of("local", target, known)]).await
}

/// A store step at this target, whose id the journal has.
fn store_of(name: &str, target: Arc<FakeTarget>, known: Option<&str>) -> Store {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::open(folder.path()).unwrap());
    let name = TargetName::new(name);
    if let Some(id) = known {
        let id = TargetId::new(id);
        journal.set_target_id(&name, &id, UnixTime(0)).unwrap();
    }
    let clock = Arc::new(StoppedClock);
    let guard = TargetGuard::new(name.clone(), journal, clock, Arc::default(), false);
    Store {
        step: StepName::new("store"),
        name,
        target: target.clone(),
        cleanup: target,
        guard: Arc::new(guard),
        clock: Arc::new(StoppedClock),
        retain_days: None,
    }
}

async fn asked(stores: Vec<Store>) -> Told {
    let previous = Arc::new(Previous {
        cluster: ClusterName::new("c1"),
        name: RecoveryPointName::new("s1.1"),
        stores,
        signers: Arc::default(),
    });
    previous.ask(&Handle::current()).told().await
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

/// One that says nothing costs the others no more than it may take itself.
#[tokio::test(start_paused = true)]
async fn targets_are_asked_side_by_side() {
    let hanging = |name: &str| {
        let target = Arc::new(FakeTarget::new());
        target.hang();
        store_of(name, target, None)
    };
    let answering = store_of("local", Arc::new(FakeTarget::new()), None);
    let stores = vec![hanging("a"), answering, hanging("b")];
    let begun = tokio::time::Instant::now();
    let told = asked(stores).await;
    assert!(begun.elapsed() < ASK_WALL_MAX, "{:?}", begun.elapsed());
    let findings: Vec<_> = told.findings.iter().map(|f| f.message.as_str()).collect();
    let silent = |name: &str| {
        format!(
            "earlier recovery points at target {name} could not be read, so that a snapshot of a stale etcd would not be noticed: it does not answer"
        )
    };
    assert_eq!(findings, [silent("a"), silent("b")]);
}
