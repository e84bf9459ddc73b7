//! Logs, errors and ledgers never carry an address, a port or a name of observed traffic: live runs on
//! real traffic, as talkative as a probe can be, with everything going wrong that can.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use crate::program;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::lab::{CLIENT, Lab, SERVER};
use crate::program::Program;
use crate::run::{FLOWTAP, Summary, flowtap, sample};

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_probe_in_trouble_says_nothing_of_whom_it_observes() {
    let mut lab = Lab::new();
    lab.start_servers();
    for (backend, format) in [("af-packet", "text"), ("libpcap", "json")] {
        println!("{backend}, {format}");
        let folder = tempfile::tempdir().unwrap();
        let summary = folder.path().join("ledger.json");
        let mut capture = start(&lab, (backend, format), folder.path(), &summary);
        lab.mirror(&[("ingress", "span"), ("egress", "span")]);
        lab.talk();
        lab.blast(200, 100);
        let python = |text| program::run(lab.command("client", "python3").args(["-c", text]));
        python(MALFORMED);
        // An interface that goes away under load, and comes back.
        lab.shell("probe", "ip link set span down");
        thread::sleep(Duration::from_millis(500));
        lab.shell("probe", "ip link set span up");
        thread::sleep(Duration::from_millis(1500));
        lab.talk();
        lab.unmirror();
        // The directory of the spool is gone while records wait in it.
        fs::remove_dir_all(folder.path().join("spool")).unwrap();
        lab.mirror(&[("ingress", "span")]);
        lab.blast(200, 100);
        lab.unmirror();
        assert!(capture.is_running(), "trouble is no reason to stop");
        for path in ["", "metrics", "health", "status.json"] {
            let told = lab.shell("probe", &format!("curl -s http://127.0.0.1:9739/{path}"));
            assert!(told.len() > 100, "{path}: {told}");
            assert_silent_on(&told, &addresses(&lab), path);
        }
        capture.signal("TERM");
        let (_, said) = capture.end();

        // What was seen was seen, and what was to go wrong went wrong: otherwise nothing is tested.
        let ledger = Summary::read(&summary);
        ledger.assert_balanced();
        assert!(ledger.count("metered_packets") > 500, "{ledger:?}");
        assert!(ledger.count("filtered_packets") > 5, "{ledger:?}");
        assert!(ledger.sum("ignored_packets") > 20, "{ledger:?}");
        assert!(ledger.sum("packet_anomalies") > 20, "{ledger:?}");
        assert!(ledger.count_of("expired", "lack_of_resources") > 0, "{ledger:?}");
        let warning = if format == "json" { "\"level\":\"warn\"" } else { "warning: " };
        for trouble in ["span", warning, "refused", "flow records lost", "ignored", "1 network"] {
            assert!(said.contains(trouble), "no {trouble:?} was provoked: {said}");
        }
        assert_silent_on(&said, &observed(&lab), "the log");
        let [_, _, transmitted] = lab.counters("span");
        assert_eq!(transmitted, 0, "nor does it say anything to those");
        let ledger = fs::read_to_string(&summary).unwrap();
        assert_silent_on(&ledger, &observed(&lab), "the ledger");
    }
}

#[test]
fn a_replay_of_damaged_captures_says_nothing_of_whom_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(sample()).unwrap();
    let observed = forms_of(&["192.0.2.10", "192.0.2.80", "198.51.100.20", "2001:db8:10::10"]);
    let mut said = String::new();
    // Cut in the middle of a packet, with a length that cannot be, and with octets flipped.
    let mut absurd = whole.clone();
    absurd[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut flipped = whole.clone();
    flipped.iter_mut().skip(2000).step_by(37).for_each(|octet| *octet ^= 0x55);
    let damaged =
        [("cut", &whole[..whole.len() / 2 + 7]), ("absurd", &absurd), ("flipped", &flipped)];
    let formats = ["text", "json"];
    for ((name, octets), format) in damaged.iter().flat_map(|it| formats.map(|format| (it, format)))
    {
        let capture = folder.path().join(name);
        fs::write(&capture, octets).unwrap();
        let ended = flowtap([
            "replay",
            &capture.display().to_string(),
            "--export",
            "json:/dev/full",
            "--summary",
            "-",
            "--log-format",
            format,
            "--log-level",
            "debug",
        ]);
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        said.push_str(&ended.stderr);
        said.push_str(ended.text());
    }
    assert!(said.contains("received_packets") && said.contains("No space left"), "{said}");
    assert_silent_on(&said, &observed, "a replay");
}

