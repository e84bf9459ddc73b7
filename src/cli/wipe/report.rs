//! What was erased, for people and for programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

/// What something on disk is to the probe.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    /// The key of a spool: without it what waits there cannot be read.
    SpoolKey,
    /// A key of pseudonyms: whoever has it can turn them back.
    PseudonymKey,
    /// The private key of the probe, for TLS.
    PrivateKey,
    /// Records that wait, encrypted.
    SpoolRecords,
    /// What keeps two probes from one spool.
    SpoolLock,
    /// Flow records, or a ledger, that were written as a file.
    Records,
    /// Options, and what they name.
    Configuration,
    /// A directory, or a link to one.
    Directory,
    /// What no probe made, as far as can be told.
    Foreign,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SpoolKey => "spool key",
            Self::PseudonymKey => "pseudonym key",
            Self::PrivateKey => "private key",
            Self::SpoolRecords => "spool",
            Self::SpoolLock => "lock",
            Self::Records => "records",
            Self::Configuration => "configuration",
            Self::Directory => "directory",
            Self::Foreign => "other",
        }
    }

    /// Whether it is overwritten before it is removed. What waits in a spool is encrypted: it is
    /// gone with its key, and to overwrite gigabytes would add nothing.
    pub(super) const fn is_overwritten(self) -> bool {
        match self {
            Self::SpoolKey
            | Self::PseudonymKey
            | Self::PrivateKey
            | Self::Records
            | Self::Configuration => true,
            Self::SpoolRecords | Self::SpoolLock | Self::Directory | Self::Foreign => false,
        }
    }
}

/// What became of one of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Erased,
    WouldBeErased,
    NotThere,
    /// It stays, for this reason.
    Left(String),
    /// It should be gone and is not, for this reason.
    Failed(String),
}

impl Outcome {
    const fn name(&self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::WouldBeErased => "would be erased",
            Self::NotThere => "was not there",
            Self::Left(_) => "left",
            Self::Failed(_) => "NOT ERASED",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
}

impl Entry {
    fn how(&self) -> String {
        match &self.outcome {
            Outcome::Left(reason) | Outcome::Failed(reason) => reason.clone(),
            Outcome::NotThere => String::new(),
            Outcome::Erased | Outcome::WouldBeErased if self.kind.is_overwritten() => {
                "overwritten, synced, removed".to_owned()
            }
            Outcome::Erased | Outcome::WouldBeErased => "removed".to_owned(),
        }
    }
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Report(pub(super) Vec<Entry>);

impl Report {
    pub(super) fn failures(&self) -> usize {
        self.0.iter().filter(|entry| matches!(entry.outcome, Outcome::Failed(_))).count()
    }

    fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|entry| entry.outcome.name() == name).count()
    }

    /// A line for each file, sums, and what erasing is worth.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for entry in &self.0 {
            let (outcome, kind, path) = (entry.outcome.name(), entry.kind.name(), &entry.path);
            let _ = write!(text, "{outcome:<15}  {kind:<13}  {}", path.display());
            match entry.how() {
                how if how.is_empty() => text.push('\n'),
                how => {
                    let _ = writeln!(text, "  ({how})");
                }
            }
        }
        if self.0.is_empty() {
            text.push_str("nothing of a probe was found\n");
        }
        let sums: Vec<_> = ["erased", "would be erased", "was not there", "left", "NOT ERASED"]
            .into_iter()
            .map(|name| (name, self.count(name)))
            .filter(|&(_, count)| count > 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if !sums.is_empty() {
            let _ = writeln!(text, "\n{}", sums.join(", "));
        }
        let _ = write!(text, "\n{LIMITS}");
        text
    }

    pub(super) fn json(&self) -> String {
        let entries: Vec<Value> = self
            .0
            .iter()
            .map(|entry| {
                json!({
                    "path": entry.path.to_string_lossy(),
                    "kind": entry.kind.name().replace(' ', "_"),
                    "result": entry.outcome.name().to_lowercase().replace(' ', "_"),
                    "detail": entry.how(),
                })
            })
            .collect();
        let report = json!({
            "files": entries,
            "erased": self.count("erased"),
            "not_erased": self.failures(),
            "limits": LIMITS.replace('\n', " "),
        });
        serde_json::to_string_pretty(&report).unwrap_or_default()
    }
}

/// Said each time: a promise without it would be a lie.
const LIMITS: &str = "\
What this is worth: records in a spool are encrypted, and gone with the key; a key that was in memory
only went with the process. Overwriting reaches the place where a file lies only if the disk and the
file system write in place. SSDs, journals, copy-on-write file systems, snapshots and backups may hold
older copies: encrypt the whole disk, or destroy it. Messages of the probe are in the journal of the
system, and hold no address of observed traffic; files exported elsewhere are not looked for.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_told_with_its_reason_and_counted() {
        let entry = |kind, outcome| Entry { path: "/x".into(), kind, outcome };
        let report = Report(vec![
            entry(Kind::SpoolKey, Outcome::Erased),
            entry(Kind::SpoolRecords, Outcome::Erased),
            entry(Kind::Configuration, Outcome::NotThere),
            entry(Kind::Foreign, Outcome::Left("not of a probe".into())),
            entry(Kind::Directory, Outcome::Failed("not empty".into())),
        ]);
        let text = report.text();
        for line in [
            "erased           spool key      /x  (overwritten, synced, removed)\n",
            "erased           spool          /x  (removed)\n",
            "was not there    configuration  /x\n",
            "left             other          /x  (not of a probe)\n",
            "NOT ERASED       directory      /x  (not empty)\n",
            "\n2 erased, 1 was not there, 1 left, 1 NOT ERASED\n",
            "SSDs",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        let value: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((&value["erased"], &value["not_erased"]), (&json!(2), &json!(1)));
        assert_eq!(value["files"][4]["result"], "not_erased");
        assert_eq!(report.failures(), 1);
    }
}
