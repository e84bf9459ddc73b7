use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::export::account::TargetReport;
use crate::export::clock::TestClock;
use crate::export::config::{TcpConfig, UdpConfig};
use crate::export::exporter::Exporter;
use crate::export::high_water::is_nearly_full;
use crate::export::notice::Observer;
use crate::export::testing::{batch, read_flows, tcp_biflow, udp_uniflow};

/// A Collector over UDP on loopback.
struct UdpPeer(UdpSocket);

impl UdpPeer {
    fn new(address: &str) -> (Self, String) {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        let url = format!("udp://{}", socket.local_addr().unwrap());
        (Self(socket), url)
    }

    /// Datagrams, until none has come for a while.
    fn received(&self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut buffer = [0; 65_536];
        while let Ok(length) = self.0.recv(&mut buffer) {
            datagrams.push(buffer[..length].to_vec());
        }
        datagrams
    }
}

fn tcp_peer() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Reads one session to its end.
fn read_session(listener: &TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    octets
}

type Notices = Arc<Mutex<Vec<String>>>;

fn config(pace: Pace, targets: &[&str]) -> (Config, Notices) {
    let notices = Notices::default();
    let heard = Arc::clone(&notices);
    let config = Config {
        pace,
        targets: targets.iter().map(|target| target.parse().unwrap()).collect(),
        flush_timeout: Duration::ZERO,
        drain_timeout: Duration::from_millis(500),
        udp: UdpConfig { datagram_rate: 0, ..UdpConfig::default() },
        tcp: TcpConfig {
            message_size: 1_000,
            reconnect_interval: Duration::from_millis(100),
            stall_timeout: Duration::from_millis(500),
            ..TcpConfig::default()
        },
        observer: Observer::new(move |notice| heard.lock().unwrap().push(notice.to_string())),
        ..Config::default()
    };
    (config, notices)
}

fn start(config: &Config) -> Exporter {
    Exporter::start(config, Vec::new()).unwrap()
}

fn send(exporter: &Exporter, numbers: std::ops::Range<u32>) {
    exporter.send(&batch(numbers.map(udp_uniflow).collect()));
}

fn finish(exporter: Exporter) -> TargetReport {
    let mut reports = exporter.finish();
    assert_eq!(reports.len(), 1);
    let report = reports.remove(0);
    assert!(report.balances(), "{report:?}");
    report
}

fn sequence(message: &[u8]) -> u32 {
    u32::from_be_bytes(message[8..12].try_into().unwrap())
}

fn export_time(message: &[u8]) -> u32 {
    u32::from_be_bytes(message[4..8].try_into().unwrap())
}

/// IDs of the Sets of a Message.
fn sets(message: &[u8]) -> Vec<u16> {
    let mut rest = &message[16..];
    let mut ids = Vec::new();
    while let [high, low, length_high, length_low, ..] = *rest {
        ids.push(u16::from_be_bytes([high, low]));
        rest = &rest[usize::from(u16::from_be_bytes([length_high, length_low]))..];
    }
    ids
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test that waits")]
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20), "waited in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_datagram_is_a_message_within_the_path() {
    for (address, limit) in [("127.0.0.1:0", 1_472), ("[::1]:0", 1_452)] {
        let (peer, url) = UdpPeer::new(address);
        let (config, notices) = config(Pace::Replay, &[&url]);
        let exporter = start(&config);
        send(&exporter, 0..200);
        let report = finish(exporter);

        let datagrams = peer.received();
        for datagram in &datagrams {
            assert!(datagram.len() <= limit, "RFC 7011 §10.3.3: {}", datagram.len());
            assert_eq!(usize::from(u16::from_be_bytes([datagram[2], datagram[3]])), datagram.len());
        }
        assert!(datagrams.iter().any(|datagram| datagram.len() > limit - 100));
        assert_eq!(read_flows(&datagrams.concat()), (200, 2_000, 300_000));
        assert_eq!(report.messages, datagrams.len() as u64);
        assert_eq!(report.message_octets, datagrams.concat().len() as u64);
        assert_eq!(report.sent.records, 200);
        assert!(notices.lock().unwrap().is_empty());
    }
}

