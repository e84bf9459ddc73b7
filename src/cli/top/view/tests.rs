use std::iter;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::telemetry::{Cache, Check, Health, Interface, Rates, Share, Target};

fn drawn(seen: &Seen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, seen)).unwrap();
    terminal.backend().to_string()
}

/// Four interfaces, two of them down, and three targets.
fn seen() -> Seen {
    let fault = |name: &str| Check {
        check: "interface".to_owned(),
        of: Some(name.to_owned()),
        healthy: false,
        text: "is down".to_owned(),
    };
    let interface = |name: &str, trouble: Option<&str>| Interface {
        name: name.to_owned(),
        up: trouble.is_none(),
        trouble: trouble.map(str::to_owned),
        payload: "payload cut in the kernel".to_owned(),
        packets_per_second: 1_000_000,
        bits_per_second: 8_000_000_000,
        ..Interface::default()
    };
    let target = |label: &str, connected| Target {
        label: label.to_owned(),
        kind: "tls".to_owned(),
        connected,
        sent_flows: 12_345_678,
        ..Target::default()
    };
    let mut status = Status {
        version: "0.1.0".to_owned(),
        health: Health { healthy: false, checks: vec![fault("b2"), fault("b3")] },
        rates: Rates { packets: 1_234_567, bits: 9_876_543_210, drops: 7, records: 12_345 },
        cache: Cache { flows: 500, maximum: 1000, peak: 600, begun: 9_000 },
        interfaces: vec![
            interface("b0", None),
            interface("b1", None),
            interface("b2", Some("is down")),
            interface("b3", Some("is gone; capture goes on when it is back")),
        ],
        targets: vec![target("1", Some(true)), target("2", Some(true)), target("3", None)],
        ..Status::default()
    };
    status.history.packets = (0..720).collect();
    status.history.drops = iter::repeat_n(0, 720).collect();
    Seen { status, trouble: None }
}

fn with_shares() -> Seen {
    let mut seen = seen();
    let share = |name: &str, octets| Share { name: name.to_owned(), octets, ..Share::default() };
    seen.status.distributions.tcp = vec![share("imaps", 6), share("https", 994), share("bgp", 0)];
    seen
}

#[track_caller]
fn has(text: &str, shown: &[&str]) {
    for shown in shown {
        assert!(text.contains(shown), "{shown}:\n{text}");
    }
}

#[test]
fn all_that_counts_is_on_an_ordinary_terminal() {
    let text = drawn(&seen(), 80, 24);
    has(
        &text,
        &[
            "NOT HEALTHY  flowtap 0.1.0  q: leave",
            "interface b2: is down",
            "interface b3: is down",
            "7 drops/s  1,234,567 packets/s  9,876,543,210 bits/s",
            "cache 500 flows, 50.0 %",
            "b0         capturing                   1,000,000  8,000,000,000",
            "b2         is down                     1,000,000",
            "b3         is gone; capture goes on …  1,000,000",
            "1   tls connected: 12,345,678 records sent, 0 waiting, 0 lost",
            "3   tls written",
            "packets/s, last hour, at most 719",
        ],
    );
    assert!(!text.contains("by octets"), "{text}");
}

#[test]
fn nothing_that_counts_is_without_content_on_a_low_terminal() {
    let text = drawn(&with_shares(), 100, 12);
    let shown =
        ["NOT HEALTHY", "b3: is down", "7 drops/s", "b0 ", "and 2 more", "1   tls connected"];
    has(&text, &shown);
    assert_eq!(text.matches("and 2 more").count(), 2, "{text}");
    assert!(!text.contains("last hour") && !text.contains("by octets"), "{text}");
}

#[test]
fn a_narrow_terminal_folds_what_does_not_fit() {
    let text = drawn(&seen(), 40, 24);
    let figures = ["7 drops/s", "1,234,567 packets/s", "9,876,543,210 bits/s", "12,345 records/s"];
    has(&text, &figures);
    has(&text, &["b3         is gone; cap…", "12,345,678 records", "0 waiting, 0 lost"]);
}

#[test]
fn the_least_terminal_shows_health_first() {
    let text = drawn(&seen(), 20, 5);
    has(&text, &["NOT HEALTHY  flowtap", "  interface b2:", "and 1 more", "now", "7 drops/s"]);
}

#[test]
fn a_large_terminal_shows_everything() {
    let text = drawn(&with_shares(), 200, 60);
    has(
        &text,
        &[
            "12,345 records/s  cache 500 flows, 50.0 %",
            "b3         is gone; capture goes on when it is back",
            "payload cut in the kernel",
            "drops/s, last hour, at most 0",
            "packets/s, last hour, at most 719",
            "TCP by octets",
            " 99.4 % https",
            "  0.6 % imaps",
        ],
    );
    assert!(!text.contains("bgp") && !text.contains("more") && !text.contains("UDP"), "{text}");
}

#[test]
fn no_terminal_is_too_small_to_be_drawn_on() {
    for (width, height) in [(1, 1), (2, 9), (9, 2), (400, 100)] {
        drawn(&with_shares(), width, height);
    }
    let lost = Seen { trouble: Some("no probe answers".to_owned()), ..seen() };
    has(&drawn(&lost, 80, 24), &["NO ANSWER", "no probe answers"]);
}
