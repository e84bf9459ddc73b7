//! From what was measured to what will be: a day, what is kept of it, and what to configure.

use std::time::Duration;

use crate::cli::plan::flows::Flows;
use crate::cli::plan::targets::Planned;
use crate::export::{Counted, octets_in_spool};
use crate::pipeline::{Ledger, Traffic};

/// What a run has shown of the traffic.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) ledger: Ledger,
    pub(super) traffic: Traffic,
    pub(super) flows: Flows,
    /// What rates are of.
    pub(super) seconds: f64,
    /// Watched on an interface: what was sent again is in the figures, and so is each half-full
    /// Message.
    pub(super) is_live: bool,
    pub(super) active_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_flows: usize,
}

/// A day that goes on as something that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    /// Of Flow Records as they leave the cache.
    pub(super) records: f64,
    /// Frames.
    pub(super) packets: f64,
    /// Octets of them on the wire.
    pub(super) octets: f64,
    /// It goes on as what was busiest, and not as the mean.
    pub(super) is_busiest: bool,
}

/// How sums over classes of Flows leave: by intervals, however many Flows there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// They leave once in this time.
    pub(super) interval: Duration,
    /// Intervals in which there was anything.
    pub(super) intervals: u64,
    /// Classes that were told, of all intervals.
    pub(super) told: u64,
    /// Of the one that told most.
    pub(super) most: u64,
}

impl Sums {
    /// Intervals that what was counted is of; one that was seen in part is one.
    pub(super) fn seen(&self, seconds: f64) -> f64 {
        (seconds / self.interval.as_secs_f64()).max(float(self.intervals)).max(1.0)
    }

    /// How many times what was counted in so many seconds there is on such a day.
    fn times(&self, seconds: f64, day: Day) -> f64 {
        let a_day = DAY / self.interval.as_secs_f64();
        match day.is_busiest && self.told > 0 {
            true => a_day * float(self.most) / float(self.told),
            false => a_day / self.seen(seconds),
        }
    }
}

impl Seen {
    /// A day at the mean rate.
    pub(super) fn mean_day(&self) -> Day {
        let factor = DAY / self.seconds;
        Day {
            records: float(self.flows.records) * factor,
            packets: float(self.ledger.received_packets) * factor,
            octets: float(self.ledger.received_octets) * factor,
            is_busiest: false,
        }
    }

    /// A day of which every minute is as the busiest; `None` where not even one whole minute of UTC
    /// was surely seen.
    pub(super) fn busiest_day(&self) -> Option<Day> {
        let [packets, octets] = self.traffic.minutes.most();
        let [records] = self.flows.records_by_minute.most();
        let day = |most| float(most) * MINUTES_A_DAY;
        let busiest = Day {
            records: day(records),
            packets: day(packets),
            octets: day(octets),
            is_busiest: true,
        };
        // A part of a minute may have more than the mean, and never less than it had.
        let mean = self.mean_day();
        (self.seconds >= LONG_ENOUGH).then(|| Day {
            records: busiest.records.max(mean.records),
            packets: busiest.packets.max(mean.packets),
            octets: busiest.octets.max(mean.octets),
            ..busiest
        })
    }

    /// `--max-flows` with as many again as were ever alive.
    pub(super) fn max_flows(&self) -> u64 {
        let (alive, _) = self.flows.most_alive;
        cache_for(alive)
    }

