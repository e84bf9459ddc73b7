//! What waits for a Collector: a queue in memory, and behind it the spool.
//!
//! In order it holds what was sent and has not arrived, what waits in memory, and what waits on disk.
//! A Body is on its way through all of it once, whatever happens to sessions.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::export::account::{LossReason, Totals};
use crate::export::body::Body;
use crate::export::config::Pace;
use crate::export::spool::{Closed, PushError, Spool, Stored};
use crate::export::watch::{QueueState, SpoolState};
use crate::time::Timestamp;

/// The queue between the thread that encodes and the thread that sends.
#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    /// Something came or went.
    changed: Condvar,
    /// Octets of a Message that the session takes; the encoder looks at it.
    message_size: AtomicUsize,
    pace: Pace,
}

/// A Body on its way.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) body: Body,
    /// Replay: the Export Time of its Message.
    pub(super) export_seconds: u64,
    /// How it is encoded, if not as everything of this run is: it was spooled by an earlier one.
    pub(super) context: Arc<str>,
}

/// What there is to send.
#[derive(Debug)]
pub(super) enum Next {
    /// This, which stays in the store until it is settled.
    Body(Arc<Waiting>),
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing will follow.
    End,
}

/// What was lost here, for whom it is reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NotSent {
    pub(super) totals: Totals,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

#[derive(Debug)]
struct Inner {
    /// Given to the session; in order.
    out: VecDeque<Place>,
    /// Waits in memory; in order, and after `out`.
    waiting: VecDeque<Place>,
    /// Octets in `waiting`.
    octets: usize,
    limit: usize,
    /// Waits on disk, after everything in memory. What is in memory and came from here is there too,
    /// until it is delivered, and nothing that did not come from here follows it.
    spool: Option<Spool>,
    /// How many of those in memory are in the spool too.
    spooled: usize,
    context: Arc<str>,
    /// There is no session, so memory is no place to wait.
    away: bool,
    closed: bool,
    /// Nobody sends any more.
    abandoned: bool,
    losses: Vec<(LossReason, Totals)>,
    not_sent: NotSent,
    trouble: Option<PushError>,
    /// That was said, and the spool was not empty since.
    spool_in_trouble: bool,
}

/// A Body in memory.
#[derive(Clone, Debug)]
struct Place {
    waiting: Arc<Waiting>,
    /// It is also in the spool.
    spooled: bool,
}

impl Place {
    /// What came from the spool.
    fn read(Stored { body, context }: Stored) -> Self {
        let waiting = Waiting { body, export_seconds: 0, context };
        Self { waiting: Arc::new(waiting), spooled: true }
    }
}

