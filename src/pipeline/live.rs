//! A run over live interfaces, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use core_affinity::CoreId;

use crate::capture::live::{LiveSource, NewFilter, Notice};
use crate::capture::{Drops, FrameSource, Polled};
use crate::export::{self, Exporter, HighWater, Metering, Observer};
use crate::flow::{self, FlowCache, Sweep, Turn};
use crate::pipeline::arrivals::{Arrivals, Received};
use crate::pipeline::clock::{Clocks, LiveClock};
use crate::pipeline::departures::Departures;
use crate::pipeline::open_books::OpenBooks;
use crate::pipeline::orders::{Order, Orders, Running, Watch};
use crate::pipeline::symptoms::Suspects;
use crate::pipeline::worker::Worker;
use crate::pipeline::{CloseOnPanic, Config, Outcome, Share, close_books, now, since};
use crate::time::Timestamp;

/// What a live run reads: a [`LiveSource`], or a stand-in for one.
pub trait LiveFrames: FrameSource + Send {
    /// As [`LiveSource::stop`].
    fn stop(&mut self);

    /// As [`LiveSource::notices`].
    fn notices(&mut self) -> Vec<Notice>;

    /// As [`LiveSource::refilter`].
    fn refilter(&mut self, filter: &NewFilter);

    /// As [`LiveSource::point_drops`].
    fn point_drops(&mut self) -> Vec<(u32, Drops)>;
}

impl LiveFrames for LiveSource {
    fn stop(&mut self) {
        self.stop();
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.notices()
    }

    fn refilter(&mut self, filter: &NewFilter) {
        self.refilter(filter);
    }

    fn point_drops(&mut self) -> Vec<(u32, Drops)> {
        self.point_drops()
    }
}

/// A live run, ready to start.
#[derive(Debug)]
pub struct LiveRun<S = LiveSource> {
    /// How to meter; as many workers as sources.
    pub config: Config,
    /// What the Exporting Process reports of us; every Observation Point is in it.
    pub metering: Metering,
    /// Opened sources, one for each worker.
    pub sources: Vec<S>,
    /// Set it to stop the run: what the kernel holds is still metered, then everything is flushed.
    pub stop: Arc<AtomicBool>,
    /// Stop after this time; a time beyond all clocks is never.
    pub duration: Option<Duration>,
    /// Hears of a Flow Cache that becomes nearly full.
    pub observer: Observer,
    /// The wall clock now: where packet time begins until the first packet tells.
    pub wall_clock: Timestamp,
    /// Where the run shows how it goes; made for as many workers as there are sources.
    pub books: Arc<OpenBooks>,
    /// What records are held against.
    pub suspects: Suspects,
}

