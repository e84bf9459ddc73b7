//! Whether the probe is well, and if not why.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::export::{LossReason, QueueState, SpoolState, is_nearly_full};

/// What `/health` says: 200 if healthy, 503 if not.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Health {
    /// Whether every check is.
    pub healthy: bool,
    /// What was checked.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What was checked: `drops`, `workers`, `books`, `cache`, `interface`, `traffic`, `target`,
    /// `records`, `queue`, `spool`, `configuration`.
    pub check: String,
    /// Of what, where there are several: the name of an interface, the place of a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether it is well.
    pub healthy: bool,
    /// What was found, in words.
    pub text: String,
}

/// What health depends on, as found now.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// The configuration that was asked for last is not in effect.
    pub(super) configuration_refused: bool,
    /// Frames dropped within [`RECENTLY`].
    pub(super) recent_drops: u64,
    pub(super) workers: u64,
    pub(super) workers_ended: u64,
    /// Received is not what was metered, ignored and filtered.
    pub(super) books_balance: bool,
    pub(super) flows: u64,
    pub(super) maximum_flows: u64,
    pub(super) interfaces: Vec<InterfaceFindings>,
    /// For how long an interface may be silent; zero for ever.
    pub(super) patience: Duration,
    pub(super) targets: Vec<TargetFindings>,
}

/// What is found of an interface.
#[derive(Clone, Debug, Default)]
pub(super) struct InterfaceFindings {
    pub(super) name: String,
    pub(super) trouble: Option<String>,
    /// For how long it has been up and brought nothing.
    pub(super) quiet: Duration,
}

/// What is found of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct TargetFindings {
    pub(super) label: String,
    pub(super) failed: bool,
    /// For how long there is no session.
    pub(super) away: Option<Duration>,
    /// Records lost within [`RECENTLY`], in the order of [`LossReason::ALL`].
    pub(super) recently_lost: [u64; LossReason::ALL.len()],
    /// What waits in memory.
    pub(super) queue: Option<QueueState>,
    /// What waits on disk.
    pub(super) spool: Option<SpoolState>,
}

/// Judges what was found.
pub(super) fn judge(findings: &Findings) -> Health {
    let mut checks = Vec::new();
    let mut add = |check: &str, of: Option<&str>, fault: Option<String>, well: String| {
        checks.push(Check {
            check: check.to_owned(),
            of: of.map(str::to_owned),
            healthy: fault.is_none(),
            text: fault.unwrap_or(well),
        });
    };
    let recently = RECENTLY.as_secs();
    let drops = findings.recent_drops;
    add(
        "drops",
        None,
        (drops > 0).then(|| {
            format!(
                "{drops} packets were dropped before the probe saw them, in the last {recently} s"
            )
        }),
        format!("no packet was dropped in the last {recently} s"),
    );
    let Findings { workers, workers_ended, .. } = findings;
    add(
        "workers",
        None,
        (*workers_ended > 0).then(|| format!("{workers_ended} of {workers} workers have ended")),
        format!("none of {workers} workers has ended"),
    );
    add(
        "books",
        None,
        (!findings.books_balance)
            .then(|| "packets received are not those metered, ignored and filtered".to_owned()),
        "the books balance: received = metered + ignored + filtered".to_owned(),
    );
    let fill = percent(findings.flows, findings.maximum_flows);
    add(
        "cache",
        None,
        (is_nearly_full(findings.flows, findings.maximum_flows)).then(|| {
            format!(
                "the flow cache is {fill} % full: flows end early when it is (--max-flows sets its size)"
            )
        }),
        format!("the flow cache is {fill} % full"),
    );
    for interface in &findings.interfaces {
        let name = Some(interface.name.as_str());
        add("interface", name, interface.trouble.clone(), "frames are captured".to_owned());
        if !findings.patience.is_zero() {
            let well = match interface.quiet.as_secs() {
                _ if interface.trouble.is_some() => "nothing is expected of it".to_owned(),
                0 => "packets arrive".to_owned(),
                quiet => format!("no packet for {quiet} s"),
            };
            add("traffic", name, silence(interface, findings.patience), well);
        }
    }
    for target in &findings.targets {
        let label = Some(target.label.as_str());
        add("target", label, target_fault(target), "takes records".to_owned());
        let well = format!("no flow record was lost in the last {recently} s");
        add("records", label, losses(&target.recently_lost), well);
        if let Some(queue) = &target.queue {
            let fill = percent(queue.octets, queue.maximum_octets);
            let well = format!("the queue is {fill} % full");
            add("queue", label, queue_fault(queue, target.spool.is_some()), well);
        }
        if let Some(spool) = &target.spool {
            let fill = percent(spool.octets, spool.limit_octets);
            add("spool", label, spool_fault(spool), format!("the spool is {fill} % full"));
        }
    }
    add(
        "configuration",
        None,
        findings.configuration_refused.then(|| {
            "the new configuration was refused, and the old one is in effect: flowtap check and the \
             log say why"
                .to_owned()
        }),
        "the configuration that was asked for last is in effect".to_owned(),
    );
    Health { healthy: checks.iter().all(|check| check.healthy), checks }
}

