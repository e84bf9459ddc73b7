//! `flowtap plan`: what it says there will be is what there then is, and it leaves nothing behind.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what is not as it should be fails the tests"
)]
#![expect(clippy::cast_precision_loss, reason = "sums of small captures")]

use crate::generate;
use crate::run;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::netns::{cable, inside, ip};
use crate::run::{FLOWTAP, Summary, flowtap, sample};

#[test]
fn rates_are_those_of_the_packets_in_the_file() {
    let plan = plan(&sample(), &[]);
    let packets = Packets::of(&sample());
    assert_eq!(count(&plan, "/packets"), packets.lengths.len() as u64);
    let octets: u64 = packets.lengths.iter().sum();
    assert_eq!(count(&plan, "/octets"), octets);
    let seconds = packets.period.1 - packets.period.0;
    assert!((number(&plan, "/seconds") - seconds).abs() < 1e-6);
    let most = |of: fn(&(u64, u64)) -> u64| packets.seconds.values().map(of).max().unwrap();
    assert_eq!(count(&plan, "/packets_per_second/busiest"), most(|it| it.0));
    assert_eq!(count(&plan, "/bits_per_second/busiest"), 8 * most(|it| it.1));
    let mean = number(&plan, "/bits_per_second/mean");
    assert!((mean * seconds / (8.0 * octets as f64) - 1.0).abs() < 1e-9, "{mean}");
    // A pcap file has 16 octets before each packet.
    let full = (octets + 16 * packets.lengths.len() as u64) as f64 * 86_400.0 / seconds;
    let target = "/targets/0/full_packet_capture_octets_a_day";
    assert!((number(&plan, target) - full).abs() <= 1.0);
}

#[test]
fn flows_are_those_of_the_records() {
    for more in [&[][..], &["--active-timeout", "2s", "--idle-timeout", "1s"]] {
        let plan = plan(&sample(), more);
        let records = flowtap(
            [&["replay", "--quiet", "--export", "json:-", sample().to_str().unwrap()], more]
                .concat(),
        )
        .well();
        let records: Vec<Value> =
            records.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // When each Flow began, by its ID.
        let mut began = BTreeMap::<u64, u64>::new();
        for record in &records {
            let start = record["flowStartMilliseconds"].as_str().unwrap();
            let start = seconds_of_day(start);
            let first = began.entry(record["flowId"].as_u64().unwrap()).or_insert(start);
            *first = start.min(*first);
        }
        assert_eq!(count(&plan, "/flow_records"), records.len() as u64);
        assert_eq!(count(&plan, "/flows"), began.len() as u64);
        let mut by_second = BTreeMap::<u64, u64>::new();
        began.values().for_each(|second| *by_second.entry(*second).or_default() += 1);
        let most = *by_second.values().max().unwrap();
        assert_eq!(count(&plan, "/new_flows_per_second/busiest"), most);
    }
}

#[test]
fn what_is_said_of_generated_traffic_can_be_reckoned_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("generated.pcap");
    // 150 s, in which each of 20 conversations has a packet every tenth of a second.
    let sums = generate::conversations(&capture, 20, 1_500);
    let plan = plan(&capture, &[]);
    assert_eq!(count(&plan, "/packets"), sums.frames);
    assert_eq!(count(&plan, "/octets"), sums.frame_octets);
    assert_eq!(count(&plan, "/packets_per_second/busiest"), 210);
    assert_eq!(count(&plan, "/flows"), 20);
    assert_eq!(count(&plan, "/most_flows_alive/flows"), 20);
    assert_eq!(count(&plan, "/new_flows_per_second/busiest"), 20);
    // Slices of 60 s: three of each.
    assert_eq!(count(&plan, "/flow_records"), 60);
    assert_eq!(count(&plan, "/configure/max_flows"), 1_000);
    // 1,700,000,000 s is 20 s into a minute. Slices end 80, 140 and 170 s after the beginning of that
    // one, so in the third minute there are two of each.
    let busiest = number(&plan, "/flow_records_per_second/busiest_minute");
    assert!((busiest - 40.0 / 60.0).abs() < 1e-9, "{busiest}");
    assert!(!plan["targets"][0]["day_at_busiest_minute"].is_null());
    // Frames are cut behind their headers: what counts is how long they were.
    let in_part = sums.packets;
    let arp_is_in_part = sums.frames - sums.packets;
    assert_eq!(count(&plan, "/packets_captured_in_part"), in_part + arp_is_in_part);
    let doubts = plan["uncertain"].to_string();
    assert!(doubts.contains("captured in part"), "{doubts}");
    // A day: flow records in proportion, templates and options once.
    let file = &plan["targets"][0]["measured"]["file"];
    let [flows, templates, options] = ["flow_octets", "template_octets", "options_octets"]
        .map(|key| file[key].as_u64().unwrap() as f64);
    let day = flows * 86_400.0 / number(&plan, "/seconds") + templates + options;
    let raw = number(&plan, "/targets/0/day_at_mean/stored_octets/1/raw");
    assert!((raw - day.ceil()).abs() <= 1.0, "{raw} is not {day}");
    let half = number(&plan, "/targets/0/day_at_mean/stored_octets/180/raw");
    assert!((half / raw / 180.0 - 1.0).abs() < 1e-5);
}

