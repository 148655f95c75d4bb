//! Finds what is in an archive, by name, in one that the host has judged already: framing is believed here,
//! and whatever cannot be read is not found.

use drydock_plugin_sdk::Error;
use drydock_plugin_sdk::contents::{Content, Contents};

const BLOCK_BYTES: u64 = 512;

/// Bytes that are read at once. Small files lie close to each other, so that one reading
/// serves for many headers.
const WINDOW_BYTES: u32 = 64 * 1024;

/// Longest name that is looked at; whatever has a longer one is not found.
const META_BYTES_MAX: u64 = 64 * 1024;

/// Bytes at an offset, as a slice gives them.
pub trait Bytes {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error>;
}

/// An archive through a window.
struct Window<'a, B> {
    bytes: &'a B,
    offset: u64,
    held: Vec<u8>,
}

/// All that an archive holds, by its names without a `/` or `./` at the start.
pub fn contents<B: Bytes>(bytes: &B) -> Result<Contents, Error> {
    let mut contents = Contents::default();
    let mut window = Window {
        bytes,
        offset: 0,
        held: Vec::new(),
    };
    let (mut at, mut before) = (0_u64, Longer::default());
    while let Some(header) = window.take(at, BLOCK_BYTES)? {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        at += BLOCK_BYTES;
        let size = match header[156] {
            flag @ (b'x' | b'L' | b'K') => {
                let size = octal(&header[124..136]);
                let text = window.take(at, size.min(META_BYTES_MAX))?;
                before.take(flag, text.unwrap_or_default());
                size
            }
            b'g' => octal(&header[124..136]),
            _ => add(&mut contents, &header, std::mem::take(&mut before)),
        };
        at = at.saturating_add(size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES));
    }
    Ok(contents)
}

/// What an entry's own header has no room for, and the entries before it say.
#[derive(Default)]
struct Longer {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Longer {
    fn take(&mut self, flag: u8, text: Vec<u8>) {
        let plain = |text: &[u8]| Some(text.strip_suffix(b"\0").unwrap_or(text).to_vec());
        match flag {
            b'L' => self.name = plain(&text),
            b'K' => self.link = plain(&text),
            _ => {
                let records = of_records(&text);
                self.name = records.name.or(self.name.take());
                self.link = records.link.or(self.link.take());
                self.size = records.size.or(self.size);
            }
        }
    }
}

/// Adds an entry; gives the bytes that follow its header.
fn add(contents: &mut Contents, header: &[u8], longer: Longer) -> u64 {
    let size = longer.size.unwrap_or_else(|| octal(&header[124..136]));
    let name = longer.name.unwrap_or_else(|| short_name(header));
    let link = longer
        .link
        .unwrap_or_else(|| text(&header[157..257]).to_vec());
    let is_folder = header[156] == b'5' || name.ends_with(b"/");
    let name = bare(&name);
    match header[156] {
        _ if is_folder => contents.add(name, Content::Folder),
        b'0' | 0 | b'7' => contents.add(name, Content::File(size)),
        b'1' => contents.add_hard_link(name, &bare(&link)),
        b'2' => contents.add(name, Content::Link(link)),
        _ => contents.add(name, Content::Other),
    }
    size
}

/// A name without what some programs write around it.
fn bare(name: &[u8]) -> Vec<u8> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let end = name
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    name[..end].to_vec()
}

impl<B: Bytes> Window<'_, B> {
    /// None where the archive ends before.
    fn take(&mut self, at: u64, length: u64) -> Result<Option<Vec<u8>>, Error> {
        let held = |window: &Self| {
            let start = usize::try_from(at.checked_sub(window.offset)?).ok()?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            window.held.get(start..end).map(<[u8]>::to_vec)
        };
        if let Some(bytes) = held(self) {
            return Ok(Some(bytes));
        }
        self.held = match self.bytes.read(at, WINDOW_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.is("out-of-range") => return Ok(None),
            Err(error) => return Err(error),
        };
        self.offset = at;
        Ok(held(self))
    }
}

