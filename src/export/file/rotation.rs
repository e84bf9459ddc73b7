//! When a file ends and the next one begins.

use std::time::Duration;

use crate::export::config::Pace;
use crate::time::{Timestamp, saturating_nanos};

/// The limits of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rotation {
    /// Files begin at whole multiples of this since 1970 in UTC: with 5 minutes at :00, :05 and so
    /// on, as whoever looks for a file expects.
    pub(super) period: Option<Duration>,
    /// Octets of a file at most.
    pub(super) size: Option<u64>,
}

impl Rotation {
    /// Whether there is but one file.
    pub(super) const fn is_off(self) -> bool {
        self.period.is_none() && self.size.is_none()
    }

    /// The time that a file bears which begins at `now`: that of its period.
    pub(super) fn start(self, now: Timestamp) -> Timestamp {
        match self.period.map(saturating_nanos) {
            None | Some(0) => now,
            Some(period) => Timestamp::from_nanos(now.as_nanos() / period * period),
        }
    }

    /// Whether the time of a file with this start is over.
    ///
    /// Workers of a replay tell their clocks in turns, so an earlier time is none of ours. Live a
    /// clock that was set back is: else the file would last until it has caught up.
    pub(super) fn is_over(self, start: Timestamp, now: Timestamp, pace: Pace) -> bool {
        let Some(period) = self.period else { return false };
        let current = self.start(now);
        current > start || (pace == Pace::Live && current < start.saturating_sub(period))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: Rotation = Rotation { period: Some(Duration::from_secs(300)), size: None };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn periods_begin_at_their_multiples() {
        // 2026-11-22 00:05:00 UTC.
        let start = at(1_795_305_900);
        assert_eq!(FIVE_MINUTES.start(start), start);
        assert_eq!(FIVE_MINUTES.start(Timestamp::from_parts(1_795_306_199, 999_999_999)), start);
        assert_eq!(FIVE_MINUTES.start(at(1_795_306_200)), at(1_795_306_200));
        let day = Rotation { period: Some(Duration::from_secs(86_400)), size: None };
        assert_eq!(day.start(start), at(1_795_305_600));
    }

    #[test]
    fn a_file_ends_with_its_period() {
        let start = at(1_795_305_900);
        for pace in [Pace::Live, Pace::Replay] {
            let is_over = |now| FIVE_MINUTES.is_over(start, now, pace);
            assert!(!is_over(Timestamp::from_parts(1_795_306_199, 999_999_999)));
            assert!(is_over(at(1_795_306_200)));
            // Somewhat late, or stepped by NTP.
            assert!(!is_over(at(1_795_305_899)) && !is_over(at(1_795_305_600)));
            assert_eq!(is_over(at(1_795_305_599)), pace == Pace::Live);
        }
    }

    #[test]
    fn without_a_period_no_time_ends_a_file() {
        let by_size = Rotation { period: None, size: Some(1) };
        assert_eq!(by_size.start(at(77)), at(77));
        assert!(!by_size.is_over(at(0), Timestamp::MAX, Pace::Live));
    }
}
