//! What can go wrong on the way out.

use std::io;

use crate::export::spool::SpoolError;
use crate::export::transport::tls::TlsError;
use crate::ipfix::message::Refused;
use crate::key_file::KeyFileError;

/// Why records did not reach a target. Every message names the target, none an observed address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It was a target until now, and still sends what it has.
    #[error("{target}: is being closed as yet: try again in a minute")]
    Closing {
        /// The target as written.
        target: String,
    },
    /// The name of a Collector gives no address.
    #[error("{target}: cannot find the address: {source}")]
    Resolve {
        /// The target as written.
        target: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No Transport Session could be opened.
    #[error("{target}: cannot connect: {source}")]
    Connect {
        /// The target as written.
        target: String,
        /// What the last attempt ended with.
        source: io::Error,
    },
    /// No member of a group could be reached.
    #[error("{target}: no member can be reached: {causes}")]
    Members {
        /// The target as written.
        target: String,
        /// Each member, and what its last attempt ended with.
        causes: String,
    },
    /// A Transport Session broke.
    #[error("{target}: session broken: {source}")]
    Session {
        /// The target as written.
        target: String,
        /// What the socket said.
        source: io::Error,
    },
    /// A Collector reads no more, or too slowly to ever end.
    #[error("{target}: the collector took nothing for {seconds} s")]
    Stalled {
        /// The target as written.
        target: String,
        /// For how long.
        seconds: u64,
    },
    /// The run ended while there was no session.
    #[error("{target}: the collector could not be reached again before the end")]
    Unreachable {
        /// The target as written.
        target: String,
    },
    /// A Message could not be sent.
    #[error("{target}: cannot send: {source}")]
    Send {
        /// The target as written.
        target: String,
        /// What the socket said.
        source: io::Error,
    },
    /// A file could not be created.
    #[error("{target}: cannot create: {source}")]
    Create {
        /// The target as written.
        target: String,
        /// What the file system said.
        source: io::Error,
    },
    /// A file could not be written or given its name.
    #[error("{target}: cannot write: {source}")]
    Write {
        /// The target as written.
        target: String,
        /// What the file system said.
        source: io::Error,
    },
    /// The Messages of a target are too small for a record.
    #[error("{target}: {source}")]
    Encode {
        /// The target as written.
        target: String,
        /// What did not fit.
        source: Refused,
    },
    /// The Message size asked for is below what every record needs.
    #[error("{target}: messages of {size} octets are too small: at least {minimum} are needed")]
    MessageSize {
        /// The target as written.
        target: String,
        /// The size asked for.
        size: usize,
        /// The smallest size that works.
        minimum: usize,
    },
    /// The operating system gave no thread.
    #[error("{target}: cannot start a thread: {source}")]
    Thread {
        /// The target as written.
        target: String,
        /// What it said.
        source: io::Error,
    },
    /// The thread of a target ended before its time: a bug.
    #[error("{target}: the thread of this target panicked")]
    Panicked {
        /// The target as written.
        target: String,
    },
    /// The spool of a target could not be opened.
    #[error("{target}: {source}")]
    Spool {
        /// The target as written.
        target: String,
        /// What is wrong with it.
        source: SpoolError,
    },
    /// What the privacy policy of a target needs is not there.
    #[error("{target}: {source}")]
    Privacy {
        /// The target as written.
        target: String,
        /// What is wrong.
        source: KeyFileError,
    },
    /// The spool of a target takes nothing at the moment; it is tried again.
    #[error("{target}: cannot write to the spool: {source}")]
    SpoolWrite {
        /// The target as written.
        target: String,
        /// What the file system said.
        source: io::Error,
    },
    /// There is no session over TLS, or there cannot be one.
    #[error("{target}: {source}")]
    Tls {
        /// The target as written.
        target: String,
        /// What is wrong.
        source: TlsError,
    },
    /// The run is over, and the Collector takes what there is too slowly.
    #[error(
        "{target}: the collector is too slow: {seconds} s after the end there was more to send"
    )]
    Slow {
        /// The target as written.
        target: String,
        /// How long it had.
        seconds: u64,
    },
    /// What an earlier run left in the spool cannot be delivered.
    #[error(
        "{target}: {records} flow records that an earlier run left in the spool are lost: they are under another key than this run's (--spool-key), or damaged"
    )]
    SpoolUnreadable {
        /// The target as written.
        target: String,
        /// How many.
        records: u64,
    },
}

impl ExportError {
    /// The target as written.
    pub fn target(&self) -> &str {
        let (Self::Closing { target }
        | Self::Resolve { target, .. }
        | Self::Connect { target, .. }
        | Self::Members { target, .. }
        | Self::Session { target, .. }
        | Self::Stalled { target, .. }
        | Self::Unreachable { target }
        | Self::Send { target, .. }
        | Self::Create { target, .. }
        | Self::Write { target, .. }
        | Self::Encode { target, .. }
        | Self::MessageSize { target, .. }
        | Self::Thread { target, .. }
        | Self::Panicked { target }
        | Self::Spool { target, .. }
        | Self::Privacy { target, .. }
        | Self::SpoolWrite { target, .. }
        | Self::Tls { target, .. }
        | Self::Slow { target, .. }
        | Self::SpoolUnreadable { target, .. }) = self;
        target
    }

    /// Whether it stays so until somebody changes the configuration, or what that names: keys,
    /// certificates, directories. Asked of what [`Exporter::start`](crate::export::Exporter::start) returns.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::MessageSize { .. } => true,
            Self::Create { source, .. }
            | Self::Spool { source: SpoolError::Directory { source, .. }, .. } => {
                is_unusable(source)
            }
            Self::Spool { source: SpoolError::Key(source), .. } | Self::Privacy { source, .. } => {
                is_wrong_key(source)
            }
            Self::Tls { source, .. } => source.is_configuration(),
            _ => false,
        }
    }
}

fn is_wrong_key(error: &KeyFileError) -> bool {
    match error {
        KeyFileError::File { source, .. } => is_unusable(source),
        KeyFileError::Content { .. } | KeyFileError::Exposed { .. } => true,
        KeyFileError::Random => false,
    }
}

/// Whether a place can never be used as it is, unlike one on a disk that is full for the moment.
pub fn is_unusable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
    )
}
