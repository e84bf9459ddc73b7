//! The files that an installation copies: the unit and its options.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

#[path = "support/netns.rs"]
mod netns;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_options_of_the_service_are_options_of_the_program() {
    let path = Path::new(ROOT).join("probe-config/flowtap.env");
    let text = fs::read_to_string(path).expect("the file is part of the project");
    let options: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("FLOWTAP_OPTIONS=")).collect();
    let [options] = options[..] else { panic!("one line of options: {options:?}") };

    let output = Command::new(env!("CARGO_BIN_EXE_flowtap"))
        .args(["capture", "--interface", "no-such-link"])
        .args(options.split_whitespace())
        .output()
        .expect("the program runs");

    // Status 1: the command line was understood, and only the interface is not there.
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("no-such-link"), "{error}");
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_leaves_the_probe_little_to_do_but_its_work() {
    // Exposure in tenths, from 0 (locked in) to 100: a unit without any hardening has 96.
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(Path::new(ROOT).join("systemd/flowtap@.service"))
        .output()
        .expect("systemd-analyze runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "needs root, strace and systemd-analyze"]
fn the_unit_allows_every_system_call_of_a_capture() {
    netns::inside("the_unit_allows_every_system_call_of_a_capture", || {
        netns::cable("tap0", "src0");
        netns::ip("link set dev lo up");
        let _collectors = (
            TcpListener::bind("127.0.0.1:4739").expect("the port is free in here"),
            UdpSocket::bind("127.0.0.1:4739").expect("the port is free in here"),
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().display();
        let calls = folder.path().join("calls");
        let output = Command::new("strace")
            .args(["-f", "-qq", "-o"])
            .arg(&calls)
            .arg(env!("CARGO_BIN_EXE_flowtap"))
            .args(["capture", "-i", "tap0", "--duration", "2s", "--spool-key"])
            .args([format!("{path}/key"), "--spool".into(), format!("{path}/spool")])
            .args(["--export", "udp://127.0.0.1", "--export", "tcp://localhost", "--export"])
            .arg(format!("file:{path}/%H%M%S.ipfix?rotate=1s&compress=zstd"))
            .output()
            .expect("strace runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // PROCESS NAME(ARGUMENTS) = RESULT
        let calls = fs::read_to_string(calls).expect("strace wrote it");
        let names = calls.lines().filter_map(|line| line.split_once(' ')?.1.trim().split_once('('));
        // What another thread got in between of is told in two lines.
        let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let made: BTreeSet<_> = names.map(|(name, _)| name).filter(is_name).collect();
        assert!(made.len() > 50, "strace saw the run: {made:?}");

        let unit = Path::new(ROOT).join("systemd/flowtap@.service");
        let unit = fs::read_to_string(unit).expect("the file is part of the project");
        // systemd.exec(5): a first line of what is allowed, then what is taken away or added.
        let mut allowed = members("@default");
        for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
            let (takes, line) = line.strip_prefix('~').map_or((false, line), |line| (true, line));
            for call in line.split_whitespace().flat_map(members) {
                if takes {
                    allowed.remove(&call)
                } else {
                    allowed.insert(call)
                };
            }
        }
        let missing: Vec<_> = made.into_iter().filter(|name| !allowed.contains(*name)).collect();
        assert!(missing.is_empty(), "the unit ends a probe that calls {missing:?}");
    });
}

/// The system calls that a word of `SystemCallFilter=` stands for.
fn members(word: &str) -> BTreeSet<String> {
    if !word.starts_with('@') {
        return BTreeSet::from([word.to_owned()]);
    }
    let output = Command::new("systemd-analyze")
        .args(["syscall-filter", "--no-pager", word])
        .output()
        .expect("systemd-analyze runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().skip(1).map(str::trim);
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).flat_map(members).collect()
}
