//! Collecting Processes for tests: each a process of its own, that stores what it reads and can be
//! killed at any time, and what they have stored, read strictly.
//!
//! The process is the test binary itself, told to run [`collector_process`] and nothing else.

#![expect(
    clippy::indexing_slicing,
    reason = "places that a read has just told, of a buffer of ours"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use flowtap::export::{Collector, CollectorOptions, Target, TlsOptions, Transport};
use flowtap::ipfix::reader::{Fault, ReadError, Reader};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

/// How a Collecting Process reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reading {
    /// As fast as it can.
    Everything,
    /// It accepts sessions, and then nothing.
    Nothing,
    /// 4 KiB, and then a pause.
    Slowly,
}

/// A Collecting Process and the folder where it stores a file for each Transport Session.
///
/// It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    transport: Transport,
    address: SocketAddr,
    folder: tempfile::TempDir,
    reading: Reading,
    /// Words before the program: to run it in a network of its own.
    wrapper: Vec<String>,
    child: Option<Child>,
}

impl Peer {
    /// One that does not run yet, on an address of loopback.
    pub(crate) fn new(transport: Transport, reading: Reading) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], free_port())), transport, reading)
    }

    /// One that does not run yet, on an address that may not be there yet.
    pub(crate) fn at(address: SocketAddr, transport: Transport, reading: Reading) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if transport == Transport::Tls {
            write_certificates(folder.path());
        }
        Self { transport, address, folder, reading, wrapper: Vec::new(), child: None }
    }

    /// One that runs.
    pub(crate) fn start(transport: Transport, reading: Reading) -> Self {
        let mut peer = Self::new(transport, reading);
        peer.run();
        peer
    }

    /// Puts these words before the program when it is started.
    pub(crate) fn wrap(&mut self, words: &[&str]) {
        self.wrapper = words.iter().map(|&word| word.to_owned()).collect();
    }

    /// Starts the process without waiting for it; its process id.
    pub(crate) fn launch(&mut self) -> u32 {
        let program = env::current_exe().expect("a test knows its own binary");
        let mut command = match self.wrapper.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .args(["--exact", PROCESS, "--ignored", "--nocapture", "--test-threads=1"])
            .env(TRANSPORT, self.transport.name())
            .env(ADDRESS, self.address.to_string())
            .env(FOLDER, self.folder.path())
            .env(READING, format!("{:?}", self.reading))
            // Its end is ours: it ends when this closes.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let child = command.spawn().expect("the test binary runs");
        let id = child.id();
        self.child = Some(child);
        id
    }

    /// Waits until it listens.
    #[track_caller]
    pub(crate) fn wait(&mut self) {
        let child = self.child.as_mut().expect("it was launched");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("it is piped")).lines();
        let listens = lines.any(|line| line.is_ok_and(|line| line.ends_with(LISTENING)));
        assert!(listens, "the collector at {} did not start", self.address);
    }

    /// Starts the process and waits until it listens.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        self.launch();
        self.wait();
    }

    /// SIGKILL: no destructor, no last word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it was killed");
        }
    }

    /// Reads otherwise from its next start on.
    pub(crate) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// The Collector as a target, that is tried again every tenth of a second.
    pub(crate) fn collector(&self) -> Collector {
        let file = |name: &str| Some(self.folder.path().join(name));
        let tls = match self.transport {
            Transport::Tls => TlsOptions {
                ca: file("ca.pem"),
                cert: file("probe.pem"),
                key: file("probe.key"),
                ..TlsOptions::default()
            },
            _ => TlsOptions::default(),
        };
        let options = CollectorOptions {
            reconnect: Some(Duration::from_millis(100)),
            tls,
            ..CollectorOptions::default()
        };
        let host = self.address.ip().to_string();
        let port = self.address.port();
        Collector { options, ..Collector::new(self.transport, host, port) }
    }

    /// The same as a target of its own.
    pub(crate) fn target(&self) -> Target {
        Target::Collector(self.collector())
    }

    /// As it is written on the command line.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.transport.name(), self.address)
    }

    /// What was stored, in the order in which the sessions began; those in which nothing came are
    /// left out.
    #[track_caller]
    pub(crate) fn sessions(&self) -> Vec<Stored> {
        self.files().iter().map(|file| Stored::read(file)).filter(|s| s.octets > 0).collect()
    }

    /// Octets stored.
    pub(crate) fn octets(&self) -> u64 {
        self.files().iter().map(|file| fs::metadata(file).map_or(0, |file| file.len())).sum()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).expect("it is ours");
        let mut files: Vec<_> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "ipfix"))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A Transport Session as it was stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// `flowId` of every Flow Record, in the order of arrival.
    pub(crate) flows: Vec<u64>,
    /// Octets, a Message that was cut short included.
    pub(crate) octets: u64,
    /// The last Message was cut short.
    pub(crate) cut: bool,
    /// Data Records that the sequence numbers tell of and that are not there.
    pub(crate) missing: u64,
    /// Data Sets that came ahead of their Template.
    pub(crate) undecoded: u64,
    /// Templates of Flow Records.
    pub(crate) templates: u64,
}

