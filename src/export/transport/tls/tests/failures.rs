//! Collectors that nothing is exported to, and how people learn why.

use std::io::{Read, Write};
use std::thread;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::ProtocolVersion;

use super::certificates::Wanted;
use super::collector::serve_plainly;
use super::*;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

#[test]
fn an_expired_certificate_is_refused() {
    let world = World::new();
    let identity = world.authority.issue(&Wanted { years: (2001, 2002), ..COLLECTOR });
    assert_eq!(
        world.refusal_of(identity).to_string(),
        "the collector's certificate has expired on 2002-01-01T00:00:00Z"
    );
}

#[test]
fn a_certificate_of_the_future_is_refused() {
    let world = World::new();
    let identity = world.authority.issue(&Wanted { years: (2090, 2100), ..COLLECTOR });
    let text = world.refusal_of(identity).to_string();
    let begin =
        "the collector's certificate is not valid before 2090-01-01T00:00:00Z; here it is 2";
    assert!(text.starts_with(begin), "{text}");
}

#[test]
fn an_authority_that_we_do_not_know_is_refused() {
    let world = World::new();
    let identity = Authority::new("another authority").issue(&COLLECTOR);
    let path = world.path("authority.crt");
    assert_eq!(
        world.refusal_of(identity).to_string(),
        format!(
            "the collector's certificate is from `another authority`, which is not among the \
             authorities in {}",
            path.display()
        )
    );
}

#[test]
fn an_authority_of_the_same_name_is_not_the_same() {
    let world = World::new();
    let identity = Authority::new("the authority").issue(&COLLECTOR);
    world.refusal_of(identity);
}

#[test]
fn a_self_signed_certificate_is_refused_unless_it_is_the_authority() {
    let mut world = World::new();
    let identity = Identity::self_signed(&COLLECTOR);
    let text = world.refusal_of(identity.clone()).to_string();
    assert!(text.starts_with("the collector's certificate is self-signed and not in /"), "{text}");

    let (path, _) = identity.write(world.directory.path(), "collector");
    world.options.ca = Some(path);
    let (address, peer) = Behaviour::new(identity, &world.authority).read();
    let mut session = world.open(address).unwrap();
    world.close(&mut session).unwrap();
    peer.join().unwrap();
}

#[test]
fn the_certificate_of_an_authority_is_not_one_of_a_server() {
    let world = World::new();
    let identity = world.authority.issue(&Wanted { is_authority: true, ..COLLECTOR });
    let text = world.refusal_of(identity).to_string();
    assert!(text.contains("CA:TRUE"), "{text}");
}

#[test]
fn a_certificate_for_clients_is_not_one_of_a_server() {
    let world = World::new();
    let purpose = ExtendedKeyUsagePurpose::ClientAuth;
    let identity = world.authority.issue(&Wanted { purpose, ..COLLECTOR });
    let text = world.refusal_of(identity).to_string();
    assert!(text.contains("not for servers"), "{text}");
}

#[test]
fn a_collector_that_refuses_us_gets_nothing() {
    // RFC 5471 §3.7.5; with TLS 1.3 our side of the handshake is complete before it refuses.
    for version in VERSIONS {
        for tickets in [2, 0] {
            let world = World::new();
            let behaviour = Behaviour {
                takes: Some(Authority::new("another authority").pem()),
                version: Some(version),
                tickets,
                ..world.collector()
            };
            let (address, peer) = behaviour.read();
            let error = world.open(address).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the collector refused us: it does not know the authority that issued our \
                 certificate (alert unknown_ca)"
            );
            assert_eq!(peer.join().unwrap().octets, b"");
        }
    }
}

#[test]
fn our_own_certificate_may_be_too_old_for_the_collector() {
    for version in VERSIONS {
        let world = World::new();
        let old = world.authority.issue(&Wanted { years: (2001, 2002), ..EXPORTER });
        old.write(world.directory.path(), "exporter");
        let (address, peer) = Behaviour { version: Some(version), ..world.collector() }.read();
        let error = world.open(address).unwrap_err().to_string();
        assert!(
            error.contains("our certificate has expired (alert certificate_expired)"),
            "{error}"
        );
        assert_eq!(peer.join().unwrap().octets, b"");
    }
}

