//! What etcd keeps in the bucket `key`: one row for each change of a key.
//!
//! A row's key is the main revision u64 big-endian, `_`, the sub-revision u64
//! big-endian, and `t` behind it where the change deleted the key. Its value is
//! a `mvccpb.KeyValue` whose field 1 is the user's key. Bucket `meta` holds
//! compaction revisions in the same form.

use crate::page::Entry;
use crate::problem::Problem;

/// The bytes of a row's key, without and with the mark of a deletion.
const REVISION_BYTES: usize = 17;
const MARKED_BYTES: usize = REVISION_BYTES + 1;
/// Where the sub-revision begins.
const SUB_REVISION: usize = 9;
/// The field of a row that holds what was put under the key.
pub(crate) const FIELD_VALUE: u64 = 5;
/// How a field's content is written (protocol buffers, encoding, "message structure").
pub(crate) const WIRE_NUMBER: u64 = 0;
pub(crate) const WIRE_FIXED_64: u64 = 1;
pub(crate) const WIRE_BYTES: u64 = 2;
pub(crate) const WIRE_FIXED_32: u64 = 5;

const SEPARATOR: u8 = b'_';
const DELETED: u8 = b't';

/// One change of one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub main: i64,
    pub deleted: bool,
    pub user_key: &'a [u8],
}

impl<'a> Row<'a> {
    /// Reads an element of bucket `key` on `page`.
    pub fn of(entry: &Entry<'a>, page: u64) -> Result<Self, Problem> {
        let index = entry.index;
        if entry.is_bucket {
            return Err(Problem::BucketMisplaced { page, index });
        }
        let main = main_revision(entry.key).ok_or(Problem::RevisionKey { page, index })?;
        let user_key = user_key(entry.value).ok_or(Problem::KeyValue { page, index })?;
        Ok(Self {
            main,
            deleted: is_deletion(entry.key),
            user_key,
        })
    }
}

/// A row with all that its value says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub row: Row<'a>,
    pub create_revision: i64,
    pub version: i64,
    pub value: &'a [u8],
    pub lease: i64,
}

impl<'a> Pair<'a> {
    /// Reads an element of bucket `key` on `page`, as [`Row::of`].
    pub fn of(entry: &Entry<'a>, page: u64) -> Result<Self, Problem> {
        let mut pair = Self {
            row: Row::of(entry, page)?,
            create_revision: 0,
            version: 0,
            value: &[],
            lease: 0,
        };
        let index = entry.index;
        let mut message = entry.value;
        while !message.is_empty() {
            let (field, content) = field(&mut message).ok_or(Problem::KeyValue { page, index })?;
            match (field, content) {
                (2, Content::Number(number)) => pair.create_revision = number.cast_signed(),
                (4, Content::Number(number)) => pair.version = number.cast_signed(),
                (FIELD_VALUE, Content::Bytes(bytes)) => pair.value = bytes,
                (6, Content::Number(number)) => pair.lease = number.cast_signed(),
                _ => {}
            }
        }
        Ok(pair)
    }
}

/// What stands in a field of a message.
#[derive(Clone, Copy)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed length, which no field of a row has.
    Fixed,
}

/// The next field of a message that is not empty; `None` if it is malformed.
fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, Content<'a>)> {
    let tag = varint(message)?;
    let content = match tag & 7 {
        WIRE_NUMBER => Content::Number(varint(message)?),
        WIRE_FIXED_64 => take(message, 8).map(|_| Content::Fixed)?,
        WIRE_BYTES => Content::Bytes(varint(message).and_then(|bytes| take(message, bytes))?),
        WIRE_FIXED_32 => take(message, 4).map(|_| Content::Fixed)?,
        _ => return None,
    };
    Some((tag >> 3, content))
}

/// The main revision in a row's key; `None` if it is no such key.
pub(crate) fn main_revision(key: &[u8]) -> Option<i64> {
    if !(REVISION_BYTES..=MARKED_BYTES).contains(&key.len()) || key[8] != SEPARATOR {
        return None;
    }
    let number = |at: usize| {
        let bytes = key[at..at + 8]
            .try_into()
            .expect("the length was checked above");
        Some(i64::from_be_bytes(bytes)).filter(|number| *number >= 0)
    };
    number(SUB_REVISION).and(number(0))
}

/// Which change of its revision a row is, counted from 0; `None` if the key is no row's.
pub(crate) fn sub_revision(key: &[u8]) -> Option<u64> {
    main_revision(key)?;
    let bytes = key[SUB_REVISION..REVISION_BYTES].try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

fn is_deletion(key: &[u8]) -> bool {
    key.len() == MARKED_BYTES && key[REVISION_BYTES] == DELETED
}

/// Field 1 of a `KeyValue` in protocol-buffer encoding, empty if it is absent;
/// `None` if the message is malformed. As in every parser of such messages the
/// last occurrence counts.
fn user_key(mut message: &[u8]) -> Option<&[u8]> {
    let mut key: &[u8] = &[];
    while !message.is_empty() {
        let (field, content) = field(&mut message)?;
        match (field, content) {
            (0, _) => return None,
            (1, Content::Bytes(bytes)) => key = bytes,
            (FIELD_VALUE, Content::Bytes(_)) | (2 | 3 | 4 | 6, Content::Number(_)) => {}
            (1..=6, _) => return None,
            _ => {}
        }
    }
    Some(key)
}

fn take<'a>(message: &mut &'a [u8], bytes: u64) -> Option<&'a [u8]> {
    let (head, rest) = message.split_at_checked(usize::try_from(bytes).ok()?)?;
    *message = rest;
    Some(head)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{main_revision, sub_revision, user_key};

    #[test]
    fn a_revision_needs_its_separator_and_its_length() {
        let key = [0, 0, 0, 0, 0, 0, 1, 2, b'_', 0, 0, 0, 0, 0, 0, 0, 3, b't'];
        assert_eq!(main_revision(&key), Some(258));
        assert_eq!(sub_revision(&key), Some(3));
        assert_eq!(main_revision(&key[..17]), Some(258));
        assert_eq!(main_revision(&key[..16]), None);
        let mut negative = key;
        negative[0] = 0x80;
        assert_eq!(main_revision(&negative), None);
        let mut other = key;
        other[8] = b'-';
        assert_eq!(main_revision(&other), None);
    }

    #[test]
    fn the_user_key_is_field_one_of_a_well_formed_message() {
        assert_eq!(user_key(b""), Some(&b""[..]));
        assert_eq!(user_key(b"\x0a\x01k\x10\x05\x2a\x02vv"), Some(&b"k"[..]));
        assert_eq!(user_key(b"\x10\x05\x0a\x01k"), Some(&b"k"[..]));
        for malformed in [
            &b"\x0a\x02k"[..],
            b"\x0a",
            b"\x0b",
            b"\x08\x01",
            b"\x12\x01k",
            b"\x10",
        ] {
            assert_eq!(user_key(malformed), None, "{malformed:?}");
        }
    }
}
