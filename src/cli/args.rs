//! The command line as typed. One definition a flag: `-h`, `--help` and parser come from it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::capture::live;
use crate::cli::UsageError;
use crate::cli::installation;
use crate::cli::profiles::ProfilesFormat;
use crate::cli::show::{Key, Measure, Question, ShowFormat, View};
use crate::export::{SpoolConfig, Target, parse_size};
use crate::flow::Network;
use crate::telemetry::Address;
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
    /// Show, on your own captures, that nothing that leaves flowtap depends on payload
    Verify(Verify),
    /// Print IPFIX files, of flowtap or of any other exporter, or what is asked of the flows in them
    Show(Show),
    /// Erase what probes keep on this machine: spool, keys, state; list every file and the result
    Wipe(Wipe),
    /// Write an archive for a vendor's support: versions, counters, redacted configuration
    SupportBundle(SupportBundle),
    /// Look at this machine and its traffic, and say what to put right, each with the command for it
    #[cfg(target_os = "linux")]
    Doctor(Doctor),
    /// Say what leaves the probe, for whom, and what stays where: something to put under a contract
    Manifest(Manifest),
    /// Validate a configuration file, and print what is in effect with it
    Check(Check),
    /// Print a configuration file with every key, its default and what it is for
    Config,
    /// Say how the probe on this host is; exit status 0 if it is healthy
    Status(Status),
    /// Watch the probe on this host in the terminal
    Top(Top),
    /// Say what collectors will receive and keep of this traffic, and what to configure for it
    Plan(Plan),
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
  flowtap config; flowtap check flowtap.toml; flowtap capture --config flowtap.toml
      do all of it by a file: one to begin with, what is wrong with it, and run it
  flowtap show flows.ipfix --format json
      print the records of an IPFIX file, one JSON object a line
  flowtap show flows.ipfix --where 'dst port 443' --group src --top 10
      print who fetched most by HTTPS";

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
    pub(super) confine: Confine,

    #[command(flatten)]
    pub(super) meter: Meter,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Print everything the probe tells, but for its last hour, as JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Where the probe tells of itself: what its --telemetry says [default: 127.0.0.1:9739]
    #[arg(long, value_name = "WHERE", default_value_t = Address::default(), hide_default_value = true)]
    pub(super) probe: Address,
}

#[derive(Debug, Args)]
pub(super) struct Top {
    /// Where the probe tells of itself: what its --telemetry says [default: 127.0.0.1:9739]
    #[arg(long, value_name = "WHERE", default_value_t = Address::default(), hide_default_value = true)]
    pub(super) probe: Address,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Capture {
    /// Read the configuration from this TOML file; flags override what it says
    ///
    /// flowtap config prints one with every key and its default, flowtap check FILE says what is wrong
    /// with one. SIGHUP makes the probe read it again: targets, networks, filter, privacy and timeouts
    /// change, the flow cache and all counts stay. A file with a mistake changes nothing.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Interface to observe; repeat it for several
    ///
    /// All interfaces feed one flow cache: the two directions of a TAP meet in one record. Nothing is
    /// ever sent on an observed interface.
    #[arg(short, long = "interface", value_name = "IFACE")]
    pub(super) interface: Vec<String>,

    /// What the configuration file says of interfaces.
    #[arg(skip)]
    pub(super) described: Vec<Described>,

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

    /// Where the probe tells of itself: metrics, health and a page (an address, unix:PATH, off)
    ///
    /// At http://127.0.0.1:9739/ without it. What others than this host can reach is refused, unless
    /// that is said: exposed:192.0.2.1:9739. Nothing it tells is of a single communication.
    #[arg(long, value_name = "WHERE", default_value_t = Address::default(), hide_default_value = true)]
    pub(super) telemetry: Address,

    #[command(flatten)]
    pub(super) spool: Spool,

    /// Keep no capability to open an interface again that was lost
    ///
    /// Without it CAP_NET_RAW is kept for that. The probe goes on with the interfaces that are left,
    /// and fails when there is none: a service manager then starts it anew.
    #[arg(long, help_heading = "Confinement")]
    pub(super) no_reopen: bool,

    #[command(flatten)]
    pub(super) confine: Confine,

    #[command(flatten)]
    pub(super) meter: Meter,
}

/// Looks at this machine, its interfaces, some seconds of their traffic and the collectors, and says what
/// to put right before and while a probe runs here, each with the command that does it. Nothing is
/// exported or kept, and nothing of what passes is printed but counts.
///
/// Exit status: 0 nothing to put right, 1 something to put right, 2 wrong usage.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Look at what this configuration names; flags override it
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Interface to look at; repeat it for several, as for capture
    #[arg(short, long = "interface", value_name = "IFACE", required_unless_present = "config")]
    pub(super) interface: Vec<String>,

