//! What every kind of target has to do.

use std::fmt::Debug;

use crate::export::account::{Account, Totals};
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;

/// A target at work, in a thread of its own.
///
/// An error ends the target: nothing more is written to it, and everything it has not accounted for
/// is lost. Trouble it can live with goes to the [`Account`].
pub trait RecordSink: Debug + Send {
    /// Takes every record of `batch`.
    ///
    /// # Errors
    ///
    /// [`ExportError`] when the target cannot go on.
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError>;

    /// Called after every batch, and a few times a second when there is none: time for timers.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let _ = account;
        Ok(())
    }

    /// Sends what waits and closes. Called once, also after an error, and not at all when the run is
    /// abandoned: dropping the sink then leaves nothing behind.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError>;
}

/// `null:`, which takes everything and keeps nothing.
#[derive(Debug)]
pub(crate) struct NullSink {
    pub(crate) biflow: bool,
}

impl RecordSink for NullSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        account.sent(Totals::of(&batch.records, self.biflow));
        Ok(())
    }

    fn finish(&mut self, _: &mut Account) -> Result<(), ExportError> {
        Ok(())
    }
}
