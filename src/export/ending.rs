//! How the threads of targets learn that the run is over.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Set once by the exporter, seen by all targets, also by those that wait for something else.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Running,
    Finishing,
    Abandoned,
}

impl Ending {
    /// No record will follow those in the queues.
    pub(crate) fn finish(&self) {
        self.set(State::Finishing);
    }

    /// Nothing is wanted any more; without effect on a run that finishes.
    pub(crate) fn abandon(&self) {
        if !self.is_over() {
            self.set(State::Abandoned);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state() != State::Running
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.state() == State::Abandoned
    }

    /// Waits for `duration`, or until the run is over, which it then returns.
    pub(crate) fn wait(&self, duration: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let running = |state: &mut State| *state == State::Running;
        let (state, _) = self
            .changed
            .wait_timeout_while(state, duration, running)
            .unwrap_or_else(PoisonError::into_inner);
        *state != State::Running
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }
}
