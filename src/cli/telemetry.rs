//! From `--telemetry` to the endpoint of a run.

use std::io::{self, Write as _};

use crate::cli::args::Meter;
use crate::telemetry::{Address, Endpoint, Subject, Telemetry};

/// Opens the socket. A probe without one is better than none: that it cannot be opened is said.
pub(super) fn open(address: &Address, meter: &Meter) -> Option<Endpoint> {
    match Endpoint::open(address) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            if !meter.quiet {
                say(&format_args!(
                    "no telemetry at {address}: {error}; another one: --telemetry WHERE"
                ));
            }
            None
        }
    }
}

/// Answers from now on.
pub(super) fn serve(
    endpoint: Option<Endpoint>,
    address: &Address,
    subject: Subject,
    meter: &Meter,
) -> Option<Telemetry> {
    match endpoint?.serve(subject) {
        Ok(telemetry) => {
            if !meter.quiet {
                match address {
                    Address::Tcp { address, .. } => {
                        say(&format_args!("telemetry at http://{address}/"))
                    }
                    address => say(&format_args!("telemetry at {address}")),
                }
            }
            Some(telemetry)
        }
        Err(error) => {
            say(&format_args!("no telemetry: {error}"));
            None
        }
    }
}

fn say(text: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "flowtap: {text}");
}
