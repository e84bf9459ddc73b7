//! Threads, clocks and books: joins capture, decode, flow and export into a run.
//!
//! One thread a worker, one a collector. A worker takes a block of frames from its source, decodes
//! them, meters them in small batches and hands over what expired. Nothing flows back but counters.

mod arrivals;
mod clock;
mod departures;
mod ledger;
mod live;
mod open_books;
mod orders;
mod replay;
mod survey;
mod symptoms;
#[cfg(test)]
mod testing;
mod traffic;
mod twin;
mod worker;

pub use arrivals::{Received, SizeCounts, size_limit};
pub use departures::{Departures, LATENESS, PORT_RANGES, PROTOCOLS, SERVICES, Services, Sums};
pub use ledger::{Imbalance, Ledger};
pub use live::{LiveFrames, LiveRun, processors};
pub use open_books::{OpenBooks, Page};
pub use orders::{Running, Watch};
pub use replay::{replay, replay_counted, replay_twins};
pub use survey::{Survey, SurveyConfig, survey};
pub use symptoms::{Suspects, SymptomCounts};
pub use traffic::{CountedSource, PerUnit, Traffic, TrafficTotal};
pub use twin::{Filling, Replaced};

use std::any::Any;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::CaptureError;
use crate::capture::truncation::Reach;
use crate::decode;
use crate::export::{Exporter, Metering, RecordBatch, TargetReport};
use crate::flow::{self, FlowCache, PacketFilter};
use crate::pipeline::departures::Due;
use crate::time::Timestamp;

/// What a run is made of, apart from its source and its targets.
#[derive(Clone, Debug)]
pub struct Config {
    /// How frames are decoded.
    pub decode: decode::Config,
    /// Which packets are metered; all without one.
    pub filter: Option<Arc<PacketFilter>>,
    /// How packets are metered.
    pub flow: flow::Config,
    /// Worker threads.
    pub workers: usize,
}

/// How far into a frame capture lets headers through for a decoder with this configuration.
pub const fn reach(decode: decode::Config) -> Reach {
    match decode.tunnels {
        decode::Tunnels::Inner => Reach::Inner,
        decode::Tunnels::Outer => Reach::Outer,
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The books.
    pub ledger: Ledger,
    /// What went wrong at the sources, in the order met.
    pub capture_errors: Vec<CaptureError>,
    /// Workers that died of a defect, by what they said. Their share of the books is lost.
    pub panics: Vec<String>,
    /// What became of the records at each target.
    pub targets: Vec<TargetReport>,
    /// Live: what the records told of the mirror and of the box.
    pub symptoms: Option<SymptomCounts>,
}

/// What a worker brings home.
struct Share {
    ledger: Ledger,
    capture_errors: Vec<CaptureError>,
    /// The clock after this worker's last block, and the block's ticket.
    clock: (u64, Timestamp),
}

/// Collects the shares of all workers, flushes the cache and closes the targets.
fn close_books(
    shares: Vec<thread::Result<Share>>,
    cache: &FlowCache,
    exporter: Exporter,
    metering: &Metering,
    books: Option<(&OpenBooks, &Suspects)>,
    started: Instant,
) -> Outcome {
    let mut outcome = Outcome {
        ledger: Ledger::default(),
        capture_errors: Vec::new(),
        panics: Vec::new(),
        targets: Vec::new(),
        symptoms: None,
    };
    let mut clock = (0, Timestamp::EPOCH);
    for share in shares {
        match share {
            Ok(share) => {
                outcome.ledger.merge(&share.ledger);
                outcome.capture_errors.extend(share.capture_errors);
                clock = clock.max(share.clock);
            }
            Err(panic) => outcome.panics.push(what_it_said(panic.as_ref())),
        }
    }
    let interfaces = metering.points.len();
    cache.flush(clock.1, |records| {
        outcome.ledger.count_exported(&records);
        if let Some((books, suspects)) = books {
            books.count_flushed(&records, clock.1, &Due::now(metering), suspects);
        }
        exporter.send_patiently(&Arc::new(RecordBatch { records, clock: clock.1, interfaces }));
    });
    outcome.ledger.peak_flows = cache.peak_flows() as u64;
    if let Some((books, _)) = books {
        books.tell_flows(cache.flows(), cache.peak_flows(), cache.begun_flows());
        outcome.symptoms = Some(books.read().symptoms());
    }
    outcome.targets = exporter.finish();
    outcome.ledger.elapsed = since(started);
    outcome
}

/// Wakes workers that wait for the turn of one that has died.
struct CloseOnPanic<'a>(&'a FlowCache);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

fn what_it_said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "the pipeline is where time enters")]
fn now() -> Instant {
    Instant::now()
}

fn since(started: Instant) -> Duration {
    now().duration_since(started)
}

#[cfg(test)]
mod tests;
