//! `flowtap check`: what is wrong with a configuration file, and what is in effect with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::capture::live;
use crate::cli::args::{Capture, Check, Spool};
use crate::cli::{config, ending, selection};
use crate::confine::Account;
use crate::export::{FileTarget, Target, Transport, check_tls};
use crate::sys::link::Links;

/// Checks the file, prints what is in effect, and notes what only this machine can tell.
pub(super) fn run(arguments: &Check) -> anyhow::Result<()> {
    let effective = config::of_file(&arguments.file)?;
    let notes = notes(&effective.capture);
    for note in &notes {
        let _ = writeln!(io::stderr(), "flowtap: note: {note}");
    }
    io::stdout().write_all(effective.text().as_bytes())?;
    let shown = arguments.file.display();
    let _ = match notes.len() {
        0 => writeln!(io::stderr(), "flowtap: {shown} is valid"),
        1 => writeln!(io::stderr(), "flowtap: {shown} is valid; there is a note above"),
        count => writeln!(io::stderr(), "flowtap: {shown} is valid; there are {count} notes above"),
    };
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
    if let Some(filter) = &capture.filter {
        notes.extend(live::check_filter(filter).err().map(|error| error.to_string()));
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
