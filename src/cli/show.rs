//! `flowtap show`: prints any IPFIX file (RFC 5655), ours or another exporter's.

mod csv;
mod input;
mod summary;

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{anyhow, bail};

use super::table::{FlowRow, Table, TimeBase};
use crate::ipfix::reader::{ReadError, Reader, Record};
use crate::ipfix::value::Value;
use summary::Summary;

/// How flows are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum ShowFormat {
    /// Aligned columns for people, and sums below them
    #[default]
    Table,
    /// One JSON object a record and line, element names as keys
    Json,
    /// One header row, one row a flow, for spreadsheets
    Csv,
}

/// Prints the records of the IPFIX messages in `path`, or on standard input for `-`.
///
/// Compression by gzip or zstd is undone. What comes before damage is printed in any case. Records
/// of Options Templates, which tell of the exporter rather than of flows, are objects among others
/// in JSON, are summed up below the table, and are left out of CSV. Nobody listening any more (a
/// closed pipe) is no error. Notes on oddities follow the table; for JSON and CSV they go to
/// standard error, to keep the output clean.
///
/// # Errors
///
/// If the file cannot be opened or read, is no IPFIX, or is damaged: names file and offset. If
/// `out` cannot be written.
pub fn show(path: &Path, format: ShowFormat, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let result = match format {
        ShowFormat::Table => show_table(path, &mut out),
        ShowFormat::Json => show_json(path, &mut out),
        ShowFormat::Csv => show_csv(path, &mut out),
    };
    // Whatever was wrong with the input, its front is to be seen.
    let result = match out.flush() {
        Err(error) if result.is_ok() => Err(error.into()),
        _ => result,
    };
    match result {
        Err(error) if is_broken_pipe(&error) => {
            // What is left in the buffer would be tried again when it is dropped.
            drop(out.into_parts());
            Ok(())
        }
        result => result,
    }
}

fn show_table(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut reader = Reader::new(input::open(path)?);
    let mut table = Table::new(&mut *out);
    let mut summary = Summary::default();
    let mut clocks = SystemClocks::default();
    let damage = loop {
        match reader.next_record() {
            Ok(Some(record)) if record.template().is_options() => {
                clocks.learn(&record);
                summary.add_options_record(&record);
            }
            Ok(Some(record)) => table.push(&FlowRow::new(record.fields(), clocks.base(&record)))?,
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    table.flush()?;
    let totals = *table.totals();
    summary.write(out, &totals, reader.statistics())?;
    name_file(damage, path)
}

fn show_json(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut reader = Reader::new(input::open(path)?);
    let damage = loop {
        match reader.next_record() {
            Ok(Some(record)) => {
                serde_json::to_writer(&mut *out, &record).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    warn(path, &summary::oddities(reader.statistics()));
    name_file(damage, path)
}

fn show_csv(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let source = input::Source::new(path)?;
    let mut columns = csv::Columns::default();
    let mut reader = Reader::new(source.open()?);
    let mut records = 0;
    // Damage is met, and told, once more.
    while let Ok(Some(record)) = reader.next_record() {
        if record.template().is_options() {
            continue;
        }
        records += 1;
        if !columns.add(&record, records) {
            bail!("{}: more than {} columns", path.display(), csv::MAXIMUM_COLUMNS);
        }
    }
    columns.write_header(out)?;

    let mut reader = Reader::new(source.open()?);
    let mut cells = Vec::new();
    let mut written = 0;
    let damage = loop {
        match reader.next_record() {
            Ok(Some(record)) if record.template().is_options() => {}
            // The file has grown since.
            Ok(Some(_)) if written == records => break None,
            Ok(Some(record)) => {
                written += 1;
                columns.write(out, &record, records + written, &mut cells)?;
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let mut notes = summary::oddities(reader.statistics());
    let options = reader.statistics().options_records;
    if options > 0 {
        notes.push(format!("{options} options records left out; --format json has them"));
    }
    warn(path, &notes);
    name_file(damage, path)
}

/// When exporters started, as their options records tell, by Observation Domain.
#[derive(Default)]
struct SystemClocks(HashMap<u32, i64>);

impl SystemClocks {
    fn learn(&mut self, record: &Record<'_>) {
        let time = record.fields().find_map(|(field, value)| match (field.iana(), value) {
            (Some(SYSTEM_INIT_TIME), Value::DateTime(time)) => Some(time.as_milliseconds()),
            _ => None,
        });
        // Bounded, as the reader bounds the domains.
        if let (Some(header), Some(time)) = (record.header(), time) {
            self.0.insert(header.observation_domain, time);
        }
    }

    fn base(&self, record: &Record<'_>) -> TimeBase {
        let Some(header) = record.header() else { return TimeBase::default() };
        TimeBase {
            export_time: Some(header.export_time),
            system_init_milliseconds: self.0.get(&header.observation_domain).copied(),
        }
    }
}

fn name_file(damage: Option<ReadError>, path: &Path) -> anyhow::Result<()> {
    match damage {
        None => Ok(()),
        Some(error) => Err(anyhow!("{}: {error}", path.display())),
    }
}

fn warn(path: &Path, notes: &[String]) {
    for note in notes {
        eprintln!("flowtap: {}: {note}", path.display());
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// `systemInitTimeMilliseconds` (IE 160), not reversed.
const SYSTEM_INIT_TIME: (u16, bool) = (160, false);

#[cfg(test)]
mod tests;
