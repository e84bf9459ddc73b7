//! The straight path: what it takes, and that it is a matter of speed alone.

use proptest::collection::vec;
use proptest::prelude::*;

use super::packet::*;
use super::*;
use crate::frame::StrippedVlan;

#[test]
fn usual_packets_are_taken() {
    for packet in usual() {
        let frame = frame(LinkType::Ethernet, &packet.octets);
        for frame in [frame, Frame { stripped_vlan: Some(TAG), ..frame }] {
            // Three tags are not usual.
            let is_taken = frame.stripped_vlan.is_none() || !is_double_tagged(&packet);
            assert_eq!(is_straight(&frame), is_taken, "{packet:?}");
        }
    }
}

#[test]
fn usual_packets_are_taken_from_a_capture_that_ends_with_their_headers_or_in_tcp_options() {
    for packet in usual() {
        let header_length = packet.len() - packet.payload;
        assert!(is_straight(&cut(&frame(LinkType::Ethernet, &packet.octets), header_length)));
    }
    let packet = payload(30).tcp_with_options(ACK, &[1; 12]).ipv4().ethernet();
    for length in 54..66 {
        assert!(is_straight(&cut(&frame(LinkType::Ethernet, &packet.octets), length)));
    }
}

#[test]
fn usual_packets_are_taken_with_padding_behind_and_without_payload() {
    for padding in 0..20 {
        for packet in [payload(0).tcp(ACK).ipv4(), payload(0).udp(1000, 2000).ipv6()] {
            let packet = packet.ethernet().padded(padding);
            assert!(is_straight(&frame(LinkType::Ethernet, &packet.octets)));
        }
    }
}

#[test]
fn what_has_anomalies_is_not_taken() {
    let examples = examples::all()
        .into_iter()
        .chain(usual().into_iter().flat_map(fields).map(|it| (LinkType::Ethernet, it)));
    for (link_type, packet) in examples {
        let frame = frame(link_type, &packet.octets);
        if decode(&frame, INNER).is_ok_and(|headers| !headers.anomalies.is_empty()) {
            assert!(!is_straight(&frame), "{packet:?}");
        }
    }
}

/// Every octet of the headers with every value, the checksum as it was and made right again.
#[test]
fn every_change_of_one_octet_decodes_as_step_by_step() {
    for packet in usual() {
        for packet in fields(packet) {
            let frame = frame(LinkType::Ethernet, &packet.octets);
            assert_as_step_by_step(&frame, INNER);
        }
    }
}

#[test]
fn every_cut_of_every_change_of_a_bit_decodes_as_step_by_step() {
    for packet in usual() {
        let header_length = packet.len() - packet.payload;
        for position in 0..header_length {
            for bit in 0..8 {
                let mut packet = packet.clone();
                packet.octets[position] ^= 1 << bit;
                let frame = frame(LinkType::Ethernet, &packet.octets);
                // A cut in front of the change makes no difference to the test of another change.
                for length in position..=header_length {
                    assert_as_step_by_step(&cut(&frame, length), INNER);
                }
            }
        }
    }
}

#[test]
fn every_wire_length_and_every_stripped_tag_decodes_as_step_by_step() {
    for packet in usual() {
        let whole = frame(LinkType::Ethernet, &packet.octets);
        for length in 0..=packet.len() {
            for wire_length in (0..200).chain([1500, 65_535, 70_000, u32::MAX]) {
                for stripped_vlan in [None, Some(TAG)] {
                    let frame = Frame { wire_length, stripped_vlan, ..cut(&whole, length) };
                    assert_as_step_by_step(&frame, INNER);
                    assert_as_step_by_step(&frame, OUTER);
                }
            }
        }
    }
}

