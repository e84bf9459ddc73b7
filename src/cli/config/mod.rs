//! The configuration file: TOML that says what the flags of `flowtap capture` say, and more.
//!
//! A key of a section becomes a word of the command line, in front of those that were typed, and is
//! read, bounded and combined with others by what reads those ([`keys`]). So flags override the file,
//! the file overrides defaults, and nothing is validated twice. Interfaces and targets have tables of
//! their own ([`document`], [`targets`]).

mod document;
mod error;
mod keys;
mod print;
mod slips;
mod targets;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use crate::capture::live;
use crate::cli::UsageError;
use crate::cli::args::{Arguments, Capture, Command, Manifest};
use crate::cli::sense::{self, Fault, Place, Places};
use crate::export::{JsonOutput, JsonTarget, PrivacyOptions, Target, TargetError};
use crate::regular_file;
use document::{Document, Privacy, alone, is_of_several, long_of};
pub(super) use error::ConfigError;
use error::Source;
use keys::Key;
pub(super) use print::default_text;

/// What is in effect: arguments as if all of it had been typed.
#[derive(Debug)]
pub(super) struct Effective {
    pub(super) capture: Capture,
    matches: ArgMatches,
    origins: Origins,
}

/// Where everything is from.
#[derive(Debug)]
struct Origins {
    /// Of the file.
    text: String,
    /// Options that the file has keys for, these and where they stand.
    keys: Vec<(&'static str, String, Range<usize>)>,
    /// Its tables of targets.
    targets: Vec<(String, Range<usize>)>,
    /// Options of the command line, by their ids.
    typed: Vec<String>,
}

impl Effective {
    /// Joins `words`, a command line of `flowtap capture` or `flowtap manifest`, with a file.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the file.
    pub(super) fn of(words: &[OsString], file: &Path) -> Result<Self, ConfigError> {
        let octets = regular_file::read(file, MOST_OCTETS)
            .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
        let source = Source { file, text: text_of(file, &octets)? };
        let mut document = Document::read(source)?;
        let typed_options = typed(words);
        let says = |id: &str| typed_options.iter().any(|typed| typed == id);
        let given: Vec<_> = document.given.iter().filter(|given| !says(given.key.option)).collect();
        let interfaces = document.interfaces.iter().filter(|_| !says(INTERFACE));
        let interfaces = interfaces.map(|(described, _)| format!("--interface={}", described.name));
        let from_file = given.iter().flat_map(|given| given.words.iter().cloned());
        let from_file = from_file.chain(interfaces).map(OsString::from);
        // Behind the name of the command, so that what was typed comes last.
        let (front, typed) = match words {
            [program, command, typed @ ..] => (vec![program.clone(), command.clone()], typed),
            _ => (["flowtap", "capture"].map(OsString::from).to_vec(), words),
        };
        let all = front.into_iter().chain(from_file).chain(typed.iter().cloned());
        let wrong = |error: clap::Error| blame(source, &document, &error);
        let matches = Arguments::command().try_get_matches_from(all).map_err(wrong)?;
        let command = Arguments::from_arg_matches(&matches).map_err(wrong)?.command;
        let (Command::Capture(mut capture) | Command::Manifest(Manifest { mut capture, .. })) =
            command
        else {
            unreachable!("no other command has a configuration")
        };
        let targets = &mut capture.meter.export;
        if says(EXPORT) {
            document.targets.clear();
        }
        targets.extend(document.targets.iter().map(|placed| placed.target.clone()));
        if let Some(privacy) = &document.privacy {
            apply(source, privacy, targets)?;
        }
        check_interfaces(source, &document)?;
        capture.config = Some(file.to_owned());
        let origins = Origins {
            text: source.text.to_owned(),
            keys: document
                .given
                .iter()
                .map(|given| (given.key.option, given.key.path(), given.span.clone()))
                .collect(),
            targets: document.targets.iter().map(|it| (it.path.clone(), it.span.clone())).collect(),
            typed: typed_options,
        };
        capture.described = document.interfaces.into_iter().map(|(it, _)| it).collect();
        let effective = Self { capture, matches, origins };
        effective.refuse(Places::of(&effective.capture).clash())?;
        Ok(effective)
    }