fn short_name(header: &[u8]) -> Vec<u8> {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    if &header[257..263] != b"ustar\0" || prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// Octal, or GNU's base 256.
fn octal(field: &[u8]) -> u64 {
    let large = field.first().is_some_and(|first| first & 0x80 != 0);
    field
        .iter()
        .skip(usize::from(large))
        .fold(0, |sum: u64, byte| match (large, byte) {
            (true, byte) => sum.saturating_mul(256).saturating_add(u64::from(*byte)),
            (false, b'0'..=b'7') => sum.saturating_mul(8).saturating_add(u64::from(byte - b'0')),
            _ => sum,
        })
}

/// `path`, `linkpath` and `size` of a pax header.
fn of_records(mut records: &[u8]) -> Longer {
    let mut longer = Longer::default();
    while let Some((key, value, rest)) = split(records) {
        match key {
            b"path" => longer.name = Some(value.to_vec()),
            b"linkpath" => longer.link = Some(value.to_vec()),
            b"size" => {
                let text = str::from_utf8(value).ok();
                longer.size = text.and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        records = rest;
    }
    longer
}

fn split(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::contents::End;

    use super::*;

    impl Bytes for Vec<u8> {
        fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
            let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..));
            let rest = rest.ok_or_else(|| Error::permanent("out-of-range", "past the end"))?;
            Ok(rest[..rest.len().min(length as usize)].to_vec())
        }
    }

    fn entry(name: &[u8], flag: u8, content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name);
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = flag;
        block[257..263].copy_from_slice(b"ustar\0");
        block.extend_from_slice(content);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    }

    /// A link's header has its target.
    fn link(name: &[u8], flag: u8, target: &[u8]) -> Vec<u8> {
        let mut block = entry(name, flag, b"");
        block[157..157 + target.len()].copy_from_slice(target);
        block
    }

    fn end(archive: &Vec<u8>, name: &str) -> End {
        contents(archive).unwrap().resolve(name.as_bytes())
    }

    #[test]
    fn names_are_found_whatever_lies_between_them() {
        let nowhere = |name: &str| End::Nowhere(name.as_bytes().to_vec());
        let archive = [
            entry(b"etc/", b'5', b""),
            entry(b"etc/a", b'0', &[1; 700]),
            entry(b"./etc/b", b'0', &[2; 200_000]),
            entry(b"etc/old", 0, b"x"),
            entry(b"etc/empty", b'0', b""),
            entry(b"etc/pipe", b'6', b""),
            entry(b"@", b'x', b"17 path=etc/long\n19 linkpath=/srv/x\n"),
            link(b"short", b'2', b"etc/a"),
            entry(b"@", b'L', b"etc/gnu\0"),
            entry(b"@", b'K', b"a\0"),
            link(b"short", b'2', b"/srv/x"),
            link(b"etc/c", b'1', b"./etc/a"),
            link(b"etc/none", b'1', b"etc/gone"),
            vec![0; 1024],
            entry(b"behind-the-end", b'0', b"x"),
        ]
        .concat();
        let table = [
            ("etc", End::Folder(b"etc".to_vec())),
            ("etc/a", End::File(700)),
            ("etc/b", End::File(200_000)),
            ("etc/old", End::File(1)),
            ("etc/empty", End::File(0)),
            ("etc/pipe", End::Other),
            ("etc/long", nowhere("srv/x")),
            ("etc/gnu", End::File(700)),
            ("etc/c", End::File(700)),
            ("etc/none", End::Other),
            ("short", nowhere("short")),
            ("behind-the-end", nowhere("behind-the-end")),
        ];
        for (name, expected) in table {
            assert_eq!(end(&archive, name), expected, "{name}");
        }
    }

    #[test]
    fn nonsense_ends() {
        for length in 0..2000 {
            contents(&vec![b'7'; length]).unwrap();
            contents(&vec![0xff; length]).unwrap();
        }
    }
}
