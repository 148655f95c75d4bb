//! Taking back what a run began and does not need: uploads of discarded outputs, and
//! everything at a store where the run does not commit.

use drydock_core::OutputId;

use crate::model::PointEffect;
use crate::state::{Point, Store, StoreStatus, Upload};

/// What is to become of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFate {
    /// It is needed, or not decided yet.
    Keep,
    /// It must not outlive the run.
    Undo,
    /// A manifest may name its object: nothing may be removed.
    Leave,
}

/// The cleanup that can be started now.
pub fn effects(point: &Point) -> Vec<PointEffect> {
    let mut effects = Vec::new();
    if point.cleanup_given_up.is_some() {
        return effects;
    }
    for store in &point.stores {
        effects.extend(sweep(point, store));
        for (output, upload) in to_undo(point, store) {
            effects.extend(undo(store, output, upload));
        }
    }
    effects
}

/// Whether nothing is left to clean up that could be.
pub fn is_clean(point: &Point) -> bool {
    point.cleanup_given_up.is_some()
        || point.stores.iter().all(|store| {
            let swept = !store.sweep_wanted || store.sweep.is_over();
            let mut to_undo = to_undo(point, store);
            swept && to_undo.all(|(_, upload)| is_undone(upload))
        })
}

/// The commit comes first: what a manifest may name stays, whatever became of the output,
/// its spool, the store or the run.
pub fn upload_fate(point: &Point, store: &Store, output: OutputId) -> UploadFate {
    let is_live = point.outputs.get(&output).is_some_and(|o| o.is_live());
    let is_wanted = store.is_active() && !point.is_ending();
    if !store.may_be_named(output) {
        return if is_live && is_wanted {
            UploadFate::Keep
        } else {
            UploadFate::Undo
        };
    }
    let is_settled = matches!(
        store.status,
        StoreStatus::Committed | StoreStatus::Superseded
    );
    if is_wanted || is_settled || store.commit.is_in_flight() {
        UploadFate::Keep
    } else {
        UploadFate::Leave
    }
}

fn to_undo<'a>(point: &'a Point, store: &'a Store) -> impl Iterator<Item = (OutputId, &'a Upload)> {
    store
        .uploads
        .iter()
        .filter(|(output, _)| upload_fate(point, store, **output) == UploadFate::Undo)
        .map(|(output, upload)| (*output, upload))
}

/// Waits until the begins at this store are answered: one that is under way would be
/// taken for a lost one.
fn sweep(point: &Point, store: &Store) -> Option<PointEffect> {
    let beginning = store.uploads.values().any(|u| u.begin.is_in_flight());
    let wanted = store.sweep_wanted && store.sweep.is_idle() && !beginning;
    wanted.then(|| PointEffect::SweepUploads {
        store: store.step.clone(),
        prefix: point.spec.prefix(),
        objects: store.uploads.values().map(|u| u.object.clone()).collect(),
        keep: store.known_sessions(),
        attempt: store.sweep.next_attempt(),
    })
}

/// The next step of undoing an upload. The abort comes first, so that nothing can be
/// completed after the object was deleted.
fn undo(store: &Store, output: OutputId, upload: &Upload) -> Option<PointEffect> {
    if upload.is_moving() {
        return None;
    }
    if needs_abort(upload) {
        return abort(store, output, upload);
    }
    let wanted = needs_delete(upload) && upload.delete.is_idle();
    wanted.then(|| PointEffect::DeleteObject {
        store: store.step.clone(),
        output,
        object: upload.object.clone(),
        attempt: upload.delete.next_attempt(),
    })
}

fn abort(store: &Store, output: OutputId, upload: &Upload) -> Option<PointEffect> {
    let open = upload.open.as_ref()?;
    upload.abort.is_idle().then(|| PointEffect::AbortUpload {
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
