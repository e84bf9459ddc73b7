//! Hints about memory: none of them changes what a program computes.

/// Asks the processor to fetch the cache line of `slice[index]`; an index outside is ignored.
#[inline]
pub fn prefetch<T>(slice: &[T], index: usize) {
    if let Some(element) = slice.get(index) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch only needs SSE, which every x86_64 has, and cannot fault; the address
        // is that of an element of a live slice anyway.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                std::ptr::from_ref(element).cast(),
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = element;
    }
}

/// Octets that are fetched from memory at once; where a line is longer, some hints are for nothing.
pub const CACHE_LINE: usize = 64;

/// The size of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: no memory is involved.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
}
