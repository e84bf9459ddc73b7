//! The books of one target: what it was given is what it sent plus what it lost.

mod aggregation;

use std::fmt;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::export::error::ExportError;
use crate::export::mapping::Content;
use crate::export::watch::Books;
use crate::flow::FlowRecord;

pub use aggregation::Aggregation;

/// Sums over records.
///
/// `records` are Data Records: as many as Flow Records with biflows; without, one for each
/// direction of a Flow Record that has packets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Data Records.
    pub records: u64,
    /// Packets they tell of, both directions.
    pub packets: u64,
    /// Octets they tell of, both directions.
    pub octets: u64,
}

impl Totals {
    /// What some Flow Records come to as Data Records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a FlowRecord>, biflow: bool) -> Self {
        let mut totals = Self::default();
        for record in records {
            let both = record.forward.packets > 0 && record.reverse.packets > 0;
            totals += Self {
                records: if both && !biflow { 2 } else { 1 },
                packets: record.forward.packets.saturating_add(record.reverse.packets),
                octets: record.forward.octets.saturating_add(record.reverse.octets),
            };
        }
        totals
    }

    /// What is left of this after `other` was taken from it.
    pub(crate) const fn less(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            packets: self.packets.saturating_sub(other.packets),
            octets: self.octets.saturating_sub(other.octets),
        }
    }

    /// This, but of nothing more than `other` has.
    const fn at_most(self, other: Self) -> Self {
        self.less(self.less(other))
    }

    /// Whether there is nothing in it.
    pub const fn is_zero(&self) -> bool {
        self.records == 0 && self.packets == 0 && self.octets == 0
    }

    /// The totals of one Data Record.
    #[inline]
    pub(crate) fn of_data<'a>(record: &impl Content<'a>) -> Self {
        Self { records: 1, packets: record.packets(), octets: record.octets() }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

/// [`Totals`] that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct SharedTotals {
    records: AtomicU64,
    packets: AtomicU64,
    octets: AtomicU64,
}

