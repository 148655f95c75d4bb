//! A target in memory. It keeps the [`contract`](crate::contract), and it
//! can be told to fail, and its objects can be damaged behind its back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use drydock_core::store::{
    Completion, Layout, ObjectPage, ObjectStat, PartReceipt, PassedOver, Receipt, Session,
    SessionInfo, SessionPage,
};
use drydock_core::{ErrorCode, Fault, Finding};

use drydock_repository::target::{Part, RangeSink};
use drydock_repository::{Sha256, Target};

/// Entries of one page: small, so that every listing of a test takes several.
const PAGE_ENTRIES: usize = 2;

/// Bytes of one piece of a range: small, so that ranges take several.
const PIECE_BYTES: usize = 64 * 1024;

/// Calls that can be told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    List,
    Begin,
    PutPart,
    Complete,
    /// Once the object is visible.
    CompleteAfterwards,
    Stat,
    /// Before the first byte.
    GetRange,
    /// After half of the bytes.
    GetRangeMidway,
}

/// A fake target.
#[derive(Default)]
pub struct FakeTarget {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<Vec<u8>, Upload>,
    begun: u64,
    failures: VecDeque<Failure>,
    /// Ranges of objects with this ending that are read wrongly, so many times.
    misread: Option<(String, u32)>,
    /// Objects that appear right before the next `complete`.
    intruder: Option<(String, Vec<u8>)>,
    unverified: bool,
    spoiling: bool,
    /// Objects that cannot be read, with what is said of them.
    closed: BTreeMap<String, Fault>,
    /// What every page of a listing tells of.
    passed_over: Vec<PassedOver>,
}

struct Upload {
    object: String,
    parts: BTreeMap<u32, (u64, Vec<u8>)>,
}

/// Calls about objects with this ending fail, so many times.
struct Failure {
    call: Call,
    ending: String,
    times: u32,
    fault: Fault,
}

impl FakeTarget {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next call of this kind fails once with `fault`.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.fail_at(call, "", 1, fault);
    }

    /// The next calls of this kind about an object with this ending fail so many times.
    pub fn fail_at(&self, call: Call, ending: &str, times: u32, fault: Fault) {
        self.state().failures.push_back(Failure {
            call,
            ending: ending.to_owned(),
            times,
            fault,
        });
    }

    /// Nothing is told to fail any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.failures.clear();
        state.misread = None;
    }

    /// The first byte of each range of an object with this ending is another one, so many
    /// times; the object itself is as it was.
    pub fn misread(&self, ending: &str, times: u32) {
        self.state().misread = Some((ending.to_owned(), times));
    }

    /// Somebody else creates this object right before the next `complete`.
    pub fn intrude(&self, object: &str, bytes: &[u8]) {
        self.state().intruder = Some((object.to_owned(), bytes.to_vec()));
    }

    /// From now on this object can be listed, and not be read.
    pub fn close(&self, object: &str, fault: Fault) {
        self.state().closed.insert(object.to_owned(), fault);
    }

    /// From now on this stands among the objects and cannot be listed.
    pub fn pass_over(&self, passed: PassedOver) {
        self.state().passed_over.push(passed);
    }

    /// From now on nothing is compared with a checksum.
    pub fn stop_verifying(&self) {
        self.state().unverified = true;
    }

    /// From now on every object that is completed has its first bit flipped, unnoticed.
    pub fn spoil_what_is_written(&self) {
        let mut state = self.state();
        state.unverified = true;
        state.spoiling = true;
    }

    /// Puts bytes under a name, over whatever is there.
    pub fn put(&self, object: &str, bytes: &[u8]) {
        self.state()
            .objects
            .insert(object.to_owned(), bytes.to_vec());
    }

    /// The bytes under a name.
    #[must_use]
    pub fn bytes(&self, object: &str) -> Option<Vec<u8>> {
        self.state().objects.get(object).cloned()
    }

    /// All object names, sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// How many uploads are open.
    #[must_use]
    pub fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds the lock")
    }

    fn failure(&self, call: Call, object: &str) -> Option<Fault> {
        let failures = &mut self.state().failures;
        let fits = |failure: &Failure| failure.call == call && object.ends_with(&failure.ending);
        let index = failures.iter().position(fits)?;
        let failure = &mut failures[index];
        failure.times -= 1;
        if failure.times > 0 {
            return Some(failure.fault.clone());
        }
        failures.remove(index).map(|failure| failure.fault)
    }

    fn is_misread(&self, object: &str) -> bool {
        let mut state = self.state();
        let Some((ending, times)) = &mut state.misread else {
            return false;
        };
        let misread = *times > 0 && object.ends_with(ending.as_str());
        *times -= u32::from(misread);
        misread
    }
}

