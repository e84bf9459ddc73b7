//! The command line of `replay` and `show`, on the built program and the sample capture.

use crate::generate;
use crate::run;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::run::{Summary, flowtap, flowtap_reading, replay, sample};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn the_summary_has_every_key_of_the_contract_and_its_books_balance() {
    let summary = replay(&sample(), &[]);
    for key in [
        "received_packets",
        "received_octets",
        "metered_packets",
        "metered_octets",
        "kernel_dropped_packets",
        "exported_flows",
        "exported_packets",
        "exported_octets",
        "peak_flows",
    ] {
        let _ = summary.count(key);
    }
    for key in ["ignored_packets", "expired", "packet_anomalies"] {
        let _ = summary.counts(key);
    }
    assert!(summary.number("elapsed_seconds") > 0.0);
    assert_eq!(summary.count("kernel_dropped_packets"), 0);
    assert_eq!(summary.sum("expired"), summary.count("exported_flows"));
    assert!(summary.count("peak_flows") > 0);
    assert!(summary.count("peak_flows") <= summary.count("exported_flows"));
}

#[test]
fn the_sums_are_those_of_a_capture_made_by_hand() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("made.pcap");
    let sums = generate::conversations(&capture, 500, 6);
    for (biflow, flows) in [("on", sums.biflows), ("off", sums.uniflows)] {
        let summary = replay(&capture, &["--biflow", biflow]);
        assert_eq!(summary.count("received_packets"), sums.frames);
        assert_eq!(summary.count("received_octets"), sums.frame_octets);
        assert_eq!(summary.count("metered_packets"), sums.packets);
        assert_eq!(summary.count("metered_octets"), sums.octets);
        assert_eq!(summary.count_of("ignored_packets", "not_ip"), sums.frames - sums.packets);
        assert_eq!(summary.count("exported_flows"), flows, "biflow {biflow}");
    }
}

#[test]
fn the_sample_ends_its_flows_for_every_reason_but_lack_of_room() {
    let summary = replay(&sample(), &[]);
    for reason in ["idle_timeout", "active_timeout", "end_of_flow_detected", "forced_end"] {
        assert!(summary.count_of("expired", reason) > 0, "{reason}: {summary:?}");
    }
    assert_eq!(summary.count_of("expired", "lack_of_resources"), 0);
}

#[test]
fn a_cache_too_small_evicts_and_still_balances() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("made.pcap");
    let sums = generate::conversations(&capture, 5000, 2);
    let summary = replay(&capture, &["--max-flows", "1000"]);
    assert!(summary.count_of("expired", "lack_of_resources") > 0, "{summary:?}");
    assert!(summary.count("peak_flows") <= 1000, "{summary:?}");
    assert_eq!(summary.count("metered_packets"), sums.packets);
}

#[test]
fn timeouts_cut_flows_into_more_records_without_losing_a_packet() {
    let usual = replay(&sample(), &[]);
    for (option, time, reason) in
        [("--idle-timeout", "1s", "idle_timeout"), ("--active-timeout", "3s", "active_timeout")]
    {
        let short = replay(&sample(), &[option, time]);
        assert!(short.count("exported_flows") > usual.count("exported_flows"), "{option}");
        assert!(short.count_of("expired", reason) > usual.count_of("expired", reason), "{option}");
        for key in ["metered_packets", "metered_octets"] {
            assert_eq!(short.count(key), usual.count(key), "{option}");
        }
    }
}

#[test]
fn json_records_add_up_to_the_ledger() {
    for biflow in ["on", "off"] {
        let output = Output::new(&["--biflow", biflow]);
        let (mut packets, mut octets) = (0, 0);
        for record in &output.records {
            packets +=
                element(record, "packetDeltaCount") + element(record, "reversePacketDeltaCount");
            octets +=
                element(record, "octetDeltaCount") + element(record, "reverseOctetDeltaCount");
            let is_biflow = record.contains_key("reversePacketDeltaCount");
            assert!(biflow == "on" || !is_biflow, "reverse elements in a uniflow: {record:?}");
        }
        assert_eq!(output.records.len() as u64, output.summary.count("exported_flows"));
        assert_eq!(packets, output.summary.count("exported_packets"));
        assert_eq!(octets, output.summary.count("exported_octets"));
    }
}

