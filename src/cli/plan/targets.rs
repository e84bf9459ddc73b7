//! What is planned for: each target, and the files in which a Collector would keep what it gets.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use crate::cli::UsageError;
use crate::cli::plan::figures::Sums;
use crate::export::{
    Collector, CollectorOptions, Counted, Counting, FileTarget, Group, GroupMode, Target,
    TargetReport, Transport,
};
use crate::privacy::Level;

/// A target, in the parts that are counted.
#[derive(Debug)]
pub(super) struct Subject {
    /// As it was given.
    pub(super) target: Target,
    /// How it is reached, if it is a Collector.
    sent: Option<Target>,
    raw: FileTarget,
    zstd: FileTarget,
}

/// What was counted of a target.
#[derive(Debug)]
pub(super) struct Planned {
    /// As it was given.
    pub(super) target: Target,
    /// What a Collector gets.
    pub(super) sent: Option<Counted>,
    /// The same records as an IPFIX file.
    pub(super) raw: Counted,
    /// And compressed.
    pub(super) zstd: Counted,
    /// Data Records.
    pub(super) records: u64,
    /// Templates are sent again after this time (RFC 7011 §8.4); over UDP only.
    pub(super) template_refresh: Option<Duration>,
    /// And options records.
    pub(super) options_refresh: Duration,
    /// A file begins after this time.
    pub(super) rotate: Option<Duration>,
    /// How it leaves, if no Flow Record does.
    pub(super) sums: Option<Sums>,
}

impl Subject {
    /// Takes targets apart; none stands for a Collector over TCP.
    pub(super) fn all(targets: Vec<Target>) -> anyhow::Result<Vec<Self>> {
        let targets = match targets.is_empty() {
            true => vec![Target::Collector(Collector::new(Transport::Tcp, "collector", 4739))],
            false => targets,
        };
        targets.into_iter().enumerate().map(|(number, target)| Self::new(number, target)).collect()
    }

    fn new(number: usize, target: Target) -> anyhow::Result<Self> {
        let files = match &target {
            Target::File(file) => file.clone(),
            Target::Collector(collector) => stored(&collector.options),
            Target::Group(group) => stored(
                &group
                    .members
                    .first()
                    .map_or_else(CollectorOptions::default, |member| member.options.clone()),
            ),
            Target::Json(_) | Target::Null => bail!(UsageError(format!(
                "{target}: plan measures IPFIX: give --export file:, udp:, tcp:, tls: or sctp:"
            ))),
        };
        let file = |name: &str, compress| FileTarget {
            path: PathBuf::from(format!("{number}-{name}")),
            compress,
            options: kept_apart(files.options.clone()),
            ..files.clone()
        };
        let sent = match &target {
            Target::Collector(collector) => Some(Target::Collector(reached(collector))),
            // One member has it all.
            Target::Group(Group { mode: GroupMode::Failover, members }) => {
                members.first().map(|member| Target::Collector(reached(member)))
            }
            Target::Group(Group { mode, members }) => Some(Target::Group(Group {
                mode: *mode,
                members: members.iter().map(reached).collect(),
            })),
            _ => None,
        };
        Ok(Self { raw: file("raw", false), zstd: file("zstd", true), sent, target })
    }

    /// What is to be opened.
    pub(super) fn opened(&self) -> impl Iterator<Item = Target> {
        let files = [&self.raw, &self.zstd].map(|file| Target::File(file.clone()));
        self.sent.clone().into_iter().chain(files)
    }

    /// What was counted.
    pub(super) fn counted(self, counting: &Counting, reports: &[TargetReport]) -> Planned {
        let Self { target, sent, raw, zstd } = self;
        let name = Target::File(raw.clone()).name();
        let report = reports.iter().find(|report| report.target == name);
        let records = report.map_or(0, |report| report.sent.records);
        let policy = raw.options.privacy.policy();
        let sums = report.filter(|_| policy.level == Level::Statistical).map(|report| Sums {
            interval: policy.aggregation.interval,
            intervals: report.aggregation.intervals,
            told: report.aggregation.aggregates,
            most: report.aggregation.most,
        });
        let members = sent.as_ref().map(Target::collectors).unwrap_or_default();
        let is_udp = |collector: &Collector| collector.transport == Transport::Udp;
        let refresh = members.first().map_or(&raw.options, |member| &member.options).refresh();
        let sum = members.iter().map(|member| counting.of(&member.to_string()));
        Planned {
            sent: sum.reduce(added),
            raw: counting.of(&raw.to_string()),
            zstd: counting.of(&zstd.to_string()),
            records,
            template_refresh: members.iter().any(is_udp).then_some(refresh.templates),
            options_refresh: refresh.options,
            rotate: raw.rotate,
            sums,
            target,
        }
    }
}

fn added(one: Counted, other: Counted) -> Counted {
    Counted {
        octets: one.octets + other.octets,
        messages: one.messages + other.messages,
        flow_messages: one.flow_messages + other.flow_messages,
        flow_octets: one.flow_octets + other.flow_octets,
        template_octets: one.template_octets + other.template_octets,
        options_octets: one.options_octets + other.options_octets,
    }
}

/// The file in which a Collector would keep what it is told, octet for octet.
fn stored(options: &CollectorOptions) -> FileTarget {
    let CollectorOptions { profile, biflow, time, observation_domain, .. } = *options;
    let privacy = options.privacy.clone();
    let options = CollectorOptions {
        profile,
        biflow,
        time,
        observation_domain,
        privacy,
        ..Default::default()
    };
    FileTarget { options, ..FileTarget::default() }
}

/// The Collector without what only matters where there is a session.
fn reached(collector: &Collector) -> Collector {
    let options = kept_apart(collector.options.clone());
    Collector {
        options: CollectorOptions { source: None, rate: None, ..options },
        ..collector.clone()
    }
}

/// No key is read or made: pseudonyms of another key have the same length.
fn kept_apart(mut options: CollectorOptions) -> CollectorOptions {
    options.privacy.pseudonym_key = None;
    options
}