fn silence(interface: &InterfaceFindings, patience: Duration) -> Option<String> {
    let is_silent = interface.trouble.is_none() && interface.quiet >= patience;
    let seconds = interface.quiet.as_secs();
    is_silent.then(|| format!("is up, and no packet has come for {seconds} s: {SILENCE_FIX}"))
}

fn target_fault(target: &TargetFindings) -> Option<String> {
    if target.failed {
        return Some("failed: nothing more is written to it".to_owned());
    }
    let away = target.away.filter(|&away| away >= AWAY_BOUND)?;
    Some(format!("the collector has been out of reach for {} s", away.as_secs()))
}

/// How many were lost, and of each reason how many.
fn losses(lost: &[u64]) -> Option<String> {
    let all: u64 = lost.iter().sum();
    let reasons = LossReason::ALL.iter().zip(lost).filter(|(_, lost)| **lost > 0);
    let reasons: Vec<_> =
        reasons.map(|(reason, lost)| format!("{} {lost}", reason.name())).collect();
    let (recently, reasons) = (RECENTLY.as_secs(), reasons.join(", "));
    (all > 0).then(|| format!("{all} flow records were lost in the last {recently} s ({reasons})"))
}

/// Behind a full queue is the spool, if there is one.
fn queue_fault(queue: &QueueState, has_spool: bool) -> Option<String> {
    let QueueState { octets, maximum_octets } = *queue;
    let fill = percent(octets, maximum_octets);
    (!has_spool && is_nearly_full(octets, maximum_octets)).then(|| {
        format!(
            "the queue in memory is {fill} % full: records will be lost when it is (--spool keeps them \
             on disk, --queue sets its size)"
        )
    })
}

