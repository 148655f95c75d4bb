//! A set of page numbers that several threads fill at once: one bit a page.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct PageSet {
    words: Vec<AtomicU64>,
}

impl PageSet {
    /// An empty set for the numbers below `pages`.
    pub fn new(pages: u64) -> Self {
        let words = usize::try_from(pages.div_ceil(64)).expect("page numbers fit into 32 bits");
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Adds `page`, and says whether it was not there before. Relaxed is
    /// enough: the answer is about this one bit, and joining the threads
    /// orders the rest.
    pub fn insert(&self, page: u64) -> bool {
        let bit = 1 << (page % 64);
        self.words[(page / 64) as usize].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    pub fn contains(&self, page: u64) -> bool {
        self.words[(page / 64) as usize].load(Ordering::Relaxed) & (1 << (page % 64)) != 0
    }

    pub fn count(&self) -> u64 {
        self.words
            .iter()
            .map(|word| u64::from(word.load(Ordering::Relaxed).count_ones()))
            .sum()
    }
}
