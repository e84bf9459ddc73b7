//! What the program tells the manager that started it, seen from that manager.

#![expect(clippy::disallowed_methods, reason = "tests wait, and not for ever")]

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use crate::netns::{cable, inside, ip};
use crate::program::Program;

#[test]
#[ignore = "needs root"]
fn a_confined_probe_says_that_it_captures_that_it_moves_and_that_it_ends() {
    let test =
        "service::notify::a_confined_probe_says_that_it_captures_that_it_moves_and_that_it_ends";
    inside(test, || {
        cable("tap0", "src0");
        for more in [&[][..], &["--no-reopen", "--user", "nobody"]] {
            let mut manager = Manager::new();
            let probe = manager.start(more);
            let ready = manager.wait_for("READY=1");
            assert!(ready.contains("STATUS=capturing on tap0: "), "{ready}");
            ping();
            // Not of one moment: it comes again and again, with what has been seen so far.
            let received = |message: &str| !message.contains(" 0 packets received");
            let alive = manager.wait_until("WATCHDOG=1", received);
            assert!(alive.contains("STATUS=capturing on tap0: "), "{alive}");
            for _ in 0..3 {
                manager.wait_for("WATCHDOG=1");
            }
            probe.signal("TERM");
            manager.wait_for("STOPPING=1");
            let (status, said) = probe.end();
            assert!(status.success(), "{said}");
            assert!(said.contains("confined: ") && !said.contains("not moved"), "{said}");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_probe_whose_worker_stands_still_is_not_kept_alive() {
    inside("service::notify::a_probe_whose_worker_stands_still_is_not_kept_alive", || {
        cable("tap0", "src0");
        let mut manager = Manager::new();
        let probe = manager.start(&[]);
        manager.wait_for("WATCHDOG=1");
        // The main thread goes on, as it would if a worker hung in a system call or in a lock.
        let others = threads(probe.id());
        for &thread in &others {
            ptrace::seize(thread, Options::empty()).expect("root may");
            ptrace::interrupt(thread).expect("it is seized");
        }
        manager.wait_until("STATUS=", |message| message.contains("worker 1 has not moved"));
        let quiet_until = Instant::now() + 2 * WATCHDOG;
        while Instant::now() < quiet_until {
            if let Some(message) = manager.receive() {
                assert!(!message.contains("WATCHDOG=1"), "kept alive: {message}");
            }
        }
        for &thread in &others {
            ptrace::detach(thread, None).expect("it is stopped");
        }
        manager.wait_for("WATCHDOG=1");
        probe.signal("TERM");
        let (status, said) = probe.end();
        assert!(status.success(), "{said}");
        assert!(said.contains("flowtap: error: worker 1 has not moved for "), "{said}");
    });
}

/// The main thread of a process is not among them.
fn threads(process: u32) -> BTreeSet<Pid> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let names = entries.map(|entry| entry.expect("it runs").file_name());
    let ids = names.map(|name| name.to_string_lossy().parse().expect("a number"));
    ids.filter(|id| Ok(*id) != i32::try_from(process)).map(Pid::from_raw).collect()
}

fn ping() {
    ip("address add 192.0.2.1/24 dev src0");
    // Nobody answers; the requests are on the wire all the same.
    ip("neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev src0");
    let _ =
        Command::new("ping").args(["-q", "-c", "3", "-i", "0.1", "-W", "1", "192.0.2.2"]).output();
    ip("address flush dev src0");
}

/// A service manager with a socket of an abstract name, as in a container.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn new() -> Self {
        let name = format!("flowtap-service-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("it is short");
        let socket = UnixDatagram::bind_addr(&address).expect("nobody else has that name");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket has one");
        Self { socket, name }
    }

    fn start(&self, more: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowtap"));
        command
            .args(["capture", "-i", "tap0", "--workers", "1", "--export", "null:"])
            .args(more)
            .env("NOTIFY_SOCKET", format!("@{}", self.name))
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        Program::start(&mut command)
    }

    fn receive(&self) -> Option<String> {
        let mut octets = [0; 4096];
        let length = self.socket.recv(&mut octets).ok()?;
        octets.get(..length).map(|octets| String::from_utf8_lossy(octets).into_owned())
    }

    /// The next message that begins with a line.
    #[track_caller]
    fn wait_for(&mut self, line: &str) -> String {
        self.wait_until(line, |_| true)
    }

    #[track_caller]
    fn wait_until(&mut self, line: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            match self.receive() {
                Some(message) if message.starts_with(line) && wanted(&message) => return message,
                _ => {}
            }
        }
        panic!("{line} did not come");
    }
}

/// In which the probe has to be heard.
const WATCHDOG: Duration = Duration::from_millis(900);
