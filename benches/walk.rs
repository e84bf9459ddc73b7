//! How fast capture files are walked: records a second, without any decoding; mapped, and the same
//! files read.

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowtap::capture::file::Replay;
use flowtap::capture::{FrameSource, Polled};

fn walk(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let mut group = criterion.benchmark_group("walk");
    group.sample_size(20).throughput(Throughput::Elements(RECORDS.into()));
    for (name, sizes) in SIZES {
        for (format, write) in FORMATS {
            let path = folder.path().join(format!("{name}.{format}"));
            std::fs::write(&path, write(sizes)).expect("room for a temporary file");
            for (way, open) in WAYS {
                group.bench_function(
                    BenchmarkId::new(format!("{format}/{name}"), way),
                    |bencher| {
                        bencher.iter(|| assert_eq!(walk_once(&open(&path)), RECORDS as usize));
                    },
                );
            }
            std::fs::remove_file(&path).expect("it was written");
        }
    }
    let packed = folder.path().join("packed");
    let octets = pcap(HEADER_CUT);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&octets).expect("writing to memory");
    std::fs::write(&packed, gzip.finish().expect("writing to memory")).expect("room");
    group.bench_function(BenchmarkId::new("gzip", "header_cut"), |bencher| {
        bencher.iter(|| assert_eq!(walk_once(&mapped(&packed)), RECORDS as usize));
    });
    let zstd = zstd::encode_all(octets.as_slice(), 3).expect("writing to memory");
    std::fs::write(&packed, zstd).expect("room for a temporary file");
    group.bench_function(BenchmarkId::new("zstd", "header_cut"), |bencher| {
        bencher.iter(|| assert_eq!(walk_once(&mapped(&packed)), RECORDS as usize));
    });
    group.finish();
}

/// Walks a file in batches as the pipeline does, and touches what a decoder would.
fn walk_once(replay: &Replay) -> usize {
    let mut source = replay.source();
    let mut sum = 0_u64;
    let mut frames = 0;
    while let Polled::Frames { count, .. } = source
        .poll(4_096, Duration::ZERO, |frame| {
            let octets = frame.bytes.first_chunk::<34>().map_or(0, |head| u64::from(head[23]));
            sum = sum.wrapping_add(octets + frame.at.as_nanos());
        })
        .expect("a whole capture")
    {
        frames += count;
    }
    black_box(sum);
    frames
}

/// Records of slightly different lengths, so that no branch predictor learns them.
fn pcap(sizes: &[u32]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(u32::to_le_bytes(word));
    }
    for (seconds, captured) in records(sizes) {
        for word in [seconds, 999, captured, 1_514] {
            file.extend(u32::to_le_bytes(word));
        }
        file.extend(std::iter::repeat_n(captured.to_le_bytes()[0], captured as usize));
    }
    file
}

fn pcapng(sizes: &[u32]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, 0, 20] {
        file.extend(u32::to_le_bytes(word));
    }
    for (seconds, captured) in records(sizes) {
        let padded = captured.next_multiple_of(4);
        for word in [6, padded + 32, 0, 0, seconds, captured, 1_514] {
            file.extend(u32::to_le_bytes(word));
        }
        file.extend(std::iter::repeat_n(captured.to_le_bytes()[0], padded as usize));
        file.extend(u32::to_le_bytes(padded + 32));
    }
    file
}

/// Seconds and captured octets of each record.
fn records(sizes: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    let mut state = 1_u32;
    (0..RECORDS).map(move |index| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let any = (state >> 16) as usize % sizes.len();
        let size = sizes.get(any).copied().unwrap_or_default();
        (1_700_000_000 + index / 100_000, size + (state >> 28))
    })
}

fn mapped(path: &Path) -> Replay {
    Replay::open(&[path]).expect("a capture")
}

fn read(path: &Path) -> Replay {
    Replay::open_unmapped(&[path]).expect("a capture")
}

type Format = fn(&[u32]) -> Vec<u8>;
type Way = fn(&Path) -> Replay;

const FORMATS: [(&str, Format); 2] = [("pcap", pcap), ("pcapng", pcapng)];
const WAYS: [(&str, Way); 2] = [("mapped", mapped), ("read", read)];
/// What is captured of the packets, up to 15 octets more.
const SIZES: [(&str, &[u32]); 3] = [
    ("header_cut", HEADER_CUT),
    ("mixed", &[50, 50, 50, 50, 50, 50, 50, 562, 562, 562, 562, 1_486]),
    ("whole", &[1_400]),
];
const HEADER_CUT: &[u32] = &[58];
const RECORDS: u32 = 1_000_000;

criterion_group!(benches, walk);
criterion_main!(benches);
