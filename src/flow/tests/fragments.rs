//! Fragments: credited to the Flow of the first, bounded, and never lost.

use super::*;

#[test]
fn fragments_are_credited_to_the_flow_of_the_first_in_any_order() {
    let pieces = [(0, 1480, true), (1480, 1480, true), (2960, 100, false)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let mut meter = Meter::new(Config::default());
        for piece in order {
            let (offset, length, more) = pieces[piece];
            let mut packet = udp(A, B).at(1.0);
            packet.fragment = Some(Fragment { identification: 7, offset, length, more });
            if offset > 0 {
                (packet.source_port, packet.destination_port) = (0, 0);
            }
            meter.see(packet);
        }
        let [record] = meter.finish()[..] else { panic!("one Flow for {order:?}") };
        assert_eq!(record.source_port, 1000);
        assert_eq!((record.forward.packets, record.forward.fragments), (3, 3));
        assert_eq!(meter.overlaps, 0);
    }
}

#[test]
fn a_later_ipv6_fragment_takes_the_protocol_of_the_first() {
    // RFC 8200 §4.5: its Next Header is that of the first header of the fragmentable part.
    let mut meter = Meter::new(Config::default());
    for (offset, protocol, more) in [(1400, 60, false), (0, 17, true)] {
        let mut packet = Headers { version: IpVersion::V6, protocol, ..udp(A, B) }.at(1.0);
        packet.fragment = Some(Fragment { identification: 7, offset, length: 1400, more });
        meter.see(packet);
    }
    let [record] = meter.finish()[..] else { panic!("one Flow") };
    assert_eq!((record.protocol, record.forward.packets), (17, 2));
}

#[test]
fn a_fragment_without_its_first_is_accounted_without_ports_when_its_time_is_up() {
    let mut meter = Meter::new(Config::default());
    let mut packet = udp(A, B).at(1.0);
    packet.fragment = Some(Fragment { identification: 7, offset: 1480, length: 100, more: false });
    (packet.source_port, packet.destination_port) = (0, 0);
    meter.see(packet);
    assert_eq!(meter.cache.flows(), 0);
    meter.sweep(seconds(6.5));
    assert_eq!(meter.cache.flows(), 1);
    let [record] = meter.finish()[..] else { panic!("one Flow") };
    assert_eq!((record.source_port, record.forward.packets), (0, 1));
}

#[test]
fn overlapping_fragments_are_counted() {
    let mut meter = Meter::new(Config::default());
    for (offset, length, more) in [(0, 64, true), (48, 64, true), (200, 8, false), (48, 8, true)] {
        let mut packet = udp(A, B).at(1.0);
        packet.fragment = Some(Fragment { identification: 7, offset, length, more });
        meter.see(packet);
    }
    assert_eq!(meter.overlaps, 2);
    assert_eq!(meter.finish().iter().map(FlowRecord::packets).sum::<u64>(), 4);
}

#[test]
fn an_endless_datagram_of_fragments_does_not_grow_the_table() {
    let mut meter = Meter::new(Config::default());
    for number in 0..70_000_u32 {
        let mut packet = udp(A, B).at(1.0);
        packet.fragment =
            Some(Fragment { identification: 7, offset: 8 + number * 16, length: 8, more: true });
        meter.see(packet);
    }
    assert_eq!(meter.finish().iter().map(FlowRecord::packets).sum::<u64>(), 70_000);
}

