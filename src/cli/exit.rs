//! Who is to blame for a failure: whoever wrote command line and configuration, or the run.
//!
//! Service managers try again after status 1, and not after 2 (`RestartPreventExitStatus=` of the unit). So
//! 2 is what stays wrong until somebody changes it.

use crate::capture::CaptureError;
use crate::cli::UsageError;
use crate::cli::config::ConfigError;
use crate::cli::selection::ListError;
use crate::confine::ConfineError;
use crate::export::{ExportError, is_unusable};

/// A place that was named and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub(super) struct PlaceError {
    /// What cannot be done there.
    pub(super) what: String,
    pub(super) source: std::io::Error,
}

/// Whether command line or configuration are to blame.
pub(super) fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<UsageError>()
        || error.is::<ConfigError>()
        || error.is::<ListError>()
        || matches!(error.downcast_ref(), Some(CaptureError::Filter { .. }))
        || error.downcast_ref().is_some_and(ConfineError::is_configuration)
        || error.downcast_ref().is_some_and(ExportError::is_configuration)
        || error.downcast_ref().is_some_and(|place: &PlaceError| is_unusable(&place.source))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_disk_that_is_full_is_not_the_configurations_fault() {
        let place = |kind: io::ErrorKind| {
            is_usage(&PlaceError { what: "cannot write a".to_owned(), source: kind.into() }.into())
        };
        for kind in [
            io::ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::IsADirectory,
        ] {
            assert!(place(kind), "{kind}");
        }
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Interrupted] {
            assert!(!place(kind), "{kind}");
        }
    }
}
