//! What the cache promises, seen from outside: packets in, records out, time as data.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::decode::{
    Address, Fragment, Headers, IpVersion, MplsLabels, Tunnel, TunnelKind, VlanTags,
};
use crate::flow::{Batch, Config, Direction, FlowCache, FlowEndReason, FlowRecord, Sweep, Turn};
use crate::time::Timestamp;

mod details;
mod fragments;

const FIN_ACK: u16 = 0x11;
const SYN: u16 = 0x02;
const SYN_ACK: u16 = 0x12;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;

#[test]
fn packet_at_the_idle_timeout_opens_a_new_flow_and_one_before_does_not() {
    let mut meter = Meter::new(Config::default());
    meter.see(udp(A, B).at(100.0));
    meter.see(udp(A, B).at(114.999));
    assert_eq!(meter.records.len(), 0);
    meter.see(udp(A, B).at(129.999));
    let [ended] = meter.records[..] else { panic!("15 s of silence end the Flow") };
    assert_eq!(ended.end_reason, FlowEndReason::IdleTimeout);
    assert_eq!(
        (ended.forward.packets, ended.forward.first, ended.forward.last),
        (2, seconds(100.0), seconds(114.999),)
    );
    let rest = meter.finish();
    assert_ne!(rest[1].flow_id, ended.flow_id);
}

#[test]
fn a_long_flow_is_exported_in_slices_with_one_flow_id_and_one_direction() {
    let mut meter = Meter::new(Config::default());
    for second in 0..150 {
        let packet = if second % 2 == 0 { udp(B, A) } else { udp(A, B) };
        meter.see(packet.at(f64::from(second)));
    }
    let records = meter.finish();
    assert_eq!(
        records.iter().map(|record| record.end_reason).collect::<Vec<_>>(),
        [FlowEndReason::ActiveTimeout, FlowEndReason::ActiveTimeout, FlowEndReason::ForcedEnd]
    );
    assert_eq!(records.iter().map(FlowRecord::packets).collect::<Vec<_>>(), [60, 60, 30]);
    // RFC 5103 §5: the direction is kept for the life of the Biflow.
    assert!(records.iter().all(|r| (r.source, r.flow_id) == (B.0, records[0].flow_id)));
    assert!(records.iter().all(|r| r.forward.first < r.reverse.first));
}

#[test]
fn the_earlier_timeout_gives_the_reason_however_late_it_is_noticed() {
    for sweeping in [true, false] {
        let mut meter = Meter::new(Config::default());
        for second in [0.0, 14.0, 28.0, 42.0, 56.0] {
            meter.see(udp(A, B).at(second));
        }
        if sweeping {
            meter.sweep(seconds(65.0));
        }
        // Active at 60, idle at 71: both have passed.
        meter.see(udp(A, B).at(80.0));
        let records = meter.finish();
        assert_eq!(records[0].end_reason, FlowEndReason::ActiveTimeout);
        assert_eq!(records.len(), 2);
        assert_ne!(records[0].flow_id, records[1].flow_id, "idle since 56: a new Flow");
    }
}

#[test]
fn changed_timeouts_are_those_of_flows_in_the_cache_too() {
    let second = Duration::from_secs;
    let mut meter = Meter::new(Config::default());
    meter.see(udp(A, B).at(100.0));
    meter.cache.set_timeouts(second(60), second(5));
    meter.sweep(seconds(104.9));
    assert_eq!(meter.records.len(), 0);
    meter.sweep(seconds(105.1));
    assert_eq!(meter.records[0].end_reason, FlowEndReason::IdleTimeout);
    // Longer ones keep a Flow that would have left.
    meter.see(udp(A, B).at(110.0));
    meter.cache.set_timeouts(second(8), second(30));
    meter.sweep(seconds(116.0));
    assert_eq!(meter.records.len(), 1);
    meter.see(udp(A, B).at(117.9));
    meter.sweep(seconds(118.1));
    assert_eq!(meter.records[1].end_reason, FlowEndReason::ActiveTimeout);
    let records = meter.finish();
    assert_eq!(records.iter().map(FlowRecord::packets).sum::<u64>(), 3);
}

#[test]
fn the_initiator_sent_the_syn_even_if_its_answer_is_seen_first() {
    let mut meter = Meter::new(Config::default());
    meter.see(tcp(B, A, SYN_ACK).at(1.0));
    meter.see(tcp(A, B, ACK).at(1.1));
    let [record] = meter.finish()[..] else { panic!("one Biflow") };
    assert_eq!((record.source, record.destination), (A.0, B.0));
    assert_eq!((record.forward.tcp_flags, record.reverse.tcp_flags), (ACK, SYN_ACK));
}

