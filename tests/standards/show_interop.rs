//! What `show` reads of another exporter's messages is what another reader reads of them.
//!
//! softflowd meters a capture made here and sends IPFIX to a socket of ours; ipfixDump (libfixbuf)
//! reads the same octets. Both are in Debian: `apt-get install softflowd libfixbuf-tools`.

use crate::program;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::program::Program;
use crate::run::{flowtap, sample};
use flowtap::cli::show::{ShowFormat, show};
use serde_json::Value;

#[test]
#[ignore = "needs softflowd and ipfixDump"]
fn softflowd_and_ipfix_dump_agree_with_show() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let capture = directory.path().join("made.pcap");
    fs::write(&capture, capture_of_two_conversations()).expect("a capture is written");

    for options in [&[][..], &["-b"], &["-A", "milli"], &["-A", "sec", "-b"]] {
        let messages = export(&capture, options);
        let file = directory.path().join("flows.ipfix");
        fs::write(&file, &messages).expect("a file is written");

        let ours = shown(&file);
        let theirs = dumped(&file);
        assert!(ours.len() >= 3, "{options:?}: {ours:?}");
        assert_eq!(ours.len(), theirs.len(), "{options:?}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            for (name, value) in theirs {
                let expected = ours.get(name).unwrap_or_else(|| panic!("{name} in {ours}"));
                assert_eq!(&as_ipfix_dump_writes(expected), value, "{options:?}: {name}");
            }
        }

        let sum = |name: &str| -> u64 {
            let reverse = format!("reverse{}{}", &name[..1].to_uppercase(), &name[1..]);
            let values = ours.iter().flat_map(|record| [record.get(name), record.get(&reverse)]);
            values.flatten().filter_map(Value::as_u64).sum()
        };
        assert_eq!(sum("packetDeltaCount"), 2 * (REQUESTS + REPLIES), "{options:?}");
        let octets = REQUESTS * (28 + 48 + 2 * PAYLOAD) + REPLIES * (28 + 48 + 2 * PAYLOAD);
        assert_eq!(sum("octetDeltaCount"), octets, "{options:?}");
    }
}

/// The same questions asked of tshark: each flow that it finds in the file is counted by hand.
#[test]
#[ignore = "needs tshark"]
fn tshark_gives_the_same_answers() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for biflow in ["on", "off"] {
        let file = folder.path().join(format!("{biflow}.ipfix"));
        replay(&["--biflow", biflow, "--export", &format!("file:{}", file.display())]);
        let flows = dissected(&file);
        assert!(flows.len() > 20, "{flows:?}");

        let mut by_source: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for flow in &flows {
            add(by_source.entry(flow.source.clone()).or_default(), flow);
        }
        let groups = answer(&file, &["--group", "src"]);
        let ours: BTreeMap<_, _> =
            groups.iter().map(|group| (text(group, "src"), sums(group))).collect();
        assert_eq!(ours, by_source, "biflow {biflow}");

        for (expression, is_meant) in [
            ("dst port 443", (|flow| flow.port == Some(443)) as fn(&Dissected) -> bool),
            ("src net 192.0.2.0/24", |flow| flow.source.starts_with("192.0.2.")),
            ("udp and octets > 1k", |flow| flow.protocol == 17 && flow.octets > 1_000),
            ("not tcp and dst port != 53", |flow| {
                flow.protocol != 6 && flow.port.is_some_and(|port| port != 53)
            }),
            ("src net 2001:db8::/32 or icmp", |flow| {
                flow.source.starts_with("2001:db8:") || flow.protocol == 1
            }),
        ] {
            let mut expected = [0; 3];
            flows.iter().filter(|flow| is_meant(flow)).for_each(|flow| add(&mut expected, flow));
            assert!(expected[0] > 0, "{expression} means some of them");
            let all = answer(&file, &["--where", expression, "--group", "domain"]);
            let [all] = all.as_slice() else { panic!("{expression}: {all:?}") };
            assert_eq!(sums(all), expected, "{expression}, biflow {biflow}");
        }
        let mut largest: Vec<_> = flows.iter().map(|flow| flow.octets).collect();
        largest.sort_unstable_by(|one, other| other.cmp(one));
        let top = answer(&file, &["--top", "10"]);
        assert_eq!(top.iter().map(octets).collect::<Vec<_>>(), largest[..10], "biflow {biflow}");
    }
}

/// A flow as tshark reads it.
#[derive(Debug, Default)]
struct Dissected {
    source: String,
    protocol: u64,
    port: Option<u64>,
    packets: u64,
    octets: u64,
}

