//! What holds for every packet.

use proptest::collection::vec;
use proptest::prelude::*;

use super::packet::{self, Packet};
use super::*;

const LINK_TYPES: [LinkType; 13] = [
    LinkType::BsdLoopback,
    LinkType::Ethernet,
    LinkType::Ppp,
    LinkType::PppHdlc,
    LinkType::PppEther,
    LinkType::RawIp,
    LinkType::CiscoHdlc,
    LinkType::Ieee80211,
    LinkType::FrameRelay,
    LinkType::LinuxSll,
    LinkType::Radiotap,
    LinkType::LinuxSll2,
    LinkType::Other(147),
];

#[test]
fn every_example_decodes() {
    let examples = examples::all();
    assert!(examples.len() > 2000);
    for (link_type, packet) in examples {
        let headers = headers_as(link_type, &packet);
        assert!(!headers.anomalies.contains(PacketAnomaly::TunnelUndecodable), "{packet:?}");
    }
}

/// The straight path for common packets is a matter of speed alone.
#[test]
fn the_straight_path_gives_what_decoding_step_by_step_gives() {
    for (link_type, packet) in examples::all() {
        let frame = frame(link_type, &packet.octets);
        for length in 0..=packet.len() {
            let frame = cut(&frame, length);
            assert_eq!(decode(&frame, INNER), step_by_step(&frame), "{packet:?}");
        }
    }
}

#[test]
fn every_tunnel_example_is_followed_to_its_inside() {
    let inside = packet::payload(30).tcp(packet::ACK).ipv4();
    for tunnel in examples::tunnels(&inside) {
        let headers = headers(&tunnel.near_far_v4().ethernet());
        assert_eq!((headers.protocol, headers.ip_length), (6, 70));
        assert_eq!(headers.tunnel.map(|tunnel| tunnel.source), Some(packet::v4(packet::V4_NEAR)));
    }
}

/// Decoding a frame that was cut right behind its last header gives what the whole frame gives.
#[test]
fn a_frame_cut_behind_its_headers_gives_what_the_whole_frame_gives() {
    for (link_type, packet) in examples::all() {
        let frame = frame(link_type, &packet.octets);
        let header_length = packet.len() - packet.payload;
        for config in [INNER, OUTER] {
            let whole = decode(&frame, config);
            assert_eq!(decode(&cut(&frame, header_length), config), whole, "{packet:?}");
        }
    }
}

#[test]
fn octets_behind_the_headers_change_nothing() {
    for (link_type, packet) in examples::all() {
        let whole = decode_as(link_type, &packet);
        let header_length = packet.len() - packet.payload;
        for value in [0x00, 0x45, 0x60, 0xff] {
            let mut other = packet.clone();
            other.octets[header_length..].fill(value);
            assert_eq!(decode_as(link_type, &other), whole, "{packet:?}");
        }
    }
}

#[test]
fn every_truncation_is_an_error_or_agrees_with_the_whole_as_far_as_it_goes() {
    for (link_type, packet) in examples::all() {
        let frame = frame(link_type, &packet.octets);
        for config in [INNER, OUTER] {
            let whole = decode(&frame, config).expect("examples decode");
            for length in 0..packet.len() {
                match decode(&cut(&frame, length), config) {
                    Ok(headers) => assert_agrees(&headers, &whole),
                    Err(DecodeError::Truncated(_)) => {}
                    Err(error) => panic!("{error} at {length} of {packet:?}"),
                }
            }
        }
    }
}