#[test]
fn a_mistake_in_a_list_of_networks_is_told_to_the_log_without_the_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let (file, list) = (folder.path().join("flowtap.toml"), folder.path().join("guests.txt"));
    fs::write(&list, "192.0.2.77/24\n").unwrap();
    let in_file = format!("[networks]\nexclude_files = ['{}']\n", list.display());
    let bits = "has bits set behind the prefix length; `flowtap check` shows it";
    for (text, place, told) in [
        (in_file.as_str(), "guests.txt:1: ", bits),
        (
            "[networks]\nexclude = ['192.0.2.77/24']\n",
            "flowtap.toml:2:11: `networks.exclude`: ",
            bits,
        ),
        (
            "[networks]\nonly = ['192.0.2.77/33']\n",
            "flowtap.toml:2:8: `networks.only`: ",
            "longer than",
        ),
        ("[networks]\nonly = [\n  192.0.2.77/32\n]\n", "flowtap.toml:3:", "is no TOML"),
        ("[networks]\nonly = 192.0.2.77/32\n", "flowtap.toml:2:", "is no TOML"),
    ] {
        fs::write(&file, format!("[[interface]]\nname = 'none0'\n{text}")).unwrap();
        let path = file.display().to_string();
        // Two lines further down.
        let place = &place.replace(":3:", ":5:").replace(":2:", ":4:");
        for format in ["text", "json"] {
            let ended = flowtap(["capture", "--config", &path, "--log-format", format]);
            assert_eq!(ended.status, Some(2), "{}", ended.stderr);
            let said = &ended.stderr;
            assert!(said.contains(told) && said.contains(place), "{said}");
            assert_silent_on(&ended.stderr, &forms_of(&["192.0.2.77"]), "the log");
        }
        let said = flowtap(["check", &path]).stderr;
        assert!(said.contains(place), "{said}");
        // What is no TOML may not be read so far.
        assert!(said.contains("192.0.2.77") || told == "is no TOML", "{said}");
    }
}

#[test]
fn the_search_finds_every_form_of_an_address() {
    let observed = forms_of(&["192.0.2.10", "2001:db8:10::10"]);
    for text in [
        "from 192.0.2.10: x",
        "::ffff:192.0.2.10",
        "c000020a",
        "c0:00:02:0a",
        "[192, 0, 2, 10]",
        "3221225994",
        "2001:db8:10::10",
        "2001:0DB8:0010:0000:0000:0000:0000:0010",
        "20010db8001000000000000000000010",
    ] {
        assert!(found(text, &observed).is_some(), "{text}");
    }
    assert_eq!(found("192.0.2.100 and 127.0.0.1", &observed), None);
}

/// A capture with every kind of target in trouble, and nothing left quiet.
fn start(lab: &Lab, (backend, format): (&str, &str), folder: &Path, summary: &Path) -> Program {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = lab.command("probe", FLOWTAP);
    command.args(["capture", "-i", "span", "--backend", backend, "--workers", "1"]);
    command.args(["--log-format", format, "--log-level", "debug"]);
    // A cache of two flows, so that they leave early, and a short life for those that stay.
    command.args(["--max-flows", "2", "--idle-timeout", "1s", "--active-timeout", "2s"]);
    command.args(["--exclude-net", &format!("{}/128", SERVER[1])]);
    for target in [
        format!("tcp://127.0.0.1:{closed}?reconnect=1s"),
        format!("udp://127.0.0.1:{closed}"),
        format!("tls://127.0.0.1:1?reconnect=1s&cert={0}&key={0}", certificate(folder).display()),
        // Nobody has a way there.
        "udp://203.0.113.200:4739".to_owned(),
        format!("failover:tcp://127.0.0.1:{closed}?reconnect=1s,tcp://203.0.113.200?reconnect=1s"),
        "json:/dev/full".to_owned(),
        format!("file:{}", folder.join("flows-%H%M%S.ipfix?rotate=1s&size=1M").display()),
    ] {
        command.arg("--export").arg(target);
    }
    command.arg("--spool").arg(folder.join("spool")).args(["--spool-size", "1M", "--queue", "1M"]);
    command.arg("--summary").arg(summary).env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace");
    let mut capture = Program::start(&mut command);
    lab.wait_for_packet_sockets(&mut capture, 1);
    capture
}

