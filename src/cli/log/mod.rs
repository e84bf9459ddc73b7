//! What a running command says of itself, by `tracing`.
//!
//! Everything that is said is written in one file, [`events`], from values that cannot hold an address
//! of the observed network: capture and export have typed notices for it, and nothing else in the
//! program may name `tracing` (`tests/layering.rs`). An event has a name that does not change, a level,
//! fields, and a sentence for people with all of it in. It goes where it is read: as a line to a
//! terminal, as fields to the journal of systemd, or as a JSON object.
//!
//! The subscriber is ours. What there is for `tracing` keeps spans, of which there are none here, and
//! opens the journal for each message, which a confined process cannot; and what is said again and
//! again has to be held back in between ([`repeats`]).

mod catalogue;
mod entry;
mod events;
mod journal;
mod logger;
mod output;
mod repeats;

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;

pub(super) use events::*;
use logger::Logger;
pub(super) use output::printable;
use output::{Form, Output};

/// How it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum LogFormat {
    /// As journal where systemd connected standard error to it, and as text elsewhere
    Auto,
    /// Lines for people; of a capture with time and level where it is no terminal
    Text,
    /// Fields to the journal of systemd; where that is not there, lines with a priority
    Journal,
    /// One JSON object a line
    Json,
}

/// How much is said: this, and what is worse.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum LogLevel {
    /// What went wrong
    Error,
    /// What is not as it should be, or will soon not be
    Warn,
    /// What an operator wants to read once
    Info,
    /// What helps to find out why
    Debug,
}

/// Begins to write what is said, for a command that ends by itself.
pub(super) fn start(format: LogFormat, level: LogLevel) {
    let logger =
        Arc::new(Logger::new(Output::to_standard_error(form(format, false)), level.into()));
    if tracing::subscriber::set_global_default(Arc::clone(&logger)).is_ok() {
        let _ = LOGGER.set(logger);
    }
}

/// Goes on in the way of a command that runs for months: its lines have times.
pub(super) fn go_on_for_long(format: LogFormat, level: LogLevel) {
    if let Some(logger) = LOGGER.get() {
        logger.write_to(Output::to_standard_error(form(format, true)));
    }
    set_level(level);
}

/// Says more or less from now on.
pub(super) fn set_level(level: LogLevel) {
    if let Some(logger) = LOGGER.get() {
        logger.set_level(level.into());
    }
}

/// Says what was held back for long enough; to be called now and then.
pub(super) fn turn(now: Instant) {
    if let Some(logger) = LOGGER.get() {
        logger.turn(now);
    }
}

/// Says everything that was held back, at the end.
pub(super) fn finish() {
    if let Some(logger) = LOGGER.get() {
        logger.finish();
    }
}

/// Whether it is [`start`]ed.
pub(super) fn is_started() -> bool {
    LOGGER.get().is_some()
}

/// Whether lines for people go to standard error: then there may be a table, too.
pub(super) fn is_for_people() -> bool {
    LOGGER.get().is_none_or(|logger| logger.is_for_people())
}

fn form(format: LogFormat, has_times: bool) -> Form {
    let is_journal = journal::is_standard_error();
    match format {
        LogFormat::Json => Form::Json,
        LogFormat::Auto if !is_journal => form(LogFormat::Text, has_times),
        LogFormat::Auto | LogFormat::Journal => match journal::connect(journal::SOCKET) {
            Ok(socket) => Form::Journal(socket),
            Err(_) => Form::Priority,
        },
        LogFormat::Text if io::stderr().is_terminal() => {
            Form::Text { colour: output::is_coloured() }
        }
        // The journal has a time for each line.
        LogFormat::Text if has_times && !is_journal => Form::Stamped,
        LogFormat::Text => Form::Text { colour: false },
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

static LOGGER: OnceLock<Arc<Logger>> = OnceLock::new();
