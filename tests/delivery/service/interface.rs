//! The preparation of a capture interface, and its undoing, on a real one.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::netns::{cable, inside, ip};
use crate::program::run;

#[test]
#[ignore = "needs root and ethtool"]
fn a_prepared_interface_hears_all_says_nothing_and_is_put_back_as_it_was() {
    inside(
        "service::interface::a_prepared_interface_hears_all_says_nothing_and_is_put_back_as_it_was",
        || {
            let folder = tempfile::tempdir().expect("a temporary folder");
            for (up, more) in [(true, &[][..]), (false, &["promisc on", "arp off"])] {
                used_interface(up, more);
                assert!(!up || answers(), "as long as nobody prevents it");
                let before = state();
                assert!(act("prepare", folder.path()).contains("tap0: ready for capture"));
                is_ready_for_capture();
                assert!(!answers());
                // Once more, as after a crash of the manager: what was before is not forgotten.
                act("prepare", folder.path());
                assert!(act("restore", folder.path()).contains("tap0: as it was"));
                assert_eq!(state(), before);
                // What was put back is not put back again.
                ip("link set dev tap0 promisc off");
                act("restore", folder.path());
                assert!(!words("ip -o link show dev tap0").contains("PROMISC"));
                ip("link delete dev tap0");
            }
        },
    );
}

#[test]
#[ignore = "needs root and ethtool"]
fn an_interface_that_was_made_again_is_left_alone() {
    inside("service::interface::an_interface_that_was_made_again_is_left_alone", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        used_interface(true, &[]);
        act("prepare", folder.path());
        ip("link delete dev tap0");
        cable("tap0", "src0");
        let before = state();
        assert!(act("restore", folder.path()).contains("nothing to restore"));
        assert_eq!(state(), before);

        // What is known of one is not taken for what was before of the next with its name.
        act("prepare", folder.path());
        ip("link delete dev tap0");
        cable("tap0", "src0");
        let before = state();
        act("prepare", folder.path());
        assert!(act("restore", folder.path()).contains("tap0: as it was"));
        assert_eq!(state(), before);

        let output = script("prepare", "tap9", &[], folder.path());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("there is no interface tap9"), "{told}");
    });
}