#[test]
fn fragments_of_an_echo_are_in_the_flow_of_the_echo_and_strays_are_in_none() {
    for (version, protocol, request, reply) in
        [(IpVersion::V4, 1, 0x0800, 0x0000), (IpVersion::V6, 58, 0x8000, 0x8100)]
    {
        let mut meter = Meter::new(Config::default());
        for (from, to, identification, type_code) in [(A, B, 1, request), (B, A, 2, reply)] {
            for (offset, length, more) in [(1480, 100, false), (0, 1480, true)] {
                let type_code = if offset == 0 { type_code } else { 0 };
                let mut packet = icmp(from, to, type_code).at(1.0);
                (packet.version, packet.protocol) = (version, protocol);
                packet.fragment = Some(Fragment { identification, offset, length, more });
                meter.see(packet);
            }
        }
        let [echo] = meter.finish()[..] else { panic!("one Biflow, {version:?}") };
        assert_eq!((echo.forward.packets, echo.reverse.packets), (2, 2));
        assert_eq!((echo.forward.icmp_type_code, echo.reverse.icmp_type_code), (request, reply));

        // Without its first, a fragment must not pass for an echo reply, type 0.
        let mut stray = icmp(A, B, 0).at(1.0);
        (stray.version, stray.protocol) = (version, protocol);
        let piece = Fragment { identification: 3, offset: 1480, length: 8, more: false };
        stray.fragment = Some(piece);
        let mut meter = Meter::new(Config::default());
        meter.see(stray);
        let [record] = meter.finish()[..] else { panic!("one Flow") };
        assert_eq!((record.source, record.forward.icmp_type_code), (A.0, 0xffff));
    }
}

#[test]
fn datagrams_are_told_apart_by_identification_protocol_version_and_vlan() {
    let first = udp(A, B).at(1.0);
    let other = |change: fn(&mut Headers)| {
        let mut headers = Headers { source_port: 0, destination_port: 0, ..first };
        change(&mut headers);
        headers
    };
    let strays = [
        other(|headers| headers.protocol = 136),
        other(|headers| headers.version = IpVersion::V6),
        other(|headers| headers.vlan = VlanTags { outer: 7, inner: 0, count: 1 }),
    ];
    let mut meter = Meter::new(Config::default());
    let piece =
        |identification, offset, more| Some(Fragment { identification, offset, length: 8, more });
    meter.see(Headers { fragment: piece(1, 0, true), ..first });
    for stray in strays {
        meter.see(Headers { fragment: piece(1, 8, true), ..stray });
    }
    meter.see(Headers { fragment: piece(2, 8, true), ..other(|_| {}) });
    let records = meter.finish();
    assert_eq!(records.len(), 5, "none of them belongs to the first");
    // RFC 8200 §4.5: 32 bits of identification, all of which count.
    let mut meter = Meter::new(Config::default());
    let first = Headers { version: IpVersion::V6, ..first };
    meter.see(Headers { fragment: piece(1, 0, true), ..first });
    let stray = Headers { source_port: 0, destination_port: 0, ..first };
    meter.see(Headers { fragment: piece(1 + (1 << 16), 8, true), ..stray });
    assert_eq!(meter.cache.flows(), 1, "the stray waits");
    assert_eq!(meter.finish().len(), 2);
}

#[test]
fn a_clock_set_back_gives_up_what_is_from_its_future_and_keeps_what_is_near() {
    let mut meter = Meter::new(Config::default());
    let mut piece = Headers { source_port: 0, destination_port: 0, ..udp(A, B) }.at(1_000.0);
    piece.fragment = Some(Fragment { identification: 1, offset: 8, length: 8, more: true });
    meter.see(piece);
    meter.sweep(seconds(995.1));
    assert_eq!(meter.cache.flows(), 0, "less than five seconds: packets out of order");
    meter.sweep(seconds(995.0));
    assert_eq!(meter.cache.flows(), 1);
    assert_eq!(meter.finish().iter().map(FlowRecord::packets).sum::<u64>(), 1);
}

#[test]
fn a_flood_of_first_fragments_pushes_the_oldest_out_and_loses_nothing() {
    let mut meter = Meter::new(Config { max_flows: 100, ..Config::default() });
    let waiting = Headers { source_port: 0, destination_port: 0, ..udp(B, A) }.at(1.0);
    let piece = Fragment { identification: 0, offset: 8, length: 8, more: true };
    meter.see(Headers { fragment: Some(piece), ..waiting });
    assert_eq!(meter.cache.flows(), 0);
    for identification in 1..=20_000 {
        let piece = Fragment { identification, offset: 0, length: 8, more: true };
        meter.see(Headers { fragment: Some(piece), ..udp(A, B).at(1.0) });
    }
    assert_eq!(meter.cache.flows(), 2, "the one that waited had to make room");
    assert_eq!(meter.finish().iter().map(FlowRecord::packets).sum::<u64>(), 20_001);
}
