//! The last day in sums, for whoever plans by it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sums over the last day, or over the time since metering began if that is shorter; to the minute.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Day {
    /// How long it is.
    pub seconds: f64,
    /// Frames received.
    pub packets: u64,
    /// Their octets on the wire.
    pub octets: u64,
    /// Frames dropped.
    pub drops: u64,
    /// Flow Records that left the cache.
    pub records: u64,
    /// Flows that began.
    pub flows: u64,
    /// The most of each in a minute; `None` before the first is over.
    pub busiest_minute: Option<Minute>,
    /// The same of targets that there are.
    pub targets: Vec<TargetDay>,
}

/// What was most in any minute, each by itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Minute {
    /// Frames received.
    pub packets: u64,
    /// Their octets on the wire.
    pub octets: u64,
    /// Flow Records that left the cache.
    pub records: u64,
    /// Flows that began.
    pub flows: u64,
}

/// The last day of a target, or the time since it is one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct TargetDay {
    /// Its place among the targets.
    pub label: String,
    /// How long it is.
    pub seconds: f64,
    /// Data Records that it was given.
    pub given_flows: u64,
    /// Data Records that reached it.
    pub sent_flows: u64,
    /// Messages sent.
    pub messages: u64,
    /// Their octets.
    pub message_octets: u64,
    /// Octets that became of them in files.
    pub file_octets: u64,
}

/// What was counted up to one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// On a clock that only goes forward.
    pub(super) at: Duration,
    pub(super) packets: u64,
    pub(super) octets: u64,
    pub(super) drops: u64,
    pub(super) records: u64,
    pub(super) flows: u64,
    pub(super) targets: Vec<TargetSample>,
}

/// What was counted of a target.
#[derive(Clone, Debug)]
pub(super) struct TargetSample {
    pub(super) label: Arc<str>,
    pub(super) given: u64,
    pub(super) sent: u64,
    pub(super) messages: u64,
    pub(super) message_octets: u64,
    pub(super) file_octets: u64,
}

/// A sample for each minute of the last day.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    samples: VecDeque<Sample>,
    busiest: Option<Minute>,
}

impl Minutes {
    /// Takes what is counted by now, and tells of the day up to now.
    pub(super) fn look(&mut self, now: Sample) -> Day {
        let Some(last) = self.samples.back() else {
            self.samples.push_back(now);
            return Day::default();
        };
        let is_minute = now.at.saturating_sub(last.at) >= MINUTE;
        let first = self.samples.front().unwrap_or(last);
        let seconds = |since: Duration| now.at.saturating_sub(since).as_secs_f64();
        let mut day = Day {
            seconds: seconds(first.at),
            packets: now.packets.saturating_sub(first.packets),
            octets: now.octets.saturating_sub(first.octets),
            drops: now.drops.saturating_sub(first.drops),
            records: now.records.saturating_sub(first.records),
            flows: now.flows.saturating_sub(first.flows),
            busiest_minute: None,
            targets: now.targets.iter().map(|target| self.day_of(target, seconds)).collect(),
        };
        if is_minute {
            self.samples.push_back(now);
            while self.samples.len() > MINUTES_A_DAY + 1 {
                self.samples.pop_front();
            }
            self.busiest = self.busiest();
        }
        day.busiest_minute = self.busiest;
        day
    }

    fn day_of(&self, now: &TargetSample, seconds: impl Fn(Duration) -> f64) -> TargetDay {
        // It may have come with a new configuration.
        let first = self.samples.iter().find_map(|sample| {
            let mut targets = sample.targets.iter();
            Some((sample.at, targets.find(|target| target.label == now.label)?))
        });
        let label = now.label.to_string();
        let Some((at, first)) = first else { return TargetDay { label, ..TargetDay::default() } };
        TargetDay {
            label,
            seconds: seconds(at),
            given_flows: now.given.saturating_sub(first.given),
            sent_flows: now.sent.saturating_sub(first.sent),
            messages: now.messages.saturating_sub(first.messages),
            message_octets: now.message_octets.saturating_sub(first.message_octets),
            file_octets: now.file_octets.saturating_sub(first.file_octets),
        }
    }

    fn busiest(&self) -> Option<Minute> {
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        let minutes = pairs.map(|(before, after)| {
            // A look may come late.
            let time = after.at.saturating_sub(before.at).max(MINUTE);
            let of = |read: fn(&Sample) -> u64| {
                let count = u128::from(read(after).saturating_sub(read(before)));
                let a_minute = count * MINUTE.as_millis() / time.as_millis();
                u64::try_from(a_minute).unwrap_or(u64::MAX)
            };
            Minute {
                packets: of(|it| it.packets),
                octets: of(|it| it.octets),
                records: of(|it| it.records),
                flows: of(|it| it.flows),
            }
        });
        minutes.reduce(|one, other| Minute {
            packets: one.packets.max(other.packets),
            octets: one.octets.max(other.octets),
            records: one.records.max(other.records),
            flows: one.flows.max(other.flows),
        })
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Samples of some 100 octets, and as many more for each target.
const MINUTES_A_DAY: usize = 1_440;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: u64, count: u64, targets: &[(&str, u64)]) -> Sample {
        let target = |&(label, octets): &(&str, u64)| TargetSample {
            label: label.into(),
            given: 0,
            sent: 0,
            messages: 0,
            message_octets: octets,
            file_octets: 0,
        };
        Sample {
            at: Duration::from_secs(second),
            packets: count,
            targets: targets.iter().map(target).collect(),
            ..Sample::default()
        }
    }

    #[test]
    fn a_day_goes_as_far_back_as_metering_and_no_further_than_a_day() {
        let mut minutes = Minutes::default();
        assert_eq!(minutes.look(sample(0, 5, &[])), Day::default());
        let day = minutes.look(sample(59, 105, &[]));
        assert_eq!((day.seconds, day.packets, day.busiest_minute), (59.0, 100, None));
        for minute in 1..=3_000 {
            minutes.look(sample(60 * minute, 10 * minute, &[]));
        }
        let day = minutes.look(sample(60 * 3_000 + 30, 30_007, &[]));
        assert_eq!((day.seconds, day.packets), (86_430.0, 14_407));
        assert!(minutes.samples.len() <= MINUTES_A_DAY + 1);
    }

    #[test]
    fn the_busiest_minute_is_one_of_the_day_and_is_forgotten_with_it() {
        let mut minutes = Minutes::default();
        minutes.look(sample(0, 0, &[]));
        minutes.look(sample(60, 10, &[]));
        minutes.look(sample(120, 1_010, &[]));
        // Late: two minutes of 300 packets each.
        let day = minutes.look(sample(240, 1_610, &[]));
        assert_eq!(day.busiest_minute.map(|it| it.packets), Some(1_000));
        let mut last = day;
        for minute in 5..=1_600 {
            last = minutes.look(sample(60 * minute, 1_610, &[]));
        }
        assert_eq!(last.busiest_minute.map(|it| it.packets), Some(0));
    }

    #[test]
    fn a_target_that_came_later_has_a_shorter_day() {
        let mut minutes = Minutes::default();
        minutes.look(sample(0, 0, &[("1", 100)]));
        minutes.look(sample(60, 0, &[("1", 200), ("2", 0)]));
        let day = minutes.look(sample(90, 0, &[("2", 50), ("3", 9)]));
        let told = day.targets.iter().map(|it| (it.label.as_str(), it.seconds, it.message_octets));
        assert_eq!(told.collect::<Vec<_>>(), [("2", 30.0, 50), ("3", 0.0, 0)]);
    }
}
