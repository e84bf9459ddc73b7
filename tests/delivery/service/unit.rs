//! The unit of the probe: what it allows is what a capture needs, and little more.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use caps::{CapSet, Capability};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::netns;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_command_of_the_service_is_one_of_the_program() {
    let read = |path: &str| {
        fs::read_to_string(Path::new(ROOT).join(path)).expect("the file is part of the project")
    };
    let (unit, environment) = (read("systemd/flowtap.service"), read("probe-config/flowtap.env"));
    let one = |text: &str, begin: &str| {
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(begin)).collect();
        let [line] = lines[..] else { panic!("one line of {begin}: {lines:?}") };
        line.to_owned()
    };
    // This machine may have the interface that is named there.
    let options = one(&environment, "FLOWTAP_OPTIONS=")
        .replace("--interface eth2", "--interface no-such-link");
    let run = |begin: &str| {
        let command = one(&unit, begin)
            .replace("/etc/flowtap/flowtap.toml", &format!("{ROOT}/probe-config/span.toml"))
            .replace("$FLOWTAP_OPTIONS", &options);
        let mut program = Command::new(env!("CARGO_BIN_EXE_flowtap"));
        program.args(command.split_whitespace()).output().expect("the program runs")
    };
    let output = run("ExecStart=/usr/bin/flowtap ");

    // Status 1: the command line was understood, and only the interface is not there.
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("no-such-link"), "{error}");

    // What a reload asks first takes the same words, and that is a note to it.
    let output = run("ExecReload=/usr/bin/flowtap ");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(error.contains("note: no-such-link: no such interface"), "{error}");
}

#[test]
#[ignore = "needs systemd-analyze"]
fn the_unit_leaves_the_probe_little_to_do_but_its_work() {
    // Exposure in tenths, from 0 (locked in) to 100: a unit without any hardening has 96.
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(unit("flowtap.service"))
        .output()
        .expect("systemd-analyze runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_understands_every_line_of_the_units() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in UNITS {
        let text = fs::read_to_string(unit(name)).expect("the file is part of the project");
        // The programs need not be installed here.
        let text = text
            .replace("/usr/bin/flowtap", env!("CARGO_BIN_EXE_flowtap"))
            .replace("/usr/lib/flowtap/", &format!("{ROOT}/systemd/"));
        let path = folder.path().join(name.replace('@', "@eth1"));
        fs::write(&path, text).expect("it is ours");
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&path)
            .output()
            .expect("systemd-analyze runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{name}: {told}");
    }
}

#[test]
#[ignore = "needs root, strace and systemd-analyze"]
fn a_capture_needs_no_system_call_that_the_unit_does_not_allow() {
    let test = "service::unit::a_capture_needs_no_system_call_that_the_unit_does_not_allow";
    netns::inside(test, || {
        netns::cable("tap0", "src0");
        netns::ip("link set dev lo up");
        let _collectors = (
            TcpListener::bind("127.0.0.1:4739").expect("the port is free in here"),
            UdpSocket::bind("127.0.0.1:4739").expect("the port is free in here"),
        );
        // From here on this thread, and what it starts.
        keep_the_capabilities_of_the_unit();
        refuse_what_the_unit_refuses();
        for backend in ["af-packet", "libpcap"] {
            let made = calls_of_a_capture(backend);
            let allowed = allowed();
            let refused =
                |name: &&String| !allowed.contains(*name) && !REFUSED.contains(&name.as_str());
            let missing: Vec<_> = made.iter().filter(refused).collect();
            assert!(missing.is_empty(), "{backend}: the unit refuses {missing:?}");
        }
        for name in REFUSED {
            assert!(!allowed().contains(name), "{name} is allowed, and need not be refused here");
        }
    });
}

/// What a capture tries, and does without.
const REFUSED: [&str; 4] = ["adjtimex", "capset", "clock_adjtime", "sched_setaffinity"];

/// A program that root starts has what the bounding set lets it have.
fn keep_the_capabilities_of_the_unit() {
    for capability in caps::all().into_iter().filter(|it| *it != Capability::CAP_NET_RAW) {
        // A kernel does not know them all.
        let _ = caps::drop(None, CapSet::Bounding, capability);
    }
    let left = caps::read(None, CapSet::Bounding).expect("it can be read");
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [Capability::CAP_NET_RAW]);
}

/// `REFUSED`, and sockets of a family that is not in `RestrictAddressFamilies=`.
fn refuse_what_the_unit_refuses() {
    let netlink = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(libc::AF_NETLINK.unsigned_abs()),
    );
    let netlink = netlink.and_then(|it| SeccompRule::new(vec![it])).expect("it is a rule");
    let calls = [
        libc::SYS_adjtimex,
        libc::SYS_capset,
        libc::SYS_clock_adjtime,
        libc::SYS_sched_setaffinity,
    ];
    for (rules, error) in [
        (calls.map(|call| (call, vec![])).to_vec(), libc::EPERM),
        (vec![(libc::SYS_socket, vec![netlink])], libc::EAFNOSUPPORT),
    ] {
        let arch = std::env::consts::ARCH.try_into().expect("one that has filters");
        let error = SeccompAction::Errno(error.unsigned_abs());
        let filter =
            SeccompFilter::new(rules.into_iter().collect(), SeccompAction::Allow, error, arch);
        let program: BpfProgram = filter.and_then(TryInto::try_into).expect("it is a filter");
        seccompiler::apply_filter(&program).expect("root may");
    }
}

/// The names of the system calls of a run of two seconds, which ends well.
fn calls_of_a_capture(backend: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().display();
    let calls = folder.path().join("calls");
    let manager = std::os::unix::net::UnixDatagram::bind(folder.path().join("notify"));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&calls)
        .arg(env!("CARGO_BIN_EXE_flowtap"))
        .args(["capture", "-i", "tap0", "--duration", "2s", "--backend", backend, "--spool-key"])
        .args([format!("{path}/key"), "--spool".into(), format!("{path}/spool")])
        .args(["--export", "udp://127.0.0.1", "--export", "tcp://localhost", "--export"])
        .arg(format!("file:{path}/%H%M%S.ipfix?rotate=1s&compress=zstd"))
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .output()
        .expect("strace runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    drop(manager);
    // PROCESS NAME(ARGUMENTS) = RESULT
    let calls = fs::read_to_string(calls).expect("strace wrote it");
    let names = calls.lines().filter_map(|line| line.split_once(' ')?.1.trim().split_once('('));
    // What another thread got in between of is told in two lines.
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let made: BTreeSet<_> =
        names.map(|(name, _)| name).filter(is_name).map(str::to_owned).collect();
    assert!(made.len() > 50, "strace saw the run: {made:?}");
    made
}

/// What the unit allows (systemd.exec(5)): a first line of what is allowed, then what is taken away or
/// added.
fn allowed() -> BTreeSet<String> {
    let text = fs::read_to_string(unit("flowtap.service")).expect("it is part of the project");
    let mut allowed = members("@default");
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (takes, line) = line.strip_prefix('~').map_or((false, line), |line| (true, line));
        for call in line.split_whitespace().flat_map(members) {
            if takes {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    allowed
}

fn unit(name: &str) -> PathBuf {
    Path::new(ROOT).join("systemd").join(name)
}

const UNITS: [&str; 2] = ["flowtap.service", "flowtap-interface@.service"];

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
