//! What is wrong with a configuration file, and where.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::cli::UsageError;
use crate::cli::selection::SEEN_BY_CHECK;

/// What is wrong with a configuration file. One line that names file, line, column and key.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}:{column}: {}{what}", file.display(), named(key))]
    Wrong {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// The key, with its sections.
        key: Option<String>,
        /// What is wrong, and what would be right.
        what: String,
        /// The same with what the log is not told.
        in_full: Option<String>,
    },
    /// What was typed beside it does not go with it.
    #[error("{0}")]
    Typed(UsageError),
}

impl ConfigError {
    /// With whom a mistake among networks names: for who sits at the probe, and not for a log.
    pub(in crate::cli) fn in_full(&self) -> String {
        match self {
            Self::Wrong { file, line, column, key, in_full: Some(what), .. } => {
                format!("{}:{line}:{column}: {}{what}", file.display(), named(key))
            }
            other => other.to_string(),
        }
    }

    /// This fault, of which the log is told no more than `what`.
    pub(super) fn told_as(mut self, told: &str) -> Self {
        if let Self::Wrong { what, in_full, .. } = &mut self {
            *in_full = Some(std::mem::replace(what, format!("{told}{SEEN_BY_CHECK}")));
        }
        self
    }
}

fn named(key: &Option<String>) -> String {
    key.as_ref().map(|key| format!("`{key}`: ")).unwrap_or_default()
}

/// A file and what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The error for what stands at `span`, in octets.
    pub(super) fn fault(
        &self,
        span: &Range<usize>,
        key: Option<String>,
        what: impl Into<String>,
    ) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        // One line to be read at a glance, whatever the file has and the libraries say.
        let what: String = what.into().split_whitespace().collect::<Vec<_>>().join(" ");
        let (key, what) = (key.map(|key| shortened(&key, 80)), shortened(&what, 600));
        let file = self.file.to_owned();
        ConfigError::Wrong { file, line, column, key, what, in_full: None }
    }
}

/// The text, or as many characters of it and a sign that there were more.
fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
