//! What counts of records and packets say of the mirror and of the box: findings for `flowtap doctor`,
//! and warnings while a capture runs.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::cli::capture::wall_clock;
use crate::cli::certificates;
use crate::cli::finding::{Check, Finding, Verdict};
use crate::cli::log;
use crate::cli::losses::Losses;
use crate::cli::summary::grouped;
use crate::export::Watches;
use crate::pipeline::{OpenBooks, SymptomCounts};
use crate::telemetry::Troubles;

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::Surroundings;
#[cfg(target_os = "linux")]
pub(super) use surroundings::Surroundings;

/// What can be told from counts alone.
pub(super) fn findings(counts: &SymptomCounts) -> [Finding; 4] {
    [kernel_drops(counts), frame_length(counts), one_direction(counts), own_export(counts)]
}

fn kernel_drops(counts: &SymptomCounts) -> Finding {
    let dropped = counts.kernel_dropped_packets;
    if dropped == 0 {
        return Finding::new(Check::KernelDrops, Verdict::Ok, "the kernel dropped no packet");
    }
    let of = grouped(counts.received_packets + dropped);
    let text = format!("the kernel dropped {} of {of} packets for lack of room", grouped(dropped));
    Finding::new(Check::KernelDrops, Verdict::Error, text).fixed_by(
        "flowtap capture --workers N, one for each processor that has nothing else to do; or less \
         traffic by --filter",
    )
}

fn frame_length(counts: &SymptomCounts) -> Finding {
    let (long, flows) = (counts.long_packet_flows, counts.flows);
    if flows == 0 {
        let text = "there was no packet to measure";
        return Finding::new(Check::FrameLength, Verdict::Unknown, text);
    }
    if long == 0 {
        return Finding::new(Check::FrameLength, Verdict::Ok, "no packet was longer than the MTU");
    }
    let text =
        format!("{} of {} flows had a packet longer than the MTU", grouped(long), grouped(flows));
    Finding::new(Check::FrameLength, Verdict::Error, text).fixed_by(
        "ethtool -K IFACE gro off lro off; on a virtual network also ethtool -K SENDER tso off gso \
         off; for jumbo frames ip link set dev IFACE mtu 9000",
    )
}

fn one_direction(counts: &SymptomCounts) -> Finding {
    let (one, all) = (counts.one_direction_tcp_flows, counts.tcp_flows);
    if all < FEWEST_FLOWS {
        let text = format!("only {all} TCP connections were seen, too few to judge");
        return Finding::new(Check::OneDirection, Verdict::Unknown, text);
    }
    let verdict = match one.saturating_mul(100) / all {
        50.. => Verdict::Error,
        10..50 => Verdict::Warning,
        1..10 => Verdict::Note,
        0 => Verdict::Ok,
    };
    let text = if one == 0 {
        format!("both directions of all {} TCP connections were seen", grouped(all))
    } else {
        format!(
            "of {} of {} TCP connections one direction only was seen",
            grouped(one),
            grouped(all)
        )
    };
    let finding = Finding::new(Check::OneDirection, verdict, text);
    if verdict.is_trouble() {
        finding.fixed_by(
            "mirror both directions on the switch (Cisco: monitor session 1 source interface PORT \
             both); of a TAP name both interfaces: -i IFACE1 -i IFACE2",
        )
    } else {
        finding
    }
}

fn own_export(counts: &SymptomCounts) -> Finding {
    let packets = counts.collector_packets;
    if packets == 0 {
        let text = "no packet from or to a configured collector passed";
        return Finding::new(Check::OwnExport, Verdict::Ok, text);
    }
    let text = format!("{} packets from or to a configured collector passed", grouped(packets));
    Finding::new(Check::OwnExport, Verdict::Warning, text).fixed_by(
        "flowtap capture --filter 'not (host COLLECTOR and port PORT)'; or export over another network",
    )
}

/// Looks at a running capture now and then, in a thread of its own.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// What begins to be wrong is logged, and what is right again: each once.
    pub(super) fn start(
        books: Arc<OpenBooks>,
        targets: Watches,
        surroundings: Surroundings,
        troubles: Arc<Troubles>,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let mut looker =
            Looker { books, targets, surroundings, troubles, judge: Judge::default(), last: now() };
        let thread = thread::spawn(move || {
            let mut losses = Losses::default();
            looker.look();
            loop {
                let over = stopped.recv_timeout(WINDOW) != Err(RecvTimeoutError::Timeout);
                looker.look();
                if over {
                    // What was lost is in the summary.
                    return;
                }
                losses.look(&looker.targets, CALM_WINDOWS).iter().for_each(log::losing_records);
            }
        });
        Self { stop, thread }
    }

    /// Looks once more, now that all records have left, and ends.
    pub(super) fn finish(self) {
        let Self { stop, thread } = self;
        // It is gone only if it panicked, which the run has outlived.
        let _ = stop.send(());
        let _ = thread.join();
    }
}

