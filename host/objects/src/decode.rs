//! From the protocol buffers of one kind to the JSON that Go's encoder gives for it.
//!
//! Every field of the Go type is gone through, not every field of the message: what is
//! absent there has a zero value here, which is left out or not as the type says. The
//! rules are those of `encoding/json` and of the generated `Unmarshal` functions: no
//! elements are `null`, a struct is never empty, of a field that comes twice the last counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::own;
use crate::table::{Kind, MessageNumber, Omit, Spec, Table};
use crate::wire::{Field, Fields, WireError, varint};

/// Messages inside messages that are followed; schemas of custom resources, the deepest
/// that there are, seldom reach 60.
const DEPTH_MAX: u32 = 200;

/// Values that an object of any size may have: a few bytes of a hostile one could stand for
/// ever so many.
const VALUES_MIN: u64 = 1_000_000;

/// Beyond that, an object has a value for so many of its bytes at most. Real ones have one
/// for seven or more.
const VALUE_BYTES_MIN: u64 = 4;

/// Why a message has no JSON.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("field {number} of it has another encoding than its type")]
    Type { number: u32 },
    #[error("it has more than {DEPTH_MAX} messages inside each other")]
    Deep,
    #[error(
        "it has more than {values_max} values, which is the most that is shown of one of its size; `--output raw` gives its bytes"
    )]
    Large { values_max: u64 },
    #[error("a part of it that should be JSON is none")]
    Json(#[source] serde_json::Error),
    #[error("a part of it is neither a number nor a text")]
    IntOrString,
}

impl DecodeError {
    /// Whether the message may be sound, and is only more than is shown.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        match self {
            Self::Deep | Self::Large { .. } => true,
            Self::Wire(_) | Self::Type { .. } | Self::Json(_) | Self::IntOrString => false,
        }
    }
}

/// Decoding of one object.
pub(crate) struct Decoder {
    table: &'static Table,
    values: u64,
    values_max: u64,
    depth: u32,
}

/// The JSON of a field.
pub(crate) struct Shown {
    pub value: Value,
    /// Empty as `omitempty` has it.
    pub empty: bool,
}

/// What stands in the message for one field of the type, in order.
type Found<'f, 'a> = &'f [Field<'a>];

/// Decodes a message of a kind.
///
/// # Errors
/// When it is malformed or goes beyond a limit.
pub fn decode(message: MessageNumber, bytes: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    let mut decoder = Decoder {
        table: Table::get(),
        values: 0,
        values_max: VALUES_MIN.max(bytes.len() as u64 / VALUE_BYTES_MIN),
        depth: 0,
    };
    decoder.message(message, bytes)
}

impl Shown {
    pub fn full(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            empty: false,
        }
    }

    fn nothing() -> Self {
        Self {
            value: Value::Null,
            empty: true,
        }
    }
}

