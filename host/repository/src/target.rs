//! A place that keeps objects, as the repository sees it. The sandbox implements it
//! over a store plugin; `wit/steps.wit` documents each call.

use std::sync::Arc;

use async_trait::async_trait;
use drydock_core::store::{
    Acknowledgement, ChecksumAlgorithm, Completion, Layout, ObjectPage, ObjectStat, PartReceipt,
    Session, SessionPage,
};
use drydock_core::{Fault, Finding, ReadAt, UnixTime};

/// A readable range of bytes that a target takes in one call.
#[derive(Clone)]
pub struct Part {
    pub bytes: Arc<dyn ReadAt>,
    /// Start and length inside `bytes`.
    pub offset: u64,
    pub length: u64,
}

/// What an upload is to make.
#[derive(Clone)]
pub struct Whole {
    pub size: u64,
    pub sha256: [u8; 32],
    /// All of it, where it is still there.
    pub bytes: Option<Arc<dyn ReadAt>>,
}

/// Takes the bytes of a range, in order, in pieces of at most 1 MiB.
pub type RangeSink = tokio::sync::mpsc::Sender<Vec<u8>>;

/// A place that keeps objects. Every error is a [`Fault`]: `exists`, `not-found` and
/// the like are told apart by its code.
#[async_trait]
pub trait Target: Send + Sync {
    async fn check(&self) -> Result<Vec<Finding>, Fault>;
    async fn layout(&self) -> Result<Layout, Fault>;
    /// Makes the folder or bucket itself. Only for a target whose document grants that.
    async fn make_place(&self) -> Result<(), Fault>;
    /// Creates an object in one request, if absent. What is there afterwards is for the
    /// caller to read.
    async fn put_object(
        &self,
        object: &str,
        bytes: Part,
        retain_until: Option<UnixTime>,
    ) -> Result<ObjectStat, Fault>;
    async fn begin(
        &self,
        object: &str,
        size_max: Option<u64>,
        part_size: u64,
    ) -> Result<Session, Fault>;
    /// `checksum` is the one that the layout names: a part that was taken under another
    /// one, or under another value than that of its bytes, is refused.
    async fn put_part(
        &self,
        session: &Session,
        number: u32,
        offset: u64,
        part: Part,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<Acknowledgement, Fault>;
    /// Makes the object visible, if absent.
    async fn complete(
        &self,
        session: &Session,
        receipts: &[PartReceipt],
        whole: Whole,
    ) -> Result<Completion, Fault>;
    /// Locks a finished object. Whether it is locked afterwards, `stat` tells.
    async fn retain(&self, object: &str, until: UnixTime) -> Result<(), Fault>;
    async fn abort(&self, session: &Session) -> Result<(), Fault>;
    async fn list_sessions(&self, prefix: &str, cursor: Option<&str>)
    -> Result<SessionPage, Fault>;
    async fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Fault>;
    async fn stat(&self, object: &str) -> Result<ObjectStat, Fault>;
    /// Hands over exactly `length` bytes from `offset` on. A receiver that went away
    /// ends the transfer with code `cancelled`.
    async fn get_range(
        &self,
        object: &str,
        offset: u64,
        length: u64,
        into: RangeSink,
    ) -> Result<(), Fault>;
    async fn delete(&self, object: &str) -> Result<(), Fault>;
}
