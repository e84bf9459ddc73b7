//! Flow Records into Messages: how fast one core encodes.
//!
//! `encode/file` goes through everything but the disk: the queue, the thread, the encoder and the
//! buffer of an IPFIX File that is `/dev/null`. 8,192 records of some 300 octets are 2.5 MiB: they
//! fit the second-level cache at best, as records that just expired do.
//!
//! `sink` gives the same records to each kind of target on this machine: a file on the disk under
//! the temporary folder, packed or not, and nothing at all, which is the way to the targets alone.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use flowtap::decode::{Address, IpVersion, MacAddresses, MplsLabels, VlanTags};
use flowtap::export::{Config, Exporter, Pace, RecordBatch, Target};
use flowtap::flow::{Direction, FlowEndReason, FlowRecord};
use flowtap::time::Timestamp;

const RECORDS: u32 = 8_192;

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(u64::from(RECORDS * ROUNDS)));
    for (name, record) in [
        ("file/tcp_biflow", tcp_biflow as fn(u32) -> FlowRecord),
        ("file/udp_uniflow", udp_uniflow),
        // Every record has another layout than the one before it: a new Set each.
        ("file/mixed", mixed),
    ] {
        let batches = batches(record);
        let config = config(Target::file("/dev/null"));
        group.bench_function(name, |b| bench(b, &config, &batches));
    }
    group.finish();
}

/// Records under a privacy policy, policy and encoding in one thread: addresses that come back, as
/// most do, and two hostile cases of more addresses and networks than any table of ours holds.
fn privacy(c: &mut Criterion) {
    let mut group = c.benchmark_group("privacy");
    group.throughput(Throughput::Elements(u64::from(RECORDS * ROUNDS))).sample_size(20);
    for (name, record, options) in [
        ("as_is/mixed", mixed as fn(u32) -> FlowRecord, ""),
        ("pseudonyms/mixed", mixed, "?privacy=obfuscated"),
        ("pseudonyms/v4_scattered", scattered_v4, "?privacy=obfuscated"),
        ("pseudonyms/v6_scattered", scattered_v6, "?privacy=obfuscated"),
        ("prefixes/mixed", mixed, "?privacy=obfuscated&addresses=prefix"),
        ("sums/mixed", mixed, "?privacy=statistical&net=10.0.0.0/8"),
        ("sums/v4_scattered", scattered_v4, "?privacy=statistical&net=10.0.0.0/8"),
    ] {
        let batches = batches(record);
        let config = config(format!("file:/dev/null{options}").parse().expect("a target"));
        group.bench_function(name, |b| bench(b, &config, &batches));
    }
    group.finish();
}

fn scattered_v4(n: u32) -> FlowRecord {
    let address = |salt: u32| Address::v4(scattered(n, salt).to_be_bytes());
    FlowRecord { source: address(1), destination: address(2), ..tcp_biflow(n) }
}

fn scattered_v6(n: u32) -> FlowRecord {
    let address = |salt: u32| {
        let words = [0, 1, 2, 3].map(|word| scattered(n, salt + word).to_be_bytes());
        let mut octets = [0; 16];
        octets.copy_from_slice(words.as_flattened());
        Address(octets)
    };
    let (source, destination) = (address(0), address(4));
    FlowRecord { version: IpVersion::V6, source, destination, ..tcp_biflow(n) }
}

/// Numbers with no order that are the same each time.
fn scattered(n: u32, salt: u32) -> u32 {
    (n.wrapping_mul(8).wrapping_add(salt)).wrapping_mul(2_654_435_761).rotate_left(16) ^ 0x5bd1_e995
}

fn sink(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("sink");
    group.throughput(Throughput::Elements(u64::from(RECORDS * ROUNDS))).sample_size(20);
    let batches = batches(mixed);
    let path = |name: &str| format!("file:{}", folder.path().join(name).display());
    for (name, target) in [
        ("null", "null:".to_owned()),
        ("file", path("flows.ipfix")),
        ("file_zstd", path("flows.ipfix.zst") + "?compress=zstd"),
        ("json", path("flows.json").replacen("file", "json", 1)),
    ] {
        let target: Target = target.parse().expect("a target");
        group.bench_function(name, |b| bench(b, &config(target.clone()), &batches));
    }
    group.finish();
}

fn bench(b: &mut Bencher<'_>, config: &Config, batches: &[Arc<RecordBatch>]) {
    b.iter_batched(
        || Exporter::start(config, Vec::new()).expect("the target opens"),
        |exporter| {
            for _ in 0..ROUNDS {
                for batch in black_box(batches) {
                    exporter.send(batch);
                }
            }
            exporter.finish()
        },
        BatchSize::PerIteration,
    );
}

fn batches(record: fn(u32) -> FlowRecord) -> Vec<Arc<RecordBatch>> {
    (0..RECORDS / 256)
        .map(|n| {
            let records = (n * 256..(n + 1) * 256).map(record).collect();
            let clock = Timestamp::from_parts(1_700_000_000, 0);
            Arc::new(RecordBatch { records, clock, interfaces: 0 })
        })
        .collect()
}

fn config(target: Target) -> Config {
    Config { targets: vec![target], pace: Pace::Replay, ..Config::default() }
}

fn tcp_biflow(n: u32) -> FlowRecord {
    let direction = Direction {
        packets: 10 + u64::from(n % 7),
        octets: 1_500 + u64::from(n),
        first: Timestamp::from_parts(1_700_000_000, n),
        last: Timestamp::from_parts(1_700_000_050, n),
        minimum_length: 40,
        maximum_length: 1_500,
        tcp_flags: 0x1b,
        minimum_ttl: 60,
        maximum_ttl: 64,
        tos: 0,
        tcp_window: 64_240,
        tcp_sequence: n,
        icmp_type_code: 0,
        flow_label: 0,
        fragments: 0,
    };
    let [a, b, c, d] = n.to_be_bytes();
    FlowRecord {
        flow_id: n.into(),
        interface: 1,
        version: IpVersion::V4,
        protocol: 6,
        end_reason: FlowEndReason::IdleTimeout,
        source: Address::v4([10, b, c, d]),
        destination: Address::v4([192, 0, 2, a]),
        source_port: 40_000,
        destination_port: 443,
        forward: direction,
        reverse: direction,
        mac: Some(MacAddresses { source: [2; 6], destination: [4; 6] }),
        vlan: VlanTags::default(),
        mpls: MplsLabels::default(),
        tunnel: None,
    }
}

fn udp_uniflow(n: u32) -> FlowRecord {
    FlowRecord { protocol: 17, reverse: Direction::default(), ..tcp_biflow(n) }
}

fn mixed(n: u32) -> FlowRecord {
    // A fixed shuffle, so that no two runs of the same kind teach the branch predictor.
    match n.wrapping_mul(2_654_435_761) >> 29 {
        0 | 1 => tcp_biflow(n),
        2 => udp_uniflow(n),
        3 => FlowRecord { version: IpVersion::V6, ..tcp_biflow(n) },
        4 => FlowRecord { version: IpVersion::V6, ..udp_uniflow(n) },
        5 => FlowRecord { protocol: 1, ..tcp_biflow(n) },
        6 => FlowRecord { vlan: VlanTags { outer: 5, inner: 0, count: 1 }, ..tcp_biflow(n) },
        _ => FlowRecord { protocol: 17, ..tcp_biflow(n) },
    }
}

/// Times the same records are sent, so that starting a thread does not count.
const ROUNDS: u32 = 16;

criterion_group!(benches, encode, privacy, sink);
criterion_main!(benches);
