//! The Exporting Process: one queue and one thread for each target.

mod replacing;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use replacing::Former;
pub use replacing::{Opened, Opener, Replaced};

use crate::export::account::{Account, LossReason, TargetReport, Totals};
use crate::export::clock::Clock;
use crate::export::collector::{CollectorSink, Share};
use crate::export::config::{Config, Pace};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::file::FileSink;
use crate::export::json::JsonSink;
use crate::export::sink::{NullSink, RecordSink};
use crate::export::statistical::{AggregateSink, Statistical};
use crate::export::target::{Collector, Group, GroupMode, Target};
use crate::export::watch::{Watch, Watches};
use crate::flow::FlowRecord;
use crate::privacy::Policy;
use crate::time::Timestamp;

/// Records that expired together.
#[derive(Clone, Debug, Default)]
pub struct RecordBatch {
    /// The records, in the order of their expiry.
    pub records: Vec<FlowRecord>,
    /// Packet time when they expired; in a replay this is Export Time.
    pub clock: Timestamp,
    /// Observation Points that were known then, of `Config::metering`: a replay must not tell of
    /// more, or what it says would depend on how far ahead the capture was read.
    pub interfaces: usize,
}

/// The Exporting Process (RFC 7011 §2): every target gets every record.
///
/// Dropping it without [`Self::finish`] abandons the run: threads end as soon as they can, and
/// files that are not complete disappear.
#[derive(Debug)]
pub struct Exporter {
    config: Config,
    targets: RwLock<Vec<TargetThread>>,
    watches: Watches,
    /// Targets that were opened so far: what they are called by does not come again.
    opened: AtomicUsize,
    former: Mutex<Former>,
}

impl Exporter {
    /// Opens every target, then starts a thread for each.
    ///
    /// `extra` are sinks of the caller's, with the names to report them by.
    ///
    /// # Errors
    ///
    /// [`ExportError`] for the first target that cannot be opened; nothing is left behind then.
    pub fn start(
        config: &Config,
        extra: Vec<(String, Box<dyn RecordSink>)>,
    ) -> Result<Self, ExportError> {
        let whole = |(name, sink): (String, _)| Part {
            watch: Arc::new(Watch::new(name.clone(), name.clone(), "own", Vec::new())),
            name,
            target: None,
            ending: Arc::default(),
            sink,
            share: Share::ALL,
            biflow: config.biflow,
        };
        let parts = extra.into_iter().map(whole).collect();
        let targets = start_all(parts, (1, config.targets.iter()), config)?;
        let watches = Watches::default();
        watches.show(targets.iter().map(|target| &target.watch));
        let opened = AtomicUsize::new(config.targets.len());
        let config = Config { targets: Vec::new(), ..config.clone() };
        let (targets, former) = (RwLock::new(targets), Mutex::default());
        Ok(Self { config, targets, watches, opened, former })
    }

    /// How the targets are, to be looked at any time, also by other threads.
    pub fn watches(&self) -> Watches {
        self.watches.clone()
    }

    /// Gives every target every record of `batch`.
    ///
    /// Replay: waits while a queue is full. Live: never waits; a target whose queue is full loses
    /// the batch, and its account says so.
    pub fn send(&self, batch: &Arc<RecordBatch>) {
        if batch.records.is_empty() {
            return;
        }
        for target in self.targets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            target.send(batch, self.config.pace);
        }
    }

    /// As [`Self::send`], but waits a while for room also when live: no packet waits for us any more
    /// once capture has ended. A target that takes nothing for the drain timeout is not waited for
    /// again.
    pub fn send_patiently(&self, batch: &Arc<RecordBatch>) {
        if batch.records.is_empty() {
            return;
        }
        for target in self.targets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            match self.config.pace {
                Pace::Replay => target.send(batch, self.config.pace),
                Pace::Live => target.send_within(batch, self.config.drain_timeout),
            }
        }
    }

    /// Sends what waits, closes every target, and tells what became of each.
    pub fn finish(mut self) -> Vec<TargetReport> {
        let (closing, threads, former) = self.close_all(Ending::finish);
        let closed = closing.into_iter().map(ClosedTarget::join).collect();
        replacing::joined(threads.into_iter().map(ClosedTarget::join).collect(), closed, former)
    }

    /// Closes every queue, and gives out targets that were closing, those that were not, and what others
    /// did. All queues close before the first thread is waited for, so that they drain side by side.
    fn close_all(
        &mut self,
        end: impl Fn(&Ending),
    ) -> (Vec<ClosedTarget>, Vec<ClosedTarget>, Vec<TargetReport>) {
        let targets = self.targets.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Former { closing, reports } =
            std::mem::take(self.former.get_mut().unwrap_or_else(PoisonError::into_inner));
        targets.iter().for_each(|target| end(&target.ending));
        closing.iter().for_each(|target| end(&target.ending));
        (closing, targets.drain(..).map(TargetThread::close).collect(), reports)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let (closing, threads, _) = self.close_all(Ending::abandon);
        for thread in closing.into_iter().chain(threads) {
            thread.join();
        }
    }
}