    /// How long to look at the traffic, 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = survey_duration)]
    pub(super) duration: Duration,

    /// Where flows will go, as for capture: is it reached, and does its traffic pass here?
    #[arg(long, value_name = "TARGET")]
    pub(super) export: Vec<Target>,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) format: DoctorFormat,

    #[command(flatten)]
    pub(super) spool: Spool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum DoctorFormat {
    /// For people
    Text,
    /// An object with every check
    Json,
}

/// What the process gives up before it reads the first packet.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Confinement")]
pub(super) struct Confine {
    /// Become this user, where started as root; spool and output directories have to be its own
    ///
    /// Interfaces are opened before.
    #[arg(long, value_name = "NAME[:GROUP]", conflicts_with = "unconfined")]
    pub(super) user: Option<String>,

    /// Give up nothing: for debugging only
    ///
    /// Otherwise privileges, system calls and files are cut down to what the run needs, as far as the
    /// kernel can do that; what it cannot is said at start.
    #[arg(long)]
    pub(super) unconfined: bool,
}

/// Where records wait for collectors that are away.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Outage")]
pub(super) struct Spool {
    /// Directory where records wait, encrypted, for collectors that are away or slow
    ///
    /// Each collector has a directory of its own in it. Without a spool records wait in memory only,
    /// and what does not fit there is lost and counted.
    #[arg(long = "spool", value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,

    /// Octets on disk at most, for each collector
    #[arg(
        long = "spool-size",
        value_name = "SIZE",
        default_value = "1G",
        value_parser = size,
        requires = "directory"
    )]
    pub(super) size: u64,

    /// What has waited longer is removed, and counted as lost
    #[arg(
        long = "spool-age",
        value_name = "TIME",
        default_value = "7d",
        value_parser = age,
        requires = "directory"
    )]
    pub(super) age: Duration,

    /// File of the key by which the spool survives a restart; made if it is not there
    ///
    /// Without it the key is in memory only: what waits cannot be read by anybody else, and is lost
    /// when the probe stops.
    #[arg(long = "spool-key", value_name = "FILE", requires = "directory")]
    pub(super) key: Option<PathBuf>,

    /// Memory for records that wait for one collector
    #[arg(long = "queue", value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub(super) queue: u64,
}

#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES, after_long_help = SHOW_HELP)]
pub(super) struct Show {
    /// IPFIX files (RFC 5655), plain, gzip or zstd, read one after the other; - is standard input,
    /// as is no file at all
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ShowFormat,

    /// Only flows of which this is true, for example 'dst port 443 and src net 10.0.0.0/8'
    ///
    /// The words are those of tcpdump and nfdump; see the end of --help for all of them.
    #[arg(long = "where", value_name = "EXPRESSION", help_heading = "Which flows")]
    pub(super) filter: Option<String>,

    /// Print the first N only, and read no further than that needs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Which flows")]
    pub(super) limit: Option<u64>,

    /// The N largest flows, or groups with --group
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Order and sums")]
    pub(super) top: Option<usize>,

