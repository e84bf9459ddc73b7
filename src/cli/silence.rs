//! Interfaces that are up and bring nothing, as when somebody has taken the mirror away: looked for while a
//! capture runs, whether it has telemetry or not.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::cli::log;
use crate::pipeline::OpenBooks;
use crate::telemetry::Interfaces;

/// Listens, in a thread of its own, until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// What falls silent is logged, and what is heard again; `interfaces` tell it to who asks for health.
    pub(super) fn start(books: Arc<OpenBooks>, interfaces: Arc<Interfaces>) -> Self {
        let patience = interfaces.patience();
        if patience.is_zero() {
            return Self { stop: None, thread: None };
        }
        let step = (patience / STEPS).clamp(SHORTEST_STEP, LONGEST_STEP);
        let (stop, stopped) = mpsc::channel();
        let started = now();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
                let at = now().duration_since(started);
                interfaces.listen(&books.read().points, at).iter().for_each(log::silence);
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It is gone only if it panicked, which the run has outlived.
            let _ = thread.join();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "silence lasts in real time, as packets have none")]
fn now() -> Instant {
    Instant::now()
}

/// How much later than it begins silence is found, of what it may last.
const STEPS: u32 = 10;
const SHORTEST_STEP: Duration = Duration::from_millis(200);
const LONGEST_STEP: Duration = Duration::from_secs(5);
