use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use drydock_core::store::{
    Acknowledgement, ChecksumAlgorithm, Completion, Layout, ObjectPage, PartReceipt, Session,
    SessionPage,
};
use drydock_core::{Finding, UnixTime};

use super::*;
use crate::target::{Part, RangeSink, Whole};

/// Answers with one page after the other, and lists nothing else.
struct Pages(Mutex<Vec<ObjectPage>>);

fn page(keys: &[&str], next: Option<&str>) -> ObjectPage {
    let stat = |key: &&str| ObjectStat {
        object: (*key).to_owned(),
        size: 1,
        checksum: None,
        retained_until: None,
    };
    ObjectPage {
        objects: keys.iter().map(stat).collect(),
        passed_over: Vec::new(),
        next: next.map(str::to_owned),
    }
}

/// Follows the listing of `c1/` to its end.
async fn followed(pages: Vec<ObjectPage>) -> Result<Vec<String>, Fault> {
    let target = Pages(Mutex::new(pages));
    let mut pages = ObjectPages::new(&target, "c1/");
    let mut keys = Vec::new();
    while let Some(objects) = pages.next().await? {
        keys.extend(objects.into_iter().map(|stat| stat.object));
    }
    Ok(keys)
}

#[tokio::test]
async fn pages_that_go_on_are_followed() {
    let pages = vec![
        page(&["c1/a", "c1/a-b"], Some("1")),
        page(&[], Some("2")),
        page(&["c1/a/b", "c1/b"], None),
    ];
    let keys = followed(pages).await.unwrap();
    assert_eq!(keys, ["c1/a", "c1/a-b", "c1/a/b", "c1/b"]);
}

#[tokio::test]
async fn a_listing_that_contradicts_itself_is_no_listing() {
    for (pages, told) in [
        (
            vec![page(&["c1/b", "c1/a"], None)],
            "names \"c1/a\" behind \"c1/b\"",
        ),
        (vec![page(&["c1/a", "c1/a"], None)], "names \"c1/a\" twice"),
        (
            vec![page(&["c1/a"], Some("1")), page(&["c1/a"], None)],
            "names \"c1/a\" twice",
        ),
        (
            vec![page(&["c1/b"], Some("1")), page(&["c1/a"], None)],
            "names \"c1/a\" behind \"c1/b\"",
        ),
        (vec![page(&["c2/a"], None)], "which is not below it"),
    ] {
        let fault = followed(pages).await.unwrap_err();
        assert_eq!(fault.code.as_str(), "bad-answer");
        assert!(fault.message.contains(told), "{}", fault.message);
    }
}

#[tokio::test]
async fn a_listing_without_an_end_is_given_up() {
    let same = vec![page(&["c1/a"], Some("1")), page(&["c1/b"], Some("1"))];
    assert_eq!(
        followed(same).await.unwrap_err().code.as_str(),
        "endless-listing"
    );
    let empty = (0..=PAGES_EMPTY_MAX + 1).map(|turn| page(&[], Some(&turn.to_string())));
    let fault = followed(empty.collect()).await.unwrap_err();
    assert_eq!(
        fault.message,
        "the listing of c1/ at the target does not end after 0 entries: remove what is old there, or ask the author of its plugin"
    );
}

/// A listing that goes round among two cursors, and passes something over on each page.
#[tokio::test]
async fn what_was_passed_over_makes_no_progress() {
    let turn = |turn: u32| {
        let mut page = page(&[], Some(["1", "2"][turn as usize % 2]));
        page.passed_over = vec![foreign()];
        page
    };
    let pages = (0..PAGES_EMPTY_MAX + 2).map(turn).collect();
    let fault = followed(pages).await.unwrap_err();
    assert_eq!(
        fault.message,
        "the listing of c1/ at the target does not end after 1001 entries: remove what is old there, or ask the author of its plugin"
    );
    let mut many = page(&["c1/a"], None);
    many.passed_over = vec![foreign(); usize::try_from(PASSED_OVER_MAX).unwrap()];
    followed(vec![many.clone()]).await.unwrap();
    many.passed_over.push(foreign());
    let fault = followed(vec![many]).await.unwrap_err();
    assert_eq!(fault.code.as_str(), "endless-listing");
}

