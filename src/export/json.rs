//! `json:PATH` and `json:-`: one JSON object a Data Record, a line each.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::export::account::{Account, LossReason, Totals};
use crate::export::config::Config;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::mapping::{FieldVisitor, data_records};
use crate::export::output::Output;
use crate::export::sink::RecordSink;
use crate::export::target::JsonOutput;
use crate::ipfix::element::InformationElement;
use crate::time::Timestamp;

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct JsonSink {
    target: String,
    output: Output,
    biflow: bool,
    fields: NamedFields,
}

impl JsonSink {
    /// Opens the output.
    pub(crate) fn open(
        output: &JsonOutput,
        target: &str,
        config: &Config,
    ) -> Result<Self, ExportError> {
        let output = match output {
            JsonOutput::Standard => Output::standard(),
            JsonOutput::File(path) => Output::create(path)
                .map_err(|source| ExportError::Create { target: target.to_owned(), source })?,
        };
        Ok(Self {
            target: target.to_owned(),
            output,
            biflow: config.biflow,
            fields: NamedFields::default(),
        })
    }

    /// A reader that has seen enough and closed its end is no error of ours.
    fn settle(&mut self, done: io::Result<()>, account: &mut Account) -> Result<(), ExportError> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                account.lost(LossReason::ReaderGone, self.output.take_unwritten());
                Ok(())
            }
            other => other
                .map_err(|source| ExportError::Write { target: self.target.clone(), source }),
        }
    }
}

impl RecordSink for JsonSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if self.output.is_broken() {
            account.lost(LossReason::ReaderGone, Totals::of(&batch.records, self.biflow));
            return Ok(());
        }
        for record in &batch.records {
            for data in data_records(record, self.biflow) {
                self.fields.0.clear();
                data.visit(&mut self.fields);
                let fields = &self.fields;
                let done = self.output.add(Totals::of_data(&data), account, |out| {
                    serde_json::to_writer(&mut *out, fields)
                        .expect("the keys are text and memory does not fail");
                    out.push(b'\n');
                });
                self.settle(done, account)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let done = self.output.flush(account);
        self.settle(done, account)
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let done = self.output.finish(account);
        self.settle(done, account)
    }
}