/// What is looked at, and who hears of it.
struct Looker {
    books: Arc<OpenBooks>,
    targets: Watches,
    surroundings: Surroundings,
    troubles: Arc<Troubles>,
    judge: Judge,
    last: Instant,
}

impl Looker {
    fn look(&mut self) {
        let (page, targets) = (self.books.read(), self.targets.all());
        let since = now().saturating_duration_since(self.last);
        self.last += since;
        let targets: Vec<_> = targets.iter().map(AsRef::as_ref).collect();
        let mut found = self.surroundings.look(&page, &targets, since);
        for target in targets {
            let ends = target.look_at_certificates();
            found.extend(certificates::findings(&target.name, &ends, wall_clock()));
        }
        self.judge.look(&page.symptoms(), &found).iter().for_each(News::say);
        self.troubles.tell(self.judge.troubles());
    }
}

#[expect(clippy::disallowed_methods, reason = "who looks at a run does so in real time")]
fn now() -> Instant {
    Instant::now()
}

/// What is to be said.
#[derive(Debug, Eq, PartialEq)]
enum News {
    Begins(Finding),
    Over(Finding),
}

impl News {
    fn say(&self) {
        match self {
            Self::Begins(finding) => log::symptom(finding),
            Self::Over(finding) => log::symptom_over(finding),
        }
    }
}

/// What is wrong at the moment, as far as it was said.
#[derive(Debug, Default)]
struct Judge {
    before: SymptomCounts,
    /// Checks that could be made.
    known: BTreeSet<&'static str>,
    wrong: Vec<Trouble>,
}

/// What was said to be wrong.
#[derive(Debug)]
struct Trouble {
    check: Check,
    subject: Option<String>,
    /// Windows in which it was not, since it was last.
    calm: u32,
    /// Windows since it was last said.
    silent: u32,
}

impl Judge {
    /// What is to be said after another window, in which this was `found`.
    fn look(&mut self, counts: &SymptomCounts, found: &[Finding]) -> Vec<News> {
        let window = counts.since(&self.before);
        self.before = *counts;
        findings(&window).iter().chain(found).filter_map(|finding| self.hear(finding)).collect()
    }

    /// Checks by name, each with whether it finds anything.
    fn troubles(&self) -> BTreeMap<&'static str, bool> {
        let is_wrong = |name: &str| self.wrong.iter().any(|it| it.check.name() == name);
        self.known.iter().map(|&name| (name, is_wrong(name))).collect()
    }

    /// Trouble is told when it begins; that it is over, after some windows without it.
    fn hear(&mut self, finding: &Finding) -> Option<News> {
        let Finding { check, subject, verdict, .. } = finding;
        if *verdict == Verdict::Unknown {
            return None;
        }
        self.known.insert(check.name());
        let is_it = |it: &Trouble| it.check == *check && it.subject == *subject;
        let Some(place) = self.wrong.iter().position(is_it) else {
            if !verdict.is_trouble() {
                return None;
            }
            self.wrong.push(Trouble {
                check: *check,
                subject: subject.clone(),
                calm: 0,
                silent: 0,
            });
            return Some(News::Begins(finding.clone()));
        };
        let trouble = self.wrong.get_mut(place)?;
        trouble.calm = if verdict.is_trouble() { 0 } else { trouble.calm + 1 };
        trouble.silent += 1;
        // What comes nearer by the day is said by the day.
        if *check == Check::Certificate && trouble.calm == 0 && trouble.silent >= WINDOWS_OF_A_DAY {
            trouble.silent = 0;
            return Some(News::Begins(finding.clone()));
        }
        if trouble.calm < CALM_WINDOWS {
            return None;
        }
        self.wrong.remove(place);
        Some(News::Over(finding.clone()))
    }
}

