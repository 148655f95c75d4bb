//! Takes an archive apart while it streams in: bytes go in as they come, events come out.
//!
//! Framing is strict where another reader could see other entries than this one does: a
//! header without its checksum, an entry with bytes that its kind cannot have and a
//! malformed record end the decoding, since nothing after them can be believed.

use super::BLOCK_BYTES;
use super::header::Header;
use super::pax::Records;

/// Most bytes of a pax header or a long name: the attributes of one file fit well.
pub const META_BYTES_MAX: u64 = 1024 * 1024;

/// What stands in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it stands there, without the records that a folder's name ends in `/`.
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Bytes that follow.
    pub size: u64,
    /// Seconds since 1970 and nanoseconds.
    pub modified: (i64, u32),
    /// What a link points to; empty for anything else.
    pub link: Vec<u8>,
    /// Extended attributes: name and value.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where its first header begins in the archive.
    pub offset: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    File,
    Folder,
    SymbolicLink,
    /// Another name of an earlier entry.
    HardLink,
    Fifo,
    CharacterDevice,
    BlockDevice,
    /// A file whose holes were left out, or a letter that no standard has.
    Unknown(u8),
}

/// What the decoder has seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Entry(Box<Entry>),
    /// Bytes of the last entry, in order.
    Data(&'a [u8]),
    /// The last entry is whole.
    EntryEnd,
}

/// Why an archive cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct Damage {
    pub offset: u64,
    pub what: &'static str,
}

/// Takes an archive apart.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// Bytes taken so far.
    taken: u64,
    block: Vec<u8>,
    /// Where the first header of the next entry begins, once one was seen.
    begun: Option<u64>,
    global: Records,
    local: Records,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A header comes, or the end.
    #[default]
    Header,
    /// One block of zeros was seen.
    HalfEnd,
    /// Two were: only zeros may follow.
    End,
    Meta {
        flag: u8,
        left: u64,
        padding: u64,
    },
    Data {
        left: u64,
        padding: u64,
    },
    EntryEnd {
        padding: u64,
    },
    Padding(u64),
    Broken,
}

