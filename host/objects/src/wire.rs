//! Protocol buffers, read field by field.
//!
//! The encoding is that of <https://protobuf.dev/programming-guides/encoding/>. Nothing is
//! copied, and no length is used before it was compared with what is there.

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("it ends in the middle of a field")]
    Truncated,
    #[error("a number in it is longer than 64 bits")]
    LongNumber,
    #[error("it has a field of number {0}, which no message has")]
    FieldNumber(u64),
    #[error("it has a field of encoding {0}, which this format does not use")]
    Encoding(u8),
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message, in the order in which they stand.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The largest number that a field can have.
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

impl<'a> Fields<'a> {
    #[must_use]
    pub fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u32, Field<'a>), WireError> {
        let tag = varint(&mut self.rest)?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(WireError::FieldNumber(number));
        }
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut self.rest)?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = varint(&mut self.rest)?;
                Field::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::Encoding(other as u8)),
        };
        Ok((number as u32, field))
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            // What stands behind the damage cannot be told apart.
            self.rest = &[];
        }
        Some(field)
    }
}

/// A number of 7 bits a byte, the lowest first.
pub fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or(WireError::Truncated)?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(WireError::LongNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_read() {
        let message = b"\x08\x96\x01\x12\x01k\x19\x01\0\0\0\0\0\0\0\x25\x02\0\0\0";
        let fields: Result<Vec<_>, _> = Fields::of(message).collect();
        let expected = vec![
            (1, Field::Varint(150)),
            (2, Field::Bytes(b"k")),
            (3, Field::Fixed64(1)),
            (4, Field::Fixed32(2)),
        ];
        assert_eq!(fields, Ok(expected));
    }

    #[test]
    fn what_is_malformed_ends_the_message() {
        for (message, error) in [
            (&b"\x08"[..], WireError::Truncated),
            (b"\x12\x05k", WireError::Truncated),
            (
                b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7fk",
                WireError::Truncated,
            ),
            (b"\x0b", WireError::Encoding(3)),
            (b"\x00\x01", WireError::FieldNumber(0)),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                WireError::LongNumber,
            ),
        ] {
            let fields: Vec<_> = Fields::of(message).collect();
            assert_eq!(fields, [Err(error)]);
        }
    }
}
