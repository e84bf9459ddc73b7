//! Files as memory to be read.

#[cfg(target_os = "linux")]
pub use self::linux::{FileMapping, read_ahead};

#[cfg(not(target_os = "linux"))]
pub use self::other::{FileMapping, read_ahead};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::ptr::NonNull;

    use crate::sys::bus_error::Guard;
    use crate::sys::mapping::leave_out_of_dumps;

    /// Part of a file, mapped to be read, unmapped when dropped.
    ///
    /// The file may shrink or fail under the mapping without harm to the process: what is missing
    /// reads as zeros, and [`FileMapping::torn_at`] says so.
    #[derive(Debug)]
    pub struct FileMapping {
        start: NonNull<u8>,
        length: usize,
        /// Given up before the mapping is; none only while the mapping is being dropped.
        guard: Option<Guard>,
    }

    impl FileMapping {
        /// Maps `length` octets of `file` from `offset` on, which is a multiple of the page size.
        /// With `populate` all pages are made ready at once, so that none of them faults later.
        ///
        /// # Errors
        ///
        /// What mmap(2) says (a file that cannot be mapped, no memory), or that there are more
        /// mappings than can be guarded.
        pub fn new(
            file: BorrowedFd<'_>,
            offset: u64,
            length: usize,
            populate: bool,
        ) -> io::Result<Self> {
            let offset = libc::off_t::try_from(offset)
                .map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
            let flags = libc::MAP_PRIVATE | if populate { libc::MAP_POPULATE } else { 0 };
            let file = file.as_raw_fd();
            // SAFETY: a new mapping at an address of the kernel's choice touches no memory of
            // ours; any length, descriptor and offset are answered with an error at worst.
            let start = unsafe {
                libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, flags, file, offset)
            };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let start = NonNull::new(start.cast::<u8>())
                .ok_or_else(|| io::Error::other("mmap(2) returned a null pointer"))?;
            let mut mapping = Self { start, length, guard: None };
            // What held a frame is in no core dump. What is swapped of it is the file's own.
            leave_out_of_dumps(start.addr().get(), length)?;
            // SAFETY: the mapping was made above and belongs to `mapping`, which drops the guard
            // before it unmaps the range, and lends nothing but octets that are read.
            mapping.guard = Some(unsafe { Guard::over(start.addr().get(), length) }?);
            Ok(mapping)
        }

        /// The octets of the file.
        ///
        /// # Soundness
        ///
        /// A slice promises that its octets do not change, and nobody can promise that of a file:
        /// another process may write to it, and the handler of SIGBUS may put zeros in place of
        /// what is gone. Every reader of mapped files lives with that; what follows from it
        /// here is this. Our process never writes through the mapping, nor lets anybody. The
        /// octets are plain numbers, of which every value is valid, and they are read as
        /// hostile input by code that checks each length, against the slice and in the same value
        /// that it then uses. So a change can make what is read wrong, and one part of it
        /// contradict another, as damage in the file would; it moves no access out of the
        /// slice, whose own address and length lie in our memory and not in the file. What is
        /// left is that a compiler may, by the letter, read a number twice and trust both; no
        /// wording of ours excludes that, only reading with a copy would, and that is what
        /// streams are for.
        #[inline]
        pub fn octets(&self) -> &[u8] {
            // SAFETY: the range is mapped, readable and initialised as long as `self` lives; it is
            // no longer than `isize::MAX`, because mmap(2) gave it. For the octets that may
            // change see above.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
        }

        /// From which octet on there have been zeros instead of the file, because it shrank or could
        /// not be read; none as long as all that was read was the file.
        #[inline]
        pub fn torn_at(&self) -> Option<usize> {
            self.guard.as_ref().and_then(Guard::torn_at)
        }
    }

    /// Asks the kernel to bring `length` octets of `file` from `offset` on into memory, and does not
    /// wait for them. Costs next to nothing where the last of them is there already.
    pub fn read_ahead(file: BorrowedFd<'_>, offset: u64, length: u64) {
        let file = file.as_raw_fd();
        let Some(end) = offset.checked_add(length).and_then(|end| end.try_into().ok()) else {
            return;
        };
        let last: libc::off_t = end;
        let mut octet = 0_u8;
        let vector = libc::iovec { iov_base: (&raw mut octet).cast(), iov_len: 1 };
        // SAFETY: one octet is read into memory of that size, or none: RWF_NOWAIT says so where
        // the disk would have to be asked.
        let read = unsafe { libc::preadv2(file, &raw const vector, 1, last - 1, libc::RWF_NOWAIT) };
        if read == 1 {
            return;
        }
        // The kernel takes no more at once than a disk does, without saying so; hence in steps.
        let mut at = offset;
        while let Ok(from) = libc::off_t::try_from(at)
            && from < last
        {
            // SAFETY: advice about a file; no memory is involved.
            unsafe { libc::posix_fadvise(file, from, READ_AHEAD_STEP, libc::POSIX_FADV_WILLNEED) };
            at = at.saturating_add(READ_AHEAD_STEP.cast_unsigned());
        }
    }

    /// What a block device takes in one request as a rule.
    const READ_AHEAD_STEP: libc::off_t = 128 << 10;

    // SAFETY: the mapping belongs to the process, not to a thread, and is only read.
    unsafe impl Send for FileMapping {}

    // SAFETY: as above.
    unsafe impl Sync for FileMapping {}

    impl Drop for FileMapping {
        fn drop(&mut self) {
            self.guard = None;
            // SAFETY: exactly the range that mmap(2) returned, every borrow of it borrows `self`,
            // and the handler of SIGBUS does not know of it any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;
    use std::os::fd::BorrowedFd;

    /// A mapped file: there is none, files are read.
    #[derive(Debug)]
    pub enum FileMapping {}

    impl FileMapping {
        /// Maps nothing.
        ///
        /// # Errors
        ///
        /// Always.
        pub fn new(_: BorrowedFd<'_>, _: u64, _: usize, _: bool) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// The octets of the file.
        pub const fn octets(&self) -> &[u8] {
            match *self {}
        }

        /// From which octet on there have been zeros instead of the file.
        pub const fn torn_at(&self) -> Option<usize> {
            match *self {}
        }
    }

    /// Does nothing.
    pub const fn read_ahead(_: BorrowedFd<'_>, _: u64, _: u64) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::env;
    use std::fs::File;
    use std::hint::black_box;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::FileMapping;
    use crate::sys::memory::page_size;

    #[test]
    fn what_is_cut_off_reads_as_zeros_and_is_told() {
        let page = page_size();
        for populate in [false, true] {
            let file = file_of(5 * page);
            let mapping = map(&file, 5 * page, populate);
            let other = map(&file, 2 * page, populate);
            assert!(mapping.octets().iter().all(|octet| *octet == 0x55));
            assert_eq!(mapping.torn_at(), None);

            file.set_len(3 * page as u64).unwrap();
            assert_eq!(mapping.torn_at(), None, "nobody has looked");
            assert_eq!(black_box(mapping.octets()[4 * page + 7]), 0);
            assert_eq!(mapping.torn_at(), Some(4 * page));
            assert_eq!(black_box(mapping.octets()[3 * page]), 0);
            assert_eq!(mapping.torn_at(), Some(3 * page));
            assert_eq!(mapping.octets()[..3 * page], vec![0x55; 3 * page]);
            assert_eq!(mapping.octets()[3 * page..], vec![0; 2 * page]);
            assert_eq!((other.octets()[0], other.torn_at()), (0x55, None));
        }
    }

    #[test]
    fn a_mapping_that_was_torn_leaves_nothing_to_the_next() {
        let page = page_size();
        for _ in 0..1_000 {
            let file = file_of(page);
            let mapping = map(&file, page, false);
            assert_eq!(mapping.torn_at(), None);
            file.set_len(0).unwrap();
            assert_eq!(black_box(mapping.octets()[0]), 0);
            assert_eq!(mapping.torn_at(), Some(0));
        }
    }

    #[test]
    fn threads_that_meet_the_same_tear_all_go_on() {
        let page = page_size();
        let file = file_of(64 * page);
        let mapping = map(&file, 64 * page, true);
        file.set_len(0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(mapping.octets().iter().all(|octet| *octet == 0)));
            }
        });
        assert_eq!(mapping.torn_at(), Some(0));
    }

    #[test]
    fn no_mapping_is_made_of_nothing_or_of_too_much() {
        let file = file_of(page_size());
        assert!(FileMapping::new(file.as_fd(), 0, 0, false).is_err());
        assert!(FileMapping::new(file.as_fd(), 1, 10, false).is_err(), "no page begins there");
        assert!(FileMapping::new(file.as_fd(), u64::MAX, 10, false).is_err());
        assert!(FileMapping::new(file.as_fd(), 0, 1 << 31, false).is_err(), "not to be guarded");
    }

    #[test]
    fn a_bus_error_elsewhere_still_ends_the_process() {
        let status = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "sys::file_mapping::tests::child_of_the_bus_error_test"])
            .arg("--ignored")
            .status()
            .expect("this test can be started again");
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
    }

    #[test]
    #[ignore = "the process that another test starts, and that dies"]
    fn child_of_the_bus_error_test() {
        let page = page_size();
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: reads the limits given.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) };
        let file = file_of(page);
        let ours = map(&file, page, false);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let elsewhere = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                page,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(elsewhere, libc::MAP_FAILED);
        file.set_len(0).unwrap();
        assert_eq!(black_box(ours.octets()[0]), 0, "ours is mended");
        // SAFETY: mapped above; and the process is meant to die of it.
        let octet = unsafe { elsewhere.cast::<u8>().read_volatile() };
        unreachable!("{octet} was read");
    }

    fn file_of(length: usize) -> File {
        let file = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut &file, &vec![0x55; length]).expect("room for it");
        file
    }

    fn map(file: &File, length: usize, populate: bool) -> FileMapping {
        FileMapping::new(file.as_fd(), 0, length, populate).expect("a file can be mapped")
    }
}
