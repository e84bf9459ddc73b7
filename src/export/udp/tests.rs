use std::sync::atomic::Ordering;

use super::*;
use crate::export::clock::TestClock;
use crate::export::target::Transport;
use crate::export::testing::{account, batch, read_strictly, tcp_biflow, udp_uniflow};

/// A Collector on loopback, and what it received.
struct FakeCollector(UdpSocket);

impl FakeCollector {
    fn new(address: &str) -> (Self, Collector) {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        let collector = Collector::new(Transport::Udp, local.ip().to_string(), local.port());
        (Self(socket), collector)
    }

    /// Datagrams that arrived; on loopback they are there when `send` returns.
    fn received(&self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut buffer = [0; 65_536];
        while let Ok(length) = self.0.recv(&mut buffer) {
            datagrams.push(buffer[..length].to_vec());
        }
        datagrams
    }
}

fn config(clock: &Arc<TestClock>, pace: Pace) -> Config {
    Config {
        pace,
        clock: Arc::<TestClock>::clone(clock),
        udp: UdpConfig { datagram_rate: 0, ..UdpConfig::default() },
        ..Config::default()
    }
}

fn connect(collector: &Collector, config: &Config) -> UdpSink {
    UdpSink::connect(collector, "udp://collector", config).unwrap()
}

fn export_time(message: &[u8]) -> u32 {
    u32::from_be_bytes(message[4..8].try_into().unwrap())
}

/// Whether a Message has Template Sets only.
fn is_template_message(message: &[u8]) -> bool {
    let mut rest = &message[16..];
    while let [high, low, length_high, length_low, ..] = *rest {
        if [high, low] != [0, 2] {
            return false;
        }
        rest = &rest[usize::from(u16::from_be_bytes([length_high, length_low]))..];
    }
    true
}

#[test]
fn every_datagram_is_a_message_within_the_path() {
    for (address, limit) in [("127.0.0.1:0", 1_472), ("[::1]:0", 1_452)] {
        let (peer, collector) = FakeCollector::new(address);
        let clock = Arc::new(TestClock::default());
        let mut sink = connect(&collector, &config(&clock, Pace::Replay));
        let (mut account, notices) = account();
        sink.write(&batch((0..200).map(udp_uniflow).collect()), &mut account).unwrap();
        sink.finish(&mut account).unwrap();

        let datagrams = peer.received();
        assert!(is_template_message(&datagrams[0]), "RFC 7011 §8.4");
        assert!(!is_template_message(&datagrams[1]));
        for datagram in &datagrams {
            assert!(datagram.len() <= limit, "RFC 7011 §10.3.3: {}", datagram.len());
            assert_eq!(usize::from(u16::from_be_bytes([datagram[2], datagram[3]])), datagram.len());
        }
        assert!(datagrams[1].len() > limit - 100);
        assert_eq!(read_strictly(&datagrams.concat()), (200, 2_000, 300_000));
        let report = account.into_report(String::new());
        assert_eq!(report.messages, datagrams.len() as u64);
        assert_eq!(report.message_octets, datagrams.concat().len() as u64);
        assert_eq!(report.sent.records, 200);
        assert!(notices.lock().unwrap().is_empty());
    }
}

#[test]
fn templates_are_sent_again_by_time_also_while_idle() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut sink = connect(&collector, &config(&clock, Pace::Replay));
    let (mut account, _) = account();
    sink.write(&batch(vec![udp_uniflow(1), tcp_biflow()]), &mut account).unwrap();
    sink.end_message(&mut account).unwrap();
    peer.received();

    clock.advance(Duration::from_secs(59));
    sink.tick(&mut account).unwrap();
    assert!(peer.received().is_empty());
    clock.advance(Duration::from_secs(1));
    sink.tick(&mut account).unwrap();
    let refreshed = peer.received();
    assert_eq!(refreshed.len(), 1);
    assert!(is_template_message(&refreshed[0]));
    // Both, and neither is a withdrawal (RFC 7011 §8.4).
    let definition = crate::export::mapping::template;
    let layout = |record| data_records(record, Mapping::default()).next().unwrap().shape.layout;
    let both = [
        definition(layout(&udp_uniflow(1)), Mapping::default()).definition(),
        definition(layout(&tcp_biflow()), Mapping::default()).definition(),
    ]
    .concat();
    assert_eq!(refreshed[0][20..], both);
    sink.tick(&mut account).unwrap();
    assert!(peer.received().is_empty());
}

#[test]
fn templates_are_sent_again_by_number_of_messages() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut config = config(&clock, Pace::Replay);
    config.udp.template_refresh_messages = 5;
    let mut sink = connect(&collector, &config);
    let (mut account, _) = account();
    sink.write(&batch((0..150).map(udp_uniflow).collect()), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    let kinds: Vec<_> =
        peer.received().iter().map(|message| is_template_message(message)).collect();
    assert_eq!(kinds[..8], [true, false, false, false, false, true, false, false]);
    assert!(kinds[6..].chunks(6).all(|chunk| chunk.len() < 6 || chunk[5]), "{kinds:?}");
}

