//! Collectors and readers of others: started, given the time to read, asked what they found.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::fs;
use std::net::UdpSocket;
use std::ops::AddAssign;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{self, Program, run};

/// What a reader of our output counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) flows: u64,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.flows += other.flows;
        self.packets += other.packets;
        self.octets += other.octets;
    }
}

/// nfdump's collector.
pub(crate) struct Nfcapd {
    pub(crate) port: u16,
    folder: TempDir,
    program: Program,
}

impl Nfcapd {
    pub(crate) fn start() -> Self {
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

    /// Ends it, and makes sure that it has nothing to complain of.
    #[track_caller]
    pub(crate) fn finish(self) -> Nfdump {
        drained(self.port);
        self.program.signal("TERM");
        let (status, log) = self.program.end();
        assert!(status.success(), "{log}");
        assert!(log.contains("Sequence Errors: 0, Bad Packets: 0"), "{log}");
        Nfdump { folder: self.folder, log }
    }
}

/// What nfcapd has filed, and its log.
pub(crate) struct Nfdump {
    folder: TempDir,
    pub(crate) log: String,
}

impl Nfdump {
    /// Columns of every flow, by the letters of nfdump's own format; times in UTC.
    pub(crate) fn flows(&self, format: &str) -> Vec<Vec<String>> {
        let mut nfdump = Command::new("nfdump");
        nfdump.env("TZ", "UTC").arg("-R").arg(self.folder.path()).args(["-q", "-N"]);
        let lines = run(nfdump.args(["-o", &format!("fmt:{format}")]));
        let lines = lines.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    pub(crate) fn sums(&self) -> Found {
        let mut found = Found::default();
        for flow in self.flows("%ipkt %opkt %ibyt %obyt") {
            let numbers: Vec<u64> = flow.iter().map(|number| parsed(number)).collect();
            // The way back of a biflow is "out" to nfdump.
            let &[packets, reverse_packets, octets, reverse_octets] = numbers.as_slice() else {
                panic!("nfdump printed {flow:?}");
            };
            found += Found {
                flows: 1,
                packets: packets + reverse_packets,
                octets: octets + reverse_octets,
            };
        }
        found
    }

    /// Every record with all that is in it.
    pub(crate) fn raw(&self) -> String {
        let mut nfdump = Command::new("nfdump");
        run(nfdump.env("TZ", "UTC").arg("-R").arg(self.folder.path()).args(["-q", "-o", "raw"]))
    }

    /// What it knows of exporters and their sampling.
    pub(crate) fn exporters(&self) -> String {
        let files = fs::read_dir(self.folder.path()).expect("its folder");
        let files = files.map(|file| file.expect("a file").path());
        let mut text = String::new();
        for file in files.filter(|file| file.display().to_string().contains("nfcapd.")) {
            text += &run(Command::new("nfdump").arg("-E").arg(file));
        }
        text
    }
}

/// pmacct's collector.
pub(crate) struct Nfacctd {
    pub(crate) port: u16,
    folder: TempDir,
    program: Program,
}

impl Nfacctd {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let configuration = folder.path().join("nfacctd.conf");
        let output = folder.path().join("flows.csv");
        // It checks sequence numbers only when told to.
        let text = format!(
            "daemonize: false\n\
             nfacctd_ip: 127.0.0.1\n\
             nfacctd_port: {port}\n\
             nfacctd_pipe_size: 16777216\n\
             nfacctd_disable_checks: false\n\
             aggregate: src_host,dst_host,src_port,dst_port,proto,tcpflags,tos,flows,in_iface,\
             sampling_rate,export_proto_version,timestamp_start,timestamp_end\n\
             timestamps_since_epoch: true\n\
             plugins: print\n\
             plugin_buffer_size: 10240\n\
             plugin_pipe_size: 10240000\n\
             print_output: csv\n\
             print_output_file: {}\n\
             print_cache_entries: 65537\n\
             print_refresh_time: 3600\n",
            output.display()
        );
        fs::write(&configuration, text).expect("a temporary folder can be written");
        let mut program = Program::start(Command::new("nfacctd").arg("-f").arg(&configuration));
        program.wait_until("its port", || socket(port).is_some());
        program.wait_until_idle(2);
        Self { port, folder, program }
    }

