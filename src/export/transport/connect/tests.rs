use std::net::TcpListener;

use socket2::SockRef;

use super::*;
use crate::export::transport::testing::{
    Waiting, clock, collector as collector_at, message, settings,
};

fn refused(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Connect(error) if error.kind() == ErrorKind::ConnectionRefused)
}

/// A port where nobody listens.
fn nobody(address: &str) -> SocketAddr {
    TcpListener::bind(address).unwrap().local_addr().unwrap()
}

#[test]
fn a_session_is_opened_with_the_address_the_name_has() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let collector = collector_at(Transport::Tcp, listener.local_addr().unwrap());
        let mut session = connect(&collector, &settings(), &clock()).unwrap();
        listener.accept().unwrap();
        assert_eq!(session.message_size(), 16_384);
        session.look().unwrap();

        let listener = UdpSocket::bind(address).unwrap();
        let collector = collector_at(Transport::Udp, listener.local_addr().unwrap());
        let mut session = connect(&collector, &settings(), &clock()).unwrap();
        let waiting = Waiting::new();
        session.send(&message(7, 100), waiting.patience()).unwrap();
        let mut octets = [0; 200];
        assert_eq!(listener.recv(&mut octets).unwrap(), 100);
    }
}

#[test]
fn a_collector_that_is_not_there_refuses() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let collector = collector_at(Transport::Tcp, nobody(address));
        let error = connect(&collector, &settings(), &clock()).unwrap_err();
        assert!(refused(&error), "{error}");
    }
}

#[test]
fn a_collector_that_never_answers_has_limited_time() {
    // A listener whose queue is full says nothing to anybody else.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let attempt = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let queued: Vec<_> = std::iter::repeat_with(attempt).take(10).map_while(Result::ok).collect();
    assert!(queued.len() < 10);

    let clock = clock();
    let begin = clock.monotonic();
    let error = connect(&collector_at(Transport::Tcp, address), &settings(), &clock).unwrap_err();
    let ConnectError::Connect(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(clock.monotonic() - begin >= Duration::from_millis(250));
}

#[test]
fn a_host_without_address_is_an_error_of_its_own() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Sctp] {
        let collector = Collector::new(transport, "no-such-host.invalid", 4739);
        let error = connect(&collector, &settings(), &clock()).unwrap_err();
        assert!(matches!(error, ConnectError::Resolve(_)), "{error}");
    }
}

#[test]
fn addresses_are_tried_in_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let (gone, gone6) = (nobody("127.0.0.1:0"), nobody("[::1]:0"));
    let open = |address, source| tcp_stream(address, source, None, Duration::from_secs(1));
    let stream = each_address(vec![gone6, gone, there], None, open).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), there);
    let error = each_address(vec![gone6, gone], None, open).unwrap_err();
    assert!(refused(&error), "{error}");
    let error = each_address(Vec::new(), None, open).unwrap_err();
    assert!(matches!(error, ConnectError::Connect(_)), "{error}");
}

#[test]
fn names_of_this_machine_are_resolved() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let collector =
        Collector::new(Transport::Tcp, "localhost", listener.local_addr().unwrap().port());
    connect(&collector, &settings(), &clock()).unwrap();
}

#[test]
fn sessions_come_from_the_source_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut there = collector_at(Transport::Tcp, listener.local_addr().unwrap());
    there.options.source = Some("127.0.0.9".parse().unwrap());
    let _session = connect(&there, &settings(), &clock()).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), there.options.source.unwrap());

    for (address, source) in [("127.0.0.1:0", "127.0.0.9"), ("[::1]:0", "::1")] {
        let listener = UdpSocket::bind(address).unwrap();
        let mut there = collector_at(Transport::Udp, listener.local_addr().unwrap());
        there.options.source = Some(source.parse().unwrap());
        let mut session = connect(&there, &settings(), &clock()).unwrap();
        session.send(&message(0, 100), Waiting::new().patience()).unwrap();
        let (_, from) = listener.recv_from(&mut [0; 200]).unwrap();
        assert_eq!(from.ip(), there.options.source.unwrap());
    }
}

#[test]
fn a_source_address_leaves_out_the_other_family() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let mut tried = Vec::new();
    let source = Some("127.0.0.9".parse().unwrap());
    each_address(vec![nobody("[::1]:0"), there], source, |address, source| {
        tried.push(address);
        tcp_stream(address, source, None, Duration::from_secs(1))
    })
    .unwrap();
    assert_eq!(tried, [there]);

    let mut collector = collector_at(Transport::Tcp, there);
    collector.options.source = Some("::1".parse().unwrap());
    let error = connect(&collector, &settings(), &clock()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot connect: the source address is IPv6, and no address of the host is"
    );
    // One that is not ours.
    collector.options.source = Some("192.0.2.1".parse().unwrap());
    let error = connect(&collector, &settings(), &clock()).unwrap_err();
    let ConnectError::Connect(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

#[test]
fn a_link_local_source_is_one_of_the_link_of_the_collector() {
    let far = SocketAddrV6::new("fe80::2".parse().unwrap(), 4739, 0, 3).into();
    let own = |source: &str| own_address(source.parse().unwrap(), far).unwrap().to_string();
    assert_eq!(own("fe80::1"), "[fe80::1%3]:0");
    assert_eq!(own("2001:db8::1"), "[2001:db8::1]:0");
}

#[test]
fn the_mtu_of_a_collector_limits_packets_of_every_transport() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut there = collector_at(Transport::Tcp, listener.local_addr().unwrap());
    there.options.mtu = Some(1_000);
    let stream = connect_tcp(&there, &settings()).unwrap();
    // Time stamps take some of it.
    let segment = SockRef::from(&stream).tcp_mss().unwrap();
    assert!((900..=960).contains(&segment), "{segment}");

    there.transport = Transport::Udp;
    let session = connect(&there, &settings(), &clock()).unwrap();
    assert_eq!(session.message_size(), 972);

    let [v4, v6] = ["192.0.2.1:4739", "[2001:db8::1]:4739"].map(|text| text.parse().unwrap());
    assert_eq!(sctp_message_size(v4, Some(1_000), 16_384), 1_000 - 20 - 12 - 16);
    assert_eq!(sctp_message_size(v6, Some(1_000), 16_384), 1_000 - 40 - 12 - 16);
    assert_eq!(sctp_message_size(v6, None, 16_384), 16_384);

    there.options.mtu = Some(511);
    let error = connect(&there, &settings(), &clock()).unwrap_err();
    assert!(matches!(error, ConnectError::Unsupported(_)), "{error}");
}

#[test]
fn a_kernel_without_sctp_is_told_how_to_get_it() {
    let there = collector_at(Transport::Sctp, nobody("127.0.0.1:0"));
    match connect(&there, &settings(), &clock()).unwrap_err() {
        // It has it.
        error @ ConnectError::Connect(_) => assert!(refused(&error), "{error}"),
        error => assert_eq!(
            error.to_string(),
            "this kernel has no SCTP: load the module (modprobe sctp)"
        ),
    }
    for code in [libc::EPROTONOSUPPORT, libc::ESOCKTNOSUPPORT] {
        let error = ConnectError::Connect(io::Error::from_raw_os_error(code));
        assert!(matches!(without_sctp(error), ConnectError::Unsupported(NO_SCTP)));
    }
}

#[test]
fn the_kernel_has_more_patience_than_we() {
    let mut config = Config::default();
    assert_eq!(Settings::new(&config).dead_after, Duration::from_secs(60));
    config.tcp.stall_timeout = Duration::from_secs(300);
    assert_eq!(Settings::new(&config).dead_after, Duration::from_secs(305));
}
