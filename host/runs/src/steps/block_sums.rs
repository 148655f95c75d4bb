//! Whether the sealed spool still holds what was written to it.
//!
//! The digest of a sealed output is computed while it is written. What is read from the spool
//! later, to be sent or to be compared with what a store gives back, is tied to that digest
//! by a sum of each block, taken in the same instant: cheap enough to be looked at with every
//! read, where a digest would cost as much as everything else together.

use std::sync::Arc;

/// What one sum is of: as much as is read at once.
pub const BLOCK_BYTES: usize = 1024 * 1024;

/// CRC-32C of each block of a sealed output, the last one of what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSums(Arc<[u32]>);

/// The sums of what is being written.
#[derive(Debug, Default)]
pub struct BlockSummer {
    sums: Vec<u32>,
    open: u32,
    open_bytes: usize,
}

impl BlockSummer {
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.open_bytes;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.open = crc32c::crc32c_append(self.open, now);
            self.open_bytes += now.len();
            if self.open_bytes == BLOCK_BYTES {
                self.close();
            }
            bytes = later;
        }
    }

    pub fn finish(mut self) -> BlockSums {
        if self.open_bytes > 0 {
            self.close();
        }
        BlockSums(self.sums.into())
    }

    fn close(&mut self) {
        self.sums.push(std::mem::take(&mut self.open));
        self.open_bytes = 0;
    }
}

impl BlockSums {
    /// The start of the first block that holds other bytes than were written, of those that
    /// lie wholly within `bytes`, read at `offset` of a spool of `size` bytes.
    pub fn changed(&self, bytes: &[u8], offset: u64, size: u64) -> Option<u64> {
        let block = BLOCK_BYTES as u64;
        let end = offset + bytes.len() as u64;
        let starts = (offset.div_ceil(block)..).map(|number| number * block);
        let whole = starts
            .map(|start| start..size.min(start + block))
            .take_while(|range| !range.is_empty() && range.end <= end);
        whole
            .map(|range| {
                (
                    range.start,
                    &bytes[place(range.start - offset)..place(range.end - offset)],
                )
            })
            .find(|(start, found)| {
                let number = place(start / block);
                self.0.get(number) != Some(&crc32c::crc32c(found))
            })
            .map(|(start, _)| start)
    }
}

/// Within bytes that are at hand.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("it lies within a buffer")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: usize = 17;

    fn written() -> (Vec<u8>, BlockSums) {
        let size = 2 * BLOCK_BYTES + TAIL;
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut summer = BlockSummer::default();
        for piece in bytes.chunks(40_000) {
            summer.update(piece);
        }
        (bytes, summer.finish())
    }

    #[test]
    fn what_was_written_has_not_changed_however_it_is_read() {
        let (bytes, sums) = written();
        let size = bytes.len() as u64;
        for offset in [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES, bytes.len()] {
            for length in [0, 1, BLOCK_BYTES, bytes.len()] {
                let end = bytes.len().min(offset + length);
                let read = &bytes[offset..end];
                assert_eq!(sums.changed(read, offset as u64, size), None, "{offset}");
            }
        }
    }

    #[test]
    fn one_bit_anywhere_is_a_block_that_changed() {
        let (mut bytes, sums) = written();
        let size = bytes.len() as u64;
        for (at, block) in [
            (0, 0),
            (BLOCK_BYTES - 1, 0),
            (BLOCK_BYTES, BLOCK_BYTES),
            (bytes.len() - 1, 2 * BLOCK_BYTES),
        ] {
            bytes[at] ^= 4;
            assert_eq!(sums.changed(&bytes, 0, size), Some(block as u64), "{at}");
            bytes[at] ^= 4;
        }
    }

    #[test]
    fn of_nothing_there_are_no_sums() {
        assert_eq!(BlockSummer::default().finish().changed(&[], 0, 0), None);
    }
}
