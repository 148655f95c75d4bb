//! Reading at an offset, the one way in which bulk bytes are handed from the crate
//! that owns them to the crate that sends or checks them.

use std::io;

/// Most bytes that one call moves between a plugin and the host: large enough that the
/// cost of a call vanishes, small enough that a hundred calls at once fit into memory.
pub const CALL_BYTES_MAX: usize = 1024 * 1024;

/// Immutable bytes of a known length that can be read from any offset, by several
/// readers at once.
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range reaches past the end; otherwise what the
    /// underlying storage says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let range = start
            .checked_add(buffer.len())
            .and_then(|end| self.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(range);
        Ok(())
    }
}
