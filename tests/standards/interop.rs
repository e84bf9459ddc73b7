//! Collectors and readers of others find in our output what our ledger says is in it, each under the
//! profile that is meant for it: all packets, octets and flows, no gap in the sequence, times to the
//! millisecond, the name of the interface and the rate of sampling.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::peers::{
    Nfacctd, Nfcapd, ipfix_dump, ipfix_dump_sums, parsed, tshark, tshark_complaints, tshark_field,
    tshark_sums,
};
use crate::program::run;
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::replayed::{Replayed, cases, milliseconds, sorted};
use crate::run::{FLOWTAP, replay, sample};
use crate::strict::Session;
use crate::wire::{COLLECTOR, Wire};

#[test]
#[ignore = "needs nfdump"]
fn nfdump_finds_what_the_ledger_says() {
    for case in cases() {
        for biflow in ["on", "off"] {
            let collector = Nfcapd::start();
            let port = collector.port;
            let target = format!("udp://127.0.0.1:{port}?profile=nfdump&biflow={biflow}");
            let replayed = Replayed::into(&case.capture, &target);
            // Its log has told of no sequence error by now.
            let nfdump = collector.finish();
            let about = format!("{} with biflow={biflow}", case.name);
            assert_eq!(nfdump.sums(), replayed.sent, "{about}");

            let flows = nfdump.flows("%ts %te %inam %onam");
            let times = |day: usize| {
                let time = |flow: &Vec<String>| {
                    Some(format!("{}T{}Z", flow.get(day)?, flow.get(day + 1)?))
                };
                sorted(
                    flows.iter().map(|flow| milliseconds(&time(flow).expect("a date and a time"))),
                )
            };
            // Of a biflow it keeps the times of the reverse direction, where there is one.
            let told = |times: &[[Option<i64>; 2]]| match biflow {
                "off" => sorted(times.iter().flatten().flatten().copied()),
                _ => sorted(times.iter().filter_map(|&[forward, reverse]| reverse.or(forward))),
            };
            assert_eq!(times(0), told(&replayed.starts), "{about}");
            assert_eq!(times(2), told(&replayed.ends), "{about}");

            // The name of the Observation Point, of the forward direction at least; the rest is
            // what it says where it has none.
            for flow in &flows {
                assert_eq!(flow.get(4).map(String::as_str), Some("capture"), "{about}: {flow:?}");
            }
            // 1:1 is what it calls unsampled.
            let raw = nfdump.raw();
            assert_eq!(raw.matches("NETFLOW v10, Unsampled").count(), flows.len(), "{about}");
            let exporters = nfdump.exporters();
            assert!(exporters.contains("Sequence failures: 0"), "{exporters}");
        }
    }
}

#[test]
#[ignore = "needs pmacct"]
fn nfacctd_finds_what_the_ledger_says() {
    for case in cases() {
        let collector = Nfacctd::start();
        let target = format!("udp://127.0.0.1:{}?profile=pmacct", collector.port);
        let replayed = Replayed::into(&case.capture, &target);
        // It has told of no unexpected sequence number by now.
        let table = collector.finish();
        assert_eq!(table.sums(), replayed.sent, "{}", case.name);

        // Seconds with a fraction, microseconds of which are zero.
        let times = |name| {
            let time = |seconds: &str| {
                let (seconds, fraction) = seconds.split_once('.').expect("seconds and a fraction");
                assert!(fraction.ends_with("000") && fraction.len() == 6, "{seconds}.{fraction}");
                let milliseconds = parsed(&fraction[..3]);
                i64::try_from(parsed(seconds) * 1000 + milliseconds).expect("a year near ours")
            };
            BTreeSet::from_iter(table.column(name).into_iter().map(time))
        };
        // Rows are sums of flows with the same key, and times are part of it.
        let known = |times: &[[Option<i64>; 2]]| {
            times.iter().flatten().flatten().copied().collect::<BTreeSet<_>>()
        };
        assert_eq!(times("TIMESTAMP_START"), known(&replayed.starts), "{}", case.name);
        assert_eq!(times("TIMESTAMP_END"), known(&replayed.ends), "{}", case.name);

        for (column, value) in
            // It knows interfaces by number. Without our options records the rate would be 0.
            [("IN_IFACE", "1"), ("SAMPLING_RATE", "1"), ("EXPORT_PROTO_VERSION", "10")]
        {
            let values = BTreeSet::from_iter(table.column(column));
            assert_eq!(values, [value].into(), "{}: {column}", case.name);
        }
    }
}

#[test]
#[ignore = "needs libfixbuf-tools"]
fn ipfixdump_finds_what_the_ledger_says_in_files_and_streams() {
    for case in cases() {
        for biflow in ["on", "off"] {
            let about = format!("{} with biflow={biflow}", case.name);
            let file = case.folder.path().join(format!("flows-{biflow}.ipfix"));
            let target = format!("file:{}?biflow={biflow}", file.display());
            let replayed = Replayed::into(&case.capture, &target);
            let dump = ipfix_dump(&file);
            assert_eq!(ipfix_dump_sums(&dump), replayed.sent, "{about}");
            assert_eq!(
                dump_times(&dump, ["flowStartMilliseconds", "reverseFlowStartMilliseconds"]),
                sorted(replayed.starts.iter().flatten().flatten().copied()),
                "{about}"
            );
            assert!(dump_has(&dump, "interfaceName", "capture"), "{about}");
            assert!(dump_has(&dump, "samplingPacketInterval", "1"), "{about}");

            // What came over TCP is such a file too.
            let collector = TcpReceiver::start();
            let target = format!("tcp://{}?biflow={biflow}", collector.address());
            let replayed = Replayed::into(&case.capture, &target);
            let [stream] = collector.finish().try_into().expect("one connection");
            fs::write(&file, &stream).expect("a temporary folder");
            assert_eq!(ipfix_dump_sums(&ipfix_dump(&file)), replayed.sent, "{about} over TCP");
        }
    }
}

