//! Room on a terminal: what is worth most gets it first, and what is left out is said.

use ratatui::style::Style;
use ratatui::text::Line;

/// Rows that a part of the picture has use for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rows {
    /// With fewer it is nothing.
    pub(super) least: u16,
    /// With these all of it is there.
    pub(super) enough: u16,
    /// More it does not take, where there is room to spare.
    pub(super) most: u16,
}

/// Gives rows to parts in the order of their worth. The first `needed` of them get their least before any
/// of them gets more; each of the others gets rows where all before it have enough. A part that cannot have
/// its least has none, and then none after it has.
pub(super) fn share_out(height: u16, parts: &[Rows], needed: usize) -> Vec<u16> {
    let mut room = height;
    let mut given = vec![0; parts.len()];
    let mut ended = false;
    for (rows, part) in given.iter_mut().zip(parts).take(needed) {
        ended |= part.least > room;
        *rows = if ended { 0 } else { part.least };
        room -= *rows;
    }
    // Rather a part of the first than nothing at all.
    if given.first() == Some(&0) {
        given.iter_mut().take(1).for_each(|rows| *rows = std::mem::take(&mut room));
    }
    let mut ended = false;
    for (place, (rows, part)) in given.iter_mut().zip(parts).enumerate() {
        ended |= *rows == 0 && (place < needed || part.least > room);
        if !ended {
            let more = part.enough.saturating_sub(*rows).min(room);
            *rows += more;
            room -= more;
        }
    }
    for (rows, part) in given.iter_mut().zip(parts).filter(|(rows, _)| **rows > 0) {
        let more = part.most.saturating_sub(*rows).min(room);
        *rows += more;
        room -= more;
    }
    given
}

/// Entries one below another.
#[derive(Debug, Default)]
pub(super) struct List(pub(super) Vec<Entry>);

/// What stands together, in one line or several.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) lines: Vec<String>,
    pub(super) style: Style,
}

impl List {
    /// With what its head takes.
    pub(super) fn rows(&self, head: u16) -> Rows {
        let least = head + u16::try_from(self.0.len().min(2)).unwrap_or(2);
        let lines: usize = self.0.iter().map(|entry| entry.lines.len()).sum();
        let enough = head.saturating_add(u16::try_from(lines).unwrap_or(u16::MAX));
        Rows { least: least.min(enough), enough, most: enough }
    }

    /// As much of it as there is room for; what is left out is counted in the last line.
    pub(super) fn within(&self, rows: u16) -> Vec<Line<'_>> {
        let rows = usize::from(rows);
        let all: usize = self.0.iter().map(|entry| entry.lines.len()).sum();
        if all <= rows {
            return self.0.iter().flat_map(Entry::drawn).collect();
        }
        // Of a single one nothing else is left out.
        let room = if self.0.len() > 1 { rows.saturating_sub(1) } else { rows };
        let mut lines: Vec<Line<'_>> = Vec::new();
        let mut shown = 0;
        for entry in &self.0 {
            if lines.len() + entry.lines.len() > room {
                break;
            }
            lines.extend(entry.drawn());
            shown += 1;
        }
        if let Some(first) = self.0.first().filter(|_| shown == 0 && room > 0) {
            lines = first.drawn().take(room).collect();
            lines.iter_mut().rev().take(1).for_each(|line| line.push_span("…"));
            shown = 1;
        }
        match self.0.len() - shown {
            0 => {}
            all if shown == 0 => lines.push(Line::raw(format!("{all} in all"))),
            others => lines.push(Line::raw(format!("and {others} more"))),
        }
        lines.truncate(rows);
        lines
    }
}

impl Entry {
    fn drawn(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines.iter().map(|line| Line::styled(line.as_str(), self.style))
    }
}

/// Puts parts side by side as long as they fit, and others below, further in.
pub(super) fn packed<'a>(
    parts: impl IntoIterator<Item = &'a str>,
    gap: &str,
    indent: usize,
    width: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(gap) + columns(part) <= width => {
                line.push_str(gap);
                line.push_str(part);
            }
            Some(_) => lines.push(" ".repeat(indent.min(width / 4)) + part),
            None => lines.push(part.to_owned()),
        }
    }
    lines
}

/// A text that ends with … where it does not fit.
pub(super) fn clipped(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// How wide a text is on a terminal.
pub(super) fn columns(text: &str) -> usize {
    Line::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rows(least: u16, enough: u16, most: u16) -> Rows {
        Rows { least, enough, most }
    }

    #[test]
    fn rows_go_to_what_is_worth_most() {
        let parts = [rows(2, 4, 4), rows(2, 5, 5), rows(4, 6, 9), rows(2, 3, 3)];
        for (height, given) in [
            (0, [0, 0, 0, 0]),
            (1, [1, 0, 0, 0]),
            (3, [3, 0, 0, 0]),
            (4, [2, 2, 0, 0]),
            (8, [4, 4, 0, 0]),
            (12, [4, 5, 0, 0]),
            (14, [4, 5, 5, 0]),
            (18, [4, 5, 6, 3]),
            (20, [4, 5, 8, 3]),
            (90, [4, 5, 9, 3]),
        ] {
            assert_eq!(share_out(height, &parts, 2), given, "{height}");
        }
    }

    #[test]
    fn a_list_says_what_is_left_out() {
        let entry = |lines: &[&str]| Entry {
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
            style: Style::new(),
        };
        let list = List(vec![entry(&["a", " a"]), entry(&["b"]), entry(&["c"])]);
        let said = |list: &List, rows| {
            let lines: Vec<_> = list.within(rows).iter().map(ToString::to_string).collect();
            lines.join("|")
        };
        for (rows, text) in [
            (9, "a| a|b|c"),
            (4, "a| a|b|c"),
            (3, "a| a|and 2 more"),
            (2, "a…|and 2 more"),
            (1, "3 in all"),
            (0, ""),
        ] {
            assert_eq!(said(&list, rows), text, "{rows}");
        }
        assert_eq!(said(&List(vec![entry(&["a", " a"])]), 1), "a…");
    }

    #[test]
    fn text_is_folded_where_it_does_not_fit() {
        assert_eq!(packed(["ab", "cd", "ef"], "  ", 2, 8), ["ab  cd", "  ef"]);
        assert_eq!(packed(["abcdef", "cd"], " ", 0, 3), ["abcdef", "cd"]);
        assert_eq!((clipped("abc", 3), clipped("abc", 2)), ("abc".to_owned(), "a…".to_owned()));
    }
}
