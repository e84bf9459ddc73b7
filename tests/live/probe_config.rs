//! The ready configurations of `probe-config/`: each is valid, says when to use it, and runs.
//!
//! `cargo test --test live probe_config:: -- --include-ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use crate::frames;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::frames::udp;
use crate::netns::{cable, inside, ip};
use crate::program::{Program, wait_until};
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::run::{FLOWTAP, Summary, flowtap};
use crate::strict::{Record, Session};

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("probe-config").join(name)
}

/// Files with a test of their own below.
const RUN: [&str; 5] = ["carrier.toml", "partner.toml", "span.toml", "statistics.toml", "tap.toml"];

#[test]
fn every_file_is_valid_says_when_to_use_it_and_is_run_by_a_test() {
    let files = fs::read_dir(place("")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: Vec<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    files.retain(|name| name.ends_with(".toml"));
    files.sort_unstable();
    assert_eq!(files, RUN);
    for name in files {
        let text = fs::read_to_string(place(&name)).unwrap();
        let comment: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.iter().any(|line| line.starts_with("# Use it ")), "{name}: {comment:?}");
        let checked = flowtap(["check".as_ref(), place(&name).as_os_str()]).well();
        let parts = checked.text().split("\n\n").filter(|part| part.starts_with("[[interface]]"));
        let interfaces = checked.text().matches("[[interface]]").count();
        assert!(interfaces > 0 && parts.count() == interfaces, "{name}: a part for each");
        flowtap(["manifest".as_ref(), place(&name).as_os_str()]).well();
    }
}

#[test]
#[ignore = "needs root"]
fn span_runs_as_it_is() {
    inside("probe_config::span_runs_as_it_is", || {
        let receiver = || UdpReceiver::start_at("192.0.2.10:4739");
        let (summary, receiver) = run_with("span.toml", &["eth1"], &[], receiver, |senders| {
            senders[0].send(&udp(1, 100));
        });
        assert_eq!(summary.count("metered_packets"), 1);
        let datagrams = receiver.finish();
        let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
        assert_eq!(session.flows().count(), 1);
        assert!(told(&session).contains(&"SPAN port of the core switch".to_owned()));
    });
}

#[test]
#[ignore = "needs root"]
fn tap_runs_as_it_is_and_both_directions_meet() {
    inside("probe_config::tap_runs_as_it_is_and_both_directions_meet", || {
        let receiver = || TcpReceiver::start_at("192.0.2.10:4739", 0);
        let (summary, receiver) =
            run_with("tap.toml", &["eth1", "eth2"], &[], receiver, |senders| {
                senders[0].send(&udp(1, 100));
                thread::sleep(Duration::from_millis(50));
                senders[1].send(&frames::answer(&udp(1, 100)));
            });
        assert_eq!((summary.count("metered_packets"), summary.count("exported_flows")), (2, 1));
        let streams = receiver.finish();
        let session = Session::of_stream(&streams[0]);
        assert_eq!(session.sums().packets, 2);
        assert!(told(&session).contains(&"TAP at the uplink, to the provider (egress)".to_owned()));
    });
}

#[test]
#[ignore = "needs root"]
fn carrier_meters_what_is_in_pppoe_and_ds_lite() {
    inside("probe_config::carrier_meters_what_is_in_pppoe_and_ds_lite", || {
        let receiver = || UdpReceiver::start_at("192.0.2.10:4739");
        let export = ["--export", "udp://192.0.2.10"];
        let interfaces = ["ens1f0", "ens1f1"];
        let (summary, receiver) =
            run_with("carrier.toml", &interfaces, &export, receiver, |senders| {
                senders[0].send(&in_pppoe(&udp(1, 100)));
                senders[1].send(&in_ds_lite(&udp(2, 100)));
                senders[1].send(&in_pppoe(&managed()));
            });
        assert_eq!((summary.count("metered_packets"), summary.count("filtered_packets")), (2, 1));
        assert_eq!(summary.sum("ignored_packets"), 0);
        let datagrams = receiver.finish();
        let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
        assert_eq!(session.flows().count(), 2);
        // sourceIPv4Address (IE 8): what is inside.
        assert!(session.flows().all(|record| record.octets(0, 8) == Some(&[10, 0, 0, 1])));
    });
}

