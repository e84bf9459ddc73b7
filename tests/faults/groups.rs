//! Collectors that share the records.

use std::thread;
use std::time::Duration;

use flowtap::export::{Group, GroupMode, Target, Transport};

use crate::collectors::{Peer, Reading};
use crate::load::{Probe, assert_all_sent, config, record, union, wait_for_flow, wait_until};

#[test]
#[ignore = "takes a while"]
fn the_next_in_a_failover_group_takes_over_and_gives_back() {
    let mut primary = Peer::start(Transport::Tcp, Reading::Everything);
    let secondary = Peer::start(Transport::Tcp, Reading::Everything);
    let probe = Probe::start(config(vec![group(GroupMode::Failover, &[&primary, &secondary])]));
    probe.under_load(|| {
        for round in 0..3 {
            thread::sleep(Duration::from_millis(400));
            let before = secondary.octets();
            primary.kill();
            wait_until("the secondary", || secondary.octets() > before);
            thread::sleep(Duration::from_millis(300));
            let before = primary.octets();
            primary.run();
            wait_until("the primary again", || primary.octets() > before);
            println!("round {round}: over and back");
        }
        thread::sleep(Duration::from_millis(300));
    });
    let given = probe.next();
    wait_for_flow(&primary, given - 1);
    let report = probe.finish();
    assert_eq!(report.given.records, given);
    assert_all_sent(&report);

    let (first, second) = (primary.sessions(), secondary.sessions());
    assert!(first.len() >= 4 && second.len() >= 3, "{} and {}", first.len(), second.len());
    let all = union(first.iter().chain(&second));
    assert!(all.iter().copied().eq(0..given), "{} of {given}", all.len());
    for session in first.iter().chain(&second) {
        assert!(session.whole().flows.is_sorted_by(|one, other| one < other));
    }
    let stored: usize = first.iter().chain(&second).map(|session| session.flows.len()).sum();
    println!("{given} flows, {} twice", stored as u64 - given);
}

#[test]
#[ignore = "takes a while"]
fn a_balance_group_shares_the_flows_and_keeps_the_slices_of_each_together() {
    let peers = [0; 2].map(|_: u8| Peer::start(Transport::Tcp, Reading::Everything));
    let probe = Probe::start(config(vec![group(GroupMode::Balance, &[&peers[0], &peers[1]])]));
    for _slice in 0..3 {
        for first in (0..FLOWS).step_by(500) {
            probe.give_these((first..first + 500).map(record).collect());
            thread::sleep(Duration::from_millis(2));
        }
    }
    let reports = probe.finish_all();
    assert_eq!(reports.len(), 2);
    reports.iter().for_each(assert_all_sent);

    let stored = peers.each_ref().map(|peer| peer.sessions());
    for (report, sessions) in reports.iter().zip(&stored) {
        let count: usize = sessions.iter().map(|session| session.whole().flows.len()).sum();
        assert_eq!(count as u64, report.given.records);
    }
    let [one, other] = stored.each_ref().map(union);
    assert!(one.is_disjoint(&other), "slices of one flow went to both");
    assert!(one.union(&other).copied().eq(0..FLOWS), "some went to none");
    let least = one.len().min(other.len());
    assert!(least as u64 > FLOWS / 3, "{} and {}", one.len(), other.len());
}

fn group(mode: GroupMode, peers: &[&Peer]) -> Target {
    Target::Group(Group { mode, members: peers.iter().map(|peer| peer.collector()).collect() })
}

const FLOWS: u64 = 10_000;
