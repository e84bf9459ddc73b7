//! Intervals, and the books of what is summed up.

use std::fs;
use std::path::Path;

use super::*;
use crate::export::clock::TestClock;
use crate::export::testing::{read_flows, udp_uniflow};
use crate::export::{Aggregation, Exporter, TargetReport};
use crate::flow::FlowRecord;

fn batch(records: Vec<FlowRecord>, seconds: u64) -> Arc<RecordBatch> {
    let clock = Timestamp::from_parts(seconds, 0);
    Arc::new(RecordBatch { records, clock, interfaces: 0 })
}

fn flows(range: std::ops::Range<u32>) -> Vec<FlowRecord> {
    range.map(udp_uniflow).collect()
}

/// What JSON a replay of these batches leaves, and its books.
fn replayed(query: &str, batches: &[Arc<RecordBatch>]) -> (Vec<serde_json::Value>, TargetReport) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows.json");
    let report = run(&format!("json:{}?{query}", path.display()), batches);
    let text = fs::read_to_string(&path).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), report)
}

fn run(target: &str, batches: &[Arc<RecordBatch>]) -> TargetReport {
    let config =
        Config { targets: vec![target.parse().unwrap()], pace: Pace::Replay, ..Config::default() };
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    batches.iter().for_each(|batch| exporter.send(batch));
    let report = exporter.finish().remove(0);
    assert!(report.balances(), "{report:?}");
    assert!(report.first_error.is_none(), "{report:?}");
    report
}

#[test]
fn an_interval_leaves_when_the_next_one_begins_and_the_last_one_at_the_end() {
    let batches = [
        batch(flows(0..12), 1_700_000_005),
        batch(flows(12..20), 1_700_000_059),
        batch(flows(20..35), 1_700_000_120),
        batch(flows(35..39), 1_700_000_190),
    ];
    let (lines, report) = replayed("privacy=statistical&interval=1m", &batches);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["flowStartMilliseconds"].as_str().unwrap(),
                line["originalFlowsPresent"].as_u64().unwrap(),
                line["packetDeltaCount"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("2023-11-14T22:13:00.000Z", 12, 120), ("2023-11-14T22:15:00.000Z", 23, 230)],
        "eight flows of 22:14 were too few, and four at the end are withheld"
    );
    assert_eq!(lines[1]["flowEndMilliseconds"], "2023-11-14T22:16:00.000Z");
    let Aggregation { records, aggregates, coarsened, withheld, intervals, most } =
        report.aggregation;
    assert_eq!((records, aggregates, coarsened), (35, 2, 0));
    assert_eq!((intervals, most), (4, 1), "two had something to sum up, and nothing to tell");
    assert_eq!(withheld, Totals { records: 4, packets: 40, octets: 6_000 });
    assert_eq!(report.given, Totals { records: 39, packets: 390, octets: 58_500 });
    assert_eq!(report.sent, Totals { records: 2, packets: 350, octets: 52_500 });
}

