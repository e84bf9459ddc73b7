//! E-61 to E-68: transports (RFC 7011 §10).

#![expect(clippy::indexing_slicing, reason = "what is wrong here fails the test that asked")]

use std::io::ErrorKind;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use flowtap::export::{Collector, Config, Exporter, Pace, Target};

use super::exporter::{TestClock, batch, config, over_udp};
use crate::peers::{tshark, tshark_field};
use crate::program::wait_until;
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::records::{plain, varied_records};
use crate::replayed::{Replayed, cases};
use crate::run::FLOWTAP;
use crate::strict::{Session, Sums};
use crate::wire::{COLLECTOR, Wire};

#[test]
fn e61_default_ports_are_those_of_ipfix() {
    // RFC 7011 §10.1; others are the user's choice.
    for (url, port) in [
        ("udp://c", 4739),
        ("tcp://[2001:db8::1]", 4739),
        ("sctp://c", 4739),
        ("tls://c", 4740),
        ("udp://c:2055", 2055),
        ("tls://c:4739", 4739),
    ] {
        assert_eq!(url.parse::<Collector>().unwrap().port, port, "{url}");
    }
}

#[test]
#[ignore = "needs root, ethtool, tcpdump and tshark"]
fn e63_e64_datagrams_fit_the_path_and_have_checksums() {
    // RFC 7011 §10.3.2: the checksum of UDP is never zero; §10.3.3: IP, UDP and Message together are
    // no larger than the path takes, so there are no fragments.
    let test = "conformance::transport::e63_e64_datagrams_fit_the_path_and_have_checksums";
    for mtu in [1280, 1400, 1500] {
        Wire::run(test, mtu, |wire| {
            let [v4, v6] = COLLECTOR;
            for (host, headers) in [(v4.to_owned(), 28), (format!("[{v6}]"), 48)] {
                let [sample, many] = cases();
                for case in [sample, many] {
                    let recording = wire.record();
                    let collector = UdpReceiver::start_at(&format!("{host}:4739"));
                    let target = format!("udp://{host}");
                    let replayed =
                        Replayed::by(&mut wire.exporter(FLOWTAP), &case.capture, &target);
                    let datagrams = collector.finish();
                    let (path, _folder) = recording.finish();
                    let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
                    let sent = replayed.sent;
                    let Sums { flows, packets, octets } = session.sums();
                    assert_eq!([flows, packets, octets], [sent.flows, sent.packets, sent.octets]);
                    // It uses what there is, and no more.
                    let largest = datagrams.iter().map(Vec::len).max().unwrap();
                    assert!(largest + headers <= mtu.into(), "{largest}");
                    assert!(largest + headers > usize::from(mtu) - 200, "{largest}");
                    let seen = |field: &str| {
                        let mut tshark = tshark(&path);
                        tshark.args(["-o", "udp.check_checksum:TRUE", "-Y", "udp.port == 4739"]);
                        tshark_field(tshark, field)
                    };
                    assert_eq!(seen("udp.length").len(), datagrams.len());
                    // 1 is good.
                    assert!(seen("udp.checksum.status").iter().all(|status| status == "1"));
                    assert!(seen("udp.checksum").iter().all(|checksum| checksum != "0x0000"));
                    assert!(seen("ip.flags.df").iter().all(|flag| flag == "1" || flag == "True"));
                    let fragments = tshark(&path)
                        .args(["-Y", "ip.flags.mf == 1 || ip.frag_offset > 0 || ipv6.fraghdr"])
                        .output()
                        .unwrap();
                    assert_eq!(String::from_utf8_lossy(&fragments.stdout), "");
                }
            }
        });
    }
}

#[test]
fn e65_every_template_and_record_fits_the_smallest_datagram() {
    // RFC 7011 §3.4, §10.3.3: none can be divided over Messages, so less is refused.
    let (_, session) = over_udp("mtu=512", &[&varied_records()]);
    assert!(session.messages.iter().all(|message| message.length <= 512 - 28));
    let Sums { flows, .. } = session.sums();
    assert_eq!(flows, u64::try_from(varied_records().len()).unwrap());
    assert!(session.options(339).count() > 5, "the longest of all records are among them");
    let refused = "udp://c?mtu=511".parse::<Target>().unwrap_err().to_string();
    assert!(refused.contains("512 to 65535"), "{refused}");
    let mut config = config(Pace::Replay, &["tcp://127.0.0.1:9".to_owned()]);
    config.tcp.message_size = 100;
    assert!(Exporter::start(&config, Vec::new()).is_err());
}

