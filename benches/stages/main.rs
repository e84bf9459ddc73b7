//! The stages of a replay, one on top of the other, over a capture file: what each of them costs.
//!
//! `cargo run --release --example stages -- walk w1.pcap`. Each stage does all that the ones before
//! it do, in the batches of the pipeline, on one thread; the difference between two is the price of
//! one. `scripts/bench` puts them beside the whole program and beside others.

use std::cell::RefCell;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use flowtap::capture::file::Replay;
use flowtap::capture::{FrameSource, Polled};
use flowtap::decode::{self, Headers, Tunnels};
use flowtap::flow::{self, Batch, FlowCache, FlowRecord, Sweep, Turn};
use flowtap::frame::Frame;
use flowtap::time::Timestamp;

/// Runs a replay up to one of its stages
#[derive(Debug, Parser)]
struct Arguments {
    /// The last stage
    stage: Stage,
    /// The capture
    file: PathBuf,
    /// Bound of the flow cache
    #[arg(long, value_name = "N")]
    max_flows: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stage {
    /// Find every packet in the file, and touch its first cache line
    Walk,
    /// Read its headers
    Decode,
    /// Account it to its flow; what expires is counted and dropped
    Meter,
}

fn main() -> anyhow::Result<()> {
    let Arguments { stage, file, max_flows } = Arguments::parse();
    let replay = Replay::open(&[file])?;
    let (packets, records) = match stage {
        Stage::Walk => (walk(&replay)?, 0),
        Stage::Decode => (decode(&replay)?, 0),
        Stage::Meter => meter(&replay, max_flows)?,
    };
    println!("{}", serde_json::json!({ "packets": packets, "records": records }));
    Ok(())
}

fn walk(replay: &Replay) -> anyhow::Result<u64> {
    let mut sum = 0_u64;
    let packets = blocks(
        replay,
        |frame| {
            let octet = frame.bytes.get(23).map_or(0, |&octet| u64::from(octet));
            sum = sum.wrapping_add(octet + frame.at.as_nanos());
        },
        |_| {},
    );
    black_box(sum);
    packets
}

fn decode(replay: &Replay) -> anyhow::Result<u64> {
    // As many places as the pipeline uses, so that the results go through the same caches.
    let mut places = vec![Headers::BLANK; BATCH];
    let mut next = 0;
    let mut packets = 0;
    blocks(
        replay,
        |frame| {
            let Some(place) = places.get_mut(next) else { return };
            if decode::decode_into(&frame, DECODE, place).is_ok() {
                packets += 1;
                next += 1;
                if next == BATCH {
                    black_box(&places);
                    next = 0;
                }
            }
        },
        |_| {},
    )?;
    Ok(packets)
}

fn meter(replay: &Replay, max_flows: Option<usize>) -> anyhow::Result<(u64, u64)> {
    let mut config = flow::Config::default();
    config.max_flows = max_flows.unwrap_or(config.max_flows);
    let cache = FlowCache::new(config);
    let mut packets = 0;
    let mut records = 0;
    // Two closures use them, one at a time.
    let metering = &RefCell::new((Batch::default(), Vec::<FlowRecord>::new()));
    let mut clock = Timestamp::EPOCH;
    blocks(
        replay,
        |frame| {
            let (batch, expired) = &mut *metering.borrow_mut();
            let put = |headers: &mut Headers| decode::decode_into(&frame, DECODE, headers);
            if cache.enqueue_with(batch, put).is_ok() {
                packets += 1;
                if batch.len() == BATCH {
                    cache.meter(batch, Turn::Any, None, expired);
                }
            }
        },
        |now| {
            let (batch, expired) = &mut *metering.borrow_mut();
            cache.meter(batch, Turn::Any, Some(Sweep { now, budget: 4_096 }), expired);
            records += black_box(&*expired).len() as u64;
            expired.clear();
            clock = now;
        },
    )?;
    cache.flush(clock, |expired| records += black_box(expired).len() as u64);
    Ok((packets, records))
}

/// Reads to the end: calls `each` for every frame, `end` after each block with the capture's clock.
fn blocks(
    replay: &Replay,
    mut each: impl FnMut(Frame<'_>),
    mut end: impl FnMut(Timestamp),
) -> anyhow::Result<u64> {
    let mut source = replay.source();
    let mut packets = 0;
    while let Polled::Frames { count, clock, .. } = source.poll(BLOCK, Duration::ZERO, &mut each)? {
        packets += count as u64;
        end(clock);
    }
    Ok(packets)
}

const DECODE: decode::Config = decode::Config { tunnels: Tunnels::Inner };

/// As in the pipeline.
const BLOCK: usize = 4_096;
const BATCH: usize = 512;
