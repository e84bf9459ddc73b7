//! `flowtap doctor` on virtual cables, where each fault is really brought about.
//!
//! `cargo test --test live doctor:: -- --ignored`, as root.

#![expect(clippy::indexing_slicing, reason = "a key that is missing fails the test")]

use crate::program;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::netns::{cable, inside, ip};
use crate::program::Program;
use crate::run::{Ended, FLOWTAP, Summary, flowtap};

/// What the findings of a report are, by check; the worst where there are several.
struct Report {
    verdicts: BTreeMap<String, String>,
    findings: Vec<Value>,
    packets: Option<u64>,
}

impl Report {
    /// Runs the doctor on tap0 for a second; `more` are further arguments.
    #[track_caller]
    fn of(more: &[&str]) -> Self {
        let arguments = ["doctor", "-i", "tap0", "--duration", "1s", "--format", "json"];
        Self::from(&flowtap(arguments.iter().chain(more)))
    }

    #[track_caller]
    fn from(ended: &Ended) -> Self {
        let value: Value = serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
        let findings = value["findings"].as_array().expect("findings").clone();
        let text = |finding: &Value, key: &str| finding[key].as_str().expect("text").to_owned();
        let mut verdicts = BTreeMap::<String, String>::new();
        for finding in &findings {
            let (check, verdict) = (text(finding, "check"), text(finding, "verdict"));
            let is_trouble = ["warning", "error"].contains(&verdict.as_str());
            // What is to be put right comes with how, and why.
            assert!(!is_trouble || finding["fix"].is_string(), "{finding}");
            assert!(finding["why"].as_str().is_some_and(|why| !why.is_empty()), "{finding}");
            if is_trouble || !verdicts.contains_key(&check) {
                verdicts.insert(check, verdict);
            }
        }
        let report = Self { verdicts, findings, packets: value["packets"].as_u64() };
        let expected = i32::from(!report.all_trouble().is_empty());
        assert_eq!(ended.status, Some(expected), "the exit status tells: {}", ended.stderr);
        report
    }

    fn all_trouble(&self) -> BTreeSet<&str> {
        let is_trouble = |verdict: &str| ["warning", "error"].contains(&verdict);
        let troubled = self.verdicts.iter().filter(|(_, verdict)| is_trouble(verdict));
        troubled.map(|(check, _)| check.as_str()).collect()
    }

    /// Fails unless this, and nothing else, is to be put right; clock, kernel and its memory for filters
    /// are those of the machine.
    #[track_caller]
    fn troubled_by(&self, expected: &[&str]) {
        let machine = BTreeSet::from(["clock", "confinement", "payload-cut"]);
        let found: BTreeSet<_> = self.all_trouble().difference(&machine).copied().collect();
        assert_eq!(found, expected.iter().copied().collect(), "{:#?}", self.findings);
    }

    fn fixes(&self, check: &str) -> String {
        let of = self.findings.iter().filter(|finding| finding["check"] == check);
        of.filter_map(|finding| finding["fix"].as_str()).collect()
    }
}

