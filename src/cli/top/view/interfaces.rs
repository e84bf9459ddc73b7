//! The interfaces, as a table of the columns that there is room for.

use ratatui::style::Style;

use super::{Part, bad};
use crate::cli::summary::grouped;
use crate::cli::top::room::{Entry, List, clipped, columns};
use crate::telemetry::{Interface, Status};

pub(super) fn part<'a>(status: &Status, width: usize) -> Part<'a> {
    let interfaces = &status.interfaces;
    let mut lines = table(interfaces, width).into_iter();
    let head = lines.next().unwrap_or_default();
    let entry = |(interface, line): (&Interface, String)| Entry {
        lines: vec![line],
        style: if interface.up { Style::new() } else { bad() },
    };
    Part::list(head, List(interfaces.iter().zip(lines).map(entry).collect()))
}

/// The columns in the order of their worth. What an interface is in want of stands before its numbers, and
/// takes no more than a third: it is among the faults in full.
fn table(interfaces: &[Interface], width: usize) -> Vec<String> {
    let of = |cell: fn(&Interface) -> String| interfaces.iter().map(cell).collect::<Vec<_>>();
    let state = of(|it| it.trouble.clone().unwrap_or_else(|| "capturing".to_owned()));
    let state = state.iter().map(|text| clipped(text, (width / 3).max(9))).collect();
    let all = [
        ("interface", of(|it| it.name.clone()), false),
        ("state", state, false),
        ("packets/s", of(|it| grouped(it.packets_per_second)), true),
        ("bits/s", of(|it| grouped(it.bits_per_second)), true),
    ];
    let mut lines = vec![String::new(); interfaces.len() + 1];
    let mut used = 0;
    for (head, cells, is_number) in all {
        let column: Vec<_> = std::iter::once(head.to_owned()).chain(cells).collect();
        let wide = column.iter().map(|cell| columns(cell)).max().unwrap_or(0);
        let before = if used == 0 { 0 } else { GAP };
        if used > 0 && used + before + wide > width {
            return lines;
        }
        for (line, cell) in lines.iter_mut().zip(&column) {
            let fill = " ".repeat(wide - columns(cell));
            line.push_str(&" ".repeat(before));
            line.push_str(&if is_number { fill + cell } else { cell.clone() + &fill });
        }
        used += before + wide;
    }
    let room = width.saturating_sub(used + GAP);
    if room >= PAYLOAD {
        let cells = of(|it| it.payload.clone());
        for (line, cell) in lines.iter_mut().zip(std::iter::once("payload".to_owned()).chain(cells))
        {
            line.push_str(&" ".repeat(GAP));
            line.push_str(&clipped(&cell, room));
        }
    }
    lines
}

/// Between columns.
const GAP: usize = 2;
/// With less room, nothing is said of payload: "payload cut in the kernel".
const PAYLOAD: usize = 25;
