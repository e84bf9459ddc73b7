//! `json:PATH` and `json:-`: one JSON object a Data Record, a line each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::clock::Clock;
use crate::export::config::Config;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::mapping::{FieldVisitor, data_records};
use crate::export::output::Output;
use crate::export::sink::RecordSink;
use crate::export::target::JsonOutput;
use crate::flow::FlowRecord;
use crate::ipfix::date_time::DateTime;
use crate::ipfix::element::InformationElement;
use crate::ipfix::field::Field;
use crate::ipfix::json::JsonRecord;
use crate::ipfix::value::Value;
use crate::time::Timestamp;

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct JsonSink {
    target: String,
    output: Output,
    biflow: bool,
    clock: Arc<dyn Clock>,
    flush_timeout: Duration,
    flushed_at: Duration,
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
            clock: Arc::clone(&config.clock),
            flush_timeout: config.flush_timeout,
            flushed_at: config.clock.monotonic(),
        })
    }

    /// A reader that has seen enough and closed its end is no error of ours.
    fn settle(&mut self, done: io::Result<()>, account: &mut Account) -> Result<(), ExportError> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                account.lost(LossReason::ReaderGone, self.output.take_unwritten());
                Ok(())
            }
            other => {
                other.map_err(|source| ExportError::Write { target: self.target.clone(), source })
            }
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
                let mut fields = NamedFields(Vec::with_capacity(64));
                data.visit(&mut fields);
                let done = self.output.add(Totals::of_data(&data), account, |out| {
                    serde_json::to_writer(&mut *out, &JsonRecord(&fields.0))
                        .expect("the keys are text and memory takes every octet");
                    out.push(b'\n');
                });
                self.settle(done, account)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.flushed_at) < self.flush_timeout {
            return Ok(());
        }
        self.flushed_at = now;
        let done = self.output.flush(account);
        self.settle(done, account)
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let done = self.output.finish(account);
        self.settle(done, account)
    }
}

/// Calls `each` with the fields of every Data Record that `record` becomes, for sinks of people.
pub fn each_data_record(
    record: &FlowRecord,
    biflow: bool,
    mut each: impl FnMut(Vec<(Field, Value<'_>)>),
) {
    for data in data_records(record, biflow) {
        let mut fields = NamedFields(Vec::with_capacity(64));
        data.visit(&mut fields);
        each(fields.0);
    }
}

/// Names and values of a record.
struct NamedFields<'a>(Vec<(Field, Value<'a>)>);

impl NamedFields<'_> {
    fn push_number(&mut self, element: &InformationElement, value: u64) {
        self.0.push((Field::from(*element), Value::Unsigned(value)));
    }
}

impl<'a> FieldVisitor<'a> for NamedFields<'a> {
    fn unsigned8(&mut self, element: &'static InformationElement, value: u8) {
        self.push_number(element, value.into());
    }

    fn unsigned16(&mut self, element: &'static InformationElement, value: u16) {
        self.push_number(element, value.into());
    }

    fn unsigned32(&mut self, element: &'static InformationElement, value: u32) {
        self.push_number(element, value.into());
    }

    fn unsigned64(&mut self, element: &'static InformationElement, value: u64) {
        self.push_number(element, value);
    }

    fn milliseconds(&mut self, element: &'static InformationElement, value: Timestamp) {
        let time = DateTime::from_milliseconds(value.as_millis());
        self.0.push((Field::from(*element), Value::DateTime(time)));
    }

    fn ipv4_address(&mut self, element: &'static InformationElement, value: [u8; 4]) {
        self.0.push((Field::from(*element), Value::Ipv4(value.into())));
    }

    fn ipv6_address(&mut self, element: &'static InformationElement, value: [u8; 16]) {
        self.0.push((Field::from(*element), Value::Ipv6(value.into())));
    }

    fn mac_address(&mut self, element: &'static InformationElement, value: [u8; 6]) {
        self.0.push((Field::from(*element), Value::Mac(value)));
    }

    fn label_section(&mut self, element: &'static InformationElement, value: &'a [u8; 3]) {
        self.0.push((Field::from(*element), Value::Octets(value)));
    }
}
