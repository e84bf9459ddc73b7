//! `flowtap check`: what is wrong with a configuration file, and what is in effect with it.

mod notes;
mod user;

use std::ffi::OsString;
use std::io::{self, Write as _};

use anyhow::bail;

use crate::cli::args::Check;
use crate::cli::config::Effective;
use user::Runner;

/// Checks the file, prints what is in effect, and notes what only this machine can tell.
pub(super) fn run(arguments: &Check) -> anyhow::Result<()> {
    let Check { file, user, strict, quiet, options } = arguments;
    let words = ["flowtap", "capture"].map(OsString::from);
    let words: Vec<_> = words.into_iter().chain(options.iter().cloned()).collect();
    let effective = Effective::of(&words, file)?;
    effective.check()?;
    let runner = Runner::become_who_captures(&effective.capture, file, user.as_deref())?;
    let notes = notes::all(&effective.capture, &runner);
    for note in &notes {
        let _ = writeln!(io::stderr(), "flowtap: note: {note}");
    }
    if !quiet {
        io::stdout().write_all(effective.text().as_bytes())?;
    }
    let valid = match &runner.user {
        Some(user) => format!("{} is valid, looked at as user {user}", file.display()),
        None => format!("{} is valid", file.display()),
    };
    let told = match notes.len() {
        0 => valid,
        1 => format!("{valid}; there is a note above"),
        count => format!("{valid}; there are {count} notes above"),
    };
    if *strict && !notes.is_empty() {
        bail!("{told}, and --strict wants none");
    }
    if !quiet {
        let _ = writeln!(io::stderr(), "flowtap: {told}");
    }
    Ok(())
}
