//! CSV (RFC 4180): one table for the whole file.
//!
//! A file has many Templates, a table has one header. The columns are all elements that any flow
//! has, in the order in which they first appear; a second `sourceIPv4Address` in a record (a tunnel
//! within a tunnel) is the column `sourceIPv4Address[2]`. A flow without an element leaves its column
//! empty. So the file is read twice: once for the columns, once for the rows.

use std::collections::HashMap;
use std::io::{self, Write};

use anyhow::bail;

use super::group::KeyValue;
use crate::ipfix::field::Field;
use crate::ipfix::reader::Record;
use crate::ipfix::value::Value;

/// The columns of a table, by element.
#[derive(Debug, Default)]
pub(super) struct Columns {
    names: Vec<String>,
    elements: HashMap<(u32, u16, bool), Element>,
    /// Records met, in any of the walks.
    records: u64,
    /// Room for the cells of a row.
    cells: Vec<String>,
}

/// The columns that one element has.
#[derive(Debug, Default)]
struct Element {
    /// One for each time that it stands in one record.
    columns: Vec<usize>,
    /// How often it was met in the record in hand, and which record that is.
    met: usize,
    record: u64,
}

impl Columns {
    /// Makes room for the fields of a record.
    ///
    /// # Errors
    ///
    /// When there are more than a table can have.
    pub(super) fn add(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        let number = self.next_record();
        let mut fields = record.template().fields().iter();
        if fields.all(|field| self.column(&field.field, number).is_some()) {
            return Ok(());
        }
        bail!("more than {MAXIMUM_COLUMNS} columns; --where or --format json may help")
    }

    const fn next_record(&mut self) -> u64 {
        self.records += 1;
        self.records
    }

    /// The column of `field` in record `number`, met in the order of the record.
    fn column(&mut self, field: &Field, number: u64) -> Option<usize> {
        let key = (field.element.enterprise, field.element.id, field.reverse);
        let element = self.elements.entry(key).or_default();
        if element.record != number {
            (element.record, element.met) = (number, 0);
        }
        element.met += 1;
        if let Some(&column) = element.columns.get(element.met - 1) {
            return Some(column);
        }
        let column = self.names.len();
        if column == MAXIMUM_COLUMNS {
            return None;
        }
        self.names.push(match element.met {
            1 => field.name().into_owned(),
            n => format!("{field}[{n}]"),
        });
        element.columns.push(column);
        Some(column)
    }

    pub(super) fn write_header(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        write_line(out, self.names.iter().map(String::as_str))
    }

    /// Writes a row.
    pub(super) fn write(&mut self, out: &mut dyn Write, record: &Record<'_>) -> io::Result<()> {
        let number = self.next_record();
        let mut cells = std::mem::take(&mut self.cells);
        cells.resize(self.names.len(), String::new());
        cells.iter_mut().for_each(String::clear);
        for (field, value) in record.fields() {
            if let Some(column) = self.column(&field, number)
                && let Some(cell) = cells.get_mut(column)
            {
                push_text(cell, &value);
            }
        }
        let written = write_line(out, cells.iter().map(String::as_str));
        self.cells = cells;
        written
    }

    /// The cells of a record, to be written later.
    pub(super) fn cells(&mut self, record: &Record<'_>) -> Box<[Cell]> {
        let number = self.next_record();
        let cell = |(field, value): (Field, Value<'_>)| {
            let mut text = String::new();
            push_text(&mut text, &value);
            Some((self.column(&field, number)?, text.into_boxed_str()))
        };
        record.fields().filter_map(cell).collect()
    }
}

/// A text and its column.
pub(super) type Cell = (usize, Box<str>);

/// Writes a header of those columns that the rows have, and the rows.
pub(super) fn write_rows(
    out: &mut dyn Write,
    columns: &Columns,
    rows: &[Box<[Cell]>],
) -> io::Result<()> {
    let mut is_used = vec![false; columns.names.len()];
    for &(column, _) in rows.iter().flatten() {
        if let Some(is_used) = is_used.get_mut(column) {
            *is_used = true;
        }
    }
    let used: Vec<_> = is_used.iter().enumerate().filter(|(_, used)| **used).collect();
    if used.is_empty() {
        return Ok(());
    }
    let name = |&(column, _): &(usize, _)| columns.names.get(column).map_or("", String::as_str);
    write_line(out, used.iter().map(name))?;
    let mut cells = vec![""; columns.names.len()];
    for row in rows {
        cells.fill("");
        for (column, text) in row {
            if let Some(cell) = cells.get_mut(*column) {
                *cell = text;
            }
        }
        write_line(out, used.iter().map(|&(column, _)| cells.get(column).copied().unwrap_or("")))?;
    }
    Ok(())
}

/// The value of a key as a cell.
pub(super) fn text_cell(value: &KeyValue) -> String {
    let mut cell = String::new();
    match value {
        KeyValue::Text(text) => push_string(&mut cell, text),
        other => cell = other.to_string(),
    }
    cell
}

fn push_text(cell: &mut String, value: &Value<'_>) {
    use std::fmt::Write as _;
    match value {
        Value::String(text) => push_string(cell, text),
        // Writing to a string cannot fail, but for lists that cannot be JSON, and all can.
        other => drop(write!(cell, "{other}")),
    }
}

fn push_string(cell: &mut String, text: &str) {
    // A spreadsheet takes these for formulas, and strings may come from the network.
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        cell.push('\'');
    }
    let is_harmful = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    cell.extend(text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }));
}

pub(super) fn write_line<'a>(
    out: &mut dyn Write,
    cells: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        if cell.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

/// As many as a spreadsheet takes.
const MAXIMUM_COLUMNS: usize = 16_384;