impl Store {
    pub(super) fn new(
        limit: usize,
        message_size: usize,
        pace: Pace,
        context: &str,
        spool: Option<Spool>,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                out: VecDeque::new(),
                waiting: VecDeque::new(),
                octets: 0,
                limit,
                spool,
                spooled: 0,
                context: context.into(),
                away: true,
                closed: false,
                abandoned: false,
                losses: Vec::new(),
                not_sent: NotSent::default(),
                trouble: None,
                spool_in_trouble: false,
            }),
            changed: Condvar::new(),
            message_size: AtomicUsize::new(message_size),
            pace,
        }
    }

    /// Octets of a Message at most, as of the present session.
    pub(super) fn message_size(&self) -> usize {
        self.message_size.load(Ordering::Relaxed)
    }

    pub(super) fn set_message_size(&self, size: usize) {
        self.message_size.store(size, Ordering::Relaxed);
    }

    /// Takes a Body in. In a replay it waits for room; live what does not fit is lost, and counted.
    pub(super) fn push(&self, body: Body, export_seconds: u64, now: Timestamp) {
        let mut inner = self.lock();
        if self.pace == Pace::Replay {
            while inner.octets >= inner.limit && !inner.abandoned {
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
        }
        inner.push(body, export_seconds, now, self.pace);
        drop(inner);
        self.changed.notify_all();
    }

    /// No Body will follow.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Nothing more is sent: who waits for room has waited enough, and what comes is lost.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_all();
    }

    /// Whether nobody wants anything sent any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// The next Body in order; waits for one as long as `patience`.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let mut inner = self.lock();
        if !patience.is_zero() {
            let idle = |inner: &mut Inner| inner.is_empty() && !inner.closed && !inner.abandoned;
            inner = self
                .changed
                .wait_timeout_while(inner, patience, idle)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let next = inner.next();
        if matches!(next, Next::Nothing) && !inner.is_empty() && !patience.is_zero() {
            // There is something on disk that cannot be read now; asking at once again helps nobody.
            inner = self
                .changed
                .wait_timeout(inner, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(inner);
        // There is room.
        self.changed.notify_all();
        next
    }

    /// How the next Body is encoded, if there is one.
    pub(super) fn next_context(&self) -> Option<Arc<str>> {
        self.lock().next_context()
    }

    /// The oldest `count` Bodies that were taken need not be kept any longer.
    pub(super) fn delivered(&self, count: usize) -> Totals {
        self.lock().delivered(count)
    }

    /// Data Records that were written to the session and are not delivered; `written` says in order
    /// which of the Bodies that were taken were.
    pub(super) fn unconfirmed(&self, written: impl Iterator<Item = bool>) -> u64 {
        let inner = self.lock();
        let places = inner.out.iter().zip(written).filter(|(_, written)| *written);
        places.map(|(place, _)| place.waiting.body.totals.records).sum()
    }

    /// The session is over: what was taken and not delivered waits again.
    pub(super) fn take_back(&self, now: Timestamp) {
        let mut inner = self.lock();
        while let Some(place) = inner.out.pop_back() {
            inner.octets += place.waiting.body.sets.len();
            inner.waiting.push_front(place);
        }
        inner.stash(now);
    }

    /// Whether there is a session. While there is none everything goes to the spool, if there is one.
    pub(super) fn set_away(&self, away: bool, now: Timestamp) {
        let mut inner = self.lock();
        inner.away = away;
        if away {
            inner.stash(now);
        }
    }

    /// Looks after the spool; returns what was lost since the last call, and what the spool said.
    pub(super) fn tick(&self, now: Timestamp) -> (Vec<(LossReason, Totals)>, Option<PushError>) {
        let mut inner = self.lock();
        if let Some(spool) = &mut inner.spool {
            spool.flush();
            spool.expire(now);
            spool.measure(now);
            for (reason, totals) in spool.take_losses() {
                inner.lose(reason, totals, now);
            }
        }
        (mem::take(&mut inner.losses), inner.trouble.take())
    }

    /// Everything that was lost here or in the session, for the reports to the Collector.
    pub(super) fn not_sent(&self) -> NotSent {
        self.lock().not_sent
    }

    /// Something was lost in the session.
    pub(super) fn count_not_sent(&self, totals: Totals, now: Timestamp) {
        self.lock().not_sent.add(totals, now);
    }

    /// Whether nothing waits, nothing is on its way, and nothing will follow.
    pub(super) fn is_ended(&self) -> bool {
        let inner = self.lock();
        inner.closed && inner.is_empty() && inner.out.is_empty()
    }

    /// Whether there is a spool.
    pub(super) fn has_spool(&self) -> bool {
        self.lock().spool.is_some()
    }

    /// How the spool is, if there is one.
    pub(super) fn spool(&self) -> Option<SpoolState> {
        self.lock().spool.as_ref().map(|spool| SpoolState {
            records: spool.waiting().records,
            octets: spool.octets(),
            maximum_octets: spool.maximum_octets(),
            limit_octets: spool.limit_octets(),
        })
    }

    /// How full the memory is.
    pub(super) fn queue(&self) -> QueueState {
        let inner = self.lock();
        QueueState { octets: inner.octets as u64, maximum_octets: inner.limit as u64 }
    }

    /// Ends it. What is left is kept by the spool if that survives, and lost otherwise.
    pub(super) fn end(&self, now: Timestamp) -> Closed {
        let mut inner = self.lock();
        while let Some(place) = inner.out.pop_back() {
            inner.waiting.push_front(place);
        }
        inner.away = true;
        // What does not survive the end need not be written before it.
        if inner.spool.as_ref().is_some_and(Spool::survives) {
            inner.stash(now);
        }
        let mut closed = match inner.spool.take() {
            Some(spool) => {
                let closed = spool.close();
                for &(reason, totals) in &closed.losses {
                    inner.lose(reason, totals, now);
                }
                closed
            }
            None => Closed::default(),
        };
        for place in mem::take(&mut inner.waiting) {
            if !place.spooled {
                closed.dropped += place.waiting.body.totals;
            }
        }
        inner.octets = 0;
        closed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.spool.as_ref().is_some_and(|spool| self.reads(spool))
    }

    /// Whether there is something to read on disk, now. At the end what survives us stays there: a
    /// stop must not take as long as an outage did.
    fn reads(&self, spool: &Spool) -> bool {
        spool.has_unread() && !(self.closed && spool.survives())
    }

    fn push(&mut self, body: Body, export_seconds: u64, now: Timestamp, pace: Pace) {
        // At the end of a run without a session the link is the first to end; what is encoded after
        // that waits for the next run, as everything before it does.
        if self.abandoned && !self.spool.as_ref().is_some_and(Spool::survives) {
            self.lose(LossReason::Undelivered, body.totals, now);
            return;
        }
        let has_room = self.octets < self.limit || pace == Pace::Replay;
        let Some(spool) = &mut self.spool else {
            if has_room {
                self.remember(body, export_seconds);
            } else {
                self.lose(LossReason::QueueFull, body.totals, now);
            }
            return;
        };
        let spooling = self.spooled > 0 || spool.has_unread();
        if !spooling && !self.away && has_room {
            self.remember(body, export_seconds);
            return;
        }
        match spool.push(&body, now) {
            Ok(()) => {}
            Err(error) => {
                self.complain(error);
                // Behind what is spooled there is no place in memory: it would overtake.
                if !spooling && has_room {
                    self.remember(body, export_seconds);
                } else {
                    self.lose(LossReason::SpoolFull, body.totals, now);
                }
            }
        }
    }

    fn remember(&mut self, body: Body, export_seconds: u64) {
        self.octets += body.sets.len();
        let context = Arc::clone(&self.context);
        let waiting = Arc::new(Waiting { body, export_seconds, context });
        self.waiting.push_back(Place { waiting, spooled: false });
    }

    fn next(&mut self) -> Next {
        if let Some(place) = self.waiting.pop_front() {
            self.octets -= place.waiting.body.sets.len();
            let waiting = Arc::clone(&place.waiting);
            self.out.push_back(place);
            return Next::Body(waiting);
        }
        if let Some(place) = self.read() {
            let waiting = Arc::clone(&place.waiting);
            self.out.push_back(place);
            return Next::Body(waiting);
        }
        if let Some(spool) = self.spool.as_mut().filter(|spool| !spool.has_unread()) {
            // The outage is over. What is on its way is in memory too, and there it stays: disk is
            // not written for ever because the last octets of a session are never known to arrive.
            self.spool_in_trouble = false;
            if self.spooled > 0 {
                self.out.iter_mut().for_each(|place| place.spooled = false);
                spool.delivered(mem::take(&mut self.spooled));
            }
        }
        if self.closed { Next::End } else { Next::Nothing }
    }

    /// The next Body on disk, which stays there until it is delivered.
    fn read(&mut self) -> Option<Place> {
        if !self.spool.as_ref().is_some_and(|spool| self.reads(spool)) {
            return None;
        }
        let place = Place::read(self.spool.as_mut()?.next()?);
        self.spooled += 1;
        Some(place)
    }

    fn next_context(&mut self) -> Option<Arc<str>> {
        if self.waiting.is_empty()
            && let Some(place) = self.read()
        {
            self.octets += place.waiting.body.sets.len();
            self.waiting.push_back(place);
        }
        self.waiting.front().map(|place| Arc::clone(&place.waiting.context))
    }

    fn delivered(&mut self, count: usize) -> Totals {
        let mut totals = Totals::default();
        let mut spooled = 0;
        for place in self.out.drain(..count.min(self.out.len())) {
            totals += place.waiting.body.totals;
            spooled += usize::from(place.spooled);
        }
        if let Some(spool) = &mut self.spool
            && spooled > 0
        {
            self.spooled -= spooled;
            spool.delivered(spooled);
        }
        totals
    }

    /// Puts what waits in memory where it survives, if there is such a place.
    ///
    /// What came from the spool follows everything that did not, so that the latter goes before all
    /// that the spool holds.
    fn stash(&mut self, now: Timestamp) {
        let Some(spool) = &mut self.spool else { return };
        if !self.away || !self.out.is_empty() || self.waiting.is_empty() {
            return;
        }
        let own = self.waiting.iter().take_while(|place| !place.spooled).count();
        if self.waiting.iter().skip(own).any(|place| !place.spooled) {
            return; // a full disk has left them in an order that has no two halves
        }
        if self.waiting.len() > own {
            self.waiting.truncate(own);
            self.spooled = 0;
            spool.rewind();
        }
        let bodies: Vec<&Body> = self.waiting.iter().map(|place| &place.waiting.body).collect();
        let (taken, error) = spool.push_front(&bodies, now);
        let rest = self.waiting.split_off(taken);
        self.waiting.clear();
        if !rest.is_empty() {
            // What it did take is older than what it did not, and stays before it.
            for _ in 0..taken {
                if let Some(stored) = spool.next() {
                    self.waiting.push_back(Place::read(stored));
                    self.spooled += 1;
                }
            }
            self.waiting.extend(rest);
        }
        self.octets = self.waiting.iter().map(|place| place.waiting.body.sets.len()).sum();
        if let Some(error) = error {
            self.complain(error);
        }
    }

    fn complain(&mut self, error: PushError) {
        if !mem::replace(&mut self.spool_in_trouble, true) {
            self.trouble = Some(error);
        }
    }

    fn lose(&mut self, reason: LossReason, totals: Totals, now: Timestamp) {
        self.not_sent.add(totals, now);
        match self.losses.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += totals,
            None => self.losses.push((reason, totals)),
        }
    }
}

impl NotSent {
    pub(super) fn add(&mut self, totals: Totals, now: Timestamp) {
        if totals.is_zero() {
            return;
        }
        self.totals += totals;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests;
