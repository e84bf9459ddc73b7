//! Other targets while records go on: some come, some leave, and all are in the books.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::export::account::TargetReport;
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
        self.settle();
        let mut replaced = Replaced::default();
        let mut kept: Vec<Target> = Vec::new();
        let mut new: Vec<&Target> = Vec::new();
        for target in targets {
            match self.like(target) {
                Some(running) if running == *target => kept.push(running),
                Some(running) => {
                    replaced.unchanged.push(running.name());
                    kept.push(running);
                }
                None => new.push(target),
            }
        }
        if let Some(closing) = new.iter().find(|target| self.is_closing(target)) {
            return Err(ExportError::Closing { target: closing.name() });
        }
        let first = self.opened.fetch_add(new.len(), Ordering::Relaxed) + 1;
        let started = start_all(Vec::new(), (first, new.into_iter()), &self.config)?;
        replaced.added = started.iter().map(|target| target.name.clone()).collect();
        let mut running = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        let stays = |thread: &TargetThread| {
            thread.target.as_ref().is_none_or(|target| kept.contains(target))
        };
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
        Ok(replaced)
    }

    /// The running target that is the same as `target`, or has the place of it.
    fn like(&self, target: &Target) -> Option<Target> {
        let spools = self.config.spool.is_some();
        let running = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let all = || running.iter().filter_map(|thread| thread.target.as_ref());
        let same = all().find(|running| *running == target);
        same.or_else(|| all().find(|running| running.shares_place(target, spools))).cloned()
    }

    /// Whether a target that is about to close has the place of `target`.
    fn is_closing(&self, target: &Target) -> bool {
        let spools = self.config.spool.is_some();
        let former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closing = former.closing.iter().filter_map(|closing| closing.target.as_ref());
        closing.any(|closing| closing.shares_place(target, spools))
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