impl<S: LiveFrames> LiveRun<S> {
    /// Captures until told to stop, or until a source fails: then the other sources are emptied as
    /// well. `notify` hears of interfaces that go down and come back, from any thread; `watch` looks
    /// after the workers from this one, and may change what can be changed.
    pub fn run(
        self,
        exporter: Exporter,
        notify: impl Fn(&Notice) + Sync,
        watch: &mut impl Watch,
    ) -> Outcome {
        let started = now();
        let Self {
            config,
            metering,
            sources,
            stop,
            duration,
            observer,
            wall_clock,
            books,
            mut suspects,
        } = self;
        let mut mark = HighWater::default();
        let cache = FlowCache::new(config.flow);
        let clocks = Clocks::new(sources.len(), wall_clock, started);
        // Not `stop` itself: a signal during the flush must not count as the second one.
        let ending = AtomicBool::new(false);
        let orders = Orders::default();
        let running =
            Running { exporter: &exporter, cache: &cache, metering: &metering, orders: &orders };
        let cores = processors();
        let shares = thread::scope(|scope| {
            let threads: Vec<_> = sources
                .into_iter()
                .enumerate()
                .map(|(number, source)| {
                    let mut worker = Worker::new(&config, &cache, &exporter, &metering, false);
                    worker.interfaces = metering.points.len();
                    worker.departures = Some(Departures::default());
                    worker.suspects.clone_from(&suspects);
                    let thread = LiveWorker {
                        worker,
                        source,
                        cache: &cache,
                        clock: clocks.clock(number),
                        number,
                        ending: &ending,
                        books: &books,
                        arrivals: Arrivals::default(),
                        drops: Vec::new(),
                        orders: &orders,
                        order: 0,
                    };
                    let core = cores.get(number % cores.len().max(1)).copied();
                    let notify = &notify;
                    scope.spawn(move || thread.run(core, notify))
                })
                .collect();
            let until = duration.and_then(|duration| started.checked_add(duration));
            wait(&threads, &stop, until, |at| {
                watch.look(&running, at);
                look(&cache, &config.flow, &mut mark, &observer);
            });
            watch.ending();
            ending.store(true, Ordering::Relaxed);
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        if let Some(Order { collectors: Some(collectors), .. }) = orders.after(&mut 0) {
            suspects.collectors = collectors;
        }
        let books = Some((&*books, &suspects));
        let mut outcome = close_books(shares, &cache, exporter, &metering, books, started);
        outcome.ledger.cache_nearly_full = mark.times();
        outcome
    }
}

/// The processors that this process may run on; none where the system does not say.
pub fn processors() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

/// One worker of a live run.
struct LiveWorker<'a, S> {
    worker: Worker<'a>,
    source: S,
    cache: &'a FlowCache,
    clock: LiveClock<'a>,
    number: usize,
    /// Set when the run is to end.
    ending: &'a AtomicBool,
    books: &'a OpenBooks,
    arrivals: Arrivals,
    /// What was dropped of each interface, by its number.
    drops: Vec<(u32, Drops)>,
    orders: &'a Orders,
    /// The number of the order that was followed last.
    order: u64,
}

impl<S: LiveFrames> LiveWorker<'_, S> {
    fn run(mut self, core: Option<CoreId>, notify: &(dyn Fn(&Notice) + Sync)) -> Share {
        let _guard = CloseOnPanic(self.cache);
        let _at_work = self.books.at_work();
        if let Some(core) = core {
            // Refused in some containers; the worker then runs where the system puts it.
            let _ = core_affinity::set_for_current(core);
        }
        let mut capture_errors = Vec::new();
        let mut swept = now();
        let mut counted = swept;
        let mut published = swept;
        let mut stopped = false;
        let mut patience = PATIENCE;
        loop {
            if self.ending.load(Ordering::Relaxed) && !stopped {
                self.source.stop();
                stopped = true;
            }
            if let Some(order) = self.orders.after(&mut self.order) {
                self.follow(order);
            }
            let Self { worker, source, arrivals, .. } = &mut self;
            let polled = source.poll(BLOCK, patience, |frame| {
                arrivals.count(frame.interface, frame.wire_length, received(worker));
                worker.observe(&frame, frame.wire_length);
            });
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
            if at.duration_since(counted) >= DROPS_INTERVAL {
                counted = at;
                self.count_drops();
            }
            if at.duration_since(published) >= PUBLISH_INTERVAL {
                published = at;
                self.publish();
            }
            let is_time = at.duration_since(swept) >= SWEEP_INTERVAL;
            let sweep = self.clock.common().filter(|_| is_time).map(|now| {
                swept = at;
                let share = self.cache.peak_flows() / SPREAD / self.cache.shards();
                Sweep { now, budget: share + MIN_BUDGET }
            });
            let exported = self.worker.ledger.exported_flows;
            self.worker.end_block(Turn::Any, sweep, self.clock.now());
            // Where much is due one sweep does not bring it all, and the next is not to wait.
            let is_more = sweep.is_some() && self.worker.ledger.exported_flows > exported;
            patience = if is_more { SWEEP_INTERVAL.saturating_sub(since(swept)) } else { PATIENCE };
        }
        self.count_drops();
        self.worker.end_block(Turn::Any, None, self.clock.now());
        self.clock.retire();
        self.worker.ledger.clock_steps = self.clock.steps();
        self.publish();
        Share { ledger: self.worker.ledger, capture_errors, clock: (0, self.clock.now()) }
    }

