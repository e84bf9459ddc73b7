//! A confined probe notices that its certificates were replaced, in either way that is done, and uses
//! the new ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tempfile::TempDir;

use crate::netns::{cable, inside, ip};
use crate::program::Program;
use crate::run::FLOWTAP;

#[test]
#[ignore = "needs root and openssl"]
fn replaced_certificates_are_used_within_the_fence() {
    inside("confine::renewal::replaced_certificates_are_used_within_the_fence", || {
        ip("link set dev lo up");
        cable("tap0", "src0");
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let authority = authority();
        fs::write(path.join("ca.pem"), authority.pem()).unwrap();
        for (name, common_name) in [("server", "collector"), ("files", "first"), ("v1", "first")] {
            issue(&authority, &path.join(name), common_name);
        }
        // As Kubernetes has it: names lead through one link to the directory of a version.
        fs::create_dir(path.join("mounted")).unwrap();
        fs::rename(path.join("v1"), path.join("mounted/v1")).unwrap();
        symlink("v1", path.join("mounted/data")).unwrap();
        for name in ["cert.pem", "key.pem"] {
            symlink(format!("data/{name}"), path.join("mounted").join(name)).unwrap();
        }
        // One for each session, as it serves one after the other.
        let log = path.join("sessions");
        let mut servers = [4740, 4741].map(|port| Program::start(&mut collector(path, &log, port)));
        for (server, port) in servers.iter_mut().zip(["1284", "1285"]) {
            server.wait_until("its port", || {
                let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
                sockets.contains(&format!(":{port} 00000000:0000 0A"))
            });
        }
        let target = |port: u16, directory: &str| {
            format!(
                "tls://127.0.0.1:{port}?reconnect=1s&name=collector.example&ca={0}/ca.pem\
                 &cert={0}/{directory}/cert.pem&key={0}/{directory}/key.pem",
                path.display()
            )
        };
        let targets = [target(4740, "files"), target(4741, "mounted")];
        let mut command = Command::new(FLOWTAP);
        command.args(["capture", "-i", "tap0"]);
        command.args(targets.iter().flat_map(|target| ["--export", target]));
        let mut capture = Program::start(&mut command);
        let sessions = |name: &str| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            let subject = |line: &str| line.starts_with("depth=0") && line.contains(name);
            log.lines().filter(|line| subject(line)).count()
        };
        capture.wait_until("both sessions", || sessions("first") >= 2);

        issue(&authority, &path.join("new"), "second");
        for name in ["cert.pem", "key.pem"] {
            fs::rename(path.join("new").join(name), path.join("files").join(name)).unwrap();
        }
        issue(&authority, &path.join("mounted/v2"), "third");
        symlink("v2", path.join("mounted/new")).unwrap();
        fs::rename(path.join("mounted/new"), path.join("mounted/data")).unwrap();
        // Files are looked at every ten seconds.
        for _ in 0..6 {
            if sessions("second") >= 1 && sessions("third") >= 1 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_secs(5));
        }
        capture.signal("TERM");
        let (status, said) = capture.end();
        let log = fs::read_to_string(&log).unwrap();
        assert!(sessions("second") >= 1 && sessions("third") >= 1, "{status}: {said}\n{log}");
        assert!(said.contains("flowtap: confined: "), "{said}");
    });
}

/// `openssl s_server`, which writes who came to its standard error.
fn collector(path: &Path, log: &Path, port: u16) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec openssl s_server \"$@\" 2>>\"$LOG\"", "sh", "-accept"]);
    command.arg(format!("127.0.0.1:{port}"));
    command.args(["-Verify", "3", "-verify_return_error", "-quiet", "-cert"]);
    command.arg(path.join("server/cert.pem")).arg("-key").arg(path.join("server/key.pem"));
    command.arg("-CAfile").arg(path.join("ca.pem")).env("LOG", log);
    command
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key can be made"))
        .expect("an authority")
}

/// Writes a certificate and its key into a new directory.
fn issue(authority: &CertifiedIssuer<'static, KeyPair>, directory: &Path, common_name: &str) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names =
        vec![SanType::DnsName("collector.example".try_into().expect("the name is plain"))];
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.signed_by(&key, authority).expect("a certificate can be issued");
    fs::create_dir(directory).expect("the folder is our own");
    fs::write(directory.join("cert.pem"), certificate.pem()).expect("the folder is our own");
    fs::write(directory.join("key.pem"), key.serialize_pem()).expect("the folder is our own");
}
