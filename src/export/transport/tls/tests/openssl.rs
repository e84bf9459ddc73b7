//! Another implementation as the Collector: `openssl s_server` writes to its standard output what
//! it receives, and nothing else.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::certificates::Wanted;
use super::*;

/// A Collector of OpenSSL, for one session.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(world: &World, identity: &Identity, arguments: &[&str]) -> Self {
        let (certificate, key) = identity.write(world.directory.path(), "collector");
        Self::start_with(&certificate, &key, arguments)
    }

    fn start_with(certificate: &Path, key: &Path, arguments: &[&str]) -> Self {
        // A port that was free a moment ago: quiet servers do not tell which one they have.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-naccept", "1", "-accept", &address.to_string()]);
        command.arg("-cert").arg(certificate).arg("-key").arg(key).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { process: command.spawn().unwrap(), address }
    }

    /// With a Collector that takes Exporters of the authority in this file only.
    fn strict(world: &World, identity: &Identity, authority: &Path, arguments: &[&str]) -> Self {
        let authority = authority.to_str().unwrap();
        let strict =
            ["-Verify", "3", "-verify_return_error", "-verify_quiet", "-CAfile", authority];
        Self::start(world, identity, &[&strict, arguments].concat())
    }

    fn open(&self, world: &World) -> Result<TlsSession, TlsError> {
        let mut collector = Collector::new(Transport::Tls, "127.0.0.1", self.address.port());
        collector.options.tls = world.options.clone();
        let stream = (0..500)
            .find_map(|_| {
                thread::sleep(Duration::from_millis(10));
                TcpStream::connect(self.address).ok()
            })
            .expect("openssl listens");
        open(stream, &collector, world.settings, &world.clock)
    }

    /// What it has received, once the session is over.
    fn received(self) -> Vec<u8> {
        self.process.wait_with_output().unwrap().stdout
    }
}

fn sends_everything(world: &World, server: Server) {
    let stdout = {
        let mut server = server;
        let mut session = server.open(world).unwrap();
        // Larger than a pipe: it has to be read meanwhile.
        let mut output = server.process.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut octets = Vec::new();
            Read::read_to_end(&mut output, &mut octets).unwrap();
            octets
        });
        for number in 0..100 {
            world.send(&mut session, &message(number, 16 + number * 200)).unwrap();
            session.look().unwrap();
        }
        world.close(&mut session).unwrap();
        assert_eq!(session.delivered_at_end(), 100);
        assert!(session.advice().is_none());
        server.process.wait().unwrap();
        reader.join().unwrap()
    };
    let expected: Vec<u8> = (0..100).flat_map(|n| message(n, 16 + n * 200)).collect();
    assert!(stdout == expected, "{} octets of {}", stdout.len(), expected.len());
}

