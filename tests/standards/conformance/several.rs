//! Rows T01, T24 and T25 of the tests of RFC 5471: exporters and collectors, several of them.

#![expect(clippy::unwrap_used, reason = "what is wrong here fails the test that asked")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use flowtap::export::Pace;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::capture::replay_into;
use super::exporter::{config, export};
use crate::peers::{Found, Nfcapd, tshark, tshark_field};
use crate::program::wait_until;
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::records::{plain, varied_records};
use crate::replayed::{Replayed, cases};
use crate::run::{FLOWTAP, sample};
use crate::strict::{Session, Sums};
use crate::wire::{COLLECTOR, EXPORTER, Wire};

#[test]
#[ignore = "needs root, ethtool, tcpdump, tshark and openssl"]
fn t01_every_transport_over_either_version_of_ip() {
    // RFC 5471 §3.1.1: Templates and data are decoded, addresses and ports are right.
    let test = "conformance::several::t01_every_transport_over_either_version_of_ip";
    Wire::run(test, 1500, |wire| {
        let secrets = Secrets::new();
        for (at, host) in COLLECTOR.iter().enumerate() {
            for (transport, protocol, port) in
                [("udp", "udp", 4739), ("tcp", "tcp", 4739), ("tls", "tcp", 4740)]
            {
                let bracketed =
                    if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
                let mut target = format!("{transport}://{bracketed}");
                let recording = wire.record();
                let run =
                    |target: &str| Replayed::by(&mut wire.exporter(FLOWTAP), &sample(), target);
                let (replayed, session) = match transport {
                    "udp" => {
                        let collector = UdpReceiver::start_at(&format!("{bracketed}:4739"));
                        let replayed = run(&target);
                        let datagrams = collector.finish();
                        (replayed, Session::of_datagrams(datagrams.iter().map(Vec::as_slice)))
                    }
                    "tcp" => {
                        let collector = TcpReceiver::start_at(&format!("{bracketed}:4739"), 0);
                        let replayed = run(&target);
                        (replayed, Session::of_stream(&collector.finish()[0]))
                    }
                    _ => {
                        target += &secrets.options();
                        let server = Server::start(&secrets, &bracketed);
                        let replayed = run(&target);
                        (replayed, Session::of_stream(&server.finish()))
                    }
                };
                let (path, _folder) = recording.finish();
                let Sums { flows, packets, octets } = session.sums();
                assert_eq!(Found { flows, packets, octets }, replayed.sent, "{target}");
                // What came from the exporter's address went to the collector's and its port.
                let seen = |field: &str| {
                    let mut tshark = tshark(&path);
                    let (ip, exporter) = (["ip", "ipv6"][at], EXPORTER[at]);
                    tshark.args(["-Y", &format!("{ip}.src == {exporter} && {protocol}")]);
                    let mut values = tshark_field(tshark, &field.replace("ip.", &format!("{ip}.")));
                    values.dedup();
                    values
                };
                assert_eq!(seen("ip.dst"), [*host], "{target}");
                assert_eq!(seen(&format!("{protocol}.dstport")), [port.to_string()], "{target}");
            }
        }
    });
}

#[test]
#[ignore = "needs nfdump"]
fn t24_several_exporters_to_one_collector() {
    // RFC 5471 §3.5.5: nfcapd keeps exporters apart by address and domain.
    let collector = Nfcapd::start();
    let cases = cases();
    let port = collector.port;
    let sent = std::thread::scope(|scope| {
        let exporters: Vec<_> = (1..=4)
            .map(|domain| {
                let capture = &cases[domain % 2].capture;
                let target = format!(
                    "udp://127.0.0.1:{port}?profile=nfdump&observation_domain={domain}\
                     &source=127.0.0.{domain}"
                );
                scope.spawn(move || replay_into(capture, &target).sent)
            })
            .collect();
        exporters.into_iter().fold(Found::default(), |mut sum, exporter| {
            sum += exporter.join().unwrap();
            sum
        })
    });
    // It reports no gap in the sequence of any of them.
    let nfdump = collector.finish();
    assert_eq!(nfdump.sums(), sent);
    let exporters = nfdump.exporters();
    assert_eq!(exporters.matches("Sequence failures: 0").count(), 4, "{exporters}");
}

