//! Each kind of trouble, and its innocent neighbours.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::PacketAnomaly::*;
use super::packet::*;
use super::*;

#[test]
fn a_packet_that_ends_with_its_ip_header_is_header_only() {
    assert_eq!(anomalies(&payload(0).ipv4().ethernet()), [HeaderOnly]);
    assert_eq!(anomalies(&payload(0).with_protocol(6).ipv4().ethernet().padded(26)), [HeaderOnly]);
    assert_eq!(anomalies(&payload(0).ipv4_with_options(&[1; 8]).ethernet()), [HeaderOnly]);
    assert_eq!(anomalies(&payload(0).with_protocol(59).ipv6().ethernet()), [HeaderOnly]);
    assert_eq!(anomalies(&payload(0).with_protocol(6).ipv6().ethernet().padded(6)), [HeaderOnly]);
    assert_eq!(anomalies(&payload(1).ipv4().ethernet()), []);
}

#[test]
fn an_ip_length_beyond_the_frame_is_metered_as_claimed() {
    let v4 = payload(10).sctp().ipv4().set(2, &[0, 43]).with_checksum().ethernet();
    assert_eq!(anomalies(&v4), [IpLengthBeyondFrame]);
    assert_eq!(headers(&v4).ip_length, 43);
    assert_eq!(anomalies(&v4.padded(1)), []);
    let v6 = payload(10).sctp().ipv6().set(4, &[0, 23]).ethernet();
    assert_eq!(anomalies(&v6), [IpLengthBeyondFrame]);
    assert_eq!(headers(&v6).ip_length, 63);
    assert_eq!(anomalies(&v6.padded(1)), []);
}

#[test]
fn impossible_transport_lengths_are_noted() {
    let tcp = payload(10).tcp(ACK);
    let udp = payload(10).udp(1, 2);
    let lite = payload(10).udp_lite();
    let dccp = payload(4).dccp();
    let ah = payload(10).authentication();
    for packet in [
        tcp.clone().set(12, &[0x40]),  // four words
        tcp.clone().set(12, &[0x80]),  // 32 octets of 30
        udp.clone().set(4, &[0, 7]),   // shorter than itself
        udp.clone().set(4, &[0, 0]),   // only jumbograms may
        udp.clone().set(4, &[0, 19]),  // 19 octets of 18
        lite.clone().set(4, &[0, 7]),  // RFC 3828 §3.1
        lite.clone().set(4, &[0, 19]), // 19 octets of 18
        dccp.clone().set(4, &[3]),     // X needs four words
        dccp.clone().set(4, &[6]),     // 24 octets of 20
        ah.clone().set(1, &[0]),       // RFC 4302 §2.2: three words at least
        ah.clone().set(1, &[7]),       // 36 octets of 34
    ] {
        assert_eq!(anomalies(&packet.ipv4().ethernet()), [TransportLengthImpossible]);
    }
    for packet in [
        tcp.set(12, &[0x70]),  // 28 octets of 30
        udp.set(4, &[0, 17]),  // less than the packet has (RFC 9868)
        lite.set(4, &[0, 18]), // the whole packet
        dccp.clone().set(4, &[5]),
        dccp.set(8, &[0b0100]).set(4, &[3]),
        ah.set(1, &[6]),
    ] {
        assert_eq!(anomalies(&packet.ipv4().ethernet()), []);
    }
    let in_ipv6 = payload(10).authentication().set(1, &[0]).ipv6().ethernet();
    assert_eq!(anomalies(&in_ipv6), [TransportLengthImpossible]);
    assert_eq!(headers(&in_ipv6).protocol, 51);
}

#[test]
fn a_packet_too_short_for_its_transport_header_is_noted() {
    // Protocol and octets that are just enough.
    let cases =
        [(1, 8), (2, 8), (6, 20), (17, 8), (33, 12), (50, 8), (51, 12), (132, 12), (136, 8)];
    for (protocol, enough) in cases {
        let short = payload(enough - 1).with_protocol(protocol).ipv4().ethernet().padded(30);
        assert!(headers(&short).anomalies.contains(TransportHeaderCut), "{protocol}");
        let long = payload(enough).with_protocol(protocol).ipv4().ethernet();
        assert!(!headers(&long).anomalies.contains(TransportHeaderCut), "{protocol}");
    }
    assert_eq!(anomalies(&payload(3).with_protocol(58).ipv6().ethernet()), [TransportHeaderCut]);
    assert_eq!(anomalies(&payload(4).with_protocol(58).ipv6().ethernet()), []);
}

