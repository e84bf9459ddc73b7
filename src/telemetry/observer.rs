//! Looks at a run once a second, and remembers what takes remembering: rates, the last hour, for how
//! long something has been wrong.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::capture::live::Cut;
use crate::confine;
use crate::decode::PacketAnomaly;
use crate::export::{CertificateEnd, FileUse, LossReason, QueueState, TargetState, Watch, Watches};
use crate::flow::FlowEndReason;
use crate::pipeline::{
    LATENESS, OpenBooks, PORT_RANGES, PROTOCOLS, Page, Received, SERVICES, Services, Sums,
    SymptomCounts, size_limit,
};
use crate::privacy::Level;
use crate::telemetry::configuration::Configuration;
use crate::telemetry::day::{Day, Minutes, Sample, TargetSample};
use crate::telemetry::health::{self, Findings, InterfaceFindings, RECENTLY, TargetFindings};
use crate::telemetry::held_back::{FEWEST, HeldBack, HeldBackTargets};
use crate::telemetry::history::{History, Point, STEP_SECONDS};
use crate::telemetry::interfaces::{InterfaceState, Interfaces};
use crate::telemetry::server::{Outcome, Outcomes};
use crate::telemetry::status::{
    Cache, Certificate, Checked, Confinement, Count, Distributions, Expiry, Interface, Ledger,
    Part, Queue, Rates, Share, Spool, Status, Symptoms, Target,
};
use crate::telemetry::troubles::Troubles;
use crate::time::{Timestamp, saturating_nanos};

/// A run, as telemetry sees it.
#[derive(Debug)]
pub struct Subject {
    /// The books of its workers.
    pub books: Arc<OpenBooks>,
    /// Its interfaces.
    pub interfaces: Arc<Interfaces>,
    /// Its targets.
    pub targets: Watches,
    /// Which configuration it has.
    pub configuration: Arc<Configuration>,
    /// What the doctor would say.
    pub troubles: Arc<Troubles>,
    /// What the process has given up.
    pub confinement: confine::Confinement,
    /// Workers that were started.
    pub workers: usize,
    /// Flows in the cache at most.
    pub maximum_flows: usize,
    /// When metering began, by the clock of that time.
    pub started: Timestamp,
}

/// What is remembered of a run.
#[derive(Debug)]
pub(super) struct Observer {
    subject: Subject,
    held_back: HeldBack,
    held_back_targets: HeldBackTargets,
    history: History,
    minutes: Minutes,
    day: Day,
    /// Of the last minute, the newest at the end.
    looks: VecDeque<Look>,
    /// The look from which the next point of the history is reckoned.
    point: Option<Look>,
    /// The targets of the last look.
    targets: Vec<Arc<Watch>>,
    /// Since when there is no session, of targets by label.
    away: HashMap<String, Duration>,
    status: Status,
}

/// What was counted at one moment.
#[derive(Clone, Debug)]
struct Look {
    /// On a clock that only goes forward.
    at: Duration,
    received: Received,
    drops: u64,
    records: u64,
    /// In the order of the interfaces.
    interfaces: Vec<Received>,
    /// Lost records, in the order of the targets.
    lost: HashMap<String, Lost>,
}

/// Data Records by why they were lost, in the order of [`LossReason::ALL`].
type Lost = [u64; LossReason::ALL.len()];

impl Observer {
    pub(super) fn new(subject: Subject) -> Self {
        let names = subject.interfaces.read().into_iter().map(|state| state.name);
        Self {
            held_back: HeldBack::default(),
            held_back_targets: HeldBackTargets::default(),
            history: History::new(names),
            minutes: Minutes::default(),
            day: Day::default(),
            looks: VecDeque::new(),
            point: None,
            targets: Vec::new(),
            away: HashMap::new(),
            status: Status::default(),
            subject,
        }
    }

    /// The last look.
    pub(super) const fn status(&self) -> &Status {
        &self.status
    }