impl SharedTotals {
    pub(crate) fn add(&self, totals: Totals) {
        self.records.fetch_add(totals.records, Ordering::Relaxed);
        self.packets.fetch_add(totals.packets, Ordering::Relaxed);
        self.octets.fetch_add(totals.octets, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            records: self.records.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
        }
    }
}

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
    pub(crate) fn spool_nearly_full(&mut self, target: &str, filled: u64, bound: u64) {
        self.spool_nearly_full += 1;
        self.observer.notice(&Notice::SpoolNearlyFull { target, filled, bound });
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
        self.sessions.opened += sessions.opened;
        self.sessions.failed += sessions.failed;
        self.sessions.refused += sessions.refused;
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
            sessions,
            spool_nearly_full,
            first_error,
            observer: _,
        } = self;
        TargetReport {
            target,
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

/// What became of a target.
#[derive(Debug)]
pub struct TargetReport {
    /// The target as written.
    pub target: String,
    /// What it was given in this run.
    pub given: Totals,
    /// What an earlier run had left in its spool.
    pub carried_over: Totals,
    /// What reached it: the file, the socket, over TCP the Collector.
    pub sent: Totals,
    /// What is left in its spool for the next run.
    pub kept: Totals,
    /// What was summed up, and what was withheld.
    pub aggregation: Aggregation,
    lost: [Totals; LossReason::ALL.len()],
    /// Messages sent (`exportedMessageTotalCount`, IE 41), Template Messages included.
    pub messages: u64,
    /// Octets of these (`exportedOctetTotalCount`, IE 40), or octets of text.
    pub message_octets: u64,
    /// How often the Collector was there.
    pub sessions: Sessions,
    /// How often its spool became nearly full.
    pub spool_nearly_full: u64,
    /// The first thing that went wrong.
    pub first_error: Option<ExportError>,
}

impl TargetReport {
    /// What was lost for `reason`.
    pub fn lost(&self, reason: LossReason) -> Totals {
        self.lost.get(reason as usize).copied().unwrap_or_default()
    }

    /// Takes in what became of the same target after it had been closed and opened again. What waited in
    /// the spool in between is neither left nor an earlier run's.
    pub(crate) fn go_on(&mut self, later: Self) {
        let handed_over = self.kept.at_most(later.carried_over);
        self.kept = self.kept.less(handed_over);
        self.given += later.given;
        self.carried_over += later.carried_over.less(handed_over);
        self.sent += later.sent;
        self.kept += later.kept;
        self.lost.iter_mut().zip(later.lost).for_each(|(sum, lost)| *sum += lost);
        self.aggregation += later.aggregation;
        self.messages += later.messages;
        self.message_octets += later.message_octets;
        self.sessions.opened += later.sessions.opened;
        self.sessions.failed += later.sessions.failed;
        self.sessions.refused += later.sessions.refused;
        self.first_error = self.first_error.take().or(later.first_error);
    }

    /// Whether everything is accounted for: what it was given and what was left for it was sent, lost,
    /// withheld, or left for the next run.
    pub fn balances(&self) -> bool {
        let mut incoming = self.given;
        incoming += self.carried_over;
        incoming.records = incoming.records.saturating_add(self.aggregation.aggregates);
        let mut outgoing = self.sent;
        outgoing += self.kept;
        outgoing += self.aggregation.settled();
        outgoing += self.lost_totals();
        incoming == outgoing
    }

    /// What was lost for any reason.
    pub fn lost_totals(&self) -> Totals {
        let mut totals = Totals::default();
        for &lost in &self.lost {
            totals += lost;
        }
        totals
    }
}

/// A change in the state of a target, for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// Something went wrong; the target goes on as well as it can.
    Trouble(&'a ExportError),
    /// Something is not as it should be; nothing is lost by it.
    Advice {
        /// The target as written.
        target: &'a str,
        /// What, and what to do about it.
        text: &'a str,
    },
    /// The spool of a target has little room left; what does not fit any more is lost.
    SpoolNearlyFull {
        /// The target as written.
        target: &'a str,
        /// Octets in it.
        filled: u64,
        /// Octets that it may have.
        bound: u64,
    },
    /// The Flow Cache has little room left; when it has none, Flows leave early.
    CacheNearlyFull {
        /// Flows in it.
        flows: u64,
        /// Flows that it may have.
        bound: u64,
    },
    /// A session is up again.
    Recovered {
        /// The target as written.
        target: &'a str,
    },
    /// A file is written again after trouble.
    Resumed {
        /// The target as written.
        target: &'a str,
    },
    /// There are files of a run that was killed; nobody writes them any more.
    LeftOver {
        /// The target as written.
        target: &'a str,
        /// The first of them.
        first: &'a Path,
        /// How many there are.
        count: usize,
    },
    /// An earlier run has left records in the spool.
    Spooled {
        /// The target as written.
        target: &'a str,
        /// Those that will be delivered.
        readable: Totals,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trouble(error) => error.fmt(f),
            Self::Advice { target, text } => write!(f, "{target}: {text}"),
            Self::SpoolNearlyFull { target, filled, bound } => write!(
                f,
                "{target}: the spool is nearly full, {filled} of {bound} octets: what does not fit \
                 is lost; bring the collector back, or use a larger --spool-size"
            ),
            Self::CacheNearlyFull { flows, bound } => write!(
                f,
                "the flow cache is nearly full, {flows} of {bound} flows: when it is full, flows \
                 are exported early; use a larger --max-flows"
            ),
            Self::Recovered { target } => write!(f, "{target}: session restored"),
            Self::Resumed { target } => write!(f, "{target}: written again"),
            Self::LeftOver { target, first, count } => {
                let first = first.display();
                write!(f, "{target}: a run that was killed left {first}")?;
                if *count > 1 {
                    write!(f, " and {} more", count - 1)?;
                }
                f.write_str(", which `flowtap show` reads as far as it was written")
            }
            Self::Spooled { target, readable } => {
                let records = readable.records;
                write!(f, "{target}: an earlier run left {records} flow records in the spool")
            }
        }
    }
}

/// Who is told of a [`Notice`]; nobody by default. Called from the threads of the targets.
#[derive(Clone, Default)]
#[expect(clippy::type_complexity, reason = "said once, and a name for it would hide what it is")]
pub struct Observer(Option<Arc<dyn Fn(&Notice<'_>) + Send + Sync>>);

impl Observer {
    /// Calls `observe` for every notice.
    pub fn new(observe: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// Tells of `notice`.
    pub fn notice(&self, notice: &Notice<'_>) {
        if let Some(observe) = &self.0 {
            observe(notice);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}
