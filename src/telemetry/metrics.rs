//! `/metrics`: the status as OpenMetrics, which Prometheus and its kin read.
//!
//! Labels have values of a fixed list, or the name of an interface, or the place of a target: never
//! anything that traffic brings.

mod encode;

use encode::{Family, Value, counter, gauge, histogram, info};

use crate::telemetry::status::{Certificate, Checked, Count, Share, Status, Symptoms, Target};

/// The text of a scrape.
pub(super) fn text(status: &Status) -> String {
    let mut families = run(status);
    families.extend(ledger(status));
    families.extend(interfaces(status));
    families.extend(symptoms(status));
    families.extend(distributions(status));
    families.extend(targets(&status.targets));
    encode::text(families)
}

fn run(status: &Status) -> Vec<Family> {
    let cache = &status.cache;
    let mut checks = gauge("check_healthy", "Whether a part of the probe is well, by check");
    for check in &status.health.checks {
        let of = check.of.as_deref().unwrap_or_default();
        checks.add(&[("check", &check.check), ("of", of)], u64::from(check.healthy));
    }
    let mut parts =
        gauge("confinement_in_force", "Whether a part of confinement is in force, in full");
    for part in &status.confinement.parts {
        parts.add(&[("part", &part.name)], u64::from(part.state == "in_force"));
    }
    let mut late: u64 = 0;
    let buckets = status.expiry.late.iter().map(|&(bound, count)| {
        late += count;
        (bound.unwrap_or(f64::INFINITY), count)
    });
    let buckets = buckets.collect();
    let delay = "How much later than its timeout a flow record left, on the clock of the packets";
    let connections = "Connections to this endpoint by what became of them";
    vec![
        info("build", "Version of flowtap", &[("version", &status.version)]),
        gauge("start_time", "When metering began, since 1970").in_seconds().of(status.started),
        gauge(
            "config_last_reload_successful",
            "Whether the configuration asked for last is in effect",
        )
        .of(u64::from(!status.configuration_refused)),
        gauge(
            "config_last_reload_success_timestamp",
            "When the configuration in effect was read, since 1970",
        )
        .in_seconds()
        .of(status.configured),
        gauge("healthy", "Whether every check is well").of(u64::from(status.health.healthy)),
        checks,
        gauge("confined", "Whether the process is confined").of(u64::from(status.confinement.on)),
        parts,
        gauge("cache_flows", "Flows in the cache").of(cache.flows),
        gauge("cache_flows_peak", "The most flows there were in the cache").of(cache.peak),
        counter("begun_flows", "Flows that began").of(cache.begun),
        gauge("cache_flows_limit", "The most flows there can be in the cache").of(cache.maximum),
        histogram("expiry_delay", delay, status.expiry.sum_seconds, late, buckets).in_seconds(),
        counted("telemetry_connections", connections, "outcome", &status.connections),
    ]
}

fn ledger(status: &Status) -> Vec<Family> {
    let ledger = &status.ledger;
    let mut drops = counter("dropped_packets", "Packets lost before the probe saw them, by place");
    drops.add(&[("place", "kernel")], ledger.kernel_dropped_packets);
    drops.add(&[("place", "interface")], ledger.interface_dropped_packets);
    let total = |name, help, value: u64| counter(name, help).of(value);
    let octets = |name, help, value: u64| counter(name, help).in_bytes().of(value);
    vec![
        total("received_packets", "Frames received", ledger.received_packets),
        octets("received", "Octets on the wire of frames received", ledger.received_octets),
        total("metered_packets", "Packets accounted to a flow", ledger.metered_packets),
        octets("metered", "Octets of IP accounted to a flow", ledger.metered_octets),
        counted(
            "ignored_packets",
            "Frames not metered, by reason",
            "reason",
            &ledger.ignored_packets,
        ),
        octets("ignored", "Octets on the wire of frames not metered", ledger.ignored_octets),
        total("filtered_packets", "Packets left out by a filter", ledger.filtered_packets),
        octets("filtered", "Octets on the wire left out by a filter", ledger.filtered_octets),
        drops,
        counted(
            "packet_anomalies",
            "Metered packets that were broken or suspicious, by kind",
            "kind",
            &ledger.packet_anomalies,
        ),
        total("ip_option_packets", "Metered packets with IP options", ledger.ip_option_packets),
        counted(
            "exported_records",
            "Flow records handed to the exporting process, by flowEndReason, in steps of ten",
            "reason",
            &ledger.expired,
        ),
        total(
            "exported_packets",
            "Packets in flow records, in steps of ten flows",
            ledger.exported_packets,
        ),
        octets(
            "exported",
            "Octets of IP in flow records, in steps of ten flows",
            ledger.exported_octets,
        ),
        total("clock_steps", "Times the clock of the packets was set back", ledger.clock_steps),
    ]
}

