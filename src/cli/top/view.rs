//! What is drawn. Nothing is said by colour alone.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Sparkline, Table};

use crate::cli::status::target_line;
use crate::cli::summary::grouped;
use crate::cli::top::Seen;
use crate::telemetry::{Share, Status};

pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen) {
    let status = &seen.status;
    let faults = faults(seen);
    let [head, rates, charts, interfaces, targets, shares] = Layout::vertical([
        Constraint::Length(height(1 + faults.len())),
        Constraint::Length(3),
        Constraint::Length(6),
        Constraint::Length(height(3 + status.interfaces.len()).min(8)),
        Constraint::Length(height(2 + status.targets.len()).min(8)),
        Constraint::Min(4),
    ])
    .areas(frame.area());
    let mut lines = vec![title(seen)];
    lines.extend(faults);
    frame.render_widget(Paragraph::new(lines), head);
    draw_rates(frame, status, rates);
    let [packets, flows] =
        Layout::horizontal([Constraint::Ratio(1, 2), Constraint::Ratio(1, 2)]).areas(charts);
    draw_line(frame, "packets/s, last hour", &status.history.packets, packets);
    draw_line(frame, "drops/s, last hour", &status.history.drops, flows);
    draw_interfaces(frame, status, interfaces);
    let lines: Vec<_> = status
        .targets
        .iter()
        .map(|target| Line::raw(format!("{:<4} {}", target.label, target_line(target))))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("targets")), targets);
    let [protocols, tcp, udp] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(shares);
    let seen = &status.distributions;
    draw_shares(frame, "protocols", &seen.protocols, protocols);
    draw_shares(frame, "TCP", &seen.tcp, tcp);
    draw_shares(frame, "UDP", &seen.udp, udp);
}

fn title(seen: &Seen) -> Line<'static> {
    let health = match (&seen.trouble, seen.status.health.healthy) {
        (Some(_), _) => Span::styled("NO ANSWER", bad()),
        (None, true) => Span::styled("healthy", Style::new().fg(Color::Green)),
        (None, false) => Span::styled("NOT HEALTHY", bad()),
    };
    let name = Span::raw(format!("flowtap {}  ", seen.status.version));
    Line::from(vec![name, health, Span::raw("  q: leave")])
}

fn faults(seen: &Seen) -> Vec<Line<'static>> {
    if let Some(trouble) = &seen.trouble {
        return vec![Line::styled(format!("  {trouble}"), bad())];
    }
    let faults = seen.status.health.checks.iter().filter(|check| !check.healthy).take(5);
    faults
        .map(|check| {
            let of = check.of.as_deref().unwrap_or_default();
            Line::styled(format!("  {} {of}: {}", check.check, check.text), bad())
        })
        .collect()
}

fn draw_rates(frame: &mut Frame<'_>, status: &Status, area: Rect) {
    let [text, fill] = Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(area);
    let rates = status.rates;
    let line = format!(
        "{} packets/s  {} bits/s  {} drops/s  {} records/s",
        grouped(rates.packets),
        grouped(rates.bits),
        grouped(rates.drops),
        grouped(rates.records)
    );
    frame.render_widget(Paragraph::new(line).block(Block::bordered().title("now")), text);
    let cache = status.cache;
    let percent = cache.flows.saturating_mul(100).checked_div(cache.maximum).unwrap_or(0).min(100);
    let gauge = Gauge::default()
        .block(Block::bordered().title("cache"))
        .percent(u16::try_from(percent).unwrap_or(100))
        .label(format!("{} flows, {percent} %", grouped(cache.flows)));
    frame.render_widget(gauge, fill);
}