#[test]
fn a_collector_that_wants_no_certificate_is_told_of() {
    // RFC 7011 §11.2 has both sides show theirs.
    for version in VERSIONS {
        let world = World::new();
        let behaviour = Behaviour { takes: None, version: Some(version), ..world.collector() };
        let (address, peer) = behaviour.read();
        let mut session = world.open(address).unwrap();
        let trouble = session.advice().unwrap().to_string();
        assert!(trouble.contains("did not ask for our certificate"), "{trouble}");
        assert!(session.advice().is_none());
        world.close(&mut session).unwrap();
        peer.join().unwrap();
    }
}

#[test]
fn a_collector_without_tickets_agrees_by_its_silence() {
    let world = World::new();
    let (address, peer) = Behaviour { tickets: 0, ..world.collector() }.read();
    let begin = world.clock.monotonic();
    let mut session = world.open(address).unwrap();
    assert!(world.clock.monotonic() - begin >= world.settings.confirmation);
    world.send(&mut session, b"a message").unwrap();
    world.close(&mut session).unwrap();
    assert_eq!(peer.join().unwrap().octets, b"a message");
}

#[test]
fn a_collector_with_tickets_is_not_waited_for() {
    let mut world = World::new();
    world.settings.confirmation = Duration::from_secs(60);
    let (address, peer) = Behaviour { tickets: 1, ..world.collector() }.read();
    let begin = world.clock.monotonic();
    let mut session = world.open(address).unwrap();
    assert!(world.clock.monotonic() - begin < Duration::from_secs(30));
    world.close(&mut session).unwrap();
    peer.join().unwrap();
}

#[test]
fn a_collector_that_leaves_when_it_knows_us_is_no_session() {
    let world = World::new();
    let (address, peer) = Behaviour { tickets: 0, ..world.collector() }.serve(|mut stream| {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
    });
    let error = world.open(address).unwrap_err();
    assert!(matches!(error, TlsError::Dropped), "{error:?}");
    peer.join().unwrap();
}

#[test]
fn a_collector_without_tls_is_recognised() {
    let world = World::new();
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\x0a\0\x10...........", &[0; 64]] {
        let (address, peer) = serve_plainly(move |mut stream| {
            stream.write_all(answer).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let error = world.open(address).unwrap_err();
        assert!(matches!(error, TlsError::NotTls), "{answer:?}: {error:?}");
        peer.join().unwrap();
    }
}

#[test]
fn a_collector_that_only_listens_is_not_waited_for_for_ever() {
    let mut world = World::new();
    world.settings.handshake_timeout = Duration::from_millis(100);
    let (address, peer) = serve_plainly(|mut stream| stream.read_to_end(&mut Vec::new()));
    let error = world.open(address).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the TLS handshake was not complete after 0.1 s; does the collector speak TLS at this port?"
    );
    peer.join().unwrap().unwrap();
}

#[test]
fn a_collector_that_answers_one_octet_at_a_time_is_not_waited_for_for_ever() {
    let mut world = World::new();
    world.settings.handshake_timeout = Duration::from_millis(200);
    let (address, peer) = serve_plainly(|mut stream| {
        // The beginning of a very long ServerHello.
        for octet in [22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc].into_iter().chain([3; 10_000]) {
            if stream.write_all(&[octet]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    let begin = world.clock.monotonic();
    let error = world.open(address).unwrap_err();
    assert!(matches!(error, TlsError::Timeout(_)), "{error:?}");
    assert!(world.clock.monotonic() - begin < Duration::from_secs(5));
    peer.join().unwrap();
}

#[test]
fn a_collector_that_hangs_up_is_told_from_one_that_answers() {
    let world = World::new();
    let (address, peer) = serve_plainly(|mut stream| {
        let _ = stream.read(&mut [0; 8_192]);
    });
    let error = world.open(address).unwrap_err();
    assert!(matches!(error, TlsError::Closed), "{error:?}");
    peer.join().unwrap();
}

#[test]
fn tls_1_1_is_not_spoken() {
    // RFC 8996; RFC 7011 §11.1 would allow it.
    let world = World::new();
    let alert: &[u8] = &[21, 3, 2, 0, 2, 2, 70];
    let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]); // Random
    hello.extend([0, 0, 0x2f, 0]); // no session, AES128-SHA, no compression
    for answer in [alert.to_vec(), hello] {
        let (address, peer) = serve_plainly(move |mut stream| {
            stream.write_all(&answer).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let error = world.open(address).unwrap_err();
        assert!(matches!(error, TlsError::Version), "{error:?}");
        peer.join().unwrap();
    }
}
