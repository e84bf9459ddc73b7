//! What can be asked of a machine that is not Linux while packets are captured: nothing as yet.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::finding::Finding;
use crate::export::Watch;
use crate::pipeline::Page;

/// The machine and the interfaces under observation.
#[derive(Debug)]
pub(in crate::cli) struct Surroundings;

impl Surroundings {
    /// Nothing is opened.
    pub(in crate::cli) fn open(_names: &[String], _spool: Option<PathBuf>) -> Self {
        Self
    }

    /// Nothing is found.
    pub(super) fn look(&mut self, _: &Page, _: &[&Watch], _: Duration) -> Vec<Finding> {
        Vec::new()
    }
}
