//! The database of a restored member before anything is written: the snapshot
//! with the patch over it.

use std::io;

use crate::source::Source;

use super::edit::{Patch, Wanted};
use super::error::RestoreError;
use super::inspect::Findings;
use super::{Bump, InitialCluster};

/// What every restored member's database would be, byte for byte.
pub struct Preview<'a> {
    source: &'a dyn Source,
    patch: Patch,
    /// Where the new cluster's revisions would go on, if that were bumped.
    pub bumped_to: Option<i64>,
}

/// Checks the pages of `source` as a restore does and works out what would become
/// of it. The trailer is not looked at, and nothing is written.
///
/// # Errors
/// What a restore says of the snapshot's pages, its version and the bump.
pub fn preview<'a, S: Source>(
    source: &'a S,
    cluster: &InitialCluster,
    bump: Bump,
    keep_alarms: bool,
) -> Result<Preview<'a>, RestoreError> {
    bump.check()?;
    let findings = Findings::of(source)?;
    findings.check_version()?;
    let bumped_to = bump.target(&findings)?;
    let wanted = Wanted {
        cluster,
        keep_alarms,
        bump_to: bumped_to,
    };
    Ok(Preview {
        source,
        patch: Patch::of(&findings, source, &wanted)?,
        bumped_to,
    })
}

impl Source for Preview<'_> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.patch.bytes())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if end > self.patch.bytes() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let old = self.patch.tail_at.saturating_sub(offset);
        let old = (old as usize).min(buffer.len());
        if old > 0 {
            self.source.read_exact_at(&mut buffer[..old], offset)?;
        }
        lay_over(buffer, offset, self.patch.tail_at, &self.patch.tail);
        for (at, bytes) in &self.patch.metas {
            lay_over(buffer, offset, *at, bytes);
        }
        Ok(())
    }
}

/// Copies what of `bytes`, which stand at `at`, falls into a buffer for `offset`.
fn lay_over(buffer: &mut [u8], offset: u64, at: u64, bytes: &[u8]) {
    let start = at.max(offset);
    let end = (at + bytes.len() as u64).min(offset + buffer.len() as u64);
    if start < end {
        let from = (start - at) as usize..(end - at) as usize;
        let to = (start - offset) as usize..(end - offset) as usize;
        buffer[to].copy_from_slice(&bytes[from]);
    }
}
