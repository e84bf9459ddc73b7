//! What is drawn. Nothing is said by colour alone.

mod interfaces;
mod pictures;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::cli::status::target_line;
use crate::cli::summary::grouped;
use crate::cli::top::Seen;
use crate::cli::top::room::{Entry, List, Rows, columns, packed, share_out};
use crate::telemetry::Status;

pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen) {
    let area = frame.area();
    let width = usize::from(area.width);
    // In the order of their worth, which is that on the screen.
    let parts = [
        head(seen, width),
        now(&seen.status, width),
        interfaces::part(&seen.status, width),
        targets(&seen.status, width),
        pictures::charts(&seen.status.history, width),
        pictures::shares(&seen.status.distributions, width),
    ];
    let rows = parts.each_ref().map(|part| part.rows);
    let heights = share_out(area.height, &rows, LISTS);
    let areas = Layout::vertical(heights.into_iter().map(Constraint::Length)).split(area);
    for (part, &area) in parts.into_iter().zip(areas.iter()).filter(|(_, area)| area.height > 0) {
        (part.draw)(frame, area);
    }
}

/// A part of the picture.
struct Part<'a> {
    rows: Rows,
    draw: Draw<'a>,
}

type Draw<'a> = Box<dyn FnOnce(&mut Frame<'_>, Rect) + 'a>;

impl<'a> Part<'a> {
    /// A list below a bar with its name.
    fn list(name: String, list: List) -> Self {
        Self {
            rows: if list.0.is_empty() { Rows::default() } else { list.rows(1) },
            draw: Box::new(move |frame, area| draw_list(frame, &name, &list, area)),
        }
    }
}

fn draw_list(frame: &mut Frame<'_>, name: &str, list: &List, area: Rect) {
    let below = bar(frame, name, area);
    frame.render_widget(Paragraph::new(list.within(below.height)), below);
}

/// Draws a bar in the first row, and leaves the rows below it.
fn bar(frame: &mut Frame<'_>, text: &str, area: Rect) -> Rect {
    let style = Style::new().add_modifier(Modifier::REVERSED);
    let [row, below] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let text = format!("{text:<width$}", width = usize::from(row.width));
    frame.render_widget(Paragraph::new(Line::styled(text, style)), row);
    below
}

fn head<'a>(seen: &Seen, width: usize) -> Part<'a> {
    let (title, faults) = (title(seen, width), faults(seen, width));
    Part {
        rows: faults.rows(1),
        draw: Box::new(move |frame, area| {
            let mut lines = vec![title];
            lines.extend(faults.within(area.height.saturating_sub(1)));
            frame.render_widget(Paragraph::new(lines), area);
        }),
    }
}

fn title(seen: &Seen, width: usize) -> Line<'static> {
    let health = match (&seen.trouble, seen.status.health.healthy) {
        (Some(_), _) => Span::styled("NO ANSWER", bad()),
        (None, true) => Span::styled("healthy", Style::new().fg(Color::Green)),
        (None, false) => Span::styled("NOT HEALTHY", bad()),
    };
    let mut line = Line::from(health);
    let version = format!(" {}", seen.status.version);
    for text in ["  flowtap", version.as_str(), "  q: leave"] {
        if line.width() + columns(text) > width {
            break;
        }
        line.push_span(text.to_owned());
    }
    line
}

fn faults(seen: &Seen, width: usize) -> List {
    let entry = |text: String| Entry {
        lines: packed(format!("  {text}").split_inclusive(' '), "", 4, width),
        style: bad(),
    };
    if let Some(trouble) = &seen.trouble {
        return List(vec![entry(trouble.clone())]);
    }
    let faults = seen.status.health.checks.iter().filter(|check| !check.healthy);
    let said = faults.map(|check| {
        let of = check.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
        entry(format!("{}{of}: {}", check.check, check.text))
    });
    List(said.collect())
}

/// What is received now; that something is lost stands first.
fn now<'a>(status: &Status, width: usize) -> Part<'a> {
    let (rates, cache) = (status.rates, status.cache);
    let figures = [
        format!("{} drops/s", grouped(rates.drops)),
        format!("{} packets/s", grouped(rates.packets)),
        format!("{} bits/s", grouped(rates.bits)),
        format!("{} records/s", grouped(rates.records)),
        format!("cache {} flows, {}", grouped(cache.flows), percent(cache.flows, cache.maximum)),
    ];
    let lines = packed(figures.iter().map(String::as_str), "  ", 0, width);
    Part::list("now".to_owned(), List(vec![Entry { lines, style: Style::new() }]))
}

fn targets<'a>(status: &Status, width: usize) -> Part<'a> {
    let entry = |target| {
        let text = target_line(target);
        let words = text.split(' ');
        let label = format!("{:<3}", target.label);
        let lines = packed(std::iter::once(label.as_str()).chain(words), " ", 4, width);
        let ill = target.failed || target.connected == Some(false);
        Entry { lines, style: if ill { bad() } else { Style::new() } }
    };
    let list = List(status.targets.iter().map(entry).collect());
    Part::list("targets".to_owned(), list)
}

/// As on the page.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

const fn bad() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// Parts of which something is shown before any of them is shown whole.
const LISTS: usize = 4;

#[cfg(test)]
mod tests;
