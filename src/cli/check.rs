//! `flowtap check`: what is wrong with a configuration file, and what is in effect with it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::bail;

use crate::capture::live::{self, FilterFault};
use crate::cli::args::{Capture, Check, Spool};
use crate::cli::config::Effective;
use crate::cli::{ending, selection};
use crate::confine::Account;
use crate::export::{FileTarget, Target, Transport, check_tls};
use crate::sys::link::Links;

/// Checks the file, prints what is in effect, and notes what only this machine can tell.
pub(super) fn run(arguments: &Check) -> anyhow::Result<()> {
    let Check { file, strict, quiet, options } = arguments;
    let words = ["flowtap", "capture"].map(OsString::from);
    let words: Vec<_> = words.into_iter().chain(options.iter().cloned()).collect();
    let effective = Effective::of(&words, file)?;
    effective.check()?;
    let notes = notes(&effective.capture);
    for note in &notes {
        let _ = writeln!(io::stderr(), "flowtap: note: {note}");
    }
    if !quiet {
        io::stdout().write_all(effective.text().as_bytes())?;
    }
    let told = match notes.len() {
        0 => format!("{} is valid", file.display()),
        1 => format!("{} is valid; there is a note above", file.display()),
        count => format!("{} is valid; there are {count} notes above", file.display()),
    };
    if *strict && !notes.is_empty() {
        bail!("{told}, and --strict wants none");
    }
    if !quiet {
        let _ = writeln!(io::stderr(), "flowtap: {told}");
    }
    Ok(())
}

/// What is right in itself and will not do on this machine as it is now.
fn notes(capture: &Capture) -> Vec<String> {
    let mut notes = Vec::new();
    if capture.interface.is_empty() {
        notes.push("no [[interface]]: it has to be given by --interface".to_owned());
    }
    if let Ok(links) = Links::open() {
        let missing = |name: &&String| links.named(name).is_none();
        let names = capture.interface.iter().filter(missing);
        notes.extend(names.map(|name| format!("{name}: no such interface on this machine")));
    }
    if let Some(Err(FilterFault::Here(what))) = capture.filter.as_deref().map(live::check_filter) {
        notes.push(format!("filter {what}"));
    }
    if let Some(user) = &capture.confine.user {
        notes.extend(Account::find(user).err().map(|error| error.to_string()));
    }
    notes.extend(
        selection::filter(&capture.meter.metering.selection).err().map(|it| it.to_string()),
    );
    notes.extend(ending::check_memory(&capture.meter).err().map(|error| error.to_string()));
    for collector in capture.meter.export.iter().flat_map(Target::collectors) {
        if collector.transport != Transport::Tls {
            continue;
        }
        let fault = check_tls(collector).err();
        notes.extend(fault.map(|error| format!("{}: {error}", collector.address())));
    }
    let written = capture.meter.export.iter().filter_map(|target| match target {
        // The names of its directories come with the time.
        Target::File(FileTarget { rotate: Some(_), .. }) => None,
        target => target.output_path(),
    });
    let keys = capture.meter.export.iter().flat_map(Target::privacy);
    let keys = keys.filter_map(|privacy| privacy.pseudonym_key.as_deref());
    let Spool { directory, key, .. } = &capture.spool;
    let made = written.chain(capture.meter.summary.as_deref()).chain(keys).chain(key.as_deref());
    for path in made.chain(directory.as_deref()) {
        notes.extend(no_directory_for(path));
    }
    notes.dedup();
    notes
}

/// A file is made in a directory that is there.
fn no_directory_for(path: &Path) -> Option<String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let trouble = match fs::metadata(parent) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "is no directory".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("{}: its directory {}: {trouble}", path.display(), parent.display()))
}