#[test]
fn templates_go_ahead_and_over_udp_twice() {
    // RFC 7011 §8.4, and §8: options records too are behind their Templates.
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    let (config, _) = config(Pace::Replay, &[&url]);
    let exporter = start(&config);
    send(&exporter, 0..1);
    finish(exporter);
    let kinds: Vec<_> = peer.received().iter().map(|datagram| sets(datagram)).collect();
    assert!(kinds[0].iter().all(|&id| id == 3), "{kinds:?}");
    let first = kinds.iter().position(|ids| ids[..] == [2]).unwrap();
    assert_eq!(kinds[first + 1], [2], "{kinds:?}");
    let data = kinds.iter().position(|ids| (256..65_000).contains(&ids[0])).unwrap();
    assert!(data > first + 1, "{kinds:?}");
}

#[test]
fn templates_and_options_are_sent_again_by_time_also_while_idle() {
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let (mut config, _) = config(Pace::Live, &[&url]);
    config.clock = Arc::<TestClock>::clone(&clock);
    let exporter = start(&config);
    exporter.send(&batch(vec![udp_uniflow(1), tcp_biflow()]));
    let before = peer.received();
    assert_eq!(read_flows(&before.concat()).0, 2);

    clock.advance(Duration::from_secs(59));
    assert!(peer.received().is_empty());
    clock.advance(Duration::from_secs(1));
    let again = peer.received();
    // RFC 7011 §8.4: both Templates, all Options Templates, and no withdrawal among them.
    let templates: Vec<_> = again.iter().filter(|datagram| sets(datagram)[0] == 2).collect();
    assert_eq!(templates.len(), 1);
    assert!(again.iter().any(|datagram| sets(datagram)[0] == 3));
    assert!(again.iter().any(|datagram| sets(datagram)[0] >= 65_000));
    let all = [before, again].concat();
    assert_eq!(read_flows(&all.concat()).0, 2);
    drop(exporter);
}

#[test]
fn templates_are_sent_again_by_number_of_messages() {
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    let (mut config, _) = config(Pace::Replay, &[&url]);
    config.udp.template_refresh_messages = 5;
    let exporter = start(&config);
    send(&exporter, 0..150);
    finish(exporter);
    let datagrams = peer.received();
    let templates = datagrams.iter().filter(|datagram| sets(datagram)[0] == 2).count();
    assert!(templates >= 2 + datagrams.len() / 7, "{templates} of {}", datagrams.len());
}

#[test]
fn live_messages_carry_wall_time_that_never_steps_back() {
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    let clock = Arc::new(TestClock::default());
    let (mut config, _) = config(Pace::Live, &[&url]);
    config.clock = Arc::<TestClock>::clone(&clock);
    let exporter = start(&config);
    send(&exporter, 0..1);
    assert!(peer.received().iter().all(|message| export_time(message) == 1_700_000_000));
    clock.advance(Duration::from_secs(1));
    send(&exporter, 1..2);
    assert_eq!(export_time(&peer.received()[0]), 1_700_000_001);

    // RFC 7011 §8.2: no data may seem older than its Template.
    clock.wall_step.store(-60, Ordering::Relaxed);
    send(&exporter, 2..3);
    assert_eq!(export_time(&peer.received()[0]), 1_700_000_001);
    finish(exporter);
}

#[test]
fn in_a_replay_export_time_is_the_clock_of_the_capture() {
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    let (config, _) = config(Pace::Replay, &[&url]);
    let exporter = start(&config);
    send(&exporter, 0..1);
    finish(exporter);
    assert!(peer.received().iter().all(|message| export_time(message) == 1_700_000_100));
}

#[test]
fn a_udp_collector_that_is_not_there_is_noted_once_and_nothing_stops() {
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    drop(peer);
    let (config, notices) = config(Pace::Replay, &[&url]);
    let exporter = start(&config);
    send(&exporter, 0..5_000);
    let report = finish(exporter);
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("refused"), "{notices:?}");
    assert_eq!(report.sent.records, 5_000);
}

#[test]
fn a_udp_collector_that_is_not_there_is_waited_for_where_records_can_wait() {
    let (peer, url) = UdpPeer::new("127.0.0.1:0");
    let address = peer.0.local_addr().unwrap();
    drop(peer);
    let directory = tempfile::tempdir().unwrap();
    let (mut config, notices) = config(Pace::Live, &[&url]);
    config.spool = Some(spool(directory.path()));
    config.udp.retry_interval = Duration::from_millis(300);
    // The peer has a small buffer.
    config.udp.datagram_rate = 500;
    config.udp.datagram_burst = 4;
    let exporter = start(&config);
    send(&exporter, 0..1_000);
    wait_until(|| !notices.lock().unwrap().is_empty());
    send(&exporter, 1_000..2_000);
    thread::sleep(Duration::from_millis(500));
    let (peer, _) = UdpPeer::new(&address.to_string());
    peer.0.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
    let datagrams = peer.received();
    let report = finish(exporter);
    assert_eq!(read_flows(&datagrams.concat()).0, 2_000);
    assert_eq!((report.sent.records, report.lost_totals().records), (2_000, 0));
    assert!(report.sessions.opened >= 2);
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 2, "{notices:?}");
}

