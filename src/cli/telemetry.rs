//! From `--telemetry` to the endpoint of a run.

use crate::cli::log;
use crate::telemetry::{Address, Endpoint, Subject, Telemetry};

/// Opens the socket. A probe without one is better than none: that it cannot be opened is said.
pub(super) fn open(address: &Address) -> Option<Endpoint> {
    let opened = Endpoint::open(address);
    opened.unwrap_or_else(|error| {
        log::telemetry_failed(address, &error);
        None
    })
}

/// Answers from now on.
pub(super) fn serve(
    endpoint: Option<Endpoint>,
    address: &Address,
    subject: Subject,
) -> Option<Telemetry> {
    match endpoint?.serve(subject) {
        Ok(telemetry) => {
            log::telemetry_started(address);
            Some(telemetry)
        }
        Err(error) => {
            log::telemetry_failed(address, &error);
            None
        }
    }
}
