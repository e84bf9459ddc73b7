use std::io::Read;
use std::net::{Shutdown, TcpListener};
use std::thread::{self, JoinHandle};

use socket2::SockRef;

use super::*;
use crate::export::clock::SystemClock;
use crate::export::target::Transport;
use crate::export::testing::{account, batch, read_strictly, tcp_biflow, udp_uniflow};

fn listener() -> (TcpListener, Collector) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Collector::new(Transport::Tcp, "127.0.0.1", port))
}

fn config(pace: Pace) -> Config {
    Config {
        pace,
        flush_timeout: Duration::ZERO,
        drain_timeout: Duration::from_millis(300),
        tcp: TcpConfig {
            message_size: 1_000,
            reconnect_interval: Duration::from_millis(100),
            stall_timeout: Duration::from_millis(300),
            ..TcpConfig::default()
        },
        ..Config::default()
    }
}

fn connect(collector: &Collector, config: &Config) -> Result<(TcpSink, Arc<Ending>), ExportError> {
    let ending = Arc::new(Ending::default());
    let sink = TcpSink::connect(collector, "tcp://collector", config, Arc::clone(&ending))?;
    Ok((sink, ending))
}

/// Reads a session to its end.
fn read_session(listener: &TcpListener) -> JoinHandle<Vec<u8>> {
    let (mut stream, _) = listener.accept().unwrap();
    thread::spawn(move || {
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    })
}

#[test]
fn a_session_is_a_stream_of_messages() {
    let (listener, collector) = listener();
    let (mut sink, _) = connect(&collector, &config(Pace::Replay)).unwrap();
    let session = read_session(&listener);
    let (mut account, notices) = account();
    sink.write(&batch((0..1_000).map(udp_uniflow).collect()), &mut account).unwrap();
    sink.write(&batch(vec![tcp_biflow()]), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    drop(sink);
    let octets = session.join().unwrap();
    assert_eq!(read_strictly(&octets), (1_001, 10_018, 1_510_500));
    let report = account.into_report(String::new());
    assert_eq!((report.sent.records, report.lost_totals().records), (1_001, 0));
    assert_eq!(report.message_octets, octets.len() as u64);
    assert!(notices.lock().unwrap().is_empty());
}

#[test]
fn each_session_has_its_own_sequence_and_templates() {
    // RFC 7011 §8.1: templates end with the session. §10: sequence numbers too.
    let (listener, collector) = listener();
    let (mut sink, _) = connect(&collector, &config(Pace::Live)).unwrap();
    let (mut account, notices) = account();
    let first = read_one_message(&listener, &mut sink, &mut account);
    assert_eq!(read_strictly(&first).0, 10);

    // The collector is gone; its host resets what comes now, and none of it is lost.
    sink.write(&batch((10..20).map(udp_uniflow).collect()), &mut account).unwrap();
    sink.end_message(&mut account).unwrap();
    let again = thread::spawn(move || {
        let session = read_session(&listener);
        session.join().unwrap()
    });
    sink.finish(&mut account).unwrap();
    drop(sink);
    let second = again.join().unwrap();
    assert_eq!(read_strictly(&second).0, 10);
    assert_eq!(second[8..12], [0; 4]);
    let report = account.into_report(String::new());
    assert_eq!((report.sent.records, report.lost_totals().records), (20, 0));
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].contains("broken") && notices[1].contains("restored"), "{notices:?}");
}

/// Ten records in one message, read by a collector that then closes the session.
fn read_one_message(listener: &TcpListener, sink: &mut TcpSink, account: &mut Account) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    sink.write(&batch((0..10).map(udp_uniflow).collect()), account).unwrap();
    sink.end_message(account).unwrap();
    let mut octets = vec![0; 16];
    stream.read_exact(&mut octets).unwrap();
    let length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
    octets.resize(length, 0);
    stream.read_exact(&mut octets[16..]).unwrap();
    octets
}

#[test]
fn a_collector_that_closed_its_unused_side_goes_on_receiving() {
    let (listener, collector) = listener();
    let (mut sink, _) = connect(&collector, &config(Pace::Replay)).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let session = thread::spawn(move || {
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    });
    let (mut account, notices) = account();
    sink.write(&batch((0..100).map(udp_uniflow).collect()), &mut account).unwrap();
    sink.finish(&mut account).unwrap();
    drop(sink);
    assert_eq!(read_strictly(&session.join().unwrap()).0, 100);
    assert!(notices.lock().unwrap().is_empty());
}

#[test]
fn in_a_replay_a_collector_has_to_be_there() {
    let (listener, collector) = listener();
    drop(listener);
    let error = connect(&collector, &config(Pace::Replay)).unwrap_err();
    assert!(matches!(error, ExportError::Connect { .. }), "{error}");
}