    /// What makes the figures uncertain.
    pub(super) fn doubts(&self) -> Vec<String> {
        let Self { ledger, traffic, flows, seconds, .. } = self;
        let mut doubts = Vec::new();
        let mut doubt = |text: String| doubts.push(text);
        let (active, idle) = (self.active_timeout.as_secs_f64(), self.idle_timeout.as_secs_f64());
        if *seconds < active {
            doubt(format!(
                "{seconds:.1} s are less than the active timeout ({active} s): no flow was long \
                 enough for a second record, so records of long flows are not in proportion; flows \
                 alive are understated"
            ));
        } else if *seconds < 10.0 * active {
            doubt(format!(
                "{seconds:.0} s are less than ten active timeouts ({active} s): long flows are cut \
                 at both ends, and tell little of records a day"
            ));
        }
        if *seconds < idle {
            doubt(format!(
                "{seconds:.1} s are less than the idle timeout ({idle} s): the cache would hold more \
                 flows after it"
            ));
        }
        let cut_off = float(flows.cut_off) / float(flows.records.max(1));
        if cut_off > 0.1 {
            doubt(format!(
                "{:.0} % of the flow records ended because the observation did: in a long run these \
                 flows go on, and there are fewer records",
                100.0 * cut_off
            ));
        }
        if flows.crowded_out > 0 {
            doubt(format!(
                "the cache was full ({} flows): the peak of flows is understated, records are overstated; \
                 use a larger --max-flows for planning",
                self.max_flows
            ));
        }
        if traffic.in_part > 0 && !self.is_live {
            doubt(format!(
                "{} frames were captured in part: their lengths on the wire count, but headers that \
                 were cut off are missing in flows",
                traffic.in_part
            ));
        }
        let ignored = ledger.ignored_packets();
        if float(ignored) > 0.01 * float(ledger.received_packets) {
            doubt(format!("{ignored} packets are in no flow (see the ledger of flowtap replay)"));
        }
        if ledger.drops.kernel > 0 {
            doubt(format!(
                "the kernel dropped {} packets: everything is understated",
                ledger.drops.kernel
            ));
        }
        let busy = float(traffic.seconds.units());
        if *seconds > 60.0 && busy < 0.5 * seconds {
            doubt(format!(
                "there are packets in {busy} of {seconds:.0} seconds only: the mean counts the \
                 silence between"
            ));
        }
        if ledger.clock_steps > 0 {
            doubt("the clock of the capture was set back: rates are uncertain".to_owned());
        }
        if *seconds < DAY {
            doubt("less than a day was seen: nights, weekends and growth are not in it".to_owned());
        }
        doubts
    }
}

impl Planned {
    /// Octets of IPFIX that the Collector receives on such a day; `None` for files.
    pub(super) fn exported(&self, seen: &Seen, day: Day) -> Option<f64> {
        let counted = &self.sent?;
        let again = DAY / self.options_refresh.as_secs_f64().max(1.0);
        let templates =
            self.template_refresh.map_or(1.0, |refresh| DAY / refresh.as_secs_f64().max(1.0));
        let described = float(counted.template_octets) * templates
            + float(counted.options_octets) / seen.tellings(self.options_refresh) * again;
        Some(self.flow_octets(seen, counted, day) + described)
    }

    /// How many times what was counted there is on such a day.
    fn times(&self, seen: &Seen, day: Day) -> f64 {
        match &self.sums {
            Some(sums) => sums.times(seen.seconds, day),
            None => day.records / float(seen.flows.records.max(1)),
        }
    }

    /// Octets of Flow Records in their Messages: as measured, and a Message more wherever there would
    /// be too few records to fill one in time.
    fn flow_octets(&self, seen: &Seen, counted: &Counted, day: Day) -> f64 {
        let (octets, messages) = self.flow_messages(seen, counted, day);
        let full = float(counted.flow_messages) * self.times(seen, day);
        octets + (messages - full).max(0.0) * MESSAGE_OVERHEAD
    }

    /// Octets of Flow Records on such a day if every Message were as full as those that were counted,
    /// and how many Messages there are.
    fn flow_messages(&self, seen: &Seen, counted: &Counted, day: Day) -> (f64, f64) {
        let factor = self.times(seen, day);
        let measured = float(counted.flow_messages) * factor;
        // Sums leave all at once.
        let in_time = match self.sums {
            Some(_) => 0.0,
            None => (day.records / DAY).min(1.0 / FLUSH_TIMEOUT) * DAY,
        };
        (float(counted.flow_octets) * factor, measured.max(in_time))
    }

    /// Octets of IPFIX files that hold such a day, as they are and compressed.
    pub(super) fn stored(&self, seen: &Seen, day: Day) -> (f64, f64) {
        let raw = &self.raw;
        let factor = self.times(seen, day);
        let files = self.rotate.map_or(1.0, |period| DAY / period.as_secs_f64().max(1.0));
        let described = float(raw.template_octets + raw.options_octets) * files;
        let octets = float(raw.flow_octets) * factor + described;
        (octets, octets * self.compression())
    }

