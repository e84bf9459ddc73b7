//! One event, as its fields came.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::cli::log::catalogue::{Kind, kind};

/// What was said.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// By which it is told for how long it goes on.
    pub(super) at: Instant,
    pub(super) time: Timestamp,
    pub(super) level: Level,
    /// What it is, in a word that does not change.
    pub(super) event: &'static str,
    /// Which part of the program says it.
    pub(super) component: &'static str,
    pub(super) file: Option<&'static str>,
    pub(super) line: Option<u32>,
    /// For people: with all of it in.
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
    /// How many were not said in its place, and in how many seconds.
    pub(super) repeats: Option<(u64, u64)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Real(f64),
}

impl Entry {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let (at, time) = now();
        let mut entry = Self {
            at,
            time,
            level: *metadata.level(),
            event: metadata.name(),
            component: metadata.target().strip_prefix(OURS).unwrap_or_default(),
            file: metadata.file(),
            line: metadata.line(),
            message: String::new(),
            fields: Vec::new(),
            repeats: None,
        };
        event.record(&mut entry);
        entry
    }

    pub(super) fn kind(&self) -> Option<&'static Kind> {
        kind(self.event)
    }

    /// Whether another one says the same of the same; what it says of it may differ.
    pub(super) fn subject(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.event.hash(&mut hasher);
        for (name, value) in self.fields.iter().filter(|(name, _)| SUBJECTS.contains(name)) {
            name.hash(&mut hasher);
            value.to_string().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// What people read, and how often it would have been there.
    pub(super) fn told(&self) -> String {
        match self.repeats {
            Some((count, seconds)) => {
                format!("{} (and {count} more of these in {seconds} s)", self.message)
            }
            None => self.message.clone(),
        }
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", value) => self.message = value.to_string(),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, Value::Text(bounded(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(bounded(value.to_owned())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Number(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Real(value));
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
        }
    }
}

/// A text of bounded length: a datagram has one, and so has our memory.
fn bounded(mut text: String) -> String {
    if text.len() > MOST_OCTETS {
        let end = (0..=MOST_OCTETS).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "when something is said is the time of nothing else")]
fn now() -> (Instant, Timestamp) {
    let time = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    (Instant::now(), time)
}

/// Before the names of our components.
pub(super) const OURS: &str = "flowtap::";
/// Fields that tell what an event is of.
const SUBJECTS: [&str; 4] = ["interface", "target", "worker", "check"];
/// With a handful of fields far below what a datagram may have, which is some 200 KiB.
const MOST_OCTETS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(bounded("short".to_owned()), "short");
        let long = bounded("é".repeat(MOST_OCTETS));
        assert_eq!(long, format!("{}…", "é".repeat(MOST_OCTETS / 2)));
        let odd = bounded(format!("x{}", "é".repeat(MOST_OCTETS)));
        assert!(odd.len() <= MOST_OCTETS + '…'.len_utf8() && odd.ends_with("é…"));
    }
}