    /// Ends it, and makes sure that it has nothing to complain of.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Table {
        drained(self.port);
        // One process reads, and one keeps the table: what is between them when they end is lost.
        self.program.wait_until_idle(2);
        // The table is written, and both end.
        self.program.signal("INT");
        let (status, log) = self.program.end();
        assert!(status.success(), "{log}");
        // Of sequence numbers, and of Templates and records that it cannot make sense of.
        for complaint in ["expecting flow", "WARN", "ERROR", "unable", "malformed", "discarded"] {
            assert!(!log.contains(complaint), "{log}");
        }
        let csv = fs::read_to_string(self.folder.path().join("flows.csv"))
            .unwrap_or_else(|error| panic!("nfacctd wrote nothing ({error}): {log}"));
        Table::of_csv(&csv)
    }
}

/// Rows with named columns.
pub(crate) struct Table {
    header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    fn of_csv(csv: &str) -> Self {
        let mut rows = csv.lines().map(|line| line.split(',').map(str::to_owned).collect());
        Self { header: rows.next().expect("a header"), rows: rows.collect() }
    }

    /// A column, from top to bottom.
    #[track_caller]
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        let at = self.header.iter().position(|column| column == name);
        let at = at.unwrap_or_else(|| panic!("no column {name} in {:?}", self.header));
        self.rows.iter().map(|row| row.get(at).map_or("", String::as_str)).collect()
    }

    pub(crate) fn sums(&self) -> Found {
        let sum = |name: &str| self.column(name).into_iter().map(parsed).sum();
        Found { flows: sum("FLOWS"), packets: sum("PACKETS"), octets: sum("BYTES") }
    }
}

/// libfixbuf's reader, over Messages in a file, whether they were a file from the start or came over
/// TCP: `ipfixDump` is all that Debian has of its tools, and it reads files only, so there is no
/// collector of libfixbuf's that a test could connect to.
pub(crate) fn ipfix_dump(file: &Path) -> String {
    let dump = run(Command::new("ipfixDump").arg("--in").arg(file).arg("--data"));
    assert!(!dump.contains("out of sequence"), "{dump}");
    dump
}

/// The sums over a text of `ipfixDump --data`; a record of a Flow is one with a protocol.
pub(crate) fn ipfix_dump_sums(dump: &str) -> Found {
    let mut found = Found::default();
    for line in dump.lines() {
        let Some((name, value)) = line.split_once(" : ") else {
            continue;
        };
        match name.split_whitespace().last() {
            Some("protocolIdentifier") => found.flows += 1,
            Some("packetDeltaCount" | "reversePacketDeltaCount") => found.packets += parsed(value),
            Some("octetDeltaCount" | "reverseOctetDeltaCount") => found.octets += parsed(value),
            _ => {}
        }
    }
    found
}

/// tshark over a capture or an IPFIX File.
pub(crate) fn tshark(file: &Path) -> Command {
    let mut command = Command::new("tshark");
    command.env("TZ", "UTC").args(["-n", "-r"]).arg(file);
    command
}

/// The sums over all that tshark dissects; a record of a Flow is one with a protocol.
pub(crate) fn tshark_sums(mut tshark: impl FnMut() -> Command) -> Found {
    let mut values = |field| tshark_field(tshark(), field);
    Found {
        flows: values("cflow.protocol").len() as u64,
        packets: values("cflow.packets").iter().map(|value| parsed(value)).sum(),
        octets: values("cflow.octets").iter().map(|value| parsed(value)).sum(),
    }
}

/// What tshark finds wrong, which is malformed Messages and gaps in the sequence among others. What
/// TCP says of windows and of segments that it sends again is not about us.
pub(crate) fn tshark_complaints(mut tshark: Command) -> Vec<String> {
    tshark.args(["-Y", "_ws.expert.severity >= \"warning\" || _ws.malformed"]);
    let messages = tshark_field(tshark, "_ws.expert.message");
    let of_tcp = [
        "TCP ",
        "D-SACK",
        "This frame is a (suspected)",
        "Duplicate ACK",
        "Previous segment",
        "ACKed segment",
    ];
    let is_ours = |message: &String| !of_tcp.iter().any(|text| message.starts_with(text));
    messages.into_iter().filter(is_ours).collect()
}

/// The values of one field of tshark's, over all frames.
pub(crate) fn tshark_field(mut tshark: Command, field: &str) -> Vec<String> {
    let lines = run(tshark.args(["-T", "fields", "-E", "aggregator=|", "-e", field]));
    let values = lines.lines().flat_map(|line| line.split('|'));
    values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
pub(crate) fn parsed(number: &str) -> u64 {
    number.trim().parse().unwrap_or_else(|_| panic!("{number:?} is not a number"))
}

/// A UDP port of the loopback that nobody has.
pub(crate) fn free_port() -> u16 {
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
