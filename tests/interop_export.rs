//! Other people's collectors read what we export, whatever is in the records.
//!
//! Each test makes the same varied records, gives them to one collector, and compares its sums with
//! ours. The programs come from the packages nfdump, pmacct, libfixbuf-tools and tshark.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use flowtap::decode::{Address, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind, VlanTags};
use flowtap::export::{Config, Exporter, Pace, RecordBatch, Target, Totals};
use flowtap::flow::{Direction, FlowEndReason, FlowRecord};
use flowtap::time::Timestamp;

#[test]
#[ignore = "needs nfdump"]
fn nfdump_counts_what_we_count() {
    for biflow in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let store = directory.path().join("store");
        fs::create_dir(&store).unwrap();
        let mut nfcapd = Running::start(
            Command::new("nfcapd")
                .args(["-b", "127.0.0.1", "-p", &port.to_string(), "-t", "3600", "-w"])
                .arg(&store),
        );
        wait_for_listener(port);
        let sent = export(&format!("udp://127.0.0.1:{port}"), biflow);
        nfcapd.interrupt();

        let text = output(Command::new("nfdump").arg("-R").arg(&store).args([
            "-q",
            "-o",
            "fmt:flow %pr %sa %da %ipkt %ibyt %opkt %obyt %ts",
        ]));
        let flows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("flow"))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let sum = |column: usize| flows.iter().map(|flow| number(flow[column])).sum::<u64>();
        let counted = Totals {
            records: flows.len() as u64,
            packets: sum(4) + sum(6),
            octets: sum(5) + sum(7),
        };
        assert_eq!(counted, sent, "biflow {biflow}:\n{text}");
        // Of a tunnel the inner addresses are those of the flow.
        for flow in &flows {
            let inner =
                |address: &str| address.starts_with("10.1.") || address.starts_with("2001:db8");
            assert!(inner(flow[2]) && inner(flow[3]), "{flow:?}");
            assert!(flow[8].starts_with("2023-11-14"), "{flow:?}");
        }
    }
}

#[test]
#[ignore = "needs pmacct"]
fn nfacctd_counts_what_we_count() {
    // It knows no reverse elements (it drops them), so it gets uniflows.
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = directory.path().join("flows.json");
    let configuration = directory.path().join("nfacctd.conf");
    fs::write(
        &configuration,
        format!(
            "daemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\nplugins: print\n\
             aggregate: src_host,dst_host,src_port,dst_port,proto,timestamp_start\n\
             print_output: json\nprint_output_file: {}\nprint_refresh_time: 1\n\
             print_output_file_append: true\n",
            file.display()
        ),
    )
    .unwrap();
    let mut nfacctd = Running::start(Command::new("nfacctd").arg("-f").arg(&configuration));
    wait_for_listener(port);
    sleep(Duration::from_secs(1));
    let sent = export(&format!("udp://127.0.0.1:{port}"), false);
    for _ in 0..50 {
        sleep(Duration::from_millis(200));
        if fs::read_to_string(&file).is_ok_and(|text| !text.is_empty()) {
            break;
        }
    }
    sleep(Duration::from_secs(2));
    nfacctd.interrupt();

    let text = fs::read_to_string(&file).unwrap();
    let flows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = |key: &str| flows.iter().map(|flow| flow[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("packets"), sum("bytes")), (sent.packets, sent.octets), "{text}");
    for flow in &flows {
        for key in ["ip_src", "ip_dst"] {
            let address = flow[key].as_str().unwrap();
            assert!(address.starts_with("10.1.") || address.starts_with("2001:db8"), "{flow}");
        }
    }
}

#[test]
#[ignore = "needs libfixbuf-tools"]
fn ipfix_dump_reads_every_record() {
    for biflow in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows.ipfix");
        let sent = export(&format!("file:{}", path.display()), biflow);
        let text = output(Command::new("ipfixDump").arg("-i").arg(&path));
        // Fields are lines of number, name and value; templates have no such lines.
        let sum = |name: &str| -> u64 {
            text.lines()
                .filter_map(|line| line.split_once(" : "))
                .filter(|(field, _)| field.ends_with(&format!(" {name}")))
                .map(|(_, value)| number(value))
                .sum()
        };
        // One in every record of a flow, and in no options record.
        let records = text.lines().filter(|line| line.contains(" flowEndReason : ")).count();
        let counted = Totals {
            records: records as u64,
            packets: sum("packetDeltaCount") + sum("reversePacketDeltaCount"),
            octets: sum("octetDeltaCount") + sum("reverseOctetDeltaCount"),
        };
        assert_eq!(counted, sent, "biflow {biflow}:\n{text}");
    }
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_every_record_and_complains_of_none() {
    for biflow in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows.ipfix");
        let sent = export(&format!("file:{}", path.display()), biflow);
        let text = output(
            Command::new("tshark")
                .arg("-r")
                .arg(&path)
                .args(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator= "])
                .args(["-e", "cflow.packets", "-e", "cflow.octets", "-e", "_ws.expert.message"]),
        );
        let mut sums = [0; 2];
        for line in text.lines() {
            let mut columns = line.split('\t');
            for sum in &mut sums {
                *sum += columns.next().unwrap_or("").split_whitespace().map(number).sum::<u64>();
            }
            let complaints = columns.next().unwrap_or("");
            assert!(complaints.is_empty(), "{complaints}");
        }
        assert_eq!(sums, [sent.packets, sent.octets], "biflow {biflow}:\n{text}");
    }
}

