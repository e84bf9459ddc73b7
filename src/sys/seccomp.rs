//! Filters of system calls (seccomp(2)).

use std::io;

/// Puts `program` before every system call of every thread of the process, in addition to those that
/// are there. What it refuses the kernel logs if `logged` (to auditd, or dmesg without it).
///
/// It takes `PR_SET_NO_NEW_PRIVS` before.
///
/// # Errors
///
/// `EINVAL` before Linux 4.14 or for an unsound program, `ENOSYS` without seccomp, and `ESRCH` when
/// a thread has filters of its own.
pub fn filter_all_threads(program: &[libc::sock_filter], logged: bool) -> io::Result<()> {
    let log = if logged { libc::SECCOMP_FILTER_FLAG_LOG } else { 0 };
    let program = libc::sock_fprog {
        len: libc::c_ushort::try_from(program.len()).map_err(io::Error::other)?,
        // The kernel copies the instructions and does not write to them.
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `program` and the instructions it points to are live, and the call keeps neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC | log,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        ..0 => Err(io::Error::last_os_error()),
        // The number of a thread that does not take it.
        1.. => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}
