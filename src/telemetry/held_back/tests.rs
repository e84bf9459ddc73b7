use super::*;

/// Counts a flow that ended, in class `service` of TCP.
fn end(page: &mut Page, service: usize, packets: u64, reason: FlowEndReason) {
    let sums = Sums { flows: 1, packets, octets: 100 * packets };
    page.departures.tcp[service].add(sums);
    page.departures.protocols[TCP].add(sums);
    page.ledger.expired[reason as usize - 1] += 1;
    page.ledger.exported_flows += 1;
    page.ledger.exported_packets += packets;
    page.ledger.exported_octets += 100 * packets;
    page.departures.fragments += packets;
    page.departures.symptoms.tcp_flows += 1;
}

const TCP: usize = 3;
const IDLE: FlowEndReason = FlowEndReason::IdleTimeout;

#[test]
fn no_step_is_smaller_than_ten_flows() {
    assert_eq!(PROTOCOLS[TCP].1, "tcp");
    let (mut held_back, mut counted) = (HeldBack::default(), Page::default());
    let mut seen = vec![0];
    for _ in 1..=35 {
        end(&mut counted, 3, 7, IDLE);
        counted.ledger.metered_packets += 7;
        let told = held_back.show(&counted);
        let shown = told.departures.tcp[3];
        assert_eq!(shown.octets, 700 * shown.flows, "octets do not go ahead of flows");
        assert_eq!(told.departures.protocols[TCP], shown);
        let ledger = &told.ledger;
        assert_eq!(
            (ledger.exported_flows, ledger.expired[IDLE as usize - 1]),
            (shown.flows, shown.flows)
        );
        assert_eq!(ledger.exported_packets, shown.packets);
        assert_eq!(ledger.exported_octets, shown.octets);
        assert_eq!(ledger.metered_packets, counted.ledger.metered_packets, "as the interface does");
        assert_eq!(told.departures.fragments, 7 * shown.flows);
        assert_eq!(told.departures.symptoms.tcp_flows, shown.flows);
        if seen.last() != Some(&shown.flows) {
            seen.push(shown.flows);
        }
    }
    assert_eq!(seen, [0, 10, 20, 30]);
}

#[test]
fn slices_of_one_long_flow_are_not_shown() {
    let (mut held_back, mut counted) = (HeldBack::default(), Page::default());
    for _ in 0..1_000 {
        end(&mut counted, 0, 1_000, FlowEndReason::ActiveTimeout);
        counted.departures.tcp[0].flows = 1;
        counted.departures.protocols[TCP].flows = 1;
        counted.departures.symptoms.collector_packets += 1_000;
        let told = held_back.show(&counted);
        assert_eq!(told.departures.tcp[0], Sums::default());
        let ledger = told.ledger;
        assert_eq!((ledger.exported_flows, ledger.exported_packets), (0, 0));
        assert_eq!(ledger.expired, [0; FlowEndReason::ALL.len()]);
        let symptoms = told.departures.symptoms;
        assert_eq!((symptoms.tcp_flows, symptoms.collector_packets), (0, 0));
    }
}

#[test]
fn a_flow_among_many_is_not_found_by_subtraction() {
    let (mut held_back, mut counted) = (HeldBack::default(), Page::default());
    // All of them between two looks: nineteen of one service, and one of another.
    (0..19).for_each(|_| end(&mut counted, 3, 5, IDLE));
    end(&mut counted, 4, 1_234, FlowEndReason::EndOfFlowDetected);
    let told = held_back.show(&counted);
    let http = told.departures.tcp[3];
    assert_eq!((http.flows, http.packets), (19, 95));
    assert_eq!(told.departures.protocols[TCP], http, "the protocol is the sum of what is shown");
    assert_eq!(told.ledger.exported_packets, 95, "and so is the total");
    assert_eq!(told.ledger.exported_flows, 19);
    assert_eq!(told.ledger.expired[FlowEndReason::EndOfFlowDetected as usize - 1], 0);
}

#[test]
fn what_is_missing_is_told_at_once_and_so_is_how_many_flows_there_are() {
    let (mut held_back, mut counted) = (HeldBack::default(), Page::default());
    end(&mut counted, 3, 7, IDLE);
    counted.ledger.drops.kernel = 1;
    (counted.flows, counted.begun_flows, counted.ledger.received_packets) = (1, 2, 9);
    let told = held_back.show(&counted);
    assert_eq!((told.ledger.drops.kernel, told.ledger.received_packets), (1, 9));
    assert_eq!((told.flows, told.begun_flows, told.ledger.exported_flows), (1, 2, 0));
}

proptest::proptest! {
    /// Whatever leaves between two looks, each sum that is shown grew by ten flows or more, or not at all.
    #[test]
    fn every_step_of_every_class_is_of_ten_flows_at_least(
        looks in proptest::collection::vec(
            proptest::collection::vec((0..4_usize, 1..50_u64, 0..5_usize), 0..12),
            1..60,
        ),
    ) {
        let (mut held_back, mut counted) = (HeldBack::default(), Page::default());
        let mut before = held_back.show(&counted);
        for flows in looks {
            for (service, packets, reason) in flows {
                end(&mut counted, service, packets, FlowEndReason::ALL[reason]);
            }
            let told = held_back.show(&counted);
            let grew = |now: u64, then: u64| {
                assert!(now == then || now >= then + FEWEST, "{then} to {now}");
                now > then
            };
            let mut sum = 0;
            for (now, then) in told.departures.tcp.iter().zip(&before.departures.tcp) {
                assert!(grew(now.flows, then.flows) || now == then);
                sum += now.packets;
            }
            for (&now, &then) in told.ledger.expired.iter().zip(&before.ledger.expired) {
                grew(now, then);
            }
            assert_eq!(told.ledger.exported_packets, sum);
            assert_eq!(told.ledger.exported_flows, told.ledger.expired.iter().sum::<u64>());
            assert!(told.ledger.exported_packets <= counted.ledger.exported_packets);
            before = told;
        }
    }
}
