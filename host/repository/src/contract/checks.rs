//! Each expectation. The order is that in which they are looked at: what is locked can be removed
//! by nobody, so it comes last.

use drydock_core::store::{Layout, PartReceipt};
use drydock_core::{ErrorCode, Level, UnixTime};
use tokio::sync::mpsc;

use super::suite::{LOCKED, Outcome, Suite, expect, expect_code, index, size, told, whole_of};
use super::{Check, Checking};
use crate::digest::Sha256;
use crate::probe::probe;
use crate::target::Whole;

/// By how much an earlier lock is earlier.
const EARLIER_SECONDS: i64 = 600;

pub(super) const CHECKS: &[Check] = &[
    check("its own check finds no failure", |suite| {
        Box::pin(suite.check_finds_no_failure())
    }),
    check("what `target check --probe` does goes well", |suite| {
        Box::pin(suite.the_probe_finds_no_failure())
    }),
    check(
        "making the place that is there leaves it as it is",
        |suite| Box::pin(suite.the_place_that_is_there_is_left_as_it_is()),
    ),
    check(
        "one request makes an object, and the same again is no error",
        |suite| Box::pin(suite.one_request_makes_an_object()),
    ),
    check("no request and no upload overwrites an object", |suite| {
        Box::pin(suite.one_request_overwrites_nothing())
    }),
    check(
        "an object appears whole when its upload is completed, and not before",
        |suite| Box::pin(suite.an_object_appears_whole_when_completed()),
    ),
    check("parts may come out of order and again", |suite| {
        Box::pin(suite.parts_come_out_of_order_and_again())
    }),
    check(
        "bytes with another digest are never called verified",
        |suite| Box::pin(suite.a_wrong_digest_is_never_called_verified()),
    ),
    check(
        "an upload without its last part is not completed",
        |suite| Box::pin(suite.a_missing_part_is_refused()),
    ),
    check("completing again is no error", |suite| {
        Box::pin(suite.completing_again_succeeds_with_the_same_bytes())
    }),
    check("of two uploads of one name the first is kept", |suite| {
        Box::pin(suite.of_two_uploads_the_first_is_kept())
    }),
    Check {
        passed_over: without_uploads,
        ..check("aborting frees an upload and can be repeated", |suite| {
            Box::pin(suite.abort_frees_and_can_be_repeated())
        })
    },
    Check {
        passed_over: without_uploads,
        ..check("open uploads are listed page by page", |suite| {
            Box::pin(suite.sessions_are_listed_page_by_page())
        })
    },
    check(
        "objects are listed in the order of their names, by prefix",
        |suite| Box::pin(suite.objects_are_listed_in_order()),
    ),
    check("ranges are exact", |suite| {
        Box::pin(suite.ranges_are_exact())
    }),
    check("a reader that leaves ends the transfer", |suite| {
        Box::pin(suite.a_receiver_that_left_ends_the_transfer())
    }),
    check("deleting can be repeated", |suite| {
        Box::pin(suite.deleting_can_be_repeated())
    }),
    check("names that lead out are refused", |suite| {
        Box::pin(suite.names_that_climb_are_refused())
    }),
    Check {
        passed_over: without_locks,
        ..check("locks are shown and never shortened", |suite| {
            Box::pin(suite.locks_are_shown_and_never_shortened())
        })
    },
];

const fn check(name: &'static str, run: for<'a> fn(&'a Suite<'a>) -> Checking<'a>) -> Check {
    Check {
        name,
        passed_over: |_| None,
        run,
    }
}

fn without_uploads(layout: &Layout) -> Option<&'static str> {
    let lists = layout.lists_sessions();
    (!lists).then_some("its layout says that uploads expire and are not listed")
}

fn without_locks(layout: &Layout) -> Option<&'static str> {
    (!layout.retain).then_some("its layout says that it locks nothing")
}

