//! Arguments, subcommands and what people see of them.

mod args;
mod capture;
mod certificates;
mod check;
mod config;
mod confinement;
#[cfg(target_os = "linux")]
mod doctor;
mod ending;
mod examples;
mod exit;
mod finding;
mod flow_table;
mod installation;
mod log;
mod losses;
mod manifest;
mod plan;
pub mod profiles;
mod reload;
mod replay;
mod selection;
mod sense;
mod service;
pub mod show;
mod silence;
#[cfg(target_os = "linux")]
mod stacking;
mod status;
mod summary;
mod support;
mod symptoms;
pub mod table;
mod telemetry;
mod top;
mod verify;
mod wipe;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::args::{Arguments, Command};
use crate::cli::config::ConfigError;
use crate::cli::selection::ListError;

/// The command line, for manual pages and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// What `flowtap config` prints, for its manual page.
pub fn default_configuration() -> String {
    config::default_text()
}

/// Runs flowtap with the arguments of the process.
///
/// Exit codes: 0 done, 1 failed at run time, 2 wrong usage or configuration. What is named there and cannot
/// be used (a key, a certificate, a directory, a user) is wrong configuration: to try again does not help
/// before somebody changes it. An interface, a collector or an input that is not there is run time.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let words: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too; nobody reading them is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Some((options, quiet)) = arguments.command.log() {
        log::start(options.log_format, options.level(quiet));
        log::started();
    }
    let outcome = match arguments.command {
        Command::Replay(arguments) => replay::run(arguments),
        Command::Capture(arguments) => capture::run(arguments, &words),
        Command::Check(arguments) => match check::run(&arguments) {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            other => other,
        },
        Command::Config => match io::stdout().write_all(config::default_text().as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(Into::into),
        },
        Command::Plan(arguments) => match plan::run(arguments, &words) {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            other => other,
        },
        Command::Profiles(arguments) => {
            match profiles::print(arguments.format, &mut io::stdout().lock()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other.map_err(Into::into),
            }
        }
        Command::Verify(arguments) => match verify::run(&arguments) {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            other => other,
        },
        Command::SupportBundle(arguments) => support::run(&arguments),
        Command::Wipe(arguments) => wipe::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Doctor(arguments) => match doctor::run(arguments) {
            Ok(code) => return code,
            Err(error) if is_broken_pipe(&error) => Ok(()),
            Err(error) => Err(error),
        },
        Command::Manifest(arguments) => match manifest::run(arguments, &words) {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            other => other,
        },
        Command::Status(arguments) => match status::run(&arguments) {
            Ok(code) => return code,
            Err(error) if is_broken_pipe(&error) => Ok(()),
            Err(error) => Err(error),
        },
        Command::Top(arguments) => top::run(&arguments),
        Command::Show(arguments) => match show::run(arguments) {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            other => other,
        },
    };
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            if exit::is_usage(&error) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    };
    log::finish();
    code
}

/// Says what went wrong, in one line.
fn complain(error: &anyhow::Error) {
    let is_at_terminal = log::is_for_people() && io::stderr().is_terminal();
    let text = if log::is_started() && !is_at_terminal { one_line(error) } else { in_full(error) };
    if log::is_started() {
        log::run_failed(&text);
    } else {
        let _ = writeln!(io::stderr(), "flowtap: {text}");
    }
}

/// An error and its causes, but for those that the text before them ends with already.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// As [`one_line`], with whom a mistake among networks names: for who sits at the probe, and not for a log.
fn in_full(error: &anyhow::Error) -> String {
    match (error.downcast_ref::<ConfigError>(), error.downcast_ref::<ListError>()) {
        (Some(error), _) => error.in_full(),
        (_, Some(error)) => error.in_full(),
        (None, None) => one_line(error),
    }
}

/// Arguments that are well formed each, and make no sense together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Whether nobody wants to read any more: that ends a program, it does not fail it.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{name}: {source}")]
    struct TellsItsSource {
        name: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_is_told_once() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = anyhow::Error::from(TellsItsSource { name: "a.pcap", source });
        assert_eq!(one_line(&error), "a.pcap: entity not found");
        let error =
            Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)).context("cannot write b");
        assert_eq!(one_line(&error.unwrap_err()), "cannot write b: entity not found");
    }
}
