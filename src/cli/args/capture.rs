//! `flowtap capture`, and what else meters live traffic.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::capture::live;
use crate::cli::args::values::{silence, workers};
use crate::cli::args::{Confine, Log, Meter, Spool};
use crate::cli::examples;
use crate::telemetry::Address;

#[derive(Clone, Debug, Args)]
#[command(after_help = examples::CAPTURE)]
pub(in crate::cli) struct Capture {
    /// Read the configuration from this TOML file; flags override what it says
    ///
    /// flowtap config prints one with every key and its default; flowtap check FILE says what is wrong
    /// with one. On SIGHUP the probe reads it again: targets, networks, filter, privacy, timeouts and the
    /// level of the log change; the flow cache and all counts stay. A file with a mistake changes nothing.
    /// Without a file SIGHUP ends the probe as SIGTERM does: with all that it has counted.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,

    /// Interface to observe; repeat it for several
    ///
    /// All interfaces feed one flow cache: the two directions of a TAP meet in one record. Nothing is
    /// ever sent on an observed interface. One that is not there is an error; one of the configuration file, or
    /// of a probe that systemd starts, is waited for, unless --no-reopen is given.
    #[arg(short, long = "interface", value_name = "IFACE")]
    pub(in crate::cli) interface: Vec<String>,

    /// What the configuration file says of interfaces.
    #[arg(skip)]
    pub(in crate::cli) described: Vec<Described>,

    /// How packets are taken from the kernel
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = Backend::default())]
    pub(in crate::cli) backend: Backend,

    /// Worker threads, each with a ring of its own [default: one per processor, with libpcap no more
    /// than interfaces]
    ///
    /// Each is bound to a processor where that is allowed. The shipped unit does not allow it
    /// (sched_setaffinity(2)); a drop-in does, see systemd/flowtap.service.
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(in crate::cli) workers: Option<NonZeroUsize>,

    /// Meter only packets that match this BPF expression, as tcpdump(8) takes it
    ///
    /// It is compiled by libpcap and runs in the kernel. Nobody counts what it rejects: that is not
    /// received, and in no sum of the ledger. To leave networks out and have that counted use
    /// --exclude-net.
    #[arg(long, value_name = "EXPRESSION")]
    pub(in crate::cli) filter: Option<String>,

    /// Stop after this time, for example 10s or 5m [default: run until SIGINT or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(in crate::cli) duration: Option<Duration>,

    /// How long an interface that is up may bring no packet before that is a fault; 0s for ever
    ///
    /// Then the probe is not healthy until a packet comes, and the log says when it begins and ends.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = silence)]
    pub(in crate::cli) silence: Duration,

    /// Where the probe tells of itself: metrics, health and a page (an address, unix:PATH, off)
    ///
    /// At http://127.0.0.1:9739/ without it. What others than this host can reach is refused, unless
    /// that is said: exposed:192.0.2.1:9739. Nothing it tells is of a single communication.
    #[arg(long, value_name = "WHERE", default_value_t = Address::default(), hide_default_value = true)]
    pub(in crate::cli) telemetry: Address,

    #[command(flatten)]
    pub(in crate::cli) meter: Meter,

    #[command(flatten)]
    pub(in crate::cli) spool: Spool,

    #[command(flatten)]
    pub(in crate::cli) log: Log,

    /// Keep no capability to open an interface again that was lost
    ///
    /// Without it CAP_NET_RAW is kept for that. The probe goes on with the interfaces that are left,
    /// and fails when there is none: a service manager then starts it anew.
    #[arg(long, help_heading = "Confinement")]
    pub(in crate::cli) no_reopen: bool,

    #[command(flatten)]
    pub(in crate::cli) confine: Confine,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Backend {
    /// A TPACKET_V3 ring per worker (Linux)
    #[default]
    AfPacket,
    /// libpcap
    Libpcap,
}

/// What an operator says of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::cli) struct Described {
    pub(in crate::cli) name: String,
    /// Which traffic it carries, seen from the observed network.
    pub(in crate::cli) direction: Option<Direction>,
    /// `interfaceDescription` (IE 83); that of the system without.
    pub(in crate::cli) description: Option<String>,
}

/// Values of `flowDirection` (IE 61).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Direction {
    Ingress,
    Egress,
}

impl From<Backend> for live::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::AfPacket => Self::AfPacket,
            Backend::Libpcap => Self::Libpcap,
        }
    }
}
