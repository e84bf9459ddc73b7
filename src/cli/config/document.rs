//! A configuration file as written: its keys as words of a command line, and its tables.

use std::ops::Range;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory as _};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::cli::args::{Arguments, Described, Direction};
use crate::cli::config::error::{ConfigError, Source};
use crate::cli::config::keys::{Key, SECTIONS};
use crate::cli::config::slips::{self, unknown};
use crate::cli::config::targets::{self, Placed};
use crate::export::PrivacyOptions;
use crate::flow::NetworkError;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Keys that stand for options.
    pub(super) given: Vec<Given>,
    /// Interfaces, and where each stands.
    pub(super) interfaces: Vec<(Described, Range<usize>)>,
    /// Targets that have tables, in the order of the file.
    pub(super) targets: Vec<Placed>,
    /// For targets that say nothing of privacy.
    pub(super) privacy: Option<Privacy>,
}

/// The table of what is for all targets.
#[derive(Debug)]
pub(super) struct Privacy {
    pub(super) options: PrivacyOptions,
    pub(super) span: Range<usize>,
    pub(super) keys: Vec<(String, Range<usize>)>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) key: &'static Key,
    pub(super) words: Vec<String>,
    pub(super) span: Range<usize>,
}

impl Document {
    /// Reads what each key and table says for itself; what they say together is another matter.
    pub(super) fn read(source: Source<'_>) -> Result<Self, ConfigError> {
        let root = DeTable::parse(source.text).map_err(|error| {
            slips::syntax(source, &error.span().unwrap_or_default(), error.message())
        })?;
        let mut document = Self::default();
        let root = root.into_inner();
        for (name, value) in &root {
            let (span, section) = (name.span(), name.get_ref().as_ref());
            match section {
                "interface" => document.read_interfaces(source, value)?,
                "privacy" => {
                    let privacy = read(source, section, value)?;
                    let keys = match value.get_ref() {
                        DeValue::Table(keys) => keys
                            .iter()
                            .map(|(name, _)| (name.get_ref().to_string(), name.span()))
                            .collect(),
                        _ => Vec::new(),
                    };
                    document.privacy = Some(Privacy { options: privacy, span, keys });
                }
                _ if targets::KINDS.contains(&section) => {
                    for (number, table) in tables(source, section, value)?.iter().enumerate() {
                        let path = format!("{section}[{number}]");
                        document.targets.push(targets::read(source, section, &path, table)?);
                    }
                }
                _ if SECTIONS.iter().any(|(known, _)| *known == section) => {
                    document.read_section(source, section, value)?;
                }
                _ => return Err(source.fault(&span, None, unknown(section, sections(), "table"))),
            }
        }
        document.given.sort_by_key(|given| given.span.start);
        document.targets.sort_by_key(|target| target.span.start);
        Ok(document)
    }

    fn read_section(
        &mut self,
        source: Source<'_>,
        section: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let DeValue::Table(table) = value.get_ref() else {
            let what = format!("is a table: write [{section}], and keys in the lines below");
            return Err(source.fault(&value.span(), Some(section.to_owned()), what));
        };
        let command = Arguments::command();
        for (name, value) in table {
            let fault = |span, what| {
                source.fault(&span, Some(format!("{section}.{name}", name = name.get_ref())), what)
            };
            let Some(key) = Key::find(section, name.get_ref()) else {
                let known = Key::of(section).map(|key| key.name);
                let what = unknown(name.get_ref(), known, &format!("key of [{section}]"));
                return Err(source.fault(&name.span(), None, what));
            };
            let long = long_of(&command, key);
            let words =
                key.words(&long, value.get_ref()).map_err(|what| fault(value.span(), what))?;
            // Alone, so that what is wrong with it is known to be wrong with it.
            if let Err(error) = alone(&words)
                && !is_of_several(error.kind())
            {
                let fault = fault(value.span(), reason(&error));
                return Err(match std::error::Error::source(&error) {
                    Some(source) if section == NETWORKS => {
                        let error = source.downcast_ref::<NetworkError>();
                        fault.told_as(&error.map_or_else(
                            || "is no network".to_owned(),
                            NetworkError::without_address,
                        ))
                    }
                    _ => fault,
                });
            }
            self.given.push(Given { key, words, span: name.span() });
        }
        Ok(())
    }

    fn read_interfaces(
        &mut self,
        source: Source<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        for (number, table) in tables(source, "interface", value)?.iter().enumerate() {
            let path = format!("interface[{number}]");
            let InterfaceTable { name, direction, description } = read(source, &path, table)?;
            let span = name.span();
            let name = name.into_inner();
            if name.is_empty() {
                let what = "is empty: use the name of an interface, as ip link tells it";
                return Err(source.fault(&span, Some(format!("{path}.name")), what));
            }
            let direction = direction.map(|direction| match direction {
                DirectionWord::Ingress => Direction::Ingress,
                DirectionWord::Egress => Direction::Egress,
            });
            self.interfaces.push((Described { name, direction, description }, span));
        }
        Ok(())
    }
}