/// Uploads come in no order, so that the same ones could come for ever.
#[tokio::test]
async fn uploads_that_go_round_in_a_circle_are_given_up() {
    let target = Circle::default();
    let mut pages = SessionPages::new(&target, "c1/");
    let fault = loop {
        match pages.next().await {
            Ok(page) => assert_eq!(page.unwrap().len(), 1),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code.as_str(), "endless-listing");
    assert_eq!(target.asked.into_inner(), SESSION_PAGES_MAX);
}

fn foreign() -> PassedOver {
    PassedOver {
        object: "c1/x".to_owned(),
        hides: true,
        why: "no permission".to_owned(),
    }
}

/// Lists one upload again and again.
#[derive(Default)]
struct Circle {
    asked: AtomicU64,
}

#[async_trait]
impl Target for Circle {
    async fn list_sessions(&self, _: &str, _: Option<&str>) -> Result<SessionPage, Fault> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed) % 2;
        Ok(SessionPage {
            sessions: vec![SessionInfo {
                object: "c1/a".to_owned(),
                session: Session(vec![1]),
            }],
            next: Some(turn.to_string()),
        })
    }

    async fn list(&self, _: &str, _: Option<&str>) -> Result<ObjectPage, Fault> {
        unreachable!()
    }

    async fn check(&self) -> Result<Vec<Finding>, Fault> {
        unreachable!()
    }

    async fn layout(&self) -> Result<Layout, Fault> {
        unreachable!()
    }

    async fn begin(&self, _: &str, _: Option<u64>, _: u64) -> Result<Session, Fault> {
        unreachable!()
    }

    async fn make_place(&self) -> Result<(), Fault> {
        unreachable!()
    }

    async fn put_object(&self, _: &str, _: Part, _: Option<UnixTime>) -> Result<ObjectStat, Fault> {
        unreachable!()
    }

    async fn put_part(
        &self,
        _: &Session,
        _: u32,
        _: u64,
        _: Part,
        _: Option<ChecksumAlgorithm>,
    ) -> Result<Acknowledgement, Fault> {
        unreachable!()
    }

    async fn complete(
        &self,
        _: &Session,
        _: &[PartReceipt],
        _: Whole,
    ) -> Result<Completion, Fault> {
        unreachable!()
    }

    async fn retain(&self, _: &str, _: UnixTime) -> Result<(), Fault> {
        unreachable!()
    }

    async fn abort(&self, _: &Session) -> Result<(), Fault> {
        unreachable!()
    }

    async fn stat(&self, _: &str) -> Result<ObjectStat, Fault> {
        unreachable!()
    }

    async fn get_range(&self, _: &str, _: u64, _: u64, _: RangeSink) -> Result<(), Fault> {
        unreachable!()
    }

    async fn delete(&self, _: &str) -> Result<(), Fault> {
        unreachable!()
    }
}

#[async_trait]
impl Target for Pages {
    async fn list(&self, _: &str, _: Option<&str>) -> Result<ObjectPage, Fault> {
        Ok(self.0.lock().unwrap().remove(0))
    }

    async fn list_sessions(&self, _: &str, _: Option<&str>) -> Result<SessionPage, Fault> {
        unreachable!()
    }

    async fn check(&self) -> Result<Vec<Finding>, Fault> {
        unreachable!()
    }

    async fn layout(&self) -> Result<Layout, Fault> {
        unreachable!()
    }

    async fn begin(&self, _: &str, _: Option<u64>, _: u64) -> Result<Session, Fault> {
        unreachable!()
    }

    async fn make_place(&self) -> Result<(), Fault> {
        unreachable!()
    }

    async fn put_object(&self, _: &str, _: Part, _: Option<UnixTime>) -> Result<ObjectStat, Fault> {
        unreachable!()
    }

    async fn put_part(
        &self,
        _: &Session,
        _: u32,
        _: u64,
        _: Part,
        _: Option<ChecksumAlgorithm>,
    ) -> Result<Acknowledgement, Fault> {
        unreachable!()
    }

    async fn complete(
        &self,
        _: &Session,
        _: &[PartReceipt],
        _: Whole,
    ) -> Result<Completion, Fault> {
        unreachable!()
    }

    async fn retain(&self, _: &str, _: UnixTime) -> Result<(), Fault> {
        unreachable!()
    }

    async fn abort(&self, _: &Session) -> Result<(), Fault> {
        unreachable!()
    }

    async fn stat(&self, _: &str) -> Result<ObjectStat, Fault> {
        unreachable!()
    }

    async fn get_range(&self, _: &str, _: u64, _: u64, _: RangeSink) -> Result<(), Fault> {
        unreachable!()
    }

    async fn delete(&self, _: &str) -> Result<(), Fault> {
        unreachable!()
    }
}
