//! Everything in front of the IP header.

use super::packet::*;
use super::*;
use crate::frame::StrippedVlan;

fn inside() -> Packet {
    payload(100).tcp(ACK).ipv4()
}

fn assert_is_inside(headers: Headers) {
    assert_eq!((headers.source, headers.destination), (v4(V4_SOURCE), v4(V4_DESTINATION)));
    assert_eq!((headers.ip_length, headers.protocol), (140, 6));
    assert_eq!((headers.source_port, headers.destination_port), (40_000, 443));
    assert!(headers.anomalies.is_empty(), "{:?}", headers.anomalies);
    assert_eq!(headers.tunnel, None);
}

#[test]
fn ethernet_ii_gives_mac_addresses_time_and_interface() {
    let headers = headers(&inside().ethernet());
    assert_is_inside(headers);
    let mac = MacAddresses { source: MAC_SOURCE, destination: MAC_DESTINATION };
    assert_eq!(headers.mac, Some(mac));
    assert_eq!((headers.at, headers.interface), (Timestamp::from_nanos(42), 7));
    assert_eq!((headers.vlan.count, headers.mpls.count), (0, 0));
}

#[test]
fn a_frame_written_out_octet_by_octet_decodes() {
    // Not from the builder, so that builder and decoder cannot be wrong together.
    #[rustfmt::skip]
    let octets = [
        // Ethernet: destination, source, 802.1Q
        0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf8, 0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf9, 0x81, 0x00,
        // priority 3, VLAN 100; IPv4
        0x60, 0x64, 0x08, 0x00,
        // version 4, five words; DSCP 46, ECT(1); 47 octets
        0x45, 0xb9, 0x00, 0x2f,
        // identification; do not fragment
        0x12, 0x34, 0x40, 0x00,
        // 64 hops; UDP; checksum
        0x40, 0x11, 0x0c, 0xc4,
        // 10.1.2.3 to 10.4.5.6
        0x0a, 0x01, 0x02, 0x03, 0x0a, 0x04, 0x05, 0x06,
        // port 53124 to 53; 27 octets; no checksum
        0xcf, 0x84, 0x00, 0x35, 0x00, 0x1b, 0x00, 0x00,
        // what was said
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let headers = decode(&frame(LinkType::Ethernet, &octets), INNER).expect("an IP packet");
    let expected = Headers {
        at: Timestamp::from_nanos(42),
        interface: 7,
        source: Address::v4([10, 1, 2, 3]),
        destination: Address::v4([10, 4, 5, 6]),
        ip_length: 47,
        source_port: 53_124,
        destination_port: 53,
        protocol: 17,
        version: IpVersion::V4,
        tos: 0xb9,
        ttl: 64,
        tcp_flags: 0,
        tcp_window: 0,
        tcp_sequence: 0,
        icmp_type_code: 0,
        anomalies: AnomalySet::NONE,
        flow_label: 0,
        fragment: None,
        mac: Some(MacAddresses {
            source: [0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf9],
            destination: [0x00, 0x1b, 0x21, 0x3c, 0x9d, 0xf8],
        }),
        vlan: VlanTags { outer: 0x6064, inner: 0, count: 1 },
        mpls: MplsLabels::default(),
        tunnel: None,
    };
    assert_eq!(headers, expected);
}

#[test]
fn ieee_802_3_with_llc_and_snap_decodes() {
    let packet = inside().snap();
    let length = u16::try_from(packet.len()).unwrap();
    assert_is_inside(headers(&packet.ethernet_with(length)));
}

#[test]
fn the_802_3_length_leaves_off_what_follows() {
    let packet = payload(0).behind(&[0xaa, 0xaa, 0x03]).ethernet_with(3).padded(43);
    assert_eq!(error(&packet), DecodeError::Truncated(Layer::Llc));
}

#[test]
fn the_llc_service_access_point_of_ip_decodes() {
    let packet = inside().behind(&[6, 6, 3]);
    let length = u16::try_from(packet.len()).unwrap();
    assert_is_inside(headers(&packet.ethernet_with(length)));
}

#[test]
fn the_bridge_tunnel_organisation_means_an_ethertype_too() {
    let packet = inside().snap().set(5, &[0xf8]);
    assert_is_inside(headers(&packet.with_ethertype(0x8870).ethernet()));
}

#[test]
fn spanning_tree_and_foreign_snap_are_not_ip() {
    let spanning_tree = payload(35).behind(&[0x42, 0x42, 3]).ethernet_with(38);
    assert_eq!(error(&spanning_tree), DecodeError::NotIp);
    let cisco = inside().snap().set(3, &[0x00, 0x00, 0x0c]).ethernet_with(148);
    assert_eq!(error(&cisco), DecodeError::NotIp);
}

#[test]
fn a_type_that_is_neither_length_nor_ethertype_is_not_ip() {
    assert_eq!(error(&inside().ethernet_with(1501)), DecodeError::NotIp);
    assert_eq!(error(&inside().ethernet_with(0x05ff)), DecodeError::NotIp);
}

#[test]
fn arp_and_pppoe_discovery_are_not_ip() {
    assert_eq!(error(&payload(28).ethernet_with(0x0806)), DecodeError::NotIp);
    assert_eq!(error(&payload(28).ethernet_with(0x8863)), DecodeError::NotIp);
}

#[test]
fn a_short_ethernet_header_is_truncated() {
    let packet = inside().ethernet().ending_after(13);
    assert_eq!(error(&packet), DecodeError::Truncated(Layer::Link));
}

#[test]
fn an_802_1q_tag_is_kept_with_its_priority() {
    let headers = headers(&inside().vlan(0xa064).ethernet());
    assert_is_inside(headers);
    assert_eq!(headers.vlan, VlanTags { outer: 0xa064, inner: 0, count: 1 });
    assert_eq!(headers.vlan.outer_id(), 100);
}

#[test]
fn an_802_1ad_stack_keeps_its_two_outermost_tags() {
    for tpid in [0x8100, 0x88a8, 0x9100] {
        let headers = headers(&inside().vlan(3).vlan(2).tag(tpid, 1).ethernet());
        assert_is_inside(headers);
        assert_eq!(headers.vlan, VlanTags { outer: 1, inner: 2, count: 3 });
    }
}

#[test]
fn a_tag_in_front_of_llc_decodes() {
    let packet = inside().snap().with_ethertype(148).vlan(9).ethernet();
    assert_is_inside(headers(&packet));
}

#[test]
fn a_cut_tag_is_truncated() {
    let packet = inside().vlan(1).ethernet().ending_after(17);
    assert_eq!(error(&packet), DecodeError::Truncated(Layer::Vlan));
}

#[test]
fn the_tag_that_the_kernel_took_out_is_the_outermost() {
    let packet = inside().vlan(2).ethernet();
    let mut frame = frame(LinkType::Ethernet, &packet.octets);
    frame.stripped_vlan = Some(StrippedVlan { tpid: 0x88a8, tci: 0x2001 });
    let headers = decode(&frame, INNER).unwrap();
    assert_is_inside(headers);
    assert_eq!(headers.vlan, VlanTags { outer: 0x2001, inner: 2, count: 2 });
}

#[test]
fn the_octets_of_a_stripped_tag_are_none_of_the_packet() {
    let packet = payload(60).udp(1, 2).ipv4().ethernet();
    let stripped = Some(StrippedVlan { tpid: 0x8100, tci: 1 });
    let with_length = |total: u16| {
        let mut octets = packet.octets.clone();
        octets[16..18].copy_from_slice(&total.to_be_bytes());
        let plain = frame(LinkType::Ethernet, &octets);
        let tagged = Frame { wire_length: plain.wire_length + 4, stripped_vlan: stripped, ..plain };
        let [plain, tagged] = [plain, tagged].map(|frame| decode(&frame, INNER).unwrap());
        assert_eq!(tagged, Headers { vlan: tagged.vlan, ..plain });
        tagged
    };
    // An IP length that reaches one octet beyond the frame is not made good by the tag.
    assert!(with_length(89).anomalies.contains(PacketAnomaly::IpLengthBeyondFrame));
    assert!(!with_length(88).anomalies.contains(PacketAnomaly::IpLengthBeyondFrame));
    // Where the sender left the length to its hardware, it is that of the frame.
    assert_eq!(with_length(0).ip_length, 88);
}

#[test]
fn four_vlan_tags_decode_and_one_more_nests_too_deep() {
    let tagged = |tags: usize| (0..tags).fold(inside(), |packet, _| packet.vlan(1)).ethernet();
    assert_eq!(headers(&tagged(4)).vlan.count, 4);
    assert_eq!(error(&tagged(5)), DecodeError::NestingTooDeep);
    // Those of a frame inside the frame are counted anew.
    let bridged = tagged(4).mpls(&[9]);
    assert_is_inside(headers(&(0..4).fold(bridged, |packet, _| packet.vlan(1)).ethernet()));
}

#[test]
fn two_encapsulations_decode_and_one_more_nests_too_deep() {
    // As a broadband access network has it.
    let subscriber = inside().pppoe().vlan(7).ethernet().mpls(&[100, 200]).vlan(5);
    assert_is_inside(headers(&subscriber.clone().ethernet()));
    let once_more = subscriber.ethernet().mpls(&[300]).ethernet();
    assert_eq!(error(&once_more), DecodeError::NestingTooDeep);
    let snap = (0..3).fold(inside(), |packet, _| packet.snap().with_ethertype(0x8870)).ethernet();
    assert_eq!(error(&snap), DecodeError::NestingTooDeep);
}

#[test]
fn an_mpls_stack_keeps_its_top_three_labels() {
    let headers = headers(&inside().mpls(&[16, 17, 18, 19]).ethernet());
    assert_is_inside(headers);
    assert_eq!(headers.mpls.count, 4);
    assert_eq!(headers.mpls.sections, [[0, 1, 0x00], [0, 1, 0x10], [0, 1, 0x20]]);
}

#[test]
fn mpls_multicast_and_ipv6_below_a_stack_decode() {
    let packet = payload(0).udp(1, 2).ipv6().mpls(&[2]).with_ethertype(0x8848).ethernet();
    let headers = headers(&packet);
    assert_eq!((headers.version, headers.mpls.sections[0]), (IpVersion::V6, [0, 0, 0x21]));
}

#[test]
fn a_label_stack_without_a_bottom_is_truncated_or_too_deep() {
    let endless = |labels: usize| payload(0).behind(&vec![0; labels * 4]).with_ethertype(0x8847);
    assert_eq!(error(&endless(7).ethernet()), DecodeError::Truncated(Layer::Mpls));
    assert_eq!(error(&endless(8).ethernet()), DecodeError::NestingTooDeep);
}

#[test]
fn ethernet_over_mpls_decodes_with_and_without_a_control_word() {
    let frame = inside().ethernet();
    assert_is_inside(headers(&frame.clone().behind(&[0, 0, 0, 1]).mpls(&[100, 200]).ethernet()));
    assert_is_inside(headers(&frame.clone().mpls(&[100, 200]).ethernet()));
    // MAC addresses that look like IPv4, IPv6, a control word, and nothing at all.
    for first in [0x45, 0x4c, 0x60, 0x00, 0x52, 0xf0] {
        let frame = frame.clone().set(0, &[first]);
        assert_is_inside(headers(&frame.mpls(&[100]).ethernet()));
    }
}

#[test]
fn a_pseudowire_keeps_the_outer_frames_addresses_and_tags() {
    let inner = inside().vlan(7).ethernet().set(0, &[0x02, 0xff]);
    let tagged = headers(&inner.clone().mpls(&[100]).vlan(5).ethernet());
    assert_eq!(tagged.vlan, VlanTags { outer: 5, inner: 0, count: 1 });
    let untagged = headers(&inner.mpls(&[100]).ethernet());
    assert_eq!(untagged.vlan, VlanTags { outer: 7, inner: 0, count: 1 });
    let mac = MacAddresses { source: MAC_SOURCE, destination: MAC_DESTINATION };
    assert_eq!((tagged.mac, untagged.mac), (Some(mac), Some(mac)));
}

#[test]
fn the_associated_channel_of_a_pseudowire_is_not_ip() {
    let packet = payload(40).behind(&[0x10, 0, 0, 0x21]).mpls(&[100]).ethernet();
    assert_eq!(error(&packet), DecodeError::NotIp);
}

#[test]
fn a_pppoe_session_decodes_and_its_padding_does_not_count() {
    let packet = payload(0).udp(1, 2).ipv4().pppoe().ethernet().padded(10);
    assert_eq!(headers(&packet).ip_length, 28);
    assert_is_inside(headers(&inside().pppoe().ethernet()));
    assert_is_inside(headers_as(LinkType::PppEther, &inside().pppoe()));
}

#[test]
fn pppoe_that_is_no_session_or_no_version_1_is_refused() {
    let session = inside().pppoe();
    assert_eq!(error(&session.clone().set(1, &[0x09]).ethernet()), DecodeError::NotIp);
    let version_2 = session.clone().set(0, &[0x21]).ethernet();
    assert_eq!(error(&version_2), DecodeError::Malformed(Layer::Pppoe));
    let short = session.ethernet().ending_after(19);
    assert_eq!(error(&short), DecodeError::Truncated(Layer::Pppoe));
}

#[test]
fn ppp_decodes_with_and_without_address_and_control() {
    assert_is_inside(headers_as(LinkType::Ppp, &inside().ppp()));
    assert_is_inside(headers_as(LinkType::Ppp, &inside().ppp().behind(&[0xff, 0x03])));
    assert_is_inside(headers_as(LinkType::PppHdlc, &inside().ppp().behind(&[0xff, 0x03])));
    assert_is_inside(headers_as(LinkType::Ppp, &inside().mpls(&[5]).ppp()));
}

#[test]
fn a_compressed_ppp_protocol_field_decodes() {
    assert_is_inside(headers_as(LinkType::Ppp, &inside().behind(&[0x21])));
    let packet = payload(0).udp(1, 2).ipv6().behind(&[0xff, 0x03, 0x57]);
    assert_eq!(headers_as(LinkType::Ppp, &packet).version, IpVersion::V6);
}

#[test]
fn ppp_control_protocols_are_not_ip_and_a_cut_field_is_truncated() {
    assert_eq!(error_as(LinkType::Ppp, &payload(8).ppp()), DecodeError::NotIp);
    let truncated = DecodeError::Truncated(Layer::Ppp);
    assert_eq!(error_as(LinkType::Ppp, &payload(0).behind(&[0x00])), truncated);
    assert_eq!(error_as(LinkType::Ppp, &payload(0).behind(&[0xff, 0x03])), truncated);
}

#[test]
fn cisco_hdlc_decodes_on_both_its_link_types() {
    let packet = inside().behind(&[0x0f, 0x00, 0x08, 0x00]);
    assert_is_inside(headers_as(LinkType::CiscoHdlc, &packet));
    assert_is_inside(headers_as(LinkType::PppHdlc, &packet));
    assert_is_inside(headers_as(LinkType::PppHdlc, &packet.set(0, &[0x8f])));
    let mpls = inside().mpls(&[5]).behind(&[0x0f, 0x00, 0x88, 0x47]);
    assert_is_inside(headers_as(LinkType::CiscoHdlc, &mpls));
    let keepalive = payload(14).behind(&[0x8f, 0x00, 0x80, 0x35]);
    assert_eq!(error_as(LinkType::CiscoHdlc, &keepalive), DecodeError::NotIp);
}

#[test]
fn frame_relay_decodes_in_every_encapsulation() {
    let read = |header: &[u8]| headers_as(LinkType::FrameRelay, &inside().behind(header));
    assert_is_inside(read(&[0x18, 0x41, 0x03, 0xcc])); // two octets of address
    assert_is_inside(read(&[0x18, 0x40, 0x01, 0x03, 0xcc])); // three
    assert_is_inside(read(&[0x18, 0x40, 0x00, 0x01, 0x03, 0xcc])); // four
    assert_is_inside(read(&[0x18, 0x41, 0x03, 0x00, 0x80, 0, 0, 0, 0x08, 0x00])); // SNAP
    assert_is_inside(read(&[0x18, 0x41, 0x03, 0xcf, 0x00, 0x21])); // PPP
    assert_is_inside(read(&[0x18, 0x41, 0x08, 0x00])); // Cisco
    let bridged = inside().ethernet().behind(&[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7]);
    assert_is_inside(headers_as(LinkType::FrameRelay, &bridged));
    let ipv6 = payload(0).udp(1, 2).ipv6().behind(&[0x18, 0x41, 0x03, 0x8e]);
    assert_eq!(headers_as(LinkType::FrameRelay, &ipv6).version, IpVersion::V6);
}

#[test]
fn frame_relay_signalling_is_not_ip_and_an_endless_address_malformed() {
    let signalling = payload(9).behind(&[0x00, 0x01, 0x03, 0x08]);
    assert_eq!(error_as(LinkType::FrameRelay, &signalling), DecodeError::NotIp);
    for address in [[0x18, 0, 0, 0], [0x19, 1, 1, 1]] {
        let packet = inside().behind(&address);
        let malformed = DecodeError::Malformed(Layer::Link);
        assert_eq!(error_as(LinkType::FrameRelay, &packet), malformed);
    }
}

#[test]
fn bsd_loopback_decodes_in_both_byte_orders_with_every_number_of_ipv6() {
    assert_is_inside(headers_as(LinkType::BsdLoopback, &inside().behind(&[2, 0, 0, 0])));
    assert_is_inside(headers_as(LinkType::BsdLoopback, &inside().behind(&[0, 0, 0, 2])));
    for family in [10, 24, 28, 30_u32] {
        for header in [family.to_le_bytes(), family.to_be_bytes()] {
            let packet = payload(0).udp(1, 2).ipv6().behind(&header);
            assert_eq!(headers_as(LinkType::BsdLoopback, &packet).version, IpVersion::V6);
        }
    }
    let other = inside().behind(&[7, 0, 0, 0]);
    assert_eq!(error_as(LinkType::BsdLoopback, &other), DecodeError::NotIp);
}

#[test]
fn raw_ip_goes_by_its_version() {
    assert_is_inside(headers_as(LinkType::RawIp, &inside()));
    let ipv6 = payload(0).udp(1, 2).ipv6();
    assert_eq!(headers_as(LinkType::RawIp, &ipv6).version, IpVersion::V6);
    assert_eq!(error_as(LinkType::RawIp, &payload(20)), DecodeError::NotIp);
    let empty = error_as(LinkType::RawIp, &payload(0));
    assert_eq!(empty, DecodeError::Truncated(Layer::Link));
}

#[test]
fn linux_cooked_captures_decode_without_half_a_pair_of_addresses() {
    let v1 = inside().behind(&[0, 4, 0, 1, 0, 6, 2, 0, 0x5e, 0, 0x53, 1, 0, 0, 0x08, 0x00]);
    assert_is_inside(headers_as(LinkType::LinuxSll, &v1));
    assert_eq!(headers_as(LinkType::LinuxSll, &v1).mac, None);
    let v2 = inside()
        .vlan(5)
        .behind(&[0x81, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0x5e, 0, 0x53, 1, 0, 0]);
    let headers = headers_as(LinkType::LinuxSll2, &v2);
    assert_is_inside(headers);
    assert_eq!((headers.mac, headers.vlan.outer), (None, 5));
}

#[test]
fn linux_cooked_llc_decodes_and_netlink_is_not_ip() {
    let llc = inside().snap().behind(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x04]);
    assert_is_inside(headers_as(LinkType::LinuxSll, &llc));
    let netlink = inside().behind(&[0, 4, 0x03, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00]);
    assert_eq!(error_as(LinkType::LinuxSll, &netlink), DecodeError::NotIp);
}

