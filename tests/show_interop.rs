//! What `show` reads of another exporter's messages is what another reader reads of them.
//!
//! softflowd meters a capture made here and sends IPFIX to a socket of ours; ipfixDump (libfixbuf)
//! reads the same octets. Both are in Debian: `apt-get install softflowd libfixbuf-tools`.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use flowtap::cli::show::{ShowFormat, show};
use serde_json::Value;

#[test]
#[ignore = "needs softflowd and ipfixDump"]
fn softflowd_and_ipfix_dump_agree_with_show() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let capture = directory.path().join("made.pcap");
    std::fs::write(&capture, capture_of_two_conversations()).expect("a capture is written");

    for options in [&[][..], &["-b"], &["-A", "milli"], &["-A", "sec", "-b"]] {
        let messages = export(&capture, options);
        let file = directory.path().join("flows.ipfix");
        std::fs::write(&file, &messages).expect("a file is written");

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
