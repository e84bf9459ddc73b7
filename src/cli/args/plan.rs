//! `flowtap plan`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::values::{DEFAULT_PROBE, age, probe, workers};
use crate::cli::args::{Backend, Confine, Log, Metering};
use crate::cli::examples;
use crate::export::Target;
use crate::telemetry::Address;

#[derive(Debug, Args)]
#[command(after_help = examples::PLAN)]
pub(in crate::cli) struct Plan {
    /// Capture files, read one after the other; - is standard input
    #[arg(
        value_name = "FILE",
        required_unless_present_any = ["live", "probe"],
        conflicts_with_all = ["live", "probe"]
    )]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// Plan by what a probe on this host has counted in its last day [default: 127.0.0.1:9739]
    ///
    /// WHERE is what its --telemetry says. It goes by the configuration that the probe has.
    #[arg(
        long,
        value_name = "WHERE",
        value_parser = probe,
        num_args = 0..=1,
        default_missing_value = DEFAULT_PROBE,
        conflicts_with = "live"
    )]
    pub(in crate::cli) probe: Option<Address>,

    /// Plan for the probe that runs by this configuration; flags override it
    ///
    /// Targets with their privacy, timeouts, networks, flow cache and spool are those of the file, and
    /// with --live its interfaces and filter too.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,

    /// Observe interfaces for this time instead, for example 1h
    #[arg(
        long,
        value_name = "TIME",
        value_parser = age,
        help_heading = "Live"
    )]
    pub(in crate::cli) live: Option<Duration>,

    /// Interface to observe; repeat it for several
    #[arg(
        short,
        long = "interface",
        value_name = "IFACE",
        requires = "live",
        conflicts_with = "files",
        help_heading = "Live"
    )]
    pub(in crate::cli) interface: Vec<String>,

    /// How packets are taken from the kernel
    #[arg(
        long,
        value_enum,
        value_name = "BACKEND",
        default_value_t = Backend::default(),
        help_heading = "Live"
    )]
    pub(in crate::cli) backend: Backend,

    /// Worker threads, as in flowtap capture
    #[arg(long, value_name = "N", value_parser = workers, requires = "live", conflicts_with = "files", help_heading = "Live")]
    pub(in crate::cli) workers: Option<NonZeroUsize>,

    /// Observe only packets that match this BPF expression, as tcpdump(8) takes it
    #[arg(
        long,
        value_name = "EXPRESSION",
        requires = "live",
        conflicts_with = "files",
        help_heading = "Live"
    )]
    pub(in crate::cli) filter: Option<String>,

    /// A collector or file to plan for, with the options that it will have; repeat it for several
    ///
    /// As in flowtap capture: udp:, tcp:, tls:, sctp:, failover:, balance: and file:. Nobody is
    /// reached and nothing is written. Without any a collector over TCP is planned for.
    #[arg(long, value_name = "TARGET", help_heading = "Output")]
    pub(in crate::cli) export: Vec<Target>,

    /// How long a collector may be away, for the size of the spool
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = age, help_heading = "Output")]
    pub(in crate::cli) outage: Duration,

    /// How to print it
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Output"
    )]
    pub(in crate::cli) format: PlanFormat,

    /// Print the figures only, and errors
    #[arg(long, short, help_heading = "Output")]
    pub(in crate::cli) quiet: bool,

    /// Observation Domain ID in every IPFIX message
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Output")]
    pub(in crate::cli) observation_domain: u32,

    #[command(flatten)]
    pub(in crate::cli) metering: Metering,

    #[command(flatten)]
    pub(in crate::cli) log: Log,

    #[command(flatten)]
    pub(in crate::cli) confine: Confine,
}

pub(super) const PLAN_HELP: &str = "Say what this traffic makes collectors receive and store, and what to configure.

Packets of captures or of live traffic are metered, and flow records encoded and compressed as in flowtap \
capture, but counted where they would leave: nothing is sent and nothing is written. From that come \
octets a day, what 90 and 180 days of it occupy, how that compares with a full packet capture, and sizes \
for flow cache and spool.

A day is taken as the mean of what was seen, and where two minutes and more were seen also as if every \
minute were as the busiest. What makes the figures uncertain is said below them.

With --probe nothing is metered: the figures are what a running probe has counted in its last day, each \
target with the configuration that it has.";

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum PlanFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}