/// A field was captured and is the same, or it was not and is 0.
fn assert_agrees(cut: &Headers, whole: &Headers) {
    for anomaly in cut.anomalies.iter() {
        assert!(whole.anomalies.contains(anomaly), "{anomaly:?} in {cut:?} but not in {whole:?}");
    }
    if cut.tunnel.is_some() || whole.tunnel.is_none() {
        assert_eq!((cut.mac, cut.vlan, cut.mpls), (whole.mac, whole.vlan, whole.mpls));
    }
    if cut.tunnel != whole.tunnel {
        // Not captured far enough to look inside.
        let tunnel = whole.tunnel.expect("a cut adds no tunnel");
        match cut.tunnel {
            None => assert_eq!((cut.source, cut.version), (tunnel.source, tunnel.version)),
            Some(part) => assert_eq!(part.source, tunnel.source),
        }
        return;
    }
    assert_eq!((cut.source, cut.destination), (whole.source, whole.destination));
    assert_eq!((cut.version, cut.ip_length), (whole.version, whole.ip_length));
    assert_eq!((cut.tos, cut.ttl), (whole.tos, whole.ttl));
    assert_eq!(cut.flow_label, whole.flow_label);
    if whole.version == IpVersion::V4 {
        assert_eq!((cut.protocol, cut.fragment), (whole.protocol, whole.fragment));
    }
    assert!(cut.fragment.is_none() || cut.fragment == whole.fragment);
    if cut.source_port != 0 || cut.destination_port != 0 {
        assert_eq!(cut.source_port, whole.source_port);
        assert_eq!(cut.destination_port, whole.destination_port);
    }
    for (cut, whole) in [
        (u32::from(cut.tcp_flags), u32::from(whole.tcp_flags)),
        (u32::from(cut.tcp_window), u32::from(whole.tcp_window)),
        (cut.tcp_sequence, whole.tcp_sequence),
        (u32::from(cut.icmp_type_code), u32::from(whole.icmp_type_code)),
    ] {
        assert!(cut == 0 || cut == whole);
    }
}

/// One of the examples, built anew each time.
fn example() -> impl Strategy<Value = (LinkType, Packet)> {
    let examples = examples::all();
    (0..examples.len()).prop_map(move |index| examples[index].clone())
}

/// An example with some octets of its headers changed.
fn mutated() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    (example(), vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)).prop_map(
        |((link_type, packet), changes)| {
            let mut octets = packet.octets;
            for (index, value) in changes {
                let index = index.index(octets.len());
                octets[index] = value;
            }
            (link_type, octets)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn arbitrary_octets_never_panic(
        octets in vec(any::<u8>(), 0..200),
        more_on_wire in 0..100_000_u32,
    ) {
        for link_type in LINK_TYPES {
            let mut frame = frame(link_type, &octets);
            frame.wire_length += more_on_wire;
            for config in [INNER, OUTER] {
                let _ = decode(&frame, config);
            }
        }
    }

    #[test]
    fn damaged_packets_never_panic_and_outer_and_inner_find_the_same_frame(
        (link_type, octets) in mutated(),
        wire_length in any::<u32>(),
    ) {
        let mut frame = frame(link_type, &octets);
        for wire_length in [frame.wire_length, wire_length] {
            frame.wire_length = wire_length;
            for length in 0..=octets.len() {
                let frame = cut(&frame, length);
                let (inner, outer) = (decode(&frame, INNER), decode(&frame, OUTER));
                prop_assert_eq!(inner, step_by_step(&frame));
                prop_assert_eq!(inner.as_ref().err(), outer.as_ref().err());
                if let (Ok(inner), Ok(outer)) = (inner, outer) {
                    let outermost = inner.tunnel.map_or(inner.source, |tunnel| tunnel.source);
                    prop_assert_eq!(outermost, outer.source);
                    prop_assert_eq!(outer.tunnel, None);
                    for anomaly in outer.anomalies.iter() {
                        prop_assert!(inner.anomalies.contains(anomaly));
                    }
                }
            }
        }
    }

    #[test]
    fn random_payload_changes_nothing(
        (link_type, packet) in example(),
        octets in vec(any::<u8>(), 64),
    ) {
        let mut other = packet.clone();
        let header_length = packet.len() - packet.payload;
        for (octet, value) in other.octets[header_length..].iter_mut().zip(octets.iter().cycle()) {
            *octet = *value;
        }
        prop_assert_eq!(decode_as(link_type, &other), decode_as(link_type, &packet));
    }

    #[test]
    fn a_longer_wire_never_changes_what_the_header_says(
        (link_type, packet) in example(),
        more_on_wire in 0..10_000_u32,
    ) {
        let mut frame = frame(link_type, &packet.octets);
        let whole = decode(&frame, INNER);
        frame.wire_length += more_on_wire;
        prop_assert_eq!(decode(&frame, INNER), whole);
    }
}

fn step_by_step(frame: &Frame<'_>) -> Result<Headers, DecodeError> {
    let mut headers = Headers::BLANK;
    decode_step_by_step(frame, INNER, &mut headers).map(|()| headers)
}
