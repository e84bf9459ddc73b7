//! `flowtap show`: prints IPFIX files (RFC 5655), ours or another exporter's, and answers questions
//! about the flows in them.

mod csv;
mod filter;
mod group;
mod input;
mod losses;
mod measure;
mod question;
mod ranked;
mod subject;
mod suggest;
mod summary;
mod view;
mod walk;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use super::UsageError;
use super::args;
use super::table::Table;
pub use filter::{Filter, SyntaxError};
use group::Groups;
pub use group::{Key, Unit, Which};
pub use measure::Measure;
pub use question::{Question, ShowFormat, View};
use ranked::Ranked;
use view::{CsvColumns, CsvRows, HeldCsv, HeldLines, HeldRows, JsonLines, Limit, Rows, Summed};
use walk::{Notes, Walk};

/// Prints what is asked of the IPFIX messages in `files`, one after the other; `-` is standard
/// input.
///
/// Compression by gzip or zstd is undone. What comes before damage is printed in any case, and so are
/// the other files. Records of Options Templates, which tell of the exporter rather than of flows,
/// are objects among others in JSON unless only some flows are asked for, are summed up below the
/// table, and are left out of CSV. Nobody listening any more (a closed pipe) is no error. Notes on
/// oddities follow the table; for JSON and CSV they go to standard error, to keep the output clean.
///
/// # Errors
///
/// If a file cannot be opened or read, is no IPFIX, or is damaged: names file and offset; of
/// several, each is told on standard error when it is met. If `out` cannot be written.
pub fn show(files: &[PathBuf], question: &Question, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let result = answer(files, question, &mut out);
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

/// Runs the command as typed, on standard output.
pub(super) fn run(arguments: args::Show) -> anyhow::Result<()> {
    let files = if !arguments.files.is_empty() {
        arguments.files.clone()
    } else if io::stdin().is_terminal() {
        let advice = "no FILE, and nothing is piped in; see flowtap show --help";
        return Err(UsageError(advice.to_owned()).into());
    } else {
        vec![PathBuf::from("-")]
    };
    let question = arguments.question()?;
    let mut out = BufWriter::new(io::stdout().lock());
    show(&files, &question, &mut out)?;
    out.flush().map_err(Into::into)
}

fn answer(files: &[PathBuf], question: &Question, out: &mut dyn Write) -> anyhow::Result<()> {
    let Question { filter, view, limit, format } = question;
    let (filter, format) = (filter.as_ref(), *format);
    let notes = match (format, view) {
        (ShowFormat::Table, _) => Notes::Summary,
        (ShowFormat::Csv, View::Records) => Notes::StandardErrorOptionsToo,
        (ShowFormat::Csv | ShowFormat::Json, _) => Notes::StandardError,
    };
    let mut walk = Walk::new(filter, notes);
    walk.summary.is_answer = filter.is_some() || view.is_answer();
    match view {
        View::Records => show_records(files, filter, Limit::new(*limit), format, &mut walk, out)?,
        &View::Ranked { by, is_reversed, most } => {
            let most = least(most, *limit);
            match format {
                ShowFormat::Table => {
                    let mut rows = HeldRows(Ranked::new(by, is_reversed, most));
                    walk.files(files, &mut rows)?;
                    rows.write(out)?;
                }
                ShowFormat::Json => {
                    let mut lines = HeldLines(Ranked::new(by, is_reversed, most));
                    walk.files(files, &mut lines)?;
                    lines.write(out)?;
                }
                ShowFormat::Csv => {
                    let mut rows = HeldCsv::new(Ranked::new(by, is_reversed, most));
                    walk.files(files, &mut rows)?;
                    rows.write(out)?;
                }
            }
        }
        View::Grouped { keys, by, is_reversed, most, most_groups } => {
            let mut groups = Summed(Groups::new(keys, *by, *most_groups));
            walk.files(files, &mut groups)?;
            let ranking = groups.0.rank(*is_reversed, least(*most, *limit));
            ranking.write(format, out)?;
            walk.summary.add_groups(&ranking, notes);
        }
    }
    if format == ShowFormat::Table {
        walk.summary.write(out)?;
    }
    walk.end()
}

/// Prints records as they come.
fn show_records(
    files: &[PathBuf],
    filter: Option<&Filter>,
    limit: Limit,
    format: ShowFormat,
    walk: &mut Walk<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match format {
        ShowFormat::Table => {
            let mut rows = Rows { table: Table::new(out), limit };
            walk.files(files, &mut rows)?;
            rows.table.flush()?;
        }
        ShowFormat::Json => {
            let with_options = filter.is_none();
            walk.files(files, &mut JsonLines { out, limit, with_options })?;
        }
        ShowFormat::Csv => {
            let sources = input::sources(files);
            let mut columns = CsvColumns::new(limit);
            // Damage is met, and told, once more.
            Walk::new(filter, Notes::Nowhere).sources(&sources, &mut columns)?;
            let mut rows = CsvRows::new(columns, out, limit)?;
            walk.sources(&sources, &mut rows)?;
        }
    }
    Ok(())
}

fn least(most: Option<usize>, limit: Option<u64>) -> Option<usize> {
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    match (most, limit) {
        (Some(most), Some(limit)) => Some(most.min(limit)),
        (most, limit) => most.or(limit),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
