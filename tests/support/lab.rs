//! A network of our own: a client and a server that talk, and a probe behind a mirror port and a TAP.
//!
//! ```text
//!  client eth0 ═══ eth0 server        both directions of the server's eth0 ──▶ span  (probe)
//!                                     what comes in  ──▶ tap0 (probe)
//!                                     what goes out  ──▶ tap1 (probe)
//! ```
//!
//! The mirrors are taken away again before a capture ends, so that what the kernel counted on the
//! probe's interfaces is exactly what a capture had to see.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::program::{Program, run, wait_until};

/// Address of the client, and of the server.
pub(crate) const CLIENT: [&str; 2] = ["192.0.2.10", "2001:db8:10::10"];
pub(crate) const SERVER: [&str; 2] = ["192.0.2.80", "2001:db8:10::80"];

/// Three namespaces and their links; gone when dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    name: String,
    servers: Vec<Program>,
    folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            name: format!("flowtap-lab-{}-{number}", std::process::id()),
            servers: Vec::new(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        for namespace in NAMESPACES {
            run(Command::new("ip").args(["netns", "add", &lab.namespace(namespace)]));
            // Nothing on these links but what the programs say: no router solicitations.
            lab.shell(namespace, "echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra");
            lab.shell(namespace, "ip link set lo up");
        }
        lab.link("client", "eth0", "server", "eth0");
        // Before they are made: as soon as they are up they would talk of themselves.
        for namespace in ["server", "probe"] {
            lab.shell(namespace, "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        }
        for interface in ["span", "tap0", "tap1"] {
            lab.link("server", interface, "probe", interface);
        }
        for (namespace, addresses) in [("client", CLIENT), ("server", SERVER)] {
            let [v4, v6] = addresses;
            lab.shell(namespace, &format!("ip address add {v4}/24 dev eth0"));
            lab.shell(namespace, &format!("ip address add {v6}/64 dev eth0 nodad"));
        }
        lab
    }

    /// A program to run in one of the namespaces.
    pub(crate) fn command(&self, namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        // `ip netns exec` becomes the program: the process id is that of the program itself.
        command.args(["netns", "exec", &self.namespace(namespace), program]);
        command
    }

    /// Runs a line of shell in one of the namespaces.
    #[track_caller]
    pub(crate) fn shell(&self, namespace: &str, line: &str) -> String {
        run(self.command(namespace, "sh").args(["-ec", line]))
    }

    /// Starts the servers: web (80), names (53), and a port (9999) that takes whatever comes.
    pub(crate) fn start_servers(&mut self) {
        let folder = self.folder.path().to_owned();
        std::fs::write(folder.join("page.html"), vec![b'x'; 200_000]).expect("a temporary folder");
        let mut web = self.command("server", "python3");
        web.args(["-m", "http.server", "80", "--bind", "::", "--directory"]).arg(folder);
        let mut names = self.command("server", "dnsmasq");
        names.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
        names.args(["--user=root", "--pid-file=", "--host-record=www.example.net,192.0.2.80"]);
        let mut sink = self.command("server", "python3");
        sink.args(["-c", SINK]);
        for (mut command, port) in [(web, ":80"), (names, ":53"), (sink, ":9999")] {
            let mut program = Program::start(&mut command);
            program.wait_until("its port", || {
                let sockets = self.shell("server", "ss --no-header --listening --numeric -tu");
                sockets.split_whitespace().any(|column| column.ends_with(port))
            });
            self.servers.push(program);
        }
    }

    /// Mirrors a direction of the server's interface (`ingress`, `egress`) to a probe's interface.
    pub(crate) fn mirror(&self, mirrors: &[(&str, &str)]) {
        self.shell("server", "tc qdisc add dev eth0 clsact");
        for (direction, interface) in mirrors {
            self.shell(
                "server",
                &format!(
                    "tc filter add dev eth0 {direction} protocol all u32 match u32 0 0 \
                     action mirred egress mirror dev {interface}"
                ),
            );
        }
    }

    /// Takes the mirrors away and lets what is under way arrive.
    pub(crate) fn unmirror(&self) {
        self.shell("server", "tc qdisc del dev eth0 clsact");
        thread::sleep(Duration::from_millis(200));
    }

    /// What the kernel has counted on an interface of the probe: received packets and octets,
    /// transmitted packets.
    pub(crate) fn counters(&self, interface: &str) -> [u64; 3] {
        ["rx_packets", "rx_bytes", "tx_packets"].map(|counter| {
            let file = format!("cat /sys/class/net/{interface}/statistics/{counter}");
            self.shell("probe", &file).trim().parse().expect("a number")
        })
    }

    /// Waits until the probe has open packet sockets that run.
    pub(crate) fn wait_for_packet_sockets(&self, capture: &mut Program, count: usize) {
        capture.wait_until("its packet sockets", || {
            let sockets = self.shell("probe", "cat /proc/net/packet");
            // sk RefCnt Type Proto Iface R Rmem User Inode
            let running = |line: &&str| line.split_whitespace().nth(5) == Some("1");
            sockets.lines().skip(1).filter(running).count() >= count
        });
        // A socket runs before frames are let in, and they are before workers are started.
        let workers = |capture: &mut Program| capture.threads_named("flowtap") > 1;
        wait_until("its workers", || workers(capture) || !capture.is_running());
        thread::sleep(Duration::from_millis(300));
    }

    /// Real programs: web transfers, names, echoes small and large, and a refused connection.
    pub(crate) fn talk(&self) {
        let [v4, v6] = SERVER;
        let quiet = "--silent --show-error --output /dev/null --max-time 10";
        for line in [
            format!("curl {quiet} http://{v4}/page.html"),
            format!("curl {quiet} 'http://[{v6}]/page.html'"),
            format!("dig +short @{v4} www.example.net >/dev/null"),
            format!("ping -n -q -c 3 -i 0.2 {v4} >/dev/null"),
            format!("ping -n -q -6 -c 3 -i 0.2 {v6} >/dev/null"),
            format!("ping -n -q -c 1 -s 4000 {v4} >/dev/null"),
            format!("! curl {quiet} http://{v4}:8080/ 2>/dev/null"),
        ] {
            self.shell("client", &line);
        }
    }

    /// Sends datagrams of a known number and size to the server's port 9999, from port 9998.
    pub(crate) fn blast(&self, datagrams: u32, payload: u32) {
        let mut python = self.command("client", "python3");
        run(python.args(["-c", BLAST, &datagrams.to_string(), &payload.to_string()]));
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// A link between two namespaces, and nothing left to offloads: what is counted is what a wire
    /// would carry.
    fn link(&self, left: &str, left_interface: &str, right: &str, right_interface: &str) {
        run(Command::new("ip").args(["link", "add", left_interface]).args([
            "netns",
            &self.namespace(left),
            "type",
            "veth",
            "peer",
            "name",
            right_interface,
            "netns",
            &self.namespace(right),
        ]));
        for (namespace, interface) in [(left, left_interface), (right, right_interface)] {
            self.shell(
                namespace,
                &format!("ethtool -K {interface} rx off tx off tso off gso off gro off >/dev/null"),
            );
            self.shell(namespace, &format!("ip link set {interface} up"));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // First the programs, by their own ids; then the namespaces, and the links with them.
        self.servers.clear();
        for namespace in NAMESPACES {
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(namespace)]).output();
        }
    }
}

const NAMESPACES: [&str; 3] = ["client", "server", "probe"];

const SINK: &str = "
import socket
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(('', 9999))
while True:
    sink.recv(65536)
";

const BLAST: &str = "
import socket, sys, time
datagrams, payload = int(sys.argv[1]), bytes(int(sys.argv[2]))
blast = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
blast.bind(('192.0.2.10', 9998))
blast.connect(('192.0.2.80', 9999))
for number in range(datagrams):
    blast.send(payload)
    if number % 100 == 99:
        time.sleep(0.001)
";
