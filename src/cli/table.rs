//! Flows as a table for people: fixed columns, one line a flow.
//!
//! ```text
//! Start         Duration  Proto  Source                Destination         Packets →/←  …
//! 2026-01-31 UTC
//! 10:15:02.123     0.451  TCP    192.0.2.10:49152    → 198.51.100.7:443             12/10  …
//! ```
//!
//! The first rows are held back: column widths come from them, and they are printed in the order in
//! which the flows began. Widths grow when a later row needs more. Only numbers, addresses and words of ours are printed, so no record can bring a
//! terminal into disorder.

mod facts;
pub(in crate::cli) mod names;
mod row;

use std::io::{self, Write};

use crate::cli::summary::grouped;
use crate::ipfix::date_time::{DateTime, Precision};

use row::Counters;

pub use facts::{Facts, Moment, Side, TimeBase};
pub use row::FlowRow;

/// Writes rows as they come, in bounded memory.
#[derive(Debug)]
pub struct Table<W> {
    out: W,
    /// Rows that wait until there are enough to know good widths.
    waiting: Vec<Cells>,
    is_started: bool,
    /// Rows stay in the order in which they come, and have their dates beside them.
    is_in_given_order: bool,
    widths: [usize; COLUMNS],
    date: Option<(i64, i64, i64)>,
    totals: Totals,
}

/// Sums over the rows of a table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Rows.
    pub flows: u64,
    /// Those of them that are Aggregated Flows (RFC 7015): each is of several.
    pub aggregates: u64,
    /// Packets of both directions.
    pub packets: u64,
    /// Octets of both directions.
    pub octets: u64,
    start: Option<Moment>,
    end: Option<Moment>,
}

impl Totals {
    /// When the first of the flows began and the last ended.
    pub fn period(&self) -> Option<(DateTime, DateTime)> {
        let time = |(seconds, nanoseconds): Moment| DateTime {
            seconds,
            nanoseconds,
            precision: Precision::Milliseconds,
        };
        Some((time(self.start?), time(self.end?)))
    }

    /// Counts a flow in.
    pub fn add(&mut self, facts: &Facts) {
        self.aggregates += u64::from(facts.is_aggregate());
        let (packets, octets) = (facts.packets(), facts.octets());
        self.add_flow(packets.unwrap_or(0), octets.unwrap_or(0), facts.start, facts.end);
    }

    fn add_flow(&mut self, packets: u64, octets: u64, start: Option<Moment>, end: Option<Moment>) {
        self.flows += 1;
        self.packets = self.packets.saturating_add(packets);
        self.octets = self.octets.saturating_add(octets);
        self.start = facts::earliest(self.start, start);
        self.end = self.end.max(end.or(start));
    }
}

impl<W: Write> Table<W> {
    /// An empty table; nothing is written before there are rows.
    pub fn new(out: W) -> Self {
        Self {
            out,
            waiting: Vec::new(),
            is_started: false,
            is_in_given_order: false,
            widths: [0; COLUMNS],
            date: None,
            totals: Totals::default(),
        }
    }

    /// An empty table whose rows appear as they come: columns are as wide as most flows need.
    pub fn live(out: W) -> Self {
        Self { widths: USUAL, ..Self::new(out) }
    }

    /// An empty table whose rows are not put in the order of their beginnings.
    pub fn in_given_order(out: W) -> Self {
        Self { is_in_given_order: true, ..Self::new(out) }
    }