/// A run that ends while its Collector is away; the records it got wait.
fn leave_in_spool(url: &str, spool: &crate::export::SpoolConfig) {
    let (mut config, _) = config(Pace::Live, &[url]);
    config.spool = Some(spool.clone());
    let exporter = start(&config);
    send(&exporter, 0..100);
    assert_eq!(finish(exporter).kept.records, 100);
}

#[test]
fn what_waits_is_found_again_when_only_the_way_to_the_collector_is_told_otherwise() {
    let (listener, url) = tcp_peer();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let directory = tempfile::tempdir().unwrap();
    let key_file = Some(directory.path().join("key"));
    let spool = crate::export::SpoolConfig { key_file, ..spool(directory.path()) };
    leave_in_spool(&url, &spool);

    let listener = TcpListener::bind(address).unwrap();
    let session = thread::spawn(move || read_session(&listener));
    let (mut config, notices) =
        config(Pace::Live, &[&format!("{url}?reconnect=7s&rate=900&source=127.0.0.1")]);
    config.spool = Some(spool);
    let exporter = start(&config);
    // At the end what waits on disk would stay there.
    thread::sleep(Duration::from_millis(1_500));
    let report = finish(exporter);
    assert_eq!((report.carried_over.records, report.sent.records), (100, 100));
    assert_eq!(read_flows(&session.join().unwrap()).0, 100);
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("left 100 flow records in the spool"), "{notices:?}");
}

#[test]
fn what_waits_under_another_key_is_said_to_be_lost() {
    let (listener, url) = tcp_peer();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let directory = tempfile::tempdir().unwrap();
    let of_key = |name| crate::export::SpoolConfig {
        key_file: Some(directory.path().join(name)),
        ..spool(directory.path())
    };
    leave_in_spool(&url, &of_key("one"));

    let listener = TcpListener::bind(address).unwrap();
    let session = thread::spawn(move || read_session(&listener));
    let (mut config, notices) = config(Pace::Live, &[&url]);
    config.spool = Some(of_key("other"));
    let report = finish(start(&config));
    assert_eq!(report.lost(LossReason::SpoolDamaged).records, 100);
    assert!(matches!(report.first_error, Some(ExportError::SpoolUnreadable { records: 100, .. })));
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("100 flow records") && notices[0].contains("--spool-key"));
    drop(session);
}

#[test]
fn the_spool_holds_only_what_may_leave() {
    let (listener, url) = tcp_peer();
    drop(listener);
    let directory = tempfile::tempdir().unwrap();
    let key_file = Some(directory.path().join("key"));
    let spool = crate::export::SpoolConfig { key_file, ..spool(directory.path()) };
    let private = format!("{url}?privacy=obfuscated");
    leave_in_spool(&private, &spool);
    leave_in_spool(&url, &spool);

    let waiting = |url: &str| {
        let place = place_in_spool(&[url.parse().unwrap()], Share::ALL);
        let now = crate::time::Timestamp::from_parts(1_700_000_000, 0);
        let mut opened = Spool::open(&spool, &place, "", now).unwrap().0;
        let mut sets = Vec::new();
        while let Some(stored) = opened.next() {
            sets.extend(stored.body.sets);
        }
        sets
    };
    // Each has its own: what was told as it is does not leave under a policy that came later.
    let destination =
        |sets: &[u8]| sets.windows(4).filter(|octets| *octets == [198, 51, 100, 7]).count();
    let (private, plain) = (waiting(&private), waiting(&url));
    assert_eq!((destination(&private), destination(&plain)), (0, 100));
    assert!(private.len() > 100 * 60, "there are 100 records");
}

