//! Other targets while records go on: some come, some leave, and all are in the books.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::export::account::TargetReport;
use crate::export::config::Config;
use crate::export::error::ExportError;
use crate::export::exporter::{ClosedTarget, Exporter, TargetThread, start_all};
use crate::export::target::Target;

/// Targets that get no more records.
#[derive(Debug, Default)]
pub(super) struct Former {
    /// Those that still send what they have.
    pub(super) closing: Vec<ClosedTarget>,
    /// What became of the others, one report for each name.
    pub(super) reports: Vec<TargetReport>,
}

/// What [`Exporter::replace`] did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replaced {
    /// Targets that get records from now on, by name.
    pub added: Vec<String>,
    /// Targets that get none any more.
    pub removed: Vec<String>,
    /// Targets that go on as they were, though other options were asked for: what they write to, or
    /// where their records wait, is theirs until they are closed.
    pub unchanged: Vec<String>,
}

/// Opens targets for an [`Exporter`] that runs, on any thread: a spool may have much to read, and a disk may be
/// slow. It knows the targets that there were when it was made.
#[derive(Debug)]
pub struct Opener {
    config: Config,
    /// Targets that get records.
    running: Vec<Target>,
    /// Targets that get none any more, and still send what they have.
    closing: Vec<Target>,
    /// By which number the next one is called.
    next: usize,
}

/// Targets that are open and get no records yet. Dropped, they are closed and leave nothing behind.
#[derive(Debug)]
pub struct Opened {
    started: Vec<TargetThread>,
    /// How many targets they are.
    count: usize,
    kept: Vec<Target>,
    unchanged: Vec<String>,
}

impl Exporter {
    /// Makes `targets` those that get records from the next batch on; sinks of the caller's stay.
    ///
    /// A target that is among them already goes on undisturbed. One that is not any more sends what it
    /// was given and is closed, beside the others; what it could not send is counted.
    ///
    /// # Errors
    ///
    /// [`ExportError`] for the first target that cannot be opened; nothing has changed then.
    pub fn replace(&self, targets: &[Target]) -> Result<Replaced, ExportError> {
        Ok(self.exchange(self.opener().open(targets)?))
    }

    /// What can open targets that are to take the place of those there are.
    pub fn opener(&self) -> Opener {
        self.settle();
        let targets = |all: &mut dyn Iterator<Item = &Option<Target>>| {
            let mut targets: Vec<Target> = all.flatten().cloned().collect();
            // Of a balanced group there are several threads.
            targets.dedup();
            targets
        };
        let running = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        Opener {
            config: self.config.clone(),
            running: targets(&mut running.iter().map(|thread| &thread.target)),
            closing: targets(&mut former.closing.iter().map(|closing| &closing.target)),
            next: self.opened.load(Ordering::Relaxed) + 1,
        }
    }

    /// As [`Self::replace`], with what was opened before; waits for nothing and cannot fail. Between
    /// [`Self::opener`] and this, targets are not to be replaced otherwise.
    pub fn exchange(&self, mut opened: Opened) -> Replaced {
        let started = std::mem::take(&mut opened.started);
        self.opened.fetch_add(opened.count, Ordering::Relaxed);
        let mut replaced = Replaced {
            added: started.iter().map(|target| target.name.clone()).collect(),
            removed: Vec::new(),
            unchanged: std::mem::take(&mut opened.unchanged),
        };
        let stays = |thread: &TargetThread| {
            thread.target.as_ref().is_none_or(|target| opened.kept.contains(target))
        };
        let mut running = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        let (stay, leave) = std::mem::take(&mut *running).into_iter().partition(stays);
        *running = stay;
        running.extend(started);
        self.watches.show(running.iter().map(|target| &target.watch));
        drop(running);
        let leave: Vec<TargetThread> = leave;
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        for target in leave {
            target.ending.finish();
            replaced.removed.push(target.name.clone());
            former.closing.push(target.close());
        }
        replaced
    }

    /// Takes home the books of targets that have closed.
    fn settle(&self) {
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        let Former { closing, reports } = &mut *former;
        for closed in closing.extract_if(.., |closing| closing.thread.is_finished()) {
            add_report(reports, closed.join());
        }
    }
}

impl Opener {
    /// Opens those of `targets` that are not running. Not before [`Exporter::exchange`] do they get records.
    ///
    /// # Errors
    ///
    /// [`ExportError`] for the first target that cannot be opened; nothing is left behind then.
    pub fn open(self, targets: &[Target]) -> Result<Opened, ExportError> {
        let (mut kept, mut unchanged) = (Vec::new(), Vec::new());
        let mut new: Vec<&Target> = Vec::new();
        for target in targets {
            match self.like(target) {
                Some(running) => {
                    if running != target {
                        unchanged.push(running.name());
                    }
                    kept.push(running.clone());
                }
                None => new.push(target),
            }
        }
        if let Some(closing) = new.iter().find(|target| self.is_closing(target)) {
            return Err(ExportError::Closing { target: closing.name() });
        }
        let count = new.len();
        let started = start_all(Vec::new(), (self.next, new.into_iter()), &self.config)?;
        Ok(Opened { started, count, kept, unchanged })
    }

    /// Targets that will still be there for a while beside `targets`, until they have sent what they have.
    pub fn leaving<'a>(&'a self, targets: &'a [Target]) -> impl Iterator<Item = &'a Target> {
        let left = self.running.iter().filter(|running| !targets.contains(running));
        left.chain(&self.closing)
    }

    /// The running target that is the same as `target`, or has the place of it.
    fn like(&self, target: &Target) -> Option<&Target> {
        let spools = self.config.spool.is_some();
        let same = self.running.iter().find(|running| *running == target);
        same.or_else(|| self.running.iter().find(|running| running.shares_place(target, spools)))
    }

    /// Whether a target that is about to close has the place of `target`.
    fn is_closing(&self, target: &Target) -> bool {
        let spools = self.config.spool.is_some();
        self.closing.iter().any(|closing| closing.shares_place(target, spools))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.started.iter().for_each(|target| target.ending.abandon());
        let mut closed: Vec<ClosedTarget> =
            self.started.drain(..).map(TargetThread::close).collect();
        // One that hangs in a resolver is not waited for: it has nothing to put in order.
        for _ in 0..FAREWELLS {
            closed.retain(|target| !target.thread.is_finished());
            if closed.is_empty() {
                break;
            }
            thread::sleep(FAREWELL);
        }
    }
}

/// How often those are looked for that are to leave nothing behind, and how long after each time.
const FAREWELLS: u32 = 100;
const FAREWELL: Duration = Duration::from_millis(10);

/// The reports of a run: of targets that got records until the end, with what became of earlier ones with
/// their names, and of those that left.
pub(super) fn joined(
    last: Vec<TargetReport>,
    closed: Vec<TargetReport>,
    mut former: Vec<TargetReport>,
) -> Vec<TargetReport> {
    for report in closed {
        add_report(&mut former, report);
    }
    let mut reports = Vec::new();
    for report in last {
        match former.iter().position(|earlier| earlier.target == report.target) {
            Some(place) => {
                let mut earlier = former.remove(place);
                earlier.go_on(report);
                reports.push(earlier);
            }
            None => reports.push(report),
        }
    }
    reports.extend(former);
    reports
}

/// Adds what became of a target to what became of an earlier one with the same name, if there was one:
/// however often targets change, there are not more reports than names.
fn add_report(reports: &mut Vec<TargetReport>, report: TargetReport) {
    match reports.iter_mut().find(|earlier| earlier.target == report.target) {
        Some(earlier) => earlier.go_on(report),
        None => reports.push(report),
    }
}
