//! Stands between a run and its target: whatever answers under the target's name has to be
//! the target at which this node stored recovery points before. A file system that is not
//! mounted, a folder that was emptied and another cluster's folder look like a new target,
//! and a run that took it for one would succeed beside backups that nobody can see.
//!
//! The id is looked up before the first effect at a store and again right before the write
//! that commits, in the same effect that enters it into the journal. A crash in between
//! leaves an object with an id that no journal knows, which the next run takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::{Clock, ErrorCode, Fault, TargetId, TargetName};
use drydock_journal::{Journal, JournalError};
use drydock_repository::{Identity, Target, identity, names::TARGET};
use tokio::sync::OnceCell;

use super::upload::not_given_back;

/// Bytes of a new id.
const ID_BYTES: usize = 16;

/// The targets that a run found so far. Two names of one place would take back there what
/// the other one commits, and two copies at one place are one.
#[derive(Default)]
pub struct RunTargets(Mutex<BTreeMap<TargetId, TargetName>>);

impl RunTargets {
    /// # Errors
    /// `same-target`, where the run stores there by another name.
    fn claim(&self, id: &TargetId, name: &TargetName) -> Result<(), Fault> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = found.entry(id.clone()).or_insert_with(|| name.clone());
        if holder == name {
            return Ok(());
        }
        Err(Fault::permanent(
            ErrorCode::SameTarget,
            format!(
                "target {name} is the same place as target {holder}: the {TARGET} of both says {id}; two copies at one place are one, so let one of them lead elsewhere, or leave it out"
            ),
        ))
    }
}

/// Lets one run at one target only.
pub struct TargetGuard {
    name: TargetName,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    run: Arc<RunTargets>,
    admitted: OnceCell<Admitted>,
}

/// A target that may be stored at.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub id: TargetId,
    /// Whether this node had stored there before.
    pub is_known: bool,
}

impl TargetGuard {
    pub fn new(
        name: TargetName,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        run: Arc<RunTargets>,
    ) -> Self {
        Self {
            name,
            journal,
            clock,
            run,
            admitted: OnceCell::new(),
        }
    }

    /// Finds out once which target it is. One that was never stored at gets its id.
    ///
    /// # Errors
    /// `target-changed`, `same-target`, or the target or the journal fails; then it is asked
    /// again.
    pub async fn admit(&self, target: &dyn Target) -> Result<&Admitted, Fault> {
        let made = || self.find_or_make(target);
        self.admitted.get_or_try_init(made).await
    }

    /// Looks which target it is and leaves it as it is: whether this node had stored there
    /// before.
    ///
    /// # Errors
    /// As [`TargetGuard::admit`].
    pub async fn is_known(&self, target: &dyn Target) -> Result<bool, Fault> {
        if let Some(admitted) = self.admitted.get() {
            return Ok(admitted.is_known);
        }
        let (id, is_known) = self.find(target).await?;
        id.map_or(Ok(()), |id| self.run.claim(&id, &self.name))?;
        Ok(is_known)
    }

    /// Looks again, and enters into the journal that recovery points are stored there.
    ///
    /// # Errors
    /// As [`TargetGuard::admit`].
    pub async fn admit_again(&self, target: &dyn Target) -> Result<(), Fault> {
        let id = self.admit(target).await?.id.clone();
        let found = identity::find(target).await?;
        accept(&self.name, Some(&id), found)?;
        let (name, at) = (self.name.clone(), self.clock.now());
        self.ask(move |journal| journal.set_target_id(&name, &id, at))
            .await?;
        Ok(())
    }

    async fn find_or_make(&self, target: &dyn Target) -> Result<Admitted, Fault> {
        let (id, is_known) = self.find(target).await?;
        let id = match id {
            Some(id) => {
                if !is_known {
                    identity::sweep(target).await;
                }
                id
            }
            None => make(target, &self.name, &*self.clock).await?,
        };
        self.run.claim(&id, &self.name)?;
        Ok(Admitted { id, is_known })
    }

    /// The id of a target that has one, and whether the journal has it.
    async fn find(&self, target: &dyn Target) -> Result<(Option<TargetId>, bool), Fault> {
        let name = self.name.clone();
        let known = self.ask(move |journal| journal.target_id(&name)).await?;
        let found = identity::find(target).await?;
        let id = accept(&self.name, known.as_ref(), found)?;
        Ok((id, known.is_some()))
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, Fault> {
        let journal = Arc::clone(&self.journal);
        let asked = tokio::task::spawn_blocking(move || question(&journal)).await;
        let failed = |why: String| Fault::transient(ErrorCode::Journal, why);
        asked
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(drydock_core::chain(&error)))
    }
}