impl Decoder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next event; takes what it needs off the front of `input`. None when `input` is
    /// used up. After an error there is nothing more to come.
    ///
    /// # Errors
    /// When the archive is damaged.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Damage> {
        loop {
            let event = self
                .step(input)
                .inspect_err(|_| self.state = State::Broken)?;
            if event.is_some() || input.is_empty() && !self.has_more() {
                return Ok(event);
            }
        }
    }

    /// Call it when no more bytes come.
    ///
    /// # Errors
    /// When the archive ends too early.
    pub fn finish(&self) -> Result<(), Damage> {
        match (self.state, self.block.is_empty()) {
            (State::End, true) => Ok(()),
            (State::End, false) => Err(self.damage("the last block is not whole")),
            (State::Broken, _) => Err(self.damage("it cannot be read on")),
            (State::Header | State::HalfEnd, true) => {
                Err(self.damage("the archive ends without its two blocks of zeros: it was cut off"))
            }
            _ => Err(self.damage("the archive ends in the middle of an entry: it was cut off")),
        }
    }

    /// Whether a step can be made without input.
    fn has_more(&self) -> bool {
        matches!(
            self.state,
            State::Meta { left: 0, .. }
                | State::Data { left: 0, .. }
                | State::EntryEnd { .. }
                | State::Padding(0)
        )
    }

    fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Damage> {
        match self.state {
            State::Header | State::HalfEnd | State::End => self.take_block(input),
            State::Meta {
                flag,
                left: 0,
                padding,
            } => {
                self.state = State::Padding(padding);
                self.take_meta(flag).map(|()| None)
            }
            State::Meta {
                flag,
                left,
                padding,
            } => {
                let bytes = self.take(input, left);
                self.block.extend_from_slice(bytes);
                let left = left - bytes.len() as u64;
                self.state = State::Meta {
                    flag,
                    left,
                    padding,
                };
                Ok(None)
            }
            State::Data { left: 0, padding } => {
                self.state = State::EntryEnd { padding };
                Ok(None)
            }
            State::Data { left, padding } => {
                let bytes = self.take(input, left);
                let left = left - bytes.len() as u64;
                self.state = State::Data { left, padding };
                Ok((!bytes.is_empty()).then_some(Event::Data(bytes)))
            }
            State::EntryEnd { padding } => {
                self.state = State::Padding(padding);
                Ok(Some(Event::EntryEnd))
            }
            State::Padding(0) => {
                self.state = State::Header;
                Ok(None)
            }
            State::Padding(left) => {
                let skipped = self.take(input, left).len() as u64;
                self.state = State::Padding(left - skipped);
                Ok(None)
            }
            State::Broken => {
                *input = &[];
                Ok(None)
            }
        }
    }

    fn take<'a>(&mut self, input: &mut &'a [u8], bytes_max: u64) -> &'a [u8] {
        let count = usize::try_from(bytes_max).map_or(input.len(), |max| max.min(input.len()));
        let (taken, rest) = input.split_at(count);
        *input = rest;
        self.taken += count as u64;
        taken
    }

    /// Gathers a block and looks at it once it is whole.
    fn take_block<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, Damage> {
        let missing = BLOCK_BYTES - self.block.len();
        let bytes = self.take(input, missing as u64);
        self.block.extend_from_slice(bytes);
        let Ok(block) = <[u8; BLOCK_BYTES]>::try_from(self.block.as_slice()) else {
            return Ok(None);
        };
        self.block.clear();
        let zeros = block.iter().all(|byte| *byte == 0);
        self.state = match (self.state, zeros) {
            (State::HalfEnd | State::End, true) => State::End,
            (State::End, false) => {
                return Err(self.block_damage("something follows the archive's end"));
            }
            (State::HalfEnd, false) => {
                return Err(self.block_damage("a lone block of zeros stands between the entries"));
            }
            (_, true) if self.begun.is_some() => {
                return Err(self.block_damage(
                    "the entry that a pax header or a long name announces is missing",
                ));
            }
            (_, true) => State::HalfEnd,
            (_, false) => return self.take_header(&block),
        };
        Ok(None)
    }

    fn take_header<'a>(&mut self, block: &[u8; BLOCK_BYTES]) -> Result<Option<Event<'a>>, Damage> {
        let header = Header::parse(block)
            .ok_or_else(|| self.block_damage("the checksum of a header is wrong"))?;
        self.begun.get_or_insert(self.taken - BLOCK_BYTES as u64);
        let flag = header.type_flag();
        if matches!(flag, b'x' | b'g' | b'L' | b'K') {
            let size = header.size().filter(|size| *size <= META_BYTES_MAX);
            let left = size.ok_or_else(|| {
                self.block_damage("a pax header or a long name takes more than 1 MiB, which is the most that Drydock reads of one: leave that file out, or take attributes off it")
            })?;
            let padding = padding(left);
            self.state = State::Meta {
                flag,
                left,
                padding,
            };
            return Ok(None);
        }
        let entry = self.entry(&header, flag)?;
        let (left, padding) = (entry.size, padding(entry.size));
        self.state = State::Data { left, padding };
        Ok(Some(Event::Entry(Box::new(entry))))
    }

    /// A pax header or a long name is whole.
    fn take_meta(&mut self, flag: u8) -> Result<(), Damage> {
        let bytes = std::mem::take(&mut self.block);
        let text = || bytes.strip_suffix(b"\0").unwrap_or(&bytes).to_vec();
        match flag {
            b'L' => self.local.path = Some(text()),
            b'K' => self.local.link = Some(text()),
            b'x' => self.local.take(&bytes).map_err(|what| self.damage(what))?,
            _ => {
                self.global.take(&bytes).map_err(|what| self.damage(what))?;
                let global = &self.global;
                let of_one_file = global.path.is_some()
                    || global.link.is_some()
                    || global.size.is_some()
                    || global.sparse
                    || !global.attributes.is_empty();
                if of_one_file {
                    return Err(self.damage(
                        "a global pax header gives every entry one name, size or attribute",
                    ));
                }
                // It announces no entry.
                if self.local == Records::default() {
                    self.begun = None;
                }
            }
        }
        Ok(())
    }

    /// The entry that header and records tell of.
    fn entry(&mut self, header: &Header<'_>, flag: u8) -> Result<Entry, Damage> {
        let local = std::mem::take(&mut self.local);
        let begun = self.begun.take();
        let malformed = || self.block_damage("a number in a header is malformed");
        let size = local.size.or(header.size()).ok_or_else(malformed)?;
        let mode = header.mode().ok_or_else(malformed)?;
        let uid = local.uid.or(self.global.uid).or(header.uid());
        let gid = local.gid.or(self.global.gid).or(header.gid());
        let modified = local
            .modified
            .or(self.global.modified)
            .or(header.modified().map(|seconds| (seconds, 0)));
        let path = local.path.unwrap_or_else(|| header.path());
        let kind = if local.sparse {
            Kind::Unknown(b'S')
        } else {
            Kind::of(flag, &path)
        };
        if flag == b'S' {
            // Its map may go on in blocks that no size tells of.
            return Err(
                self.block_damage("a file is stored with its holes left out, GNU's old way")
            );
        }
        if size > 0 && kind.is_empty() {
            return Err(self.block_damage("bytes follow an entry that is no file"));
        }
        Ok(Entry {
            kind,
            mode: u32::try_from(mode & 0o7777).expect("twelve bits"),
            uid: uid.ok_or_else(malformed)?,
            gid: gid.ok_or_else(malformed)?,
            size,
            modified: modified.ok_or_else(malformed)?,
            link: local.link.unwrap_or_else(|| header.link().to_vec()),
            attributes: local.attributes,
            offset: begun.unwrap_or(self.taken),
            path,
        })
    }

    fn damage(&self, what: &'static str) -> Damage {
        let offset = self.taken;
        Damage { offset, what }
    }

    /// Of the block that was just taken.
    fn block_damage(&self, what: &'static str) -> Damage {
        let offset = self.taken.saturating_sub(BLOCK_BYTES as u64);
        Damage { offset, what }
    }
}

impl Kind {
    fn of(flag: u8, path: &[u8]) -> Self {
        match flag {
            // Before there was a letter for it, a folder was a file with a `/` at the end.
            b'0' | 0 if path.ends_with(b"/") => Self::Folder,
            b'0' | 0 | b'7' => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::SymbolicLink,
            b'3' => Self::CharacterDevice,
            b'4' => Self::BlockDevice,
            b'5' => Self::Folder,
            b'6' => Self::Fifo,
            other => Self::Unknown(other),
        }
    }

    /// Whether nothing can follow it.
    fn is_empty(self) -> bool {
        !matches!(self, Self::File | Self::Unknown(_))
    }
}

fn padding(size: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    (block - size % block) % block
}

#[cfg(test)]
mod tests;
