//! The target of a run that has none: flows as a table on standard output.

use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};

use crate::cli::table::{FlowRow, Table, TimeBase};
use crate::export::{
    Account, ExportError, LossReason, Pace, RecordBatch, RecordSink, Totals, each_data_record,
    reader_has_left,
};

/// Prints each flow as it expires.
#[derive(Debug)]
pub(super) struct FlowTable<W: Write> {
    table: Table<BufWriter<W>>,
    /// Live, rows appear as they come; in a replay once there are enough for good columns.
    pace: Pace,
    reader_gone: bool,
}

impl FlowTable<Stdout> {
    pub(super) fn new(pace: Pace) -> Self {
        Self::to(io::stdout(), pace)
    }
}

impl<W: Write> FlowTable<W> {
    /// Prints to something else than standard output.
    pub(super) fn to(out: W, pace: Pace) -> Self {
        let out = BufWriter::new(out);
        let table = match pace {
            Pace::Live => Table::live(out),
            Pace::Replay => Table::new(out),
        };
        Self { table, pace, reader_gone: false }
    }
}

impl<W: Write + fmt::Debug + Send> RecordSink for FlowTable<W> {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        for record in &batch.records {
            let totals = Totals::of(std::iter::once(record), true);
            if self.reader_gone {
                account.lost(LossReason::ReaderGone, totals);
                continue;
            }
            let mut done = Ok(());
            each_data_record(record, true, |fields| {
                let row = FlowRow::new(fields, TimeBase::default());
                if done.is_ok() {
                    done = self.table.push(&row);
                }
            });
            self.reader_gone |= reader_has_left(TARGET, done)?;
            account.sent(totals);
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Account) -> Result<(), ExportError> {
        if self.pace == Pace::Replay || self.reader_gone {
            return Ok(());
        }
        let done = self.table.flush();
        self.reader_gone |= reader_has_left(TARGET, done)?;
        Ok(())
    }

    fn finish(&mut self, _: &mut Account) -> Result<(), ExportError> {
        if self.reader_gone {
            return Ok(());
        }
        let done = self.table.flush();
        self.reader_gone |= reader_has_left(TARGET, done)?;
        Ok(())
    }
}

/// What the table is called in messages.
const TARGET: &str = "table";
