//! Privacy policies as users ask for them, from a capture to what leaves.

use crate::shared;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::receiver::UdpReceiver;
use crate::run::{flowtap, replay, sample};
use crate::strict::{REVERSE, Session};
use serde_json::Value;

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
fn no_address_of_any_capture_is_in_sums_over_it_and_the_books_balance() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (k, policy) = (2, "privacy=statistical&k=2&interval=1s&net=10.0.0.0/8&net=fe80::/16");
    let targets = [
        format!("json:{}", path("plain.json")),
        format!("json:{}?{policy}", path("sums.json")),
        format!("file:{}?{policy}", path("sums.ipfix")),
        format!("file:{}?{policy}&profile=elastic", path("elastic.ipfix")),
    ];
    let summary = path("summary.json");
    let whole = shared::shared_captures().into_iter().filter(|path| {
        let arguments = ["replay".as_ref(), path.as_os_str(), "--export".as_ref()];
        flowtap(arguments.into_iter().chain(["null:".as_ref()])).status == Some(0)
    });
    let captures: Vec<_> = [sample()].into_iter().chain(whole).collect();
    let arguments = ["replay", "--quiet", "--summary", &summary].into_iter();
    let arguments = arguments.chain(targets.iter().flat_map(|target| ["--export", target]));
    flowtap(arguments.chain(captures.iter().map(|path| path.to_str().expect("plain")))).well();

    // Every address that was observed, as text and as octets.
    let plain = records(Path::new(&path("plain.json")));
    let text = fs::read_to_string(path("sums.json")).expect("it was written");
    let told: BTreeSet<&str> = text.split('"').collect();
    let files = ["sums.ipfix", "elastic.ipfix"].map(|name| fs::read(path(name)).expect("written"));
    let mut searched = 0;
    for name in names(&plain) {
        let octets = match name.parse() {
            Ok(IpAddr::V4(address)) => address.octets().to_vec(),
            Ok(IpAddr::V6(address)) => address.octets().to_vec(),
            Err(_) => name.split(':').map(|o| u8::from_str_radix(o, 16).expect("MAC")).collect(),
        };
        // Others may be there by chance, as numbers.
        if octets.iter().filter(|octet| **octet != 0).count() >= 4 {
            assert!(!told.contains(name.as_str()), "an observed address is in the JSON");
            for file in &files {
                let found = file.windows(octets.len()).any(|part| part == octets);
                assert!(!found, "an observed address is in a file");
            }
            searched += 1;
        }
    }
    assert!(searched > 5, "{searched} names");
    for element in ["Address", "TransportPort", "flowId", "tcp", "vlan", "Ttl", "icmp", "Tunnel"] {
        assert!(!text.contains(element), "{element}");
    }

    // And what leaves is everything, but for what is too little.
    let summary: Value =
        serde_json::from_slice(&fs::read(&summary).expect("it was written")).expect("JSON");
    let books = |target: usize, key: &str| {
        summary["targets"][target][key].as_u64().unwrap_or_else(|| panic!("{key} of {target}"))
    };
    for target in 1..targets.len() {
        for unit in ["packets", "octets"] {
            let [given, sent, withheld] =
                ["given", "sent", "withheld"].map(|what| books(target, &format!("{what}_{unit}")));
            assert_eq!(given, sent + withheld, "{unit} of {target}");
            assert_eq!(given, books(0, &format!("given_{unit}")), "{unit} of {target}");
        }
        let given = books(target, "given_flows");
        assert_eq!(given, books(target, "aggregated_flows") + books(target, "withheld_flows"));
        assert_eq!(books(target, "aggregates"), books(target, "sent_flows"));
    }
    let sums = records(Path::new(&path("sums.json")));
    let sum = |element: &str| -> u64 { sums.iter().filter_map(|sum| sum[element].as_u64()).sum() };
    assert_eq!(sum("packetDeltaCount"), books(1, "sent_packets"));
    assert_eq!(sum("octetDeltaCount"), books(1, "sent_octets"));
    assert!(sums.iter().all(|sum| sum["originalFlowsPresent"].as_u64() >= Some(k)));
}

/// Addresses in records, IP and MAC, as they are written.
fn names(records: &[Value]) -> BTreeSet<String> {
    let fields = records.iter().filter_map(Value::as_object).flatten();
    let addresses = fields.filter(|(name, _)| name.ends_with("Address"));
    addresses.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
}

#[test]
fn a_collector_of_sums_is_told_nothing_else() {
    let collector = UdpReceiver::start();
    let policy = "privacy=statistical&k=2&net=10.0.0.0/8";
    let target = format!("udp://{}?{policy}", collector.address());
    replay(&sample(), &["--export", &target, "--exclude-net", "203.0.113.0/24"]);
    let datagrams = collector.finish();
    let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
    assert!(session.flows().count() > 3);
    for record in session.flows() {
        assert!(record.iana(375) >= Some(2), "originalFlowsPresent");
        assert!(record.iana(3) <= record.iana(375), "deltaFlowCount");
        assert_eq!(record.iana(152).map(|start| start % 60_000), Some(0), "a whole minute");
    }
    // What was ignored, left out or lost may be a packet of one Flow.
    for element in [164, 165, 166, 167, 168, 318, 319, 323] {
        assert_eq!(session.options(element).count(), 0, "{element}");
    }
    // RFC 7015 §6.4 and RFC 6235 §6.1 are of every Template.
    for template in session.templates() {
        let of = |element| {
            let id = u64::from(template.id);
            session.options(element).filter(move |record| record.iana(145) == Some(id))
        };
        assert!(of(384).any(|record| record.iana(384) == Some(2)), "{template:?}");
        let told = |id| of(286).find(|record| record.iana(303) == Some(id));
        assert_eq!(told(152).and_then(|record| record.iana(286)), Some(2), "times are intervals");
    }
}

#[test]
fn show_tells_sums_from_flows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sums.ipfix");
    let target = format!("file:{}?privacy=statistical&k=3&net=10.0.0.0/8", path.display());
    replay(&sample(), &["--export", &target]);
    let shown = flowtap(["show".as_ref(), path.as_os_str()]).well();
    for part in ["other", "3 flows, port 80, from initiators, mean up to 127", "no sequence gaps"] {
        assert!(shown.text().contains(part), "{part} in {}", shown.text());
    }
    assert!(shown.text().contains(" aggregated flows: 792 packets"), "{}", shown.text());
    let one = folder.path().join("one.ipfix");
    replay(&sample(), &["--export", &format!("file:{}", one.display())]);
    let both = flowtap(["show".as_ref(), path.as_os_str(), one.as_os_str()]).well();
    assert!(both.text().contains(" of them aggregated: 1,584 packets"), "{}", both.text());
    let arguments = ["show".as_ref(), path.as_os_str(), "--format".as_ref(), "csv".as_ref()];
    assert!(flowtap(arguments).well().text().contains("originalFlowsPresent"));
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
            flowtap(["replay", &sample().display().to_string(), "--export", &target]).with(2);
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