#[async_trait]
impl Target for FakeTarget {
    async fn check(&self) -> Result<Vec<Finding>, Fault> {
        Ok(Vec::new())
    }

    async fn layout(&self) -> Result<Layout, Fault> {
        Ok(Layout {
            part_bytes_min: 1,
            part_bytes_max: 64 * 1024,
            parts_max: 10_000,
            parallel_max: 4,
            equal_parts: false,
        })
    }

    async fn begin(
        &self,
        object: &str,
        _size_max: Option<u64>,
        _part_size: u64,
    ) -> Result<Session, Fault> {
        if object.is_empty()
            || object
                .split('/')
                .any(|part| matches!(part, "" | "." | ".."))
        {
            let message = format!("{object:?} is not an object name");
            return Err(Fault::permanent(ErrorCode::BadName, message));
        }
        if let Some(fault) = self.failure(Call::Begin, object) {
            return Err(fault);
        }
        let mut state = self.state();
        state.begun += 1;
        let session = format!("{}\n{object}", state.begun).into_bytes();
        let upload = Upload {
            object: object.to_owned(),
            parts: BTreeMap::new(),
        };
        state.uploads.insert(session.clone(), upload);
        Ok(Session(session))
    }

    async fn put_part(
        &self,
        session: &Session,
        number: u32,
        offset: u64,
        part: Part,
    ) -> Result<Receipt, Fault> {
        if let Some(fault) = self.failure(Call::PutPart, &object_of(session)?) {
            return Err(fault);
        }
        let length = usize::try_from(part.length).expect("parts of tests are small");
        let mut bytes = vec![0; length];
        part.bytes
            .read_exact_at(&mut bytes, part.offset)
            .map_err(|error| Fault::permanent(ErrorCode::of("unreadable"), error.to_string()))?;
        let receipt = Receipt(Sha256::of(&bytes).0.to_vec());
        let mut state = self.state();
        let upload = state.uploads.get_mut(&session.0).ok_or_else(no_upload)?;
        upload.parts.insert(number, (offset, bytes));
        Ok(receipt)
    }

    async fn complete(
        &self,
        session: &Session,
        receipts: &[PartReceipt],
        size: u64,
        sha256: [u8; 32],
        if_absent: bool,
    ) -> Result<Completion, Fault> {
        let object = object_of(session)?;
        if let Some(fault) = self.failure(Call::Complete, &object) {
            return Err(fault);
        }
        let afterwards = self.failure(Call::CompleteAfterwards, &object);
        let mut state = self.state();
        if let Some((object, bytes)) = state.intruder.take() {
            state.objects.insert(object, bytes);
        }
        let completion = state.complete(session, receipts, (size, sha256), if_absent)?;
        afterwards.map_or(Ok(completion), Err)
    }

    async fn abort(&self, session: &Session) -> Result<(), Fault> {
        self.state().uploads.remove(&session.0);
        Ok(())
    }

    async fn list_sessions(
        &self,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<SessionPage, Fault> {
        let state = self.state();
        let found = state
            .uploads
            .iter()
            .filter(|(_, u)| u.object.starts_with(prefix));
        let sessions = found.map(|(session, upload)| {
            let info = SessionInfo {
                object: upload.object.clone(),
                session: Session(session.clone()),
            };
            (hex::encode(session), info)
        });
        let (sessions, next) = page(sessions, cursor);
        Ok(SessionPage { sessions, next })
    }

    async fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Fault> {
        if let Some(fault) = self.failure(Call::List, prefix) {
            return Err(fault);
        }
        let state = self.state();
        let found = state
            .objects
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        let objects = found.map(|(name, bytes)| (name.clone(), stat(name, bytes)));
        let (objects, next) = page(objects, cursor);
        Ok(ObjectPage {
            objects,
            passed_over: match cursor {
                None => state.passed_over.clone(),
                Some(_) => Vec::new(),
            },
            next,
        })
    }

    async fn stat(&self, object: &str) -> Result<ObjectStat, Fault> {
        if let Some(fault) = self.failure(Call::Stat, object) {
            return Err(fault);
        }
        let state = self.state();
        if let Some(fault) = state.closed.get(object) {
            return Err(fault.clone());
        }
        let bytes = state.objects.get(object).ok_or_else(|| no_object(object))?;
        Ok(stat(object, bytes))
    }

    async fn get_range(
        &self,
        object: &str,
        offset: u64,
        length: u64,
        into: RangeSink,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.failure(Call::GetRange, object) {
            return Err(fault);
        }
        let mut bytes = self.bytes(object).ok_or_else(|| no_object(object))?;
        if let (true, Some(first)) = (self.is_misread(object), bytes.first_mut()) {
            *first ^= 1;
        }
        let range = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(length).ok());
        let range = range
            .and_then(|(start, length)| bytes.get(start..start.checked_add(length)?))
            .ok_or_else(|| {
                Fault::permanent(ErrorCode::OutOfRange, format!("{object} is shorter"))
            })?;
        let midway = self.failure(Call::GetRangeMidway, object);
        let given = if midway.is_some() {
            range.len() / 2
        } else {
            range.len()
        };
        for piece in range[..given].chunks(PIECE_BYTES) {
            let gone = |_| {
                Fault::new(
                    drydock_core::ErrorClass::Cancelled,
                    ErrorCode::Cancelled,
                    "no reader",
                )
            };
            into.send(piece.to_vec()).await.map_err(gone)?;
        }
        midway.map_or(Ok(()), Err)
    }

