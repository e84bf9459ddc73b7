//! Over a pair of Unix sockets that keep the boundaries of messages, as SCTP does: there, too, a
//! peer that leaves messages unread resets the connection.

use std::os::fd::AsFd;
use std::thread;

use socket2::SockRef;

use super::*;
use crate::export::transport::testing::{Waiting, look_until_end, message};
use crate::sys::readiness::{self, Readiness};

fn pair() -> (SctpSession, Socket) {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    (SctpSession::with(ours, 16_384, ask_stand_in).unwrap(), theirs)
}

/// Here the kernel counts what was not read, and forgets that when the peer is gone.
fn ask_stand_in(socket: &Socket) -> Option<Association> {
    let outstanding = transport::unacknowledged_octets(socket).ok()?;
    let alive = readiness::wait(&[socket.as_fd()], Duration::ZERO).ok()? != Readiness::Trouble;
    alive.then_some(Association { outstanding, window: outstanding + 1_000 })
}

fn receive(peer: &Socket) -> Option<Vec<u8>> {
    let mut octets = vec![0; 65_536];
    let length = transport::receive_now(peer, &mut octets).unwrap().filter(|&length| length > 0)?;
    octets.truncate(length);
    Some(octets)
}

#[test]
fn every_message_is_a_user_message() {
    let (mut session, peer) = pair();
    let waiting = Waiting::new();
    for number in 0..200 {
        let message = message(number, 4 + 80 * number as usize);
        session.send(&message, waiting.patience()).unwrap();
        assert_eq!(receive(&peer), Some(message));
    }
    assert!(session.delivered() > 150, "{}", session.delivered());
    assert_eq!(session.message_size(), 16_384);
    session.close(Duration::from_secs(1), &*waiting.clock).unwrap();
    assert_eq!(session.delivered_at_end(), 200);
}

#[test]
fn what_may_be_unread_is_not_delivered() {
    let (mut session, peer) = pair();
    let waiting = Waiting::new();
    for number in 0..20 {
        session.send(&message(number, 2_000), waiting.patience()).unwrap();
        receive(&peer).unwrap();
    }
    session.look().unwrap();
    assert!(session.delivered() < 20);
    // An abort, because one message is unread.
    session.send(&message(20, 2_000), waiting.patience()).unwrap();
    drop(peer);
    look_until_end(&mut session);
    assert_eq!(session.delivered_at_end(), session.delivered());
}

#[test]
fn a_collector_that_shuts_down_has_read_what_it_acknowledged_before() {
    let (mut session, peer) = pair();
    let waiting = Waiting::new();
    for number in 0..20 {
        session.send(&message(number, 100), waiting.patience()).unwrap();
        receive(&peer).unwrap();
    }
    // Two looks: one that knows of the acknowledgement, one that knows of no end after it.
    session.look().unwrap();
    session.look().unwrap();
    drop(peer);
    assert_eq!(look_until_end(&mut session).kind(), ErrorKind::ConnectionAborted);
    assert_eq!(session.delivered_at_end(), 20);
    assert!(session.close(Duration::ZERO, &*waiting.clock).is_err());
}

#[test]
fn a_message_after_the_end_is_not_taken() {
    let (mut session, peer) = pair();
    let waiting = Waiting::new();
    drop(peer);
    let outcome = session.send(&message(0, 100), waiting.patience());
    assert!(matches!(outcome, Err(SendError::Broken(_))), "{outcome:?}");
    assert_eq!(session.delivered_at_end(), 0);
}

#[test]
fn a_collector_that_stops_reading_has_limited_time() {
    let (mut session, _peer) = pair();
    let mut waiting = Waiting::new();
    waiting.running = Duration::from_millis(200);
    let error =
        (0..).find_map(|number| session.send(&message(number, 16_384), waiting.patience()).err());
    let Some(SendError::Broken(error)) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn closing_waits_for_what_is_on_its_way_as_long_as_there_is_progress() {
    let (mut session, peer) = pair();
    let waiting = Waiting::new();
    for number in 0..10 {
        session.send(&message(number, 1_000), waiting.patience()).unwrap();
    }
    let reader = thread::spawn(move || {
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(20));
            receive(&peer).unwrap();
        }
        peer
    });
    session.close(Duration::from_millis(500), &*waiting.clock).unwrap();
    assert_eq!(session.delivered_at_end(), 10);
    reader.join().unwrap();

    let (mut session, _peer) = pair();
    session.send(&message(0, 1_000), waiting.patience()).unwrap();
    let error = session.close(Duration::from_millis(50), &*waiting.clock).unwrap_err();
    assert_eq!((error.kind(), session.delivered_at_end()), (ErrorKind::TimedOut, 0));
}

#[test]
fn the_options_are_those_of_sctp() {
    // Where there is SCTP the kernel has to know them; elsewhere it has to say that it does not.
    let (socket, _peer) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    assert!(transport::sctp_window(&socket).is_err());
    assert!(transport::forbid_sctp_delay(&socket).is_err());
    // The memory of a send queue is asked for in one way for all sockets.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream =
        Socket::from(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    assert_eq!(transport::queued_memory(&stream).unwrap(), 0);
    SockRef::from(&stream).set_nonblocking(true).unwrap();
    while stream.send(&[0; 65_536]).is_ok() {}
    assert!(transport::queued_memory(&stream).unwrap() > 65_536);
}