    /// Looks, at a time told by two clocks: the one on the wall, and one that only goes forward and was
    /// zero when metering began.
    pub(super) fn look(&mut self, now: Timestamp, at: Duration) {
        // Many a machine learns what time it is when it has been up for a while.
        let started = Timestamp::from_nanos(now.as_nanos().saturating_sub(saturating_nanos(at)));
        if started.as_nanos().abs_diff(self.subject.started.as_nanos()) > CLOCK_STEP {
            self.subject.started = started;
        }
        let page = self.held_back.show(&self.subject.books.read());
        // Others than a moment ago, if a new configuration says so.
        self.targets = self.subject.targets.all();
        let states: Vec<_> = self.targets.iter().map(|watch| watch.state()).collect();
        let shown = self.held_back_targets.show(&self.targets, &states);
        let mut before = std::mem::take(&mut self.away);
        for (watch, state) in self.targets.iter().zip(&states) {
            if state.session.is_some_and(|session| !session.is_open) {
                let since = before.remove(&watch.label).unwrap_or(at);
                self.away.insert(watch.label.clone(), since);
            }
        }
        let look = self.reckon(&page, &states, at);
        while self.looks.front().is_some_and(|old| at.saturating_sub(old.at) > RECENTLY) {
            self.looks.pop_front();
        }
        self.looks.push_back(look.clone());
        self.remember(&look, &page, now);
        let sample = self.sample(&look, &page, &shown);
        self.day = self.minutes.look(sample);
        self.status = self.describe(&page, (&states, &shown), now, at);
    }

    fn reckon(&self, page: &Page, states: &[TargetState], at: Duration) -> Look {
        let ledger = &page.ledger;
        let of = |index| {
            let found = page.points.iter().find(|(known, _)| *known == index);
            found.map(|&(_, received)| received).unwrap_or_default()
        };
        Look {
            at,
            received: Received { packets: ledger.received_packets, octets: ledger.received_octets },
            drops: ledger.drops.kernel + ledger.drops.interface,
            records: ledger.exported_flows,
            interfaces: self
                .subject
                .interfaces
                .read()
                .iter()
                .map(|state| of(state.index))
                .collect(),
            lost: self
                .targets
                .iter()
                .zip(states)
                .map(|(watch, state)| (watch.label.clone(), state.lost.map(|it| it.records)))
                .collect(),
        }
    }

    /// What the last day is reckoned from.
    fn sample(&self, look: &Look, page: &Page, states: &[TargetState]) -> Sample {
        let of_target = |(watch, state): (&Arc<Watch>, &TargetState)| TargetSample {
            label: watch.label.as_str().into(),
            given: state.given.records,
            sent: state.sent.records,
            messages: state.messages,
            message_octets: state.message_octets,
            file_octets: state.file_octets,
        };
        Sample {
            at: look.at,
            packets: look.received.packets,
            octets: look.received.octets,
            drops: look.drops,
            records: look.records,
            flows: page.begun_flows,
            targets: self.targets.iter().zip(states).map(of_target).collect(),
        }
    }

    /// Adds a point to the last hour, if it is time for one.
    fn remember(&mut self, look: &Look, page: &Page, now: Timestamp) {
        let Some(before) = &self.point else {
            self.point = Some(look.clone());
            return;
        };
        if look.at.saturating_sub(before.at) < Duration::from_secs(STEP_SECONDS) {
            return;
        }
        let Rates { packets, bits, drops, records } = rates(before, look);
        let interfaces = before.interfaces.iter().zip(&look.interfaces);
        let seconds = look.at.saturating_sub(before.at);
        self.history.push(&Point {
            at: now.as_secs(),
            packets,
            bits,
            drops,
            records,
            flows: page.flows as u64,
            interfaces: interfaces.map(|(old, new)| received_rates(*old, *new, seconds)).collect(),
        });
        self.point = Some(look.clone());
    }

