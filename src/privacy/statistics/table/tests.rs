//! The laws of aggregation, over any Flow Records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::decode::Address;
use crate::flow::Direction;
use crate::privacy::statistics::NetworkClass;

/// A direction of a record that was added, and what an interval did with it.
#[derive(Clone, Copy, Debug)]
struct Added {
    key: Key,
    packets: u64,
    octets: u64,
    slice: Slice,
}

/// The same table without any thought of speed or memory.
#[derive(Debug, Default)]
struct Model(Vec<Added>);

impl Model {
    fn add(&mut self, record: &FlowRecord, networks: &ConfiguredNetworks) {
        let is_last = record.end_reason != FlowEndReason::ActiveTimeout;
        let slice = Slice { flow: record.flow_id, is_last };
        for (sender, direction) in
            [(Sender::Initiator, record.forward), (Sender::Responder, record.reverse)]
        {
            if direction.packets > 0 {
                let key = Key::of(record, networks).sent(sender, &direction, Level::Finest);
                let (packets, octets) = (direction.packets, direction.octets);
                self.0.push(Added { key, packets, octets, slice });
            }
        }
    }

    /// Each direction leaves in one cell of k distinct Flows, or stays.
    fn close(&mut self, k: usize) -> Vec<AggregatedFlow> {
        let mut published = Vec::new();
        for level in Level::ALL {
            let mut groups: Vec<(Key, Vec<Added>)> = Vec::new();
            for added in &self.0 {
                let key = added.key.at(level);
                match groups.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, group)) => group.push(*added),
                    None => groups.push((key, vec![*added])),
                }
            }
            groups.retain(|(_, group)| flows(group).len() >= k);
            self.0.retain(|added| groups.iter().all(|(key, _)| *key != added.key.at(level)));
            published.extend(groups.iter().map(|(key, group)| AggregatedFlow {
                key: *key,
                packets: group.iter().map(|added| added.packets).sum(),
                octets: group.iter().map(|added| added.octets).sum(),
                flows_present: flows(group).len() as u64,
                flows_ended: flows(group).values().filter(|is_over| **is_over).count() as u64,
                records: group.len() as u64,
            }));
        }
        published.sort_by_key(|flow| (flow.key.order(), flow.packets, flow.octets));
        published
    }
}

/// Flow ids as a meter gives them: a Flow ends once, and no record of it comes later.
#[derive(Debug, Default)]
struct Ids(BTreeMap<u64, u64>);

impl Ids {
    fn as_metered(&mut self, records: &[FlowRecord]) -> Vec<FlowRecord> {
        let id = |record: &FlowRecord| {
            let before = self.0.entry(record.flow_id).or_insert(0);
            let flow_id = record.flow_id + *before * 1_000;
            *before += u64::from(record.end_reason != FlowEndReason::ActiveTimeout);
            FlowRecord { flow_id, ..*record }
        };
        records.iter().map(id).collect()
    }
}

/// Distinct Flows, and whether each is over.
fn flows(group: &[Added]) -> BTreeMap<u64, bool> {
    let mut flows = BTreeMap::new();
    for Added { slice, .. } in group {
        *flows.entry(slice.flow).or_insert(false) |= slice.is_last;
    }
    flows
}

fn aggregation(k: u16) -> Aggregation {
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
    Aggregation { interval: Duration::from_secs(60), k, networks: networks.to_vec() }
}

