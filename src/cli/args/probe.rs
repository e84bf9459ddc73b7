//! What asks the probe on this host.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::values::{DEFAULT_PROBE, probe};
use crate::cli::examples;
use crate::telemetry::Address;

#[derive(Debug, Args)]
#[command(after_help = examples::STATUS)]
pub(in crate::cli) struct Status {
    /// Print everything the probe tells, but for its last hour, as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,

    /// Where the probe tells of itself: what its --telemetry says [default: 127.0.0.1:9739]
    #[arg(
        long,
        value_name = "WHERE",
        value_parser = probe,
        default_value = DEFAULT_PROBE,
        hide_default_value = true
    )]
    pub(in crate::cli) probe: Address,

    /// The probe that runs by this configuration: it is where telemetry.listen of that says
    #[arg(long, value_name = "FILE", conflicts_with = "probe")]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = examples::TOP)]
pub(in crate::cli) struct Top {
    /// Where the probe tells of itself: what its --telemetry says [default: 127.0.0.1:9739]
    #[arg(
        long,
        value_name = "WHERE",
        value_parser = probe,
        default_value = DEFAULT_PROBE,
        hide_default_value = true
    )]
    pub(in crate::cli) probe: Address,

    /// The probe that runs by this configuration: it is where telemetry.listen of that says
    #[arg(long, value_name = "FILE", conflicts_with = "probe")]
    pub(in crate::cli) config: Option<PathBuf>,
}
