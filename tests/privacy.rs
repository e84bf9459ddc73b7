//! Privacy policies as users ask for them, from a capture to what leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use receiver::UdpReceiver;
use run::{flowtap, replay, sample};
use serde_json::Value;
use strict::{REVERSE, Session};

#[path = "support/receiver.rs"]
mod receiver;
#[path = "support/run.rs"]
mod run;
#[path = "support/strict.rs"]
mod strict;

#[test]
fn nothing_that_was_observed_is_in_what_leaves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let key = key_file(folder.path(), 7);
    let policy = format!("privacy=obfuscated&pseudonym_key={}", key.display());
    let plain = format!("json:{}", path("plain.json").display());
    let json = format!("json:{}?{policy}", path("private.json").display());
    let file = format!("file:{}?{policy}", path("private.ipfix").display());
    replay(&sample(), &["--export", &plain, "--export", &json, "--export", &file]);

    let (plain, private) = (records(&path("plain.json")), records(&path("private.json")));
    assert_eq!(plain.len(), private.len());
    let addresses = addresses(&plain);
    assert!(addresses.len() > 5, "{addresses:?}");
    let told: BTreeSet<IpAddr> = self::addresses(&private);
    let octets = fs::read(path("private.ipfix")).expect("it was written");
    for address in &addresses {
        assert!(!told.contains(address), "an observed address is in the JSON");
        let name = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        assert!(!octets.windows(name.len()).any(|octets| octets == name), "and in the file");
    }
    let text = fs::read_to_string(path("private.json")).expect("it was written");
    for absent in ["MacAddress", "SequenceNumber", "flowLabel", "TunnelId"] {
        assert!(!text.contains(absent), "{absent}");
    }
    // Records are those of the capture: only who spoke is another.
    for element in
        ["packetDeltaCount", "octetDeltaCount", "flowStartMilliseconds", "protocolIdentifier"]
    {
        let of = |records: &[Value]| -> Vec<String> {
            records.iter().map(|record| record[element].to_string()).collect()
        };
        assert_eq!(of(&plain), of(&private), "{element}");
    }
    // And as many hosts were there before as after.
    assert_eq!(addresses.len(), told.iter().filter(|address| !is_of_class(**address)).count());
}

#[test]
fn the_same_key_gives_the_same_octets_and_another_key_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |key: &Path| {
        let path = folder.path().join("flows.ipfix");
        let target =
            format!("file:{}?privacy=obfuscated&pseudonym_key={}", path.display(), key.display());
        replay(&sample(), &["--export", &target]);
        fs::read(path).expect("it was written")
    };
    let (one, other) = (key_file(folder.path(), 1), key_file(folder.path(), 2));
    let first = run(&one);
    assert!(run(&one) == first, "two runs differ");
    assert!(run(&other) != first, "two keys do not");
    // A key that is not there is made, for its owner alone.
    let made = folder.path().join("made");
    let first = run(&made);
    assert!(run(&made) == first);
    let metadata = fs::metadata(&made).expect("it was made");
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (32, 0o600));
}

#[test]
fn a_collector_is_told_what_became_of_every_field() {
    let collector = UdpReceiver::start();
    let target = format!(
        "udp://{}?privacy=obfuscated&addresses=prefix&macs=vendor&time_step=1s",
        collector.address()
    );
    replay(&sample(), &["--export", &target]);
    let datagrams = collector.finish();
    let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));

    // RFC 6235 §6.1: technique by template, place and element.
    let mut told: BTreeMap<(u64, u64), (u64, u64, u64, u64)> = BTreeMap::new();
    for record in session.options(286) {
        assert_eq!(record.definition.scope_fields, 4);
        let [template, element, enterprise, index, flags, technique] =
            [145, 303, 346, 287, 285, 286].map(|id| record.iana(id).expect("it has all"));
        told.insert((template, index), (enterprise, element, flags, technique));
    }
    let mut fields = 0;
    for template in session.templates() {
        for (index, field) in template.fields.iter().enumerate() {
            let found = told.remove(&(template.id.into(), index as u64));
            let expected = match (field.enterprise, field.id) {
                (0, 8 | 12 | 27 | 28 | 56 | 80) | (0 | REVERSE, 152 | 153) => Some(2),
                (32_473, 4..=7) => Some(2),
                (0, 7 | 11) => Some(3),
                (0, 148 | 184) => panic!("without a key there is no number for it"),
                _ => None,
            };
            let expected = expected
                .map(|technique| (u64::from(field.enterprise), u64::from(field.id), 3, technique));
            assert_eq!(found, expected, "{field:?}");
            fields += usize::from(expected.is_some());
        }
    }
    assert!(told.is_empty() && fields > 8, "{fields} {told:?}");
}

#[test]
fn show_prints_what_became_of_fields() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flows.ipfix");
    let key = key_file(folder.path(), 9);
    let target =
        format!("file:{}?privacy=obfuscated&pseudonym_key={}", path.display(), key.display());
    replay(&sample(), &["--export", &target]);
    let ended = flowtap(["show".as_ref(), path.as_os_str(), "--format".as_ref(), "json".as_ref()]);
    let ended = ended.well();
    let told: Vec<Value> = ended
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|record: &Value| record.get("anonymizationTechnique").is_some())
        .collect();
    let address = told.iter().find(|record| record["informationElementId"] == 8);
    let address = address.expect("addresses are told of");
    assert_eq!(address["anonymizationTechnique"], 6);
    assert_eq!(address["anonymizationFlags"], 2);
    assert!(told.iter().any(|record| record["informationElementId"] == 148));
}

#[test]
fn a_key_that_others_can_read_ends_the_run_before_it_begins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = key_file(folder.path(), 3);
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("ours");
    let output = folder.path().join("flows");
    for kind in ["file", "json"] {
        let target = format!(
            "{kind}:{}?privacy=obfuscated&pseudonym_key={}",
            output.display(),
            key.display()
        );
        let ended =
            flowtap(["replay", &sample().display().to_string(), "--export", &target]).with(1);
        assert!(ended.stderr.contains("must be 0600"), "{}", ended.stderr);
        assert!(!output.exists());
    }
}

#[test]
fn a_policy_that_is_not_understood_is_refused() {
    for target in ["json:-?privacy=obfuscate", "json:-?privcy=obfuscated", "udp://c?macs=drop"] {
        let ended = flowtap(["replay", &sample().display().to_string(), "--export", target]);
        assert!(ended.with(2).stdout.is_empty(), "{target}");
    }
}

fn key_file(folder: &Path, octet: u8) -> PathBuf {
    let path = folder.join(format!("key-{octet}"));
    fs::write(&path, [octet; 32]).expect("writable");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
    path
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("it was written");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Those that are to have another name.
fn addresses(records: &[Value]) -> BTreeSet<IpAddr> {
    let fields = records.iter().filter_map(Value::as_object).flatten();
    let addresses = fields.filter(|(name, _)| name.contains("IPv"));
    let addresses = addresses.filter_map(|(_, value)| value.as_str()?.parse().ok());
    addresses.filter(|address| !is_of_class(*address)).collect()
}

fn is_of_class(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first == 0 || first == 127 || first >= 224
        }
        IpAddr::V6(address) => {
            address.is_unspecified() || address.is_loopback() || address.is_multicast()
        }
    }
}
