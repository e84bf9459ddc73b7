//! The capture's own clock: what time it is while a file is replayed.

use std::time::Duration;

use crate::time::Timestamp;

/// How far packet times may run backwards before it counts as the clock having been set back.
///
/// Packets of one capture are out of order by milliseconds (several receive queues) to a few seconds
/// (merged files); a minute is far beyond both, and near enough that flows do not hang for long on a
/// clock that was wrong.
pub const CLOCK_STEP: Duration = Duration::from_secs(60);

/// The running maximum of the packet times, restarted where the clock was set back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CaptureClock {
    latest: Timestamp,
    /// `latest` less [`CLOCK_STEP`], kept so that the test of each packet is one comparison.
    floor: Timestamp,
    steps: u64,
}

impl CaptureClock {
    /// The time it is.
    pub(super) const fn now(&self) -> Timestamp {
        self.latest
    }

    /// How often the clock was set back.
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether a packet of this time lies on the other side of a step backwards.
    #[inline]
    pub(super) fn is_set_back_by(&self, at: Timestamp) -> bool {
        at < self.floor
    }

    /// Advances to `at`, or restarts there when the clock was set back.
    #[inline]
    pub(super) fn observe(&mut self, at: Timestamp) {
        if self.is_set_back_by(at) {
            self.steps = self.steps.saturating_add(1);
        } else if at <= self.latest {
            return;
        }
        self.latest = at;
        self.floor = at.saturating_sub(CLOCK_STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_backward_do_not_move_the_clock() {
        let mut clock = CaptureClock::default();
        for seconds in [1_000, 1_010, 1_009, 950, 1_005] {
            clock.observe(Timestamp::from_parts(seconds, 0));
        }
        assert_eq!((clock.now(), clock.steps()), (Timestamp::from_parts(1_010, 0), 0));
    }

    #[test]
    fn more_than_a_minute_backward_restarts_the_clock() {
        let mut clock = CaptureClock::default();
        clock.observe(Timestamp::from_parts(1_000, 0));
        clock.observe(Timestamp::from_parts(940, 0));
        assert_eq!((clock.now(), clock.steps()), (Timestamp::from_parts(1_000, 0), 0));
        clock.observe(Timestamp::from_parts(939, 999_999_999));
        assert_eq!((clock.now(), clock.steps()), (Timestamp::from_parts(939, 999_999_999), 1));
    }

    #[test]
    fn one_absurd_time_costs_one_step_and_no_more() {
        let mut clock = CaptureClock::default();
        for at in [Timestamp::from_parts(1_000, 0), Timestamp::MAX, Timestamp::from_parts(1_001, 0)]
        {
            clock.observe(at);
        }
        assert_eq!((clock.now(), clock.steps()), (Timestamp::from_parts(1_001, 0), 1));
    }
}