#[test]
fn a_short_capture_is_said_to_be_short() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("short.pcap");
    generate::conversations(&capture, 10, 30);
    let plan = plan(&capture, &[]);
    let doubts = plan["uncertain"].to_string();
    for doubt in ["active timeout", "idle timeout", "ended because the observation did"] {
        assert!(doubts.contains(doubt), "{doubts}");
    }
    assert!(plan["targets"][0]["day_at_busiest_minute"].is_null());
    let told = flowtap(["plan", capture.to_str().unwrap()]).well();
    assert!(!told.text().contains("busiest minute"), "there was none: {}", told.text());
}

#[test]
fn a_cache_that_is_too_small_for_planning_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("many.pcap");
    generate::conversations(&capture, 100, 20);
    let plan = plan(&capture, &["--max-flows", "50"]);
    assert!(count(&plan, "/flow_records_crowded_out") > 0);
    assert!(plan["uncertain"].to_string().contains("larger --max-flows"));
}

#[test]
fn a_file_has_as_many_octets_as_planned() {
    let folder = tempfile::tempdir().unwrap();
    let generated = folder.path().join("generated.pcap");
    generate::conversations(&generated, 200, 100);
    let shorter = &["--active-timeout", "3s", "--idle-timeout", "1s", "--biflow", "off"][..];
    let smaller = &["--max-flows", "20", "--observation-domain", "7"][..];
    let cases = [
        (&[][..], ""),
        (shorter, "?profile=nfdump"),
        (smaller, "?biflow=off&time=ns"),
        (&[], "?observation_domain=9"),
    ];
    for (number, capture) in [sample(), generated].iter().enumerate() {
        for (case, (more, option)) in cases.iter().enumerate() {
            let path = folder.path().join(format!("{number}-{case}.ipfix"));
            let zstd_path = path.with_extension("ipfix.zst");
            let sign = if option.is_empty() { "?" } else { "&" };
            let raw = format!("file:{}{option}", path.display());
            let zstd = format!("file:{}{option}{sign}compress=zstd", zstd_path.display());
            let plan = plan(capture, &[more, &["--export", &raw][..]].concat());
            assert!(!path.exists(), "planned, not made");
            let exports = ["--export", &raw, "--export", &zstd];
            run::replay(capture, &[more, &exports[..]].concat());
            let measured = |key| count(&plan, &format!("/targets/0/measured/{key}/octets"));
            let made = |path: &Path| fs::metadata(path).unwrap().len();
            assert_eq!(measured("file"), made(&path), "{raw} {more:?}");
            assert_eq!(measured("file_zstd"), made(&zstd_path), "{zstd} {more:?}");
        }
    }
}

#[test]
fn a_collector_gets_as_many_octets_as_planned() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp://{}?profile=ipfixcol2", listener.local_addr().unwrap());
    let plan = plan(&sample(), &["--export", &target]);
    listener.set_nonblocking(true).unwrap();
    let nobody = listener.accept().expect_err("nobody is reached");
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
    let collector = thread::spawn(move || {
        let mut octets = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut octets).unwrap();
        octets.len() as u64
    });
    run::replay(&sample(), &["--export", &target]);
    assert_eq!(count(&plan, "/targets/0/measured/sent/octets"), collector.join().unwrap());
}

