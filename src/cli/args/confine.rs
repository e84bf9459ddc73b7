//! Confinement.

use clap::Args;

/// What the process gives up before it reads the first packet.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Confinement")]
pub(in crate::cli) struct Confine {
    /// Become this user, where started as root; spool and output directories have to be its own
    ///
    /// Interfaces are opened before that.
    #[arg(long, value_name = "NAME[:GROUP]", conflicts_with = "unconfined")]
    pub(in crate::cli) user: Option<String>,

    /// Run without confinement: for debugging only
    ///
    /// Without this option privileges, system calls and files are cut down to what the run needs, as far as the
    /// kernel can do that; what it cannot is said at start.
    #[arg(long)]
    pub(in crate::cli) unconfined: bool,
}
