//! Tunnels: what is inside, what is kept of the outside, and what is left alone.

use super::PacketAnomaly::*;
use super::packet::*;
use super::*;

fn inside() -> Packet {
    payload(100).tcp(ACK).ipv4()
}

/// The inside is metered, and the tunnel is this one, between IPv4 end points.
fn assert_tunnel(packet: &Packet, kind: TunnelKind, id: Option<u32>) {
    let headers = headers(packet);
    assert_eq!((headers.source, headers.destination), (v4(V4_SOURCE), v4(V4_DESTINATION)));
    assert_eq!((headers.ip_length, headers.destination_port), (140, 443));
    assert!(headers.anomalies.is_empty(), "{:?}", headers.anomalies);
    let (source, destination) = (v4(V4_NEAR), v4(V4_FAR));
    let tunnel = Tunnel { kind, version: IpVersion::V4, source, destination, id };
    assert_eq!(headers.tunnel, Some(tunnel));
    let outer = decode(&frame(LinkType::Ethernet, &packet.octets), OUTER).unwrap();
    assert_eq!((outer.source, outer.tunnel), (v4(V4_NEAR), None));
}

/// The outer packet is metered, with these anomalies.
fn assert_outer(packet: &Packet, expected: &[PacketAnomaly]) {
    let headers = headers(packet);
    assert_eq!((headers.source, headers.destination), (v4(V4_NEAR), v4(V4_FAR)));
    assert_eq!(headers.ip_length as usize, packet.len() - 14);
    assert_eq!(headers.tunnel, None);
    assert_eq!(headers.anomalies.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn ip_in_ip_decodes_in_all_four_combinations() {
    let inner = [payload(100).tcp(ACK).ipv4(), payload(100).tcp(ACK).ipv6()];
    for (packet, version) in inner.into_iter().zip([IpVersion::V4, IpVersion::V6]) {
        let near_far = [
            (packet.clone().near_far_v4(), IpVersion::V4, v4(V4_NEAR), v4(V4_FAR)),
            (packet.near_far_v6(), IpVersion::V6, v6(V6_NEAR), v6(V6_FAR)),
        ];
        for (packet, outer_version, source, destination) in near_far {
            let headers = headers(&packet.ethernet());
            assert_eq!((headers.version, headers.destination_port), (version, 443));
            let kind = TunnelKind::IpInIp;
            let tunnel = Tunnel { kind, version: outer_version, source, destination, id: None };
            assert_eq!(headers.tunnel, Some(tunnel));
        }
    }
}

#[test]
fn gre_decodes_with_every_optional_field() {
    assert_tunnel(&inside().gre(0, &[]).near_far_v4().ethernet(), TunnelKind::Gre, None);
    let checksum = inside().gre(0x8000, &[1, 2, 0, 0]).near_far_v4().ethernet();
    assert_tunnel(&checksum, TunnelKind::Gre, None);
    let key = inside().gre(0x2000, &[0, 0, 1, 0]).near_far_v4().ethernet();
    assert_tunnel(&key, TunnelKind::Gre, Some(256));
    let fields = [1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9];
    let all = inside().gre(0xb000, &fields).near_far_v4().ethernet();
    assert_tunnel(&all, TunnelKind::Gre, Some(256));
}

#[test]
fn gre_carries_ethernet_mpls_and_ipv6() {
    let bridged = inside().vlan(3).ethernet().gre(0, &[]).near_far_v4().ethernet();
    assert_tunnel(&bridged, TunnelKind::Gre, None);
    let labelled = inside().mpls(&[77]).gre(0, &[]).near_far_v4().ethernet();
    assert_tunnel(&labelled, TunnelKind::Gre, None);
    assert_eq!(headers(&labelled).mpls.sections[0], [0, 4, 0xd1]);
    let ipv6 = payload(0).udp(1, 2).ipv6().gre(0, &[]).near_far_v4().ethernet();
    assert_eq!(headers(&ipv6).version, IpVersion::V6);
}

#[test]
fn nvgre_is_bridging_with_a_key_and_nothing_else() {
    let key = [0x12, 0x34, 0x56, 0x99];
    let nvgre = inside().ethernet().gre(0x2000, &key).near_far_v4().ethernet();
    assert_tunnel(&nvgre, TunnelKind::Nvgre, Some(0x12_3456));
    let sequence = [0x12, 0x34, 0x56, 0x99, 0, 0, 0, 1];
    let gre = inside().ethernet().gre(0x3000, &sequence).near_far_v4().ethernet();
    assert_tunnel(&gre, TunnelKind::Gre, Some(0x1234_5699));
}

#[test]
fn the_three_types_of_erspan_decode() {
    let mirrored = inside().vlan(3).ethernet();
    let carried = |packet: Packet| packet.near_far_v4().ethernet();
    let first = carried(mirrored.clone().gre_with(0, 0x88be, &[]));
    assert_tunnel(&first, TunnelKind::Erspan, None);
    let header = [0, 0, 0, 1, 0x10, 0x03, 0x0a, 0xbc, 0, 0, 0, 0];
    let second = carried(mirrored.clone().gre_with(0x1000, 0x88be, &header));
    assert_tunnel(&second, TunnelKind::Erspan, Some(0x2bc));
    let header = [0, 0, 0, 1, 0x20, 0x03, 0x0a, 0xbc, 1, 2, 3, 4, 0, 0, 0, 0];
    let third = carried(mirrored.gre_with(0x1000, 0x22eb, &header));
    assert_tunnel(&third, TunnelKind::Erspan, Some(0x2bc));
}

#[test]
fn erspan_iii_passes_its_platform_header_and_may_carry_ip() {
    let mut header = vec![0, 0, 0, 1, 0x20, 0x03, 0x0a, 0xbc, 1, 2, 3, 4, 0, 0, 0x08, 0x01];
    header.extend([7; 8]);
    let packet = inside().gre_with(0x1000, 0x22eb, &header).near_far_v4().ethernet();
    assert_tunnel(&packet, TunnelKind::Erspan, Some(0x2bc));
    let other = [0, 0, 0, 1, 0x20, 0x03, 0x0a, 0xbc, 1, 2, 3, 4, 0, 0, 0x1c, 0x00];
    let other = inside().gre_with(0x1000, 0x22eb, &other).near_far_v4().ethernet();
    assert_outer(&other, &[]);
}

#[test]
fn erspan_of_another_version_is_undecodable() {
    for (protocol, version) in [(0x88be, 0x20), (0x22eb, 0x10)] {
        let header = [0, 0, 0, 1, version, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let packet = inside().ethernet().gre_with(0x1000, protocol, &header);
        assert_outer(&packet.near_far_v4().ethernet(), &[TunnelUndecodable]);
    }
}

/// Enhanced GRE (RFC 2637): call 0x77, a sequence number, and an acknowledgement if asked for.
fn pptp(packet: Packet, flags: u16, numbers: &[u8]) -> Packet {
    let length = narrow::<u16, _>(packet.len()).to_be_bytes();
    let fields = [length.as_slice(), &[0x00, 0x77], numbers].concat();
    packet.gre_with(flags, 0x880b, &fields).near_far_v4().ethernet()
}

#[test]
fn pptp_decodes_and_names_its_call() {
    let frame = inside().ppp().behind(&[0xff, 0x03]);
    assert_tunnel(&pptp(frame.clone(), 0x3001, &[0; 4]), TunnelKind::Gre, Some(0x77));
    assert_tunnel(&pptp(frame, 0x3081, &[0; 8]), TunnelKind::Gre, Some(0x77));
    assert_outer(&pptp(payload(0), 0x2081, &[0; 4]), &[]); // an acknowledgement alone
    assert_outer(&pptp(payload(20).ppp(), 0x3001, &[0; 4]), &[]); // LCP
}

#[test]
fn wccp_decodes_with_and_without_its_header() {
    let second = inside().gre_with(0, 0x883e, &[0x00, 0x12, 0, 0]).near_far_v4().ethernet();
    assert_tunnel(&second, TunnelKind::Gre, None);
    let first = inside().gre_with(0, 0x883e, &[]).near_far_v4().ethernet();
    assert_tunnel(&first, TunnelKind::Gre, None);
}

#[test]
fn gre_that_cannot_be_is_undecodable_and_what_is_not_ip_is_not_followed() {
    let carried = |packet: Packet| packet.near_far_v4().ethernet();
    assert_outer(&carried(inside().gre(0x4000, &[0; 8])), &[TunnelUndecodable]); // source route
    assert_outer(&carried(inside().gre(0x0002, &[])), &[TunnelUndecodable]); // version 2
    assert_outer(&carried(inside().gre(0x0001, &[])), &[TunnelUndecodable]); // no key in version 1
    let short = payload(0).gre(0x2000, &[1, 2]);
    assert_outer(&carried(short), &[TunnelUndecodable]);
    assert_outer(&carried(payload(30).gre_with(0, 0x2001, &[])), &[]); // NHRP
    assert_outer(&carried(payload(0).gre_with(0, 0x0000, &[])), &[]); // keepalive
    assert_outer(&carried(payload(28).ethernet_with(0x0806).gre(0, &[])), &[]); // ARP
}

#[test]
fn vxlan_decodes_on_both_ports() {
    let vxlan = inside().ethernet().vxlan(0x12_3456);
    assert_tunnel(&vxlan.clone().near_far_v4().ethernet(), TunnelKind::Vxlan, Some(0x12_3456));
    let linux = vxlan.set(2, &8472_u16.to_be_bytes());
    assert_tunnel(&linux.near_far_v4().ethernet(), TunnelKind::Vxlan, Some(0x12_3456));
}

#[test]
fn vxlan_with_arp_or_without_its_flag_is_the_outer_packet() {
    let arp = payload(28).ethernet_with(0x0806).vxlan(5).near_far_v4().ethernet();
    assert_outer(&arp, &[]);
    let other = inside().ethernet().vxlan(5).set(8, &[0xf7]).near_far_v4().ethernet();
    assert_outer(&other, &[]);
    let short = payload(7).udp(1, 4789).near_far_v4().ethernet();
    assert_outer(&short, &[]);
}

#[test]
fn vxlan_around_nothing_or_around_a_broken_packet_is_undecodable() {
    assert_outer(&payload(5).vxlan(5).near_far_v4().ethernet(), &[TunnelUndecodable]);
    let broken = inside().set(0, &[0x42]).ethernet().vxlan(5).near_far_v4().ethernet();
    assert_outer(&broken, &[TunnelUndecodable]);
    let short = inside().ending_after(15).ethernet().vxlan(5).near_far_v4().ethernet();
    assert_outer(&short, &[TunnelUndecodable]);
}

#[test]
fn generic_vxlan_goes_by_its_protocol() {
    let carried = |packet: Packet, flags: u8, protocol: u8| {
        packet.behind(&[flags, 0, 0, protocol, 0, 0, 9, 0]).udp(1, 4790).near_far_v4().ethernet()
    };
    for packet in [
        carried(inside(), 0x0c, 1),
        carried(inside().ethernet(), 0x0c, 3),
        carried(inside().ethernet(), 0x08, 0),
        carried(inside().mpls(&[5]), 0x0c, 5),
    ] {
        assert_tunnel(&packet, TunnelKind::Vxlan, Some(9));
    }
    let ipv6 = carried(payload(0).udp(1, 2).ipv6(), 0x0c, 2);
    assert_eq!(headers(&ipv6).version, IpVersion::V6);
    assert_outer(&carried(inside(), 0x0c, 4), &[]); // a service header
    assert_outer(&carried(inside(), 0x3c, 1), &[]); // another version
}

#[test]
fn geneve_decodes_with_and_without_options() {
    let plain = inside().ethernet().geneve(0x12_3456, &[]).near_far_v4().ethernet();
    assert_tunnel(&plain, TunnelKind::Geneve, Some(0x12_3456));
    let options = inside().geneve(7, &[0xaa; 252]).near_far_v4().ethernet();
    assert_tunnel(&options, TunnelKind::Geneve, Some(7));
}

#[test]
fn geneve_options_beyond_the_packet_are_undecodable_and_other_versions_are_left_alone() {
    let packet = payload(10).with_ethertype(0x6558).geneve(7, &[]);
    let beyond = packet.clone().set(8, &[3]).near_far_v4().ethernet();
    assert_outer(&beyond, &[TunnelUndecodable]);
    assert_outer(&packet.set(8, &[0x40]).near_far_v4().ethernet(), &[]);
}

#[test]
fn gtp_u_decodes_with_every_optional_field() {
    let carried = |flags, optional: &[u8]| {
        inside().gtp(flags, 0xdead_beef, optional).near_far_v4().ethernet()
    };
    for packet in [
        carried(0x00, &[]),
        carried(0x02, &[0, 1, 0, 0]),
        // A type of extension without the flag for it means nothing.
        carried(0x01, &[0, 0, 9, 0x85]),
        // A PDU session container, then a header of eight octets.
        carried(0x04, &[0, 0, 0, 0x85, 1, 0x10, 9, 0xc0, 2, 1, 2, 3, 4, 5, 6, 0]),
    ] {
        assert_tunnel(&packet, TunnelKind::GtpU, Some(0xdead_beef));
    }
}

#[test]
fn gtp_that_carries_no_packet_is_the_outer_packet() {
    let echo = payload(4).gtp(0x02, 0, &[]).set(9, &[1]).near_far_v4().ethernet();
    assert_outer(&echo, &[]);
    let prime = inside().gtp(0, 1, &[]).set(8, &[0x20]).near_far_v4().ethernet();
    assert_outer(&prime, &[]);
    let ethernet = inside().ethernet().gtp(0, 1, &[]).near_far_v4().ethernet();
    assert_outer(&ethernet, &[]);
}

#[test]
fn gtp_extensions_without_length_or_end_are_undecodable() {
    let zero = inside().gtp(0x04, 1, &[0, 0, 0, 0x85, 0, 0, 0, 0]).near_far_v4().ethernet();
    assert_outer(&zero, &[TunnelUndecodable]);
    let beyond = payload(3).gtp(0x04, 1, &[0, 0, 0, 0x85, 200]).near_far_v4().ethernet();
    assert_outer(&beyond, &[TunnelUndecodable]);
    let mut chain = vec![0, 0, 0, 0x85];
    chain.extend([1, 0, 0, 0x85].repeat(17));
    let endless = inside().gtp(0x04, 1, &chain).near_far_v4().ethernet();
    assert_outer(&endless, &[NestingTooDeep]);
}

#[test]
fn l2tp_version_2_decodes_with_every_optional_field() {
    let frame = inside().ppp().behind(&[0xff, 0x03]);
    let carried =
        |header: &[u8]| frame.clone().behind(header).udp(1701, 1701).near_far_v4().ethernet();
    let length = (narrow::<u16, _>(frame.len()) + 16).to_be_bytes();
    for packet in [
        carried(&[0x00, 0x02, 0, 5, 0x12, 0x34]),
        carried(&[0x08, 0x02, 0, 5, 0x12, 0x34, 0, 1, 0, 2]),
        carried(&[0x02, 0x02, 0, 5, 0x12, 0x34, 0, 3, 9, 9, 9]),
        carried(&[0x4a, 0x02, length[0], length[1], 0, 5, 0x12, 0x34, 0, 1, 0, 2, 0, 2, 9, 9]),
    ] {
        assert_tunnel(&packet, TunnelKind::L2tpV2, Some(0x1234));
    }
    let answer = frame.clone().behind(&[0x00, 0x02, 0, 5, 0x12, 0x34]).udp(1701, 5000);
    assert_tunnel(&answer.near_far_v4().ethernet(), TunnelKind::L2tpV2, Some(0x1234));
}

#[test]
fn l2tp_control_and_ppp_control_are_the_outer_packet() {
    let carried = |packet: Packet| packet.udp(1701, 1701).near_far_v4().ethernet();
    let control = payload(40).behind(&[0xc8, 0x02, 0, 46]);
    assert_outer(&carried(control), &[]);
    let lcp = payload(20).ppp().behind(&[0x00, 0x02, 0, 5, 0x12, 0x34]);
    assert_outer(&carried(lcp), &[]);
    let forwarding = payload(20).behind(&[0x00, 0x01]); // L2F
    assert_outer(&carried(forwarding), &[]);
    let impossible = inside().ppp().behind(&[0x40, 0x02, 0, 3, 0, 5, 0, 6]);
    assert_outer(&carried(impossible), &[TunnelUndecodable]);
}

#[test]
fn l2tp_version_3_decodes_over_ip_and_over_udp() {
    let session = [0, 0, 0x30, 0x39];
    for frame in [inside().ethernet(), inside().ethernet().behind(&[0; 4])] {
        let over_ip = frame.clone().behind_protocol(115, &session).near_far_v4().ethernet();
        assert_tunnel(&over_ip, TunnelKind::L2tpV3, Some(12_345));
        let over_udp = frame.behind(&session).behind(&[0x00, 0x03, 0, 0]).udp(1701, 1701);
        assert_tunnel(&over_udp.near_far_v4().ethernet(), TunnelKind::L2tpV3, Some(12_345));
    }
}

#[test]
fn l2tp_version_3_that_does_not_decode_is_the_outer_packet() {
    let control = payload(40).behind_protocol(115, &[0; 4]).near_far_v4().ethernet();
    assert_outer(&control, &[]);
    let cookie = inside().ethernet().behind_protocol(115, &[0, 0, 0, 1, 9, 9, 9, 9]);
    assert_outer(&cookie.near_far_v4().ethernet(), &[]);
}

#[test]
fn teredo_decodes_with_and_without_its_two_indications() {
    let authentication = [0, 1, 2, 3, 8, 8, 9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let origin = [0, 0, 0xcf, 0xc7, 1, 2, 3, 4];
    let both = [authentication.as_slice(), &origin].concat();
    for prefix in [&[][..], &authentication, &origin, &both] {
        for (source, destination) in [(3544, 50_000), (50_000, 3544)] {
            let packet = payload(9).tcp(ACK).ipv6().behind(prefix).udp(source, destination);
            let headers = headers(&packet.near_far_v4().ethernet());
            assert_eq!((headers.source, headers.ip_length), (v6(V6_SOURCE), 69));
            let tunnel = headers.tunnel.expect("it came through Teredo");
            assert_eq!((tunnel.kind, tunnel.id), (TunnelKind::Teredo, None));
            assert_eq!(tunnel.source, v4(V4_NEAR));
        }
    }
    let other = payload(50).udp(3544, 50_000).near_far_v4().ethernet();
    assert_outer(&other, &[]);
}

#[test]
fn nested_tunnels_keep_the_outermost_addresses_and_the_innermost_id() {
    let packet = inside()
        .ethernet()
        .vxlan(7)
        .ipv6()
        .gtp(0, 9, &[])
        .ipv4()
        .gre(0, &[])
        .near_far_v4()
        .ethernet();
    assert_tunnel(&packet, TunnelKind::Vxlan, Some(7));
}

#[test]
fn a_tunnel_inside_that_stops_is_metered_where_it_stops() {
    let arp = payload(28).ethernet_with(0x0806).vxlan(7).ipv4().near_far_v4().ethernet();
    let headers = headers(&arp);
    assert_eq!((headers.source, headers.destination_port), (v4(V4_SOURCE), 4789));
    assert_eq!(headers.tunnel.map(|tunnel| tunnel.kind), Some(TunnelKind::IpInIp));
    assert!(headers.anomalies.is_empty());
}

#[test]
fn the_outer_frames_addresses_and_tags_are_kept() {
    let inner = inside().mpls(&[9]).vlan(7).ethernet().set(0, &[0x06]).vxlan(5).near_far_v4();
    let tagged = headers(&inner.clone().mpls(&[8]).vlan(5).ethernet());
    assert_eq!((tagged.vlan.outer, tagged.vlan.count), (5, 1));
    assert_eq!((tagged.mpls.sections[0], tagged.mpls.count), ([0, 0, 0x81], 1));
    let mac = MacAddresses { source: MAC_SOURCE, destination: MAC_DESTINATION };
    assert_eq!(tagged.mac, Some(mac));

    let untagged = headers(&inner.clone().ethernet());
    assert_eq!((untagged.vlan.outer, untagged.vlan.count), (7, 1));
    assert_eq!((untagged.mpls.sections[0], untagged.mpls.count), ([0, 0, 0x91], 1));
    assert_eq!(untagged.mac, Some(mac));

    assert_eq!(headers_as(LinkType::RawIp, &inner).mac, None);
}

#[test]
fn what_an_undecodable_inside_said_is_forgotten() {
    let arp = payload(28).ethernet_with(0x0806).vlan(7).ethernet().vxlan(5);
    let headers = headers(&arp.near_far_v4().ethernet());
    assert_eq!((headers.vlan.count, headers.tunnel), (0, None));
}

#[test]
fn fragments_of_a_tunnel_are_not_followed() {
    let first = inside().near_far_v4().ipv4_fragment(0, true).ethernet();
    assert_eq!((headers(&first).protocol, headers(&first).tunnel), (4, None));
    let last = inside().near_far_v4().ipv4_fragment(800, false).ethernet();
    assert_eq!((headers(&last).protocol, headers(&last).tunnel), (4, None));
    // A fragment inside a whole tunnel packet is metered as a fragment.
    let inner = payload(40).udp(1000, 2000).ipv4_fragment(0, true).near_far_v4().ethernet();
    let inner = headers(&inner);
    assert_eq!((inner.destination_port, inner.tunnel.is_some()), (2000, true));
    assert!(inner.fragment.is_some());
}

#[test]
fn anomalies_of_outer_and_inner_headers_are_those_of_the_packet() {
    let inner = payload(0).tcp(SYN | FIN).ipv4();
    let packet = inner.near_far_v4().set(10, &[0xff, 0xff]).ethernet();
    assert_eq!(anomalies(&packet), [TcpFlagsImpossible, Ipv4ChecksumBad]);
}

#[test]
fn an_inner_length_beyond_the_outer_packet_is_noted() {
    let packet = inside().set(2, &[0, 141]).with_checksum().near_far_v4().ethernet().padded(20);
    assert_eq!(anomalies(&packet), [IpLengthBeyondFrame]);
    assert_eq!(headers(&packet).ip_length, 141);
}

#[test]
fn a_tunnel_that_the_snap_length_cuts_is_the_outer_packet_without_an_anomaly() {
    let packet = inside().ethernet().vxlan(5).near_far_v4().ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    // As long as not even the fixed part of the inner IP header was captured.
    for length in 34..14 + 20 + 8 + 8 + 14 + 20 {
        let headers = decode(&cut(&frame, length), INNER).unwrap();
        assert_eq!((headers.source, headers.tunnel), (v4(V4_NEAR), None), "{length}");
        assert!(headers.anomalies.is_empty());
    }
    assert!(decode(&cut(&frame, 84), INNER).unwrap().tunnel.is_some());
}

#[test]
fn an_inner_packet_with_offloaded_lengths_takes_what_the_wire_had() {
    let inner = payload(3000).tcp(ACK).ipv4().set(2, &[0, 0]).ethernet();
    let packet = inner.vxlan(5).near_far_v4().set(2, &[0, 0]).ethernet();
    let mut frame = frame(LinkType::Ethernet, &packet.octets[..200]);
    frame.wire_length = 80_116;
    let headers = decode(&frame, INNER).unwrap();
    // The UDP length cannot say it either, and is not believed.
    assert_eq!(headers.ip_length, 80_116 - (14 + 20 + 8 + 8 + 14));
    assert!(headers.anomalies.is_empty(), "{:?}", headers.anomalies);
}
