//! What can go wrong with a spool.

use std::io;
use std::path::PathBuf;

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
    /// The key file cannot be made or read.
    #[error("cannot use the spool key file {}: {source}", path.display())]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The key file is not a file of one key.
    #[error("the spool key file {} must hold exactly {expected} octets", path.display())]
    KeyLength {
        /// The key file.
        path: PathBuf,
        /// The length of a key.
        expected: usize,
    },
    /// Others than the owner may read or write the key file.
    #[error("the spool key file {} is open to other users (mode {mode:04o}): it must be 0600 or 0400", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system gave no random octets.
    #[error("the system gave no random octets for the key of the spool")]
    Random,
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
