//! Names of rotated files.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::export::output::with_suffix;
use crate::time::Timestamp;

/// A pattern for strftime(3), in UTC; of a path without `%` the time when a file begins is put
/// before the extension: `flows-20261122T000500Z.ipfix`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NamePattern {
    pattern: String,
    /// The directory up to the first one that is named by the time. It has to be there: a mistake in
    /// it should not make a tree of directories somewhere else.
    root: PathBuf,
}

impl NamePattern {
    /// Reads `path` as a pattern.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if it is none, and what the file system says of the directory
    /// that has to be there.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
        let text = path.to_str().ok_or_else(|| invalid("the name pattern is not UTF-8"))?;
        if path.file_name().is_none() || text.ends_with('/') {
            return Err(invalid("the name pattern ends without a file name"));
        }
        let pattern = if text.contains('%') {
            text.to_owned()
        } else {
            with_suffix(path, START_TIME).to_string_lossy().into_owned()
        };
        let directories = Path::new(&pattern).parent().unwrap_or_else(|| Path::new(""));
        let fixed = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains('%');
        let root = directories.components().take_while(fixed).collect();
        let this = Self { pattern, root };
        this.at(Timestamp::EPOCH)?;
        this.check_root()?;
        Ok(this)
    }

    /// The path of a file that begins at `time`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`], for all times or for none.
    pub(super) fn at(&self, time: Timestamp) -> io::Result<PathBuf> {
        let invalid = |error: jiff::Error| {
            let text = format!("{} is no name pattern: {error}", self.pattern);
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into()).map_err(invalid)?;
        let name =
            strtime::format(&self.pattern, &time.to_zoned(TimeZone::UTC)).map_err(invalid)?;
        Ok(name.into())
    }

    /// The path of a file that begins at `time`, in a directory that is there now.
    pub(super) fn prepare(&self, time: Timestamp) -> io::Result<PathBuf> {
        let path = self.at(time)?;
        self.check_root()?;
        if let Some(directory) = path.parent().filter(|directory| *directory != self.root) {
            fs::create_dir_all(directory)?;
        }
        Ok(path)
    }

    /// Where every file is, or below it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What the names of all files begin with; the directory is not part of it.
    pub(super) fn prefix(&self) -> &str {
        let name = self.pattern.rsplit('/').next().unwrap_or_default();
        name.split('%').next().unwrap_or_default()
    }

    fn check_root(&self) -> io::Result<()> {
        let root = if self.root == Path::new("") { Path::new(".") } else { &self.root };
        if fs::metadata(root)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }
}

/// ISO 8601, basic format, which no file system minds.
const START_TIME: &str = "-%Y%m%dT%H%M%SZ";

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 00:05:00 UTC.
    const TIME: Timestamp = Timestamp::from_parts(1_795_305_900, 0);

    #[test]
    fn a_pattern_is_of_utc_time() {
        let directory = tempfile::tempdir().unwrap();
        let pattern =
            NamePattern::new(&directory.path().join("%Y/%m-%d/a%%-%H%M%S.ipfix")).unwrap();
        assert_eq!(pattern.root(), directory.path());
        assert_eq!(pattern.prefix(), "a");
        let path = pattern.prepare(TIME).unwrap();
        assert_eq!(path, directory.path().join("2026/11-22/a%-000500.ipfix"));
        assert!(path.parent().unwrap().is_dir());
        assert!(!path.exists());
    }

    #[test]
    fn a_name_without_pattern_gets_the_time_before_its_extension() {
        let directory = tempfile::tempdir().unwrap();
        for (name, expected) in [
            ("flows.ipfix", "flows-20261122T000500Z.ipfix"),
            ("flows.ipfix.zst", "flows-20261122T000500Z.ipfix.zst"),
            ("flows", "flows-20261122T000500Z"),
        ] {
            let pattern = NamePattern::new(&directory.path().join(name)).unwrap();
            assert_eq!(pattern.at(TIME).unwrap(), directory.path().join(expected));
            assert_eq!(pattern.prefix(), "flows-");
        }
    }

    #[test]
    fn a_relative_name_is_in_this_directory() {
        let pattern = NamePattern::new(Path::new("%s.ipfix")).unwrap();
        assert_eq!(pattern.root(), Path::new(""));
        assert_eq!(pattern.prepare(TIME).unwrap(), Path::new("1795305900.ipfix"));
    }

    #[test]
    fn every_time_there_is_has_a_name() {
        let pattern = NamePattern::new(Path::new("a.ipfix")).unwrap();
        assert_eq!(pattern.at(Timestamp::EPOCH).unwrap(), Path::new("a-19700101T000000Z.ipfix"));
        assert_eq!(pattern.at(Timestamp::MAX).unwrap(), Path::new("a-25540721T233433Z.ipfix"));
    }

    #[test]
    fn what_gives_no_name_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a%", "a%!", "%é", "%Y/", "%Y/.."] {
            let error = NamePattern::new(&directory.path().join(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        let missing = NamePattern::new(&directory.path().join("none/%Y.ipfix")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
