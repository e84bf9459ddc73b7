use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::SocketAddr;

use super::*;
use crate::export::Target;
use crate::export::clock::TestClock;
use crate::export::transport::testing::{Waiting, inside, ip, message};

/// A Collector on loopback.
fn collector(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn session_with(
    collector: SocketAddr,
    mtu: Option<u16>,
    wanted: Option<usize>,
) -> (UdpSession, Arc<TestClock>) {
    let any = if collector.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(collector).unwrap();
    let clock = Arc::new(TestClock::default());
    let session = UdpSession::new(socket, mtu, wanted, Arc::<TestClock>::clone(&clock)).unwrap();
    (session, clock)
}

fn session(collector: SocketAddr) -> (UdpSession, Arc<TestClock>) {
    session_with(collector, None, None)
}

/// Datagrams that arrived; on loopback they are there when `send` returns.
fn received(collector: &UdpSocket) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut buffer = [0; 65_536];
    while let Ok(length) = collector.recv(&mut buffer) {
        datagrams.push(buffer[..length].to_vec());
    }
    datagrams
}

#[test]
fn every_message_is_a_datagram() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let peer = collector(address);
        let (mut session, _) = session(peer.local_addr().unwrap());
        let waiting = Waiting::new();
        let messages: Vec<_> =
            (0..50).map(|number| message(number, 20 * number as usize + 4)).collect();
        for message in &messages {
            session.send(message, waiting.patience()).unwrap();
        }
        assert_eq!(received(&peer), messages, "{address}");
        assert_eq!((session.delivered(), session.delivered_at_end()), (50, 50));
        session.close(Duration::ZERO, &*waiting.clock).unwrap();
        assert!(session.trouble().is_none() && !session.is_refused());
    }
}

#[test]
fn messages_leave_room_for_headers_on_the_path() {
    // RFC 7011 §10.3.3. The MTU of loopback is 65,536.
    for (address, headers) in [("127.0.0.1:0", 28), ("[::1]:0", 48)] {
        let peer = collector(address);
        let size =
            |mtu, wanted| session_with(peer.local_addr().unwrap(), mtu, wanted).0.message_size();
        assert_eq!(size(None, None), 1_500 - headers);
        assert_eq!(size(Some(1_280), None), 1_280 - headers);
        // More than 1,500 only if somebody says that the path takes it.
        assert_eq!(size(Some(9_000), None), 9_000 - headers);
        assert_eq!(size(Some(u16::MAX), None), 65_535 - headers);
        assert_eq!(size(None, Some(500)), 500);
        assert_eq!(size(Some(1_280), Some(9_000)), 1_280 - headers);
        assert_eq!(size(Some(512), None), 512 - headers);
        assert_eq!(size(None, Some(100)), MINIMUM_MESSAGE_SIZE);
    }
}

#[test]
fn a_collector_that_is_not_there_is_told_of_once() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let gone = collector(address).local_addr().unwrap();
        let (mut session, clock) = session(gone);
        let waiting = Waiting::new();
        let mut told = Vec::new();
        for number in 0..200 {
            session.send(&message(number, 100), waiting.patience()).unwrap();
            session.look().unwrap();
            told.extend(session.trouble());
            // Longer than after which a Collector counts as there again, if it takes datagrams.
            clock.advance(Duration::from_secs(61));
            assert!(session.is_refused());
        }
        assert_eq!(told.len(), 1, "{address}: {told:?}");
        assert_eq!(told[0].kind(), ErrorKind::ConnectionRefused);
        assert_eq!(session.delivered(), 200);
    }
}

