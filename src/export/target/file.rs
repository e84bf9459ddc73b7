//! `file:PATH?KEY=VALUE`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::export::target::error::{OptionError, TargetError};
use crate::export::target::key::{Kind, OptionKey};
use crate::export::target::options::{CollectorOptions, INTERVALS, out_of_bounds};
use crate::export::target::query::{self, QueryWriter};
use crate::export::target::units::{duration_text, parse_duration, parse_size, size_text};

/// IPFIX Files by name, and when to begin the next one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileTarget {
    /// Where the file will be; a pattern for strftime(3) in UTC when files are rotated.
    pub path: PathBuf,
    /// A new file begins after this time.
    pub rotate: Option<Duration>,
    /// A new file begins before one has more octets than this.
    pub size: Option<u64>,
    /// Whether files are compressed by zstd.
    pub compress: bool,
    /// What is said about records; of these options a file has `profile`, `biflow`, `time`,
    /// `observation_domain` and `privacy`.
    pub options: CollectorOptions,
}

impl FileTarget {
    /// Reads what follows `file:`.
    ///
    /// Options follow the last `?`, and the path is taken as it stands: `%` belongs to strftime. A
    /// path that has a `?` itself ends with one more.
    pub(super) fn parse(text: &str) -> Result<Self, TargetError> {
        let (path, query) = text.rsplit_once('?').unwrap_or((text, ""));
        match path {
            "" => return Err(TargetError::NoPath { kind: "file" }),
            "-" => return Err(TargetError::FileToStandardOutput),
            _ => {}
        }
        let mut file = Self { path: path.into(), ..Self::default() };
        let done = file.take(query).and_then(|()| file.check_options());
        done.map_err(|error| TargetError::Option { target: format!("file:{path}"), error })?;
        Ok(file)
    }

    /// Whether its options go together.
    ///
    /// # Errors
    ///
    /// [`TargetError`] says what would.
    pub fn check(&self) -> Result<(), TargetError> {
        self.check_options().map_err(|error| {
            let target = format!("file:{}", self.path.display());
            TargetError::Option { target, error }
        })
    }

    fn take(&mut self, query: &str) -> Result<(), OptionError> {
        let mut seen = Vec::new();
        for pair in query::pairs(query) {
            let (name, value) = pair?;
            let key = OptionKey::read_once(name, Kind::File, &mut seen)?;
            let text = query::text(key.name(), value)?;
            let wrong = |expected| out_of_bounds(key, value.to_owned(), expected);
            match key {
                OptionKey::Rotate => {
                    let rotate = parse_duration(&text);
                    self.rotate =
                        Some(rotate.ok_or_else(|| wrong("a time with its unit, as in rotate=5m"))?);
                }
                OptionKey::Size => {
                    let size = parse_size(&text);
                    self.size = Some(size.ok_or_else(|| {
                        wrong("octets with k, M, G, Ki, Mi or Gi, as in size=100M")
                    })?);
                }
                OptionKey::Compress if text == "zstd" => self.compress = true,
                OptionKey::Compress => return Err(wrong("zstd, or leave it out")),
                key => self.options.set(key, value)?,
            }
        }
        Ok(())
    }

    fn check_options(&self) -> Result<(), OptionError> {
        if let Some(rotate) = self.rotate.filter(|rotate| *rotate < *INTERVALS.start()) {
            return Err(out_of_bounds(OptionKey::Rotate, duration_text(rotate), "1s or longer"));
        }
        if let Some(size) = self.size.filter(|size| *size < SMALLEST_SIZE) {
            return Err(out_of_bounds(OptionKey::Size, size_text(size), "64Ki or more"));
        }
        self.options.check(Kind::File, None)
    }
}

impl fmt::Display for FileTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, rotate, size, compress, options } = self;
        let path = path.display().to_string();
        write!(f, "file:{path}")?;
        let mut out = QueryWriter::new(f);
        out.text(OptionKey::Rotate.name(), rotate.map(duration_text))?;
        out.text(OptionKey::Size.name(), size.map(size_text))?;
        out.text(OptionKey::Compress.name(), compress.then_some("zstd"))?;
        options.write(&mut out)?;
        let empty = out.is_empty();
        if empty && path.contains('?') { f.write_str("?") } else { Ok(()) }
    }
}

/// Four Messages of the size that files have: less would be files of Templates.
const SMALLEST_SIZE: u64 = 64 << 10;
