//! A run over live interfaces, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use core_affinity::CoreId;

use crate::capture::live::{LiveSource, Notice};
use crate::capture::{FrameSource, Polled};
use crate::export::Exporter;
use crate::flow::{FlowCache, Sweep, Turn};
use crate::pipeline::clock::LiveClock;
use crate::pipeline::worker::Worker;
use crate::pipeline::{CloseOnPanic, Config, Outcome, Share, close_books, now};
use crate::time::Timestamp;

/// A live run, ready to start.
#[derive(Debug)]
pub struct LiveRun {
    /// How to meter; as many workers as sources.
    pub config: Config,
    /// Opened sources, one for each worker.
    pub sources: Vec<LiveSource>,
    /// Set it to stop the run: what the kernel holds is still metered, then everything is flushed.
    pub stop: Arc<AtomicBool>,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// The wall clock now: where packet time begins until the first packet tells.
    pub wall_clock: Timestamp,
}

impl LiveRun {
    /// Captures until told to stop. `notify` hears of interfaces that go down and come back.
    pub fn run(self, exporter: Exporter, notify: impl Fn(&Notice) + Sync) -> Outcome {
        let started = now();
        let Self { config, sources, stop, duration, wall_clock } = self;
        let cache = FlowCache::new(config.flow);
        let clocks = Clocks::new(sources.len(), wall_clock);
        let cores = processors();
        let shares = thread::scope(|scope| {
            let threads: Vec<_> = sources
                .into_iter()
                .enumerate()
                .map(|(number, source)| {
                    let thread = LiveWorker {
                        worker: Worker::new(config.decode, &cache, &exporter, false),
                        source,
                        cache: &cache,
                        clock: LiveClock::new(wall_clock, started),
                        clocks: &clocks,
                        number,
                        stop: &stop,
                    };
                    let core = cores.get(number % cores.len().max(1)).copied();
                    let notify = &notify;
                    scope.spawn(move || thread.run(core, notify))
                })
                .collect();
            wait(&threads, &stop, duration.map(|duration| started + duration));
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        close_books(shares, &cache, config.decode, exporter, started)
    }
}

/// The processors that this process may run on; none where the system does not say.
pub fn processors() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

/// One worker of a live run.
struct LiveWorker<'a> {
    worker: Worker<'a>,
    source: LiveSource,
    cache: &'a FlowCache,
    clock: LiveClock,
    clocks: &'a Clocks,
    number: usize,
    stop: &'a AtomicBool,
}

impl LiveWorker<'_> {
    fn run(mut self, core: Option<CoreId>, notify: &(dyn Fn(&Notice) + Sync)) -> Share {
        let _guard = CloseOnPanic(self.cache);
        if let Some(core) = core {
            // Refused in some containers; the worker then runs where the system puts it.
            let _ = core_affinity::set_for_current(core);
        }
        let mut capture_errors = Vec::new();
        let mut swept = now();
        let mut stopped = false;
        loop {
            if self.stop.load(Ordering::Relaxed) && !stopped {
                self.source.stop();
                stopped = true;
            }
            let Self { worker, source, .. } = &mut self;
            let polled = source.poll(BLOCK, PATIENCE, |frame| worker.observe(&frame));
            self.source.notices().iter().for_each(notify);
            let at = now();
            match polled {
                Ok(Polled::Frames { count: 0, .. }) => self.clock.advance_in_silence(at),
                Ok(Polled::Frames { clock, .. }) => self.clock.advance_to(clock, at),
                Ok(Polled::End) => break,
                Err(error) => {
                    capture_errors.push(error);
                    break;
                }
            }
            let common = self.clocks.publish(self.number, self.clock.now());
            let sweep = (at.duration_since(swept) >= SWEEP_INTERVAL).then(|| {
                swept = at;
                Sweep { now: common, budget: self.cache.flows() / SPREAD + MIN_BUDGET }
            });
            self.worker.end_block(Turn::Any, sweep, common);
        }
        self.worker.end_block(Turn::Any, None, self.clock.now());
        self.clocks.retire(self.number);
        self.worker.ledger.drops = self.source.drops();
        self.worker.ledger.clock_steps = self.clock.steps();
        Share { ledger: self.worker.ledger, capture_errors, clock: (0, self.clock.now()) }
    }
}

/// Packet time as each worker knows it. Flows are shared, so the slowest worker's time counts: a
/// Flow must not be called idle while its packets wait in another worker's ring.
#[derive(Debug)]
struct Clocks(Vec<AtomicU64>);

impl Clocks {
    fn new(workers: usize, start: Timestamp) -> Self {
        Self((0..workers).map(|_| AtomicU64::new(start.as_nanos())).collect())
    }

    /// Tells one worker's time, and returns that of the slowest.
    fn publish(&self, worker: usize, time: Timestamp) -> Timestamp {
        if let Some(clock) = self.0.get(worker) {
            clock.store(time.as_nanos(), Ordering::Relaxed);
        }
        let slowest = self.0.iter().map(|clock| clock.load(Ordering::Relaxed)).min();
        Timestamp::from_nanos(slowest.unwrap_or(0))
    }

    /// A worker that has ended holds nobody up.
    fn retire(&self, worker: usize) {
        self.publish(worker, Timestamp::MAX);
    }
}

/// Waits until the run is over, and says so to the workers.
fn wait(threads: &[ScopedJoinHandle<'_, Share>], stop: &AtomicBool, until: Option<Instant>) {
    while !stop.load(Ordering::Relaxed)
        && until.is_none_or(|until| now() < until)
        && !threads.iter().any(ScopedJoinHandle::is_finished)
    {
        thread::sleep(CHECK_INTERVAL);
    }
    stop.store(true, Ordering::Relaxed);
}

/// Frames taken from a ring between two looks at the clock.
const BLOCK: usize = 4096;
/// How long a worker waits for a frame before it looks at the clock again.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often a worker looks for Flows that are due.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);
/// A burst of deadlines is spread: of sixteen shards each exports in one sweep an eighth of its
/// Flows at most. All have left after a tenth of a second or so, and sockets have room to breathe.
const SPREAD: usize = 128;
const MIN_BUDGET: usize = 64;
/// How often the run looks whether it is over.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
