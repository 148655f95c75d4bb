//! Uploads and commits.

use drydock_core::store::{Completion, Receipt};
use drydock_core::{ErrorCode, Fault, OutputId, StepName};

use super::super::{OpenUpload, RunState, Store, StoreStatus, Upload};
use crate::model::Event;
use crate::task::Task;

impl RunState {
    /// Enters the upload before its begin is carried out, so that its object is known
    /// even if the answer is lost.
    pub(in crate::state) fn upload_started(
        &mut self,
        store: &StepName,
        output: OutputId,
        object: &str,
    ) {
        if let Some(store) = self.store_mut(store) {
            let uploads = &mut store.uploads;
            uploads.entry(output).or_insert_with(|| Upload::new(object));
        }
    }

    pub(super) fn upload_began(&mut self, event: &Event) {
        let Event::UploadBegan {
            store,
            output,
            session,
            layout,
            part_size,
        } = event
        else {
            return;
        };
        let Some(upload) = self.upload_mut(store, *output) else {
            return;
        };
        upload.begin.done();
        upload.open = Some(OpenUpload {
            session: session.clone(),
            layout: *layout,
            part_size: (*part_size).max(1),
        });
        self.check_part_counts(*output);
    }

    pub(super) fn part_stored(
        &mut self,
        store: &StepName,
        output: OutputId,
        number: u32,
        receipt: &Receipt,
    ) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.part_stored(number, receipt);
        }
    }

    /// A completion whose size or digest is not the one that was sealed is a failure of
    /// the store, whatever it says of itself.
    pub(super) fn upload_completed(
        &mut self,
        store: &StepName,
        output: OutputId,
        completion: &Completion,
    ) {
        let differs = self.differs(output, completion);
        let Some(upload) = self.upload_mut(store, output) else {
            return;
        };
        upload.complete.done();
        upload.completion = Some(completion.clone());
        if completion.verified {
            upload.read_back.done();
        }
        if differs {
            let fault = wrong_object(&completion.stat.object);
            self.give_up(store, fault);
        }
    }

    pub(super) fn read_back_passed(&mut self, store: &StepName, output: OutputId) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.read_back.done();
        }
    }

    pub(super) fn committed(&mut self, store: &StepName, despite: Option<&Fault>) {
        if let Some(store) = self.store_mut(store) {
            store.committed(despite);
        }
    }

    pub(super) fn superseded(&mut self, store: &StepName, names: &[String]) {
        if let Some(store) = self.store_mut(store) {
            store.superseded(names);
        }
    }

    /// Notes what the manifest names that is about to be handed to a store.
    pub(in crate::state) fn commit_started(&mut self, store: &StepName) {
        let named = self.live_outputs().map(|output| output.id).collect();
        if let Some(store) = self.store_mut(store) {
            store.offer(named);
        }
    }

    pub(super) fn upload_aborted(&mut self, store: &StepName, output: OutputId) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.abort.done();
        }
    }

    pub(super) fn object_deleted(&mut self, store: &StepName, output: OutputId) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.delete.done();
        }
    }

    pub(super) fn uploads_swept(&mut self, store: &StepName) {
        if let Some(store) = self.store_mut(store) {
            store.sweep_wanted = false;
            store.sweep = Task::default();
        }
    }

    /// Gives up the stores whose part size is too small for what is to be stored.
    pub(super) fn check_part_counts(&mut self, output: OutputId) {
        let Some(found) = self.outputs.get(&output).filter(|found| found.is_live()) else {
            return;
        };
        let size = found.available();
        let mut too_small = Vec::new();
        for store in &self.stores {
            let open = store.uploads.get(&output).and_then(|u| u.open.as_ref());
            if let Some(open) = open.filter(|open| has_too_many_parts(open, size)) {
                too_small.push((store.step.clone(), too_many_parts(open, size)));
            }
        }
        for (store, fault) in too_small {
            self.give_up(&store, fault);
        }
    }

    /// The store failed for good. When no other is left, the run ends. In a run that is
    /// ending already, every store is cleaned up anyway.
    pub(super) fn give_up(&mut self, store: &StepName, fault: Fault) {
        if self.is_ending() {
            return;
        }
        let Some(found) = self.store_mut(store).filter(|store| store.is_active()) else {
            return;
        };
        found.status = StoreStatus::GivenUp(fault);
        if self.stores.iter().all(|store| store.fault().is_some()) {
            self.ending = self.no_target();
        }
    }

    /// One fault for all the targets that were given up, of the first one's class and
    /// code.
    #[must_use]
    pub fn no_target(&self) -> Option<Fault> {
        let told = |store: &Store| {
            let fault = store.fault()?;
            Some(format!("target {} was given up: {fault}", store.target))
        };
        let message: Vec<_> = self.stores.iter().filter_map(told).collect();
        let first = self.stores.iter().find_map(Store::fault)?;
        Some(Fault {
            message: message.join("; "),
            ..first.clone()
        })
    }

    fn differs(&self, output: OutputId, completion: &Completion) -> bool {
        let sealed = self.outputs.get(&output).and_then(|found| found.sealed());
        let Some(sealed) = sealed else {
            return false;
        };
        let digest = completion.stat.sha256.as_deref();
        completion.stat.size != sealed.sealed_size
            || digest.is_some_and(|digest| !is_hex_of(&sealed.sealed_sha256, digest))
    }
}

fn has_too_many_parts(open: &OpenUpload, size: u64) -> bool {
    open.parts_of(size) > u64::from(open.layout.parts_max)
}

/// Compares hex digits with bytes without making a text of the bytes.
fn is_hex_of(text: &str, bytes: &[u8]) -> bool {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits = digits.map(|digit| char::from_digit(u32::from(digit), 16));
    text.chars().map(Some).eq(digits)
}

fn wrong_object(object: &str) -> Fault {
    Fault::permanent(
        ErrorCode::WrongObject,
        format!(
            "the target says that {object} has another size or digest than what was sent: look at the target and its plugin"
        ),
    )
}

fn too_many_parts(open: &OpenUpload, size: u64) -> Fault {
    Fault::permanent(
        ErrorCode::TooManyParts,
        format!(
            "{size} bytes in parts of {} are more than the {} parts that the target takes: raise the part size in the target's config",
            open.part_size, open.layout.parts_max
        ),
    )
}
