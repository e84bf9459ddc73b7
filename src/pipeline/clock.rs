//! The clock of a live run: packet time, advanced by the monotonic clock while the wire is silent.

use std::time::{Duration, Instant};

use crate::time::Timestamp;

/// One worker's idea of packet time.
///
/// It never runs ahead of packets that still lie in the ring: after a batch it is the time of the
/// latest packet, and only when nothing came does it follow the monotonic clock, a little behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveClock {
    anchor: Timestamp,
    anchored_at: Instant,
    now: Timestamp,
    steps: u64,
}

impl LiveClock {
    /// A clock that starts at the wall time `anchor`.
    pub(super) const fn new(anchor: Timestamp, at: Instant) -> Self {
        Self { anchor, anchored_at: at, now: anchor, steps: 0 }
    }

    /// Packets came, the latest of them observed at `latest`.
    pub(super) fn advance_to(&mut self, latest: Timestamp, at: Instant) {
        if latest.saturating_add(STEP) < self.now {
            self.steps += 1; // the clock that stamps packets was set back
            self.now = latest;
        }
        self.now = self.now.max(latest);
        (self.anchor, self.anchored_at) = (self.now, at);
    }

    /// Nothing came.
    pub(super) fn advance_in_silence(&mut self, at: Instant) {
        let silent = at.duration_since(self.anchored_at).saturating_sub(RETIRE_ALLOWANCE);
        self.now = self.now.max(self.anchor.saturating_add(silent));
    }

    /// Packet time now.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// How often the clock was set back.
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }
}

/// A step back of more than this is a clock that was set, not packets out of order.
const STEP: Duration = Duration::from_secs(60);
/// Packets may lie so long in a block of the ring before we see them.
const RETIRE_ALLOWANCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
    fn test_start() -> Instant {
        Instant::now()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn silence_moves_the_clock_and_packets_correct_it() {
        let start = test_start();
        let mut clock = LiveClock::new(at(1000), start);
        clock.advance_to(at(1010), start);
        clock.advance_in_silence(start + Duration::from_millis(5_050));
        assert_eq!(clock.now(), at(1015));
        clock.advance_to(at(1014), start + Duration::from_secs(6));
        assert_eq!(clock.now(), at(1015), "a late packet does not set it back");
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed_and_counted() {
        let start = test_start();
        let mut clock = LiveClock::new(at(10_000), start);
        clock.advance_to(at(5_000), start);
        assert_eq!((clock.now(), clock.steps()), (at(5_000), 1));
    }
}
