//! `flowtap wipe`: what a probe keeps is gone afterwards, what is not its own is not, and each is
//! listed with what became of it.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use crate::netns;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::run::{FLOWTAP, flowtap, sample};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn what_a_probe_keeps_is_gone_and_listed() {
    let machine = Machine::new();
    let before = machine.files();
    let report = machine.wipe(&["--yes"], 0);
    for (path, kind) in [
        ("state/spool.key", "spool_key"),
        ("state/spool.key.00ff00ff00ff00ff", "spool_key"),
        (TARGET_SEGMENT, "spool"),
        ("state/flows.ipfix", "records"),
        ("state/2026/11/flows.ipfix", "records"),
        ("state/flows.json", "records"),
        ("state/ledger.json", "records"),
    ] {
        assert!(before.contains(&path.into()), "{path} in {before:?}");
        assert_eq!(machine.result(&report, path), Some((kind, "erased")), "{path}: {report:#}");
    }
    let left: Vec<_> =
        ["etc/flowtap/flowtap.env", "etc/flowtap/probe.key", "etc/flowtap/probe.pem"]
            .map(String::from)
            .to_vec();
    assert_eq!(machine.files(), left, "{report:#}");
    assert!(report["limits"].as_str().unwrap().contains("SSDs"));
}

#[test]
fn all_is_the_configuration_too_and_the_authorities_of_others_stay() {
    let machine = Machine::new();
    fs::write(machine.path("ca.pem"), "-----BEGIN CERTIFICATE-----").unwrap();
    let report = machine.wipe(&["--yes", "--all"], 0);
    for (path, kind) in [
        ("etc/flowtap/flowtap.env", "configuration"),
        ("etc/flowtap/probe.pem", "configuration"),
        ("etc/flowtap/probe.key", "private_key"),
        ("etc/flowtap", "directory"),
    ] {
        assert_eq!(machine.result(&report, path), Some((kind, "erased")), "{report:#}");
    }
    assert_eq!(machine.files(), ["ca.pem"]);
}

