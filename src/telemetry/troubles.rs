//! Which checks of the doctor find something to put right while packets are captured.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Checks by name, each with whether it finds anything. Who checks writes, the telemetry thread reads.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<BTreeMap<&'static str, bool>>);

impl Troubles {
    /// Takes the place of what was told before.
    pub fn tell(&self, checks: BTreeMap<&'static str, bool>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = checks;
    }

    pub(super) fn read(&self) -> BTreeMap<&'static str, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
