use super::*;

use crate::capture::live::Notice;
use crate::pipeline::Departures;
use crate::telemetry::interfaces::Observed;

/// A run of one worker over `eth1`.
fn observer() -> Observer {
    let points = [Observed {
        index: 7,
        name: "eth1".to_owned(),
        cut: Cut::InKernel,
        direction: Some("ingress"),
        description: Some("the uplink".to_owned()),
    }];
    let interfaces = Interfaces::new(points, Duration::from_secs(300));
    Observer::new(Subject {
        books: Arc::new(OpenBooks::new(1)),
        interfaces: Arc::new(interfaces),
        targets: Watches::default(),
        configuration: Arc::new(Configuration::new(Timestamp::from_parts(1_000, 0))),
        troubles: Arc::default(),
        confinement: confine::Confinement::Off,
        workers: 1,
        maximum_flows: 100,
        started: Timestamp::from_parts(1_000, 0),
    })
}

/// Looks second by second, each after `packets` more of 100 octets.
fn look(observer: &mut Observer, seconds: std::ops::Range<u64>, packets: u64) {
    for second in seconds {
        observer.subject.books.write(0, |page| {
            page.ledger.received_packets += packets;
            page.ledger.received_octets += 100 * packets;
            page.ledger.filtered_packets += packets;
            let received = Received {
                packets: page.ledger.received_packets,
                octets: page.ledger.received_octets,
            };
            page.points = vec![(7, received)];
        });
        let now = Timestamp::from_parts(1_000 + second, 0);
        observer.look(now, Duration::from_secs(second));
    }
}

#[test]
fn rates_are_those_of_now_and_the_hour_has_a_point_every_five_seconds() {
    let mut observer = observer();
    look(&mut observer, 0..21, 10);
    let status = observer.status();
    assert_eq!((status.rates.packets, status.rates.bits), (10, 8_000));
    assert_eq!(status.interfaces[0].bits_per_second, 8_000);
    assert_eq!(status.interfaces[0].packets, 210);
    assert_eq!(status.interfaces[0].about().as_deref(), Some("ingress: the uplink"));
    assert_eq!(status.history.packets, [10; 4]);
    assert_eq!(status.history.interfaces[0].bits, [8_000; 4]);
    look(&mut observer, 21..26, 1000);
    let status = observer.status();
    assert_eq!(status.rates.packets, 1000);
    assert_eq!(status.history.packets, [10, 10, 10, 10, 1000]);
    assert_eq!(status.history.end, 1_025);
}

#[test]
fn a_clock_that_is_set_does_not_make_the_probe_older() {
    let mut observer = observer();
    let mut uptime = |now: u64, at| {
        observer.look(Timestamp::from_parts(now, 0), Duration::from_millis(at));
        (observer.status().started, observer.status().now - observer.status().started)
    };
    assert_eq!(uptime(1_010, 10_000), (1_000, 10));
    assert_eq!(uptime(1_012, 11_100), (1_000, 12), "clocks that differ a little");
    assert_eq!(uptime(1_700_000_020, 20_000), (1_700_000_000, 20));
    assert_eq!(uptime(1_700_000_030, 30_000), (1_700_000_000, 30));
    assert_eq!(uptime(40, 40_000), (0, 40));
}

#[test]
fn a_drop_is_news_for_a_minute() {
    let mut observer = observer();
    look(&mut observer, 0..10, 1);
    assert!(observer.status().health.healthy, "{:?}", observer.status().health);
    observer.subject.books.write(0, |page| {
        page.ledger.drops.kernel = 1;
        page.drops = vec![(7, page.ledger.drops)];
    });
    look(&mut observer, 10..11, 1);
    assert!(!observer.status().health.healthy);
    assert_eq!(observer.status().rates.drops, 1, "one in some seconds is not none");
    look(&mut observer, 11..70, 1);
    assert!(!observer.status().health.healthy);
    look(&mut observer, 70..72, 1);
    assert!(observer.status().health.healthy);
    assert_eq!(observer.status().ledger.kernel_dropped_packets, 1);
    let interface = &observer.status().interfaces[0];
    assert_eq!((interface.kernel_dropped_packets, interface.interface_dropped_packets), (1, 0));
}

#[test]
fn an_interface_that_is_gone_is_unhealthy_until_it_is_back() {
    let mut observer = observer();
    let mut is_healthy = |notice: Notice| {
        observer.subject.interfaces.note(&notice);
        look(&mut observer, 0..1, 1);
        observer.status().health.healthy
    };
    assert!(!is_healthy(Notice::InterfaceGone("eth1".to_owned())));
    assert!(is_healthy(Notice::InterfaceBack("eth1".to_owned())));
}

#[test]
fn books_that_do_not_balance_are_unhealthy() {
    let mut observer = observer();
    observer.subject.books.write(0, |page| page.ledger.received_packets = 1);
    look(&mut observer, 0..1, 0);
    let health = &observer.status().health;
    let faults: Vec<_> = health.checks.iter().filter(|check| !check.healthy).collect();
    assert!(matches!(faults[..], [fault] if fault.check == "books"), "{faults:?}");
}

#[test]
fn every_protocol_and_service_has_its_name() {
    let mut observer = observer();
    let Departures { protocols, tcp, .. } = &mut Departures::default();
    let ten = Sums { flows: 10, packets: 20, octets: 30 };
    protocols[PROTOCOLS.len()] = ten;
    tcp[SERVICES.len() + 2] = ten;
    let (protocols, tcp) = (*protocols, *tcp);
    observer.subject.books.write(0, |page| {
        (page.departures.protocols, page.departures.tcp) = (protocols, tcp);
        page.sizes[9] = 4;
    });
    look(&mut observer, 0..1, 0);
    let seen = &observer.status().distributions;
    let share = |name: &str| Share { name: name.to_owned(), flows: 10, packets: 20, octets: 30 };
    assert_eq!(seen.protocols.last(), Some(&share("other")));
    assert_eq!(seen.tcp.last(), Some(&share("other dynamic ports")));
    assert_eq!(seen.sizes.last(), Some(&Count { name: "over 16383".to_owned(), count: 4 }));
}

#[test]
fn a_configuration_that_was_refused_is_a_fault_until_one_is_not() {
    let mut observer = observer();
    look(&mut observer, 0..2, 1);
    assert!(observer.status().health.healthy, "{:?}", observer.status().health);
    let configuration = Arc::clone(&observer.subject.configuration);
    configuration.refused();
    look(&mut observer, 2..3, 1);
    let status = observer.status();
    let faults: Vec<_> = status.health.checks.iter().filter(|check| !check.healthy).collect();
    assert!(matches!(faults[..], [fault] if fault.check == "configuration"), "{faults:?}");
    assert_eq!((status.configured, status.configuration_refused), (1_000, true));
    configuration.loaded(Timestamp::from_parts(1_234, 0));
    look(&mut observer, 3..4, 1);
    let status = observer.status();
    assert!(status.health.healthy, "{:?}", status.health);
    assert_eq!((status.configured, status.configuration_refused), (1_234, false));
}
