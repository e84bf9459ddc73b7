//! What looks after what probes leave on this machine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::examples;
use crate::cli::installation;

#[derive(Debug, Args)]
#[command(after_help = WIPE_EXAMPLES)]
pub(in crate::cli) struct Wipe {
    /// Directory of a spool, beside those that the environment file names; repeat it for several
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) spool: Vec<PathBuf>,

    /// File of the key of a spool, beside those that the environment file names
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) spool_key: Vec<PathBuf>,

    /// Configuration of the probe: spool, keys and files that it names are erased
    #[arg(long, value_name = "FILE", default_value = installation::CONFIGURATION_FILE)]
    pub(in crate::cli) config: PathBuf,

    /// Options of the probe that systemd starts: spool, keys and files that they name are erased
    #[arg(long, value_name = "FILE", default_value = installation::ENVIRONMENT_FILE)]
    pub(in crate::cli) environment_file: PathBuf,

    /// The directory that systemd gave to the probe
    ///
    /// In it, records and ledgers that a probe wrote are erased too. What no probe writes is left and
    /// listed.
    #[arg(long, value_name = "DIR", default_value = installation::STATE_DIRECTORY)]
    pub(in crate::cli) state_directory: PathBuf,

    /// Erase the configuration too: the files, and certificates and private keys that they name
    #[arg(long)]
    pub(in crate::cli) all: bool,

    /// Do not ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,

    /// Only list what would be erased
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    /// How to list it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: ReportFormat,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = examples::SUPPORT_BUNDLE)]
pub(in crate::cli) struct SupportBundle {
    /// The archive to make (tar, compressed by zstd); - is standard output
    ///
    /// Every file in it is plain text, and README.txt tells what each is. No address, port or name of
    /// the observed network is in it, nor a host, path, key or filter of the configuration.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,

    /// A ledger of a run (--summary), of which the numbers go in
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) summary: Option<PathBuf>,

    /// Directory of a spool, beside those that the environment file names; repeat it for several
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) spool: Vec<PathBuf>,

    /// Configuration of the probe
    #[arg(long, value_name = "FILE", default_value = installation::CONFIGURATION_FILE)]
    pub(in crate::cli) config: PathBuf,

    /// Options of the probe that systemd starts
    #[arg(long, value_name = "FILE", default_value = installation::ENVIRONMENT_FILE)]
    pub(in crate::cli) environment_file: PathBuf,

    /// The directory that systemd gave to the probe
    #[arg(long, value_name = "DIR", default_value = installation::STATE_DIRECTORY)]
    pub(in crate::cli) state_directory: PathBuf,
}

const WIPE_EXAMPLES: &str = "\
Examples:
  flowtap wipe --dry-run
      list what the probes of this machine keep
  flowtap wipe --all --yes
      before the machine is returned or discarded
  flowtap wipe --spool /var/spool/flowtap --spool-key /etc/flowtap/spool.key
      what a probe with these options keeps

It refuses while a probe runs: one that holds the lock of a spool, or a process of this program that
captures. It cannot see probes in containers, and processes that /proc hides.

Exit status: 0 everything was erased, 1 something could not be.";