/// Fewer connections may all be odd by chance.
const FEWEST_FLOWS: u64 = 10;
const WINDOW: Duration = Duration::from_secs(30);
/// Five minutes without it.
const CALM_WINDOWS: u32 = 10;
const WINDOWS_OF_A_DAY: u32 = 2 * 60 * 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> SymptomCounts {
        SymptomCounts { received_packets: 1000, flows: 100, tcp_flows: 50, ..Default::default() }
    }

    fn verdicts(counts: &SymptomCounts) -> [Verdict; 4] {
        findings(counts).map(|finding| finding.verdict)
    }

    #[test]
    fn healthy_counts_give_nothing_to_put_right() {
        assert_eq!(verdicts(&counts()), [Verdict::Ok; 4]);
        for finding in findings(&counts()) {
            assert_eq!(finding.fix, None, "{finding:?}");
        }
    }

    #[test]
    fn each_count_has_its_verdict_and_its_fix() {
        use Verdict::{Error, Note, Ok, Unknown, Warning};
        let base = counts();
        for (counts, expected) in [
            (SymptomCounts { kernel_dropped_packets: 1, ..base }, [Error, Ok, Ok, Ok]),
            (SymptomCounts { long_packet_flows: 1, ..base }, [Ok, Error, Ok, Ok]),
            (SymptomCounts { one_direction_tcp_flows: 1, ..base }, [Ok, Ok, Note, Ok]),
            (SymptomCounts { one_direction_tcp_flows: 5, ..base }, [Ok, Ok, Warning, Ok]),
            (SymptomCounts { one_direction_tcp_flows: 25, ..base }, [Ok, Ok, Error, Ok]),
            (
                SymptomCounts { tcp_flows: 9, one_direction_tcp_flows: 9, ..base },
                [Ok, Ok, Unknown, Ok],
            ),
            (SymptomCounts { collector_packets: 3, ..base }, [Ok, Ok, Ok, Warning]),
            (SymptomCounts::default(), [Ok, Unknown, Unknown, Ok]),
        ] {
            assert_eq!(verdicts(&counts), expected, "{counts:?}");
            for finding in findings(&counts) {
                assert_eq!(finding.fix.is_some(), finding.verdict.is_trouble(), "{finding:?}");
            }
        }
    }

    #[test]
    fn a_warning_is_said_once_and_its_end_after_a_while() {
        let mut judge = Judge::default();
        let mut total = SymptomCounts::default();
        let mut window = |collector_packets| {
            total.received_packets += 1000;
            total.flows += 100;
            total.tcp_flows += 50;
            total.collector_packets += collector_packets;
            judge.look(&total, &[])
        };
        assert_eq!(window(0), []);
        let said = window(7);
        let [News::Begins(finding)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(
            (finding.check, finding.finding.get(..9)),
            (Check::OwnExport, Some("7 packets"))
        );
        for _ in 0..20 {
            // It comes and goes: that is one trouble, and no news.
            assert_eq!((window(0), window(5)), (vec![], vec![]));
        }
        for _ in 1..CALM_WINDOWS {
            assert_eq!(window(0), []);
        }
        assert!(matches!(&window(0)[..], [News::Over(it)] if it.check == Check::OwnExport));
        assert_eq!(window(3).len(), 1, "a new trouble");
    }

    #[test]
    fn of_several_interfaces_each_is_told_of_and_the_check_is_one() {
        let mut judge = Judge::default();
        let found = |name: &str, verdict| Finding::new(Check::Offloads, verdict, "x").of(name);
        let mut look = |one, other| {
            let news = judge.look(&counts(), &[found("eth1", one), found("eth2", other)]);
            (news.len(), judge.troubles().get("offloads").copied())
        };
        assert_eq!(look(Verdict::Unknown, Verdict::Unknown), (0, None));
        assert_eq!(look(Verdict::Ok, Verdict::Warning), (1, Some(true)));
        assert_eq!(look(Verdict::Warning, Verdict::Warning), (1, Some(true)));
        for _ in 1..CALM_WINDOWS {
            assert_eq!(look(Verdict::Ok, Verdict::Warning), (0, Some(true)));
        }
        assert_eq!(look(Verdict::Ok, Verdict::Warning), (1, Some(true)), "one is over");
        assert_eq!(judge.troubles().get("clock"), None, "it was not looked at");
    }

    #[test]
    fn a_certificate_is_told_of_once_a_day_and_nothing_else_is() {
        let said = |check, windows: u32| {
            let mut judge = Judge::default();
            let found = [Finding::new(check, Verdict::Warning, "x").of("own.pem")];
            let counts = counts();
            (0..windows).map(|_| judge.look(&counts, &found).len()).sum::<usize>()
        };
        assert_eq!(said(Check::Certificate, WINDOWS_OF_A_DAY), 1);
        assert_eq!(said(Check::Certificate, WINDOWS_OF_A_DAY + 1), 2);
        assert_eq!(said(Check::Certificate, 3 * WINDOWS_OF_A_DAY + 1), 4);
        assert_eq!(said(Check::Clock, 3 * WINDOWS_OF_A_DAY), 1);
    }
}