impl Suite<'_> {
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
        let findings = probe(self.target, &self.name("probe/")).await;
        let failure = findings.iter().find(|finding| finding.level != Level::Note);
        expect(
            failure.is_none(),
            format!("the probe found a failure: {failure:?}"),
        )
    }

    async fn the_place_that_is_there_is_left_as_it_is(&self) -> Outcome {
        let object = &self.name("place/one");
        self.put_object(object, b"kept").await?;
        for _ in 0..2 {
            let made = self.target.make_place().await;
            made.map_err(told("make-place of a place that is there"))?;
        }
        self.expect_bytes(object, b"kept").await
    }

    async fn one_request_makes_an_object(&self) -> Outcome {
        let (object, bytes) = (&self.name("request/one"), self.small(12));
        for _ in 0..2 {
            self.put_object(object, &bytes).await?;
        }
        self.expect_bytes(object, &bytes).await?;
        self.put_object(&self.name("request/none"), b"").await?;
        self.expect_size(&self.name("request/none"), 0).await
    }

    async fn one_request_overwrites_nothing(&self) -> Outcome {
        let (object, bytes) = (&self.name("kept/one"), self.small(13));
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
        let (object, until) = (&self.name(LOCKED[0]), self.lock_until);
        self.put_object(object, b"locked").await?;
        let earlier = UnixTime(until.0 - EARLIER_SECONDS);
        for wanted in [until, earlier] {
            let locked = self.target.retain(object, wanted).await;
            locked.map_err(told("retain"))?;
            self.expect_locked(object, until).await?;
        }
        let object = &self.name(LOCKED[1]);
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
        let (object, bytes) = (&self.name("whole/one"), self.large(1));
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        self.expect_absent(object).await?;
        let listed = self.objects(&self.name("whole/")).await?;
        expect(
            listed.is_empty(),
            "an object is listed before it is completed",
        )?;
        let completion = self.complete(&session, &receipts, &bytes).await;
        let completion = completion.map_err(told("complete"))?;
        expect(
            completion.stat.object == *object,
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
        let (object, bytes) = (&self.name("order/one"), self.large(2));
        let session = self.begin(object, &bytes).await?;
        let last = self.parts_of(&bytes);
        let mut order: Vec<u32> = (1..=last).collect();
        if self.parallel {
            order.reverse();
            order.extend(2..=last);
        } else {
            order.push(last);
        }
        let mut receipts = Vec::new();
        for number in order {
            let receipt = self.put(&session, number, &bytes).await?;
            receipts.retain(|other: &PartReceipt| other.number != number);
            receipts.push(receipt);
        }
        receipts.sort_by_key(|receipt| receipt.number);
        let completion = self.complete(&session, &receipts, &bytes).await;
        completion.map_err(told("complete after repeated parts"))?;
        self.expect_bytes(object, &bytes).await
    }

    async fn a_wrong_digest_is_never_called_verified(&self) -> Outcome {
        let (object, bytes) = (&self.name("digest/one"), self.small(3));
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
        let (object, bytes) = (&self.name("hole/one"), self.large(4));
        let session = self.begin(object, &bytes).await?;
        let mut receipts = Vec::new();
        for number in 1..self.parts_of(&bytes) {
            receipts.push(self.put(&session, number, &bytes).await?);
        }
        let answer = self.complete(&session, &receipts, &bytes).await;
        expect(
            answer.is_err(),
            "complete accepted an object without its last part",
        )?;
        self.expect_absent(object).await?;
        self.forget(&session).await
    }

    async fn completing_again_succeeds_with_the_same_bytes(&self) -> Outcome {
        let (object, bytes) = (&self.name("again/one"), self.small(5));
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
        let (object, first, second) = (&self.name("race/one"), self.small(6), self.small(7));
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
        let (object, bytes) = (&self.name("abort/one"), self.small(8));
        let session = self.begin(object, &bytes).await?;
        let receipts = self.put_all(&session, &bytes).await?;
        for _ in 0..2 {
            self.target.abort(&session).await.map_err(told("abort"))?;
        }
        let open = self.sessions(&self.name("abort/")).await?;
        expect(open.is_empty(), "an aborted upload is still listed")?;
        let answer = self.complete(&session, &receipts, &bytes).await;
        expect(answer.is_err(), "an aborted upload could be completed")?;
        self.expect_absent(object).await
    }

    async fn sessions_are_listed_page_by_page(&self) -> Outcome {
        let objects: Vec<_> = (0..5).map(|n| self.name(&format!("open/{n}"))).collect();
        let bytes = self.small(9);
        for object in &objects {
            self.begin(object, &bytes).await?;
        }
        let open = self.sessions(&self.name("open/")).await?;
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
        let open = self.sessions(&self.name("open/")).await?;
        expect(
            open.is_empty(),
            "uploads are listed after they were aborted",
        )
    }

    async fn objects_are_listed_in_order(&self) -> Outcome {
        let objects: Vec<_> = ["a/1", "a/2", "b/1", "b/2", "c/1"]
            .map(|name| self.name(&format!("list/{name}")))
            .into();
        for object in objects.iter().rev() {
            self.store(object, b"x").await?;
        }
        let all = self.objects(&self.name("list/")).await?;
        let names: Vec<_> = all.iter().map(|stat| stat.object.clone()).collect();
        expect(names == objects, format!("objects are listed as {names:?}"))?;
        expect(
            all.iter().all(|stat| stat.size == 1),
            "a listing tells a wrong size",
        )?;
        let some = self.objects(&self.name("list/b/")).await?;
        let names: Vec<_> = some.iter().map(|stat| stat.object.as_str()).collect();
        expect(
            names == [&objects[2], &objects[3]],
            format!("a prefix lists {names:?}"),
        )?;
        let none = self.objects(&self.name("nothing/")).await?;
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
        let (object, bytes) = (&self.name("range/one"), self.large(10));
        self.store_in_parts(object, &bytes).await?;
        let end = size(&bytes);
        for (offset, length) in [(0, 1), (end - 1, 1), (1, end - 2), (self.part_size - 1, 2)] {
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
        let got = self.range(&self.name("range/none"), 0, 1).await;
        expect_code(
            got,
            &ErrorCode::NotFound,
            "get-range of an object that is not there",
        )
    }

    async fn a_receiver_that_left_ends_the_transfer(&self) -> Outcome {
        let (object, bytes) = (&self.name("left/one"), self.small(11));
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
        let object = &self.name("delete/one");
        self.store(object, b"first").await?;
        for _ in 0..2 {
            self.target.delete(object).await.map_err(told("delete"))?;
        }
        self.expect_absent(object).await?;
        self.store(object, b"second").await?;
        self.expect_bytes(object, b"second").await
    }

    async fn names_that_climb_are_refused(&self) -> Outcome {
        let own = self.name("x");
        let inside = own.trim_end_matches('x');
        for object in [
            "",
            &format!("/{own}"),
            &format!("{inside}../x"),
            "../x",
            &format!("{inside}/x"),
            &format!("{inside}."),
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