    fn describe(
        &self,
        page: &Page,
        (states, shown): (&[TargetState], &[TargetState]),
        now: Timestamp,
        at: Duration,
    ) -> Status {
        let newest = self.looks.back();
        // A rate of one second jumps; of a minute it lags.
        let recent = self.looks.iter().rev().nth(RATE_LOOKS).or_else(|| self.looks.front());
        let pair = recent.zip(newest);
        let interfaces = self.interfaces(page, pair);
        let targets = self.targets(shown, at);
        let configuration = self.subject.configuration.read();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: now.as_secs(),
            started: self.subject.started.as_secs(),
            health: health::judge(&self.findings(page, states, at)),
            configured: configuration.loaded.as_secs(),
            configuration_refused: configuration.refused,
            rates: pair.map(|(old, new)| rates(old, new)).unwrap_or_default(),
            interfaces,
            ledger: ledger(page),
            cache: Cache {
                flows: page.flows as u64,
                peak: page.ledger.peak_flows,
                maximum: self.subject.maximum_flows as u64,
                begun: page.begun_flows,
            },
            expiry: expiry(page),
            symptoms: symptoms(page.symptoms()),
            checks: self.checks(),
            distributions: Self::distributions(page),
            targets,
            confinement: confinement(&self.subject.confinement),
            connections: Vec::new(),
            day: self.day.clone(),
            history: self.history.clone(),
        }
    }

    fn checks(&self) -> Vec<Checked> {
        let checks = self.subject.troubles.read().into_iter();
        checks.map(|(check, trouble)| Checked { check: check.to_owned(), trouble }).collect()
    }

    fn interfaces(&self, page: &Page, pair: Option<(&Look, &Look)>) -> Vec<Interface> {
        let states = self.subject.interfaces.read();
        let described = states.into_iter().enumerate().map(|(place, state)| {
            let of = |look: &Look| look.interfaces.get(place).copied().unwrap_or_default();
            let (old, new) = pair.map(|(old, new)| (of(old), of(new))).unwrap_or_default();
            let seconds = pair.map_or(Duration::ZERO, |(old, new)| new.at.saturating_sub(old.at));
            let (packets_per_second, bits_per_second) = received_rates(old, new, seconds);
            let dropped = page.drops.iter().find(|(index, _)| *index == state.index);
            let dropped = dropped.map(|&(_, drops)| drops).unwrap_or_default();
            Interface {
                direction: state.direction.map(str::to_owned),
                description: state.description,
                kernel_dropped_packets: dropped.kernel,
                interface_dropped_packets: dropped.interface,
                up: state.trouble.is_none(),
                trouble: state.trouble,
                payload: state.cut.to_string(),
                payload_cut_in_kernel: state.cut == Cut::InKernel,
                name: state.name,
                packets: new.packets,
                octets: new.octets,
                packets_per_second,
                bits_per_second,
            }
        });
        described.collect()
    }

    fn targets(&self, states: &[TargetState], at: Duration) -> Vec<Target> {
        let described = self.targets.iter().zip(states).map(|(watch, state)| Target {
            label: watch.label.clone(),
            kind: watch.kind.to_owned(),
            disclosure: disclosure(watch),
            levels: watch.levels.iter().map(ToString::to_string).collect(),
            given_flows: state.given.records,
            recovered_flows: state.recovered.records,
            sent_flows: state.sent.records,
            queued_flows: state.queued,
            unconfirmed_flows: state.session.map_or(0, |session| session.unconfirmed),
            waiting_flows: state.waiting,
            lost_flows: LossReason::ALL
                .iter()
                .zip(state.lost)
                .map(|(reason, lost)| counted(reason.name(), lost.records))
                .collect(),
            messages: state.messages,
            message_octets: state.message_octets,
            file_octets: (watch.kind == "file").then_some(state.file_octets),
            sessions: state.sessions.opened,
            failed_connects: state.sessions.failed,
            connected: state.session.map(|session| session.is_open),
            refused: state.session.is_some_and(|session| session.is_refused),
            away_seconds: self.away_for(watch, at).map(|time| time.as_secs()),
            member: state.session.map(|session| session.member),
            last_success: state.last_sent.map(Timestamp::as_secs),
            last_written: state
                .session
                .and_then(|session| session.last_written)
                .map(Timestamp::as_secs),
            failed: state.failed,
            queue: state
                .queue
                .map(|QueueState { octets, maximum_octets }| Queue { octets, maximum_octets }),
            spool: state.spool.map(|spool| Spool {
                flows: spool.records,
                octets: spool.octets,
                maximum_octets: spool.maximum_octets,
                limit_octets: spool.limit_octets,
            }),
            certificates: certificates(&state.certificates),
        });
        described.collect()
    }

    /// For how long there is no session with a target.
    fn away_for(&self, watch: &Watch, at: Duration) -> Option<Duration> {
        self.away.get(&watch.label).map(|&since| at.saturating_sub(since))
    }

    fn findings(&self, page: &Page, states: &[TargetState], at: Duration) -> Findings {
        let ledger = &page.ledger;
        let grown = |of: &dyn Fn(&Look) -> u64| match (self.looks.front(), self.looks.back()) {
            (Some(old), Some(new)) => of(new).saturating_sub(of(old)),
            _ => 0,
        };
        let found = |InterfaceState { name, trouble, quiet, .. }| InterfaceFindings {
            name,
            trouble,
            quiet,
        };
        Findings {
            configuration_refused: self.subject.configuration.read().refused,
            recent_drops: grown(&|look| look.drops),
            workers: self.subject.workers as u64,
            workers_ended: page.ended_workers,
            books_balance: ledger.received_packets
                == ledger.metered_packets + ledger.ignored_packets() + ledger.filtered_packets,
            flows: page.flows as u64,
            maximum_flows: self.subject.maximum_flows as u64,
            interfaces: self.subject.interfaces.read().into_iter().map(found).collect(),
            patience: self.subject.interfaces.patience(),
            targets: self
                .targets
                .iter()
                .zip(states)
                .map(|(watch, state)| TargetFindings {
                    label: watch.label.clone(),
                    failed: state.failed,
                    away: self.away_for(watch, at),
                    recently_lost: self.recently_lost(&watch.label),
                    queue: state.queue,
                    spool: state.spool,
                })
                .collect(),
        }
    }

    /// Records lost within the last minute, by reason.
    fn recently_lost(&self, label: &str) -> Lost {
        let of = |look: Option<&Look>| look.and_then(|it| it.lost.get(label)).copied();
        let old = of(self.looks.front()).unwrap_or_default();
        let mut lost = of(self.looks.back()).unwrap_or_default();
        lost.iter_mut().zip(old).for_each(|(new, old)| *new = new.saturating_sub(old));
        lost
    }

    fn distributions(page: &Page) -> Distributions {
        let departures = &page.departures;
        let protocols = PROTOCOLS.iter().map(|&(_, name)| name).chain(["other"]);
        let name = |class| match (size_limit(class), class.checked_sub(1).and_then(size_limit)) {
            (Some(limit), _) => limit.to_string(),
            (None, below) => format!("over {}", below.unwrap_or(0)),
        };
        Distributions {
            sizes: page
                .sizes
                .iter()
                .enumerate()
                .map(|(class, &count)| Count { name: name(class), count })
                .collect(),
            protocols: protocols
                .zip(&departures.protocols)
                .map(|(name, sums)| share(name, sums))
                .collect(),
            tcp: services(&departures.tcp),
            udp: services(&departures.udp),
            fragments: departures.fragments,
            fewest_flows: FEWEST,
        }
    }
}

