//! A run over capture files, on the capture's own clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::capture::file::{FileSource, Replay};
use crate::capture::{FrameSource, Polled};
use crate::export::Exporter;
use crate::flow::{FlowCache, Sweep, Turn};
use crate::pipeline::worker::Worker;
use crate::pipeline::{CloseOnPanic, Config, Outcome, Share, close_books, now};
use crate::time::Timestamp;

/// Reads `files` to their end, meters every packet and hands every record to `exporter`.
///
/// The same files give the same records whatever the number of workers: blocks of frames enter the
/// cache in the order of the capture. With one worker they also leave in the same order each time.
///
/// Once `stop` is set nothing more is read; what was read is accounted for all the same.
pub fn replay(config: Config, files: &Replay, exporter: Exporter, stop: &AtomicBool) -> Outcome {
    let started = now();
    let cache = FlowCache::new(config.flow);
    let workers = config.workers.max(1);
    let shares = thread::scope(|scope| {
        let spawn = |_| {
            let (cache, exporter) = (&cache, &exporter);
            scope.spawn(move || {
                let _guard = CloseOnPanic(cache);
                let worker = Worker::new(config.decode, cache, exporter, workers > 1);
                read(worker, files.source(), workers > 1, stop)
            })
        };
        let threads: Vec<_> = (0..workers).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut outcome = close_books(shares, &cache, exporter, started);
    outcome.ledger.clock_steps = files.clock_steps();
    outcome
}

fn read(mut worker: Worker<'_>, mut source: FileSource, ordered: bool, stop: &AtomicBool) -> Share {
    let mut capture_errors = Vec::new();
    let mut last = (0, Timestamp::EPOCH);
    // Between blocks only: a ticket that was drawn has to have its turn.
    while !stop.load(Ordering::Relaxed) {
        match source.poll(BLOCK, Duration::ZERO, |frame| worker.observe(&frame)) {
            Ok(Polled::Frames { ticket, clock, .. }) => {
                let turn = if ordered { Turn::Ticket(ticket) } else { Turn::Any };
                let sweep = Sweep { now: clock, budget: SWEEP_BUDGET };
                worker.end_block(turn, Some(sweep), clock);
                last = (ticket, clock);
            }
            Ok(Polled::End) => break,
            Err(error) => capture_errors.push(error),
        }
    }
    worker.ledger.drops = source.drops();
    Share { ledger: worker.ledger, capture_errors, clock: last }
}

/// Frames read at once. Expiry by the clock happens between blocks, so the size is part of what
/// makes a replay repeatable and does not depend on the number of workers.
const BLOCK: usize = 4096;
/// Records a shard may export between two blocks: bounds what a leap of the capture's clock can
/// put into memory at once. The rest follows after the next block.
const SWEEP_BUDGET: usize = 4096;
