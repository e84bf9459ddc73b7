//! Memory that the kernel writes and we read.

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// A shared memory mapping, unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps the ring of the packet socket behind `socket`.
    ///
    /// # Errors
    ///
    /// What mmap(2) says: no ring of that length, or no memory.
    pub fn shared(socket: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_SHARED, socket.as_raw_fd())
    }

    /// Zeroed memory of our own, so that rings are tested without a kernel on the other side.
    #[cfg(test)]
    pub(crate) fn anonymous(length: usize) -> io::Result<Self> {
        Self::map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
    }

    fn map(length: usize, flags: libc::c_int, fd: libc::c_int) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours;
        // any length and descriptor are answered with an error at worst.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("mmap(2) returned a null pointer"))?;
        let mapping = Self { start, length };
        // What held a frame is in no core dump. It is not swapped either: the pages of a ring are the
        // kernel's own.
        leave_out_of_dumps(start.addr().get(), length)?;
        Ok(mapping)
    }

    /// Octets in the mapping.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The 32-bit word at `offset`, for both sides to read and write atomically; none when it is
    /// not aligned or not wholly inside.
    #[inline]
    pub fn word(&self, offset: usize) -> Option<&AtomicU32> {
        let end = offset.checked_add(size_of::<u32>())?;
        if end > self.length || !offset.is_multiple_of(align_of::<AtomicU32>()) {
            return None;
        }
        // SAFETY: `offset` lies inside the mapping (checked above), so the sum stays inside one
        // allocation.
        let address = unsafe { self.start.add(offset) };
        // SAFETY: the four octets are mapped as long as `self` lives, and aligned: the mapping
        // begins at a page and `offset` is a multiple of four. Whoever else writes the word, the
        // kernel included, does so with whole, aligned stores.
        Some(unsafe { AtomicU32::from_ptr(address.cast().as_ptr()) })
    }

    /// The `length` octets from `offset` on; none when they are not wholly inside.
    ///
    /// # Safety
    ///
    /// Nobody, the kernel included, writes any of these octets while the slice lives.
    #[inline]
    pub unsafe fn octets(&self, offset: usize, length: usize) -> Option<&[u8]> {
        if offset.checked_add(length)? > self.length {
            return None;
        }
        // SAFETY: `offset` lies inside the mapping (checked above).
        let address = unsafe { self.start.add(offset) };
        // SAFETY: the range is mapped and initialised (the kernel zeroes it) as long as `self`
        // lives, and the caller vouches that it does not change.
        Some(unsafe { std::slice::from_raw_parts(address.as_ptr(), length) })
    }

    /// Plays the kernel in tests: copies `octets` to `offset`.
    #[cfg(test)]
    pub(crate) fn write(&mut self, offset: usize, octets: &[u8]) {
        assert!(offset + octets.len() <= self.length);
        // SAFETY: `offset` lies inside the mapping (asserted above).
        let address = unsafe { self.start.add(offset) };
        // SAFETY: the range is mapped and, through `&mut self`, lent to nobody.
        unsafe { address.copy_from_nonoverlapping(NonNull::from(octets).cast(), octets.len()) };
    }
}

/// Leaves rings of `socket` that others have mapped out of core dumps, and says how many there are.
///
/// # Errors
///
/// What reading the process's own map or madvise(2) says.
pub fn leave_rings_out_of_dumps(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd()))?;
    let name = link.to_string_lossy();
    let mut rings = 0;
    for line in
        std::fs::read_to_string("/proc/self/maps")?.lines().filter(|it| it.ends_with(&*name))
    {
        if let Some((start, end)) = range(line) {
            leave_out_of_dumps(start, end - start)?;
            rings += 1;
        }
    }
    Ok(rings)
}

/// The addresses of a line of `/proc/self/maps`.
fn range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    let [start, end] = [start, end].map(|number| usize::from_str_radix(number, 16).ok());
    start.zip(end).filter(|(start, end)| start < end)
}

/// Leaves a range of memory out of core dumps.
///
/// # Errors
///
/// What madvise(2) says: it is not mapped.
pub(super) fn leave_out_of_dumps(start: usize, length: usize) -> io::Result<()> {
    let start = std::ptr::without_provenance_mut(start);
    // SAFETY: this changes what the kernel would write to a core dump and nothing of the memory; a
    // range that is not mapped is an error.
    match unsafe { libc::madvise(start, length, libc::MADV_DONTDUMP) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

// SAFETY: the mapping belongs to the process, not to a thread; all access goes through `&self` or
// `&mut self` and is either atomic or lent under the contract of `octets`.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that mmap(2) returned, and every borrow of it borrows `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_left_out_of_core_dumps() {
        let mapping = Mapping::anonymous(1 << 20).unwrap();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = mapping.start.addr().get();
        let mut lines = smaps.lines().skip_while(|line| {
            range(line).is_none_or(|(first, end)| !(first..end).contains(&start))
        });
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.split_whitespace().any(|flag| flag == "dd"), "{flags}");
    }

    #[test]
    fn nothing_outside_the_mapping_can_be_reached() {
        let mapping = Mapping::anonymous(4096).unwrap();
        assert!(mapping.word(4092).is_some());
        for outside in [4093, 4096, usize::MAX] {
            assert!(mapping.word(outside).is_none());
        }
        assert!(mapping.word(2).is_none(), "not aligned");
        // SAFETY: nobody writes this mapping.
        let slices = unsafe {
            [(0, 4096), (4096, 0), (1, 4096), (4097, 0), (1, usize::MAX)]
                .map(|(offset, length)| mapping.octets(offset, length).map(<[u8]>::len))
        };
        assert_eq!(slices, [Some(4096), Some(0), None, None, None]);
    }
}
