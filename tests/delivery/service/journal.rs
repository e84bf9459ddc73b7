//! What arrives at a real journal of what a confined probe says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::slice::from_ref;

use serde_json::Value;

use crate::netns::{cable, inside, ip};
use crate::program::{Program, run, wait_until};

#[test]
#[ignore = "needs root"]
fn a_confined_probe_speaks_to_the_journal_in_fields() {
    inside("service::journal::a_confined_probe_speaks_to_the_journal_in_fields", || {
        let mut journal = start_journal();
        ip("link set dev lo up");
        cable("tap0", "src0");
        ip("address add 192.0.2.1/24 dev src0");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let world = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), world).expect("it is ours");
        let configuration = folder.path().join("flowtap.toml");
        configure(&configuration, "error");
        // As systemd starts a service, and says to it where its standard error goes.
        let mut probe = Program::start(
            Command::new("systemd-cat")
                .args([
                    "sh",
                    "-c",
                    "JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$@\"",
                    "sh",
                ])
                .args([env!("CARGO_BIN_EXE_flowtap"), "capture", "--config"])
                .arg(&configuration),
        );
        probe.wait_until("its trouble", || has("collector-unreachable"));
        assert_eq!(events(), ["collector-unreachable"], "nothing less than an error");
        configure(&configuration, "info");
        probe.signal("HUP");
        probe.wait_until("another level", || has("configuration-reloaded"));
        ip("link set dev tap0 down");
        probe.wait_until("the end of the link", || has("interface-down"));
        ip("link set dev tap0 up");
        probe.wait_until("the link", || has("interface-back"));
        let _ = Command::new("ping").args(["-c", "1", "-W", "1", "192.0.2.2"]).output();
        probe.signal("TERM");
        // A collector that never was there is a failure.
        let (status, said) = probe.end();
        assert_eq!(status.code(), Some(1), "{said}");
        wait_until("its end in the journal", || has("run-failed"));

        let entries = entries();
        for entry in &entries {
            // Also after it became confined: none by way of standard error.
            assert_eq!(text(entry, "_TRANSPORT"), "journal", "{entry}");
            assert_eq!(text(entry, "SYSLOG_IDENTIFIER"), "flowtap", "{entry}");
            assert_eq!(text(entry, "MESSAGE_ID").len(), 32, "{entry}");
            assert!(text(entry, "CODE_FILE").ends_with(".rs"), "{entry}");
            assert!(!entry.to_string().contains("192.0.2."), "of the observed network: {entry}");
        }
        let one = |event: &str| {
            let mut found = entries.iter().filter(|it| text(it, "FLOWTAP_EVENT") == event);
            found.next().unwrap_or_else(|| panic!("no {event} in {entries:?}"))
        };
        let down = one("interface-down");
        assert_eq!((text(down, "PRIORITY"), text(down, "FLOWTAP_INTERFACE")), ("4", "tap0"));
        assert_eq!(text(down, "FLOWTAP_COMPONENT"), "capture");
        let away = one("collector-unreachable");
        assert_eq!(
            (text(away, "PRIORITY"), text(away, "FLOWTAP_TARGET")),
            ("3", "tcp://127.0.0.1:9")
        );
        assert!(text(away, "FLOWTAP_REASON").starts_with("cannot connect: "), "{away}");
        let ended = one("run-ended");
        let count = |name: &str| text(ended, name).parse::<u64>().expect("a number");
        assert_eq!(
            count("FLOWTAP_RECEIVED_PACKETS"),
            count("FLOWTAP_METERED_PACKETS")
                + count("FLOWTAP_IGNORED_PACKETS")
                + count("FLOWTAP_FILTERED_PACKETS")
        );
        assert_eq!(text(ended, "_UID"), "65534");

        // As the README asks for them.
        let asked = |words: &str| entries_of(&words.split(' ').collect::<Vec<_>>());
        assert_eq!(asked("FLOWTAP_EVENT=interface-down --since today"), from_ref(down));
        let of_target = asked("-p warning -x FLOWTAP_TARGET=tcp://127.0.0.1:9");
        assert!(of_target.contains(away) && !of_target.contains(down), "{of_target:?}");

        // What each means is in the catalog.
        fs::create_dir_all(CATALOG).expect("it is below /run");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/flowtap.catalog");
        fs::copy(source, Path::new(CATALOG).join("flowtap.catalog")).expect("it is ours");
        let root = CATALOG.strip_suffix("/usr/lib/systemd/catalog").expect("it is below a root");
        let catalog = |what: &str, more: &str| {
            let root = format!("--root={root}");
            run(Command::new("journalctl").args([&root, what]).args(more.split_whitespace()))
        };
        catalog("--update-catalog", "");
        let told = fs::read_to_string(source).expect("it is ours").matches("\n-- ").count();
        assert_eq!(catalog("--list-catalog", "").lines().count(), told);
        let meaning = catalog("--dump-catalog", text(down, "MESSAGE_ID"));
        assert!(meaning.contains("Subject: @FLOWTAP_INTERFACE@ is down"), "{meaning}");
        assert!(journal.is_running());
    });
}