fn spool_fault(spool: &SpoolState) -> Option<String> {
    let (octets, limit) = (spool.octets, spool.limit_octets);
    if !spool.is_nearly_full() {
        return None;
    }
    if spool.is_bound_by_disk() {
        return Some(format!(
            "the disk of the spool is nearly full: {octets} octets wait there, and it has room for \
             {} more; then records will be lost",
            limit.saturating_sub(octets)
        ));
    }
    let fill = percent(octets, limit);
    Some(format!("the spool is {fill} % full: records will be lost when it is"))
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

/// What puts right that an interface is up and nothing comes.
pub const SILENCE_FIX: &str = "look at the mirror session of the switch (Cisco: show monitor session \
                               all), and whether its destination is this port";
/// How long a loss is news.
pub(super) const RECENTLY: Duration = Duration::from_secs(60);
/// How long a collector may be restarted for.
const AWAY_BOUND: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::export::NEARLY_FULL;

    type Provoke = fn(&mut Findings);

    fn spool(octets: u64, limit_octets: u64) -> SpoolState {
        SpoolState { records: 1, octets, maximum_octets: 100, limit_octets }
    }

    fn well() -> Findings {
        Findings {
            configuration_refused: false,
            recent_drops: 0,
            workers: 2,
            workers_ended: 0,
            books_balance: true,
            flows: 79,
            maximum_flows: 100,
            interfaces: vec![InterfaceFindings {
                name: "eth1".to_owned(),
                quiet: Duration::from_secs(299),
                ..InterfaceFindings::default()
            }],
            patience: Duration::from_secs(300),
            targets: vec![TargetFindings {
                label: "1".to_owned(),
                away: Some(Duration::from_secs(59)),
                queue: Some(QueueState { octets: 79, maximum_octets: 100 }),
                spool: Some(spool(79, 100)),
                ..TargetFindings::default()
            }],
        }
    }

    #[test]
    fn a_probe_without_fault_is_healthy_and_says_of_what() {
        let health = judge(&well());
        assert!(health.healthy, "{health:?}");
        let names: Vec<_> = health.checks.iter().map(|check| check.check.as_str()).collect();
        let all = ["drops", "workers", "books", "cache", "interface", "traffic", "target"];
        assert_eq!(names, [&all[..], &["records", "queue", "spool", "configuration"]].concat());
    }

    #[test]
    fn silence_is_no_fault_where_it_may_last_for_ever_or_nothing_is_expected() {
        let silent = Duration::from_secs(1_000_000);
        let mut findings = well();
        findings.interfaces[0].quiet = silent;
        findings.patience = Duration::ZERO;
        let health = judge(&findings);
        assert!(health.healthy && health.checks.iter().all(|it| it.check != "traffic"));
        findings.patience = silent;
        findings.interfaces[0].trouble = Some("is down".to_owned());
        let faults: Vec<_> = judge(&findings).checks.into_iter().filter(|it| !it.healthy).collect();
        assert!(faults.len() == 1 && faults[0].check == "interface", "{faults:?}");
    }

    #[test]
    fn every_fault_is_found_alone_and_named() {
        let faults: [(&str, Provoke); 13] = [
            ("configuration", |it| it.configuration_refused = true),
            ("drops", |it| it.recent_drops = 1),
            ("workers", |it| it.workers_ended = 1),
            ("books", |it| it.books_balance = false),
            ("cache", |it| it.flows = NEARLY_FULL),
            ("interface", |it| it.interfaces[0].trouble = Some("is down".to_owned())),
            ("traffic", |it| it.interfaces[0].quiet = it.patience),
            ("target", |it| it.targets[0].failed = true),
            ("target", |it| it.targets[0].away = Some(AWAY_BOUND)),
            ("records", |it| it.targets[0].recently_lost[0] = 1),
            ("spool", |it| it.targets[0].spool = Some(spool(NEARLY_FULL, 100))),
            ("spool", |it| it.targets[0].spool = Some(spool(0, 99))),
            ("queue", |it| {
                it.targets[0].queue = Some(QueueState { octets: NEARLY_FULL, maximum_octets: 100 });
                it.targets[0].spool = None;
            }),
        ];
        for (name, provoke) in faults {
            let mut findings = well();
            provoke(&mut findings);
            let health = judge(&findings);
            let found: Vec<_> = health.checks.iter().filter(|check| !check.healthy).collect();
            assert!(!health.healthy && found.len() == 1 && found[0].check == name, "{found:?}");
        }
    }

    #[test]
    fn a_queue_that_is_full_is_no_fault_where_a_spool_is_behind_it() {
        let mut findings = well();
        findings.targets[0].queue = Some(QueueState { octets: 100, maximum_octets: 100 });
        assert!(judge(&findings).healthy);
    }

    #[test]
    fn a_loss_is_told_with_its_reasons() {
        let mut lost = [0; LossReason::ALL.len()];
        assert_eq!(losses(&lost), None);
        lost[LossReason::SpoolFull as usize] = 7;
        let said = "7 flow records were lost in the last 60 s (spool_full 7)";
        assert_eq!(losses(&lost).as_deref(), Some(said));
        lost[LossReason::QueueFull as usize] = 1;
        let said = "8 flow records were lost in the last 60 s (queue_full 1, spool_full 7)";
        assert_eq!(losses(&lost).as_deref(), Some(said));
    }

    #[test]
    fn alerts_and_documentation_mean_the_same_by_nearly_full() {
        let read = |name| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        let alerts = read("probe-config/prometheus-alerts.yml").unwrap();
        let bound = f64::from(u32::try_from(NEARLY_FULL).unwrap()) / 100.0;
        let queue = "flowtap_export_queue_bytes / flowtap_export_queue_limit_bytes";
        for (full, unless) in [
            ("flowtap_cache_flows / flowtap_cache_flows_limit", ""),
            ("flowtap_export_spool_bytes / flowtap_export_spool_limit_bytes", ""),
            (queue, " unless flowtap_export_spool_limit_bytes"),
        ] {
            assert!(alerts.contains(&format!("expr: {full} >= {bound}{unless}\n")), "{full}");
        }
        let readme = read("README.md").unwrap();
        let [ill, warned, counted] = [
            format!("the cache, a queue or a spool is {NEARLY_FULL} % full"),
            format!("the flow cache, or the queue or spool of a target, is {NEARLY_FULL} % full"),
            format!("how often they were {NEARLY_FULL} % full"),
        ];
        for said in [ill, warned, counted] {
            assert!(readme.contains(&said), "{said}");
        }
    }
}
