//! SIGHUP in the middle of traffic, over a namespace: every packet is in the books before and after,
//! whatever the new configuration says.
//!
//! `cargo test --test live reload:: -- --ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::netns::{cable, inside, ip};
use crate::program::{Program, wait_until};
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::run::{FLOWTAP, Summary};
use crate::strict::Session;
use serde_json::Value;
use tempfile::TempDir;

#[test]
#[ignore = "needs root"]
fn everything_that_can_changes_mid_traffic_and_the_books_balance() {
    inside("reload::everything_that_can_changes_mid_traffic_and_the_books_balance", || {
        changes_mid_traffic("af-packet");
    });
}

#[test]
#[ignore = "needs root"]
fn with_libpcap_everything_that_can_changes_too() {
    let test = "reload::with_libpcap_everything_that_can_changes_too";
    inside(test, || changes_mid_traffic("libpcap"));
}

fn changes_mid_traffic(backend: &str) {
    let (first, second) = (UdpReceiver::start(), UdpReceiver::start());
    let to = |receiver: &UdpReceiver, more: &str| {
        format!("[[collector]]\nurl = 'udp://{}'\n{more}", receiver.address())
    };
    let mut probe = Probe::start(&(SHORT.to_owned() + &to(&first, "")), &["--backend", backend]);
    let traffic = Traffic::start();
    wait_until("records at the first", || first.so_far().len() > 2);

    // A bad file changes nothing, and says where it is bad.
    probe.reload("[meter]\nidle_timeout = 5\n");
    probe.wait_for("flowtap.toml:2:16: `meter.idle_timeout`: is of type integer");
    let health = |is: bool| {
        let told = Command::new(FLOWTAP).args(["status", "--json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let checks = told["health"]["checks"].as_array().unwrap();
        checks.iter().any(|it| it["check"] == "configuration" && it["healthy"] == is)
            && told["configuration_refused"] == !is
    };
    wait_until("it is seen", || health(false));
    let (before, seconds) = (first.so_far().len(), second.so_far().len());
    wait_until("more at the first", || first.so_far().len() > before + 2);
    assert_eq!(seconds, 0);

    probe.reload(&(SHORT.to_owned() + &to(&second, "privacy = { level = 'obfuscated' }\n")));
    probe.wait_for("was read again: exporting to udp://");
    wait_until("it is seen", || health(true));
    wait_until("records at the second", || second.so_far().len() > 2);

    // What the kernel rejects is in no ledger, what a network leaves out is counted as filtered.
    let filtered = SHORT.replace("[meter]", "[capture]\nfilter = 'udp port 9'\n[meter]")
        + "[networks]\nexclude = ['192.0.2.0/24']\n"
        + &to(&second, "privacy = { level = 'obfuscated' }\n");
    probe.reload(&filtered);
    probe.wait_for("the targets are the same; filter, networks (1 left out) changed");
    thread::sleep(Duration::from_millis(300));
    let sent = traffic.stop();
    thread::sleep(Duration::from_millis(300));
    let (summary, json) = probe.end("TERM");
    summary.assert_balanced();
    assert!(summary.count("filtered_packets") > 0, "{summary:?}");
    assert!(summary.count("received_packets") < sent, "{sent}: {summary:?}");
    assert_eq!(summary.count("kernel_dropped_packets"), 0);
    let targets = json["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 2, "{targets:?}");
    let sum = |key: &str| targets.iter().map(|it| it[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("given_packets"), summary.count("metered_packets"));
    assert_eq!(sum("given_flows"), summary.count("exported_flows"));
    assert_eq!(sum("sent_flows") + sum("lost_flows"), sum("given_flows"));
    // Both collectors' records, and what is counted as lost, are what was metered.
    let datagrams = [first.finish(), second.finish()];
    let arrived: u64 = datagrams
        .iter()
        .map(|datagrams| {
            let octets = datagrams.iter().map(Vec::as_slice);
            u64::try_from(Session::of_datagrams(octets).flows().count()).unwrap()
        })
        .sum();
    assert_eq!(arrived + sum("lost_flows"), summary.count("exported_flows"), "{json:#}");
    assert_eq!(sum("lost_flows"), 0, "{json:#}");
    let texts = datagrams.concat().concat();
    assert!(!texts.is_empty());
}

#[test]
#[ignore = "needs root"]
fn what_was_given_up_takes_a_restart_and_what_was_kept_does_not() {
    inside("reload::what_was_given_up_takes_a_restart_and_what_was_kept_does_not", || {
        let (first, second) = (TcpReceiver::start(), TcpReceiver::start());
        let folder = TempDir::new().unwrap();
        let (own, foreign) = (folder.path().join("own"), folder.path().join("foreign"));
        for directory in [&own, &foreign] {
            fs::create_dir(directory).unwrap();
        }
        let list = own.join("guests.txt");
        fs::write(&list, "# nobody as yet\n").unwrap();
        let json = |directory: &Path, name: &str| {
            format!("[[json]]\npath = '{}'\n", directory.join(name).display())
        };
        let collector =
            |it: &TcpReceiver| format!("[[collector]]\nurl = 'tcp://{}'\n", it.address());
        let networks = format!("[networks]\nexclude_files = ['{}']\n", list.display());
        let text = SHORT.to_owned() + &networks + &json(&own, "a.json") + &collector(&first);
        let mut probe = Probe::start(&text, &[]);
        let traffic = Traffic::start();
        wait_until("records at the first", || !first.so_far().is_empty());

        // Another directory, and another port.
        probe.reload(&(text.clone() + &json(&foreign, "b.json")));
        probe.wait_for("given up to write in");
        assert!(probe.said().contains("restart it for that"), "{}", probe.said());
        probe.reload(&(text.clone() + &collector(&second)));
        probe.wait_for(&format!("to connect to TCP port {}", second.address().port()));
        assert_eq!(fs::read_dir(&foreign).unwrap().count(), 0);

        // The same directory is within the fence; another cache is named and stays as it was.
        let other =
            text.replace("a.json", "c.json").replace("[meter]", "[meter]\nmax_flows = 5000");
        probe.reload(&other);
        probe.wait_for("meter.max_flows stays as it was and needs a restart");
        wait_until("the old file is whole", || own.join("a.json").exists());

        // The file of networks is read again, also when another one has taken its place.
        fs::write(own.join("new"), "192.0.2.0/24\n").unwrap();
        fs::rename(own.join("new"), &list).unwrap();
        probe.reload(&other);
        probe.wait_for("the targets are the same; networks (1 left out) changed");
        thread::sleep(Duration::from_millis(200));
        traffic.stop();
        thread::sleep(Duration::from_millis(200));
        let (summary, _) = probe.end("TERM");
        summary.assert_balanced();
        assert!(summary.count("filtered_packets") > 0, "{summary:?}");
        let lines = |name: &str| fs::read_to_string(own.join(name)).unwrap().lines().count();
        assert_eq!((lines("a.json") + lines("c.json")) as u64, summary.count("exported_flows"));
        assert!(second.finish().is_empty());
        drop(first);
    });
}

#[test]
#[ignore = "needs root"]
fn a_collector_that_comes_with_a_reload_is_known_in_the_traffic() {
    inside("reload::a_collector_that_comes_with_a_reload_is_known_in_the_traffic", || {
        let to = |host| format!("{SHORT}[[collector]]\nurl = 'udp://{host}:{DISCARD}'\n");
        let mut probe = Probe::start(&to("127.0.0.1"), &[]);
        let traffic = Traffic::start();
        thread::sleep(Duration::from_millis(500));
        // Half of the datagrams go there, and what is exported from now on.
        probe.reload(&to("192.0.2.2"));
        probe.wait_for("was read again: exporting to udp://");
        thread::sleep(Duration::from_millis(200));
        traffic.stop();
        let (summary, json) = probe.end("TERM");
        summary.assert_balanced();
        assert!(json["symptoms"]["collector_packets"].as_u64() > Some(0), "{json:#}");
    });
}

#[test]
#[ignore = "needs root"]
fn without_a_file_the_end_of_a_terminal_loses_nothing() {
    inside("reload::without_a_file_the_end_of_a_terminal_loses_nothing", || {
        let mut probe = Probe::without_file("");
        let traffic = Traffic::start();
        probe.program.wait_until("frames", || {
            fs::read_to_string("/sys/class/net/tap0/statistics/rx_packets")
                .is_ok_and(|count| count.trim().parse::<u64>().unwrap() > 1000)
        });
        traffic.stop();
        // As a shell and the kernel do at the end of a terminal, and systemd behind them.
        for signal in ["HUP", "HUP", "TERM"] {
            probe.program.signal(signal);
        }
        let folder = probe.folder.path().to_owned();
        let log = probe.log.clone();
        let (status, _) = probe.program.end();
        let said = fs::read_to_string(log).unwrap();
        assert!(status.success(), "{status}: {said}");
        assert!(said.contains("SIGHUP, and no file of --config to read again"), "{said}");
        let summary = Summary::read(&folder.join("summary"));
        summary.assert_balanced();
        let flows = fs::read_to_string(folder.join("flows.json")).unwrap().lines().count() as u64;
        assert_eq!(flows, summary.count("exported_flows"));
        assert!(flows > 50, "{summary:?}");
    });
}

#[test]
#[ignore = "needs root"]
fn of_nohup_a_probe_outlives_its_terminal() {
    inside("reload::of_nohup_a_probe_outlives_its_terminal", || {
        let mut probe = Probe::without_file("trap '' HUP; ");
        probe.program.signal("HUP");
        thread::sleep(Duration::from_millis(500));
        assert!(probe.program.is_running(), "{}", probe.said());
        probe.end("TERM");
    });
}

/// Flows that end soon.
const SHORT: &str = "[[interface]]\nname = 'tap0'\n[meter]\nidle_timeout = '100ms'\n";

/// A probe with a configuration, and what it says.
struct Probe {
    program: Program,
    folder: TempDir,
    log: PathBuf,
}

impl Probe {
    fn start(text: &str, more: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("flowtap.toml");
        fs::write(&file, text).unwrap();
        let file = format!("--config={}", file.display());
        Self::with(folder, "", &[&[file.as_str()], more].concat())
    }

    /// Started by a shell that does `first` before.
    fn without_file(first: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let target = format!("--export=json:{}", folder.path().join("flows.json").display());
        Self::with(folder, first, &["-i", "tap0", &target])
    }

    fn with(folder: TempDir, first: &str, arguments: &[&str]) -> Self {
        ip("link set dev lo up");
        cable("tap0", "src0");
        ip("address add 192.0.2.1/24 dev src0");
        ip("neighbour add 192.0.2.2 lladdr 02:00:5e:00:53:02 dev src0");
        let path = folder.path();
        let log = path.join("log");
        let mut command = Command::new("sh");
        let run = format!("{first}exec \"$0\" \"$@\" 2>>\"$LOG\"");
        command.args(["-c", &run, FLOWTAP, "capture", "--workers", "2"]);
        command.args(arguments).arg("--summary").arg(path.join("summary"));
        let mut program = Program::start(command.env("LOG", &log));
        program.wait_until("its interface", || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("capturing on tap0"))
        });
        let threads = |program: &mut Program| program.threads_named("flowtap") > 1;
        program.wait_until("its workers", || true);
        wait_until("its workers", || threads(&mut program));
        Self { program, folder, log }
    }

    /// Puts another configuration in the place of the old one, as editors do.
    fn reload(&self, text: &str) {
        let path = self.folder.path();
        fs::write(&self.log, "").unwrap();
        fs::write(path.join("new"), text).unwrap();
        fs::rename(path.join("new"), path.join("flowtap.toml")).unwrap();
        self.program.signal("HUP");
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn wait_for(&mut self, text: &str) {
        let log = self.log.clone();
        let said = || fs::read_to_string(&log).unwrap();
        for _ in 0..150 {
            if said().contains(text) {
                assert_eq!(said().lines().filter(|line| line.contains(text)).count(), 1);
                return;
            }
            assert!(self.program.is_running(), "it ended: {}", said());
            thread::sleep(Duration::from_millis(20));
        }
        panic!("not said: {text}: {}", said());
    }

    fn end(self, signal: &str) -> (Summary, Value) {
        self.program.signal(signal);
        let log = self.log;
        let (status, _) = self.program.end();
        assert!(status.success(), "{status}: {}", fs::read_to_string(log).unwrap());
        let summary = self.folder.path().join("summary");
        (Summary::read(&summary), serde_json::from_slice(&fs::read(&summary).unwrap()).unwrap())
    }
}

/// Half of the datagrams go there.
const DISCARD: u16 = 9;

/// Datagrams that are seen on tap0, half of them each of another flow.
struct Traffic {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Traffic {
    fn start() -> Self {
        let ends = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                let sockets: Vec<_> =
                    (0..50).map(|_| UdpSocket::bind("192.0.2.1:0").unwrap()).collect();
                let (mut port, mut sent) = (10_u16, 0);
                while !ends.load(Ordering::Relaxed) {
                    for socket in &sockets {
                        socket.send_to(&[0; 100], ("192.0.2.2", port)).unwrap();
                        socket.send_to(&[0; 100], ("192.0.2.2", DISCARD)).unwrap();
                        sent += 2;
                    }
                    port = if port < 60_000 { port + 1 } else { 10 };
                    thread::sleep(Duration::from_millis(10));
                }
                sent
            }
        });
        Self { ends, thread }
    }

    /// How many were sent.
    fn stop(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
