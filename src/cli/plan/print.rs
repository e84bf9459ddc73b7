//! The figures for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::plan::figures::{Day, Seen, float, full_capture, spool_size, whole};
use crate::cli::plan::targets::Planned;
use crate::cli::plan::wanted::Configured;
use crate::cli::plan::words::{
    configured, decimal, heading, octets, ratio, row, scaled, size, time, wrapped,
};
use crate::cli::summary::{grouped, spelled};
use crate::export::{Counted, Target};
use crate::flow;

/// Everything that is told.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) seen: &'a Seen,
    pub(super) planned: &'a [Planned],
    /// How long a Collector may be away.
    pub(super) outage: Duration,
    /// What the configuration sets aside, if there is one.
    pub(super) configured: Option<Configured>,
    /// A filter that a probe would have had in the kernel, and files have not gone through.
    pub(super) filter: Option<String>,
}

impl Report<'_> {
    /// A table.
    pub(super) fn text(&self) -> String {
        let planned = self.planned;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_traffic(&mut text);
        for one in planned {
            let _ = self.write_target(one, &mut text);
        }
        let _ = self.write_advice(&mut text);
        let doubts = self.doubts();
        if !doubts.is_empty() {
            text.push_str("\nUncertain, because\n");
            doubts.iter().for_each(|doubt| wrapped(doubt, &mut text));
        }
        text
    }

    fn write_traffic(&self, text: &mut String) -> std::fmt::Result {
        let Seen { ledger, traffic, flows, seconds, .. } = self.seen;
        let rate = |count: u64| float(count) / seconds;
        let [packets, octets] = traffic.seconds.most();
        let [new] = flows.new_by_second.most();
        let [records] = flows.records_by_minute.most();
        if let Some((first, last)) = traffic.period {
            let (first, last) = (time(first.as_secs()), time(last.as_secs()));
            writeln!(text, "Seen {first} to {last}, {} s", decimal(*seconds))?;
        }
        writeln!(text, "{:<36}{:>14}{:>20}", "", "mean", "busiest second")?;
        let mut row = |name: &str, mean: f64, most: f64| {
            writeln!(text, "  {name:<34}{:>14}{:>20}", scaled(mean), scaled(most))
        };
        row("packets a second", rate(ledger.received_packets), float(packets))?;
        row("bits a second", 8.0 * rate(ledger.received_octets), 8.0 * float(octets))?;
        row("new flows a second", rate(flows.new), float(new))?;
        let mean = scaled(rate(flows.records));
        write!(text, "  {:<34}{mean:>14}", "flow records a second")?;
        // Of less than a minute there is no busiest one.
        if *seconds >= 60.0 {
            write!(text, "{:>20}  (busiest minute)", scaled(float(records) / 60.0))?;
        }
        writeln!(text)?;
        let (alive, second) = flows.most_alive;
        let (alive, at) = (grouped(alive), time(second));
        writeln!(text, "  {:<34}{alive:>34}  at {at}", "flows in the cache, peak")
    }

    fn write_target(&self, planned: &Planned, text: &mut String) -> std::fmt::Result {
        let seen = self.seen;
        let mean = seen.mean_day();
        heading(named(&planned.target), text)?;
        let mut row = |name: &str, day: f64| row(name, day, text);
        let busiest = seen.busiest_day();
        let as_busiest = match planned.sums {
            Some(_) => "  every interval as the busiest",
            None => "  every minute as the busiest",
        };
        if let Some(sent) = planned.exported(seen, mean) {
            row("exported, at the mean rate", sent)?;
        }
        if let Some(sent) = busiest.and_then(|day| planned.exported(seen, day)) {
            row(as_busiest, sent)?;
        }
        let (raw, zstd) = planned.stored(seen, mean);
        row("stored as IPFIX, at the mean rate", raw)?;
        if let Some(day) = busiest {
            row(as_busiest, planned.stored(seen, day).0)?;
        }
        row("stored with zstd, at the mean rate", zstd)?;
        if let Some(day) = busiest {
            row(as_busiest, planned.stored(seen, day).1)?;
        }
        let full = full_capture(mean);
        row("a full packet capture instead", full)?;
        writeln!(
            text,
            "  IPFIX takes {} of a full capture, with zstd {}",
            ratio(full, raw),
            ratio(full, zstd)
        )?;
        let Counted { octets: sent, messages, .. } = planned.sent.unwrap_or(planned.raw);
        writeln!(
            text,
            "  measured: {} records in {} messages of {} octets; as a file {} octets, {} with zstd",
            grouped(planned.records),
            grouped(messages),
            grouped(sent),
            grouped(planned.raw.octets),
            grouped(planned.zstd.octets)
        )
    }

    fn write_advice(&self, text: &mut String) -> std::fmt::Result {
        let flows = self.seen.max_flows();
        writeln!(text, "\nConfigure")?;
        writeln!(
            text,
            "  {:<32}twice the peak number of flows; {} of memory when full",
            format!("--max-flows {flows}"),
            octets(float(flow::most_octets(flows)))
        )?;
        if let Some(Configured { max_flows, .. }) = self.configured {
            configured(format_args!("max_flows {}", grouped(max_flows)), max_flows >= flows, text)?;
        }
        let outage = spelled(self.outage);
        for planned in self.planned {
            if let Some(octets) = self.spooled(planned) {
                writeln!(
                    text,
                    "  {:<32}an outage of {outage} {}, plus 20 %: {}",
                    format!("--spool-size {}", size(spool_size(octets))),
                    match self.seen.busiest_day() {
                        Some(_) => "at the peak rate",
                        None => "at the mean rate",
                    },
                    named(&planned.target)
                )?;
                if let Some(Configured { spool_size: has, .. }) = self.configured {
                    let needed = spool_size(octets);
                    match has {
                        Some(has) => {
                            configured(format_args!("size {}", size(has)), has >= needed, text)?;
                        }
                        None => configured(format_args!("no spool"), false, text)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn doubts(&self) -> Vec<String> {
        let mut doubts = self.seen.doubts();
        doubts.extend(self.planned.iter().filter_map(|planned| {
            let seen = planned.sums?.seen(self.seen.seconds);
            let plural = if seen < 1.5 { "" } else { "s" };
            (seen < ENOUGH_INTERVALS).then(|| {
                format!(
                    "{}: sums of {seen:.0} interval{plural} were seen: more flows in a whole one make more \
                     classes, up to those that there are",
                    named(&planned.target)
                )
            })
        }));
        if self.filter.is_some() {
            doubts.push(
                "the filter of the configuration is for the kernel of a probe: these packets have \
                 not gone through it"
                    .to_owned(),
            );
        }
        if self.planned.iter().any(|planned| planned.raw.octets < ENOUGH_TO_COMPRESS) {
            doubts.push("less than 1 MB was compressed: zstd does better with more".to_owned());
        }
        doubts
    }

    fn spooled(&self, planned: &Planned) -> Option<f64> {
        let day = self.seen.busiest_day().unwrap_or_else(|| self.seen.mean_day());
        planned.spooled(self.seen, day, self.outage)
    }

    /// A JSON object.
    pub(super) fn json(&self) -> String {
        let Seen { ledger, traffic, flows, seconds, is_live, .. } = self.seen;
        let rate = |count: u64| float(count) / seconds;
        let [packets, octets] = traffic.seconds.most();
        let [new] = flows.new_by_second.most();
        let [records] = flows.records_by_minute.most();
        let (alive, second) = flows.most_alive;
        let (first, last) = traffic.period.unwrap_or_default();
        let value = json!({
            "start": time(first.as_secs()),
            "end": time(last.as_secs()),
            "seconds": seconds,
            "live": is_live,
            "packets": ledger.received_packets,
            "octets": ledger.received_octets,
            "ignored_packets": ledger.ignored_packets(),
            "filtered_packets": ledger.filtered_packets,
            "kernel_dropped_packets": ledger.drops.kernel,
            "packets_captured_in_part": traffic.in_part,
            "packets_per_second": { "mean": rate(ledger.received_packets), "busiest": packets },
            "bits_per_second": {
                "mean": 8.0 * rate(ledger.received_octets),
                "busiest": octets.saturating_mul(8),
            },
            "flows": flows.new,
            "new_flows_per_second": { "mean": rate(flows.new), "busiest": new },
            "flow_records": flows.records,
            "flow_records_per_second": {
                "mean": rate(flows.records),
                "busiest_minute": float(records) / 60.0,
            },
            "flow_records_cut_off": flows.cut_off,
            "flow_records_crowded_out": flows.crowded_out,
            "most_flows_alive": { "flows": alive, "at": time(second) },
            "configure": {
                "max_flows": self.seen.max_flows(),
                "max_flows_memory_octets": flow::most_octets(self.seen.max_flows()),
                "outage_seconds": self.outage.as_secs_f64(),
            },
            "configured": self.configured.map(|configured| json!({
                "max_flows": configured.max_flows,
                "spool_size": configured.spool_size,
            })),
            "targets": self.planned.iter().map(|one| self.target(one)).collect::<Vec<_>>(),
            "uncertain": self.doubts(),
        });
        format!("{value:#}\n")
    }

    fn target(&self, planned: &Planned) -> Value {
        let seen = self.seen;
        let mean = seen.mean_day();
        let day = |day: Day| {
            let (raw, zstd) = planned.stored(seen, day);
            let kept = |days: f64| json!({ "raw": whole(raw * days), "zstd": whole(zstd * days) });
            json!({
                "exported_octets": planned.exported(seen, day).map(whole),
                "stored_octets": { "1": kept(1.0), "90": kept(90.0), "180": kept(180.0) },
            })
        };
        let full = full_capture(mean);
        let (raw, zstd) = planned.stored(seen, mean);
        json!({
            "target": planned.target.to_string(),
            "records": planned.records,
            "sums": planned.sums.map(|sums| json!({
                "interval_seconds": sums.interval.as_secs_f64(),
                "intervals": sums.intervals,
                "told": sums.told,
                "most": sums.most,
            })),
            "measured": {
                "sent": planned.sent.map(counted),
                "file": counted(planned.raw),
                "file_zstd": { "octets": planned.zstd.octets, "messages": planned.zstd.messages },
            },
            "day_at_mean": day(mean),
            "day_at_busiest_minute": seen.busiest_day().map(day),
            "full_packet_capture_octets_a_day": whole(full),
            "full_packet_capture_to_stored": { "raw": full / raw, "zstd": full / zstd },
            "spool_size": self.spooled(planned).map(spool_size),
        })
    }
}

/// A target with its options, or if these are many without.
fn named(target: &Target) -> String {
    let all = target.to_string();
    if all.len() <= LONGEST_NAME { all } else { target.name() }
}

fn counted(counted: Counted) -> Value {
    let Counted { octets, messages, flow_messages, flow_octets, template_octets, options_octets } =
        counted;
    json!({
        "octets": octets,
        "messages": messages,
        "flow_messages": flow_messages,
        "flow_octets": flow_octets,
        "template_octets": template_octets,
        "options_octets": options_octets,
    })
}

/// What zstd compresses together in files.
const ENOUGH_TO_COMPRESS: u64 = 1_000_000;
/// Of so many the first and the last one, of which a part was seen, are a small part.
const ENOUGH_INTERVALS: f64 = 10.0;
const LONGEST_NAME: usize = 60;
