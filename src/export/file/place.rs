//! Where files are, and how they are made.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::export::counted::Counter;
use crate::export::file::ipfix_file::MESSAGE_SIZE;
use crate::export::file::name::NamePattern;
use crate::export::file::rotation::Rotation;
use crate::export::output::{
    Naming, Output, TemporaryFile, is_special, is_standard_output, left_over, written_place,
};
use crate::time::Timestamp;

/// Where files are.
#[derive(Debug)]
pub(super) struct Place {
    name: Name,
    compress: bool,
}

#[derive(Debug)]
enum Name {
    Fixed(PathBuf),
    Pattern(NamePattern),
    /// What would be in the files is counted.
    Nowhere(Counter),
}

impl Place {
    /// Looks at what a user wrote.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for what makes no sense, and what the file system says.
    pub(super) fn new(mut path: PathBuf, rotation: Rotation, compress: bool) -> io::Result<Self> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let is_file = !is_standard_output(&path) && !is_special(&path)?;
        if compress && is_file && path.extension().is_none_or(|extension| extension != "zst") {
            path.as_mut_os_string().push(".zst");
        }
        if rotation.is_off() {
            return Ok(Self { name: Name::Fixed(path), compress });
        }
        if !is_file {
            return invalid("only regular files can be rotated".to_owned());
        }
        if rotation.period.is_some_and(|period| period.is_zero()) {
            return invalid("files of no time cannot be".to_owned());
        }
        match rotation.size {
            Some(size) if size < SMALLEST_FILE => invalid(format!(
                "files of {size} octets are too small: use {SMALLEST_FILE} at least"
            )),
            _ => Ok(Self { name: Name::Pattern(NamePattern::new(&path)?), compress }),
        }
    }

    /// No place at all: what would be written is counted.
    pub(super) const fn nowhere(counter: Counter, compress: bool) -> Self {
        Self { name: Name::Nowhere(counter), compress }
    }

    /// What has to be writable.
    pub(super) fn written(&self) -> Option<PathBuf> {
        match &self.name {
            Name::Fixed(path) => written_place(path),
            Name::Pattern(pattern) if pattern.root() == Path::new("") => Some(PathBuf::from(".")),
            Name::Pattern(pattern) => Some(pattern.root().to_owned()),
            Name::Nowhere(_) => None,
        }
    }

    /// Creates the file that begins at `start`.
    pub(super) fn create(&self, start: Timestamp) -> io::Result<Output> {
        let output = match &self.name {
            Name::Fixed(path) => Output::create(path)?,
            Name::Nowhere(counter) => Output::counted(counter.clone()),
            Name::Pattern(pattern) => {
                Output::to_file(TemporaryFile::create(pattern.prepare(start)?, Naming::Number)?)
            }
        };
        if self.compress { output.compressed() } else { Ok(output) }
    }

    /// Makes sure that files can be created, as far as that can be known before their names are.
    pub(super) fn check_writable(&self) -> io::Result<()> {
        match &self.name {
            Name::Fixed(_) | Name::Nowhere(_) => Ok(()),
            Name::Pattern(pattern) => {
                // Names may begin with the time; the directory is not to be taken for a name.
                let name = format!("{}0", pattern.prefix());
                TemporaryFile::create(pattern.root().join(name), Naming::Number).map(drop)
            }
        }
    }

    /// What a run that was killed has left, where our first files will be.
    pub(super) fn left_over(&self, rotation: Rotation, start: Timestamp) -> Vec<PathBuf> {
        match &self.name {
            Name::Nowhere(_) => Vec::new(),
            Name::Fixed(path) => {
                let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
                    return Vec::new();
                };
                left_over(directory, &name.to_string_lossy())
            }
            Name::Pattern(pattern) => {
                let before = rotation.period.unwrap_or(A_DAY).max(A_DAY);
                let times = [start, start.saturating_sub(before)];
                let paths = times.iter().filter_map(|&time| pattern.at(time).ok());
                let directories: BTreeSet<_> =
                    paths.filter_map(|path| path.parent().map(Path::to_owned)).collect();
                let found = directories.iter().map(|path| left_over(path, pattern.prefix()));
                found.flatten().collect()
            }
        }
    }
}

/// Room for a few Messages, so that what stands at the top is worth it.
pub(super) const SMALLEST_FILE: u64 = 4 * MESSAGE_SIZE as u64;

const A_DAY: Duration = Duration::from_secs(86_400);