    /// What --top and --group go by: octets, packets, flows, duration, start, end, or an element
    /// [default: octets]
    #[arg(long, value_name = "MEASURE", help_heading = "Order and sums")]
    pub(super) by: Option<Measure>,

    /// Sum up flows that have these in common, separated by commas, for example src,service
    ///
    /// src, dst, host; srcport, dstport, port, service (destination port and protocol); proto,
    /// version; srcnet/24, dstnet/24, net/24 (IPv6: /64, or say both: net/24/48); vlan; srcmac,
    /// dstmac, mac; srcinterface, dstinterface, interface; domain; reason; minute, hour, day; or
    /// the name of any element. With host, port, net, mac and interface, both ends of a flow count.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', help_heading = "Order and sums")]
    pub(super) group: Vec<Key>,

    /// All flows in the order of octets, packets, duration, start, end, or an element
    ///
    /// The largest come first, of times the earliest. Flows are held in memory for this; --top
    /// holds no more than it prints.
    #[arg(long, value_name = "MEASURE", conflicts_with_all = ["top", "by", "group"], help_heading = "Order and sums")]
    pub(super) sort: Option<Measure>,

    /// The other way round
    #[arg(long, help_heading = "Order and sums")]
    pub(super) reverse: bool,

    /// Groups that memory is used for, some 400 octets each; flows of further ones share a row
    #[arg(long, value_name = "N", default_value = "2000000", value_parser = positive, help_heading = "Order and sums")]
    pub(super) max_groups: usize,
}

/// Takes a configuration file, or the arguments of `flowtap capture`, starts nothing, and says what
/// that would send and keep: every Information Element for each target, by which transport and how
/// protected, and what stays on the probe, where, for how long.
#[derive(Debug, Args)]
pub(super) struct Manifest {
    /// Configuration file, as --config
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    pub(super) file: Option<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ManifestFormat,

    /// In which language
    #[arg(long = "lang", value_enum, value_name = "LANGUAGE", default_value = "en")]
    pub(super) language: Language,

    #[command(flatten)]
    pub(super) capture: Capture,
}

/// Reads a configuration file, checks all that it says and how that goes together, and prints the
/// configuration that is in effect with it, defaults and all: TOML that can be used in its place. It
/// holds paths of keys, and no key.
///
/// What only this machine can tell is noted on standard error: interfaces, files and users that are
/// not there, certificates and keys that cannot be used. No name is resolved, and nothing is sent.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file
    #[arg(value_name = "FILE", default_value = installation::CONFIGURATION_FILE)]
    pub(super) file: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum ManifestFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Languages of documents.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Language {
    /// English
    En,
    /// Japanese
    Ja,
}

#[derive(Debug, Args)]
#[command(long_about = VERIFY_HELP)]
pub(super) struct Verify {
    /// Capture files, each verified by itself: pcap or pcapng, plain, gzip or zstd
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// How to print the result
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) format: VerifyFormat,

    /// Print the captures that differ, and the verdict
    #[arg(long, short)]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) metering: Metering,
}

const VERIFY_HELP: &str = "Show, on your own captures, that nothing that leaves flowtap depends on payload.

Each capture is replayed as it is, and once more with every octet behind the last header of each \
frame replaced: by random octets, by zeros, by ones, and by a text. That is what applications said, \
what ICMP errors quote of it, what is in fragments, tunnels and frames that cannot be decoded, and \
padding. Lengths and times stay. The replays run side by side, and every octet that comes out of them \
is compared: IPFIX messages, JSON, the table, the ledger, and what is logged. Nothing is stored.

The first difference in each output is shown to the field, and makes the exit status 1.";

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum VerifyFormat {
    /// For people
    Text,
    /// One JSON object a capture, a line each
    Json,
}

#[derive(Debug, Args)]
#[command(long_about = PLAN_HELP)]
pub(super) struct Plan {
    /// Capture files, read one after the other; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "live", conflicts_with = "live")]
    pub(super) files: Vec<PathBuf>,

