//! How much of the node a target may take: `limits:` of a Target, and `targetLimits:` of a node
//! for all of its targets together.

use serde::{Deserialize, Serialize};

use super::value::Bounded;

/// Slower than this (a megabit a second) a part takes longer than services wait for it; the
/// fastest is more than any link carries.
type KibibytesPerSecond = Bounded<128, 104_857_600>;

/// More calls than this at once make nothing faster.
type Calls = Bounded<1, 256>;

/// Limits of one target, or of all of a node. What is absent is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThrottleSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload_kibibytes_per_second: Option<KibibytesPerSecond>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    download_kibibytes_per_second: Option<KibibytesPerSecond>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parallel_requests: Option<Calls>,
}

impl ThrottleSpec {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn upload_bytes_per_second(&self) -> Option<u64> {
        self.upload_kibibytes_per_second
            .map(|rate| rate.get() * 1024)
    }

    #[must_use]
    pub fn download_bytes_per_second(&self) -> Option<u64> {
        self.download_kibibytes_per_second
            .map(|rate| rate.get() * 1024)
    }

    /// Most requests that are under way at once.
    #[must_use]
    pub fn parallel_requests(&self) -> Option<usize> {
        self.parallel_requests.map(|calls| {
            usize::try_from(calls.get()).expect("the document's bound is far below usize::MAX")
        })
    }
}
