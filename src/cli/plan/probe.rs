//! By a probe that runs: what it has counted in its last day.
//!
//! What it tells of its targets names none of them, and neither does this.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use crate::cli::args::PlanFormat;
use crate::cli::plan::figures::{self, DAY, float, spool_size, whole};
use crate::cli::plan::words::{configured, heading, octets, ratio, row, scaled, size, wrapped};
use crate::cli::summary::{grouped, spelled};
use crate::cli::telemetry;
use crate::export::octets_in_spool;
use crate::flow;
use crate::telemetry::{Address, Day, Minute, Status, Target, TargetDay};

/// Asks the probe, and says what follows from its answer.
pub(super) fn run(probe: &Address, outage: Duration, format: PlanFormat) -> anyhow::Result<()> {
    let status = telemetry::ask(probe)?;
    let report = Report { status: &status, day: &status.day, outage };
    if report.day.seconds < SHORTEST {
        bail!("the probe has only just begun: ask again in some minutes");
    }
    if report.day.packets == 0 {
        bail!("the probe received no packet: nothing can be planned");
    }
    let text = match format {
        PlanFormat::Table => report.text(),
        PlanFormat::Json => format!("{:#}\n", report.json()),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Everything that is told.
#[derive(Debug)]
struct Report<'a> {
    status: &'a Status,
    day: &'a Day,
    /// How long a Collector may be away.
    outage: Duration,
}

/// What a day of a target comes to.
#[derive(Debug)]
struct Estimate<'a> {
    target: &'a Target,
    /// Octets of Messages, at the mean rate.
    mean: f64,
    /// If every minute had as many records as the busiest; `None` of sums, which leave by intervals.
    busiest: Option<f64>,
    messages: f64,
    compression: Compression,
    /// Records that it has got were fewer than those it was given.
    is_behind: bool,
}

/// What zstd leaves of an octet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Compression {
    left: f64,
    /// In files of the probe, and not by captures.
    is_measured: bool,
}

