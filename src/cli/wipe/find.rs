//! What there is to erase: what the options name, and what lies where the unit puts it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::args::{Capture, Wipe};
use crate::cli::installation;
use crate::cli::wipe::erase::{self, Erasure};
use crate::cli::wipe::report::{Entry, Kind, Outcome, Report};
use crate::export::{Collector, SpoolInventory, SpoolTarget, Target};
use crate::key_file::{is_key_file_length, is_unfinished_key_file};

/// What was found, in the order in which it will be erased.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Keys come first: whatever interrupts the rest, nothing that waits can be read any more.
    items: Vec<(Kind, PathBuf)>,
    directories: Vec<PathBuf>,
    /// Their locks are held until this goes.
    spools: Vec<SpoolTarget>,
    /// What is to stay, or cannot be looked at.
    told: Vec<Entry>,
    seen: BTreeSet<PathBuf>,
}

impl Found {
    /// Looks where the arguments, the environment file and the unit say.
    pub(super) fn by(arguments: &Wipe) -> Self {
        let Wipe { spool, spool_key, config, environment_file, state_directory, all, .. } =
            arguments;
        let mut found = Self::default();
        let options = installation::options_in(environment_file);
        let by_options =
            options.as_ref().ok().and_then(|options| installation::capture_of(options));
        let configured = installation::configured(config);
        if let Some(Err(error)) = &configured {
            let reason = format!("what it names was not looked for: {error}");
            found.tell(config, Kind::Configuration, Outcome::Failed(reason));
        }
        match &options {
            Ok(_) if by_options.is_none() => {
                let reason = "its options are not understood: what they name was not looked for";
                found.tell(environment_file, Kind::Configuration, Outcome::Failed(reason.into()));
            }
            Ok(_) => {}
            Err(error) => found.fail(environment_file, Kind::Configuration, error),
        }
        let by_file = configured.as_ref().and_then(|it| it.as_ref().ok()).map(|it| &it.capture);
        let captures: Vec<&Capture> = by_options.iter().chain(by_file).collect();
        for key in spool_key {
            found.key(Kind::SpoolKey, key);
        }
        for directory in spool {
            found.spool(directory);
        }
        for capture in &captures {
            found.named_by(capture, state_directory);
        }
        found.state(state_directory, DEPTH);
        if *all {
            for capture in &captures {
                found.credentials(capture, state_directory);
            }
            found.add(Kind::Configuration, environment_file);
            if configured.is_some() {
                found.add(Kind::Configuration, config);
            }
            let folders: BTreeSet<_> = [environment_file, config]
                .into_iter()
                .filter_map(|file| file.parent().filter(|it| it.ends_with("flowtap")))
                .collect();
            found.directories.extend(folders.into_iter().map(Path::to_owned));
        }
        found.items.sort_by_key(|&(kind, _)| kind);
        found
    }

    /// Spools that a probe has.
    pub(super) fn spools_in_use(&self) -> Vec<String> {
        let in_use = self.spools.iter().filter(|spool| spool.in_use);
        in_use.map(|spool| spool.path.display().to_string()).collect()
    }

