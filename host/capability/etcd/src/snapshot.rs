//! The snapshot stream of one member.

use std::fmt;
use std::time::Duration;

use drydock_core::Fault;
use etcd_client::SnapshotStreaming;

use crate::fault;

/// A running snapshot. It ends well only when the member announced that nothing remains;
/// that the bytes are whole is proven by their trailer, elsewhere.
pub struct SnapshotStream {
    stream: SnapshotStreaming,
    endpoint: String,
    member_id: u64,
    idle: Duration,
    received: u64,
    /// What the last message announced; none before the first.
    remaining: Option<u64>,
    version: String,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub bytes: Vec<u8>,
    /// Bytes of the database that are still to come. The trailer of 32 bytes is not
    /// counted in it.
    pub remaining: u64,
}

impl SnapshotStream {
    pub(crate) fn new(
        stream: SnapshotStreaming,
        endpoint: &str,
        member_id: u64,
        idle: Duration,
    ) -> Self {
        Self {
            stream,
            endpoint: endpoint.to_owned(),
            member_id,
            idle,
            received: 0,
            remaining: None,
            version: String::new(),
        }
    }

    /// The next piece; none once the member ended the stream with nothing remaining.
    ///
    /// # Errors
    /// `stream-broken` when the stream died, stayed silent past the limit, or ended with
    /// bytes remaining. The stream is of no use afterwards.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        let message = match tokio::time::timeout(self.idle, self.stream.message()).await {
            Ok(message) => message.map_err(|error| self.died(&error))?,
            Err(_) => return Err(self.broken(fault::silent(self.idle))),
        };
        let Some(message) = message else {
            return self.ended();
        };
        if !message.version().is_empty() {
            message.version().clone_into(&mut self.version);
        }
        self.received += message.blob().len() as u64;
        self.remaining = Some(message.remaining_bytes());
        Ok(Some(Chunk {
            bytes: message.blob().to_vec(),
            remaining: message.remaining_bytes(),
        }))
    }

    /// Bytes received so far, the trailer included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The storage version that the member names; empty before etcd 3.6.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The member that sends.
    #[must_use]
    pub fn member_id(&self) -> u64 {
        self.member_id
    }

    fn ended(&self) -> Result<Option<Chunk>, Fault> {
        match self.remaining {
            Some(0) => Ok(None),
            Some(remaining) => Err(self.broken(format!(
                "the member ended it with {remaining} bytes to come: see the member's log"
            ))),
            None => Err(self.broken(
                "the member ended it before the first byte: see the member's log".to_owned(),
            )),
        }
    }

    /// A died stream is always `stream-broken`; why it died goes into the details.
    fn died(&self, error: &etcd_client::Error) -> Fault {
        let (cause, why) = fault::died(error);
        self.broken(why).with_detail("cause", cause)
    }

    fn broken(&self, why: String) -> Fault {
        fault::broken(&self.endpoint, self.received, &why)
    }
}

impl fmt::Debug for SnapshotStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotStream")
            .field("endpoint", &self.endpoint)
            .field("received", &self.received)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}
