use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

use super::*;
use crate::telemetry::address::Address;
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

/// What a client does, or time.
#[derive(Clone, Copy, Debug)]
enum Move {
    Connect,
    Ask(&'static str),
    Read,
    Leave,
    Wait(u64),
}

/// A server, its clients, and a clock of their own.
struct Game {
    server: Server,
    clients: Vec<Option<UnixStream>>,
    now: Instant,
    folder: tempfile::TempDir,
}

impl Game {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("socket"));
        let now = now();
        let server = Server::new(Listener::bind(&address).unwrap().unwrap(), now);
        Self { server, clients: Vec::new(), now, folder }
    }

    fn make(&mut self, client: usize, what: Move) {
        let count = self.clients.len().max(1);
        let client = self.clients.get_mut(client % count).and_then(Option::as_mut);
        match (what, client) {
            (Move::Connect, _) => {
                let stream = UnixStream::connect(self.folder.path().join("socket")).unwrap();
                stream.set_nonblocking(true).unwrap();
                self.clients.push(Some(stream));
            }
            (Move::Ask(text), Some(stream)) => drop(stream.write_all(text.as_bytes())),
            (Move::Read, Some(stream)) => drop(stream.read(&mut [0; 50_000])),
            (Move::Leave, Some(stream)) => drop(stream.shutdown(std::net::Shutdown::Both)),
            (Move::Wait(milliseconds), _) => self.now += Duration::from_millis(milliseconds),
            (_, None) => {}
        }
        self.serve();
    }

    fn serve(&mut self) {
        let mut answer = |request: &Request, _: &Outcomes| {
            let large = Response::new(200, TEXT, vec![b'x'; LARGEST_ANSWERS / 4]);
            match request.path.as_str() {
                "/large" => Some(large),
                "/" => Some(Response::new(200, TEXT, vec![b'x'; 100])),
                _ => None,
            }
        };
        let at = self.now;
        self.server.serve(Duration::ZERO, || at, &mut answer).unwrap();
    }

    /// Whoever has come has an outcome, or none as yet.
    fn assert_each_is_counted_once(&self) {
        let counted: u64 = self.server.outcomes().iter().sum();
        let open = self.server.connections.iter().filter(|it| it.state != State::Leaving).count();
        let accepted = self.clients.len() as u64;
        assert_eq!(counted + open as u64, accepted, "{:?}", self.server.outcomes());
        assert!(self.server.connections.len() <= MOST_CONNECTIONS);
        let waiting: usize = self.server.connections.iter().map(|it| it.answer.len()).sum();
        assert!(waiting <= LARGEST_ANSWERS, "{waiting}");
    }
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LARGE: &str = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Whatever clients do, in whichever order.
    #[test]
    fn every_connection_has_exactly_one_outcome(
        moves in proptest::collection::vec((0..64_usize, 0..12_usize), 1..150),
    ) {
        let mut game = Game::new();
        for (client, what) in moves {
            game.make(client, [
                Move::Connect,
                Move::Connect,
                Move::Connect,
                Move::Ask(ASK),
                Move::Ask(LARGE),
                Move::Ask("GET /no"),
                Move::Ask("\x01"),
                Move::Ask("PUT / HTTP/1.1\r\n\r\n"),
                Move::Read,
                Move::Leave,
                Move::Wait(20),
                Move::Wait(900),
            ][what]);
            // The allowance of a second may be used up, so that some still wait to be accepted.
            if game.server.allowance == 0 {
                game.make(0, Move::Wait(1_000));
                game.serve();
            }
            game.assert_each_is_counted_once();
        }
        // Sooner or later each has one.
        (0..10).for_each(|_| game.make(0, Move::Wait(1_000)));
        let counted: u64 = game.server.outcomes().iter().sum();
        proptest::prop_assert_eq!(counted, game.clients.len() as u64);
    }
}

#[test]
fn who_has_its_answer_makes_room_first_and_is_not_counted_again() {
    let mut game = Game::new();
    for _ in 0..MOST_CONNECTIONS {
        game.make(0, Move::Connect);
    }
    game.make(7, Move::Ask(ASK));
    assert_eq!(of(game.server.outcomes(), Outcome::Served), 1);
    game.make(0, Move::Connect);
    assert_eq!(of(game.server.outcomes(), Outcome::Evicted), 0);
    game.make(0, Move::Connect);
    assert_eq!(of(game.server.outcomes(), Outcome::Evicted), 1);
    game.assert_each_is_counted_once();
}

#[test]
fn who_does_not_take_its_answer_was_too_slow_and_who_goes_before_it_is_broken() {
    let mut game = Game::new();
    for _ in 0..3 {
        game.make(0, Move::Connect);
        game.make(game.clients.len() - 1, Move::Ask(LARGE));
    }
    assert_eq!(game.server.outcomes().iter().sum::<u64>(), 0, "they are being answered");
    game.make(0, Move::Leave);
    assert_eq!(of(game.server.outcomes(), Outcome::Broken), 1);
    // Who takes it is served.
    while of(game.server.outcomes(), Outcome::Served) == 0 {
        game.make(1, Move::Read);
    }
    game.make(0, Move::Wait(5_001));
    assert_eq!(of(game.server.outcomes(), Outcome::TooSlow), 1);
    assert_eq!(game.server.outcomes().iter().sum::<u64>(), 3);
}

#[test]
fn answers_that_wait_are_bounded_together() {
    let mut game = Game::new();
    for _ in 0..10 {
        game.make(0, Move::Connect);
        game.make(game.clients.len() - 1, Move::Ask(LARGE));
        game.assert_each_is_counted_once();
    }
    // With heads, four of a fourth are more than the bound.
    assert_eq!(of(game.server.outcomes(), Outcome::Evicted), 7);
}
