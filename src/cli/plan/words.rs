//! Numbers and lines, as people read them.

use std::fmt::Write as _;

use crate::ipfix::date_time::{DateTime, Precision};

/// The line above figures of a day, a quarter and half a year.
pub(super) fn heading(name: String, text: &mut String) -> std::fmt::Result {
    // What is too long for its column has a line.
    let name = if name.len() < COLUMN { name } else { name + "\n" };
    let rest = COLUMN.saturating_sub(if name.ends_with('\n') { 0 } else { name.len() });
    writeln!(text, "\n{name}{:rest$}{:>14}{:>14}{:>14}", "", "a day", "90 days", "180 days")
}

/// What there is on a day, and what that comes to.
pub(super) fn row(name: &str, day: f64, text: &mut String) -> std::fmt::Result {
    let [day, quarter, half] = [1.0, 90.0, 180.0].map(|days| octets(day * days));
    writeln!(text, "  {name:<34}{day:>14}{quarter:>14}{half:>14}")
}

/// What there is already, below what there should be.
pub(super) fn configured(
    what: std::fmt::Arguments<'_>,
    is_enough: bool,
    text: &mut String,
) -> std::fmt::Result {
    let verdict = if is_enough { "enough" } else { "TOO LITTLE" };
    writeln!(text, "    configured: {what}, {verdict}")
}

/// A second of UTC.
pub(super) fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    DateTime { seconds, nanoseconds: 0, precision: Precision::Seconds }.to_string()
}

/// A part of a whole: `1/630`, or `250 %` of one that is larger than it.
pub(super) fn ratio(full: f64, part: f64) -> String {
    let times = full / part.max(1.0);
    if times >= 1.0 {
        format!("1/{}", scaled(times))
    } else {
        format!("{:.0} %", 100.0 * part / full.max(1.0))
    }
}

pub(super) fn octets(number: f64) -> String {
    let (number, prefix) = divided(number);
    format!("{} {prefix}B", decimal(number))
}

pub(super) fn scaled(number: f64) -> String {
    match divided(number) {
        (number, "") => decimal(number),
        (number, prefix) => format!("{} {prefix}", decimal(number)),
    }
}

/// By powers of a thousand.
pub(super) fn divided(mut number: f64) -> (f64, &'static str) {
    for prefix in ["", "k", "M", "G", "T"] {
        if number < 999.5 {
            return (number, prefix);
        }
        number /= 1000.0;
    }
    (number, "P")
}

/// Three digits, or as many as stand before the point.
pub(super) fn decimal(number: f64) -> String {
    match number {
        0.0..9.995 => format!("{number:.2}"),
        9.995..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// As `--spool-size` takes it.
pub(super) fn size(octets: u64) -> String {
    for (unit, suffix) in
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")]
    {
        if octets.is_multiple_of(unit) {
            return format!("{}{suffix}", octets / unit);
        }
    }
    octets.to_string()
}

/// A paragraph in a list.
pub(super) fn wrapped(paragraph: &str, text: &mut String) {
    let mut column = WIDTH;
    for (place, word) in paragraph.split_whitespace().enumerate() {
        if column + word.len() + 1 > WIDTH {
            let start = match (place, text.ends_with('\n')) {
                (0, true) => "  - ",
                (0, false) => "\n  - ",
                _ => "\n    ",
            };
            text.push_str(start);
            column = 4;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}

const WIDTH: usize = 96;
/// Where figures begin.
const COLUMN: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        let texts = [0.0, 9.0, 12.34, 999.4, 999.6, 1_234_000.0, 5e15].map(scaled);
        assert_eq!(texts, ["0.00", "9.00", "12.3", "999", "1.00 k", "1.23 M", "5.00 P"]);
        assert_eq!(octets(1_500.0), "1.50 kB");
        assert_eq!([1_000_000, 12_000_000_000, 3_600_000].map(size), ["1M", "12G", "3600k"]);
        assert_eq!(size(790_000_000_000_000), "790T");
        assert_eq!([ratio(1_000.0, 10.0), ratio(10.0, 25.0)], ["1/100", "250 %"]);
    }

    #[test]
    fn long_paragraphs_are_broken_between_words() {
        let mut text = String::new();
        wrapped(&"word ".repeat(40), &mut text);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().filter(|word| *word == "word").count(), 40);
    }
}
