use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;

use proptest::prelude::*;
use socket2::SockRef;

use super::*;
use crate::export::transport::delivery::End;
use crate::export::transport::testing::{Waiting, inside, ip, look_until_end, message};

fn pair(address: &str) -> (TcpSession, TcpStream) {
    let listener = TcpListener::bind(address).unwrap();
    pair_of(&listener)
}

fn pair_of(listener: &TcpListener) -> (TcpSession, TcpStream) {
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (TcpSession::new(stream, 16_384, Duration::from_secs(60)).unwrap(), peer)
}

fn broken(outcome: Result<(), SendError>) -> io::Error {
    match outcome {
        Err(SendError::Broken(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_are_a_stream_and_closing_drains_it() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (mut session, mut peer) = pair(address);
        assert_eq!(session.message_size(), 16_384);
        let reader = thread::spawn(move || {
            let mut octets = Vec::new();
            peer.read_to_end(&mut octets).map(|_| octets).unwrap()
        });
        let waiting = Waiting::new();
        let mut expected = Vec::new();
        for number in 0..1_000 {
            let message = message(number, 4 + 7 * number as usize);
            session.send(&message, waiting.patience()).unwrap();
            expected.extend_from_slice(&message);
        }
        session.close(Duration::from_secs(5), &*waiting.clock).unwrap();
        assert_eq!(session.delivered_at_end(), 1_000);
        assert!(reader.join().unwrap() == expected, "{address}");
    }
}

#[test]
fn what_is_read_is_delivered_in_time_and_what_may_be_unread_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // So that windows are small from the beginning.
    SockRef::from(&listener).set_recv_buffer_size(16_384).unwrap();
    let (mut session, mut peer) = pair_of(&listener);
    let waiting = Waiting::new();
    let mut buffer = vec![0; 1_000];
    for number in 0..1_000_u32 {
        session.send(&message(number, 1_000), waiting.patience()).unwrap();
        peer.read_exact(&mut buffer).unwrap();
        assert_eq!(buffer[..4], number.to_be_bytes());
        assert!(session.delivered() <= u64::from(number));
    }
    // At most 65,535 octets of window scaling without a shift, and a packet.
    assert!(session.delivered() >= 1_000 - 132, "{}", session.delivered());
    assert!(session.delivered() < 1_000, "the last may be unread, as far as we know");
}

#[test]
fn a_collector_that_stops_reading_has_limited_time() {
    let (mut session, _peer) = pair("127.0.0.1:0");
    let mut waiting = Waiting::new();
    waiting.running = Duration::from_millis(300);
    let begin = waiting.clock.monotonic();
    let error = (0..).find_map(|number| {
        session.send(&message(number, 16_384), waiting.patience()).err().map(|e| broken(Err(e)))
    });
    assert_eq!(error.unwrap().kind(), ErrorKind::TimedOut);
    assert!(waiting.clock.monotonic() - begin >= waiting.running);
    let (delivered, at_end) = (session.delivered(), session.delivered_at_end());
    assert_eq!(delivered, at_end);
}

#[test]
fn at_the_end_there_is_another_limit_and_none_for_what_is_not_wanted() {
    for abandoned in [false, true] {
        let (mut session, _peer) = pair("127.0.0.1:0");
        let mut waiting = Waiting::new();
        waiting.running = Duration::from_secs(1_000);
        waiting.over =
            if abandoned { Duration::from_secs(1_000) } else { Duration::from_millis(200) };
        if abandoned {
            waiting.ending.abandon();
        } else {
            waiting.ending.finish();
        }
        let error = (0..).find_map(|number| {
            session.send(&message(number, 16_384), waiting.patience()).err().map(|e| broken(Err(e)))
        });
        assert_eq!(error.unwrap().kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn closing_gives_up_on_a_collector_that_reads_nothing() {
    let (mut session, _peer) = pair("127.0.0.1:0");
    SockRef::from(&_peer).set_recv_buffer_size(4_096).unwrap();
    let mut waiting = Waiting::new();
    waiting.running = Duration::from_millis(100);
    let mut sent = 0;
    // Half of what the socket takes, so that something waits when the session is closed.
    while session.stream.outstanding_octets() < 100_000 {
        session.send(&message(sent, 16_384), waiting.patience()).unwrap();
        sent += 1;
    }
    let error = session.close(Duration::from_millis(100), &*waiting.clock).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(session.delivered_at_end() < u64::from(sent));
}

#[test]
fn what_a_collector_says_is_read_and_thrown_away() {
    let (mut session, mut peer) = pair("127.0.0.1:0");
    let waiting = Waiting::new();
    peer.write_all(&[7; 10_000]).unwrap();
    session.send(&message(0, 100), waiting.patience()).unwrap();
    session.look().unwrap();
    let reader = thread::spawn(move || {
        let mut octets = Vec::new();
        // A reset in place of a FIN would be an error.
        peer.read_to_end(&mut octets).map(|_| octets.len()).unwrap()
    });
    session.close(Duration::from_secs(5), &*waiting.clock).unwrap();
    drop(session);
    assert_eq!(reader.join().unwrap(), 100);
}

#[test]
fn a_collector_that_closed_its_unused_side_goes_on_receiving() {
    let (mut session, mut peer) = pair("127.0.0.1:0");
    peer.shutdown(Shutdown::Write).unwrap();
    let reader = thread::spawn(move || {
        let mut octets = Vec::new();
        peer.read_to_end(&mut octets).map(|_| octets.len()).unwrap()
    });
    let waiting = Waiting::new();
    for number in 0..100 {
        session.send(&message(number, 1_000), waiting.patience()).unwrap();
    }
    session.close(Duration::from_secs(5), &*waiting.clock).unwrap();
    assert_eq!((session.delivered_at_end(), reader.join().unwrap()), (100, 100_000));
}

#[test]
fn a_collector_that_closed_one_side_and_died_later_has_proved_nothing_by_its_fin() {
    let (mut session, mut peer) = pair("127.0.0.1:0");
    let waiting = Waiting::new();
    session.send(&message(0, 1_000), waiting.patience()).unwrap();
    peer.read_exact(&mut [0; 1_000]).unwrap();
    session.look().unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    for number in 1..10 {
        session.send(&message(number, 1_000), waiting.patience()).unwrap();
    }
    drop(peer);
    look_until_end(&mut session);
    assert!(session.delivered_at_end() <= 1, "nine of ten were unread");
}

#[test]
fn the_message_after_a_collector_has_gone_is_not_taken() {
    let (mut session, mut peer) = pair("127.0.0.1:0");
    let waiting = Waiting::new();
    for number in 0..3 {
        session.send(&message(number, 100), waiting.patience()).unwrap();
    }
    peer.read_exact(&mut [0; 300]).unwrap();
    drop(peer);
    let error = broken(session.send(&message(3, 100), waiting.patience()));
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    assert_eq!(session.stream.end(), Some(End::Finished));
    assert_eq!(session.delivered_at_end(), 3, "they were read: the FIN says so");
}

#[test]
fn an_idle_session_notices_that_the_collector_was_reset() {
    let (mut session, peer) = pair("127.0.0.1:0");
    let waiting = Waiting::new();
    session.send(&message(0, 100), waiting.patience()).unwrap();
    drop(peer);
    assert_eq!(look_until_end(&mut session).kind(), ErrorKind::ConnectionReset);
    assert_eq!((session.stream.end(), session.delivered_at_end()), (Some(End::Broken), 0));
}

#[test]
fn a_collector_that_dies_while_we_close_is_noticed() {
    let (mut session, peer) = pair("127.0.0.1:0");
    let waiting = Waiting::new();
    session.send(&message(0, 100), waiting.patience()).unwrap();
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(peer);
    });
    let error = session.close(Duration::from_secs(5), &*waiting.clock).unwrap_err();
    killer.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(session.delivered_at_end(), 0);
}

/// How a Collector reads before it dies.
#[derive(Clone, Debug)]
struct Reading {
    octets: usize,
    chunk: usize,
    pause: Duration,
    /// Between the last read and death.
    last_words: Duration,
    buffer: Option<usize>,
    messages: Vec<usize>,
    /// Reads what is there at the end, so that its host sends a FIN.
    tidy: bool,
}

fn any_reading() -> impl Strategy<Value = Reading> {
    (
        prop_oneof![0_usize..2_000, 0_usize..3_000_000],
        prop_oneof![100_usize..5_000, 5_000_usize..200_000],
        prop_oneof![3 => Just(0_u64), 1 => 0_u64..200],
        0_u64..30,
        prop::option::of(prop_oneof![Just(4_096_usize), Just(65_536), Just(1 << 20)]),
        prop::collection::vec(prop_oneof![4_usize..1_500, 4_usize..17_000], 1..20),
        any::<bool>(),
    )
        .prop_map(|(octets, chunk, pause, last_words, buffer, messages, tidy)| Reading {
            octets,
            chunk,
            pause: Duration::from_micros(pause),
            last_words: Duration::from_millis(last_words),
            buffer,
            messages,
            tidy,
        })
}

/// Reads as told and dies; how many octets it read.
fn read_and_die(mut peer: TcpStream, reading: &Reading) -> u64 {
    let mut buffer = vec![0; reading.chunk];
    let mut read = 0;
    while read < reading.octets {
        let Ok(count @ 1..) = peer.read(&mut buffer) else { break };
        read += count;
        if !reading.pause.is_zero() {
            thread::sleep(reading.pause);
        }
    }
    thread::sleep(reading.last_words);
    if reading.tidy {
        peer.set_nonblocking(true).unwrap();
        while let Ok(count @ 1..) = peer.read(&mut buffer) {
            read += count;
        }
    }
    drop(peer);
    read as u64
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, cases: 60, max_shrink_iters: 0, ..ProptestConfig::default()
    })]

    /// Whenever a Collector dies, with octets unread or without: what counts as delivered it has
    /// read.
    #[test]
    fn nothing_that_a_dead_collector_left_unread_is_delivered(reading in any_reading()) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Some(buffer) = reading.buffer {
            SockRef::from(&listener).set_recv_buffer_size(buffer).unwrap();
        }
        let (mut session, peer) = pair_of(&listener);
        let waiting = Waiting::new();
        let lengths = reading.messages.clone();
        let reader = thread::spawn(move || read_and_die(peer, &reading));
        let mut ends = Vec::new();
        let mut written = 0;
        for (number, &length) in (0..).zip(lengths.iter().cycle()) {
            match session.send(&message(number, length), waiting.patience()) {
                Ok(()) => {
                    written += length as u64;
                    ends.push(written);
                }
                Err(error) => {
                    broken(Err(error));
                    break;
                }
            }
        }
        let delivered = session.delivered();
        let at_end = session.delivered_at_end();
        let read = reader.join().unwrap();
        let whole = ends.partition_point(|&end| end <= read) as u64;
        prop_assert!(delivered <= at_end);
        prop_assert!(at_end <= whole, "{at_end} delivered, {whole} read");
        if session.stream.end() == Some(End::Finished) {
            prop_assert_eq!(at_end, whole, "a FIN says exactly what was read");
        }
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_peer_that_is_gone_without_a_word_is_noticed_also_while_idle() {
    let name = "export::transport::tcp::tests::\
                a_peer_that_is_gone_without_a_word_is_noticed_also_while_idle";
    inside(name, &[], || {
        for idle in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let _peer = listener.accept().unwrap();
            let mut session = TcpSession::new(stream, 16_384, Duration::from_secs(3)).unwrap();
            let waiting = Waiting::new();
            session.send(&message(0, 100), waiting.patience()).unwrap();
            session.look().unwrap();
            ip("link set dev lo down");
            let begin = waiting.clock.monotonic();
            if !idle {
                session.send(&message(1, 100), waiting.patience()).unwrap();
            }
            let error = look_until_end(&mut session);
            assert!(waiting.clock.monotonic() - begin < Duration::from_secs(9), "{error}");
            assert_eq!((session.stream.end(), session.delivered_at_end()), (Some(End::Broken), 0));
            ip("link set dev lo up");
        }
    });
}
