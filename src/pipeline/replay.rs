//! A run over capture files, on the capture's own clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::capture::file::{DescribedInterface, Replay};
use crate::capture::truncation::{Reach, cut};
use crate::capture::{FrameSource, Polled};
use crate::export::{Exporter, Interface, Metering};
use crate::flow::{FlowCache, Sweep, Turn};
use crate::frame::Frame;
use crate::pipeline::traffic::{Count, TrafficTotal};
use crate::pipeline::twin::{Filling, Replaced, Twins};
use crate::pipeline::worker::Worker;
use crate::pipeline::{CloseOnPanic, Config, Outcome, Share, close_books, now, reach};
use crate::time::Timestamp;

/// Reads `files` to their end, meters every packet and hands every record to `exporter`.
///
/// The same files give the same records whatever the number of workers: blocks of frames enter the
/// cache in the order of the capture. With one worker they also leave in the same order each time.
///
/// Once `stop` is set nothing more is read; what was read is accounted for all the same.
///
/// Observation Points are added to `metering` as the files describe them.
pub fn replay(
    config: Config,
    metering: &Metering,
    files: &Replay,
    exporter: Exporter,
    stop: &AtomicBool,
) -> Outcome {
    let reach = reach(config.decode);
    replay_with(config, metering, files, exporter, stop, || Cut(reach)).0
}

/// As [`replay`], and counts the frames by their times.
pub fn replay_counted(
    config: Config,
    metering: &Metering,
    files: &Replay,
    exporter: Exporter,
    stop: &AtomicBool,
    traffic: &TrafficTotal,
) -> Outcome {
    let reach = reach(config.decode);
    replay_with(config, metering, files, exporter, stop, || Count::new(reach, traffic)).0
}

/// As [`replay`], but of the twins of the frames, which have this in the place of every octet behind
/// their last header; and nothing is cut off. Says how much was replaced, too.
pub fn replay_twins(
    config: Config,
    metering: &Metering,
    files: &Replay,
    exporter: Exporter,
    filling: Filling,
) -> (Outcome, Replaced) {
    let reach = reach(config.decode);
    let never = AtomicBool::new(false);
    replay_with(config, metering, files, exporter, &never, || Twins::new(filling, reach))
}

/// What is done with a frame of a file before it is metered.
pub(super) trait Treatment {
    /// Has a worker meter this frame.
    fn observe(&mut self, worker: &mut Worker<'_>, frame: Frame<'_>);

    /// What was replaced so far.
    fn replaced(&self) -> Replaced {
        Replaced::default()
    }
}

/// The frame ends with its last header.
struct Cut(Reach);

impl Treatment for Cut {
    #[inline]
    fn observe(&mut self, worker: &mut Worker<'_>, frame: Frame<'_>) {
        // The cut believes no length below what was captured; the books are those of the file.
        worker.observe(&cut(frame, self.0), frame.wire_length);
    }
}

fn replay_with<T: Treatment>(
    config: Config,
    metering: &Metering,
    files: &Replay,
    exporter: Exporter,
    stop: &AtomicBool,
    treatment: impl Fn() -> T + Sync,
) -> (Outcome, Replaced) {
    let started = now();
    let cache = FlowCache::new(config.flow);
    let workers = config.workers.max(1);
    let (config, treatment) = (&config, &treatment);
    let replaced = Mutex::new(Replaced::default());
    let shares = thread::scope(|scope| {
        let spawn = |_| {
            let (cache, exporter, replaced) = (&cache, &exporter, &replaced);
            scope.spawn(move || {
                let _guard = CloseOnPanic(cache);
                let mut worker = Worker::new(config, cache, exporter, metering, workers > 1);
                // What a block ends in a flood is handed over as it is, and not copied.
                worker.records_at_once = BLOCK;
                let mut treatment = treatment();
                let share = read(worker, &mut treatment, metering, files, workers > 1, stop);
                let mut replaced = replaced.lock().unwrap_or_else(PoisonError::into_inner);
                replaced.add(treatment.replaced());
                share
            })
        };
        let threads: Vec<_> = (0..workers).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    learn_interfaces(metering, files, usize::MAX);
    let mut outcome = close_books(shares, &cache, exporter, metering, None, started);
    outcome.ledger.clock_steps = files.clock_steps();
    (outcome, replaced.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn read(
    mut worker: Worker<'_>,
    treatment: &mut impl Treatment,
    metering: &Metering,
    files: &Replay,
    ordered: bool,
    stop: &AtomicBool,
) -> Share {
    let mut source = files.source();
    let mut capture_errors = Vec::new();
    let mut last = (0, Timestamp::EPOCH);
    // Between blocks only: a ticket that was drawn has to have its turn.
    while !stop.load(Ordering::Relaxed) {
        let observe = |frame: Frame<'_>| treatment.observe(&mut worker, frame);
        match source.poll(BLOCK, Duration::ZERO, observe) {
            Ok(Polled::Frames { ticket, clock, .. }) => {
                if source.interfaces_described() > worker.interfaces {
                    worker.interfaces = source.interfaces_described();
                    learn_interfaces(metering, files, worker.interfaces);
                }
                worker.count_drops(source.drops(), clock);
                let turn = if ordered { Turn::Ticket(ticket) } else { Turn::Any };
                let sweep = Sweep { now: clock, budget: SWEEP_BUDGET };
                worker.end_block(turn, Some(sweep), clock);
                last = (ticket, clock);
            }
            Ok(Polled::End) => break,
            Err(error) => capture_errors.push(error),
        }
    }
    worker.count_drops(source.drops(), last.1);
    worker.tell_ignored();
    Share { ledger: worker.ledger, capture_errors, clock: last }
}

/// Makes the first `known` interfaces of the capture known to the Exporting Process.
fn learn_interfaces(metering: &Metering, files: &Replay, known: usize) {
    metering.points.learn(known, |start, end| {
        let interface = |DescribedInterface { number, name, description }| {
            Interface::new(number, &name, &description)
        };
        files.described(start, end).into_iter().map(interface).collect()
    });
}

/// Frames read at once. Expiry by the clock happens between blocks, so the size is part of what
/// makes a replay repeatable and does not depend on the number of workers.
const BLOCK: usize = 2048;
/// Records a shard may export between two blocks: bounds what a leap of the capture's clock can
/// put into memory at once. The rest follows after the next block.
const SWEEP_BUDGET: usize = 4096;
