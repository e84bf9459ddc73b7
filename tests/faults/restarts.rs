//! Collectors that are killed and started again (RFC 5471 §3.6.3).

use std::thread;
use std::time::Duration;

use flowtap::export::Transport;

use crate::collectors::{Peer, Reading};
use crate::load::{Probe, assert_all_sent, config, duplicates, spool, wait_for_flow};

#[test]
#[ignore = "takes a while"]
fn t28_a_collector_over_tcp_is_killed_ten_times_and_misses_nothing() {
    kill_and_restart(Transport::Tcp, false);
}

#[test]
#[ignore = "takes a while"]
fn t28_a_collector_over_tcp_is_killed_ten_times_and_the_spool_keeps_the_order() {
    kill_and_restart(Transport::Tcp, true);
}

#[test]
#[ignore = "takes a while"]
fn t28_a_collector_over_tls_is_killed_ten_times_and_misses_nothing() {
    kill_and_restart(Transport::Tls, false);
}

#[test]
#[ignore = "takes a while"]
fn t28_a_collector_over_tls_is_killed_ten_times_and_the_spool_keeps_the_order() {
    kill_and_restart(Transport::Tls, true);
}

/// RFC 5471 §3.6.3: the connection is opened again, and everything begins with Templates.
///
/// What TCP makes unavoidable: the host of a Collector acknowledges what the Collector has not read
/// yet, and that dies with it. So after a reset as much is sent again as the receive buffer may have
/// held, though some of it had been read and stored. These are the only duplicates.
fn kill_and_restart(transport: Transport, spooled: bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::start(transport, Reading::Everything);
    let mut config = config(vec![peer.target()]);
    config.spool = spooled.then(|| spool(folder.path(), false));
    let probe = Probe::start(config);
    probe.under_load(|| {
        for round in 0..RESTARTS {
            thread::sleep(Duration::from_millis(350));
            peer.kill();
            // Sometimes at once, sometimes after some attempts have failed.
            thread::sleep(Duration::from_millis(round % 3 * 150));
            peer.run();
        }
        thread::sleep(Duration::from_millis(350));
    });
    let given = probe.next();
    wait_for_flow(&peer, given - 1);
    let report = probe.finish();

    assert_eq!(report.given.records, given);
    assert_all_sent(&report);
    assert!(report.sessions.opened > RESTARTS / 2, "{report:?}");
    let sessions = peer.sessions();
    assert!(sessions.len() as u64 > RESTARTS / 2, "{} sessions", sessions.len());
    assert!(!sessions.last().expect("there are some").cut, "the last one was closed in order");
    let duplicates = duplicates(&sessions, 0, given);
    println!(
        "{transport:?}, spool {spooled}: {given} flows in {} sessions, {duplicates} twice",
        sessions.len()
    );
}

const RESTARTS: u64 = 10;