impl Stored {
    /// Reads a session that may have been cut at any octet, and in which everything else is right:
    /// what is in a record is what [`check`] says of its Flow.
    #[track_caller]
    fn read(path: &Path) -> Self {
        let octets = fs::read(path).expect("it is ours");
        let mut reader = Reader::new(&octets[..]);
        let mut flows = Vec::new();
        let cut = loop {
            match reader.next_record() {
                Ok(Some(record)) if record.template().is_options() => {}
                Ok(Some(record)) => {
                    let mut values = BTreeMap::new();
                    for (field, value) in record.fields() {
                        let number = value.as_unsigned();
                        if let (Some((id, false)), Some(number)) = (field.iana(), number) {
                            values.insert(id, number);
                        }
                    }
                    flows.push(check(&values, path));
                }
                Ok(None) => break false,
                Err(ReadError::Truncated { .. }) => break true,
                // Not even a header was stored.
                Err(ReadError::Malformed { fault: Fault::HeaderTruncated, .. }) => break true,
                Err(error) => panic!("{}: {error}", path.display()),
            }
        };
        let statistics = *reader.statistics();
        let wrong = [
            statistics.sequence_steps_back,
            statistics.reserved_sets,
            statistics.illegal_lengths,
            statistics.irregular_padding,
            statistics.withdrawn_templates,
            statistics.ignored_withdrawals,
        ];
        assert_eq!(wrong, [0; 6], "{}: {statistics:?}", path.display());
        Self {
            flows,
            octets: octets.len() as u64,
            cut,
            missing: statistics.missing_records,
            undecoded: statistics.sets_without_template,
            templates: statistics.templates,
        }
    }

    /// Fails unless this is what a session over a byte stream has to be (RFC 7011 §8.1, §10.4):
    /// Templates ahead, and no number missing.
    #[track_caller]
    pub(crate) fn whole(&self) -> &Self {
        assert_eq!((self.missing, self.undecoded), (0, 0), "sequence gap, or no template");
        self
    }
}

/// The sums that [`crate::load::record`] gives a Flow are in its record; its number.
#[track_caller]
fn check(values: &BTreeMap<u16, u64>, path: &Path) -> u64 {
    let value = |id: u16| values.get(&id).copied();
    let flow = value(148).unwrap_or_else(|| panic!("{}: no flowId", path.display()));
    let (packets, octets) = crate::load::sums(flow);
    // Not every protocol has ports.
    let port = u64::from(crate::load::port(flow));
    let told = (value(2), value(1), value(7).unwrap_or(port));
    assert_eq!(told, (Some(packets), Some(octets), port), "{}: flow {flow}", path.display());
    flow
}

/// The process of a [`Peer`]; as a test of its own it does nothing.
#[test]
#[ignore = "the process of a collector, for the other tests"]
fn collector_process() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let text = |name| env::var(name).expect("the parent sets it");
    let address: SocketAddr = text(ADDRESS).parse().expect("an address");
    let folder = PathBuf::from(folder);
    let reading = match text(READING).as_str() {
        "Nothing" => Reading::Nothing,
        "Slowly" => Reading::Slowly,
        _ => Reading::Everything,
    };
    // Should the test die without killing us.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    match text(TRANSPORT).as_str() {
        "udp" => store_datagrams(address, &folder, reading),
        kind => {
            let tls = (kind == "tls").then(|| server_config(&folder));
            store_streams(address, &folder, reading, tls.as_ref());
        }
    }
}

