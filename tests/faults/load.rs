//! Records whose contents follow from their number, and an Exporting Process that is given them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flowtap::decode::{Address, IpVersion, MplsLabels, VlanTags};
use flowtap::export::{
    Config, Exporter, Observer, Pace, RecordBatch, SpoolConfig, Target, TargetReport, TcpConfig,
    Totals, UdpConfig,
};
use flowtap::flow::{Direction, FlowEndReason, FlowRecord};
use flowtap::time::Timestamp;

use crate::collectors::{Peer, Stored};

/// Packets and octets of a Flow.
pub(crate) const fn sums(flow: u64) -> (u64, u64) {
    (1 + flow % 7, 100 + flow % 1_000)
}

/// Source port of a Flow.
pub(crate) fn port(flow: u64) -> u16 {
    u16::try_from(1 + flow % 65_000).expect("below 65,001")
}

/// A Flow of one direction over UDP.
pub(crate) fn record(flow: u64) -> FlowRecord {
    let (packets, octets) = sums(flow);
    let [.., a, b, c] = flow.to_be_bytes();
    FlowRecord {
        flow_id: flow,
        interface: 1,
        version: IpVersion::V4,
        protocol: 17,
        end_reason: FlowEndReason::IdleTimeout,
        source: Address::v4([10, a, b, c]),
        destination: Address::v4([192, 0, 2, 1]),
        source_port: port(flow),
        destination_port: 53,
        forward: Direction {
            packets,
            octets,
            first: Timestamp::from_parts(1_700_000_000, 0),
            last: Timestamp::from_parts(1_700_000_001, 0),
            minimum_length: 40,
            maximum_length: 576,
            minimum_ttl: 63,
            maximum_ttl: 64,
            ..Direction::default()
        },
        reverse: Direction::default(),
        mac: None,
        vlan: VlanTags::default(),
        mpls: MplsLabels::default(),
        tunnel: None,
    }
}

/// As a user would run it, but for the times: nobody waits a minute for a test.
pub(crate) fn config(targets: Vec<Target>) -> Config {
    Config {
        targets,
        pace: Pace::Live,
        queue_batches: 512,
        flush_timeout: Duration::from_millis(50),
        drain_timeout: Duration::from_secs(10),
        udp: UdpConfig { datagram_rate: 0, ..UdpConfig::default() },
        tcp: TcpConfig { reconnect_interval: Duration::from_millis(100), ..TcpConfig::default() },
        ..Config::default()
    }
}

/// A spool in `folder`, with its key beside it if it is to survive.
pub(crate) fn spool(folder: &Path, survives: bool) -> SpoolConfig {
    SpoolConfig {
        directory: folder.join("spool"),
        maximum_octets: 1 << 30,
        maximum_age: Duration::from_secs(3_600),
        key_file: survives.then(|| folder.join("spool.key")),
    }
}

/// Everything that is left in the spool in `folder`.
pub(crate) fn spooled_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = |folder: &Path| -> Vec<_> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut files = entries(&folder.join("spool"));
    let below: Vec<_> = files.iter().flat_map(|path| entries(path)).collect();
    files.retain(|path| path.is_file());
    files.extend(below);
    files.sort();
    files
}

/// An Exporting Process, and how many Flows it was given: they are numbered from zero, or from where
/// an earlier one ended.
#[derive(Debug)]
pub(crate) struct Probe {
    exporter: Exporter,
    next: AtomicU64,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Probe {
    pub(crate) fn start(config: Config) -> Self {
        Self::start_at(0, config)
    }

    pub(crate) fn start_at(first: u64, mut config: Config) -> Self {
        let notices = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&notices);
        config.observer =
            Observer::new(move |notice| heard.lock().expect("no panic").push(notice.to_string()));
        let exporter = Exporter::start(&config, Vec::new()).expect("it starts");
        Self { exporter, next: AtomicU64::new(first), notices }
    }