/// What `[[interface]]` has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceTable {
    name: Spanned<String>,
    direction: Option<DirectionWord>,
    description: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DirectionWord {
    Ingress,
    Egress,
}

/// Reads a table into what it stands for; `path` is how it is called in messages.
pub(super) fn read<'de, T: Deserialize<'de>>(
    source: Source<'_>,
    path: &str,
    value: &Spanned<DeValue<'de>>,
) -> Result<T, ConfigError> {
    T::deserialize(ValueDeserializer::from(value.clone())).map_err(|error| {
        let span = error.span().unwrap_or_else(|| value.span());
        let key = key_at(path, value.get_ref(), span.start).unwrap_or_else(|| path.to_owned());
        match unknown_field(error.message()) {
            Some((name, known)) => {
                let table = key.strip_suffix(name).and_then(|it| it.strip_suffix('.'));
                let what = format!("key of {}", table.unwrap_or(path));
                source.fault(&span, None, unknown(name, known, &what))
            }
            None => {
                let what = slips::of_value(&key, error.message());
                source.fault(&span, Some(key), what)
            }
        }
    })
}

/// The tables of an array of them.
pub(super) fn tables<'a, 'de>(
    source: Source<'_>,
    name: &str,
    value: &'a Spanned<DeValue<'de>>,
) -> Result<Vec<&'a Spanned<DeValue<'de>>>, ConfigError> {
    let wrong = |span| {
        let what = format!("there may be several: write [[{name}]], and keys in the lines below");
        source.fault(&span, Some(name.to_owned()), what)
    };
    let DeValue::Array(array) = value.get_ref() else { return Err(wrong(value.span())) };
    let is_table = |value: &&Spanned<DeValue<'_>>| !matches!(value.get_ref(), DeValue::Table(_));
    match array.iter().find(is_table) {
        Some(other) => Err(wrong(other.span())),
        None => Ok(array.iter().collect()),
    }
}

/// The key that something stands at, below `path`.
fn key_at(path: &str, value: &DeValue<'_>, offset: usize) -> Option<String> {
    match value {
        DeValue::Table(table) => table.iter().find_map(|(name, value)| {
            let path = format!("{path}.{}", name.get_ref());
            let is_here = name.span().contains(&offset) || value.span().contains(&offset);
            key_at(&path, value.get_ref(), offset).or_else(|| is_here.then_some(path))
        }),
        DeValue::Array(values) => {
            values.iter().find_map(|value| key_at(path, value.get_ref(), offset))
        }
        _ => None,
    }
}

/// The name and the known ones, if `message` is what serde says of an unknown field.
fn unknown_field(message: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let (name, known) = message.strip_prefix("unknown field `")?.split_once("`, expected ")?;
    // Names stand between backticks.
    Some((name, known.split('`').skip(1).step_by(2)))
}

/// Every table at the top.
fn sections() -> impl Iterator<Item = &'static str> {
    let named = SECTIONS.iter().map(|(name, _)| *name);
    ["interface"].into_iter().chain(named).chain(["privacy"]).chain(targets::KINDS)
}

/// The name of the option of a key.
pub(super) fn long_of(command: &clap::Command, key: &Key) -> String {
    long_name(command, key.option)
}

/// The name that an option has on the command line.
pub(super) fn long_name(command: &clap::Command, id: &str) -> String {
    let capture = command.find_subcommand("capture");
    let mut arguments = capture.into_iter().flat_map(clap::Command::get_arguments);
    let argument = arguments.find(|argument| argument.get_id() == id);
    argument.and_then(clap::Arg::get_long).unwrap_or(id).to_owned()
}

/// What words mean if nothing else is said.
pub(super) fn alone(words: &[String]) -> Result<ArgMatches, clap::Error> {
    let front = ["flowtap", "capture"].into_iter();
    Arguments::command().try_get_matches_from(front.chain(words.iter().map(String::as_str)))
}

/// The section whose values are addresses of the observed network.
pub(super) const NETWORKS: &str = "networks";

/// Whether an error is of what does not go together, and not of one value.
pub(super) fn is_of_several(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict)
}

/// What the command line would say of a value, without the name of the option.
fn reason(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let value = text(ContextKind::InvalidValue);
    let cause = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => format!("use {}", text(ContextKind::ValidValue)),
    };
    if value.is_empty() { format!("is empty: {cause}") } else { format!("`{value}`: {cause}") }
}