/// The flows in a file, from lines like `SrcAddr: 192.0.2.1`; both directions of one are summed.
fn dissected(file: &Path) -> Vec<Dissected> {
    let text = program::run(Command::new("tshark").args(["-n", "-V", "-r"]).arg(file));
    let mut flows = Vec::new();
    let mut is_template = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("FlowSet ") || line.starts_with("Set ") {
            is_template = line.contains("Template");
        } else if line.starts_with("Flow ") && line[5..].parse::<u64>().is_ok() {
            is_template = false;
            flows.push(Dissected::default());
        }
        let (Some(flow), Some((name, value)), false) =
            (flows.last_mut(), line.split_once(": "), is_template)
        else {
            continue;
        };
        let value = value.split(' ').next().unwrap_or(value);
        let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("no number: {line}"));
        match name {
            "SrcAddr" => flow.source = value.to_owned(),
            "Protocol" => {
                let (_, number) = line.rsplit_once('(').expect("a number after the name");
                flow.protocol = number.trim_end_matches(')').parse().expect("a number");
            }
            "DstPort" => flow.port = Some(number()),
            "Octets" => flow.octets += number(),
            "Packets" => flow.packets += number(),
            _ => {}
        }
    }
    // It takes options records for flows as well.
    flows.retain(|flow| !flow.source.is_empty());
    flows
}

/// Expressions that mean the same in both languages find the same flows.
#[test]
#[ignore = "needs nfdump"]
fn nfdump_finds_the_same_flows_by_the_same_expressions() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (file, store) = (folder.path().join("flows.ipfix"), folder.path().join("store"));
    fs::create_dir(&store).expect("a folder");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("it was bound").port();
    drop(socket);
    let mut collector = Command::new("nfcapd");
    collector.arg("-w").arg(&store).args(["-b", "127.0.0.1", "-p", &port.to_string()]);
    let mut collector = Program::start(collector.args(["-t", "3600", "-B", "8000000"]));
    collector.wait_until("its port", || waiting(port).is_some());
    let targets = [format!("file:{}", file.display()), format!("udp://127.0.0.1:{port}")];
    replay(&["--biflow", "off", "--export", &targets[0], "--export", &targets[1]]);
    program::wait_until("the end of reading", || waiting(port) == Some(0));
    thread::sleep(Duration::from_millis(500));
    collector.signal("TERM");
    let (status, log) = collector.end();
    assert!(status.success(), "{log}");

    let theirs = |arguments: &[&str]| {
        let mut nfdump = Command::new("nfdump");
        let text = program::run(nfdump.arg("-R").arg(&store).args(["-q", "-N"]).args(arguments));
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect::<Vec<Vec<_>>>()
    };
    for expression in [
        "dst port 443",
        "src net 192.0.2.0/24",
        "proto udp and port 53",
        "not proto tcp",
        "host 192.0.2.80 and not ( proto icmp or port 80 )",
        "flags S and not flags R",
        "packets > 10",
        "bytes > 1k and proto tcp",
        "ipv6",
        "port in [80 443]",
    ] {
        let lines = theirs(&["-o", "fmt:%pkt %byt", expression]);
        let count = |column: usize| -> u64 {
            lines.iter().map(|cells| cells[column].parse::<u64>().expect("a number")).sum()
        };
        let expected = [lines.len() as u64, count(0), count(1)];
        assert!(expected[0] > 0, "{expression} means some of them");
        // Where the two languages differ: a comma between the values of a list.
        let expression = expression.replace("80 443", "80, 443");
        let all = answer(&file, &["--where", &expression, "--group", "domain"]);
        let [all] = all.as_slice() else { panic!("{expression}: {all:?}") };
        assert_eq!(sums(all), expected, "{expression}");
    }
    let theirs: BTreeMap<_, _> = theirs(&["-6", "-A", "srcip", "-o", "fmt:%sa %fl %pkt %byt"])
        .into_iter()
        .map(|cells| {
            let number = |column: usize| cells[column].parse::<u64>().expect("a number");
            (cells[0].clone(), [number(1), number(2), number(3)])
        })
        .collect();
    let groups = answer(&file, &["--group", "src"]);
    let ours: BTreeMap<_, _> =
        groups.iter().map(|group| (text(group, "src"), sums(group))).collect();
    assert_eq!(ours, theirs);
}

/// Meters the sample capture.
fn replay(more: &[&str]) {
    let sample = sample().display().to_string();
    flowtap([&["replay", &sample, "--quiet"], more].concat()).well();
}

/// What the program says of a file.
fn answer(file: &Path, question: &[&str]) -> Vec<Value> {
    let file = file.to_str().expect("a path of ours");
    let ended = flowtap([&["show", "--format", "json", file], question].concat()).well();
    ended.text().lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn text(group: &Value, key: &str) -> String {
    group[key].as_str().expect("a text").to_owned()
}

/// Flows, packets and octets of a group.
fn sums(group: &Value) -> [u64; 3] {
    ["flows", "packets", "octets"].map(|name| group[name].as_u64().expect("a count"))
}

/// Octets of both directions of a record.
fn octets(record: &Value) -> u64 {
    let names = ["octetDeltaCount", "reverseOctetDeltaCount"];
    names.iter().filter_map(|name| record[*name].as_u64()).sum()
}

fn add(sums: &mut [u64; 3], flow: &Dissected) {
    for (sum, more) in sums.iter_mut().zip([1, flow.packets, flow.octets]) {
        *sum += more;
    }
}

/// Octets that wait in the UDP socket on this port.
fn waiting(port: u16) -> Option<u64> {
    let sockets = fs::read_to_string("/proc/net/udp").expect("Linux");
    sockets.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.strip_prefix("0100007F:")?;
        if u16::from_str_radix(local, 16).ok()? != port {
            return None;
        }
        u64::from_str_radix(columns.get(4)?.split_once(':')?.1, 16).ok()
    })
}

