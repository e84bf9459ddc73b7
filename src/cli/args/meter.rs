//! What meters take: where records go, and what decides what becomes of a packet.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::values::{max_flows, observation_domain};
use crate::export::Target;
use crate::flow::Network;
use crate::{decode, flow};

/// What both meters take.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Meter {
    /// Where flow records go; repeat it for several, each gets every record
    ///
    /// Targets:
    ///   udp://HOST:PORT      IPFIX over UDP; also tcp:// and sctp://
    ///   tls://HOST:PORT      IPFIX over TLS, with certificates
    ///   failover:URL,URL...  the first of these that is reached
    ///   balance:URL,URL...   each flow to one of these
    ///   file:PATH            IPFIX files (RFC 5655)
    ///   json:PATH            one JSON object a flow (json:- prints)
    ///   null:                count and drop
    ///
    /// The port is 4739 when none is given, and 4740 for TLS. An IPv6 address
    /// stands in brackets. Without any target the flows are printed as a table.
    /// Flow records are personal data on most networks: send them over UDP, TCP
    /// or SCTP only on networks you trust.
    ///
    /// Options follow as ?KEY=VALUE&KEY=VALUE, values percent-encoded; quote
    /// them for the shell. Of several values the first is the default, unless
    /// the profile has another.
    ///   IPFIX           profile=NAME (see flowtap profiles)
    ///                   biflow=on|off, time=ms|us|ns
    ///                   observation_domain=N
    ///   collectors      options_refresh=TIME, source=ADDRESS
    ///                   rate=N (messages a second at most)
    ///   udp             template_refresh=TIME, mtu=OCTETS
    ///   tcp, tls, sctp  reconnect=TIME
    ///   tls             ca=FILE, cert=FILE, key=FILE (PEM)
    ///                   name=NAME, peer=NAME (repeat it)
    ///   file            rotate=TIME (PATH is for strftime then)
    ///                   size=OCTETS, compress=zstd
    ///   all but null    privacy=as-is|obfuscated|statistical
    ///   obfuscated      addresses=pseudonym|prefix|as-is
    ///                   prefix4=BITS, prefix6=BITS
    ///                   own=NETWORK (repeat it), treated otherwise
    ///                   own_addresses=... (how, as addresses)
    ///                   pseudonym_key=FILE (else in memory only)
    ///                   pseudonym_rotation=TIME
    ///                   macs=drop|vendor|as-is
    ///                   ports=service|drop|as-is, time_step=TIME
    ///   statistical     k=N (10), interval=TIME (1m)
    ///                   net=NETWORK (repeat it)
    ///
    /// A pseudonym key is made if the file is not there. obfuscated never tells
    /// TCP sequence numbers, flow labels and ids of tunnels, and MAC addresses
    /// and ports of clients only if asked for. statistical tells of no single
    /// flow: once an interval Aggregated Flows (RFC 7015) leave, each of k flows
    /// at least, by net among others.
    #[arg(long, value_name = "TARGET", verbatim_doc_comment, help_heading = "Output")]
    pub(in crate::cli) export: Vec<Target>,

    /// Write the ledger as JSON at the end; - is standard output
    ///
    /// With - the table of flows that a run without target prints is left out.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(in crate::cli) summary: Option<PathBuf>,

    /// Print neither progress nor ledger; errors only
    #[arg(long, short, help_heading = "Output")]
    pub(in crate::cli) quiet: bool,

    /// Observation Domain ID in every IPFIX message; give each probe its own
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        value_parser = observation_domain,
        help_heading = "Output"
    )]
    pub(in crate::cli) observation_domain: u32,

    #[command(flatten)]
    pub(in crate::cli) metering: Metering,
}

/// What decides what becomes of a packet.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Metering {
    /// A flow that goes on is exported at least this often; 0s exports a record for each packet
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = humantime::parse_duration,
        help_heading = "Metering"
    )]
    pub(in crate::cli) active_timeout: Duration,

    /// A flow expires when no packet of it has come for this time; 0s makes each packet a flow
    #[arg(
        long,
        value_name = "TIME",
        default_value = "15s",
        value_parser = humantime::parse_duration,
        help_heading = "Metering"
    )]
    pub(in crate::cli) idle_timeout: Duration,

    /// Size of the flow cache, in flows; when it is full a flow expires early (flowEndReason 5)
    ///
    /// Of a sample that is the one that has been idle longest. Address space for them is set aside at the start; memory is used as flows come, some 185
    /// octets each, 32 more with IPv6, and 68 more in a tunnel, under MPLS labels or in fragments.
    #[arg(
        long,
        value_name = "N",
        default_value = "1000000",
        value_parser = max_flows,
        help_heading = "Metering"
    )]
    pub(in crate::cli) max_flows: usize,

    /// One record for both directions of a flow (RFC 5103), or one for each
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Metering")]
    pub(in crate::cli) biflow: Switch,

    /// Meter the innermost packet of a tunnel, or the outermost
    ///
    /// With inner, the outer addresses and the tunnel's id are kept in the record. A tunnel that
    /// cannot be decoded is metered as its outer flow either way.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Tunnels::Inner, help_heading = "Metering")]
    pub(in crate::cli) tunnels: Tunnels,

    /// Whether the outermost VLAN id is part of the flow key
    ///
    /// Turn it off where the two directions of a flow carry different VLAN ids.
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Metering")]
    pub(in crate::cli) vlan_key: Switch,

    #[command(flatten)]
    pub(in crate::cli) selection: Selection,
}

/// Whose packets are metered.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Purpose limitation")]
pub(in crate::cli) struct Selection {
    /// Never meter a packet with an address in this network; repeat it, or separate by commas
    ///
    /// Looks at every address that a record would show: of the metered packet, and of the outermost
    /// tunnel around it. Such packets are counted as filtered, and appear nowhere else. What is inside
    /// a tunnel that cannot be read (encrypted, or in fragments) cannot be told by its addresses.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    pub(in crate::cli) exclude_net: Vec<Network>,

    /// Networks to exclude from a file, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) exclude_net_file: Vec<PathBuf>,

    /// Meter only packets with source or destination in this network; repeat it, or separate by commas
    ///
    /// Looks at the metered packet, the innermost one of a tunnel. --exclude-net comes first.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    pub(in crate::cli) only_net: Vec<Network>,

    /// Networks to keep to from a file, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) only_net_file: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Tunnels {
    Inner,
    Outer,
}

impl Metering {
    pub(in crate::cli) fn decode(&self) -> decode::Config {
        decode::Config {
            tunnels: match self.tunnels {
                Tunnels::Inner => decode::Tunnels::Inner,
                Tunnels::Outer => decode::Tunnels::Outer,
            },
        }
    }

    pub(in crate::cli) fn is_biflow(&self) -> bool {
        self.biflow == Switch::On
    }

    pub(in crate::cli) fn flow(&self, seed: flow::Seed, live_workers: usize) -> flow::Config {
        flow::Config {
            active_timeout: self.active_timeout,
            idle_timeout: self.idle_timeout,
            max_flows: self.max_flows,
            biflow: self.is_biflow(),
            vlan_key: self.vlan_key == Switch::On,
            seed,
            live_workers,
        }
    }
}
