//! Taking back what a run began and does not need: uploads of discarded outputs, and
//! everything at a store where the run does not commit.

use drydock_core::OutputId;

use crate::model::Effect;
use crate::state::{RunState, Store, StoreStatus, Upload};

/// What is to become of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is needed, or not decided yet.
    Keep,
    /// It must not outlive the run.
    Undo,
    /// A manifest may name its object: nothing may be removed.
    Leave,
}

/// The cleanup that can be started now.
pub fn effects(state: &RunState) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.cleanup_given_up.is_some() {
        return effects;
    }
    for store in &state.stores {
        effects.extend(sweep(state, store));
        for (output, upload) in to_undo(state, store) {
            effects.extend(undo(store, output, upload));
        }
    }
    effects
}

/// Whether nothing is left to clean up that could be.
pub fn is_clean(state: &RunState) -> bool {
    state.cleanup_given_up.is_some()
        || state.stores.iter().all(|store| {
            let swept = !store.sweep_wanted || store.sweep.is_over();
            let mut to_undo = to_undo(state, store);
            swept && to_undo.all(|(_, upload)| is_undone(upload))
        })
}

/// The commit comes first: what a manifest may name stays, whatever became of the output,
/// its spool, the store or the run.
pub fn fate(state: &RunState, store: &Store, output: OutputId) -> Fate {
    let is_live = state.outputs.get(&output).is_some_and(|o| o.is_live());
    let is_wanted = store.is_active() && !state.is_ending();
    if !store.may_be_named(output) {
        return if is_live && is_wanted {
            Fate::Keep
        } else {
            Fate::Undo
        };
    }
    let is_settled = matches!(
        store.status,
        StoreStatus::Committed | StoreStatus::Superseded
    );
    if is_wanted || is_settled || store.commit.is_in_flight() {
        Fate::Keep
    } else {
        Fate::Leave
    }
}

fn to_undo<'a>(
    state: &'a RunState,
    store: &'a Store,
) -> impl Iterator<Item = (OutputId, &'a Upload)> {
    store
        .uploads
        .iter()
        .filter(|(output, _)| fate(state, store, **output) == Fate::Undo)
        .map(|(output, upload)| (*output, upload))
}

/// Waits until the begins at this store are answered: one that is under way would be
/// taken for a lost one.
fn sweep(state: &RunState, store: &Store) -> Option<Effect> {
    let beginning = store.uploads.values().any(|u| u.begin.is_in_flight());
    let wanted = store.sweep_wanted && store.sweep.is_idle() && !beginning;
    wanted.then(|| Effect::SweepUploads {
        store: store.step.clone(),
        prefix: state.prefix(),
        objects: store.uploads.values().map(|u| u.object.clone()).collect(),
        keep: store.known_sessions(),
        attempt: store.sweep.next_attempt(),
    })
}

/// The next step of undoing an upload. The abort comes first, so that nothing can be
/// completed after the object was deleted.
fn undo(store: &Store, output: OutputId, upload: &Upload) -> Option<Effect> {
    if upload.is_moving() {
        return None;
    }
    if needs_abort(upload) {
        return abort(store, output, upload);
    }
    let wanted = needs_delete(upload) && upload.delete.is_idle();
    wanted.then(|| Effect::DeleteObject {
        store: store.step.clone(),
        output,
        object: upload.object.clone(),
        attempt: upload.delete.next_attempt(),
    })
}

fn abort(store: &Store, output: OutputId, upload: &Upload) -> Option<Effect> {
    let open = upload.open.as_ref()?;
    upload.abort.is_idle().then(|| Effect::AbortUpload {
        store: store.step.clone(),
        output,
        session: open.session.clone(),
        attempt: upload.abort.next_attempt(),
    })
}

fn is_undone(upload: &Upload) -> bool {
    !needs_abort(upload) && !needs_delete(upload)
}

/// A completed upload has no session to abort any more.
pub fn needs_abort(upload: &Upload) -> bool {
    upload.open.is_some() && upload.completion.is_none() && !upload.abort.is_over()
}

pub fn needs_delete(upload: &Upload) -> bool {
    upload.may_be_complete() && !upload.delete.is_over()
}