    /// Whether a run can be as this says, on whatever machine.
    ///
    /// # Errors
    ///
    /// The first thing that contradicts itself.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let is_typed = |id: &str| self.origins.typed.iter().any(|typed| typed == id);
        let id_of = |place| match place {
            Place::Option(id) => id,
            Place::Target(_) => EXPORT,
        };
        // Flags override the file, they do not contradict it.
        let is_overridden = |fault: &&Fault| {
            fault.against.is_some_and(|other| is_typed(other) != is_typed(id_of(fault.place)))
        };
        let faults = sense::contradictions(&self.capture);
        self.refuse(faults.into_iter().find(|fault| !is_overridden(&fault)))
    }

    /// Makes an error of what is wrong, with the place where it stands.
    fn refuse(&self, fault: Option<Fault>) -> Result<(), ConfigError> {
        let Some(fault) = fault else { return Ok(()) };
        let Origins { text, keys, targets, .. } = &self.origins;
        let file = self.capture.config.as_deref().unwrap_or_else(|| Path::new(""));
        let key = |option| {
            let (_, path, span) = keys.iter().find(|(known, ..)| *known == option)?;
            Some((path, span))
        };
        let found = match fault.place {
            Place::Option(option) => key(option),
            Place::Target(number) => {
                // Tables stand behind the others.
                let others = self.capture.meter.export.len().saturating_sub(targets.len());
                let table = number.checked_sub(others).and_then(|number| targets.get(number));
                table.map(|(path, span)| (path, span)).or_else(|| key(EXPORT))
            }
        };
        Err(match found {
            Some((path, span)) => Source { file, text }.fault(span, Some(path.clone()), fault.what),
            None => ConfigError::Typed(fault.typed()),
        })
    }

    /// The words of the file and of the command line, as they were read.
    pub(super) const fn matches(&self) -> &ArgMatches {
        &self.matches
    }

    /// What differs from `before` and takes a restart to change, by its keys.
    pub(super) fn fixed_changes(&self, before: &Self) -> Vec<String> {
        let changed = self.changed_keys(before).filter(|key| !key.is_reloaded());
        let mut changed: Vec<_> = changed.map(Key::path).collect();
        if (&self.capture.interface, &self.capture.described)
            != (&before.capture.interface, &before.capture.described)
        {
            changed.insert(0, "interface".to_owned());
        }
        changed
    }

    /// What differs from `before` and is followed without a restart, in a word each; of targets and networks tell
    /// those who know them.
    pub(super) fn followed_changes(&self, before: &Self) -> Vec<String> {
        let changed = self.changed_keys(before).filter(|key| key.is_reloaded());
        let mut changed: Vec<_> = changed.filter_map(Key::subject).collect();
        changed.dedup();
        changed
    }

    fn changed_keys(&self, before: &Self) -> impl Iterator<Item = &'static Key> {
        let (now, then) = (print::values(&self.matches), print::values(&before.matches));
        let pairs = now.into_iter().zip(then);
        pairs.filter(|((_, now), (_, before))| now != before).map(|((key, _), _)| key)
    }

    /// The same as TOML that can be used in its place.
    pub(super) fn text(&self) -> String {
        print::effective(&self.capture, &self.matches)
    }
}

/// The capture that `words` ask for, with what their file says if they name one; then that is told
/// besides.
///
/// # Errors
///
/// What is wrong with the file, or that nothing is to be observed.
pub(super) fn merged(
    capture: Capture,
    words: &[OsString],
) -> anyhow::Result<(Capture, Option<Effective>)> {
    let (capture, effective) = match &capture.config {
        Some(file) => {
            let effective = Effective::of(words, file)?;
            (effective.capture.clone(), Some(effective))
        }
        None => (capture, None),
    };
    check_any_interface(&capture)?;
    Ok((capture, effective))
}

