//! When to send how many packets.

use std::time::{Duration, Instant};

use super::frames::BATCH;

/// An even rate in small bursts, or no rate at all.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Option<u32>,
    /// When packet `counted_from` was due.
    started: Instant,
    counted_from: u64,
}

impl Pace {
    /// `rate` packets a second, counted from `started`; none is as fast as can be.
    pub(crate) const fn new(rate: Option<u32>, started: Instant) -> Self {
        Self { rate, started, counted_from: 0 }
    }

    /// Waits until packet `next` is due, and returns how many are to be sent then.
    pub(crate) fn wait(&mut self, next: u64, now: impl Fn() -> Instant) -> usize {
        let Some(rate) = self.rate.filter(|&rate| rate > 0) else { return BATCH };
        let due = self.started + time_of(next - self.counted_from, rate);
        // Not a sleep: that would wake up too late for the next burst.
        let mut at = now();
        while at < due {
            std::hint::spin_loop();
            at = now();
        }
        // Time lost to other programs is made up for, but not as one long burst.
        if at.duration_since(due) > MOST_ARREARS {
            (self.started, self.counted_from) = (at - MOST_ARREARS, next);
        }
        burst(rate)
    }
}

/// What is due in [`BURST_TIME`], but one packet at least.
fn burst(rate: u32) -> usize {
    let due = u128::from(rate) * BURST_TIME.as_nanos() / NANOSECONDS;
    usize::try_from(due).unwrap_or(BATCH).clamp(1, BATCH)
}

fn time_of(packets: u64, rate: u32) -> Duration {
    let nanoseconds = u128::from(packets) * NANOSECONDS / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

const BURST_TIME: Duration = Duration::from_micros(25);
const MOST_ARREARS: Duration = Duration::from_millis(10);
const NANOSECONDS: u128 = 1_000_000_000;
