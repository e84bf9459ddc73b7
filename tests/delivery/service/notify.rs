//! What the program tells the manager that started it, seen from that manager.

#![expect(clippy::disallowed_methods, reason = "tests wait, and not for ever")]

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use crate::netns::{cable, inside, ip};
use crate::program::{Program, wait_until};

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
fn an_interface_that_is_not_there_at_boot_is_waited_for_confined_and_captured_from() {
    let test = "service::notify::\
                an_interface_that_is_not_there_at_boot_is_waited_for_confined_and_captured_from";
    inside(test, || {
        // At a terminal a name that is misspelt is an error at once.
        let typed = Command::new(env!("CARGO_BIN_EXE_flowtap"))
            .args(["capture", "-i", "tap0", "--export", "null:"])
            .output()
            .expect("the program was built");
        let said = String::from_utf8_lossy(&typed.stderr);
        assert_eq!(typed.status.code(), Some(1), "{said}");
        assert!(said.contains("tap0: no such interface (there are: lo)"), "{said}");
        for backend in ["af-packet", "libpcap"] {
            let mut manager = Manager::new();
            let folder = tempfile::tempdir().expect("a temporary folder");
            let socket = folder.path().join("probe.sock").display().to_string();
            let place = format!("unix:{socket}");
            let probe = manager.start(&["--backend", backend, "--telemetry", &place]);
            let health = || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_flowtap"));
                let output = command.args(["status", "--probe", &place]).output();
                let output = output.expect("the program was built");
                (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
            };
            wait_until("its state", || health().1.contains("interface tap0: is not there"));
            assert_eq!(health().0, Some(1), "it is not healthy");
            cable("tap0", "src0");
            let ready = manager.wait_for("READY=1");
            assert!(ready.contains("STATUS=capturing on tap0: "), "{ready}");
            wait_until("health", || health().0 == Some(0));
            ping();
            let received = |message: &str| !message.contains(" 0 packets received");
            manager.wait_until("WATCHDOG=1", received);
            let (_, said) = health();
            assert!(!said.contains(" 0 packets/s"), "{said}");
            probe.signal("TERM");
            let (status, said) = probe.end();
            assert!(status.success(), "{said}");
            assert!(said.contains("confined: "), "{said}");
            assert!(said.contains("tap0: is not there, waiting for it (there are: lo)"), "{said}");
            ip("link delete dev tap0");
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

#[test]
#[ignore = "needs root"]
fn names_that_nobody_resolves_hold_up_neither_the_start_nor_the_watchdog_nor_the_end() {
    let test = "service::notify::\
        names_that_nobody_resolves_hold_up_neither_the_start_nor_the_watchdog_nor_the_end";
    inside(test, || {
        ip("link set dev lo up");
        cable("tap0", "src0");
        let folder = tempfile::tempdir().expect("there is room");
        let silent = silent_name_server(folder.path());

        let mut manager = Manager::new();
        let begin = Instant::now();
        let hosts = ["udp://one.example", "tcp://two.example", "udp://three.example"];
        let probe = manager.start(&hosts.map(|host| ["--export", host]).concat());
        manager.wait_for("READY=1");
        // One after the other they would take longer.
        assert!(begin.elapsed() < 2 * NAME_SERVER, "{:?}", begin.elapsed());
        probe.signal("TERM");
        let (_, said) = probe.end();
        assert!(said.contains("the books balance"), "{said}");

        let file = folder.path().join("flowtap.toml");
        let write = |text: &str| fs::write(&file, text).expect("there is room");
        let (good, bad) =
            ("[capture]\nfilter = 'udp'\n", "[capture]\nfilter = 'host no.example'\n");
        write("");
        let path = file.to_string_lossy();
        // A name to resolve, so that it still may.
        let probe = manager.start(&["--export", "udp://localhost:9", "--config", &path]);
        manager.wait_for("READY=1");
        write(bad);
        probe.signal("HUP");
        manager.wait_for("RELOADING=1");
        wait_for_question(&silent);
        write(good);
        // Of the file as it is then: one that is told after the first, and not beside it.
        probe.signal("HUP");
        let lines = manager.lines_until("READY=1");
        assert!(lines.iter().filter(|line| *line == "WATCHDOG=1").count() > 2, "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("RELOADING")), "{lines:?}");
        manager.wait_for("RELOADING=1");
        manager.wait_for("READY=1");
        write(bad);
        probe.signal("HUP");
        manager.wait_for("RELOADING=1");
        wait_for_question(&silent);
        probe.signal("TERM");
        manager.wait_for("STOPPING=1");
        let (_, said) = probe.end();
        for answer in ["unknown host", "was read again", "the probe ends before", "books balance"] {
            assert_eq!(said.matches(answer).count(), 1, "{answer}: {said}");
        }
        assert!(!said.contains("not moved"), "{said}");
    });
}

/// Names are asked for at a server that does not answer, by this process and those that it starts.
fn silent_name_server(folder: &Path) -> UdpSocket {
    let file = folder.join("resolv.conf");
    fs::write(&file, "nameserver 127.0.0.1\nsearch .\noptions timeout:1 attempts:1\n")
        .expect("there is room");
    // ip-netns(8) has given this process mounts of its own.
    let status = Command::new("mount").arg("--bind").arg(&file).arg("/etc/resolv.conf").status();
    assert!(status.expect("mount(8) is installed").success());
    let socket = UdpSocket::bind("127.0.0.1:53").expect("nobody else is here");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has one");
    socket
}

/// Waits until the name of the filter is asked for.
fn wait_for_question(silent: &UdpSocket) {
    let mut octets = [0; 512];
    loop {
        let length = silent.recv(&mut octets).expect("it is asked");
        let question = octets.get(..length).unwrap_or_default();
        if question.windows(FILTERED.len()).any(|found| found == FILTERED) {
            return;
        }
    }
}

/// no.example, as in a question (RFC 1035 §3.1).
const FILTERED: &[u8] = b"\x02no\x07example\0";

/// How long it takes to find out that the name server does not answer: it is asked for the name as it is, and in
/// the domain that is searched.
const NAME_SERVER: Duration = Duration::from_secs(2);

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

    /// The first lines of all messages before one that begins with `line`.
    #[track_caller]
    fn lines_until(&self, line: &str) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(10);
        let mut lines = Vec::new();
        while Instant::now() < until {
            let Some(message) = self.receive() else { continue };
            if message.starts_with(line) {
                return lines;
            }
            lines.push(message.lines().next().unwrap_or_default().to_owned());
        }
        panic!("{line} did not come: {lines:?}");
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