#[test]
fn t24_several_exporters_to_one_collector_of_our_own() {
    // RFC 5471 §3.5.5: sessions are told apart by the address they come from.
    let collector = UdpReceiver::start();
    let address = collector.address();
    let sent = std::thread::scope(|scope| {
        let exporters: Vec<_> = (1..=3)
            .map(|domain| {
                let target = format!("udp://{address}?observation_domain={domain}");
                scope.spawn(move || replay_into(&sample(), &target).sent)
            })
            .collect();
        exporters.into_iter().map(|exporter| exporter.join().unwrap().flows).sum::<u64>()
    });
    assert_eq!(collector.senders().len(), 3);
    let datagrams = collector.finish();
    // Each has a domain of its own, and so a session of its own: it can be read alone.
    let mut flows = 0;
    for domain in 1..=3_u32 {
        let of_domain = |datagram: &&[u8]| datagram[12..16] == domain.to_be_bytes();
        let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice).filter(of_domain));
        flows += session.sums().flows;
    }
    assert_eq!(flows, sent);
}

#[test]
fn t25_one_exporter_to_several_collectors() {
    // RFC 5471 §3.5.6: with one simple Template, and with all that there are.
    let plain: Vec<_> = (0..200).map(plain).collect();
    for records in [plain, varied_records()] {
        let collectors: Vec<UdpReceiver> = (0..4).map(|_| UdpReceiver::start()).collect();
        let targets: Vec<String> = collectors
            .iter()
            .zip(["standard", "standard", "nfdump", "goflow2"])
            .map(|(collector, profile)| format!("udp://{}?profile={profile}", collector.address()))
            .collect();
        let reports = export(&config(Pace::Replay, &targets), &[&records, &records]);
        for (collector, report) in collectors.into_iter().zip(reports) {
            let datagrams = collector.finish();
            let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
            let Sums { flows, packets, octets } = session.sums();
            let sent = report.sent;
            assert_eq!([flows, packets, octets], [sent.records, sent.packets, sent.octets]);
        }
    }
}

/// An authority, and what it has signed for the exporter and the collector.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "an authority");
        let certificate = authority.self_signed(&key).unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", certificate.pem());
        let issuer = Issuer::new(authority, key);
        for name in ["exporter", "collector"] {
            let key = KeyPair::generate().unwrap();
            let names = match name {
                "collector" => COLLECTOR.map(str::to_owned).to_vec(),
                _ => vec!["exporter.example".to_owned()],
            };
            let mut parameters = CertificateParams::new(names).unwrap();
            // By default it would have the name of the authority, as if it had signed itself.
            parameters.distinguished_name.push(DnType::CommonName, name);
            let signed = parameters.signed_by(&key, &issuer).unwrap();
            write(&format!("{name}.pem"), signed.pem());
            let path = folder.path().join(format!("{name}-key.pem"));
            fs::write(&path, key.serialize_pem()).unwrap();
            // It would be warned of otherwise, and rightly.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn options(&self) -> String {
        let [ca, cert, key] =
            ["ca.pem", "exporter.pem", "exporter-key.pem"].map(|name| self.path(name));
        format!("?ca={ca}&cert={cert}&key={key}")
    }
}

/// `openssl s_server`, which wants a certificate of us too (RFC 7011 §11.3).
struct Server {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Server {
    fn start(secrets: &Secrets, host: &str) -> Self {
        let output = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-naccept", "1", "-accept", &format!("{host}:4740")]);
        command.args(["-Verify", "1", "-verify_return_error"]);
        for (option, name) in
            [("-CAfile", "ca.pem"), ("-cert", "collector.pem"), ("-key", "collector-key.pem")]
        {
            command.arg(option).arg(secrets.path(name));
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(output.reopen().unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        wait_until("its port", || {
            let sockets = Command::new("ss").args(["-Hltn", "sport = :4740"]).output().unwrap();
            !sockets.stdout.is_empty()
        });
        Self { child, output }
    }

    /// What it read, once the exporter has closed the session.
    fn finish(mut self) -> Vec<u8> {
        wait_until("the end of the session", || self.child.try_wait().unwrap().is_some());
        fs::read(self.output.path()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