fn table(k: u16) -> AggregationTable {
    AggregationTable::new(&aggregation(k), true, true)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// As the model says: so each cell that leaves has k distinct Flows at least, and each record is in
    /// one cell only. No sum of published cells less another one is then of fewer.
    #[test]
    fn what_leaves_is_what_a_simple_model_lets_leave(
        intervals in prop::collection::vec(prop::collection::vec(any_flow(), 0..60), 1..4),
        k in 2_u16..12,
    ) {
        let mut table = table(k);
        let mut model = Model::default();
        let mut ids = Ids::default();
        for records in &intervals {
            for record in &ids.as_metered(records) {
                table.add(record);
                model.add(record, table.networks());
            }
            let published = table.close();
            prop_assert_eq!(&published, &model.close(k.into()));
            prop_assert!(published.iter().all(|flow| flow.flows_present >= k.into()));
            // What waits is too few, even all together.
            prop_assert!(flows(&model.0).len() < k.into());
        }
    }

    /// The books balance: nothing is lost, and nothing counted twice.
    #[test]
    fn sums_are_those_of_the_records(
        records in prop::collection::vec(any_flow(), 0..200),
        k in 2_u16..40,
        closes in 1_usize..5,
    ) {
        let mut table = table(k);
        let mut sum = Waiting::default();
        let mut add = |records, packets, octets| {
            sum.records += records;
            sum.packets += packets;
            sum.octets += octets;
        };
        for records in records.chunks(records.len() / closes + 1) {
            records.iter().for_each(|record| table.add(record));
            for flow in table.close() {
                add(flow.records, flow.packets, flow.octets);
            }
        }
        let Waiting { records: waiting, packets, octets } = table.waiting();
        add(waiting, packets, octets);
        let given = Waiting {
            records: records.iter().map(AggregationTable::records_of).sum(),
            packets: records.iter().map(FlowRecord::packets).sum(),
            octets: records.iter().map(FlowRecord::octets).sum(),
        };
        prop_assert_eq!(sum, given);
    }

    /// With room for a few classes only: nothing grows, nothing is lost, and k holds as before.
    #[test]
    fn a_full_table_tells_less_and_loses_nothing(
        records in prop::collection::vec(any_flow(), 0..300),
        k in 2_u16..6,
        most_cells in 0_usize..4,
        room in 0_usize..3,
    ) {
        let mut table = AggregationTable { most_cells, room, ..table(k) };
        let records = Ids::default().as_metered(&records);
        records.iter().for_each(|record| table.add(record));
        // Two interfaces, two versions, three protocols, two sides; and one for everything.
        prop_assert!(table.cells.len() <= most_cells + 24 + 1);
        let given: u64 = records.iter().map(FlowRecord::octets).sum();
        let ids: BTreeSet<_> = records.iter().map(|record| record.flow_id).collect();
        let published = table.close();
        for flow in &published {
            prop_assert!(flow.flows_present >= k.into());
            prop_assert!(flow.flows_present <= ids.len() as u64, "never more than there were");
            prop_assert!(flow.flows_ended <= flow.flows_present);
        }
        let told: u64 = published.iter().map(|flow| flow.octets).sum();
        prop_assert_eq!(told + table.waiting().octets, given);
        prop_assert_eq!(table.coarsened > 0, table.take_coarsened() > 0);
    }
}

#[test]
fn slices_of_one_flow_are_one_flow() {
    let mut table = table(2);
    let slice = FlowRecord { end_reason: FlowEndReason::ActiveTimeout, ..flow(1) };
    (0..50).for_each(|_| table.add(&slice));
    assert_eq!(table.close(), [], "fifty records are one flow");
    // It waited, and is not forgotten.
    table.add(&FlowRecord { flow_id: 2, ..slice });
    table.add(&flow(1));
    let [told] = table.close()[..] else { panic!("one cell") };
    assert_eq!((told.flows_present, told.flows_ended, told.records), (2, 1, 52));
}

#[test]
fn both_directions_of_a_flow_are_one_flow_where_sides_do_not_count() {
    let mut table = table(4);
    for id in 0..3 {
        let there = flow(id);
        table.add(&FlowRecord { reverse: there.forward, ..there });
    }
    assert_eq!(table.close(), [], "three flows, six directions");
    let fourth = flow(3);
    table.add(&FlowRecord { reverse: fourth.forward, ..fourth });
    let told = table.close();
    let senders: Vec<_> = told.iter().map(|flow| (flow.key.sender, flow.flows_present)).collect();
    assert_eq!(senders, [(Sender::Initiator, 4), (Sender::Responder, 4)]);
}

#[test]
fn the_finest_is_given_up_first() {
    let mut table = table(2);
    let big = Direction { octets: 1_500, ..flow(0).forward };
    table.add(&flow(1));
    table.add(&FlowRecord { forward: big, ..flow(2) });
    let [told] = table.close()[..] else { panic!("one cell") };
    assert_eq!(told.key.level, Level::WithoutSize);
    table.add(&flow(3));
    table.add(&FlowRecord { destination_port: 22, ..flow(4) });
    let [told] = table.close()[..] else { panic!("one cell") };
    assert_eq!((told.key.level, told.key.protocol), (Level::WithoutPorts, 6));
    table.add(&flow(5));
    table.add(&FlowRecord { destination: Address::v4([192, 0, 2, 1]), ..flow(6) });
    let [told] = table.close()[..] else { panic!("one cell") };
    assert_eq!(told.key.level, Level::WithoutNetworks);
    assert_eq!(told.key.destination, NetworkClass::OTHER);
    table.add(&flow(7));
    table.add(&FlowRecord { version: IpVersion::V6, interface: 9, protocol: 17, ..flow(8) });
    let [told] = table.close()[..] else { panic!("one cell") };
    assert_eq!(told.key, Key::TOTAL);
}