/// What it means that `found` answers under the name of a target that was known by an id,
/// or was not: its id, or nothing for a target that has none yet.
///
/// # Errors
/// `target-changed`; `target-unusable` where nobody knows it and it holds no id.
pub fn accept(
    name: &TargetName,
    known: Option<&TargetId>,
    found: Identity,
) -> Result<Option<TargetId>, Fault> {
    let there = match (known, found) {
        (None, Identity::Absent | Identity::NoPlace(_)) => return Ok(None),
        (None, Identity::Is(id)) => return Ok(Some(id)),
        (Some(known), Identity::Is(id)) if id == *known => return Ok(Some(id)),
        (None, Identity::Unusable(why)) => return Err(unusable(name, &why)),
        (Some(_), Identity::Is(id)) => format!("it says {id}"),
        (Some(_), Identity::Absent) => "there is none".to_owned(),
        (Some(_), Identity::NoPlace(why)) => format!("nothing is there: {why}"),
        (Some(_), Identity::Unusable(why)) => format!("it cannot be used: {why}"),
    };
    let known = known.map_or("", TargetId::as_str);
    let fault = Fault::permanent(
        ErrorCode::TargetChanged,
        format!(
            "target {name} is not the one that this node stored recovery points at: its {} should say {known}, and {there}; mount or put back what belongs there, or take what is there now by `drydock target accept {name}`",
            TARGET
        ),
    );
    Err(fault.with_detail("expected", known))
}

/// Gives a target an id; another process may have been first.
pub async fn make(
    target: &dyn Target,
    name: &TargetName,
    clock: &dyn Clock,
) -> Result<TargetId, Fault> {
    let id = TargetId::new(drydock_node::random_hex::<ID_BYTES>()?);
    let made = identity::make(target, &id, clock.now()).await;
    let made = made.map_err(|error| not_given_back(TARGET, error.into()))?;
    accept(name, None, made)?.ok_or_else(|| {
        Fault::permanent(
            ErrorCode::ObjectMissing,
            format!(
                "target {name} took {} and does not have it: what is kept there gets lost, so use another target",
                TARGET
            ),
        )
    })
}

fn unusable(name: &TargetName, why: &str) -> Fault {
    Fault::permanent(
        ErrorCode::TargetUnusable,
        format!(
            "the {} of target {name} cannot be used ({why}): see who put it there, and move it away",
            TARGET
        ),
    )
}

#[cfg(test)]
mod tests {
    use drydock_core::UnixTime;
    use drydock_fakes::{Call, FakeTarget};

    use super::*;