#[test]
fn e66_several_collectors_have_their_own_sessions() {
    // RFC 7011 §10.3.5: each its own sequence, Templates and timers; what one is told does not
    // depend on the others.
    let one = UdpReceiver::start();
    let other = UdpReceiver::start();
    let third = TcpReceiver::start();
    let targets = [
        format!("udp://{}", one.address()),
        format!("udp://{}?profile=goflow2&observation_domain=9&mtu=600", other.address()),
        format!("tcp://{}?time=ns&profile=ipfixcol2", third.address()),
    ];
    let records = varied_records();
    let reports = super::exporter::export(&config(Pace::Replay, &targets), &[&records]);
    // They come from sockets of their own.
    assert_ne!(one.senders(), other.senders());
    let of = |receiver: UdpReceiver| {
        let datagrams = receiver.finish();
        Session::of_datagrams(datagrams.iter().map(Vec::as_slice))
    };
    let sessions = [of(one), of(other), Session::of_stream(&third.finish()[0])];
    for (session, report) in sessions.iter().zip(&reports) {
        let Sums { flows, packets, octets } = session.sums();
        let sent = report.sent;
        assert_eq!([flows, packets, octets], [sent.records, sent.packets, sent.octets]);
        assert_eq!(session.messages[0].sequence, 0);
    }
    assert!(sessions[1].sums().flows > sessions[0].sums().flows, "uniflows");
    assert!(
        sessions[1].messages.iter().all(|message| message.domain == 9 && message.length <= 572)
    );
    assert!(sessions[2].flows().all(|flow| flow.iana(156).is_some()));
}

#[test]
fn e67_a_lone_record_is_not_kept_waiting() {
    // RFC 7011 §10.4.3: a Message may be short for the sake of time.
    let (tcp, udp) = (TcpReceiver::start(), UdpReceiver::start());
    let targets = [format!("tcp://{}", tcp.address()), format!("udp://{}", udp.address())];
    let exporter = Exporter::start(&config(Pace::Live, &targets), Vec::new()).unwrap();
    exporter.send(&batch(&[plain(1)]));
    // The default is half a second; what follows would come later than this test waits.
    wait_until("the record over TCP", || {
        let streams = tcp.so_far();
        streams.first().is_some_and(|stream| holds_a_flow(stream))
    });
    wait_until("the record over UDP", || holds_a_flow(&udp.so_far().concat()));
    assert!(Config::default().flush_timeout <= Duration::from_secs(1));
    exporter.finish();
}

#[test]
fn e68_connections_are_tried_once_a_minute_by_default() {
    // RFC 7011 §10.4.4.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let target = format!("tcp://{}", listener.local_addr().unwrap());
    let clock = TestClock::at(1_800_000_000);
    let mut config = config(Pace::Live, &[target]);
    config.clock = clock.clone();
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    // Takes a connection, and ends it at once.
    let attempts = || {
        let mut attempts = 0;
        for _ in 0..30 {
            match listener.accept() {
                Ok(_) => attempts += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    exporter.send(&batch(&[plain(1)]));
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => panic!("{error}"),
            }
        }
        attempts
    };
    assert_eq!(attempts(), 1, "at the start");
    // A session that was lost is opened again at once (§10.4.4 asks for that), but no two attempts
    // are within a minute.
    let mut passed = 0;
    let mut second_at = None;
    while passed < 130 && second_at.is_none() {
        clock.advance(10);
        passed += 10;
        if attempts() > 0 {
            second_at = Some(passed);
        }
    }
    assert!(second_at.is_some_and(|at| (60..=130).contains(&at)), "{second_at:?}");
    drop(exporter);
}

fn holds_a_flow(stream: &[u8]) -> bool {
    let mut rest = stream;
    let mut found = false;
    while let Some(length) = rest.get(2..4) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let Some(message) = rest.get(..length) else { break };
        found |=
            super::exporter::split_sets(message).iter().any(|(id, _)| (256..60_000).contains(id));
        rest = &rest[length..];
    }
    found
}