#[test]
fn over_udp_messages_are_smaller_and_templates_come_again() {
    let plan = plan(&sample(), &["--export", "udp://192.0.2.1", "--export", "tcp://192.0.2.1"]);
    let exported = |target: u32| {
        let day = number(&plan, &format!("/targets/{target}/day_at_mean/exported_octets"));
        let flows = number(&plan, &format!("/targets/{target}/measured/sent/template_octets"));
        (day, flows)
    };
    let ((udp, templates), (tcp, _)) = (exported(0), exported(1));
    // Once a minute.
    assert!(udp - tcp > 1_000.0 * templates, "{udp} {tcp} {templates}");
}

#[test]
fn sums_take_as_much_a_day_however_many_flows_are_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let target = "file:sums.ipfix?privacy=statistical&interval=10s&k=2";
    let more = ["--active-timeout", "1s", "--export", target, "--export", "tcp://192.0.2.1"];
    let planned = |name: &str, flows, rounds| {
        let capture = folder.path().join(name);
        generate::conversations(&capture, flows, rounds);
        plan(&capture, &more)
    };
    let short = planned("short.pcap", 30, 600);
    let long = planned("long.pcap", 30, 1_500);
    let many = planned("many.pcap", 90, 600);
    let day = |plan: &Value, target: u32| {
        number(plan, &format!("/targets/{target}/day_at_mean/stored_octets/1/raw"))
    };
    let is_like = |one: f64, other: f64| (one / other - 1.0).abs() < 0.15;
    assert!(is_like(day(&short, 0), day(&long, 0)), "{} {}", day(&short, 0), day(&long, 0));
    assert!(is_like(day(&short, 0), day(&many, 0)), "{} {}", day(&short, 0), day(&many, 0));
    assert!(is_like(3.0 * day(&short, 1), day(&many, 1)), "flows take what flows take");
    // What a probe would really write in 150 s, from what it was seen to write in 60.
    let file = |plan: &Value| count(plan, "/targets/0/measured/file/flow_octets") as f64;
    let rate = file(&long) / number(&long, "/seconds");
    assert!(is_like(day(&short, 0) / 86_400.0, rate), "{} {rate}", day(&short, 0) / 86_400.0);
    // Two seconds are a part of an interval, and not the 43,200th part of a day.
    let moment = planned("moment.pcap", 30, 20);
    let sums = &moment["targets"][0]["sums"];
    assert_eq!((count(sums, "/intervals"), number(sums, "/interval_seconds")), (1, 10.0));
    assert!(day(&moment, 0) < 1.2 * day(&short, 0), "{} {}", day(&moment, 0), day(&short, 0));
    assert!(moment["uncertain"].to_string().contains("sums of 1 interval"));
}