#[test]
fn each_side_is_of_its_own_network() {
    let mut table = table(2);
    for id in 0..2 {
        let there = FlowRecord { source: Address::v4([192, 0, 2, 1]), ..flow(id) };
        table.add(&FlowRecord { reverse: there.forward, ..there });
    }
    let told = table.close();
    let networks = |sender| {
        let key = told.iter().find(|flow| flow.key.sender == sender).unwrap().key;
        [key.source, key.destination].map(|class| {
            let (address, length) = table.networks().prefix(key.version, class);
            format!("{address}/{length}")
        })
    };
    assert_eq!(networks(Sender::Initiator), ["0.0.0.0/0", "10.0.0.0/8"]);
    assert_eq!(networks(Sender::Responder), ["10.0.0.0/8", "0.0.0.0/0"]);
}

/// How many records a second one core sums up: `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn speed_of_aggregation() {
    let records: Vec<_> = (0..100_000_u64)
        .map(|id| {
            let [a, b, c, ..] = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let there = FlowRecord {
                source: Address::v4([10, a, b, c]),
                destination_port: u16::from_be_bytes([a % 4, b]),
                ..flow(id)
            };
            let back = Direction { octets: u64::from(c) * 10, ..there.forward };
            FlowRecord { reverse: back, ..there }
        })
        .collect();
    let mut table = table(10);
    let begin = std::time::Instant::now();
    let rounds = 20;
    for _ in 0..rounds {
        records.iter().for_each(|record| table.add(record));
    }
    let took = begin.elapsed();
    let cells = table.close().len();
    let rate = (rounds * records.len()) as f64 / took.as_secs_f64();
    println!("{rate:.0} records a second, {cells} cells");
}

/// To port 443 of 10.0.0.1, one direction, over.
fn flow(id: u64) -> FlowRecord {
    FlowRecord {
        flow_id: id,
        interface: 1,
        protocol: 6,
        end_reason: FlowEndReason::IdleTimeout,
        source: Address::v4([10, 0, 0, 2]),
        destination: Address::v4([10, 0, 0, 1]),
        source_port: 40_000,
        destination_port: 443,
        forward: Direction { packets: 1, octets: 60, ..Direction::default() },
        ..FlowRecord::BLANK
    }
}

/// Records of few classes and few Flows.
fn any_flow() -> impl Strategy<Value = FlowRecord> {
    let direction = || {
        prop_oneof![
            Just(Direction::default()),
            (1_u64..4, 1_u64..3_000).prop_map(|(packets, octets)| Direction {
                packets,
                octets,
                ..Direction::default()
            }),
        ]
    };
    let ports = prop::sample::select(vec![(40_000, 443), (50_000, 53), (40_000, 50_000)]);
    let sources =
        prop::sample::select(vec![Address::v4([10, 0, 0, 2]), Address::v4([192, 0, 2, 1])]);
    let protocol = prop::sample::select(vec![1_u8, 6, 17]);
    (
        0_u64..40,
        0_u32..2,
        any::<bool>(),
        protocol,
        sources,
        ports,
        0_usize..5,
        direction(),
        direction(),
    )
        .prop_filter_map(
            "a record has packets",
            |(flow_id, interface, v6, protocol, source, ports, reason, forward, reverse)| {
                let record = FlowRecord {
                    flow_id,
                    interface,
                    version: if v6 { IpVersion::V6 } else { IpVersion::V4 },
                    protocol,
                    end_reason: FlowEndReason::ALL[reason],
                    source,
                    source_port: ports.0,
                    destination_port: ports.1,
                    forward,
                    reverse,
                    ..flow(flow_id)
                };
                (record.packets() > 0).then_some(record)
            },
        )
}