    /// Observe interfaces for this time instead, for example 1h
    #[arg(
        long,
        value_name = "TIME",
        value_parser = age,
        requires = "interface",
        help_heading = "Live"
    )]
    pub(super) live: Option<Duration>,

    /// Interface to observe; repeat it for several
    #[arg(
        short,
        long = "interface",
        value_name = "IFACE",
        requires = "live",
        help_heading = "Live"
    )]
    pub(super) interface: Vec<String>,

    /// How packets are taken from the kernel
    #[arg(
        long,
        value_enum,
        value_name = "BACKEND",
        default_value_t = Backend::default(),
        help_heading = "Live"
    )]
    pub(super) backend: Backend,

    /// Worker threads, as in flowtap capture
    #[arg(long, value_name = "N", value_parser = workers, requires = "live", help_heading = "Live")]
    pub(super) workers: Option<NonZeroUsize>,

    /// Observe only packets that match this BPF expression, as tcpdump(8) takes it
    #[arg(long, value_name = "EXPRESSION", requires = "live", help_heading = "Live")]
    pub(super) filter: Option<String>,

    /// A collector or file to plan for, with the options that it will have; repeat it for several
    ///
    /// As in flowtap capture: udp:, tcp:, tls:, sctp:, failover:, balance: and file:. Nobody is
    /// reached and nothing is written. Without any a collector over TCP is planned for.
    #[arg(long, value_name = "TARGET", help_heading = "Output")]
    pub(super) export: Vec<Target>,

    /// How long a collector may be away, for the size of the spool
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = age, help_heading = "Output")]
    pub(super) outage: Duration,

    /// How to print it
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Output"
    )]
    pub(super) format: PlanFormat,

    /// Print the figures only, and errors
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,

    /// Observation Domain ID in every IPFIX message
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Output")]
    pub(super) observation_domain: u32,

    #[command(flatten)]
    pub(super) confine: Confine,

    #[command(flatten)]
    pub(super) metering: Metering,
}

const PLAN_HELP: &str = "Say what collectors will receive and keep of this traffic, and what to configure for it.

Packets are metered, and flow records encoded and compressed as in flowtap capture, but counted where \
they would leave: nothing is sent and nothing is written. From that come octets a day, what 90 and 180 \
days of it occupy, how that compares with a full packet capture, and sizes for flow cache and spool.

A day is taken as the mean of what was seen, and where two minutes and more were seen also as if every \
minute were as the busiest. What makes the figures uncertain is said below them.";

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    Table,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Profiles {
    /// How to print them
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ProfilesFormat,
}

#[derive(Debug, Args)]
#[command(after_help = WIPE_EXAMPLES)]
pub(super) struct Wipe {
    /// Directory of a spool, beside those that the environment file names; repeat it for several
    #[arg(long, value_name = "DIR")]
    pub(super) spool: Vec<PathBuf>,

    /// File of the key of a spool, beside those that the environment file names
    #[arg(long, value_name = "FILE")]
    pub(super) spool_key: Vec<PathBuf>,

    /// Configuration of the probe: spool, keys and files that it names are erased
    #[arg(long, value_name = "FILE", default_value = installation::CONFIGURATION_FILE)]
    pub(super) config: PathBuf,

    /// Options of the probe that systemd starts: spool, keys and files that they name are erased
    #[arg(long, value_name = "FILE", default_value = installation::ENVIRONMENT_FILE)]
    pub(super) environment_file: PathBuf,

    /// The directory that systemd gave to the probe
    ///
    /// In it, records and ledgers that a probe wrote are erased too. What no probe writes is left and
    /// listed.
    #[arg(long, value_name = "DIR", default_value = installation::STATE_DIRECTORY)]
    pub(super) state_directory: PathBuf,

    /// Erase the configuration too: the files, and certificates and private keys that they name
    #[arg(long)]
    pub(super) all: bool,

    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,

    /// Only list what would be erased
    #[arg(long)]
    pub(super) dry_run: bool,