    /// Everything that would be erased.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        self.items.iter().map(|(_, path)| path.display().to_string())
    }

    /// Erases all of it.
    pub(super) fn erase(self, erasure: Erasure) -> Report {
        let Self { items, mut directories, spools, told, .. } = self;
        directories.sort_by_key(|path| Reverse(path.components().count()));
        let mut report = Report::default();
        for (kind, path) in items {
            let outcome = erase_one(kind, &path, erasure);
            report.0.push(Entry { path, kind, outcome });
        }
        for path in directories {
            let outcome = match fs::symlink_metadata(&path) {
                Err(_) => continue,
                Ok(_) if erasure == Erasure::Pretended => Outcome::WouldBeErased,
                Ok(_) => match erase::remove_directory(&path) {
                    Ok(()) => Outcome::Erased,
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                        Outcome::Left("what is left in it is not of a probe".into())
                    }
                    Err(error) => Outcome::Failed(error.to_string()),
                },
            };
            report.0.push(Entry { path, kind: Kind::Directory, outcome });
        }
        drop(spools);
        report.0.extend(told);
        report
    }

    /// What the options of a probe with this working directory name.
    fn named_by(&mut self, capture: &Capture, working_directory: &Path) {
        if let Some(key) = &capture.spool.key {
            self.key(Kind::SpoolKey, &working_directory.join(key));
        }
        for privacy in capture.meter.export.iter().flat_map(Target::privacy) {
            if let Some(key) = &privacy.pseudonym_key {
                self.key(Kind::PseudonymKey, &working_directory.join(key));
            }
        }
        if let Some(directory) = &capture.spool.directory {
            self.spool(&working_directory.join(directory));
        }
        let outputs = capture.meter.export.iter().filter_map(Target::output_path);
        let outputs = outputs.chain(capture.meter.summary.as_deref());
        for path in outputs.filter(|path| path.is_absolute()) {
            if !path.starts_with(working_directory) {
                let reason = "records outside the directories of the probe: erase them yourself";
                self.tell(path, Kind::Records, Outcome::Left(reason.into()));
            }
        }
    }

    /// Who the probe is to its Collectors. Authorities are public, and may be the system's.
    fn credentials(&mut self, capture: &Capture, working_directory: &Path) {
        let targets = &capture.meter.export;
        for Collector { options, .. } in targets.iter().flat_map(Target::collectors) {
            for (kind, path) in
                [(Kind::PrivateKey, &options.tls.key), (Kind::Configuration, &options.tls.cert)]
            {
                let Some(path) = path.as_ref().map(|path| working_directory.join(path)) else {
                    continue;
                };
                match begins_with(&path, b"-----BEGIN ") {
                    Ok(false) => {
                        self.tell(&path, kind, Outcome::Failed("it is no PEM file".into()));
                    }
                    _ => self.add(kind, &path),
                }
            }
        }
    }

    fn key(&mut self, kind: Kind, path: &Path) {
        match fs::symlink_metadata(path) {
            Ok(it) if it.is_symlink() => {
                let reason = "it is a symbolic link, which is not followed".into();
                self.tell(path, kind, Outcome::Failed(reason));
            }
            Ok(it) if !it.is_file() || !is_key_file_length(it.len()) => {
                let reason = "it is no key of a probe: its length is another".into();
                self.tell(path, kind, Outcome::Failed(reason));
            }
            _ => self.add(kind, path),
        }
        // A probe that was killed while it made the key.
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
        for entry in fs::read_dir(or_here(folder)).into_iter().flatten().flatten() {
            let (it, key) = (entry.file_name(), name.to_string_lossy());
            if is_unfinished_key_file(&it.to_string_lossy(), &key) {
                self.add(kind, &entry.path());
            }
        }
    }

    /// A directory that was named as that of a spool.
    fn spool(&mut self, directory: &Path) {
        let Ok(directory) = fs::canonicalize(directory) else {
            return self.add(Kind::Directory, directory);
        };
        if self.seen.contains(&directory) {
            return;
        }
        self.directories.push(directory.clone());
        for foreign in self.targets_in(&directory) {
            let reason = "it is not of a spool".into();
            self.tell(&foreign, Kind::Foreign, Outcome::Left(reason));
        }
        self.seen.insert(directory);
    }

    /// A directory that the unit gave to a probe, and to nobody else.
    fn state(&mut self, directory: &Path, depth: usize) {
        let Ok(directory) = fs::canonicalize(directory) else { return };
        if !self.seen.insert(directory.clone()) {
            return;
        }
        self.directories.push(directory.clone());
        for path in self.targets_in(&directory) {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if self.seen.contains(&path) {
                continue;
            }
            if metadata.is_dir() && depth > 0 {
                self.state(&path, depth - 1);
            } else if metadata.is_file() && is_key(&path, &metadata) {
                self.key(Kind::SpoolKey, &path);
            } else if metadata.is_file() && is_output(&path) {
                self.add(Kind::Records, &path);
            } else {
                let reason = "nothing that a probe writes looks like this".into();
                self.tell(&path, Kind::Foreign, Outcome::Left(reason));
            }
        }
    }

    /// Adds what a spool has in `directory`, and returns the rest.
    fn targets_in(&mut self, directory: &Path) -> Vec<PathBuf> {
        let SpoolInventory { targets, foreign } = match SpoolInventory::of(directory, true) {
            Ok(inventory) => inventory,
            Err(error) => {
                self.fail(directory, Kind::Directory, &error);
                return Vec::new();
            }
        };
        for target in targets {
            self.directories.push(target.path.clone());
            for segment in &target.segments {
                self.add(Kind::SpoolRecords, &segment.path);
            }
            if let Some(lock) = &target.lock_file {
                self.add(Kind::SpoolLock, lock);
            }
            for foreign in &target.foreign {
                let reason = "it is not of a spool".into();
                self.tell(foreign, Kind::Foreign, Outcome::Left(reason));
            }
            self.spools.push(target);
        }
        foreign
    }

    /// Notes what is to be erased, once, whatever it is called.
    fn add(&mut self, kind: Kind, path: &Path) {
        let place = match (path.parent().map(or_here), path.file_name()) {
            (Some(parent), Some(name)) => {
                fs::canonicalize(parent).map_or_else(|_| path.to_owned(), |it| it.join(name))
            }
            _ => path.to_owned(),
        };
        if self.seen.insert(place.clone()) {
            self.items.push((kind, place));
        }
    }

    fn tell(&mut self, path: &Path, kind: Kind, outcome: Outcome) {
        let entry = Entry { path: path.to_owned(), kind, outcome };
        if !self.told.contains(&entry) {
            self.told.push(entry);
        }
    }

    fn fail(&mut self, path: &Path, kind: Kind, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.tell(path, kind, Outcome::Failed(error.to_string()));
        }
    }
}