/// One target, or one member of a balanced group.
struct Part {
    name: String,
    /// None for a sink of the caller's.
    target: Option<Target>,
    ending: Arc<Ending>,
    sink: Box<dyn RecordSink>,
    share: Share,
    biflow: bool,
    /// Among the rest, what its queue had no room for: the Collector is told.
    watch: Arc<Watch>,
}

/// Opens `targets`, which are called by their number from `first` on, and starts threads for them and for `parts`; or leaves nothing behind.
fn start_all<'a>(
    mut parts: Vec<Part>,
    (first, targets): (usize, impl Iterator<Item = &'a Target>),
    config: &Config,
) -> Result<Vec<TargetThread>, ExportError> {
    let mut endings: Vec<Arc<Ending>> = Vec::new();
    for target in (first..).zip(targets) {
        endings.push(Arc::default());
        let ending = endings.last().map(Arc::clone).unwrap_or_default();
        // Those that were opened before wait for nothing any more: dropping them would wait for them.
        open(target, config, &ending, &mut parts)
            .inspect_err(|_| endings.iter().for_each(|ending| ending.abandon()))?;
    }
    let mut threads = Vec::new();
    for part in parts {
        let thread = TargetThread::start(part, config)
            .inspect_err(|_| endings.iter().for_each(|ending| ending.abandon()))?;
        threads.push(thread);
    }
    Ok(threads)
}

fn open(
    (place, target): (usize, &Target),
    config: &Config,
    ending: &Arc<Ending>,
    parts: &mut Vec<Part>,
) -> Result<(), ExportError> {
    let name = target.name();
    let levels = target.privacy().into_iter().map(|options| options.policy().level);
    let mut levels: Vec<_> = levels.collect();
    levels.dedup();
    let watch = Watch::new(name.clone(), place.to_string(), kind(target), levels);
    let watch = Arc::new(watch.reaching(target.collectors()));
    let mut add = |name: String, biflow, share, sink, watch: &Arc<_>| {
        let (target, ending) = (Some(target.clone()), Arc::clone(ending));
        let watch = Arc::clone(watch);
        parts.push(Part { name, target, ending, sink, share, biflow, watch });
    };
    let collectors = |members: &[Collector], name: &str, share, watch: &Arc<_>| {
        let sink = CollectorSink::start(members, share, name, config, ending, watch)?;
        let policy = members.first().map(|m| m.options.privacy.policy()).unwrap_or_default();
        Ok::<_, ExportError>(under(&policy, sink, share, config))
    };
    match target {
        Target::File(file) => {
            let sink = FileSink::create(file, &name, config)?;
            let sink = if config.pace == Pace::Live { sink.waiting_until(ending) } else { sink };
            let policy = file.options.privacy.policy();
            let (biflow, sink) = under(&policy, sink, Share::ALL, config);
            add(name, biflow, Share::ALL, sink, &watch);
        }
        Target::Json(json) => {
            let sink = JsonSink::open(json, &name, config)?;
            let sink = if config.pace == Pace::Live { sink.waiting_until(ending) } else { sink };
            let (biflow, sink) = under(&json.privacy.policy(), sink, Share::ALL, config);
            add(name, biflow, Share::ALL, sink, &watch);
        }
        Target::Null => {
            let sink = NullSink { biflow: config.biflow };
            add(name, config.biflow, Share::ALL, Box::new(sink), &watch);
        }
        Target::Collector(collector) => {
            let (biflow, sink) =
                collectors(std::slice::from_ref(collector), &name, Share::ALL, &watch)?;
            add(name, biflow, Share::ALL, sink, &watch);
        }
        Target::Group(Group { mode: GroupMode::Failover, members }) => {
            let (biflow, sink) = collectors(members, &name, Share::ALL, &watch)?;
            add(name, biflow, Share::ALL, sink, &watch);
        }
        Target::Group(Group { mode: GroupMode::Balance, members }) => {
            for (number, member) in members.iter().enumerate() {
                let (name, share) =
                    (member.address().to_string(), Share::new(number, members.len()));
                let label = format!("{place}.{}", number + 1);
                let level = member.options.privacy.policy().level;
                let watch = Watch::new(name.clone(), label, member.transport.name(), vec![level]);
                let member = std::slice::from_ref(member);
                let watch = Arc::new(watch.reaching(member));
                let (biflow, sink) = collectors(member, &name, share, &watch)?;
                add(name, biflow, share, sink, &watch);
            }
        }
    }
    Ok(())
}

/// The sink as records get to it under `policy`, and whether both directions count as one.
fn under<S: AggregateSink + 'static>(
    policy: &Policy,
    sink: S,
    share: Share,
    config: &Config,
) -> (bool, Box<dyn RecordSink>) {
    if policy.is_statistical() {
        (false, Box::new(Statistical::new(sink, policy, share, config)))
    } else {
        (sink.mapping().biflow, Box::new(sink))
    }
}

/// What a target is, in one word.
fn kind(target: &Target) -> &'static str {
    match target {
        Target::File(_) => "file",
        Target::Json(_) => "json",
        Target::Null => "null",
        Target::Collector(collector) => collector.transport.name(),
        Target::Group(group) => group.mode.name(),
    }
}