#[test]
fn sums_wait_in_the_spool_and_are_sent_by_the_next_run() {
    let (listener, url) = tcp_peer();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("{url}?privacy=statistical");
    let directory = tempfile::tempdir().unwrap();
    let key_file = Some(directory.path().join("key"));
    let spool = crate::export::SpoolConfig { key_file, ..spool(directory.path()) };
    let (mut config, _) = config(Pace::Live, &[&url]);
    config.spool = Some(spool);
    let exporter = start(&config);
    send(&exporter, 0..100);
    let report = finish(exporter);
    // One direction of a hundred Flows of one class.
    assert_eq!((report.given.records, report.aggregation.records), (100, 100));
    assert_eq!((report.kept.records, report.kept.packets), (1, 1_000));

    let listener = TcpListener::bind(address).unwrap();
    let session = thread::spawn(move || read_session(&listener));
    let exporter = start(&config);
    thread::sleep(Duration::from_millis(1_000));
    let report = finish(exporter);
    assert_eq!((report.carried_over.records, report.sent.records), (1, 1));
    assert_eq!(read_flows(&session.join().unwrap()), (1, 1_000, 150_000));
}

#[test]
fn a_collector_that_is_lost_loses_sums_and_the_books_say_so() {
    let (listener, url) = tcp_peer();
    drop(listener);
    let (config, _) = config(Pace::Live, &[&format!("{url}?privacy=statistical")]);
    let exporter = start(&config);
    send(&exporter, 0..104);
    let report = finish(exporter);
    assert_eq!(report.lost(LossReason::Undelivered).records, 1);
    assert_eq!(report.lost_totals().packets, 1_040);
}

#[test]
fn members_of_a_balanced_group_have_policies_of_their_own() {
    let (first, first_url) = tcp_peer();
    let (second, second_url) = tcp_peer();
    let group = format!("balance:{first_url}?privacy=obfuscated,{second_url}");
    let (config, _) = config(Pace::Replay, &[&group]);
    let exporter = start(&config);
    let sessions = [first, second].map(|peer| thread::spawn(move || read_session(&peer)));
    send(&exporter, 0..1_000);
    let reports = exporter.finish();
    assert!(reports.iter().all(TargetReport::balances));
    let [private, plain] = sessions.map(|session| session.join().unwrap());
    assert_eq!(read_flows(&private).0 + read_flows(&plain).0, 1_000);
    let names = |octets: &[u8]| octets.windows(4).filter(|name| *name == [198, 51, 100, 7]).count();
    assert_eq!((names(&private), names(&plain) as u64), (0, read_flows(&plain).0));
}

fn spool(directory: &std::path::Path) -> crate::export::SpoolConfig {
    crate::export::SpoolConfig {
        directory: directory.to_owned(),
        maximum_octets: 1 << 30,
        maximum_age: Duration::from_secs(3_600),
        key_file: None,
    }
}

#[test]
fn a_session_over_tcp_is_a_stream_of_messages() {
    let (listener, url) = tcp_peer();
    let (config, notices) = config(Pace::Replay, &[&url]);
    let exporter = start(&config);
    let session = thread::spawn(move || read_session(&listener));
    send(&exporter, 0..1_000);
    exporter.send(&batch(vec![tcp_biflow()]));
    let report = finish(exporter);
    let octets = session.join().unwrap();
    assert_eq!(read_flows(&octets), (1_001, 10_018, 1_510_500));
    assert_eq!((report.sent.records, report.lost_totals().records), (1_001, 0));
    assert_eq!(report.message_octets, octets.len() as u64);
    assert_eq!(report.sessions.opened, 1);
    assert!(notices.lock().unwrap().is_empty());
}

#[test]
fn each_session_has_its_own_sequence_and_templates() {
    // RFC 7011 §8.1: templates end with the session. §10: sequence numbers too.
    let (listener, url) = tcp_peer();
    let (config, notices) = config(Pace::Live, &[&url]);
    let exporter = start(&config);
    let (mut stream, _) = listener.accept().unwrap();
    send(&exporter, 0..10);
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut first = Vec::new();
    let _ = stream.read_to_end(&mut first);
    assert_eq!(read_flows(&first).0, 10);

    // The collector goes; what was read by then does not come again, and what follows is not lost.
    drop(stream);
    let again = thread::spawn(move || read_session(&listener));
    send(&exporter, 10..20);
    wait_until(|| notices.lock().unwrap().len() == 2);
    let report = finish(exporter);
    let second = again.join().unwrap();
    assert_eq!(read_flows(&second).0, 10);
    assert_eq!(sequence(&second), 0);
    assert_eq!((report.sent.records, report.lost_totals().records), (20, 0));
    assert_eq!(report.sessions.opened, 2);
    let notices = notices.lock().unwrap();
    assert!(notices[0].contains("broken") && notices[1].contains("restored"), "{notices:?}");
}

