//! How much memory an action takes at its peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's memory, counted.
struct Counted;

// SAFETY: every call is passed on to `System` as it came; counting touches no memory that is handed out.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes in use now.
pub(crate) fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Runs `act` and checks that it never held more than `bytes_max` bytes above what was in use before.
/// Targets run on one thread.
pub(crate) fn within<T>(bytes_max: usize, act: impl FnOnce() -> T) -> T {
    let before = live();
    PEAK.store(before, Ordering::Relaxed);
    let done = act();
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(peak <= bytes_max, "{peak} bytes of memory where {bytes_max} are allowed");
    done
}
