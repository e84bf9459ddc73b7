//! From `--telemetry` to the endpoint of a run.

use std::path::Path;

use serde_json::Value;

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

/// The same for a terminal: whatever answers there may have sent anything, and an interface may be called
/// anything.
pub(super) fn printable(status: &Status) -> anyhow::Result<Status> {
    let mut value = serde_json::to_value(status)?;
    escape(&mut value);
    Ok(serde_json::from_value(value)?)
}

fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = log::printable(text),
        Value::Array(values) => values.iter_mut().for_each(escape),
        Value::Object(values) => values.values_mut().for_each(escape),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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
