//! Collectors and readers of others find in our output what our ledger says is in it.

use std::fs;
use std::net::UdpSocket;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use program::{Program, run};
use run::{Summary, replay, sample};
use tempfile::TempDir;

#[path = "support/generate.rs"]
mod generate;
#[path = "support/program.rs"]
mod program;
#[path = "support/run.rs"]
mod run;

#[test]
#[ignore = "needs nfdump, pmacct, libfixbuf-tools and tshark"]
fn nfdump_finds_the_sums_of_the_ledger() {
    for case in cases() {
        for biflow in ["on", "off"] {
            let collector = Nfcapd::start();
            let summary = replay(
                &case.capture,
                &["--biflow", biflow, "--export", &format!("udp://127.0.0.1:{}", collector.port)],
            );
            let found = collector.sums();
            assert_eq!(found, Found::of(&summary), "{} with biflow {biflow}", case.name);
        }
    }
}

#[test]
#[ignore = "needs nfdump, pmacct, libfixbuf-tools and tshark"]
fn nfacctd_finds_the_sums_of_the_ledger() {
    for case in cases() {
        // nfacctd knows no reverse elements.
        let collector = Nfacctd::start();
        let target = format!("udp://127.0.0.1:{}", collector.port);
        let summary = replay(&case.capture, &["--biflow", "off", "--export", &target]);
        let found = collector.sums();
        assert_eq!(found, Found::of(&summary), "{}", case.name);
    }
}

#[test]
#[ignore = "needs nfdump, pmacct, libfixbuf-tools and tshark"]
fn ipfixdump_finds_the_sums_of_the_ledger() {
    for case in cases() {
        for biflow in ["on", "off"] {
            let file = case.folder.path().join("flows.ipfix");
            let target = format!("file:{}", file.display());
            let summary = replay(&case.capture, &["--biflow", biflow, "--export", &target]);
            let dump = run(Command::new("ipfixDump").arg("--in").arg(&file).arg("--data"));
            assert!(!dump.contains("out of sequence"), "{}: {dump}", case.name);
            let found = ipfixdump_sums(&dump);
            assert_eq!(found, Found::of(&summary), "{} with biflow {biflow}", case.name);
        }
    }
}

#[test]
#[ignore = "needs nfdump, pmacct, libfixbuf-tools and tshark"]
fn tshark_finds_the_sums_of_the_ledger() {
    for case in cases() {
        for biflow in ["on", "off"] {
            let file = case.folder.path().join("flows.ipfix");
            let target = format!("file:{}", file.display());
            let summary = replay(&case.capture, &["--biflow", biflow, "--export", &target]);
            let found = tshark_sums(&file);
            assert_eq!(found, Found::of(&summary), "{} with biflow {biflow}", case.name);
            // Neither malformed messages nor gaps in the sequence.
            let complaints = run(tshark(&file).args(["-Y", "_ws.expert.severity >= \"warning\""]));
            assert_eq!(complaints, "", "{}", case.name);
        }
    }
}

#[test]
#[ignore = "needs nfdump, pmacct, libfixbuf-tools and tshark"]
fn tshark_counts_the_sample_as_the_ledger_does() {
    // An oracle for the way in: what stands in the capture by tshark's own dissection.
    for (tunnels, layer) in [("outer", IpLayer::Outermost), ("inner", IpLayer::Innermost)] {
        let summary = replay(&sample(), &["--tunnels", tunnels]);
        let seen = tshark_packets(&sample(), layer);
        assert_eq!(summary.count("received_packets"), seen.frames, "frames");
        assert_eq!(summary.count("received_octets"), seen.frame_octets, "octets of frames");
        assert_eq!(summary.count("metered_packets"), seen.packets, "packets, tunnels {tunnels}");
        assert_eq!(summary.count("metered_octets"), seen.octets, "octets, tunnels {tunnels}");
        assert_eq!(
            summary.count_of("ignored_packets", "not_ip"),
            seen.frames - seen.packets,
            "everything in the sample that is not IP is not malformed either"
        );
    }
}

/// A capture to send through every collector.
struct Case {
    name: &'static str,
    capture: PathBuf,
    folder: TempDir,
}