/// As [`merged`], for a manifest; the unit of a service may name the interface beside the file.
pub(super) fn merged_manifest(
    mut manifest: Manifest,
    words: &[OsString],
) -> anyhow::Result<Manifest> {
    match manifest.file.as_ref().or(manifest.capture.config.as_ref()) {
        Some(file) => manifest.capture = Effective::of(words, file)?.capture,
        None => check_any_interface(&manifest.capture)?,
    }
    Ok(manifest)
}

/// What a file says for the words of another command that takes some options of `flowtap capture`.
pub(super) fn merged_for(words: &[OsString], file: &Path) -> Result<Capture, ConfigError> {
    Ok(Effective::of(&as_capture(words), file)?.capture)
}

/// The same command line for `flowtap capture`, of the options that it has.
fn as_capture(words: &[OsString]) -> Vec<OsString> {
    let mut capture = ["flowtap", "capture"].map(OsString::from).to_vec();
    let command = Arguments::command();
    let Ok(matches) = command.clone().try_get_matches_from(words) else { return capture };
    let (Some((_, matches)), Some(known)) =
        (matches.subcommand(), command.find_subcommand("capture"))
    else {
        return capture;
    };
    for id in typed(words).iter().filter(|id| *id != CONFIG) {
        let argument = known.get_arguments().find(|argument| argument.get_id() == id.as_str());
        let Some(long) = argument.and_then(clap::Arg::get_long) else { continue };
        let takes_values = argument.is_some_and(|it| it.get_action().takes_values());
        match matches.get_raw(id).filter(|_| takes_values) {
            Some(values) => capture.extend(values.map(|value| {
                let mut word = OsString::from(format!("--{long}="));
                word.push(value);
                word
            })),
            None => capture.push(format!("--{long}").into()),
        }
    }
    capture
}

/// Refuses options that mean nothing beside the first of `known`.
pub(super) fn refuse_all_but(words: &[OsString], known: &[&str]) -> Result<(), UsageError> {
    let stray = typed(words).into_iter().find(|id| !known.contains(&id.as_str()));
    match (stray, known.first()) {
        (Some(id), Some(first)) => {
            let option = id.replace('_', "-");
            Err(UsageError(format!("--{option} does not go with --{first}: leave one out")))
        }
        _ => Ok(()),
    }
}

fn check_any_interface(capture: &Capture) -> Result<(), UsageError> {
    if !capture.interface.is_empty() {
        return Ok(());
    }
    Err(UsageError(
        "no interface to observe: use --interface, or [[interface]] in the file of --config".into(),
    ))
}

/// Whether a run can be as these arguments say.
///
/// # Errors
///
/// The first thing that contradicts itself, at its place in the file of `effective` if there is one.
pub(super) fn check(capture: &Capture, effective: Option<&Effective>) -> anyhow::Result<()> {
    if let Some(effective) = effective {
        return Ok(effective.check()?);
    }
    let clash = Places::of(capture).clash().into_iter();
    match clash.chain(sense::contradictions(capture)).next() {
        Some(fault) => Err(fault.typed().into()),
        None => Ok(()),
    }
}

/// The name that an option has on the command line.
pub(super) fn option_name(id: &str) -> String {
    document::long_name(&Arguments::command(), id)
}

/// What a file says alone.
pub(super) fn of_file(file: &Path) -> Result<Effective, ConfigError> {
    Effective::of(&[], file)
}

fn text_of<'a>(file: &Path, octets: &'a [u8]) -> Result<&'a str, ConfigError> {
    str::from_utf8(octets).map_err(|error| {
        let end = error.valid_up_to();
        let before = octets.get(..end).and_then(|octets| str::from_utf8(octets).ok());
        let source = Source { file, text: before.unwrap_or_default() };
        source.fault(&(end..end), None, "is no UTF-8, as TOML has to be: save the file as such")
    })
}

/// The options that are on a command line, by their ids.
fn typed(words: &[OsString]) -> Vec<String> {
    let Ok(matches) = Arguments::command().try_get_matches_from(words) else { return Vec::new() };
    let Some((_, matches)) = matches.subcommand() else { return Vec::new() };
    let is_typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let ids = matches.ids().map(clap::Id::as_str);
    ids.filter(is_typed).map(str::to_owned).collect()
}