/// Connections by what became of them.
pub(super) fn connections(outcomes: &Outcomes) -> Vec<Count> {
    let counts = Outcome::ALL.iter().zip(outcomes);
    counts.map(|(outcome, &count)| counted(outcome.name(), count)).collect()
}

fn ledger(page: &Page) -> Ledger {
    let ledger = &page.ledger;
    let ignored = ledger.ignored_by_reason().into_iter();
    let anomalies = PacketAnomaly::ALL.iter().zip(ledger.anomalies);
    let expired = FlowEndReason::ALL.iter().zip(ledger.expired);
    Ledger {
        received_packets: ledger.received_packets,
        received_octets: ledger.received_octets,
        metered_packets: ledger.metered_packets,
        metered_octets: ledger.metered_octets,
        ignored_packets: ignored.map(|(name, count)| Count { name, count }).collect(),
        ignored_octets: ledger.ignored_octets,
        filtered_packets: ledger.filtered_packets,
        filtered_octets: ledger.filtered_octets,
        kernel_dropped_packets: ledger.drops.kernel,
        interface_dropped_packets: ledger.drops.interface,
        packet_anomalies: anomalies.map(|(kind, count)| counted(kind.name(), count)).collect(),
        ip_option_packets: ledger.option_packets,
        exported_flows: ledger.exported_flows,
        exported_packets: ledger.exported_packets,
        exported_octets: ledger.exported_octets,
        expired: expired.map(|(reason, count)| counted(reason.name(), count)).collect(),
        clock_steps: ledger.clock_steps,
    }
}

fn expiry(page: &Page) -> Expiry {
    let seconds = |&bound: &u64| Duration::from_millis(bound).as_secs_f64();
    let bounds = LATENESS.iter().map(|bound| Some(seconds(bound))).chain([None]);
    Expiry {
        late: bounds.zip(page.departures.late).collect(),
        sum_seconds: page.departures.lateness.as_secs_f64(),
    }
}