#[test]
fn a_configuration_is_planned_for_as_it_will_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flowtap.toml");
    fs::write(
        &file,
        "[[interface]]\nname = 'eth1'\n[capture]\nfilter = 'udp'\n\
         [meter]\nactive_timeout = '2s'\nidle_timeout = '1s'\nmax_flows = 5\nbiflow = false\n\
         [networks]\nexclude = ['192.0.2.0/24']\n[export]\nobservation_domain = 7\n\
         [privacy]\nlevel = 'obfuscated'\naddresses = 'prefix'\n[spool]\ndirectory = 'spool'\nsize = '10G'\n\
         [[collector]]\nurl = 'tcp://192.0.2.1'\nprofile = 'nfdump'\n\
         [[file]]\npath = 'flows.ipfix'\nprivacy = { level = 'statistical' }\n\
         [[json]]\npath = 'flows.json'\n",
    )
    .unwrap();
    let (file, sample) = (file.display().to_string(), sample());
    let by_flags = [
        "--active-timeout=2s",
        "--idle-timeout=1s",
        "--max-flows=5",
        "--biflow=off",
        "--exclude-net=192.0.2.0/24",
        "--observation-domain=7",
        "--export=tcp://192.0.2.1?profile=nfdump&privacy=obfuscated&addresses=prefix",
        "--export=file:flows.ipfix?privacy=statistical",
    ];
    let without_configuration = |mut plan: Value| {
        let configured = plan["configured"].take();
        plan["uncertain"].as_array_mut().unwrap().retain(|it| !it.to_string().contains("filter"));
        (plan, configured)
    };
    let (planned, configured) = without_configuration(plan(&sample, &["--config", &file]));
    assert_eq!(planned, without_configuration(plan(&sample, &by_flags)).0);
    assert_eq!(configured["spool_size"], 10_000_000_000_u64);
    assert!(count(&planned, "/flow_records_crowded_out") > 0, "its cache is small");
    // Flags are above it.
    let flags = ["--max-flows", "5000", "--export", "udp://192.0.2.9"];
    let (planned, configured) =
        without_configuration(plan(&sample, &[&["--config", &file][..], &flags].concat()));
    assert_eq!(
        (count(&planned, "/flow_records_crowded_out"), &configured["max_flows"]),
        (0, &5000.into())
    );
    assert_eq!(
        planned["targets"][0]["target"],
        "udp://192.0.2.9:4739?privacy=obfuscated&addresses=prefix"
    );
    let ended = flowtap(["plan", "--config", &file, sample.to_str().unwrap()]).well();
    let text = ended.text();
    for told in ["max_flows 5, TOO LITTLE", "size 10G, enough", "for the kernel of a probe"] {
        assert!(text.contains(told), "{told} is missing in\n{text}");
    }
    assert!(
        ended.stderr.contains("json:flows.json?privacy=obfuscated&addresses=prefix is no IPFIX")
    );
    // What is wrong with it is said as ever.
    fs::write(&file, "[meter]\nmax_flow = 1\n").unwrap();
    let ended = flowtap(["plan", "--config", &file, sample.to_str().unwrap()]).with(2);
    assert!(ended.stderr.contains("flowtap.toml:2:1: "), "{}", ended.stderr);
}

#[test]
fn nothing_is_written_and_no_key_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let key = at("key");
    let targets = [
        format!("file:{}?privacy=obfuscated&pseudonym_key={key}", at("flows.ipfix")),
        format!("tcp://192.0.2.1?privacy=obfuscated&pseudonym_key={key}"),
        format!("tls://collector.invalid?ca={}", at("ca.pem")),
        format!("file:{}?rotate=10s&compress=zstd", at("%H%M%S.ipfix")),
        "failover:udp://192.0.2.1,udp://192.0.2.2".to_owned(),
        "balance:tcp://192.0.2.1:1,sctp://192.0.2.2".to_owned(),
    ];
    let exports = targets.iter().flat_map(|target| ["--export", target]);
    let ended = Command::new(FLOWTAP)
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .args(["plan", "--quiet", "--format", "json"])
        .arg(sample())
        .args(exports)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let plan: Value = serde_json::from_slice(&ended.stdout).unwrap();
    for target in plan["targets"].as_array().unwrap() {
        assert_eq!(target["records"], plan["flow_records"], "{target}");
        assert!(target["measured"]["file"]["octets"].as_u64().unwrap() > 5_000, "{target}");
    }
    // Two members share what one would have.
    let sent =
        |target: u32, key: &str| count(&plan, &format!("/targets/{target}/measured/sent/{key}"));
    assert!(sent(5, "flow_octets") < 2 * sent(4, "flow_octets"));
}

