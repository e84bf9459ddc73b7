//! What can go wrong with a spool.

use std::io;
use std::path::PathBuf;

use crate::key_file::KeyFileError;

/// Why a spool could not be opened: a mistake of the configuration, to be said at the start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process, or another target of the same text, has this part of the spool.
    #[error("spool directory {} is in use by another process or target", path.display())]
    Locked {
        /// The directory of the target.
        path: PathBuf,
    },
    /// The directory cannot be made or read.
    #[error("cannot use the spool directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// There is no key.
    #[error("spool: {0}")]
    Key(#[from] KeyFileError),
    /// A context that does not fit a segment.
    #[error("the description of the encoding is longer than {maximum} octets")]
    ContextTooLong {
        /// Octets at most.
        maximum: usize,
    },
}

/// Why a body was not taken; what waited before is as it was, and the next attempt may succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// The bound on octets is reached.
    #[error("the spool is full")]
    Full,
    /// The disk is full, or the directory is gone or read-only.
    #[error(transparent)]
    Io(#[from] io::Error),
}
