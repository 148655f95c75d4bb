//! Leaves that are too long to be held: four values of some MiB make one.
//!
//! Such a leaf is read piece by piece into a page of the same elements, in which each long
//! value is cut down to a frame: the fields of the row without what was put under the key.
//! The checksum of the whole value is taken meanwhile, and its place noted. So the memory
//! follows keys and not values, and whatever looks at a leaf looks at one of these alike.

use crate::bytes::u32_at;
use crate::crc::Crc;
use crate::error::{Fault, Limit, SnapshotError};
use crate::mvcc::{FIELD_VALUE, WIRE_BYTES, WIRE_FIXED_32, WIRE_FIXED_64, WIRE_NUMBER};
use crate::page::{Bounds, Cut, ELEMENT_BUCKET, ELEMENT_BYTES, HEAD_BYTES, Head, Leaf, Page};
use crate::problem::Problem;
use crate::source::{Source, read};

/// Of one leaf, values are held whole while they fit into this together; small ones that
/// stand beside long ones cost less so.
const VALUES_BYTES_MAX: u64 = 1024 * 1024;
/// The most that is held of one leaf. bbolt puts at most four elements into a leaf that is
/// longer than a page, so this is four keys of 16 MiB, ten times what etcd takes for a
/// request unless it is told otherwise.
const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Read at once of a value.
const PIECE_BYTES: u64 = 256 * 1024;
/// Read at once of what stands between the long fields of a value.
const FIELD_PIECE_BYTES: u64 = 4096;
/// The most bytes of a number of 64 bits in groups of seven.
const NUMBER_BYTES_MAX: usize = 10;
/// Stands for a value that is no row: the start of a group, which etcd has none of.
const NO_ROW: [u8; 1] = [0x0b];

/// A leaf of which long values are framed.
#[derive(Default)]
pub(crate) struct Abridged {
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
}

/// Where a run of pages stands in the file.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub source: &'a dyn Source,
    pub page: u64,
    pub offset: u64,
    pub bytes: u64,
}

/// One element of the table as it stands in the file, with its span checked.
struct Element {
    index: u16,
    flags: u32,
    start: u64,
    key_bytes: u64,
    value_bytes: u64,
}

/// Builds the page: table first, then keys and values in its order.
struct Draft<'a> {
    run: Run<'a>,
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
    values_bytes: u64,
}

impl Abridged {
    /// Reads the leaf `run`. What has to be checked against the run's length is checked
    /// here; keys and flags when it is looked at as a leaf.
    pub fn read(run: Run<'_>) -> Result<Self, Fault> {
        let mut head = vec![0; HEAD_BYTES];
        read(run.source, &mut head, run.offset)?;
        let Head { count, .. } = Head::of(&head);
        let table_end = Head::of(&head).table_end();
        if table_end as u64 > run.bytes {
            return Err(Problem::ElementTable {
                page: run.page,
                count,
            }
            .into());
        }
        let mut table = vec![0; table_end];
        read(run.source, &mut table, run.offset)?;
        let mut draft = Draft {
            run,
            bytes: table.clone(),
            cuts: Vec::new(),
            values_bytes: 0,
        };
        let mut end = table_end as u64;
        for index in 0..count {
            let element = Element::of(&run, &table, index, end)?;
            end = element.start + element.key_bytes + element.value_bytes;
            draft.add(&element)?;
        }
        Ok(Self {
            bytes: draft.bytes,
            cuts: draft.cuts,
        })
    }

    pub fn leaf(&self, page: u64, bounds: Bounds<'_>) -> Result<Leaf<'_>, Problem> {
        Ok(Page::new(page, &self.bytes)
            .leaf(bounds)?
            .with_cuts(&self.cuts))
    }
}

impl Element {
    fn of(run: &Run<'_>, table: &[u8], index: u16, end: u64) -> Result<Self, Problem> {
        let at = HEAD_BYTES + usize::from(index) * ELEMENT_BYTES;
        let field = |number: usize| u32_at(table, at + 4 * number);
        let element = Self {
            index,
            flags: field(0),
            start: at as u64 + u64::from(field(1)),
            key_bytes: field(2).into(),
            value_bytes: field(3).into(),
        };
        let page = run.page;
        if element.start + element.key_bytes + element.value_bytes > run.bytes {
            return Err(Problem::ElementBounds { page, index });
        }
        if element.start < end {
            return Err(Problem::ElementOverlap { page, index });
        }
        Ok(element)
    }
}

impl Draft<'_> {
    fn add(&mut self, element: &Element) -> Result<(), Fault> {
        let value_at = self.run.offset + element.start + element.key_bytes;
        let start = self.bytes.len();
        self.copy(value_at - element.key_bytes, element.key_bytes)?;
        if element.flags & ELEMENT_BUCKET != 0 || self.is_held(element.value_bytes) {
            self.copy(value_at, element.value_bytes)?;
        } else {
            self.frame(element, value_at)?;
        }
        let at = HEAD_BYTES + usize::from(element.index) * ELEMENT_BYTES;
        let value_bytes = (self.bytes.len() - start) as u64 - element.key_bytes;
        let fields = [(4, (start - at) as u64), (12, value_bytes)];
        for (field, number) in fields {
            let number = u32::try_from(number).expect("HELD_BYTES_MAX is far below 4 GiB");
            self.bytes[at + field..at + field + 4].copy_from_slice(&number.to_le_bytes());
        }
        Ok(())
    }