fn cases() -> [Case; 2] {
    let folder = || tempfile::tempdir().expect("a temporary folder");
    let many = folder();
    let capture = many.path().join("conversations.pcap");
    let sums = generate::conversations(&capture, 2000, 4);
    let summary = replay(&capture, &[]);
    assert_eq!(summary.count("received_packets"), sums.frames);
    assert_eq!(summary.count("metered_octets"), sums.octets);
    [
        Case { name: "the sample", capture: sample(), folder: folder() },
        Case { name: "many conversations", capture, folder: many },
    ]
}

/// What a reader of our output counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Found {
    flows: u64,
    packets: u64,
    octets: u64,
}

impl Found {
    /// What it should have counted.
    fn of(summary: &Summary) -> Self {
        Self {
            flows: summary.count("exported_flows"),
            packets: summary.count("exported_packets"),
            octets: summary.count("exported_octets"),
        }
    }
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.flows += other.flows;
        self.packets += other.packets;
        self.octets += other.octets;
    }
}

/// nfdump's collector.
struct Nfcapd {
    port: u16,
    folder: TempDir,
    program: Program,
}

impl Nfcapd {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let mut command = Command::new("nfcapd");
        command.arg("-w").arg(folder.path()).args(["-b", "127.0.0.1", "-p", &port.to_string()]);
        // The default buffer loses bursts; the default rotation splits a run in two.
        command.args(["-B", "8000000", "-t", "3600"]);
        let mut program = Program::start(&mut command);
        program.wait_until("its port", || socket(port).is_some());
        Self { port, folder, program }
    }

    fn sums(self) -> Found {
        drained(self.port);
        self.program.signal("TERM");
        let (status, log) = self.program.end();
        assert!(status.success(), "{log}");
        assert!(log.contains("Sequence Errors: 0, Bad Packets: 0"), "{log}");
        let mut nfdump = Command::new("nfdump");
        nfdump.arg("-R").arg(self.folder.path()).args(["-q", "-N"]);
        let lines = run(nfdump.args(["-o", "fmt:%ipkt %opkt %ibyt %obyt"]));
        let mut found = Found::default();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let numbers: Vec<u64> = line.split_whitespace().map(parsed).collect();
            // The way back of a biflow is "out" to nfdump.
            let &[packets, reverse_packets, octets, reverse_octets] = numbers.as_slice() else {
                panic!("nfdump printed {line}");
            };
            found += Found {
                flows: 1,
                packets: packets + reverse_packets,
                octets: octets + reverse_octets,
            };
        }
        found
    }
}

/// pmacct's collector.
struct Nfacctd {
    port: u16,
    folder: TempDir,
    program: Program,
}

impl Nfacctd {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let configuration = folder.path().join("nfacctd.conf");
        let output = folder.path().join("flows.csv");
        let text = format!(
            "daemonize: false\n\
             nfacctd_ip: 127.0.0.1\n\
             nfacctd_port: {port}\n\
             nfacctd_pipe_size: 16777216\n\
             nfacctd_time_new: true\n\
             aggregate: src_host,dst_host,src_port,dst_port,proto,tcpflags,tos,flows\n\
             plugins: print\n\
             plugin_buffer_size: 10240\n\
             plugin_pipe_size: 10240000\n\
             print_output: csv\n\
             print_output_file: {}\n\
             print_cache_entries: 16411\n\
             print_refresh_time: 3600\n",
            output.display()
        );
        fs::write(&configuration, text).expect("a temporary folder can be written");
        let mut program = Program::start(Command::new("nfacctd").arg("-f").arg(&configuration));
        program.wait_until("its port", || socket(port).is_some());
        Self { port, folder, program }
    }

    fn sums(self) -> Found {
        drained(self.port);
        // The table is written, and both of its processes end.
        self.program.signal("INT");
        let (status, log) = self.program.end();
        assert!(status.success(), "{log}");
        let csv = fs::read_to_string(self.folder.path().join("flows.csv"))
            .unwrap_or_else(|error| panic!("nfacctd wrote nothing ({error}): {log}"));
        let mut lines = csv.lines();
        let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
        let column = |name: &str| {
            header.iter().position(|&column| column == name).expect("a column of the configuration")
        };
        let (flows, packets, octets) = (column("FLOWS"), column("PACKETS"), column("BYTES"));
        let mut found = Found::default();
        for line in lines {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |at: usize| fields.get(at).map_or(0, |field| parsed(field));
            found +=
                Found { flows: number(flows), packets: number(packets), octets: number(octets) };
        }
        found
    }
}

