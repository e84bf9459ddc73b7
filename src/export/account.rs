//! The books of one target: what it was given is what it sent plus what it lost.

mod aggregation;
mod report;
mod totals;

use std::ops::AddAssign;
use std::path::Path;

use crate::export::error::ExportError;
use crate::export::notice::{Notice, Observer};
use crate::export::watch::{Books, SpoolState};

pub use aggregation::Aggregation;
pub use report::TargetReport;
pub(crate) use totals::SharedTotals;
pub use totals::Totals;

/// Why records did not reach a target (`notSentFlowTotalCount`, IE 166, by reason).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(usize)]
pub enum LossReason {
    /// The queue of the target was full (live only).
    QueueFull,
    /// The socket refused the Message, or the disk.
    NotSent,
    /// They had not arrived when nobody could send any more: at the end, or with the target.
    Undelivered,
    /// The target had failed before.
    TargetFailed,
    /// The reader of our output went away.
    ReaderGone,
    /// Neither memory nor spool had room.
    SpoolFull,
    /// They waited in the spool longer than they may.
    Expired,
    /// What the spool had kept could not be read again.
    SpoolDamaged,
}

impl LossReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::NotSent,
        Self::Undelivered,
        Self::TargetFailed,
        Self::ReaderGone,
        Self::SpoolFull,
        Self::Expired,
        Self::SpoolDamaged,
    ];

    /// The name in summaries and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::NotSent => "not_sent",
            Self::Undelivered => "undelivered",
            Self::TargetFailed => "target_failed",
            Self::ReaderGone => "reader_gone",
            Self::SpoolFull => "spool_full",
            Self::Expired => "expired",
            Self::SpoolDamaged => "spool_damaged",
        }
    }
}

/// How often a Collector was there, and was not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sessions {
    /// Transport Sessions that were opened.
    pub opened: u64,
    /// Attempts to open one that failed.
    pub failed: u64,
    /// Those of them that failed because one side did not accept the other (RFC 7011 §11.6).
    pub refused: u64,
}

impl AddAssign for Sessions {
    fn add_assign(&mut self, other: Self) {
        let Self { opened, failed, refused } = other;
        self.opened += opened;
        self.failed += failed;
        self.refused += refused;
    }
}

/// What a target did, kept by its sink while it works.
///
/// At the end every record the sink was given is in it once: as sent, as lost, or as kept for the
/// next run. What a sink that failed did not account for is lost with it; of any other it is a defect
/// that [`TargetReport::balances`] shows.
#[derive(Debug, Default)]
pub struct Account {
    sent: Totals,
    lost: [Totals; LossReason::ALL.len()],
    /// What an earlier run had left in the spool.
    carried_over: Totals,
    /// What is left in the spool for the next run.
    kept: Totals,
    aggregation: Aggregation,
    messages: u64,
    message_octets: u64,
    file_octets: u64,
    sessions: Sessions,
    spool_nearly_full: u64,
    first_error: Option<ExportError>,
    observer: Observer,
}

impl Account {
    pub(crate) fn new(observer: Observer) -> Self {
        Self { observer, ..Self::default() }
    }

    /// Records that left for good.
    #[inline]
    pub fn sent(&mut self, totals: Totals) {
        self.sent += totals;
    }

    /// Records that will never arrive.
    pub fn lost(&mut self, reason: LossReason, totals: Totals) {
        if let Some(lost) = self.lost.get_mut(reason as usize) {
            *lost += totals;
        }
    }

    /// Records that an earlier run had left for this one.
    pub(crate) fn carry_over(&mut self, totals: Totals) {
        self.carried_over += totals;
    }

    /// Records that are left for the next run.
    pub(crate) fn keep(&mut self, totals: Totals) {
        self.kept += totals;
    }

    /// In an interval, `records` Data Records that would have been became `aggregates` Aggregated Flows.
    pub(crate) fn aggregated(&mut self, records: u64, aggregates: u64) {
        let (intervals, most) = (1, aggregates);
        let more = Aggregation { records, aggregates, intervals, most, ..Aggregation::default() };
        self.aggregation += more;
    }

    /// Records that are in coarser classes than they should be.
    pub(crate) const fn coarsened(&mut self, records: u64) {
        self.aggregation.coarsened += records;
    }

    /// Records that were kept back for ever.
    pub(crate) fn withhold(&mut self, totals: Totals) {
        self.aggregation.withheld += totals;
    }

    /// A Transport Session was opened.
    pub(crate) fn session_opened(&mut self) {
        self.sessions.opened += 1;
    }

