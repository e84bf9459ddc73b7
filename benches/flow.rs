//! The flow cache: what a packet costs there, by what it meets.
//!
//! Packets go in as the pipeline hands them over: in batches of 512, headers written in place, a
//! microsecond apart. `key_hash` is the way into the batch, the others are that and the metering.
//! `hit` draws a flow at random among those that are there: 100,000 of them fit a large
//! third-level cache, 1,000,000 do not. `miss` opens a flow with each packet while there is room,
//! in a cache that was never used before, so memory is touched for the first time as well;
//! `flood` does the same with a full cache, where one flow has to leave for each that comes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowtap::decode::{Address, Headers, MacAddresses};
use flowtap::flow::{Batch, Config, FlowCache, FlowRecord, Sweep, Turn};
use flowtap::time::Timestamp;

fn flow(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements(BLOCK)).sample_size(20);
    group.bench_function("key_hash", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut meter = Meter::new(1_000);
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                for _ in 0..BLOCK / BATCH {
                    let begin = now();
                    (0..BATCH).for_each(|number| meter.enqueue(number));
                    spent += begin.elapsed();
                    meter.meter(None);
                }
            }
            spent
        });
    });
    for (name, flows) in [("hit_100k", 100_000), ("hit_1m", 1_000_000)] {
        let flows = in_proportion(flows);
        group.bench_function(name, |bencher| {
            // Twice the room: the shards are not filled evenly.
            let mut meter = Meter::new(2 * flows);
            (0..flows).for_each(|number| meter.observe(number));
            let mut random = 0x5eed_u64;
            bencher.iter(|| {
                for _ in 0..BLOCK {
                    random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    meter.observe((random >> 32) % flows);
                }
                meter.end_block();
            });
            assert_eq!(meter.expired, 0, "only hits were wanted");
        });
    }
    group.bench_function("miss", |bencher| {
        let room = in_proportion(1_000_000);
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            let mut left = rounds * BLOCK;
            while left > 0 {
                let packets = left.min(room / 2);
                let mut meter = Meter::new(room);
                let begin = now();
                (0..packets).for_each(|number| meter.observe(number));
                meter.end_block();
                spent += begin.elapsed();
                assert_eq!(meter.expired, 0, "there was room");
                left -= packets;
            }
            spent
        });
    });
    group.bench_function("flood", |bencher| {
        let room = in_proportion(1_000_000);
        let mut meter = Meter::new(room);
        let mut number = 2 * room;
        (0..number).for_each(|number| meter.observe(number));
        bencher.iter(|| {
            for _ in 0..BLOCK {
                meter.observe(number);
                number += 1;
            }
            meter.end_block();
        });
        assert!(meter.expired >= number - room, "every flow more has made one leave");
    });
    group.finish();
}

/// A worker's share of the pipeline.
struct Meter {
    cache: FlowCache,
    batch: Batch,
    records: Vec<FlowRecord>,
    clock: u64,
    expired: u64,
}

impl Meter {
    fn new(max_flows: u64) -> Self {
        let max_flows = usize::try_from(max_flows).expect("it fits into memory");
        Self {
            // What is measured must not depend on how long it is measured.
            cache: FlowCache::new(Config {
                max_flows,
                active_timeout: Duration::from_secs(1 << 30),
                idle_timeout: Duration::from_secs(1 << 30),
                ..Config::default()
            }),
            batch: Batch::default(),
            records: Vec::new(),
            clock: 1_700_000_000_000_000_000,
            expired: 0,
        }
    }

    fn observe(&mut self, flow: u64) {
        self.enqueue(flow);
        if self.batch.len() as u64 == BATCH {
            self.meter(None);
        }
    }

    fn enqueue(&mut self, flow: u64) {
        self.clock += 1_000;
        let Self { cache, batch, clock, .. } = self;
        let put = |headers: &mut Headers| {
            let [.., a, b, c, d] = flow.wrapping_mul(0x9e37_79b1).to_be_bytes();
            *headers = TEMPLATE;
            headers.at = Timestamp::from_nanos(*clock);
            headers.source = Address::v4([a, b, c, d]);
            Ok::<_, ()>(())
        };
        let _ = black_box(cache.enqueue_with(batch, put).is_ok());
    }

    fn meter(&mut self, sweep: Option<Sweep>) {
        self.cache.meter(&mut self.batch, Turn::Any, sweep, &mut self.records);
    }

    fn end_block(&mut self) {
        self.meter(Some(Sweep { now: Timestamp::from_nanos(self.clock), budget: 4_096 }));
        self.expired += black_box(&self.records).len() as u64;
        self.records.clear();
    }
}

const TEMPLATE: Headers = Headers {
    interface: 1,
    destination: Address::v4([192, 0, 2, 1]),
    source_port: 40_000,
    destination_port: 443,
    ip_length: 1_500,
    protocol: 6,
    ttl: 64,
    tcp_flags: 0x10,
    tcp_window: 64_240,
    mac: Some(MacAddresses { source: [2; 6], destination: [4; 6] }),
    ..Headers::BLANK
};

/// Benches that run as tests need not be large.
fn in_proportion(flows: u64) -> u64 {
    let is_test = std::env::args().any(|argument| argument == "--test") || cfg!(debug_assertions);
    if is_test { flows / 100 } else { flows }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}

/// Packets between two looks at the clock, and in a batch, as in the pipeline.
const BLOCK: u64 = 4_096;
const BATCH: u64 = 512;

criterion_group!(benches, flow);
criterion_main!(benches);