    /// The number of the next Flow.
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// What was said about targets.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.notices.lock().expect("no panic").clone()
    }

    /// Gives it so many Flows, at once.
    pub(crate) fn give(&self, count: u64) {
        self.give_as(count, record);
    }

    /// The same, with records made by `record`.
    pub(crate) fn give_as(&self, count: u64, record: impl Fn(u64) -> FlowRecord) {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        self.give_these((first..first + count).map(record).collect());
    }

    /// Gives it records that it counts nowhere.
    pub(crate) fn give_these(&self, records: Vec<FlowRecord>) {
        let clock = Timestamp::from_parts(1_700_000_100, 0);
        self.exporter.send(&Arc::new(RecordBatch { records, clock, interfaces: 0 }));
    }

    /// Gives it many Flows, at a pace at which its queue takes them.
    pub(crate) fn give_steadily(&self, count: u64) {
        let mut left = count;
        while left > 0 {
            let batch = left.min(1_000);
            self.give(batch);
            left -= batch;
            thread::sleep(Duration::from_millis(4));
        }
    }

    /// Some 50,000 Flows a second, as long as `meanwhile` lasts.
    pub(crate) fn under_load(&self, meanwhile: impl FnOnce()) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    self.give(50);
                    thread::sleep(Duration::from_millis(1));
                }
            });
            // Also when it fails, or nothing would ever end.
            let _end = AtEnd(&over);
            meanwhile();
        });
    }

    /// The reports, whose books balance.
    #[track_caller]
    pub(crate) fn finish_all(self) -> Vec<TargetReport> {
        let reports = self.exporter.finish();
        for report in &reports {
            assert!(report.balances(), "{report:?}");
        }
        reports
    }

    /// The report of the only target, whose books balance.
    #[track_caller]
    pub(crate) fn finish(self) -> TargetReport {
        let mut reports = self.finish_all();
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }
}

struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Nothing was lost, and nothing is left.
#[track_caller]
pub(crate) fn assert_all_sent(report: &TargetReport) {
    assert_eq!(report.lost_totals(), Totals::default(), "{report:?}");
    assert_eq!(report.kept, Totals::default(), "{report:?}");
    let mut given = report.given;
    given += report.carried_over;
    assert_eq!(report.sent, given, "{report:?}");
}

/// Fails unless these sessions hold the Flows `first..end`, none missing, in order, and twice only
/// where a session begins with the end of those before it. Returns how many came twice.
#[track_caller]
pub(crate) fn duplicates(sessions: &[Stored], first: u64, end: u64) -> u64 {
    let mut next = first;
    let mut duplicates = 0;
    for (number, session) in sessions.iter().enumerate() {
        let flows = &session.whole().flows;
        let Some(&begin) = flows.first() else { continue };
        assert!(begin <= next, "session {number}: flows {next}..{begin} are lost");
        let in_order = (begin..).zip(flows).all(|(expected, &flow)| expected == flow);
        assert!(in_order, "session {number}: flows out of order, or lost in between");
        let after = begin + flows.len() as u64;
        duplicates += next.min(after) - begin;
        next = next.max(after);
    }
    assert_eq!(next, end, "the last flows are lost, or from nowhere");
    duplicates
}

/// Fails unless the Flows of these sessions come in order, each once; returns how many there are.
#[track_caller]
pub(crate) fn count_in_order(sessions: &[Stored]) -> u64 {
    let flows: Vec<_> = sessions.iter().flat_map(|session| &session.whole().flows).collect();
    assert!(flows.is_sorted_by(|one, other| one < other), "flows out of order, or twice");
    flows.len() as u64
}

/// Every Flow that some session has.
pub(crate) fn union<'a>(sessions: impl IntoIterator<Item = &'a Stored>) -> BTreeSet<u64> {
    sessions.into_iter().flat_map(|session| session.flows.iter().copied()).collect()
}

/// Waits until a Collector has stored this Flow.
#[track_caller]
pub(crate) fn wait_for_flow(peer: &Peer, flow: u64) {
    wait_until(&format!("flow {flow}"), || {
        peer.sessions().iter().any(|session| session.flows.contains(&flow))
    });
}

/// Waits until a Collector has stored nothing new for a while.
#[track_caller]
pub(crate) fn wait_for_silence(peer: &Peer, silence: Duration) {
    let mut stored = peer.octets();
    wait_until("silence", || {
        thread::sleep(silence);
        stored == std::mem::replace(&mut stored, peer.octets())
    });
}

/// Waits until `ready`, as long as it can be expected to take on a busy machine.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begin = now();
    while !ready() {
        assert!(begin.elapsed() < Duration::from_secs(40), "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
