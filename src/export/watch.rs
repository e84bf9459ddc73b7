//! The books of a target while they are open, for whoever wants to look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::export::account::{LossReason, Sessions, SharedTotals, Totals};
use crate::export::high_water::is_nearly_full;
use crate::export::target::{Collector, TlsOptions, Transport};
use crate::export::transport::tls::{self, CertificateEnd};
use crate::privacy::Level;
use crate::time::Timestamp;

/// A target at work. To others it is named by its place among the targets, never by its address: what is
/// seen of a probe is not to say whom it reports to.
#[derive(Debug)]
pub struct Watch {
    /// The target as written, which is for the log alone.
    pub name: String,
    /// Its place, counted from 1, or for one that came later the next number; a member of a balanced
    /// group has that of the group before its own (`2.1`).
    pub label: String,
    /// What it is: a transport, `file`, `json`, `failover`.
    pub kind: &'static str,
    /// How much its Collectors are told; one that is the program itself is told everything.
    pub levels: Vec<Level>,
    /// What sessions with its Collectors take, of those over TLS.
    tls: Vec<TlsOptions>,
    pub(crate) given: Arc<SharedTotals>,
    pub(crate) queue_full: Arc<SharedTotals>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Of the thread that takes records.
    target: Books,
    /// Of the thread that talks to a Collector.
    link: Books,
    session: Option<SessionState>,
    queue: Option<QueueState>,
    spool: Option<SpoolState>,
    recovered: Totals,
    unreadable: Totals,
    last_sent: Option<Timestamp>,
    failed: bool,
    certificates: Vec<CertificateEnd>,
}

/// The targets that get records, by whoever looks at them from another thread.
#[derive(Clone, Debug, Default)]
pub struct Watches(Arc<Mutex<Vec<Arc<Watch>>>>);

impl Watches {
    /// Those of now.
    pub fn all(&self) -> Vec<Arc<Watch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn show<'a>(&self, watches: impl Iterator<Item = &'a Arc<Watch>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watches.cloned().collect();
    }
}

/// What one thread has accounted for so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Books {
    pub(crate) sent: Totals,
    pub(crate) lost: [Totals; LossReason::ALL.len()],
    pub(crate) messages: u64,
    pub(crate) message_octets: u64,
    pub(crate) file_octets: u64,
    pub(crate) sessions: Sessions,
}

/// Whether a Collector is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionState {
    /// There is a Transport Session; over UDP that the network has not objected.
    pub is_open: bool,
    /// The network has objected of late, and the session goes on all the same (UDP).
    pub is_refused: bool,
    /// Which member of a failover group is in use, from 1; 1 where there is one only.
    pub member: usize,
    /// Data Records that were written to it and are not known to have been read. Until they are they
    /// wait as before, in memory or on disk, to be written again if the session breaks.
    pub unconfirmed: u64,
    /// When records were last written to it, or to the one before.
    pub last_written: Option<Timestamp>,
}

/// What waits in memory and was not given to a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QueueState {
    /// Octets.
    pub octets: u64,
    /// Octets at most; what comes then goes to the spool, or is lost where there is none.
    pub maximum_octets: u64,
}

/// What waits on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpoolState {
    /// Data Records.
    pub records: u64,
    /// Octets on disk.
    pub octets: u64,
    /// Octets on disk at most, as configured.
    pub maximum_octets: u64,
    /// Octets that there can be: what there are and what is free on the file system, if that is less.
    pub limit_octets: u64,
}

impl SpoolState {
    /// Whether its file system has less room than it may take.
    pub const fn is_bound_by_disk(&self) -> bool {
        self.limit_octets < self.maximum_octets
    }

    /// Whether it has little room left.
    pub const fn is_nearly_full(&self) -> bool {
        let (filled, bound) = self.fill();
        is_nearly_full(filled, bound)
    }

