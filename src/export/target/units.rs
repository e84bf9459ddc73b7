//! Values with a unit: durations and sizes, as text.

use std::time::Duration;

/// A duration such as `30s` or `1h30m`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// What [`parse_duration`] reads, without spaces.
pub(crate) fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

/// A number of octets such as `100MB` or `64Mi`; without a unit it is one of octets.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.strip_suffix('B').unwrap_or(unit);
    let factor = match unit {
        "" => 1,
        _ => UNITS.into_iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// What [`parse_size`] reads, in the largest unit that does not change the number.
pub(crate) fn size_text(size: u64) -> String {
    let fitting = UNITS.into_iter().filter(|(_, factor)| size != 0 && size.is_multiple_of(*factor));
    match fitting.max_by_key(|(_, factor)| *factor) {
        Some((unit, factor)) => format!("{}{unit}B", size / factor),
        None => size.to_string(),
    }
}

const UNITS: [(&str, u64); 8] = [
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        for (text, size) in [
            ("0", 0),
            ("123", 123),
            ("123B", 123),
            ("64k", 64_000),
            ("64kB", 64_000),
            ("100MB", 100_000_000),
            ("64MiB", 67_108_864),
            ("2Gi", 2_147_483_648),
            ("500T", 500_000_000_000_000),
            ("1TiB", 1_099_511_627_776),
        ] {
            assert_eq!(parse_size(text), Some(size), "{text}");
        }
        for text in
            ["", "MB", "-1", "1.5M", "1P", "1mb", "1MM", "1MBB", "99999999999999999999G", "1 M"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
        assert_eq!(size_text(100_000_000), "100MB");
        assert_eq!(size_text(67_108_864), "64MiB");
        assert_eq!(size_text(1_234_567), "1234567");
        assert_eq!(size_text(790_000_000_000_000), "790TB");
    }

    #[test]
    fn durations_have_no_spaces() {
        assert_eq!(duration_text(Duration::from_secs(90)), "1m30s");
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("5"), None, "five of what?");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_size_is_read_as_it_was_written(size: u64) {
            prop_assert_eq!(parse_size(&size_text(size)), Some(size));
        }

        #[test]
        fn every_duration_is_read_as_it_was_written(seconds in 0_u64..1 << 40, nanoseconds in 0_u32..1_000_000_000) {
            let duration = Duration::new(seconds, nanoseconds);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }
    }
}
