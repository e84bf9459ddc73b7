//! Live capture: the ledger says what the senders sent and what the kernel counted.

use crate::program;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{CLIENT, Lab, SERVER};
use crate::program::Program;
use crate::run::{FLOWTAP, Summary, flowtap};
use serde_json::Value;
use tempfile::TempDir;

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn af_packet_meters_what_was_sent() {
    meters_what_was_sent("af-packet");
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn libpcap_meters_what_was_sent() {
    meters_what_was_sent("libpcap");
}

/// Real programs and a counted blast, seen on a mirror port and on a TAP, by one and two workers.
fn meters_what_was_sent(backend: &str) {
    let mut lab = Lab::new();
    lab.start_servers();
    let mirror_port: Mirrors = &[("ingress", "span"), ("egress", "span")];
    let tap: Mirrors = &[("ingress", "tap0"), ("egress", "tap1")];
    for mirrors in [mirror_port, tap] {
        for workers in ["1", "2"] {
            println!("{backend}, {workers} workers, {mirrors:?}");
            let capture =
                Capture::start(&lab, mirrors, &["--backend", backend, "--workers", workers]);
            lab.mirror(mirrors);
            lab.talk();
            lab.blast(DATAGRAMS, PAYLOAD);
            lab.unmirror();
            let seen = capture.end("TERM");
            seen.assert_all_of_it();
            seen.assert_blast(DATAGRAMS, PAYLOAD);
            // Both directions in one record, whichever interface they came by.
            let [v4, v6] = SERVER;
            for (protocol, server) in [(TCP, v4), (TCP, v6), (UDP, v4), (ICMP, v4), (ICMPV6, v6)] {
                assert!(
                    seen.records.iter().any(|record| {
                        element(record, "protocolIdentifier") == protocol
                            && has_address(record, server)
                            && element(record, "packetDeltaCount") > 0
                            && element(record, "reversePacketDeltaCount") > 0
                    }),
                    "no biflow of protocol {protocol} with {server} in {:#?}",
                    seen.records
                );
            }
            // The page of 200,000 octets came twice, and something of a header with each packet.
            let web: u64 = seen
                .records
                .iter()
                .filter(|record| {
                    [
                        element(record, "sourceTransportPort"),
                        element(record, "destinationTransportPort"),
                    ]
                    .contains(&80)
                })
                .map(octets)
                .sum();
            assert!((400_000..600_000).contains(&web), "{web} octets of web");
        }
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
#[expect(clippy::disallowed_methods, reason = "how long an ending takes is what is tested")]
fn every_ending_flushes_what_was_metered() {
    let mut lab = Lab::new();
    lab.start_servers();
    let mirrors: Mirrors = &[("ingress", "span")];
    for backend in ["af-packet", "libpcap"] {
        for ending in ["TERM", "INT", "duration"] {
            println!("{backend}, {ending}");
            let limits: &[&str] = if ending == "duration" { &["--duration", "2s"] } else { &[] };
            let capture =
                Capture::start(&lab, mirrors, &[&["--backend", backend], limits].concat());
            let started = Instant::now();
            lab.mirror(mirrors);
            lab.blast(50, 100);
            lab.unmirror();
            let seen = match ending {
                "duration" => capture.finish(),
                signal => capture.end(signal),
            };
            assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
            seen.assert_all_of_it();
            seen.assert_blast(50, 100);
            // Beside the blast there may be a word of the hosts' own, multicast reports and such.
            let flows = seen.summary.count("exported_flows");
            assert_eq!(seen.summary.count_of("expired", "forced_end"), flows, "{:?}", seen.summary);
        }
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn an_idle_flow_leaves_a_silent_link_within_a_second_of_its_deadline() {
    let mut lab = Lab::new();
    lab.start_servers();
    let mirrors: Mirrors = &[("ingress", "span")];
    for backend in ["af-packet", "libpcap"] {
        let capture =
            Capture::start(&lab, mirrors, &["--backend", backend, "--idle-timeout", "1s"]);
        lab.mirror(mirrors);
        lab.blast(10, 100);
        lab.unmirror();
        // The deadline is a second after the last packet, and the record due a second later.
        thread::sleep(Duration::from_millis(2000));
        let seen = capture.end("TERM");
        seen.assert_blast(10, 100);
        let flows = seen.summary.count("exported_flows");
        assert_eq!(seen.summary.count_of("expired", "idle_timeout"), flows, "{:?}", seen.summary);
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn the_filter_runs_in_front_of_the_books() {
    let mut lab = Lab::new();
    lab.start_servers();
    let mirrors: Mirrors = &[("ingress", "span"), ("egress", "span")];
    for backend in ["af-packet", "libpcap"] {
        let filter = ["--backend", backend, "--filter", "udp dst port 9999"];
        let capture = Capture::start(&lab, mirrors, &filter);
        lab.mirror(mirrors);
        lab.talk();
        lab.blast(DATAGRAMS, PAYLOAD);
        lab.unmirror();
        let seen = capture.end("TERM");
        assert_eq!(seen.summary.count("received_packets"), u64::from(DATAGRAMS));
        assert_eq!(seen.summary.count("exported_flows"), 1);
        seen.assert_blast(DATAGRAMS, PAYLOAD);
    }
    let capture = ["-i", "span", "--filter", "udp dst prot 9999"];
    let ended = Program::start(lab.command("probe", FLOWTAP).arg("capture").args(capture));
    let (status, said) = ended.end();
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {said}");
    assert!(said.contains("udp dst prot 9999"), "{said}");
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn tags_that_the_kernel_strips_are_metered() {
    let lab = Lab::new();
    let mirrors: Mirrors = &[("ingress", "span")];
    for backend in ["af-packet", "libpcap"] {
        let capture = Capture::start(&lab, mirrors, &["--backend", backend]);
        run_python(&lab, "server", TAGGED);
        thread::sleep(Duration::from_millis(200));
        let seen = capture.end("TERM");
        seen.assert_all_of_it();
        let [record] = seen.records.as_slice() else {
            panic!("one flow was sent: {:#?}", seen.records);
        };
        assert_eq!(element(record, "dot1qVlanId"), 100);
        assert_eq!(element(record, "dot1qPriority"), 5);
        assert_eq!(element(record, "dot1qCustomerVlanId"), 30);
        assert_eq!(element(record, "packetDeltaCount"), 7);
        // The wire carried both tags: 14 + 4 + 4 + 20 + 8 + 100 octets.
        assert_eq!(seen.summary.count("received_octets"), 7 * 150);
        assert_eq!(seen.summary.count("metered_octets"), 7 * 128);
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn an_interface_that_goes_down_and_up_is_captured_again() {
    let mut lab = Lab::new();
    lab.start_servers();
    let mirrors: Mirrors = &[("ingress", "span")];
    for backend in ["af-packet", "libpcap"] {
        let capture = Capture::start(&lab, mirrors, &["--backend", backend]);
        lab.mirror(mirrors);
        lab.blast(10, 100);
        lab.unmirror();
        lab.shell("probe", "ip link set span down");
        thread::sleep(Duration::from_millis(1500));
        lab.shell("probe", "ip link set span up");
        thread::sleep(Duration::from_millis(2500));
        lab.mirror(mirrors);
        lab.blast(20, 100);
        lab.unmirror();
        let seen = capture.end("TERM");
        seen.assert_all_of_it();
        seen.assert_blast(10 + 20, 100);
        let said = |word: &str| {
            seen.said.lines().filter(|line| line.contains("span: ") && line.contains(word)).count()
        };
        assert_eq!((said("down"), said("back")), (1, 1), "each once: {}", seen.said);
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn what_cannot_be_captured_is_one_line_and_status_1() {
    let lab = Lab::new();
    for backend in ["af-packet", "libpcap"] {
        let arguments = ["capture", "-i", "nowhere0", "--backend", backend];
        let (status, said) = Program::start(lab.command("probe", FLOWTAP).args(arguments)).end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("nowhere0"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");

        // The program where anybody can run it, as somebody without a single capability.
        let folder = TempDir::new().unwrap();
        run_shell(&format!("chmod 755 {}", folder.path().display()));
        let copy = folder.path().join("flowtap");
        fs::copy(FLOWTAP, &copy).unwrap();
        let mut command = lab.command("probe", "setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
        command.arg(copy).args(["capture", "-i", "span", "--backend", backend]);
        let (status, said) = Program::start(&mut command).end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("CAP_NET_RAW"), "it says what to do: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_live_capture_reaches_a_collector() {
    // Over TCP, where nothing may be lost: the collector is our own reader of IPFIX files.
    let mut lab = Lab::new();
    lab.start_servers();
    let folder = TempDir::new().unwrap();
    let received = folder.path().join("received.ipfix");
    let mut collector = lab.command("probe", "python3");
    let mut collector = Program::start(collector.args(["-c", COLLECTOR]).arg(&received));
    collector.wait_until("its port", || {
        lab.shell("probe", "ss --no-header --listening --numeric --tcp").contains(":4739")
    });
    let mirrors: Mirrors = &[("ingress", "tap0"), ("egress", "tap1")];
    let capture = Capture::start(&lab, mirrors, &["--export", "tcp://127.0.0.1"]);
    lab.mirror(mirrors);
    lab.talk();
    lab.blast(DATAGRAMS, PAYLOAD);
    lab.unmirror();
    let seen = capture.end("TERM");
    seen.assert_all_of_it();
    let (status, said) = collector.end();
    assert!(status.success(), "{said}");
    let shown = flowtap(["show", received.to_str().unwrap(), "--format", "json"]).well();
    // Options records tell of the probe, among others what the interfaces are called.
    let (received, options): (Vec<_>, Vec<_>) = records(&shown.stdout)
        .into_iter()
        .partition(|record| record.get("flowEndReason").is_some());
    for interface in ["tap0", "tap1"] {
        assert!(
            options
                .iter()
                .any(|record| record.get("interfaceName").is_some_and(|name| name == interface)),
            "{interface}"
        );
    }
    assert_eq!(received.len() as u64, seen.summary.count("exported_flows"));
    assert_eq!(received.iter().map(octets).sum::<u64>(), seen.summary.count("exported_octets"));
}

const DATAGRAMS: u32 = 5000;
const PAYLOAD: u32 = 300;
const ICMP: u64 = 1;
const TCP: u64 = 6;
const UDP: u64 = 17;
const ICMPV6: u64 = 58;

/// Which direction of the server's interface is mirrored to which interface of the probe.
type Mirrors = &'static [(&'static str, &'static str)];

type Record = serde_json::Map<String, Value>;

/// A capture that runs in the probe's namespace.
struct Capture<'lab> {
    lab: &'lab Lab,
    interfaces: Vec<&'static str>,
    before: Vec<[u64; 3]>,
    program: Program,
    folder: TempDir,
}

impl<'lab> Capture<'lab> {
    #[track_caller]
    fn start(lab: &'lab Lab, mirrors: Mirrors, more: &[&str]) -> Self {
        let mut interfaces: Vec<_> = mirrors.iter().map(|&(_, interface)| interface).collect();
        interfaces.dedup();
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = lab.command("probe", FLOWTAP);
        command.arg("capture");
        for interface in &interfaces {
            command.args(["-i", interface]);
        }
        command.args(["--export", &format!("json:{}", folder.path().join("flows").display())]);
        command.arg("--summary").arg(folder.path().join("summary")).args(more);
        let before = interfaces.iter().map(|interface| lab.counters(interface)).collect();
        let mut program = Program::start(&mut command);
        lab.wait_for_packet_sockets(&mut program, interfaces.len());
        Self { lab, interfaces, before, program, folder }
    }

    /// Ends it by a signal.
    #[track_caller]
    fn end(self, signal: &str) -> Seen {
        self.program.signal(signal);
        self.finish()
    }

    /// Waits for its end.
    #[track_caller]
    fn finish(self) -> Seen {
        let Self { lab, interfaces, before, program, folder } = self;
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let summary = Summary::read(&path("summary"));
        summary.assert_balanced();
        let mut counted = [0; 3];
        for (interface, before) in interfaces.iter().zip(before) {
            for (sum, (now, then)) in
                counted.iter_mut().zip(lab.counters(interface).iter().zip(before))
            {
                *sum += now - then;
            }
        }
        let records = records(&fs::read(path("flows")).expect("the target was written"));
        Seen { summary, records, counted, said }
    }
}

/// What a capture has seen.
struct Seen {
    summary: Summary,
    records: Vec<Record>,
    /// What the kernel counted meanwhile: received packets and octets, transmitted packets.
    counted: [u64; 3],
    said: String,
}

impl Seen {
    /// Not a frame is missing, none was counted twice, and none was sent.
    #[track_caller]
    fn assert_all_of_it(&self) {
        let [packets, frame_octets, transmitted] = self.counted;
        assert_eq!(self.summary.count("received_packets"), packets, "{:?}", self.summary);
        assert_eq!(self.summary.count("received_octets"), frame_octets, "{:?}", self.summary);
        assert_eq!(self.summary.count("kernel_dropped_packets"), 0, "{:?}", self.summary);
        assert_eq!(transmitted, 0, "nothing is sent on an observed interface");
        let recorded: u64 = self.records.iter().map(octets).sum();
        assert_eq!(recorded, self.summary.count("exported_octets"));
        assert_eq!(self.records.len() as u64, self.summary.count("exported_flows"));
    }

    /// The blast is there to the last octet.
    #[track_caller]
    fn assert_blast(&self, datagrams: u32, payload: u32) {
        let [client, _] = CLIENT;
        let blast: Vec<_> = self
            .records
            .iter()
            .filter(|record| element(record, "destinationTransportPort") == 9999)
            .collect();
        let packets: u64 = blast.iter().map(|record| element(record, "packetDeltaCount")).sum();
        let sum: u64 = blast.iter().map(|record| octets(record)).sum();
        assert_eq!(packets, u64::from(datagrams), "{}", self.said);
        assert_eq!(sum, u64::from(datagrams) * u64::from(20 + 8 + payload));
        assert!(blast.iter().all(|record| has_address(record, client)));
    }
}

/// Octets of a record, both directions.
fn octets(record: &Record) -> u64 {
    element(record, "octetDeltaCount") + element(record, "reverseOctetDeltaCount")
}

/// The value of an unsigned element; zero where the record has none.
fn element(record: &Record, name: &str) -> u64 {
    record.get(name).map_or(0, |value| value.as_u64().expect("an unsigned element"))
}

/// Whether one side of the record has this address.
fn has_address(record: &Record, address: &str) -> bool {
    ["sourceIPv4Address", "destinationIPv4Address", "sourceIPv6Address", "destinationIPv6Address"]
        .iter()
        .any(|name| record.get(*name).and_then(Value::as_str) == Some(address))
}

fn records(json: &[u8]) -> Vec<Record> {
    let text = std::str::from_utf8(json).expect("JSON is text");
    text.lines()
        .map(|line| match serde_json::from_str(line).expect("one JSON object a line") {
            Value::Object(record) => record,
            other => panic!("not an object: {other}"),
        })
        .collect()
}

fn run_python(lab: &Lab, namespace: &str, program: &str) {
    program::run(lab.command(namespace, "python3").args(["-c", program]));
}

fn run_shell(line: &str) {
    program::run(Command::new("sh").args(["-ec", line]));
}

/// Seven datagrams of 100 octets in VLAN 30 inside VLAN 100 of priority 5, onto the mirror port.
const TAGGED: &str = "
import socket, struct
port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
port.bind(('span', 0))
def checksum(octets):
    total = sum(struct.unpack('!%dH' % (len(octets) // 2), octets))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff
def header(check):
    return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 128, 1, 0, 64, 17, check,
                       bytes([192, 0, 2, 10]), bytes([192, 0, 2, 80]))
frame = bytes.fromhex('02000000005002000000000c')
frame += struct.pack('!HHHH', 0x8100, 5 << 13 | 100, 0x8100, 30)
frame += struct.pack('!H', 0x0800) + header(checksum(header(0)))
frame += struct.pack('!HHHH', 1234, 5678, 108, 0) + bytes(100)
for _ in range(7):
    port.send(frame)
";

/// Takes one session on the IPFIX port and writes down all of it.
const COLLECTOR: &str = "
import socket, sys
listener = socket.create_server(('127.0.0.1', 4739))
session, _ = listener.accept()
with open(sys.argv[1], 'wb') as received:
    while octets := session.recv(65536):
        received.write(octets)
";
