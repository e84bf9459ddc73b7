//! Hints about memory: none of them changes what a program computes.

use std::sync::atomic::{AtomicPtr, Ordering};

/// Asks the processor to fetch the cache line of `slice[index]`; an index outside is ignored.
#[inline]
pub fn prefetch<T>(slice: &[T], index: usize) {
    if let Some(element) = slice.get(index) {
        fetch(element);
    }
}

/// Where elements lie side by side: enough to fetch their lines ahead, without a right to read them.
///
/// Whoever has this may ask for lines that others are writing at the moment.
#[derive(Debug)]
pub struct Lines<T> {
    first: *const T,
}

impl<T> Lines<T> {
    /// Those from `first` on.
    #[inline]
    pub(super) const fn from(first: *const T) -> Self {
        Self { first }
    }

    /// Asks the processor to fetch the first cache line of the element at `index`.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        fetch(self.first.wrapping_add(index));
    }
}

impl<T> Clone for Lines<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Lines<T> {}

// SAFETY: an address that is never read from or written to.
unsafe impl<T> Send for Lines<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Lines<T> {}

/// [`Lines`] of something that moves now and then.
#[derive(Debug)]
pub struct MovingLines<T> {
    first: AtomicPtr<T>,
}

impl<T> MovingLines<T> {
    /// They are elsewhere from now on.
    pub fn move_to(&self, lines: Lines<T>) {
        self.first.store(lines.first.cast_mut(), Ordering::Relaxed);
    }

    /// As [`Lines::prefetch`].
    #[inline]
    pub fn prefetch(&self, index: usize) {
        Lines::from(self.first.load(Ordering::Relaxed).cast_const()).prefetch(index);
    }
}

impl<T> Default for MovingLines<T> {
    /// Of nothing.
    fn default() -> Self {
        Self { first: AtomicPtr::default() }
    }
}

#[inline]
fn fetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch only needs SSE, which every x86_64 has, and cannot fault, whatever the
    // address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Octets that are fetched from memory at once; where a line is longer, some hints are for nothing.
pub const CACHE_LINE: usize = 64;

/// The size of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: no memory is involved.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}