/// The near end of a target.
#[derive(Debug)]
struct TargetThread {
    name: String,
    target: Option<Target>,
    /// Shared by the members of a group.
    ending: Arc<Ending>,
    queue: Sender<Arc<RecordBatch>>,
    watch: Arc<Watch>,
    share: Share,
    biflow: bool,
    /// It took nothing when it was last waited for.
    stalled: AtomicBool,
    thread: JoinHandle<Outcome>,
}

/// A target whose queue takes nothing more.
#[derive(Debug)]
struct ClosedTarget {
    name: String,
    target: Option<Target>,
    ending: Arc<Ending>,
    watch: Arc<Watch>,
    thread: JoinHandle<Outcome>,
}

impl TargetThread {
    fn start(
        Part { name, target, ending, sink, share, biflow, watch }: Part,
        config: &Config,
    ) -> Result<Self, ExportError> {
        let (queue, batches) = bounded(config.queue_batches.max(1));
        let account = Account::new(config.observer.clone());
        let (seen, shown) = (Arc::clone(&ending), Arc::clone(&watch));
        let clock = Arc::clone(&config.clock);
        let thread = thread::Builder::new()
            .name("export".to_owned())
            .spawn(move || run(sink, &batches, account, &seen, (&shown, &*clock)))
            .map_err(|source| ExportError::Thread { target: name.clone(), source })?;
        let stalled = AtomicBool::new(false);
        Ok(Self { name, target, ending, queue, watch, share, biflow, stalled, thread })
    }

    fn send(&self, batch: &Arc<RecordBatch>, pace: Pace) {
        let sent = match pace {
            // The other end only goes away if the thread panicked.
            Pace::Replay => self.queue.send(Arc::clone(batch)).is_ok(),
            Pace::Live => self.queue.try_send(Arc::clone(batch)).is_ok(),
        };
        self.count(batch, sent);
    }

    fn send_within(&self, batch: &Arc<RecordBatch>, patience: Duration) {
        let patience = if self.stalled.load(Ordering::Relaxed) { Duration::ZERO } else { patience };
        let sent = self.queue.send_timeout(Arc::clone(batch), patience).is_ok();
        self.stalled.store(!sent, Ordering::Relaxed);
        self.count(batch, sent);
    }

    fn count(&self, batch: &RecordBatch, sent: bool) {
        let records = batch.records.iter().filter(|record| self.share.has(record));
        let totals = Totals::of(records, self.biflow);
        self.watch.given.add(totals);
        if !sent {
            self.watch.queue_full.add(totals);
        }
    }

    fn close(self) -> ClosedTarget {
        let Self { name, target, ending, queue, watch, thread, .. } = self;
        drop(queue);
        ClosedTarget { name, target, ending, watch, thread }
    }
}

impl ClosedTarget {
    fn join(self) -> TargetReport {
        let Self { name, watch, thread, .. } = self;
        let Outcome { mut account, failed } = thread.join().unwrap_or_else(|_| {
            let mut account = Account::default();
            account.trouble(ExportError::Panicked { target: name.clone() });
            Outcome { account, failed: true }
        });
        account.lost(LossReason::QueueFull, watch.queue_full.totals());
        let given = watch.given.totals();
        let mut all = given;
        all += account.carried_over();
        all += account.made();
        if failed {
            account.lost(LossReason::TargetFailed, all.less(account.settled()));
        }
        let mut report = account.into_report(name, given);
        (report.label, report.kind) = (watch.label.clone(), watch.kind);
        report
    }
}

/// How a target's thread ended.
#[derive(Debug)]
struct Outcome {
    account: Account,
    failed: bool,
}

/// The life of a target's thread. Returns when the queue is closed and empty.
fn run(
    mut sink: Box<dyn RecordSink>,
    batches: &Receiver<Arc<RecordBatch>>,
    mut account: Account,
    ending: &Ending,
    (watch, clock): (&Watch, &dyn Clock),
) -> Outcome {
    let mut failed = false;
    let mut shown_at = Duration::ZERO;
    loop {
        let now = clock.monotonic();
        if now.saturating_sub(shown_at) >= TICK {
            shown_at = now;
            watch.tell_target(account.books(), failed, clock.wall());
        }
        let batch = match batches.recv_timeout(TICK) {
            Ok(batch) => Some(batch),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        // A failed target goes on emptying its queue: a replay waits for it.
        if failed || ending.is_abandoned() {
            continue;
        }
        let done = match &batch {
            Some(batch) => sink.write(batch, &mut account),
            None => Ok(()),
        };
        if let Err(error) = done.and_then(|()| sink.tick(&mut account)) {
            account.trouble(error);
            failed = true;
        }
    }
    if !ending.is_abandoned()
        && let Err(error) = sink.finish(&mut account)
    {
        // One that failed before has said why.
        if !std::mem::replace(&mut failed, true) {
            account.trouble(error);
        }
    }
    Outcome { account, failed }
}

/// How often an idle target looks at its timers.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
