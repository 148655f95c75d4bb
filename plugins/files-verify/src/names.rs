//! Finds names in an archive that the host has judged already: framing is believed here,
//! and whatever cannot be read is not found.

use drydock_plugin_sdk::Error;

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

/// Calls `see` for the name of every entry that is no folder, without a `/` at its start.
pub fn each<B: Bytes>(bytes: &B, mut see: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut window = Window {
        bytes,
        offset: 0,
        held: Vec::new(),
    };
    let (mut at, mut long_name) = (0_u64, None);
    while let Some(header) = window.take(at, BLOCK_BYTES)? {
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let mut size = octal(&header[124..136]);
        let flag = header[156];
        at += BLOCK_BYTES;
        if matches!(flag, b'x' | b'L') {
            let length = size.min(META_BYTES_MAX);
            let text = window.take(at, length)?.unwrap_or_default();
            let (name, bytes) = if flag == b'x' {
                of_records(&text)
            } else {
                (Some(text), None)
            };
            long_name = (
                name.or_else(|| long_name.take().and_then(|(name, _)| name)),
                bytes,
            )
                .into();
        } else if !matches!(flag, b'g' | b'K') {
            let (name, bytes): (Option<Vec<u8>>, Option<u64>) =
                long_name.take().unwrap_or_default();
            size = bytes.unwrap_or(size);
            let name = name.unwrap_or_else(|| short_name(&header));
            let name = name.strip_prefix(b"./").unwrap_or(&name);
            if flag != b'5' && !name.ends_with(b"/") {
                see(name.strip_suffix(b"\0").unwrap_or(name));
            }
        }
        at = at.saturating_add(size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES));
    }
    Ok(())
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

/// `path` and `size` of a pax header.
fn of_records(mut records: &[u8]) -> (Option<Vec<u8>>, Option<u64>) {
    let (mut path, mut size) = (None, None);
    while let Some((key, value, rest)) = split(records) {
        match key {
            b"path" => path = Some(value.to_vec()),
            b"size" => {
                size = str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok())
            }
            _ => {}
        }
        records = rest;
    }
    (path, size)
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

    fn names(archive: &Vec<u8>) -> Vec<String> {
        let mut names = Vec::new();
        each(archive, |name| {
            names.push(String::from_utf8_lossy(name).into_owned())
        })
        .unwrap();
        names
    }

    #[test]
    fn names_are_found_whatever_lies_between_them() {
        let archive = [
            entry(b"etc/", b'5', b""),
            entry(b"etc/a", b'0', &[1; 700]),
            entry(b"./etc/b", b'0', &[2; 200_000]),
            entry(b"@", b'x', b"17 path=etc/long\n"),
            entry(b"short", b'2', b""),
            entry(b"@", b'L', b"etc/gnu\0"),
            entry(b"short", b'0', &[3; 512]),
            entry(b"etc/c", b'1', b""),
            vec![0; 1024],
            entry(b"behind-the-end", b'0', b""),
        ]
        .concat();
        assert_eq!(
            names(&archive),
            ["etc/a", "etc/b", "etc/long", "etc/gnu", "etc/c"]
        );
    }

    #[test]
    fn nonsense_ends() {
        for length in 0..2000 {
            names(&vec![b'7'; length]);
            names(&vec![0xff; length]);
        }
    }
}
