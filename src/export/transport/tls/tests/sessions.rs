//! What a session does once it is open.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;

use rustls::ProtocolVersion;
use socket2::SockRef;

use super::*;
use crate::export::Config;
use crate::export::transport::{ConnectError, connect};

#[test]
fn every_octet_arrives_in_both_versions_of_tls() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let world = World::new();
        let (address, peer) = Behaviour { version: Some(version), ..world.collector() }.read();
        let mut session = world.open(address).unwrap();
        let mut expected = Vec::new();
        for (number, octets) in [16, 464, 1_400, 16_384, 16_385, 65_535].into_iter().enumerate() {
            let message = message(number, octets);
            world.send(&mut session, &message).unwrap();
            expected.extend(message);
        }
        session.look().unwrap();
        world.close(&mut session).unwrap();
        assert!(session.advice().is_none());
        let received = peer.join().unwrap();
        assert_eq!(received.version, Some(version));
        assert!(received.end.is_ok(), "RFC 8446 §6.1: close_notify comes before the end");
        assert!(received.octets == expected);
        assert_eq!(session.delivered_at_end(), 6);
    }
}

#[test]
fn a_target_over_tls_is_connected_to_like_any_other() {
    let world = World::new();
    let (address, peer) = world.collector().read();
    let mut collector = Collector::new(Transport::Tls, "127.0.0.1", address.port());
    collector.options.tls = world.options.clone();
    let settings = Settings::new(&Config::default());
    let mut session = connect(&collector, &settings, &world.clock).unwrap();
    assert_eq!(session.message_size(), 16_384);
    session.send(b"a message", world.patience()).unwrap();
    session.close(Duration::from_secs(2), &*world.clock).unwrap();
    assert_eq!(session.delivered_at_end(), 1);
    assert_eq!(peer.join().unwrap().octets, b"a message");

    let (address, peer) = world.collector().read();
    collector.port = address.port();
    collector.options.tls.name = None;
    let error = connect(&collector, &settings, &world.clock).unwrap_err();
    assert!(matches!(error, ConnectError::Tls(TlsError::WrongName { .. })), "{error:?}");
    assert_eq!(peer.join().unwrap().octets, b"");
}

#[test]
fn a_collector_that_ends_in_order_has_read_what_it_acknowledged() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let world = World::new();
        let behaviour = Behaviour { version: Some(version), ..world.collector() };
        let (address, peer) = behaviour.serve(|mut stream| {
            stream.read_exact(&mut [0; 200]).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        });
        let mut session = world.open(address).unwrap();
        world.send(&mut session, &message(0, 100)).unwrap();
        world.send(&mut session, &message(1, 100)).unwrap();
        peer.join().unwrap();
        let error = world.look_until(&mut session, |_| false).unwrap_err();
        assert_eq!(error.to_string(), "the collector has ended the session");
        assert_eq!(session.delivered_at_end(), 2);
        let error = world.send(&mut session, &message(2, 100)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(session.delivered_at_end(), 2);
    }
}

#[test]
fn a_collector_that_ends_with_messages_unread_has_not_read_them() {
    let world = World::new();
    let (told, untold) = mpsc::channel();
    let (address, peer) = world.collector().serve(move |mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
        untold.recv().unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        // The second Message lies in the receive buffer, so its host answers with a RST.
    });
    let mut session = world.open(address).unwrap();
    world.send(&mut session, &message(0, 100)).unwrap();
    thread::sleep(Duration::from_millis(50));
    world.send(&mut session, &message(1, 100)).unwrap();
    while session.stream.outstanding_octets() > 0 {
        session.look().unwrap();
    }
    told.send(()).unwrap();
    peer.join().unwrap();
    world.look_until(&mut session, |_| false).unwrap_err();
    assert_eq!(session.delivered_at_end(), 0);
}

#[test]
fn the_end_of_tcp_is_not_the_end_of_tls() {
    // RFC 8446 §6.1: without close_notify nobody knows who ended the connection.
    let world = World::new();
    let (address, peer) = world.collector().serve(|mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
    });
    let mut session = world.open(address).unwrap();
    world.send(&mut session, &message(0, 100)).unwrap();
    peer.join().unwrap();
    let error = world.look_until(&mut session, |_| false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(session.delivered_at_end(), 0);
    assert!(world.close(&mut session).is_err());
}

