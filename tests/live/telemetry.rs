//! What a probe tells of itself: scraped, looked at and attacked while it captures real traffic.
//!
//! `cargo test --test live telemetry:: -- --include-ignored --test-threads=1`, as root.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use crate::program;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::lab::Lab;
use crate::program::Program;
use crate::run::{FLOWTAP, Summary, flowtap};
use serde_json::Value;

mod secrets;
mod shown;

/// Asks the probe in `lab`, by curl(1); fails unless it is answered.
fn get(lab: &Lab, path: &str) -> String {
    let url = format!("http://127.0.0.1:9739{path}");
    program::run(lab.command("probe", "curl").args(["--silent", "--max-time", "5", &url]))
}

fn status(lab: &Lab) -> Value {
    serde_json::from_str(&get(lab, "/status.json")).unwrap()
}

/// Waits until what the probe says of itself is as it should be.
#[track_caller]
fn wait_for(lab: &Lab, what: &str, ready: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..100 {
        last = status(lab);
        if ready(&last) {
            return last;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{what} did not come: {last:#}");
}

/// A probe on `span`, ready.
fn start(lab: &Lab, more: &[&str]) -> Program {
    let mut command = lab.command("probe", FLOWTAP);
    command.args(["capture", "-i", "span", "--workers", "2"]).args(more);
    let mut capture = Program::start(&mut command);
    lab.wait_for_packet_sockets(&mut capture, 2);
    capture
}

/// Metrics by name and labels.
fn metrics(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn what_is_told_while_it_runs_is_what_the_summary_says_at_the_end() {
    let mut lab = Lab::new();
    lab.start_servers();
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.json");
    let summary_text = summary.display().to_string();
    let flows = format!("file:{}", folder.path().join("flows.ipfix").display());
    let targets = ["--export", "null:", "--export", &flows];
    let more = ["--idle-timeout", "1s", "--summary", &summary_text];
    let capture = start(&lab, &[&targets[..], &more].concat());
    // From here on the day is counted.
    let begun = wait_for(&lab, "a day", |it| it["day"]["seconds"].as_f64() > Some(0.0));
    lab.mirror(&[("ingress", "span"), ("egress", "span")]);
    (0..3).for_each(|_| lab.talk());
    talk_to_many(&lab);
    lab.unmirror();
    // All flows have left, so nothing is on its way any more once they have been counted.
    wait_for(&lab, "an empty cache", |it| {
        it["cache"]["flows"] == 0 && it["ledger"]["received_packets"].as_u64() > Some(100)
    });
    thread::sleep(Duration::from_millis(1_500));
    let seen = wait_for(&lab, "the file", |it| it["targets"][1]["queued_flows"] == 0);
    let told = metrics(&get(&lab, "/metrics"));
    let plan = lab.shell("probe", &format!("{FLOWTAP} plan --probe --format json"));
    let [packets, octets, _] = lab.counters("span");
    capture.signal("TERM");
    let (ended, said) = capture.end();
    assert!(ended.success(), "{said}");
    let ledger = Summary::read(&summary);
    ledger.assert_balanced();

    let plan: Value = serde_json::from_str(&plan).unwrap();
    // The day begins with the first look, and the network may have spoken before.
    for (planned, of_day, total) in [
        ("packets", "packets", "received_packets"),
        ("octets", "octets", "received_octets"),
        ("flow_records", "records", "exported_flows"),
    ] {
        let count = |value: &Value| value.as_u64().unwrap();
        let before = count(&begun["ledger"][total]) - count(&begun["day"][of_day]);
        assert_eq!(count(&plan[planned]) + before, count(&seen["ledger"][total]), "{planned}");
    }
    // None of them is long enough for a second record.
    assert_eq!(seen["cache"]["begun"], ledger.count("exported_flows"));
    assert_eq!(plan["targets"].as_array().unwrap().len(), 1, "nothing is planned for null:");
    let file = fs::metadata(folder.path().join("flows.ipfix")).unwrap().len() as f64;
    let planned = plan["targets"][0]["day_at_mean"]["exported_octets"].as_f64().unwrap();
    let planned = planned * plan["seconds"].as_f64().unwrap() / 86_400.0;
    // What stands at the top was written before the day, and what at the end behind it.
    assert!(planned > 0.5 * file && planned <= file, "{planned} of {file}");
    assert!(!plan.to_string().contains("192.0.2."), "{plan}");

    let count = |name: &str| seen["ledger"][name].as_u64().unwrap();
    for name in [
        "received_packets",
        "received_octets",
        "metered_packets",
        "metered_octets",
        "ignored_octets",
        "filtered_packets",
        "kernel_dropped_packets",
        "interface_dropped_packets",
        "ip_option_packets",
        "clock_steps",
    ] {
        assert_eq!(count(name), ledger.count(name), "{name}");
    }
    assert_held_back(&seen, &ledger);
    let interface = &seen["interfaces"][0];
    assert_eq!((&interface["name"], &interface["up"]), (&"span".into(), &true.into()));
    assert_eq!(interface["packets"], packets);
    assert_eq!(interface["octets"], octets, "what the kernel counted on the wire");
    assert_eq!(interface["payload_cut_in_kernel"], true);
    let sizes: u64 = seen["distributions"]["sizes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["count"].as_u64().unwrap())
        .sum();
    assert_eq!(sizes, packets);
    // Two fragmented echoes each time, of three fragments and both ways: curl and ping make the rest.
    assert!(seen["distributions"]["fragments"].as_u64() >= Some(3 * 6), "{seen:#}");

    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
    for (metric, count) in [
        ("flowtap_received_packets_total", packets),
        ("flowtap_received_bytes_total", octets),
        ("flowtap_interface_received_packets_total{interface=\"span\",direction=\"\"}", packets),
        (
            "flowtap_interface_dropped_packets_total{interface=\"span\",direction=\"\",place=\"kernel\"}",
            0,
        ),
        ("flowtap_frame_size_bytes_count", packets),
        ("flowtap_frame_size_bytes_sum", octets),
        (
            "flowtap_export_sent_records_total{target=\"1\",kind=\"null\"}",
            seen["targets"][0]["given_flows"].as_u64().unwrap(),
        ),
        ("flowtap_export_queued_records{target=\"1\",kind=\"null\"}", 0),
        ("flowtap_confined", 1),
        ("flowtap_healthy", 1),
    ] {
        assert_eq!(told.get(metric), Some(&(count as f64)), "{metric}: {told:#?}");
    }
    assert!(said.contains("telemetry at http://127.0.0.1:9739/"), "{said}");
}

/// Of flows that have left, what is told is what the summary says but for fewer than ten of a kind, and
/// never of so few.
fn assert_held_back(seen: &Value, ledger: &Summary) {
    let count = |value: &Value| value.as_u64().unwrap();
    let told = |name: &str| count(&seen["ledger"][name]);
    let parts = |list: &Value, part: &str| -> Vec<u64> {
        list.as_array().unwrap().iter().map(|it| count(&it[part])).collect()
    };
    let reasons = parts(&seen["ledger"]["expired"], "count");
    assert_eq!(reasons.iter().sum::<u64>(), told("exported_flows"), "a total of its parts");
    let shares = &seen["distributions"];
    for kind in ["protocols", "tcp", "udp"] {
        let flows = parts(&shares[kind], "flows");
        assert!(flows.iter().chain(&reasons).all(|&count| count == 0 || count >= 10), "{seen:#}");
    }
    for (total, part) in [("exported_packets", "packets"), ("exported_octets", "octets")] {
        let parts: u64 = parts(&shares["protocols"], part).iter().sum();
        assert_eq!(parts, told(total), "{total}");
        assert!(told(total) <= ledger.count(total), "{total}");
    }
    // One datagram each, and most of them told.
    let behind = ledger.count("exported_flows") - told("exported_flows");
    assert!(behind < 9 * 5 && told("exported_packets") > 2 * 40 - 10, "{seen:#}");
    for target in seen["targets"].as_array().unwrap() {
        let behind = ledger.count("exported_flows") - count(&target["given_flows"]);
        assert!(behind < 10 && target["sent_flows"] == target["given_flows"], "{target}");
    }
}

/// Eighty flows of one datagram each to a port (9999) that takes them. They are enough to be told, with
/// whatever has left before them.
fn talk_to_many(lab: &Lab) {
    program::run(lab.command("client", "python3").args(["-c", MANY]));
}

const MANY: &str = "
import socket
for _ in range(80):
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.sendto(b'x', ('192.0.2.80', 9999))
";

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn what_is_wrong_is_told_with_its_reason_and_until_it_is_mended() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool").display().to_string();
    // Nobody listens there.
    let capture = start(&lab, &["--export", "tcp://127.0.0.1:1?reconnect=1s", "--spool", &spool]);
    let state = wait_for(&lab, "a first look", |it| it["targets"][0]["failed_connects"] != 0);
    assert_eq!(state["targets"][0]["connected"], false);
    assert_eq!(state["targets"][0]["label"], "1");
    assert_eq!(state["health"]["healthy"], true, "a minute is given: {state:#}");
    lab.shell("probe", "ip link set span down");
    let state = wait_for(&lab, "trouble", |it| it["health"]["healthy"] == false);
    let faults: Vec<_> = state["health"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["healthy"] == false)
        .collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (&faults[0]["check"], &faults[0]["of"], &faults[0]["text"]),
        (&"interface".into(), &"span".into(), &"is down".into())
    );
    let code = "--output /dev/null --silent --write-out %{http_code}";
    let code = || lab.shell("probe", &format!("curl {code} http://127.0.0.1:9739/health"));
    assert_eq!(code(), "503");
    let ask = |more: &str| {
        let mut command = lab.command("probe", FLOWTAP);
        let output = command.arg("status").args(more.split_whitespace()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (exit, told) = ask("");
    assert_eq!(exit, Some(1), "{told}");
    assert!(told.contains("NOT HEALTHY") && told.contains("interface span: is down"), "{told}");
    lab.shell("probe", "ip link set span up");
    wait_for(&lab, "recovery", |it| it["health"]["healthy"] == true);
    assert_eq!(code(), "200");
    let (exit, told) = ask("--json");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((exit, &told["health"]["healthy"]), (Some(0), &true.into()));
    assert_eq!((&told["interfaces"][0]["name"], told.get("history")), (&"span".into(), None));
    let (exit, _) = ask("--probe 127.0.0.1:9");
    assert_eq!(exit, Some(1), "nobody is there");
    assert!(
        get(&lab, "/metrics").contains("flowtap_interface_up{interface=\"span\",direction=\"\"} 1")
    );
    drop(capture);
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn an_interface_that_is_up_and_brings_nothing_is_no_healthy_one() {
    let lab = Lab::new();
    let untold = start(&lab, &["--export", "null:", "--silence", "1s", "--telemetry", "off"]);
    let told = start(&lab, &["--export", "null:", "--silence", "1s"]);
    let fault = |it: &Value| {
        let checks = it["health"]["checks"].as_array().unwrap();
        checks.iter().find(|it| it["healthy"] == false).cloned().unwrap_or_default()
    };
    // Nothing ever came.
    let state = wait_for(&lab, "silence", |it| it["health"]["healthy"] == false);
    let fault = fault(&state);
    assert_eq!((&fault["check"], &fault["of"]), (&"traffic".into(), &"span".into()), "{state:#}");
    let text = fault["text"].as_str().unwrap();
    assert!(text.starts_with("is up, and no packet has come for "), "{text}");
    assert!(text.contains("look at the mirror session"), "{text}");
    let told_of = "flowtap_check_healthy{check=\"traffic\",of=\"span\"}";
    assert_eq!(metrics(&get(&lab, "/metrics"))[told_of], 0.0);
    lab.mirror(&[("ingress", "span")]);
    lab.shell("client", "ping -n -q -c 1 192.0.2.80 >/dev/null");
    lab.unmirror();
    wait_for(&lab, "what was heard", |it| it["health"]["healthy"] == true);
    wait_for(&lab, "silence again", |it| it["health"]["healthy"] == false);
    for capture in [untold, told] {
        capture.signal("TERM");
        let (ended, said) = capture.end();
        assert!(ended.success(), "{said}");
        let times = |what: &str| said.lines().filter(|line| line.contains(what)).count();
        let (silent, heard) = (
            "span: is up, and no packet has come for 1 s: look at the",
            "span: packets arrive again, after",
        );
        assert_eq!((times(silent), times(heard)), (2, 1), "{said}");
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_spool_is_as_full_as_its_disk_also_for_a_process_that_is_confined() {
    let lab = Lab::new();
    let disk = Disk::of("3m");
    let spool = disk.0.path().join("spool").display().to_string();
    let more = ["--export", "tcp://127.0.0.1:1?reconnect=1s", "--spool", &spool];
    let capture = start(&lab, &[&more[..], &["--spool-size", "1G"]].concat());
    let state = wait_for(&lab, "a spool", |it| it["targets"][0]["spool"].is_object());
    let spool = |it: &Value, name: &str| it["targets"][0]["spool"][name].as_u64().unwrap();
    assert_eq!(spool(&state, "maximum_octets"), 1_000_000_000, "as configured");
    assert!((2_000_000..=3 << 20).contains(&spool(&state, "limit_octets")), "{state:#}");
    assert_eq!(
        (&state["health"]["healthy"], &state["confinement"]["on"]),
        (&true.into(), &true.into())
    );
    assert_eq!(state["targets"][0]["queue"]["maximum_octets"], 64_000_000);
    let limit = "flowtap_export_spool_limit_bytes{target=\"1\",kind=\"tcp\"}";
    #[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
    let told = spool(&state, "limit_octets") as f64;
    assert_eq!(metrics(&get(&lab, "/metrics"))[limit], told);
    // Somebody else takes the room.
    fs::write(disk.0.path().join("ballast"), vec![0; 2_900_000]).unwrap();
    let state = wait_for(&lab, "a full disk", |it| it["health"]["healthy"] == false);
    let checks = state["health"]["checks"].as_array().unwrap();
    let faults: Vec<_> = checks.iter().filter(|it| it["healthy"] == false).collect();
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    let text = fault["text"].as_str().unwrap();
    assert!(
        fault["check"] == "spool" && text.starts_with("the disk of the spool is nearly full: ")
    );
    capture.signal("TERM");
    // That it never got to its collector makes it a failure.
    let (_, said) = capture.end();
    let small = "the spool may grow by 1,000 MB, and 4 MB are free: ";
    assert!(said.contains("spool-disk: ") && said.contains(small), "{said}");
    assert!(
        said.contains("octets that its disk has room for: what does not fit is lost"),
        "{said}"
    );
}

/// A small file system of its own, until it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        program::run(mount.arg(disk.0.path()));
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_udp_port_that_nobody_listens_at_is_not_said_to_be_connected() {
    let lab = Lab::new();
    let capture = start(&lab, &["--export", "udp://127.0.0.1:9", "--export", "null:"]);
    let state = wait_for(&lab, "a refusal", |it| it["targets"][0]["refused"] == true);
    assert_eq!(state["targets"][0]["connected"], true);
    let output = lab.command("probe", FLOWTAP).arg("status").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("target 1    udp refused: "), "{told}");
    assert!(told.ends_with("in the order of the configuration)\n"), "{told}");
    // At the end nobody is said to have got the records.
    capture.signal("TERM");
    let (_, said) = capture.end();
    assert!(said.contains("lost: udp://127.0.0.1:9 (not confirmed over UDP)"), "{said}");
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn prometheus_reads_every_line_and_all_that_rules_and_dashboard_ask_for_is_there() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool").display().to_string();
    let own = folder.path().join("own.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["probe".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(&own, certificate.pem() + &key.serialize_pem()).unwrap();
    let tls = format!("tls://127.0.0.1:1?reconnect=1s&cert={0}&key={0}", own.display());
    let tcp = "tcp://127.0.0.1:1?reconnect=1s";
    let capture = start(&lab, &["--export", tcp, "--export", &tls, "--spool", &spool]);
    // What is counted by reason has a line when it has happened: who is asked for is not IP.
    lab.mirror(&[("ingress", "span")]);
    lab.shell("client", "ping -n -q -c 1 192.0.2.80 >/dev/null");
    lab.unmirror();
    // So has what another thread looks at.
    let is_some = |value: &Value| value.as_array().is_some_and(|it| !it.is_empty());
    wait_for(&lab, "what is not IP, and the checks", |it| {
        let certificates = &it["targets"][1]["certificates"];
        [&it["ledger"]["ignored_packets"], &it["checks"], certificates].into_iter().all(is_some)
    });
    let text = get(&lab, "/metrics");
    drop(capture);
    // The parser of the reference implementation, which takes nothing that is not OpenMetrics.
    let file = folder.path().join("metrics");
    fs::write(&file, &text).unwrap();
    let names = program::run(Command::new("/usr/bin/python3").args(["-c", OPENMETRICS]).arg(&file));
    let names: BTreeSet<&str> = names.split_whitespace().collect();
    assert!(names.len() > 50, "{names:?}");
    let mut used = 0;
    for file in ["probe-config/prometheus-alerts.yml", "probe-config/grafana-dashboard.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let asked = fs::read_to_string(path).unwrap();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for name in asked.split(|c| !is_name(c)).filter(|word| word.starts_with("flowtap_")) {
            assert!(names.contains(name), "{file} asks for {name}, which there is not");
            used += 1;
        }
    }
    assert!(used > 30, "{used}");
    let dashboard =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("probe-config/grafana-dashboard.json"));
    let dashboard: Value = serde_json::from_slice(&dashboard.unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 8);
}

/// Prints the name of every sample.
const OPENMETRICS: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    assert family.documentation, family
    for sample in family.samples:
        print(sample.name)
";

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn who_attacks_the_endpoint_costs_no_packet_and_no_memory() {
    let mut lab = Lab::new();
    lab.start_servers();
    let mut capture = start(&lab, &["--export", "null:"]);
    wait_for(&lab, "a first look", |it| it["health"]["healthy"] == true);
    let memory = |capture: &Program| {
        let status = fs::read_to_string(format!("/proc/{}/status", capture.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    lab.mirror(&[("ingress", "span")]);
    // The first packet of a shard takes memory.
    lab.blast(100, 100);
    get(&lab, "/");
    let before = memory(&capture);
    let attack = Program::start(lab.command("probe", "python3").args(["-c", ATTACK]));
    lab.blast(5_000, 100);
    let (ended, said) = attack.end();
    assert!(ended.success(), "{said}");
    lab.unmirror();
    thread::sleep(Duration::from_secs(1));
    let seen = status(&lab);
    assert_eq!(seen["health"]["healthy"], true, "{seen:#}");
    assert!(seen["ledger"]["received_packets"].as_u64() >= Some(5_000));
    assert_eq!(seen["ledger"]["kernel_dropped_packets"], 0);
    let of = |name: &str| {
        let connections = seen["connections"].as_array().unwrap();
        connections.iter().find(|it| it["name"] == name).unwrap()["count"].as_u64().unwrap()
    };
    for name in ["malformed", "too_large", "too_slow", "evicted", "method", "host", "not_found"] {
        assert!(of(name) > 0, "{name}: {seen:#}");
    }
    let grown = memory(&capture).saturating_sub(before);
    // A flow that is the first of a shard takes some; 60 MB of requests are not kept.
    assert!(grown < 16 << 10, "{grown} KiB");
    assert!(capture.is_running());
    capture.signal("TERM");
    assert!(capture.end().0.success());
}

const ATTACK: &str = "
import os, socket
def connect():
    s = socket.create_connection(('127.0.0.1', 9739), timeout=10)
    return s
def send(data, read=True):
    s = connect()
    try:
        s.sendall(data)
        if read: s.recv(100)
    except OSError:
        pass
    s.close()
send(b'\\x16\\x03\\x01' + os.urandom(500))
send(b'GET / HTTP/1.1\\r\\n' + b'X: y\\r\\n' * 5000)
for _ in range(60):
    send(b'GET /' + b'x' * 1000000)
send(b'POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 999999999\\r\\n\\r\\n')
send(b'GET /status.json HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')
send(b'GET /../../etc/passwd HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
slow = []
for _ in range(50):
    s = connect()
    s.sendall(b'GET /status.json HT')
    slow.append(s)
for _ in range(20):
    s = connect()
    s.sendall(b'GET /status.json HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
    slow.append(s) # asked, and never read
import time
time.sleep(5) # connections of one second may have to wait for the next
";

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_taken_port_is_said_and_costs_no_packet_and_a_unix_socket_serves_as_well() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("telemetry.sock");
    let first = start(&lab, &["--export", "null:"]);
    wait_for(&lab, "the first one", |it| it["health"]["healthy"] == true);
    let second = lab
        .command("probe", FLOWTAP)
        .args(["capture", "-i", "tap0", "--export", "null:", "--duration", "500ms"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.success(), "{said}");
    assert!(said.contains("no telemetry at 127.0.0.1:9739: Address already in use"), "{said}");
    assert!(said.contains("(another probe?)"), "{said}");
    assert!(said.contains("--telemetry 127.0.0.1:9740 or --telemetry unix:PATH"), "{said}");
    drop(first);
    let capture =
        start(&lab, &["--export", "null:", "--telemetry", &format!("unix:{}", socket.display())]);
    let curl = format!("curl --silent --unix-socket {} http://probe/health", socket.display());
    program::wait_until("health", || lab.shell("probe", &curl).contains("\"healthy\":true"));
    let place = format!("--probe unix:{}", socket.display());
    let status = lab.shell("probe", &format!("{FLOWTAP} status {place}"));
    assert!(status.contains(": healthy, "), "{status}");
    let file = folder.path().join("second.toml");
    fs::write(&file, format!("[telemetry]\nlisten = 'unix:{}'\n", socket.display())).unwrap();
    let by_file = format!("{FLOWTAP} status --config {}", file.display());
    assert!(lab.shell("probe", &by_file).contains(": healthy, "));
    fs::write(&file, "[telemetry]\nlisten = 'off'\n").unwrap();
    let refused = lab.command("probe", FLOWTAP).args(["status", "--config"]).arg(&file).output();
    assert_eq!(refused.unwrap().status.code(), Some(2), "it tells nothing");
    let nobody = lab.command("probe", FLOWTAP).arg("status").output().unwrap();
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("for one that is elsewhere: --probe WHERE"), "{said}");
    // Somebody who listens, and says nothing.
    let mute = "import socket, time; s = socket.create_server(('127.0.0.1', 9741)); time.sleep(30)";
    let mute = Program::start(lab.command("probe", "python3").args(["-c", mute]));
    program::wait_until("its port", || lab.shell("probe", "ss --no-header -ltn").contains(":9741"));
    let mut ask = lab.command("probe", FLOWTAP);
    let asked = ask.args(["status", "--probe", "localhost:9741"]).output().unwrap();
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(said.contains("127.0.0.1:9741: it did not answer within 5s"), "{said}");
    drop(mute);
    // In a terminal, until somebody has seen enough.
    let top = format!("stty cols 100 rows 32; {FLOWTAP} top {place}");
    let shown = lab
        .shell("probe", &format!("(sleep 2; printf q) | timeout 10 script -qec '{top}' /dev/null"));
    for word in ["healthy", "packets/s", "span", "cache", "written"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let listening = lab.shell("probe", "ss --no-header --listening --numeric -t");
    assert_eq!(listening, "", "and no port is open");
    capture.signal("TERM");
    assert!(capture.end().0.success());
    assert!(!socket.exists(), "it is removed at the end");
}

#[test]
fn nobody_is_exposed_by_mistake() {
    let ended = flowtap(["capture", "-i", "lo", "--telemetry", "0.0.0.0:9739"]).with(2);
    assert!(ended.stderr.contains("exposed:0.0.0.0:9739"), "{}", ended.stderr);
}