#[test]
#[ignore = "needs root"]
fn a_healthy_mirror_and_each_fault_of_one() {
    inside("doctor::a_healthy_mirror_and_each_fault_of_one", || {
        cable("tap0", "src0");
        ip("link set dev lo up");
        ip("address add 192.0.2.99/32 dev lo");
        let collector = UdpSocket::bind("192.0.2.99:4739").expect("our own address");
        let export = ["--export", "udp://192.0.2.99:4739"];

        let healthy = while_sending(both_directions, || Report::of(&export));
        healthy.troubled_by(&[]);
        assert_eq!(healthy.verdicts["one-direction"], "ok", "{:#?}", healthy.findings);
        assert_eq!(healthy.verdicts["duplicates"], "ok");
        assert_eq!(healthy.verdicts["collector"], "ok");
        assert!(healthy.packets > Some(100), "{:?}", healthy.packets);

        // Nobody listens over TCP, and over UDP no more.
        drop(collector);
        let more = [&export[..], &["--export", "tcp://192.0.2.99:4739"]].concat();
        let one_way = while_sending(one_direction, || Report::of(&more));
        one_way.troubled_by(&["collector", "one-direction"]);
        let errors = one_way.findings.iter().filter(|it| it["check"] == "collector");
        assert!(errors.clone().all(|it| it["verdict"] == "error") && errors.count() == 2);

        let _collector = UdpSocket::bind("192.0.2.99:4739").expect("our own address");
        ip("address add 198.51.100.7/24 dev tap0");
        let twice = while_sending(twice_and_own_export, || Report::of(&export));
        twice.troubled_by(&["addresses", "duplicates", "own-export"]);
        assert!(twice.fixes("addresses").contains("dev tap0"));

        ip("link set dev tap0 down");
        let down = Report::of(&[]);
        down.troubled_by(&["carrier", "addresses"]);
        assert_eq!((down.verdicts["traffic"].as_str(), down.packets), ("unknown", None));
        assert_eq!(down.fixes("carrier"), "ip link set dev tap0 up");
    });
}

#[test]
#[ignore = "needs root"]
fn a_configuration_says_what_to_look_at_and_flags_override_it() {
    inside("doctor::a_configuration_says_what_to_look_at_and_flags_override_it", || {
        cable("tap0", "src0");
        ip("link set dev lo up");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("flowtap.toml");
        let text =
            "[[interface]]\nname = \"tap0\"\n[[collector]]\nurl = \"tcp://127.0.0.1:4739\"\n";
        fs::write(&file, text).expect("it is ours");
        let config = file.to_str().expect("a name of ours");
        let arguments = ["doctor", "--config", config, "--duration", "1s", "--format", "json"];
        // Nobody listens over TCP, and over UDP somebody does.
        let look = |more: &[&str]| {
            let ended = while_sending(both_directions, || flowtap(arguments.iter().chain(more)));
            Report::from(&ended)
        };
        look(&[]).troubled_by(&["collector"]);
        let _collector = UdpSocket::bind("127.0.0.1:4739").expect("our own address");
        look(&["--export", "udp://127.0.0.1:4739"]).troubled_by(&[]);
    });
}

#[test]
#[ignore = "needs root"]
fn of_several_interfaces_each_is_looked_at_and_none_is_taken_for_two() {
    let test = "doctor::of_several_interfaces_each_is_looked_at_and_none_is_taken_for_two";
    inside(test, || {
        // One that is down is no reason not to look at the other.
        cable("tap0", "src0");
        cable("tap1", "src1");
        ip("link set dev tap1 down");
        let one_down = while_sending(both_directions, || Report::of(&["-i", "tap1"]));
        one_down.troubled_by(&["carrier"]);
        assert!(one_down.packets > Some(10), "{:?}", one_down.packets);
        assert_eq!(one_down.verdicts["traffic"], "ok");
        assert_eq!(one_down.fixes("carrier"), "ip link set dev tap1 up");
        assert_eq!(one_down.verdicts["stacked"], "ok");

        // A port and its bridge, and a macvlan on that.
        ip("link add name br0 type bridge");
        ip("link set dev tap0 master br0");
        ip("link set dev br0 up");
        ip("link add link br0 name way0 type macvlan");
        ip("link set dev way0 up");
        let more = ["-i", "br0", "-i", "way0"];
        let stacked = while_sending(both_directions, || Report::of(&more));
        assert_eq!(stacked.verdicts["stacked"], "error", "{:#?}", stacked.findings);
        let fixes = stacked.fixes("stacked");
        assert!(fixes.contains("without -i br0") && fixes.contains("without -i way0"), "{fixes}");
        assert!(!fixes.contains("without -i tap0"), "{fixes}");

        // The way to this machine, by what stands above.
        ip("address add 203.0.113.1/24 dev br0");
        ip("route add default dev way0");
        let reached = while_sending(both_directions, || Report::of(&[]));
        reached.troubled_by(&["reached"]);
        let all: String = reached.findings.iter().filter_map(|it| it["fix"].as_str()).collect();
        assert!(!all.contains("flush") && !all.contains("disable_ipv6"), "{all}");
        let ended = flowtap(["doctor", "-i", "lo", "--duration", "1s"]).with(1);
        assert!(ended.text().contains("this is how the machine is reached"), "{}", ended.text());
        assert!(!ended.text().contains("flush"), "{}", ended.text());
    });
}

