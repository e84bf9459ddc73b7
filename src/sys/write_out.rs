//! Octets of a file on their way to the disk.

use std::fs::File;
use std::ops::Range;

/// Has the system begin to write these octets of a file to its disk, and does not wait for it: what
/// is under way early nobody has to wait for in the end, in `sync_all`.
///
/// No more than a hint: that tells what went wrong, too.
#[cfg(target_os = "linux")]
pub fn begin_write_out(file: &File, octets: Range<u64>) {
    use std::os::fd::AsRawFd;

    let length = octets.end.saturating_sub(octets.start);
    // Nought would mean up to the end of the file.
    if let (Ok(start), Ok(length @ 1..)) = (octets.start.try_into(), length.try_into()) {
        // SAFETY: the descriptor is open as long as `file` is borrowed, and no memory is involved.
        unsafe {
            libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE)
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub fn begin_write_out(_: &File, _: Range<u64>) {}