/// An IEEE 802.11 header: frame control, four addresses of one octet repeated, and the rest.
fn wireless(control: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let mut header = vec![control[0], control[1], 0, 0];
    header.extend([1; 6]);
    header.extend([2; 6]);
    header.extend([3; 6]);
    header.extend([0, 0]);
    header.extend(rest);
    header
}

#[test]
fn wireless_data_frames_decode_and_know_source_from_relay() {
    let cases: [(u8, &[u8], u8, u8); 4] =
        [(0, &[], 2, 1), (1, &[], 2, 3), (2, &[], 3, 1), (3, &[4; 6], 4, 3)];
    for (flags, rest, source, destination) in cases {
        let packet = inside().snap().behind(&wireless([0x08, flags], rest));
        let headers = headers_as(LinkType::Ieee80211, &packet);
        assert_is_inside(headers);
        let mac = MacAddresses { source: [source; 6], destination: [destination; 6] };
        assert_eq!(headers.mac, Some(mac));
    }
}

#[test]
fn wireless_quality_of_service_and_high_throughput_controls_are_passed() {
    let plain = inside().snap().behind(&wireless([0x88, 0x01], &[0, 0]));
    assert_is_inside(headers_as(LinkType::Ieee80211, &plain));
    let control = inside().snap().behind(&wireless([0x88, 0x81], &[0, 0, 0, 0, 0, 0]));
    assert_is_inside(headers_as(LinkType::Ieee80211, &control));
    let four = inside().snap().behind(&wireless([0x88, 0x03], &[4, 4, 4, 4, 4, 4, 0, 0]));
    assert_is_inside(headers_as(LinkType::Ieee80211, &four));
}