#[test]
fn fin_both_ways_ends_the_flow_and_the_last_ack_does_not_open_another() {
    let mut meter = Meter::new(Config::default());
    meter.see(tcp(A, B, SYN).at(1.0));
    meter.see(tcp(B, A, SYN_ACK).at(1.1));
    meter.see(tcp(A, B, FIN_ACK).at(1.2));
    meter.see(tcp(B, A, FIN_ACK).at(1.3));
    meter.see(tcp(A, B, ACK).at(1.4));
    meter.sweep(seconds(3.3));
    assert_eq!(meter.records.len(), 0, "it lingers for two seconds after the last packet");
    meter.sweep(seconds(3.5));
    let [record] = meter.records[..] else { panic!("one record") };
    assert_eq!(record.end_reason, FlowEndReason::EndOfFlowDetected);
    assert_eq!((record.forward.packets, record.reverse.packets), (3, 2));
}

#[test]
fn a_reset_ends_the_flow() {
    let mut meter = Meter::new(Config::default());
    meter.see(tcp(A, B, SYN).at(1.0));
    meter.see(tcp(B, A, RST | ACK).at(1.1));
    meter.sweep(seconds(3.2));
    assert_eq!(meter.records[0].end_reason, FlowEndReason::EndOfFlowDetected);
}

#[test]
fn a_syn_during_the_linger_is_a_new_flow_between_the_same_ports() {
    let mut meter = Meter::new(Config::default());
    meter.see(tcp(A, B, SYN).at(1.0));
    meter.see(tcp(B, A, RST | ACK).at(1.1));
    meter.see(tcp(A, B, SYN).at(1.5));
    let records = meter.finish();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].end_reason, FlowEndReason::EndOfFlowDetected);
    assert_eq!((records[0].packets(), records[1].packets()), (2, 1));
}

#[test]
fn fins_are_remembered_over_a_slice() {
    let config = Config { active_timeout: Duration::from_secs(5), ..Config::default() };
    let mut meter = Meter::new(config);
    meter.see(tcp(A, B, FIN_ACK).at(1.0));
    meter.see(tcp(B, A, ACK).at(7.0));
    meter.see(tcp(B, A, FIN_ACK).at(7.1));
    meter.sweep(seconds(9.2));
    let reasons: Vec<_> = meter.records.iter().map(|record| record.end_reason).collect();
    assert_eq!(reasons, [FlowEndReason::ActiveTimeout, FlowEndReason::EndOfFlowDetected]);
}

#[test]
fn an_echo_and_its_reply_are_one_biflow_with_a_type_each() {
    let mut meter = Meter::new(Config::default());
    meter.see(icmp(B, A, 0x0000).at(1.0)); // the reply is seen first
    meter.see(icmp(A, B, 0x0800).at(1.1));
    meter.see(icmp(B, A, 0x0303).at(1.2)); // port unreachable: another Flow
    let records = meter.finish();
    assert_eq!(records.len(), 2);
    let echo = records.iter().find(|record| record.packets() == 2).expect("the echo");
    assert_eq!((echo.source, echo.source_port, echo.destination_port), (A.0, 0, 0));
    assert_eq!((echo.forward.icmp_type_code, echo.reverse.icmp_type_code), (0x0800, 0x0000));
}

#[test]
fn a_syn_turns_a_flow_whose_first_packet_came_from_the_other_side() {
    let mut meter = Meter::new(Config::default());
    meter.see(tcp(B, A, ACK).at(1.0)); // the rest of an older connection between these ports
    meter.see(tcp(A, B, SYN).at(1.1));
    meter.see(tcp(B, A, SYN_ACK).at(1.2));
    meter.see(tcp(B, A, SYN).at(1.3)); // the first SYN counts
    let records = meter.finish();
    assert_eq!((records.len(), records[0].source), (1, A.0));
    assert_eq!((records[0].forward.packets, records[0].reverse.packets), (1, 3));
}

#[test]
fn a_syn_does_not_turn_a_flow_of_which_a_slice_was_exported() {
    let config = Config { active_timeout: Duration::from_secs(5), ..Config::default() };
    let mut meter = Meter::new(config);
    meter.see(tcp(B, A, ACK).at(1.0));
    meter.see(tcp(A, B, SYN).at(7.0));
    let sources: Vec<_> = meter.finish().iter().map(|record| record.source).collect();
    assert_eq!(sources, [B.0, B.0]);
}

