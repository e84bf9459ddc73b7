//! What is right in itself and will not do on this machine as it is now.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::capture::live::{self, FilterFault};
use crate::cli::args::{Capture, Spool};
use crate::cli::check::user::Runner;
use crate::cli::confinement::{self, Run};
use crate::cli::sense::is_standard_output;
use crate::cli::{ending, in_full, installation, selection};
use crate::confine::{self, Access, Account};
use crate::export::{FileTarget, Target, Transport, check_tls, directory_of};
use crate::key_file::SecretKey;
use crate::sys::link::Links;
use crate::telemetry::Address;

/// Everything, as it is for `runner`.
pub(super) fn all(capture: &Capture, runner: &Runner) -> Vec<String> {
    let mut notes: Vec<_> = runner.trouble.iter().cloned().collect();
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
    notes.extend(selection::filter(&capture.meter.metering.selection).err().map(|it| in_full(&it)));
    notes.extend(ending::check_memory(&capture.meter).err().map(|error| error.to_string()));
    for collector in capture.meter.export.iter().flat_map(Target::collectors) {
        if collector.transport != Transport::Tls {
            continue;
        }
        let fault = check_tls(collector).err();
        notes.extend(fault.map(|error| format!("{}: {error}", collector.address())));
    }
    notes.extend(Places { capture, runner }.notes());
    let mut said = BTreeSet::new();
    notes.retain(|note| said.insert(note.clone()));
    notes
}

/// Files and directories, as they are for who captures.
struct Places<'a> {
    capture: &'a Capture,
    runner: &'a Runner,
}

impl Places<'_> {
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let Capture { meter, spool, telemetry, config, .. } = self.capture;
        if let Some(config) = config
            && let Err(error) = confine::check_place(config, Access::Read)
        {
            notes.push(format!(
                "{error}; it will not be read on SIGHUP, nor at a start as this user"
            ));
        }
        let Spool { directory, key, .. } = spool;
        notes.extend(directory.as_deref().and_then(|it| self.cannot_be_made(it)));
        let keys = meter.export.iter().flat_map(Target::privacy);
        let keys = keys.filter_map(|privacy| privacy.pseudonym_key.as_deref());
        for key in keys.chain(key.as_deref()) {
            match SecretKey::existing(key) {
                Ok(Some(_)) => {}
                Ok(None) => notes.extend(self.cannot_hold(key)),
                Err(error) => notes.push(error.to_string()),
            }
        }
        let written = meter.export.iter().filter_map(|target| match target {
            // The names of its directories come with the time.
            Target::File(FileTarget { rotate: Some(_), .. }) => None,
            target => target.output_path(),
        });
        let summary = meter.summary.as_deref().filter(|path| !is_standard_output(path));
        notes.extend(written.chain(summary).filter_map(|path| self.cannot_hold(path)));
        if let Address::Unix(path) = telemetry {
            notes.extend(self.cannot_listen(path));
        }
        // What of it is there has to be his.
        let run = Run { spool: spool.config(), ..Run::default() };
        let policy = confinement::policy(meter, &run, false);
        let is_looked_at = |path: &&PathBuf| Some(*path) != directory.as_ref();
        for path in policy.files.write.iter().filter(is_looked_at) {
            notes.extend(confine::check_place(path, Access::Write).err().map(|it| it.to_string()));
        }
        notes
    }

    /// Why no file can be made at `path`: its directory has to be there.
    fn cannot_hold(&self, path: &Path) -> Option<String> {
        let directory = directory_of(path)?;
        if self.will_be_made(&directory) {
            return None;
        }
        let trouble = match fs::metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => return self.cannot_write(path, &directory),
            Ok(_) => "is no directory".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(format!("{}: its directory {}: {trouble}", path.display(), directory.display()))
    }

    /// What is there, and else its directory, has to be this user's to write.
    fn cannot_write(&self, path: &Path, directory: &Path) -> Option<String> {
        let place = if path.exists() { path } else { directory };
        confine::check_place(place, Access::Write).err().map(|error| error.to_string())
    }

    /// The directory of the spool is made with all those that it is in.
    fn cannot_be_made(&self, directory: &Path) -> Option<String> {
        if self.is_of_the_unit(directory) {
            return None;
        }
        let or_here = |place: &Path| match place.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => place.to_owned(),
        };
        let (place, found) =
            directory.ancestors().map(or_here).find_map(|place| match fs::metadata(&place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                found => Some((place, found)),
            })?;
        let trouble = match found {
            Ok(metadata) if metadata.is_dir() => {
                confine::check_place(&place, Access::Write).err()?.to_string()
            }
            Ok(_) => format!("{} is no directory", place.display()),
            Err(error) => error.to_string(),
        };
        Some(format!("the spool directory {}: {trouble}", directory.display()))
    }

    /// Sockets are opened by who starts the probe.
    fn cannot_listen(&self, path: &Path) -> Option<String> {
        let directory = directory_of(path)?;
        if self.is_of_the_unit(&directory) || (self.runner.is_started_by_root && directory.is_dir())
        {
            return None;
        }
        let trouble = match fs::metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => {
                confine::check_place(&directory, Access::Write).err()?.to_string()
            }
            Ok(_) => format!("{} is no directory", directory.display()),
            Err(error) => format!("its directory {}: {error}", directory.display()),
        };
        Some(format!("unix:{}: {trouble}; the probe runs without telemetry", path.display()))
    }

    /// Whether a capture or its unit makes the directory before anything is written there.
    fn will_be_made(&self, directory: &Path) -> bool {
        let spool = self.capture.spool.directory.as_deref();
        let is_of_the_spool = spool.is_some_and(|spool| spool.starts_with(directory));
        (is_of_the_spool && !directory.exists()) || self.is_of_the_unit(directory)
    }

    /// Whether the unit makes it, and has not as yet.
    fn is_of_the_unit(&self, directory: &Path) -> bool {
        let is_missing = |made: &str| !Path::new(made).exists();
        let is_below = |made: &str| {
            directory.starts_with(made)
                || (directory.is_relative() && made == installation::STATE_DIRECTORY)
        };
        let mut made = installation::UNIT_DIRECTORIES.into_iter();
        self.runner.is_unit && made.any(|made| is_missing(made) && is_below(made))
    }
}