fn confinement(confinement: &confine::Confinement) -> Confinement {
    let parts = confinement.parts().into_iter();
    Confinement {
        on: matches!(confinement, confine::Confinement::On { .. }),
        text: confinement_in_words(confinement),
        parts: parts
            .map(|(name, state)| Part { name: name.to_owned(), state: state.name().to_owned() })
            .collect(),
    }
}

/// Without places and ports: a collector's port may be a name of its own.
fn confinement_in_words(confinement: &confine::Confinement) -> String {
    let confine::Confinement::On { privileges, fence } = confinement else {
        return "not confined: whoever takes over this process has all its rights".to_owned();
    };
    let capabilities = match &privileges.capabilities[..] {
        [] => "no capability".to_owned(),
        names => format!("the capability {}", names.join(" ")),
    };
    let lacks = confinement.lacks().len();
    let lacking = match lacks {
        0 => "everything that can be is in force".to_owned(),
        _ => format!("{lacks} of {} parts are not in force", confinement.parts().len()),
    };
    format!(
        "runs as {} with {capabilities}, may make {} system calls, can start no program; {lacking}",
        privileges.user, fence.system_calls.allowed
    )
}

fn services(sums: &Services) -> Vec<Share> {
    let ranges = PORT_RANGES.iter().map(|&(_, name)| format!("other {name} ports"));
    let names = SERVICES.iter().map(|&(_, name)| name.to_owned()).chain(ranges);
    names.zip(sums).map(|(name, sums)| share(&name, sums)).collect()
}

fn share(name: &str, sums: &Sums) -> Share {
    let Sums { flows, packets, octets } = *sums;
    Share { name: name.to_owned(), flows, packets, octets }
}

fn counted(name: &str, count: u64) -> Count {
    Count { name: name.to_owned(), count }
}

fn rates(old: &Look, new: &Look) -> Rates {
    let seconds = new.at.saturating_sub(old.at);
    let (packets, bits) = received_rates(old.received, new.received, seconds);
    Rates {
        packets,
        bits,
        drops: per_second(new.drops.saturating_sub(old.drops), seconds),
        records: per_second(new.records.saturating_sub(old.records), seconds),
    }
}

/// Packets and bits a second.
fn received_rates(old: Received, new: Received, seconds: Duration) -> (u64, u64) {
    let packets = new.packets.saturating_sub(old.packets);
    let octets = new.octets.saturating_sub(old.octets);
    (per_second(packets, seconds), per_second(octets.saturating_mul(8), seconds))
}

/// Rounded up, so that one drop in five seconds is not none.
fn per_second(count: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    count
        .saturating_mul(1000)
        .checked_div(milliseconds)
        .map_or(0, |rate| rate + u64::from(rate == 0 && count > 0))
}

/// A clock that differs by so many nanoseconds from what it should say was set: two seconds.
const CLOCK_STEP: u64 = 2_000_000_000;
/// Looks between the two that rates are reckoned from.
const RATE_LOOKS: usize = 3;

const fn symptoms(counts: SymptomCounts) -> Symptoms {
    let SymptomCounts {
        long_packet_flows,
        tcp_flows,
        one_direction_tcp_flows,
        collector_packets,
        ..
    } = counts;
    Symptoms { long_packet_flows, tcp_flows, one_direction_tcp_flows, collector_packets }
}

/// Of each kind the one that ends first; not by their names, which may be those of anybody.
fn certificates(ends: &[CertificateEnd]) -> Vec<Certificate> {
    let first = |(of, what): (&str, FileUse)| {
        let ends = ends.iter().filter(|end| end.what == what).map(|end| end.not_after.as_secs());
        Some(Certificate { of: of.to_owned(), not_after: ends.min()? })
    };
    let kinds = [("own", FileUse::Certificate), ("authorities", FileUse::Authorities)];
    kinds.into_iter().filter_map(first).collect()
}

/// What a target is told, in plain words.
fn disclosure(watch: &Watch) -> String {
    let words: Vec<_> = watch.levels.iter().copied().map(in_words).collect();
    match &words[..] {
        [] if watch.kind == "null" => "nothing: it keeps nothing".to_owned(),
        [] => "to this terminal, as it is".to_owned(),
        words => words.join("; "),
    }
}

const fn in_words(level: Level) -> &'static str {
    match level {
        Level::AsIs => "flow records as they are, addresses included; never payload",
        Level::Obfuscated => "flow records with addresses replaced or cut",
        Level::Statistical => "sums over classes of flows; no record of a single communication",
    }
}

#[cfg(test)]
mod tests;
