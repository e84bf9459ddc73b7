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

/// Asks the kernel to back all that `vector` has allocated, used or not, with huge pages where it
/// can: fewer TLB misses, nothing else.
pub fn advise_huge_pages<T>(vector: &Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const HUGE_PAGE: usize = 2 << 20;
        let first = vector.as_ptr().addr();
        let start = first.next_multiple_of(HUGE_PAGE);
        let end = (first + vector.capacity() * size_of::<T>()) / HUGE_PAGE * HUGE_PAGE;
        if start < end {
            let address = vector.as_ptr().cast_mut().cast::<libc::c_void>().with_addr(start);
            // SAFETY: `start..end` lies inside the allocation of `vector`, and MADV_HUGEPAGE
            // changes only how the kernel backs those pages, never their content.
            unsafe { libc::madvise(address, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = vector;
}