    /// No Transport Session could be opened; `refused` because of who we are or the Collector is.
    pub(crate) fn session_failed(&mut self, refused: bool) {
        self.sessions.failed += 1;
        self.sessions.refused += u64::from(refused);
    }

    /// Messages, or other units of output, and how many octets they are together.
    #[inline]
    pub fn messages(&mut self, count: u64, octets: usize) {
        self.messages += count;
        self.message_octets += octets as u64;
    }

    /// Octets of these as a file has them, compressed if it is.
    pub(crate) const fn in_file(&mut self, octets: u64) {
        self.file_octets += octets;
    }

    /// Trouble that does not end the target; say it once for each change of state.
    pub fn trouble(&mut self, error: ExportError) {
        self.observer.notice(&Notice::Trouble(&error));
        self.first_error.get_or_insert(error);
    }

    /// What should be put right, and does no harm to a record.
    pub(crate) fn advice(&self, target: &str, text: &str) {
        self.observer.notice(&Notice::Advice { target, text });
    }

    /// The spool of the target has little room left.
    pub(crate) fn spool_nearly_full(&mut self, target: &str, spool: &SpoolState) {
        self.spool_nearly_full += 1;
        let (filled, bound) = (spool.octets, spool.limit_octets);
        let by_disk = spool.is_bound_by_disk();
        self.observer.notice(&Notice::SpoolNearlyFull { target, filled, bound, by_disk });
    }

    /// The memory for what waits for the target has little room left, and there is no spool behind it.
    pub(crate) fn queue_nearly_full(&self, target: &str, filled: u64, bound: u64) {
        self.observer.notice(&Notice::QueueNearlyFull { target, filled, bound });
    }

    #[cfg(test)]
    pub(crate) const fn spool_nearly_full_times(&self) -> u64 {
        self.spool_nearly_full
    }

    /// The end of trouble.
    pub fn recovered(&self, target: &str) {
        self.observer.notice(&Notice::Recovered { target });
    }

    /// Takes the books of another thread of the same target in.
    pub(crate) fn merge(&mut self, other: Self) {
        let Self {
            sent,
            lost,
            carried_over,
            kept,
            aggregation,
            messages,
            message_octets,
            file_octets,
            sessions,
            spool_nearly_full,
            first_error,
            observer: _,
        } = other;
        self.sent += sent;
        self.lost.iter_mut().zip(lost).for_each(|(sum, lost)| *sum += lost);
        self.carried_over += carried_over;
        self.kept += kept;
        self.aggregation += aggregation;
        self.messages += messages;
        self.message_octets += message_octets;
        self.file_octets += file_octets;
        self.sessions += sessions;
        self.spool_nearly_full += spool_nearly_full;
        if let Some(error) = first_error {
            self.first_error.get_or_insert(error);
        }
    }

    /// What an earlier run had left.
    pub(crate) const fn carried_over(&self) -> Totals {
        self.carried_over
    }

    /// A file is written again after trouble.
    pub(crate) fn resumed(&self, target: &str) {
        self.observer.notice(&Notice::Resumed { target });
    }

    /// Files of a run that was killed: `first`, and as many as `count` with it.
    pub(crate) fn left_over(&self, target: &str, first: &Path, count: usize) {
        self.observer.notice(&Notice::LeftOver { target, first, count });
    }

    /// Aggregated Flows, which nobody was given.
    pub(crate) fn made(&self) -> Totals {
        Totals { records: self.aggregation.aggregates, ..Totals::default() }
    }

    /// What is in it so far, for whoever looks.
    pub(crate) const fn books(&self) -> Books {
        Books {
            sent: self.sent,
            lost: self.lost,
            messages: self.messages,
            message_octets: self.message_octets,
            file_octets: self.file_octets,
            sessions: self.sessions,
        }
    }

    /// Everything accounted for so far.
    pub(crate) fn settled(&self) -> Totals {
        let mut settled = self.sent;
        settled += self.kept;
        settled += self.aggregation.settled();
        for &lost in &self.lost {
            settled += lost;
        }
        settled
    }

    pub(crate) fn into_report(self, target: String, given: Totals) -> TargetReport {
        let Self {
            sent,
            lost,
            carried_over,
            kept,
            aggregation,
            messages,
            message_octets,
            file_octets: _,
            sessions,
            spool_nearly_full,
            first_error,
            observer: _,
        } = self;
        TargetReport {
            target,
            label: String::new(),
            kind: "",
            given,
            carried_over,
            sent,
            kept,
            aggregation,
            lost,
            messages,
            message_octets,
            sessions,
            spool_nearly_full,
            first_error,
        }
    }
}
