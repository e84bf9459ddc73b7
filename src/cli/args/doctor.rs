//! `flowtap doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::Spool;
use crate::cli::args::values::survey_duration;
use crate::cli::examples;
use crate::export::Target;

#[derive(Debug, Args)]
#[command(after_help = examples::DOCTOR)]
pub(in crate::cli) struct Doctor {
    /// Look at what this configuration names; flags override it [default: /etc/flowtap/flowtap.toml
    /// where no interface is named]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,

    /// Interface to look at; repeat it for several, as for capture
    #[arg(short, long = "interface", value_name = "IFACE")]
    pub(in crate::cli) interface: Vec<String>,

    /// How long to look at the traffic, 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = survey_duration)]
    pub(in crate::cli) duration: Duration,

    /// Where flows will go, as for capture: is it reached, and does its traffic pass here?
    #[arg(long, value_name = "TARGET")]
    pub(in crate::cli) export: Vec<Target>,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: DoctorFormat,

    #[command(flatten)]
    pub(in crate::cli) spool: Spool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum DoctorFormat {
    /// For people
    Text,
    /// An object with every check
    Json,
}
