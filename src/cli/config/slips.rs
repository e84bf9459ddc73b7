//! What libraries say of a slip, in words that tell what would be right.

use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::cli::config::document::NETWORKS;
use crate::cli::config::error::{ConfigError, Source};
use crate::cli::config::keys::KEYS;
use crate::export::{PrivacyOptions, TlsOptions, nearest, number_range};

/// The error for what is no TOML at all, with the key of its line.
pub(super) fn syntax(source: Source<'_>, span: &Range<usize>, message: &str) -> ConfigError {
    let start =
        source.text.get(..span.start).map_or(0, |before| before.rfind('\n').map_or(0, |at| at + 1));
    let line = source.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let (name, value) = line.split_once('=').map_or((line, ""), |(name, value)| (name, value));
    let (name, value) = (name.trim(), value.trim());
    let key = is_name(name).then(|| name.to_owned());
    let what = match message {
        _ if message.starts_with("string values must be quoted") => match value {
            "yes" | "on" | "Yes" | "On" | "True" => format!("`{value}`: use true"),
            "no" | "off" | "No" | "Off" | "False" => format!("`{value}`: use false"),
            _ => format!("`{value}`: text stands in quotes: {name} = \"{value}\""),
        },
        _ if message.starts_with("invalid float") || message.starts_with("invalid integer") => {
            format!("`{value}` is no number: text stands in quotes, and numbers as 1000000")
        }
        _ if message.starts_with("key with no value") => {
            "a key has a value: write KEY = VALUE, text in quotes".to_owned()
        }
        _ if message.starts_with("duplicate key") => "is there twice: leave one out".to_owned(),
        _ if message.contains("expected `'`") || message.contains("expected `\"`") => {
            "the quote at the end of the text is missing".to_owned()
        }
        _ => format!("is no TOML: {message}"),
    };
    let fault = source.fault(span, key, what);
    let header = source.text.get(..start).unwrap_or_default().lines().map(str::trim);
    let header = header.rev().find(|line| line.starts_with('['));
    let is_of_networks = header.is_some_and(|line| line.trim_matches(['[', ']', ' ']) == NETWORKS);
    // The line may be a list of addresses, or such a list in one line.
    if is_of_networks || line.contains(NETWORKS) { fault.told_as("is no TOML") } else { fault }
}

/// What serde says of the value of `key`, if it is something that we say better.
pub(super) fn of_value(key: &str, message: &str) -> String {
    // Of numbers it tells how many bits they have.
    let is_too_large = message.contains("too large") || message.contains("expected u");
    let name = key.rsplit('.').next().unwrap_or(key);
    if let Some(range) = number_range(name).filter(|_| is_too_large) {
        let found = message.split('`').nth(1);
        let other = message.strip_prefix("invalid type: ");
        return match other.filter(|found| !found.starts_with("integer")) {
            Some(found) => {
                let found = found.split(' ').next().unwrap_or(found);
                format!("is of type {found}: use a whole number, without quotes: {range}")
            }
            None => {
                found.map_or_else(|| format!("use {range}"), |it| format!("`{it}`: use {range}"))
            }
        };
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|it| it.split_once(", expected "))
    {
        let found = found.split(' ').next().unwrap_or(found);
        return format!("is of type {found}: use {}", kind(expected));
    }
    match message.strip_prefix("unknown variant ").and_then(|it| it.split_once(", expected ")) {
        Some((found, expected)) => format!("{found}: use {expected}"),
        None => message.to_owned(),
    }
}

/// What is expected, as TOML has it.
fn kind(expected: &str) -> &str {
    match expected {
        "a string" => {
            "text in quotes, of times and sizes with their unit, as in \"30s\" or \"100M\""
        }
        "a boolean" => "true or false",
        "a sequence" => "a list, as in [\"a\", \"b\"]",
        _ if expected.starts_with("struct ") => "a table, with its keys in the lines below",
        _ if expected.starts_with(['u', 'i']) => "a whole number, without quotes",
        _ => expected,
    }
}

/// What is wrong with a name that is none of `known`, which is called `what`.
pub(super) fn unknown<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let begins = |other: &&str| name.len() >= 3 && other.starts_with(name);
    let meant = nearest(name, known.iter().copied()).or_else(|| known.iter().copied().find(begins));
    if let Some(meant) = meant {
        return format!("`{name}` is no {what}: did you mean `{meant}`?");
    }
    match elsewhere(name, &known) {
        Some(table) => format!("`{name}` is no {what}: it stands in {table}"),
        None => format!("`{name}` is no {what}: use {}", known.join(", ")),
    }
}

/// The table that has such a key.
fn elsewhere(name: &str, known: &[&str]) -> Option<String> {
    let below =
        [("tls", knows::<TlsOptions> as fn(&str) -> bool), ("privacy", knows::<PrivacyOptions>)];
    let below = below.iter().find(|(table, knows)| known.contains(table) && knows(name));
    if let Some((table, _)) = below {
        return Some(format!("the table `{table}` of this one"));
    }
    if name.starts_with("interface") {
        return Some("tables of its own: [[interface]], and name = \"eth1\" below".to_owned());
    }
    KEYS.iter().find(|key| key.name == name).map(|key| format!("[{}]", key.section))
}

/// Whether a table that stands for `T` has such a key.
fn knows<T: DeserializeOwned>(name: &str) -> bool {
    let table = toml::from_str::<T>(&format!("{name} = 0"));
    is_name(name) && table.err().is_none_or(|error| !error.message().starts_with("unknown field"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}
