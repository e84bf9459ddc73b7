//! A replay, and what it says of itself: its ledger, and its records as JSON, beside the target under
//! test.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::generate;
use crate::peers::Found;
use crate::run::{FLOWTAP, flowtap, sample};

/// A capture to send through every collector.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) capture: PathBuf,
    pub(crate) folder: TempDir,
}

/// Real traffic of many kinds, and a lot of traffic of few kinds.
pub(crate) fn cases() -> [Case; 2] {
    let folder = || tempfile::tempdir().expect("a temporary folder");
    let many = folder();
    let capture = many.path().join("conversations.pcap");
    generate::conversations(&capture, 2000, 4);
    [
        Case { name: "the sample", capture: sample(), folder: folder() },
        Case { name: "many conversations", capture, folder: many },
    ]
}

/// What a replay tells of itself.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// What the target was sent.
    pub(crate) sent: Found,
    /// Of each record the start of its directions, forward and reverse, in milliseconds since 1970.
    pub(crate) starts: Vec<[Option<i64>; 2]>,
    pub(crate) ends: Vec<[Option<i64>; 2]>,
}

impl Replayed {
    /// Replays into one target.
    #[track_caller]
    pub(crate) fn into(capture: &Path, target: &str) -> Self {
        Self::by(&mut Command::new(FLOWTAP), capture, target)
    }

    /// The same by a program that runs flowtap, in another namespace say.
    #[track_caller]
    pub(crate) fn by(program: &mut Command, capture: &Path, target: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [json, summary] = ["flows.json", "summary.json"].map(|name| folder.path().join(name));
        program.args(["replay", "--quiet", "--export", target]).arg(capture);
        program.arg("--export").arg(format!("json:{}", json.display()));
        crate::program::run(program.arg("--summary").arg(&summary));
        let summary: Value =
            serde_json::from_slice(&fs::read(summary).expect("a ledger")).expect("JSON");
        let records = fs::read_to_string(json).expect("records");
        let records: Vec<Value> =
            records.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let times = |names: [&str; 2]| {
            let time = |record: &Value, name| Some(milliseconds(record.get(name)?.as_str()?));
            records.iter().map(|record| names.map(|name| time(record, name))).collect()
        };
        Self {
            sent: sent(&summary),
            starts: times(["flowStartMilliseconds", "reverseFlowStartMilliseconds"]),
            ends: times(["flowEndMilliseconds", "reverseFlowEndMilliseconds"]),
        }
    }
}

/// What the first target was sent, after a check of the books: all of it, and all that was metered.
#[track_caller]
pub(crate) fn sent(summary: &Value) -> Found {
    let target = summary.pointer("/targets/0").expect("it has a target");
    assert_eq!(target["error"], Value::Null, "{target}");
    for what in ["flows", "packets", "octets"] {
        assert_eq!(target[format!("lost_{what}")], 0, "{target}");
        assert_eq!(target[format!("sent_{what}")], target[format!("given_{what}")], "{target}");
    }
    for what in ["packets", "octets"] {
        assert_eq!(summary[format!("metered_{what}")], summary[format!("exported_{what}")]);
        assert_eq!(target[format!("sent_{what}")], summary[format!("exported_{what}")], "{target}");
    }
    let count = |what: &str| target[format!("sent_{what}")].as_u64().expect("a count");
    Found { flows: count("flows"), packets: count("packets"), octets: count("octets") }
}

/// The profiles as the program tells them.
pub(crate) fn profiles() -> Vec<Value> {
    let told = flowtap(["profiles", "--format", "json"]).well();
    serde_json::from_str(told.text()).expect("JSON")
}

/// A time in the form of RFC 3339.
#[track_caller]
pub(crate) fn milliseconds(text: &str) -> i64 {
    let time: jiff::Timestamp = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    time.as_millisecond()
}

/// In order, for comparisons.
pub(crate) fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values
}
