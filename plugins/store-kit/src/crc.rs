//! The CRC of a whole out of those of its parts, without a byte of them.
//!
//! A CRC is linear: that of two parts one after the other is that of the first, times x to the
//! power of the second's bits, plus that of the second (as zlib's `crc32_combine` has it;
//! initial value and final exclusive-or cancel out where both are all ones, as here).
//! Polynomials are written reflected, x^0 in the highest bit.

/// A CRC by its polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc {
    bits: u32,
    polynomial: u64,
}

/// CRC-32C (Castagnoli), RFC 3720.
pub const CRC32C: Crc = Crc {
    bits: 32,
    polynomial: 0x82f6_3b78,
};

/// CRC-64/NVME, of the NVM Express specification.
pub const CRC64_NVME: Crc = Crc {
    bits: 64,
    polynomial: 0x9a6c_9329_ac4b_c9b5,
};

impl Crc {
    /// The CRC of all parts one after the other, each with its own and its length in bytes.
    /// Values are big-endian; none where one has another length than this CRC's.
    pub fn of_parts<'a>(self, parts: impl Iterator<Item = (&'a [u8], u64)>) -> Option<Vec<u8>> {
        let bytes = self.bits as usize / 8;
        let mut whole = 0;
        for (value, length) in parts {
            if value.len() != bytes {
                return None;
            }
            let value = value
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte));
            whole = self.times(self.power(length), whole) ^ value;
        }
        Some(whole.to_be_bytes()[8 - bytes..].to_vec())
    }

    fn one(self) -> u64 {
        1 << (self.bits - 1)
    }

    /// x to the power of so many bytes' bits.
    fn power(self, mut bytes: u64) -> u64 {
        let mut power = self.one();
        let mut square = self.one() >> 8;
        while bytes > 0 {
            if bytes & 1 == 1 {
                power = self.times(square, power);
            }
            square = self.times(square, square);
            bytes >>= 1;
        }
        power
    }

    /// The product modulo the polynomial.
    fn times(self, left: u64, mut right: u64) -> u64 {
        let mut product = 0;
        for bit in (0..self.bits).rev() {
            if left >> bit & 1 == 1 {
                product ^= right;
            }
            let carry = right & 1;
            right >>= 1;
            if carry == 1 {
                right ^= self.polynomial;
            }
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit.
    fn of_bytes(crc: Crc, bytes: &[u8]) -> Vec<u8> {
        let ones = u64::MAX >> (64 - crc.bits);
        let mut state = ones;
        for byte in bytes {
            state ^= u64::from(*byte);
            for _ in 0..8 {
                let carry = state & 1;
                state >>= 1;
                if carry == 1 {
                    state ^= crc.polynomial;
                }
            }
        }
        (state ^ ones).to_be_bytes()[8 - crc.bits as usize / 8..].to_vec()
    }

    #[test]
    fn the_polynomials_give_the_check_values() {
        let nine = b"123456789";
        assert_eq!(of_bytes(CRC32C, nine), 0xe306_9283_u32.to_be_bytes());
        assert_eq!(
            of_bytes(CRC64_NVME, nine),
            0xae8b_1486_0a79_9888_u64.to_be_bytes()
        );
    }

    #[test]
    fn parts_give_the_crc_of_the_whole() {
        let whole: Vec<u8> = (0..5000_u32).map(|n| (n * n % 251) as u8).collect();
        for crc in [CRC32C, CRC64_NVME] {
            for cuts in [
                &[][..],
                &[1],
                &[0, 5000],
                &[4096, 4097],
                &[1000, 2000, 3000],
            ] {
                let ends = cuts.iter().copied().chain([whole.len()]);
                let mut begin = 0;
                let mut sums = Vec::new();
                for end in ends {
                    let part = &whole[begin..end];
                    sums.push((of_bytes(crc, part), part.len() as u64));
                    begin = end;
                }
                let parts = sums.iter().map(|(sum, length)| (sum.as_slice(), *length));
                assert_eq!(crc.of_parts(parts), Some(of_bytes(crc, &whole)), "{cuts:?}");
            }
            assert_eq!(crc.of_parts([].into_iter()), Some(of_bytes(crc, b"")));
        }
        assert_eq!(CRC32C.of_parts([(&[0; 8][..], 1)].into_iter()), None);
    }
}
