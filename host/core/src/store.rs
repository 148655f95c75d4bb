//! The types of the store contract, shared by the engine that plans uploads, the
//! journal that keeps them, and the repository that reads objects back. Their
//! meaning is documented item by item in `wit/steps.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UnixTime;

/// Largest session or receipt that a store may hand out: they are kept in every
/// record of an upload.
pub const OPAQUE_BYTES_MAX: usize = 4096;

/// What every store takes in one request, in bytes: a manifest is as large as this.
pub const OBJECT_BYTES_MIN: u64 = 1024 * 1024;

/// What a store is like. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub part_bytes_min: u64,
    pub part_bytes_max: u64,
    pub parts_max: u32,
    pub parallel_max: u32,
    pub equal_parts: bool,
    /// Largest object that goes in one request.
    pub object_bytes_max: u64,
    /// Under which checksum the server itself takes each part.
    pub part_checksum: Option<ChecksumAlgorithm>,
    pub sessions: Sessions,
    /// Whether objects can be locked.
    pub retain: bool,
}

/// What becomes of an upload that is neither completed nor aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sessions {
    /// It can be listed and aborted.
    Listed,
    /// Neither: the store frees it by itself so many seconds after its last part.
    Expire { seconds: u64 },
}

/// A checksum that stores compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChecksumAlgorithm {
    Sha256,
    Crc32c,
    Crc64Nvme,
    Md5,
}

/// A checksum: the digest's bytes, a CRC's big-endian.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub algorithm: ChecksumAlgorithm,
    #[serde(with = "hex_bytes")]
    pub value: Vec<u8>,
}

/// A store's handle of an upload. It may be a bearer secret: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Session(#[serde(with = "hex_bytes")] pub Vec<u8>);

/// A store's receipt of a part. Treated like a session.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(#[serde(with = "hex_bytes")] pub Vec<u8>);

/// A part that a store took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub receipt: Receipt,
    /// Whether the server took it under a checksum that is the one of the bytes sent.
    pub verified: bool,
}

/// A part's number, from 1, and its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReceipt {
    pub number: u32,
    pub receipt: Receipt,
}

/// An object as a store tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStat {
    pub object: String,
    pub size: u64,
    /// One that the store computed of what it keeps.
    pub checksum: Option<Checksum>,
    /// Until when nobody can remove it.
    pub retained_until: Option<UnixTime>,
}

/// An object that a store completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    pub stat: ObjectStat,
    /// Whether the checksum of the whole was compared with that of the bytes sent.
    pub verified: bool,
}

/// What a listing passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// As a key.
    pub object: String,
    /// Whether there may be objects behind it that nobody saw.
    pub hides: bool,
    /// A sentence.
    pub why: String,
}

/// A page of a listing; `next` goes into the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    pub objects: Vec<ObjectStat>,
    pub passed_over: Vec<PassedOver>,
    pub next: Option<String>,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    pub object: String,
    pub session: Session,
}

/// A page of open uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    pub sessions: Vec<SessionInfo>,
    pub next: Option<String>,
}

impl Layout {
    /// Whether uploads can be listed and aborted.
    #[must_use]
    pub fn lists_sessions(&self) -> bool {
        self.sessions == Sessions::Listed
    }
}

impl ChecksumAlgorithm {
    /// As the contract and people have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64-nvme",
            Self::Md5 => "md5",
        }
    }
}

impl Checksum {
    /// A SHA-256.
    #[must_use]
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self {
            algorithm: ChecksumAlgorithm::Sha256,
            value: digest.to_vec(),
        }
    }
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({} bytes)", self.0.len())
    }
}

mod hex_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map_err(D::Error::custom)
    }
}
