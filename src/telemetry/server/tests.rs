use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use super::*;
use crate::telemetry::response::TEXT;

#[expect(clippy::disallowed_methods, reason = "clients are served in real time")]
fn now() -> Instant {
    Instant::now()
}

/// A server in a thread of its own, until `client` is done; returns what became of connections.
fn serve(client: impl FnOnce(SocketAddr) + Send) -> Outcomes {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap().unwrap();
    let Listener::Tcp { socket, .. } = &listener else { unreachable!("it is TCP") };
    let address = socket.local_addr().unwrap();
    let mut server = Server::new(listener, now());
    thread::scope(|scope| {
        let client = scope.spawn(move || client(address));
        while !client.is_finished() {
            let mut answer = |request: &Request, _: &Outcomes| {
                let content = vec![b'x'; 300_000];
                (request.path == "/").then(|| Response::new(200, TEXT, content))
            };
            server.serve(Duration::from_millis(10), now, &mut answer).unwrap();
        }
        client.join().unwrap();
    });
    *server.outcomes()
}

fn ask(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // It may be closed before it has taken all.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn of(outcomes: &Outcomes, outcome: Outcome) -> u64 {
    outcomes[outcome as usize]
}

#[test]
fn every_client_gets_its_answer_and_is_counted_once() {
    let outcomes = serve(|address| {
        for (text, status, length) in [
            ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", 300_000),
            ("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", 0),
            ("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", 14),
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", 24),
            ("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405", 23),
            ("\x01\x02\x03", "400", 16),
        ] {
            let answer = ask(address, text.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer:.99}");
            let (_, content) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(content.len(), length, "{text:?}");
        }
        // Headers without end.
        let answer = ask(address, &[b"GET / HTTP/1.1\r\nX: ", &[b'x'; 100_000][..]].concat());
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:.99}");
    });
    assert_eq!(outcomes, [2, 1, 1, 1, 1, 1, 0, 0, 0]);
}

#[test]
fn nobody_is_kept_waiting_by_those_who_never_finish() {
    let outcomes = serve(|address| {
        let slow: Vec<_> = (0..3 * MOST_CONNECTIONS / 2)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                let _ = stream.write_all(b"GET / HT");
                stream
            })
            .collect();
        // A request in very small pieces, which is not what anybody needs.
        let mut drip = TcpStream::connect(address).unwrap();
        drip.set_nodelay(true).unwrap();
        for _ in 0..2 * MOST_READS {
            let _ = drip.write_all(b"G");
            thread::sleep(Duration::from_millis(1));
        }
        let before = now();
        let answer = ask(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:.99}");
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
        // The others are shown out in time.
        thread::sleep(TIME_TO_ASK + Duration::from_millis(200));
        drop(slow);
    });
    assert_eq!(of(&outcomes, Outcome::Served), 1);
    assert!(of(&outcomes, Outcome::Evicted) >= 16, "{outcomes:?}");
    assert!(of(&outcomes, Outcome::TooSlow) >= 20, "{outcomes:?}");
    assert_eq!(of(&outcomes, Outcome::TooLarge), 1, "{outcomes:?}");
}

#[test]
fn who_connects_without_end_waits_for_the_next_second() {
    let outcomes = serve(|address| {
        let begin = now();
        for _ in 0..CONNECTIONS_A_SECOND + 5 {
            ask(address, b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
    });
    assert_eq!(of(&outcomes, Outcome::NotFound), u64::from(CONNECTIONS_A_SECOND) + 5);
}
