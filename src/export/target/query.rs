//! `KEY=VALUE&KEY=VALUE`, percent-encoded (RFC 3986 §2.1, §3.4).

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::export::target::error::OptionError;

/// The pairs of a query, values still encoded.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = Result<(&str, &str), OptionError>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').ok_or_else(|| OptionError::NoValue(pair.to_owned())))
}

/// The text that a value stands for.
pub(super) fn text<'a>(key: &'static str, value: &'a str) -> Result<Cow<'a, str>, OptionError> {
    percent_decode_str(value).decode_utf8().map_err(|_| OptionError::Text(key))
}

/// The path that a value stands for; it need not be UTF-8.
pub(super) fn path(value: &str) -> PathBuf {
    OsString::from_vec(percent_decode_str(value).collect()).into()
}

/// Writes pairs: `?` before the first, `&` before each other one.
pub(super) struct QueryWriter<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    any: bool,
}

impl<'a, 'f> QueryWriter<'a, 'f> {
    pub(super) fn new(f: &'a mut fmt::Formatter<'f>) -> Self {
        Self { f, any: false }
    }

    /// Whether nothing was written.
    pub(super) const fn is_empty(&self) -> bool {
        !self.any
    }

    /// Writes a pair if there is a value.
    pub(super) fn text(&mut self, key: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        match value {
            Some(value) => self.octets(key, value.to_string().as_bytes()),
            None => Ok(()),
        }
    }

    /// As [`Self::text`], for a path.
    pub(super) fn path(&mut self, key: &str, value: Option<&Path>) -> fmt::Result {
        match value {
            Some(value) => self.octets(key, value.as_os_str().as_bytes()),
            None => Ok(()),
        }
    }

    fn octets(&mut self, key: &str, value: &[u8]) -> fmt::Result {
        let mark = if self.any { '&' } else { '?' };
        self.any = true;
        write!(self.f, "{mark}{key}={}", percent_encode(value, ENCODED))
    }
}

/// Everything but what may stand in a query (RFC 3986 §3.4), without the characters that divide
/// options, members of a group, and options from paths.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b'@');
