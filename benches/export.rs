//! Flow Records to a Collector: how many are encoded and sent a second, by transport.
//!
//! `export/tcp`, `tls` and `udp` go through everything between the flow cache and a thread on
//! loopback that reads and throws away: queue, encoder, store, session, kernel. The processors are
//! shared with that thread. `export/spool` is an outage: every record waits on disk, encrypted, while
//! the Collector is away, and is read again and sent when it is back; both ways are in its time.
//! Encoding alone is `encode`.

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowtap::decode::{Address, IpVersion, MplsLabels, VlanTags};
use flowtap::export::{
    Collector, CollectorOptions, Config, Exporter, Pace, RecordBatch, SpoolConfig, Target,
    TcpConfig, TlsOptions, Transport, UdpConfig,
};
use flowtap::flow::{Direction, FlowEndReason, FlowRecord};
use flowtap::time::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

fn export(c: &mut Criterion) {
    let mut group = c.benchmark_group("export");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    let batches = batches();
    group.bench_function("udp", |b| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let port = socket.local_addr().expect("it is bound").port();
        thread::spawn(move || {
            let mut datagram = [0; 65_536];
            while socket.recv(&mut datagram).is_ok() {}
        });
        let config = config(Transport::Udp, port, TlsOptions::default());
        b.iter_custom(|rounds| (0..rounds).map(|_| replay(&config, &batches)).sum());
    });
    group.bench_function("tcp", |b| {
        let port = listen(None);
        let config = config(Transport::Tcp, port, TlsOptions::default());
        b.iter_custom(|rounds| (0..rounds).map(|_| replay(&config, &batches)).sum());
    });
    group.bench_function("tls", |b| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (server, options) = certificates(folder.path());
        let port = listen(Some(server));
        let config = config(Transport::Tls, port, options);
        b.iter_custom(|rounds| (0..rounds).map(|_| replay(&config, &batches)).sum());
    });
    group.bench_function("spool", |b| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        b.iter_custom(|rounds| (0..rounds).map(|_| outage(folder.path(), &batches)).sum());
    });
    group.finish();
}

/// From the first record to the end of the session, which a replay sends as fast as it is taken.
fn replay(config: &Config, batches: &[Arc<RecordBatch>]) -> Duration {
    let exporter = Exporter::start(config, Vec::new()).expect("the reader is there");
    let begin = now();
    batches.iter().for_each(|batch| exporter.send(batch));
    let reports = exporter.finish();
    let spent = begin.elapsed();
    assert!(reports.iter().all(|report| report.sent.records == RECORDS), "{reports:?}");
    spent
}

/// Everything to disk, and from there to a Collector that has come back.
fn outage(folder: &Path, batches: &[Arc<RecordBatch>]) -> Duration {
    let port = {
        // Nobody listens there until it is time to.
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback");
        socket.local_addr().expect("it is bound").port()
    };
    let mut config = config(Transport::Tcp, port, TlsOptions::default());
    config.pace = Pace::Live;
    config.queue_batches = batches.len();
    config.spool = Some(SpoolConfig {
        directory: folder.join("spool"),
        maximum_octets: 8 << 30,
        maximum_age: Duration::from_secs(3_600),
        key_file: None,
    });
    let exporter = Exporter::start(&config, Vec::new()).expect("it waits for the Collector");
    let begin = now();
    batches.iter().for_each(|batch| exporter.send(batch));
    // The bench would measure how soon a Collector is found otherwise.
    while octets_in(&folder.join("spool")) < SPOOLED_OCTETS {
        thread::sleep(Duration::from_millis(1));
    }
    let written = begin.elapsed();
    let (stored, stored_all) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is still free");
        let (mut stream, _) = listener.accept().expect("a session");
        let begin = now();
        let mut buffer = vec![0; 1 << 18];
        let mut octets = 0;
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            octets += length as u64;
            if octets >= SPOOLED_OCTETS {
                let _ = stored.send(begin.elapsed());
            }
        }
    });
    let read = stored_all.recv().expect("all of it comes");
    // Nothing waits, and so all of it is sent before the end.
    let reports = exporter.finish();
    reader.join().expect("it reads to the end");
    let sent: u64 = reports.iter().map(|report| report.sent.records).sum();
    assert_eq!(sent, RECORDS, "{reports:?}");
    written + read
}