fn interfaces(status: &Status) -> Vec<Family> {
    let mut up = gauge("interface_up", "Whether frames are captured from the interface");
    let mut cut = gauge(
        "interface_payload_cut_in_kernel",
        "Whether the kernel cuts payload off, so that it never reaches the probe",
    );
    let mut packets = counter("interface_received_packets", "Frames received, by interface");
    let mut octets =
        counter("interface_received", "Octets on the wire received, by interface").in_bytes();
    let mut drops = counter(
        "interface_dropped_packets",
        "Packets lost before the probe saw them, by interface and place",
    );
    for interface in &status.interfaces {
        // Empty where nobody said it: to Prometheus that is a label that is not there.
        let direction = interface.direction.as_deref().unwrap_or_default();
        let labels = [("interface", interface.name.as_str()), ("direction", direction)];
        for (place, dropped) in [
            ("kernel", interface.kernel_dropped_packets),
            ("interface", interface.interface_dropped_packets),
        ] {
            let [name, direction] = labels;
            drops.add(&[name, direction, ("place", place)], dropped);
        }
        up.add(&labels, u64::from(interface.up));
        cut.add(&labels, u64::from(interface.payload_cut_in_kernel));
        packets.add(&labels, interface.packets);
        octets.add(&labels, interface.octets);
    }
    vec![up, cut, packets, octets, drops]
}

/// What `flowtap doctor` looks for, as far as a capture sees it anyway.
fn symptoms(status: &Status) -> Vec<Family> {
    let Symptoms { long_packet_flows, tcp_flows, one_direction_tcp_flows, collector_packets } =
        status.symptoms;
    let mut checks =
        gauge("symptom", "Whether there is something to put right, by check of doctor");
    for Checked { check, trouble } in &status.checks {
        checks.add(&[("check", check)], u64::from(*trouble));
    }
    vec![
        checks,
        counter("long_packet_records", "Flow records with a packet longer than the MTU")
            .of(long_packet_flows),
        counter("tcp_records", "Flow records of TCP connections under way").of(tcp_flows),
        counter("one_direction_tcp_records", "Those of which one direction only was seen")
            .of(one_direction_tcp_flows),
        counter("collector_packets", "Packets from or to a collector of the probe, observed")
            .of(collector_packets),
    ]
}

fn distributions(status: &Status) -> Vec<Family> {
    let seen = &status.distributions;
    let sizes: Vec<_> = seen
        .sizes
        .iter()
        .map(|class| (class.name.parse().unwrap_or(f64::INFINITY), class.count))
        .collect();
    let count = sizes.iter().map(|(_, count)| count).sum();
    let help = "Frames by octets on the wire";
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
    let sum = status.ledger.received_octets as f64;
    let mut families = vec![
        histogram("frame_size", help, sum, count, sizes).in_bytes(),
        counter("fragment_packets", "Packets in exported records that were fragments")
            .of(seen.fragments),
    ];
    let by_protocol = |share: &Share| vec![("protocol", share.name.clone())];
    let protocols: Vec<_> = seen.protocols.iter().map(|it| (by_protocol(it), it)).collect();
    families.extend(shares(["protocol_flows", "protocol_packets", "protocol"], &protocols));
    let by_service = |transport: &str, share: &Share| {
        vec![("transport", transport.to_owned()), ("service", share.name.clone())]
    };
    let tcp = seen.tcp.iter().map(|share| (by_service("tcp", share), share));
    let udp = seen.udp.iter().map(|share| (by_service("udp", share), share));
    let services: Vec<_> = tcp.chain(udp).collect();
    families.extend(shares(["service_flows", "service_packets", "service"], &services));
    families
}

