//! Bringing outputs to the stores: begin, parts, complete, read back, sign, lock, commit.

use drydock_core::OutputId;

use crate::model::{PointEffect, SealedOutput};
use crate::state::{OpenUpload, Output, Point, Store, Upload};

/// Parts of one object in flight at once, at most: more do not make one daemon's
/// upload faster, and each holds a part's worth of a plugin's attention.
const PARTS_IN_FLIGHT_MAX: u32 = 4;

/// What an active store needs next.
pub fn effects(point: &Point, store: &Store) -> Vec<PointEffect> {
    let mut effects = Vec::new();
    for output in point.live_outputs() {
        match store.uploads.get(&output.id) {
            Some(upload) if upload.open.is_some() => {
                effects.extend(parts(store, output, upload));
                effects.extend(complete(point, store, output, upload));
                effects.extend(read_back(store, output, upload));
                effects.extend(retain(point, store, output, upload));
            }
            upload => effects.extend(begin(store, output, upload)),
        }
    }
    effects.extend(commit(point, store));
    effects
}

/// The parts of one output that became ready at any store.
pub fn parts_of(point: &Point, output: OutputId) -> Vec<PointEffect> {
    let output = point.outputs.get(&output).filter(|output| output.is_live());
    let Some(output) = output.filter(|_| !point.is_ending()) else {
        return Vec::new();
    };
    let active = point.stores.iter().filter(|store| store.is_active());
    active
        .filter_map(|store| Some((store, store.uploads.get(&output.id)?)))
        .flat_map(|(store, upload)| parts(store, output, upload))
        .collect()
}

/// The manifest is signed once, when the first store has everything. What is being locked as
/// long as an earlier one is waited for.
pub fn sign(point: &Point) -> Option<PointEffect> {
    let mut uploads = point.stores.iter().flat_map(|store| store.uploads.values());
    let is_locking = uploads.any(|upload| upload.retain.is_in_flight());
    let wanted = point.manifest.is_none() && point.sign.task.is_idle() && !is_locking;
    let mut active = point.stores.iter().filter(|store| store.is_active());
    (wanted && active.any(|store| point.has_everything(store))).then_some(PointEffect::SignManifest)
}

/// While lost uploads of a store are looked for, none is begun there: its session
/// would be taken for a lost one.
fn begin(store: &Store, output: &Output, upload: Option<&Upload>) -> Option<PointEffect> {
    let sweeping = store.sweep_wanted && !store.sweep.is_over();
    let idle = upload.is_none_or(|upload| upload.begin.is_idle());
    (idle && !sweeping).then(|| PointEffect::BeginUpload {
        store: store.step.clone(),
        output: output.id,
        object: output.object.clone(),
        attempt: upload.map_or(1, |upload| upload.begin.next_attempt()),
    })
}

/// The next parts in order, as many as the window has room for. A part that waits for
/// its next try keeps its place in the window, so that a store which can only append
/// gets its parts in order.
fn parts(store: &Store, output: &Output, upload: &Upload) -> Vec<PointEffect> {
    let Some(open) = &upload.open else {
        return Vec::new();
    };
    let window = open.layout.parallel_max.clamp(1, PARTS_IN_FLIGHT_MAX) as usize;
    let taken = upload
        .sending
        .values()
        .filter(|task| !task.is_idle())
        .count();
    let is_all = output.sealed().is_some();
    (upload.stored_to + 1..)
        .map_while(|number| Some((number, open.part(number, output.available(), is_all)?)))
        .filter(|(number, _)| is_unsent(upload, *number))
        .take(window.saturating_sub(taken))
        .map(|(number, range)| put_part(store, output, upload, open, number, range))
        .collect()
}

fn is_unsent(upload: &Upload, number: u32) -> bool {
    !upload.parts.contains_key(&number)
        && upload
            .sending
            .get(&number)
            .is_none_or(|task| task.is_idle())
}

fn put_part(
    store: &Store,
    output: &Output,
    upload: &Upload,
    open: &OpenUpload,
    number: u32,
    (offset, length): (u64, u64),
) -> PointEffect {
    let task = upload.sending.get(&number);
    PointEffect::PutPart {
        store: store.step.clone(),
        output: output.id,
        session: open.session.clone(),
        number,
        offset,
        length,
        attempt: task.map_or(1, |task| task.next_attempt()),
    }
}

/// A store's uploads stay staged until everything is verified and the store has every
/// part of every output.
fn complete(point: &Point, store: &Store, output: &Output, upload: &Upload) -> Option<PointEffect> {
    let sealed = output.sealed()?;
    let open = upload.open.as_ref()?;
    let wanted = upload.complete.is_idle() && point.is_verified() && point.is_past_spool(store);
    wanted.then(|| PointEffect::CompleteUpload {
        store: store.step.clone(),
        output: output.id,
        session: open.session.clone(),
        object: upload.object.clone(),
        receipts: upload.receipts(),
        size: sealed.sealed_size,
        sha256: sealed.sealed_sha256.clone(),
        attempt: upload.complete.next_attempt(),
    })
}

fn read_back(store: &Store, output: &Output, upload: &Upload) -> Option<PointEffect> {
    let sealed: &SealedOutput = output.sealed()?;
    let wanted = upload.completion.is_some() && upload.read_back.is_idle();
    wanted.then(|| PointEffect::ReadBack {
        store: store.step.clone(),
        output: output.id,
        object: upload.object.clone(),
        size: sealed.sealed_size,
        sha256: sealed.sealed_sha256.clone(),
        attempt: upload.read_back.next_attempt(),
    })
}

/// Nothing is locked before it counts: the manifest that will name it is signed, and the store
/// has all of it.
fn retain(point: &Point, store: &Store, output: &Output, upload: &Upload) -> Option<PointEffect> {
    let counts = point.manifest.is_some() && point.has_everything(store);
    let wanted = store.retains && counts && upload.retain.is_idle();
    wanted.then(|| PointEffect::RetainObject {
        store: store.step.clone(),
        output: output.id,
        object: upload.object.clone(),
        attempt: upload.retain.next_attempt(),
    })
}

fn commit(point: &Point, store: &Store) -> Option<PointEffect> {
    let signed = point.manifest.as_ref()?;
    let wanted = store.commit.is_idle() && point.is_ready_to_commit(store);
    wanted.then(|| PointEffect::CommitManifest {
        store: store.step.clone(),
        manifest: signed.manifest.clone(),
        signature: signed.signature.clone(),
        attempt: store.commit.next_attempt(),
    })
}