#[test]
fn live_messages_carry_wall_time_and_wait_for_a_second_at_most() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut sink = connect(&collector, &config(&clock, Pace::Live));
    let (mut account, _) = account();
    sink.write(&batch(vec![udp_uniflow(1)]), &mut account).unwrap();
    sink.tick(&mut account).unwrap();
    let announced = peer.received();
    assert_eq!(announced.len(), 1);
    assert_eq!(export_time(&announced[0]), 1_700_000_000);
    clock.advance(Duration::from_secs(1));
    sink.tick(&mut account).unwrap();
    assert_eq!(export_time(&peer.received()[0]), 1_700_000_001);

    // RFC 7011 §8.2: a clock that steps back does not take Export Time with it.
    clock.wall_step.store(-60, Ordering::Relaxed);
    sink.write(&batch(vec![udp_uniflow(2)]), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    assert_eq!(export_time(&peer.received()[0]), 1_700_000_001);
}

#[test]
fn in_a_replay_export_time_is_the_clock_of_the_capture() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut sink = connect(&collector, &config(&clock, Pace::Replay));
    let (mut account, _) = account();
    sink.write(&batch(vec![udp_uniflow(1)]), &mut account).unwrap();
    clock.advance(Duration::from_secs(30));
    sink.tick(&mut account).unwrap();
    sink.finish(&mut account).unwrap();
    assert!(peer.received().iter().all(|message| export_time(message) == 1_700_000_100));
}

#[test]
fn a_collector_that_is_not_there_is_noted_once_and_nothing_stops() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    drop(peer);
    let clock = Arc::new(TestClock::default());
    let mut sink = connect(&collector, &config(&clock, Pace::Replay));
    let (mut account, notices) = account();
    sink.write(&batch((0..500).map(udp_uniflow).collect()), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("refused"), "{notices:?}");
    assert_eq!(account.settled().records, 500);
}

#[test]
fn a_datagram_too_large_for_the_path_is_written_again_in_smaller_ones() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut sink = connect(&collector, &config(&clock, Pace::Replay));
    let (mut account, notices) = account();
    sink.write(&batch(vec![tcp_biflow(), udp_uniflow(0)]), &mut account).unwrap();
    sink.end_message(&mut account).unwrap();
    // No IPv4 datagram may carry more than 65,507 octets: EMSGSIZE, as on a path that became
    // narrow. Two records of 130 octets and 918 of 71 are 65,522 with their headers.
    sink.message_size = 65_535;
    sink.encoder.limit_message_size(65_535);
    let mut records = vec![tcp_biflow(); 2];
    records.extend((1..1_998).map(udp_uniflow));
    sink.write(&batch(records), &mut account).unwrap();
    sink.finish(&mut account).unwrap();

    let datagrams = peer.received();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 1_472));
    // The receive buffer of the socket may be smaller than all this; what is there is in order.
    let sequence: Vec<_> = datagrams
        .iter()
        .map(|message| u32::from_be_bytes(message[8..12].try_into().unwrap()))
        .collect();
    assert_eq!(sequence[0], 0);
    assert!(sequence.is_sorted());
    let report = account.into_report(String::new());
    assert_eq!((report.sent.records, report.lost_totals().records), (2_001, 0));
    assert!(notices.lock().unwrap().is_empty());
    assert_eq!(sink.message_size, 1_472);
}

#[test]
fn a_message_that_cannot_be_sent_leaves_a_gap_and_is_counted() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut sink = connect(&collector, &config(&clock, Pace::Replay));
    let (mut account, notices) = account();
    sink.write(&batch(vec![udp_uniflow(1)]), &mut account).unwrap();
    sink.end_message(&mut account).unwrap();
    peer.received();

    // A socket that can send nothing.
    let good = std::mem::replace(&mut sink.socket, UdpSocket::bind("127.0.0.1:0").unwrap());
    sink.write(&batch(vec![udp_uniflow(2), udp_uniflow(3)]), &mut account).unwrap();
    sink.end_message(&mut account).unwrap();
    sink.write(&batch(vec![udp_uniflow(4)]), &mut account).unwrap();
    sink.end_message(&mut account).unwrap();
    sink.socket = good;
    sink.write(&batch(vec![udp_uniflow(5)]), &mut account).unwrap();
    sink.finish(&mut account).unwrap();

    let datagrams = peer.received();
    // RFC 7011 §10.2.2: discarded records keep their numbers.
    assert_eq!(datagrams[0][8..12], [0, 0, 0, 4]);
    assert_eq!(notices.lock().unwrap().len(), 2, "once when it began, once when it ended");
    let report = account.into_report(String::new());
    assert_eq!(report.lost(LossReason::NotSent).records, 3);
    assert_eq!(report.sent.records, 2);
    assert!(matches!(report.first_error, Some(ExportError::Send { .. })));
}

#[test]
fn sizes_below_the_minimum_are_refused_and_others_obeyed() {
    let (peer, collector) = FakeCollector::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let mut config = config(&clock, Pace::Replay);
    config.udp.message_size = Some(463);
    let error = UdpSink::connect(&collector, "udp://c", &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "udp://c: messages of 463 octets are too small: at least 464 are needed"
    );

    config.udp.message_size = Some(500);
    let mut sink = connect(&collector, &config);
    let (mut account, _) = account();
    sink.write(&batch((0..50).map(udp_uniflow).collect()), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    let datagrams = peer.received();
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 500));
    assert_eq!(read_strictly(&datagrams.concat()).0, 50);
}

#[test]
fn a_host_without_address_is_an_error() {
    let collector = Collector::new(Transport::Udp, "no-such-host.invalid", 1);
    let error = UdpSink::connect(&collector, "udp://x", &Config::default()).unwrap_err();
    assert!(matches!(error, ExportError::Resolve { .. }), "{error}");
}