    /// How to list it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ReportFormat,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum ReportFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(super) struct SupportBundle {
    /// The archive to make (tar, compressed by zstd); - is standard output
    ///
    /// Every file in it is plain text, and README.txt tells what each is. No address, port or name of
    /// the observed network is in it, nor a host, path, key or filter of the configuration.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// A ledger of a run (--summary), of which the numbers go in
    #[arg(long, value_name = "FILE")]
    pub(super) summary: Option<PathBuf>,

    /// Directory of a spool, beside those that the environment file names; repeat it for several
    #[arg(long, value_name = "DIR")]
    pub(super) spool: Vec<PathBuf>,

    /// Configuration of the probe
    #[arg(long, value_name = "FILE", default_value = installation::CONFIGURATION_FILE)]
    pub(super) config: PathBuf,

    /// Options of the probe that systemd starts
    #[arg(long, value_name = "FILE", default_value = installation::ENVIRONMENT_FILE)]
    pub(super) environment_file: PathBuf,

    /// The directory that systemd gave to the probe
    #[arg(long, value_name = "DIR", default_value = installation::STATE_DIRECTORY)]
    pub(super) state_directory: PathBuf,
}

const WIPE_EXAMPLES: &str = "\
Examples:
  flowtap wipe --dry-run
      list what the probes of this machine keep
  flowtap wipe --all --yes
      before the machine is returned or discarded
  flowtap wipe --spool /var/spool/flowtap --spool-key /etc/flowtap/spool.key
      what a probe with these options keeps

It refuses while a probe is running: one that holds the lock of a spool, or a process of this program
that captures. Probes in containers, and processes that /proc hides, it cannot see. Exit status 1 if
anything could not be erased.";

impl Show {
    /// What is asked.
    pub(super) fn question(&self) -> Result<Question, UsageError> {
        let filter = match &self.filter {
            Some(text) => {
                Some(text.parse().map_err(|error| UsageError(format!("--where: {error}")))?)
            }
            None => None,
        };
        let (is_reversed, most) = (self.reverse, self.top);
        let view = match (&self.group[..], self.sort, self.top) {
            ([], None, None) if self.by.is_some() || is_reversed => {
                let option = if is_reversed { "--reverse" } else { "--by" };
                return Err(UsageError(format!("{option} needs --top, --group or --sort")));
            }
            ([], None, None) => View::Records,
            ([], sort, _) => match sort.or(self.by).unwrap_or_default() {
                Measure::Flows => {
                    return Err(UsageError(
                        "each record is one flow; --by flows needs --group".into(),
                    ));
                }
                by => View::Ranked { by, is_reversed, most },
            },
            (keys, ..) => {
                // Spans of time are read in their order, unless the largest are asked for.
                let is_series = most.is_none() && matches!(keys, [key] if key.is_time());
                let usual = if is_series { Measure::Start } else { Measure::default() };
                View::Grouped {
                    keys: keys.to_vec(),
                    by: self.by.unwrap_or(usual),
                    is_reversed,
                    most,
                    most_groups: self.max_groups,
                }
            }
        };
        Ok(Question { filter, view, limit: self.limit, format: self.format })
    }
}

macro_rules! show_examples {
    () => {
        "Examples:
  flowtap show flows.ipfix
      all flows as a table
  flowtap show *.ipfix.zst --where 'dst port 443 and src net 10.0.0.0/8' --top 20
      the 20 largest of these flows in a set of files
  flowtap show day.ipfix --group src --top 20 --by octets
      the 20 sources whose flows have the most octets, of both directions
  flowtap show day.ipfix --group hour --where 'host 192.0.2.1'
      what one host did, hour by hour
  zcat old.gz | flowtap show --format json - new.ipfix
      standard input and a file, as JSON"
    };
}

const SHOW_EXAMPLES: &str = show_examples!();

