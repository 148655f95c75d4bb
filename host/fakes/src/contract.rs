//! What every target keeps, as one suite that runs over the fake and over every store
//! plugin, so that the fake cannot lie. It works under the prefix `contract/`, which it
//! empties before and after.
//!
//! Prefixes end with `/` or are empty: that is all that Drydock ever asks for.

use std::sync::Arc;

use drydock_core::store::{Checksum, Completion, Layout, ObjectStat, PartReceipt, Session};
use drydock_core::{ErrorCode, Fault, Level, UnixTime};
use tokio::sync::mpsc;

use drydock_repository::pages::{ObjectPages, SessionPages};
use drydock_repository::probe::probe;
use drydock_repository::target::{Part, Whole};
use drydock_repository::{Sha256, Target};

const PREFIX: &str = "contract/";

/// Largest piece that a target may hand over.
const PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Pages after which a listing counts as endless.
const PAGES_MAX: usize = 1000;

type Outcome = Result<(), String>;

/// Runs the whole suite.
///
/// # Errors
/// The first expectation that the target does not meet, in a sentence.
pub async fn run(target: &dyn Target) -> Result<(), String> {
    let suite = Suite::new(target).await?;
    suite.empty().await?;
    suite.check_finds_no_failure().await?;
    suite.the_probe_finds_no_failure().await?;
    suite.the_place_that_is_there_is_left_as_it_is().await?;
    suite.one_request_makes_an_object().await?;
    suite.one_request_overwrites_nothing().await?;
    suite.an_object_appears_whole_when_completed().await?;
    suite.parts_come_out_of_order_and_again().await?;
    suite.a_wrong_digest_is_never_called_verified().await?;
    suite.a_missing_part_is_refused().await?;
    suite
        .completing_again_succeeds_with_the_same_bytes()
        .await?;
    suite.of_two_uploads_the_first_is_kept().await?;
    if suite.layout.lists_sessions() {
        suite.abort_frees_and_can_be_repeated().await?;
        suite.sessions_are_listed_page_by_page().await?;
    }
    suite.objects_are_listed_in_order().await?;
    suite.ranges_are_exact().await?;
    suite.a_receiver_that_left_ends_the_transfer().await?;
    suite.deleting_can_be_repeated().await?;
    suite.names_that_climb_are_refused().await?;
    suite.empty().await?;
    // What is locked can be removed by nobody, so it comes last.
    suite.locks_are_shown_and_never_shortened().await
}

struct Suite<'a> {
    target: &'a dyn Target,
    layout: Layout,
    part_size: u64,
    parallel: bool,
}

impl<'a> Suite<'a> {
    async fn new(target: &'a dyn Target) -> Result<Self, String> {
        let layout = target.layout().await.map_err(told("layout"))?;
        expect(
            layout.part_bytes_min <= layout.part_bytes_max,
            "part-min is above part-max",
        )?;
        expect(layout.parts_max >= 3, "parts-max is below 3")?;
        expect(layout.parallel_max >= 1, "parallel-max is 0")?;
        Ok(Self {
            target,
            layout,
            part_size: layout
                .part_bytes_min
                .max(64 * 1024)
                .min(layout.part_bytes_max),
            parallel: layout.parallel_max > 1,
        })
    }

    async fn check_finds_no_failure(&self) -> Outcome {
        let findings = self.target.check().await.map_err(told("check"))?;
        let failure = findings
            .iter()
            .find(|finding| finding.level == Level::Failure);
        expect(
            failure.is_none(),
            format!("check found a failure: {failure:?}"),
        )
    }

    /// What operators can ask of a target holds for every target that is tested.
    async fn the_probe_finds_no_failure(&self) -> Outcome {
        let findings = probe(self.target, "contract/probe/").await;
        let failure = findings.iter().find(|finding| finding.level != Level::Note);
        expect(
            failure.is_none(),
            format!("the probe found a failure: {failure:?}"),
        )
    }

