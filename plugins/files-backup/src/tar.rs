//! Headers of a POSIX archive: ustar where it suffices, and a pax header before it where
//! a name is long, a number large, a time exact or an attribute there. The same files give
//! the same bytes.

use drydock_plugin_sdk::{Item, ItemKind};

/// Everything in an archive is counted in blocks of so many bytes.
pub const BLOCK_BYTES: usize = 512;

/// What fits into a field of eight octal digits' room, and into one of twelve.
const SMALL_MAX: u64 = 0o7_777_777;
const LARGE_MAX: u64 = 0o77_777_777_777;

/// What one entry is in an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// Without a `/` at either end.
    pub path: &'a [u8],
    pub kind: Kind<'a>,
    pub item: &'a Item,
}

/// The kinds that are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    File,
    Folder,
    SymbolicLink(&'a [u8]),
    /// Another name of the entry of this path.
    HardLink(&'a [u8]),
    Fifo,
}

impl<'a> Entry<'a> {
    /// All header blocks of the entry. Its bytes, if any, come next.
    pub fn header(&self) -> Vec<u8> {
        let records = self.records();
        let mut bytes = Vec::with_capacity(3 * BLOCK_BYTES + records.len());
        if !records.is_empty() {
            let size = records.len() as u64;
            // The name that a reader without pax gives the records.
            bytes.extend(self.block(b"@PaxHeader", b'x', b"", size));
            bytes.extend(&records);
            bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        let path = self.stored_path();
        bytes.extend(self.block(&path, self.type_flag(), self.link(), self.size()));
        bytes
    }

    /// Bytes that follow the header.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File => self.item.size,
            _ => 0,
        }
    }

    /// A folder's name ends in `/`, as every tar writes it.
    fn stored_path(&self) -> Vec<u8> {
        match self.kind {
            Kind::Folder => [self.path, b"/"].concat(),
            _ => self.path.to_vec(),
        }
    }

    fn link(&self) -> &'a [u8] {
        match self.kind {
            Kind::SymbolicLink(link) | Kind::HardLink(link) => link,
            _ => b"",
        }
    }

    fn type_flag(&self) -> u8 {
        match self.kind {
            Kind::File => b'0',
            Kind::HardLink(_) => b'1',
            Kind::SymbolicLink(_) => b'2',
            Kind::Folder => b'5',
            Kind::Fifo => b'6',
        }
    }

    fn records(&self) -> Vec<u8> {
        let item = self.item;
        let mut records = Vec::new();
        let path = self.stored_path();
        if split(&path).is_none() {
            record(&mut records, b"path", &path);
        }
        if self.link().len() > 100 {
            record(&mut records, b"linkpath", self.link());
        }
        if self.size() > LARGE_MAX {
            record(&mut records, b"size", self.size().to_string().as_bytes());
        }
        for (key, id) in [(&b"uid"[..], item.user_id), (b"gid", item.group_id)] {
            if u64::from(id) > SMALL_MAX {
                record(&mut records, key, id.to_string().as_bytes());
            }
        }
        if item.modified_nanoseconds != 0 || !fits_octal(item.modified_seconds) {
            let text = instant(item.modified_seconds, item.modified_nanoseconds);
            record(&mut records, b"mtime", text.as_bytes());
        }
        // A second name has the attributes of the first.
        if !matches!(self.kind, Kind::HardLink(_)) {
            for attribute in &item.attributes {
                let key = [b"SCHILY.xattr.", encoded(&attribute.name).as_slice()].concat();
                record(&mut records, &key, &attribute.value);
            }
        }
        records
    }

    fn block(&self, path: &[u8], flag: u8, link: &[u8], size: u64) -> [u8; BLOCK_BYTES] {
        let item = self.item;
        let mut block = [0; BLOCK_BYTES];
        let (prefix, name) = split(path).unwrap_or((b"", path));
        put(&mut block[0..100], name);
        put(&mut block[345..500], prefix);
        put(&mut block[157..257], link);
        octal(&mut block[100..108], u64::from(item.mode & 0o7777));
        octal(
            &mut block[108..116],
            limited(u64::from(item.user_id), SMALL_MAX),
        );
        octal(
            &mut block[116..124],
            limited(u64::from(item.group_id), SMALL_MAX),
        );
        octal(&mut block[124..136], limited(size, LARGE_MAX));
        let seconds = u64::try_from(item.modified_seconds).unwrap_or(0);
        octal(&mut block[136..148], limited(seconds, LARGE_MAX));
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut block[148..155], sum);
        block[154] = 0;
        block
    }
}

impl Kind<'_> {
    /// What an item is in an archive; none for what no archive should bring back.
    pub fn of(item: &Item) -> Option<Kind<'_>> {
        Some(match item.kind {
            ItemKind::File => Kind::File,
            ItemKind::Folder => Kind::Folder,
            ItemKind::SymbolicLink => Kind::SymbolicLink(&item.link),
            ItemKind::Fifo => Kind::Fifo,
            _ => return None,
        })
    }
}

/// Prefix and name as ustar stores them, if it can.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| (1..=155).contains(&prefix.len()) && (1..=100).contains(&name.len()))
}

/// What does not fit stands in a pax record, and the field holds nothing.
fn limited(number: u64, max: u64) -> u64 {
    if number > max { 0 } else { number }
}

fn fits_octal(seconds: i64) -> bool {
    u64::try_from(seconds).is_ok_and(|seconds| seconds <= LARGE_MAX)
}

/// As much of `bytes` as there is room for.
fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Octal digits with a NUL behind them.
fn octal(field: &mut [u8], number: u64) {
    let digits = format!("{number:0width$o}", width = field.len() - 1);
    put(field, digits.as_bytes());
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(format!("{length} ").as_bytes());
    records.extend(key);
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}

/// Seconds with their fraction as pax has it: before 1970 both count away from zero.
fn instant(seconds: i64, nanoseconds: u32) -> String {
    let whole = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let sign = if whole < 0 { "-" } else { "" };
    let (seconds, rest) = (
        whole.unsigned_abs() / 1_000_000_000,
        whole.unsigned_abs() % 1_000_000_000,
    );
    if rest == 0 {
        return format!("{sign}{seconds}");
    }
    format!("{sign}{seconds}.{rest:09}")
        .trim_end_matches('0')
        .to_owned()
}

/// `%` and `=` in an attribute's name, as GNU tar writes them.
fn encoded(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'%' => text.extend(b"%25"),
            b'=' => text.extend(b"%3D"),
            other => text.push(*other),
        }
    }
    text
}

/// Zeros that fill up the last block of a file.
pub fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK_BYTES as u64).expect("less than a block");
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

#[cfg(test)]
mod tests;
