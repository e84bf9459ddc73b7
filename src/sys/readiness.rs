//! Waiting for several descriptors at once.

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// The time was up, or a signal came.
    Nothing,
    /// Something can be read.
    Readable,
    /// A descriptor has an error waiting (others may be readable).
    Trouble,
}

/// Waits until one of `descriptors` can be read or has an error, for at most `patience`.
///
/// With no descriptors it only waits.
///
/// # Errors
///
/// What poll(2) says, a signal apart.
pub fn wait(descriptors: &[BorrowedFd<'_>], patience: Duration) -> io::Result<Readiness> {
    let entry = |descriptor: &BorrowedFd<'_>| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries: Vec<libc::pollfd> = descriptors.iter().map(entry).collect();
    let count = libc::nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
    // Rounded up: to wait a little longer is better than to spin through the last millisecond.
    let milliseconds = patience.as_micros().div_ceil(1000);
    let timeout = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
    // SAFETY: `entries` is live, ours, and `count` long.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), count, timeout) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        let interrupted = error.kind() == io::ErrorKind::Interrupted;
        return if interrupted { Ok(Readiness::Nothing) } else { Err(error) };
    }
    let trouble = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    Ok(if ready == 0 {
        Readiness::Nothing
    } else if entries.iter().any(|entry| entry.revents & trouble != 0) {
        Readiness::Trouble
    } else {
        Readiness::Readable
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_wait_ends_with_what_came() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let wait = || wait(&[reader.as_fd()], Duration::from_micros(1)).unwrap();
        assert_eq!(wait(), Readiness::Nothing);
        writer.write_all(b"x").unwrap();
        assert_eq!(wait(), Readiness::Readable);
        drop(writer);
        assert_eq!(wait(), Readiness::Trouble);
    }
}
