//! The lines below a table.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::group::Ranking;
use super::losses::Losses;
use super::walk::Notes;
use crate::cli::summary::{counted as count, grouped};
use crate::cli::table::Totals;
use crate::ipfix::date_time::DateTime;
use crate::ipfix::reader::{Record, Statistics, TemplateField};

/// What was read, and what was asked for of it.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Records of flows that were read.
    pub(super) read: u64,
    /// Sums of those that were asked for.
    pub(super) totals: Totals,
    /// Only some flows were asked for, or sums of them: options records are told of in one line.
    pub(super) is_answer: bool,
    has_filter: bool,
    files: u64,
    is_cut: bool,
    statistics: Statistics,
    /// Options records by the Template they belong to.
    options: BTreeMap<(u32, u16), OptionsRecords>,
    not_listed: u64,
    losses: Losses,
    groups: Option<(usize, usize)>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct OptionsRecords {
    elements: String,
    count: u64,
}

impl Summary {
    pub(super) fn new(has_filter: bool) -> Self {
        Self { has_filter, ..Self::default() }
    }

    pub(super) fn add_options_record(&mut self, record: &Record<'_>) {
        self.losses.learn(record);
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

    /// Adds what was read of a file, and tells what was odd about it.
    pub(super) fn end_file(
        &mut self,
        path: &Path,
        statistics: &Statistics,
        notes: Notes,
        is_cut: bool,
    ) {
        self.files += 1;
        self.is_cut |= is_cut;
        add(&mut self.statistics, statistics);
        if matches!(notes, Notes::Summary | Notes::Nowhere) {
            return;
        }
        let options = statistics.options_records;
        let left_out = format!("{options} options records left out; --format json has them");
        let has_left_out = notes == Notes::StandardErrorOptionsToo && options > 0;
        for note in oddities(statistics).into_iter().chain(has_left_out.then_some(left_out)) {
            let _ = writeln!(io::stderr(), "flowtap: {}: {note}", path.display());
        }
    }

    /// Tells of groups.
    pub(super) fn add_groups(&mut self, ranking: &Ranking<'_>, notes: Notes) {
        self.groups = Some(ranking.numbers());
        if ranking.is_complete() {
            return;
        }
        let (number, _) = ranking.numbers();
        let note = format!(
            "no room for more than {number} groups: records of others are summed in one row \
             (--max-groups, or fewer groups by --where)"
        );
        if notes == Notes::Summary {
            self.notes.push(note);
        } else {
            let _ = writeln!(io::stderr(), "flowtap: {note}");
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { totals, statistics, .. } = self;
        if totals.flows > 0 || self.groups.is_some() {
            writeln!(out)?;
        }
        if let Some((number, shown)) = self.groups {
            let shown = if shown < number { format!("{shown} of ") } else { String::new() };
            writeln!(out, "{shown}{}", count(u64::try_from(number).unwrap_or(u64::MAX), "group"))?;
        }
        let Totals { flows, aggregates, packets, octets, .. } = *totals;
        let (what, of_them) = match aggregates {
            0 => ("flow", String::new()),
            // RFC 7015 §2: each is of several.
            _ if aggregates == flows => ("aggregated flow", String::new()),
            _ => ("flow", format!(", {} of them aggregated", grouped(aggregates))),
        };
        match self.has_filter {
            true => write!(out, "{} of {} match{of_them}", grouped(flows), count(self.read, what))?,
            false => write!(out, "{}{of_them}", count(flows, what))?,
        }
        write!(out, ": {}, {}", count(packets, "packet"), count(octets, "octet"))?;
        match totals.period() {
            Some((start, end)) => writeln!(out, ", {} to {}", text(start), text_after(start, end))?,
            None => writeln!(out)?,
        }
        write!(out, "{}", count(statistics.templates, "template"))?;
        if statistics.options_templates > 0 {
            write!(out, " and {}", count(statistics.options_templates, "options template"))?;
        }
        write!(
            out,
            " in {} of {}",
            count(statistics.messages, "message"),
            count(statistics.octets, "octet"),
        )?;
        if self.files > 1 {
            write!(out, " in {}", count(self.files, "file"))?;
        }
        writeln!(out, "{}", if statistics.sequence_gaps == 0 { ", no sequence gaps" } else { "" })?;
        self.write_options(out)?;
        self.losses.write(out)?;
        if self.is_cut {
            writeln!(out, "note: not read to the end, --limit was reached")?;
        }
        for note in oddities(statistics).iter().chain(&self.notes) {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }

    fn write_options(&self, out: &mut dyn Write) -> io::Result<()> {
        let all = self.statistics.options_records;
        if self.is_answer && all > 0 {
            let all = count(all, "options record");
            return writeln!(out, "{all} (--format json alone shows them)");
        }
        for OptionsRecords { elements, count: records } in self.options.values() {
            writeln!(out, "{}: {elements}", count(*records, "options record"))?;
        }
        if self.not_listed > 0 {
            writeln!(out, "{} of other templates", count(self.not_listed, "options record"))?;
        }
        Ok(())
    }
}

fn add(sum: &mut Statistics, other: &Statistics) {
    let Statistics {
        messages,
        octets,
        records,
        options_records,
        templates,
        options_templates,
        withdrawn_templates,
        ignored_withdrawals,
        sequence_gaps,
        missing_records,
        sequence_steps_back,
        sets_without_template,
        reserved_sets,
        illegal_lengths,
        irregular_padding,
        irregular_flow_keys,
    } = other;
    sum.messages += messages;
    sum.octets += octets;
    sum.records += records;
    sum.options_records += options_records;
    sum.templates += templates;
    sum.options_templates += options_templates;
    sum.withdrawn_templates += withdrawn_templates;
    sum.ignored_withdrawals += ignored_withdrawals;
    sum.sequence_gaps += sequence_gaps;
    sum.missing_records += missing_records;
    sum.sequence_steps_back += sequence_steps_back;
    sum.sets_without_template += sets_without_template;
    sum.reserved_sets += reserved_sets;
    sum.illegal_lengths += illegal_lengths;
    sum.irregular_padding += irregular_padding;
    sum.irregular_flow_keys += irregular_flow_keys;
}

/// What was wrong without being a reason to stop, a line each.
fn oddities(statistics: &Statistics) -> Vec<String> {
    let notes = [
        (statistics.sets_without_template, "data set", "skipped, no template for it came before"),
        (statistics.sequence_steps_back, "message", "earlier in the sequence than the one before"),
        (statistics.illegal_lengths, "template field", "of a length that its type cannot have"),
        (statistics.irregular_padding, "set", "with octets at the end that are not a record"),
        (
            statistics.irregular_flow_keys,
            "flow keys record",
            "of a template or fields that are not",
        ),
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