#[test]
#[ignore = "needs root"]
fn partner_is_told_pseudonyms_also_by_a_target_of_flags() {
    inside("probe_config::partner_is_told_pseudonyms_also_by_a_target_of_flags", || {
        let receiver = || UdpReceiver::start_at("192.0.2.10:4739");
        let export = ["--export", "udp://192.0.2.10"];
        let (summary, receiver) =
            run_with("partner.toml", &["eth1"], &export, receiver, |senders| {
                senders[0].send(&udp(1, 100));
            });
        assert_eq!(summary.count("metered_packets"), 1);
        let datagrams = receiver.finish();
        let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
        let flows: Vec<&Record> = session.flows().collect();
        assert_eq!(flows.len(), 1);
        let source = flows[0].octets(0, 8).unwrap();
        assert_ne!(source, [10, 0, 0, 1]);
        for datagram in &datagrams {
            assert!(!datagram.windows(4).any(|octets| octets == [10, 0, 0, 1]));
        }
    });
}

#[test]
#[ignore = "needs root"]
fn statistics_are_sums_in_which_nobody_is_found() {
    inside("probe_config::statistics_are_sums_in_which_nobody_is_found", || {
        let receiver = || TcpReceiver::start_at("192.0.2.10:4739", 0);
        let (summary, receiver) =
            run_with("statistics.toml", &["eth1"], &[], receiver, |senders| {
                for host in 1..=25 {
                    let mut frame = udp(1, 100);
                    frame.splice(26..30, [10, 1, 0, host]);
                    senders[0].send(&frame);
                }
            });
        assert_eq!(summary.count("metered_packets"), 25);
        let streams = receiver.finish();
        for host in 1..=25 {
            assert!(!streams[0].windows(4).any(|octets| octets == [10, 1, 0, host]), "{host}");
        }
        let session = Session::of_stream(&streams[0]);
        // packetDeltaCount (IE 2), originalFlowsPresent (IE 375): one sum, over more than 20 flows.
        let told: Vec<_> =
            session.flows().map(|record| (record.number(0, 2), record.number(0, 375))).collect();
        assert_eq!(told, [(25, 25)]);
    });
}

/// interfaceDescription (IE 83) of each interface.
fn told(session: &Session) -> Vec<String> {
    session.options(83).filter_map(|record| record.text(83)).map(str::to_owned).collect()
}

/// Runs a file as the service does, in a working directory of its own, with what its interfaces are
/// sent and a collector at the address of the files.
fn run_with<R>(
    file: &str,
    interfaces: &[&str],
    more: &[&str],
    receiver: impl FnOnce() -> R,
    traffic: impl FnOnce(&mut [Sender]),
) -> (Summary, R) {
    ip("link set dev lo up");
    ip("address add 192.0.2.10/32 dev lo");
    let receiver = receiver();
    for interface in interfaces {
        cable(interface, &format!("to-{interface}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>log", FLOWTAP, "capture", "--config"]);
    command.arg(place(file)).args(["--summary", "ledger.json"]).args(more);
    let mut probe = Program::start(command.current_dir(folder.path()));
    probe.wait_until("its interfaces", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("capturing on"))
    });
    wait_until("its workers", || probe.threads_named("flowtap") > 1);
    let mut senders: Vec<_> =
        interfaces.iter().map(|name| Sender::on(&format!("to-{name}"))).collect();
    traffic(&mut senders);
    thread::sleep(Duration::from_millis(100));
    probe.signal("TERM");
    let (status, _) = probe.end();
    assert!(status.success(), "{status}: {}", fs::read_to_string(&log).unwrap());
    let summary = Summary::read(&folder.path().join("ledger.json"));
    summary.assert_balanced();
    (summary, receiver)
}

struct Sender(pcap::Capture<pcap::Active>);

impl Sender {
    fn on(interface: &str) -> Self {
        let handle = pcap::Capture::from_device(interface).unwrap();
        Self(handle.buffer_size(1 << 20).open().unwrap())
    }

    fn send(&mut self, frame: &[u8]) {
        self.0.sendpacket(frame).unwrap();
    }
}

/// RFC 2516 §4: a session of PPP over Ethernet, with IPv4 inside.
fn in_pppoe(frame: &[u8]) -> Vec<u8> {
    let (ethernet, packet) = (&frame[..12], &frame[14..]);
    let length = u16::try_from(packet.len() + 2).unwrap().to_be_bytes();
    [ethernet, &[0x88, 0x64, 0x11, 0, 0, 7], &length, &[0x00, 0x21], packet].concat()
}

/// RFC 6333 §5.3, RFC 2473: IPv4 in IPv6.
fn in_ds_lite(frame: &[u8]) -> Vec<u8> {
    let (ethernet, packet) = (&frame[..12], &frame[14..]);
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    let address = |last: u8| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let ipv6 = [&[0x60, 0, 0, 0][..], &length, &[4, 64], &address(1), &address(2)].concat();
    [ethernet, &[0x86, 0xdd], &ipv6, packet].concat()
}

/// A packet of the network that carrier.toml leaves out.
fn managed() -> Vec<u8> {
    let mut frame = udp(3, 100);
    frame.splice(26..30, [198, 51, 100, 1]);
    frame
}
