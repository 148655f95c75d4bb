//! Files as the disk gives them back: their digest, and how they compare with bytes at hand.

use std::fs::File;

use drydock_capability_artifact::work::check_bytes;
use drydock_capability_artifact::{Slice, sha256_of};
use drydock_core::Fault;
use ring::digest::{Context, SHA256};
use rustix::fs::{Advice, OFlags};

use super::{Folder, READ_AHEAD_BYTES, call_bytes, fill};
use crate::path::Inside;

impl Folder {
    /// SHA-256 of the whole file, from the disk rather than from the page cache where the
    /// kernel is willing to forget clean pages.
    ///
    /// # Errors
    /// `not-found`, `too-large` past
    /// [`WORK_BYTES_MAX`](drydock_capability_artifact::WORK_BYTES_MAX), or what the kernel says.
    pub fn sha256(&self, path: &str) -> Result<[u8; 32], Fault> {
        let (file, size) = self.open_from_disk(path, "digest")?;
        let (mut digest, mut offset) = (Context::new(&SHA256), 0);
        let mut buffer = vec![0; call_bytes(size)];
        while offset < size {
            let chunk = &mut buffer[..call_bytes(size - offset)];
            self.read_from_disk(&file, offset, chunk)?;
            digest.update(chunk);
            offset += chunk.len() as u64;
        }
        Ok(sha256_of(digest))
    }

    /// Compares the whole file, read as for its digest, with bytes at hand: where the first
    /// byte stands that differs or that one of both does not have; none where they are the
    /// same. It costs a fraction of a digest.
    ///
    /// # Errors
    /// As [`Folder::sha256`], or the slice's where its bytes cannot be read.
    pub fn compare(&self, path: &str, with: &Slice) -> Result<Option<u64>, Fault> {
        let (file, size) = self.open_from_disk(path, "compare")?;
        if size != with.size() {
            return Ok(Some(size.min(with.size())));
        }
        let mut found = None;
        let mut buffer = vec![0; call_bytes(size)];
        with.for_each_chunk(|offset, wanted| {
            if found.is_none() {
                let chunk = &mut buffer[..wanted.len()];
                self.read_from_disk(&file, offset, chunk)?;
                found = difference(chunk, wanted).map(|place| offset + place);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn open_from_disk(&self, path: &str, act: &'static str) -> Result<(File, u64), Fault> {
        let path = Inside::parse(path)?;
        let file = self.open_file(path, OFlags::RDONLY, "read")?;
        let size = self.size_of(&file, path)?;
        check_bytes(act, self.shown(path.as_str()), size)?;
        // A hint only: on a file system that ignores it the bytes are still the file's.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        Ok((file, size))
    }

    fn read_from_disk(&self, file: &File, offset: u64, chunk: &mut [u8]) -> Result<(), Fault> {
        self.inner.terms.work.go_on()?;
        // The disk goes on while this thread works; a hint as well.
        let _ = rustix::fs::fadvise(file, offset, READ_AHEAD_BYTES, Advice::WillNeed);
        fill(file, offset, chunk)?;
        self.inner.terms.work.moved(chunk.len());
        Ok(())
    }
}

/// Where two pieces of one length first differ.
fn difference(found: &[u8], wanted: &[u8]) -> Option<u64> {
    if found == wanted {
        return None;
    }
    let place = found.iter().zip(wanted).position(|(a, b)| a != b);
    place.map(|place| place as u64)
}