/// The newest at the right, as many as there is room for; each column the most of its points.
fn draw_line(frame: &mut Frame<'_>, title: &str, values: &VecDeque<u64>, area: Rect) {
    let columns = usize::from(area.width.saturating_sub(2)).max(1);
    let most = values.iter().copied().max().unwrap_or(0);
    let block = Block::bordered().title(format!("{title}, at most {}", grouped(most)));
    let each = values.len().div_ceil(columns).max(1);
    let values: Vec<u64> = values.iter().copied().collect();
    let columns: Vec<u64> = values
        .rchunks(each)
        .map(|chunk| chunk.iter().copied().max().unwrap_or(0))
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    frame.render_widget(Sparkline::default().block(block).data(columns), area);
}

fn draw_interfaces(frame: &mut Frame<'_>, status: &Status, area: Rect) {
    let rows = status.interfaces.iter().map(|interface| {
        let style = if interface.up { Style::new() } else { bad() };
        let state = interface.trouble.as_deref().unwrap_or("capturing").to_owned();
        Row::new([
            interface.name.clone(),
            grouped(interface.packets_per_second),
            grouped(interface.bits_per_second),
            state,
            interface.payload.clone(),
        ])
        .style(style)
    });
    let widths = [
        Constraint::Length(16),
        Constraint::Length(14),
        Constraint::Length(18),
        Constraint::Length(12),
        Constraint::Fill(1),
    ];
    let head = ["interface", "packets/s", "bits/s", "state", "payload"];
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::BOLD));
    let table = Table::new(rows, widths).header(head).block(Block::bordered());
    frame.render_widget(table, area);
}

fn draw_shares(frame: &mut Frame<'_>, title: &str, shares: &[Share], area: Rect) {
    let mut shares: Vec<_> = shares.iter().filter(|share| share.octets > 0).collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.octets));
    let all: u64 = shares.iter().map(|share| share.octets).sum();
    let lines: Vec<_> = shares
        .iter()
        .map(|share| {
            let percent = share.octets.saturating_mul(100).checked_div(all).unwrap_or(0);
            Line::raw(format!("{percent:>3} % {}", share.name))
        })
        .collect();
    let title = format!("{title} by octets");
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
}

fn height(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

const fn bad() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::telemetry::{Cache, Check, Health, Interface, Rates, Target};

    fn drawn(seen: &Seen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, seen)).unwrap();
        terminal.backend().to_string()
    }

    fn seen() -> Seen {
        let check = Check {
            check: "interface".to_owned(),
            of: Some("eth1".to_owned()),
            healthy: false,
            text: "is down".to_owned(),
        };
        let mut status = Status {
            health: Health { healthy: false, checks: vec![check] },
            rates: Rates { packets: 1_234_567, ..Rates::default() },
            cache: Cache { flows: 500, maximum: 1000, peak: 600, begun: 9_000 },
            interfaces: vec![Interface {
                name: "eth1".to_owned(),
                up: true,
                ..Interface::default()
            }],
            targets: vec![Target {
                label: "1".to_owned(),
                kind: "tls".to_owned(),
                ..Target::default()
            }],
            ..Status::default()
        };
        status.history.packets = (0..720).collect();
        let share =
            |name: &str, octets| Share { name: name.to_owned(), octets, ..Share::default() };
        status.distributions.tcp = vec![share("ssh", 10), share("https", 90), share("bgp", 0)];
        Seen { status, trouble: None }
    }

    #[test]
    fn everything_is_on_an_ordinary_terminal() {
        let text = drawn(&seen(), 100, 32);
        for shown in [
            "NOT HEALTHY",
            "interface eth1: is down",
            "1,234,567 packets/s",
            "500 flows, 50 %",
            "at most 719",
            "1    tls written",
            " 90 % https",
            " 10 % ssh",
        ] {
            assert!(text.contains(shown), "{shown}:\n{text}");
        }
        assert!(!text.contains("bgp"), "{text}");
    }

    #[test]
    fn no_terminal_is_too_small_to_be_drawn_on() {
        for (width, height) in [(1, 1), (20, 5), (80, 24), (400, 100)] {
            drawn(&seen(), width, height);
        }
        let lost = Seen { trouble: Some("no probe answers".to_owned()), ..seen() };
        assert!(drawn(&lost, 80, 24).contains("NO ANSWER"));
    }
}
