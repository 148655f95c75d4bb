//! The types of the store contract, shared by the engine that plans uploads, the
//! journal that keeps them, and the repository that reads objects back. Their
//! meaning is documented item by item in `wit/steps.wit`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Largest session or receipt that a store may hand out: they are kept in every
/// record of an upload.
pub const OPAQUE_BYTES_MAX: usize = 4096;

/// How a store wants its parts. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub part_bytes_min: u64,
    pub part_bytes_max: u64,
    pub parts_max: u32,
    pub parallel_max: u32,
    pub equal_parts: bool,
}

/// A store's handle of an upload. It may be a bearer secret: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Session(#[serde(with = "hex_bytes")] pub Vec<u8>);

/// A store's receipt of a part. Treated like a session.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(#[serde(with = "hex_bytes")] pub Vec<u8>);

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
    #[serde(with = "hex_option")]
    pub sha256: Option<Vec<u8>>,
}

/// What `complete` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    pub stat: ObjectStat,
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

mod hex_option {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&hex::encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| hex::decode(text).map_err(D::Error::custom))
            .transpose()
    }
}
