//! Every example of the README and of the help, which manual pages repeat: run as it stands there.
//!
//! They run in a network and a root of their own: interfaces `eth1` and `eth2` with real packets on them,
//! collectors under the names of the examples, certificates made by the README's own lines. What is run by
//! another test stands in [`ELSEWHERE`], with its proof; an example that nobody runs fails here.
//!
//! `cargo test --test live examples:: -- --include-ignored`, as root.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::netns::{cable, inside, ip};
use crate::program::{run, wait_until};
use crate::receiver::TcpReceiver;
use crate::run::{FLOWTAP, flowtap, sample};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A block between fences: what stands before it, its language, its text.
#[derive(Debug)]
struct Block {
    before: String,
    language: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let parts: Vec<_> = markdown.split("```").collect();
    assert_eq!(parts.len() % 2, 1, "every fence is closed");
    let pairs = parts.chunks_exact(2);
    pairs
        .map(|pair| {
            let (language, text) = pair[1].split_once('\n').unwrap();
            let before = pair[0].trim_end().lines().last().unwrap_or_default().to_owned();
            Block { before, language: language.to_owned(), text: text.to_owned() }
        })
        .collect()
}

/// The commands of a block; one that goes on over several lines is one.
fn commands(text: &str) -> Vec<String> {
    let (mut commands, mut command) = (Vec::new(), String::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        command.push_str(line);
        command.push('\n');
        let is_loop = command.starts_with("for ") && line.trim() != "done";
        if !line.ends_with('\\') && !is_loop {
            commands.push(std::mem::take(&mut command));
        }
    }
    assert!(command.is_empty(), "a command has no end: {command}");
    commands
}

/// Of the help of each command, and so of its manual page.
fn examples_of_the_help() -> Vec<String> {
    let help = |words: &[&str]| flowtap(words).well().text().to_owned();
    let main = help(&["--help"]);
    let names = main.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = names.take_while(|line| line.starts_with("  "));
    let names = names.filter(|line| !line.starts_with("   "));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10, "{names:?}");
    let mut texts = vec![main.clone()];
    for name in names.into_iter().filter(|name| *name != "help") {
        let text = help(&[name, "--help"]);
        assert!(text.contains("\nExamples:\n"), "{name} has no examples");
        texts.push(text);
    }
    let examples = texts.iter().flat_map(|text| {
        let examples = text.split_once("\nExamples:\n").unwrap().1;
        let examples = examples.lines().take_while(|line| !line.is_empty());
        // What it is for stands below each, further to the right.
        let mut goes_on = false;
        let examples = examples.filter(move |line| {
            let is_command = goes_on || !line.starts_with("      ");
            goes_on = is_command && line.ends_with('\\');
            is_command
        });
        commands(&examples.map(|line| format!("{}\n", line.trim())).collect::<String>())
    });
    examples.collect()
}

/// Commands that other tests run: how they begin, the file that runs them, and what in it does.
const ELSEWHERE: [(&str, &str, &str); 11] = [
    ("scripts/quickstart ", "scripts/test", "scripts/quickstart >"),
    ("scripts/test ", ".ci/run", "scripts/test"),
    ("scripts/package && sudo apt install", "scripts/test-package", "dpkg --install /1.deb"),
    ("sudo scripts/install ", "scripts/install", "change_the_system"),
    (
        "sudo systemctl enable --now flowtap-interface@eth1 flowtap",
        "scripts/test-service",
        "systemctl start flowtap",
    ),
    ("systemctl status flowtap", "scripts/test-service", "value StatusText"),
    ("journalctl ", "tests/delivery/service/journal.rs", "-p warning -x FLOWTAP_TARGET="),
    ("scripts/bench live", "scripts/bench", "live"),
    ("scripts/bench instructions", "scripts/bench", "instructions"),
    ("scripts/bench ", "scripts/test", "scripts/bench --smoke"),
    ("cargo bench", "scripts/test", "cargo test --locked --benches"),
];

/// Blocks that show what is printed: how they begin, and who compares it.
type Shown = fn(&Stage, &str);
const OUTPUTS: [(&str, Shown); 6] = [
    ("looked at eth1", Stage::doctor_says_so),
    ("$ flowtap plan ", |_, _| ()), // tests/cli/plan.rs: octet by octet
    ("flowtap: flowtap.toml:7:16: ", Stage::error_is_told_so),
    ("{\"time\":", Stage::log_says_so),
    ("received = metered", Stage::books_say_so),
    ("given + recovered = ", Stage::books_say_so),
];

