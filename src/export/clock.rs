//! The clocks of the Exporting Process: the one place of it that reads them.
//!
//! Records carry packet time. What is left to real time is what happens between us and a Collector:
//! Export Time, refresh and flush timers, waiting.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// Real time, as sessions see it.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns after `duration`.
    fn sleep(&self, duration: Duration);
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[expect(clippy::disallowed_methods, reason = "timers of sessions run on real time")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "RFC 7011 §3.1: live, Export Time is wall time")]
    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::EPOCH.saturating_add(since_epoch)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

/// A clock that stands still, for targets that wait for nobody: no timer of theirs is ever due.
#[derive(Clone, Copy, Debug)]
pub struct StillClock;

impl Clock for StillClock {
    fn wall(&self) -> Timestamp {
        Timestamp::EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) {}
}

/// A clock for tests: time passes when somebody sleeps or a test says so.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    nanoseconds: std::sync::atomic::AtomicU64,
    /// Added to the wall clock only.
    pub(crate) wall_step: std::sync::atomic::AtomicI64,
}

#[cfg(test)]
impl TestClock {
    pub(crate) fn advance(&self, duration: Duration) {
        let nanoseconds = crate::time::saturating_nanos(duration);
        self.nanoseconds.fetch_add(nanoseconds, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let step = self.wall_step.load(std::sync::atomic::Ordering::Relaxed);
        let begin = Timestamp::from_parts(1_700_000_000_u64.saturating_add_signed(step), 0);
        begin.saturating_add(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
