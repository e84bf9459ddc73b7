//! What a command says of itself.

use clap::Args;

use crate::cli::args::{Capture, Command, Replay};
use crate::cli::log::{LogFormat, LogLevel};

/// What a command says of itself, on standard error or to the journal.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Log")]
pub(in crate::cli) struct Log {
    /// How messages are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "auto")]
    pub(in crate::cli) log_format: LogFormat,

    /// Messages of this level and of worse ones; error with --quiet [default: info]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(in crate::cli) log_level: Option<LogLevel>,
}

impl Log {
    /// How much is said.
    pub(in crate::cli) const fn level(&self, quiet: bool) -> LogLevel {
        match self.log_level {
            Some(level) => level,
            None if quiet => LogLevel::Error,
            None => LogLevel::Info,
        }
    }
}

impl Command {
    /// How the command writes what it says of itself, and whether it is quiet; `None` for one that has
    /// nothing to say but its result.
    pub(in crate::cli) const fn log(&self) -> Option<(Log, bool)> {
        match self {
            Self::Replay(Replay { log, meter, .. }) | Self::Capture(Capture { log, meter, .. }) => {
                Some((*log, meter.quiet))
            }
            Self::Plan(plan) => Some((plan.log, plan.quiet)),
            _ => None,
        }
    }
}