    /// What zstd leaves of an octet.
    pub(super) fn compression(&self) -> f64 {
        float(self.zstd.octets) / float(self.raw.octets.max(1))
    }

    /// Octets on disk for an outage of this length on such a day; `None` for files.
    pub(super) fn spooled(&self, seen: &Seen, day: Day, outage: Duration) -> Option<f64> {
        let counted = &self.sent?;
        let part = outage.as_secs_f64() / DAY;
        let (octets, messages) = self.flow_messages(seen, counted, day);
        let full = float(counted.flow_messages) * self.times(seen, day);
        let sets = (octets - full * MESSAGE_HEADER + (messages - full).max(0.0) * 4.0).max(0.0);
        Some(float(octets_in_spool(whole(sets * part), whole(messages * part))))
    }
}

impl Seen {
    /// How often options records were told while we looked: a replay tells them once.
    fn tellings(&self, refresh: Duration) -> f64 {
        match self.is_live {
            true => 1.0 + (self.seconds / refresh.as_secs_f64().max(1.0)).floor(),
            false => 1.0,
        }
    }
}

/// `--max-flows` for so many Flows and as many again.
pub(super) fn cache_for(alive: u64) -> u64 {
    round_up(alive.saturating_mul(2)).clamp(SMALLEST_CACHE, LARGEST_CACHE)
}

/// `--spool-size` for so many octets, with a fifth of head room.
pub(super) fn spool_size(octets: f64) -> u64 {
    round_up(whole(octets * 1.2)).max(1_000_000)
}

/// Octets of a pcap file with these packets whole: what a full packet capture takes.
pub(super) fn full_capture(day: Day) -> f64 {
    day.octets + day.packets * PCAP_RECORD_HEADER
}

/// The next number with two digits and zeros.
fn round_up(number: u64) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10().saturating_sub(1));
    number.div_ceil(unit).saturating_mul(unit)
}

#[expect(clippy::cast_precision_loss, reason = "figures for planning")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for planning, and none below zero"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;
const MINUTES_A_DAY: f64 = 1_440.0;
/// In two minutes there is a whole one, wherever they begin.
const LONG_ENOUGH: f64 = 120.0;
/// What `export` lets a record wait for its Message to fill.
const FLUSH_TIMEOUT: f64 = 0.5;
/// RFC 7011 §3.1, §3.3.2: the header of a Message, and with that of a Data Set.
const MESSAGE_HEADER: f64 = 16.0;
const MESSAGE_OVERHEAD: f64 = 20.0;
/// Of each packet in a pcap file.
const PCAP_RECORD_HEADER: f64 = 16.0;
const SMALLEST_CACHE: u64 = 1_000;
/// What `--max-flows` takes.
const LARGEST_CACHE: u64 = 128_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_leave_by_intervals_however_long_was_looked() {
        let sums = |intervals, told, most| Sums {
            interval: Duration::from_secs(60),
            intervals,
            told,
            most,
        };
        let day = |is_busiest| Day { records: 1e9, packets: 1e9, octets: 1e12, is_busiest };
        // Ten seconds are one interval of 1,440, if they are not of two.
        assert!((sums(1, 7, 7).times(10.0, day(false)) - 1_440.0).abs() < 1e-9);
        assert!((sums(2, 9, 7).times(10.0, day(false)) - 720.0).abs() < 1e-9);
        // Intervals without a flow say nothing.
        assert!((sums(3, 9, 5).times(600.0, day(false)) - 144.0).abs() < 1e-9);
        // Each as the one that told five of nine.
        assert!((sums(3, 9, 5).times(600.0, day(true)) - 800.0).abs() < 1e-9);
        assert!((sums(1, 0, 0).times(60.0, day(true)) - 1_440.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_to_be_configured_is_round_and_large_enough() {
        let rounded = [0, 1, 99, 100, 101, 1_234, 1_000_001].map(round_up);
        assert_eq!(rounded, [0, 1, 99, 100, 110, 1_300, 1_100_000]);
        assert_eq!(spool_size(1.0), 1_000_000);
        assert_eq!(spool_size(1_000_000_000.0), 1_200_000_000);
    }
}
