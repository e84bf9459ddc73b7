//! A network that is cut and mended (RFC 5471 §3.6.1).

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use flowtap::export::{Config, LossReason, Transport};

use crate::collectors::{Peer, Reading};
use crate::load::{
    Probe, assert_all_sent, config, duplicates, spool, spooled_files, wait_for_flow, wait_until,
};
use crate::netns::{inside, ip};

#[test]
#[ignore = "needs root"]
fn t26_a_short_cut_over_tcp_is_mended_by_tcp() {
    inside("cuts::t26_a_short_cut_over_tcp_is_mended_by_tcp", || {
        let peer = far_away(Transport::Tcp);
        let probe = Probe::start(config(vec![peer.target()]));
        cut(&probe, Duration::from_secs(1));
        wait_for_flow(&peer, probe.next() - 1);
        let given = probe.next();
        let report = probe.finish();
        assert_all_sent(&report);
        assert_eq!(report.sessions.opened, 1, "the same session goes on");
        assert_eq!(duplicates(&peer.sessions(), 0, given), 0);
    });
}

#[test]
#[ignore = "needs root"]
fn t26_a_long_cut_over_tcp_breaks_the_session_and_the_spool_has_the_records() {
    let test = "cuts::t26_a_long_cut_over_tcp_breaks_the_session_and_the_spool_has_the_records";
    inside(test, || {
        let peer = far_away(Transport::Tcp);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let probe = Probe::start(Config {
            spool: Some(spool(folder.path(), false)),
            ..impatient(config(vec![peer.target()]))
        });
        cut(&probe, Duration::from_secs(8));
        wait_for_flow(&peer, probe.next() - 1);
        let given = probe.next();
        let notices = probe.notices();
        let report = probe.finish();
        assert_all_sent(&report);
        // RFC 7011 §10.4.4: no attempt before its time, and each of them took until its timeout.
        assert!(report.sessions.opened >= 2, "{report:?}");
        assert!((1..80).contains(&report.sessions.failed), "{report:?}");
        assert!(notices.iter().any(|notice| notice.contains("restored")), "{notices:?}");
        let twice = duplicates(&peer.sessions(), 0, given);
        println!("{given} flows in {} sessions, {twice} twice", peer.sessions().len());
        assert!(spooled_files(folder.path()).is_empty());
    });
}

#[test]
#[ignore = "needs root"]
fn t26_a_long_cut_over_tcp_without_a_spool_is_counted() {
    inside("cuts::t26_a_long_cut_over_tcp_without_a_spool_is_counted", || {
        let peer = far_away(Transport::Tcp);
        let mut config = impatient(config(vec![peer.target()]));
        // One second of records and a bit.
        config.queue_octets = 4 << 20;
        let probe = Probe::start(config);
        cut(&probe, Duration::from_secs(6));
        wait_for_flow(&peer, probe.next() - 1);
        let given = probe.next();
        let report = probe.finish();
        let lost = report.lost_totals();
        assert_eq!(report.lost(LossReason::QueueFull), lost, "{report:?}");
        assert!(lost.records > 0, "the queue was never full: {report:?}");
        let sessions = peer.sessions();
        let stored = crate::load::union(&sessions).len() as u64;
        println!("{given} flows, {stored} stored, {} lost and counted", lost.records);
        assert_eq!((stored, stored + lost.records), (report.sent.records, given));
        for session in &sessions {
            assert!(session.whole().flows.is_sorted_by(|one, other| one < other));
        }
    });
}

#[test]
#[ignore = "needs root"]
fn t26_a_cut_over_udp_shows_in_the_sequence() {
    inside("cuts::t26_a_cut_over_udp_shows_in_the_sequence", || {
        let peer = far_away(Transport::Udp);
        let probe = Probe::start(config(vec![peer.target()]));
        cut(&probe, Duration::from_secs(6));
        let given = probe.next();
        wait_for_flow(&peer, given - 1);
        let report = probe.finish();
        // What the network refused is counted; what it took and threw away nobody tells us.
        assert_eq!(report.sent.records + report.lost_totals().records, given, "{report:?}");
        assert_eq!(report.lost(LossReason::NotSent), report.lost_totals(), "{report:?}");
        let sessions = peer.sessions();
        let [session] = &sessions[..] else { panic!("one session: {}", sessions.len()) };
        let missing = given - session.flows.len() as u64;
        println!("{given} flows, {missing} missing, {} by sequence", session.missing);
        assert!(missing > 1_000, "{missing}");
        assert!(session.missing >= missing && session.missing - missing < 1_000, "{session:?}");
        assert!(session.flows.is_sorted_by(|one, other| one < other));
        assert_eq!(session.undecoded, 0);
    });
}

/// Load before, while and after the link is down for so long.
fn cut(probe: &Probe, time: Duration) {
    probe.under_load(|| {
        thread::sleep(Duration::from_millis(500));
        ip("link set dev away0 down");
        // The address is what a cable that is pulled would leave.
        thread::sleep(time);
        ip("link set dev away0 up");
        thread::sleep(Duration::from_millis(1_500));
    });
}

/// Gives a session up after two seconds of silence.
fn impatient(mut config: Config) -> Config {
    config.tcp.stall_timeout = Duration::from_secs(2);
    config.tcp.connect_timeout = Duration::from_millis(500);
    config
}

/// A Collector in a network of its own, at the other end of a cable.
fn far_away(transport: Transport) -> Peer {
    let address = SocketAddr::from(([192, 0, 2, 2], 4739));
    let mut peer = Peer::at(address, transport, Reading::Everything);
    peer.wrap(&["unshare", "--net"]);
    let id = peer.launch();
    let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let own = network("self");
    wait_until("a network", || {
        network(&id.to_string()).is_some_and(|far| Some(&far) != own.as_ref())
    });
    // Between the two is a switch: where the cable is cut, our side does not notice.
    ip("link add name switch type bridge");
    ip("link add name near type veth peer name near0");
    ip(&format!("link add name away0 type veth peer name far netns {id}"));
    ip("link set dev near0 master switch");
    ip("link set dev away0 master switch");
    ip("address add 192.0.2.1/24 dev near");
    for interface in ["switch", "near", "near0", "away0"] {
        ip(&format!("link set dev {interface} up"));
    }
    let there = |line: &str| {
        let process = id.to_string();
        let words = ["--net", "--target", &process, "ip"];
        let output = Command::new("nsenter").args(words).args(line.split_whitespace()).output();
        let output = output.expect("nsenter(1)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    there("address add 192.0.2.2/24 dev far");
    there("link set dev far up");
    peer.wait();
    peer
}
