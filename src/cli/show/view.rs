//! What becomes of the records that are asked for.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::csv::{self, Cell, Columns};
use super::group::Groups;
use super::ranked::Ranked;
use super::subject::Subject;
use super::walk::Visitor;
use crate::cli::table::{FlowRow, Table};
use crate::ipfix::reader::Record;

/// How many more are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(Option<u64>);

impl Limit {
    pub(super) const fn new(limit: Option<u64>) -> Self {
        Self(limit)
    }

    /// Counts one; `Break` if it is the last.
    fn take(&mut self) -> ControlFlow<()> {
        match &mut self.0 {
            None => ControlFlow::Continue(()),
            Some(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
        }
    }
}

/// Rows of the table as they come.
#[derive(Debug)]
pub(super) struct Rows<W> {
    pub(super) table: Table<W>,
    pub(super) limit: Limit,
}

impl<W: Write> Visitor for Rows<W> {
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        self.table.push(&subject.row())?;
        Ok(self.limit.take())
    }
}

/// Objects as they come.
pub(super) struct JsonLines<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) limit: Limit,
    /// Whether records of Options Templates are among them.
    pub(super) with_options: bool,
}

impl JsonLines<'_> {
    fn write(&mut self, record: &Record<'_>) -> anyhow::Result<ControlFlow<()>> {
        serde_json::to_writer(&mut *self.out, record).map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(self.limit.take())
    }
}

impl Visitor for JsonLines<'_> {
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        self.write(subject.record)
    }

    fn options(&mut self, record: &Record<'_>) -> anyhow::Result<ControlFlow<()>> {
        if self.with_options { self.write(record) } else { Ok(ControlFlow::Continue(())) }
    }
}

/// The first walk of two: the columns that there must be.
pub(super) struct CsvColumns {
    columns: Columns,
    limit: Limit,
    /// Rows in each file.
    rows: Vec<u64>,
}

impl CsvColumns {
    pub(super) fn new(limit: Limit) -> Self {
        Self { columns: Columns::default(), limit, rows: Vec::new() }
    }
}

impl Visitor for CsvColumns {
    fn begin_file(&mut self) {
        self.rows.push(0);
    }

    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        self.columns.add(subject.record)?;
        if let Some(rows) = self.rows.last_mut() {
            *rows += 1;
        }
        Ok(self.limit.take())
    }
}

/// The second walk: the rows.
pub(super) struct CsvRows<'a> {
    out: &'a mut dyn Write,
    columns: Columns,
    limit: Limit,
    rows: std::vec::IntoIter<u64>,
    /// Rows that the file at hand had in the first walk and are still to come.
    left: u64,
}

impl<'a> CsvRows<'a> {
    /// Writes the header.
    pub(super) fn new(found: CsvColumns, out: &'a mut dyn Write, limit: Limit) -> io::Result<Self> {
        found.columns.write_header(out)?;
        Ok(Self { out, columns: found.columns, limit, rows: found.rows.into_iter(), left: 0 })
    }
}

impl Visitor for CsvRows<'_> {
    fn begin_file(&mut self) {
        self.left = self.rows.next().unwrap_or(0);
    }

    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        if self.left == 0 {
            // The file has grown since.
            return Ok(ControlFlow::Continue(()));
        }
        self.left -= 1;
        self.columns.write(self.out, subject.record)?;
        Ok(self.limit.take())
    }
}

/// Rows of the table, held for their order.
pub(super) struct HeldRows(pub(super) Ranked<FlowRow>);

impl HeldRows {
    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::in_given_order(out);
        for row in self.0.into_sorted() {
            table.push(&row)?;
        }
        table.flush()
    }
}

impl Visitor for HeldRows {
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        self.0.add(subject, || {
            let row = subject.row();
            let memory = row.memory();
            Ok((row, memory))
        })?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Objects, held for their order.
pub(super) struct HeldLines(pub(super) Ranked<Box<[u8]>>);

impl HeldLines {
    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        for line in self.0.into_sorted() {
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Visitor for HeldLines {
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        self.0.add(subject, || {
            let line = serde_json::to_vec(subject.record)?.into_boxed_slice();
            let memory = line.len() + OVERHEAD;
            Ok((line, memory))
        })?;
        Ok(ControlFlow::Continue(()))
    }
}

/// CSV, held for its order.
pub(super) struct HeldCsv {
    ranked: Ranked<Box<[Cell]>>,
    columns: Columns,
}

impl HeldCsv {
    pub(super) fn new(ranked: Ranked<Box<[Cell]>>) -> Self {
        Self { ranked, columns: Columns::default() }
    }

    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<_> = self.ranked.into_sorted().collect();
        csv::write_rows(out, &self.columns, &rows)
    }
}

impl Visitor for HeldCsv {
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        let Self { ranked, columns } = self;
        ranked.add(subject, || {
            columns.add(subject.record)?;
            let cells = columns.cells(subject.record);
            let texts: usize = cells.iter().map(|(_, text)| text.len()).sum();
            let memory = texts + size_of_val::<[Cell]>(&cells) + OVERHEAD;
            Ok((cells, memory))
        })?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Sums of groups.
pub(super) struct Summed<'k>(pub(super) Groups<'k>);

impl Visitor for Summed<'_> {
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>> {
        self.0.add(subject);
        Ok(ControlFlow::Continue(()))
    }
}

/// What holding a record takes beside its text.
const OVERHEAD: usize = 96;
