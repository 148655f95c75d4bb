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
    /// Whether its place may be made where it is missing.
    create: bool,
    admitted: OnceCell<Admitted>,
}

/// A target that may be stored at.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub id: TargetId,
    /// Whether this node had stored there before.
    pub is_known: bool,
}

/// What is known of a target that was only looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// None where it has none yet.
    pub id: Option<TargetId>,
    /// Whether this node had stored there before.
    pub is_known: bool,
}

impl TargetGuard {
    pub fn new(
        name: TargetName,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        run: Arc<RunTargets>,
        create: bool,
    ) -> Self {
        Self {
            name,
            journal,
            clock,
            run,
            create,
            admitted: OnceCell::new(),
        }
    }

    /// Finds out once which target it is. One that was never stored at gets its id, and its
    /// place where that may be made.
    ///
    /// # Errors
    /// `target-changed`, `same-target`, `place-missing`, or the target or the journal fails;
    /// then it is asked again.
    pub async fn admit(&self, target: &dyn Target) -> Result<&Admitted, Fault> {
        let made = || self.find_or_make(target);
        self.admitted.get_or_try_init(made).await
    }

    /// Looks which target it is and leaves it as it is.
    ///
    /// # Errors
    /// As [`TargetGuard::admit`], but for `same-target`, which a claim tells.
    pub async fn look(&self, target: &dyn Target) -> Result<Known, Fault> {
        if let Some(admitted) = self.admitted.get() {
            return Ok(Known {
                id: Some(admitted.id.clone()),
                is_known: admitted.is_known,
            });
        }
        let known = self.known().await?;
        let found = identity::find(target).await?;
        let is_known = known.is_some();
        // Where nobody ever stored, there is nothing to miss.
        if !is_known && matches!(found, Identity::NoPlace(_)) {
            return Ok(Known { id: None, is_known });
        }
        let id = accept(&self.name, known.as_ref(), found)?;
        Ok(Known { id, is_known })
    }

    /// Takes for this name what was found to be there.
    ///
    /// # Errors
    /// `same-target`, where the run stores there by another name.
    pub fn claim(&self, known: &Known) -> Result<(), Fault> {
        let id = known.id.as_ref();
        id.map_or(Ok(()), |id| self.run.claim(id, &self.name))
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
        let known = self.known().await?;
        let may_make = self.create && known.is_none();
        let found = find_or_place(target, &self.name, may_make).await?;
        let id = match accept(&self.name, known.as_ref(), found)? {
            Some(id) => id,
            None => make(target, &self.name, &*self.clock).await?,
        };
        self.run.claim(&id, &self.name)?;
        Ok(Admitted {
            id,
            is_known: known.is_some(),
        })
    }

    /// The id that the journal has.
    async fn known(&self) -> Result<Option<TargetId>, Fault> {
        let name = self.name.clone();
        self.ask(move |journal| journal.target_id(&name)).await
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
/// `target-changed`; where nobody knows it, `place-missing` for one that is not there and
/// `target-unusable` for one that holds no id.
pub fn accept(
    name: &TargetName,
    known: Option<&TargetId>,
    found: Identity,
) -> Result<Option<TargetId>, Fault> {
    let there = match (known, found) {
        (None, Identity::Absent) => return Ok(None),
        (None, Identity::NoPlace(why)) => return Err(no_place(name, &why)),
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

/// Which target answers, once its place is made where it is missing and `create` allows it.
/// Not for a target that was stored at: whatever is missing there is not to be made anew.
pub async fn find_or_place(
    target: &dyn Target,
    name: &TargetName,
    create: bool,
) -> Result<Identity, Fault> {
    match identity::find(target).await? {
        Identity::NoPlace(_) if create => make_place(target, name).await,
        found => Ok(found),
    }
}

/// Makes the place, and looks whether it is there.
async fn make_place(target: &dyn Target, name: &TargetName) -> Result<Identity, Fault> {
    target.make_place().await?;
    match identity::find(target).await? {
        Identity::NoPlace(why) => Err(never_made(name, &why)),
        found => Ok(found),
    }
}

/// Gives a target an id; another process may have been first.
pub async fn make(
    target: &dyn Target,
    name: &TargetName,
    clock: &dyn Clock,
) -> Result<TargetId, Fault> {
    let id = TargetId::new(drydock_node::random_hex::<ID_BYTES>()?);
    let made = identity::make(target, &id, clock.now()).await;
    let made = made.map_err(|error| not_given_back(TARGET, None, error.into()))?;
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

fn no_place(name: &TargetName, why: &str) -> Fault {
    Fault::permanent(
        ErrorCode::PlaceMissing,
        format!(
            "target {name} leads nowhere: {why}; where its document is right and nothing was ever stored there, add `create: true` to it, and Drydock makes it"
        ),
    )
}

fn never_made(name: &TargetName, why: &str) -> Fault {
    Fault::permanent(
        ErrorCode::PlaceMissing,
        format!(
            "the plugin of target {name} said that it made its place, and it is not there: {why}; make it by hand, and ask the plugin's author"
        ),
    )
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
                false,
            )
        }

        /// The same of a target whose place may be made.
        fn creating_guard(&self) -> TargetGuard {
            TargetGuard {
                create: true,
                ..self.guard()
            }
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
        assert!(!node.guard().look(&target).await.unwrap().is_known);
        assert_eq!(target.objects(), Vec::<String>::new());
        assert_eq!(target.open_uploads(), 0);
        node.commit(&target).await.unwrap();
        assert!(node.guard().look(&target).await.unwrap().is_known);
        let other = FakeTarget::new();
        let fault = node.guard().look(&other).await.unwrap_err();
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

    /// Only a target whose document says so, and only one that was never stored at: what is
    /// missing of another is a mount that is not there, and whoever made it anew would hide that.
    #[tokio::test]
    async fn a_place_is_made_where_that_is_granted_and_nobody_stored() {
        let (node, target) = (Node::new(), FakeTarget::new());
        target.lose_place();
        let fault = node.guard().admit(&target).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::PlaceMissing);
        assert_eq!(
            fault.message,
            "target local leads nowhere: there is no place; where its document is right and nothing was ever stored there, add `create: true` to it, and Drydock makes it"
        );
        assert_eq!(target.called(Call::MakePlace), 0);
        assert!(!node.creating_guard().look(&target).await.unwrap().is_known);
        assert_eq!(target.called(Call::MakePlace), 0);
        let guard = node.creating_guard();
        guard.admit(&target).await.unwrap();
        guard.admit_again(&target).await.unwrap();
        assert_eq!(target.called(Call::MakePlace), 1);
        target.lose_place();
        let fault = node.creating_guard().admit(&target).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::TargetChanged);
        assert_eq!(target.called(Call::MakePlace), 1);
    }

    #[tokio::test]
    async fn a_place_that_is_only_said_to_be_made_is_told() {
        let (node, target) = (Node::new(), FakeTarget::new());
        target.lose_place_for_good();
        let fault = node.creating_guard().admit(&target).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::PlaceMissing);
        assert_eq!(
            fault.message,
            "the plugin of target local said that it made its place, and it is not there: there is no place; make it by hand, and ask the plugin's author"
        );
    }

    /// Two nodes are given the same empty place at once.
    #[tokio::test]
    async fn of_two_that_make_the_id_one_takes_the_others() {
        let (first, second, target) = (Node::new(), Node::new(), FakeTarget::new());
        let (one, other) = (first.guard(), second.guard());
        let (one, other) = tokio::join!(one.admit(&target), other.admit(&target));
        assert_eq!(one.unwrap().id, other.unwrap().id);
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