    /// Adds a row. The first ten thousand appear together.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn push(&mut self, row: &FlowRow) -> io::Result<()> {
        self.totals.add_flow(row.packets(), row.octets(), row.start, row.end);
        let mut cells = Cells::new(row);
        if self.is_in_given_order {
            cells.put_date_beside_time();
        }
        for ((width, cell), most) in self.widths.iter_mut().zip(&cells.columns).zip(WIDEST) {
            *width = (*width).max(columns_of(cell).min(most));
        }
        if self.is_started {
            return self.write_row(&cells);
        }
        self.waiting.push(cells);
        if self.waiting.len() >= ROWS_TO_WAIT_FOR { self.start() } else { Ok(()) }
    }

    /// Writes the rows that are held back; for live output, where more may be long in coming.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            self.start()?;
        }
        self.out.flush()
    }

    /// Sums over all rows so far.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    fn start(&mut self) -> io::Result<()> {
        self.is_started = true;
        for (index, group) in GROUPS.iter().enumerate() {
            // A heading has at least the room of its cells.
            if let Some(width) = self.widths.get(group.first).copied() {
                let rest = self.width_of_rest(group);
                let heading = columns_of(self.heading(index));
                if let Some(first) = self.widths.get_mut(group.first) {
                    *first = width.max(heading.saturating_sub(rest));
                }
            }
        }
        let headings = std::array::from_fn(|index| self.heading(index).to_owned());
        self.write_groups(&headings)?;
        let mut rows = std::mem::take(&mut self.waiting);
        if !self.is_in_given_order {
            rows.sort_by_key(|row| row.start);
        }
        for row in rows {
            self.write_row(&row)?;
        }
        Ok(())
    }

    /// Columns that a group takes beside its first.
    fn width_of_rest(&self, group: &Group) -> usize {
        let second = group.second.and_then(|second| self.widths.get(second));
        second.filter(|&&width| width > 0).map_or(0, |width| 1 + width)
    }

    fn heading(&self, group: usize) -> &'static str {
        let Some(group) = GROUPS.get(group) else { return "" };
        if self.width_of_rest(group) > 0 { group.heading_of_both } else { group.heading }
    }

    fn write_row(&mut self, cells: &Cells) -> io::Result<()> {
        if cells.date.is_some() && cells.date != self.date {
            self.date = cells.date;
            let (year, month, day) = cells.date.unwrap_or_default();
            writeln!(self.out, "{year:04}-{month:02}-{day:02} UTC")?;
        }
        let cell = |column: usize| cells.columns.get(column).map_or("", String::as_str);
        let groups = std::array::from_fn(|index| {
            let Some(group) = GROUPS.get(index) else { return String::new() };
            let width = self.widths.get(group.first).copied().unwrap_or(0);
            let Some(second) = group.second else { return cell(group.first).to_owned() };
            let rest = self.width_of_rest(group);
            let first = match group.side {
                Align::Left => cell(group.first).to_owned(),
                Align::Right => format!("{:>width$}", cell(group.first)),
            };
            match (rest, cell(second)) {
                (0, _) => first,
                (_, "") => format!("{first}{:rest$}", ""),
                (_, other) => format!("{first}/{other:<0$}", rest - 1),
            }
        });
        self.write_groups(&groups)
    }

    fn write_groups(&mut self, groups: &[String; GROUPS.len()]) -> io::Result<()> {
        let mut line = String::new();
        // Where we are, and where this column should end if all before it kept to their widths.
        let (mut place, mut end) = (0, 0);
        for (group, text) in GROUPS.iter().zip(groups) {
            let text = if matches!(group.side, Align::Right) { text.trim_start() } else { text };
            let width =
                self.widths.get(group.first).copied().unwrap_or(0) + self.width_of_rest(group);
            let gap = if line.is_empty() { "" } else { group.gap };
            let start = end + columns_of(gap);
            end = start + width;
            place += columns_of(gap);
            // A text that is too long moves the next ones no further than it must.
            let indent = match group.side {
                Align::Left => start.saturating_sub(place),
                Align::Right => end.saturating_sub(place + columns_of(text)),
            };
            line.extend(std::iter::repeat_n(' ', indent));
            line.push_str(gap);
            line.push_str(text);
            place += indent + columns_of(text);
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// A row as text.
#[derive(Debug)]
struct Cells {
    start: Option<Moment>,
    date: Option<(i64, i64, i64)>,
    columns: [String; COLUMNS],
}

impl Cells {
    fn new(row: &FlowRow) -> Self {
        let time = row.start.map(|(seconds, nanoseconds)| DateTime {
            seconds,
            nanoseconds,
            precision: Precision::Milliseconds,
        });
        let clock = |time: DateTime| {
            let (hour, minute, second) = time.time();
            format!("{hour:02}:{minute:02}:{second:02}.{:03}", time.nanoseconds / 1_000_000)
        };
        let duration = |nanoseconds: u64| {
            let milliseconds = nanoseconds / 1_000_000;
            match milliseconds / 1_000 {
                seconds @ 0..100_000 => format!("{seconds}.{:03}", milliseconds % 1_000),
                seconds => seconds.to_string(),
            }
        };
        let count = |number: Option<u64>| number.map(grouped).unwrap_or_default();
        let flags = |side: &Counters| side.tcp_flags.map(names::tcp_flags).unwrap_or_default();
        let absent = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        Self {
            start: row.start,
            date: time.map(DateTime::date),
            columns: [
                absent(time.map(clock).unwrap_or_default()),
                absent(row.duration_nanoseconds.map(duration).unwrap_or_default()),
                absent(row.protocol.clone()),
                absent(row.source.clone()),
                absent(row.destination.clone()),
                absent(count(row.forward.packets)),
                count(row.reverse.packets),
                absent(count(row.forward.octets)),
                count(row.reverse.octets),
                flags(&row.forward),
                flags(&row.reverse),
                row.end_reason.map(names::end_reason).unwrap_or_default(),
                row.extra.clone(),
            ],
        }
    }
}

impl Cells {
    fn put_date_beside_time(&mut self) {
        if let (Some((year, month, day)), [start, ..]) = (self.date.take(), &mut self.columns) {
            start.insert_str(0, &format!("{year:04}-{month:02}-{day:02} "));
        }
    }
}

/// Places on the screen; nothing we print is wider than one.
fn columns_of(text: &str) -> usize {
    text.chars().count()
}

/// One or two columns under one heading; the second one is of the reverse direction.
struct Group {
    heading: &'static str,
    heading_of_both: &'static str,
    first: usize,
    second: Option<usize>,
    side: Align,
    gap: &'static str,
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

const fn one(heading: &'static str, first: usize, side: Align) -> Group {
    Group { heading, heading_of_both: heading, first, second: None, side, gap: "  " }
}

const fn both(
    heading: &'static str,
    heading_of_both: &'static str,
    first: usize,
    side: Align,
) -> Group {
    Group { heading, heading_of_both, first, second: Some(first + 1), side, gap: "  " }
}

const COLUMNS: usize = 13;

const GROUPS: [Group; 10] = [
    one("Start", 0, Align::Left),
    one("Duration", 1, Align::Right),
    one("Proto", 2, Align::Left),
    one("Source", 3, Align::Left),
    Group { gap: " → ", ..one("Destination", 4, Align::Left) },
    both("Packets", "Packets →/←", 5, Align::Right),
    both("Octets", "Octets →/←", 7, Align::Right),
    both("Flags", "Flags →/←", 9, Align::Left),
    one("End", 11, Align::Left),
    one("Notes", 12, Align::Left),
];

/// Columns do not grow beyond this. Room for an IPv4 address and a port, or an IPv6 address of the
/// common kind; a longer one shifts the rest of its row.
const WIDEST: [usize; COLUMNS] = {
    let mut widest = [usize::MAX; COLUMNS];
    (widest[3], widest[4]) = (26, 26);
    widest
};

/// Widths for flows that are not known yet.
const USUAL: [usize; COLUMNS] = [12, 8, 6, 25, 25, 6, 6, 9, 9, 6, 6, 6, 0];

/// As many rows as are held back to find the widths of columns and to put them in the order in which
/// the flows began; 3 MB or so. Exporters send flows as they end, and people read them as they began.
const ROWS_TO_WAIT_FOR: usize = 10_000;

#[cfg(test)]
mod tests;
