//! Many records, many Templates, many Collectors (RFC 5471 §3.5).

use std::thread;
use std::time::Duration;

use flowtap::decode::{IpVersion, MacAddresses, VlanTags};
use flowtap::export::{LossReason, Profile, Target, Transport};
use flowtap::flow::FlowRecord;

use crate::collectors::{Peer, Reading};
use crate::load::{Probe, assert_all_sent, config, count_in_order, duplicates, record, union};

#[test]
#[ignore = "takes a while"]
fn t20_very_many_records_of_one_template_all_arrive() {
    // RFC 5471 §3.5.1.
    let peer = Peer::start(Transport::Tcp, Reading::Everything);
    let probe = Probe::start(config(vec![peer.target()]));
    probe.give_steadily(500_000);
    let report = probe.finish();
    assert_eq!(report.given.records, 500_000);
    assert_all_sent(&report);
    let sessions = peer.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].templates, 1);
    assert_eq!(duplicates(&sessions, 0, 500_000), 0);
}

#[test]
#[ignore = "takes a while"]
fn t21_a_rising_rate_into_a_slow_collector_over_tcp_is_counted() {
    // RFC 5471 §3.5.2: TCP presses back, and what there is no room for is lost here, not on the way.
    let peer = Peer::start(Transport::Tcp, Reading::Slowly);
    let mut config = config(vec![peer.target()]);
    config.queue_octets = 1 << 20;
    let probe = Probe::start(config);
    for batch in [10, 100, 1_000] {
        for _ in 0..400 {
            probe.give(batch);
            thread::sleep(Duration::from_millis(3));
        }
    }
    let given = probe.next();
    let report = probe.finish();
    assert_eq!(report.given.records, given);
    let lost = report.lost_totals();
    assert_eq!(report.lost(LossReason::QueueFull), lost, "{report:?}");
    assert!(lost.records > 0, "it was too fast for the test");
    // No gap in the sequence: what was never sent has no number.
    let stored = count_in_order(&peer.sessions());
    assert_eq!((stored, stored + lost.records), (report.sent.records, given));
    println!("given {given}, stored {stored}, lost and counted {}", lost.records);
}

#[test]
#[ignore = "takes a while"]
fn t23_many_templates_are_sent_once_each_however_they_alternate() {
    // RFC 5471 §3.5.4.
    let peer = Peer::start(Transport::Tcp, Reading::Everything);
    let probe = Probe::start(config(vec![peer.target()]));
    for _ in 0..200 {
        probe.give_as(u64::from(LAYOUTS) * 2, of_many_layouts);
        thread::sleep(Duration::from_millis(5));
    }
    let given = probe.next();
    let report = probe.finish();
    assert_all_sent(&report);
    let sessions = peer.sessions();
    let [session] = &sessions[..] else { panic!("one session") };
    let templates = session.whole().templates;
    println!("{templates} templates for {LAYOUTS} kinds of flow");
    // Sent again unchanged they would not be counted, but a new one for each change would be.
    assert!((8..=u64::from(LAYOUTS)).contains(&templates), "{templates}");
    assert!(union(&sessions).iter().copied().eq(0..given));
    assert_eq!(session.flows.len() as u64, given);
}

#[test]
#[ignore = "takes a while"]
fn t25_many_collectors_each_get_everything_in_a_session_of_their_own() {
    // RFC 5471 §3.5.6: with a simple Template and with complex ones.
    let peers = [Transport::Tcp, Transport::Tls, Transport::Tcp, Transport::Udp]
        .map(|transport| Peer::start(transport, Reading::Everything));
    let profiles = [Profile::Standard, Profile::Ipfixcol2, Profile::Flowmon, Profile::Standard];
    let targets = peers.iter().zip(profiles).map(|(peer, profile)| {
        let mut collector = peer.collector();
        collector.options.profile = Some(profile);
        Target::Collector(collector)
    });
    let probe = Probe::start(config(targets.collect()));
    probe.give_steadily(40_000);
    let reports = probe.finish_all();
    reports.iter().for_each(assert_all_sent);
    for (peer, report) in peers.iter().zip(&reports) {
        assert_eq!(report.given.records, 40_000);
        crate::load::wait_for_flow(peer, 39_999);
        assert_eq!(duplicates(&peer.sessions(), 0, 40_000), 0, "{}", report.target);
    }
}

/// The same Flow in one of many layouts.
fn of_many_layouts(flow: u64) -> FlowRecord {
    let plain = record(flow);
    let kind = u32::try_from(flow % u64::from(LAYOUTS)).expect("small");
    let has = |bit: u32| kind & bit != 0;
    let mut changed = FlowRecord {
        version: if has(1) { IpVersion::V6 } else { IpVersion::V4 },
        protocol: match kind >> 3 {
            0 => 17,
            1 => 6,
            2 => 1,
            _ => 47,
        },
        ..plain
    };
    if has(2) {
        changed.reverse = changed.forward;
    }
    if has(4) {
        changed.vlan = VlanTags { outer: 5, inner: 0, count: 1 };
        changed.mac = Some(MacAddresses { source: [2; 6], destination: [4; 6] });
    }
    changed
}

const LAYOUTS: u32 = 32;
