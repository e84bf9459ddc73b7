//! Other people's collectors read what we export, whatever is in the records.
//!
//! Each test makes the same varied records, gives them to one collector, and compares its sums with
//! ours. The programs come from the packages nfdump, pmacct, libfixbuf-tools and tshark.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::peers::{
    Found, Nfacctd, Nfcapd, ipfix_dump, ipfix_dump_sums, tshark, tshark_complaints, tshark_field,
    tshark_sums,
};
use crate::records::varied_records;
use flowtap::export::{Config, Exporter, Pace, RecordBatch, Target, TargetReport, Totals};
use flowtap::time::Timestamp;

#[test]
#[ignore = "needs nfdump"]
fn nfdump_counts_what_we_count() {
    for biflow in [true, false] {
        let nfcapd = Nfcapd::start();
        let target = format!("udp://127.0.0.1:{}?profile=nfdump", nfcapd.port);
        let sent = export(&target, biflow);
        let nfdump = nfcapd.finish();
        assert_eq!(nfdump.sums(), sent, "biflow {biflow}");
        for flow in nfdump.flows("%sa %da %ts") {
            // Of a tunnel the inner addresses are those of the flow.
            for address in flow.iter().take(2) {
                assert!(is_inner(address), "{flow:?}");
            }
            assert_eq!(flow.get(2).map(String::as_str), Some("2023-11-14"), "{flow:?}");
        }
    }
}

#[test]
#[ignore = "needs pmacct"]
fn nfacctd_counts_what_we_count() {
    let nfacctd = Nfacctd::start();
    let sent = export(&format!("udp://127.0.0.1:{}?profile=pmacct", nfacctd.port), true);
    let table = nfacctd.finish();
    assert_eq!(table.sums(), sent);
    for column in ["SRC_IP", "DST_IP"] {
        for address in table.column(column) {
            assert!(is_inner(address), "{column}: {address}");
        }
    }
}

#[test]
#[ignore = "needs libfixbuf-tools"]
fn ipfix_dump_reads_every_record() {
    for biflow in [true, false] {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path().join("flows.ipfix");
        let sent = export(&format!("file:{}", path.display()), biflow);
        assert_eq!(ipfix_dump_sums(&ipfix_dump(&path)), sent, "biflow {biflow}");
    }
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_every_record_and_complains_of_none() {
    for biflow in [true, false] {
        for time in ["ms", "us", "ns"] {
            let directory = tempfile::tempdir().expect("a temporary folder");
            let path = directory.path().join("flows.ipfix");
            let sent = export(&format!("file:{}?time={time}", path.display()), biflow);
            assert_eq!(tshark_complaints(tshark(&path)), [""; 0], "biflow {biflow}, {time}");
            assert_eq!(tshark_sums(|| tshark(&path)), sent, "biflow {biflow}, {time}");
        }
    }
}

#[test]
#[ignore = "needs tshark, libfixbuf-tools and nfdump"]
fn others_read_what_leaves_under_a_policy() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("flows.ipfix");
    let policy = "privacy=obfuscated&macs=vendor&time_step=1m";
    for addresses in ["pseudonym", "prefix"] {
        let target = format!("file:{}?{policy}&addresses={addresses}", path.display());
        let sent = export(&target, true);
        assert_eq!(ipfix_dump_sums(&ipfix_dump(&path)), sent);
        assert_eq!(tshark_complaints(tshark(&path)), [""; 0]);
        assert_eq!(tshark_sums(|| tshark(&path)), sent);
        // RFC 6235 §6.1.
        let techniques: BTreeSet<_> =
            tshark_field(tshark(&path), "cflow.anonymization_technique").into_iter().collect();
        let expected: &[&str] =
            if addresses == "prefix" { &["2", "3"] } else { &["2", "3", "5", "6"] };
        assert_eq!(techniques, expected.iter().map(|&technique| technique.to_owned()).collect());
        assert!(!tshark_field(tshark(&path), "cflow.srcaddr").is_empty());
    }
    let nfcapd = Nfcapd::start();
    let target = format!("udp://127.0.0.1:{}?profile=nfdump&{policy}&ports=drop", nfcapd.port);
    let sent = export(&target, true);
    let nfdump = nfcapd.finish();
    assert_eq!(nfdump.sums(), sent);
    for flow in nfdump.flows("%sa %da %sp %dp") {
        assert!(flow.iter().take(2).all(|address| !is_inner(address)), "{flow:?}");
        assert_eq!(flow[2], "0", "{flow:?}");
    }
}

