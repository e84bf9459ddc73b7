//! From `--telemetry` to the endpoint of a run.

use std::path::Path;

use crate::cli::{UsageError, config, log};
use crate::telemetry::client::{self, ClientError};
use crate::telemetry::{Address, Endpoint, Status, Subject, Telemetry};

/// Opens the socket. A probe without one is better than none: that it cannot be opened is said.
pub(super) fn open(address: &Address) -> Option<Endpoint> {
    let opened = Endpoint::open(address);
    opened.unwrap_or_else(|error| {
        log::telemetry_failed(address, &error);
        None
    })
}

/// Where a probe is to be asked: where it was said, or where its configuration says.
pub(super) fn place(probe: &Address, file: Option<&Path>) -> anyhow::Result<Address> {
    let Some(file) = file else { return Ok(probe.clone()) };
    match config::of_file(file)?.capture.telemetry {
        Address::Off => Err(UsageError(format!(
            "the probe of {} tells nothing of itself: [telemetry] listen is \"off\"",
            file.display()
        ))
        .into()),
        address => Ok(address),
    }
}

/// How the probe at `address` is.
pub(super) fn ask(address: &Address) -> anyhow::Result<Status> {
    client::status(address).map_err(|error| match error {
        error @ ClientError::Unreachable { .. } => anyhow::anyhow!(
            "{error}; for one that is elsewhere: --probe WHERE, as its --telemetry says"
        ),
        error => error.into(),
    })
}

/// Answers no more, and leaves no socket behind; where it does, that is said.
pub(super) fn end(telemetry: Option<Telemetry>, address: &Address) {
    let (Some(telemetry), Address::Unix(path)) = (telemetry, address) else { return };
    drop(telemetry);
    if path.symlink_metadata().is_ok() {
        log::telemetry_left(address);
    }
}

/// Answers from now on.
pub(super) fn serve(
    endpoint: Option<Endpoint>,
    address: &Address,
    subject: Subject,
) -> Option<Telemetry> {
    let endpoint = endpoint?;
    let place = endpoint.address().clone();
    match endpoint.serve(subject) {
        Ok(telemetry) => {
            log::telemetry_started(&place);
            Some(telemetry)
        }
        Err(error) => {
            log::telemetry_failed(address, &error);
            None
        }
    }
}
