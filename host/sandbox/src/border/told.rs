//! A value as it is written down: whole, but for bytes and texts that are longer than anybody
//! reads, and without secrets.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_capability_secret::Redactor;
use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::exchange::Kept;

/// Bytes and texts that are written down whole. Of a longer one stand its size, its SHA-256 and
/// its beginning there, so that a record stays a file that people open.
pub(crate) const WHOLE_BYTES_MAX: usize = 256 * 1024;

/// The beginning of what is not written down whole.
const BEGINNING_BYTES_MAX: usize = 4 * 1024;

/// Keys that no value of the contract has.
pub(super) const HANDLE: &str = "$handle";
pub(super) const CUT: &str = "$cut";
const UTF8: &str = "$utf8";
const BASE64: &str = "$base64";

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// Null, a truth or a number.
    Plain(Value),
    Byte(u8),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Told>),
    Map(Vec<(String, Told)>),
    /// What an answer gave out, by its number; none of what the call was given.
    Handle(Option<u32>),
    /// What is too long, e.g. a part of an upload.
    Cut {
        bytes: u64,
        sha256: String,
        beginning: Vec<u8>,
    },
    /// What is still under way: the body of a request or a response.
    Body(Arc<Mutex<Kept>>),
    /// How such a body ended.
    BodyEnd(Arc<Mutex<Kept>>),
}

impl Told {
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        value.serialize(Teller)
    }

    /// How much memory it holds.
    pub fn size(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Byte(_) | Self::Handle(_) | Self::BodyEnd(_) => {
                size_of::<Self>()
            }
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Cut { beginning, .. } => beginning.len(),
            Self::List(list) => list.iter().map(Self::size).sum(),
            Self::Map(map) => map.iter().map(|(key, one)| key.len() + one.size()).sum(),
            Self::Body(_) => WHOLE_BYTES_MAX,
        }
    }

    /// No longer than `whole_max` in any of its parts. What goes was looked through before.
    #[must_use]
    pub fn cut(self, whole_max: usize, redact: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Self {
        let beginning = |bytes: &[u8]| {
            let bytes = redact(bytes).unwrap_or_else(|| bytes.to_vec());
            Self::Cut {
                bytes: bytes.len() as u64,
                sha256: hex::encode(Sha256::digest(&bytes)),
                beginning: bytes.into_iter().take(BEGINNING_BYTES_MAX).collect(),
            }
        };
        match self {
            Self::Text(text) if text.len() > whole_max => beginning(text.as_bytes()),
            Self::Bytes(bytes) if bytes.len() > whole_max => beginning(&bytes),
            Self::List(list) => {
                let cut = list.into_iter().map(|one| one.cut(whole_max, redact));
                Self::List(cut.collect())
            }
            Self::Map(map) => {
                let cut = |(key, one): (String, Self)| (key, one.cut(whole_max, redact));
                Self::Map(map.into_iter().map(cut).collect())
            }
            other => other,
        }
    }

    /// As JSON, without what `redact` takes out of it.
    pub fn json(&self, redact: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Byte(byte) => json!(byte),
            Self::Text(text) => {
                let redacted = redact(text.as_bytes());
                let redacted = redacted.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                Value::String(redacted.unwrap_or_else(|| text.clone()))
            }
            Self::Bytes(bytes) => bytes_json(&redact(bytes).unwrap_or_else(|| bytes.clone())),
            Self::List(list) => list.iter().map(|one| one.json(redact)).collect(),
            Self::Map(map) => {
                let entry = |(key, one): &(String, Self)| (key.clone(), one.json(redact));
                Value::Object(map.iter().map(entry).collect())
            }
            Self::Handle(number) => json!({HANDLE: number}),
            Self::Cut {
                bytes,
                sha256,
                beginning,
            } => {
                // A secret may begin in it and end behind it; what is left is that much shorter.
                let kept = redact(beginning).unwrap_or_else(|| beginning.clone());
                let kept = &kept[..kept.len().min(BEGINNING_BYTES_MAX)];
                json!({CUT: {"bytes": bytes, "sha256": sha256, "beginning": bytes_json(kept)}})
            }
            Self::Body(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.told().cut(WHOLE_BYTES_MAX, redact).json(redact)
            }
            Self::BodyEnd(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.end_told().json(redact)
            }
        }
    }
}

/// Looks for the secrets of several attempts.
pub(super) fn redacted(redactors: &[Redactor], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Option<Vec<u8>> = None;
    for redactor in redactors {
        let found = redactor.bytes(kept.as_deref().unwrap_or(bytes));
        kept = found.or(kept);
    }
    kept
}

/// Bytes that are text are easier to read as that.
pub(super) fn bytes_json(bytes: &[u8]) -> Value {
    let is_shown = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_shown) => json!({UTF8: text}),
        _ => json!({BASE64: STANDARD.encode(bytes)}),
    }
}

/// The bytes of a value that is such; the error says what it is instead.
pub(super) fn bytes_of(value: &Value) -> Result<Vec<u8>, String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let Some(text) = text(UTF8) {
        return Ok(text.as_bytes().to_vec());
    }
    let base64 = text(BASE64).ok_or_else(|| format!("{value} is no bytes"))?;
    STANDARD
        .decode(base64)
        .map_err(|error| format!("{base64} is no base64: {error}"))
}