#[test]
#[ignore = "needs tshark, libfixbuf-tools, nfdump and pmacct"]
fn others_read_sums_over_flows() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("sums.ipfix");
    let policy = "privacy=statistical&k=3&net=10.1.0.0/16&net=2001:db8::/32";
    let sums = |found: Found| (found.packets, found.octets);

    let sent = export_sums(&format!("file:{}?{policy}", path.display()));
    let dump = ipfix_dump(&path);
    assert_eq!(sums(ipfix_dump_sums(&dump)), sums(sent));
    for part in ["originalFlowsPresent : ", "portRangeStart : 443", "(32473/8)"] {
        assert!(dump.contains(part), "{part} in {dump}");
    }
    assert_eq!(tshark_complaints(tshark(&path)), [""; 0]);
    assert_eq!(sums(tshark_sums(|| tshark(&path))), sums(sent));
    let networks = tshark_field(tshark(&path), "cflow.srcprefix");
    assert!(networks.contains(&"10.1.0.0".to_owned()), "{networks:?}");
    let counts = tshark_field(tshark(&path), "cflow.original_flows_present");
    assert!(counts.iter().all(|count| count.parse::<u64>().is_ok_and(|count| count >= 3)));
    assert_eq!(counts.len() as u64, sent.flows);
    let methods: BTreeSet<_> =
        tshark_field(tshark(&path), "cflow.value_distribution_method").into_iter().collect();
    assert_eq!(methods, BTreeSet::from(["2".to_owned()]), "RFC 7015 §6.4: End Interval");

    let nfcapd = Nfcapd::start();
    let target = format!("udp://127.0.0.1:{}?profile=nfdump&{policy}", nfcapd.port);
    let sent = export_sums(&target);
    assert_eq!(nfcapd.finish().sums(), sent);

    let nfacctd = Nfacctd::start();
    let target = format!("udp://127.0.0.1:{}?profile=pmacct&{policy}", nfacctd.port);
    let sent = export_sums(&target);
    assert_eq!(sums(nfacctd.finish().sums()), sums(sent));
}

/// Exports the records as sums and says what these came to.
fn export_sums(target: &str) -> Found {
    let report = report_of(target, true);
    let records = Totals::of(&varied_records(), true);
    let Totals { records: flows, packets, octets } = report.sent;
    let withheld = report.aggregation.withheld;
    assert_eq!(
        (packets + withheld.packets, octets + withheld.octets),
        (records.packets, records.octets)
    );
    assert!(report.balances() && flows > 8, "{report:?}");
    Found { flows, packets, octets }
}

fn is_inner(address: &str) -> bool {
    address.starts_with("10.1.") || address.starts_with("2001:db8")
}

/// Exports the records and says what that came to.
fn export(target: &str, biflow: bool) -> Found {
    let report = report_of(target, biflow);
    let told = match target.parse().expect("a target") {
        Target::Collector(collector) => collector.options.mapping(biflow).biflow,
        _ => biflow,
    };
    assert_eq!(report.sent, Totals::of(&varied_records(), told));
    let Totals { records, packets, octets } = report.sent;
    Found { flows: records, packets, octets }
}

/// Exports the records.
fn report_of(target: &str, biflow: bool) -> TargetReport {
    let target: Target = target.parse().expect("a target");
    let config = Config {
        observation_domain: 7,
        targets: vec![target],
        pace: Pace::Replay,
        biflow,
        ..Config::default()
    };
    let records = varied_records();
    let exporter = Exporter::start(&config, Vec::new()).expect("the target opens");
    for records in records.chunks(50) {
        exporter.send(&Arc::new(RecordBatch {
            records: records.to_vec(),
            clock: Timestamp::from_parts(1_700_000_100, 0),
            interfaces: 0,
        }));
    }
    let mut reports = exporter.finish();
    let report = reports.pop().expect("one target");
    assert!(report.first_error.is_none() && reports.is_empty(), "{report:?}");
    report
}
