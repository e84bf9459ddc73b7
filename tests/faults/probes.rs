//! Probes that are killed (RFC 5471 §3.6.2).

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use flowtap::export::{LossReason, Target, Transport};

use crate::collectors::{Peer, Reading};
use crate::load::{
    Probe, config, count_in_order, duplicates, spool, spooled_files, wait_for_flow, wait_until,
};

#[test]
#[ignore = "takes a while"]
fn t27_a_probe_is_killed_while_its_collector_is_away_and_the_spool_survives() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
    // It is killed before anything could be delivered, and its heir as well.
    for life in 0..2 {
        ProbeProcess::start(&peer, folder.path(), true, life * FLOWS, FLOWS).kill();
    }
    peer.run();
    let mut last = ProbeProcess::start(&peer, folder.path(), true, 2 * FLOWS, FLOWS);
    wait_for_flow(&peer, 3 * FLOWS - 1);
    let report = last.finish();
    assert_eq!((report["given"], report["carried_over"]), (FLOWS, 2 * FLOWS), "{report:?}");
    assert_eq!((report["sent"], report["lost"], report["kept"]), (3 * FLOWS, 0, 0), "{report:?}");

    // RFC 5471 §3.6.2: a session of its own, which begins with Templates.
    let sessions = peer.sessions();
    assert_eq!(duplicates(&sessions, 0, 3 * FLOWS), 0, "nothing had been delivered before");
    assert_eq!(spooled_files(folder.path()), Vec::<PathBuf>::new(), "all of it was delivered");
}

#[test]
#[ignore = "takes a while"]
fn t27_a_probe_is_killed_while_it_delivers_and_its_heir_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new(Transport::Tcp, Reading::Slowly);
    ProbeProcess::start(&peer, folder.path(), true, 0, 10 * FLOWS).kill();
    peer.run();
    let mut given = 10 * FLOWS;
    for _ in 0..2 {
        let before = peer.octets();
        let mut probe = ProbeProcess::start(&peer, folder.path(), true, given, 1_000);
        given += 1_000;
        // In the middle of it.
        wait_until("some octets", || peer.octets() > before + 400_000);
        probe.kill();
    }
    peer.kill();
    peer.set_reading(Reading::Everything);
    peer.run();
    let mut last = ProbeProcess::start(&peer, folder.path(), true, given, 1_000);
    given += 1_000;
    wait_for_flow(&peer, given - 1);
    let report = last.finish();
    assert_eq!((report["lost"], report["kept"]), (0, 0), "{report:?}");

    // A killed probe cannot have noted what arrived last: that is what the receive buffer of the
    // Collector may have held, and 64 KiB and a Message of what was delivered but not noted.
    let sessions = peer.sessions();
    let twice = duplicates(&sessions, 0, given);
    println!("{given} flows, killed twice on the way: {twice} came twice");
    assert!(twice < 2 * MOST_TWICE, "{twice}");
    assert_eq!(spooled_files(folder.path()), Vec::<PathBuf>::new(), "all of it was delivered");
}

#[test]
#[ignore = "takes a while"]
fn t27_without_a_key_file_the_spool_of_a_killed_probe_is_removed_and_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
    let mut killed = ProbeProcess::start(&peer, folder.path(), false, 0, FLOWS);
    assert!(!spooled_files(folder.path()).is_empty());
    killed.kill();
    peer.run();
    let mut heir = ProbeProcess::start(&peer, folder.path(), false, FLOWS, FLOWS);
    wait_for_flow(&peer, 2 * FLOWS - 1);
    let report = heir.finish();
    // What could not be read was from an earlier run, and it is lost: the books say both.
    assert_eq!((report["given"], report["carried_over"]), (FLOWS, FLOWS), "{report:?}");
    assert_eq!((report["sent"], report["damaged"]), (FLOWS, FLOWS), "{report:?}");
    assert_eq!(report["lost"], FLOWS, "{report:?}");
    // It said so at its start.
    assert_eq!(report["said_unreadable"], FLOWS, "{report:?}");
    assert_eq!(duplicates(&peer.sessions(), FLOWS, 2 * FLOWS), 0);
    assert_eq!(spooled_files(folder.path()), Vec::<PathBuf>::new(), "nothing of it is left");
}

