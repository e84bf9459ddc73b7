//! Packet time: nanoseconds since the UNIX epoch, always passed as an argument.
//!
//! Nothing below the pipeline reads a clock. A replay runs on the capture's own time, so the same
//! file gives the same records whatever the hour and however fast the machine.

use std::time::Duration;

/// A point in time, in nanoseconds since 1970-01-01T00:00:00Z (UTC, leap seconds not counted).
///
/// All arithmetic saturates: a capture may carry any 64-bit value, and an absurd one must not end
/// the process. The range ends in the year 2554.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself, and the earliest time there is.
    pub const EPOCH: Self = Self(0);
    /// The latest time that can be expressed.
    pub const MAX: Self = Self(u64::MAX);

    /// A time from whole nanoseconds since the epoch.
    #[inline]
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// A time from seconds and nanoseconds within the second; saturates at [`Self::MAX`].
    #[inline]
    pub const fn from_parts(seconds: u64, nanoseconds: u32) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanoseconds as u64))
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down (RFC 7011 §6.1.8).
    #[inline]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole seconds since the epoch, rounded down.
    #[inline]
    pub const fn as_secs(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// The nanoseconds within the second.
    #[inline]
    pub const fn subsec_nanos(self) -> u32 {
        (self.0 % NANOS_PER_SECOND) as u32
    }

    /// This time moved later by `duration`; saturates at [`Self::MAX`].
    #[inline]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(duration)))
    }

    /// This time moved earlier by `duration`; saturates at the epoch.
    #[inline]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_nanos(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The nanoseconds of `duration`, or `u64::MAX` when there are more (584 years).
#[expect(clippy::cast_possible_truncation, reason = "compared with the maximum right before")]
pub const fn saturating_nanos(duration: Duration) -> u64 {
    let nanoseconds = duration.as_nanos();
    if nanoseconds > u64::MAX as u128 { u64::MAX } else { nanoseconds as u64 }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_units_agree() {
        let time = Timestamp::from_parts(1_700_000_000, 123_456_789);
        assert_eq!(time.as_nanos(), 1_700_000_000_123_456_789);
        assert_eq!(time.as_millis(), 1_700_000_000_123);
        assert_eq!((time.as_secs(), time.subsec_nanos()), (1_700_000_000, 123_456_789));
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::from_parts(u64::MAX, 999_999_999), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH.saturating_sub(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }
}
