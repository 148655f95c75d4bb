//! Uploads and commits.

use drydock_core::store::{Acknowledgement, ChecksumAlgorithm, Completion, Layout, Session};
use drydock_core::{ErrorCode, Fault, OutputId, StepName, UnixTime};

use crate::model::{PointAnswer, PointEffect};
use crate::state::{OpenUpload, Point, Store, StoreStatus, Upload};

impl Point {
    /// Enters the upload before its begin is carried out, so that its object is known
    /// even if the answer is lost.
    pub(crate) fn upload_started(&mut self, store: &StepName, output: OutputId, object: &str) {
        if let Some(store) = self.store_mut(store) {
            let uploads = &mut store.uploads;
            uploads.entry(output).or_insert_with(|| Upload::new(object));
        }
    }

    /// Takes in what was answered about one upload; false where the answer is of another
    /// kind than the effect.
    pub(crate) fn upload_answered(&mut self, effect: &PointEffect, answer: &PointAnswer) -> bool {
        let (Some(store), Some(output)) = (effect.store(), effect.output()) else {
            return false;
        };
        match (effect, answer) {
            (
                PointEffect::BeginUpload { .. },
                PointAnswer::Began {
                    session,
                    layout,
                    part_size,
                },
            ) => self.upload_began(store, output, session, *layout, *part_size),
            (PointEffect::PutPart { number, .. }, PointAnswer::PartStored { part }) => {
                self.part_stored(store, output, *number, part);
            }
            (PointEffect::CompleteUpload { .. }, PointAnswer::Completed { completion }) => {
                self.upload_completed(store, output, completion);
            }
            (PointEffect::ReadBack { .. }, PointAnswer::ReadBack) => {
                self.read_back_passed(store, output);
            }
            (PointEffect::RetainObject { .. }, PointAnswer::Retained { .. }) => {
                self.object_retained(store, output);
            }
            (PointEffect::AbortUpload { .. }, PointAnswer::Aborted { room_until }) => {
                self.upload_aborted(store, output, *room_until);
            }
            (PointEffect::DeleteObject { .. }, PointAnswer::Deleted) => {
                self.object_deleted(store, output);
            }
            _ => return false,
        }
        true
    }

    fn upload_began(
        &mut self,
        store: &StepName,
        output: OutputId,
        session: &Session,
        layout: Layout,
        part_size: u64,
    ) {
        let Some(upload) = self.upload_mut(store, output) else {
            return;
        };
        upload.begin.done();
        upload.open = Some(OpenUpload {
            session: session.clone(),
            layout,
            part_size: part_size.max(1),
        });
        self.check_part_counts(output);
    }

    fn part_stored(
        &mut self,
        store: &StepName,
        output: OutputId,
        number: u32,
        part: &Acknowledgement,
    ) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.part_stored(number, part);
        }
    }

    /// It need not be read back where the server compared each part, or the whole, with what
    /// was sent. A completion whose size or digest is not the one that was sealed is a failure
    /// of the store, whatever it says of itself.
    fn upload_completed(&mut self, store: &StepName, output: OutputId, completion: &Completion) {
        let differs = self.differs(output, completion);
        let Some(upload) = self.upload_mut(store, output) else {
            return;
        };
        upload.complete.done();
        upload.completion = Some(completion.clone());
        if completion.verified || upload.has_verified_parts() {
            upload.read_back.done();
        }
        if differs {
            let fault = wrong_object(&completion.stat.object);
            self.give_up(store, fault);
        }
    }

    fn read_back_passed(&mut self, store: &StepName, output: OutputId) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.read_back.done();
        }
    }

    pub(crate) fn committed(&mut self, store: &StepName, despite: Option<&Fault>) {
        if let Some(store) = self.store_mut(store) {
            store.committed(despite);
        }
    }

    pub(crate) fn superseded(&mut self, store: &StepName, names: &[String]) {
        if let Some(store) = self.store_mut(store) {
            store.superseded(names);
        }
    }

    /// Notes what the manifest names that is about to be handed to a store.
    pub(crate) fn commit_started(&mut self, store: &StepName) {
        let named = self.live_outputs().map(|output| output.id).collect();
        if let Some(store) = self.store_mut(store) {
            store.offer(named);
        }
    }

    /// Where the manifest was given up meanwhile, it is to be locked as long as the next one.
    fn object_retained(&mut self, store: &StepName, output: OutputId) {
        let is_signed = self.manifest.is_some();
        if let Some(upload) = self.upload_mut(store, output) {
            upload.retain.done();
            if !is_signed {
                upload.unlock();
            }
        }
    }

    fn upload_aborted(&mut self, store: &StepName, output: OutputId, until: Option<UnixTime>) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.abort.done();
            upload.room_until = until;
        }
    }

    fn object_deleted(&mut self, store: &StepName, output: OutputId) {
        if let Some(upload) = self.upload_mut(store, output) {
            upload.delete.done();
        }
    }

    pub(crate) fn uploads_swept(&mut self, store: &StepName, room_until: Option<UnixTime>) {
        if let Some(store) = self.store_mut(store) {
            store.swept(room_until);
        }
    }

    /// Gives up the stores whose part size is too small for what is to be stored.
    pub(crate) fn check_part_counts(&mut self, output: OutputId) {
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

    /// The store failed for good. When no other is left, the run ends. Where it is
    /// ending already, every store is cleaned up anyway.
    pub(crate) fn give_up(&mut self, store: &StepName, fault: Fault) {
        if self.is_ending() {
            return;
        }
        let Some(found) = self.store_mut(store).filter(|store| store.is_active()) else {
            return;
        };
        found.status = StoreStatus::GivenUp(fault);
        let is_last = self.stores.iter().all(|store| store.fault().is_some());
        if let Some(fault) = self.no_target().filter(|_| is_last) {
            self.end_all(fault);
        }
    }

    /// One fault for all the targets that were given up, of the first one's class and
    /// code.
    pub(crate) fn no_target(&self) -> Option<Fault> {
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
        let mut told = completion.stat.checksum.iter();
        completion.stat.size != sealed.sealed_size
            || told.any(|told| {
                told.algorithm == ChecksumAlgorithm::Sha256
                    && !is_hex_of(&sealed.sealed_sha256, &told.value)
            })
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