/// Exports the records and says what that came to.
fn export(target: &str, biflow: bool) -> Totals {
    let records = varied_records();
    let config = Config {
        observation_domain: 7,
        targets: vec![target.parse::<Target>().expect("a target")],
        pace: Pace::Replay,
        biflow,
        ..Config::default()
    };
    let exporter = Exporter::start(&config, Vec::new()).expect("the target opens");
    for records in records.chunks(50) {
        exporter.send(&Arc::new(RecordBatch {
            records: records.to_vec(),
            clock: Timestamp::from_parts(1_700_000_100, 0),
            interfaces: 0,
        }));
    }
    let reports = exporter.finish();
    let [report] = reports.as_slice() else { panic!("one target") };
    assert!(report.first_error.is_none(), "{report:?}");
    assert_eq!(report.sent, Totals::of(&records, biflow));
    sleep(Duration::from_millis(500));
    report.sent
}

/// One record for every combination of what a record may have.
fn varied_records() -> Vec<FlowRecord> {
    let mut records = Vec::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        for protocol in [6, 17, if version == IpVersion::V4 { 1 } else { 58 }, 47] {
            for extra in 0..10 {
                for sides in 0..3 {
                    let n = u32::try_from(records.len()).expect("a few hundred");
                    records.push(record(n, version, protocol, extra, sides));
                }
            }
        }
    }
    records
}

fn record(n: u32, version: IpVersion, protocol: u8, extra: u32, sides: u32) -> FlowRecord {
    let [_, _, high, low] = n.to_be_bytes();
    let address = |end: u8| match version {
        IpVersion::V4 => Address::v4([10, 1, high * 2 + end, low]),
        IpVersion::V6 => {
            Address([0x20, 0x01, 0x0d, 0xb8, 0, end, 0, 0, 0, 0, 0, 0, 0, 0, high, low])
        }
    };
    let ports = matches!(protocol, 6 | 17);
    let direction = |packets: u64| Direction {
        packets,
        octets: packets * 100,
        first: Timestamp::from_parts(1_700_000_000, 5_000_000),
        last: Timestamp::from_parts(1_700_000_050, 0),
        minimum_length: 40,
        maximum_length: 1_500,
        tcp_flags: if protocol == 6 { 0x1b } else { 0 },
        minimum_ttl: 60,
        maximum_ttl: 64,
        tos: 0,
        tcp_window: 1_000,
        tcp_sequence: n,
        icmp_type_code: 0x0800,
        flow_label: 0x12345,
        fragments: u32::from(extra == 9),
    };
    let outer = |v6: bool, kind, id| {
        let v4 = |last| Address::v4([203, 0, 113, last]);
        let v6_address = |last| Address([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        Some(Tunnel {
            kind,
            version: if v6 { IpVersion::V6 } else { IpVersion::V4 },
            source: if v6 { v6_address(1) } else { v4(1) },
            destination: if v6 { v6_address(2) } else { v4(2) },
            id,
        })
    };
    FlowRecord {
        flow_id: n.into(),
        interface: 2,
        version,
        protocol,
        end_reason: FlowEndReason::IdleTimeout,
        source: address(0),
        destination: address(1),
        source_port: if ports { 40_000 } else { 0 },
        destination_port: if ports { 443 } else { 0 },
        forward: if sides == 2 { Direction::default() } else { direction(1 + u64::from(n)) },
        reverse: if sides == 1 { Direction::default() } else { direction(2 + u64::from(n)) },
        mac: (extra != 0).then_some(MacAddresses { source: [2; 6], destination: [4; 6] }),
        vlan: match extra {
            1 => VlanTags { outer: 0x6064, inner: 0, count: 1 },
            2 => VlanTags { outer: 0x6064, inner: 0x00c8, count: 2 },
            _ => VlanTags::default(),
        },
        mpls: match extra {
            3 => MplsLabels { sections: [[0, 1, 0x01], [0; 3], [0; 3]], count: 1 },
            4 => MplsLabels { sections: [[0, 1, 0], [0, 2, 0], [0, 3, 1]], count: 4 },
            _ => MplsLabels::default(),
        },
        tunnel: match extra {
            5 => outer(false, TunnelKind::Vxlan, Some(4_096)),
            6 => outer(true, TunnelKind::GtpU, Some(0xdead_beef)),
            7 => outer(false, TunnelKind::Gre, Some(9)),
            8 => outer(true, TunnelKind::IpInIp, None),
            _ => None,
        },
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
    socket.local_addr().expect("it is bound").port()
}

/// Until a program has the port there is nothing to send to.
fn wait_for_listener(port: u16) {
    for _ in 0..100 {
        if UdpSocket::bind(("127.0.0.1", port)).is_err() {
            sleep(Duration::from_millis(200));
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("nothing listens at port {port}");
}

/// Numbers as collectors print them.
fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("the program is installed");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program that is stopped when the test ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        assert!(Path::new("/proc").exists(), "a Linux test");
        let log = Stdio::null();
        Self(command.stdout(log).stderr(Stdio::null()).spawn().expect("the program is installed"))
    }

    /// Ends it in order, and waits until it has written its files.
    fn interrupt(&mut self) {
        let pid = self.0.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status().expect("kill is there");
        assert!(status.success());
        self.0.wait().expect("it is our child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
