//! Exporting Processes for tests, and a clock that does as it is told.

#![expect(clippy::indexing_slicing, reason = "what is wrong here fails the test that asked")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use flowtap::export::{
    Clock, Config, Exporter, Facts, Interface, Metering, Pace, RecordBatch, TargetReport,
};
use flowtap::flow::FlowRecord;
use flowtap::time::Timestamp;
use proptest::prelude::*;

use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::records::varied_records;
use crate::strict::Session;

/// Export Time of the first Message of a replay, and of [`TestClock`].
pub(crate) const NOW: u64 = 1_700_000_100;

/// A configuration for targets in their written form.
pub(crate) fn config(pace: Pace, targets: &[String]) -> Config {
    let facts = Facts {
        metering_process: 1,
        exporting_process: 1,
        active_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(15),
        ..Facts::default()
    };
    let metering = Metering { facts: Arc::new(facts), ..Metering::default() };
    metering.points.learn(1, |_, _| vec![Interface::new(2, b"eth2", b"SPAN port")]);
    Config {
        observation_domain: 7,
        targets: targets.iter().map(|target| target.parse().expect("a target")).collect(),
        pace,
        metering,
        drain_timeout: Duration::from_secs(2),
        ..Config::default()
    }
}

pub(crate) fn batch(records: &[FlowRecord]) -> Arc<RecordBatch> {
    let clock = Timestamp::from_parts(NOW, 0);
    Arc::new(RecordBatch { records: records.to_vec(), clock, interfaces: 1 })
}

/// Exports batch after batch, and ends.
pub(crate) fn export(config: &Config, batches: &[&[FlowRecord]]) -> Vec<TargetReport> {
    let exporter = Exporter::start(config, Vec::new()).expect("the targets open");
    for records in batches {
        exporter.send(&batch(records));
    }
    let reports = exporter.finish();
    for report in &reports {
        assert!(report.first_error.is_none() && report.balances(), "{report:?}");
        assert!(report.lost_totals().is_zero(), "{report:?}");
    }
    reports
}

/// Replays records to a collector over UDP; the datagrams, and what is in them.
pub(crate) fn over_udp(options: &str, batches: &[&[FlowRecord]]) -> (Vec<Vec<u8>>, Session) {
    let collector = UdpReceiver::start();
    let target = format!("udp://{}?{options}", collector.address());
    export(&config(Pace::Replay, &[target]), batches);
    let datagrams = collector.finish();
    let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
    (datagrams, session)
}

/// Replays records to a collector over TCP; the stream, and what is in it.
pub(crate) fn over_tcp(
    options: &str,
    batches: &[&[FlowRecord]],
    change: impl FnOnce(&mut Config),
) -> (Vec<u8>, Session) {
    let collector = TcpReceiver::start();
    let target = format!("tcp://{}?{options}", collector.address());
    let mut config = config(Pace::Replay, &[target]);
    change(&mut config);
    export(&config, batches);
    let [stream] = collector.finish().try_into().expect("one connection");
    let session = Session::of_stream(&stream);
    (stream, session)
}

/// Records in any order with any counters, and how they are exported.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) batches: Vec<Vec<FlowRecord>>,
    pub(crate) biflow: bool,
    pub(crate) time: &'static str,
    pub(crate) size: usize,
}

impl Run {
    /// Its stream of Messages over TCP, and what is in it.
    pub(crate) fn export(&self) -> (Vec<u8>, Session) {
        let Self { batches, biflow, time, size } = self;
        let biflow = if *biflow { "on" } else { "off" };
        let batches: Vec<&[FlowRecord]> = batches.iter().map(Vec::as_slice).collect();
        over_tcp(&format!("biflow={biflow}&time={time}"), &batches, |config| {
            config.tcp.message_size = *size;
        })
    }
}

pub(crate) fn any_run() -> impl Strategy<Value = Run> {
    let record = (0..varied_records().len(), 1_u64..1 << 40, 1_u64..1 << 40);
    let batches = prop::collection::vec(prop::collection::vec(record, 1..40), 1..8);
    let times = prop::sample::select(vec!["ms", "us", "ns"]);
    (batches, any::<bool>(), times, 600_usize..3000).prop_map(|(batches, biflow, time, size)| {
        let known = varied_records();
        let record = |(at, packets, octets): (usize, u64, u64)| {
            let mut record = *known.get(at).expect("it is below their number");
            for direction in [&mut record.forward, &mut record.reverse] {
                if direction.packets > 0 {
                    (direction.packets, direction.octets) = (packets, octets);
                }
            }
            record
        };
        let batches = batches.into_iter().map(|batch| batch.into_iter().map(record).collect());
        Run { batches: batches.collect(), biflow, time, size }
    })
}

/// Few, because each opens a session.
pub(crate) fn few() -> ProptestConfig {
    ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() }
}

/// Messages of a stream, header included.
pub(crate) fn split_messages(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while !stream.is_empty() {
        let length = usize::from(u16::from_be_bytes([stream[2], stream[3]]));
        let (message, rest) = stream.split_at(length);
        messages.push(message);
        stream = rest;
    }
    messages
}

/// Sets of a Message: their IDs, and what is in them.
pub(crate) fn split_sets(message: &[u8]) -> Vec<(u16, &[u8])> {
    let (mut sets, mut rest) = (Vec::new(), &message[16..]);
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        sets.push((u16::from_be_bytes([rest[0], rest[1]]), &rest[4..length]));
        rest = &rest[length..];
    }
    sets
}

/// A clock that only a test moves.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    monotonic: AtomicU64,
    /// Of the wall clock, seconds since 1970.
    wall: AtomicI64,
}

impl TestClock {
    pub(crate) fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self { monotonic: AtomicU64::new(0), wall: AtomicI64::new(seconds) })
    }

    /// Moves both clocks.
    pub(crate) fn advance(&self, seconds: u32) {
        self.monotonic.fetch_add(u64::from(seconds) * 1_000_000_000, Ordering::Relaxed);
        self.step(i64::from(seconds));
    }

    /// Sets the wall clock forward or back, as NTP or a person would.
    pub(crate) fn step(&self, seconds: i64) {
        self.wall.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let seconds = self.wall.load(Ordering::Relaxed);
        Timestamp::from_parts(u64::try_from(seconds).expect("after 1970"), 0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) {
        // Whoever waits for a moment that only a test can bring lets others work meanwhile.
        thread::sleep(Duration::from_millis(1));
    }
}
