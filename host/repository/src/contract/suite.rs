//! What the expectations work with.

use std::sync::Arc;

use drydock_core::store::{Checksum, Completion, Layout, ObjectStat, PartReceipt, Session};
use drydock_core::{ErrorCode, Fault, UnixTime};
use tokio::sync::mpsc;

use super::Terms;
use crate::digest::Sha256;
use crate::pages::{ObjectPages, SessionPages};
use crate::target::{Part, Target, Whole};

/// Largest piece that a target may hand over.
const PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Pages after which a listing counts as endless.
const PAGES_MAX: usize = 1000;

/// Size of a part where the target leaves it open.
const PART_BYTES_PREFERRED: u64 = 64 * 1024;

/// Of larger parts no more are sent than a check needs.
const SMALL_PART_BYTES_MAX: u64 = 256 * 1024;

const SMALL_BYTES: u64 = 1000;

/// The objects that are locked.
pub const LOCKED: [&str; 2] = ["locked/one", "locked/two"];

pub type Outcome = Result<(), String>;

pub struct Suite<'a> {
    pub target: &'a dyn Target,
    pub layout: Layout,
    pub part_size: u64,
    pub parallel: bool,
    pub prefix: &'a str,
    pub lock_until: UnixTime,
}

impl<'a> Suite<'a> {
    pub async fn new(target: &'a dyn Target, terms: &'a Terms) -> Result<Self, String> {
        let layout = target.layout().await.map_err(told("layout"))?;
        expect(
            layout.part_bytes_min <= layout.part_bytes_max,
            "part-min is above part-max",
        )?;
        expect(layout.parts_max >= 3, "parts-max is below 3")?;
        expect(layout.parallel_max >= 1, "parallel-max is 0")?;
        Ok(Self {
            target,
            part_size: layout
                .part_bytes_min
                .max(PART_BYTES_PREFERRED)
                .min(layout.part_bytes_max),
            parallel: layout.parallel_max > 1,
            layout,
            prefix: &terms.prefix,
            lock_until: terms.lock_until,
        })
    }
}