/// Flows, packets and octets of parts of the traffic.
fn shares(
    [flows, packets, octets]: [&'static str; 3],
    shares: &[(Vec<(&'static str, String)>, &Share)],
) -> [Family; 3] {
    let mut families = [
        counter(flows, "Flows that have ended, shown in steps of at least ten flows"),
        counter(packets, "Packets of such flows, shown in steps of at least ten flows"),
        counter(octets, "Octets of such flows, shown in steps of at least ten flows").in_bytes(),
    ];
    for (labels, share) in shares {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let values = [share.flows, share.packets, share.octets];
        families.iter_mut().zip(values).for_each(|(family, value)| family.add(&labels, value));
    }
    families
}

type Read = fn(&Target) -> Option<u64>;

fn targets(targets: &[Target]) -> Vec<Family> {
    let counters: [(Family, Read); 8] = [
        (counter("export_given_records", "Data records given to the target"), |it| {
            Some(it.given_flows)
        }),
        (counter("export_recovered_records", "Data records left by an earlier run"), |it| {
            Some(it.recovered_flows)
        }),
        (counter("export_sent_records", "Data records that reached the target"), |it| {
            Some(it.sent_flows)
        }),
        (counter("export_messages", "Messages sent"), |it| Some(it.messages)),
        (counter("export_message", "Octets of messages sent").in_bytes(), |it| {
            Some(it.message_octets)
        }),
        (
            counter("export_file", "Octets of these in files, compressed where they are")
                .in_bytes(),
            |it| it.file_octets,
        ),
        (
            counter("export_sessions", "Transport sessions opened: the first, and each reconnect"),
            |it| it.connected.map(|_| it.sessions),
        ),
        (counter("export_failed_connects", "Attempts to open a session that failed"), |it| {
            it.connected.map(|_| it.failed_connects)
        }),
    ];
    let gauges: [(Family, Read); 12] = [
        (
            gauge("export_waiting_records", "Data records, in memory or on disk, not written yet"),
            |it| Some(it.waiting_flows),
        ),
        (
            gauge(
                "export_unconfirmed_records",
                "Data records written to the session, maybe unread",
            ),
            |it| it.connected.map(|_| it.unconfirmed_flows),
        ),
        (gauge("export_queued_records", "Data records in memory, written or not"), |it| {
            Some(it.queued_flows)
        }),
        (gauge("export_queue", "Octets in memory that were not written yet").in_bytes(), |it| {
            it.queue.map(|queue| queue.octets)
        }),
        (gauge("export_queue_limit", "Octets that may wait in memory").in_bytes(), |it| {
            it.queue.map(|queue| queue.maximum_octets)
        }),
        (gauge("export_spooled_records", "Data records that wait on disk"), |it| {
            it.spool.map(|spool| spool.flows)
        }),
        (gauge("export_spool", "Octets that wait on disk").in_bytes(), |it| {
            it.spool.map(|spool| spool.octets)
        }),
        (
            gauge("export_spool_limit", "Octets that can wait on disk, as far as it has room")
                .in_bytes(),
            |it| it.spool.map(|spool| spool.limit_octets),
        ),
        (gauge("export_connected", "Whether there is a transport session"), |it| {
            it.connected.map(u64::from)
        }),
        (
            gauge("export_last_success_timestamp", "When records last arrived, since 1970")
                .in_seconds(),
            |it| it.last_success,
        ),
        (
            gauge("export_last_written_timestamp", "When records were last written, since 1970")
                .in_seconds(),
            |it| it.last_written,
        ),
        (gauge("export_failed", "Whether the target was given up"), |it| {
            Some(u64::from(it.failed))
        }),
    ];
    let mut lost = counter("export_lost_records", "Data records lost, by reason");
    for target in targets {
        for count in &target.lost_flows {
            let labels = [of(target), kind(target), ("reason", count.name.as_str())];
            lost.add(&labels, count.count);
        }
    }
    let mut ends = gauge(
        "export_certificate_not_after_timestamp",
        "When a certificate for sessions over TLS ends, since 1970",
    )
    .in_seconds();
    for target in targets {
        for Certificate { of: whose, not_after } in &target.certificates {
            ends.add(&[of(target), kind(target), ("certificate", whose)], *not_after);
        }
    }
    let read = |(mut family, read): (Family, Read)| {
        for target in targets {
            if let Some(value) = read(target) {
                family.add(&[of(target), kind(target)], value);
            }
        }
        family
    };
    counters.into_iter().map(read).chain([lost, ends]).chain(gauges.into_iter().map(read)).collect()
}

fn of(target: &Target) -> (&'static str, &str) {
    ("target", &target.label)
}

fn kind(target: &Target) -> (&'static str, &str) {
    ("kind", &target.kind)
}

fn counted(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    counts: &[Count],
) -> Family {
    let mut family = counter(name, help);
    for Count { name, count } in counts {
        family.add(&[(label, name)], Value::from(*count));
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::Interface;

    #[test]
    fn what_an_interface_carries_is_told_in_its_metrics() {
        let interface = |name: &str, direction: Option<&str>| Interface {
            name: name.to_owned(),
            direction: direction.map(str::to_owned),
            packets: 7,
            kernel_dropped_packets: 2,
            ..Interface::default()
        };
        let interfaces = vec![interface("tap0", Some("ingress")), interface("span", None)];
        let told = text(&Status { interfaces, ..Status::default() });
        for sample in [
            r#"flowtap_interface_received_packets_total{interface="tap0",direction="ingress"} 7"#,
            r#"flowtap_interface_received_packets_total{interface="span",direction=""} 7"#,
            r#"flowtap_interface_dropped_packets_total{interface="tap0",direction="ingress",place="kernel"} 2"#,
            r#"flowtap_interface_dropped_packets_total{interface="tap0",direction="ingress",place="interface"} 0"#,
        ] {
            assert!(told.lines().any(|line| line == sample), "{sample}: {told}");
        }
    }

    #[test]
    fn a_check_of_the_doctor_is_a_series() {
        let checked = |check: &str, trouble| Checked { check: check.to_owned(), trouble };
        let checks = vec![checked("clock", true), checked("offloads", false)];
        let told = text(&Status { checks, ..Status::default() });
        assert!(told.contains("\nflowtap_symptom{check=\"clock\"} 1\n"), "{told}");
        assert!(told.contains("\nflowtap_symptom{check=\"offloads\"} 0\n"), "{told}");
    }

    #[test]
    fn the_end_of_a_certificate_is_a_time() {
        let certificate = Certificate { of: "own".to_owned(), not_after: 1_893_456_000 };
        let (label, kind) = ("1".to_owned(), "tls".to_owned());
        let target = Target { label, kind, certificates: vec![certificate], ..Target::default() };
        let told = text(&Status { targets: vec![target], ..Status::default() });
        let name = "flowtap_export_certificate_not_after_timestamp_seconds";
        let line =
            format!("\n{name}{{target=\"1\",kind=\"tls\",certificate=\"own\"}} 1893456000\n");
        assert!(told.contains(&line), "{told}");
    }

    #[test]
    fn there_is_a_family_for_every_number_also_where_nothing_was_seen() {
        let told = text(&Status::default());
        assert!(told.ends_with("# EOF\n"));
        let families = told.lines().filter(|line| line.starts_with("# TYPE ")).count();
        let helps = told.lines().filter(|line| line.starts_with("# HELP ")).count();
        assert_eq!((families, helps), (69, 69));
    }
}