/// Binds when the address is there and free.
fn bind<T>(bind: impl Fn() -> std::io::Result<T>) -> T {
    for _ in 0..500 {
        match bind() {
            Ok(socket) => return socket,
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
    bind().expect("the address is there and free")
}

fn say_that_we_listen() {
    println!("{LISTENING}");
    let _ = std::io::stdout().flush();
}

fn store_datagrams(address: SocketAddr, folder: &Path, reading: Reading) {
    let socket = bind(|| UdpSocket::bind(address));
    if reading == Reading::Everything {
        // What is lost must be lost for a reason.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
    }
    say_that_we_listen();
    let mut sessions: BTreeMap<SocketAddr, File> = BTreeMap::new();
    let mut datagram = vec![0; 65_536];
    loop {
        if reading == Reading::Nothing {
            thread::park();
        }
        let (length, from) = socket.recv_from(&mut datagram).expect("a datagram comes");
        let file = sessions.entry(from).or_insert_with(|| next_file(folder));
        file.write_all(&datagram[..length]).expect("it is stored");
        if reading == Reading::Slowly {
            thread::sleep(PAUSE);
        }
    }
}

fn store_streams(
    address: SocketAddr,
    folder: &Path,
    reading: Reading,
    tls: Option<&Arc<ServerConfig>>,
) {
    let listener = bind(|| TcpListener::bind(address));
    say_that_we_listen();
    for stream in listener.incoming() {
        let mut stream = stream.expect("a session");
        let mut connection =
            tls.map(|tls| ServerConnection::new(Arc::clone(tls)).expect("it is configured"));
        let mut file = next_file(folder);
        thread::spawn(move || {
            if reading == Reading::Nothing {
                thread::park();
            }
            // A session that breaks is as good an end as any.
            let _ = store_stream(&mut stream, connection.as_mut(), &mut file, reading);
        });
    }
}

/// Looks at what has come, stores it, and only then takes it from the kernel: what the kernel holds
/// to be read is stored, whenever this process is killed.
fn store_stream(
    stream: &mut TcpStream,
    mut tls: Option<&mut ServerConnection>,
    file: &mut File,
    reading: Reading,
) -> std::io::Result<()> {
    let mut octets = vec![0; if reading == Reading::Slowly { 4_096 } else { 65_536 }];
    loop {
        let length = stream.peek(&mut octets)?;
        let taken = match &mut tls {
            None => {
                file.write_all(&octets[..length])?;
                length
            }
            Some(connection) => {
                let taken = connection.read_tls(&mut &octets[..length])?;
                let state = connection.process_new_packets().map_err(std::io::Error::other)?;
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                connection.reader().read_exact(&mut plain)?;
                file.write_all(&plain)?;
                while connection.wants_write() {
                    connection.write_tls(stream)?;
                }
                taken
            }
        };
        if length == 0 {
            return Ok(());
        }
        stream.read_exact(&mut octets[..taken])?;
        if reading == Reading::Slowly {
            thread::sleep(PAUSE);
        }
    }
}

/// A new file behind all the others.
fn next_file(folder: &Path) -> File {
    let create = |number| {
        let path = folder.join(format!("{number:06}.ipfix"));
        File::options().write(true).create_new(true).open(path)
    };
    (0..1_000_000).find_map(|number| create(number).ok()).expect("there is room for a file")
}

/// An authority, a certificate of the Collector for its address, and one of the probe.
fn write_certificates(folder: &Path) {
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "flowtap tests");
    let certificate = authority.self_signed(&key).expect("it is signed");
    fs::write(folder.join("ca.pem"), certificate.pem()).expect("a temporary folder");
    let issuer = Issuer::new(authority, key);
    for (name, names, usage) in [
        ("collector", vec!["127.0.0.1".to_owned()], ExtendedKeyUsagePurpose::ServerAuth),
        ("probe", vec!["probe.example.net".to_owned()], ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().expect("a key");
        let mut leaf = CertificateParams::new(names).expect("names");
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.extended_key_usages = vec![usage];
        let certificate = leaf.signed_by(&key, &issuer).expect("it is signed");
        let key_file = folder.join(format!("{name}.key"));
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).expect("a folder");
        fs::write(&key_file, key.serialize_pem()).expect("a folder");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
}

/// RFC 7011 §11.2: both sides have to show who they are.
fn server_config(folder: &Path) -> Arc<ServerConfig> {
    let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name)).expect("PEM");
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("there is an authority");
    let key = PrivateKeyDer::from_pem_file(folder.join("collector.key")).expect("PEM");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate("collector.pem")], key)
        .expect("the key fits");
    Arc::new(config)
}

/// A port nobody listens at, below those that the kernel gives to clients: one of them could take
/// the port of a Collector that is away, or even talk to itself there.
pub(crate) fn free_port() -> u16 {
    static PORTS: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(61) + PORTS.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(15_000 + number % 15_000).expect("below 30,000");
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free {
            return port;
        }
    }
}

/// The path of [`collector_process`].
const PROCESS: &str = "collectors::collector_process";

const TRANSPORT: &str = "FLOWTAP_TEST_COLLECTOR_TRANSPORT";
const ADDRESS: &str = "FLOWTAP_TEST_COLLECTOR_ADDRESS";
const FOLDER: &str = "FLOWTAP_TEST_COLLECTOR_FOLDER";
const READING: &str = "FLOWTAP_TEST_COLLECTOR_READING";

const LISTENING: &str = "the collector listens";

/// Between two reads of a slow Collector.
const PAUSE: Duration = Duration::from_millis(2);
