//! `drydock target accept`: what is at a target now is the one to store at from now on.
//!
//! It works beside a daemon, which asks the journal for the id before each run. The target
//! gets its object first and the journal its id last: a crash in between leaves an object
//! that the next `accept` finds.

use drydock_api_types::target::AcceptedTarget;
use drydock_core::{TargetId, TargetName};
use drydock_journal::{Journal, LockError, LockOwner, StateLock};
use drydock_node::{Configuration, PluginRegistry};
use drydock_runs::steps::guard;
use drydock_terminal::print::{self, Output};

use super::opened;
use crate::{Exit, Failure, Outcome};

pub async fn accept(output: Output, node: Configuration, name: &str) -> Outcome {
    let registry = PluginRegistry::open(node)?;
    let target = opened(&registry, name).await?;
    let name = TargetName::new(name);
    let journal = OpenJournal::of(&registry.node)?;
    let clock = &*registry.node.deps.clock;
    let create = registry.node.target(name.as_str())?.value.spec.create;
    let found = guard::find_or_place(&target, &name, create).await?;
    let (id, is_new) = match guard::accept(&name, None, found)? {
        Some(id) => (id, false),
        None => (guard::make(&target, &name, clock).await?, true),
    };
    let at = clock.now();
    let before = journal.journal.set_target_id(&name, &id, at)?;
    let is_other = before.as_ref().is_some_and(|before| *before != id);
    let accepted = AcceptedTarget {
        target: name.clone(),
        id,
        before,
        created: is_new,
    };
    let before = accepted.before.as_ref();
    let row = vec![
        accepted.target.to_string(),
        accepted.id.to_string(),
        before.map_or_else(|| "-".to_owned(), TargetId::to_string),
    ];
    print::rows(output, &accepted, &["TARGET", "ID", "BEFORE"], [row])?;
    if is_other {
        print::note(&format!(
            "Recovery points go to what is at target {name} now. Those that were stored before are at the other one."
        ));
    }
    Ok(Exit::Done)
}

/// The journal, and the state folder's lock where nobody else holds it.
struct OpenJournal {
    journal: Journal,
    _lock: Option<StateLock>,
}

impl OpenJournal {
    fn of(node: &Configuration) -> Result<Self, Failure> {
        let owner = LockOwner {
            command: "drydock target accept".to_owned(),
            since: node.deps.clock.now(),
        };
        match StateLock::acquire(node.state(), &owner) {
            Ok(lock) => Ok(Self {
                journal: Journal::open(node.state())?,
                _lock: Some(lock),
            }),
            Err(LockError::InUse { .. }) => Ok(Self {
                journal: Journal::open_beside(node.state())?,
                _lock: None,
            }),
            Err(error) => Err(error.into()),
        }
    }
}