#[test]
#[ignore = "needs root"]
fn without_words_the_configuration_of_the_service_is_looked_at() {
    inside("doctor::without_words_the_configuration_of_the_service_is_looked_at", || {
        cable("tap0", "src0");
        // In a mount namespace of our own (ip-netns(8)).
        let folder = tempfile::tempdir().expect("a temporary folder");
        let etc = folder.path().join("etc");
        program::run(Command::new("cp").arg("-a").arg("/etc").arg(&etc));
        fs::create_dir_all(etc.join("flowtap")).expect("it is ours");
        let file = etc.join("flowtap/flowtap.toml");
        fs::write(&file, "[[interface]]\nname = \"tap0\"\n").expect("it is ours");
        program::run(Command::new("mount").arg("--bind").arg(&etc).arg("/etc"));
        let look = || flowtap(["doctor", "--duration", "1s", "--format", "json"]);
        Report::from(&while_sending(both_directions, look)).troubled_by(&[]);
        // It is not asked where an interface is named, nor is there another when it is gone.
        fs::write(&file, "wrong").expect("it is ours");
        while_sending(both_directions, || Report::of(&[])).troubled_by(&[]);
        assert!(look().with(2).stderr.contains("flowtap.toml"));
        fs::remove_file(&file).expect("it is ours");
        let told = look().with(2).stderr;
        let expected =
            "name an interface (-i eth1) or a configuration (--config /etc/flowtap/flowtap.toml)";
        assert!(told.contains(expected), "{told}");
        program::run(Command::new("umount").arg("/etc"));
    });
}

#[test]
#[ignore = "needs root"]
fn nobody_who_passes_is_named() {
    inside("doctor::nobody_who_passes_is_named", || {
        cable("tap0", "src0");
        let ended = while_sending(one_direction, || {
            flowtap(["doctor", "-i", "tap0", "--duration", "1s"]).with(1)
        });
        let text = ended.text();
        assert!(text.contains("of the") || text.contains("TCP connections"), "{text}");
        assert!(text.contains("to put right: "), "{text}");
        for secret in ["203.0.113.", "40001", "02:00"] {
            assert!(!text.contains(secret) && !ended.stderr.contains(secret), "{text}");
        }
        assert!(!text.contains('\x1b'), "colour is for terminals: {text}");
    });
}

#[test]
#[ignore = "needs root"]
fn packets_that_gro_merged_are_found() {
    inside("doctor::packets_that_gro_merged_are_found", || {
        cable("tap0", "src0");
        // The sender in a namespace of its own: in one, nothing would take the cable.
        let other = Program::start(Command::new("unshare").args(["--net", "sleep", "60"]));
        let namespace = format!("/proc/{}/ns/net", other.id());
        let ours = fs::read_link("/proc/self/ns/net").expect("a namespace");
        program::wait_until("its namespace", || {
            fs::read_link(&namespace).is_ok_and(|theirs| theirs != ours)
        });
        let there = |line: &str| {
            let net = format!("--net={namespace}");
            program::run(Command::new("nsenter").arg(net).args(["sh", "-ec", line]));
        };
        ip(&format!("link set dev src0 netns {}", other.id()));
        there("ip link set dev src0 up; ip address add 203.0.113.1/24 dev src0");
        there("ethtool -K src0 tso off gso off");
        ip("address add 203.0.113.2/24 dev tap0");
        program::run(Command::new("ethtool").args(["-K", "tap0", "gro", "on"]));

        let sink = TcpListener::bind("203.0.113.2:9999").expect("our own address");
        thread::spawn(move || {
            for stream in sink.incoming().flatten() {
                thread::spawn(move || {
                    let mut stream = stream;
                    let mut room = vec![0; 1 << 16];
                    while stream.read(&mut room).is_ok_and(|octets| octets > 0) {}
                });
            }
        });
        let net = format!("--net={namespace}");
        let blast = "import socket, time
peer = socket.create_connection(('203.0.113.2', 9999))
for _ in range(60):
    peer.sendall(bytes(100000))
    time.sleep(0.05)
";
        let mut python = Command::new("nsenter");
        let sender = Program::start(python.arg(net).args(["python3", "-c", blast]));
        let merged = Report::of(&[]);
        drop(sender);
        merged.troubled_by(&["addresses", "offloads", "frame-length"]);
        assert_eq!(merged.fixes("offloads"), "ethtool -K tap0 gro off");
        assert!(merged.fixes("frame-length").starts_with("ethtool -K tap0 gro off lro off; "));
    });
}

