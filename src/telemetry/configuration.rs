//! Whether the configuration that was asked for last is the one in effect.

use std::sync::{Mutex, PoisonError};

use crate::time::Timestamp;

/// The configuration of a run. Who reads it again tells, the telemetry thread reads.
///
/// Why one was refused is not kept here: the reason may quote a filter, and so an address of the
/// observed network.
#[derive(Debug)]
pub struct Configuration(Mutex<ConfigurationState>);

/// How it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ConfigurationState {
    /// When the one that is in effect came into effect.
    pub(super) loaded: Timestamp,
    /// Another one was asked for since, and refused.
    pub(super) refused: bool,
}

impl Configuration {
    /// In effect since then.
    pub const fn new(loaded: Timestamp) -> Self {
        Self(Mutex::new(ConfigurationState { loaded, refused: false }))
    }

    /// Another one came into effect, or the same one anew.
    pub fn loaded(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            ConfigurationState { loaded: at, refused: false };
    }

    /// Another one was refused.
    pub fn refused(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused = true;
    }

    pub(super) fn read(&self) -> ConfigurationState {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
