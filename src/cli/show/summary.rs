//! The lines below a table.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::cli::table::Totals;
use crate::ipfix::date_time::DateTime;
use crate::ipfix::reader::{Record, Statistics, TemplateField};

/// Options records by the Template they belong to.
#[derive(Debug, Default)]
pub(super) struct Summary {
    options: BTreeMap<(u32, u16), OptionsRecords>,
    not_listed: u64,
}

#[derive(Debug)]
struct OptionsRecords {
    elements: String,
    count: u64,
}

impl Summary {
    pub(super) fn add_options_record(&mut self, record: &Record<'_>) {
        let domain = record.header().map_or(0, |header| header.observation_domain);
        let key = (domain, record.template().id());
        if let Some(records) = self.options.get_mut(&key) {
            records.count += 1;
        } else if self.options.len() < LISTED_OPTIONS {
            let scope = record.template().scope();
            let others = record.template().fields().get(scope.len()..).unwrap_or_default();
            let elements = format!("{} by {}", names(others), names(scope));
            self.options.insert(key, OptionsRecords { elements, count: 1 });
        } else {
            self.not_listed += 1;
        }
    }

    pub(super) fn write(
        &self,
        out: &mut dyn Write,
        totals: &Totals,
        statistics: &Statistics,
    ) -> io::Result<()> {
        if totals.flows > 0 {
            writeln!(out)?;
        }
        let Totals { flows, packets, octets, .. } = *totals;
        write!(
            out,
            "{}: {}, {}",
            count(flows, "flow"),
            count(packets, "packet"),
            count(octets, "octet")
        )?;
        match totals.period() {
            Some((start, end)) => writeln!(out, ", {} to {}", text(start), text_after(start, end))?,
            None => writeln!(out)?,
        }
        write!(out, "{}", count(statistics.templates, "template"))?;
        if statistics.options_templates > 0 {
            write!(out, " and {}", count(statistics.options_templates, "options template"))?;
        }
        writeln!(
            out,
            " in {} of {}{}",
            count(statistics.messages, "message"),
            count(statistics.octets, "octet"),
            if statistics.sequence_gaps == 0 { ", no sequence gaps" } else { "" }
        )?;
        for OptionsRecords { elements, count: records } in self.options.values() {
            writeln!(out, "{}: {elements}", count(*records, "options record"))?;
        }
        if self.not_listed > 0 {
            writeln!(out, "{} of other templates", count(self.not_listed, "options record"))?;
        }
        for note in oddities(statistics) {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

/// What was wrong without being a reason to stop, a line each.
pub(super) fn oddities(statistics: &Statistics) -> Vec<String> {
    let notes = [
        (statistics.sets_without_template, "data set", "skipped, no template for it came before"),
        (statistics.sequence_steps_back, "message", "earlier in the sequence than the one before"),
        (statistics.illegal_lengths, "template field", "of a length that its type cannot have"),
        (statistics.irregular_padding, "set", "with octets at the end that are not a record"),
        (statistics.reserved_sets, "set", "skipped, its number has no meaning"),
        (statistics.ignored_withdrawals, "withdrawal", "ignored, there was no such template"),
    ];
    let notes = notes.into_iter().filter(|&(number, ..)| number > 0);
    let mut notes: Vec<_> =
        notes.map(|(number, what, why)| format!("{} {why}", count(number, what))).collect();
    if statistics.sequence_gaps > 0 {
        let gaps = count(statistics.sequence_gaps, "sequence gap");
        notes.push(format!("{gaps}, {} missing", count(statistics.missing_records, "record")));
    }
    notes
}

fn names(fields: &[TemplateField]) -> String {
    let mut names: Vec<_> =
        fields.iter().take(LISTED_FIELDS).map(|field| field.field.name().into_owned()).collect();
    if fields.len() > LISTED_FIELDS {
        names.push("…".to_owned());
    }
    names.join(", ")
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn text(time: DateTime) -> String {
    time.to_string().replace('T', " ").replace('Z', " UTC")
}

/// Without the date if it is the same.
fn text_after(before: DateTime, time: DateTime) -> String {
    let text = text(time);
    match text.split_once(' ') {
        Some((_, clock)) if before.date() == time.date() => clock.to_owned(),
        _ => text,
    }
}

/// Options Templates with a line of their own.
const LISTED_OPTIONS: usize = 12;
/// Names in such a line.
const LISTED_FIELDS: usize = 6;