#[test]
#[ignore = "needs root"]
fn without_privilege_that_is_what_is_said() {
    inside("doctor::without_privilege_that_is_what_is_said", || {
        cable("tap0", "src0");
        let output = Command::new("setpriv")
            .args(["--bounding-set", "-all", "--inh-caps", "-all", FLOWTAP, "doctor", "-i", "tap0"])
            .args(["--format", "json"])
            .output()
            .expect("setpriv(1) is installed");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let ended = Ended { status: output.status.code(), stdout: output.stdout, stderr };
        let report = Report::from(&ended);
        report.troubled_by(&["privilege"]);
        assert!(report.fixes("privilege").contains("setcap cap_net_raw+ep "));
        assert_eq!(report.verdicts["traffic"], "unknown");
    });
}

#[test]
#[ignore = "needs root"]
fn a_capture_warns_once_of_what_it_sees_and_counts_it() {
    inside("doctor::a_capture_warns_once_of_what_it_sees_and_counts_it", || {
        cable("tap0", "src0");
        ip("link set dev lo up");
        ip("address add 192.0.2.99/32 dev lo");
        let _collector = UdpSocket::bind("192.0.2.99:4739").expect("our own address");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let summary = folder.path().join("summary.json");
        let send = |sender: &mut Sender, round| {
            one_direction(sender, round);
            twice_and_own_export(sender, round);
        };
        let ended = while_sending(send, || {
            flowtap([
                "capture",
                "-i",
                "tap0",
                "--duration",
                "1s",
                "--export",
                "udp://192.0.2.99:4739",
                "--summary",
                summary.to_str().expect("plain"),
            ])
            .well()
        });
        for check in ["one-direction", "own-export"] {
            let told = ended.stderr.matches(&format!("warning: {check}: ")).count();
            assert_eq!(told, 1, "{check}: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("203.0.113."), "{}", ended.stderr);
        let summary = Summary::read(&summary);
        summary.assert_balanced();
        let count = |name| summary.count_of("symptoms", name);
        assert!(count("one_direction_tcp_flows") >= 20, "{summary:?}");
        assert!(count("collector_packets") >= 10, "{summary:?}");
        assert!(count("tcp_flows") >= count("one_direction_tcp_flows"), "{summary:?}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_capture_looks_at_the_box_too_and_sees_it_change() {
    inside("doctor::a_capture_looks_at_the_box_too_and_sees_it_change", || {
        cable("tap0", "src0");
        ip("link set dev lo up");
        ip("link add link tap0 name way0 type macvlan");
        ip("link set dev way0 up");
        // A disk on which the spool has no room.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = folder.path().join("disk");
        fs::create_dir(&disk).expect("it is ours");
        let mount = ["-t", "tmpfs", "-o", "size=64m", "tmpfs"];
        program::run(Command::new("mount").args(mount).arg(&disk));
        let _collector = TcpListener::bind("127.0.0.1:4739").expect("our own address");
        let mut capture = Program::start(
            Command::new(FLOWTAP)
                .args(["capture", "-i", "tap0", "-i", "way0", "--export", "tcp://127.0.0.1:4739"])
                .args(["--spool-size", "1G", "--spool"])
                .arg(disk.join("spool"))
                .arg("--spool-key")
                .arg(folder.path().join("key")),
        );
        let symptoms = || -> BTreeMap<String, bool> {
            let url = "http://127.0.0.1:9739/metrics";
            let curl = Command::new("curl").args(["-s", "--max-time", "5", url]).output();
            let text = String::from_utf8(curl.expect("curl runs").stdout).expect("text");
            let symptom = |line: &str| {
                let (check, value) =
                    line.strip_prefix("flowtap_symptom{check=\"")?.split_once("\"} ")?;
                Some((check.to_owned(), value == "1"))
            };
            text.lines().filter_map(symptom).collect()
        };
        capture.wait_until("its checks", || symptoms().contains_key("offloads"));
        // Asked by a confined process; of a ring a cable has none, and the clock is as it is.
        let mut found = symptoms();
        assert!(found.remove("clock").is_some(), "{found:?}");
        let names = |trouble| {
            let of = found.iter().filter(|(_, is)| **is == trouble);
            of.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names(true), ["spool-disk", "stacked"]);
        assert_eq!(
            names(false),
            ["interface-drops", "kernel-drops", "offloads", "own-export", "vlan-stripping"]
        );

        program::run(Command::new("ethtool").args(["-K", "tap0", "gro", "on"]));
        capture.signal("INT");
        let (status, told) = capture.end();
        program::run(Command::new("umount").arg(&disk));
        assert!(status.success(), "{told}");
        for (warning, times) in [
            ("warning: stacked: way0: it stands on tap0, which is observed too", 1),
            ("warning: spool-disk: ", 1),
            ("warning: offloads: tap0: GRO merges received packets", 1),
        ] {
            assert_eq!(told.matches(warning).count(), times, "{warning}: {told}");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_certificate_that_ends_soon_is_told_of() {
    inside("doctor::a_certificate_that_ends_soon_is_told_of", || {
        cable("tap0", "src0");
        ip("link set dev lo up");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = folder.path().join("own.pem");
        #[expect(clippy::disallowed_methods, reason = "certificates end by the clock on the wall")]
        let now = std::time::SystemTime::now();
        let target = format!("tls://127.0.0.1:4739?cert={0}&key={0}", own.display());
        for (hours, verdict, warning) in [
            (40 * 24, "ok", None),
            (29 * 24 + 1, "warning", Some("ends in 29 days")),
            (-49, "error", Some("ended 2 days ago")),
        ] {
            fs::write(&own, certificate(now, hours)).expect("it is ours");
            let looked = while_sending(both_directions, || Report::of(&["--export", &target]));
            assert_eq!(looked.verdicts["certificate"], verdict, "{:#?}", looked.findings);
            let arguments = ["capture", "-i", "tap0", "--duration", "1s", "--export", &target];
            let told = flowtap(arguments).stderr;
            let warnings = told.matches("warning: certificate: ").count();
            assert_eq!(warnings, usize::from(warning.is_some()), "{told}");
            assert!(told.contains(warning.unwrap_or_default()), "{told}");
        }
    });
}

/// A certificate that ends so many hours from now, and its key.
fn certificate(now: std::time::SystemTime, hours: i64) -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = ["probe.example.net".to_owned()];
    let mut parameters = rcgen::CertificateParams::new(names).expect("a name");
    let duration = Duration::from_secs(3600 * hours.unsigned_abs());
    parameters.not_before = (now - Duration::from_secs(3600 * 24 * 90)).into();
    parameters.not_after = (if hours < 0 { now - duration } else { now + duration }).into();
    let certificate = parameters.self_signed(&key).expect("it is signed");
    [certificate.pem(), key.serialize_pem()].concat()
}

#[test]
fn wrong_usage_is_said_before_anything_is_looked_at() {
    for arguments in [
        &["doctor", "-i", "eth1", "--duration", "0s"][..],
        &["doctor", "-i", "eth1", "-i", "eth1"],
        &["doctor", "-i", "eth1", "--export", "udp:c"],
        &["doctor", "-i", "eth1", "--spool-size", "5M"],
        &["doctor", "--config", "/no/such/file.toml"],
    ] {
        flowtap(arguments).with(2);
    }
}

/// Sends a round every 50 ms, from src0, while `body` runs.
fn while_sending<T>(send: impl Fn(&mut Sender, u32) + Sync, body: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sender = Sender::on("src0");
            let mut round = 0;
            while !over.load(Ordering::Relaxed) {
                send(&mut sender, round);
                round += 1;
                thread::sleep(Duration::from_millis(50));
            }
        });
        let result = body();
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// A mirror as it should be: what both sides of two connections say.
fn both_directions(sender: &mut Sender, round: u32) {
    for connection in [2 * round, 2 * round + 1] {
        for (number, from_client) in [true, false, true, true, false, true].into_iter().enumerate()
        {
            let frame = tcp(sender.next_id(), connection, number, from_client, 64, 20);
            sender.send(&frame);
        }
    }
}

/// What clients alone say.
fn one_direction(sender: &mut Sender, round: u32) {
    for connection in [2 * round, 2 * round + 1] {
        for number in 0..5 {
            let frame = tcp(sender.next_id(), connection, number, true, 64, 20);
            sender.send(&frame);
        }
    }
}

/// Both ends of a path with a router between them, and what goes to the collector.
fn twice_and_own_export(sender: &mut Sender, round: u32) {
    for number in 0..4 {
        let id = sender.next_id();
        for hops in [64, 63] {
            sender.send(&tcp(id, 5000 + round, number, number % 2 == 0, hops, 80));
        }
    }
    let mut export = tcp(sender.next_id(), round, 0, true, 64, 20);
    export[23] = 17;
    export[30..34].copy_from_slice(&[192, 0, 2, 99]);
    export[36..38].copy_from_slice(&4739_u16.to_be_bytes());
    export[38..40].copy_from_slice(&40_u16.to_be_bytes());
    sender.send(&export);
}

/// Packet `number` of a connection: Ethernet, IPv4, TCP and so many octets more.
fn tcp(
    id: u16,
    connection: u32,
    number: usize,
    from_client: bool,
    ttl: u8,
    more: usize,
) -> Vec<u8> {
    let (client, server) = ([203, 0, 113, 1], [203, 0, 113, 80]);
    let port = u16::try_from(40_001 + connection % 20_000).expect("a port").to_be_bytes();
    let web = 443_u16.to_be_bytes();
    let ends = if from_client { (client, server) } else { (server, client) };
    let ports = if from_client { (port, web) } else { (web, port) };
    let flags = match (number, from_client) {
        (0, _) => 0x02,
        (_, false) if number == 1 => 0x12,
        _ => 0x18,
    };
    let length = u16::try_from(40 + more).expect("small").to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0];
    frame.extend(length);
    frame.extend(id.to_be_bytes());
    frame.extend([0x40, 0, ttl, 6, 0, 0]); // checksum not filled in
    frame.extend(ends.0);
    frame.extend(ends.1);
    frame.extend(ports.0);
    frame.extend(ports.1);
    frame.extend(u32::try_from(1000 * number).expect("small").to_be_bytes());
    frame.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(frame.len() + more, 0);
    frame
}

/// One end of a cable.
struct Sender {
    handle: pcap::Capture<pcap::Active>,
    id: std::cell::Cell<u16>,
}

impl Sender {
    fn on(interface: &str) -> Self {
        let handle = pcap::Capture::from_device(interface)
            .and_then(pcap::Capture::open)
            .expect("the end of a cable opens");
        Self { handle, id: 0.into() }
    }

    /// IPv4 identification: no two packets have the same, but copies of one.
    fn next_id(&self) -> u16 {
        self.id.set(self.id.get().wrapping_add(1));
        self.id.get()
    }

    fn send(&mut self, frame: &[u8]) {
        // While its interface is down there is nobody to send to.
        let _ = self.handle.sendpacket(frame);
    }
}