#[test]
fn every_command_that_is_named_is_one_with_these_options() {
    let program = flowtap::cli::command();
    let mut found = 0;
    let probe_config = fs::read_dir(Path::new(ROOT).join("probe-config")).unwrap();
    let probe_config = probe_config.map(|it| it.unwrap().path().display().to_string());
    let files = ["README.md", "SECURITY.md", "CHANGELOG.md", "benches/README.md"];
    for file in files.map(str::to_owned).into_iter().chain(probe_config) {
        let text = read(&file);
        let spans = text.split('`').skip(1).step_by(2);
        for span in spans.filter_map(|span| span.trim_start().strip_prefix("flowtap ")) {
            let mut words = span.split_whitespace();
            let Some(name) = words.next().filter(|it| it.chars().all(|c| c.is_ascii_lowercase()))
            else {
                continue;
            };
            let Some(command) = program.find_subcommand(name) else {
                panic!("{file}: there is no flowtap {name}");
            };
            for option in words.filter_map(|word| word.strip_prefix("--")) {
                let option = option.split(['=', ')', ';', '\'']).next().unwrap();
                let is_known = command.get_arguments().any(|it| it.get_long() == Some(option));
                assert!(is_known || option == "help", "{file}: flowtap {name} has no --{option}");
            }
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn pictures_are_there_have_words_and_are_small() {
    let readme = read("README.md");
    let mut pictures = BTreeSet::new();
    for part in readme
        .split("](")
        .skip(1)
        .chain(readme.split("src=\"").skip(1))
        .chain(readme.split("srcset=\"").skip(1))
    {
        let path = part.split([')', '"']).next().unwrap();
        if path.ends_with(".webp") {
            pictures.insert(path.to_owned());
        }
    }
    assert_eq!(pictures.len(), 4, "{pictures:?}");
    for path in &pictures {
        let octets = fs::read(Path::new(ROOT).join(path)).unwrap();
        assert_eq!((&octets[..4], &octets[8..12]), (&b"RIFF"[..], &b"WEBP"[..]), "{path}");
        assert!(octets.len() < 150_000, "{path}");
    }
    assert!(!readme.contains("![](") && !readme.contains("alt=\"\""));
}

#[test]
fn links_lead_to_what_is_there() {
    let readme = read("README.md");
    let anchor = |title: &str| -> String {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let titles: BTreeSet<_> = readme
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    for part in readme.split("](").skip(1) {
        let link = part.split(')').next().unwrap();
        if let Some(title) = link.strip_prefix('#') {
            assert!(titles.contains(title), "#{title}: {titles:?}");
        } else if !link.starts_with("http") {
            assert!(Path::new(ROOT).join(link).exists(), "{link}");
        }
    }
}

#[test]
fn the_memory_of_a_flow_is_what_it_is_told_to_be() {
    // In a process of its own; 100,000 flows of one packet each, and as many packets of one flow.
    let folder = tempfile::tempdir().unwrap();
    let peak = |flows: u32| -> u64 {
        let path = folder.path().join("flows.pcap");
        fs::write(&path, one_packet_flows(flows)).unwrap();
        let arguments = ["-c", PEAK_MEMORY, FLOWTAP, "replay", "--export", "null:", "--quiet"];
        // A cache that is full, but for what the shards have by chance more and less.
        let most = format!("--max-flows={FLOWS}");
        let python = &mut Command::new("/usr/bin/python3");
        run(python.args(arguments).args([&most]).arg(&path)).trim().parse::<u64>().unwrap() * 1024
    };
    let taken = (peak(FLOWS) - peak(1)) / u64::from(FLOWS);
    let told = flowtap::flow::OCTETS_PER_FLOW as u64;
    // A few pages of either run are for something else.
    assert!((told - 30..told + 30).contains(&taken), "{taken} octets a flow, {told} told");
}

const FLOWS: u32 = 100_000;

const PEAK_MEMORY: &str = "
import ctypes, resource, subprocess, sys
# PR_SET_THP_DISABLE: huge pages, of which one begins in each table, would be counted whole.
assert ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

/// A capture of raw IPv4 (link type 101): UDP without payload, `flows` keys in turn.
fn one_packet_flows(flows: u32) -> Vec<u8> {
    let mut octets =
        [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 101].map(u32::to_le_bytes).concat();
    octets[4..8].copy_from_slice(&[2, 0, 4, 0]);
    for number in 0..FLOWS {
        octets.extend([1, 0, 28, 28].map(u32::to_le_bytes).concat());
        octets.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        octets.extend((number % flows).to_be_bytes());
        octets.extend([0, 8, 0, 0]);
    }
    octets
}

#[test]
#[ignore = "needs root"]
fn every_example_runs_as_it_stands() {
    inside("examples::every_example_runs_as_it_stands", || {
        let mut stage = Stage::new();
        let readme = blocks(&read("README.md"));
        assert!(readme.len() > 25);
        let mut used = BTreeSet::new();
        for block in &readme {
            match block.language.as_str() {
                "sh" => {
                    for command in commands(&block.text) {
                        let elsewhere = ELSEWHERE.iter().find(|it| command.starts_with(it.0));
                        if let Some((begin, file, proof)) = elsewhere {
                            assert!(read(file).contains(proof), "{file} does not run {begin}");
                            used.insert(*begin);
                        }
                        // Which of both ways to take the package, a manager runs, or measures.
                        if elsewhere.is_none() {
                            stage.run(&command);
                        } else if command.contains("systemctl enable") {
                            stage.start_as_the_unit_does();
                        }
                    }
                }
                "toml" => stage.put_configuration(&block.before, &block.text),
                _ => {
                    let output = OUTPUTS.iter().find(|(begin, _)| block.text.starts_with(begin));
                    let (_, check) = output.unwrap_or_else(|| panic!("nobody compares {block:?}"));
                    check(&stage, &block.text);
                }
            }
        }
        assert_eq!(used.len(), ELSEWHERE.len(), "some are not in the README any more: {used:?}");
        stage.end_captures();
        for command in examples_of_the_help() {
            stage.run(&command);
        }
        stage.finish();
    });
}

/// Where examples are run, and what runs of them.
struct Stage {
    folder: tempfile::TempDir,
    path: String,
    services: Vec<Service>,
    done: BTreeSet<String>,
    /// Services so far.
    started: usize,
    /// What erases is for the end.
    last: Vec<String>,
    receivers: BTreeMap<&'static str, TcpReceiver>,
    doctor: std::cell::RefCell<String>,
    /// Words by which a command is run where the other collectors are.
    network: String,
}

/// Whether this host is in a network of its own.
fn is_elsewhere((address, _): &(&str, &str)) -> bool {
    address.starts_with("192.0.2.11")
}

/// A command that goes on until it is told to end.
struct Service {
    command: String,
    child: Child,
    said: PathBuf,
    /// Whether it is to come to a good end.
    ends_well: bool,
}

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

impl Stage {
    fn new() -> Self {
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
            doctor: std::cell::RefCell::default(),
            network: String::new(),
        };
        stage.put_files();
        stage
    }

    fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// What examples take for granted: captures and records of the reader's own.
    fn put_files(&self) {
        let sample = sample().display().to_string();
        fs::create_dir_all(self.work("tests/data")).unwrap();
        self.ends_well(&format!(
            "cp {sample} office.pcap; cp {sample} traffic.pcap; cp {sample} tests/data/sample.pcap
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

    fn command(&self, text: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-ec", text]).current_dir(self.work("")).env_clear();
        command.envs([("PATH", self.path.as_str()), ("LC_ALL", "C.UTF-8"), ("TERM", "xterm")]);
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn ends_well(&self, text: &str) -> String {
        self.ends(text, &[0])
    }

    #[track_caller]
    fn ends(&self, text: &str, statuses: &[i32]) -> String {
        let output = self.command(text).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status.code().unwrap_or(-1);
        assert!(statuses.contains(&status), "{text}: status {status}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command to its end, or as long as the stage is there.
    fn run(&mut self, command: &str) {
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
    fn start_as_the_unit_does(&mut self) {
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

    fn put_configuration(&self, before: &str, text: &str) {
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
    fn end_captures(&mut self) {
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

    fn finish(mut self) {
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

    fn end_doctor(&self, mut service: Service) {
        let status = service.child.wait().unwrap().code();
        let said = fs::read_to_string(service.said.with_extension("out")).unwrap();
        assert!(matches!(status, Some(0 | 1)), "{}: {said}", service.command);
        if service.command.contains("json") {
            let told: Value = serde_json::from_str(&said).unwrap();
            assert!(told.as_object().is_some_and(|it| it.len() > 2), "{told:#}");
        } else {
            assert!(said.starts_with("looked at eth1"), "{said}");
        }
        let shown = self.doctor.borrow();
        if service.command.contains("--export") {
            for check in checks(&shown) {
                assert!(checks(&said).contains(check), "{check} is not in {said}");
            }
        }
    }

    fn doctor_says_so(&self, shown: &str) {
        assert!(checks(shown).len() > 8, "{shown}");
        shown.clone_into(&mut self.doctor.borrow_mut());
    }

    fn error_is_told_so(&self, shown: &str) {
        let text = "# 1\n# 2\n# 3\n# 4\n# 5\n[meter]\nidle_timeout = 15\n";
        fs::write(self.work("wrong.toml"), text).unwrap();
        let output = self.command("flowtap check wrong.toml").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.replace("wrong.toml", "flowtap.toml"), shown);
    }

    fn log_says_so(&self, shown: &str) {
        let command = "flowtap capture -i eth1 --duration 1s --telemetry off --log-format json \
                       --export tcp://127.0.0.1:9";
        let output = self.command(command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let shown: Value = serde_json::from_str(shown).unwrap();
        let mut said = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let said = said.find(|it| it["event"] == shown["event"]).unwrap();
        let told = said.to_string().replace("127.0.0.1:9", "192.0.2.10:4739");
        let mut told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["time"].as_str().map(str::len), shown["time"].as_str().map(str::len));
        told["time"] = shown["time"].clone();
        assert_eq!(told, shown);
    }

    fn books_say_so(&self, shown: &str) {
        let json = self.ends_well("flowtap replay office.pcap --export null: --quiet --summary -");
        let json: Value = serde_json::from_str(&json).unwrap();
        let is_key = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase()) && word.len() > 3;
        for word in shown.split([' ', '\n']).filter(is_key).filter(|word| *word != "reason") {
            let target = &json["targets"][0];
            let names = [format!("{word}_packets"), format!("{word}_flows"), word.to_owned()];
            let is_told = names.iter().any(|it| json.get(it).is_some() || target.get(it).is_some());
            assert!(is_told, "{word}: {json:#}");
        }
    }
}

impl Service {
    #[track_caller]
    fn wait_until_it_captures(&mut self) {
        for _ in 0..500 {
            let said = fs::read_to_string(&self.said).unwrap();
            if said.contains("capturing on") {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}: {said}", self.command);
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} did not capture", self.command);
    }

    /// To all of its processes.
    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        killpg(group, signal).unwrap();
    }

    /// Ends it, and returns what it said.
    #[track_caller]
    fn end(mut self) -> String {
        if self.child.try_wait().unwrap().is_none() {
            if self.command.starts_with("nfacctd ") {
                // It waits for ever for a plugin that was ended by another than itself.
                shell(&format!("kill -INT {}", self.child.id()));
            } else {
                self.signal(Signal::SIGTERM);
            }
        }
        self.wait()
    }

    #[track_caller]
    fn wait(&mut self) -> String {
        let status = self.child.wait().unwrap();
        let said = [self.said.clone(), self.said.with_extension("out")];
        let said = said.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        let said = said.concat();
        assert!(!self.ends_well || status.success(), "{}: {status}: {said}", self.command);
        said
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// The names of the checks in what doctor prints.
fn checks(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let named = lines.filter(|words| {
        words.len() > 2 && ["ok", "note", "warning", "error", "unknown"].contains(&words[0])
    });
    named.map(|words| words[1]).collect()
}

fn shell(line: &str) -> String {
    run(Command::new("sh").args(["-ec", line]))
}

/// Waits until somebody listens at a port.
fn listens(port: u16) {
    let asked = format!("ss --no-header --listening --numeric -tu 'sport = :{port}'");
    let is_there = || shell(&asked).lines().any(|line| !line.contains("192.0.2."));
    wait_until("its port", is_there);
}

fn send_sample(interface: &str) {
    let mut capture = pcap::Capture::from_file(sample()).unwrap();
    let handle = pcap::Capture::from_device(interface).unwrap();
    let mut sender = handle.buffer_size(1 << 20).open().unwrap();
    while let Ok(packet) = capture.next_packet() {
        // Larger ones than a link takes are no frames of it.
        let _ = sender.sendpacket(packet.data);
    }
}
