//! IPv4, IPv6 and its extension headers, fragments, lengths.

use super::packet::*;
use super::*;

#[test]
fn every_field_of_an_ipv4_header_is_kept() {
    let headers = headers(&payload(10).udp(1000, 2000).ipv4().ethernet());
    assert_eq!(headers.version, IpVersion::V4);
    assert_eq!((headers.source, headers.destination), (v4(V4_SOURCE), v4(V4_DESTINATION)));
    assert_eq!((headers.ip_length, headers.protocol), (38, 17));
    assert_eq!((headers.tos, headers.ttl, headers.flow_label), (0xb8, 57, 0));
    assert_eq!(headers.fragment, None);
}

#[test]
fn every_field_of_an_ipv6_header_is_kept() {
    let headers = headers(&payload(10).udp(1000, 2000).ipv6().ethernet());
    assert_eq!(headers.version, IpVersion::V6);
    assert_eq!((headers.source, headers.destination), (v6(V6_SOURCE), v6(V6_DESTINATION)));
    assert_eq!((headers.ip_length, headers.protocol), (58, 17));
    assert_eq!((headers.tos, headers.ttl, headers.flow_label), (0xb8, 61, 0xabcde));
    assert_eq!((headers.source_port, headers.destination_port), (1000, 2000));
}

#[test]
fn ipv4_options_are_passed() {
    for words in [1, 5, 10] {
        let packet = payload(5).udp(1000, 2000).ipv4_with_options(&vec![1; words * 4]).ethernet();
        let headers = headers(&packet);
        assert_eq!((headers.source_port, headers.destination_port), (1000, 2000));
        assert_eq!(headers.ip_length as usize, 33 + words * 4);
        assert_eq!((headers.anomalies.iter().count(), headers.anomalies.has_options()), (0, true));
    }
}

#[test]
fn ethernet_padding_does_not_count() {
    let headers = headers(&payload(1).udp(1, 2).ipv4().ethernet().padded(17));
    assert_eq!(headers.ip_length, 29);
    assert!(headers.anomalies.is_empty());
}

#[test]
fn lengths_come_from_the_header_and_not_from_the_capture() {
    let packet = payload(1000).udp(1, 2).ipv4().ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    let headers = decode(&cut(&frame, 42), INNER).unwrap();
    assert_eq!(headers.ip_length, 1028);
    assert!(headers.anomalies.is_empty());
}

#[test]
fn a_wire_length_below_the_capture_length_is_not_believed() {
    let packet = payload(10).udp(1, 2).ipv4().ethernet();
    let mut frame = frame(LinkType::Ethernet, &packet.octets);
    frame.wire_length = 0;
    assert!(decode(&frame, INNER).unwrap().anomalies.is_empty());
}

#[test]
fn total_length_0_is_segmentation_offload_and_the_wire_tells() {
    let packet = payload(3000).tcp(ACK).ipv4().set(2, &[0, 0]).ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    let headers = decode(&cut(&frame, 54), INNER).unwrap();
    assert_eq!((headers.ip_length, headers.destination_port), (3040, 443));
    assert!(headers.anomalies.is_empty());
}

#[test]
fn impossible_ipv4_headers_are_malformed() {
    let packet = payload(10).udp(1, 2).ipv4();
    let malformed = DecodeError::Malformed(Layer::Ipv4);
    for (offset, octets) in [
        (0, &[0x55_u8][..]), // version 5
        (0, &[0x65]),        // version 6
        (0, &[0x44]),        // four words
        (0, &[0x4f]),        // longer than Total Length
        (2, &[0, 19]),       // Total Length below the header
    ] {
        assert_eq!(error(&packet.clone().set(offset, octets).ethernet()), malformed);
    }
}

#[test]
fn an_ipv6_header_of_another_version_is_malformed() {
    let packet = payload(10).udp(1, 2).ipv6().set(0, &[0x40]).ethernet();
    assert_eq!(error(&packet), DecodeError::Malformed(Layer::Ipv6));
}

#[test]
fn a_fixed_header_cut_short_is_truncated() {
    let v4 = payload(10).udp(1, 2).ipv4().ethernet();
    assert_eq!(error(&v4.ending_after(14 + 19)), DecodeError::Truncated(Layer::Ipv4));
    let v6 = payload(10).udp(1, 2).ipv6().ethernet();
    assert_eq!(error(&v6.ending_after(14 + 39)), DecodeError::Truncated(Layer::Ipv6));
}