    async fn delete(&self, object: &str) -> Result<(), Fault> {
        self.state().objects.remove(object);
        Ok(())
    }
}

impl State {
    fn complete(
        &mut self,
        session: &Session,
        receipts: &[PartReceipt],
        (size, sha256): (u64, [u8; 32]),
        if_absent: bool,
    ) -> Result<Completion, Fault> {
        let object = object_of(session)?;
        if let Some(there) = self.objects.get(&object) {
            if there.len() as u64 == size && Sha256::of(there).0 == sha256 {
                self.uploads.remove(&session.0);
                return Ok(self.completion(&object));
            }
            if if_absent {
                return Err(Fault::permanent(
                    ErrorCode::Exists,
                    format!("{object} is already there"),
                ));
            }
        }
        let upload = self.uploads.get(&session.0).ok_or_else(no_upload)?;
        let mut bytes = upload.assemble(receipts)?;
        if bytes.len() as u64 != size || (!self.unverified && Sha256::of(&bytes).0 != sha256) {
            return Err(Fault::permanent(
                ErrorCode::Corrupt,
                "the parts are not the whole object",
            ));
        }
        if let (true, Some(first)) = (self.spoiling, bytes.first_mut()) {
            *first ^= 1;
        }
        self.uploads.remove(&session.0);
        self.objects.insert(object.clone(), bytes);
        Ok(self.completion(&object))
    }

    fn completion(&self, object: &str) -> Completion {
        Completion {
            stat: stat(object, &self.objects[object]),
            verified: !self.unverified,
        }
    }
}

impl Upload {
    fn assemble(&self, receipts: &[PartReceipt]) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        for receipt in receipts {
            let part = self.parts.get(&receipt.number);
            let (offset, part) = part.ok_or_else(no_upload)?;
            if *offset != bytes.len() as u64 || receipt.receipt.0 != Sha256::of(part).0 {
                return Err(Fault::permanent(
                    ErrorCode::Corrupt,
                    "a part does not follow the one before",
                ));
            }
            bytes.extend(part);
        }
        Ok(bytes)
    }
}

fn stat(object: &str, bytes: &[u8]) -> ObjectStat {
    ObjectStat {
        object: object.to_owned(),
        size: bytes.len() as u64,
        sha256: Some(Sha256::of(bytes).0.to_vec()),
    }
}

/// Entries come with their sort key; the cursor is the last key given out.
fn page<T>(
    entries: impl Iterator<Item = (String, T)>,
    cursor: Option<&str>,
) -> (Vec<T>, Option<String>) {
    let mut rest = entries
        .skip_while(|(key, _)| cursor.is_some_and(|cursor| key.as_str() <= cursor))
        .peekable();
    let mut last = None;
    let mut given = Vec::new();
    while given.len() < PAGE_ENTRIES {
        let Some((key, entry)) = rest.next() else {
            break;
        };
        last = Some(key);
        given.push(entry);
    }
    let next = rest.peek().and(last);
    (given, next)
}

fn object_of(session: &Session) -> Result<String, Fault> {
    std::str::from_utf8(&session.0)
        .ok()
        .and_then(|text| text.split_once('\n'))
        .map(|(_, object)| object.to_owned())
        .ok_or_else(no_upload)
}

fn no_upload() -> Fault {
    Fault::permanent(ErrorCode::NotFound, "there is no such upload or part")
}

fn no_object(object: &str) -> Fault {
    Fault::permanent(ErrorCode::NotFound, format!("there is no object {object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        crate::contract::run(&FakeTarget::new()).await.unwrap();
    }
}