const SHOW_HELP: &str = concat!(
    show_examples!(),
    "

Expressions:
  host 192.0.2.1    ip 2001:db8::1    net 10.0.0.0/8    host in [192.0.2.1, 192.0.2.2]
  port 443    port 1024-65535    port > 1023    port in [80, 443]
  tcp    udp    icmp    icmp6    proto gre    proto 47    ipv4    ipv6    tcp port 443
  vlan 100    vlan    mac 02:00:5e:00:53:01    interface 3    interface eth0    domain 1
  packets > 1000    octets > 1.5M    duration > 10s    (k, M, G, T: powers of 1000)
  flags S    flags SA    flags = S    tos 0xb8    dscp 46
  start >= 2026-01-31T10:15:00Z    end < 2026-02-01    (UTC unless an offset is given)
  end reason idle    (idle, active, end, forced, full)
  tcpWindowSize > 1000    flowEndReason = 3    interfaceName = \"eth0\"    exists dot1qVlanId
      any element by its name, with = != < <= > >= or in [a, b]; reverseOctetDeltaCount and
      the like for the way back
  and or not, && || !, parentheses; not before and before or

  src or dst may stand before host, net, port, mac and interface, and one end is enough without
  either. src is where the flow came from, in a biflow the initiator. packets and octets are the
  sum of both directions; src octets are those that the source sent, dst octets those that came
  back; flags, tos and dscp likewise, of either direction without src or dst. A != is true if none
  is equal. What a record does not tell is neither equal nor less nor more: the test is false."
);

/// What both meters take.
#[derive(Clone, Debug, Args)]
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
    /// Of collectors, files and json, what of the records leaves: privacy=as-is|obfuscated|statistical,
    /// and with obfuscated addresses=pseudonym|prefix|as-is, own=NETWORK (repeat it) and own_addresses=...
    /// for networks that are treated otherwise, pseudonym_key=FILE (made if it is not there; in
    /// memory without), pseudonym_rotation=TIME, prefix4=BITS, prefix6=BITS, macs=drop|vendor|as-is,
    /// ports=service|drop|as-is, time_step=TIME. The first of each is the default.
    /// TCP sequence numbers, flow labels and ids of tunnels are never told then, MAC addresses and
    /// ports of clients only if asked for. With statistical no record of a single flow leaves, but sums
    /// over k=N flows at least (10), once in interval=TIME (1m), by net=NETWORK (repeat it) among
    /// others.
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

    /// Observation Domain ID in every IPFIX message; give each probe its own
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Output")]
    pub(super) observation_domain: u32,

    #[command(flatten)]
    pub(super) metering: Metering,
}

/// What decides what becomes of a packet.
#[derive(Clone, Debug, Args)]
pub(super) struct Metering {
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

    #[command(flatten)]
    pub(super) selection: Selection,
}

/// Whose packets are metered.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Purpose limitation")]
pub(super) struct Selection {
    /// Never meter a packet with an address in this network; repeat it, or separate by commas
    ///
    /// Looks at every address that a record would show: of the metered packet, and of the outermost
    /// tunnel around it. Such packets are counted as filtered, and appear nowhere else. What is inside
    /// a tunnel that cannot be read (encrypted, or in fragments) cannot be told by its addresses.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    pub(super) exclude_net: Vec<Network>,

    /// Networks to exclude from a file, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(super) exclude_net_file: Vec<PathBuf>,

    /// Meter only packets with source or destination in this network; repeat it, or separate by commas
    ///
    /// Looks at the metered packet, the innermost one of a tunnel. --exclude-net comes first.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    pub(super) only_net: Vec<Network>,

    /// Networks to keep to from a file, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(super) only_net_file: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Backend {
    /// A TPACKET_V3 ring per worker (Linux)
    #[default]
    AfPacket,
    /// libpcap
    Libpcap,
}

/// What an operator says of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Described {
    pub(super) name: String,
    /// Which traffic it carries, seen from the observed network.
    pub(super) direction: Option<Direction>,
    /// `interfaceDescription` (IE 83); that of the system without.
    pub(super) description: Option<String>,
}

