//! `flowtap support-bundle`: what identifies somebody is planted wherever a probe looks, and nothing of
//! it is in the archive.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::run::{Ended, flowtap, sample};
use serde_json::Value;
use tempfile::TempDir;

/// Texts by which somebody would be known: of the operator, of his network, of its users.
const PLANTED: [&str; 24] = [
    "192.0.2.77",
    "203.0.113.5",
    "198.51.100.0",
    "2001:db8:77::5",
    "02:00:5e:77:53:01",
    "collector-acme",
    "acme",
    "ACME",
    "example.net",
    "alice",
    "guest-wlan",
    "eth-uplink7",
    "4711",
    "9995",
    "not port 22",
    "BEGIN PRIVATE KEY",
    "MIIEvQIBADANBg",
    "spool.key",
    "/etc/",
    "/var/",
    "/srv/",
    "/tmp/",
    "/root",
    "flowEndReason",
];

#[test]
fn nothing_that_identifies_anybody_is_in_a_bundle() {
    let machine = Machine::new();
    let parts = machine.bundle();
    let texts: Vec<_> = parts.iter().map(|(name, octets)| (name, text(octets))).collect();
    for planted in PLANTED {
        for (name, text) in &texts {
            assert!(!text.contains(planted), "{planted} in {name}: {text}");
        }
    }
    // The key, and addresses, as octets and in hexadecimal.
    let key = machine.key();
    let hexadecimal: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
    for (name, octets) in &parts {
        for secret in [&key[..], &key[..8], &[192, 0, 2, 77], hexadecimal.as_bytes()] {
            assert!(!octets.windows(secret.len()).any(|window| window == secret), "{name}");
        }
    }
    // Nor what is found by its form alone, whoever it is of.
    for (name, text) in &texts {
        for word in text.split(|c: char| !(c.is_ascii_hexdigit() || ".:".contains(c))) {
            let word = word.trim_matches(['.', ':']);
            assert!(word.parse::<std::net::IpAddr>().is_err(), "{word} in {name}");
            assert!(word.split(':').filter(|part| part.len() == 2).count() < 6, "{word} in {name}");
        }
        for secret in [hostname(), machine_id(), user()].into_iter().flatten() {
            let mut words = text.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
            assert!(!words.any(|word| word == secret), "{secret} in {name}: {text}");
        }
    }
}