/// UDP payload octets of each packet.
const PAYLOAD: u64 = 100;
/// Packets one way of each conversation.
const REQUESTS: u64 = 7;
/// Packets the other way.
const REPLIES: u64 = 4;

/// A pcap file of a DNS-like conversation over IPv4, and one over IPv6.
fn capture_of_two_conversations() -> Vec<u8> {
    // Link type 1 is Ethernet.
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];
    let mut file: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    for n in 0..REQUESTS.max(REPLIES) {
        for is_v6 in [false, true] {
            for is_reply in [false, true] {
                if n >= if is_reply { REPLIES } else { REQUESTS } {
                    continue;
                }
                let frame = frame(is_v6, is_reply);
                let length = u32::try_from(frame.len()).expect("a short frame");
                let seconds = 1_700_000_000 + u32::try_from(n).expect("a small number");
                let record = [seconds, 1_000 * u32::from(is_reply), length, length];
                file.extend(record.into_iter().flat_map(u32::to_le_bytes));
                file.extend(frame);
            }
        }
    }
    file
}

fn frame(is_v6: bool, is_reply: bool) -> Vec<u8> {
    let length = u16::try_from(8 + PAYLOAD).expect("a short datagram");
    let (mut hosts, mut ports) = ([1_u8, 2], [40_000_u16, 53]);
    if is_reply {
        hosts.reverse();
        ports.reverse();
    }
    let mut frame = vec![2, 0, 0, 0, 0, hosts[1], 2, 0, 0, 0, 0, hosts[0]];
    if is_v6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend([17, 64]);
        for host in hosts {
            frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
        }
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + length).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        for host in hosts {
            frame.extend([192, 0, 2, host]);
        }
    }
    frame.extend(ports.into_iter().flat_map(u16::to_be_bytes));
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(vec![0; usize::try_from(PAYLOAD).expect("a short payload")]);
    frame
}

/// The messages that softflowd sends of a capture, put together.
fn export(capture: &Path, options: &[&str]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let to = socket.local_addr().expect("its address").to_string();
    let control = capture.with_extension("ctl");
    let status = Command::new("softflowd")
        .args(["-v", "10", "-6", "-d", "-n", &to, "-c"])
        .arg(&control)
        .arg("-p")
        .arg(capture.with_extension("pid"))
        .args(options)
        .arg("-r")
        .arg(capture)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("softflowd runs");
    assert!(status.success());
    // Everything is in the socket's buffer by now.
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut messages = Vec::new();
    let mut datagram = vec![0; 65_536];
    loop {
        match socket.recv(&mut datagram) {
            Ok(length) => messages.extend(datagram.iter().take(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return messages;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn shown(file: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    show(&[file.to_owned()], &ShowFormat::Json.into(), &mut out).expect("show reads it");
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

/// Names and values of each data record, from lines that ipfixDump prints:
/// `(2)                     packetDeltaCount : 5`.
fn dumped(file: &Path) -> Vec<Vec<(String, String)>> {
    let output = Command::new("ipfixDump").arg("--in").arg(file).output().expect("ipfixDump runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut records: Vec<Vec<(String, String)>> = Vec::new();
    let mut is_data = false;
    for line in text.lines() {
        if line.starts_with("---") || line.starts_with("***") {
            is_data = line.starts_with("--- data record");
            if is_data {
                records.push(Vec::new());
            }
        } else if is_data
            && let Some((left, value)) = line.split_once(" : ")
            && let Some(name) = left.split_whitespace().last()
            && let Some(record) = records.last_mut()
        {
            let value = match value.split_once(") ") {
                Some((length, value)) if length.starts_with("(len: ") => value,
                _ => value,
            };
            // It leaves some zeros standing in IPv6 addresses.
            let value = match value.trim().parse::<Ipv6Addr>() {
                Ok(address) => address.to_string(),
                Err(_) => value.trim().to_owned(),
            };
            record.push((name.to_owned(), value));
        }
    }
    records
}

fn as_ipfix_dump_writes(value: &Value) -> String {
    let Some(text) = value.as_str() else { return value.to_string() };
    match text.split_once('T').zip(text.strip_suffix('Z')) {
        Some(((date, _), whole)) if date.split('-').count() == 3 => whole.replacen('T', " ", 1),
        _ => text.to_owned(),
    }
}
