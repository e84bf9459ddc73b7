//! Groups as a table, as JSON and as CSV.

use std::io::{self, Write};
use std::iter;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::key::KeyValue;
use super::{Key, Ranking, Sums};
use crate::cli::show::ShowFormat;
use crate::cli::show::csv::{text_cell, write_line};
use crate::cli::show::measure::Measure;
use crate::cli::summary::grouped;
use crate::cli::table::Moment;
use crate::ipfix::date_time::{DateTime, Precision};

/// How keys and numbers are written.
type Spelling = (fn(&KeyValue) -> String, fn(u64) -> String);

impl Ranking<'_> {
    /// Writes groups, each in a row or an object.
    ///
    /// A row of the others follows in a table if there are any; in JSON and CSV if there was no room
    /// for all groups, so that nobody takes what is there for all there is.
    pub(in crate::cli::show) fn write(
        &self,
        format: ShowFormat,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match format {
            ShowFormat::Table => self.write_table(out),
            ShowFormat::Json => self.lines(!self.is_complete).try_for_each(|line| {
                serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
                out.write_all(b"\n")
            }),
            ShowFormat::Csv => self
                .cells(!self.is_complete, "others", (text_cell, |number| number.to_string()))
                .try_for_each(|cells| write_line(out, cells.iter().map(String::as_str))),
        }
    }

    /// Groups there were, and how many of them are shown.
    pub(in crate::cli::show) fn numbers(&self) -> (usize, usize) {
        (self.number, self.rows.len())
    }

    /// Whether there was room for all groups.
    pub(in crate::cli::show) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let has_others = self.others != Sums::default();
        let mut lines: Vec<_> =
            self.cells(has_others, "(others)", (KeyValue::for_table, grouped)).collect();
        for heading in lines.iter_mut().take(1).flatten() {
            // Names of elements stay as they are.
            if heading.chars().all(|c| !c.is_ascii_uppercase()) {
                heading.get_mut(..1).unwrap_or_default().make_ascii_uppercase();
            }
        }
        for time in lines.iter_mut().skip(1).flat_map(|line| line.iter_mut().rev().take(TIMES)) {
            *time = time.replace('T', " ").replace('Z', "");
        }
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line: &Vec<String>| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for line in &lines {
            let mut text = String::new();
            for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                // Keys and times stand to the left, numbers to the right.
                let is_number =
                    self.keys.get(column).map_or(column + TIMES < columns, Key::is_number);
                let gap = if column > 0 { "  " } else { "" };
                text.push_str(gap);
                text.push_str(&match is_number {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                });
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    /// Headings, and a row a group.
    fn cells(
        &self,
        with_others: bool,
        others: &'static str,
        (spell, number): Spelling,
    ) -> impl Iterator<Item = Vec<String>> {
        let names = self.keys.iter().map(ToString::to_string);
        let sums = ["flows", "packets", "octets", "percent"].map(str::to_owned).into_iter();
        let element = self.element().into_iter();
        let times = ["first", "last"].map(str::to_owned).into_iter();
        let headings = names.chain(sums).chain(element).chain(times).collect();
        let rows = self.lines(with_others).map(move |line| {
            let keys: Vec<_> = match line.values {
                Some(values) => values.iter().map(spell).collect(),
                None => {
                    let rest = iter::repeat_n(String::new(), self.keys.len().saturating_sub(1));
                    iter::once(others.to_owned()).chain(rest).collect()
                }
            };
            let Sums { flows, packets, octets, element, first, last } = *line.sums;
            let time = |time: Option<Moment>| time.map(|time| as_written(time).to_string());
            let counts = [flows, packets, octets].map(number);
            let percent = line.percent().map(|percent| format!("{percent:.2}"));
            keys.into_iter()
                .chain(counts)
                .chain(iter::once(percent.unwrap_or_default()))
                .chain(self.element().map(|_| element.to_string()))
                .chain([first, last].map(|moment| time(moment).unwrap_or_default()))
                .collect()
        });
        iter::once(headings).chain(rows)
    }

    fn lines(&self, with_others: bool) -> impl Iterator<Item = Line<'_>> {
        let groups = self.rows.iter().map(|(values, sums)| Line {
            ranking: self,
            values: Some(values),
            sums,
        });
        let others = Line { ranking: self, values: None, sums: &self.others };
        groups.chain(with_others.then_some(others))
    }

    /// The name of the element that groups are compared by, which has a column then.
    fn element(&self) -> Option<String> {
        if let Measure::Element(field) = self.by { Some(field.to_string()) } else { None }
    }
}

/// One group, or the others.
struct Line<'r> {
    ranking: &'r Ranking<'r>,
    values: Option<&'r [KeyValue]>,
    sums: &'r Sums,
}

impl Line<'_> {
    /// Share of all records in what groups are compared by; of octets if that cannot be summed.
    fn percent(&self) -> Option<f64> {
        let by = if self.ranking.by.is_additive() { self.ranking.by } else { Measure::Octets };
        let whole = self.ranking.all.measure(by).filter(|&whole| whole > 0)?;
        let part = self.sums.measure(by)?;
        // In hundredths of a percent, exactly rounded.
        let hundredths = part.saturating_mul(10_000).saturating_add(whole / 2) / whole;
        i32::try_from(hundredths).ok().map(|hundredths| f64::from(hundredths) / 100.0)
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Sums { flows, packets, octets, element, first, last } = *self.sums;
        let mut map = serializer.serialize_map(None)?;
        if self.values.is_none() {
            map.serialize_entry("others", &true)?;
        }
        for (key, value) in self.ranking.keys.iter().zip(self.values.unwrap_or_default()) {
            map.serialize_entry(&key.to_string(), value)?;
        }
        map.serialize_entry("flows", &flows)?;
        map.serialize_entry("packets", &packets)?;
        map.serialize_entry("octets", &octets)?;
        map.serialize_entry("percent", &self.percent())?;
        if let Some(name) = self.ranking.element() {
            map.serialize_entry(&name, &element)?;
        }
        let text = |time: Option<Moment>| time.map(|time| as_written(time).to_string());
        map.serialize_entry("first", &text(first))?;
        map.serialize_entry("last", &text(last))?;
        map.end()
    }
}

/// With milliseconds, and with finer digits where they are not zero.
fn as_written((seconds, nanoseconds): Moment) -> DateTime {
    let precision = if nanoseconds.is_multiple_of(1_000_000) {
        Precision::Milliseconds
    } else if nanoseconds.is_multiple_of(1_000) {
        Precision::Microseconds
    } else {
        Precision::Nanoseconds
    };
    DateTime { seconds, nanoseconds, precision }
}

/// Columns at the end that are times.
const TIMES: usize = 2;
