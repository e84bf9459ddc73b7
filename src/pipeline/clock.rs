//! The clock of a live run: packet time, advanced by the monotonic clock while the wire is silent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::time::{Timestamp, saturating_nanos};

/// Packet time as the workers of a run know it. Flows are shared, so the slowest worker's time
/// counts: a Flow must not be called idle while its packets wait in another worker's ring.
#[derive(Debug)]
pub(super) struct Clocks {
    started: Instant,
    /// Packet time less monotonic time since the start, in nanoseconds, as of the latest packets of
    /// all workers.
    offset: AtomicU64,
    workers: Vec<AtomicU64>,
}

/// One worker's idea of packet time.
///
/// It never runs ahead of packets that still lie in the ring: after a batch it is the time of the
/// latest packet, and only when nothing came does it follow the monotonic clock, a little behind.
/// In silence it counts from the latest packets of any worker, not from its own: where the system's
/// clock was set, or the machine slept, a worker without packets would else hold up all others.
#[derive(Debug)]
pub(super) struct LiveClock<'a> {
    clocks: &'a Clocks,
    worker: usize,
    now: Timestamp,
    steps: u64,
}

impl Clocks {
    /// Clocks that start at the wall time `start`.
    pub(super) fn new(workers: usize, start: Timestamp, started: Instant) -> Self {
        let workers = (0..workers).map(|_| AtomicU64::new(start.as_nanos())).collect();
        Self { started, offset: AtomicU64::new(start.as_nanos()), workers }
    }

    /// The clock of one worker.
    pub(super) fn clock(&self, worker: usize) -> LiveClock<'_> {
        let now = Timestamp::from_nanos(self.offset.load(Ordering::Relaxed));
        LiveClock { clocks: self, worker, now, steps: 0 }
    }

    fn age(&self, at: Instant) -> u64 {
        saturating_nanos(at.duration_since(self.started))
    }
}

impl LiveClock<'_> {
    /// Packets came, the latest of them observed at `latest`.
    pub(super) fn advance_to(&mut self, latest: Timestamp, at: Instant) {
        self.follow(latest);
        let offset = self.now.as_nanos().wrapping_sub(self.clocks.age(at));
        self.clocks.offset.store(offset, Ordering::Relaxed);
    }

    /// Nothing came.
    pub(super) fn advance_in_silence(&mut self, at: Instant) {
        let offset = self.clocks.offset.load(Ordering::Relaxed);
        let estimate = Timestamp::from_nanos(offset.wrapping_add(self.clocks.age(at)));
        self.follow(estimate.saturating_sub(RETIRE_ALLOWANCE));
    }

    /// Packet time now.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Tells the other workers this one's time, and returns that of the slowest; `None` while one of
    /// them has yet to follow a clock that was set forward.
    pub(super) fn common(&self) -> Option<Timestamp> {
        self.publish(self.now);
        let times = self.clocks.workers.iter().map(|time| time.load(Ordering::Relaxed));
        let slowest = Timestamp::from_nanos(times.min().unwrap_or(0));
        (slowest.saturating_add(STEP) >= self.now).then_some(slowest)
    }

    /// A worker that has ended holds nobody up.
    pub(super) fn retire(&self) {
        self.publish(Timestamp::MAX);
    }

    /// How often the clock was set back.
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }

    fn follow(&mut self, time: Timestamp) {
        if time.saturating_add(STEP) < self.now {
            self.steps += 1; // the clock that stamps packets was set back
            self.now = time;
        }
        self.now = self.now.max(time);
    }

    fn publish(&self, time: Timestamp) {
        if let Some(published) = self.clocks.workers.get(self.worker) {
            published.store(time.as_nanos(), Ordering::Relaxed);
        }
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
        let clocks = Clocks::new(1, at(1000), start);
        let mut clock = clocks.clock(0);
        clock.advance_to(at(1010), start);
        clock.advance_in_silence(start + Duration::from_millis(5_050));
        assert_eq!(clock.now(), at(1015));
        clock.advance_to(at(1014), start + Duration::from_secs(6));
        assert_eq!(clock.now(), at(1015), "a late packet does not set it back");
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed_and_counted() {
        let start = test_start();
        let clocks = Clocks::new(1, at(10_000), start);
        let mut clock = clocks.clock(0);
        clock.advance_to(at(9_940), start);
        assert_eq!((clock.now(), clock.steps()), (at(10_000), 0), "a minute is out of order");
        clock.advance_to(at(5_000), start);
        assert_eq!((clock.now(), clock.steps()), (at(5_000), 1));
    }

    #[test]
    fn the_slowest_worker_counts_until_it_has_ended() {
        let start = test_start();
        let clocks = Clocks::new(2, at(100), start);
        let (mut fast, mut slow) = (clocks.clock(0), clocks.clock(1));
        fast.advance_to(at(130), start);
        slow.advance_to(at(120), start);
        assert_eq!(fast.common(), Some(at(100)), "the slow one has not told yet");
        assert_eq!((slow.common(), fast.common()), (Some(at(120)), Some(at(120))));
        slow.retire();
        assert_eq!(fast.common(), Some(at(130)));
    }

    #[test]
    fn an_idle_worker_follows_a_clock_that_was_set_either_way() {
        let start = test_start();
        let clocks = Clocks::new(2, at(10_000), start);
        let (mut busy, mut idle) = (clocks.clock(0), clocks.clock(1));
        let later = start + Duration::from_secs(1);
        for set_to in [at(13_600), at(5_000)] {
            busy.advance_to(set_to, later);
            // Deadlines of the new time must not be held against the old one.
            let set_forward = busy.now() > idle.now();
            assert_eq!(busy.common().is_none(), set_forward);
            idle.advance_in_silence(later);
            idle.common();
            let slowest = set_to.saturating_sub(RETIRE_ALLOWANCE).min(idle.now());
            assert_eq!(busy.common(), Some(slowest));
            assert!(set_to.since(idle.now()) <= RETIRE_ALLOWANCE, "{:?}", idle.now());
        }
        // And silence everywhere goes on from there.
        let end = later + Duration::from_millis(20_050);
        busy.advance_in_silence(end);
        idle.advance_in_silence(end);
        assert_eq!((busy.now(), idle.now()), (at(5_020), at(5_020)));
    }
}