#[test]
fn no_datagram_is_lost_to_the_refusal_of_another() {
    let peer = collector("127.0.0.1:0");
    let address = peer.local_addr().unwrap();
    drop(peer);
    let (mut session, _) = session(address);
    let waiting = Waiting::new();
    session.send(&message(0, 100), waiting.patience()).unwrap();
    // The refusal of the first waits in the socket when the second is sent.
    let peer = UdpSocket::bind(address).unwrap();
    peer.set_nonblocking(true).unwrap();
    session.send(&message(1, 100), waiting.patience()).unwrap();
    assert_eq!(received(&peer), [message(1, 100)]);
    assert_eq!(session.trouble().unwrap().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_collector_that_was_there_for_a_minute_and_goes_again_is_told_of_again() {
    let peer = collector("127.0.0.1:0");
    let address = peer.local_addr().unwrap();
    drop(peer);
    let (mut session, clock) = session(address);
    let waiting = Waiting::new();
    let send = |session: &mut UdpSession, count: u32| {
        for number in 0..count {
            session.send(&message(number, 100), waiting.patience()).unwrap();
            session.look().unwrap();
        }
        session.trouble().is_some()
    };
    assert!(send(&mut session, 3));
    let peer = UdpSocket::bind(address).unwrap();
    assert!(!send(&mut session, 3));
    drop(peer);
    assert!(!send(&mut session, 3), "it comes and goes: that is known");
    let peer = UdpSocket::bind(address).unwrap();
    assert!(!send(&mut session, 3));
    clock.advance(Duration::from_secs(60));
    assert!(!send(&mut session, 3));
    drop(peer);
    assert!(send(&mut session, 3));
}

thread_local! {
    /// Where the name of the Collector leads.
    static ADDRESSES: RefCell<Vec<SocketAddr>> = const { RefCell::new(Vec::new()) };
}

fn leads_to(addresses: &[SocketAddr]) {
    ADDRESSES.set(addresses.to_vec());
}

fn look_up(_: &Collector) -> Result<Vec<SocketAddr>, ConnectError> {
    match ADDRESSES.take() {
        none if none.is_empty() => Err(ConnectError::Resolve(ErrorKind::TimedOut.into())),
        addresses => {
            leads_to(&addresses);
            Ok(addresses)
        }
    }
}

fn named(host: &str) -> Collector {
    let target: Target = format!("udp://{host}").parse().unwrap();
    let Target::Collector(collector) = target else { panic!("{host}") };
    collector
}

#[test]
fn a_name_that_leads_elsewhere_is_followed() {
    let peer = collector("127.0.0.1:0");
    let here = peer.local_addr().unwrap();
    let elsewhere = "127.0.0.2:4739".parse().unwrap();
    let (session, clock) = session(here);
    let mut session = session.following(&named("collector.example"), look_up);
    let wants_renewal_after = |session: &mut UdpSession, time: Duration| {
        clock.advance(time);
        session.look().unwrap();
        session.wants_renewal()
    };
    leads_to(&[elsewhere]);
    assert!(!wants_renewal_after(&mut session, ASK - Duration::from_secs(1)), "asked too often");
    leads_to(&[elsewhere, here]);
    assert!(!wants_renewal_after(&mut session, ASK), "one of its addresses is as good");
    leads_to(&[]);
    assert!(!wants_renewal_after(&mut session, ASK), "no answer");
    leads_to(&[elsewhere]);
    assert!(wants_renewal_after(&mut session, ASK));
    leads_to(&[here]);
    assert!(wants_renewal_after(&mut session, ASK), "the session that follows asks again");
}

#[test]
fn where_datagrams_are_refused_a_name_is_asked_at_once() {
    let peer = collector("127.0.0.1:0");
    let address = peer.local_addr().unwrap();
    drop(peer);
    let (session, clock) = session(address);
    let mut session = session.following(&named("collector.example"), look_up);
    leads_to(&["127.0.0.2:4739".parse().unwrap()]);
    let waiting = Waiting::new();
    clock.advance(ASK_REFUSED);
    session.send(&message(0, 100), waiting.patience()).unwrap();
    assert!(!session.wants_renewal());
    session.look().unwrap();
    assert!(session.wants_renewal() && session.trouble().is_some());
}

#[test]
fn an_address_is_no_name() {
    let peer = collector("127.0.0.1:0");
    for host in ["127.0.0.1", "[::1]"] {
        let (session, clock) = session(peer.local_addr().unwrap());
        let mut session = session.following(&named(host), |_| panic!("asked"));
        clock.advance(ASK);
        session.look().unwrap();
        assert!(!session.wants_renewal());
    }
}

#[test]
fn a_datagram_too_large_for_the_path_is_refused_and_the_size_is_known_then() {
    for (address, size) in [("127.0.0.1:0", 1_472), ("[::1]:0", 1_452)] {
        let peer = collector(address);
        let (mut session, _) = session(peer.local_addr().unwrap());
        let waiting = Waiting::new();
        // No datagram carries more than 65,535 octets with its headers: EMSGSIZE, as on a path that
        // became narrow.
        session.limit_messages(65_535);
        let outcome = session.send(&message(0, 65_530), waiting.patience());
        assert!(matches!(outcome, Err(SendError::TooLarge)), "{outcome:?}");
        assert_eq!(session.message_size(), size);
        assert_eq!(session.delivered(), 0);
        session.send(&message(0, size), waiting.patience()).unwrap();
        assert_eq!(received(&peer), [message(0, size)]);
    }
}

#[test]
fn where_the_kernel_believes_in_a_wider_path_sizes_are_halved() {
    let peer = collector("127.0.0.1:0");
    let (mut session, clock) = session_with(peer.local_addr().unwrap(), Some(u16::MAX), None);
    assert_eq!(session.message_size(), 65_507);
    session.shrink(40_000);
    assert_eq!(session.message_size(), 20_000);
    // RFC 1191 §6.3: after ten minutes the wider path is tried again.
    clock.advance(Duration::from_secs(599));
    session.look().unwrap();
    assert_eq!(session.message_size(), 20_000);
    clock.advance(Duration::from_secs(1));
    session.look().unwrap();
    assert_eq!(session.message_size(), 65_507);
    session.shrink(500);
    assert_eq!(session.message_size(), MINIMUM_MESSAGE_SIZE);
}

#[test]
fn what_cannot_be_sent_is_told_and_the_session_goes_on() {
    let peer = collector("127.0.0.1:0");
    let (mut session, _) = session(peer.local_addr().unwrap());
    let waiting = Waiting::new();
    // A socket that can send nothing: it has no peer.
    let good = std::mem::replace(&mut session.socket, UdpSocket::bind("127.0.0.1:0").unwrap());
    let outcome = session.send(&message(0, 100), waiting.patience());
    assert!(matches!(outcome, Err(SendError::NotSent(_))), "{outcome:?}");
    session.socket = good;
    session.send(&message(1, 100), waiting.patience()).unwrap();
    assert_eq!((received(&peer).len(), session.delivered()), (1, 1));
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_path_that_becomes_narrow_is_noticed_and_no_datagram_is_cut() {
    let name = "export::transport::udp::tests::\
                a_path_that_becomes_narrow_is_noticed_and_no_datagram_is_cut";
    // Us, a router and the Collector: the device of ours takes 1,500 octets, that of the router
    // behind it 1,000, which only its ICMP tells.
    let lab = [
        "link add up0 netns {n} type veth peer name down0 netns {n}r",
        "link add up1 netns {n}r type veth peer name down1 netns {n}c",
        "-n {n} address add 192.0.2.1/30 dev up0",
        "-n {n}r address add 192.0.2.2/30 dev down0",
        "-n {n}r address add 198.51.100.1/30 dev up1",
        "-n {n}c address add 198.51.100.2/30 dev down1",
        "-n {n} link set up0 up",
        "-n {n}r link set down0 up",
        "-n {n}r link set up1 mtu 1000 up",
        "-n {n}c link set down1 up",
        "-n {n} route add default via 192.0.2.2",
        "-n {n}c route add default via 198.51.100.1",
        "netns exec {n}r sysctl -q net.ipv4.ip_forward=1",
    ];
    inside(name, &lab, || {
        let waiting = Waiting::new();
        // The device of ours first.
        let far: SocketAddr = "198.51.100.2:4739".parse().unwrap();
        let (mut session, _) = session(far);
        assert_eq!(session.message_size(), 1_472);
        ip("link set dev up0 mtu 1200");
        let outcome = session.send(&message(0, 1_472), waiting.patience());
        assert!(matches!(outcome, Err(SendError::TooLarge)), "{outcome:?}");
        assert_eq!(session.message_size(), 1_172);
        // Then that of the router: this one is lost, and the next one learns of it. Nobody listens
        // at the Collector either, so a refusal says that a datagram went all the way.
        session.send(&message(1, 1_172), waiting.patience()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        session.look().unwrap();
        assert_eq!(session.message_size(), 972);
        assert!(session.trouble().is_none());
        session.send(&message(2, 972), waiting.patience()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        session.look().unwrap();
        assert_eq!(session.trouble().unwrap().kind(), ErrorKind::ConnectionRefused);
    });
}