/// A certificate and its key in one file.
fn certificate(folder: &Path) -> PathBuf {
    let path = folder.join("probe.pem");
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["probe".to_owned()]).unwrap();
    fs::write(&path, cert.pem() + &signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Whatever would tell who talked, in all its forms.
fn observed(lab: &Lab) -> Vec<String> {
    let mut forms = addresses(lab);
    // Ports and names of the traffic.
    forms.extend(["9998", "9999", "8080", "www.example", "page.html", "curl"].map(String::from));
    forms
}

/// The addresses of those who talked: numbers that are only counts may be those of ports.
fn addresses(lab: &Lab) -> Vec<String> {
    let mut forms = forms_of(&[CLIENT, SERVER].concat());
    for namespace in ["client", "server"] {
        let mac = lab.shell(namespace, "cat /sys/class/net/eth0/address");
        let mac = mac.trim();
        forms.extend([mac.to_owned(), mac.replace(':', "-"), mac.replace(':', "")]);
    }
    forms
}

/// An address as text, hexadecimal, decimal, and as a list of octets.
fn forms_of(addresses: &[&str]) -> Vec<String> {
    let mut forms = Vec::new();
    for address in addresses {
        let address: std::net::IpAddr = address.parse().unwrap();
        let octets = match address {
            std::net::IpAddr::V4(address) => {
                forms.push(address.to_bits().to_string());
                forms.push(address.to_bits().swap_bytes().to_string());
                address.octets().to_vec()
            }
            std::net::IpAddr::V6(address) => {
                let groups = address.segments().map(|group| format!("{group:04x}"));
                forms.push(groups.join(":"));
                address.octets().to_vec()
            }
        };
        let joined = |separator: &str, form: &dyn Fn(&u8) -> String| {
            octets.iter().map(form).collect::<Vec<_>>().join(separator)
        };
        forms.push(address.to_string());
        for separator in ["", ":", " ", "-"] {
            forms.push(joined(separator, &|octet| format!("{octet:02x}")));
        }
        for separator in [", ", ","] {
            forms.push(joined(separator, &u8::to_string));
        }
    }
    forms
}

#[track_caller]
fn assert_silent_on(text: &str, observed: &[String], what: &str) {
    assert_eq!(found(text, observed), None, "in {what}: {text}");
}

/// The first of these words in `text`, as a word of its own, in upper case or lower.
fn found<'a>(text: &str, words: &'a [String]) -> Option<&'a str> {
    let text = text.to_lowercase();
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let word = words.iter().find(|word| {
        text.match_indices(word.as_str()).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !is_part(before.chars().next_back()) && !is_part(after.chars().next())
        })
    });
    word.map(String::as_str)
}

/// Frames that cannot be: IP headers cut, lengths that contradict each other, fragments that overlap,
/// link layers without end, each with the addresses of the client and the server.
const MALFORMED: &str = r#"
import socket, struct
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(('eth0', 0))
macs = b'\x02\0\0\0\0\x01\x02\0\0\0\0\x02'
ends = socket.inet_aton('192.0.2.10') + socket.inet_aton('192.0.2.80')
def ipv4(length, fragment=0, protocol=17, first=0x45):
    return struct.pack('>BBHHHBBH', first, 0, length, 7, fragment, 64, protocol, 0) + ends
def send(ethertype, payload):
    raw.send(macs + struct.pack('>H', ethertype) + payload)
udp = struct.pack('>HHHH', 9998, 9999, 12, 0) + b'page'
for number in range(10):
    send(0x0800, ipv4(32)[:12])                       # cut short
    send(0x0800, ipv4(8) + udp)                       # shorter than its own header
    send(0x0800, ipv4(32, first=0x41) + udp)          # a header length that cannot be
    send(0x0800, ipv4(9000) + udp)                    # longer than the frame
    send(0x0800, ipv4(32, fragment=0x2001) + udp)     # a fragment that ends too early
    send(0x0800, ipv4(32, fragment=0x0001, protocol=6) + udp)
    send(0x86dd, b'\x60' + b'\0' * 20)                # IPv6, cut short
    send(0x8100, b'\0\x01\x81\0' * 40)                # tags in tags
    send(0x0806, b'\0\x01\x08\0\x06\x04\0\x01' + macs[:6] + ends[:4] + b'\0' * 6 + ends[4:])
"#;
