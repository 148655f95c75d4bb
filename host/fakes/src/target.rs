//! A target in memory. It keeps the [`contract`](crate::contract), and it
//! can be told to fail, and its objects can be damaged behind its back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use drydock_core::store::{
    Acknowledgement, Checksum, ChecksumAlgorithm, Completion, Layout, ObjectPage, ObjectStat,
    PartReceipt, PassedOver, Receipt, Session, SessionInfo, SessionPage, Sessions,
};
use drydock_core::{ErrorCode, Fault, Finding, UnixTime};

use drydock_repository::target::{Part, RangeSink, Whole};
use drydock_repository::{Sha256, Target};

/// Entries of one page: small, so that every listing of a test takes several.
const PAGE_ENTRIES: usize = 2;

/// Bytes of one piece of a range: small, so that ranges take several.
const PIECE_BYTES: usize = 64 * 1024;

/// Largest object of one request: what a real store takes at least.
const OBJECT_BYTES_MAX: u64 = drydock_core::store::OBJECT_BYTES_MIN;

/// What parts are taken under.
const PART_CHECKSUM: Option<ChecksumAlgorithm> = Some(ChecksumAlgorithm::Sha256);

/// Calls that can be told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    List,
    MakePlace,
    PutObject,
    /// Once the object is visible.
    PutObjectAfterwards,
    Begin,
    PutPart,
    Complete,
    Retain,
    Abort,
    ListSessions,
    Stat,
    /// Before the first byte.
    GetRange,
    /// After half of the bytes.
    GetRangeMidway,
    Delete,
}

/// A fake target.
#[derive(Default)]
pub struct FakeTarget {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hangs: bool,
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<Vec<u8>, Upload>,
    begun: u64,
    failures: VecDeque<Failure>,
    /// Ranges of objects with this ending that are read wrongly, so many times.
    misread: Option<(String, u32)>,
    /// Objects that appear right before the next one is created.
    intruder: Option<(String, Vec<u8>)>,
    unverified: bool,
    spoiling: bool,
    /// Objects that cannot be read, with what is said of them.
    closed: BTreeMap<String, Fault>,
    /// What every page of a listing tells of.
    passed_over: Vec<PassedOver>,
    sessions: Option<Sessions>,
    locks: Locks,
    locked: BTreeMap<String, UnixTime>,
    place: Place,
    calls: Vec<Call>,
}

/// What it does about locks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Locks {
    #[default]
    None,
    Real,
    /// It says that it has locked, and has not.
    Claimed,
}

