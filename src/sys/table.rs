//! Tables that may become large: side by side in memory that the kernel backs with huge pages.
//!
//! A look-up in a table larger than the processor's caches waits twice, for the translation of its
//! address and for the line. Measured on 100 MB with the lines asked for ahead: 17 ns a line on pages
//! of 4 KiB, 10 ns on huge ones. `Vec` cannot promise them: what it allocates begins anywhere, and
//! the tables of a shard are a few huge pages long or less, so that the ends would be most of it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// A growing array with a fixed capacity, whose memory the kernel provides when it is first used.
pub struct Table<T> {
    first: NonNull<T>,
    length: usize,
    capacity: usize,
    /// Keeps the memory mapped.
    _region: Arc<Region>,
    _elements: PhantomData<T>,
}

/// An anonymous mapping of our own.
struct Region {
    start: NonNull<libc::c_void>,
    octets: usize,
}

impl<T> Table<T> {
    /// Empty tables with these capacities, one behind the other in one mapping.
    ///
    /// # Errors
    ///
    /// What mmap(2) says: no room in the address space.
    pub fn side_by_side(capacities: &[usize]) -> io::Result<Vec<Self>> {
        const { assert!(!mem::needs_drop::<T>(), "elements are forgotten, not dropped") };
        const { assert!(align_of::<T>() <= HUGE_PAGE, "tables begin at a huge page") };
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let total = capacities.iter().try_fold(0_usize, |sum, part| sum.checked_add(*part));
        let octets = total.and_then(|total| total.checked_mul(size_of::<T>()));
        let region = Arc::new(Region::map(octets.ok_or_else(too_large)?.max(1))?);
        let mut begin = 0;
        let table = |&capacity: &usize| {
            // SAFETY: `begin` elements are at most the sum of all capacities, which the region holds.
            let first = unsafe { region.aligned().cast::<T>().add(begin) };
            begin += capacity;
            let _region = Arc::clone(&region);
            Self { first, length: 0, capacity, _region, _elements: PhantomData }
        };
        Ok(capacities.iter().map(table).collect())
    }

    /// Appends `element`; a table that is full stays as it is.
    #[inline]
    pub fn push(&mut self, element: T) {
        if self.length < self.capacity {
            // SAFETY: the place lies within the part of the region that is this table's alone.
            let place = unsafe { self.first.add(self.length) };
            // SAFETY: it is aligned as `first` is, and nobody borrows what is behind the length.
            unsafe { place.write(element) };
            self.length += 1;
        }
    }

    /// Forgets all elements.
    pub const fn clear(&mut self) {
        self.length = 0;
    }
}

impl<const N: usize> Table<[u32; N]> {
    /// As [`Self::side_by_side`], but full from the beginning, of zeros: which take no memory before
    /// they are touched.
    ///
    /// # Errors
    ///
    /// As [`Self::side_by_side`].
    pub fn zeroed_side_by_side(lengths: &[usize]) -> io::Result<Vec<Self>> {
        let mut tables = Self::side_by_side(lengths)?;
        for table in &mut tables {
            // What mmap(2) gives is zero, nobody has written to it yet, and any octets are numbers.
            table.length = table.capacity;
        }
        Ok(tables)
    }
}

impl<T> Deref for Table<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the first `length` elements were written by `push`, or are numbers that the system
        // set to zero, and the region that holds them lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl<T> DerefMut for Table<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`; no other table holds these elements, and `self` is lent mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.length) }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, capacity, .. } = self;
        formatter.debug_struct("Table").field("length", length).field("capacity", capacity).finish()
    }
}

// SAFETY: a table owns its elements as a `Vec` does; the region it shares is only unmapped, and that
// once all tables are gone.
unsafe impl<T: Send> Send for Table<T> {}
// SAFETY: as above; `&Table` gives out `&T` and nothing more.
unsafe impl<T: Sync> Sync for Table<T> {}

impl Region {
    /// Maps so much zeroed memory, and what it takes to begin at a huge page.
    fn map(octets: usize) -> io::Result<Self> {
        let octets = octets
            .checked_next_multiple_of(HUGE_PAGE)
            .and_then(|octets| octets.checked_add(HUGE_PAGE))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // Not reserved: what is never used shall not count against other programs.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), octets, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start)
            .ok_or_else(|| io::Error::other("mmap(2) returned a null pointer"))?;
        #[cfg(target_os = "linux")]
        // SAFETY: advice on our own mapping; it changes how the kernel backs it, never its content.
        unsafe {
            libc::madvise(start.as_ptr(), octets, libc::MADV_HUGEPAGE);
        }
        Ok(Self { start, octets })
    }

    /// The first huge page in the region.
    fn aligned(&self) -> NonNull<libc::c_void> {
        self.start
            .map_addr(|address| address.saturating_add(address.get().wrapping_neg() % HUGE_PAGE))
    }
}

// SAFETY: only the mapping's extent, which any thread may unmap.
unsafe impl Send for Region {}
// SAFETY: `&Region` gives out an address and nothing more.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: exactly the range that mmap(2) returned; every table of it is gone.
        unsafe { libc::munmap(self.start.as_ptr(), self.octets) };
    }
}

const HUGE_PAGE: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_side_by_side_do_not_touch_each_other() {
        let mut tables = Table::<[u64; 3]>::side_by_side(&[3, 0, 2]).unwrap();
        for (number, table) in (1..).zip(&mut tables) {
            (0..5).for_each(|_| table.push([number; 3]));
        }
        assert_eq!(tables[0][..], [[1; 3]; 3]);
        assert_eq!(tables[1][..], [[0; 3]; 0]);
        tables[2][1] = [7; 3];
        tables.remove(0);
        assert_eq!(tables[1][..], [[3; 3], [7; 3]], "they outlive each other");
        tables[1].clear();
        assert!(tables[1].is_empty());
    }

    #[test]
    fn zeros_are_there_from_the_beginning() {
        let mut tables = Table::<[u32; 4]>::zeroed_side_by_side(&[2, 1 << 38]).unwrap();
        assert_eq!(tables[0][..], [[0; 4]; 2]);
        *tables[1].last_mut().unwrap() = [7; 4];
        assert_eq!(tables[1].len(), 1 << 38);
        assert_eq!(tables[1][(1 << 38) - 2..], [[0; 4], [7; 4]]);
    }

    #[test]
    fn they_begin_at_a_huge_page_and_take_only_the_memory_that_is_used() {
        let mut tables = Table::<[u8; 32]>::side_by_side(&[1 << 40, 1]).unwrap();
        let [large, _small] = &mut tables[..] else { panic!("two tables") };
        large.push([1; 32]);
        assert_eq!(large.as_ptr().addr() % HUGE_PAGE, 0);
    }

    #[test]
    fn what_no_address_space_holds_is_an_error() {
        assert!(Table::<u64>::side_by_side(&[usize::MAX, 1]).is_err());
        assert!(Table::<u64>::side_by_side(&[usize::MAX / 8]).is_err());
        assert!(Table::<u64>::side_by_side(&[1 << 60]).is_err());
    }
}
