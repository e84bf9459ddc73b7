//! Live capture against known traffic: what one end of a virtual cable sends is what the probe at
//! the other end counts, frame by frame.
//!
//! `cargo test --test live capture:: -- --ignored`, as root.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowtap::capture::CaptureError;
use flowtap::capture::Drops;
use flowtap::capture::FrameSource;
use flowtap::capture::Polled;
use flowtap::capture::live::Backend;
use flowtap::capture::live::Cut;
use flowtap::capture::live::LiveConfig;
use flowtap::capture::live::LiveSource;
use flowtap::capture::live::Notice;
use flowtap::capture::live::ObservationPoint;
use flowtap::capture::live::let_in;
use flowtap::capture::live::open;
use flowtap::capture::live::prepare;
use flowtap::frame::LinkType;
use flowtap::frame::StrippedVlan;

use crate::frames::answer;
use crate::frames::arp;
use crate::frames::fragments;
use crate::frames::udp;
use crate::frames::with_tag;
use crate::netns::cable;
use crate::netns::inside;
use crate::netns::ip;

const BACKENDS: [Backend; 2] = [Backend::AfPacket, Backend::Libpcap];

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn every_frame_is_captured_once() {
    inside("capture::every_frame_is_captured_once", || {
        cable("tap0", "src0");
        cable("tap1", "src1");
        for backend in BACKENDS {
            for (workers, interfaces) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
                let taps: Vec<_> = (0..interfaces).map(|tap| format!("tap{tap}")).collect();
                let config = LiveConfig { interfaces: taps, workers, ..LiveConfig::default() };
                let mut sent = BTreeMap::new();
                let outcomes = run(backend, &config, |_| {
                    for tap in 0..interfaces {
                        let mut sender = Sender::on(&format!("src{tap}"));
                        for id in 0..10_000 {
                            sender.send(&udp(id, 60 + usize::try_from(id % 1400).unwrap()));
                        }
                        sent.insert(format!("tap{tap}"), (10_000, sender.octets));
                    }
                });
                let case = format!("{backend:?}, {workers} workers, {interfaces} interfaces");
                assert_eq!(received(&outcomes), sent, "{case}");
                assert_eq!(outcomes.len(), workers, "{case}");
                for outcome in &outcomes {
                    assert_eq!(outcome.drops, Drops::default(), "{case}");
                    let times: Vec<_> = outcome.seen.iter().map(|seen| seen.nanoseconds).collect();
                    if backend == Backend::AfPacket && interfaces == 1 {
                        assert!(times.is_sorted(), "{case}: out of order");
                    }
                    assert!(times.iter().all(|&time| time > 1_700_000_000_000_000_000), "{case}");
                }
            }
        }
        // All the while the probe itself was silent.
        for tap in ["tap0", "tap1"] {
            let counter = format!("/sys/class/net/{tap}/statistics/tx_packets");
            assert_eq!(std::fs::read_to_string(counter).unwrap(), "0\n", "{tap} transmitted");
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn who_is_told_to_stop_opens_no_further_ring() {
    inside("capture::who_is_told_to_stop_opens_no_further_ring", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            let config = on("tap0", 2);
            config.stop.store(true, Ordering::Relaxed);
            let refused = prepare(backend, &config).map(|_| ());
            assert!(matches!(refused, Err(CaptureError::Stopped)), "{backend:?}: {refused:?}");
            config.stop.store(false, Ordering::Relaxed);
            prepare(backend, &config).unwrap();
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn workers_share_an_interface_by_flow() {
    inside("capture::workers_share_an_interface_by_flow", || {
        cable("tap0", "src0");
        let config = on("tap0", 2);
        let outcomes = run(Backend::AfPacket, &config, |_| {
            let mut sender = Sender::on("src0");
            for id in 0..2000 {
                let there = udp(id, 100);
                sender.send(&there);
                sender.send(&answer(&there));
            }
        });
        assert_eq!(count(&outcomes), 4000);
        let mut worker_of_flow = BTreeMap::new();
        for (worker, outcome) in outcomes.iter().enumerate() {
            assert!(outcome.seen.len() > 1000, "{} of 4000", outcome.seen.len());
            for seen in &outcome.seen {
                // The ports, whichever way round.
                let mut flow = [seen.half(34), seen.half(36)];
                flow.sort_unstable();
                let first = worker_of_flow.entry(flow).or_insert(worker);
                assert_eq!(*first, worker, "flow {flow:?} is on two workers");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn fragments_are_captured_as_sent_and_stay_together() {
    inside("capture::fragments_are_captured_as_sent_and_stay_together", || {
        cable("tap0", "src0");
        let mut octets = 0;
        let outcomes = run(Backend::AfPacket, &on("tap0", 2), |_| {
            let mut sender = Sender::on("src0");
            for datagram in 0..500 {
                for fragment in fragments(datagram) {
                    sender.send(&fragment);
                }
            }
            octets = sender.octets;
        });
        // As many as were on the wire, not as many as were reassembled.
        assert_eq!(received(&outcomes), BTreeMap::from([(String::from("tap0"), (1500, octets))]));
        let mut worker_of_datagram = BTreeMap::new();
        for (worker, outcome) in outcomes.iter().enumerate() {
            assert!(outcome.seen.len() > 300, "{} of 1500", outcome.seen.len());
            for seen in &outcome.seen {
                let identification = seen.half(18);
                let first = worker_of_datagram.entry(identification).or_insert(worker);
                assert_eq!(*first, worker, "datagram {identification} is on two workers");
            }
        }
        assert_eq!(worker_of_datagram.len(), 500);
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_stripped_vlan_tag_is_told() {
    inside("capture::a_stripped_vlan_tag_is_told", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            let plain = udp(1, 100);
            let tagged = with_tag(&plain, 0x8100, 0x6005);
            let stacked = with_tag(&tagged, 0x88a8, 0x0007);
            let outcomes = run(backend, &on("tap0", 1), |_| {
                let mut sender = Sender::on("src0");
                for frame in [&plain, &tagged, &stacked] {
                    sender.send(frame);
                }
            });
            let seen = &outcomes[0].seen;
            let lengths: Vec<_> = seen.iter().map(|seen| seen.wire_length).collect();
            assert_eq!(lengths, [100, 104, 108], "{backend:?}: lengths on the wire");
            let whole: Vec<_> = seen.iter().map(Seen::whole).collect();
            let headers = [&plain[..42], &tagged[..46], &stacked[..50]];
            assert_eq!(whole, headers, "{backend:?}: headers only");
            if backend == Backend::AfPacket {
                let tags: Vec<_> = seen.iter().map(|seen| seen.stripped_vlan).collect();
                let tag = |tpid, tci| Some(StrippedVlan { tpid, tci });
                assert_eq!(tags, [None, tag(0x8100, 0x6005), tag(0x88a8, 7)]);
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_filter_lets_through_what_it_says() {
    inside("capture::a_filter_lets_through_what_it_says", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for (workers, filter, expected) in [
                (1, "udp dst port 1003", 50),
                (2, "udp dst port 1003", 50),
                (1, "vlan 5", 100),
                (2, "vlan 5 and udp", 100),
                (1, "ip6", 0),
            ] {
                let filter = Some(String::from(filter));
                let config = LiveConfig { filter: filter.clone(), ..on("tap0", workers) };
                let outcomes = run(backend, &config, |_| {
                    let mut sender = Sender::on("src0");
                    for id in 0..400 {
                        let frame = udp(id % 8, 100);
                        let tag = if id % 4 == 0 { Some(5) } else { None };
                        sender.send(
                            &tag.map_or_else(|| frame.clone(), |tag| with_tag(&frame, 0x8100, tag)),
                        );
                    }
                });
                assert_eq!(
                    count(&outcomes),
                    expected,
                    "{backend:?}, {workers} workers, {filter:?}"
                );
                assert!(outcomes.iter().all(|outcome| outcome.drops == Drops::default()));
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn frames_this_host_sends_are_left_out() {
    inside("capture::frames_this_host_sends_are_left_out", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for workers in [1, 2] {
                let outcomes = run(backend, &on("tap0", workers), |_| {
                    let mut sender = Sender::on("tap0");
                    for id in 0..200 {
                        sender.send(&udp(id, 100));
                    }
                    Sender::on("src0").send(&udp(7, 100));
                });
                assert_eq!(count(&outcomes), 1, "{backend:?}, {workers} workers");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn what_the_ring_cannot_hold_is_counted() {
    inside("capture::what_the_ring_cannot_hold_is_counted", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for workers in [1, 2] {
                let config = LiveConfig { ring_octets: 1 << 20, ..on("tap0", workers) };
                let mut sources = open(backend, &config).unwrap();
                // Nobody reads: some stay in the ring, most are dropped.
                let mut sender = Sender::on("src0");
                for id in 0..20_000 {
                    sender.send(&udp(id, 600));
                }
                for source in &mut sources {
                    source.stop();
                }
                let outcomes: Vec<_> = sources.iter_mut().map(drain).collect();
                let received = count(&outcomes);
                let dropped: u64 = outcomes.iter().map(|outcome| outcome.drops.kernel).sum();
                let case = format!("{backend:?}, {workers} workers, {received} + {dropped}");
                assert_eq!(received + dropped, 20_000, "{case}");
                assert!(received > 500 && dropped > 5000, "{case}");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn nothing_is_counted_after_the_stop() {
    inside("capture::nothing_is_counted_after_the_stop", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for workers in [1, 2] {
                let mut sources = open(backend, &on("tap0", workers)).unwrap();
                let mut sender = Sender::on("src0");
                for id in 0..300 {
                    sender.send(&udp(id, 100));
                }
                for source in &mut sources {
                    source.stop();
                }
                for id in 0..300 {
                    sender.send(&udp(id, 100));
                }
                let outcomes: Vec<_> = sources.iter_mut().map(drain).collect();
                assert_eq!(count(&outcomes), 300, "{backend:?}, {workers} workers");
                assert!(outcomes.iter().all(|outcome| outcome.drops == Drops::default()));
                for source in &mut sources {
                    let after = source.poll(10, Duration::ZERO, |_| panic!("a frame")).unwrap();
                    assert_eq!(after, Polled::End);
                }
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn opening_under_traffic_counts_no_frame_twice_and_loses_none_afterwards() {
    let test = "capture::opening_under_traffic_counts_no_frame_twice_and_loses_none_afterwards";
    inside(test, || {
        cable("tap0", "src0");
        for workers in [1, 2, 4] {
            let sent = AtomicU64::new(0);
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let sender = scope.spawn(|| {
                    let mut sender = Sender::on("src0");
                    while !done.load(Ordering::Acquire) {
                        let id = sent.load(Ordering::Relaxed);
                        sender.send(&udp(u32::try_from(id).unwrap(), 100));
                        sent.store(id + 1, Ordering::Release);
                    }
                });
                let end = SetOnDrop(&done);
                let wait_for = |count| {
                    while sent.load(Ordering::Acquire) < count && !sender.is_finished() {
                        std::thread::yield_now();
                    }
                };
                wait_for(1000);
                let mut sources = open(Backend::AfPacket, &on("tap0", workers)).unwrap();
                // One more may be on its way.
                let from = sent.load(Ordering::Acquire) + 1;
                wait_for(from + 2000);
                drop(end);
                sender.join().unwrap();
                let until = sent.load(Ordering::Acquire);
                for source in &mut sources {
                    source.stop();
                }
                let outcomes: Vec<_> = sources.iter_mut().map(drain).collect();
                let mut ids = BTreeSet::new();
                for seen in outcomes.iter().flat_map(|outcome| &outcome.seen) {
                    assert!(ids.insert(seen.id()), "{} came twice, {workers} workers", seen.id());
                }
                let missing: Vec<_> = (from..until).filter(|id| !ids.contains(id)).collect();
                let drops: Vec<_> = outcomes.iter().map(|outcome| outcome.drops).collect();
                assert!(missing.is_empty(), "{missing:?} of {from}..{until}, {drops:?}");
            });
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn capture_goes_on_after_the_interface_was_down() {
    inside("capture::capture_goes_on_after_the_interface_was_down", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for workers in [1, 2] {
                let outcomes = run(backend, &on("tap0", workers), |notices| {
                    for _ in 0..2 {
                        send(100);
                        ip("link set dev tap0 down");
                        notices.expect(Notice::InterfaceDown(String::from("tap0")));
                        ip("link set dev tap0 up");
                        notices.expect(Notice::InterfaceBack(String::from("tap0")));
                        send(100);
                    }
                });
                assert_eq!(count(&outcomes), 400, "{backend:?}, {workers} workers");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_brief_flap_is_told_and_loses_nothing() {
    inside("capture::a_brief_flap_is_told_and_loses_nothing", || {
        cable("tap0", "src0");
        let outcomes = run(Backend::AfPacket, &on("tap0", 2), |notices| {
            ip("link set dev tap0 down");
            ip("link set dev tap0 up");
            send(100);
            notices.expect(Notice::InterfaceDown(String::from("tap0")));
            notices.expect(Notice::InterfaceBack(String::from("tap0")));
        });
        assert_eq!(count(&outcomes), 100);
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn capture_goes_on_after_the_interface_was_made_again() {
    inside("capture::capture_goes_on_after_the_interface_was_made_again", || {
        for backend in BACKENDS {
            for workers in [1, 2] {
                cable("tap0", "src0");
                let filter = Some(String::from("udp"));
                let config = LiveConfig { filter, ..on("tap0", workers) };
                let outcomes = run(backend, &config, |notices| {
                    for _ in 0..2 {
                        send(100);
                        // Also those that the kernel has not handed over yet.
                        ip("link delete dev tap0");
                        notices.expect_gone("tap0");
                        cable("tap0", "src0");
                        notices.expect(Notice::InterfaceBack(String::from("tap0")));
                        // The other workers follow within one interval.
                        std::thread::sleep(Duration::from_millis(700));
                        let mut sender = Sender::on("src0");
                        for id in 0..100 {
                            sender.send(&udp(id, 100));
                            sender.send(&arp());
                        }
                    }
                });
                // All under the number the interface had first.
                let octets = 400 * 100;
                let expected = BTreeMap::from([(String::from("tap0"), (400, octets))]);
                assert_eq!(received(&outcomes), expected, "{backend:?}, {workers} workers");
                if workers == 2 && backend == Backend::AfPacket {
                    let shares: Vec<_> =
                        outcomes.iter().map(|outcome| outcome.seen.len()).collect();
                    assert!(shares.iter().all(|&share| share > 100), "{shares:?}");
                }
                ip("link delete dev tap0");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn an_interface_that_is_down_at_first_is_waited_for() {
    inside("capture::an_interface_that_is_down_at_first_is_waited_for", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for workers in [1, 2] {
                ip("link set dev tap0 down");
                let filter = Some(String::from("udp"));
                let config = LiveConfig { filter, ..on("tap0", workers) };
                let outcomes = run(backend, &config, |notices| {
                    notices.expect(Notice::InterfaceDown(String::from("tap0")));
                    ip("link set dev tap0 up");
                    notices.expect(Notice::InterfaceBack(String::from("tap0")));
                    std::thread::sleep(Duration::from_millis(700));
                    send(100);
                });
                assert_eq!(count(&outcomes), 100, "{backend:?}, {workers} workers");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn an_interface_that_is_not_there_at_first_is_waited_for() {
    inside("capture::an_interface_that_is_not_there_at_first_is_waited_for", || {
        for backend in BACKENDS {
            for workers in [1, 2] {
                let filter = Some(String::from("udp"));
                let config = LiveConfig { filter, awaits: true, ..on("tap0", workers) };
                let mut index = 0;
                let outcomes = run(backend, &config, |notices| {
                    let interface = || String::from("tap0");
                    let there = String::from("lo");
                    notices.expect(Notice::InterfaceAbsent { interface: interface(), there });
                    cable("tap0", "src0");
                    let number = std::fs::read_to_string("/sys/class/net/tap0/ifindex").unwrap();
                    index = number.trim().parse().unwrap();
                    notices.expect(Notice::InterfaceNumbered { interface: interface(), index });
                    notices.expect(Notice::InterfaceBack(interface()));
                    // The other workers follow within one interval.
                    std::thread::sleep(Duration::from_millis(700));
                    send(100);
                });
                let expected = BTreeMap::from([(String::from("tap0"), (100, 100 * 100))]);
                assert_eq!(received(&outcomes), expected, "{backend:?}, {workers} workers");
                let seen = outcomes.iter().flat_map(|outcome| &outcome.seen);
                assert!(seen.into_iter().all(|seen| seen.interface == index));
                ip("link delete dev tap0");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn one_that_comes_later_may_have_any_link_layer() {
    inside("capture::one_that_comes_later_may_have_any_link_layer", || {
        for backend in BACKENDS {
            let filter = Some(String::from("icmp"));
            let config = LiveConfig { filter, awaits: true, ..on("tunnel0", 1) };
            let outcomes = run(backend, &config, |notices| {
                let absent = notices.receiver.recv_timeout(Duration::from_secs(5));
                assert!(matches!(absent, Ok(Notice::InterfaceAbsent { .. })), "{absent:?}");
                ip("tuntap add dev tunnel0 mode tun");
                ip("link set dev tunnel0 up");
                let mut there = Ok(Notice::InterfaceDown(String::new()));
                while !matches!(there, Ok(Notice::InterfaceBack(_)) | Err(_)) {
                    there = notices.receiver.recv_timeout(Duration::from_secs(5));
                }
                assert!(there.is_ok(), "{backend:?}");
                ip("link delete dev tunnel0");
                notices.expect_gone("tunnel0");
            });
            assert_eq!(count(&outcomes), 0);
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn nothing_is_captured_before_it_is_let_in() {
    inside("capture::nothing_is_captured_before_it_is_let_in", || {
        cable("tap0", "src0");
        for workers in [1, 2] {
            let mut sources = prepare(Backend::AfPacket, &on("tap0", workers)).unwrap();
            send(50);
            let_in(&mut sources).unwrap();
            send(100);
            sources.iter_mut().for_each(LiveSource::stop);
            let outcomes: Vec<_> = sources.iter_mut().map(drain).collect();
            assert_eq!(count(&outcomes), 100, "{workers} workers");
            assert!(outcomes.iter().all(|outcome| outcome.drops == Drops::default()));
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn an_interface_that_is_down_is_refused_where_it_cannot_be_opened_later() {
    let test = "capture::an_interface_that_is_down_is_refused_where_it_cannot_be_opened_later";
    inside(test, || {
        cable("tap0", "src0");
        ip("link set dev tap0 down");
        for (backend, workers) in [(Backend::AfPacket, 2), (Backend::Libpcap, 1)] {
            let config = LiveConfig { reopen: false, ..on("tap0", workers) };
            let error = open(backend, &config).unwrap_err().to_string();
            assert!(error.starts_with("tap0: is down"), "{error}");
        }
        // One ring alone is bound to it now.
        open(Backend::AfPacket, &LiveConfig { reopen: false, ..on("tap0", 1) }).unwrap();
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_busy_interface_does_not_hide_that_another_is_gone() {
    inside("capture::a_busy_interface_does_not_hide_that_another_is_gone", || {
        cable("tap0", "src0");
        cable("tap1", "src1");
        for backend in BACKENDS {
            let interfaces = ["tap0", "tap1"].map(String::from).to_vec();
            let config = LiveConfig { interfaces, ..LiveConfig::default() };
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut sender = Sender::on("src0");
                    while !done.load(Ordering::Acquire) {
                        sender.send(&udp(1, 100));
                    }
                });
                let _end = SetOnDrop(&done);
                run(backend, &config, |notices| {
                    ip("link set dev tap1 down");
                    notices.expect(Notice::InterfaceDown(String::from("tap1")));
                    ip("link set dev tap1 up");
                    notices.expect(Notice::InterfaceBack(String::from("tap1")));
                });
            });
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn frames_of_two_interfaces_come_in_the_order_of_their_time() {
    inside("capture::frames_of_two_interfaces_come_in_the_order_of_their_time", || {
        cable("tap0", "src0");
        cable("tap1", "src1");
        let interfaces = ["tap0", "tap1"].map(String::from).to_vec();
        let config = LiveConfig { interfaces, ..LiveConfig::default() };
        let mut sources = open(Backend::AfPacket, &config).unwrap();
        let (mut one, mut other) = (Sender::on("src0"), Sender::on("src1"));
        for id in 0..500 {
            one.send(&udp(id, 100));
            other.send(&udp(id, 100));
        }
        // Let the kernel hand over both blocks; then the order is exact.
        std::thread::sleep(Duration::from_millis(60));
        sources[0].stop();
        let outcome = drain(&mut sources[0]);
        let times: Vec<_> = outcome.seen.iter().map(|seen| seen.nanoseconds).collect();
        assert_eq!(times.len(), 1000);
        assert!(times.is_sorted());
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_poll_lends_no_more_than_asked_and_waits_no_longer_than_told() {
    inside("capture::a_poll_lends_no_more_than_asked_and_waits_no_longer_than_told", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            let mut sources = open(backend, &on("tap0", 1)).unwrap();
            let source = &mut sources[0];
            send(1000);
            std::thread::sleep(Duration::from_millis(60));
            let mut ids = Vec::new();
            while ids.len() < 1000 {
                let mut lent = 0;
                let polled = source.poll(7, Duration::from_secs(1), |frame| {
                    lent += 1;
                    ids.push(u32::from_be_bytes(*frame.bytes[8..].first_chunk().unwrap()));
                });
                let Polled::Frames { count, ticket: 0, clock } = polled.unwrap() else { panic!() };
                assert!(count == lent && (1..=7).contains(&count), "{backend:?}: {count}");
                assert!(clock.as_secs() > 1_700_000_000);
            }
            assert!(ids.iter().copied().eq(0..1000), "{backend:?}: {ids:?}");
            let patience = Duration::from_millis(100);
            let before = clock();
            let polled = source.poll(7, patience, |_| panic!("a frame")).unwrap();
            assert!(matches!(polled, Polled::Frames { count: 0, .. }));
            let waited = clock() - before;
            assert!(waited < Duration::from_millis(300), "{backend:?}: {waited:?}");
            assert!(waited > Duration::from_millis(20), "{backend:?}: {waited:?}");
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn interfaces_of_raw_packets_say_so() {
    inside("capture::interfaces_of_raw_packets_say_so", || {
        ip("tuntap add mode tun name tun0");
        ip("link set dev tun0 up");
        for backend in BACKENDS {
            for workers in [1, 2] {
                let filter = Some(String::from("udp port 53"));
                let config = LiveConfig { filter, ..on("tun0", workers) };
                let sources = open(backend, &config).unwrap();
                let points: Vec<_> = sources[0].interfaces().cloned().collect();
                let [
                    ObservationPoint {
                        name,
                        link_type: LinkType::RawIp,
                        index,
                        cut: Cut::InKernel,
                    },
                ] = &points[..]
                else {
                    panic!("{points:?}")
                };
                assert!(name == "tun0" && *index > 0);
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn workers_that_libpcap_has_no_interface_for_are_told_and_idle() {
    inside("capture::workers_that_libpcap_has_no_interface_for_are_told_and_idle", || {
        cable("tap0", "src0");
        let mut sources = open(Backend::Libpcap, &on("tap0", 3)).unwrap();
        let notices: Vec<_> = sources.iter_mut().map(LiveSource::notices).collect();
        assert_eq!(notices, [vec![Notice::IdleWorkers { idle: 2, busy: 1 }], vec![], vec![]]);
        send(100);
        for (worker, frames) in [(1, 0), (2, 0), (0, 100)] {
            sources[worker].stop();
            assert_eq!(count(&[drain(&mut sources[worker])]), frames, "worker {worker}");
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_bad_filter_is_one_line() {
    inside("capture::a_bad_filter_is_one_line", || {
        cable("tap0", "src0");
        for backend in BACKENDS {
            for state in ["up", "down"] {
                ip(&format!("link set dev tap0 {state}"));
                let filter = Some(String::from("udp prot 53"));
                let error = open(backend, &LiveConfig { filter, ..on("tap0", 1) }).unwrap_err();
                assert!(matches!(error, CaptureError::Filter { .. }), "{error}");
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn without_privilege_the_error_says_what_is_needed() {
    // The test runs itself once more without capabilities.
    const MARK: &str = "FLOWTAP_TEST_UNPRIVILEGED";
    if std::env::var_os(MARK).is_some() {
        for backend in BACKENDS {
            let filter = Some(String::from("udp"));
            let error = open(backend, &LiveConfig { filter, ..on("lo", 1) }).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("lo: permission denied: needs CAP_NET_RAW"), "{text}");
        }
        return;
    }
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "capture::without_privilege_the_error_says_what_is_needed",
            "--include-ignored",
        ])
        .env(MARK, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

/// What one worker received.
#[derive(Debug, Default)]
struct Outcome {
    seen: Vec<Seen>,
    names: BTreeMap<u32, String>,
    drops: Drops,
}

#[derive(Debug)]
struct Seen {
    interface: u32,
    wire_length: u32,
    stripped_vlan: Option<StrippedVlan>,
    nanoseconds: u64,
    bytes: Vec<u8>,
}

impl Seen {
    fn half(&self, at: usize) -> u16 {
        let octets = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        u16::from_be_bytes(*octets.expect("a whole header"))
    }

    /// What [`udp`] wrote into the source's address.
    fn id(&self) -> u64 {
        let octets = self.bytes.get(8..).and_then(|rest| rest.first_chunk());
        u64::from(u32::from_be_bytes(*octets.expect("a whole id")))
    }

    /// The frame as it was on the wire, the tag put back.
    fn whole(&self) -> Vec<u8> {
        match self.stripped_vlan {
            Some(StrippedVlan { tpid, tci }) => with_tag(&self.bytes, tpid, tci),
            None => self.bytes.clone(),
        }
    }
}

/// Lets threads come to their end also when the test fails meanwhile.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The notices of all workers, as they come.
struct Notices {
    receiver: std::sync::mpsc::Receiver<Notice>,
}

impl Notices {
    /// Waits for a notice, which must be this one.
    fn expect(&self, notice: Notice) {
        let next = self.receiver.recv_timeout(Duration::from_secs(5));
        assert_eq!(next, Ok(notice));
    }

    /// Waits for the notice that `interface` is gone. The kernel sets it down first; when it takes
    /// its time from there, that is told as well.
    fn expect_gone(&self, interface: &str) {
        let next = || self.receiver.recv_timeout(Duration::from_secs(5));
        let first = next();
        let down = first == Ok(Notice::InterfaceDown(interface.into()));
        let gone = if down { next() } else { first };
        assert_eq!(gone, Ok(Notice::InterfaceGone(interface.into())));
    }
}

/// Opens the interfaces, lets `traffic` happen while one thread a worker reads, then stops and
/// drains them.
fn run(backend: Backend, config: &LiveConfig, traffic: impl FnOnce(&Notices)) -> Vec<Outcome> {
    let (notices, receiver) = std::sync::mpsc::channel();
    let sources = open(backend, config).expect("the interfaces can be opened");
    let ended = AtomicBool::new(false);
    let (outcomes, rest) = std::thread::scope(|scope| {
        let workers: Vec<_> = sources
            .into_iter()
            .map(|mut source| {
                let (notices, ended) = (notices.clone(), &ended);
                scope.spawn(move || read(&mut source, ended, &notices))
            })
            .collect();
        let notices = Notices { receiver };
        let end = SetOnDrop(&ended);
        traffic(&notices);
        drop(end);
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| worker.join().expect("no panic");
        (workers.into_iter().map(join).collect(), notices.receiver.try_iter().collect::<Vec<_>>())
    });
    let news = |notice: &Notice| !matches!(notice, Notice::IdleWorkers { .. });
    assert_eq!(rest.into_iter().filter(news).collect::<Vec<_>>(), [], "each change is said once");
    outcomes
}

fn read(
    source: &mut LiveSource,
    ended: &AtomicBool,
    notices: &std::sync::mpsc::Sender<Notice>,
) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        if ended.load(Ordering::Acquire) {
            source.stop();
        }
        let polled = poll(source, &mut outcome);
        for notice in source.notices() {
            if !matches!(notice, Notice::IdleWorkers { .. }) {
                let _ = notices.send(notice);
            }
        }
        if polled == Polled::End {
            outcome.drops = source.drops();
            outcome.names =
                source.interfaces().map(|point| (point.index, point.name.clone())).collect();
            return outcome;
        }
    }
}

/// Reads a stopped source to its end.
fn drain(source: &mut LiveSource) -> Outcome {
    let mut outcome = Outcome::default();
    while poll(source, &mut outcome) != Polled::End {}
    outcome.drops = source.drops();
    outcome
}

fn poll(source: &mut LiveSource, outcome: &mut Outcome) -> Polled {
    let keep = |frame: flowtap::frame::Frame<'_>| {
        outcome.seen.push(Seen {
            interface: frame.interface,
            wire_length: frame.wire_length,
            stripped_vlan: frame.stripped_vlan,
            nanoseconds: frame.at.as_nanos(),
            bytes: frame.bytes.get(..128).unwrap_or(frame.bytes).to_vec(),
        });
    };
    source.poll(256, Duration::from_millis(50), keep).expect("the source goes on")
}

fn on(interface: &str, workers: usize) -> LiveConfig {
    LiveConfig { interfaces: vec![interface.into()], workers, ..LiveConfig::default() }
}

fn count(outcomes: &[Outcome]) -> u64 {
    outcomes.iter().map(|outcome| u64::try_from(outcome.seen.len()).expect("few")).sum()
}

/// Frames and octets by the name of the interface.
fn received(outcomes: &[Outcome]) -> BTreeMap<String, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for outcome in outcomes {
        for seen in &outcome.seen {
            let name = outcome.names.get(&seen.interface).expect("an interface that was announced");
            let sum: &mut (u64, u64) = sums.entry(name.clone()).or_default();
            sum.0 += 1;
            sum.1 += u64::from(seen.wire_length);
        }
    }
    sums
}

/// Puts frames on an interface.
struct Sender {
    handle: pcap::Capture<pcap::Active>,
    octets: u64,
}

impl Sender {
    fn on(interface: &str) -> Self {
        let handle = pcap::Capture::from_device(interface).expect("the interface has a name");
        let mut handle = handle.buffer_size(1 << 20).open().expect("the interface is up");
        // It only sends.
        handle.filter("less 0", true).expect("it compiles");
        Self { handle, octets: 0 }
    }

    fn send(&mut self, frame: &[u8]) {
        self.handle.sendpacket(frame).expect("the cable is plugged in");
        self.octets += u64::try_from(frame.len()).expect("short");
    }
}

/// Sends `count` frames of as many flows from the far end of the first cable.
fn send(count: u32) {
    let mut sender = Sender::on("src0");
    for id in 0..count {
        sender.send(&udp(id, 100));
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a poll waits is what is measured")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}
