//! Collectors over UDP, where nobody says that somebody is there.

use std::thread;
use std::time::Duration;

use flowtap::export::{Collector, Target, Transport};

use crate::collectors::{Peer, Reading};
use crate::load::{Probe, assert_all_sent, config, now, wait_until};

#[test]
#[ignore = "takes a while"]
fn a_collector_that_appears_late_decodes_within_the_refresh_interval() {
    // RFC 7011 §8.4: Templates are sent again, for whoever did not get them.
    let mut peer = Peer::new(Transport::Udp, Reading::Everything);
    let probe = Probe::start(config(vec![refreshed(&peer)]));
    probe.under_load(|| {
        thread::sleep(Duration::from_millis(1_700));
        // And once more after it was restarted: it has forgotten all Templates.
        for lives in 1..=3 {
            peer.run();
            let begin = now();
            wait_until("decoded records", || {
                let sessions = peer.sessions();
                sessions.len() == lives && sessions.iter().all(|s| !s.flows.is_empty())
            });
            let took = begin.elapsed();
            println!("life {lives}: decoded after {took:?}");
            assert!(took < REFRESH + SLACK, "{took:?}");
            thread::sleep(Duration::from_millis(200));
            peer.kill();
        }
    });
    let given = probe.next();
    let notices = probe.notices();
    let report = probe.finish();
    assert_eq!(report.given.records, given);

    for session in peer.sessions() {
        // It came in the middle of everything, and from its first Template on it understood all.
        assert!(session.undecoded > 0, "it was late");
        let first = *session.flows.first().expect("it decoded something");
        let in_order = (first..).zip(&session.flows).all(|(expected, &flow)| expected == flow);
        assert!(in_order && session.missing == 0, "{} missing", session.missing);
    }
    // The network said that nobody listened: once for each time that the collector was away.
    let troubles = notices.iter().filter(|notice| notice.contains("refused")).count();
    assert!((1..=4).contains(&troubles), "{notices:?}");
}

#[test]
fn a_target_without_listener_is_reported_once() {
    let peer = Peer::new(Transport::Udp, Reading::Everything);
    let probe = Probe::start(config(vec![refreshed(&peer)]));
    // Hundreds of datagrams, and an answer by ICMP to most of them.
    for _ in 0..200 {
        probe.give(50);
        thread::sleep(Duration::from_millis(5));
    }
    let notices = probe.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("refused"), "{notices:?}");
    let report = probe.finish();
    assert!(report.messages > 200, "{report:?}");
}

#[test]
#[ignore = "takes a while"]
fn t21_what_a_slow_collector_over_udp_misses_shows_in_the_sequence() {
    // RFC 5471 §3.5.2.
    let peer = Peer::start(Transport::Udp, Reading::Slowly);
    let probe = Probe::start(config(vec![refreshed(&peer)]));
    for batch in [10, 100, 1_000] {
        for _ in 0..200 {
            probe.give(batch);
            thread::sleep(Duration::from_millis(3));
        }
    }
    let given = probe.next();
    crate::load::wait_for_silence(&peer, Duration::from_millis(300));
    // It is idle again: one more datagram arrives, and shows what is missing before it.
    probe.give(1);
    let last = given;
    crate::load::wait_for_flow(&peer, last);
    let report = probe.finish();
    // Nothing was refused here: over UDP a probe cannot know more.
    assert_all_sent(&report);

    let sessions = peer.sessions();
    let [session] = &sessions[..] else { panic!("one session: {}", sessions.len()) };
    assert!(session.flows.is_sorted_by(|one, other| one < other));
    let stored = session.flows.len() as u64;
    let lost = last + 1 - stored;
    println!("given {}, stored {stored}, missing by sequence {}", last + 1, session.missing);
    assert!(lost > 0, "it was too fast for the test");
    // RFC 7011 §3.1: the gap is every Data Record that did not come, options records as well.
    assert!(session.missing >= lost && session.missing - lost < 1_000, "{session:?}");
}

/// The Collector, with Templates and options records every second.
fn refreshed(peer: &Peer) -> Target {
    let mut collector: Collector = peer.collector();
    collector.options.template_refresh = Some(REFRESH);
    collector.options.options_refresh = Some(REFRESH);
    Target::Collector(collector)
}

const REFRESH: Duration = Duration::from_secs(1);
/// The machine may be busy.
const SLACK: Duration = Duration::from_secs(1);
