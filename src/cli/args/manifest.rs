//! What reads a configuration, and starts nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::Capture;
use crate::cli::examples;
use crate::cli::installation;

#[derive(Debug, Args)]
#[command(after_help = examples::MANIFEST)]
pub(in crate::cli) struct Manifest {
    /// Configuration file, as --config
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    pub(in crate::cli) file: Option<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: ManifestFormat,

    /// In which language
    #[arg(long = "lang", value_enum, value_name = "LANGUAGE", default_value = "en")]
    pub(in crate::cli) language: Language,

    #[command(flatten)]
    pub(in crate::cli) capture: Capture,
}

#[derive(Debug, Args)]
#[command(after_help = examples::CHECK)]
pub(in crate::cli) struct Check {
    /// Configuration file
    #[arg(value_name = "FILE", default_value = installation::CONFIGURATION_FILE)]
    pub(in crate::cli) file: PathBuf,

    /// Look at files as this user, where run as root [default: who would capture]
    ///
    /// That is confinement.user of the file, for the file of the unit flowtap, and else root without its
    /// capabilities.
    #[arg(long, value_name = "NAME[:GROUP]")]
    pub(in crate::cli) user: Option<String>,

    /// Exit with status 1 if there is anything to note
    #[arg(long)]
    pub(in crate::cli) strict: bool,

    /// Print what is wrong and what is noted only
    #[arg(long, short)]
    pub(in crate::cli) quiet: bool,

    /// Options of flowtap capture that override the file, behind --
    #[arg(last = true, value_name = "OPTIONS")]
    pub(in crate::cli) options: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum ManifestFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Languages of documents.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// English
    En,
    /// Japanese
    Ja,
}