    async fn the_place_that_is_there_is_left_as_it_is(&self) -> Outcome {
        let object = "contract/place/one";
        self.put_object(object, b"kept").await?;
        for _ in 0..2 {
            let made = self.target.make_place().await;
            made.map_err(told("make-place of a place that is there"))?;
        }
        self.expect_bytes(object, b"kept").await
    }

    async fn one_request_makes_an_object(&self) -> Outcome {
        let (object, bytes) = ("contract/request/one", self.sample(12));
        for _ in 0..2 {
            self.put_object(object, &bytes).await?;
        }
        self.expect_bytes(object, &bytes).await?;
        self.put_object("contract/request/none", b"").await?;
        self.expect_size("contract/request/none", 0).await
    }

    async fn one_request_overwrites_nothing(&self) -> Outcome {
        let (object, bytes) = ("contract/kept/one", self.sample(13));
        self.put_object(object, b"first").await?;
        for other in [b"other".as_slice(), &bytes] {
            let answer = self.target.put_object(object, whole_of(other), None).await;
            expect_code(
                answer,
                &ErrorCode::Exists,
                "put-object of an object that is there with other bytes",
            )?;
        }
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        let answer = self.complete(&session, &receipts, &bytes).await;
        expect_code(
            answer,
            &ErrorCode::Exists,
            "complete of an object that is there",
        )?;
        self.forget(&session).await?;
        self.expect_bytes(object, b"first").await
    }

    async fn locks_are_shown_and_never_shortened(&self) -> Outcome {
        if !self.layout.retain {
            return Ok(());
        }
        let (object, until) = ("contract/locked/one", UnixTime(4_102_444_800));
        self.put_object(object, b"locked").await?;
        let earlier = UnixTime(until.0 - 86_400);
        for wanted in [until, earlier] {
            let locked = self.target.retain(object, wanted).await;
            locked.map_err(told("retain"))?;
            self.expect_locked(object, until).await?;
        }
        let object = "contract/locked/two";
        let put = self
            .target
            .put_object(object, whole_of(b"locked"), Some(until));
        put.await.map_err(told("put-object with a lock"))?;
        self.expect_locked(object, until).await
    }

    async fn expect_locked(&self, object: &str, until: UnixTime) -> Outcome {
        let stat = self.target.stat(object).await.map_err(told("stat"))?;
        let shown = stat.retained_until;
        expect(
            shown.is_some(),
            format!("{object} was locked and shows no lock"),
        )?;
        expect(
            shown.is_some_and(|shown| shown >= until),
            format!("{object} was locked until {until} and shows {shown:?}"),
        )
    }

    async fn an_object_appears_whole_when_completed(&self) -> Outcome {
        let (object, bytes) = ("contract/whole/one", self.sample(1));
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        self.expect_absent(object).await?;
        let listed = self.objects("contract/whole/").await?;
        expect(
            listed.is_empty(),
            "an object is listed before it is completed",
        )?;
        let completion = self.complete(&session, &receipts, &bytes).await;
        let completion = completion.map_err(told("complete"))?;
        expect(
            completion.stat.object == object,
            "complete tells of another object",
        )?;
        expect(
            completion.stat.size == size(&bytes),
            "complete tells of another size",
        )?;
        self.expect_bytes(object, &bytes).await?;
        self.forget(&session).await?;
        self.expect_bytes(object, &bytes).await
    }

    async fn parts_come_out_of_order_and_again(&self) -> Outcome {
        let (object, bytes) = ("contract/order/one", self.sample(2));
        let session = self.begin(object, &bytes).await?;
        let order: &[u32] = if self.parallel {
            &[3, 2, 1, 2, 3]
        } else {
            &[1, 2, 2, 3, 3]
        };
        let mut receipts = Vec::new();
        for number in order {
            let receipt = self.put(&session, *number, &bytes).await?;
            receipts.retain(|other: &PartReceipt| other.number != *number);
            receipts.push(receipt);
        }
        receipts.sort_by_key(|receipt| receipt.number);
        let completion = self.complete(&session, &receipts, &bytes).await;
        completion.map_err(told("complete after repeated parts"))?;
        self.expect_bytes(object, &bytes).await
    }