#[test]
fn wireless_frames_without_a_readable_packet_are_not_ip() {
    let cases = [
        wireless([0x80, 0x00], &[]),        // beacon
        wireless([0x08, 0x41], &[]),        // protected
        wireless([0x48, 0x01], &[]),        // no data
        wireless([0x88, 0x01], &[0x80, 0]), // aggregate
    ];
    for header in cases {
        let packet = inside().snap().behind(&header);
        assert_eq!(error_as(LinkType::Ieee80211, &packet), DecodeError::NotIp);
    }
    let second_fragment = inside().snap().behind(&wireless([0x08, 0x01], &[])).set(22, &[0x01]);
    assert_eq!(error_as(LinkType::Ieee80211, &second_fragment), DecodeError::NotIp);
}

#[test]
fn radiotap_tells_padding_and_checksum() {
    let packet = inside().snap().behind(&wireless([0x88, 0x01], &[0, 0]));
    let bare = packet.clone().behind(&[0, 0, 8, 0, 0, 0, 0, 0]);
    assert_is_inside(headers_as(LinkType::Radiotap, &bare));
    // Timer and flags present, and a second word of presence: padded behind the header.
    let padded =
        inside().snap().behind(&[0, 0]).behind(&wireless([0x88, 0x01], &[0, 0])).behind(&[
            0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20,
        ]);
    assert_is_inside(headers_as(LinkType::Radiotap, &padded));
    // The checksum is not the packet's: an IP length that reaches into it is beyond the frame.
    let checksum = packet.padded(4).behind(&[0, 0, 9, 0, 2, 0, 0, 0, 0x10]);
    assert_is_inside(headers_as(LinkType::Radiotap, &checksum));
    let long = inside().set(2, &[0, 141]).with_checksum().snap();
    let long = long.behind(&wireless([0x08, 0x01], &[])).padded(4);
    let long = long.behind(&[0, 0, 9, 0, 2, 0, 0, 0, 0x10]);
    let anomalies = headers_as(LinkType::Radiotap, &long).anomalies;
    assert!(anomalies.contains(PacketAnomaly::IpLengthBeyondFrame));
}

#[test]
fn impossible_radiotap_headers_are_malformed() {
    for header in [[1, 0, 8, 0, 0, 0, 0, 0], [0, 0, 7, 0, 0, 0, 0, 0]] {
        let packet = inside().behind(&header);
        let malformed = DecodeError::Malformed(Layer::Link);
        assert_eq!(error_as(LinkType::Radiotap, &packet), malformed);
    }
}

#[test]
fn an_unknown_link_type_is_named_by_its_number() {
    let error = error_as(LinkType::Other(147), &inside());
    assert_eq!(error, DecodeError::UnsupportedLinkType(147));
    assert_eq!(error.reason(), "unsupported_link_type_147");
}