#[test]
#[ignore = "needs root"]
fn without_a_journal_lines_have_their_priority() {
    inside("service::journal::without_a_journal_lines_have_their_priority", || {
        // This machine may have one.
        run(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]));
        let arguments = ["capture", "-i", "nowhere0", "--log-format", "journal"];
        let probe = Program::start(Command::new(env!("CARGO_BIN_EXE_flowtap")).args(arguments));
        let (status, said) = probe.end();
        assert_eq!(status.code(), Some(1));
        assert!(said.starts_with("<3>nowhere0: no such interface"), "{said}");
    });
}

/// A journal of its own, in the mount namespace that ip(8) has made.
fn start_journal() -> Program {
    run(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]));
    // ip(8) has put another /sys in the place of the one with control groups.
    run(Command::new("mount").args(["-t", "cgroup2", "none", "/sys/fs/cgroup"]));
    for directory in ["/run/systemd/journal", "/run/systemd/journald.conf.d", "/run/log/journal"] {
        fs::create_dir_all(directory).expect("it is below /run");
    }
    let settings = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\n\
                    ForwardToConsole=no\nForwardToWall=no\n";
    fs::write("/run/systemd/journald.conf.d/test.conf", settings).expect("it is below /run");
    let mut journal = Program::start(&mut Command::new("/usr/lib/systemd/systemd-journald"));
    let is_there = || UnixStream::connect("/run/systemd/journal/stdout").is_ok();
    journal.wait_until("its sockets", is_there);
    journal
}

fn configure(file: &Path, level: &str) {
    let text = format!(
        "[[interface]]\nname = 'tap0'\n[confinement]\nuser = 'nobody'\n[telemetry]\nlisten = 'off'\n\
         [log]\nlevel = '{level}'\n[[collector]]\nurl = 'tcp://127.0.0.1:9'\n"
    );
    fs::write(file, text).expect("it is ours");
}

/// What the probe has said so far.
fn entries() -> Vec<Value> {
    entries_of(&[])
}

/// What of it journalctl(1) finds with these words.
fn entries_of(words: &[&str]) -> Vec<Value> {
    let told = Command::new("journalctl")
        .args(["--directory=/run/log/journal", "--quiet", "--output=json", "_COMM=flowtap"])
        .args(words)
        .output()
        .expect("journalctl is where the journal is");
    let lines = String::from_utf8_lossy(&told.stdout).into_owned();
    lines.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn events() -> Vec<String> {
    entries().iter().map(|entry| text(entry, "FLOWTAP_EVENT").to_owned()).collect()
}

fn has(event: &str) -> bool {
    events().iter().any(|it| it == event)
}

#[track_caller]
fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_else(|| panic!("no {field} in {entry}"))
}

const CATALOG: &str = "/run/root/usr/lib/systemd/catalog";