    async fn a_wrong_digest_is_never_called_verified(&self) -> Outcome {
        let (object, bytes) = ("contract/digest/one", self.sample(3));
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        let wrong = Whole {
            size: size(&bytes),
            sha256: Sha256::of(b"something else").0,
            bytes: None,
        };
        let answer = self.target.complete(&session, &receipts, wrong).await;
        match answer {
            Err(_) => {
                self.expect_absent(object).await?;
                self.forget(&session).await
            }
            Ok(completion) => expect(
                !completion.verified,
                "complete called bytes verified that do not have the digest",
            ),
        }
    }

    async fn a_missing_part_is_refused(&self) -> Outcome {
        let (object, bytes) = ("contract/hole/one", self.sample(4));
        let session = self.begin(object, &bytes).await?;
        let receipts = vec![
            self.put(&session, 1, &bytes).await?,
            self.put(&session, 2, &bytes).await?,
        ];
        let answer = self.complete(&session, &receipts, &bytes).await;
        expect(
            answer.is_err(),
            "complete accepted an object without its last part",
        )?;
        self.expect_absent(object).await?;
        self.forget(&session).await
    }

    async fn completing_again_succeeds_with_the_same_bytes(&self) -> Outcome {
        let (object, bytes) = ("contract/again/one", self.sample(5));
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        for _ in 0..2 {
            let completion = self.complete(&session, &receipts, &bytes).await;
            let completion = completion.map_err(told("complete, repeated after a crash"))?;
            expect(
                completion.stat.size == size(&bytes),
                "complete tells of another size",
            )?;
        }
        self.expect_bytes(object, &bytes).await
    }

    async fn of_two_uploads_the_first_is_kept(&self) -> Outcome {
        let (object, first, second) = ("contract/race/one", self.sample(6), self.sample(7));
        let winner = self.begin(object, &first).await?;
        let loser = self.begin(object, &second).await?;
        let winning = self.put_all(&winner, &first).await?;
        let losing = self.put_all(&loser, &second).await?;
        let answer = self.complete(&winner, &winning, &first).await;
        answer.map_err(told("complete of the first of two uploads"))?;
        for _ in 0..2 {
            let answer = self.complete(&loser, &losing, &second).await;
            expect_code(
                answer,
                &ErrorCode::Exists,
                "complete of an object that is there",
            )?;
        }
        self.expect_bytes(object, &first).await?;
        self.forget(&loser).await?;
        self.expect_bytes(object, &first).await
    }

    async fn abort_frees_and_can_be_repeated(&self) -> Outcome {
        let (object, bytes) = ("contract/abort/one", self.sample(8));
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        for _ in 0..2 {
            self.target.abort(&session).await.map_err(told("abort"))?;
        }
        let open = self.sessions("contract/abort/").await?;
        expect(open.is_empty(), "an aborted upload is still listed")?;
        let answer = self.complete(&session, &receipts, &bytes).await;
        expect(answer.is_err(), "an aborted upload could be completed")?;
        self.expect_absent(object).await
    }

    async fn sessions_are_listed_page_by_page(&self) -> Outcome {
        let objects: Vec<_> = (0..5).map(|n| format!("contract/open/{n}")).collect();
        let bytes = self.sample(9);
        for object in &objects {
            self.begin(object, &bytes).await?;
        }
        let open = self.sessions("contract/open/").await?;
        let mut names: Vec<_> = open.iter().map(|(object, _)| object.clone()).collect();
        names.sort();
        expect(
            names == objects,
            format!("open uploads are listed as {names:?}"),
        )?;
        for (_, session) in &open {
            self.target
                .abort(session)
                .await
                .map_err(told("abort of a listed session"))?;
        }
        let open = self.sessions("contract/open/").await?;
        expect(
            open.is_empty(),
            "uploads are listed after they were aborted",
        )
    }

