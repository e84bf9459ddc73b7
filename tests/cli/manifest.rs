//! `flowtap manifest`: nothing leaves that it does not list, and it says what people have to know.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::run::{flowtap, sample};
use crate::shared::shared_captures;
use serde_json::Value;
use tempfile::TempDir;

/// Everything that changes which elements leave.
const TARGETS: [&str; 8] = [
    "",
    "?biflow=off",
    "?time=us",
    "?time=ns&biflow=off",
    "?profile=nfdump",
    "?profile=pmacct",
    "?privacy=statistical&k=2&interval=1s&net=10.0.0.0/8&net=2001:db8::/32",
    "?privacy=statistical&time=ns&profile=standard",
];

#[test]
fn no_element_leaves_that_the_manifest_does_not_list() {
    let folder = TempDir::new().unwrap();
    let files: Vec<_> = (0..TARGETS.len()).map(|n| folder.path().join(n.to_string())).collect();
    let targets: Vec<_> = files
        .iter()
        .zip(TARGETS)
        .map(|(path, options)| format!("file:{}{options}", path.display()))
        .collect();
    let json = folder.path().join("flows.json");
    let all: Vec<_> = targets.iter().cloned().chain([format!("json:{}", json.display())]).collect();
    let captures = captures();
    let exports = all.iter().flat_map(|target| ["--export", target.as_str()]);

    let inputs = captures.iter().map(|path| path.to_str().unwrap());
    let arguments = ["replay", "--quiet"].into_iter().chain(exports.clone()).chain(inputs);
    // Damaged captures among them are told, and make the status 1.
    let ended = flowtap(arguments);
    assert!(matches!(ended.status, Some(0 | 1)), "{}", ended.stderr);

    let arguments = ["manifest", "-i", "eth1", "--format", "json"].into_iter().chain(exports);
    let manifest: Value = serde_json::from_slice(&flowtap(arguments).well().stdout).unwrap();
    let leaves = manifest["leaves"].as_array().unwrap();
    assert_eq!(leaves.len(), TARGETS.len() + 1);

    for ((path, target), leaves) in files.iter().zip(&targets).zip(leaves) {
        let shown =
            flowtap(["show".as_ref(), "--format".as_ref(), "json".as_ref(), path.as_os_str()]);
        assert_listed(target, leaves, &shown.well().stdout);
    }
    assert_listed("json", &leaves[TARGETS.len()], &std::fs::read(&json).unwrap());
}

/// Every key of every line is an element that the manifest lists, under the records it belongs to.
#[track_caller]
fn assert_listed(target: &str, leaves: &Value, lines: &[u8]) {
    let names = |records: &str| -> BTreeSet<&str> {
        let elements = leaves[records].as_array().expect("a list");
        elements.iter().map(|element| element["name"].as_str().expect("a name")).collect()
    };
    let (flow_records, options_records) = (names("flow_records"), names("options_records"));
    let mut seen = BTreeSet::new();
    for line in lines.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        let record: serde_json::Map<String, Value> =
            serde_json::from_slice(line).expect("an object");
        let is_options = record.contains_key("optionsTemplateId");
        let listed = if is_options { &options_records } else { &flow_records };
        for key in record.keys().filter(|key| *key != "optionsTemplateId") {
            assert!(listed.contains(key.as_str()), "{target}: {key} is not in the manifest");
            seen.insert(key.clone());
        }
    }
    let is_statistical = target.contains("statistical");
    let of_records = if is_statistical { "originalFlowsPresent" } else { "sourceIPv4Address" };
    assert!(seen.contains(of_records), "{target}: nothing was looked at");
    assert_eq!(leaves["aggregation"].is_string(), is_statistical, "{target}");
}

/// The sample, and with it the captures beside the checkout where they are.
fn captures() -> Vec<PathBuf> {
    let mut captures = vec![sample()];
    let whole = shared_captures().into_iter().filter(|path| {
        // What is no capture at all would keep the others from being read.
        flowtap(["replay".as_ref(), path.as_os_str(), "--export".as_ref(), "null:".as_ref()]).status
            == Some(0)
    });
    captures.extend(whole);
    captures
}

#[test]
fn the_manifest_warns_of_what_is_not_protected() {
    let text = |target: &str| {
        let ended = flowtap(["manifest", "-i", "eth1", "--export", target]).well();
        ended.text().to_owned()
    };
    assert!(text("udp://192.0.2.1").contains("WITHOUT PROTECTION"));
    assert!(!text("tls://192.0.2.1").contains("WITHOUT PROTECTION"));
    assert!(!text("udp://127.0.0.1").contains("WITHOUT PROTECTION"));
}

#[test]
fn what_makes_no_sense_is_refused_as_capture_would() {
    flowtap(["manifest"]).with(2);
    flowtap(["manifest", "-i", "eth1", "--export", "ftp://c"]).with(2);
    flowtap(["manifest", "-i", "eth1", "--lang", "xx"]).with(2);
}