#[test]
#[ignore = "needs root and ethtool"]
fn by_what_this_machine_is_reached_is_prepared_for_who_insists_alone() {
    let test =
        "service::interface::by_what_this_machine_is_reached_is_prepared_for_who_insists_alone";
    inside(test, || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let refused = |interface: &str, session: &str, reason: &str| {
            // But for the timers of a port of a bridge.
            let state = || state().split_off(1);
            let before = state();
            let output =
                script("prepare", interface, &[("SSH_CONNECTION", session)], folder.path());
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(
                told.contains(reason) && told.contains("how this machine is reached"),
                "{told}"
            );
            assert_eq!(state(), before);
        };
        let prepared = |session: &str| {
            let output = script("prepare", "tap0", &[("SSH_CONNECTION", session)], folder.path());
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{told}");
            act("restore", folder.path());
        };
        let none = "";
        cable("tap0", "src0");
        ip("link set dev lo up");
        refused("lo", none, "lo is the loopback interface");
        assert!(words("ip address show dev lo").contains("127.0.0.1"));

        // Main table or another, one next hop or several.
        ip("address add 192.0.2.1/24 dev tap0");
        ip("address add 198.51.100.1/24 dev src0");
        let (first, second) =
            ("nexthop via 198.51.100.2 dev src0", "nexthop via 192.0.2.2 dev tap0");
        for route in [
            "default via 192.0.2.254",
            &format!("default {first} {second}"),
            "default dev tap0 table 7",
        ] {
            ip(&format!("route add {route}"));
            refused("tap0", none, "tap0 has a default route");
            ip(&format!("route delete {route}"));
        }

        // An address of it, and one that only begins like one.
        refused("tap0", "203.0.113.9 50000 192.0.2.1 22", "tap0 has the address of a session");
        prepared("203.0.113.9 50000 192.0.2.10 22");
        // Who is a service has no such word: a session is there all the same.
        let server = TcpListener::bind("192.0.2.1:22").expect("our own address");
        let client = TcpStream::connect("192.0.2.1:22").expect("it listens");
        refused("tap0", none, "tap0 has the address of a session");
        drop((client, server));
        ip("address delete 192.0.2.1/24 dev tap0");

        // What stands above it: a bridge of which it is a port, and one more above that.
        ip("link add name br0 type bridge");
        ip("link set dev tap0 master br0");
        ip("link set dev br0 up");
        ip("link add link br0 name way0 type macvlan");
        ip("link set dev way0 up");
        ip("address add 203.0.113.1/24 dev br0");
        prepared(none);
        refused("tap0", "2001:db8::9 50000 203.0.113.1 22", "tap0 has, below br0, the address");
        ip("route add default dev way0");
        refused("tap0", none, "tap0 has, below way0, a default route");

        let output =
            script("prepare", "tap0", &[("FLOWTAP_INTERFACE_ANYWAY", "yes")], folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
#[ignore = "needs root and ethtool"]
fn who_captures_meanwhile_is_not_taken_for_the_administrator() {
    let test = "service::interface::who_captures_meanwhile_is_not_taken_for_the_administrator";
    inside(test, || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        used_interface(true, &[]);
        // packet(7): a socket that asks for it, and no word of an administrator.
        let mut capture = Command::new("python3")
            .args(["-c", CAPTURE])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut ready = [0; 1];
        let mut output = capture.stdout.take().expect("a pipe");
        std::io::Read::read_exact(&mut output, &mut ready).expect("it captures");
        assert!(is_promiscuous(), "by the socket");
        act("prepare", folder.path());
        act("restore", folder.path());
        capture.kill().expect("it is ours");
        capture.wait().expect("it is ours");
        assert!(!is_promiscuous(), "nobody wants it any more");
    });
}

const CAPTURE: &str = "
import socket, struct, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
wire.setsockopt(263, 1, struct.pack('IHH8s', socket.if_nametoindex('tap0'), 1, 0, b''))
sys.stdout.write('.')
sys.stdout.flush()
time.sleep(60)
";

/// What the card is told, by whomever.
fn is_promiscuous() -> bool {
    words("ip -d link show dev tap0")
        .split("promiscuity ")
        .nth(1)
        .is_some_and(|it| !it.starts_with('0'))
}

#[test]
#[ignore = "needs root and ethtool"]
fn by_hand_an_interface_with_a_dash_is_restored_that_the_unit_has_prepared() {
    let test = "service::interface::by_hand_an_interface_with_a_dash_is_restored_that_the_unit_has_prepared";
    inside(test, || {
        // systemd.exec(5), RuntimeDirectory=flowtap-interface/%i
        let escaped = words("systemd-escape tap-0").trim().to_owned();
        assert_ne!(escaped, "tap-0");
        // ip-netns(8) has given this process mounts of its own.
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]));
        let state = Path::new("/run/flowtap-interface").join(escaped);
        let act = |what: &str, state: Option<&Path>| {
            let mut script = Command::new(SCRIPT);
            script
                .args([what, "tap-0"])
                .env_remove("RUNTIME_DIRECTORY")
                .env_remove("SSH_CONNECTION");
            if let Some(state) = state {
                script.env("RUNTIME_DIRECTORY", state);
            }
            run(&mut script)
        };
        cable("tap-0", "src0");
        ip("address add 192.0.2.1/24 dev tap-0");
        assert!(act("restore", None).contains("was not prepared"));
        act("prepare", Some(&state));
        assert_eq!(words("ip -o address show dev tap-0"), "");
        assert!(act("restore", None).contains("tap-0: as it was"));
        assert!(words("ip -o address show dev tap-0").contains("192.0.2.1/24"));
    });
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/flowtap-interface");