#[test]
fn two_hosts_that_ping_each_other_are_two_biflows() {
    let mut meter = Meter::new(Config::default());
    for round in [1.0, 2.0] {
        meter.see(icmp(A, B, 0x0800).at(round));
        meter.see(icmp(B, A, 0x0800).at(round + 0.1));
        meter.see(icmp(B, A, 0x0000).at(round + 0.2));
        meter.see(icmp(A, B, 0x0000).at(round + 0.3));
    }
    let mut records = meter.finish();
    records.sort_by_key(|record| record.source);
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].source, records[1].source), (A.0, B.0));
    for FlowRecord { forward, reverse, .. } in records {
        assert_eq!((forward.packets, forward.icmp_type_code), (2, 0x0800));
        assert_eq!((reverse.packets, reverse.icmp_type_code), (2, 0x0000));
    }
}

#[test]
fn without_biflows_requests_and_replies_in_one_direction_are_two_flows() {
    let mut meter = Meter::new(Config { biflow: false, ..Config::default() });
    meter.see(icmp(A, B, 0x0800).at(1.0));
    meter.see(icmp(A, B, 0x0000).at(1.1)); // the answer to a ping from B
    let records = meter.finish();
    let types: Vec<_> = records.iter().map(|record| record.forward.icmp_type_code).collect();
    assert_eq!(records.len(), 2, "{types:x?}");
}

#[test]
fn without_biflows_each_direction_has_its_record() {
    let mut meter = Meter::new(Config { biflow: false, ..Config::default() });
    meter.see(tcp(A, B, SYN).at(1.0));
    meter.see(tcp(B, A, SYN_ACK).at(1.1));
    let mut records = meter.finish();
    records.sort_by_key(|record| record.source);
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.reverse.packets == 0));
    assert_eq!((records[0].source, records[1].source), (A.0, B.0));
}

#[test]
fn the_vlan_id_parts_flows_unless_it_is_taken_out_of_the_key() {
    for (vlan_key, flows) in [(true, 2), (false, 1)] {
        let mut meter = Meter::new(Config { vlan_key, ..Config::default() });
        for id in [10, 20] {
            let mut packet = udp(A, B).at(1.0);
            packet.vlan = VlanTags { outer: id, inner: 0, count: 1 };
            meter.see(packet);
        }
        assert_eq!(meter.finish().len(), flows);
    }
}

#[test]
fn a_full_cache_gives_up_the_flow_idle_longest_and_says_so() {
    let mut meter = Meter::new(Config { max_flows: 10, ..Config::default() });
    for port in 0..30 {
        let mut packet = udp(A, B).at(1.0 + f64::from(port) / 100.0);
        packet.source_port = port;
        meter.see(packet);
        assert!(meter.cache.flows() <= 10);
    }
    assert_eq!(meter.cache.peak_flows(), 10);
    let given_up: Vec<_> = meter.records.iter().map(|r| (r.source_port, r.end_reason)).collect();
    let expected: Vec<_> = (0..20).map(|port| (port, FlowEndReason::LackOfResources)).collect();
    assert_eq!(given_up, expected);
    assert_eq!(meter.finish().len(), 30);
}

#[test]
fn outer_addresses_and_labels_are_kept_and_turned_with_the_direction() {
    let mut meter = Meter::new(Config::default());
    let mut packet = tcp(B, A, SYN_ACK).at(1.0);
    packet.tunnel = Some(Tunnel {
        kind: TunnelKind::Vxlan,
        version: IpVersion::V4,
        source: Address::v4([203, 0, 113, 1]),
        destination: Address::v4([203, 0, 113, 2]),
        id: Some(42),
    });
    packet.mpls = MplsLabels { sections: [[0, 1, 1], [0; 3], [0; 3]], count: 1 };
    meter.see(packet);
    let [record] = meter.finish()[..] else { panic!("one record") };
    // The initiator is A, which never spoke: what was seen is the reverse direction.
    assert_eq!((record.forward.packets, record.reverse.packets), (0, 1));
    let tunnel = record.tunnel.expect("the tunnel is kept");
    assert_eq!(tunnel.source, Address::v4([203, 0, 113, 2]));
    assert_eq!((tunnel.id, record.mpls.count), (Some(42), 1));
}

