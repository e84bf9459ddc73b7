//! What the kernel says of its clock (adjtimex(2)), questions only.

use std::io;
use std::time::Duration;

/// How good the system clock is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KernelClock {
    /// Somebody sets it by a better one.
    pub synchronised: bool,
    /// How far it may be off, as the one who sets it says.
    pub maximum_error: Duration,
}

/// Asks the kernel.
///
/// # Errors
///
/// None that a question is known to get, but for system calls that are forbidden.
pub fn kernel_clock() -> io::Result<KernelClock> {
    // SAFETY: timex is integers, for which zero is a value; zero modes change nothing.
    let mut time: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `time` is a live timex.
    let state = unsafe { libc::adjtimex(&raw mut time) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let microseconds = u64::try_from(time.maxerror).unwrap_or_default();
    Ok(KernelClock {
        synchronised: state != libc::TIME_ERROR && time.status & libc::STA_UNSYNC == 0,
        maximum_error: Duration::from_micros(microseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers() {
        let clock = kernel_clock().unwrap();
        // What is set by nobody drifts away, up to 16 s as the kernel counts it.
        assert!(clock.maximum_error <= Duration::from_secs(17), "{clock:?}");
    }
}
