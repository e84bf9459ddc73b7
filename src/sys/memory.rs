//! Hints about memory: none of them changes what a program computes.

use std::sync::atomic::{AtomicPtr, Ordering};

/// Asks the processor to fetch the cache line of `slice[index]`; an index outside is ignored.
#[inline]
pub fn prefetch<T>(slice: &[T], index: usize) {
    if let Some(element) = slice.get(index) {
        fetch(element);
    }
}

/// Where elements lie side by side at the moment: enough to fetch their lines ahead, without a right
/// to read them. Others may be writing to them.
#[derive(Debug)]
pub struct Lines<T> {
    first: AtomicPtr<T>,
}

impl<T> Lines<T> {
    /// They are those of `elements` from now on.
    pub fn move_to(&self, elements: &[T]) {
        self.first.store(elements.as_ptr().cast_mut(), Ordering::Relaxed);
    }

    /// Asks the processor to fetch the first cache line of the element at `index`.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        fetch(self.first.load(Ordering::Relaxed).wrapping_add(index));
    }
}

impl<T> Default for Lines<T> {
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