#[test]
fn what_is_there_of_a_short_transport_header_is_used() {
    let packet = payload(0).udp(1000, 2000).ending_after(5).ipv4().ethernet();
    let headers = headers(&packet);
    assert_eq!((headers.source_port, headers.destination_port), (1000, 2000));
    assert!(headers.anomalies.contains(TransportHeaderCut));
}

#[test]
fn extension_headers_that_reach_beyond_the_packet_cut_the_transport_header() {
    let packet = payload(0).with_protocol(6).extension(60, 1).ending_after(12).ipv6().ethernet();
    assert_eq!(anomalies(&packet), [TransportHeaderCut]);
    assert_eq!(headers(&packet).protocol, 6);
    for protocol in [60, 6] {
        let packet = payload(0).with_protocol(protocol).extension(60, 0).ipv6().ethernet();
        assert_eq!(anomalies(&packet), [TransportHeaderCut]);
    }
}

#[test]
fn a_snap_length_that_cuts_a_header_is_no_anomaly() {
    let packet = payload(10).udp(1, 2).ipv4().ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    for length in 34..packet.len() {
        assert!(decode(&cut(&frame, length), INNER).unwrap().anomalies.is_empty());
    }
}

#[test]
fn source_equal_to_destination_is_noted() {
    let v4 = payload(0).udp(1, 2).ipv4_between(V4_SOURCE, V4_SOURCE).ethernet();
    assert_eq!(anomalies(&v4), [SourceEqualsDestination]);
    let v6 = payload(0).udp(1, 2).ipv6_between(V6_SOURCE, V6_SOURCE).ethernet();
    assert_eq!(anomalies(&v6), [SourceEqualsDestination]);
}

#[test]
fn sources_that_no_sender_can_have_are_noted() {
    let v4 = |a, b, c, d| {
        let source = Ipv4Addr::new(a, b, c, d);
        anomalies(&payload(0).udp(1, 2).ipv4_between(source, V4_DESTINATION).ethernet())
    };
    assert_eq!(v4(224, 0, 0, 0), [SourceImpossible]);
    assert_eq!(v4(239, 255, 255, 255), [SourceImpossible]);
    assert_eq!(v4(255, 255, 255, 255), [SourceImpossible]);
    assert_eq!(v4(127, 0, 0, 1), [SourceImpossible]);
    assert_eq!(v4(223, 255, 255, 255), []);
    assert_eq!(v4(240, 0, 0, 0), []);
    assert_eq!(v4(0, 0, 0, 0), []); // a DHCP client
    let v6 = |source: Ipv6Addr| {
        anomalies(&payload(0).udp(1, 2).ipv6_between(source, V6_DESTINATION).ethernet())
    };
    assert_eq!(v6("ff02::1".parse().unwrap()), [SourceImpossible]);
    assert_eq!(v6(Ipv6Addr::LOCALHOST), [SourceImpossible]);
    assert_eq!(v6(Ipv6Addr::UNSPECIFIED), []); // duplicate address detection
}