#[test]
fn cut_options_leave_addresses_and_length_but_no_ports() {
    let packet = payload(5).udp(1000, 2000).ipv4_with_options(&[1; 8]).ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    let headers = decode(&cut(&frame, 14 + 24), INNER).unwrap();
    assert_eq!((headers.source, headers.protocol, headers.ip_length), (v4(V4_SOURCE), 17, 41));
    assert_eq!((headers.source_port, headers.destination_port), (0, 0));
    assert_eq!((headers.anomalies.iter().count(), headers.anomalies.has_options()), (0, true));
    let impossible = payload(5).udp(1, 2).ipv4().set(0, &[0x44]).ethernet();
    let frame = super::frame(LinkType::Ethernet, &impossible.octets);
    let error = decode(&cut(&frame, 14 + 20), INNER);
    assert_eq!(error, Err(DecodeError::Malformed(Layer::Ipv4)));
}

#[test]
fn every_extension_header_is_followed_to_what_follows_it() {
    for kind in [0, 43, 60, 135, 139, 140] {
        for units in [0, 3] {
            let packet = payload(9).tcp(ACK).extension(kind, units).ipv6().ethernet();
            let headers = headers(&packet);
            assert_eq!((headers.protocol, headers.destination_port), (6, 443), "{kind}");
            assert_eq!(headers.ip_length as usize, packet.len() - 14);
            let noted = (headers.anomalies.iter().count(), headers.anomalies.has_options());
            assert_eq!(noted, (0, matches!(kind, 0 | 60)), "{kind}");
        }
    }
}

#[test]
fn a_segment_routing_header_is_a_routing_header() {
    let mut header = vec![17, 4, 4, 1, 1, 0, 0, 0];
    header.extend(V6_NEAR.octets());
    header.extend(V6_FAR.octets());
    let packet = payload(9).udp(1000, 2000).behind_protocol(43, &header).ipv6().ethernet();
    let headers = headers(&packet);
    assert_eq!((headers.protocol, headers.destination_port), (17, 2000));
    // The address on the wire, not the last segment: that is what routers saw.
    assert_eq!(headers.destination, v6(V6_DESTINATION));
}

#[test]
fn an_authentication_header_is_followed_in_ipv6_and_metered_in_ipv4() {
    let v6 = headers(&payload(9).tcp(ACK).authentication().ipv6().ethernet());
    assert_eq!((v6.protocol, v6.destination_port), (6, 443));
    let v4 = headers(&payload(9).tcp(ACK).authentication().ipv4().ethernet());
    assert_eq!((v4.protocol, v4.destination_port), (51, 0));
    assert!(v4.anomalies.is_empty());
}

#[test]
fn a_chain_of_all_extension_headers_is_followed_to_its_end() {
    let packet = payload(9)
        .udp(1000, 2000)
        .extension(60, 0)
        .authentication()
        .ipv6_fragment_header(0, true)
        .extension(43, 2)
        .extension(60, 1)
        .extension(0, 0)
        .ipv6()
        .ethernet();
    let headers = headers(&packet);
    assert_eq!((headers.protocol, headers.destination_port), (17, 2000));
    assert!(headers.fragment.is_some());
}

#[test]
fn encrypted_payload_and_no_next_header_end_the_chain() {
    let esp = payload(40).with_protocol(50).extension(60, 0).ipv6().ethernet();
    assert_eq!((headers(&esp).protocol, headers(&esp).destination_port), (50, 0));
    let none = payload(0).with_protocol(59).extension(135, 1).ipv6().ethernet();
    assert_eq!(headers(&none).protocol, 59);
    assert!(headers(&none).anomalies.is_empty());
}

#[test]
fn an_extension_header_that_is_not_captured_leaves_the_protocol_so_far() {
    let packet = payload(9).tcp(ACK).extension(43, 3).extension(60, 0).ipv6().ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    let protocol = |length: usize| decode(&cut(&frame, 14 + length), INNER).unwrap().protocol;
    assert_eq!(protocol(40), 60); // nothing of the first
    assert_eq!(protocol(41), 43); // what follows the first
    assert_eq!(protocol(48), 43);
    assert_eq!(protocol(49), 6); // what follows the second
    let headers = decode(&cut(&frame, 14 + 50), INNER).unwrap();
    assert_eq!((headers.protocol, headers.destination_port), (6, 0));
    assert_eq!((headers.anomalies.iter().count(), headers.anomalies.has_options()), (0, true));
}

#[test]
fn a_jumbogram_has_the_length_of_its_option() {
    let hop_by_hop = |next| vec![next, 0, 0xc2, 4, 0x00, 0x02, 0x00, 0x00];
    let packet = payload(0).tcp(ACK).behind_protocol(0, &hop_by_hop(6)).ipv6();
    let packet = packet.set(4, &[0, 0]).ethernet();
    let mut frame = frame(LinkType::Ethernet, &packet.octets);
    frame.wire_length = 14 + 40 + 0x20000;
    let headers = decode(&frame, INNER).unwrap();
    assert_eq!((headers.ip_length, headers.destination_port), (40 + 0x20000, 443));
    assert_eq!((headers.anomalies.iter().count(), headers.anomalies.has_options()), (0, true));
}

