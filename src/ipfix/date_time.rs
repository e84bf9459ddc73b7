//! The four `dateTime…` abstract data types (RFC 7011 §6.1.7–§6.1.10), and RFC 3339 text.

use std::fmt;

/// A point in time as a record carries it: UTC, with the precision of its data type.
///
/// Written as RFC 3339 with exactly the digits of that precision: `2026-01-31T23:59:59.999Z` for
/// milliseconds. Years beyond 9999, which only damaged data has, get a sign (ISO 8601-1 §4.3.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DateTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
    /// How many digits of the second are meant.
    pub precision: Precision,
}

/// The unit of a [`DateTime`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the variants are units")]
pub enum Precision {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl DateTime {
    /// RFC 7011 §6.1.7: seconds since 1970.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self { seconds: seconds as i64, nanoseconds: 0, precision: Precision::Seconds }
    }

    /// RFC 7011 §6.1.8: milliseconds since 1970.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self {
            // Cannot overflow: a thousandth of any u64 is an i64.
            seconds: (milliseconds / 1_000).cast_signed(),
            nanoseconds: (milliseconds % 1_000) as u32 * 1_000_000,
            precision: Precision::Milliseconds,
        }
    }

    /// RFC 7011 §6.1.9: 64-bit NTP time, of which microseconds are meant.
    ///
    /// Rounds to the nearest microsecond, which undoes both ways that exporters round: the low
    /// 11 bits of the fraction are cut by some and rounded up by others, 0.48 µs at most.
    pub const fn from_ntp_microseconds(ntp: u64) -> Self {
        Self::from_ntp(ntp, 1_000, Precision::Microseconds)
    }

    /// RFC 7011 §6.1.10: 64-bit NTP time, of which nanoseconds are meant.
    pub const fn from_ntp_nanoseconds(ntp: u64) -> Self {
        Self::from_ntp(ntp, 1, Precision::Nanoseconds)
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn as_milliseconds(self) -> i64 {
        self.seconds.saturating_mul(1_000).saturating_add(self.nanoseconds as i64 / 1_000_000)
    }

    const fn from_ntp(ntp: u64, unit: u64, precision: Precision) -> Self {
        let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
        let units = (fraction * (NANOSECONDS / unit) + (1 << 31)) >> 32;
        let nanoseconds = units * unit;
        // NTP eras are implicit: times before 1968 belong to the era that begins in 2036
        // (RFC 5905 §6), which leaves no doubt about any flow of our days.
        let era = if seconds >> 31 == 0 { 1 << 32 } else { 0 };
        let seconds = (seconds + era + nanoseconds / NANOSECONDS).cast_signed() - NTP_TO_UNIX;
        Self { seconds, nanoseconds: (nanoseconds % NANOSECONDS) as u32, precision }
    }

    /// Year, month and day of the proleptic Gregorian calendar.
    pub const fn date(self) -> (i64, i64, i64) {
        // Days are counted from 0000-03-01, so that the leap day ends the year; 146,097 days are
        // 400 years.
        let days = self.seconds.div_euclid(86_400) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + (month <= 2) as i64;
        (year, month, day)
    }

    /// Hour, minute and second of the day.
    pub const fn time(self) -> (i64, i64, i64) {
        let second = self.seconds.rem_euclid(86_400);
        (second / 3_600, second / 60 % 60, second % 60)
    }
}

/// `dateTimeMicroseconds` (RFC 7011 §6.1.9) of a time since 1970: 64-bit NTP time, of which the low
/// 11 bits are zero. Cut to the microsecond; nanoseconds beyond a second carry into it.
///
/// The fraction is rounded up, so that each of the 10^6 microseconds reads back as itself, whether
/// the reader rounds down or to the nearest. Rounded down, nearly all would read one too low.
pub const fn ntp_microseconds(seconds: u64, nanoseconds: u32) -> u64 {
    let microseconds = (nanoseconds as u64 % NANOSECONDS) / 1_000;
    let fraction = (microseconds << 32).div_ceil(1_000_000).next_multiple_of(0x800);
    ntp_seconds(seconds, nanoseconds) << 32 | fraction
}

/// `dateTimeNanoseconds` (RFC 7011 §6.1.10) of a time since 1970: 64-bit NTP time, all bits of it.
/// Nanoseconds beyond a second carry into it.
///
/// Rounded up as [`ntp_microseconds`] is; a nanosecond is some four units of the fraction.
pub const fn ntp_nanoseconds(seconds: u64, nanoseconds: u32) -> u64 {
    let fraction = ((nanoseconds as u64 % NANOSECONDS) << 32).div_ceil(NANOSECONDS);
    ntp_seconds(seconds, nanoseconds) << 32 | fraction
}

/// Seconds since 1900 modulo 2^32: the NTP era is implicit (RFC 7011 §5.2), a new one begins in
/// 2036.
const fn ntp_seconds(seconds: u64, nanoseconds: u32) -> u64 {
    let carried = nanoseconds as u64 / NANOSECONDS;
    seconds.wrapping_add(carried).wrapping_add(NTP_TO_UNIX.cast_unsigned()) & 0xffff_ffff
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute, second) = self.time();
        match year {
            0..=9_999 => write!(f, "{year:04}")?,
            _ => write!(f, "{year:+05}")?,
        }
        write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.precision {
            Precision::Seconds => f.write_str("Z"),
            Precision::Milliseconds => write!(f, ".{:03}Z", self.nanoseconds / 1_000_000),
            Precision::Microseconds => write!(f, ".{:06}Z", self.nanoseconds / 1_000),
            Precision::Nanoseconds => write!(f, ".{:09}Z", self.nanoseconds),
        }
    }
}