#[test]
fn a_collector_that_closed_its_unused_side_goes_on_receiving() {
    let (listener, url) = tcp_peer();
    let (config, notices) = config(Pace::Replay, &[&url]);
    let exporter = start(&config);
    let (mut stream, _) = listener.accept().unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let session = thread::spawn(move || {
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    });
    send(&exporter, 0..100);
    let report = finish(exporter);
    assert_eq!(read_flows(&session.join().unwrap()).0, 100);
    assert_eq!(report.sent.records, 100);
    assert!(notices.lock().unwrap().is_empty());
}

#[test]
fn in_a_replay_a_collector_has_to_be_there() {
    let (listener, url) = tcp_peer();
    drop(listener);
    let (config, _) = config(Pace::Replay, &[&url]);
    let error = Exporter::start(&config, Vec::new()).unwrap_err();
    assert!(matches!(error, ExportError::Connect { .. }), "{error}");
}

#[test]
fn live_a_collector_is_waited_for_and_missed_once() {
    let (listener, url) = tcp_peer();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (config, notices) = config(Pace::Live, &[&url]);
    let exporter = start(&config);
    send(&exporter, 0..100);
    thread::sleep(Duration::from_millis(400));
    assert_eq!(notices.lock().unwrap().len(), 1);
    let listener = TcpListener::bind(address).unwrap();
    let session = thread::spawn(move || read_session(&listener));
    wait_until(|| notices.lock().unwrap().len() == 2);
    let report = finish(exporter);
    assert_eq!(read_flows(&session.join().unwrap()).0, 100);
    assert_eq!(report.sent.records, 100);
    assert!(report.sessions.failed >= 2);
}

#[test]
fn live_a_start_waits_for_no_collector_that_does_not_answer() {
    let silent = [silent_peer(), silent_peer()];
    let urls: Vec<_> = silent.iter().map(|(_, _, url)| url.as_str()).collect();
    let (mut config, _) = config(Pace::Live, &urls);
    config.tcp.connect_timeout = Duration::from_secs(2);
    #[expect(clippy::disallowed_methods, reason = "a test that measures")]
    let begin = Instant::now();
    let exporter = start(&config);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    // Both are tried side by side, and at once.
    thread::sleep(Duration::from_millis(300));
    drop(exporter);
    let elapsed = begin.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&elapsed), "{elapsed:?}");
}

/// A peer whose queue of connections is full: the next one is not answered.
fn silent_peer() -> (socket2::Socket, Vec<std::net::TcpStream>, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let taken = std::iter::from_fn(|| connect().ok()).collect();
    (socket, taken, format!("tcp://{address}"))
}

#[test]
fn attempts_keep_their_distance_even_at_the_end() {
    // RFC 7011 §10.4.4.
    let (listener, url) = tcp_peer();
    let (mut config, _) = config(Pace::Live, &[&url]);
    config.tcp.reconnect_interval = Duration::from_secs(60);
    let exporter = start(&config);
    drop(listener.accept().unwrap());
    listener.set_nonblocking(true).unwrap();
    thread::sleep(Duration::from_millis(300));
    send(&exporter, 0..100);
    thread::sleep(Duration::from_millis(300));
    let report = finish(exporter);
    assert!(listener.accept().is_err(), "the one attempt of this minute was made");
    assert_eq!(report.lost_totals().records, 100);
}

#[test]
fn a_queue_that_fills_up_is_told_while_its_collector_takes_nothing() {
    let (listener, url) = tcp_peer();
    let (mut config, notices) = config(Pace::Live, &[&url]);
    config.queue_octets = 1 << 20;
    // As long as the thread that sends waits for it, which is not until it is told.
    config.tcp.stall_timeout = Duration::from_secs(60);
    let exporter = start(&config);
    let (stream, _) = listener.accept().unwrap();
    let watch = exporter.watches().all().remove(0);
    let told = || {
        let notices = notices.lock().unwrap();
        notices.iter().filter(|said| said.contains(": the queue is nearly full, ")).count()
    };
    let mut number = 0;
    wait_until(|| {
        send(&exporter, number..number + 1_000);
        number += 1_000;
        told() > 0
    });
    let queue = watch.state().queue.unwrap();
    assert!(is_nearly_full(queue.octets, 1 << 20) && queue.maximum_octets == 1 << 20, "{queue:?}");
    assert!(watch.state().session.unwrap().is_open);
    assert_eq!(told(), 1, "once");
    finish(exporter);
    drop(stream);
}

