//! The whole replay path: a capture file in, an IPFIX file out, one worker.
//!
//! `cargo bench --bench replay` prints packets a second. The captures are made by `workload` in a
//! temporary folder (or in `FLOWTAP_WORKLOADS`, where they stay) and read from the page cache.

mod workload;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowtap::capture::file::Replay;
use flowtap::export::{Exporter, Metering, Pace, Target};
use flowtap::{decode, export, flow, pipeline};

use crate::workload::Workload;

/// Enough packets for a steady state; a hundredth of it when benches run as tests.
const PACKETS: u64 = 2_000_000;

fn replay(c: &mut Criterion) {
    let packets = if is_test() { PACKETS / 100 } else { PACKETS };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(packets)).sample_size(10);
    group.measurement_time(Duration::from_secs(10));
    for name in ["w1", "w2", "w3", "w4", "w5"] {
        let capture = workload(folder.path(), name, packets);
        for (sink, target) in
            [("ipfix", Target::file(folder.path().join("flows.ipfix"))), ("null", Target::Null)]
        {
            group.bench_function(format!("{name}/{sink}"), |b| {
                b.iter(|| meter(&capture, target.clone(), packets));
            });
        }
    }
    group.finish();
}

fn meter(capture: &Path, target: Target, packets: u64) {
    let files = Replay::open(&[capture]).expect("a capture");
    let config =
        export::Config { targets: vec![target], pace: Pace::Replay, ..export::Config::default() };
    let exporter = Exporter::start(&config, Vec::new()).expect("a target");
    let config = pipeline::Config {
        decode: decode::Config { tunnels: decode::Tunnels::Inner },
        filter: None,
        flow: flow::Config::default(),
        workers: 1,
    };
    let (metering, stop) = (Metering::default(), AtomicBool::new(false));
    let outcome = pipeline::replay(config, &metering, &files, exporter, &stop);
    assert_eq!(outcome.ledger.check(), Ok(()));
    assert_eq!(outcome.ledger.metered_packets, packets);
}

fn workload(folder: &Path, name: &str, packets: u64) -> PathBuf {
    let folder =
        std::env::var_os("FLOWTAP_WORKLOADS").map_or_else(|| folder.to_owned(), PathBuf::from);
    let path = folder.join(format!("{name}_{packets}.pcap"));
    if !path.exists() {
        let workload = Workload::named(name, Some(packets)).expect("it is one of them");
        workload.write_to(&path).expect("room for the workload");
    }
    path
}

/// Criterion runs each bench once when cargo tests it.
fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test") || cfg!(debug_assertions)
}

criterion_group!(benches, replay);
criterion_main!(benches);