#[test]
fn a_jumbogram_of_four_gibioctets_saturates() {
    let hop_by_hop = [6, 0, 0xc2, 4, 0xff, 0xff, 0xff, 0xff];
    let packet = payload(0).tcp(ACK).behind_protocol(0, &hop_by_hop).ipv6();
    let headers = headers(&packet.set(4, &[0, 0]).ethernet());
    assert_eq!(headers.ip_length, u32::MAX);
    assert!(headers.anomalies.contains(PacketAnomaly::IpLengthBeyondFrame));
}

#[test]
fn a_jumbo_length_that_needs_no_option_or_comes_late_is_not_believed() {
    let small = [6, 0, 0xc2, 4, 0, 0, 0xff, 0xff];
    let late = [6, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0xc2, 4, 0xff, 0xff, 0xff, 0xff];
    for hop_by_hop in [&small[..], &late] {
        let packet = payload(0).tcp(ACK).behind_protocol(0, hop_by_hop).ipv6().set(4, &[0, 0]);
        let headers = headers(&packet.ethernet());
        assert_eq!(headers.ip_length, 40);
        assert_eq!(headers.anomalies.iter().collect::<Vec<_>>(), [PacketAnomaly::HeaderOnly]);
    }
}

#[test]
fn payload_length_0_without_the_option_is_segmentation_offload() {
    let packet = payload(100).tcp(ACK).ipv6().set(4, &[0, 0]).ethernet();
    let mut frame = frame(LinkType::Ethernet, &packet.octets);
    frame.wire_length = 14 + 80_000;
    let headers = decode(&frame, INNER).unwrap();
    assert_eq!((headers.ip_length, headers.destination_port), (80_000, 443));
    assert!(headers.anomalies.is_empty());
}

#[test]
fn payload_length_0_in_a_padded_frame_is_an_empty_packet() {
    for protocol in [6, 17, 59, 0] {
        let packet = payload(0).with_protocol(protocol).ipv6().ethernet().padded(6);
        let headers = headers(&packet);
        assert_eq!((headers.ip_length, headers.protocol), (40, protocol));
    }
}

#[test]
fn payload_length_0_is_offload_in_any_packet_too_large_for_the_field() {
    for (protocol, on_wire, expected) in [
        // Within the reach of the field only TCP is left to hardware.
        (6, 200, 200),
        (17, 200, 40),
        (58, 200, 40),
        (17, 40 + 65_535, 40),
        (17, 40 + 65_536, 40 + 65_536),
        (44, 80_000, 80_000),
    ] {
        let packet = payload(40).with_protocol(protocol).ipv6().set(4, &[0, 0]).ethernet();
        let mut frame = frame(LinkType::Ethernet, &packet.octets);
        frame.wire_length = 14 + on_wire;
        let headers = decode(&frame, INNER).unwrap();
        assert_eq!(headers.ip_length, expected, "protocol {protocol}, {on_wire} octets");
    }
}

#[test]
fn the_first_fragment_has_ports_and_the_others_say_where_they_belong() {
    let first = headers(&payload(40).udp(1000, 2000).ipv4_fragment(0, true).ethernet());
    assert_eq!((first.source_port, first.destination_port), (1000, 2000));
    let expected = Fragment { identification: 0xbeef, offset: 0, length: 48, more: true };
    assert_eq!(first.fragment, Some(expected));
    assert!(first.anomalies.is_empty());

    let last = headers(&payload(13).with_protocol(17).ipv4_fragment(48, false).ethernet());
    assert_eq!((last.source_port, last.destination_port), (0, 0));
    let expected = Fragment { identification: 0xbeef, offset: 48, length: 13, more: false };
    assert_eq!(last.fragment, Some(expected));
    assert!(last.anomalies.is_empty());
}

#[test]
fn ipv6_fragments_are_fragments_and_atomic_ones_are_not() {
    let first = payload(40).udp(1000, 2000).ipv6_fragment_header(0, true).ipv6().ethernet();
    let first = headers(&first);
    assert_eq!((first.protocol, first.destination_port), (17, 2000));
    let expected = Fragment { identification: 0xdead_beef, offset: 0, length: 48, more: true };
    assert_eq!(first.fragment, Some(expected));

    let last = payload(13).with_protocol(17).ipv6_fragment_header(48, false);
    let last = headers(&last.extension(60, 0).ipv6().ethernet());
    assert_eq!((last.protocol, last.destination_port), (17, 0));
    let expected = Fragment { identification: 0xdead_beef, offset: 48, length: 13, more: false };
    assert_eq!(last.fragment, Some(expected));

    // RFC 6946 §4.
    let atomic = payload(40).udp(1000, 2000).ipv6_fragment_header(0, false).ipv6().ethernet();
    assert_eq!((headers(&atomic).fragment, headers(&atomic).destination_port), (None, 2000));
}