/// The sums over a text of `ipfixDump --data`.
fn ipfixdump_sums(dump: &str) -> Found {
    let mut found = Found::default();
    for line in dump.lines() {
        let Some((name, value)) = line.split_once(" : ") else {
            continue;
        };
        match name.split_whitespace().last() {
            Some("packetDeltaCount" | "reversePacketDeltaCount") => found.packets += parsed(value),
            Some("octetDeltaCount" | "reverseOctetDeltaCount") => found.octets += parsed(value),
            // One in every record of a flow, and in no options record.
            Some("flowEndReason") => found.flows += 1,
            _ => {}
        }
    }
    found
}

/// The sums over an IPFIX File that tshark reads.
fn tshark_sums(file: &Path) -> Found {
    let fields =
        ["-T", "fields", "-E", "aggregator=,", "-e", "cflow.packets", "-e", "cflow.octets"];
    let lines = run(tshark(file).args(fields));
    let mut found = Found::default();
    for line in lines.lines() {
        let mut columns = line.split('\t').map(|column| {
            column.split(',').filter(|number| !number.is_empty()).map(parsed).sum::<u64>()
        });
        found.packets += columns.next().unwrap_or(0);
        found.octets += columns.next().unwrap_or(0);
    }
    let details = run(tshark(file).arg("-V"));
    // One in every record of a flow, and in no options record.
    let reasons = details.lines().filter(|line| line.trim().starts_with("Flow End Reason:"));
    found.flows = reasons.count() as u64;
    found
}

/// Which IP header of a packet to count.
#[derive(Clone, Copy)]
enum IpLayer {
    Outermost,
    Innermost,
}

/// What tshark finds in a capture.
struct Seen {
    frames: u64,
    frame_octets: u64,
    packets: u64,
    octets: u64,
}

fn tshark_packets(capture: &Path, layer: IpLayer) -> Seen {
    let mut command = tshark(capture);
    // Every fragment is a packet of its own.
    command.args(["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "fields"]);
    for field in ["frame.len", "frame.protocols", "ip.len", "ipv6.plen"] {
        command.args(["-e", field]);
    }
    let mut seen = Seen { frames: 0, frame_octets: 0, packets: 0, octets: 0 };
    for line in run(&mut command).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let &[length, protocols, ip_lengths, ipv6_lengths] = columns.as_slice() else {
            panic!("tshark printed {line}");
        };
        seen.frames += 1;
        seen.frame_octets += parsed(length);
        // What follows ICMP is a quotation of another packet, not a header of this one.
        let headers: Vec<&str> = protocols
            .split(':')
            .take_while(|protocol| !protocol.starts_with("icmp"))
            .filter(|protocol| matches!(*protocol, "ip" | "ipv6"))
            .collect();
        let position = match layer {
            IpLayer::Outermost => 0,
            IpLayer::Innermost => headers.len().saturating_sub(1),
        };
        let Some(&header) = headers.get(position) else {
            continue;
        };
        let earlier = headers.iter().take(position).filter(|&&other| other == header).count();
        let (lengths, extra) = if header == "ip" { (ip_lengths, 0) } else { (ipv6_lengths, 40) };
        seen.packets += 1;
        seen.octets += lengths.split(',').nth(earlier).map_or(0, parsed) + extra;
    }
    seen
}

fn tshark(file: &Path) -> Command {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(file);
    command
}

#[track_caller]
fn parsed(number: &str) -> u64 {
    number.trim().parse().unwrap_or_else(|_| panic!("{number:?} is not a number"))
}

/// A UDP port of the loopback that nobody has.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("it was bound").port()
}

/// Octets that wait in the socket on this port, and datagrams it lost.
fn socket(port: u16) -> Option<(u64, u64)> {
    let sockets = fs::read_to_string("/proc/net/udp").expect("Linux");
    sockets.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.strip_prefix("0100007F:")?;
        if u16::from_str_radix(local, 16).ok()? != port {
            return None;
        }
        let waiting = u64::from_str_radix(columns.get(4)?.split_once(':')?.1, 16).ok()?;
        Some((waiting, columns.last()?.parse().ok()?))
    })
}

/// Waits until the collector has read all that was sent, and makes sure that none was lost.
#[track_caller]
fn drained(port: u16) {
    program::wait_until("the collector's end of reading", || matches!(socket(port), Some((0, _))));
    // What it has read it must also file.
    thread::sleep(Duration::from_millis(500));
    let (_, lost) = socket(port).expect("the collector listens");
    assert_eq!(lost, 0, "datagrams lost in the collector's socket");
}