fn erase_one(kind: Kind, path: &Path, erasure: Erasure) -> Outcome {
    if let Err(error) = fs::symlink_metadata(path) {
        return match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Outcome::NotThere,
            _ => Outcome::Failed(error.to_string()),
        };
    }
    if erasure == Erasure::Pretended {
        return Outcome::WouldBeErased;
    }
    let erased = match kind.is_overwritten() {
        true => erase::overwrite_and_remove(path),
        false => erase::remove(path),
    };
    match erased {
        Ok(()) => Outcome::Erased,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Whether a file in the directory of a probe is the key of its spool.
fn is_key(path: &Path, metadata: &fs::Metadata) -> bool {
    let is_private = metadata.permissions().mode() & 0o077 == 0;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_private && is_key_file_length(metadata.len()) && name.contains("key")
}

/// Whether a file in the directory of a probe is what a probe writes: an IPFIX File (RFC 5655), plain
/// or compressed, JSON records, or a ledger.
fn is_output(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begins = |octets| begins_with(path, octets).unwrap_or(false);
    let is_json = || {
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(65_536).read_to_end(&mut start));
        let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
        read.is_ok()
            && start.starts_with(b"{")
            && (has(b"flowEndReason") || has(b"received_packets"))
    };
    // A file that was opened and not written yet.
    let is_empty = fs::metadata(path).is_ok_and(|it| it.len() == 0);
    begins(&IPFIX_VERSION)
        || (name.ends_with(".zst") || name.contains(".zst.")) && begins(&ZSTD_MAGIC)
        || is_json()
        || is_empty
}

fn begins_with(path: &Path, octets: &[u8]) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(octets.len() as u64).read_to_end(&mut start)?;
    Ok(start == octets)
}

fn or_here(folder: &Path) -> &Path {
    if folder == Path::new("") { Path::new(".") } else { folder }
}

/// Directories in one another, as names by time may have them.
const DEPTH: usize = 16;
/// RFC 7011 §3.1: every Message begins with it.
const IPFIX_VERSION: [u8; 2] = [0, 10];
/// RFC 8878 §3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