/// Steps that several expectations share.
impl Suite<'_> {
    /// The name of an object of the suite's.
    pub fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Several parts, of which the last is not whole; two where parts are large.
    pub fn large(&self, seed: u64) -> Vec<u8> {
        let length = if self.part_size > SMALL_PART_BYTES_MAX {
            self.part_size + SMALL_BYTES
        } else {
            self.part_size * 2 + self.part_size / 2
        };
        sample(seed, length)
    }

    /// One part, below the smallest.
    pub fn small(&self, seed: u64) -> Vec<u8> {
        sample(seed, SMALL_BYTES)
    }

    pub fn parts_of(&self, bytes: &[u8]) -> u32 {
        u32::try_from(size(bytes).div_ceil(self.part_size)).expect("samples have few parts")
    }

    pub async fn begin(&self, object: &str, bytes: &[u8]) -> Result<Session, String> {
        let size_max = Some(size(bytes));
        let session = self.target.begin(object, size_max, self.part_size).await;
        session.map_err(told("begin"))
    }

    pub async fn put(
        &self,
        session: &Session,
        number: u32,
        all: &[u8],
    ) -> Result<PartReceipt, String> {
        let offset = u64::from(number - 1) * self.part_size;
        let part = Part {
            bytes: Arc::new(all.to_vec()),
            offset,
            length: self.part_size.min(size(all) - offset),
        };
        let checksum = self.layout.part_checksum;
        let taken = self
            .target
            .put_part(session, number, offset, part, checksum);
        let receipt = taken.await.map_err(told("put-part"))?.receipt;
        Ok(PartReceipt { number, receipt })
    }

    pub async fn put_all(&self, session: &Session, all: &[u8]) -> Result<Vec<PartReceipt>, String> {
        let mut receipts = Vec::new();
        for number in 1..=self.parts_of(all) {
            receipts.push(self.put(session, number, all).await?);
        }
        Ok(receipts)
    }

    pub async fn complete(
        &self,
        session: &Session,
        receipts: &[PartReceipt],
        all: &[u8],
    ) -> Result<Completion, Fault> {
        let whole = Whole {
            size: size(all),
            sha256: Sha256::of(all).0,
            bytes: Some(Arc::new(all.to_vec())),
        };
        self.target.complete(session, receipts, whole).await
    }

    /// Aborts an upload, where that can be done.
    pub async fn forget(&self, session: &Session) -> Outcome {
        if !self.layout.lists_sessions() {
            return Ok(());
        }
        self.target.abort(session).await.map_err(told("abort"))
    }

    pub async fn put_object(&self, object: &str, bytes: &[u8]) -> Outcome {
        let put = self.target.put_object(object, whole_of(bytes), None).await;
        let stat = put.map_err(told("put-object"))?;
        expect(stat.object == object, "put-object tells of another object")?;
        expect(stat.size == size(bytes), "put-object tells of another size")
    }

    pub async fn store_in_parts(&self, object: &str, bytes: &[u8]) -> Outcome {
        let session = self.begin(object, bytes).await?;
        let receipts = self.put_all(&session, bytes).await?;
        let completion = self.complete(&session, &receipts, bytes).await;
        completion.map(|_| ()).map_err(told("complete"))
    }

    /// A small object; its only part may be below `part-min`.
    pub async fn store(&self, object: &str, bytes: &[u8]) -> Outcome {
        self.store_in_parts(object, bytes).await
    }

    pub async fn range(&self, object: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let (sender, mut receiver) = mpsc::channel(2);
        let collect = async {
            let mut pieces: Vec<Vec<u8>> = Vec::new();
            while let Some(piece) = receiver.recv().await {
                pieces.push(piece);
            }
            pieces
        };
        let (answer, pieces) = tokio::join!(
            self.target.get_range(object, offset, length, sender),
            collect
        );
        answer?;
        if pieces.iter().any(|piece| piece.len() > PIECE_BYTES_MAX) {
            return Err(Fault::permanent(
                ErrorCode::TooLarge,
                "a piece is larger than 1 MiB",
            ));
        }
        Ok(pieces.concat())
    }

    pub async fn expect_size(&self, object: &str, size: u64) -> Outcome {
        let stat = self.target.stat(object).await.map_err(told("stat"))?;
        expect(stat.object == object, "stat tells of another object")?;
        expect(
            stat.size == size,
            format!("stat of {object} tells another size"),
        )
    }

    pub async fn expect_bytes(&self, object: &str, bytes: &[u8]) -> Outcome {
        self.expect_size(object, size(bytes)).await?;
        let stat = self.target.stat(object).await.map_err(told("stat"))?;
        let sha256 = Checksum::sha256(Sha256::of(bytes).0);
        let mut told_of = stat.checksum.iter();
        expect(
            told_of.all(|told| told.algorithm != sha256.algorithm || *told == sha256),
            "stat tells another sha256",
        )?;
        let got = self.range(object, 0, size(bytes)).await;
        let got = got.map_err(told("get-range"))?;
        expect(
            got == bytes,
            format!("{object} does not hold the bytes that were stored"),
        )
    }

    pub async fn expect_absent(&self, object: &str) -> Outcome {
        let answer = self.target.stat(object).await;
        expect_code(answer, &ErrorCode::NotFound, &format!("stat of {object}"))
    }

    pub async fn objects(&self, prefix: &str) -> Result<Vec<ObjectStat>, String> {
        let (mut all, mut pages) = (Vec::new(), ObjectPages::new(self.target, prefix));
        for _ in 0..PAGES_MAX {
            match pages.next().await.map_err(told("list"))? {
                Some(objects) => all.extend(objects),
                None => return Ok(all),
            }
        }
        Err(format!("the listing of {prefix:?} does not end"))
    }

    pub async fn sessions(&self, prefix: &str) -> Result<Vec<(String, Session)>, String> {
        let (mut all, mut pages) = (Vec::new(), SessionPages::new(self.target, prefix));
        for _ in 0..PAGES_MAX {
            match pages.next().await.map_err(told("list-sessions"))? {
                Some(sessions) => {
                    all.extend(sessions.into_iter().map(|info| (info.object, info.session)))
                }
                None => return Ok(all),
            }
        }
        Err(format!(
            "the listing of sessions of {prefix:?} does not end"
        ))
    }

    pub async fn empty(&self) -> Outcome {
        if self.layout.lists_sessions() {
            for (_, session) in self.sessions(self.prefix).await? {
                self.forget(&session).await?;
            }
        }
        for stat in self.objects(self.prefix).await? {
            self.target
                .delete(&stat.object)
                .await
                .map_err(told("delete"))?;
        }
        Ok(())
    }

    /// Empties the folder once more; what is there all the same, a sentence each.
    pub async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if self.layout.lists_sessions() {
            left.extend(
                self.uploads_left()
                    .await
                    .unwrap_or_else(|why| vec![format!("uploads may be left: {why}")]),
            );
        }
        left.extend(
            self.objects_left()
                .await
                .unwrap_or_else(|why| vec![format!("objects may be left: {why}")]),
        );
        if self.layout.retain {
            let [one, two] = LOCKED.map(|name| self.name(name));
            left.push(format!(
                "{one} and {two} are locked until {}: a store with versions keeps them until then, even where they are not listed",
                self.lock_until
            ));
        }
        left
    }

    async fn uploads_left(&self) -> Result<Vec<String>, String> {
        for (_, session) in self.sessions(self.prefix).await? {
            // What is listed afterwards says more than this does.
            let _aborted = self.forget(&session).await;
        }
        let open = self.sessions(self.prefix).await?;
        let told = open.into_iter();
        Ok(told
            .map(|(object, _)| format!("an upload of {object} is left: abort it by hand"))
            .collect())
    }

    async fn objects_left(&self) -> Result<Vec<String>, String> {
        for stat in self.objects(self.prefix).await? {
            let _deleted = self.target.delete(&stat.object).await;
        }
        let there = self.objects(self.prefix).await?;
        let told = there.into_iter();
        Ok(told
            .map(|stat| format!("{} is left: remove it by hand", stat.object))
            .collect())
    }
}

/// Bytes that differ everywhere and by seed.
fn sample(seed: u64, length: u64) -> Vec<u8> {
    let length = index(length);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn whole_of(bytes: &[u8]) -> Part {
    Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: size(bytes),
    }
}

pub fn expect(met: bool, unmet: impl Into<String>) -> Outcome {
    if met { Ok(()) } else { Err(unmet.into()) }
}

pub fn expect_code<T>(answer: Result<T, Fault>, code: &ErrorCode, what: &str) -> Outcome {
    match answer {
        Err(fault) if fault.code == *code => Ok(()),
        Err(fault) => Err(format!(
            "{what} failed with code {} instead of {code}: {fault}",
            fault.code
        )),
        Ok(_) => Err(format!(
            "{what} succeeded instead of failing with code {code}"
        )),
    }
}

pub fn told(call: &str) -> impl Fn(Fault) -> String {
    move |fault| format!("{call} failed: {fault} ({})", fault.code)
}

pub fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

pub fn index(number: u64) -> usize {
    usize::try_from(number).expect("samples fit into memory")
}
