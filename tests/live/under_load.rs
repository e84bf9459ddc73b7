//! Live capture under load: a sender that counts for itself at one end of a virtual cable, the
//! program at the other.
//!
//! `cargo test --test live under_load:: -- --ignored`, as root. Figures are printed (`--nocapture`), and
//! `FLOWTAP_TEST_FLOWS=1000000` makes the test of deadlines as large as the default cache.

#![cfg(target_os = "linux")]

use crate::program;
use std::cell::Cell;
use std::env;
use std::fs;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flowtap::ipfix::reader::Reader;
use flowtap::ipfix::value::Value;
use flowtap::time::Timestamp;
use serde_json::Value as Json;
use tempfile::TempDir;

#[path = "../../benches/sender/frames.rs"]
mod frames;
#[path = "../../benches/sender/pace.rs"]
mod pace;
#[path = "../../benches/sender/wire.rs"]
mod wire;

use crate::netns::{cable, inside, ip};
use crate::program::Program;
use crate::run::{FLOWTAP, Summary};

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_paced_stream_of_known_flows_is_metered_to_the_last_packet() {
    inside("under_load::a_paced_stream_of_known_flows_is_metered_to_the_last_packet", || {
        cable("tap0", "src0");
        for octets in [64, 1400] {
            let folder = TempDir::new().unwrap();
            let flows = folder.path().join("flows");
            let capture = Capture::start(&["--export", &format!("json:{}", flows.display())]);
            let sent = Traffic { octets, flows: 1000, rate: 50_000, count: 100_000 }.send();
            let (summary, said) = capture.end();
            assert_eq!((sent, summary.count("received_packets")), (100_000, sent), "{said}");
            assert_eq!(summary.count("received_octets"), sent * u64::from(octets));
            assert_eq!(summary.count("kernel_dropped_packets"), 0, "{said}");
            let records = fs::read_to_string(&flows).unwrap();
            assert_eq!(records.lines().count(), 1000);
            for record in records.lines() {
                let record: Json = serde_json::from_str(record).unwrap();
                assert_eq!(record["packetDeltaCount"], 100, "{record}");
            }
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn what_an_overloaded_probe_does_not_receive_is_counted_as_dropped() {
    inside("under_load::what_an_overloaded_probe_does_not_receive_is_counted_as_dropped", || {
        cable("tap0", "src0");
        let mut before = arrived();
        // The probe stands still for longer than its ring lasts, and later does not. Payload takes no
        // room in it, so there have to be many.
        for (stopped, count) in [(true, 1_500_000), (false, 1000)] {
            let capture = Capture::start(&["--export", "null:"]);
            let traffic = Traffic { octets: 64, flows: 1000, rate: 1_000_000, count };
            if stopped {
                capture.program.signal("STOP");
            }
            let sent = traffic.send();
            capture.program.signal("CONT");
            let (summary, said) = capture.end();
            // Two sums that are not ours: the sender's, and the interface's at our end.
            let now = arrived();
            assert_eq!((sent, now - before), (count, count));
            before = now;
            let [received, dropped] =
                ["received_packets", "kernel_dropped_packets"].map(|key| summary.count(key));
            assert_eq!(received + dropped, sent, "{said}");
            assert_eq!(dropped > 0, stopped, "{dropped} dropped: {said}");
            assert_eq!(summary.count("exported_packets"), received, "{said}");
        }
    });
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn every_flow_of_a_full_cache_leaves_within_a_second_of_its_deadline() {
    inside("under_load::every_flow_of_a_full_cache_leaves_within_a_second_of_its_deadline", || {
        ip("link set dev lo up");
        cable("tap0", "src0");
        let flows: u32 =
            env::var("FLOWTAP_TEST_FLOWS").map_or(200_000, |flows| flows.parse().unwrap());
        let traffic = Traffic { octets: 64, flows, rate: flows, count: u64::from(flows) };
        for background in [false, true] {
            let collector = Collector::start();
            let address = format!("tcp://{}", collector.address);
            // Flows are not spread over the shards of the cache to the last one.
            let room = (flows + flows / 8).to_string();
            let timeout = format!("{}s", IDLE_TIMEOUT.as_secs());
            let arguments =
                ["--export", &address, "--idle-timeout", &timeout, "--max-flows", &room];
            let capture = Capture::start(&arguments);
            let mut sent = traffic.send();
            let rest = IDLE_TIMEOUT + Duration::from_secs(2);
            if background {
                // Over the time when all of them are due, and of flows that stay.
                let rate = 50_000;
                let count = rest.as_secs() * u64::from(rate);
                sent += Traffic { octets: 1000, flows: 100, rate, count }.send();
            } else {
                thread::sleep(rest);
            }
            let (summary, said) = capture.end();
            assert_eq!(summary.count("received_packets"), sent, "{said}");
            let delays = collector.delays();
            let (worst, count) = (delays.iter().max().copied().unwrap_or_default(), delays.len());
            println!("{count} flows, background: {background}: {worst:?} late at most");
            let stayed = if background { 100 } else { 0 };
            assert_eq!(count, usize::try_from(flows - stayed).unwrap(), "{said}");
            assert!(worst <= Duration::from_secs(1), "{worst:?}");
        }
    });
}

/// Packets to send.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    octets: u16,
    flows: u32,
    rate: u32,
    count: u64,
}

impl Traffic {
    /// Sends all of it, and returns how many packets the kernel took.
    #[expect(clippy::disallowed_methods, reason = "a sender is paced by the clock on the wall")]
    fn send(self) -> u64 {
        let Self { octets, flows, rate, count } = self;
        let mut wire = wire::Wire::open("src0").expect("the cable is there");
        let mut batch = frames::Batch::new(octets, 0, flows);
        let mut pace = pace::Pace::new(Some(rate), Instant::now());
        let mut sent = 0;
        while sent < count {
            let due = pace.wait(sent, Instant::now);
            let burst = due.min(usize::try_from(count - sent).expect("64 bits"));
            let taken = wire.send(batch.write(sent, burst)).expect("the cable is plugged in");
            sent += u64::try_from(taken).expect("64 bits");
        }
        sent
    }
}

/// Packets that have arrived at our end, as the interface counts them.
fn arrived() -> u64 {
    let counter = fs::read_to_string("/sys/class/net/tap0/statistics/rx_packets");
    counter.expect("the cable is there").trim().parse().expect("a number")
}

/// The program, capturing at `tap0`.
struct Capture {
    program: Program,
    summary: PathBuf,
    _folder: TempDir,
}

impl Capture {
    #[track_caller]
    fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let summary = folder.path().join("summary.json");
        let mut command = Command::new(FLOWTAP);
        command.args(["capture", "-i", "tap0", "--workers", "1", "--summary"]).arg(&summary);
        let mut program = Program::start(command.args(arguments));
        // The ring lets frames in some time after its socket is there.
        program.wait_until("its packet socket", || {
            let sockets = fs::read_to_string("/proc/net/packet").expect("packet(7) is known");
            sockets.lines().count() > 1
        });
        program::wait_until("its worker", || program.threads_named("flowtap") > 1);
        thread::sleep(Duration::from_millis(300));
        Self { program, summary, _folder: folder }
    }

    /// Ends it, and returns its books, which balance, and what it said.
    #[track_caller]
    fn end(self) -> (Summary, String) {
        self.program.signal("TERM");
        let (status, said) = self.program.end();
        assert!(status.success(), "{said}");
        let summary = Summary::read(&self.summary);
        summary.assert_balanced();
        (summary, said)
    }
}

/// Takes one connection and notes when what came.
struct Collector {
    address: String,
    thread: JoinHandle<Vec<(Timestamp, Vec<u8>)>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("the program connects");
            pieces(stream)
        });
        Self { address, thread }
    }

    /// How long after its deadline each record of a flow that was idle came.
    fn delays(self) -> Vec<Duration> {
        let arrival = Rc::new(Cell::new(Timestamp::EPOCH));
        let input = Pieces {
            pieces: self.thread.join().expect("it does not panic").into_iter(),
            piece: (Timestamp::EPOCH, Vec::new()),
            read: 0,
            arrival: Rc::clone(&arrival),
        };
        let mut reader = Reader::new(input);
        let mut delays = Vec::new();
        while let Some(record) = reader.next_record().expect("valid IPFIX") {
            let (mut end, mut reason) = (None, None);
            for (field, value) in record.fields().filter(|(field, _)| !field.reverse) {
                match (field.element.name, value) {
                    ("flowEndMilliseconds", Value::DateTime(time)) => end = Some(time),
                    ("flowEndReason", Value::Unsigned(number)) => reason = Some(number),
                    _ => {}
                }
            }
            if reason == Some(OF_IDLE_TIMEOUT) {
                let end = u64::try_from(end.expect("it ended").as_milliseconds()).expect("now");
                let deadline = Timestamp::EPOCH
                    .saturating_add(Duration::from_millis(end))
                    .saturating_add(IDLE_TIMEOUT);
                delays.push(arrival.get().since(deadline));
            }
        }
        delays
    }
}

fn pieces(mut stream: TcpStream) -> Vec<(Timestamp, Vec<u8>)> {
    let mut pieces = Vec::new();
    let mut octets = vec![0; 1 << 20];
    loop {
        let length = stream.read(&mut octets).expect("the program closes it well");
        match octets.get(..length) {
            None | Some([]) => return pieces,
            Some(piece) => pieces.push((wall_clock(), piece.to_vec())),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a collector sees when records come")]
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::EPOCH.saturating_add(since_epoch)
}

/// The pieces again, with a word on when that came which was read last.
struct Pieces {
    pieces: std::vec::IntoIter<(Timestamp, Vec<u8>)>,
    piece: (Timestamp, Vec<u8>),
    read: usize,
    arrival: Rc<Cell<Timestamp>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.1.len() {
            let Some(piece) = self.pieces.next() else { return Ok(0) };
            (self.piece, self.read) = (piece, 0);
        }
        self.arrival.set(self.piece.0);
        let length = self.piece.1.get(self.read..).unwrap_or_default().read(buffer)?;
        self.read += length;
        Ok(length)
    }
}

const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// `flowEndReason` (RFC 5102 §5.11.3).
const OF_IDLE_TIMEOUT: u64 = 1;
