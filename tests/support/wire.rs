//! A wire between two network namespaces: an exporter at one end, and this test at the other.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{Program, run};

/// Addresses of the exporter and of the collector, IPv4 and IPv6.
pub(crate) const EXPORTER: [&str; 2] = ["192.0.2.1", "2001:db8:77::1"];
pub(crate) const COLLECTOR: [&str; 2] = ["192.0.2.2", "2001:db8:77::2"];

/// What a test at the collector's end has in its hands.
#[derive(Debug)]
pub(crate) struct Wire {
    exporter: String,
}

/// A recording of everything on the wire.
#[derive(Debug)]
pub(crate) struct Recording {
    program: Program,
    path: PathBuf,
    _folder: TempDir,
}

impl Wire {
    /// Runs `body` at the collector's end of a wire whose packets have `mtu` octets at most, in a
    /// process of its own: this test binary, told to run the test of this name only.
    pub(crate) fn run(test: &str, mtu: u16, body: impl FnOnce(&Self)) {
        if let Ok(exporter) = env::var(MARK) {
            // One process at a time is inside; others of the same test are told apart by the MTU.
            if env::var(MTU_MARK) == Ok(mtu.to_string()) {
                body(&Self { exporter });
            }
            return;
        }
        let ends = Namespaces::new(mtu);
        let output = Command::new("ip")
            .args(["netns", "exec", &ends.name("c")])
            .arg(env::current_exe().expect("a test knows its own binary"))
            .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(MARK, ends.name("e"))
            .env(MTU_MARK, mtu.to_string())
            .output()
            .expect("ip(8) is installed");
        let told = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        // A misspelt name would run no test at all, successfully.
        let passed = output.status.success() && told.contains("1 passed");
        assert!(passed, "at MTU {mtu}:\n{told}\n{complaints}");
    }

    /// A program at the exporter's end.
    pub(crate) fn exporter(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.exporter, program]);
        command
    }

    /// Records what comes and goes at this end, the collector's.
    pub(crate) fn record(&self) -> Recording {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("wire.pcap");
        let mut tcpdump = Command::new("tcpdump");
        // Its default buffer loses bursts, and what waits in it when it ends; as root it would give its rights away, and with them
        // those to the folder.
        tcpdump
            .args(["-i", "wire", "--immediate-mode", "-B", "65536", "-U", "-n", "-Z", "root", "-w"])
            .arg(&path);
        let mut program = Program::start(&mut tcpdump);
        program.wait_until("its file", || std::fs::metadata(&path).is_ok_and(|f| f.len() >= 24));
        Recording { program, path, _folder: folder }
    }
}

impl Recording {
    /// Ends it, and makes sure that it missed nothing.
    #[track_caller]
    pub(crate) fn finish(self) -> (PathBuf, TempDir) {
        let Self { program, path, _folder } = self;
        // What was sent last must reach the file.
        thread::sleep(Duration::from_millis(300));
        program.signal("INT");
        let (_, log) = program.end();
        assert!(log.contains("0 packets dropped by kernel"), "{log}");
        (path, _folder)
    }
}

/// Removed when dropped.
struct Namespaces(String);

impl Namespaces {
    fn new(mtu: u16) -> Self {
        static WIRES: AtomicU32 = AtomicU32::new(0);
        let number = WIRES.fetch_add(1, Ordering::Relaxed);
        let ends = Self(format!("flowtap-interop-{}-{number}", std::process::id()));
        for end in ["e", "c"] {
            ip(&["netns", "add", &ends.name(end)]);
        }
        let [exporter, collector] = ["e", "c"].map(|end| ends.name(end));
        ip(&[
            "link", "add", "wire", "netns", &exporter, "type", "veth", "peer", "name", "wire",
            "netns", &collector,
        ]);
        let [v4, v6] = [[EXPORTER[0], COLLECTOR[0]], [EXPORTER[1], COLLECTOR[1]]];
        for (end, v4, v6) in [("e", v4[0], v6[0]), ("c", v4[1], v6[1])] {
            // What is recorded has to be what a wire would carry: whole checksums, no packets that
            // a device would only divide later. And nothing but what the programs say.
            ends.shell(
                end,
                &format!(
                    "echo 0 > /proc/sys/net/ipv6/conf/wire/accept_ra
                     ethtool -K wire rx off tx off tso off gso off gro off >/dev/null
                     ip link set lo up
                     ip link set wire mtu {mtu} up
                     ip address add {v4}/24 dev wire
                     ip address add {v6}/64 dev wire nodad"
                ),
            );
        }
        ends
    }

    fn name(&self, end: &str) -> String {
        format!("{}-{end}", self.0)
    }

    fn shell(&self, end: &str, lines: &str) {
        ip(&["netns", "exec", &self.name(end), "sh", "-ec", lines]);
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for end in ["e", "c"] {
            // Not `run`: a failure here must not hide the one that may be under way.
            let _ = Command::new("ip").args(["netns", "delete", &self.name(end)]).output();
        }
    }
}

fn ip(words: &[&str]) {
    run(Command::new("ip").args(words));
}

/// Set in the environment of the child process: the namespace of the exporter, and the MTU.
const MARK: &str = "FLOWTAP_TEST_AT_THE_END_OF_A_WIRE";
const MTU_MARK: &str = "FLOWTAP_TEST_MTU_OF_THE_WIRE";
