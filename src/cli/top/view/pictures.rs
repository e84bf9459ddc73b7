//! The last hour, and the traffic as a whole.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::widgets::Sparkline;

use super::{Part, bar, draw_list, percent};
use crate::cli::summary::grouped;
use crate::cli::top::room::{Entry, List, Rows, columns};
use crate::telemetry::{Distributions, History, Share};

/// Two charts where there is room for both; else that of drops if there were any, and of packets if not.
pub(super) fn charts(history: &History, width: usize) -> Part<'_> {
    let chart = |name: &str, values| {
        let most = grouped(highest(values));
        (format!("{name}/s, last hour, at most {most}"), most != "0", values)
    };
    let mut charts = vec![chart("drops", &history.drops), chart("packets", &history.packets)];
    let needed: usize = charts.iter().map(|(name, ..)| columns(name)).max().unwrap_or(0);
    if 2 * needed + usize::from(GAP) > width {
        let others = if charts.first().is_some_and(|&(_, any, _)| any) { 1 } else { 0 };
        charts.remove(others);
    }
    Part {
        rows: Rows { least: 4, enough: 6, most: 14 },
        draw: Box::new(move |frame, area| {
            let areas = side_by_side(charts.len(), area);
            for ((name, _, values), area) in charts.into_iter().zip(areas) {
                let below = bar(frame, &name, area);
                draw_line(frame, values, below);
            }
        }),
    }
}

/// The newest at the right, as many as there is room for; each column the most of its points.
fn draw_line(frame: &mut Frame<'_>, values: &VecDeque<u64>, area: Rect) {
    let columns = usize::from(area.width).max(1);
    let each = values.len().div_ceil(columns).max(1);
    let values: Vec<u64> = values.iter().copied().collect();
    let columns: Vec<u64> = values
        .rchunks(each)
        .map(|chunk| chunk.iter().copied().max().unwrap_or(0))
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    frame.render_widget(Sparkline::default().data(columns), area);
}

/// What there is anything of, as many as there is room for.
pub(super) fn shares<'a>(seen: &Distributions, width: usize) -> Part<'a> {
    let all = [("protocols", &seen.protocols), ("TCP", &seen.tcp), ("UDP", &seen.udp)];
    let room = (width + usize::from(GAP)) / (SHARES + usize::from(GAP));
    let lists: Vec<_> = all
        .map(|(name, shares)| (format!("{name} by octets"), by_octets(shares)))
        .into_iter()
        .filter(|(_, list)| !list.0.is_empty())
        .take(room.max(1))
        .collect();
    let rows = lists.iter().map(|(_, list)| list.rows(1));
    let rows = rows.reduce(|all, rows| Rows {
        least: all.least.max(rows.least),
        enough: all.enough.max(rows.enough),
        most: all.most.max(rows.most),
    });
    Part {
        rows: rows.unwrap_or_default(),
        draw: Box::new(move |frame, area| {
            let areas = side_by_side(lists.len(), area);
            for ((name, list), area) in lists.iter().zip(areas) {
                draw_list(frame, name, list, area);
            }
        }),
    }
}

fn by_octets(shares: &[Share]) -> List {
    let mut shares: Vec<_> = shares.iter().filter(|share| share.octets > 0).collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.octets));
    let all: u64 = shares.iter().map(|share| share.octets).sum();
    let entry = |share: &Share| Entry {
        lines: vec![format!("{:>7} {}", percent(share.octets, all), share.name)],
        style: Style::new(),
    };
    List(shares.into_iter().map(entry).collect())
}

fn highest(values: &VecDeque<u64>) -> u64 {
    values.iter().copied().max().unwrap_or(0)
}

fn side_by_side(count: usize, area: Rect) -> Vec<Rect> {
    let columns = Layout::horizontal(vec![Constraint::Fill(1); count]).spacing(GAP);
    columns.split(area).to_vec()
}

/// Between columns.
const GAP: u16 = 2;
/// Columns that a list of shares needs: "100.0 % https".
const SHARES: usize = 16;
