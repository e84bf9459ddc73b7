//! CSV (RFC 4180): one table for the whole file.
//!
//! A file has many Templates, a table has one header. The columns are all elements that any flow
//! has, in the order in which they first appear; a second `sourceIPv4Address` in a record (a tunnel
//! within a tunnel) is the column `sourceIPv4Address[2]`. A flow without an element leaves its column
//! empty. So the file is read twice: once for the columns, once for the rows.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::ipfix::field::Field;
use crate::ipfix::reader::Record;
use crate::ipfix::value::Value;

/// The columns of a table, by element.
#[derive(Debug, Default)]
pub(super) struct Columns {
    names: Vec<String>,
    elements: HashMap<(u32, u16, bool), Element>,
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
    /// Makes room for the fields of a record; false when there are more than a table can have.
    pub(super) fn add(&mut self, record: &Record<'_>, number: u64) -> bool {
        record.template().fields().iter().all(|field| self.column(&field.field, number).is_some())
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

    /// Writes a row. `cells` are room for one, used again and again.
    pub(super) fn write(
        &mut self,
        out: &mut dyn Write,
        record: &Record<'_>,
        number: u64,
        cells: &mut Vec<String>,
    ) -> io::Result<()> {
        cells.resize(self.names.len(), String::new());
        cells.iter_mut().for_each(String::clear);
        for (field, value) in record.fields() {
            if let Some(column) = self.column(&field, number)
                && let Some(cell) = cells.get_mut(column)
            {
                push_text(cell, &value);
            }
        }
        write_line(out, cells.iter().map(String::as_str))
    }
}

fn push_text(cell: &mut String, value: &Value<'_>) {
    use std::fmt::Write as _;
    match value {
        Value::String(text) => {
            // A spreadsheet takes these for formulas, and strings may come from the network.
            if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
                cell.push('\'');
            }
            let is_harmful = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
            cell.extend(
                text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }),
            );
        }
        // Writing to a string cannot fail, but for lists that cannot be JSON, and all can.
        other => drop(write!(cell, "{other}")),
    }
}

fn write_line<'a>(out: &mut dyn Write, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
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
pub(super) const MAXIMUM_COLUMNS: usize = 16_384;