    /// How full it is, and of what. Empty, it is full all the same where a disk has no room for one.
    pub(crate) const fn fill(&self) -> (u64, u64) {
        if self.is_bound_by_disk() && self.limit_octets < LEAST_OCTETS {
            (LEAST_OCTETS, LEAST_OCTETS)
        } else {
            (self.octets, self.limit_octets)
        }
    }
}

/// No spool is configured to have less.
const LEAST_OCTETS: u64 = 1_000_000;

/// A target at one moment.
#[derive(Clone, Debug, Default)]
pub struct TargetState {
    /// What it was given in this run.
    pub given: Totals,
    /// What an earlier run had left for it.
    pub recovered: Totals,
    /// What reached it.
    pub sent: Totals,
    /// What was lost, in the order of [`LossReason::ALL`].
    pub lost: [Totals; LossReason::ALL.len()],
    /// Data Records that wait in memory or are on their way.
    pub queued: u64,
    /// Data Records that wait, wherever, and were not written to a session; the rest of those that wait
    /// is [`SessionState::unconfirmed`].
    pub waiting: u64,
    /// How full the memory for what waits is, if it is a target that has such.
    pub queue: Option<QueueState>,
    /// What waits on disk, if it has a spool.
    pub spool: Option<SpoolState>,
    /// Messages sent, and octets of them.
    pub messages: u64,
    /// Octets of the Messages.
    pub message_octets: u64,
    /// Octets of these in files, compressed where they are.
    pub file_octets: u64,
    /// How often sessions were opened, and were not.
    pub sessions: Sessions,
    /// The session, if it is a target that has such.
    pub session: Option<SessionState>,
    /// When records were last known to have arrived.
    pub last_sent: Option<Timestamp>,
    /// Nothing more is written to it.
    pub failed: bool,
    /// Until when its certificates are good, as far as anybody looked.
    pub certificates: Vec<CertificateEnd>,
}

impl TargetState {
    /// What was lost for any reason.
    pub fn lost_totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.lost.iter().for_each(|&lost| totals += lost);
        totals
    }
}

impl Watch {
    pub(crate) fn new(name: String, label: String, kind: &'static str, levels: Vec<Level>) -> Self {
        let (given, queue_full) = Default::default();
        let (tls, inner) = Default::default();
        Self { name, label, kind, levels, tls, given, queue_full, inner }
    }

    /// With the certificates that it takes to reach these.
    pub(crate) fn reaching(mut self, collectors: &[Collector]) -> Self {
        let over_tls = collectors.iter().filter(|it| it.transport == Transport::Tls);
        self.tls = over_tls.map(|collector| collector.options.tls.clone()).collect();
        self
    }

