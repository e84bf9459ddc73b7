//! What the kernel lets through of live traffic: headers, and not an octet of payload, in every stacking
//! of headers, on both backends, with a filter and without. Wire lengths and counts stay exact.
//!
//! `cargo test --test live_truncation -- --ignored`, as root.

#![expect(clippy::indexing_slicing, reason = "a wrong position in our own frames fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use flowtap::capture::live::{Backend, Cut, LiveConfig, LiveSource, open};
use flowtap::capture::truncation::Reach;
use flowtap::capture::{Drops, FrameSource, Polled};
use flowtap::frame::StrippedVlan;

#[path = "support/frames.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod frames;

#[path = "support/netns.rs"]
mod netns;

use frames::with_tag;
use netns::{cable, inside};

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn the_kernel_lets_headers_through_and_nothing_else() {
    inside("the_kernel_lets_headers_through_and_nothing_else", || {
        cable("tap0", "src0");
        let stackings = stackings();
        for backend in [Backend::AfPacket, Backend::Libpcap] {
            for filter in [None, Some("ether[6:4] = 0x0200ca11"), Some("len >= 60")] {
                for workers in [1, 2] {
                    let case = format!("{backend:?}, {workers} workers, {filter:?}");
                    let seen = capture(backend, workers, filter, Reach::Inner, &stackings, &case);
                    assert_eq!(seen.len(), stackings.len(), "{case}");
                    for (number, captured) in seen {
                        let Stacking { name, frame, end, .. } = &stackings[usize::from(number)];
                        let case = format!("{case}: {name}");
                        assert_eq!(captured.len(), TIMES, "{case}");
                        for Seen { octets, wire_length } in captured {
                            assert!(!holds_canary(&octets), "{case}: payload in {octets:02x?}");
                            assert_eq!(octets, frame[..*end], "{case}");
                            assert_eq!(wire_length as usize, frame.len(), "{case}");
                        }
                    }
                }
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn of_a_tunnel_that_is_not_followed_the_inside_is_payload() {
    inside("of_a_tunnel_that_is_not_followed_the_inside_is_payload", || {
        cable("tap0", "src0");
        let stackings = stackings();
        for backend in [Backend::AfPacket, Backend::Libpcap] {
            let case = format!("{backend:?}");
            let seen = capture(backend, 1, None, Reach::Outer, &stackings, &case);
            for (number, captured) in seen {
                let Stacking { name, frame, outer_end, .. } = &stackings[usize::from(number)];
                for Seen { octets, .. } in captured {
                    assert_eq!(octets, frame[..*outer_end], "{case}: {name}");
                }
            }
        }
    });
}

#[derive(Debug)]
struct Seen {
    /// The tag that the kernel took out put back.
    octets: Vec<u8>,
    wire_length: u32,
}

/// Captures every stacking some times over and says what came, by the number of the stacking.
fn capture(
    backend: Backend,
    workers: usize,
    filter: Option<&str>,
    reach: Reach,
    stackings: &[Stacking],
    case: &str,
) -> BTreeMap<u8, Vec<Seen>> {
    let config = LiveConfig {
        interfaces: vec![String::from("tap0")],
        workers,
        filter: filter.map(String::from),
        reach,
        ..LiveConfig::default()
    };
    let mut sources = open(backend, &config).expect("the interface can be opened");
    for point in sources.iter().flat_map(LiveSource::interfaces) {
        assert_eq!(point.cut, Cut::InKernel, "{case}");
    }
    let mut sender = pcap::Capture::from_device("src0")
        .and_then(pcap::Capture::open)
        .expect("the other end is up");
    for _ in 0..TIMES {
        for stacking in stackings {
            sender.sendpacket(&stacking.frame[..]).expect("the cable is plugged in");
        }
    }
    let mut seen: BTreeMap<u8, Vec<Seen>> = BTreeMap::new();
    for source in &mut sources {
        source.stop();
        loop {
            let polled = source.poll(256, Duration::from_millis(50), |frame| {
                let octets = match frame.stripped_vlan {
                    Some(StrippedVlan { tpid, tci }) => with_tag(frame.bytes, tpid, tci),
                    None => frame.bytes.to_vec(),
                };
                let number = octets[11];
                seen.entry(number)
                    .or_default()
                    .push(Seen { octets, wire_length: frame.wire_length });
            });
            if polled.expect("the source goes on") == Polled::End {
                break;
            }
        }
        assert_eq!(source.drops(), Drops::default(), "{case}");
    }
    seen
}

fn holds_canary(octets: &[u8]) -> bool {
    octets.windows(4).any(|window| CANARY.windows(4).any(|part| part == window))
}

/// A frame full of payload.
struct Stacking {
    name: &'static str,
    frame: Vec<u8>,
    /// Where its headers end.
    end: usize,
    /// Where those of the outermost packet end.
    outer_end: usize,
}

/// A frame of every stacking that the decoder follows, numbered in the source's address.
fn stackings() -> Vec<Stacking> {
    let canary = || CANARY.iter().copied().cycle().take(1200).collect::<Vec<u8>>();
    let udp_packet = || ipv4(17, udp(4000, 53, canary()));
    let tcp_packet = || ipv4(6, tcp(&[1; 12], canary()));
    let bridged = || join(&[&[6; 12], &[0x08, 0x00], &udp_packet()]);
    let in_ipv6 = || ipv6(6, tcp(&[], canary()));
    let vxlan = [8, 0, 0, 0, 0, 0, 5, 0];
    let gtp = |packet: Vec<u8>| {
        let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
        join(&[&[0x30, 255], &length, &[0, 0, 0, 9], &packet])
    };
    let tag = join(&[&[0, 5, 0x08, 0x00], &udp_packet()]);
    let two_tags = join(&[&[0, 6, 0x81, 0x00], &tag]);
    let labels = [0, 1, 0, 64, 0, 2, 1, 64];
    let length = u16::try_from(udp_packet().len() + 2).expect("short").to_be_bytes();
    let pppoe = join(&[&[0x11, 0, 0, 7], &length, &[0x00, 0x21], &udp_packet()]);
    let extensions = join(&[
        &[60, 0, 1, 4, 0, 0, 0, 0],                          // hop by hop
        &[43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // destination options
        &[6, 0, 0, 0, 0, 0, 0, 0],                           // routing
        &tcp(&[2, 4, 5, 0xb4], canary()),
    ]);
    let name_type_rest_outer: Vec<(&'static str, u16, Vec<u8>, Option<usize>)> = vec![
        ("IPv4, UDP", 0x0800, udp_packet(), None),
        ("IPv4, TCP with options", 0x0800, tcp_packet(), None),
        ("IPv4, ICMP", 0x0800, ipv4(1, join(&[&[8, 0, 0, 0, 0, 1, 0, 1], &canary()])), None),
        ("IPv6, TCP", 0x86dd, in_ipv6(), None),
        ("IPv6, extension headers, TCP", 0x86dd, ipv6(0, extensions), None),
        ("VLAN", 0x8100, tag, None),
        ("QinQ", 0x88a8, two_tags, None),
        ("MPLS", 0x8847, join(&[&labels, &udp_packet()]), None),
        ("MPLS, Ethernet", 0x8847, join(&[&labels, &bridged()]), None),
        ("PPPoE", 0x8864, pppoe, None),
        ("IP in IP", 0x0800, ipv4(4, tcp_packet()), Some(34)),
        ("IPv6 in IPv4", 0x0800, ipv4(41, in_ipv6()), Some(34)),
        ("GRE", 0x0800, ipv4(47, join(&[&[0, 0, 0x08, 0x00], &tcp_packet()])), Some(34)),
        ("VXLAN", 0x0800, ipv4(17, udp(4000, 4789, join(&[&vxlan, &bridged()]))), Some(42)),
        (
            "GENEVE",
            0x0800,
            ipv4(17, udp(4000, 6081, join(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &bridged()]))),
            Some(42),
        ),
        ("GTP-U", 0x0800, ipv4(17, udp(2152, 2152, gtp(tcp_packet()))), Some(42)),
        (
            "GTP-U in VXLAN",
            0x0800,
            {
                let inner = ipv4(17, udp(2152, 2152, gtp(in_ipv6())));
                let bridged = join(&[&[6; 12], &[0x08, 0x00], &inner]);
                ipv4(17, udp(4000, 4789, join(&[&vxlan, &bridged])))
            },
            Some(42),
        ),
    ];
    let mut stackings: Vec<_> = name_type_rest_outer
        .into_iter()
        .map(|(name, ethertype, rest, outer_end)| {
            let frame = join(&[&MACS, &ethertype.to_be_bytes(), &rest]);
            let end = frame.len() - 1200;
            Stacking { name, frame, end, outer_end: outer_end.unwrap_or(end) }
        })
        .collect();
    for (name, ethertype, rest, end) in [
        ("ESP, of which nothing is read", 0x0800_u16, ipv4(50, canary()), 34),
        ("a later fragment", 0x0800, fragment(canary()), 34),
        ("what carries no IP", 0x88b5, canary(), 14),
        ("a broken IPv4 header", 0x0800, join(&[&[0x42], &canary()]), 34),
    ] {
        let frame = join(&[&MACS, &ethertype.to_be_bytes(), &rest]);
        stackings.push(Stacking { name, frame, end, outer_end: end });
    }
    // Of a header that is none the fixed part is looked at.
    if let Some(broken) = stackings.last_mut() {
        broken.frame[15..34].fill(0);
    }
    for (number, stacking) in stackings.iter_mut().enumerate() {
        stacking.frame[11] = u8::try_from(number).expect("few");
    }
    stackings
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ipv4(protocol: u8, rest: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(20 + rest.len()).expect("short").to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0];
    header.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    join(&[&header, &rest])
}

fn fragment(rest: Vec<u8>) -> Vec<u8> {
    let mut packet = ipv4(17, rest);
    packet[7] = 100;
    packet
}

fn ipv6(next_header: u8, rest: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, length[0], length[1], next_header, 64];
    header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    join(&[&header, &rest])
}

fn udp(source: u16, destination: u16, rest: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(8 + rest.len()).expect("short");
    let words = [source, destination, length, 0].map(u16::to_be_bytes);
    join(&[&words.concat(), &rest])
}

fn tcp(options: &[u8], rest: Vec<u8>) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).expect("few");
    let mut header = vec![0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, words << 4, 0x10];
    header.extend([0x72, 0x10, 0, 0, 0, 0]);
    join(&[&header, options, &rest])
}

/// Every four octets of it are its own: they are in no header.
const CANARY: &[u8] = b"CANARY-6f1c09-NOT-FOR-ANYBODY'S-EYES-";
const MACS: [u8; 12] = [0x02, 0, 0xca, 0x11, 0, 0x02, 0x02, 0, 0xca, 0x11, 0, 0x01];
/// How often each frame is sent.
const TIMES: usize = 20;
