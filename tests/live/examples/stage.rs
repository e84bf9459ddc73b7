//! Where examples are run, and what runs of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::examples::service::{Service, listens, send_sample, shell};
use crate::examples::text::{ROOT, read};
use crate::netns::{cable, ip};
use crate::program::wait_until;
use crate::receiver::TcpReceiver;
use crate::run::{FLOWTAP, flowtap, sample};

/// Who is meant by the names of the examples.
const HOSTS: [(&str, &str); 7] = [
    ("192.0.2.10", "udp.example"),
    ("192.0.2.101", "collector.example.net"),
    ("192.0.2.102", "partner.example"),
    ("192.0.2.113", "c.example.net"),
    ("192.0.2.114", "soc.example.net"),
    ("192.0.2.115", "partner.example.net"),
    ("192.0.2.116", "a.example"),
];

/// Whether this host is in a network of its own.
fn is_elsewhere((address, _): &(&str, &str)) -> bool {
    address.starts_with("192.0.2.11")
}

/// Where examples are run, and what runs of them.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    path: String,
    services: Vec<Service>,
    done: BTreeSet<String>,
    /// Services so far.
    started: usize,
    /// What erases is for the end.
    last: Vec<String>,
    receivers: BTreeMap<&'static str, TcpReceiver>,
    pub(super) doctor: RefCell<String>,
    /// Words by which a command is run where the other collectors are.
    network: String,
}

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        ip("link set dev lo up");
        for (address, _) in HOSTS.iter().filter(|host| !is_elsewhere(host)) {
            ip(&format!("address add {address}/32 dev lo"));
        }
        for interface in ["eth1", "eth2"] {
            cable(interface, &format!("to-{interface}"));
        }
        let mut path = String::new();
        for part in ["bin", "memory", "work"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        let memory = folder.path().join("memory").display().to_string();
        shell(&format!("mount -t tmpfs -o size=256m examples {memory}"));
        for place in ["etc", "var", "srv"] {
            // The names of this machine are no part of it.
            shell(&format!(
                "mkdir -p {memory}/{place} {memory}/{place}-work && mount -t overlay \
                 -o lowerdir=/{place},upperdir={memory}/{place},workdir={memory}/{place}-work \
                 examples /{place}"
            ));
        }
        let hosts: String = HOSTS.iter().map(|(it, name)| format!("{it} {name}\n")).collect();
        fs::write("/etc/hosts", format!("127.0.0.1 localhost\n{hosts}")).unwrap();
        shell(&format!("systemd-sysusers {ROOT}/systemd/flowtap.sysusers.conf"));
        shell(
            "mkdir -p /etc/flowtap /var/spool /srv && install -d -o flowtap -g flowtap /var/lib/flowtap",
        );
        let bin = folder.path().join("bin");
        std::os::unix::fs::symlink(FLOWTAP, bin.join("flowtap")).unwrap();
        // Who is root already.
        fs::write(bin.join("sudo"), "#!/bin/sh\nexec \"$@\"\n").unwrap();
        shell(&format!("chmod 755 {} {0}/sudo", bin.display()));
        path.push_str(&format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        let receivers =
            [("collector.example.net", "192.0.2.101"), ("partner.example", "192.0.2.102")];
        let receivers = receivers
            .map(|(name, address)| (name, TcpReceiver::start_at(&format!("{address}:4739"), 0)));
        let stage = Self {
            folder,
            path,
            services: Vec::new(),
            done: BTreeSet::new(),
            started: 0,
            last: Vec::new(),
            receivers: receivers.into(),
            doctor: RefCell::default(),
            network: String::new(),
        };
        stage.put_files();
        stage
    }

    pub(super) fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// What examples take for granted: captures and records of the reader's own.
    fn put_files(&self) {
        let sample = sample().display().to_string();
        fs::create_dir_all(self.work("tests/data")).unwrap();
        self.ends_well(&format!(
            "for name in office traffic your tests/data/sample; do cp {sample} $name.pcap; done
             editcap -F pcapng {sample} monday.pcapng
             for name in tuesday old traffic; do gzip -c {sample} > $name.pcap.gz; done
             export FLOWTAP='flowtap replay office.pcap --quiet'
             $FLOWTAP --export file:day.ipfix; cp day.ipfix new.ipfix; cp day.ipfix flows.ipfix
             gzip -c day.ipfix > old.gz
             $FLOWTAP --export 'file:flows-1.ipfix.zst?compress=zstd'
             echo 192.0.2.0/24 > /etc/flowtap/customers.txt"
        ));
        let monday = fs::read(self.work("monday.pcapng")).unwrap();
        let compressed = zstd::encode_all(&monday[..], 3).unwrap();
        fs::write(self.work("monday.pcapng.zst"), compressed).unwrap();
    }

    pub(super) fn command(&self, text: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-ec", text]).current_dir(self.work("")).env_clear();
        command.envs([("PATH", self.path.as_str()), ("LC_ALL", "C.UTF-8"), ("TERM", "xterm")]);
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(super) fn ends_well(&self, text: &str) -> String {
        self.ends(text, &[0])
    }

    #[track_caller]
    pub(super) fn ends(&self, text: &str, statuses: &[i32]) -> String {
        let output = self.command(text).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status.code().unwrap_or(-1);
        assert!(statuses.contains(&status), "{text}: status {status}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command to its end, or as long as the stage is there.
    pub(super) fn run(&mut self, command: &str) {
        let words = command.trim_start_matches("sudo ");
        // The same example in two places is one.
        let bare = words
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim()
            .replace("traffic.pcap", "office.pcap");
        if !self.done.insert(bare) {
            return;
        }
        if words.starts_with("flowtap wipe") || words.starts_with("flowtap support-bundle") {
            self.last.push(command.to_owned());
        } else if words.contains("flowtap capture ") && words.contains("--duration") {
            self.captures_for_some_time(command);
        } else if words.contains("flowtap capture ") || words.starts_with("flowtap plan --live") {
            self.start(command, true);
        } else if words.starts_with("flowtap doctor") {
            // Ten seconds: beside all others. What there is to put right makes it status 1.
            self.start(command, false);
        } else if words.starts_with("tail -f /dev/null | openssl s_server") {
            self.start_network();
            for (_, name) in HOSTS.iter().filter(|host| is_elsewhere(host)) {
                self.start_collector(command, name);
            }
            let service = self.start(command, false);
            listens(4740);
            assert!(service.child.try_wait().unwrap().is_none());
        } else if words.contains("nfcapd ") || words.starts_with("nfacctd ") {
            self.collects(command);
        } else if words.starts_with("flowtap top") {
            let text = command.split('#').next().unwrap().trim();
            let shown = self.ends_well(&format!(
                "(sleep 2; printf q) | timeout 10 script -qec 'stty cols 100 rows 32; {text}' /dev/null"
            ));
            assert!(shown.contains("packets/s"), "{shown}");
        } else if words.starts_with("flowtap config > ") {
            self.ends_well(command);
            self.ends_well("flowtap check flowtap.toml");
            // The reader puts in what is his.
            fs::copy("/etc/flowtap/flowtap.toml", self.work("flowtap.toml")).unwrap();
        } else if words.starts_with("for name in probe.example.net") {
            self.ends_well(command);
            self.ends_well("for it in pem key; do cp probe.example.net.$it probe.$it; done");
        } else {
            self.ends_well(command);
        }
    }

    /// Nobody waits for the end of its time here, and the next one has the port for telemetry.
    fn captures_for_some_time(&mut self, command: &str) {
        self.start(command, true).wait_until_it_captures();
        send_sample("to-eth1");
        let said = self.services.pop().unwrap().end();
        assert!(said.contains("the books balance") && !said.contains(" 0 flow records"), "{said}");
    }

    fn start(&mut self, text: &str, ends_well: bool) -> &mut Service {
        self.started += 1;
        let said = self.work(&format!("said-{}", self.started));
        let mut command = self.command(text);
        command.stdout(File::create(said.with_extension("out")).unwrap());
        command.stderr(File::create(&said).unwrap());
        let child = command.process_group(0).spawn().unwrap();
        self.services.push(Service { command: text.to_owned(), child, said, ends_well });
        self.services.last_mut().unwrap()
    }

    /// Where the other collectors over TLS are: the README's own takes the port at all addresses of its host.
    fn start_network(&mut self) {
        let id = self.start("exec unshare --net sleep 600", false).child.id();
        let is_apart = || {
            fs::read_link(format!("/proc/{id}/ns/net")).unwrap()
                != fs::read_link("/proc/self/ns/net").unwrap()
        };
        wait_until("a network", is_apart);
        ip(&format!("link add far type veth peer name near netns {id}"));
        ip("link set far up");
        ip("route add 192.0.2.112/28 dev far src 192.0.2.10");
        self.network = format!("nsenter --target {id} --net ");
        let addresses = HOSTS
            .iter()
            .filter(|host| is_elsewhere(host))
            .map(|(address, _)| format!("ip address add {address}/32 dev near; "));
        let addresses: String = addresses.collect();
        shell(&format!(
            "{}sh -ec '{addresses} ip link set near up; ip route add default dev near'",
            self.network
        ));
    }

    /// Another collector over TLS, by the words of the README.
    fn start_collector(&mut self, readme: &str, name: &str) {
        let (address, _) = HOSTS.iter().find(|(_, it)| *it == name).unwrap();
        self.ends_well(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN={name} \
             -addext subjectAltName=DNS:{name} -addext basicConstraints=critical,CA:FALSE \
             -CA ca.pem -CAkey ca.key -keyout {name}.key -out {name}.pem"
        ));
        let command = readme
            .replace("collector.example.net", name)
            .replace("-accept 4740", &format!("-accept {address}:4740"))
            .replace("openssl", &format!("{}openssl", self.network))
            .replace("received.ipfix", &format!("received-{name}.ipfix"));
        assert!(command.contains(address) && command.contains("received-"), "{command}");
        self.start(&command, false);
    }

    /// The probe of the README, as the unit starts it: with its user, directory and one capability.
    pub(super) fn start_as_the_unit_does(&mut self) {
        let unit = read("systemd/flowtap.service");
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).unwrap();
        let line = line.replace("$FLOWTAP_OPTIONS", "");
        self.start(
            &format!(
                "cd /var/lib/flowtap; umask 077; exec setpriv --reuid flowtap --regid flowtap \
                 --clear-groups --inh-caps -all,+net_raw --ambient-caps -all,+net_raw \
                 --bounding-set -all,+net_raw --no-new-privs {line}"
            ),
            true,
        );
        self.services.last_mut().unwrap().wait_until_it_captures();
        let received = self.work("received.ipfix");
        wait_until("what it says of itself", || {
            fs::metadata(&received).is_ok_and(|it| it.len() > 0)
        });
    }

    /// A collector of others takes what a replay sends it.
    fn collects(&mut self, command: &str) {
        let is_nfcapd = command.contains("nfcapd");
        self.start(command, true);
        listens(4739);
        let profile = if is_nfcapd { "nfdump" } else { "pmacct" };
        self.ends_well(&format!(
            "flowtap replay office.pcap --quiet --export 'udp://127.0.0.1?profile={profile}'"
        ));
        thread::sleep(Duration::from_millis(300));
        let service = self.services.pop().unwrap();
        let said = service.end();
        if is_nfcapd {
            let read = self.ends_well("nfdump -q -R flows -o csv");
            assert!(read.contains("192.0.2.80"), "{read}");
        } else {
            assert!(said.contains("192.0.2.80"), "{said}");
        }
    }

    pub(super) fn put_configuration(&self, before: &str, text: &str) {
        let place = before.split('`').nth(1).unwrap_or_else(|| panic!("where to? {before}"));
        fs::write(place, text).unwrap();
        shell(&format!("chgrp flowtap {place} && chmod 640 {place}"));
        let checked = flowtap(["check", place]).well();
        assert!(checked.stderr.contains(" is valid"), "{}", checked.stderr);
        assert!(!checked.stderr.contains("note:"), "nothing is amiss here: {}", checked.stderr);
        // What stands behind # is for a TAP, and valid as well.
        let tap = text.replace("\n#direction", "\ndirection").replace("\n#[[", "\n[[");
        let tap = tap.replace("\n#name", "\nname");
        fs::write(self.work("tap.toml"), tap).unwrap();
        let checked = self.ends_well("flowtap check tap.toml");
        assert!(checked.contains("\"egress\"") && checked.contains("\"eth2\""), "{checked}");
    }

    /// Packets for all captures, and the end of them.
    pub(super) fn end_captures(&mut self) {
        for service in &mut self.services {
            if service.command.contains("flowtap capture") {
                service.wait_until_it_captures();
            }
        }
        for _ in 0..3 {
            for interface in ["to-eth1", "to-eth2"] {
                send_sample(interface);
            }
            thread::sleep(Duration::from_millis(300));
        }
        let (captures, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.services).into_iter().partition(|it| it.ends_well);
        captures.iter().for_each(|it| it.signal(Signal::SIGTERM));
        for mut service in captures {
            let command = service.command.clone();
            // A second signal would end it at once.
            let said = service.wait();
            if command.contains("flowtap capture") {
                assert!(said.contains("the books balance"), "{command}: {said}");
                assert!(!said.contains(" metered                0 packets"), "{command}: {said}");
            } else {
                assert!(said.contains("Configure"), "{command}: {said}");
            }
        }
        self.services = others;
    }

    pub(super) fn finish(mut self) {
        self.end_captures();
        let others = std::mem::take(&mut self.services);
        for service in others {
            if service.command.contains("flowtap doctor") {
                self.end_doctor(service);
            } else {
                service.end();
            }
        }
        // What arrived, over TLS, at those who stand in for collectors.
        let received =
            ["", "-c.example.net", "-soc.example.net", "-partner.example.net", "-a.example"];
        for name in received.map(|name| format!("received{name}.ipfix")) {
            let shown = self.ends_well(&format!("flowtap show {name} --format json"));
            assert!(shown.contains("packetDeltaCount"), "{name}: {shown}");
            let knows = shown.contains("\"192.0.2.80\"");
            let is_told =
                !["received.ipfix", "received-partner.example.net.ipfix"].contains(&name.as_str());
            assert_eq!(knows, is_told, "addresses in {name}");
        }
        for (name, receiver) in std::mem::take(&mut self.receivers) {
            assert!(receiver.finish().iter().any(|stream| stream.len() > 1000), "{name}");
        }
        let last = std::mem::take(&mut self.last);
        assert!(last.iter().any(|it| it.contains("--all --yes")), "{last:?}");
        for command in &last {
            // Alone with its processes: probes of others are no reason to refuse.
            let script = self.work("last");
            fs::write(&script, command).unwrap();
            let alone = "unshare --pid --fork --mount-proc bash -e last";
            if command.contains("wipe")
                && !command.contains("--yes")
                && !command.contains("--dry-run")
            {
                self.ends_well(&format!("(sleep 1; echo yes) | script -qec '{alone}' /dev/null"));
            } else {
                self.ends_well(alone);
            }
        }
        assert!(!Path::new("/etc/flowtap/flowtap.toml").exists());
    }
}