#[test]
fn records_of_a_sweep_are_spread_by_the_budget() {
    let mut meter = Meter::new(Config::default());
    for port in 0..1000 {
        let mut packet = udp(A, B).at(1.0);
        packet.source_port = port;
        meter.see(packet);
    }
    meter.cache.meter(
        &mut meter.batch,
        Turn::Any,
        Some(Sweep { now: seconds(20.0), budget: 10 }),
        &mut meter.records,
    );
    assert_eq!(meter.records.len(), 80, "8 shards, 10 each");
    meter.sweep(seconds(20.0));
    assert_eq!(meter.records.len(), 1000);
}

#[test]
fn several_workers_with_tickets_give_the_records_of_one() {
    let packets: Vec<Headers> = (0..20_000_u32)
        .map(|n| {
            let mut packet =
                tcp(A, B, if n % 7 == 0 { FIN_ACK } else { ACK }).at(f64::from(n) / 50.0);
            packet.source_port = u16::try_from(n * n % 701).expect("below 701");
            if n % 3 == 0 {
                (packet.source, packet.destination) = (packet.destination, packet.source);
                (packet.source_port, packet.destination_port) =
                    (packet.destination_port, packet.source_port);
            }
            packet
        })
        .collect();
    let one = metered_by(1, &packets);
    assert_eq!(metered_by(2, &packets), one);
    assert_eq!(metered_by(5, &packets), one);
}