    const OBJECT: &str = "drydock-target.json";

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> UnixTime {
            UnixTime(1_767_225_600)
        }
    }

    struct Node {
        _folder: tempfile::TempDir,
        journal: Arc<Journal>,
    }

    impl Node {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let journal = Arc::new(Journal::open(folder.path()).unwrap());
            Self {
                _folder: folder,
                journal,
            }
        }

        /// As a run has it that begins now.
        fn guard(&self) -> TargetGuard {
            self.guard_in("local", &Arc::default())
        }

        fn guard_in(&self, name: &str, run: &Arc<RunTargets>) -> TargetGuard {
            TargetGuard::new(
                TargetName::new(name),
                Arc::clone(&self.journal),
                Arc::new(StoppedClock),
                Arc::clone(run),
            )
        }

        /// Commits a recovery point, as far as the guard has a part in it.
        async fn commit(&self, target: &FakeTarget) -> Result<TargetId, Fault> {
            let guard = self.guard();
            let id = guard.admit(target).await?.id.clone();
            guard.admit_again(target).await?;
            Ok(id)
        }

        async fn code(&self, target: &FakeTarget) -> ErrorCode {
            self.guard().admit(target).await.unwrap_err().code
        }
    }

    #[tokio::test]
    async fn a_target_that_was_stored_at_is_told_from_any_other() {
        let (node, target) = (Node::new(), FakeTarget::new());
        let id = node.commit(&target).await.unwrap();
        assert_eq!(node.commit(&target).await.unwrap(), id);
        assert!(node.guard().admit(&target).await.unwrap().is_known);
        let other = FakeTarget::new();
        assert_eq!(node.code(&other).await, ErrorCode::TargetChanged);
        assert_eq!(other.objects(), Vec::<String>::new());
        Node::new().commit(&other).await.unwrap();
        assert_eq!(node.code(&other).await, ErrorCode::TargetChanged);
        target.put(OBJECT, b"{}");
        assert_eq!(node.code(&target).await, ErrorCode::TargetChanged);
        target.fail_next(
            Call::Stat,
            Fault::permanent(ErrorCode::PlaceMissing, "no folder"),
        );
        assert_eq!(node.code(&target).await, ErrorCode::TargetChanged);
    }

    /// Looking may be given up at any time, also by a run that is ending.
    #[tokio::test]
    async fn looking_makes_no_target() {
        let (node, target) = (Node::new(), FakeTarget::new());
        assert!(!node.guard().is_known(&target).await.unwrap());
        assert_eq!(target.objects(), Vec::<String>::new());
        assert_eq!(target.open_uploads(), 0);
        node.commit(&target).await.unwrap();
        assert!(node.guard().is_known(&target).await.unwrap());
        let other = FakeTarget::new();
        let fault = node.guard().is_known(&other).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::TargetChanged);
    }

    #[tokio::test]
    async fn a_target_that_cannot_be_asked_is_neither_taken_nor_refused() {
        let (node, target) = (Node::new(), FakeTarget::new());
        let guard = node.guard();
        target.fail_next(
            Call::Stat,
            Fault::transient(ErrorCode::Io, "the disk failed"),
        );
        assert_eq!(guard.admit(&target).await.unwrap_err().code.as_str(), "io");
        assert_eq!(target.objects(), Vec::<String>::new());
        guard.admit(&target).await.unwrap();
    }

    /// Before anything is stored, no target can be a wrong one.
    #[tokio::test]
    async fn what_no_recovery_point_was_stored_at_is_not_missed() {
        let (node, target) = (Node::new(), FakeTarget::new());
        node.guard().admit(&target).await.unwrap();
        let other = FakeTarget::new();
        assert!(!node.guard().admit(&other).await.unwrap().is_known);
    }

    #[tokio::test]
    async fn a_node_that_lost_its_journal_takes_the_id_that_is_there() {
        let target = FakeTarget::new();
        let id = Node::new().commit(&target).await.unwrap();
        let node = Node::new();
        let admitted = node.guard().admit(&target).await.unwrap().clone();
        assert_eq!((admitted.id, admitted.is_known), (id, false));
        target.put(OBJECT, b"mine");
        assert_eq!(node.code(&target).await, ErrorCode::TargetUnusable);
    }

    /// The one that made the id died between the two, and the run that goes on takes the id.
    #[tokio::test]
    async fn nothing_stays_of_a_process_that_died_while_it_made_the_id() {
        let (node, target) = (Node::new(), FakeTarget::new());
        Node::new().guard().admit(&target).await.unwrap();
        target.begin(OBJECT, Some(4), 1024).await.unwrap();
        node.guard().admit(&target).await.unwrap();
        assert_eq!(target.open_uploads(), 0);
    }

    #[tokio::test]
    async fn a_target_that_changes_while_a_run_is_under_way_gets_no_manifest() {
        let (node, target) = (Node::new(), FakeTarget::new());
        let guard = node.guard();
        guard.admit(&target).await.unwrap();
        target.delete(OBJECT).await.unwrap();
        let fault = guard.admit_again(&target).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::TargetChanged);
        let known = node.journal.target_id(&TargetName::new("local"));
        assert_eq!(known.unwrap(), None);
    }

    #[tokio::test]
    async fn one_place_by_two_names_is_stored_at_once_in_a_run() {
        let (node, target, run) = (Node::new(), FakeTarget::new(), Arc::default());
        node.guard_in("a", &run).admit(&target).await.unwrap();
        node.guard_in("a", &run).admit(&target).await.unwrap();
        let fault = node.guard_in("b", &run).admit(&target).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::SameTarget);
        let begin = "target b is the same place as target a: the drydock-target.json of both says ";
        assert!(fault.message.starts_with(begin), "{}", fault.message);
        let other = FakeTarget::new();
        node.guard_in("c", &run).admit(&other).await.unwrap();
        // Another run may have it by the other name.
        node.guard_in("b", &Arc::default())
            .admit(&target)
            .await
            .unwrap();
    }

    #[test]
    fn the_sentence_says_what_was_expected_what_is_there_and_how_to_mend_it() {
        let (name, known) = (TargetName::new("local"), TargetId::new("a".repeat(32)));
        let sentence = |found| accept(&name, Some(&known), found).unwrap_err().message;
        let begin = "target local is not the one that this node stored recovery points at: its drydock-target.json should say aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, and ";
        let end = "; mount or put back what belongs there, or take what is there now by `drydock target accept local`";
        let other = TargetId::new("b".repeat(32));
        for (found, there) in [
            (
                Identity::Is(other),
                "it says bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            ),
            (Identity::Absent, "there is none"),
            (
                Identity::NoPlace("no folder".to_owned()),
                "nothing is there: no folder",
            ),
            (
                Identity::Unusable("it is empty".to_owned()),
                "it cannot be used: it is empty",
            ),
        ] {
            assert_eq!(sentence(found), format!("{begin}{there}{end}"));
        }
    }
}
