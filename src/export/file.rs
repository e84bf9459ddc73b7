//! `file:PATH`: an IPFIX File (RFC 5655), which is a stream of Messages and nothing else.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::clock::Clock;
use crate::export::config::{Config, Pace};
use crate::export::encoder::Encoder;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::layout::Layout;
use crate::export::mapping::{DataRecord, data_records};
use crate::export::output::Output;
use crate::export::pacing::FlushTimer;
use crate::export::profile::Mapping;
use crate::export::sink::RecordSink;
use crate::ipfix::message::Refused;

/// Writes an IPFIX File.
///
/// In a replay its octets depend on the records and their clock alone: no timer ends a Message.
#[derive(Debug)]
pub(crate) struct FileSink {
    target: String,
    encoder: Encoder,
    output: Output,
    mapping: Mapping,
    pace: Pace,
    clock: Arc<dyn Clock>,
    flush_timer: FlushTimer,
    /// Export Time of the last batch.
    export_seconds: u64,
    any_message: bool,
    reader_is_gone: bool,
}

impl FileSink {
    /// Creates the file.
    pub(crate) fn create(path: &Path, target: &str, config: &Config) -> Result<Self, ExportError> {
        let output = Output::create(path)
            .map_err(|source| ExportError::Create { target: target.to_owned(), source })?;
        let mapping = Mapping { biflow: config.biflow, ..Mapping::default() };
        Ok(Self {
            target: target.to_owned(),
            encoder: Encoder::new(config.observation_domain, MESSAGE_SIZE, mapping),
            output,
            mapping,
            pace: config.pace,
            clock: Arc::clone(&config.clock),
            flush_timer: FlushTimer::new(config.flush_timer()),
            export_seconds: 0,
            any_message: false,
            reader_is_gone: false,
        })
    }

    fn add(&mut self, record: &DataRecord<'_>, account: &mut Account) -> Result<(), ExportError> {
        match self.encoder.add(record) {
            Err(Refused::MessageFull) => {
                self.end_message(account)?;
                self.encoder.add(record)
            }
            other => other,
        }
        .map_err(|source| ExportError::Encode { target: self.target.clone(), source })
    }

    fn end_message(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.flush_timer.restart();
        let export_seconds = match self.pace {
            Pace::Replay => self.export_seconds,
            Pace::Live => self.clock.wall().as_secs(),
        };
        if let Some(message) = self.encoder.finish(export_seconds) {
            self.any_message = true;
            let done = self
                .output
                .add(message.totals, account, |out| out.extend_from_slice(message.octets));
            self.settle(done)?;
        }
        Ok(())
    }

    /// A pipe whose reader has seen enough is no error of ours; `file:/dev/stdout` may be one.
    fn settle(&mut self, done: io::Result<()>) -> Result<(), ExportError> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_is_gone = true;
                Ok(())
            }
            other => {
                other.map_err(|source| ExportError::Write { target: self.target.clone(), source })
            }
        }
    }
}

impl RecordSink for FileSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if self.reader_is_gone {
            account.lost(LossReason::ReaderGone, Totals::of(&batch.records, self.mapping.biflow));
            return Ok(());
        }
        self.export_seconds = batch.clock.as_secs();
        for record in &batch.records {
            for data in data_records(record, self.mapping) {
                self.add(&data, account)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if self.flush_timer.is_due(!self.encoder.is_empty(), self.clock.monotonic()) {
            self.end_message(account)?;
            let done = self.output.flush(account);
            self.settle(done)?;
        }
        Ok(())
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if self.reader_is_gone || !self.output.is_broken() {
            self.end_message(account)?;
            if !self.any_message {
                // A file without a Flow is a valid file with a Template, and not an empty one,
                // which readers take for damaged.
                self.encoder.add_template(Layout::PLAIN).map_err(|source| ExportError::Encode {
                    target: self.target.clone(),
                    source,
                })?;
                self.end_message(account)?;
            }
        }
        let done = self.output.finish(account);
        self.settle(done)?;
        if self.reader_is_gone {
            account.lost(LossReason::ReaderGone, self.output.take_unwritten());
        }
        Ok(())
    }
}

/// Far below the 65,535 octets that are possible, so that damage to a file costs little of it, and
/// far above the headers, which cost nothing then.
const MESSAGE_SIZE: usize = 16_384;