/// `tap0`, with addresses, routes and offloads of its own, and `src0` at the other end.
fn used_interface(up: bool, more: &[&str]) {
    cable("tap0", "src0");
    for (setting, value) in [("disable_ipv6", "0"), ("accept_dad", "0"), ("accept_ra", "0")] {
        fs::write(format!("/proc/sys/net/ipv6/conf/tap0/{setting}"), value).expect("root may");
    }
    run(Command::new("ethtool").args(["-K", "tap0", "gro", "on", "tx-tcp6-segmentation", "off"]));
    if up {
        ip("address add 192.0.2.1/24 dev tap0");
        ip("address add 192.0.2.2/32 dev tap0 label tap0:more");
        ip("address add 2001:db8::1/64 dev tap0 nodad");
        ip("route add 198.51.100.0/24 via 192.0.2.9");
        ip("route add 2001:db8:1::/48 via 2001:db8::9");
        ip("route add 198.51.100.0/25 via 192.0.2.9 table 100 metric 7");
        ip("route add 2001:db8:2::/48 via 2001:db8::9 table 100");
        ip("route add local 198.18.0.0/24 dev tap0");
        ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev tap0 nud permanent");
        ip("neighbour add 2001:db8::9 lladdr 02:00:00:00:00:09 dev tap0 nud permanent");
    } else {
        ip("link set dev tap0 down");
    }
    for words in more {
        ip(&format!("link set dev tap0 {words}"));
    }
    settle();
}

/// All that there is to be said of `tap0`.
fn state() -> Vec<String> {
    settle();
    let commands = [
        "ip -d link show dev tap0",
        "ip address show dev tap0",
        "ip -4 route show table all dev tap0",
        "ip -6 route show table all dev tap0",
        "ip neighbour show dev tap0 nud permanent",
        "ethtool -k tap0",
    ];
    let ipv6 = "/proc/sys/net/ipv6/conf/tap0/disable_ipv6";
    let ipv6 = fs::read_to_string(ipv6).expect("a file of the kernel");
    commands.into_iter().map(words).chain([ipv6]).collect()
}

/// IPv6 looks for a moment whether anybody else has its addresses.
fn settle() {
    for _ in 0..100 {
        if !words("ip address show dev tap0").contains("tentative") {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("an address stays tentative");
}

fn is_ready_for_capture() {
    let link = words("ip -o link show dev tap0");
    for flag in ["PROMISC", "NOARP", ",UP"] {
        assert!(link.contains(flag), "{flag}: {link}");
    }
    assert_eq!(words("ip -o address show dev tap0"), "");
    let features = words("ethtool -k tap0");
    for feature in [
        "generic-receive-offload",
        "tcp-segmentation-offload",
        "generic-segmentation-offload",
        "rx-vlan-offload",
        "tx-vlan-offload",
    ] {
        assert!(features.contains(&format!("{feature}: off")), "{feature}: {features}");
    }
}

/// Whether `tap0` answers who asks there for an address of another interface of this machine, as Linux
/// does, or says anything else meanwhile.
fn answers() -> bool {
    cable("own0", "own1");
    ip("address add 203.0.113.1/24 dev own0");
    for scope in ["all", "tap0"] {
        fs::write(format!("/proc/sys/net/ipv4/conf/{scope}/rp_filter"), "0").expect("root may");
    }
    let count = |name: &str| -> u64 {
        let path = format!("/sys/class/net/tap0/statistics/{name}");
        fs::read_to_string(path).expect("a counter").trim().parse().expect("a number")
    };
    let before = ["rx_packets", "tx_packets"].map(count);
    // RFC 826: who has 203.0.113.1, tell 203.0.113.77.
    let ask = "import socket
source = bytes.fromhex('020000000077')
frame = b'\\xff' * 6 + source + bytes.fromhex('0806000108000604' '0001') + source
frame += socket.inet_aton('203.0.113.77') + bytes(6) + socket.inet_aton('203.0.113.1')
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('src0', 0))
wire.send(frame)";
    run(Command::new("python3").args(["-c", ask]));
    thread::sleep(Duration::from_millis(200));
    let [heard, said] = ["rx_packets", "tx_packets"].map(count);
    assert!(heard > before[0], "it was asked");
    ip("link delete dev own0");
    said > before[1]
}

fn act(what: &str, folder: &Path) -> String {
    let output = script(what, "tap0", &[], folder);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{what}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn script(
    what: &str,
    interface: &str,
    environment: &[(&str, &str)],
    folder: &Path,
) -> std::process::Output {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/flowtap-interface"))
        .args([what, interface])
        // The one of whoever runs the tests.
        .env_remove("SSH_CONNECTION")
        .envs(environment.iter().copied())
        .env("RUNTIME_DIRECTORY", folder.join(interface))
        .output()
        .expect("the script is part of the project")
}

fn words(line: &str) -> String {
    let mut words = line.split_whitespace();
    run(Command::new(words.next().expect("a program")).args(words))
}
