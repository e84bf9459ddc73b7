//! Each profile, read by other people's programs: what it leaves is all that was metered.
//!
//! nfdump and pmacct by the profile of their name; the others cannot be started here, so their files
//! are read by tshark and libfixbuf, and `export::profile` has tests of what their Templates hold.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use program::{Program, run, wait_until};
use run::{Summary, flowtap, replay, sample};
use serde_json::Value;

#[path = "support/program.rs"]
mod program;
#[path = "support/run.rs"]
mod run;

#[test]
fn units_of_time_that_a_profile_does_not_have_are_refused() {
    for (profile, times) in profiles() {
        for time in ["ms", "us", "ns"] {
            let target = format!("udp://192.0.2.1?profile={profile}&time={time}");
            // Targets are parsed before anything is opened.
            let ended = flowtap(["replay", "no such file", "--export", &target]);
            let expected = if times.iter().any(|known| known == time) { 1 } else { 2 };
            assert_eq!(ended.status, Some(expected), "{target}: {}", ended.stderr);
        }
    }
    let table = flowtap(["profiles"]).well();
    assert!(table.text().lines().all(|line| line.len() <= 100));
    flowtap(["profiles", "--format", "xml"]).with(2);
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_the_files_of_every_profile_in_every_unit_of_time() {
    let folder = tempfile::tempdir().unwrap();
    for (profile, times) in profiles() {
        // When flows began, in nanoseconds; by the unit they were told in.
        let mut starts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for time in times {
            let path = folder.path().join("flows.ipfix");
            let summary = export(&format!("file:{}?profile={profile}&time={time}", path.display()));
            let text = run(Command::new("tshark").arg("-r").arg(&path).args([
                "-T",
                "fields",
                "-E",
                "occurrence=a",
                "-E",
                "aggregator= ",
                "-e",
                "cflow.packets",
                "-e",
                "cflow.octets",
                "-e",
                "cflow.abstimestart",
                "-e",
                "_ws.expert.message",
            ]));
            let mut sums = [0; 2];
            let began = starts.entry(time.clone()).or_default();
            for line in text.lines() {
                let mut columns = line.split('\t');
                for sum in &mut sums {
                    let numbers = columns.next().unwrap_or("").split_whitespace();
                    *sum += numbers.map(|number| number.parse::<u64>().unwrap()).sum::<u64>();
                }
                began.extend(times_of(columns.next().unwrap_or("")));
                let complaints = columns.next().unwrap_or("");
                assert!(complaints.is_empty(), "{profile} {time}: {complaints}");
            }
            assert_eq!(sums, exported(&summary), "{profile} {time}");
            assert!(!began.is_empty(), "{profile} {time}: no times in {text}");
            fs::remove_file(&path).unwrap();
        }
        for (time, began) in &starts {
            let milliseconds = &starts["ms"];
            assert_eq!(began.len(), milliseconds.len(), "{profile} {time}");
            for (start, millisecond) in began.iter().zip(milliseconds) {
                // tshark rounds fractions of NTP times down.
                let within = (start + 1).checked_sub(*millisecond);
                assert!(within.is_some_and(|rest| rest <= 1_000_000), "{profile} {time} {start}");
            }
            let finer = began.iter().any(|start| start % 1_000_000 > 1);
            assert_eq!(finer, time != "ms", "{profile} {time}: digits beyond the millisecond");
        }
    }
}

#[test]
#[ignore = "needs libfixbuf-tools"]
fn ipfix_dump_reads_the_files_of_every_profile() {
    let folder = tempfile::tempdir().unwrap();
    for (profile, _) in profiles() {
        let path = folder.path().join("flows.ipfix");
        let summary = export(&format!("file:{}?profile={profile}", path.display()));
        let text = run(Command::new("ipfixDump").arg("-i").arg(&path));
        let sum = |name: &str| -> u64 {
            text.lines()
                .filter_map(|line| line.split_once(" : "))
                .filter(|(field, _)| field.ends_with(&format!(" {name}")))
                .map(|(_, value)| value.trim().parse::<u64>().unwrap())
                .sum()
        };
        let sums = [
            sum("packetDeltaCount") + sum("reversePacketDeltaCount"),
            sum("octetDeltaCount") + sum("reverseOctetDeltaCount"),
        ];
        assert_eq!(sums, exported(&summary), "{profile}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
#[ignore = "needs nfdump"]
fn nfcapd_gets_all_of_it_without_a_gap_in_the_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut nfcapd = Command::new("nfcapd");
    nfcapd.arg("-w").arg(folder.path()).args(["-b", "127.0.0.1", "-p", &port.to_string()]);
    let mut nfcapd = Program::start(nfcapd.args(["-B", "8000000", "-t", "3600"]));
    nfcapd.wait_until("its port", || UdpSocket::bind(("127.0.0.1", port)).is_err());
    sleep(Duration::from_millis(300));

    let summary = export(&format!("udp://127.0.0.1:{port}?profile=nfdump"));
    sleep(Duration::from_millis(500));
    nfcapd.signal("TERM");
    let (_, log) = nfcapd.end();
    assert!(log.contains("Sequence Errors: 0, Bad Packets: 0"), "{log}");
    let text = run(Command::new("nfdump").arg("-R").arg(folder.path()).args([
        "-q",
        "-N",
        "-o",
        "fmt:%ipkt %opkt %ibyt %obyt",
    ]));
    let mut sums = [0; 2];
    for line in text.lines() {
        let numbers: Vec<u64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let [packets, way_back, octets, octets_back] = numbers[..] else { continue };
        sums[0] += packets + way_back;
        sums[1] += octets + octets_back;
    }
    assert_eq!(sums, exported(&summary), "{log}");
}

#[test]
#[ignore = "needs pmacct"]
fn nfacctd_gets_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (configuration, output) = (folder.path().join("conf"), folder.path().join("flows.csv"));
    let port = free_port();
    let text = format!(
        "daemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\nnfacctd_time_new: true\n\
         plugins: print\naggregate: src_host,dst_host,src_port,dst_port,proto\n\
         print_output: csv\nprint_output_file: {}\nprint_refresh_time: 3600\n",
        output.display()
    );
    fs::write(&configuration, text).unwrap();
    let mut nfacctd = Program::start(Command::new("nfacctd").arg("-f").arg(&configuration));
    nfacctd.wait_until("its port", || UdpSocket::bind(("127.0.0.1", port)).is_err());
    sleep(Duration::from_secs(1));

    let summary = export(&format!("udp://127.0.0.1:{port}?profile=pmacct"));
    sleep(Duration::from_secs(1));
    nfacctd.signal("INT");
    wait_until("the table of nfacctd", || output.exists());
    let (_, log) = nfacctd.end();
    let csv = fs::read_to_string(&output).unwrap();
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let columns = ["PACKETS", "BYTES"]
        .map(|name| header.iter().position(|column| *column == name).expect("a column"));
    let mut sums = [0; 2];
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        for (sum, column) in sums.iter_mut().zip(columns) {
            *sum += fields[column].parse::<u64>().unwrap();
        }
    }
    assert_eq!(sums, exported(&summary), "{log}");
}

/// Meters the sample into a target, which has to get every record.
fn export(target: &str) -> Summary {
    replay(&sample(), &["--export", target])
}

/// Packets and octets that were exported.
fn exported(summary: &Summary) -> [u64; 2] {
    [summary.count("exported_packets"), summary.count("exported_octets")]
}

/// The names of profiles, and the units of time that each may have.
fn profiles() -> Vec<(String, Vec<String>)> {
    let ended = flowtap(["profiles", "--format", "json"]).well();
    let profiles: Vec<Value> = serde_json::from_str(ended.text()).expect("an array");
    assert_eq!(profiles.len(), 8);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    profiles
        .iter()
        .map(|profile| {
            let times = profile["times"].as_array().expect("an array").iter().map(text).collect();
            (text(&profile["profile"]), times)
        })
        .collect()
}

/// Nanoseconds within the minute, of times as tshark prints them: `Nov 14, 2023 22:13:20.123000000 UTC`.
fn times_of(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|word| {
            let (_, seconds) = word.rsplit_once(':')?;
            let (second, fraction) = seconds.split_once('.')?;
            let fraction = format!("{fraction:0<9}");
            Some(second.parse::<u64>().ok()? * 1_000_000_000 + fraction.parse::<u64>().ok()?)
        })
        .collect()
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
    socket.local_addr().expect("it is bound").port()
}
