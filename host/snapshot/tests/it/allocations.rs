//! Counts what each thread of the tests allocates, so that a bound on memory can be
//! asserted for what happens on one thread.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by nature; this one counts and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Begins a measurement; gives what is allocated already.
pub fn start() -> usize {
    let live = LIVE.get();
    PEAK.set(live);
    live
}

/// The most that was allocated at once beyond what there was at the start.
pub fn peak_since(start: usize) -> usize {
    PEAK.get().saturating_sub(start)
}

/// Memory of another thread may be freed here: the count then stays at nothing.
fn note(freed: usize, taken: usize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_sub(freed) + taken);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(layout.size(), bytes);
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
