//! Holds back what is said again and again, and says how often.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cli::log::entry::Entry;

/// What was said of late. The first ones of a series are said at once. When there are too many within
/// [`WINDOW`] the others are counted, and once in a window the last of them is said, with their number;
/// so the first and the last of a series are always there, and nothing is lost without a word.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    series: HashMap<u64, Series>,
}

/// Events of the same name and of the same subject.
#[derive(Debug)]
struct Series {
    /// When the window began.
    began: Instant,
    said: u32,
    /// Those that are held back: the last one, and how many there are.
    held: Option<(Entry, u64)>,
}

impl Repeats {
    /// The entry, if it is to be said now.
    pub(super) fn admit(&mut self, entry: Entry) -> Option<Entry> {
        if entry.kind().is_some_and(|kind| kind.always) {
            return Some(entry);
        }
        let mut subject = entry.subject();
        if self.series.len() >= MOST_SERIES && !self.series.contains_key(&subject) {
            // Too many to tell apart; of one name they have their series in common.
            subject = Entry { fields: Vec::new(), ..entry.clone() }.subject();
        }
        let series =
            self.series.entry(subject).or_insert(Series { began: entry.at, said: 0, held: None });
        if series.said < MOST_SAID {
            series.said += 1;
            return Some(entry);
        }
        let before = series.held.take().map_or(0, |(_, count)| count);
        series.held = Some((entry, before + 1));
        None
    }

    /// What was held back in windows that are over by `now`, oldest first. Series that went silent are
    /// forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Entry> {
        let mut due = Vec::new();
        self.series.retain(|_, series| {
            if now.saturating_duration_since(series.began) < WINDOW {
                return true;
            }
            let held = series.take(now);
            let goes_on = held.is_some();
            due.extend(held);
            goes_on
        });
        due.sort_by_key(|entry| entry.at);
        due
    }

    /// All that is held back, oldest first.
    pub(super) fn finish(&mut self) -> Vec<Entry> {
        let series = std::mem::take(&mut self.series).into_values();
        let mut held: Vec<_> = series
            .filter_map(|mut series| {
                let last = series.held.as_ref()?.0.at;
                series.take(last)
            })
            .collect();
        held.sort_by_key(|entry| entry.at);
        held
    }
}

impl Series {
    /// The last one of those that were held back, with the number of the others; another window begins.
    fn take(&mut self, now: Instant) -> Option<Entry> {
        let (mut entry, count) = self.held.take()?;
        if count > 1 {
            let seconds = now.saturating_duration_since(self.began).as_secs().max(1);
            entry.repeats = Some((count - 1, seconds));
        }
        self.began = now;
        Some(entry)
    }
}

/// Of a series, in one window, before it is held back.
const MOST_SAID: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Above what interfaces and targets make; then events of one name share a series.
const MOST_SERIES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::log::entry::Value;
    use crate::cli::log::logger::testing::entry;

    fn of(target: &str, number: u64, at: Instant) -> Entry {
        Entry {
            at,
            message: format!("{target}: {number}"),
            fields: vec![
                ("target", Value::Text(target.to_owned())),
                ("records", Value::Number(number)),
            ],
            ..entry("session-restored")
        }
    }

    #[test]
    fn the_first_are_said_at_once_and_the_last_with_the_number_of_the_others() {
        let mut repeats = Repeats::default();
        let start = entry("x").at;
        let at = |second| start + Duration::from_secs(second);
        let said: Vec<_> = (0..52).filter_map(|n| repeats.admit(of("a", n, at(n)))).collect();
        assert_eq!(said.len(), MOST_SAID as usize);
        assert!(repeats.admit(of("b", 0, at(52))).is_some(), "another target is another series");
        assert!(repeats.due(at(59)).is_empty());
        let [last] = &repeats.due(at(60))[..] else { panic!("one line a window") };
        assert_eq!(last.told(), "a: 51 (and 41 more of these in 60 s)");
        // It goes on: from now on a line a window.
        assert!((60..100).all(|n| repeats.admit(of("a", n, at(n))).is_none()));
        let [last] = &repeats.due(at(121))[..] else { panic!("one line a window") };
        assert_eq!(last.told(), "a: 99 (and 39 more of these in 61 s)");
        // And when it has been silent, it is new again.
        assert!(repeats.due(at(200)).is_empty());
        assert!(repeats.admit(of("a", 200, at(200))).is_some());
        assert!(repeats.due(at(300)).is_empty() && repeats.series.is_empty());
    }

    #[test]
    fn at_the_end_nothing_is_left_unsaid() {
        let mut repeats = Repeats::default();
        let start = entry("x").at;
        for number in 0..u64::from(MOST_SAID) + 1 {
            repeats.admit(of("b", number, start));
        }
        for number in 0..u64::from(MOST_SAID) + 5 {
            repeats.admit(of("a", number, start + Duration::from_secs(number)));
        }
        let said: Vec<_> = repeats.finish().iter().map(Entry::told).collect();
        assert_eq!(
            said,
            ["b: 10", "a: 14 (and 4 more of these in 14 s)"],
            "one alone is just said"
        );
        assert!(repeats.finish().is_empty());
    }

    #[test]
    fn memory_is_bounded_and_what_has_no_series_of_its_own_is_counted_too() {
        let mut repeats = Repeats::default();
        let start = entry("x").at;
        let all = 3 * MOST_SERIES as u64;
        let said =
            (0..all).filter_map(|n| repeats.admit(of(&n.to_string(), n, start))).count() as u64;
        assert_eq!(repeats.series.len(), MOST_SERIES + 1);
        let [last] = &repeats.finish()[..] else { panic!("one series in common") };
        assert_eq!(said + 1 + last.repeats.unwrap().0, all);
    }

    #[test]
    fn an_answer_is_never_held_back() {
        let mut repeats = Repeats::default();
        assert!((0..100).all(|_| repeats.admit(entry("configuration-reloaded")).is_some()));
    }
}
