//! How an event is written, and where to.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tracing::Level;

use crate::cli::log::entry::{Entry, Value};
use crate::cli::log::journal;

/// Where events go.
pub(super) struct Output {
    form: Form,
    lines: Box<dyn Write + Send>,
}

/// In which form.
#[derive(Debug)]
pub(super) enum Form {
    /// Lines for people.
    Text {
        /// Escape sequences for a terminal.
        colour: bool,
    },
    /// Lines for people, with time and level.
    Stamped,
    /// Lines that begin with their priority (sd-daemon(3)).
    Priority,
    /// A JSON object a line.
    Json,
    /// Fields to this socket.
    Journal(File),
}

impl Output {
    pub(super) fn to_standard_error(form: Form) -> Self {
        Self::to(form, Box::new(io::stderr()))
    }

    pub(super) fn to(form: Form, lines: Box<dyn Write + Send>) -> Self {
        Self { form, lines }
    }

    pub(super) const fn is_for_people(&self) -> bool {
        matches!(self.form, Form::Text { .. } | Form::Stamped)
    }

    pub(super) fn write(&mut self, entry: &Entry) {
        let line = match &mut self.form {
            Form::Text { colour } => text(entry, *colour),
            Form::Stamped => stamped(entry),
            Form::Priority => prioritized(entry),
            Form::Json => json(entry),
            Form::Journal(socket) => match socket.write_all(&journal::datagram(entry)) {
                Ok(()) => return,
                // What the journal does not take is not lost for that.
                Err(_) => prioritized(entry),
            },
        };
        // In one piece: other threads and processes may write, too. Where it cannot be written there
        // is nobody left to tell.
        let _ = self.lines.write_all(line.as_bytes());
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("form", &self.form).finish_non_exhaustive()
    }
}

/// Whether a terminal is to be written to in colour (no-color.org).
pub(super) fn is_coloured() -> bool {
    let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_refused && env::var_os("TERM").is_some_and(|name| name != "dumb")
}

/// As programs talk: name, whether it is a warning, and what.
fn text(entry: &Entry, colour: bool) -> String {
    let (name, warning) = match (entry.level, colour) {
        (Level::ERROR, true) => ("\x1b[1;31mflowtap:\x1b[0m", ""),
        (Level::WARN, true) => ("flowtap:", "\x1b[1;33mwarning:\x1b[0m "),
        (Level::WARN, false) => ("flowtap:", "warning: "),
        (Level::DEBUG, _) => ("flowtap:", "debug: "),
        _ => ("flowtap:", ""),
    };
    format!("{name} {warning}{}\n", printable(&entry.told()))
}

/// For a file that is read on the morning after.
fn stamped(entry: &Entry) -> String {
    let level = match entry.level {
        Level::INFO => "",
        Level::WARN => "warning: ",
        level => &format!("{}: ", name(level)),
    };
    format!("{:.3} flowtap: {level}{}\n", entry.time, printable(&entry.told()))
}

fn prioritized(entry: &Entry) -> String {
    format!("<{}>{}\n", journal::priority(entry.level), printable(&entry.told()))
}

fn json(entry: &Entry) -> String {
    // Nothing in an entry cannot be JSON.
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

/// As `--log-level` calls it.
fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// One line, with nothing that a terminal would take for an order: names of interfaces, files and
/// certificates may hold anything.
pub(in crate::cli) fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &format!("{:.6}", self.time))?;
        map.serialize_entry("level", name(self.level))?;
        map.serialize_entry("event", self.event)?;
        map.serialize_entry("component", self.component)?;
        map.serialize_entry("message", &self.message)?;
        for (name, value) in &self.fields {
            match value {
                Value::Text(text) => map.serialize_entry(name, text)?,
                Value::Number(number) => map.serialize_entry(name, number)?,
                Value::Real(number) => map.serialize_entry(name, number)?,
            }
        }
        if let Some((count, seconds)) = self.repeats {
            map.serialize_entry("repeats", &count)?;
            map.serialize_entry("repeats_seconds", &seconds)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::log::logger::testing::entry;

    fn with(level: Level) -> Entry {
        Entry { level, ..entry("session-restored") }
    }

    #[test]
    fn lines_for_people_are_as_programs_talk() {
        let lines = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].map(|level| {
            let entry = with(level);
            (text(&entry, false), stamped(&entry), prioritized(&entry))
        });
        assert_eq!(
            lines.each_ref().map(|it| it.0.as_str()),
            [
                "flowtap: all is well\n",
                "flowtap: warning: all is well\n",
                "flowtap: all is well\n",
                "flowtap: debug: all is well\n",
            ]
        );
        assert_eq!(
            lines.each_ref().map(|it| it.1.as_str()),
            [
                "2023-11-14T22:13:20.123Z flowtap: error: all is well\n",
                "2023-11-14T22:13:20.123Z flowtap: warning: all is well\n",
                "2023-11-14T22:13:20.123Z flowtap: all is well\n",
                "2023-11-14T22:13:20.123Z flowtap: debug: all is well\n",
            ]
        );
        let priorities = lines.map(|it| it.2);
        assert_eq!(
            priorities,
            ["<3>all is well\n", "<4>all is well\n", "<6>all is well\n", "<7>all is well\n"]
        );
        assert_eq!(
            text(&with(Level::WARN), true),
            "flowtap: \x1b[1;33mwarning:\x1b[0m all is well\n"
        );
    }

    #[test]
    fn nothing_in_a_message_is_an_order_to_a_terminal_or_another_line() {
        let entry =
            Entry { message: "a\nflowtap: b\x1b[2J\u{9b}é".to_owned(), ..entry("run-failed") };
        assert_eq!(text(&entry, false), "flowtap: warning: a\\nflowtap: b\\u{1b}[2J\\u{9b}é\n");
    }

    #[test]
    fn json_is_one_object_a_line_with_time_level_event_and_fields() {
        let fields = vec![
            ("target", Value::Text("tcp://c:4739".to_owned())),
            ("records", Value::Number(u64::MAX)),
            ("seconds", Value::Real(1.5)),
        ];
        let line = json(&Entry { fields, repeats: Some((41, 60)), ..with(Level::WARN) });
        // RFC 8259, RFC 3339.
        assert_eq!(
            line,
            r#"{"time":"2023-11-14T22:13:20.123456Z","level":"warn","event":"session-restored","component":"export","message":"all is well","target":"tcp://c:4739","records":18446744073709551615,"seconds":1.5,"repeats":41,"repeats_seconds":60}"#
                .to_owned() + "\n"
        );
    }
}
