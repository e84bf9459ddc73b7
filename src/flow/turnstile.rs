//! A lock that can also keep an order: the only place of the Metering Process that locks.

use std::hint;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// In which order batches of several workers enter the cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Whoever comes: live capture, or a single worker.
    Any,
    /// In the order of these numbers, counted from 0 without gaps over all workers. Several workers
    /// may thus read one file, and each shard still sees its packets in the order of the capture.
    Ticket(u64),
}

/// A lock that can also keep an order.
#[derive(Debug)]
pub(super) struct Turnstile<T> {
    state: Mutex<State<T>>,
    /// The ticket whose turn it is; changes under the lock.
    next: AtomicU64,
    passed: Condvar,
}

/// What was entered, until it is left.
#[derive(Debug)]
pub(super) struct Entered<'a, T> {
    turnstile: &'a Turnstile<T>,
    state: MutexGuard<'a, State<T>>,
}

#[derive(Debug)]
struct State<T> {
    /// Those who sleep until the turn is theirs.
    sleepers: usize,
    inner: T,
}

impl<T> Turnstile<T> {
    pub(super) const fn new(inner: T) -> Self {
        Self {
            state: Mutex::new(State { sleepers: 0, inner }),
            next: AtomicU64::new(0),
            passed: Condvar::new(),
        }
    }

    /// Enters whoever's turn it is.
    ///
    /// A panic elsewhere is reported by whoever joins that thread; the state of a shard is sound
    /// between any two packets, and its records shall still leave.
    pub(super) fn lock(&self) -> Entered<'_, T> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Entered { turnstile: self, state }
    }

    /// Enters when the turn has come, or when everything is closed.
    pub(super) fn enter(&self, turn: Turn, closed: &AtomicBool) -> Entered<'_, T> {
        let Turn::Ticket(ticket) = turn else { return self.lock() };
        let may_enter =
            || self.next.load(Ordering::Acquire) == ticket || closed.load(Ordering::SeqCst);
        // Whoever is ahead is a few microseconds ahead as a rule: to sleep and be woken costs more.
        for _ in 0..PATIENCE {
            if may_enter() {
                break;
            }
            hint::spin_loop();
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !may_enter() {
            state.sleepers += 1;
            state = self.passed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleepers -= 1;
        }
        Entered { turnstile: self, state }
    }

    /// Lets those who wait look whether everything is closed.
    pub(super) fn wake_all(&self) {
        // Under the lock, so that nobody is between looking and waiting.
        let state = self.lock();
        self.passed.notify_all();
        drop(state);
    }
}

impl<T> Entered<'_, T> {
    /// Leaves, and lets the next ticket in.
    pub(super) fn pass(self) {
        self.turnstile.next.fetch_add(1, Ordering::Release);
        let sleepers = self.state.sleepers;
        drop(self.state);
        if sleepers > 0 {
            self.turnstile.passed.notify_all();
        }
    }
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state.inner
    }
}

impl<T> DerefMut for Entered<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.state.inner
    }
}

/// Looks at the ticket before going to sleep: some 50 µs.
const PATIENCE: u32 = 1000;