#[test]
fn loopback_addresses_are_in_their_place_on_a_loopback_interface() {
    let v4 = payload(0).udp(1, 2).ipv4_between(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
    let v6 = payload(0).udp(1, 2).ipv6_between(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let linux = |packet: &Packet| packet.clone().ethernet().set(0, &[0; 12]);
    assert_eq!(anomalies(&linux(&v4)), []);
    assert_eq!(anomalies(&linux(&v6)), []);
    let bsd = headers_as(LinkType::BsdLoopback, &v4.clone().behind(&[2, 0, 0, 0]));
    assert!(bsd.anomalies.is_empty());
    let cooked = [0, 0, 0x03, 0x04, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0];
    assert!(headers_as(LinkType::LinuxSll, &v4.clone().behind(&cooked)).anomalies.is_empty());
    assert_eq!(anomalies(&v4.ethernet()), [SourceEqualsDestination, SourceImpossible]);
}

#[test]
fn tcp_flags_that_nobody_sends_are_noted() {
    let tcp = |flags| anomalies(&payload(0).tcp(flags).ipv4().ethernet());
    for flags in [
        0,
        0xf00,
        0x0c0, // only ECN bits
        SYN | FIN,
        SYN | RST,
        SYN | FIN | ACK,
        FIN | RST | ACK,
        FIN,
        PSH,
        URG,
        FIN | PSH | URG,
        0xff,
    ] {
        assert_eq!(tcp(flags), [TcpFlagsImpossible], "{flags:#x}");
    }
    for flags in [SYN, SYN | 0x0c0, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, URG | ACK]
    {
        assert_eq!(tcp(flags), [], "{flags:#x}");
    }
}

#[test]
fn tiny_fragments_are_noted() {
    // RFC 1858 §4.2: too small for a TCP header; and one that starts inside of it.
    let first = payload(0).tcp(SYN).ending_after(16).ipv4_fragment(0, true).ethernet();
    assert_eq!(anomalies(&first), [TinyFragment]);
    let second = payload(24).with_protocol(6).ipv4_fragment(8, false).ethernet();
    assert_eq!(anomalies(&second), [TinyFragment]);
    // RFC 8200 §4.5: fragments but the last are multiples of eight octets.
    let middle = |length| payload(length).with_protocol(17).ipv4_fragment(64, true).ethernet();
    assert_eq!(anomalies(&middle(15)), [TinyFragment]);
    assert_eq!(anomalies(&middle(16)), []);
    // A TCP header that goes on in the next fragment.
    let options = payload(0).tcp_with_options(SYN, &[1; 40]).ending_after(24);
    assert_eq!(anomalies(&options.ipv4_fragment(0, true).ethernet()), [TinyFragment]);
    // RFC 7112 §5: the header chain goes on in the next fragment.
    let chain = payload(0).with_protocol(6).extension(60, 1).ending_after(8);
    let chain = chain.ipv6_fragment_header(0, true).ipv6().ethernet();
    assert_eq!(anomalies(&chain), [TinyFragment]);
    // Innocent: a UDP header that fills the first fragment, and lengths of the whole datagram.
    let udp = payload(100).udp(1, 2).ending_after(8).ipv4_fragment(0, true).ethernet();
    assert_eq!(anomalies(&udp), []);
}

#[test]
fn a_bad_ipv4_header_checksum_is_noted() {
    let packet = payload(0).udp(1, 2).ipv4();
    for octet in 0..20 {
        let value = packet.octets[octet];
        // The last bits of each field that leave the header plausible.
        if !matches!(octet, 0 | 2 | 3 | 6 | 7 | 9) {
            let broken = packet.clone().set(octet, &[value ^ 1]).ethernet();
            assert_eq!(anomalies(&broken), [Ipv4ChecksumBad], "{octet}");
        }
    }
    let options = payload(0).udp(1, 2).ipv4_with_options(&[1, 1, 1, 0]);
    assert_eq!(anomalies(&options.clone().ethernet()), []);
    assert_eq!(anomalies(&options.set(23, &[1]).ethernet()), [Ipv4ChecksumBad]);
}

#[test]
fn more_extension_headers_than_are_followed_nest_too_deep() {
    let chain = |length: usize| {
        (0..length).fold(payload(9).tcp(ACK), |packet, _| packet.extension(60, 0)).ipv6().ethernet()
    };
    assert_eq!(anomalies(&chain(7)), []);
    assert_eq!(headers(&chain(7)).destination_port, 443);
    assert_eq!(anomalies(&chain(8)), [NestingTooDeep]);
    assert_eq!((headers(&chain(8)).protocol, headers(&chain(8)).destination_port), (60, 0));
}

#[test]
fn more_tunnels_than_are_followed_nest_too_deep() {
    let nested = |depth: usize| {
        (0..depth).fold(payload(9).tcp(ACK).ipv4(), |packet, _| packet.near_far_v4()).ethernet()
    };
    assert_eq!(anomalies(&nested(3)), []);
    assert_eq!(headers(&nested(3)).protocol, 6);
    assert_eq!(anomalies(&nested(4)), [NestingTooDeep]);
    assert_eq!(headers(&nested(4)).protocol, 4);
}

#[test]
fn more_link_headers_in_a_tunnel_than_are_followed_nest_too_deep() {
    let tagged = (0..5).fold(payload(9).tcp(ACK).ipv4(), |packet, _| packet.vlan(1)).ethernet();
    let packet = tagged.vxlan(5).near_far_v4().ethernet();
    assert_eq!(anomalies(&packet), [NestingTooDeep]);
    assert_eq!(headers(&packet).destination_port, 4789);
}
