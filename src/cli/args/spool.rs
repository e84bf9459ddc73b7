//! Outages of collectors.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::values::{age, size};
use crate::export::SpoolConfig;

/// Where records wait for collectors that are away.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Outage")]
pub(in crate::cli) struct Spool {
    /// Directory where records wait, encrypted, for collectors that are away or slow
    ///
    /// Each collector has a directory of its own in it. Without a spool records wait in memory only,
    /// and what does not fit there is lost and counted.
    #[arg(long = "spool", value_name = "DIR")]
    pub(in crate::cli) directory: Option<PathBuf>,

    /// Octets on disk at most, for each collector
    #[arg(
        long = "spool-size",
        value_name = "SIZE",
        default_value = "1G",
        value_parser = size,
        requires = "directory"
    )]
    pub(in crate::cli) size: u64,

    /// What has waited longer is removed, and counted as lost
    #[arg(
        long = "spool-age",
        value_name = "TIME",
        default_value = "7d",
        value_parser = age,
        requires = "directory"
    )]
    pub(in crate::cli) age: Duration,

    /// File of the key by which the spool survives a restart; made if it is not there
    ///
    /// Without it the key is in memory only: what waits cannot be read by anybody else, and is lost
    /// when the probe stops.
    #[arg(long = "spool-key", value_name = "FILE", requires = "directory")]
    pub(in crate::cli) key: Option<PathBuf>,

    /// Memory for records that wait for one collector
    #[arg(long = "queue", value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub(in crate::cli) queue: u64,
}

impl Spool {
    /// Where records wait on disk, if they do.
    pub(in crate::cli) fn config(&self) -> Option<SpoolConfig> {
        self.directory.as_ref().map(|directory| SpoolConfig {
            directory: directory.clone(),
            maximum_octets: self.size,
            maximum_age: self.age,
            key_file: self.key.clone(),
        })
    }

    /// How much waits in memory.
    pub(in crate::cli) fn queue_octets(&self) -> usize {
        usize::try_from(self.queue).unwrap_or(usize::MAX)
    }
}