/// A recorded value as the types of the contract read it: bytes are lists of numbers there.
/// The error is for what was not written down whole.
pub(super) fn restored(value: Value) -> Result<Value, String> {
    Ok(match value {
        Value::Array(list) => {
            let list = list.into_iter().map(restored);
            Value::Array(list.collect::<Result<_, String>>()?)
        }
        Value::Object(map) if map.contains_key(CUT) => return Err(cut_off(&map[CUT])),
        Value::Object(map) if map.contains_key(UTF8) || map.contains_key(BASE64) => {
            let bytes = bytes_of(&Value::Object(map))?;
            bytes.into_iter().map(Value::from).collect()
        }
        Value::Object(map) => {
            let entry = |(key, value)| Ok((key, restored(value)?));
            let map = map.into_iter().map(entry);
            Value::Object(map.collect::<Result<Map<_, _>, String>>()?)
        }
        other => other,
    })
}

/// Why something cannot be given back.
pub(super) fn cut_off(cut: &Value) -> String {
    let bytes = cut.get("bytes").and_then(Value::as_u64).unwrap_or_default();
    format!(
        "only the first {BEGINNING_BYTES_MAX} of its {bytes} bytes were written down ({WHOLE_BYTES_MAX} is the most that is kept whole): record the plugin with less to read"
    )
}

/// Writes values down.
struct Teller;

/// A list; of bytes, their bytes.
struct Listing {
    variant: Option<&'static str>,
    bytes: Vec<u8>,
    list: Vec<Told>,
}

struct Mapping {
    variant: Option<&'static str>,
    map: Vec<(String, Told)>,
    key: Option<String>,
}

impl Listing {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            bytes: Vec::new(),
            list: Vec::new(),
        }
    }

    fn push(&mut self, one: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        match one.serialize(Teller)? {
            Told::Byte(byte) if self.list.is_empty() => self.bytes.push(byte),
            other => self.list.push(other),
        }
        Ok(())
    }

    fn told(self) -> Told {
        let told = if self.bytes.is_empty() {
            Told::List(self.list)
        } else {
            Told::Bytes(self.bytes)
        };
        case(self.variant, told)
    }
}

impl Mapping {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            map: Vec::new(),
            key: None,
        }
    }

    fn put(&mut self, key: &str, one: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        self.map.push((key.to_owned(), one.serialize(Teller)?));
        Ok(())
    }

    fn told(self) -> Told {
        case(self.variant, Told::Map(self.map))
    }
}

fn case(variant: Option<&'static str>, told: Told) -> Told {
    match variant {
        Some(variant) => Told::Map(vec![(variant.to_owned(), told)]),
        None => told,
    }
}

macro_rules! plain {
    ($($name:ident $type:ty),*) => {
        $(fn $name(self, value: $type) -> Result<Told, serde_json::Error> {
            Ok(Told::Plain(Value::from(value)))
        })*
    };
}

impl ser::Serializer for Teller {
    type Ok = Told;
    type Error = serde_json::Error;
    type SerializeSeq = Listing;
    type SerializeTuple = Listing;
    type SerializeTupleStruct = Listing;
    type SerializeTupleVariant = Listing;
    type SerializeMap = Mapping;
    type SerializeStruct = Mapping;
    type SerializeStructVariant = Mapping;

    plain! {
        serialize_bool bool,
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_f32 f32, serialize_f64 f64
    }

    fn serialize_u8(self, value: u8) -> Result<Told, Self::Error> {
        Ok(Told::Byte(value))
    }

    fn serialize_char(self, value: char) -> Result<Told, Self::Error> {
        Ok(Told::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Told, Self::Error> {
        Ok(Told::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Told, Self::Error> {
        Ok(Told::Bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Result<Told, Self::Error> {
        Ok(Told::Plain(Value::Null))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Told, Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Told, Self::Error> {
        Ok(Told::Plain(Value::Null))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Told, Self::Error> {
        Ok(Told::Plain(Value::Null))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Told, Self::Error> {
        Ok(Told::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Told, Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Told, Self::Error> {
        Ok(case(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Listing, Self::Error> {
        Ok(Listing::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Listing, Self::Error> {
        Ok(Listing::new(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Listing, Self::Error> {
        Ok(Listing::new(None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Listing, Self::Error> {
        Ok(Listing::new(Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Mapping, Self::Error> {
        Ok(Mapping::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Mapping, Self::Error> {
        Ok(Mapping::new(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Mapping, Self::Error> {
        Ok(Mapping::new(Some(variant)))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Told, Self::Error> {
        Ok(Told::Text(value.to_string()))
    }
}

macro_rules! listing {
    ($($kind:ident $push:ident),*) => {
        $(impl ser::$kind for Listing {
            type Ok = Told;
            type Error = serde_json::Error;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
                self.push(value)
            }

            fn end(self) -> Result<Told, Self::Error> {
                Ok(self.told())
            }
        })*
    };
}

listing! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

macro_rules! mapping {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Mapping {
            type Ok = Told;
            type Error = serde_json::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Self::Error> {
                self.put(key, value)
            }

            fn end(self) -> Result<Told, Self::Error> {
                Ok(self.told())
            }
        })*
    };
}

mapping!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Mapping {
    type Ok = Told;
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Self::Error> {
        let Told::Text(key) = key.serialize(Teller)? else {
            return Err(Self::Error::custom("a key must be text"));
        };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        let key = self.key.take().unwrap_or_default();
        self.put(&key, value)
    }

    fn end(self) -> Result<Told, Self::Error> {
        Ok(self.told())
    }
}