/// Values of `flowDirection` (IE 61).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    Ingress,
    Egress,
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

impl From<Backend> for live::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::AfPacket => Self::AfPacket,
            Backend::Libpcap => Self::Libpcap,
        }
    }
}

impl Metering {
    pub(super) fn decode(&self) -> decode::Config {
        decode::Config {
            tunnels: match self.tunnels {
                Tunnels::Inner => decode::Tunnels::Inner,
                Tunnels::Outer => decode::Tunnels::Outer,
            },
        }
    }

    pub(super) fn is_biflow(&self) -> bool {
        self.biflow == Switch::On
    }

    pub(super) fn flow(&self, seed: flow::Seed, live_workers: usize) -> flow::Config {
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

impl Spool {
    /// Where records wait on disk, if they do.
    pub(super) fn config(&self) -> Option<SpoolConfig> {
        self.directory.as_ref().map(|directory| SpoolConfig {
            directory: directory.clone(),
            maximum_octets: self.size,
            maximum_age: self.age,
            key_file: self.key.clone(),
        })
    }

    /// How much waits in memory.
    pub(super) fn queue_octets(&self) -> usize {
        usize::try_from(self.queue).unwrap_or(usize::MAX)
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

/// Octets, with `k`, `M`, `G` or `T` for powers of a thousand and `Ki` to `Ti` of 1,024.
fn size(text: &str) -> Result<u64, String> {
    match parse_size(text) {
        Some(octets) if octets >= SMALLEST_SIZE => Ok(octets),
        Some(_) => Err("must be 1M or more".to_owned()),
        None => Err("not a size: use for example 64M or 10G".to_owned()),
    }
}

fn age(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(age) if age < Duration::from_secs(1) => Err("must be 1s or more".to_owned()),
        Ok(age) => Ok(age),
        Err(error) => Err(error.to_string()),
    }
}

fn survey_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&duration) {
        Ok(duration)
    } else {
        Err("must be between 1s and 1h".to_owned())
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("must be a number from 1".to_owned()),
    }
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST_WORKERS) => NonZeroUsize::new(number),
        _ => None,
    }
    .ok_or_else(|| format!("must be a number from 1 to {MOST_WORKERS}"))
}

/// Less would hold no more than the Messages on their way.
const SMALLEST_SIZE: u64 = 1_000_000;
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
    fn a_spool_in_which_nothing_may_wait_is_refused() {
        let parse = |age| {
            let capture = ["flowtap", "capture", "-i", "eth1", "--spool", "s", "--spool-age", age];
            Arguments::try_parse_from(capture).map(|_| ()).map_err(|error| error.exit_code())
        };
        assert_eq!([parse("1s"), parse("7d")], [Ok(()); 2]);
        for age in ["0s", "999ms", "5", "-1s", "often"] {
            assert_eq!(parse(age), Err(2), "{age}");
        }
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
    fn networks_are_given_one_by_one_or_by_commas_and_checked_at_once() {
        let parse = |nets: &[&str]| {
            let nets = nets.iter().flat_map(|net| ["--exclude-net", net]);
            let arguments = ["flowtap", "replay", "x"].into_iter().chain(nets);
            Arguments::try_parse_from(arguments).map(|arguments| match arguments.command {
                Command::Replay(replay) => replay.meter.metering.selection.exclude_net.len(),
                _ => 0,
            })
        };
        assert_eq!(parse(&["192.0.2.0/24,2001:db8::/32", "10.0.0.1"]).unwrap(), 3);
        let error = parse(&["192.0.2.1/24"]).unwrap_err();
        assert!(error.to_string().contains("192.0.2.0/24"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn absurd_cache_sizes_are_refused() {
        for size in ["0", "-1", "many", "99999999999999"] {
            let arguments = ["flowtap", "replay", "x", "--max-flows", size];
            assert!(Arguments::try_parse_from(arguments).is_err(), "{size}");
        }
    }
}