    /// Reads until when the certificates of now are good, and shows it with the state from here on.
    pub fn look_at_certificates(&self) -> Vec<CertificateEnd> {
        let mut ends = Vec::new();
        for end in self.tls.iter().flat_map(tls::ends) {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        self.lock().certificates.clone_from(&ends);
        ends
    }

    /// How the target is now.
    pub fn state(&self) -> TargetState {
        let given = self.given.totals();
        let inner = self.lock();
        let (target, link) = (&inner.target, &inner.link);
        let mut lost = target.lost;
        lost.iter_mut().zip(link.lost).for_each(|(sum, lost)| *sum += lost);
        let more = [
            (LossReason::QueueFull, self.queue_full.totals()),
            (LossReason::SpoolDamaged, inner.unreadable),
        ];
        for (reason, totals) in more {
            if let Some(sum) = lost.get_mut(reason as usize) {
                *sum += totals;
            }
        }
        let mut sent = target.sent;
        sent += link.sent;
        let mut state = TargetState {
            given,
            recovered: inner.recovered,
            sent,
            lost,
            queued: 0,
            waiting: 0,
            queue: inner.queue,
            spool: inner.spool,
            messages: target.messages + link.messages,
            message_octets: target.message_octets + link.message_octets,
            file_octets: target.file_octets,
            sessions: link.sessions,
            session: inner.session,
            last_sent: inner.last_sent,
            failed: inner.failed,
            certificates: inner.certificates.clone(),
        };
        // What came and has not gone anywhere.
        let there = given.records.saturating_add(inner.recovered.records);
        let gone = sent.records.saturating_add(state.lost_totals().records);
        let spooled = inner.spool.map_or(0, |spool| spool.records);
        let kept = there.saturating_sub(gone);
        state.queued = kept.saturating_sub(spooled);
        state.waiting = kept.saturating_sub(inner.session.map_or(0, |it| it.unconfirmed));
        state
    }

    /// What was found in the spool, and how much of it cannot be read.
    pub(crate) fn begin(&self, recovered: Totals, unreadable: Totals) {
        let mut inner = self.lock();
        (inner.recovered, inner.unreadable) = (recovered, unreadable);
    }

    pub(crate) fn tell_target(&self, books: Books, failed: bool, now: Timestamp) {
        let mut inner = self.lock();
        if books.sent.records > inner.target.sent.records {
            inner.last_sent = Some(now);
        }
        (inner.target, inner.failed) = (books, failed);
    }

    pub(crate) fn tell_link(&self, books: Books, session: SessionState, now: Timestamp) {
        let mut inner = self.lock();
        if books.sent.records > inner.link.sent.records {
            inner.last_sent = Some(now);
        }
        (inner.link, inner.session) = (books, Some(session));
    }

    pub(crate) fn tell_waiting(&self, queue: QueueState, spool: Option<SpoolState>) {
        let mut inner = self.lock();
        (inner.queue, inner.spool) = (Some(queue), spool);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(records: u64) -> Totals {
        Totals { records, ..Totals::default() }
    }

    #[test]
    fn a_spool_is_as_full_as_its_disk() {
        let spool = |octets, limit_octets| SpoolState {
            records: 1,
            octets,
            maximum_octets: 1_000_000_000,
            limit_octets,
        };
        for (octets, limit, is_nearly_full) in [
            (799_999_999, 1_000_000_000, false),
            (800_000_000, 1_000_000_000, true),
            (2_399_999, 3_000_000, false),
            (2_400_000, 3_000_000, true),
            (0, 1_000_000, false),
            (0, 999_999, true),
            (0, 0, true),
        ] {
            let spool = spool(octets, limit);
            assert_eq!(spool.is_nearly_full(), is_nearly_full, "{spool:?}");
            assert_eq!(spool.is_bound_by_disk(), limit < 1_000_000_000);
        }
    }

    #[test]
    fn what_is_neither_sent_nor_lost_nor_on_disk_is_queued() {
        let watch = Watch::new("tcp://c".to_owned(), "1".to_owned(), "tcp", vec![Level::AsIs]);
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let session = SessionState {
            is_open: true,
            is_refused: false,
            member: 1,
            unconfirmed: 12,
            last_written: Some(at(6)),
        };
        let spool =
            SpoolState { records: 20, octets: 900, maximum_octets: 1000, limit_octets: 1000 };
        let queue = QueueState { octets: 70, maximum_octets: 100 };
        watch.begin(records(10), records(3));
        watch.given.add(records(100));
        watch.queue_full.add(records(5));
        watch.tell_waiting(queue, Some(spool));
        watch.tell_link(Books { sent: records(40), ..Books::default() }, session, at(7));
        let state = watch.state();
        assert_eq!((state.queued, state.lost_totals()), (110 - 40 - 8 - 20, records(8)));
        assert_eq!(state.waiting, 110 - 40 - 8 - 12, "in memory or on disk, and not written");
        assert_eq!((state.last_sent, state.sent), (Some(at(7)), records(40)));
        assert_eq!((state.queue, state.spool), (Some(queue), Some(spool)));
        watch.tell_link(Books { sent: records(40), ..Books::default() }, session, at(9));
        assert_eq!(watch.state().last_sent, Some(at(7)), "nothing more arrived");
    }
}