#[test]
fn what_a_vendor_needs_is_in_it() {
    let machine = Machine::new();
    let parts = machine.bundle();
    let names: Vec<_> = parts.keys().map(String::as_str).collect();
    let expected = [
        "README.txt",
        "build.json",
        "configuration.txt",
        "ledger.json",
        "spool.json",
        "system.json",
    ];
    assert_eq!(names, expected.map(|name| format!("flowtap-support/{name}")));
    let part = |name: &str| &parts[&format!("flowtap-support/{name}")];
    let json = |name: &str| -> Value { serde_json::from_slice(part(name)).unwrap() };
    let readme = text(part("README.txt"));
    for name in expected {
        assert!(name == "README.txt" || readme.contains(name), "{readme}");
    }
    assert_eq!(json("build.json")["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json("build.json")["program_sha256"].as_str().unwrap().len(), 64);
    assert!(json("system.json")["kernel"].is_string());
    let configuration = text(part("configuration.txt"));
    for line in ["--idle-timeout 31s\n", "--export tls ", "--filter (left out)\n", "profile=nfdump"]
    {
        assert!(configuration.contains(line), "{line:?} in {configuration}");
    }
    let spool = &json("spool.json")["spools"][0];
    assert_eq!((&spool["files"], &spool["octets"]), (&2.into(), &30.into()), "{spool}");
    assert_eq!((&spool["key"], &spool["foreign_files"]), (&"private".into(), &1.into()), "{spool}");
    let ledger = json("ledger.json");
    let whole: Value = serde_json::from_slice(&fs::read(machine.path("ledger")).unwrap()).unwrap();
    for key in ["received_packets", "metered_octets", "filtered_packets", "expired", "peak_flows"] {
        assert_eq!(ledger[key], whole[key], "{key}");
    }
    assert!(ledger["received_packets"].as_u64() > Some(0));
    assert_eq!(ledger["targets"][0]["sent_flows"], whole["targets"][0]["sent_flows"]);
    assert_eq!(ledger["ignored_packets"]["not_ip"], whole["ignored_packets"]["not_ip"]);
}

#[test]
fn a_bundle_can_be_made_where_nothing_is_installed_and_twice_the_same() {
    let folder = TempDir::new().unwrap();
    let nowhere = folder.path().join("nowhere").display().to_string();
    let make = || {
        let places = ["--environment-file", &nowhere, "--state-directory", &nowhere];
        flowtap([&["support-bundle", "-"], &places[..]].concat()).well()
    };
    let (one, other) = (make(), make());
    assert_eq!(one.stdout, other.stdout);
    assert_eq!(one.stderr, "");
    let parts = unpacked(&one.stdout);
    assert_eq!(text(&parts["flowtap-support/configuration.txt"]), "not read: entity not found\n");
}

#[test]
fn a_file_that_is_there_is_not_overwritten_and_a_ledger_that_is_none_is_refused() {
    let machine = Machine::new();
    let (file, ledger) = (machine.path("bundle"), machine.path("no-ledger"));
    fs::write(&file, "mine").unwrap();
    fs::write(&ledger, "{").unwrap();
    let ended = machine.run(&file, None).with(1);
    assert!(ended.stderr.contains("cannot create"), "{}", ended.stderr);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let other = machine.path("other");
    machine.run(&other, Some(&ledger)).with(1);
    assert!(!other.exists());
    machine.run(&other, None).well();
    assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A machine on which everything has a telling name.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::Builder::new().prefix("alice-acme-").tempdir().unwrap());
        let spool = machine
            .path("state/acme-spool")
            .join("tls___collector-acme.example.net_9995-0123456789abcdef0123456789abcdef");
        for folder in [spool.clone(), machine.path("etc")] {
            fs::create_dir_all(folder).unwrap();
        }
        for name in ["0000000000000001.spool", "0000000000000002.spool"] {
            fs::write(spool.join(name), "192.0.2.77 alice").unwrap();
            fs::File::options().write(true).open(spool.join(name)).unwrap().set_len(15).unwrap();
        }
        fs::write(spool.join("notes-of-alice"), "acme").unwrap();
        let key = machine.path("state/spool.key");
        fs::write(&key, machine.key()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let probe_key = machine.path("etc/acme.key");
        fs::write(&probe_key, "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n").unwrap();
        let export = format!(
            "tls://collector-acme.example.net:9995?profile=nfdump&source=192.0.2.77&cert={0}&key={0}&\
             peer=collector-acme.example.net&name=alice&observation_domain=4711",
            probe_key.display()
        );
        let options = format!(
            "# ACME, for alice\nFLOWTAP_OPTIONS=--interface eth-uplink7 --spool acme-spool --spool-key spool.key \
             --idle-timeout 31s --filter not%20port%2022 --exclude-net 198.51.100.0/24,2001:db8:77::5 \
             --observation-domain 4711 --summary /srv/acme/ledger --export {export} --export \
             udp://203.0.113.5 --export file:/srv/acme/%Y/guest-wlan.ipfix?rotate=5m\n"
        );
        fs::write(machine.path("etc/flowtap.env"), options).unwrap();
        let capture = sample().display().to_string();
        let targets = [
            format!("json:{}", machine.path("flows-of-alice").display()),
            format!("file:{}", machine.path("acme.ipfix").display()),
        ];
        let ledger = machine.path("ledger").display().to_string();
        let [one, other] = &targets;
        flowtap(["replay", &capture, "--export", one, "--export", other, "--summary", &ledger])
            .well();
        machine.plant_in_the_ledger();
        machine
    }

    /// Texts that a ledger of a bad day has, and some that none has.
    fn plant_in_the_ledger(&self) {
        let path = self.path("ledger");
        let mut ledger: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        ledger["targets"][0]["error"] = "collector-acme.example.net: 203.0.113.5 refused".into();
        ledger["targets"][0]["02:00:5e:77:53:01"] = 1.into();
        ledger["host 192.0.2.77"] = 1.into();
        ledger["peak_flows_of"] = "alice".into();
        ledger["ignored_packets"]["2001:db8:77::5"] = 0.into();
        fs::write(path, ledger.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Octets that are nowhere else.
    fn key(&self) -> [u8; 32] {
        std::array::from_fn(|position| (position * 37 + 11).to_le_bytes()[0])
    }

    fn run(&self, file: &Path, ledger: Option<&Path>) -> Ended {
        let mut arguments = vec!["support-bundle".to_owned(), file.display().to_string()];
        for (option, path) in [
            ("--environment-file", Some(self.path("etc/flowtap.env"))),
            ("--state-directory", Some(self.path("state"))),
            ("--summary", ledger.map(Path::to_owned)),
        ] {
            let path = path.map(|path| path.display().to_string());
            arguments.extend(path.into_iter().flat_map(|path| [option.to_owned(), path]));
        }
        flowtap(arguments)
    }

    fn bundle(&self) -> BTreeMap<String, Vec<u8>> {
        let file = self.path("bundle.tar.zst");
        self.run(&file, Some(&self.path("ledger"))).well();
        unpacked(&fs::read(file).unwrap())
    }
}

/// The files of a bundle by name, and its headers, which tell nobody either.
fn unpacked(octets: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let octets = zstd::decode_all(octets).unwrap();
    let mut archive = tar::Archive::new(octets.as_slice());
    let mut parts = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mtime().unwrap(), 0);
        for name in [header.username(), header.groupname()] {
            assert!(name.unwrap().is_none_or(str::is_empty));
        }
        let name = entry.path().unwrap().display().to_string();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        parts.insert(name, contents);
    }
    parts
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).expect("every part is text")
}

fn hostname() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned())
}

fn machine_id() -> Option<String> {
    Some(fs::read_to_string("/etc/machine-id").ok()?.trim().to_owned()).filter(|id| !id.is_empty())
}

fn user() -> Option<String> {
    std::env::var("USER").ok().filter(|user| !user.is_empty())
}