#[test]
#[ignore = "takes a while"]
fn t24_many_probes_share_a_collector() {
    // RFC 5471 §3.5.5.
    let folders = [0; 3].map(|_: u8| tempfile::tempdir().expect("a temporary folder"));
    let peer = Peer::start(Transport::Tcp, Reading::Everything);
    let mut probes: Vec<_> = (0..)
        .zip(&folders)
        .map(|(n, folder)| ProbeProcess::start(&peer, folder.path(), true, n * FLOWS, FLOWS))
        .collect();
    for probe in &mut probes {
        assert_eq!(probe.finish()["sent"], FLOWS);
    }
    let mut sessions = peer.sessions();
    assert_eq!(sessions.len(), 3);
    sessions.sort_by_key(|session| session.flows.first().copied());
    assert_eq!(count_in_order(&sessions), 3 * FLOWS);
    assert_eq!(duplicates(&sessions, 0, 3 * FLOWS), 0);
}

/// A probe in a process of its own: this test binary, that runs [`probe_process`].
struct ProbeProcess(Child);

impl ProbeProcess {
    /// Starts one, and waits until all it was given has gone where it survives.
    fn start(peer: &Peer, folder: &Path, survives: bool, first: u64, count: u64) -> Self {
        let mut child = Command::new(env::current_exe().expect("a test knows its own binary"))
            .args(["--exact", "probes::probe_process", "--ignored", "--nocapture"])
            .env(TARGET, peer.url())
            .env(FOLDER, folder)
            .env(SURVIVES, survives.to_string())
            .env(FLOW_NUMBERS, format!("{first} {count}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary runs");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("it is piped")).lines();
        let given = lines.any(|line| line.is_ok_and(|line| line.ends_with(GIVEN)));
        assert!(given, "the probe did not start");
        Self(child)
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it was killed");
    }

    /// Lets it end in order; what it reports.
    fn finish(&mut self) -> BTreeMap<String, u64> {
        drop(self.0.stdin.take());
        let mut said = String::new();
        self.0.stdout.as_mut().expect("it is piped").read_to_string(&mut said).expect("text");
        assert!(self.0.wait().expect("it ends").success(), "{said}");
        let words = said.lines().find_map(|line| line.strip_prefix(REPORT)).expect("a report");
        let pairs = words.split_whitespace().filter_map(|word| word.split_once('='));
        pairs.map(|(name, n)| (name.to_owned(), n.parse().expect("a number"))).collect()
    }
}

impl Drop for ProbeProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process of a [`ProbeProcess`]; as a test of its own it does nothing.
#[test]
#[ignore = "the process of a probe, for the other tests"]
fn probe_process() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let text = |name| env::var(name).expect("the parent sets it");
    let mut target: Target = text(TARGET).parse().expect("a target");
    if let Target::Collector(collector) = &mut target {
        collector.options.reconnect = Some(Duration::from_millis(100));
    }
    let numbers = text(FLOW_NUMBERS);
    let (first, count) = numbers.split_once(' ').expect("two numbers");
    let mut config = config(vec![target]);
    config.spool = Some(spool(Path::new(&folder), text(SURVIVES) == "true"));
    let probe = Probe::start_at(first.parse().expect("a number"), config);
    probe.give_steadily(count.parse().expect("a number"));
    // Records wait in a Message for the flush timeout, and in front of the disk for a tick.
    thread::sleep(Duration::from_millis(600));
    println!("{GIVEN}");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let notices = probe.notices();
    let number_before = |text| {
        let before = notices.iter().find_map(|notice| notice.split_once(text)).map(|(it, _)| it);
        before.and_then(|it| it.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    };
    let unreadable: u64 =
        number_before(" flow records that an earlier run left in the spool are lost");
    let report = probe.finish();
    println!(
        "\n{REPORT} given={} carried_over={} sent={} kept={} lost={} damaged={} \
         said_unreadable={unreadable}",
        report.given.records,
        report.carried_over.records,
        report.sent.records,
        report.kept.records,
        report.lost_totals().records,
        report.lost(LossReason::SpoolDamaged).records,
    );
}

const FLOWS: u64 = 20_000;

/// Of some 60 octets each, for one kill: 8 MiB, the largest receive buffer that Linux gives unasked
/// being 6 MiB.
const MOST_TWICE: u64 = 8 * 1024 * 1024 / 60;

const TARGET: &str = "FLOWTAP_TEST_PROBE_TARGET";
const FOLDER: &str = "FLOWTAP_TEST_PROBE_FOLDER";
const SURVIVES: &str = "FLOWTAP_TEST_PROBE_SURVIVES";
const FLOW_NUMBERS: &str = "FLOWTAP_TEST_PROBE_FLOWS";

const GIVEN: &str = "the probe was given all";
const REPORT: &str = "report:";