#[test]
#[ignore = "needs tshark"]
fn tshark_finds_what_the_ledger_says_in_files() {
    for case in cases() {
        for (biflow, time) in [("on", "ms"), ("off", "ms"), ("on", "us"), ("on", "ns")] {
            let about = format!("{} with biflow={biflow} and time={time}", case.name);
            let file = case.folder.path().join(format!("flows-{biflow}-{time}.ipfix"));
            let target = format!("file:{}?biflow={biflow}&time={time}", file.display());
            let replayed = Replayed::into(&case.capture, &target);
            assert_eq!(tshark_complaints(tshark(&file)), [""; 0], "{about}");
            assert_eq!(tshark_sums(|| tshark(&file)), replayed.sent, "{about}");
            assert_times(|| tshark(&file), &replayed, &about);
            assert_eq!(tshark_field(tshark(&file), "cflow.if_name"), ["capture"], "{about}");
            assert_eq!(tshark_field(tshark(&file), "cflow.sampling_packet_interval"), ["1"]);
        }
    }
}

#[test]
#[ignore = "needs root, ethtool, tcpdump and tshark"]
fn tshark_finds_what_the_ledger_says_on_the_wire() {
    Wire::run("interop::tshark_finds_what_the_ledger_says_on_the_wire", 1500, |wire| {
        let [v4, v6] = COLLECTOR;
        for case in cases() {
            for (host, transport, biflow) in [
                (v4.to_owned(), "udp", "on"),
                (format!("[{v6}]"), "udp", "off"),
                (v4.to_owned(), "tcp", "off"),
                (format!("[{v6}]"), "tcp", "on"),
            ] {
                let target = format!("{transport}://{host}?biflow={biflow}");
                let about = format!("{} to {target}", case.name);
                let recording = wire.record();
                let (replayed, session) = match transport {
                    "udp" => {
                        let collector = UdpReceiver::start_at(&format!("{host}:4739"));
                        let replayed =
                            Replayed::by(&mut wire.exporter(FLOWTAP), &case.capture, &target);
                        let datagrams = collector.finish();
                        (replayed, Session::of_datagrams(datagrams.iter().map(Vec::as_slice)))
                    }
                    _ => {
                        let collector = TcpReceiver::start_at(&format!("{host}:4739"), 0);
                        let replayed =
                            Replayed::by(&mut wire.exporter(FLOWTAP), &case.capture, &target);
                        let [stream] = collector.finish().try_into().expect("one connection");
                        (replayed, Session::of_stream(&stream))
                    }
                };
                let sums = session.sums();
                assert_eq!(
                    [sums.flows, sums.packets, sums.octets],
                    [replayed.sent.flows, replayed.sent.packets, replayed.sent.octets]
                );
                let (path, _folder) = recording.finish();
                let read = || {
                    let mut tshark = tshark(&path);
                    tshark.args(["-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
                    tshark.args(["-d", "udp.port==4739,cflow", "-d", "tcp.port==4739,cflow"]);
                    tshark
                };
                assert_eq!(tshark_complaints(read()), [""; 0], "{about}");
                assert_eq!(tshark_sums(read), replayed.sent, "{about}");
                assert_times(read, &replayed, &about);
                assert_eq!(tshark_field(read(), "cflow.if_name"), ["capture"], "{about}");
            }
        }
    });
}

#[test]
#[ignore = "needs tshark"]
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

/// Checks the start and the end of every direction, to the millisecond.
#[track_caller]
fn assert_times(mut tshark: impl FnMut() -> Command, replayed: &Replayed, about: &str) {
    for (field, times) in
        [("cflow.abstimestart", &replayed.starts), ("cflow.abstimeend", &replayed.ends)]
    {
        let found = tshark_field(tshark(), field);
        let found = sorted(found.iter().map(|time| tshark_milliseconds(time)));
        assert_eq!(found, sorted(times.iter().flatten().flatten().copied()), "{about}: {field}");
    }
}

/// A time such as `Nov 21, 2026 21:37:33.400000000 UTC`.
///
/// tshark divides the fraction of NTP by 2^32 and cuts, so that half a second can be
/// `.499999999`.
#[track_caller]
fn tshark_milliseconds(text: &str) -> i64 {
    let time = text.strip_suffix(" UTC").expect("it was told to");
    let time = jiff::civil::DateTime::strptime("%b %d, %Y %H:%M:%S%.f", time)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).expect("a year near ours").timestamp();
    i64::try_from((time.as_nanosecond() + 1).div_euclid(1_000_000)).expect("a year near ours")
}

/// The times of these fields in a text of ipfixDump's, in order.
#[track_caller]
fn dump_times(dump: &str, names: [&str; 2]) -> Vec<i64> {
    let times = dump.lines().filter_map(|line| {
        let (name, value) = line.split_once(" : ")?;
        let name = name.split_whitespace().last()?;
        names.contains(&name).then(|| milliseconds(&format!("{}Z", value.trim().replace(' ', "T"))))
    });
    sorted(times)
}

fn dump_has(dump: &str, name: &str, value: &str) -> bool {
    dump.lines().filter_map(|line| line.split_once(" : ")).any(|(field, found)| {
        field.split_whitespace().last() == Some(name)
            && found.rsplit(") ").next().is_some_and(|found| found.trim() == value)
    })
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