#[test]
fn live_a_collector_is_waited_for_and_missed_once() {
    let (listener, collector) = listener();
    drop(listener);
    let (mut sink, _) = connect(&collector, &config(Pace::Live)).unwrap();
    let (mut account, notices) = account();
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(60));
        sink.tick(&mut account).unwrap();
    }
    assert_eq!(notices.lock().unwrap().len(), 1);

    let listener = TcpListener::bind(("127.0.0.1", collector.port)).unwrap();
    sink.write(&batch((0..10).map(udp_uniflow).collect()), &mut account).unwrap();
    let session = read_session(&listener);
    sink.finish(&mut account).unwrap();
    drop(sink);
    assert_eq!(read_strictly(&session.join().unwrap()).0, 10);
    assert_eq!(notices.lock().unwrap().len(), 2);
    assert_eq!(account.into_report(String::new()).sent.records, 10);
}

#[test]
fn attempts_keep_their_distance_even_at_the_end() {
    // RFC 7011 §10.4.4.
    let (listener, collector) = listener();
    drop(listener);
    let mut config = config(Pace::Live);
    config.tcp.reconnect_interval = Duration::from_secs(60);
    let (mut sink, ending) = connect(&collector, &config).unwrap();
    let (mut account, _) = account();
    let clock = SystemClock::new();
    ending.finish();
    let error = sink.write(&batch(vec![udp_uniflow(1)]), &mut account).unwrap_err();
    assert!(matches!(error, ExportError::Unreachable { .. }), "{error}");
    assert!(clock.monotonic() < Duration::from_secs(5));
}

#[test]
fn a_collector_that_stops_reading_is_given_up_and_the_rest_is_counted() {
    let (listener, collector) = listener();
    let (mut sink, ending) = connect(&collector, &config(Pace::Replay)).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let (mut account, _) = account();
    // More than two socket buffers take.
    let records: Vec<_> = (0..200_000).map(udp_uniflow).collect();
    let error = sink.write(&batch(records), &mut account).unwrap_err();
    assert!(matches!(error, ExportError::Stalled { .. }), "{error}");
    ending.finish();
    sink.finish(&mut account).unwrap();
    assert!(listener.set_nonblocking(true).is_ok() && listener.accept().is_err(), "given up");
    drop(stream);
    let report = account.into_report(String::new());
    let (sent, lost) = (report.sent, report.lost(LossReason::SessionBroken));
    assert!(sent.records > 0 && lost.records > 0, "{report:?}");
    assert_eq!(sent.packets, sent.records * 10);
}

#[test]
fn at_the_end_a_collector_that_stops_reading_has_limited_time() {
    let (listener, collector) = listener();
    let (mut sink, ending) = connect(&collector, &config(Pace::Replay)).unwrap();
    let (stream, _) = listener.accept().unwrap();
    // Small buffers, so that a few messages fill them.
    SockRef::from(&sink.session.as_ref().unwrap().stream).set_send_buffer_size(4_096).unwrap();
    SockRef::from(&stream).set_recv_buffer_size(4_096).unwrap();
    let (mut account, _) = account();
    ending.finish();
    let records: Vec<_> = (0..50_000).map(udp_uniflow).collect();
    let outcome =
        sink.write(&batch(records), &mut account).and_then(|()| sink.finish(&mut account));
    drop(stream);
    assert!(matches!(outcome, Err(ExportError::Stalled { .. })), "{outcome:?}");
    let report = account.into_report(String::new());
    assert!(report.lost(LossReason::SessionBroken).records > 0, "{report:?}");
}

#[test]
fn what_a_reset_collector_did_not_acknowledge_is_lost_and_counted() {
    let (listener, collector) = listener();
    let (mut sink, _) = connect(&collector, &config(Pace::Live)).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let (mut account, _) = account();
    for chunk in 0..100 {
        let records = (chunk * 100..(chunk + 1) * 100).map(udp_uniflow).collect();
        sink.write(&batch(records), &mut account).unwrap();
    }
    // Closing with unread octets resets the session.
    drop(stream);
    while sink.session.is_some() {
        sink.tick(&mut account).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let session = thread::spawn(move || read_session(&listener).join().unwrap());
    sink.finish(&mut account).unwrap();
    drop(sink);
    // What was in the message in hand comes through.
    let rest = read_strictly(&session.join().unwrap()).0;
    let report = account.into_report(String::new());
    assert_eq!(report.sent.records + report.lost_totals().records, 10_000);
    assert!(report.sent.records >= rest);
}