#[test]
fn a_collector_that_stops_reading_costs_a_replay_its_patience_only() {
    let (listener, url) = tcp_peer();
    let (config, notices) = config(Pace::Replay, &[&url]);
    let exporter = start(&config);
    let _session = listener.accept().unwrap();
    for number in 0..100 {
        send(&exporter, number * 10_000..(number + 1) * 10_000);
    }
    let report = finish(exporter);
    assert_eq!(report.given.records, 1_000_000);
    assert!(report.lost_totals().records > 0);
    let notices = notices.lock().unwrap();
    assert!(notices.iter().any(|notice| notice.contains("took nothing")), "{notices:?}");
}

#[test]
fn live_a_collector_that_stops_reading_costs_bounded_memory_and_counted_records() {
    let (listener, url) = tcp_peer();
    let (mut config, _) = config(Pace::Live, &[&url]);
    config.queue_octets = 100_000;
    config.queue_batches = 10_000;
    config.tcp.stall_timeout = Duration::from_secs(60);
    let exporter = start(&config);
    let _session = listener.accept().unwrap();
    for number in 0..100 {
        send(&exporter, number * 10_000..(number + 1) * 10_000);
    }
    let report = finish(exporter);
    assert_eq!(report.given.records, 1_000_000);
    // The Collector may be given up before all of it is encoded.
    let mut lost = report.lost(LossReason::QueueFull);
    lost += report.lost(LossReason::Undelivered);
    assert!(lost.records > 500_000, "{report:?}");
}

#[test]
fn the_next_member_of_a_failover_group_takes_over_and_hands_back() {
    let (first, first_url) = tcp_peer();
    let (second, second_url) = tcp_peer();
    let (config, notices) = config(Pace::Live, &[&format!("failover:{first_url},{second_url}")]);
    let exporter = start(&config);
    let address = first.local_addr().unwrap();
    let (mut stream, _) = first.accept().unwrap();
    send(&exporter, 0..10);
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    assert_eq!(read_flows(&octets).0, 10);

    drop((stream, first));
    let session = thread::spawn(move || read_session(&second));
    send(&exporter, 10..20);
    wait_until(|| notices.lock().unwrap().len() == 2);
    thread::sleep(Duration::from_millis(300));

    let first = TcpListener::bind(address).unwrap();
    let back = thread::spawn(move || read_session(&first));
    let octets = session.join().unwrap();
    assert_eq!(read_flows(&octets).0, 10);
    send(&exporter, 20..30);
    let report = finish(exporter);
    assert_eq!(read_flows(&back.join().unwrap()).0, 10);
    assert_eq!((report.sent.records, report.lost_totals().records), (30, 0));
}

#[test]
fn members_of_a_balanced_group_share_the_flows() {
    let (first, first_url) = tcp_peer();
    let (second, second_url) = tcp_peer();
    let (config, _) = config(Pace::Replay, &[&format!("balance:{first_url},{second_url}")]);
    let exporter = start(&config);
    let sessions = [first, second].map(|peer| thread::spawn(move || read_session(&peer)));
    send(&exporter, 0..1_000);
    let reports = exporter.finish();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(TargetReport::balances));
    let counts = sessions.map(|session| read_flows(&session.join().unwrap()).0);
    assert_eq!(counts[0] + counts[1], 1_000);
    assert_eq!([reports[0].sent.records, reports[1].sent.records], counts);
    assert!(counts[0] > 400 && counts[1] > 400, "{counts:?}");
}

#[test]
fn a_start_that_fails_does_not_wait_for_the_targets_that_wait() {
    let (_listener, url) = tcp_peer();
    let (away, away_url) = tcp_peer();
    drop(away);
    let targets = [url.as_str(), &away_url, "file:/proc/no such directory/flows.ipfix"];
    let (config, _) = config(Pace::Live, &targets);
    let error = Exporter::start(&config, Vec::new()).unwrap_err();
    assert!(matches!(error, ExportError::Create { .. }), "{error}");
}
