//! What a record says besides its counters, and clocks that misbehave.

use super::*;
use crate::decode::MacAddresses;

#[test]
fn each_direction_keeps_its_extremes_its_flags_and_what_its_first_packet_said() {
    let mut meter = Meter::new(Config::default());
    let said = |from, to, flags, length, ttl, tos, sequence, window| Headers {
        ip_length: length,
        ttl,
        tos,
        tcp_sequence: sequence,
        tcp_window: window,
        ..tcp(from, to, flags)
    };
    meter.see(said(A, B, SYN, 60, 64, 0xb8, 7, 1000).at(1.0));
    meter.see(said(B, A, SYN_ACK, 52, 128, 0x00, 900, 2000).at(1.1));
    meter.see(said(A, B, ACK, 1500, 60, 0x00, 8, 3000).at(1.2));
    meter.see(said(A, B, ACK, 40, 70, 0x00, 9, 4000).at(1.3));
    let [record] = meter.finish()[..] else { panic!("one Biflow") };
    let Direction { minimum_length, maximum_length, minimum_ttl, maximum_ttl, .. } = record.forward;
    assert_eq!((minimum_length, maximum_length), (40, 1500));
    assert_eq!((minimum_ttl, maximum_ttl), (60, 70));
    assert_eq!((record.forward.tcp_flags, record.reverse.tcp_flags), (SYN | ACK, SYN_ACK));
    let first = |d: Direction| (d.tos, d.tcp_sequence, d.tcp_window);
    assert_eq!(first(record.forward), (0xb8, 7, 1000));
    assert_eq!(first(record.reverse), (0x00, 900, 2000));
    assert_eq!((record.reverse.minimum_length, record.reverse.maximum_ttl), (52, 128));
}

#[test]
fn a_slice_begins_anew_and_one_with_only_the_responder_has_an_empty_forward_direction() {
    let config = Config { active_timeout: Duration::from_secs(5), ..Config::default() };
    let mut meter = Meter::new(config);
    let macs = MacAddresses { source: [1; 6], destination: [2; 6] };
    let client = Headers { tcp_sequence: 7, ttl: 10, mac: Some(macs), ..tcp(A, B, SYN) };
    meter.see(client.at(1.0));
    meter.see(Headers { tcp_sequence: 50, ip_length: 1500, ..tcp(B, A, SYN_ACK) }.at(1.1));
    meter.see(Headers { tcp_sequence: 60, ip_length: 70, ..tcp(B, A, ACK) }.at(6.5));
    meter.see(Headers { tcp_sequence: 70, ip_length: 80, ..tcp(B, A, ACK) }.at(7.0));
    let records = meter.finish();
    let [both, responder] = records[..] else { panic!("two slices: {records:?}") };
    assert_eq!(both.flow_id, responder.flow_id);
    assert_eq!((responder.source, responder.mac), (A.0, Some(macs)), "the initiator stays");
    assert_eq!(responder.forward, Direction::default());
    let slice = responder.reverse;
    assert_eq!((slice.packets, slice.tcp_sequence, slice.tcp_flags), (2, 60, ACK));
    assert_eq!((slice.minimum_length, slice.maximum_length), (70, 80));
    assert_eq!((slice.first, slice.last), (seconds(6.5), seconds(7.0)));
}

#[test]
fn packets_out_of_order_move_the_beginning_and_never_the_end() {
    let mut meter = Meter::new(Config::default());
    for second in [100.0, 103.0, 98.0, 101.0] {
        meter.see(udp(A, B).at(second));
    }
    let [record] = meter.finish()[..] else { panic!("one Flow") };
    let forward = record.forward;
    assert_eq!((forward.packets, forward.first, forward.last), (4, seconds(98.0), seconds(103.0)));
}

#[test]
fn a_packet_from_before_a_step_of_the_clock_ends_the_flow_and_opens_another() {
    for (back, flows) in [(60.0, 1), (60.001, 2)] {
        let mut meter = Meter::new(Config::default());
        meter.see(udp(A, B).at(1_000.0));
        meter.see(udp(A, B).at(1_000.0 - back));
        let records = meter.finish();
        assert_eq!(records.len(), flows, "{back} s");
        assert_eq!(records.iter().map(FlowRecord::packets).sum::<u64>(), 2);
        assert!(records.iter().all(|r| r.end_reason != FlowEndReason::ActiveTimeout));
    }
}