impl Report<'_> {
    fn a_second(&self, count: u64) -> f64 {
        float(count) / self.day.seconds
    }

    fn minute(&self) -> Minute {
        self.day.busiest_minute.unwrap_or_default()
    }

    /// How many times the mean the busiest minute was.
    fn peak(&self) -> Option<f64> {
        let busiest = float(self.day.busiest_minute?.records) / 60.0;
        let mean = self.a_second(self.day.records);
        (mean > 0.0).then(|| (busiest / mean).max(1.0))
    }

    /// What the targets get; of those that get IPFIX.
    fn estimates(&self) -> Vec<Estimate<'_>> {
        let targets = self.status.targets.iter();
        targets.filter_map(|target| self.estimate(target)).collect()
    }

    fn estimate<'a>(&'a self, target: &'a Target) -> Option<Estimate<'a>> {
        if matches!(target.kind.as_str(), "json" | "null" | "own") {
            return None;
        }
        let day = self.day_of(target).filter(|day| day.seconds > 0.0)?;
        let a_day = DAY / day.seconds;
        let mean = float(day.message_octets) * a_day;
        let sums = target.levels.iter().any(|level| level == "statistical");
        Some(Estimate {
            target,
            mean,
            busiest: self.peak().filter(|_| !sums).map(|peak| peak * mean),
            messages: float(day.messages) * a_day,
            compression: self.compression(target),
            is_behind: !sums && float(day.sent_flows) < 0.99 * float(day.given_flows),
        })
    }

    fn day_of(&self, target: &Target) -> Option<&TargetDay> {
        self.day.targets.iter().find(|day| day.label == target.label)
    }

    /// As its own file has it, or one that is told the same, or captures.
    fn compression(&self, target: &Target) -> Compression {
        let alike = self.status.targets.iter().filter(|other| other.levels == target.levels);
        let measured = std::iter::once(target).chain(alike).find_map(|target| {
            let day = self.day_of(target)?;
            // Where nothing is compressed both are the same.
            let is_compressed = target.file_octets.is_some()
                && day.message_octets >= ENOUGH_TO_COMPRESS
                && day.file_octets != day.message_octets;
            is_compressed.then(|| float(day.file_octets) / float(day.message_octets))
        });
        let is_measured = measured.is_some();
        Compression { left: measured.unwrap_or(LEFT_IN_CAPTURES), is_measured }
    }

    /// Octets a day of all packets.
    fn full_capture(&self) -> f64 {
        let a_day = DAY / self.day.seconds;
        figures::full_capture(figures::Day {
            records: 0.0,
            packets: float(self.day.packets) * a_day,
            octets: float(self.day.octets) * a_day,
            is_busiest: false,
        })
    }

    fn max_flows(&self) -> u64 {
        figures::cache_for(self.status.cache.peak)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_traffic(&mut text);
        let estimates = self.estimates();
        for estimate in &estimates {
            let _ = self.write_target(estimate, &mut text);
        }
        let _ = self.write_advice(&estimates, &mut text);
        let doubts = self.doubts(&estimates);
        if !doubts.is_empty() {
            text.push_str("\nUncertain, because\n");
            doubts.iter().for_each(|doubt| wrapped(doubt, &mut text));
        }
        text
    }

    fn write_traffic(&self, text: &mut String) -> std::fmt::Result {
        let day = self.day;
        let time = spelled(Duration::from_secs(whole(day.seconds)));
        writeln!(text, "Counted by the probe in its last {time}")?;
        writeln!(text, "{:<36}{:>14}{:>20}", "", "mean", "busiest minute")?;
        let Minute { packets, octets, records, flows } = self.minute();
        for (name, factor, count, most) in [
            ("packets a second", 1.0, day.packets, packets),
            ("bits a second", 8.0, day.octets, octets),
            ("new flows a second", 1.0, day.flows, flows),
            ("flow records a second", 1.0, day.records, records),
        ] {
            let mean = scaled(factor * self.a_second(count));
            let most = match day.busiest_minute {
                Some(_) => scaled(factor * float(most) / 60.0),
                None => "-".to_owned(),
            };
            writeln!(text, "  {name:<34}{mean:>14}{most:>20}")?;
        }
        let alive = grouped(self.status.cache.peak);
        writeln!(text, "  {:<34}{alive:>34}  since it began", "flows in the cache, peak")
    }

    fn write_target(&self, estimate: &Estimate<'_>, text: &mut String) -> std::fmt::Result {
        let Estimate { target, mean, busiest, compression, .. } = estimate;
        heading(named(target), text)?;
        row("exported, at the mean rate", *mean, text)?;
        if let Some(busiest) = busiest {
            row("  every minute as the busiest", *busiest, text)?;
        }
        let left = compression.left;
        let how = if compression.is_measured { "measured" } else { "about" };
        row(&format!("stored with zstd, {how} {left:.2}"), left * mean, text)?;
        let full = self.full_capture();
        row("a full packet capture instead", full, text)?;
        let (raw, zstd) = (ratio(full, *mean), ratio(full, left * mean));
        writeln!(text, "  IPFIX takes {raw} of a full capture, with zstd {zstd}")
    }

    fn write_advice(&self, estimates: &[Estimate<'_>], text: &mut String) -> std::fmt::Result {
        let flows = self.max_flows();
        writeln!(text, "\nConfigure")?;
        writeln!(
            text,
            "  {:<32}twice the peak number of flows; {} of memory when full",
            format!("--max-flows {flows}"),
            octets(float(flow::most_octets(flows)))
        )?;
        let maximum = self.status.cache.maximum;
        configured(format_args!("max_flows {}", grouped(maximum)), maximum >= flows, text)?;
        let outage = spelled(self.outage);
        for estimate in estimates {
            let Some(needed) = self.spool(estimate) else { continue };
            writeln!(
                text,
                "  {:<32}an outage of {outage} {}, plus 20 %: target {}",
                format!("--spool-size {}", size(needed)),
                match estimate.busiest {
                    Some(_) => "at the peak rate",
                    None => "at the mean rate",
                },
                estimate.target.label
            )?;
            match estimate.target.spool.map(|spool| spool.maximum_octets) {
                Some(has) => configured(format_args!("size {}", size(has)), has >= needed, text)?,
                None => configured(format_args!("no spool"), false, text)?,
            }
        }
        Ok(())
    }

    /// `--spool-size`; `None` for files.
    fn spool(&self, estimate: &Estimate<'_>) -> Option<u64> {
        estimate.target.connected?;
        let part = self.outage.as_secs_f64() / DAY;
        let times = estimate.busiest.map_or(1.0, |busiest| busiest / estimate.mean.max(1.0));
        let octets = whole(estimate.mean * times * part);
        let messages = whole(estimate.messages * times * part);
        Some(spool_size(float(octets_in_spool(octets, messages))))
    }

    fn doubts(&self, estimates: &[Estimate<'_>]) -> Vec<String> {
        let Day { seconds, drops, .. } = *self.day;
        let mut doubts = Vec::new();
        if seconds < DAY - 60.0 {
            doubts.push(
                "less than a day was counted: nights, weekends and growth are not in it".to_owned(),
            );
        } else {
            doubts.push("a day was counted: weekends and growth are not in it".to_owned());
        }
        if seconds < LONG_ENOUGH {
            doubts.push(format!("{seconds:.0} s were counted: ask again in some minutes"));
        }
        if drops > 0 {
            doubts.push(format!("{drops} packets were dropped: everything is understated"));
        }
        for Estimate { target, .. } in estimates.iter().filter(|estimate| estimate.is_behind) {
            doubts.push(format!(
                "{} was sent fewer records than it was given: what it gets is understated",
                named(target)
            ));
        }
        if self.status.cache.peak >= self.status.cache.maximum {
            doubts.push(
                "the cache was full: the peak of flows is understated, records are overstated"
                    .to_owned(),
            );
        }
        let sums = |it: &Estimate<'_>| it.busiest.is_none() && self.day.busiest_minute.is_some();
        if estimates.iter().any(sums) {
            doubts.push(
                "sums leave once an interval: of a day there should be some of them".to_owned(),
            );
        }
        if estimates.iter().any(|estimate| !estimate.compression.is_measured) {
            doubts.push(format!(
                "no file of the probe with the same privacy is compressed, or less than 1 MB was: \
                 {LEFT_IN_CAPTURES} of the octets is more than zstd left of the records of any \
                 capture that was tried (0.2 to 0.33); flowtap plan FILE and flowtap plan --live \
                 measure it"
            ));
        }
        if self.day_is_of_udp(estimates) {
            doubts.push(
                "over UDP templates are sent again and again, which a collector need not keep"
                    .to_owned(),
            );
        }
        doubts
    }

    fn day_is_of_udp(&self, estimates: &[Estimate<'_>]) -> bool {
        estimates.iter().any(|estimate| estimate.target.kind == "udp")
    }

    fn json(&self) -> Value {
        let day = self.day;
        let minute = |read: fn(Minute) -> u64, factor: f64| {
            day.busiest_minute.map(|minute| factor * float(read(minute)) / 60.0)
        };
        let rate = |count: u64, read: fn(Minute) -> u64, factor: f64| {
            let mean = factor * self.a_second(count);
            json!({ "mean": mean, "busiest_minute": minute(read, factor) })
        };
        let estimates = self.estimates();
        json!({
            "seconds": day.seconds,
            "packets": day.packets,
            "octets": day.octets,
            "dropped_packets": day.drops,
            "flows": day.flows,
            "flow_records": day.records,
            "packets_per_second": rate(day.packets, |it| it.packets, 1.0),
            "bits_per_second": rate(day.octets, |it| it.octets, 8.0),
            "new_flows_per_second": rate(day.flows, |it| it.flows, 1.0),
            "flow_records_per_second": rate(day.records, |it| it.records, 1.0),
            "most_flows_alive": self.status.cache.peak,
            "configure": {
                "max_flows": self.max_flows(),
                "max_flows_memory_octets": flow::most_octets(self.max_flows()),
                "outage_seconds": self.outage.as_secs_f64(),
            },
            "configured": { "max_flows": self.status.cache.maximum },
            "targets": estimates.iter().map(|one| self.target(one)).collect::<Vec<_>>(),
            "uncertain": self.doubts(&estimates),
        })
    }

    fn target(&self, estimate: &Estimate<'_>) -> Value {
        let Estimate { target, mean, busiest, compression, .. } = estimate;
        let full = self.full_capture();
        let a_day = |octets: f64| {
            let kept = |days: f64| {
                let zstd = compression.left * octets;
                json!({ "raw": whole(octets * days), "zstd": whole(zstd * days) })
            };
            json!({
                "exported_octets": whole(octets),
                "stored_octets": { "1": kept(1.0), "90": kept(90.0), "180": kept(180.0) },
            })
        };
        json!({
            "target": target.label,
            "kind": target.kind,
            "levels": target.levels,
            "day_at_mean": a_day(*mean),
            "day_at_busiest_minute": busiest.map(a_day),
            "zstd_leaves": compression.left,
            "zstd_is_measured": compression.is_measured,
            "full_packet_capture_octets_a_day": whole(full),
            "full_packet_capture_to_stored": {
                "raw": full / mean.max(1.0),
                "zstd": full / (compression.left * mean).max(1.0),
            },
            "spool_size": self.spool(estimate),
            "configured_spool_size": target.spool.map(|spool| spool.maximum_octets),
        })
    }
}

/// As a probe calls its targets.
fn named(target: &Target) -> String {
    let Target { label, kind, levels, .. } = target;
    format!("target {label} ({kind}, {})", levels.join("; "))
}

/// Of less no rate can be made.
const SHORTEST: f64 = 1.0;
/// Of less a rate is one of the moment.
const LONG_ENOUGH: f64 = 600.0;
/// Two frames of zstd in a live file.
const ENOUGH_TO_COMPRESS: u64 = 1_000_000;
/// What `flowtap plan` measured of captures, real and made, was 0.20 to 0.28, and up to 0.33 with
/// pseudonyms.
const LEFT_IN_CAPTURES: f64 = 0.35;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Cache, Spool};

    fn target(label: &str, kind: &str, level: &str) -> Target {
        Target {
            label: label.to_owned(),
            kind: kind.to_owned(),
            levels: vec![level.to_owned()],
            connected: (kind != "file").then_some(true),
            file_octets: (kind == "file").then_some(0),
            ..Target::default()
        }
    }

    fn day(label: &str, octets: u64, file_octets: u64) -> TargetDay {
        TargetDay {
            label: label.to_owned(),
            seconds: 864.0,
            messages: octets / 1_000,
            message_octets: octets,
            file_octets,
            ..TargetDay::default()
        }
    }

    /// A hundredth of a day of a probe.
    fn status() -> Status {
        let minute = Minute { packets: 12_000, octets: 6_000_000, records: 1_200, flows: 600 };
        Status {
            cache: Cache { flows: 10, peak: 700, maximum: 1_000, begun: 5_000 },
            targets: vec![
                Target {
                    spool: Some(Spool { maximum_octets: 1_000_000_000, ..Spool::default() }),
                    ..target("1", "tcp", "as-is")
                },
                target("2", "file", "as-is"),
                target("3", "tls", "statistical"),
                target("4", "json", "as-is"),
            ],
            day: Day {
                seconds: 864.0,
                packets: 86_400,
                octets: 43_200_000,
                drops: 0,
                records: 8_640,
                flows: 4_320,
                busiest_minute: Some(minute),
                targets: vec![
                    day("1", 2_000_000, 0),
                    day("2", 2_000_000, 500_000),
                    day("3", 10_000, 0),
                    day("4", 5_000_000, 5_000_000),
                ],
            },
            ..Status::default()
        }
    }

    fn told(status: &Status) -> Value {
        Report { status, day: &status.day, outage: Duration::from_secs(86_400) }.json()
    }

    #[test]
    fn a_day_is_reckoned_from_what_was_counted() {
        let told = told(&status());
        assert_eq!(told["packets_per_second"], json!({ "mean": 100.0, "busiest_minute": 200.0 }));
        assert_eq!(told["bits_per_second"]["mean"], 400_000.0);
        assert_eq!(told["new_flows_per_second"], json!({ "mean": 5.0, "busiest_minute": 10.0 }));
        assert_eq!(told["configure"]["max_flows"], 1_400);
        let [first, file, sums] = [0, 1, 2].map(|place| &told["targets"][place]);
        assert_eq!(told["targets"].as_array().unwrap().len(), 3, "JSON is no IPFIX");
        assert_eq!(first["day_at_mean"]["exported_octets"], 200_000_000);
        assert_eq!(first["day_at_mean"]["stored_octets"]["90"]["raw"], 18_000_000_000_u64);
        // The busiest minute had twice as many records as the mean one.
        assert_eq!(first["day_at_busiest_minute"]["exported_octets"], 400_000_000);
        assert_eq!(sums["day_at_mean"]["exported_octets"], 1_000_000);
        assert!(sums["day_at_busiest_minute"].is_null(), "sums do not go by flows");
        // 16 octets before each packet.
        assert_eq!(first["full_packet_capture_octets_a_day"], 4_320_000_000_u64 + 16 * 8_640_000);
        // Half a day's head room, and what a spool adds.
        let spool = first["spool_size"].as_u64().unwrap();
        assert!((480_000_000..560_000_000).contains(&spool), "{spool}");
        assert_eq!(first["configured_spool_size"], 1_000_000_000);
        assert!(file["spool_size"].is_null());
    }

    #[test]
    fn compression_is_measured_where_the_same_is_compressed_and_else_said_to_be_a_guess() {
        let mut status = status();
        let told_now = told(&status);
        let left = |told: &Value, place: usize| {
            let target = &told["targets"][place];
            (target["zstd_leaves"].as_f64().unwrap(), target["zstd_is_measured"] == true)
        };
        assert_eq!(
            [0, 1, 2].map(|place| left(&told_now, place)),
            [(0.25, true), (0.25, true), (0.35, false)]
        );
        // A file that is not compressed measures nothing.
        status.day.targets[1].file_octets = 2_000_000;
        assert_eq!(left(&told(&status), 0), (0.35, false));
        assert!(told(&status)["uncertain"].to_string().contains("0.35 of the octets"));
    }

    #[test]
    fn what_makes_it_uncertain_is_said() {
        let mut status = status();
        (status.day.drops, status.cache.peak) = (7, 1_000);
        (status.day.targets[0].given_flows, status.day.targets[0].sent_flows) = (100, 50);
        let report = Report { status: &status, day: &status.day, outage: Duration::from_secs(60) };
        let text = report.text();
        for doubt in [
            "less than a day",
            "7 packets were dropped",
            "target 1 (tcp, as-is) was sent fewer",
            "the cache was full",
        ] {
            assert!(
                text.split_whitespace().collect::<Vec<_>>().join(" ").contains(doubt),
                "{doubt} in {text}"
            );
        }
        assert!(text.contains("max_flows 1,000, TOO LITTLE") && text.contains("size 1G, enough"));
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
