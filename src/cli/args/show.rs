//! `flowtap show`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::UsageError;
use crate::cli::args::values::positive;
use crate::cli::show::{Key, Measure, Question, ShowFormat, View};

#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES, after_long_help = SHOW_HELP)]
pub(in crate::cli) struct Show {
    /// IPFIX files (RFC 5655), plain, gzip or zstd, read one after the other; - is standard input,
    /// as is no file at all
    #[arg(value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(in crate::cli) format: ShowFormat,

    /// Only flows of which this is true, for example 'dst port 443 and src net 10.0.0.0/8'
    ///
    /// The words are those of tcpdump and nfdump; see the end of --help for all of them.
    #[arg(long = "where", value_name = "EXPRESSION", help_heading = "Which flows")]
    pub(in crate::cli) filter: Option<String>,

    /// Print the first N only, and read no further than that needs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Which flows")]
    pub(in crate::cli) limit: Option<u64>,

    /// The N largest flows, or groups with --group
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Order and sums")]
    pub(in crate::cli) top: Option<usize>,

    /// What --top and --group go by: octets, packets, flows, duration, start, end, or an element
    /// [default: octets]
    #[arg(long, value_name = "MEASURE", help_heading = "Order and sums")]
    pub(in crate::cli) by: Option<Measure>,

    /// Sum up flows that have these in common, separated by commas, for example src,service
    ///
    /// src, dst, host; srcport, dstport, port, service (destination port and protocol); proto,
    /// version; srcnet/24, dstnet/24, net/24 (IPv6: /64, or say both: net/24/48); vlan; srcmac,
    /// dstmac, mac; srcinterface, dstinterface, interface; domain; reason; minute, hour, day; or
    /// the name of any element. With host, port, net, mac and interface, both ends of a flow count.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', help_heading = "Order and sums")]
    pub(in crate::cli) group: Vec<Key>,

    /// All flows in the order of octets, packets, duration, start, end, or an element
    ///
    /// The largest come first, of times the earliest. Flows are held in memory for this; --top
    /// holds no more than it prints.
    #[arg(long, value_name = "MEASURE", conflicts_with_all = ["top", "by", "group"], help_heading = "Order and sums")]
    pub(in crate::cli) sort: Option<Measure>,

    /// The other way round
    #[arg(long, help_heading = "Order and sums")]
    pub(in crate::cli) reverse: bool,

    /// Groups that memory is used for, some 400 octets each; flows of further ones share a row
    #[arg(long, value_name = "N", default_value = "2000000", value_parser = positive, help_heading = "Order and sums")]
    pub(in crate::cli) max_groups: usize,
}

impl Show {
    /// What is asked.
    pub(in crate::cli) fn question(&self) -> Result<Question, UsageError> {
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
      the like for the reverse direction
  and or not, && || !, parentheses; not before and before or

  src or dst may stand before host, net, port, mac and interface, and one end is enough without
  either. src is where the flow came from, in a biflow the initiator. packets and octets are the
  sum of both directions; src octets are those that the source sent, dst octets those that came
  back; flags, tos and dscp likewise, of either direction without src or dst. A != is true if none
  is equal. What a record does not tell is neither equal nor less nor more: the test is false."
);
