//! A value as an API server stored it: what it is, and its JSON.
//!
//! Built-in kinds stand in an envelope: `k8s` and a zero byte, then a `runtime.Unknown`
//! (`k8s.io/apimachinery/pkg/runtime/generated.proto`) with apiVersion and kind in field 1
//! and the object in field 2. Custom resources stand there as JSON.

use drydock_core::plain;
use serde_json::{Map, Value};

use crate::decode::{self, DecodeError, bytes, text};
use crate::encryption::{OpenError, without_keys};
use crate::table::Table;
use crate::wire::{Field, Fields};

/// What a value in an envelope begins with.
const ENVELOPE: &[u8] = b"k8s\0";

/// What a value in CBOR begins with (RFC 8949, section 3.4.6).
const CBOR: &[u8] = b"\xd9\xd9\xf7";

/// What a value that was encrypted begins with.
pub const SEALED: &[u8] = b"k8s:enc:";

/// Why a value has no JSON. Its bytes can still be had as they are.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error(
        "it is a {api_version} {kind}, a kind that this version does not know: take its bytes with `-o raw`"
    )]
    UnknownKind { api_version: String, kind: String },
    #[error(
        "this {api_version} {kind} may be sound, and goes beyond what this version shows: take its bytes with `-o raw`"
    )]
    Limit {
        api_version: String,
        kind: String,
        #[source]
        source: DecodeError,
    },
    #[error("it is no sound {api_version} {kind}")]
    Malformed {
        api_version: String,
        kind: String,
        #[source]
        source: DecodeError,
    },
    #[error("its envelope is damaged")]
    Envelope(#[source] DecodeError),
    #[error("it begins as JSON does and is none")]
    Json(#[source] serde_json::Error),
    #[error(
        "it is JSON of more than {JSON_DEPTH_MAX} levels, which this version does not show: take its bytes with `-o raw`"
    )]
    JsonDeep,
    #[error("it is stored as CBOR, which this version does not read: take its bytes with `-o raw`")]
    Cbor,
    #[error(transparent)]
    Sealed(OpenError),
    #[error("it is not what an API server stores: take its bytes with `-o raw`")]
    Foreign,
}

/// Levels of JSON that are followed; the library that reads it has this limit.
const JSON_DEPTH_MAX: usize = 127;

/// How much of a kind's name a sentence repeats.
const NAME_BYTES_MAX: usize = 128;

struct Envelope<'a> {
    api_version: String,
    kind: String,
    object: &'a [u8],
}

/// The JSON of a stored value that is not encrypted.
///
/// # Errors
/// When it is of no kind that is known, or damaged.
pub fn decode(value: &[u8]) -> Result<Map<String, Value>, StoredError> {
    if let Some(envelope) = value.strip_prefix(ENVELOPE) {
        return Envelope::open(envelope)
            .map_err(StoredError::Envelope)?
            .decode();
    }
    if value.first() == Some(&b'{') {
        return serde_json::from_slice(value).map_err(|error| {
            if depth(value) > JSON_DEPTH_MAX {
                StoredError::JsonDeep
            } else {
                StoredError::Json(error)
            }
        });
    }
    Err(if value.starts_with(SEALED) {
        StoredError::Sealed(without_keys(value))
    } else if value.starts_with(CBOR) {
        StoredError::Cbor
    } else {
        StoredError::Foreign
    })
}

/// Most levels of JSON that are open at once.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// What the API server fills in when it reads: the revision of the last change.
pub fn set_resource_version(object: &mut Map<String, Value>, revision: i64) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
    }
}

impl<'a> Envelope<'a> {
    fn open(envelope: &'a [u8]) -> Result<Self, DecodeError> {
        let mut opened = Self {
            api_version: String::new(),
            kind: String::new(),
            object: &[],
        };
        for field in Fields::of(envelope) {
            match field? {
                (1, field) => opened.read_type(field)?,
                (2, field) => opened.object = bytes(Some(field), 2)?.unwrap_or_default(),
                _ => {}
            }
        }
        Ok(opened)
    }

    fn read_type(&mut self, field: Field<'a>) -> Result<(), DecodeError> {
        for field in Fields::of(bytes(Some(field), 1)?.unwrap_or_default()) {
            match field? {
                (1, field) => self.api_version = text(bytes(Some(field), 1)?.unwrap_or_default()),
                (2, field) => self.kind = text(bytes(Some(field), 2)?.unwrap_or_default()),
                _ => {}
            }
        }
        Ok(())
    }

    fn decode(self) -> Result<Map<String, Value>, StoredError> {
        let Self {
            api_version, kind, ..
        } = self;
        let Some(message) = Table::get().kind(&api_version, &kind) else {
            return Err(StoredError::UnknownKind {
                api_version: plain(&api_version, NAME_BYTES_MAX),
                kind: plain(&kind, NAME_BYTES_MAX),
            });
        };
        let mut object = match decode::decode(message, self.object) {
            Ok(object) => object,
            Err(source) if source.is_limit() => {
                return Err(StoredError::Limit {
                    api_version,
                    kind,
                    source,
                });
            }
            Err(source) => {
                return Err(StoredError::Malformed {
                    api_version,
                    kind,
                    source,
                });
            }
        };
        object.insert("apiVersion".to_owned(), api_version.into());
        object.insert("kind".to_owned(), kind.into());
        Ok(object)
    }
}
