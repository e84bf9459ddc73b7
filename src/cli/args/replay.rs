//! What reads capture files only.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::values::workers;
use crate::cli::args::{Confine, Log, Meter, Metering};
use crate::cli::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::REPLAY)]
pub(in crate::cli) struct Replay {
    /// Capture files, read one after the other; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// Worker threads
    ///
    /// The records are the same for any number; only their order differs.
    #[arg(long, value_name = "N", default_value = "1", value_parser = workers)]
    pub(in crate::cli) workers: NonZeroUsize,

    #[command(flatten)]
    pub(in crate::cli) meter: Meter,

    #[command(flatten)]
    pub(in crate::cli) log: Log,

    #[command(flatten)]
    pub(in crate::cli) confine: Confine,
}

#[derive(Debug, Args)]
#[command(after_help = examples::VERIFY)]
pub(in crate::cli) struct Verify {
    /// Capture files, each verified by itself: pcap or pcapng, plain, gzip or zstd
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// How to print the result
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: VerifyFormat,

    /// Print the captures that differ, and the verdict
    #[arg(long, short)]
    pub(in crate::cli) quiet: bool,

    #[command(flatten)]
    pub(in crate::cli) metering: Metering,
}

pub(super) const VERIFY_HELP: &str = "Show, on your own captures, that nothing that leaves flowtap depends on payload.

Each capture is replayed as it is, and once more with every octet behind the last header of each \
frame replaced: by random octets, by zeros, by ones, and by a text. That is what applications said, \
what ICMP errors quote of it, what is in fragments, tunnels and frames that cannot be decoded, and \
padding. Lengths and times stay. The replays run side by side, and every octet that comes out of them \
is compared: IPFIX messages, JSON, the table, the ledger, and what is logged. Nothing is stored.

The first difference in each output is shown to the field, and makes the exit status 1.";

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum VerifyFormat {
    /// For people
    Text,
    /// One JSON object a capture, a line each
    Json,
}
