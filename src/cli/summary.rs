//! The ledger for people (a few lines) and for programs (`--summary`, JSON).

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::capture::live::{Cut, ObservationPoint};
use crate::cli::confinement;
use crate::confine::Confinement;
use crate::decode::PacketAnomaly;
use crate::export::{Account, LossReason, TargetReport, Totals};
use crate::flow::FlowEndReason;
use crate::pipeline::{Ledger, Outcome, SymptomCounts};

/// The ledger as a JSON object. Counts are numbers, times seconds; `received_octets`,
/// `ignored_octets` and `filtered_octets` are octets on the wire, all other octets are those of IP packets.
pub(super) fn json(
    outcome: &Outcome,
    confinement: &Confinement,
    points: &[ObservationPoint],
) -> Value {
    let ledger = &outcome.ledger;
    let ignored: Map<String, Value> =
        ledger.ignored_by_reason().into_iter().map(|(reason, n)| (reason, n.into())).collect();
    let expired: Map<String, Value> = FlowEndReason::ALL
        .iter()
        .zip(ledger.expired)
        .map(|(reason, n)| (reason.name().to_owned(), n.into()))
        .collect();
    let anomalies: Map<String, Value> = PacketAnomaly::ALL
        .iter()
        .zip(ledger.anomalies)
        .map(|(anomaly, n)| (anomaly.name().to_owned(), n.into()))
        .collect();
    json!({
        "received_packets": ledger.received_packets,
        "received_octets": ledger.received_octets,
        "metered_packets": ledger.metered_packets,
        "metered_octets": ledger.metered_octets,
        "ignored_packets": ignored,
        "ignored_octets": ledger.ignored_octets,
        "filtered_packets": ledger.filtered_packets,
        "filtered_octets": ledger.filtered_octets,
        "kernel_dropped_packets": ledger.drops.kernel,
        "interface_dropped_packets": ledger.drops.interface,
        "exported_flows": ledger.exported_flows,
        "exported_packets": ledger.exported_packets,
        "exported_octets": ledger.exported_octets,
        "expired": expired,
        "packet_anomalies": anomalies,
        "ip_option_packets": ledger.option_packets,
        "peak_flows": ledger.peak_flows,
        "cache_nearly_full": ledger.cache_nearly_full,
        "clock_steps": ledger.clock_steps,
        "symptoms": outcome.symptoms.as_ref().map(symptoms),
        "interfaces": points.iter().map(interface).collect::<Vec<_>>(),
        "elapsed_seconds": ledger.elapsed.as_secs_f64(),
        "confinement": confinement::json(confinement),
        "targets": outcome.targets.iter().map(target).collect::<Vec<_>>(),
    })
}

/// The ledger of a run with one target in which nothing happened: every key there is.
pub(super) fn blank() -> Value {
    let outcome = Outcome {
        ledger: Ledger::default(),
        capture_errors: Vec::new(),
        panics: Vec::new(),
        targets: vec![Account::default().into_report(String::new(), Totals::default())],
        symptoms: Some(SymptomCounts::default()),
    };
    json(&outcome, &Confinement::Off, &[])
}

/// What `flowtap doctor` looks at as well.
fn symptoms(counts: &SymptomCounts) -> Value {
    json!({
        "flows": counts.flows,
        "long_packet_flows": counts.long_packet_flows,
        "tcp_flows": counts.tcp_flows,
        "one_direction_tcp_flows": counts.one_direction_tcp_flows,
        "collector_packets": counts.collector_packets,
    })
}

/// An interface and where its payload was cut off when capture began.
fn interface(point: &ObservationPoint) -> Value {
    json!({
        "name": point.name,
        "payload_cut_in_kernel": point.cut == Cut::InKernel,
        "payload": point.cut.to_string(),
    })
}

fn target(report: &TargetReport) -> Value {
    let lost = report.lost_totals();
    let reasons: Map<String, Value> = LossReason::ALL
        .iter()
        .map(|&reason| (reason.name().to_owned(), report.lost(reason).records.into()))
        .collect();
    json!({
        "target": report.target,
        "given_flows": report.given.records,
        "given_packets": report.given.packets,
        "given_octets": report.given.octets,
        "recovered_flows": report.carried_over.records,
        "recovered_packets": report.carried_over.packets,
        "recovered_octets": report.carried_over.octets,
        "spooled_flows": report.kept.records,
        "spooled_packets": report.kept.packets,
        "spooled_octets": report.kept.octets,
        "aggregated_flows": report.aggregation.records,
        "aggregates": report.aggregation.aggregates,
        "coarsened_flows": report.aggregation.coarsened,
        "withheld_flows": report.aggregation.withheld.records,
        "withheld_packets": report.aggregation.withheld.packets,
        "withheld_octets": report.aggregation.withheld.octets,
        "sent_flows": report.sent.records,
        "sent_packets": report.sent.packets,
        "sent_octets": report.sent.octets,
        "messages": report.messages,
        "message_octets": report.message_octets,
        "lost_flows": lost.records,
        "lost_packets": lost.packets,
        "lost_octets": lost.octets,
        "lost_flows_by_reason": reasons,
        "spool_nearly_full": report.spool_nearly_full,
        "sessions": report.sessions.opened,
        "failed_connects": report.sessions.failed,
        "refused_connects": report.sessions.refused,
        "error": report.first_error.as_ref().map(ToString::to_string),
    })
}