impl Decoder {
    /// The object that a message is in JSON.
    pub fn message(
        &mut self,
        number: MessageNumber,
        bytes: &[u8],
    ) -> Result<Map<String, Value>, DecodeError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(DecodeError::Deep);
        }
        let specs = &self.table.message(number).fields;
        let mut found: Vec<Vec<Field<'_>>> = vec![Vec::new(); specs.len()];
        for field in Fields::of(bytes) {
            let (number, field) = field?;
            // A field that the type does not have is from a newer version.
            if let Some(at) = specs.iter().position(|spec| spec.number == number) {
                found[at].push(field);
            }
        }
        let mut object = Map::new();
        for (spec, found) in specs.iter().zip(&found) {
            self.field(spec, found, &mut object)?;
        }
        self.depth -= 1;
        Ok(object)
    }

    fn field(
        &mut self,
        spec: &Spec,
        found: Found<'_, '_>,
        object: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        let shown = self.value(&spec.kind, spec.number, found)?;
        let Some(name) = spec.json else {
            if let Value::Object(inlined) = shown.value {
                object.extend(inlined);
            }
            return Ok(());
        };
        let omitted = match spec.omit {
            Omit::Never => false,
            Omit::Empty => shown.empty,
            Omit::Zero => shown.empty || shown.value.is_null(),
        };
        if !omitted {
            object.insert(name.to_owned(), shown.value);
        }
        Ok(())
    }

    pub fn value(
        &mut self,
        kind: &Kind,
        number: u32,
        found: Found<'_, '_>,
    ) -> Result<Shown, DecodeError> {
        self.values += 1;
        if self.values > self.values_max {
            return Err(DecodeError::Large {
                values_max: self.values_max,
            });
        }
        let last = found.last().copied();
        Ok(match kind {
            Kind::Pointer(_) if last.is_none() => Shown::nothing(),
            Kind::Pointer(inner) => Shown::full(self.value(inner, number, found)?.value),
            Kind::List(inner) => self.list(inner, number, found)?,
            Kind::Map(inner) => self.map(inner, number, found)?,
            Kind::Items(inner) => self.items(inner, number, found)?,
            Kind::Message(message) => {
                Shown::full(self.message(*message, bytes(last, number)?.unwrap_or_default())?)
            }
            Kind::Own(own) => own::value(self, *own, bytes(last, number)?)?,
            scalar => self::scalar(scalar, number, last)?,
        })
    }

    fn list(
        &mut self,
        inner: &Kind,
        number: u32,
        found: Found<'_, '_>,
    ) -> Result<Shown, DecodeError> {
        let mut values = Vec::new();
        for field in found {
            match (inner, field) {
                // Several numbers may be packed into one field.
                (Kind::Bool | Kind::Int32 | Kind::Int64, Field::Bytes(packed)) => {
                    let mut rest = *packed;
                    while !rest.is_empty() {
                        let one = [Field::Varint(varint(&mut rest)?)];
                        values.push(self.value(inner, number, &one)?.value);
                    }
                }
                (_, field) => values.push(self.value(inner, number, &[*field])?.value),
            }
        }
        Ok(if found.is_empty() {
            Shown::nothing()
        } else {
            Shown::full(values)
        })
    }

    /// Each entry of a map is a message with the key in field 1 and the value in field 2.
    fn map(
        &mut self,
        inner: &Kind,
        number: u32,
        found: Found<'_, '_>,
    ) -> Result<Shown, DecodeError> {
        let mut object = Map::new();
        for entry in found {
            let (mut key, mut value) = (None, Vec::new());
            for field in Fields::of(bytes(Some(*entry), number)?.unwrap_or_default()) {
                match field? {
                    (1, field) => key = bytes(Some(field), 1)?,
                    (2, field) => value = vec![field],
                    _ => {}
                }
            }
            if value.is_empty() && matches!(inner, Kind::Bytes) {
                value.push(Field::Bytes(&[]));
            }
            let key = text(key.unwrap_or_default());
            object.insert(key, self.value(inner, 2, &value)?.value);
        }
        Ok(if found.is_empty() {
            Shown::nothing()
        } else {
            Shown::full(object)
        })
    }

    fn items(
        &mut self,
        inner: &Kind,
        number: u32,
        found: Found<'_, '_>,
    ) -> Result<Shown, DecodeError> {
        let mut items = Vec::new();
        let message = bytes(found.last().copied(), number)?.unwrap_or_default();
        for field in Fields::of(message) {
            if let (1, field) = field? {
                items.push(field);
            }
        }
        self.list(inner, 1, &items)
    }
}

fn scalar(kind: &Kind, number: u32, last: Option<Field<'_>>) -> Result<Shown, DecodeError> {
    let wrong = || DecodeError::Type { number };
    if let Kind::String | Kind::Bytes = kind {
        let found = bytes(last, number)?;
        return Ok(match (kind, found) {
            (Kind::Bytes, None) => Shown::nothing(),
            (Kind::Bytes, Some(bytes)) => Shown {
                value: STANDARD.encode(bytes).into(),
                empty: bytes.is_empty(),
            },
            (_, found) => Shown {
                value: text(found.unwrap_or_default()).into(),
                empty: found.unwrap_or_default().is_empty(),
            },
        });
    }
    let bits = match (kind, last) {
        (_, None) => 0,
        (Kind::Float64, Some(Field::Fixed64(bits))) => bits,
        (Kind::Bool | Kind::Int32 | Kind::Int64, Some(Field::Varint(bits))) => bits,
        _ => return Err(wrong()),
    };
    let value = match kind {
        Kind::Bool => json!(bits != 0),
        // A number that does not fit is cut off, as the generated code does.
        Kind::Int32 => json!(bits as i32),
        Kind::Int64 => json!(bits.cast_signed()),
        _ => json!(f64::from_bits(bits)),
    };
    Ok(Shown {
        value,
        empty: bits == 0,
    })
}

/// The bytes of a field that has a length.
pub(crate) fn bytes(field: Option<Field<'_>>, number: u32) -> Result<Option<&[u8]>, DecodeError> {
    match field {
        None => Ok(None),
        Some(Field::Bytes(bytes)) => Ok(Some(bytes)),
        Some(_) => Err(DecodeError::Type { number }),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