#[test]
fn a_reader_recognises_the_flows_of_the_sample() {
    let output = Output::new(&[]);
    let is = |record: &Record, name: &str, value: u64| {
        record.get(name).and_then(Value::as_u64) == Some(value)
    };
    let text = |record: &Record, name: &str| {
        record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let any = |what: &str, wanted: &dyn Fn(&Record) -> bool| {
        assert!(output.records.iter().any(wanted), "no {what} among {:#?}", output.records);
    };
    any("web transfer of the office, begun by the client", &|record| {
        text(record, "sourceIPv4Address") == "192.0.2.10"
            && text(record, "destinationIPv4Address") == "192.0.2.80"
            && is(record, "destinationTransportPort", 80)
            && is(record, "protocolIdentifier", 6)
            && element(record, "reverseOctetDeltaCount") > 20_000
    });
    any("web transfer over IPv6", &|record| {
        text(record, "sourceIPv6Address") == "2001:db8:10::10"
            && is(record, "destinationTransportPort", 80)
            && element(record, "reverseOctetDeltaCount") > 60_000
    });
    any("name look-up of a guest in VLAN 100", &|record| {
        text(record, "sourceIPv4Address") == "198.51.100.20"
            && is(record, "destinationTransportPort", 53)
            && is(record, "protocolIdentifier", 17)
            && is(record, "dot1qVlanId", 100)
    });
    any("login from the branch, in VLAN 30 of service VLAN 200", &|record| {
        text(record, "sourceIPv4Address") == "198.51.100.140"
            && is(record, "destinationTransportPort", 22)
            && is(record, "dot1qVlanId", 200)
            && is(record, "dot1qCustomerVlanId", 30)
    });
    any("refused connection, ended by its RST", &|record| {
        is(record, "destinationTransportPort", 8080)
            && is(record, "flowEndReason", 3)
            && is(record, "packetDeltaCount", 1)
            && is(record, "reversePacketDeltaCount", 1)
    });
    any("echo request with its reply, over the active timeout", &|record| {
        is(record, "icmpTypeCodeIPv4", 0x0800)
            && is(record, "reverseIcmpTypeCodeIPv4", 0)
            && is(record, "flowEndReason", 2)
    });
    any("fragmented stream, credited to its ports", &|record| {
        text(record, "sourceIPv4Address") == "192.0.2.80"
            && is(record, "sourceTransportPort", 5004)
            // Ten datagrams of 5,000 octets in four fragments each.
            && is(record, "packetDeltaCount", 40)
            && is(record, "flowtapFragmentDeltaCount", 40)
    });
    any("web transfer inside VXLAN 42", &|record| {
        is(record, "flowtapTunnelId", 42)
            && is(record, "destinationTransportPort", 80)
            && text(record, "sourceIPv4Address") == "192.0.2.140"
            && text(record, "flowtapTunnelSourceIPv4Address") == "192.0.2.10"
            && text(record, "flowtapTunnelDestinationIPv4Address") == "192.0.2.80"
    });
    let outer = Output::new(&["--tunnels", "outer"]);
    assert!(
        outer.records.iter().any(|record| is(record, "destinationTransportPort", 4789)),
        "the tunnel itself is a flow when metering stops at the first IP header"
    );
    assert!(!outer.records.iter().any(|record| record.contains_key("flowtapTunnelId")));
}

#[test]
fn the_same_file_gives_the_same_bytes_every_time() {
    let first = Output::new(&["--workers", "1"]);
    let second = Output::new(&["--workers", "1"]);
    assert!(!first.file.is_empty());
    assert!(first.file == second.file, "IPFIX files differ");
    assert!(first.json == second.json, "JSON differs");
    assert_eq!(first.summary.of_the_capture(), second.summary.of_the_capture());
}

#[test]
fn any_number_of_workers_gives_the_same_set_of_records() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("made.pcap");
    generate::conversations(&capture, 3000, 5);
    for capture in [sample(), capture] {
        let one = Output::of(&capture, &["--workers", "1"]);
        for workers in ["2", "3"] {
            let many = Output::of(&capture, &["--workers", workers]);
            assert_eq!(many.lines(), one.lines(), "{workers} workers, {}", capture.display());
            assert_eq!(many.summary.count("exported_octets"), one.summary.count("exported_octets"));
        }
    }
}