    async fn objects_are_listed_in_order(&self) -> Outcome {
        let objects: Vec<_> = ["a/1", "a/2", "b/1", "b/2", "c/1"]
            .map(|name| format!("contract/list/{name}"))
            .into();
        for object in objects.iter().rev() {
            self.store(object, b"x").await?;
        }
        let all = self.objects("contract/list/").await?;
        let names: Vec<_> = all.iter().map(|stat| stat.object.clone()).collect();
        expect(names == objects, format!("objects are listed as {names:?}"))?;
        expect(
            all.iter().all(|stat| stat.size == 1),
            "a listing tells a wrong size",
        )?;
        let some = self.objects("contract/list/b/").await?;
        let names: Vec<_> = some.iter().map(|stat| stat.object.as_str()).collect();
        expect(
            names == ["contract/list/b/1", "contract/list/b/2"],
            format!("a prefix lists {names:?}"),
        )?;
        let none = self.objects("contract/nothing/").await?;
        expect(none.is_empty(), "a prefix without objects lists some")?;
        let whole = self.objects("").await?;
        expect(
            objects
                .iter()
                .all(|name| whole.iter().any(|stat| stat.object == *name)),
            "the empty prefix does not list everything",
        )
    }

    async fn ranges_are_exact(&self) -> Outcome {
        let (object, bytes) = ("contract/range/one", self.sample(10));
        self.store_in_parts(object, &bytes).await?;
        let end = size(&bytes);
        for (offset, length) in [
            (0, end),
            (0, 1),
            (end - 1, 1),
            (1, end - 2),
            (self.part_size - 1, 2),
        ] {
            let got = self.range(object, offset, length).await;
            let got = got.map_err(told("get-range"))?;
            let start = index(offset);
            expect(
                got == bytes[start..start + index(length)],
                format!("{length} bytes from {offset} on are not those that were stored"),
            )?;
        }
        for (offset, length) in [(end, 1), (end - 1, 2), (u64::MAX, 1)] {
            let got = self.range(object, offset, length).await;
            expect(
                got.is_err(),
                format!("{length} bytes from {offset} on are past the end"),
            )?;
        }
        let got = self.range("contract/range/none", 0, 1).await;
        expect_code(
            got,
            &ErrorCode::NotFound,
            "get-range of an object that is not there",
        )
    }

    async fn a_receiver_that_left_ends_the_transfer(&self) -> Outcome {
        let (object, bytes) = ("contract/left/one", self.sample(11));
        self.store_in_parts(object, &bytes).await?;
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let answer = self.target.get_range(object, 0, size(&bytes), sender).await;
        expect_code(
            answer,
            &ErrorCode::Cancelled,
            "get-range whose receiver left",
        )
    }

    async fn deleting_can_be_repeated(&self) -> Outcome {
        let object = "contract/delete/one";
        self.store(object, b"first").await?;
        for _ in 0..2 {
            self.target.delete(object).await.map_err(told("delete"))?;
        }
        self.expect_absent(object).await?;
        self.store(object, b"second").await?;
        self.expect_bytes(object, b"second").await
    }

    async fn names_that_climb_are_refused(&self) -> Outcome {
        for object in [
            "",
            "/contract/x",
            "contract/../x",
            "../contract",
            "contract//x",
            "contract/.",
        ] {
            let answer = self.target.begin(object, Some(1), self.part_size).await;
            expect(
                answer.is_err(),
                format!("begin accepted the name {object:?}"),
            )?;
            let answer = self.target.put_object(object, whole_of(b"x"), None).await;
            expect(
                answer.is_err(),
                format!("put-object accepted the name {object:?}"),
            )?;
        }
        Ok(())
    }
}

