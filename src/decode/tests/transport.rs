//! What the transport header gives.

use super::packet::*;
use super::*;

#[test]
fn tcp_gives_ports_flags_sequence_number_and_window() {
    let headers = headers(&payload(10).tcp_with_options(0xf12, &[1; 40]).ipv4().ethernet());
    assert_eq!((headers.source_port, headers.destination_port), (40_000, 443));
    // RFC 9565: reserved bits as well.
    assert_eq!(headers.tcp_flags, 0xf12);
    assert_eq!((headers.tcp_sequence, headers.tcp_window), (0x0102_0304, 0x7210));
    assert!(headers.anomalies.is_empty());
}

#[test]
fn protocols_with_ports_give_them() {
    let cases = [
        (payload(9).udp(1000, 2000), 17, 1000, 2000),
        (payload(9).udp_lite(), 136, 40_000, 5004),
        (payload(9).sctp(), 132, 2905, 2906),
        (payload(9).dccp(), 33, 40_000, 5001),
    ];
    for (packet, protocol, source, destination) in cases {
        for packet in [packet.clone().ipv4().ethernet(), packet.ipv6().ethernet()] {
            let headers = headers(&packet);
            assert_eq!(headers.protocol, protocol);
            assert_eq!((headers.source_port, headers.destination_port), (source, destination));
            assert_eq!((headers.tcp_flags, headers.icmp_type_code), (0, 0));
            assert!(headers.anomalies.is_empty(), "{protocol}");
        }
    }
}

#[test]
fn icmp_gives_type_and_code_and_no_ports() {
    let v4 = headers(&payload(9).icmp(3, 13).ipv4().ethernet());
    assert_eq!((v4.icmp_type_code, v4.source_port, v4.destination_port), (0x030d, 0, 0));
    let v6 = headers(&payload(9).icmpv6(128, 1).ipv6().ethernet());
    assert_eq!((v6.icmp_type_code, v6.source_port, v6.destination_port), (0x8001, 0, 0));
}

#[test]
fn icmp_of_the_other_ip_version_has_no_type_and_code() {
    let v6_in_v4 = headers(&payload(9).icmpv6(128, 1).ipv4().ethernet());
    let v4_in_v6 = headers(&payload(9).icmp(3, 13).ipv6().ethernet());
    assert_eq!((v6_in_v4.icmp_type_code, v4_in_v6.icmp_type_code), (0, 0));
}

#[test]
fn protocols_without_ports_have_none() {
    for protocol in [2, 50, 51, 89, 112, 253] {
        let headers = headers(&payload(40).with_protocol(protocol).ipv4().ethernet());
        assert_eq!(headers.protocol, protocol);
        assert_eq!((headers.source_port, headers.destination_port), (0, 0));
    }
}

#[test]
fn a_cut_tcp_header_gives_what_was_captured() {
    let packet = payload(10).tcp(SYN | ACK).ipv4().ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    let fields = |length: usize| {
        let headers = decode(&cut(&frame, 34 + length), INNER).unwrap();
        assert!(headers.anomalies.is_empty());
        assert_eq!((headers.ip_length, headers.protocol), (50, 6));
        let ports = headers.source_port != 0 && headers.destination_port != 0;
        (ports, headers.tcp_sequence != 0, headers.tcp_flags != 0, headers.tcp_window != 0)
    };
    assert_eq!(fields(3), (false, false, false, false));
    assert_eq!(fields(4), (true, false, false, false));
    assert_eq!(fields(7), (true, false, false, false));
    assert_eq!(fields(8), (true, true, false, false));
    assert_eq!(fields(13), (true, true, false, false));
    assert_eq!(fields(14), (true, true, true, false));
    assert_eq!(fields(15), (true, true, true, false));
    assert_eq!(fields(16), (true, true, true, true));
}

#[test]
fn ports_need_four_captured_octets_and_type_and_code_two() {
    let packets =
        [payload(9).udp(1000, 2000), payload(9).udp_lite(), payload(9).sctp(), payload(9).dccp()];
    for packet in packets {
        let packet = packet.ipv4().ethernet();
        let frame = frame(LinkType::Ethernet, &packet.octets);
        assert_eq!(decode(&cut(&frame, 37), INNER).unwrap().source_port, 0);
        assert_ne!(decode(&cut(&frame, 38), INNER).unwrap().source_port, 0);
    }
    let packet = payload(9).icmp(8, 3).ipv4().ethernet();
    let frame = frame(LinkType::Ethernet, &packet.octets);
    assert_eq!(decode(&cut(&frame, 35), INNER).unwrap().icmp_type_code, 0);
    assert_eq!(decode(&cut(&frame, 36), INNER).unwrap().icmp_type_code, 0x0803);
}