const NANOSECONDS: u64 = 1_000_000_000;
/// Seconds from 1900 to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_has_the_digits_of_the_unit() {
        assert_eq!(DateTime::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(DateTime::from_seconds(u32::MAX).to_string(), "2106-02-07T06:28:15Z");
        assert_eq!(
            DateTime::from_milliseconds(1_709_210_096_007).to_string(),
            "2024-02-29T12:34:56.007Z"
        );
        assert_eq!(
            DateTime::from_milliseconds(951_868_799_999).to_string(),
            "2000-02-29T23:59:59.999Z"
        );
        assert_eq!(
            DateTime::from_milliseconds(u64::MAX).to_string(),
            "+584556019-04-03T14:25:51.615Z"
        );
    }

    #[test]
    fn ntp_times_count_from_1900_and_from_2036() {
        // RFC 7011 §6.1.9, §6.1.10.
        let at = |seconds: u64, fraction: u64| seconds << 32 | fraction;
        assert_eq!(
            DateTime::from_ntp_nanoseconds(at(3_918_199_296, 1 << 31)).to_string(),
            "2024-02-29T12:41:36.500000000Z"
        );
        assert_eq!(
            DateTime::from_ntp_microseconds(at(u64::from(u32::MAX), 0)).to_string(),
            "2036-02-07T06:28:15.000000Z"
        );
        assert_eq!(
            DateTime::from_ntp_microseconds(at(0, 0)).to_string(),
            "2036-02-07T06:28:16.000000Z"
        );
        assert_eq!(
            DateTime::from_ntp_nanoseconds(at(1, 0xffff_ffff)).to_string(),
            "2036-02-07T06:28:18.000000000Z",
            "a fraction that rounds up carries into the second"
        );
    }

    #[test]
    fn every_microsecond_survives_either_way_of_rounding() {
        // RFC 7011 §6.1.9: the low 11 bits of the fraction should be zero.
        for microsecond in 0..1_000_000_u64 {
            let exact = microsecond << 32;
            let cut = (exact / 1_000_000) & !0x7ff;
            let raised = exact.div_ceil(1_000_000).next_multiple_of(0x800);
            for fraction in [cut, raised] {
                let time = DateTime::from_ntp_microseconds(3_900_000_000 << 32 | fraction);
                assert_eq!(u64::from(time.nanoseconds), microsecond * 1_000, "{fraction:#x}");
            }
        }
    }

    #[test]
    fn every_microsecond_reads_back_as_itself() {
        // RFC 7011 §6.1.9.
        let seconds = 1_709_210_496;
        for microsecond in 0..1_000_000_u32 {
            let ntp = ntp_microseconds(seconds, microsecond * 1_000 + microsecond % 1_000);
            assert_eq!(ntp >> 32, seconds + 2_208_988_800);
            assert_eq!(ntp & 0x7ff, 0, "{ntp:#x}: the low 11 bits are zero");
            let rounded_down = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
            assert_eq!(rounded_down, u64::from(microsecond), "{ntp:#x}");
            let rounded = DateTime::from_ntp_microseconds(ntp);
            assert_eq!(rounded.nanoseconds, microsecond * 1_000, "{ntp:#x}");
        }
    }

    #[test]
    fn ntp_times_of_the_next_era_are_of_our_century() {
        // RFC 7011 §5.2: the era is implicit. 2036-02-07T06:28:16Z is second 0 of the next.
        assert_eq!(ntp_nanoseconds(2_085_978_495, 0), 0xffff_ffff_0000_0000);
        assert_eq!(ntp_nanoseconds(2_085_978_496, 0), 0);
        assert_eq!(ntp_microseconds(2_085_978_496, 500_000_000), 1 << 31);
        // 2040-01-01T00:00:00Z.
        let ntp = ntp_nanoseconds(2_208_988_800, 1);
        assert_eq!(ntp, 123_010_304 << 32 | 5);
        let text = "2040-01-01T00:00:00.000000001Z";
        assert_eq!(DateTime::from_ntp_nanoseconds(ntp).to_string(), text);
        let ntp = ntp_microseconds(2_208_988_800, 1_000);
        assert_eq!(DateTime::from_ntp_microseconds(ntp).to_string(), "2040-01-01T00:00:00.000001Z");
        // A second too many nanoseconds is the next second.
        assert_eq!(ntp_nanoseconds(7, 1_500_000_000), ntp_nanoseconds(8, 500_000_000));
        assert_eq!(ntp_microseconds(7, 1_500_000_000), ntp_microseconds(8, 500_000_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_nanosecond_reads_back_as_itself(
            // 1970 to 2104, which is as far as readers can tell.
            seconds in 0_u64..4_233_462_144,
            nanoseconds in 0_u32..1_000_000_000,
        ) {
            // RFC 7011 §6.1.10.
            let ntp = ntp_nanoseconds(seconds, nanoseconds);
            let rounded_down = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
            prop_assert_eq!(rounded_down, u64::from(nanoseconds));
            let expected = DateTime {
                seconds: i64::try_from(seconds).unwrap(),
                nanoseconds,
                precision: Precision::Nanoseconds,
            };
            prop_assert_eq!(DateTime::from_ntp_nanoseconds(ntp), expected);
        }
    }

    #[test]
    fn every_day_of_four_centuries_has_its_date() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for n in 0..=146_097_i64 {
            let time =
                DateTime { seconds: n * 86_400, nanoseconds: 0, precision: Precision::Seconds };
            assert_eq!(time.date(), (year, month, day), "day {n}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