#[test]
fn a_collector_that_dies_takes_with_it_what_it_had_not_read() {
    let world = World::new();
    let (address, peer) = world.collector().serve(|mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
        SockRef::from(&stream.sock).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let mut session = world.open(address).unwrap();
    world.send(&mut session, &message(0, 100)).unwrap();
    peer.join().unwrap();
    world.look_until(&mut session, |_| false).unwrap_err();
    assert!(world.send(&mut session, &message(1, 100)).is_err());
    assert_eq!(session.delivered_at_end(), 0);
}

#[test]
fn what_a_collector_says_is_read_and_forgotten() {
    let world = World::new();
    let (address, peer) = world.collector().serve(|mut stream| {
        stream.write_all(&[7; 100_000]).unwrap();
        stream.conn.refresh_traffic_keys().unwrap();
        stream.write_all(b"with other keys").unwrap();
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    });
    let mut session = world.open(address).unwrap();
    for number in 0..50 {
        world.send(&mut session, &message(number, 1_000)).unwrap();
        session.look().unwrap();
        world.clock.sleep(Duration::from_millis(1));
    }
    world.close(&mut session).unwrap();
    let octets = peer.join().unwrap();
    let expected: Vec<u8> = (0..50).flat_map(|number| message(number, 1_000)).collect();
    assert!(octets == expected, "RFC 8446 §4.6.3: both sides change keys on the way");
}

#[test]
fn a_collector_that_reads_nothing_is_given_up() {
    let world = World::new();
    let (told, untold) = mpsc::channel::<()>();
    let (address, peer) = world.collector().serve(move |mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        let _ = untold.recv();
    });
    let mut session = world.open(address).unwrap();
    let message = message(0, 65_535);
    let mut sent = 0;
    let error = loop {
        match world.send(&mut session, &message) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(sent > 0);
    assert!(session.records.capacity() < 200_000, "one message is held, however many wait");
    assert!(session.delivered_at_end() < sent);
    drop(told);
    peer.join().unwrap();
}

#[test]
fn a_run_that_is_abandoned_waits_for_nobody() {
    let world = World::new();
    let (told, untold) = mpsc::channel::<()>();
    let (address, peer) = world.collector().serve(move |mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        let _ = untold.recv();
    });
    let mut session = world.open(address).unwrap();
    world.run.abandon();
    let minute = Duration::from_secs(60);
    let patience = Patience { running: minute, over: minute, ..world.patience() };
    let message = message(0, 65_535);
    while session.send(&message, patience).is_ok() {}
    drop(told);
    peer.join().unwrap();
}

#[test]
fn closing_waits_for_a_slow_collector_but_not_for_a_stalled_one() {
    let world = World::new();
    let (address, peer) = world.collector().serve(|mut stream| {
        let mut octets = Vec::<u8>::new();
        let mut part = [0; 16_384];
        loop {
            thread::sleep(Duration::from_millis(2));
            match stream.read(&mut part).unwrap() {
                0 => return octets.len(),
                count => octets.extend(&part[..count]),
            }
        }
    });
    let mut session = world.open(address).unwrap();
    for number in 0..40 {
        world.send(&mut session, &message(number, 65_535)).unwrap();
    }
    world.close(&mut session).unwrap();
    assert_eq!(peer.join().unwrap(), 40 * 65_535);

    let (told, untold) = mpsc::channel::<()>();
    let (address, peer) = world.collector().serve(move |mut stream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        let _ = untold.recv();
    });
    let mut session = world.open(address).unwrap();
    let message = message(0, 65_535);
    while world.send(&mut session, &message).is_ok() {}
    assert!(session.close(Duration::from_millis(200), &*world.clock).is_err());
    drop(told);
    peer.join().unwrap();
}

#[test]
fn a_collector_that_has_enough_of_us_says_so() {
    let world = World::new();
    let (address, peer) = world.collector().serve(|mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
        // A record that is none makes our side send an alert; the other way round a peer has to
        // be made to: it cannot decrypt what is not encrypted.
        stream.sock.write_all(&[23, 3, 3, 0, 32]).unwrap();
        stream.sock.write_all(&[0; 32]).unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
        let mut octets = Vec::new();
        let error = stream.read_to_end(&mut octets).unwrap_err();
        error.to_string()
    });
    let mut session = world.open(address).unwrap();
    world.send(&mut session, &message(0, 100)).unwrap();
    let error = world.look_until(&mut session, |_| false).unwrap_err();
    assert!(error.to_string().contains("decrypt"), "{error}");
    assert!(peer.join().unwrap().contains("BadRecordMac"));
    assert_eq!(session.delivered_at_end(), 0);
}

#[test]
fn a_session_of_tls_1_2_ends_before_its_keys_are_used_up() {
    for (version, wanted) in [(ProtocolVersion::TLSv1_2, true), (ProtocolVersion::TLSv1_3, false)] {
        let world = World::new();
        let (address, peer) = Behaviour { version: Some(version), ..world.collector() }.read();
        let mut session = world.open(address).unwrap();
        world.send(&mut session, &message(0, 16_385)).unwrap();
        assert_eq!(session.records_sent, 2);
        assert!(!session.wants_renewal());
        session.records_sent = RECORDS_OF_TLS_1_2;
        assert_eq!(session.wants_renewal(), wanted);
        world.close(&mut session).unwrap();
        peer.join().unwrap();
    }
}