/// Whatever the place held before.
#[test]
fn nothing_is_left_of_the_packet_before() {
    let mut examples = examples::all();
    examples.extend(usual().into_iter().map(|packet| (LinkType::Ethernet, packet)));
    // Two strides without a common divisor with the number of examples meet in all manner of pairs.
    let mut place = Headers::BLANK;
    for stride in [1, 7919, 104_729] {
        for index in 0..examples.len() {
            let (link_type, packet) = &examples[index * stride % examples.len()];
            let frame = frame(*link_type, &packet.octets);
            decode_into(&frame, INNER, &mut place).expect("examples decode");
            assert_eq!(Ok(place), decode(&frame, INNER), "{packet:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn several_changes_at_once_decode_as_step_by_step(
        packet in prop::sample::select(usual()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        is_repaired in any::<bool>(),
        wire_length in prop_oneof![0..300_u32, any::<u32>()],
        stripped in any::<bool>(),
    ) {
        let mut packet = packet;
        for (index, value) in changes {
            let index = index.index(packet.len());
            packet.octets[index] = value;
        }
        if is_repaired {
            packet = repaired(packet);
        }
        let whole = Frame {
            wire_length,
            stripped_vlan: stripped.then_some(TAG),
            ..frame(LinkType::Ethernet, &packet.octets)
        };
        for length in 0..=packet.len() {
            assert_as_step_by_step(&cut(&whole, length), INNER);
            assert_as_step_by_step(&cut(&whole, length), OUTER);
        }
    }
}

/// What the straight path is there for.
fn usual() -> Vec<Packet> {
    let transports = || {
        [
            payload(30).tcp(SYN),
            payload(30).tcp_with_options(PSH | ACK, &[1; 12]),
            payload(30).udp(1000, 53),
            payload(30).icmp(8, 0),
            payload(30).icmpv6(128, 0),
        ]
    };
    let networks = || {
        let [.., icmp, icmpv6] = transports();
        let both = transports().into_iter().take(3).flat_map(|it| [it.clone().ipv4(), it.ipv6()]);
        both.chain([icmp.ipv4(), icmpv6.ipv6()])
    };
    let inside = || payload(30).tcp(ACK).ipv4();
    let tunnels = [
        inside().ethernet().vxlan(5).near_far_v4(),
        inside().vlan(9).ethernet().vxlan(5).near_far_v6(),
        inside().gtp(0, 5, &[]).near_far_v4(),
        payload(30).udp(1000, 53).ipv6().gtp(0x04, 5, &[0, 0, 0, 0x85, 1, 0, 0, 0]).near_far_v4(),
        inside().ethernet().geneve(5, &[0; 4]).near_far_v4(),
        inside().gre(0x2000, &[0, 0, 0, 5]).near_far_v4(),
        payload(30).icmp(8, 0).ipv4().near_far_v4(),
        payload(30).udp(1000, 53).ipv6().near_far_v4(),
    ];
    let mut usual = Vec::new();
    for network in networks().chain(tunnels) {
        usual.push(network.clone().ethernet());
        usual.push(network.clone().vlan(5).ethernet());
        usual.push(network.vlan(5).tag(0x88a8, 6).ethernet());
    }
    usual
}

fn is_double_tagged(packet: &Packet) -> bool {
    packet.octets[12..14] == [0x88, 0xa8]
}

/// `packet` with each octet of its headers changed to each other value, the checksum of its
/// IPv4 header as it was and made right.
fn fields(packet: Packet) -> impl Iterator<Item = Packet> {
    let header_length = packet.len() - packet.payload;
    (0..header_length * 256).flat_map(move |change| {
        let [value, ..] = change.to_le_bytes();
        let changed = packet.clone().set(change / 256, &[value]);
        [repaired(changed.clone()), changed]
    })
}

/// `packet` with the checksum of an outermost IPv4 header without options made right.
fn repaired(packet: Packet) -> Packet {
    let link = match packet.octets[12..14] {
        [0x88, 0xa8] => 22,
        [0x81, 0x00] => 18,
        _ => 14,
    };
    if packet.octets[link] != 0x45 {
        return packet;
    }
    let header = packet.octets[..link].to_vec();
    let mut network = packet;
    network.octets.drain(..link);
    network.with_checksum().behind(&header)
}

fn is_straight(frame: &Frame<'_>) -> bool {
    straight::decode(frame, INNER, &mut Headers::BLANK.clone()).is_ok()
}

/// Both ways give the same headers or the same error.
#[track_caller]
fn assert_as_step_by_step(frame: &Frame<'_>, config: Config) {
    let mut place = Headers::BLANK;
    let step_by_step = decode_step_by_step(frame, config, &mut place).map(|()| place);
    assert_eq!(decode(frame, config), step_by_step, "{frame:?}");
}

const TAG: StrippedVlan = StrippedVlan { tpid: 0x8100, tci: 0x6005 };