#[test]
fn several_files_are_one_replay() {
    let folder = TempDir::new().unwrap();
    let summary = folder.path().join("summary.json");
    let file = sample().display().to_string();
    let arguments = ["replay", &file, &file, "--export", "null:", "--quiet", "--summary"];
    flowtap(arguments.into_iter().chain([summary.to_str().unwrap()])).well();
    let twice = Summary::read(&summary);
    twice.assert_balanced();
    let once = replay(&sample(), &[]);
    assert_eq!(twice.count("received_packets"), 2 * once.count("received_packets"));
    assert_eq!(twice.count("metered_octets"), 2 * once.count("metered_octets"));
}

#[test]
fn compressed_files_and_standard_input_give_the_same_records() {
    let plain = Output::new(&[]);
    let folder = TempDir::new().unwrap();
    let octets = fs::read(sample()).unwrap();

    let gzip = folder.path().join("sample.pcap.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&gzip).unwrap(), Compression::fast());
    encoder.write_all(&octets).unwrap();
    encoder.finish().unwrap();
    assert!(Output::of(&gzip, &[]).file == plain.file, "gzip");

    let zstd = folder.path().join("sample.pcap.zst");
    fs::write(&zstd, zstd::encode_all(octets.as_slice(), 1).unwrap()).unwrap();
    assert!(Output::of(&zstd, &[]).file == plain.file, "zstd");

    for input in [octets, fs::read(&gzip).unwrap()] {
        let out = folder.path().join("standard-input.ipfix");
        let target = format!("file:{}", out.display());
        flowtap_reading(["replay", "-", "--quiet", "--export", &target], &input).well();
        assert!(fs::read(&out).unwrap() == plain.file, "standard input");
    }
}

#[test]
fn without_a_target_the_flows_are_a_table_and_the_ledger_a_line() {
    let file = sample().display().to_string();
    let ended = flowtap(["replay", &file]).well();
    for word in ["192.0.2.10", "2001:db8:10::10", "198.51.100.140"] {
        assert!(ended.text().contains(word), "{word} in the table: {}", ended.text());
    }
    let received = replay(&sample(), &[]).count("received_packets").to_string();
    assert!(ended.stderr.contains(&received), "ledger line: {}", ended.stderr);

    let quiet = flowtap(["replay", &file, "--export", "null:", "--quiet"]).well();
    assert_eq!((quiet.text(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn the_summary_goes_to_standard_output_alone() {
    let file = sample().display().to_string();
    // Without a target a run prints a table, but not where a program looks for the summary.
    for target in [&["--export", "null:"][..], &[]] {
        let arguments = ["replay", &file, "--summary", "-"];
        let ended = flowtap(arguments.iter().chain(target)).well();
        Summary::parse(&ended.stdout).assert_balanced();
    }
}

#[test]
fn the_end_of_a_run_says_of_each_target_what_became_of_its_records() {
    let folder = TempDir::new().unwrap();
    let file = format!("file:{}", folder.path().join("flows.ipfix").display());
    let sample = sample().display().to_string();
    let collector = "udp://127.0.0.1:9";
    let ended = flowtap(["replay", &sample, "--export", &file, "--export", collector]).well();
    let line = |place: &str| {
        let line = ended.stderr.lines().find(|line| line.starts_with(place));
        line.unwrap_or_else(|| panic!("{place}: {}", ended.stderr)).to_owned()
    };
    let summary = replay(Path::new(&sample), &[]);
    let records = summary.count("exported_flows");
    let sent = format!("{records:>15} records sent, 0 lost: ");
    assert_eq!(line("target 1"), format!("target 1  {sent}{file}"));
    assert_eq!(line("target 2"), format!("target 2  {sent}{collector} (not confirmed over UDP)"));
}

#[test]
fn every_target_gets_every_record() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let targets = [
        format!("file:{}", path("a.ipfix").display()),
        format!("file:{}", path("b.ipfix").display()),
        format!("json:{}", path("c.json").display()),
        "json:-".to_owned(),
    ];
    let mut arguments = vec!["replay".to_owned(), sample().display().to_string(), "--quiet".into()];
    arguments.extend(targets.into_iter().flat_map(|target| ["--export".to_owned(), target]));
    let ended = flowtap(arguments).well();
    assert!(fs::read(path("a.ipfix")).unwrap() == fs::read(path("b.ipfix")).unwrap());
    assert!(fs::read(path("c.json")).unwrap() == ended.stdout);
    assert_eq!(ended.text().lines().count() as u64, replay(&sample(), &[]).count("exported_flows"));
}

#[test]
fn show_prints_what_the_file_holds_in_three_formats() {
    let output = Output::new(&[]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sample.ipfix");
    fs::write(&file, &output.file).unwrap();
    let file = file.to_str().unwrap();

    let json = flowtap(["show", file, "--format", "json"]).well();
    let shown: Vec<Record> = flow_records(&json.stdout);
    assert_eq!(shown.len(), output.records.len());
    for name in ["packetDeltaCount", "reverseOctetDeltaCount", "flowId"] {
        let sum = |records: &[Record]| -> u64 { records.iter().map(|r| element(r, name)).sum() };
        assert_eq!(sum(&shown), sum(&output.records), "{name}");
    }

    let csv = flowtap(["show", file, "--format", "csv"]).well();
    let mut lines = csv.text().lines();
    let columns = lines.next().expect("a header").split(',').count();
    assert!(columns > 10, "{}", csv.text());
    assert_eq!(lines.count(), output.records.len());

    let table = flowtap(["show", file]).well();
    assert!(table.text().lines().count() >= output.records.len());
    assert!(table.text().contains("192.0.2.80"), "{}", table.text());
}

#[test]
fn a_truncated_file_is_metered_up_to_the_damage() {
    let octets = fs::read(sample()).unwrap();
    let whole = replay(&sample(), &[]);
    let folder = TempDir::new().unwrap();
    // In the middle of a packet, wherever that is; and within the last one.
    for length in [octets.len() / 2 - 1, octets.len() - 1] {
        let capture = folder.path().join("cut.pcap");
        fs::write(&capture, &octets[..length]).unwrap();
        let (summary_path, target) = (folder.path().join("summary.json"), folder.path().join("f"));
        let ended = flowtap([
            "replay",
            capture.to_str().unwrap(),
            "--quiet",
            "--export",
            &format!("file:{}", target.display()),
            "--summary",
            summary_path.to_str().unwrap(),
        ])
        .with(1);
        assert!(ended.stderr.contains("cut.pcap"), "names the file: {}", ended.stderr);
        let offset = packet_offsets(&octets).into_iter().rfind(|&offset| offset < length).unwrap();
        assert!(ended.stderr.contains(&offset.to_string()), "names {offset}: {}", ended.stderr);

        let summary = Summary::read(&summary_path);
        summary.assert_balanced();
        let before = packet_offsets(&octets[..offset]).len() as u64;
        assert_eq!(summary.count("received_packets"), before);
        assert!(before < whole.count("received_packets"));
        // What was read is in the file, which is a whole one.
        let shown = flowtap(["show", target.to_str().unwrap(), "--format", "json"]).well();
        assert_eq!(flow_records(&shown.stdout).len() as u64, summary.count("exported_flows"));
    }
}

#[test]
fn what_is_no_capture_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "Nothing in here was ever a packet.\n").unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    for input in [text, empty, folder.path().join("absent")] {
        let output = folder.path().join("flows.ipfix");
        let target = format!("file:{}", output.display());
        let ended = flowtap(["replay", input.to_str().unwrap(), "--export", &target]).with(1);
        let name = input.file_name().unwrap().to_str().unwrap();
        assert!(ended.stderr.contains(name), "names the file: {}", ended.stderr);
        assert_eq!(ended.stderr.trim().lines().count(), 1, "one line: {}", ended.stderr);
        assert!(!output.exists(), "nothing is written for {name}");
    }
}

#[test]
fn a_wrong_command_line_is_status_2() {
    let file = sample().display().to_string();
    let wrong: [&[&str]; 9] = [
        &[],
        &["replay"],
        &["meter", &file],
        &["replay", &file, "--export", "carrier-pigeon:coop"],
        &["replay", &file, "--export", "udp://"],
        &["replay", &file, "--biflow", "maybe"],
        &["replay", &file, "--idle-timeout", "soon"],
        &["replay", &file, "--max-flows", "-1"],
        &["capture"],
    ];
    for arguments in wrong {
        let ended = flowtap(arguments).with(2);
        assert!(!ended.stderr.is_empty(), "{arguments:?} says why");
        assert!(ended.stdout.is_empty(), "{arguments:?} prints no data");
    }
}

#[test]
fn help_and_version_are_status_0() {
    for arguments in
        [&["--help"][..], &["--version"], &["replay", "--help"], &["capture", "--help"]]
    {
        assert!(!flowtap(arguments).well().stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_target_that_cannot_be_written_is_wrong_configuration() {
    let file = sample().display().to_string();
    let target = "file:/nonexistent/flows.ipfix";
    let ended = flowtap(["replay", &file, "--export", target]).with(2);
    assert!(ended.stderr.contains("/nonexistent/flows.ipfix"), "{}", ended.stderr);
}

#[test]
fn a_summary_that_cannot_be_written_stops_the_run_before_it_begins() {
    let folder = TempDir::new().unwrap();
    let flows = folder.path().join("flows.ipfix");
    let target = format!("file:{}", flows.display());
    let file = sample().display().to_string();
    let arguments =
        ["replay", &file, "--export", &target, "--summary", "/nonexistent/summary", "--quiet"];
    let ended = flowtap(arguments).with(2);
    assert!(ended.stderr.contains("cannot write /nonexistent/summary"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("os error 2").count(), 1, "told once: {}", ended.stderr);
    assert!(!flows.exists());
}

#[test]
fn a_run_that_does_not_begin_leaves_no_summary() {
    let folder = TempDir::new().unwrap();
    let file = sample().display().to_string();
    let new = folder.path().join("new.json");
    let old = folder.path().join("old.json");
    fs::write(&old, "the last run's").unwrap();
    for summary in [&new, &old] {
        let target = "file:/nonexistent/flows.ipfix";
        let summary = summary.to_str().unwrap();
        flowtap(["replay", &file, "--export", target, "--summary", summary]).with(2);
    }
    assert!(!new.exists());
    assert_eq!(fs::read_to_string(&old).unwrap(), "the last run's");

    flowtap(["replay", &file, "--export", "null:", "--summary", old.to_str().unwrap()]).well();
    Summary::parse(&fs::read(&old).unwrap()).assert_balanced();
}

#[test]
fn no_output_overwrites_the_capture_or_another_output() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("a.pcap");
    fs::copy(sample(), &capture).unwrap();
    let link = folder.path().join("link.pcap");
    std::os::unix::fs::symlink(&capture, &link).unwrap();
    let [capture, link] = [capture, link].map(|path| path.display().to_string());
    let new = folder.path().join("new").display().to_string();
    let roundabout = folder.path().join("./new").display().to_string();
    for (outputs, word) in [
        (
            ["--export".to_owned(), format!("file:{capture}"), "--biflow".into(), "off".into()],
            "the capture",
        ),
        (
            ["--export".to_owned(), format!("json:{link}"), "--summary".into(), "-".into()],
            "the capture",
        ),
        (["--export".to_owned(), "null:".into(), "--summary".into(), link.clone()], "the capture"),
        (
            ["--export".to_owned(), format!("json:{new}"), "--summary".into(), roundabout.clone()],
            "would overwrite",
        ),
        (
            [
                "--export".to_owned(),
                format!("json:{new}"),
                "--export".into(),
                format!("file:{roundabout}"),
            ],
            "would overwrite",
        ),
        (
            ["--export".to_owned(), "json:-".into(), "--export".into(), "json:-".into()],
            "given twice",
        ),
    ] {
        let mut arguments = vec!["replay".to_owned(), capture.clone()];
        arguments.extend(outputs);
        let ended = flowtap(&arguments).with(2);
        assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
        assert!(fs::read(&capture).unwrap() == fs::read(sample()).unwrap(), "{arguments:?}");
        assert!(!Path::new(&new).exists(), "{arguments:?}");
    }
}

#[test]
fn standard_output_by_its_path_keeps_what_else_is_written_there() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    let status = std::process::Command::new(run::FLOWTAP)
        .args(["replay", sample().to_str().unwrap(), "--quiet"])
        .args(["--export", "json:/dev/stdout", "--summary", "-"])
        .stdout(fs::File::create(&path).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&path).unwrap();
    let summary = text.find("{\n").expect("a summary follows the flows");
    let (flows, summary) = text.split_at(summary);
    let summary = Summary::parse(summary.as_bytes());
    assert_eq!(records(flows.as_bytes()).len() as u64, summary.count("exported_flows"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("made.pcap");
    // More than the pipe and the buffers before it hold.
    generate::conversations(&capture, 10_000, 2);
    let summary = folder.path().join("summary.json");
    for target in ["json:-", "json:/dev/stdout", "file:/dev/stdout"] {
        let mut child = std::process::Command::new(run::FLOWTAP)
            .args(["replay", capture.to_str().unwrap(), "--quiet", "--export", target])
            .args(["--summary", summary.to_str().unwrap()])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{target}");
        let octets = fs::read(&summary).unwrap();
        let summary = Summary::parse(&octets);
        summary.assert_balanced();
        let report: Value = serde_json::from_slice(&octets).unwrap();
        let report = &report["targets"][0];
        // Not an octet was taken, so nothing counts as sent.
        assert_eq!(
            (&report["sent_flows"], &report["messages"]),
            (&0.into(), &0.into()),
            "{target}"
        );
        assert_eq!(report["lost_flows"], summary.count("exported_flows"), "{target}");
    }
}

#[test]
fn no_number_of_workers_puts_more_flows_into_the_cache_than_it_may_hold() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("made.pcap");
    generate::conversations(&capture, 20_000, 2);
    for workers in ["1", "2", "4"] {
        let summary = replay(&capture, &["--max-flows", "1000", "--workers", workers]);
        assert!(summary.count("peak_flows") <= 1000, "{workers}: {summary:?}");
    }
}

#[test]
fn a_signal_ends_a_replay_with_balanced_books_and_whole_files() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("made.pcap");
    let sums = generate::conversations(&capture, 20_000, 6);
    let flows = folder.path().join("flows.ipfix");
    let summary = folder.path().join("summary.json");
    let mut command = std::process::Command::new(run::FLOWTAP);
    command.arg("replay").args(std::iter::repeat_n(&capture, 200)).arg("--quiet");
    command.arg("--export").arg(format!("file:{}", flows.display()));
    command.arg("--summary").arg(&summary);
    let mut child = command.spawn().unwrap();
    // The signal may come before the program listens; its output file tells that it does.
    while fs::read_dir(folder.path()).unwrap().count() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let summary = Summary::parse(&fs::read(&summary).unwrap());
    summary.assert_balanced();
    assert!(summary.count("received_packets") < 200 * sums.frames, "it stopped before the end");
    let shown = flowtap(["show", flows.to_str().unwrap(), "--format", "json"]).well();
    assert_eq!(flow_records(&shown.stdout).len() as u64, summary.count("exported_flows"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");
}

#[test]
fn a_cache_beyond_the_memory_there_is_is_an_error_of_one_line() {
    // 5 GB of address space, and a cache that takes more.
    let script =
        "ulimit -v 5000000; exec \"$0\" replay \"$1\" --export null: --max-flows 100000000";
    let output = std::process::Command::new("sh")
        .args(["-c", script, run::FLOWTAP, sample().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--max-flows") && said.trim().lines().count() == 1, "{said}");
}

#[test]
fn the_observation_domain_stands_in_every_message() {
    let output = Output::new(&["--observation-domain", "4711"]);
    let mut messages = 0;
    let mut rest = output.file.as_slice();
    while let Some((header, _)) = rest.split_first_chunk::<16>() {
        // RFC 7011 §3.1: version 10, length, export time, sequence number, observation domain.
        let [version_0, version_1, length_0, length_1, .., a, b, c, d] = *header;
        assert_eq!(u16::from_be_bytes([version_0, version_1]), 10);
        assert_eq!(u32::from_be_bytes([a, b, c, d]), 4711);
        rest = &rest[usize::from(u16::from_be_bytes([length_0, length_1]))..];
        messages += 1;
    }
    assert!(messages > 0 && rest.is_empty());
}

/// One exported record by element name.
type Record = serde_json::Map<String, Value>;

/// Everything one replay of a capture gives.
struct Output {
    file: Vec<u8>,
    json: Vec<u8>,
    records: Vec<Record>,
    summary: Summary,
}

impl Output {
    #[track_caller]
    fn new(more: &[&str]) -> Self {
        Self::of(&sample(), more)
    }

    #[track_caller]
    fn of(capture: &Path, more: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let targets = [
            format!("file:{}", path("flows.ipfix").display()),
            format!("json:{}", path("flows.json").display()),
        ];
        let [file, json] = &targets;
        let arguments = [&["--export", file, "--export", json][..], more].concat();
        let summary = replay(capture, &arguments);
        let read = |name: &str| fs::read(path(name)).expect("the target was written");
        let json = read("flows.json");
        Self { file: read("flows.ipfix"), records: records(&json), json, summary }
    }

    /// The records as text, with how often each occurs.
    fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for record in &self.records {
            *lines.entry(Value::Object(record.clone()).to_string()).or_insert(0) += 1;
        }
        lines
    }
}

/// The records of flows that `flowtap show` prints, without those of options.
#[track_caller]
fn flow_records(json: &[u8]) -> Vec<Record> {
    let mut records = records(json);
    records.retain(|record| !record.contains_key("optionsTemplateId"));
    records
}

fn records(json: &[u8]) -> Vec<Record> {
    let text = std::str::from_utf8(json).expect("JSON is text");
    text.lines()
        .map(|line| match serde_json::from_str(line).expect("one JSON object a line") {
            Value::Object(record) => record,
            other => panic!("not an object: {other}"),
        })
        .collect()
}

/// The value of an unsigned element; zero where the record has none.
fn element(record: &Record, name: &str) -> u64 {
    record.get(name).map_or(0, |value| value.as_u64().expect("an unsigned element"))
}

/// Where the packet records of a classic little-endian capture begin.
fn packet_offsets(capture: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = 24;
    while let Some(length) = capture.get(at + 8..at + 12) {
        offsets.push(at);
        let length: [u8; 4] = length.try_into().expect("four octets were asked for");
        at += 16 + u32::from_le_bytes(length) as usize;
    }
    offsets
}