#[test]
fn a_line_tells_of_a_class_and_of_nobody_in_it() {
    let records = (0..10_u32)
        .map(|n| FlowRecord { flow_id: n.into(), ..crate::export::testing::tcp_biflow() })
        .map(|record| FlowRecord { mac: Some(MACS), ..record })
        .collect();
    let query = "privacy=statistical&net=192.0.2.0/24&k=10";
    let (lines, report) = replayed(query, &[batch(records, 1_700_000_000)]);
    let line = |sender: u64| {
        lines.iter().find(|line| line["biflowDirection"] == sender).unwrap().to_string()
    };
    assert_eq!(
        line(1),
        serde_json::json!({
            "flowStartMilliseconds": "2023-11-14T22:13:00.000Z",
            "flowEndMilliseconds": "2023-11-14T22:14:00.000Z",
            "ingressInterface": 3,
            "ipVersion": 4,
            "protocolIdentifier": 6,
            "biflowDirection": 1,
            "sourceIPv4Prefix": "192.0.2.0",
            "sourceIPv4PrefixLength": 24,
            "destinationIPv4Prefix": "0.0.0.0",
            "destinationIPv4PrefixLength": 0,
            "portRangeStart": 443,
            "portRangeEnd": 443,
            "flowtapPacketSizeClass": 255,
            "octetDeltaCount": 15_000,
            "packetDeltaCount": 100,
            "deltaFlowCount": 10,
            "originalFlowsPresent": 10,
        })
        .to_string()
    );
    assert!(line(2).contains(r#""destinationIPv4Prefix":"192.0.2.0""#));
    assert!(line(2).contains(r#""flowtapPacketSizeClass":1518"#), "{}", line(2));
    let text = lines.iter().map(ToString::to_string).collect::<String>();
    for name in ["192.0.2.1", "198.51", "40000", "Mac", "flowId", ":20.123"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    assert_eq!(report.aggregation.withheld, Totals::default());
}

#[test]
fn a_file_of_aggregates_is_read_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows.ipfix");
    let batches = [batch(flows(0..50), 1_700_000_000), batch(flows(50..90), 1_700_000_700)];
    let report = run(&format!("file:{}?privacy=statistical", path.display()), &batches);
    let (records, packets, octets) = read_flows(&fs::read(&path).unwrap());
    assert_eq!(report.sent, Totals { records, packets, octets });
    assert_eq!((records, packets), (2, 900));
}

#[test]
fn times_of_packets_are_in_no_octet_of_a_replay() {
    let octets = |seconds: u64| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows.ipfix");
        let mut records = flows(0..20);
        for record in &mut records {
            record.forward.first = Timestamp::from_parts(seconds, 5);
            record.forward.last = Timestamp::from_parts(seconds, 77);
        }
        let batches = [batch(records, seconds), batch(flows(20..40), seconds + 60)];
        run(&format!("file:{}?privacy=statistical", path.display()), &batches);
        fs::read(Path::new(&path)).unwrap()
    };
    // Both in the minute from 1,700,000,040 on.
    assert!(octets(1_700_000_041) == octets(1_700_000_098), "the second of a flow is told");
    assert!(octets(1_700_000_041) != octets(1_700_000_039), "the minute is not");
}

#[test]
fn live_the_clock_on_the_wall_ends_an_interval_and_one_that_is_set_back_too() {
    let clock = Arc::new(TestClock::default());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows.json");
    let target = format!("json:{}?privacy=statistical&interval=10s&k=2", path.display());
    let Ok(crate::export::Target::Json(json)) = target.parse() else { panic!("{target}") };
    let config = Config { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Config::default() };
    let sink = crate::export::json::JsonSink::open(&json, "json", &config).unwrap();
    let mut sink = Statistical::new(sink, &json.privacy.policy(), Share::ALL, &config);
    let mut account = Account::default();
    let records = |account: &Account| account.made().records;
    sink.write(&batch(flows(0..3), 5), &mut account).unwrap();
    clock.advance(Duration::from_secs(9));
    sink.tick(&mut account).unwrap();
    assert_eq!(records(&account), 0);
    clock.advance(Duration::from_secs(1));
    sink.tick(&mut account).unwrap();
    assert_eq!(records(&account), 1);
    // Nothing comes of nothing.
    clock.advance(Duration::from_secs(60));
    sink.tick(&mut account).unwrap();
    sink.write(&batch(flows(0..3), 5), &mut account).unwrap();
    clock.wall_step.store(-3_600, std::sync::atomic::Ordering::Relaxed);
    sink.tick(&mut account).unwrap();
    assert_eq!(records(&account), 2, "nobody waits for an hour");
    sink.finish(&mut account).unwrap();
}

#[test]
fn members_of_a_balanced_group_sum_up_their_own_shares() {
    let shares = [0, 1].map(|member| Share::new(member, 2));
    let mut records = 0;
    for share in shares {
        let directory = tempfile::tempdir().unwrap();
        let target = format!("json:{}?privacy=statistical", directory.path().join("j").display());
        let Ok(crate::export::Target::Json(json)) = target.parse() else { panic!("{target}") };
        let config = Config { pace: Pace::Replay, ..Config::default() };
        let sink = crate::export::json::JsonSink::open(&json, "json", &config).unwrap();
        let mut sink = Statistical::new(sink, &json.privacy.policy(), share, &config);
        let mut account = Account::default();
        sink.write(&batch(flows(0..100), 5), &mut account).unwrap();
        sink.finish(&mut account).unwrap();
        let report = account.into_report("json".to_owned(), Totals::default());
        records += report.aggregation.records;
    }
    assert_eq!(records, 100);
}

#[test]
fn what_a_full_disk_costs_is_in_the_books_too() {
    let config = Config {
        targets: vec!["json:/dev/full?privacy=statistical&k=2&interval=1s".parse().unwrap()],
        pace: Pace::Replay,
        ..Config::default()
    };
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    for second in 0..3_000 {
        exporter.send(&batch(flows(second * 3..second * 3 + 3), second.into()));
    }
    exporter.send(&batch(flows(0..1), 9_000));
    let report = exporter.finish().remove(0);
    assert!(report.balances() && report.first_error.is_some(), "{report:?}");
    assert!(report.sent.is_zero(), "{report:?}");
    assert_eq!(
        report.given.packets,
        report.aggregation.withheld.packets + report.lost_totals().packets
    );
}

#[test]
fn a_sink_that_is_handed_flow_records_all_the_same_writes_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows.json");
    let target = format!("json:{}?privacy=statistical", path.display());
    let Ok(crate::export::Target::Json(json)) = target.parse() else { panic!("{target}") };
    let mut sink = crate::export::json::JsonSink::open(&json, "json", &Config::default()).unwrap();
    let mut account = Account::default();
    sink.write(&batch(flows(0..100), 5), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    assert!(fs::read(&path).unwrap().is_empty());
}

const MACS: crate::decode::MacAddresses =
    crate::decode::MacAddresses { source: [0xb2; 6], destination: [0xfe; 6] };