/// The ledger as text, some lines of it.
pub(super) fn text(outcome: &Outcome) -> String {
    let ledger = &outcome.ledger;
    let mut text = String::new();
    let seconds = ledger.elapsed.as_secs_f64();
    let _ = writeln!(
        text,
        "received  {:>15} packets  {:>19} octets on the wire{}",
        grouped(ledger.received_packets),
        grouped(ledger.received_octets),
        if seconds < 0.1 {
            String::new() // too short to call it a rate
        } else {
            let rate = grouped(rate(ledger.received_packets, seconds));
            format!("  ({seconds:.1} s, {rate} packets/s)")
        },
    );
    let _ = writeln!(
        text,
        "metered   {:>15} packets  {:>19} octets of IP",
        grouped(ledger.metered_packets),
        grouped(ledger.metered_octets)
    );
    let _ = writeln!(
        text,
        "ignored   {:>15} packets{}",
        grouped(ledger.ignored_packets()),
        listed("  ", ledger.ignored_by_reason())
    );
    if ledger.filtered_packets > 0 {
        let _ = writeln!(
            text,
            "filtered  {:>15} packets  {:>19} octets on the wire",
            grouped(ledger.filtered_packets),
            grouped(ledger.filtered_octets)
        );
    }
    let _ = writeln!(
        text,
        "exported  {:>15} packets  {:>19} octets in {}{}",
        grouped(ledger.exported_packets),
        grouped(ledger.exported_octets),
        counted(ledger.exported_flows, "flow record"),
        listed("  ", named(FlowEndReason::ALL.map(FlowEndReason::name), ledger.expired)),
    );
    if ledger.drops.kernel + ledger.drops.interface > 0 {
        let _ = writeln!(
            text,
            "dropped   {:>15} packets by the kernel, {} by the interface: never seen, in no flow",
            grouped(ledger.drops.kernel),
            grouped(ledger.drops.interface)
        );
    }
    if ledger.cache_nearly_full > 0 {
        let _ = writeln!(
            text,
            "warned    {:>15} times that the flow cache was nearly full",
            grouped(ledger.cache_nearly_full)
        );
    }
    let anomalies = named(PacketAnomaly::ALL.map(PacketAnomaly::name), ledger.anomalies);
    if !anomalies.is_empty() {
        let _ = writeln!(text, "anomalies {}", listed("", anomalies));
    }
    for target in &outcome.targets {
        let _ = writeln!(text, "{}", target_line(target));
    }
    let _ = write!(text, "{}", verdict(ledger));
    text
}

/// What became of the records of a target. Those of the ledger were made, which is not to say that anybody
/// has them.
fn target_line(report: &TargetReport) -> String {
    // What the program itself shows has no place among them.
    let place = if report.label == report.target { "" } else { report.label.as_str() };
    let mut text = format!(
        "{:<9} {:>15} record{} sent, {} lost",
        format!("target {place}").trim_end(),
        grouped(report.sent.records),
        if report.sent.records == 1 { "" } else { "s" },
        grouped(report.lost_totals().records),
    );
    let others =
        [(report.kept, "kept in the spool"), (report.aggregation.withheld, "withheld, too few")];
    for (totals, what) in others.into_iter().filter(|(totals, _)| totals.records > 0) {
        let _ = write!(text, ", {} {what}", grouped(totals.records));
    }
    let _ = write!(text, ": {}", report.target);
    if report.kind == "udp" || report.target.contains("udp://") {
        text.push_str(" (not confirmed over UDP)");
    }
    text
}

fn verdict(ledger: &Ledger) -> String {
    match ledger.check() {
        Ok(()) => {
            let filtered = if ledger.filtered_packets > 0 { " + filtered" } else { "" };
            format!("the books balance: received = metered + ignored{filtered}, metered = exported")
        }
        Err(imbalance) => imbalance.to_string(),
    }
}

fn named<const N: usize>(names: [&'static str; N], counts: [u64; N]) -> Vec<(String, u64)> {
    let pairs = names.into_iter().zip(counts).filter(|(_, count)| *count > 0);
    pairs.map(|(name, count)| (name.to_owned(), count)).collect()
}

fn listed(before: &str, counts: Vec<(String, u64)>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let parts: Vec<_> =
        counts.into_iter().map(|(name, count)| format!("{name} {}", grouped(count))).collect();
    format!("{before}({})", parts.join(", "))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rate for people"
)]
fn rate(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(1e-9)) as u64
}

/// A span of time as people write it: `1 day 12h`.
pub(super) fn spelled(span: Duration) -> String {
    let text = humantime::format_duration(span).to_string();
    let with_space = |text: String, unit| text.replace(unit, &format!(" {unit}"));
    ["day", "month", "year"].into_iter().fold(text, with_space)
}

/// A number with a comma before each group of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, of which one is one.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_target_says_what_arrived() {
        let totals = |records| Totals { records, ..Totals::default() };
        let line = |label: &str, kind, target: &str, account: Account| {
            let mut report = account.into_report(target.to_owned(), totals(9));
            (report.label, report.kind) = (label.to_owned(), kind);
            target_line(&report)
        };
        let mut account = Account::default();
        account.sent(totals(1_234));
        assert_eq!(
            line("1", "udp", "udp://192.0.2.1:4739", account),
            "target 1            1,234 records sent, 0 lost: udp://192.0.2.1:4739 (not confirmed over UDP)"
        );
        let mut account = Account::default();
        account.sent(totals(1));
        account.lost(LossReason::QueueFull, totals(2));
        account.keep(totals(3));
        assert_eq!(
            line("2.1", "tls", "tls://c:4740", account),
            "target 2.1               1 record sent, 2 lost, 3 kept in the spool: tls://c:4740"
        );
        let table = line("table", "own", "table", Account::default());
        assert_eq!(table, "target                  0 records sent, 0 lost: table");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
    }
}
