//! CRC-32C over bytes that several threads read in pieces.
//!
//! The checksum of a concatenation follows from the checksums and lengths of
//! its parts: the earlier one is multiplied by x^(8·length) modulo the
//! Castagnoli polynomial and added to the later one. The powers for lengths of
//! 2^k bytes are tabled, so that joining costs one multiplication a set bit.

/// The Castagnoli polynomial, bit-reversed (the highest bit is x^0).
const POLYNOMIAL: u32 = 0x82F6_3B78;
/// x^8 in the same representation: the shift by one byte.
const ONE_BYTE: u32 = 1 << (31 - 8);
/// Lengths below 2^48 bytes are enough for any file.
const LENGTH_BITS: usize = 48;
const SHIFTS: [u32; LENGTH_BITS] = shifts();

/// A checksum together with the length of what it covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crc {
    pub value: u32,
    pub bytes: u64,
}

impl Crc {
    /// Covers `bytes` as well, behind everything so far.
    pub fn update(&mut self, bytes: &[u8]) {
        self.value = crc32c::crc32c_append(self.value, bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Covers what `later` covers as well, behind everything so far.
    pub fn append(&mut self, later: Self) {
        self.value = shift(self.value, later.bytes) ^ later.value;
        self.bytes += later.bytes;
    }

    /// The checksum of what `self` covers behind `earlier`, its own beginning.
    pub fn since(self, earlier: Self) -> Self {
        let bytes = self.bytes - earlier.bytes;
        Self {
            value: self.value ^ shift(earlier.value, bytes),
            bytes,
        }
    }
}

/// What `crc` contributes when `bytes` more bytes follow.
fn shift(mut crc: u32, bytes: u64) -> u32 {
    let mut rest = bytes;
    while rest != 0 {
        crc = multiply(SHIFTS[rest.trailing_zeros() as usize], crc);
        rest &= rest - 1;
    }
    crc
}

const fn shifts() -> [u32; LENGTH_BITS] {
    let mut table = [ONE_BYTE; LENGTH_BITS];
    let mut k = 1;
    while k < LENGTH_BITS {
        table[k] = multiply(table[k - 1], table[k - 1]);
        k += 1;
    }
    table
}

/// The product of two polynomials modulo [`POLYNOMIAL`].
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        bit >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::Crc;

    fn of(bytes: &[u8]) -> Crc {
        let mut crc = Crc::default();
        crc.update(bytes);
        crc
    }

    #[test]
    fn parts_join_into_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n * 31 % 251) as u8).collect();
        for cut in [0, 1, 7, 4096, 65_537, bytes.len()] {
            let (head, tail) = bytes.split_at(cut);
            let mut joined = of(head);
            joined.append(of(tail));
            assert_eq!(joined, of(&bytes));
            assert_eq!(of(&bytes).since(of(head)), of(tail));
        }
    }

    #[test]
    fn the_published_check_value_holds() {
        assert_eq!(of(b"123456789").value, 0xE306_9283);
    }
}