#[test]
fn what_a_configuration_file_names_is_erased_and_with_all_the_file_too() {
    let machine = Machine::new();
    let file = machine.path("etc/flowtap/flowtap.toml");
    let key = machine.path("other.key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("[spool]\ndirectory = \"spool\"\nkey = {:?}\n", key.display().to_string());
    fs::write(&file, &text).unwrap();
    let config = file.display().to_string();
    let report = machine.wipe(&["--dry-run", "--all", "--config", &config], 0);
    let result = |path| machine.result(&report, path);
    assert_eq!(result("etc/flowtap/flowtap.toml"), Some(("configuration", "would_be_erased")));
    assert_eq!(result("other.key"), Some(("spool_key", "would_be_erased")), "{report:#}");
    let report = machine.wipe(&["--yes", "--all", "--config", &config], 0);
    for path in ["etc/flowtap/flowtap.toml", "other.key", "etc/flowtap"] {
        assert_eq!(machine.result(&report, path).unwrap().1, "erased", "{path}: {report:#}");
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[spool]\nsize = 5\n").unwrap();
    let report = machine.wipe(&["--yes", "--config", &config], 1);
    assert_eq!(machine.result(&report, "etc/flowtap/flowtap.toml").unwrap().1, "not_erased");
}

#[test]
fn what_is_not_of_a_probe_stays_and_links_are_not_followed() {
    let machine = Machine::new();
    let precious = machine.path("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("0000000000000001.spool"), "mine").unwrap();
    fs::write(machine.path("state/notes.txt"), "mine").unwrap();
    symlink(&precious, machine.path("state/elsewhere")).unwrap();
    let target = machine.path(TARGET_SEGMENT).parent().unwrap().to_owned();
    symlink(precious.join("0000000000000001.spool"), target.join("0000000000000009.spool"))
        .unwrap();
    let report = machine.wipe(&["--yes"], 0);
    assert_eq!(machine.result(&report, "state/notes.txt"), Some(("other", "left")));
    assert_eq!(machine.result(&report, "state/elsewhere"), Some(("other", "left")));
    assert_eq!(machine.result(&report, "state"), Some(("directory", "left")), "{report:#}");
    assert_eq!(fs::read(precious.join("0000000000000001.spool")).unwrap(), b"mine");
    assert_eq!(fs::read(machine.path("state/notes.txt")).unwrap(), b"mine");
}

#[test]
fn a_key_that_is_a_link_or_no_key_cannot_be_erased_and_that_is_a_failure() {
    let machine = Machine::new();
    let secret = machine.path("secret");
    fs::write(&secret, [7; 32]).unwrap();
    symlink(&secret, machine.path("link.key")).unwrap();
    fs::write(machine.path("passwords"), "not 32 octets").unwrap();
    let named = ["link.key", "passwords"].map(|name| machine.path(name).display().to_string());
    let report = machine.wipe(&["--yes", "--spool-key", &named[0], "--spool-key", &named[1]], 1);
    for name in ["link.key", "passwords"] {
        assert_eq!(machine.result(&report, name), Some(("spool_key", "not_erased")), "{report:#}");
    }
    assert_eq!(report["not_erased"], 2);
    assert_eq!(fs::read(secret).unwrap(), [7; 32]);
    assert_eq!(fs::read(machine.path("passwords")).unwrap(), b"not 32 octets");
    // All the rest is gone.
    assert!(!machine.path("state/spool.key").exists());
}

#[test]
fn a_dry_run_erases_nothing_and_nobody_there_to_ask_is_a_wrong_usage() {
    let machine = Machine::new();
    let before = machine.files();
    let report = machine.wipe(&["--dry-run", "--all"], 0);
    let result = machine.result(&report, "state/spool.key");
    assert_eq!(result, Some(("spool_key", "would_be_erased")), "{report:#}");
    assert_eq!(report["erased"], 0);
    let refused = machine.run(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"), "{refused:?}");
    assert_eq!(machine.files(), before);
}

#[test]
fn what_is_not_there_is_said_and_wiping_twice_is_no_failure() {
    let machine = Machine::new();
    machine.wipe(&["--yes", "--all"], 0);
    let key = machine.path("gone.key").display().to_string();
    let report = machine.wipe(&["--yes", "--all", "--spool-key", &key], 0);
    assert_eq!(machine.result(&report, "gone.key"), Some(("spool_key", "was_not_there")));
    assert_eq!(report["erased"], 0);
    let text = machine.run(&["--yes", "--format", "text"]);
    assert!(text.status.success() && !text.stdout.is_empty());
}

#[test]
fn options_that_are_not_understood_are_a_failure_and_the_directories_are_wiped_all_the_same() {
    let machine = Machine::new();
    fs::write(machine.path("etc/flowtap/flowtap.env"), "FLOWTAP_OPTIONS=--no-such 1\n").unwrap();
    let report = machine.wipe(&["--yes"], 1);
    let result = machine.result(&report, "etc/flowtap/flowtap.env");
    assert_eq!(result, Some(("configuration", "not_erased")), "{report:#}");
    assert!(!machine.path("state/spool.key").exists());
    assert!(!machine.path(TARGET_SEGMENT).exists());

    // With --all they are erased, and it is said all the same that something may be left.
    let report = machine.wipe(&["--yes", "--all"], 1);
    let results: Vec<_> =
        report["files"].as_array().unwrap().iter().map(|it| &it["result"]).collect();
    assert!(results.contains(&&"erased".into()) && report["not_erased"] == 1, "{report:#}");
    assert!(!machine.path("etc/flowtap/flowtap.env").exists());
}

#[test]
fn options_that_cannot_be_read_are_a_failure() {
    let machine = Machine::new();
    let options = machine.path("etc/flowtap/flowtap.env");
    fs::remove_file(&options).unwrap();
    fs::create_dir(&options).unwrap();
    let report = machine.wipe(&["--yes"], 1);
    let result = machine.result(&report, "etc/flowtap/flowtap.env");
    assert_eq!(result, Some(("configuration", "not_erased")), "{report:#}");
    assert!(!machine.path("state/spool.key").exists());
}

#[test]
fn a_lock_that_somebody_holds_is_a_probe_that_runs() {
    let machine = Machine::new();
    let lock = machine.path(TARGET_SEGMENT).parent().unwrap().join("lock");
    let lock = fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    let before = machine.files();
    let refused = machine.run(&["--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("a probe is running (spool "), "{error}");
    assert_eq!(machine.files(), before);
    lock.unlock().unwrap();
    machine.wipe(&["--yes"], 0);
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_probe_without_a_spool_is_seen_and_its_end_is_seen_too() {
    netns::inside("wipe::a_probe_without_a_spool_is_seen_and_its_end_is_seen_too", || {
        netns::cable("tap", "wire");
        let machine = Machine::new();
        let mut probe = machine.probe();
        let refused = machine.run(&["--yes"]);
        assert_eq!(refused.status.code(), Some(1));
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(error.contains(&format!("process {}", probe.id())), "{error}");
        assert!(machine.path("state/spool.key").exists());
        // Looking is allowed.
        assert!(machine.run(&["--dry-run"]).status.success());
        probe.kill().unwrap();
        probe.wait().unwrap();
        machine.wipe(&["--yes"], 0);
    });
}

const TARGET_SEGMENT: &str =
    "state/spool/tcp___127.0.0.1_4739-0123456789abcdef0123456789abcdef/0000000000000001.spool";

/// What an installation leaves on a machine, in a folder of its own.
struct Machine {
    folder: TempDir,
    /// The program under a name of its own: probes of other tests are none of ours.
    program: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let name = folder.path().file_name().unwrap().to_string_lossy().replace(".tmp", "flow-");
        let program = folder.path().join(&name);
        // Another file, too: a link would be the file that other tests run.
        fs::copy(FLOWTAP, &program).unwrap();
        let machine = Self { folder, program };
        for path in ["etc/flowtap", "state/2026/11"] {
            fs::create_dir_all(machine.path(path)).unwrap();
        }
        let options = format!(
            "# of this machine\nFLOWTAP_OPTIONS=--interface eth1 --spool spool --spool-key spool.key --export \
             tls://127.0.0.1:{}?cert={}&key={}&ca={}\n",
            closed_port(),
            machine.path("etc/flowtap/probe.pem").display(),
            machine.path("etc/flowtap/probe.key").display(),
            machine.path("ca.pem").display(),
        );
        fs::write(machine.path("etc/flowtap/flowtap.env"), options).unwrap();
        for name in ["probe.pem", "probe.key"] {
            fs::write(machine.path("etc/flowtap").join(name), "-----BEGIN SOMETHING-----").unwrap();
        }
        machine.private("state/spool.key", &[9; 32]);
        machine.private("state/spool.key.00ff00ff00ff00ff", &[9; 32]);
        fs::create_dir_all(machine.path(TARGET_SEGMENT).parent().unwrap()).unwrap();
        machine.private(TARGET_SEGMENT, b"FLTSPL\0\x01 and so on");
        machine.private(&TARGET_SEGMENT.replace("0001.spool", "0002.spool.moved"), b"");
        machine.private(&TARGET_SEGMENT.replace("0000000000000001.spool", "lock"), b"");
        let [file, json, ledger] = ["flows.ipfix", "flows.json", "ledger.json"]
            .map(|name| machine.path("state").join(name).display().to_string());
        let (ipfix, json) = (format!("file:{file}"), format!("json:{json}"));
        let replay = ["replay", &sample().display().to_string(), "--quiet", "--export", &ipfix]
            .map(str::to_owned);
        let more = ["--export".to_owned(), json, "--summary".to_owned(), ledger];
        flowtap(replay.into_iter().chain(more)).well();
        fs::copy(&file, machine.path("state/2026/11/flows.ipfix")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn private(&self, name: &str, octets: &[u8]) {
        fs::write(self.path(name), octets).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Wipes with the paths of this machine and returns the report.
    #[track_caller]
    fn wipe(&self, more: &[&str], status: i32) -> Value {
        let output = self.run(&[&["--format", "json"], more].concat());
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn run(&self, more: &[&str]) -> Output {
        Command::new(&self.program)
            .args(["wipe", "--environment-file"])
            .arg(self.path("etc/flowtap/flowtap.env"))
            .arg("--state-directory")
            .arg(self.path("state"))
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// A probe that has no spool.
    fn probe(&self) -> Child {
        let mut probe = Command::new(&self.program)
            .args(["capture", "-i", "tap", "--export", "null:", "--workers", "1"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(probe.stderr.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("capturing on tap")), "it did not start");
        probe
    }

    /// Kind and result of what is reported of `name`.
    fn result<'a>(&self, report: &'a Value, name: &str) -> Option<(&'a str, &'a str)> {
        let path = self.path(name);
        let files = report["files"].as_array()?;
        let file = files.iter().find(|file| file["path"].as_str().map(Path::new) == Some(&path))?;
        Some((file["kind"].as_str()?, file["result"].as_str()?))
    }

    /// Regular files that are there, but for the program.
    fn files(&self) -> Vec<String> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if path != self.program && !path.is_symlink() {
                    let name = path.strip_prefix(self.folder.path()).unwrap();
                    files.push(name.display().to_string());
                }
            }
        }
        files.sort();
        files
    }
}

/// A port of this host where nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