fn octets_in(folder: &Path) -> u64 {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries(folder).flat_map(|target| entries(&target.path()).collect::<Vec<_>>());
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// A Collector that reads and throws away, as often as one comes.
fn listen(tls: Option<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = tls.clone();
            thread::spawn(move || read_away(stream, tls));
        }
    });
    port
}

fn read_away(mut stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
    let mut buffer = vec![0; 1 << 18];
    match tls {
        None => while matches!(stream.read(&mut buffer), Ok(1..)) {},
        Some(tls) => {
            let mut connection = ServerConnection::new(tls).expect("it is configured");
            let mut session = rustls::Stream::new(&mut connection, &mut stream);
            while matches!(session.read(&mut buffer), Ok(1..)) {}
            connection.send_close_notify();
            let _ = connection.write_tls(&mut stream);
        }
    }
}

/// A certificate that vouches for itself. The probe's is not asked for.
fn certificates(folder: &Path) -> (Arc<ServerConfig>, TlsOptions) {
    let key = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = names.self_signed(&key).expect("it is signed");
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, certificate.pem()).expect("a temporary folder");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("the key fits");
    (Arc::new(config), TlsOptions { ca: Some(ca), ..TlsOptions::default() })
}

fn config(transport: Transport, port: u16, tls: TlsOptions) -> Config {
    let options = CollectorOptions { tls, ..CollectorOptions::default() };
    let collector = Collector { options, ..Collector::new(transport, "127.0.0.1", port) };
    Config {
        observation_domain: 1,
        targets: vec![Target::Collector(collector)],
        pace: Pace::Replay,
        udp: UdpConfig { datagram_rate: 0, ..UdpConfig::default() },
        tcp: TcpConfig { reconnect_interval: Duration::from_millis(20), ..TcpConfig::default() },
        ..Config::default()
    }
}

fn batches() -> Vec<Arc<RecordBatch>> {
    (0..RECORDS / BATCH)
        .map(|batch| {
            let records = (batch * BATCH..(batch + 1) * BATCH).map(record).collect();
            let clock = Timestamp::from_parts(1_700_000_000, 0);
            Arc::new(RecordBatch { records, clock, interfaces: 0 })
        })
        .collect()
}

/// A Flow over TCP, both directions.
fn record(number: u64) -> FlowRecord {
    let direction = Direction {
        packets: 10 + number % 7,
        octets: 1_500 + number,
        first: Timestamp::from_parts(1_700_000_000, 0),
        last: Timestamp::from_parts(1_700_000_050, 0),
        minimum_length: 40,
        maximum_length: 1_500,
        tcp_flags: 0x1b,
        minimum_ttl: 60,
        maximum_ttl: 64,
        tcp_window: 64_240,
        ..Direction::default()
    };
    let [.., a, b, c] = number.to_be_bytes();
    FlowRecord {
        flow_id: number,
        interface: 1,
        version: IpVersion::V4,
        protocol: 6,
        end_reason: FlowEndReason::IdleTimeout,
        source: Address::v4([10, a, b, c]),
        destination: Address::v4([192, 0, 2, 1]),
        source_port: 40_000,
        destination_port: 443,
        forward: direction,
        reverse: direction,
        mac: None,
        vlan: VlanTags::default(),
        mpls: MplsLabels::default(),
        tunnel: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}

const RECORDS: u64 = 500_000;
const BATCH: u64 = 250;
/// Of more than a hundred octets each; what is missing of them is in memory still, or on its way.
const SPOOLED_OCTETS: u64 = RECORDS * 100;

criterion_group!(benches, export);
criterion_main!(benches);
