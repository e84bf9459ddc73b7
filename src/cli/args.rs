//! The command line as typed. One definition a flag: `-h`, `--help` and parser come from it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::profiles::ProfilesFormat;
use crate::cli::show::ShowFormat;
use crate::export::Target;
use crate::{decode, flow};

/// flowtap turns packets into flow records and throws the payload away at once.
///
/// It reads packets from network interfaces at a TAP or SPAN port, or from capture files, keeps
/// their headers only, sums them up into bidirectional flows, and exports these as IPFIX (RFC 7011)
/// to collectors and files. Every packet is accounted for: a ledger at the end says what was
/// received, metered, ignored and exported, and the sums must agree.
#[derive(Debug, Parser)]
#[command(name = "flowtap", version, max_term_width = 100, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Meter capture files: pcap or pcapng, plain, gzip or zstd
    Replay(Replay),
    /// Meter live traffic of one or several interfaces
    Capture(Capture),
    /// Print an IPFIX file, of flowtap or of any other exporter
    Show(Show),
    /// List what each kind of collector gets (--export udp://HOST:PORT?profile=NAME), and why
    Profiles(Profiles),
}

const EXAMPLES: &str = "Examples:
  flowtap replay traffic.pcap
      print the flows of a capture as a table
  flowtap replay traffic.pcap.gz --export file:flows.ipfix --summary -
      write them as an IPFIX file, and the ledger as JSON to the terminal
  flowtap capture -i eth1 -i eth2 --export udp://192.0.2.10:4739
      meter both directions of a TAP and send the flows to a collector
  flowtap capture -i eth1 --export 'failover:tls://a.example,tls://b.example?ca=ca.pem'
      send them encrypted to one collector, and to the other one while the first is away
  flowtap show flows.ipfix --format json
      print the records of an IPFIX file, one JSON object a line";

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Capture files, read one after the other; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Worker threads
    ///
    /// The records are the same for any number; only their order differs.
    #[arg(long, value_name = "N", default_value = "1", value_parser = workers)]
    pub(super) workers: NonZeroUsize,

    #[command(flatten)]
    pub(super) meter: Meter,
}

#[derive(Debug, Args)]
pub(super) struct Capture {
    /// Interface to observe; repeat it for several
    ///
    /// All interfaces feed one flow cache: the two directions of a TAP meet in one record. Nothing is
    /// ever sent on an observed interface.
    #[arg(short, long = "interface", value_name = "IFACE", required = true)]
    pub(super) interface: Vec<String>,

    /// How packets are taken from the kernel
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = Backend::default())]
    pub(super) backend: Backend,

    /// Worker threads, each with a ring and a processor of its own [default: one per processor, with
    /// libpcap no more than interfaces]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(super) workers: Option<NonZeroUsize>,

    /// Meter only packets that match this BPF expression, as tcpdump(8) takes it
    ///
    /// It is compiled by libpcap and runs in the kernel. What it rejects is not received and so
    /// appears nowhere in the ledger.
    #[arg(long, value_name = "EXPRESSION")]
    pub(super) filter: Option<String>,

    /// Stop after this time, for example 10s or 5m [default: run until SIGINT or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,

    #[command(flatten)]
    pub(super) meter: Meter,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// IPFIX file (RFC 5655), plain, gzip or zstd; - is standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ShowFormat,
}

#[derive(Debug, Args)]
pub(super) struct Profiles {
    /// How to print them
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ProfilesFormat,
}

/// What both meters take.
#[derive(Debug, Args)]
pub(super) struct Meter {
    /// Where flow records go; repeat it for several, each gets every record
    ///
    /// udp://HOST:PORT       IPFIX collector over UDP; also tcp:// and sctp://
    ///
    /// tls://HOST:PORT       over TLS
    ///
    /// failover:URL,URL...   the first of these collectors that can be reached
    ///
    /// balance:URL,URL...    each flow to one of these collectors
    ///
    /// file:PATH             IPFIX file (RFC 5655)
    ///
    /// json:PATH             one JSON object a flow; json:- is standard output
    ///
    /// null:                 count and drop
    ///
    /// Options follow as ?KEY=VALUE&KEY=VALUE, values percent-encoded; quote them for the shell.
    /// Of collectors and files: profile=NAME (what the collector can read: see flowtap profiles),
    /// biflow=on|off, time=ms|us|ns, observation_domain=N. Of collectors: options_refresh=TIME,
    /// source=ADDRESS, rate=N (messages a second at most). Over UDP: template_refresh=TIME,
    /// mtu=OCTETS. Over TCP, TLS and SCTP: reconnect=TIME. Over TLS: ca=FILE, cert=FILE, key=FILE
    /// (PEM), name=NAME, peer=NAME (repeat it). Of files: rotate=TIME (PATH is a pattern for
    /// strftime then), size=OCTETS, compress=zstd.
    ///
    /// The port may be left out: it is 4739 then, and 4740 for TLS. An IPv6 address stands in brackets.
    /// Without any target the flows are printed as a table. Flow
    /// records are personal data on most networks: send them over UDP, TCP or SCTP only on networks
    /// you trust.
    #[arg(long, value_name = "TARGET", help_heading = "Output")]
    pub(super) export: Vec<Target>,

