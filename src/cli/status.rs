//! `flowtap status`: how a probe is, in one look, and as an exit code.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::summary::{grouped, spelled};
use crate::cli::{args, telemetry};
use crate::telemetry::{Status, Target};

/// Asks the probe and says what it says. 0 healthy, 1 not.
pub(super) fn run(arguments: &args::Status) -> anyhow::Result<ExitCode> {
    let place = telemetry::place(&arguments.probe, arguments.config.as_deref())?;
    let status = telemetry::ask(&place)?;
    let text = match arguments.json {
        true => json(status.clone())?,
        false => text(&telemetry::printable(&status)?),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if status.health.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything but the last hour.
fn json(mut status: Status) -> anyhow::Result<String> {
    status.history = Default::default();
    let mut value = serde_json::to_value(&status)?;
    if let Some(keys) = value.as_object_mut() {
        keys.remove("history");
    }
    Ok(escaped(&serde_json::to_string_pretty(&value)?) + "\n")
}

/// JSON leaves some characters as they are that a terminal takes for orders; none stands outside of a text.
fn escaped(json: &str) -> String {
    let is_order = |c: char| c.is_control() && c != '\n';
    let escape = |c: char| match is_order(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    if json.contains(is_order) { json.chars().map(escape).collect() } else { json.to_owned() }
}

fn text(status: &Status) -> String {
    let mut text = String::new();
    let healthy = if status.health.healthy { "healthy" } else { "NOT HEALTHY" };
    let seconds = status.now.saturating_sub(status.started);
    let uptime = spelled(Duration::from_secs(seconds));
    let _ = writeln!(text, "flowtap {}: {healthy}, metering for {uptime}", status.version);
    for check in status.health.checks.iter().filter(|check| !check.healthy) {
        let of = check.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
        let _ = writeln!(text, "  {}{of}: {}", check.check, check.text);
    }
    for interface in &status.interfaces {
        let _ = writeln!(
            text,
            "interface {:<12} {:>15} packets/s {:>18} bits/s  {}",
            interface.name,
            grouped(interface.packets_per_second),
            grouped(interface.bits_per_second),
            interface.trouble.as_deref().unwrap_or("capturing"),
        );
        if let Some(about) = interface.about() {
            let _ = writeln!(text, "          {about}");
        }
    }
    let ledger = &status.ledger;
    let dropped = ledger.kernel_dropped_packets + ledger.interface_dropped_packets;
    let _ = writeln!(
        text,
        "received  {} packets, {} dropped; {} flow records exported (told by tens)",
        grouped(ledger.received_packets),
        grouped(dropped),
        grouped(ledger.exported_flows),
    );
    let cache = status.cache;
    let _ = writeln!(
        text,
        "cache     {} of {} flows, {} at most so far",
        grouped(cache.flows),
        grouped(cache.maximum),
        grouped(cache.peak),
    );
    for target in &status.targets {
        let _ = writeln!(text, "target {:<4} {}", target.label, target_line(target));
    }
    if status.targets.len() > 1 {
        text.push_str("(targets are numbered in the order of the configuration)\n");
    }
    text
}

/// A target in a line.
pub(super) fn target_line(target: &Target) -> String {
    let mut text = format!(
        "{} {}: {} records sent, ",
        target.kind,
        target_state(target),
        grouped(target.sent_flows),
    );
    if target.unconfirmed_flows > 0 {
        let _ = write!(text, "{} handed over (not confirmed), ", grouped(target.unconfirmed_flows));
    }
    let (waiting, lost) = (grouped(target.waiting_flows), grouped(target.lost()));
    let _ = write!(text, "{waiting} waiting, {lost} lost");
    if let Some(spool) = target.spool {
        let _ = write!(text, ", {} on disk", grouped(spool.flows));
    }
    text
}

/// How a target is, in some words.
pub(super) fn target_state(target: &Target) -> String {
    match (target.failed, target.connected) {
        (true, _) => "given up".to_owned(),
        (_, Some(false)) => format!("out of reach for {} s", target.away_seconds.unwrap_or(0)),
        (_, Some(true)) if target.refused => "refused".to_owned(),
        // Over UDP nobody connects, and nobody says that anything arrives.
        (_, Some(true)) if target.kind == "udp" => "sending".to_owned(),
        (_, Some(true)) => "connected".to_owned(),
        (_, None) => "written".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Check, Health, Interface};

    #[test]
    fn a_collector_that_gets_records_is_not_said_to_get_nothing() {
        let target = Target {
            kind: "tcp".to_owned(),
            connected: Some(true),
            queued_flows: 64,
            unconfirmed_flows: 61,
            waiting_flows: 3,
            ..Target::default()
        };
        let said =
            "tcp connected: 0 records sent, 61 handed over (not confirmed), 3 waiting, 0 lost";
        assert_eq!(target_line(&target), said);
    }

    #[test]
    fn nobody_is_said_to_be_connected_over_udp() {
        let target = |kind: &str, refused| Target {
            kind: kind.to_owned(),
            connected: Some(true),
            refused,
            ..Target::default()
        };
        assert_eq!(target_state(&target("udp", false)), "sending");
        assert_eq!(target_state(&target("udp", true)), "refused");
        assert_eq!(target_state(&target("tls", false)), "connected");
        let away = Target { connected: Some(false), ..target("failover", true) };
        assert_eq!(target_state(&away), "out of reach for 0 s");
        let targets = vec![target("udp", false), target("tls", false)];
        let said = text(&Status { targets, ..Status::default() });
        assert!(said.ends_with("in the order of the configuration)\n"), "{said}");
    }

    #[test]
    fn what_answers_gives_the_terminal_no_orders() {
        let order = || "\u{1b}]0;x\u{7}\r\u{9b}2J\u{7f}\n".to_owned();
        let check = Check { check: order(), of: Some(order()), healthy: false, text: order() };
        let interface = Interface { name: order(), trouble: Some(order()), ..Interface::default() };
        let status = Status {
            version: order(),
            health: Health { healthy: false, checks: vec![check] },
            interfaces: vec![interface],
            targets: vec![Target { label: order(), kind: order(), ..Target::default() }],
            ..Status::default()
        };
        let text = text(&telemetry::printable(&status).unwrap());
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(text.contains(r"interface \u{1b}]0;x\u{7}\r\u{9b}2J\u{7f}\n"), "{text}");
        let json = json(status.clone()).unwrap();
        assert!(!json.contains(|c: char| c.is_control() && c != '\n'), "{json:?}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["interfaces"][0]["name"], order(), "a program gets what was sent");
    }

    #[test]
    fn what_is_wrong_stands_at_the_top() {
        let check = |check: &str, healthy, text: &str| Check {
            check: check.to_owned(),
            of: None,
            healthy,
            text: text.to_owned(),
        };
        let checks = vec![check("drops", false, "7 packets"), check("books", true, "balance")];
        let status = Status {
            health: Health { healthy: false, checks },
            interfaces: vec![Interface {
                name: "eth1".to_owned(),
                direction: Some("ingress".to_owned()),
                description: Some("the uplink".to_owned()),
                ..Interface::default()
            }],
            targets: vec![Target {
                kind: "tcp".to_owned(),
                connected: Some(true),
                ..Target::default()
            }],
            ..Status::default()
        };
        let text = text(&status);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("NOT HEALTHY, metering for 0s"), "{text}");
        assert_eq!(lines[1], "  drops: 7 packets");
        assert!(lines[2].starts_with("interface eth1"), "{text}");
        assert_eq!(lines[3], "          ingress: the uplink");
        assert!(text.contains("tcp connected: 0 records sent, 0 waiting, 0 lost"), "{text}");
        assert!(!text.contains("balance"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json(status).unwrap()).unwrap();
        assert_eq!((&json["health"]["healthy"], &json["history"]), (&false.into(), &().into()));
    }
}