#[test]
#[ignore = "needs openssl"]
fn openssl_receives_every_octet() {
    // RFC 5471 §3.7.2.
    for arguments in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_3", "-num_tickets", "0"]] {
        let world = World::new();
        let identity = world.authority.issue(&COLLECTOR);
        let server = Server::strict(&world, &identity, &world.path("authority.crt"), arguments);
        sends_everything(&world, server);
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_takes_certificates_and_keys_that_it_made_itself() {
    let forms: [&[&str]; 3] = [
        &["genrsa", "-traditional", "-out"],
        &["genpkey", "-algorithm", "ed25519", "-out"],
        &["ecparam", "-genkey", "-name", "secp384r1", "-out"],
    ];
    for form in forms {
        let mut world = World::new();
        let [certificate, key] = ["own.crt", "own.key"].map(|name| world.path(name));
        let run = |arguments: &[&str], more: &[&Path]| {
            let output = Command::new("openssl").args(arguments).args(more).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        run(form, &[&key]);
        let request =
            "req -x509 -days 2 -subj /CN=collector.example -addext basicConstraints=CA:FALSE -key";
        let arguments: Vec<_> = request.split(' ').collect();
        run(&arguments, &[&key, Path::new("-out"), &certificate]);
        certificates::set_mode(&key, 0o600);
        let path = certificate.to_str().unwrap();
        // Both are the same, and vouch for each other.
        let server = Server::start_with(
            &certificate,
            &key,
            &["-Verify", "3", "-verify_return_error", "-CAfile", path],
        );
        world.options.ca = Some(certificate.clone());
        world.options.cert = Some(certificate.clone());
        world.options.key = Some(key.clone());
        sends_everything(&world, server);
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_with_a_wrong_certificate_receives_nothing() {
    // T43 of RFC 5471 §3.7.7.
    let world = World::new();
    let other = Authority::new("another authority");
    let cases = [
        (
            world.authority.issue(&Wanted { names: &["other.example"], ..COLLECTOR }),
            "other.example",
        ),
        (world.authority.issue(&Wanted { years: (2001, 2002), ..COLLECTOR }), "has expired"),
        (world.authority.issue(&Wanted { years: (2090, 2100), ..COLLECTOR }), "not valid before"),
        (other.issue(&COLLECTOR), "another authority"),
        (Identity::self_signed(&COLLECTOR), "self-signed"),
    ];
    for version in ["-tls1_2", "-tls1_3"] {
        for (identity, expected) in &cases {
            let server = Server::strict(&world, identity, &world.path("authority.crt"), &[version]);
            let error = server.open(&world).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(server.received(), b"");
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_that_refuses_us_receives_nothing() {
    // T41 and T42 of RFC 5471 §3.7.5 and §3.7.6.
    for arguments in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_3", "-num_tickets", "0"]] {
        let world = World::new();
        let identity = world.authority.issue(&COLLECTOR);
        let other = Authority::new("another authority").write(world.directory.path(), "other.crt");
        let server = Server::strict(&world, &identity, &other, arguments);
        let error = server.open(&world).unwrap_err();
        assert!(matches!(error, TlsError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("unknown_ca"), "{error}");
        assert_eq!(server.received(), b"");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_without_a_safe_version_or_cipher_receives_nothing() {
    // RFC 7011 §11.1, §11.3; RFC 8996.
    let world = World::new();
    let identity = world.authority.issue(&COLLECTOR);
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let server = Server::strict(&world, &identity, &world.path("authority.crt"), &old);
    let error = server.open(&world).unwrap_err();
    assert!(matches!(error, TlsError::Version), "{error:?}");
    assert_eq!(server.received(), b"");

    let null = ["-tls1_2", "-cipher", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"];
    let server = Server::strict(&world, &identity, &world.path("authority.crt"), &null);
    let error = server.open(&world).unwrap_err().to_string();
    assert!(error.contains("no cipher suite in common"), "{error}");
    assert_eq!(server.received(), b"");
}

#[test]
#[ignore = "needs openssl"]
fn openssl_that_does_not_ask_who_we_are_is_told_of() {
    let world = World::new();
    let identity = world.authority.issue(&COLLECTOR);
    let server = Server::start(&world, &identity, &[]);
    let mut session = server.open(&world).unwrap();
    assert!(session.advice().unwrap().to_string().contains("did not ask"));
    world.send(&mut session, b"a message").unwrap();
    world.close(&mut session).unwrap();
    assert_eq!(server.received(), b"a message");
}

#[test]
#[ignore = "needs openssl"]
fn openssl_that_is_killed_ends_the_session() {
    let world = World::new();
    let identity = world.authority.issue(&COLLECTOR);
    let mut server = Server::strict(&world, &identity, &world.path("authority.crt"), &[]);
    let mut session = server.open(&world).unwrap();
    world.send(&mut session, b"a message").unwrap();
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    world.look_until(&mut session, |_| false).unwrap_err();
    assert_eq!(session.delivered_at_end(), 0, "nobody knows whether it was read");
}
