//! One header block: fields at fixed places, numbers as text.

use super::BLOCK_BYTES;

/// A header whose checksum is right.
pub(super) struct Header<'a>(&'a [u8; BLOCK_BYTES]);

/// Where the checksum stands; it counts as eight spaces in its own sum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

impl<'a> Header<'a> {
    /// None when the checksum is wrong.
    pub(super) fn parse(block: &'a [u8; BLOCK_BYTES]) -> Option<Self> {
        let stored = number(&block[CHECKSUM])?;
        let bytes = || {
            let masked =
                |(at, byte): (usize, &u8)| if CHECKSUM.contains(&at) { b' ' } else { *byte };
            block.iter().enumerate().map(masked)
        };
        let unsigned: u64 = bytes().map(u64::from).sum();
        // Some old writers summed signed bytes.
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        let fits = stored == unsigned || i64::try_from(stored) == Ok(signed);
        fits.then_some(Self(block))
    }

    /// The name with its prefix; the prefix is POSIX's alone, GNU has other things there.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[0..100]);
        let prefix = text(&self.0[345..500]);
        if &self.0[257..263] != b"ustar\0" || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(super) fn link(&self) -> &[u8] {
        text(&self.0[157..257])
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn mode(&self) -> Option<u64> {
        number(&self.0[100..108])
    }

    pub(super) fn uid(&self) -> Option<u64> {
        number(&self.0[108..116])
    }

    pub(super) fn gid(&self) -> Option<u64> {
        number(&self.0[116..124])
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(&self.0[124..136])
    }

    pub(super) fn modified(&self) -> Option<i64> {
        signed_number(&self.0[136..148])
    }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

fn number(field: &[u8]) -> Option<u64> {
    signed_number(field).and_then(|number| u64::try_from(number).ok())
}

/// Octal digits, or GNU's base 256 where the first bit is set. An empty field is 0.
fn signed_number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_i64, |sum, digit| {
        let digit = (b'0'..=b'7').contains(digit).then(|| digit - b'0')?;
        sum.checked_mul(8)?.checked_add(i64::from(digit))
    })
}

/// Two's complement, big-endian; the very first bit only tells that it is that.
fn base_256(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    // Bit 6 of the first byte is the sign.
    let first = i64::from((first << 1).cast_signed() >> 1);
    rest.iter().try_fold(first, |sum, byte| {
        sum.checked_mul(256)?.checked_add(i64::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_all_their_forms() {
        let table: [(&[u8], Option<i64>); 9] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"77777777777", Some(0o77_777_777_777)),
            (b"\0\0\0\0", Some(0)),
            (b"00008\0", None),
            (b"-1\0", None),
            (&[0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], Some(1 << 32)),
            (&[0xff; 12], Some(-1)),
            (&[0x80, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ];
        for (field, wanted) in table {
            assert_eq!(signed_number(field), wanted, "{field:?}");
        }
        assert_eq!(number(&[0xff; 12]), None);
    }

    #[test]
    fn only_a_header_with_its_checksum_is_one() {
        let mut block = [0; BLOCK_BYTES];
        block[0] = b'a';
        block[CHECKSUM].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(Header::parse(&block).unwrap().path(), b"a");
        block[1] ^= 1;
        assert!(Header::parse(&block).is_none());
        assert!(Header::parse(&[0; BLOCK_BYTES]).is_none());
    }
}