/// Blocks of 512 packets go round `workers` threads; returns the sorted records.
fn metered_by(workers: usize, packets: &[Headers]) -> Vec<String> {
    let cache = FlowCache::new(Config { max_flows: 300, ..Config::default() });
    let blocks: Vec<_> = packets.chunks(512).enumerate().collect();
    let mut records: Vec<FlowRecord> = std::thread::scope(|scope| {
        let spawn = |worker: usize| {
            let (cache, blocks) = (&cache, &blocks);
            scope.spawn(move || {
                let (mut batch, mut expired) = (Batch::default(), Vec::new());
                for (ticket, block) in blocks.iter().skip(worker).step_by(workers) {
                    block.iter().for_each(|headers| cache.enqueue(headers, &mut batch));
                    let now = block.last().expect("chunks are not empty").at;
                    let sweep = Some(Sweep { now, budget: usize::MAX });
                    cache.meter(&mut batch, Turn::Ticket(*ticket as u64), sweep, &mut expired);
                }
                expired
            })
        };
        let threads: Vec<_> = (0..workers).map(spawn).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    cache.flush(packets.last().expect("some").at, |rest| records.extend(rest));
    let mut text: Vec<_> = records.iter().map(|record| format!("{record:?}")).collect();
    text.sort();
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// For packets in time order the records are a function of the packets alone.
    #[test]
    fn sweeps_never_change_the_records(steps in steps()) {
        prop_assert_eq!(sorted(metered(&steps, true, 1_000)), sorted(metered(&steps, false, 1_000)));
    }

    /// Whatever comes, also out of order and into a full cache: nothing is lost, nothing doubled.
    #[test]
    fn every_packet_leaves_in_exactly_one_record(
        steps in steps(), max_flows in 1_usize..20, backwards in any::<bool>(),
    ) {
        let mut steps = steps;
        if backwards {
            steps.reverse();
        }
        let records = metered(&steps, true, max_flows);
        prop_assert_eq!(records.iter().map(FlowRecord::packets).sum::<u64>(), steps.len() as u64);
        let octets: u64 = steps.iter().map(|step| u64::from(step.headers().ip_length)).sum();
        prop_assert_eq!(records.iter().map(FlowRecord::octets).sum::<u64>(), octets);
        for record in &records {
            for direction in [record.forward, record.reverse] {
                prop_assert!(direction.first <= direction.last);
            }
        }
    }

    /// Slices of one Flow follow each other and never overlap (RFC 7012 §3.2: delta counters).
    #[test]
    fn slices_of_a_flow_do_not_overlap(steps in steps()) {
        let mut flows: BTreeMap<u64, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
        for record in metered(&steps, true, 1_000) {
            let spans = [record.forward, record.reverse].into_iter().filter(|d| d.packets > 0);
            let (first, last) = spans.fold((Timestamp::MAX, Timestamp::EPOCH), |(first, last), d| {
                (first.min(d.first), last.max(d.last))
            });
            flows.entry(record.flow_id).or_default().push((first, last));
        }
        for slices in flows.values_mut() {
            slices.sort();
            prop_assert!(slices.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        }
    }
}

/// One generated packet: who, what, and how long after the one before.
#[derive(Clone, Copy, Debug)]
struct Step {
    milliseconds: u64,
    from_a: bool,
    port: u16,
    flags: u16,
    length: u32,
}

impl Step {
    fn headers(self) -> Headers {
        let mut headers = if self.from_a { tcp(A, B, self.flags) } else { tcp(B, A, self.flags) };
        let port =
            if self.from_a { &mut headers.source_port } else { &mut headers.destination_port };
        *port = self.port;
        headers.ip_length = self.length;
        headers.at = Timestamp::from_nanos(1_000_000_000_000 + self.milliseconds * 1_000_000);
        headers
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flags = prop_oneof![4 => Just(ACK), 1 => Just(SYN), 1 => Just(FIN_ACK), 1 => Just(RST)];
    let gap =
        prop_oneof![Just(0_u64), 1_u64..3_000, 10_000_u64..20_000, Just(15_000), Just(60_000)];
    let step = (gap, any::<bool>(), 1_u16..6, flags, 40_u32..1500);
    proptest::collection::vec(step, 1..120).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(gap, from_a, port, flags, length)| {
                now += gap;
                Step { milliseconds: now, from_a, port, flags, length }
            })
            .collect()
    })
}

fn metered(steps: &[Step], sweeping: bool, max_flows: usize) -> Vec<FlowRecord> {
    let mut meter = Meter::new(Config { max_flows, ..Config::default() });
    for step in steps {
        let headers = step.headers();
        meter.see(headers);
        if sweeping {
            meter.sweep(headers.at);
        }
    }
    meter.finish()
}

/// Records without what depends on the moment at which the run was flushed or on numbering.
fn sorted(records: Vec<FlowRecord>) -> Vec<String> {
    let mut text: Vec<_> = records.iter().map(|record| format!("{record:?}")).collect();
    text.sort();
    text
}

/// A cache with one worker.
struct Meter {
    cache: FlowCache,
    batch: Batch,
    records: Vec<FlowRecord>,
    overlaps: u64,
    latest: Timestamp,
}

impl Meter {
    fn new(config: Config) -> Self {
        Self {
            cache: FlowCache::new(config),
            batch: Batch::default(),
            records: Vec::new(),
            overlaps: 0,
            latest: Timestamp::EPOCH,
        }
    }

    fn see(&mut self, headers: Headers) {
        self.latest = self.latest.max(headers.at);
        self.cache.enqueue(&headers, &mut self.batch);
        self.overlaps += self.cache.meter(&mut self.batch, Turn::Any, None, &mut self.records);
    }

    fn sweep(&mut self, now: Timestamp) {
        let sweep = Some(Sweep { now, budget: usize::MAX });
        self.cache.meter(&mut self.batch, Turn::Any, sweep, &mut self.records);
    }

    fn finish(&mut self) -> Vec<FlowRecord> {
        let mut records = std::mem::take(&mut self.records);
        self.cache.flush(self.latest, |rest| records.extend(rest));
        records
    }
}

#[derive(Clone, Copy)]
pub(super) struct Host(Address, u16);

impl std::ops::Deref for Host {
    type Target = Address;
    fn deref(&self) -> &Address {
        &self.0
    }
}

pub(super) const A: Host = Host(Address::v4([192, 0, 2, 1]), 1000);
pub(super) const B: Host = Host(Address::v4([192, 0, 2, 2]), 53);

fn seconds(seconds: f64) -> Timestamp {
    Timestamp::EPOCH.saturating_add(Duration::from_secs_f64(seconds))
}

pub(super) fn udp(from: Host, to: Host) -> Headers {
    Headers {
        interface: 1,
        source: from.0,
        destination: to.0,
        ip_length: 100,
        source_port: from.1,
        destination_port: to.1,
        protocol: 17,
        ttl: 64,
        ..Headers::BLANK
    }
}

fn tcp(from: Host, to: Host, flags: u16) -> Headers {
    Headers { protocol: 6, tcp_flags: flags, ..udp(from, to) }
}

fn icmp(from: Host, to: Host, type_code: u16) -> Headers {
    Headers {
        protocol: 1,
        icmp_type_code: type_code,
        source_port: 0,
        destination_port: 0,
        ..udp(from, to)
    }
}

pub(super) trait At {
    fn at(self, seconds: f64) -> Self;
}

impl At for Headers {
    fn at(self, time: f64) -> Self {
        Self { at: seconds(time), ..self }
    }
}