/// Gives targets the privacy of all, where they say nothing of their own.
fn apply(source: Source<'_>, privacy: &Privacy, targets: &mut [Target]) -> Result<(), ConfigError> {
    let Privacy { options, span, keys } = privacy;
    let fault = |what| source.fault(span, Some("privacy".to_owned()), what);
    let is_nobody = targets.is_empty();
    // What it says has to go together also where it is for nobody.
    let mut stand_in = [Target::Json(JsonTarget {
        output: JsonOutput::Standard,
        privacy: PrivacyOptions::default(),
    })];
    for target in if is_nobody { &mut stand_in } else { targets } {
        target.default_privacy(options);
        target.check().map_err(|error| {
            let key = match &error {
                TargetError::Option { error, .. } => error.key(),
                _ => None,
            };
            match keys.iter().find(|(name, _)| key == Some(name.as_str())) {
                Some((name, span)) => {
                    source.fault(span, Some(format!("privacy.{name}")), error.to_string())
                }
                None => fault(error.to_string()),
            }
        })?;
    }
    if is_nobody && !options.policy().is_as_is() {
        // What a run without target prints is not for anybody else.
        return Err(fault(
            "there is no target to keep anything from: add [[collector]]".to_owned(),
        ));
    }
    Ok(())
}

fn check_interfaces(source: Source<'_>, document: &Document) -> Result<(), ConfigError> {
    let names: Vec<_> = document.interfaces.iter().map(|(it, _)| it.name.clone()).collect();
    for (number, (_, span)) in document.interfaces.iter().enumerate() {
        if let Err(error) = live::check_names(names.get(..=number).unwrap_or_default()) {
            let path = format!("interface[{number}].name");
            return Err(source.fault(span, Some(path), error.to_string()));
        }
    }
    Ok(())
}

/// The error for what does not go together, at the key that is to blame.
fn blame(source: Source<'_>, document: &Document, error: &clap::Error) -> ConfigError {
    let command = Arguments::command();
    let texts = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let is = |given: &&document::Given, option: &String| {
        let long = format!("--{}", long_of(&command, given.key));
        option.split_whitespace().next() == Some(long.as_str())
    };
    let named = |options: &[String]| -> Vec<String> {
        let name = |option: &String| {
            let all = keys::KEYS.iter();
            let key = all.copied().find(|key| {
                let long = format!("--{}", long_of(&command, key));
                option.split_whitespace().next() == Some(long.as_str())
            });
            key.map_or_else(|| option.clone(), |key| format!("`{}`", key.path()))
        };
        options.iter().map(name).collect()
    };
    let (invalid, prior) = (texts(ContextKind::InvalidArg), texts(ContextKind::PriorArg));
    if prior.is_empty() {
        // What is missing is named; who misses it is found by asking each.
        let misses = |given: &&document::Given| {
            alone(&given.words).is_err_and(|error| is_of_several(error.kind()))
        };
        if let Some(given) = document.given.iter().find(misses) {
            let what = format!("needs {} besides: add it", named(&invalid).join(", "));
            return source.fault(&given.span, Some(given.key.path()), what);
        }
    }
    let both: Vec<_> = invalid.iter().chain(&prior).cloned().collect();
    let culprit = document.given.iter().find(|given| both.iter().any(|option| is(given, option)));
    match culprit {
        Some(given) => {
            let others: Vec<_> =
                both.iter().filter(|option| !is(&given, option)).cloned().collect();
            let what = format!("does not go with {}: leave one out", named(&others).join(", "));
            source.fault(&given.span, Some(given.key.path()), what)
        }
        None => {
            let text = error.to_string();
            source.fault(&(0..0), None, text.lines().next().unwrap_or_default())
        }
    }
}

const CONFIG: &str = "config";
const INTERFACE: &str = "interface";
const EXPORT: &str = "export";
/// Far above what can be meant; lists of networks have files of their own.
const MOST_OCTETS: u64 = 4_000_000;
