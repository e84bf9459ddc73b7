//! `json:PATH?KEY=VALUE` and `json:-?KEY=VALUE`.

use std::fmt;
use std::path::PathBuf;

use crate::export::target::error::{OptionError, TargetError};
use crate::export::target::key::{Kind, OptionKey};
use crate::export::target::privacy::PrivacyOptions;
use crate::export::target::query::{self, QueryWriter};

/// JSON lines, and what of the records is in them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JsonTarget {
    /// Where they go.
    pub output: JsonOutput,
    /// What of the records leaves.
    pub privacy: PrivacyOptions,
}

/// Where JSON goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JsonOutput {
    /// Standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

impl JsonTarget {
    /// Reads what follows `json:`. Options follow the last `?`; a path that has a `?` itself ends
    /// with one more.
    pub(super) fn parse(text: &str) -> Result<Self, TargetError> {
        let (path, query) = text.rsplit_once('?').unwrap_or((text, ""));
        let output = match path {
            "" => return Err(TargetError::NoPath { kind: "json" }),
            "-" => JsonOutput::Standard,
            _ => JsonOutput::File(path.into()),
        };
        let mut json = Self::from(output);
        let done = json.take(query).and_then(|()| json.privacy.check());
        done.map_err(|error| json.error(error))?;
        Ok(json)
    }

    /// Whether its options go together.
    ///
    /// # Errors
    ///
    /// [`TargetError`] says what would.
    pub fn check(&self) -> Result<(), TargetError> {
        self.privacy.check().map_err(|error| self.error(error))
    }

    /// Where it is, without its options: a name for logs and reports.
    pub fn address(&self) -> impl fmt::Display {
        match &self.output {
            JsonOutput::Standard => "json:-".to_owned(),
            JsonOutput::File(path) => format!("json:{}", path.display()),
        }
    }

    fn take(&mut self, query: &str) -> Result<(), OptionError> {
        let mut seen = Vec::new();
        for pair in query::pairs(query) {
            let (name, value) = pair?;
            let key = OptionKey::read_once(name, Kind::Json, &mut seen)?;
            self.privacy.set(key, value)?;
        }
        Ok(())
    }

    fn error(&self, error: OptionError) -> TargetError {
        TargetError::Option { target: self.address().to_string(), error }
    }
}

impl From<JsonOutput> for JsonTarget {
    /// Everything as it is.
    fn from(output: JsonOutput) -> Self {
        Self { output, privacy: PrivacyOptions::default() }
    }
}

impl fmt::Display for JsonTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address().to_string();
        f.write_str(&address)?;
        let mut out = QueryWriter::new(f);
        self.privacy.write(&mut out)?;
        let empty = out.is_empty();
        if empty && address.contains('?') { f.write_str("?") } else { Ok(()) }
    }
}