    /// Write the ledger as JSON at the end; - is standard output
    ///
    /// With - the table of flows that a run without target prints is left out.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) summary: Option<PathBuf>,

    /// Print neither progress nor ledger; errors only
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Export a flow that goes on in slices of this length; 0s makes each packet a slice
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = humantime::parse_duration,
        help_heading = "Metering"
    )]
    pub(super) active_timeout: Duration,

    /// A flow without packets for so long is over; 0s makes each packet a flow
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15s",
        value_parser = humantime::parse_duration,
        help_heading = "Metering"
    )]
    pub(super) idle_timeout: Duration,

    /// Flows held at most; when there are more, the one idle longest of a sample leaves early
    ///
    /// Address space for them is set aside at the start; memory is used as flows come, some 270
    /// octets each, and 60 more in a tunnel or under MPLS labels.
    #[arg(
        long,
        value_name = "N",
        default_value = "1000000",
        value_parser = max_flows,
        help_heading = "Metering"
    )]
    pub(super) max_flows: usize,

    /// Observation Domain ID in every IPFIX message; give each probe its own
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Output")]
    pub(super) observation_domain: u32,

    /// One record for both directions of a flow (RFC 5103), or one for each
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Metering")]
    pub(super) biflow: Switch,

    /// Meter the innermost packet of a tunnel, or the outermost
    ///
    /// With inner, the outer addresses and the tunnel's id are kept in the record. A tunnel that
    /// cannot be decoded is metered as its outer flow either way.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Tunnels::Inner, help_heading = "Metering")]
    pub(super) tunnels: Tunnels,

    /// Whether the outermost VLAN id is part of the flow key
    ///
    /// Turn it off where the two directions of a flow carry different VLAN ids.
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Metering")]
    pub(super) vlan_key: Switch,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Backend {
    /// A TPACKET_V3 ring per worker (Linux)
    #[default]
    AfPacket,
    /// libpcap
    Libpcap,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Tunnels {
    Inner,
    Outer,
}

impl Meter {
    pub(super) fn decode(&self) -> decode::Config {
        decode::Config {
            tunnels: match self.tunnels {
                Tunnels::Inner => decode::Tunnels::Inner,
                Tunnels::Outer => decode::Tunnels::Outer,
            },
        }
    }

    pub(super) fn flow(&self, seed: flow::Seed, live_workers: usize) -> flow::Config {
        flow::Config {
            active_timeout: self.active_timeout,
            idle_timeout: self.idle_timeout,
            max_flows: self.max_flows,
            biflow: self.biflow == Switch::On,
            vlan_key: self.vlan_key == Switch::On,
            seed,
            live_workers,
        }
    }
}

fn max_flows(text: &str) -> Result<usize, String> {
    let number: usize =
        text.replace('_', "").parse().map_err(|_| "not a number of flows".to_owned())?;
    if (1..=MOST_FLOWS).contains(&number) {
        Ok(number)
    } else {
        Err(format!("must be between 1 and {MOST_FLOWS}"))
    }
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_WORKERS) => NonZeroUsize::new(number),
        _ => None,
    }
    .ok_or_else(|| format!("must be a number from 1 to {MOST_WORKERS}"))
}

/// Far above the processors of any machine; each worker has a thread and, live, a ring.
const MOST_WORKERS: usize = 512;
/// 128 million flows take some 35 GB: more is a slip of the keyboard.
const MOST_FLOWS: usize = 128_000_000;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_duration_without_unit_is_refused_with_an_example() {
        let error = Arguments::try_parse_from(["flowtap", "replay", "x", "--idle-timeout", "15"])
            .expect_err("15 of what?");
        assert!(error.to_string().contains("15s"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn absurd_numbers_of_workers_are_refused() {
        let parse = |number| {
            Arguments::try_parse_from(["flowtap", "replay", "x", "--workers", number])
                .map_err(|error| error.exit_code())
                .map(|_| ())
        };
        assert_eq!([parse("1"), parse("512")], [Ok(()); 2]);
        for number in ["0", "513", "-1", "many", "99999999999999999999"] {
            assert_eq!(parse(number), Err(2), "{number}");
        }
    }

    #[test]
    fn a_wrong_target_is_refused_with_what_would_be_right() {
        for (target, hint) in [
            ("udp://c?profil=nfdump", "did you mean `profile`?"),
            ("tcp://c?mtu=1400", "leave it out"),
            ("failover:udp://c", "use failover:URL,URL"),
        ] {
            let error = Arguments::try_parse_from(["flowtap", "replay", "x", "--export", target])
                .expect_err("a wrong target");
            assert!(error.to_string().contains(hint), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn absurd_cache_sizes_are_refused() {
        for size in ["0", "-1", "many", "99999999999999"] {
            let arguments = ["flowtap", "replay", "x", "--max-flows", size];
            assert!(Arguments::try_parse_from(arguments).is_err(), "{size}");
        }
    }
}
