//! The upload of one output to one store, part by part.

use std::collections::BTreeMap;

use drydock_core::UnixTime;
use drydock_core::store::{Acknowledgement, Completion, Layout, PartReceipt, Session};

use crate::model::PointEffect;
use crate::task::Task;

/// An upload, from the moment in which its begin was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub object: String,
    pub begin: Task,
    pub open: Option<OpenUpload>,
    /// What the store said of the parts that it has.
    pub parts: BTreeMap<u32, Acknowledgement>,
    /// Parts 1 to this one are stored.
    pub stored_to: u32,
    /// Parts that were asked for and are not stored yet.
    pub sending: BTreeMap<u32, Task>,
    pub complete: Task,
    pub completion: Option<Completion>,
    pub read_back: Task,
    pub retain: Task,
    pub abort: Task,
    pub delete: Task,
    /// When the store frees by itself what it could not be asked to free.
    pub room_until: Option<UnixTime>,
}

/// What the store answered when the upload began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUpload {
    pub session: Session,
    pub layout: Layout,
    /// Bytes of every part but the last; at least 1.
    pub part_size: u64,
}

impl Upload {
    #[must_use]
    pub fn new(object: &str) -> Self {
        Self {
            object: object.to_owned(),
            begin: Task::default(),
            open: None,
            parts: BTreeMap::new(),
            stored_to: 0,
            sending: BTreeMap::new(),
            complete: Task::default(),
            completion: None,
            read_back: Task::default(),
            retain: Task::default(),
            abort: Task::default(),
            delete: Task::default(),
            room_until: None,
        }
    }

    /// Whether an effect that brings the upload forward is in flight.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.begin.is_in_flight()
            || self.complete.is_in_flight()
            || self.read_back.is_in_flight()
            || self.retain.is_in_flight()
            || self.sending.values().any(Task::is_in_flight)
    }

    /// Whether the object may be there under its name.
    #[must_use]
    pub fn may_be_complete(&self) -> bool {
        self.complete.attempts > 0
    }

    #[must_use]
    pub fn has_all_parts(&self, size: u64) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| u64::from(self.stored_to) >= open.parts_of(size))
    }

    /// Whether the server itself compared each part with what was sent.
    #[must_use]
    pub fn has_verified_parts(&self) -> bool {
        self.parts.values().all(|part| part.verified)
    }

    /// The receipts in the order of their parts.
    #[must_use]
    pub fn receipts(&self) -> Vec<PartReceipt> {
        self.parts
            .iter()
            .map(|(number, part)| PartReceipt {
                number: *number,
                receipt: part.receipt.clone(),
            })
            .collect()
    }

    /// Bytes of the parts that are stored, of what is available.
    #[must_use]
    pub fn stored_bytes(&self, available: u64) -> u64 {
        let part_size = self.open.as_ref().map_or(0, |open| open.part_size);
        let parts = self.parts.len() as u64;
        parts.saturating_mul(part_size).min(available)
    }

    pub(crate) fn part_stored(&mut self, number: u32, part: &Acknowledgement) {
        self.sending.remove(&number);
        self.parts.insert(number, part.clone());
        while self.parts.contains_key(&(self.stored_to + 1)) {
            self.stored_to += 1;
        }
    }

    /// It is to be locked anew, as long as another manifest will be.
    pub(crate) fn unlock(&mut self) {
        if !self.retain.is_in_flight() {
            self.retain = Task::default();
        }
    }

    pub(crate) fn task_mut(&mut self, effect: &PointEffect) -> Option<&mut Task> {
        match effect {
            PointEffect::BeginUpload { .. } => Some(&mut self.begin),
            PointEffect::PutPart { number, .. } if self.parts.contains_key(number) => None,
            PointEffect::PutPart { number, .. } => Some(self.sending.entry(*number).or_default()),
            PointEffect::CompleteUpload { .. } => Some(&mut self.complete),
            PointEffect::ReadBack { .. } => Some(&mut self.read_back),
            PointEffect::RetainObject { .. } => Some(&mut self.retain),
            PointEffect::AbortUpload { .. } => Some(&mut self.abort),
            PointEffect::DeleteObject { .. } => Some(&mut self.delete),
            _ => None,
        }
    }

    pub(crate) fn visit_tasks(&self, visit: &mut impl FnMut(&Task)) {
        visit(&self.begin);
        self.sending.values().for_each(&mut *visit);
        visit(&self.complete);
        visit(&self.read_back);
        visit(&self.retain);
        visit(&self.abort);
        visit(&self.delete);
    }

    pub(crate) fn each_task(&mut self, change: &mut impl FnMut(&mut Task)) {
        change(&mut self.begin);
        self.sending.values_mut().for_each(&mut *change);
        change(&mut self.complete);
        change(&mut self.read_back);
        change(&mut self.retain);
        change(&mut self.abort);
        change(&mut self.delete);
    }
}

impl OpenUpload {
    /// How many parts an object of this size has. An empty one has one empty part,
    /// since there are stores that complete no upload without parts.
    #[must_use]
    pub fn parts_of(&self, size: u64) -> u64 {
        size.div_ceil(self.part_size).max(1)
    }

    /// Offset and length of part `number` (from 1) of what is available; none while the
    /// part is not whole. `is_all` says that no more bytes will come.
    #[must_use]
    pub fn part(&self, number: u32, available: u64, is_all: bool) -> Option<(u64, u64)> {
        let offset = u64::from(number.checked_sub(1)?).checked_mul(self.part_size)?;
        let rest = available.checked_sub(offset)?;
        let is_whole = rest >= self.part_size;
        let is_last = is_all && (rest > 0 || number == 1);
        (is_whole || is_last).then(|| (offset, rest.min(self.part_size)))
    }
}