    fn count_drops(&mut self) {
        self.drops = self.source.point_drops();
        let all = self.drops.iter().map(|&(_, drops)| drops).sum();
        self.worker.count_drops(all, self.clock.now());
    }

    /// Shows how the run goes.
    fn publish(&mut self) {
        // One may have come that was waited for.
        self.worker.interfaces = self.worker.metering.points.len();
        let received = received(&self.worker);
        let Self { worker, arrivals, drops, clock, .. } = self;
        self.books.write(self.number, |page| {
            page.ledger.clone_from(&worker.ledger);
            page.ledger.clock_steps = clock.steps();
            page.points.clear();
            page.points.extend_from_slice(arrivals.points(received));
            page.drops.clone_from(drops);
            page.sizes = arrivals.sizes();
            if let Some(departures) = &worker.departures {
                page.departures.clone_from(departures);
            }
        });
        let cache = self.cache;
        self.books.tell_flows(cache.flows(), cache.peak_flows(), cache.begun_flows());
    }
}

/// What a worker has received so far.
#[inline]
fn received(worker: &Worker<'_>) -> Received {
    Received { packets: worker.ledger.received_packets, octets: worker.ledger.received_octets }
}

impl<S: LiveFrames> LiveWorker<'_, S> {
    #[cold]
    fn follow(&mut self, Order { packets, frames, collectors }: Order) {
        if let Some(filter) = packets {
            self.worker.set_filter(filter);
        }
        if let Some(filter) = frames {
            self.source.refilter(&filter);
        }
        if let Some(collectors) = collectors {
            self.worker.suspects.collectors = collectors;
        }
    }
}

/// Tells of a cache that becomes nearly full.
fn look(cache: &FlowCache, config: &flow::Config, mark: &mut HighWater, observer: &Observer) {
    let (flows, bound) = (cache.flows() as u64, config.max_flows as u64);
    if mark.look(flows, bound) {
        observer.notice(&export::Notice::CacheNearlyFull { flows, bound });
    }
}

/// Waits until the run is to end: by order, by the clock, or because a worker has ended.
fn wait(
    threads: &[ScopedJoinHandle<'_, Share>],
    stop: &AtomicBool,
    until: Option<Instant>,
    mut look: impl FnMut(Instant),
) {
    while !stop.load(Ordering::Relaxed)
        && until.is_none_or(|until| now() < until)
        && !threads.iter().any(ScopedJoinHandle::is_finished)
    {
        thread::sleep(CHECK_INTERVAL);
        look(now());
    }
}

/// Frames taken from a ring between two looks at the clock.
const BLOCK: usize = 4096;
/// How long a worker waits for a frame before it looks at the clock again.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often a worker looks for Flows that are due.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);
/// How often the system is asked what was dropped, which takes some system calls.
const DROPS_INTERVAL: Duration = Duration::from_secs(1);
/// How often a worker shows its books: some microseconds of work.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// A burst of deadlines is spread: the shards export together, in one sweep, a thirty-second of
/// what the cache held at its fullest. So the ring is never left alone for long (a million Flows
/// are 31,000 records a sweep, some 10 ms of work, and a ring holds many times that), and queues and
/// sockets have room to breathe. A million Flows that end at the same moment have left after 32
/// sweeps, some 0.6 s. Of the fullest, not of what there is now: a share of the remainder takes
/// long to come to an end, and begins with a gulp.
const SPREAD: usize = 32;
const MIN_BUDGET: usize = 64;
/// How often the run looks whether it is over.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