#[test]
fn the_table_has_what_the_program_gets() {
    let ended = flowtap(["plan", sample().to_str().unwrap(), "--outage", "2h"]).well();
    let text = ended.text();
    for told in [
        "packets a second",
        "exported, at the mean rate",
        "180 days",
        "stored with zstd",
        "a full packet capture instead",
        "--max-flows 1000",
        "--spool-size ",
        "an outage of 2h",
        "Uncertain, because",
    ] {
        assert!(text.contains(told), "{told} is missing in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let arguments = ["--export", "udp://collector.example.net", "--outage", "4h"];
    let command = format!("$ flowtap plan tests/data/sample.pcap {}\n", arguments.join(" "));
    let shown = readme.split_once(&command).expect("it is in the README").1;
    let shown = shown.split_once("```").unwrap().0;
    let ended = flowtap([&["plan", sample().to_str().unwrap()], &arguments[..]].concat()).well();
    assert_eq!(ended.text(), shown);
}

#[test]
fn wrong_usage_and_captures_that_tell_nothing_are_told_apart() {
    let sample = sample().display().to_string();
    for wrong in [
        &["plan"][..],
        &["plan", &sample, "--live", "5s", "-i", "lo"],
        &["plan", "--live", "5s"],
        &["plan", "--live", "5", "-i", "lo"],
        &["plan", &sample, "--workers", "2"],
        &["plan", &sample, "--export", "json:-"],
        &["plan", &sample, "--export", "null:"],
        &["plan", &sample, "--export", "udp://192.0.2.1", "--export", "udp://192.0.2.1"],
        &["plan", &sample, "--outage", "0s"],
    ] {
        flowtap(wrong).with(2);
    }
    let folder = tempfile::tempdir().unwrap();
    let octets = fs::read(run::sample()).unwrap();
    let empty = folder.path().join("empty.pcap");
    fs::write(&empty, &octets[..24]).unwrap();
    let ended = flowtap(["plan", empty.to_str().unwrap()]).with(1);
    assert!(ended.stderr.contains("nothing can be planned"), "{}", ended.stderr);
    assert_eq!(ended.text(), "");
    flowtap(["plan", "/not/there"]).with(1);
    // What was read of a damaged capture is planned by, and the end is an error.
    let damaged = folder.path().join("damaged.pcap");
    fs::write(&damaged, &octets[..octets.len() - 3]).unwrap();
    let ended = flowtap(["plan", damaged.to_str().unwrap()]).with(1);
    assert!(ended.text().contains("Configure") && ended.stderr.contains("damaged"));
}

#[test]
#[ignore = "needs root"]
fn live_traffic_is_observed_and_nothing_stored() {
    inside("plan::live_traffic_is_observed_and_nothing_stored", || {
        cabled();
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(FLOWTAP)
            .current_dir(folder.path())
            .args(["plan", "--live", "2s", "-i", "tap0", "--format", "json"])
            .args(["--export", "udp://192.0.2.77", "--idle-timeout", "1s"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("observing") {
            assert!(told.read_line(&mut log).unwrap() > 0, "{log}");
        }
        send(20, 25);
        let ended = child.wait_with_output().unwrap();
        told.read_to_string(&mut log).unwrap();
        assert!(ended.status.success(), "{log}");
        let plan: Value = serde_json::from_slice(&ended.stdout).unwrap();
        // Ethernet, IPv4, UDP and 100 octets.
        assert_eq!((count(&plan, "/packets"), count(&plan, "/octets")), (500, 500 * 142));
        assert_eq!((count(&plan, "/flows"), count(&plan, "/most_flows_alive/flows")), (20, 20));
        assert_eq!(count(&plan, "/kernel_dropped_packets"), 0);
        assert!((1.9..4.0).contains(&number(&plan, "/seconds")), "{plan}");
        assert!(count(&plan, "/targets/0/measured/sent/flow_octets") > 0);
        assert!(log.contains("confined"), "{log}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let sent = "/sys/class/net/tap0/statistics/tx_packets";
        assert_eq!(fs::read_to_string(sent).unwrap(), "0\n");
    });
}

#[test]
#[ignore = "needs root"]
fn a_cache_and_a_spool_are_told_to_be_nearly_full_once() {
    inside("plan::a_cache_and_a_spool_are_told_to_be_nearly_full_once", || {
        cabled();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mut child = Command::new(FLOWTAP)
            .args(["capture", "-i", "tap0", "--duration", "3s", "--summary", &at("summary.json")])
            // Each packet is a record, and nobody fetches them.
            .args(["--max-flows", "100", "--active-timeout", "0s"])
            .args(["--export", "tcp://127.0.0.1:9", "--spool", &at("spool"), "--spool-size", "1M"])
            .args(["--spool-key", &at("key")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("capturing") {
            assert!(told.read_line(&mut log).unwrap() > 0, "{log}");
        }
        send(90, 120);
        told.read_to_string(&mut log).unwrap();
        child.wait().unwrap();
        let said = |text: &str| log.matches(text).count();
        assert_eq!(said("the flow cache is nearly full, "), 1, "{log}");
        assert_eq!(said("127.0.0.1:9: the spool is nearly full, "), 1, "{log}");
        let summary = Summary::read(Path::new(&at("summary.json")));
        assert_eq!(summary.count("cache_nearly_full"), 1);
        let summary: Value =
            serde_json::from_slice(&fs::read(at("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["targets"][0]["spool_nearly_full"], 1);
        // What waits is told to a probe that has no such target, and not to one that has.
        for (target, times) in [("tcp://127.0.0.1:10", 1), ("tcp://127.0.0.1:9", 0)] {
            let ended = Command::new(FLOWTAP)
                .args(["capture", "-i", "tap0", "--duration", "100ms", "--export", target])
                .args(["--spool", &at("spool"), "--spool-key", &at("key"), "--spool-size", "1M"])
                .output()
                .unwrap();
            let log = String::from_utf8(ended.stderr).unwrap();
            let said = log.matches("octets of flow records wait in ").count();
            assert_eq!(said, times, "{target}: {log}");
        }
    });
}

/// Plans by a capture.
#[track_caller]
fn plan(capture: &Path, more: &[&str]) -> Value {
    let ended = flowtap(
        [&["plan", "--quiet", "--format", "json", capture.to_str().unwrap()], more].concat(),
    )
    .well();
    serde_json::from_slice(&ended.stdout).expect("it is JSON")
}

#[track_caller]
fn count(plan: &Value, place: &str) -> u64 {
    plan.pointer(place).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {place}: {plan:#}"))
}

#[track_caller]
fn number(plan: &Value, place: &str) -> f64 {
    plan.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {place}: {plan:#}"))
}

/// Seconds since midnight of `2026-01-31T10:15:02.123Z`.
fn seconds_of_day(time: &str) -> u64 {
    let part = |range: std::ops::Range<usize>| time[range].parse::<u64>().unwrap();
    part(11..13) * 3_600 + part(14..16) * 60 + part(17..19)
}

/// What is in a classic pcap file of little-endian order.
struct Packets {
    lengths: Vec<u64>,
    /// Packets and octets by second.
    seconds: BTreeMap<u64, (u64, u64)>,
    period: (f64, f64),
}

impl Packets {
    fn of(path: &Path) -> Self {
        let octets = fs::read(path).unwrap();
        let word = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
        let unit = match word(0) {
            0xa1b2_c3d4 => 1e-6,
            0xa1b2_3c4d => 1e-9,
            other => panic!("{other:x}"),
        };
        let mut packets =
            Self { lengths: Vec::new(), seconds: BTreeMap::new(), period: (f64::MAX, 0.0) };
        let mut at = 24;
        while at < octets.len() {
            let time = f64::from(word(at)) + f64::from(word(at + 4)) * unit;
            let length = u64::from(word(at + 12));
            packets.lengths.push(length);
            let (count, sum) = packets.seconds.entry(u64::from(word(at))).or_default();
            *count += 1;
            *sum += length;
            packets.period = (packets.period.0.min(time), packets.period.1.max(time));
            at += 16 + word(at + 8) as usize;
        }
        packets
    }
}

/// A cable whose one end has an address and knows who is at the other one.
fn cabled() {
    cable("tap0", "src0");
    ip("addr add 192.0.2.1/24 dev src0");
    ip("neigh add 192.0.2.2 lladdr 02:00:5e:00:53:02 dev src0");
}

/// Sends datagrams of 100 octets from so many ports, each so many.
fn send(ports: u16, each: u32) {
    let sockets: Vec<_> =
        (0..ports).map(|port| UdpSocket::bind(("192.0.2.1", 20_000 + port)).unwrap()).collect();
    for _ in 0..each {
        for socket in &sockets {
            socket.send_to(&[0x5a; 100], "192.0.2.2:9").unwrap();
        }
    }
}