/// The folder or bucket itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    There,
    Missing,
    /// It says that it has made it, and has not.
    NeverMade,
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

    /// From now on it says nothing when it is looked at.
    pub fn hang(&self) {
        self.state().hangs = true;
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

    /// Uploads that are left expire after so long, and can be neither listed nor aborted.
    pub fn expire(&self, seconds: u64) {
        self.state().sessions = Some(Sessions::Expire { seconds });
    }

    /// From now on objects can be locked.
    pub fn lock_objects(&self) {
        self.state().locks = Locks::Real;
    }

    /// From now on it says that it locks objects, and does not.
    pub fn claim_locks(&self) {
        self.state().locks = Locks::Claimed;
    }

    /// Until when an object is locked.
    #[must_use]
    pub fn locked_until(&self, object: &str) -> Option<UnixTime> {
        self.state().locked.get(object).copied()
    }

    /// The place itself is not there until it is made.
    pub fn lose_place(&self) {
        self.state().place = Place::Missing;
    }

    /// It is not there, and making it is said to succeed and does nothing.
    pub fn lose_place_for_good(&self) {
        self.state().place = Place::NeverMade;
    }

    /// How often one of these calls was made.
    #[must_use]
    pub fn called(&self, call: Call) -> usize {
        self.state().calls.iter().filter(|c| **c == call).count()
    }

    /// Somebody else creates this object right before the next one is created.
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

    /// Notes the call, and answers how it fails: as it was told to, or because there is no
    /// place.
    fn failure(&self, call: Call, object: &str) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push(call);
        if state.place != Place::There && call != Call::MakePlace {
            return Some(no_place());
        }
        let failures = &mut state.failures;
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
        if self.state().place != Place::There {
            return Err(no_place());
        }
        Ok(Vec::new())
    }

    async fn layout(&self) -> Result<Layout, Fault> {
        let state = self.state();
        Ok(Layout {
            part_bytes_min: 1,
            part_bytes_max: 64 * 1024,
            parts_max: 10_000,
            parallel_max: 4,
            equal_parts: false,
            object_bytes_max: OBJECT_BYTES_MAX,
            part_checksum: PART_CHECKSUM,
            sessions: state.sessions.unwrap_or(Sessions::Listed),
            retain: state.locks != Locks::None,
        })
    }

    async fn make_place(&self) -> Result<(), Fault> {
        if let Some(fault) = self.failure(Call::MakePlace, "") {
            return Err(fault);
        }
        let mut state = self.state();
        if state.place == Place::Missing {
            state.place = Place::There;
        }
        Ok(())
    }

    async fn put_object(
        &self,
        object: &str,
        bytes: Part,
        retain_until: Option<UnixTime>,
    ) -> Result<ObjectStat, Fault> {
        check_name(object)?;
        if let Some(fault) = self.failure(Call::PutObject, object) {
            return Err(fault);
        }
        let bytes = read(&bytes)?;
        if bytes.len() as u64 > OBJECT_BYTES_MAX {
            let message = format!("{object} is too large for one request");
            return Err(Fault::permanent(ErrorCode::TooLarge, message));
        }
        let afterwards = self.failure(Call::PutObjectAfterwards, object);
        let mut state = self.state();
        state.intrude();
        match state.objects.get(object) {
            Some(there) if *there == bytes => {}
            Some(_) => return Err(exists(object)),
            None => state.keep(object, bytes),
        }
        if let Some(until) = retain_until {
            state.lock(object, until)?;
        }
        let stat = state.stat(object);
        afterwards.map_or(Ok(stat), Err)
    }

    async fn begin(
        &self,
        object: &str,
        _size_max: Option<u64>,
        _part_size: u64,
    ) -> Result<Session, Fault> {
        check_name(object)?;
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
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<Acknowledgement, Fault> {
        if let Some(fault) = self.failure(Call::PutPart, &object_of(session)?) {
            return Err(fault);
        }
        assert_eq!(
            checksum, PART_CHECKSUM,
            "the layout's checksum is asked for"
        );
        let bytes = read(&part)?;
        let receipt = Receipt(Sha256::of(&bytes).0.to_vec());
        let mut state = self.state();
        let verified = !state.unverified;
        let upload = state.uploads.get_mut(&session.0).ok_or_else(no_upload)?;
        upload.parts.insert(number, (offset, bytes));
        Ok(Acknowledgement { receipt, verified })
    }

    async fn complete(
        &self,
        session: &Session,
        receipts: &[PartReceipt],
        whole: Whole,
    ) -> Result<Completion, Fault> {
        let object = object_of(session)?;
        if let Some(fault) = self.failure(Call::Complete, &object) {
            return Err(fault);
        }
        let mut state = self.state();
        state.intrude();
        state.complete(session, receipts, (whole.size, whole.sha256))
    }

    async fn retain(&self, object: &str, until: UnixTime) -> Result<(), Fault> {
        if let Some(fault) = self.failure(Call::Retain, object) {
            return Err(fault);
        }
        self.state().lock(object, until)
    }

    async fn abort(&self, session: &Session) -> Result<(), Fault> {
        if let Some(fault) = self.failure(Call::Abort, &object_of(session)?) {
            return Err(fault);
        }
        let mut state = self.state();
        assert_eq!(state.sessions, None, "nobody aborts what only expires");
        state.uploads.remove(&session.0);
        Ok(())
    }

    async fn list_sessions(
        &self,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<SessionPage, Fault> {
        if let Some(fault) = self.failure(Call::ListSessions, prefix) {
            return Err(fault);
        }
        let state = self.state();
        assert_eq!(state.sessions, None, "nobody lists what only expires");
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
        let objects = found.map(|(name, _)| (name.clone(), state.stat(name)));
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
        let hangs = self.state().hangs;
        if hangs {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = self.failure(Call::Stat, object) {
            return Err(fault);
        }
        let state = self.state();
        if let Some(fault) = state.closed.get(object) {
            return Err(fault.clone());
        }
        if !state.objects.contains_key(object) {
            return Err(no_object(object));
        }
        Ok(state.stat(object))
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
        if let Some(fault) = self.failure(Call::Delete, object) {
            return Err(fault);
        }
        let mut state = self.state();
        if let Some(until) = state.locked.get(object) {
            let message = format!("{object} is locked until {until}");
            return Err(Fault::denied(ErrorCode::PermissionDenied, message).not_done());
        }
        state.objects.remove(object);
        Ok(())
    }
}

impl State {
    fn complete(
        &mut self,
        session: &Session,
        receipts: &[PartReceipt],
        (size, sha256): (u64, [u8; 32]),
    ) -> Result<Completion, Fault> {
        let object = object_of(session)?;
        if let Some(there) = self.objects.get(&object) {
            if there.len() as u64 == size && Sha256::of(there).0 == sha256 {
                self.uploads.remove(&session.0);
                return Ok(self.completion(&object));
            }
            return Err(exists(&object));
        }
        let upload = self.uploads.get(&session.0).ok_or_else(no_upload)?;
        let bytes = upload.assemble(receipts)?;
        if bytes.len() as u64 != size || (!self.unverified && Sha256::of(&bytes).0 != sha256) {
            return Err(Fault::permanent(
                ErrorCode::Corrupt,
                "the parts are not the whole object",
            ));
        }
        self.uploads.remove(&session.0);
        self.keep(&object, bytes);
        Ok(self.completion(&object))
    }

    fn keep(&mut self, object: &str, mut bytes: Vec<u8>) {
        if let (true, Some(first)) = (self.spoiling, bytes.first_mut()) {
            *first ^= 1;
        }
        self.objects.insert(object.to_owned(), bytes);
    }

    fn intrude(&mut self) {
        if let Some((object, bytes)) = self.intruder.take() {
            self.objects.insert(object, bytes);
        }
    }

    fn lock(&mut self, object: &str, until: UnixTime) -> Result<(), Fault> {
        if !self.objects.contains_key(object) {
            return Err(no_object(object));
        }
        match self.locks {
            Locks::None => {
                let message = "this target locks nothing";
                return Err(Fault::permanent(ErrorCode::NoRetention, message).not_done());
            }
            Locks::Real => {
                let locked = self.locked.entry(object.to_owned()).or_insert(until);
                *locked = until.max(*locked);
            }
            Locks::Claimed => {}
        }
        Ok(())
    }

    fn completion(&self, object: &str) -> Completion {
        Completion {
            stat: self.stat(object),
            verified: !self.unverified,
        }
    }

    fn stat(&self, object: &str) -> ObjectStat {
        let bytes = &self.objects[object];
        ObjectStat {
            object: object.to_owned(),
            size: bytes.len() as u64,
            checksum: Some(Checksum::sha256(Sha256::of(bytes).0)),
            retained_until: self.locked.get(object).copied(),
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

fn check_name(object: &str) -> Result<(), Fault> {
    let is_bad = |part: &str| matches!(part, "" | "." | "..");
    if !object.split('/').any(is_bad) {
        return Ok(());
    }
    let message = format!("{object:?} is not an object name");
    Err(Fault::permanent(ErrorCode::BadName, message))
}

fn read(part: &Part) -> Result<Vec<u8>, Fault> {
    let length = usize::try_from(part.length).expect("parts of tests are small");
    let mut bytes = vec![0; length];
    let read = part.bytes.read_exact_at(&mut bytes, part.offset);
    read.map_err(|error| Fault::permanent(ErrorCode::of("unreadable"), error.to_string()))?;
    Ok(bytes)
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

fn exists(object: &str) -> Fault {
    Fault::permanent(ErrorCode::Exists, format!("{object} is already there"))
}

fn no_place() -> Fault {
    Fault::permanent(ErrorCode::PlaceMissing, "there is no place").not_done()
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

    #[tokio::test]
    async fn one_whose_uploads_only_expire_keeps_it_too() {
        let target = FakeTarget::new();
        target.expire(604_800);
        crate::contract::run(&target).await.unwrap();
    }

    #[tokio::test]
    async fn one_that_locks_keeps_it_too() {
        let target = FakeTarget::new();
        target.lock_objects();
        crate::contract::run(&target).await.unwrap();
        let claiming = FakeTarget::new();
        claiming.claim_locks();
        let broken = crate::contract::run(&claiming).await.unwrap_err();
        assert_eq!(broken, "contract/locked/one was locked and shows no lock");
    }
}
