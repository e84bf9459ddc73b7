//! Runs the program as users do, and reads its ledger.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

/// The program under test.
pub(crate) const FLOWTAP: &str = env!("CARGO_BIN_EXE_flowtap");

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status; `None` for a signal.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails, with what the program said, unless it ended well.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        self.with(0)
    }

    /// Fails, with what the program said, unless it ended with this status.
    #[track_caller]
    pub(crate) fn with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "exit status; it said: {}", self.stderr);
        self
    }

    /// Standard output as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("output is text")
    }
}

/// Runs the program with these arguments and nothing on standard input.
pub(crate) fn flowtap<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    flowtap_reading(arguments, b"")
}

/// Runs the program with these arguments and these octets on standard input.
pub(crate) fn flowtap_reading<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Ended {
    let mut child = Command::new(FLOWTAP)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        // A program that does not want its input closes it: that is its right.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("the program can be waited for")
    });
    Ended {
        status: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Replays `capture` and returns its ledger, whose books were found balanced.
#[track_caller]
pub(crate) fn replay(capture: &Path, more: &[&str]) -> Summary {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary = folder.path().join("summary.json");
    let mut arguments = vec!["replay".into(), capture.display().to_string(), "--quiet".into()];
    arguments.extend(["--summary".into(), summary.display().to_string()]);
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    if !more.contains(&"--export") {
        arguments.extend(["--export".into(), "null:".into()]);
    }
    flowtap(arguments).well();
    let summary = Summary::read(&summary);
    summary.assert_balanced();
    summary
}

/// The sample capture of the project.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample.pcap")
}

/// The JSON ledger of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary(Map<String, Value>);

impl Summary {
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        Self::parse(&fs::read(path).expect("the summary was written"))
    }

    #[track_caller]
    pub(crate) fn parse(json: &[u8]) -> Self {
        match serde_json::from_slice(json).expect("the summary is JSON") {
            Value::Object(keys) => Self(keys),
            other => panic!("the summary is not an object: {other}"),
        }
    }

    /// The count under `key`.
    #[track_caller]
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.0
            .get(key)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("no count {key}: {self:?}"))
    }

    /// The number under `key`, whole or not.
    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> f64 {
        self.0
            .get(key)
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("no number {key}: {self:?}"))
    }

    /// The counts under `key`, by name.
    #[track_caller]
    pub(crate) fn counts(&self, key: &str) -> Vec<(String, u64)> {
        let Some(Value::Object(counts)) = self.0.get(key) else {
            panic!("no counts {key}: {self:?}");
        };
        counts
            .iter()
            .map(|(name, count)| (name.clone(), count.as_u64().expect("a count is a number")))
            .collect()
    }

    /// The sum of the counts under `key`.
    #[track_caller]
    pub(crate) fn sum(&self, key: &str) -> u64 {
        self.counts(key).iter().map(|(_, count)| count).sum()
    }

    /// One count under `key`; zero where it is not named.
    #[track_caller]
    pub(crate) fn count_of(&self, key: &str, name: &str) -> u64 {
        self.counts(key).into_iter().find(|(other, _)| other == name).map_or(0, |(_, count)| count)
    }

    /// The law of the ledger: received = metered + Σ ignored + filtered, metered = exported.
    #[track_caller]
    pub(crate) fn assert_balanced(&self) {
        assert_eq!(
            self.count("received_packets"),
            self.count("metered_packets")
                + self.sum("ignored_packets")
                + self.count("filtered_packets"),
            "received = metered + ignored + filtered: {self:?}"
        );
        assert_eq!(
            self.count("metered_packets"),
            self.count("exported_packets"),
            "metered = exported, in packets: {self:?}"
        );
        assert_eq!(
            self.count("metered_octets"),
            self.count("exported_octets"),
            "metered = exported, in octets: {self:?}"
        );
    }

    /// The ledger without what depends on the run and not on the capture: its duration, and the
    /// names of the targets.
    pub(crate) fn of_the_capture(mut self) -> Self {
        self.0.remove("elapsed_seconds");
        self.0.remove("targets");
        self.0.remove("confinement");
        self
    }
}