/// Steps that several expectations share.
impl Suite<'_> {
    /// Two and a half parts of bytes that differ everywhere and by seed.
    fn sample(&self, seed: u64) -> Vec<u8> {
        let length = index(self.part_size * 2 + self.part_size / 2);
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

    async fn begin(&self, object: &str, bytes: &[u8]) -> Result<Session, String> {
        let size_max = Some(size(bytes));
        let session = self.target.begin(object, size_max, self.part_size).await;
        session.map_err(told("begin"))
    }

    async fn put(&self, session: &Session, number: u32, all: &[u8]) -> Result<PartReceipt, String> {
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

    async fn put_all(&self, session: &Session, all: &[u8]) -> Result<Vec<PartReceipt>, String> {
        let parts = size(all).div_ceil(self.part_size);
        let mut receipts = Vec::new();
        for number in 1..=u32::try_from(parts).expect("samples have few parts") {
            receipts.push(self.put(session, number, all).await?);
        }
        Ok(receipts)
    }

    async fn complete(
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
    async fn forget(&self, session: &Session) -> Outcome {
        if !self.layout.lists_sessions() {
            return Ok(());
        }
        self.target.abort(session).await.map_err(told("abort"))
    }

    async fn put_object(&self, object: &str, bytes: &[u8]) -> Outcome {
        let put = self.target.put_object(object, whole_of(bytes), None).await;
        let stat = put.map_err(told("put-object"))?;
        expect(stat.object == object, "put-object tells of another object")?;
        expect(stat.size == size(bytes), "put-object tells of another size")
    }

    async fn store_in_parts(&self, object: &str, bytes: &[u8]) -> Outcome {
        let session = self.begin(object, bytes).await?;
        let receipts = self.put_all(&session, bytes).await?;
        let completion = self.complete(&session, &receipts, bytes).await;
        completion.map(|_| ()).map_err(told("complete"))
    }

    /// A small object; its only part may be below `part-min`.
    async fn store(&self, object: &str, bytes: &[u8]) -> Outcome {
        self.store_in_parts(object, bytes).await
    }

    async fn range(&self, object: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
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

    async fn expect_size(&self, object: &str, size: u64) -> Outcome {
        let stat = self.target.stat(object).await.map_err(told("stat"))?;
        expect(stat.object == object, "stat tells of another object")?;
        expect(
            stat.size == size,
            format!("stat of {object} tells another size"),
        )
    }

    async fn expect_bytes(&self, object: &str, bytes: &[u8]) -> Outcome {
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

    async fn expect_absent(&self, object: &str) -> Outcome {
        let answer = self.target.stat(object).await;
        expect_code(answer, &ErrorCode::NotFound, &format!("stat of {object}"))
    }

    async fn objects(&self, prefix: &str) -> Result<Vec<ObjectStat>, String> {
        let (mut all, mut pages) = (Vec::new(), ObjectPages::new(self.target, prefix));
        for _ in 0..PAGES_MAX {
            match pages.next().await.map_err(told("list"))? {
                Some(objects) => all.extend(objects),
                None => return Ok(all),
            }
        }
        Err(format!("the listing of {prefix:?} does not end"))
    }

    async fn sessions(&self, prefix: &str) -> Result<Vec<(String, Session)>, String> {
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

    async fn empty(&self) -> Outcome {
        if self.layout.lists_sessions() {
            for (_, session) in self.sessions(PREFIX).await? {
                self.forget(&session).await?;
            }
        }
        for stat in self.objects(PREFIX).await? {
            self.target
                .delete(&stat.object)
                .await
                .map_err(told("delete"))?;
        }
        Ok(())
    }
}

fn whole_of(bytes: &[u8]) -> Part {
    Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: size(bytes),
    }
}

fn expect(met: bool, unmet: impl Into<String>) -> Outcome {
    if met { Ok(()) } else { Err(unmet.into()) }
}

fn expect_code<T>(answer: Result<T, Fault>, code: &ErrorCode, what: &str) -> Outcome {
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

fn told(call: &str) -> impl Fn(Fault) -> String {
    move |fault| format!("{call} failed: {fault} ({})", fault.code)
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("samples fit into memory")
}