    /// Whether a value of this length still fits among those that are held whole.
    fn is_held(&mut self, bytes: u64) -> bool {
        let held = self.values_bytes + bytes <= VALUES_BYTES_MAX;
        if held {
            self.values_bytes += bytes;
        }
        held
    }

    fn copy(&mut self, offset: u64, bytes: u64) -> Result<(), Fault> {
        let held = self.bytes.len();
        if held as u64 + bytes > HELD_BYTES_MAX {
            return Err(Limit::KeysTooLong {
                page: self.run.page,
                bytes_max: HELD_BYTES_MAX,
            }
            .into());
        }
        self.bytes.resize(held + bytes as usize, 0);
        Ok(read(self.run.source, &mut self.bytes[held..], offset)?)
    }

    fn frame(&mut self, element: &Element, offset: u64) -> Result<(), Fault> {
        let start = self.bytes.len();
        let mut fields = Fields::new(self.run.source, offset, element.value_bytes);
        if self.fields(&mut fields)?.is_none() {
            self.bytes.truncate(start);
            self.bytes.extend(NO_ROW);
        }
        self.cuts.push(Cut {
            index: element.index,
            crc: checksum(self.run.source, offset, element.value_bytes)?,
            offset,
        });
        Ok(())
    }

    /// Copies all fields but the contents of the value; none where these are no fields.
    fn fields(&mut self, fields: &mut Fields<'_>) -> Result<Option<()>, Fault> {
        while !fields.is_done() {
            let Some(tag) = fields.number(&mut self.bytes)? else {
                return Ok(None);
            };
            let content = match tag & 7 {
                WIRE_NUMBER => {
                    if fields.number(&mut self.bytes)?.is_none() {
                        return Ok(None);
                    }
                    continue;
                }
                WIRE_FIXED_64 => 8,
                WIRE_FIXED_32 => 4,
                WIRE_BYTES if tag >> 3 == FIELD_VALUE => {
                    let Some(bytes) = fields.number(&mut Vec::new())? else {
                        return Ok(None);
                    };
                    self.bytes.push(0);
                    if fields.skip(bytes).is_none() {
                        return Ok(None);
                    }
                    continue;
                }
                WIRE_BYTES => match fields.number(&mut self.bytes)? {
                    Some(bytes) => bytes,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            let offset = fields.offset;
            if fields.skip(content).is_none() {
                return Ok(None);
            }
            self.copy(offset, content)?;
        }
        Ok(Some(()))
    }
}

/// What is left of a message that is read where it stands.
struct Fields<'a> {
    source: &'a dyn Source,
    offset: u64,
    end: u64,
    /// Bytes of the file from `held_from` on.
    held: Vec<u8>,
    held_from: u64,
}

impl<'a> Fields<'a> {
    fn new(source: &'a dyn Source, offset: u64, bytes: u64) -> Self {
        Self {
            source,
            offset,
            end: offset + bytes,
            held: Vec::new(),
            held_from: offset,
        }
    }

    fn is_done(&self) -> bool {
        self.offset == self.end
    }

    /// Passes over bytes; none if there are not so many.
    fn skip(&mut self, bytes: u64) -> Option<()> {
        let offset = self.offset.checked_add(bytes)?;
        (offset <= self.end).then(|| self.offset = offset)
    }

    /// The next number, whose bytes go to `copied` as well; none if there is none.
    fn number(&mut self, copied: &mut Vec<u8>) -> Result<Option<u64>, SnapshotError> {
        let mut number = 0;
        for place in 0..NUMBER_BYTES_MAX {
            let Some(byte) = self.byte()? else {
                return Ok(None);
            };
            copied.push(byte);
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn byte(&mut self) -> Result<Option<u8>, SnapshotError> {
        if self.is_done() {
            return Ok(None);
        }
        let held_to = self.held_from + self.held.len() as u64;
        if !(self.held_from..held_to).contains(&self.offset) {
            let bytes = (self.end - self.offset).min(FIELD_PIECE_BYTES);
            self.held.resize(bytes as usize, 0);
            read(self.source, &mut self.held, self.offset)?;
            self.held_from = self.offset;
        }
        let byte = self.held[(self.offset - self.held_from) as usize];
        self.offset += 1;
        Ok(Some(byte))
    }
}

fn checksum(source: &dyn Source, mut offset: u64, bytes: u64) -> Result<Crc, SnapshotError> {
    let mut crc = Crc::default();
    let mut piece = vec![0; bytes.min(PIECE_BYTES) as usize];
    let end = offset + bytes;
    while offset < end {
        let length = (end - offset).min(PIECE_BYTES);
        let piece = &mut piece[..length as usize];
        read(source, piece, offset)?;
        crc.update(piece);
        offset += length;
    }
    Ok(crc)
}
