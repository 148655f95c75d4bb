//! Checking a snapshot while it still arrives.
//!
//! Bytes come in pieces of any size. Each page is checked by itself as soon as
//! it is complete, and what ties it to others (its children, its first and
//! last key) is noted in a ledger of some 20 bytes a page. The trees are
//! judged from the ledger when the stream has ended: a page that is not in use
//! may hold anything, since a server goes on writing to free pages while it
//! streams, so damage counts only where a tree leads.
//!
//! Some files that are sound cannot be judged so: their pages are longer than the window, or
//! tied by keys that are too long to note. Then the answer is
//! [`StreamRefused::Unjudged`], which says nothing against the bytes.
//!
//! The last 32 bytes are held back from the running SHA-256, since they may be
//! the trailer. Hashing is the dearest part of all this, so the digest of the whole
//! stream comes out of the same pass: see [`StreamCheck::digest`].

mod judge;
mod ledger;
mod pager;

use drydock_core::nature::Trailer;
use ring::digest::{Context, Digest, SHA256};

use crate::error::{Limit, Trouble};
use crate::meta::Geometry;
use crate::problem::{Problem, Problems};
use crate::verify::{TRAILER_BYTES, has_trailer, mismatch};
use pager::Pager;

const HELD_BYTES: usize = TRAILER_BYTES as usize;

/// A check over a stream of bytes. Memory: the longest run of pages that fits the window
/// and that of the stored freelist (16 MiB each at most), and the ledger.
pub struct StreamCheck {
    sha256: Context,
    held: Vec<u8>,
    bytes: u64,
    pager: Pager,
    /// What no later byte can mend. The pages are not looked at from then on.
    broken: Option<Trouble>,
}

/// Why a stream did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefused {
    /// The bytes are damaged.
    #[error("{problems}")]
    Damaged {
        /// Known of all bytes, whatever stands in them.
        trailer: Trailer,
        /// Those of the pages, and that of the trailer.
        problems: Problems,
    },
    /// Nothing is known to be wrong with the bytes: the complete file has to be looked at.
    #[error("the stream's pages could not be judged while they came by: {0}")]
    Unjudged(#[from] Limit),
}

/// What is known of a stream that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSummary {
    /// All bytes, with the trailer.
    pub bytes: u64,
    /// The SHA-256 of everything before the trailer, which is equal to it.
    pub sha256: [u8; 32],
    /// How the file is laid out.
    pub geometry: Geometry,
    /// Pages in use; the others are free.
    pub pages_used: u64,
}

impl Default for StreamCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamCheck {
    /// A check that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sha256: Context::new(&SHA256),
            held: Vec::with_capacity(2 * HELD_BYTES),
            bytes: 0,
            pager: Pager::default(),
            broken: None,
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// When nothing that follows can mend it: the head is no bbolt file. Whoever goes on
    /// all the same gets the same answer again and, from [`Self::finish`], this problem;
    /// the digest stays right. Damage to single pages is told by [`Self::finish`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.take(bytes);
        match &self.broken {
            Some(Trouble::Damage(problem)) => Err(problem.clone()),
            Some(Trouble::Limit(_)) | None => Ok(()),
        }
    }

    /// The SHA-256 of all bytes so far, a trailer included.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut sha256 = self.sha256.clone();
        sha256.update(&self.held);
        bytes_of(&sha256.finish())
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let held = (self.held.len() + bytes.len()).min(HELD_BYTES);
        if bytes.len() >= held {
            let (now, later) = bytes.split_at(bytes.len() - held);
            let before = std::mem::replace(&mut self.held, later.to_vec());
            self.feed(&before);
            return self.feed(now);
        }
        let passed = self.held.len() + bytes.len() - held;
        let before: Vec<u8> = self.held.drain(..passed).collect();
        self.held.extend_from_slice(bytes);
        self.feed(&before);
    }

    /// Judges the whole once the stream has ended.
    ///
    /// # Errors
    /// All problems of the pages in use, of the trees, and of the trailer; where there are
    /// none, that not all could be judged.
    pub fn finish(mut self) -> Result<StreamSummary, StreamRefused> {
        let mut problems = Problems::default();
        if !has_trailer(self.bytes) {
            problems.add(Problem::TrailerMissing { bytes: self.bytes });
            let held = std::mem::take(&mut self.held);
            self.feed(&held);
        }
        let sha256 = bytes_of(&self.sha256.finish());
        let trailer = if !has_trailer(self.bytes) {
            Trailer::Missing
        } else if sha256 == *self.held {
            Trailer::Match
        } else {
            problems.add(mismatch(&self.held, &sha256));
            Trailer::Mismatch
        };
        let body = self.bytes - self.held.len() as u64;
        let pages = match self.broken {
            Some(trouble) => Err(trouble),
            None => self.pager.finish(body),
        };
        let judged = match pages {
            Ok((geometry, noted)) => {
                let pages_used = judge::judge(geometry, noted, &mut problems);
                pages_used.map(|pages_used| (geometry, pages_used))
            }
            Err(Trouble::Limit(limit)) => Err(limit),
            Err(Trouble::Damage(problem)) => {
                // What was cut off is told as that alone: its trailer went with the rest.
                if matches!(problem, Problem::Truncated { .. }) {
                    problems = Problems::default();
                }
                problems.add(problem);
                return Err(StreamRefused::Damaged { trailer, problems });
            }
        };
        if !problems.is_empty() {
            return Err(StreamRefused::Damaged { trailer, problems });
        }
        let (geometry, pages_used) = judged?;
        Ok(StreamSummary {
            bytes: self.bytes,
            sha256,
            geometry,
            pages_used,
        })
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if self.broken.is_none() {
            self.broken = self.pager.feed(bytes).err();
        }
    }
}

fn bytes_of(digest: &Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("a SHA-256 has 32 bytes")
}