#[test]
fn flows_from_before_a_step_of_the_clock_leave_and_timeouts_hold_after_it() {
    let mut meter = Meter::new(Config::default());
    for port in 0..100 {
        meter.see(Headers { source_port: port, ..udp(A, B) }.at(10_000.0));
    }
    meter.sweep(seconds(10_000.0));
    // An hour back; one Flow goes on for more than two minutes, swept each second.
    for second in 0..130 {
        let now = 6_400.0 + f64::from(second);
        meter.see(udp(B, A).at(now));
        meter.sweep(seconds(now));
    }
    assert_eq!(meter.cache.flows(), 1, "within a turn of the wheel the old ones are gone");
    let reasons = |reason| meter.records.iter().filter(|r| r.end_reason == reason).count();
    assert_eq!(reasons(FlowEndReason::ForcedEnd), 100);
    assert_eq!(reasons(FlowEndReason::ActiveTimeout), 2);
    meter.latest = seconds(6_530.0);
    assert_eq!(meter.finish().iter().map(FlowRecord::packets).sum::<u64>(), 230);
}

#[test]
fn a_short_idle_timeout_also_shortens_the_linger() {
    let config = Config { idle_timeout: Duration::from_millis(500), ..Config::default() };
    let mut meter = Meter::new(config);
    meter.see(tcp(A, B, SYN).at(1.0));
    meter.see(tcp(B, A, RST | ACK).at(1.1));
    meter.sweep(seconds(1.62));
    let [record] = meter.records[..] else { panic!("half a second after the last packet") };
    assert_eq!(record.end_reason, FlowEndReason::EndOfFlowDetected);
}

#[test]
fn timeouts_of_zero_make_each_packet_a_flow_or_a_slice() {
    // RFC 5470 §5.1.1: with a timeout of 0 a Flow expires with its first packet.
    for (idle, active, flow_ids) in [(0, 60, 3), (15, 0, 1), (0, 0, 3)] {
        let config = Config {
            idle_timeout: Duration::from_secs(idle),
            active_timeout: Duration::from_secs(active),
            ..Config::default()
        };
        let mut meter = Meter::new(config);
        for _ in 0..3 {
            meter.see(udp(A, B).at(1.0));
        }
        meter.sweep(seconds(1.1));
        let mut ids: Vec<_> = meter.records.iter().map(|record| record.flow_id).collect();
        assert_eq!(ids.len(), 3, "idle {idle}, active {active}");
        ids.dedup();
        assert_eq!(ids.len(), flow_ids);
    }
}

#[test]
fn a_cache_for_one_flow_holds_one_flow() {
    let mut meter = Meter::new(Config { max_flows: 1, ..Config::default() });
    for port in 0..50 {
        meter.see(Headers { source_port: port, ..udp(A, B) }.at(1.0));
        assert_eq!(meter.cache.flows(), 1);
    }
    assert_eq!(meter.records.len(), 49);
    assert_eq!(meter.finish().iter().map(FlowRecord::packets).sum::<u64>(), 50);
}

#[test]
fn a_leap_of_the_clock_is_exported_by_the_budget_until_nothing_is_left() {
    let mut meter = Meter::new(Config::default());
    for port in 0..5_000 {
        meter.see(Headers { source_port: port, ..udp(A, B) }.at(1.0));
    }
    meter.sweep(seconds(1.0));
    let mut sweeps = 0;
    while meter.cache.flows() > 0 {
        let before = meter.records.len();
        let sweep = Some(Sweep { now: seconds(1e9), budget: 100 });
        meter.cache.meter(&mut meter.batch, Turn::Any, sweep, &mut meter.records);
        assert!(meter.records.len() - before <= 16 * 100);
        sweeps += 1;
    }
    assert!(sweeps >= 4, "{sweeps}");
    assert!(meter.records.iter().all(|r| r.end_reason == FlowEndReason::IdleTimeout));
}
