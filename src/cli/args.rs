//! The command line as typed. One definition a flag: `-h`, `--help` and parser come from it.
//!
//! Commands stand here; what each takes, and groups of flags that several take, in a file of its own.

mod capture;
mod confine;
mod doctor;
mod log;
mod manifest;
mod meter;
mod plan;
mod probe;
mod replay;
mod show;
mod spool;
mod upkeep;
mod values;

use clap::{Args, Parser, Subcommand};

use crate::cli::examples;
use crate::cli::profiles::ProfilesFormat;

pub(super) use capture::{Backend, Capture, Described, Direction};
pub(super) use confine::Confine;
pub(super) use doctor::{Doctor, DoctorFormat};
pub(super) use log::Log;
pub(super) use manifest::{Check, Language, Manifest, ManifestFormat};
pub(super) use meter::{Meter, Metering, Selection};
pub(super) use plan::{Plan, PlanFormat};
pub(super) use probe::{Status, Top};
pub(super) use replay::{Replay, Verify, VerifyFormat};
pub(super) use show::Show;
pub(super) use spool::Spool;
pub(super) use upkeep::{ReportFormat, SupportBundle, Wipe};

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
    /// Meter live traffic of one or several interfaces
    Capture(Capture),
    /// Meter capture files: pcap or pcapng, plain, gzip or zstd
    Replay(Replay),
    /// Print IPFIX files of any exporter: all flows, some, the largest, or sums
    Show(Show),
    /// Print a configuration file with every key, its default and what it is for
    #[command(after_help = examples::CONFIG)]
    Config,
    /// Validate a configuration file, and print what is in effect with it
    ///
    /// What is printed is TOML that can be used in place of the file, defaults and all. It holds paths of
    /// keys, and no key. What only this machine can tell is noted on standard error: interfaces, files and
    /// users that are not there, certificates and keys that cannot be used. Nothing is sent, and no name is
    /// resolved but those in a filter, by libpcap.
    ///
    /// Exit status: 0 it is valid, 2 it is wrong on any machine, 1 there are notes, with --strict.
    Check(Check),
    /// Look at this machine and its traffic, and say what to put right, and how
    ///
    /// It looks at interfaces, at some seconds of their traffic, and at the collectors. Nothing is exported or
    /// kept, and nothing of what passes is printed but counts.
    ///
    /// Exit status: 0 nothing to put right, 1 something to put right, 2 wrong usage.
    #[cfg(target_os = "linux")]
    Doctor(Doctor),
    /// Say what this traffic makes collectors receive and store, and what to configure
    #[command(long_about = plan::PLAN_HELP)]
    Plan(Plan),
    /// List what each kind of collector gets (?profile=NAME), and why
    Profiles(Profiles),
    /// Say whether the probe on this host is healthy
    ///
    /// Exit status: 0 it is healthy, 1 it is not, or does not answer, 2 wrong usage.
    Status(Status),
    /// Watch the probe on this host in the terminal
    Top(Top),
    /// List every element that leaves the probe, for whom, and what stays on it
    ///
    /// Takes a configuration file, or the arguments of flowtap capture, and starts nothing: every Information
    /// Element for each target, by which transport and how protected, and what stays on the probe, where, for
    /// how long. It can stand under a contract.
    Manifest(Manifest),
    /// Show, on your own captures, that nothing that leaves flowtap depends on payload
    #[command(long_about = replay::VERIFY_HELP)]
    Verify(Verify),
    /// Write an archive for support: versions, counters, redacted configuration
    SupportBundle(SupportBundle),
    /// Erase what probes keep on this machine (spool, keys, state), and list every file
    Wipe(Wipe),
}

const EXAMPLES: &str = "Examples:
  flowtap replay traffic.pcap
      print the flows of a capture as a table
  flowtap replay traffic.pcap.gz --export file:flows.ipfix --summary -
      write them as an IPFIX file, and the ledger as JSON to the terminal
  flowtap capture -i eth1 -i eth2 --export udp://192.0.2.10:4739
      meter both directions of a TAP and send the flows to a collector
  flowtap capture -i eth1 --export 'tls://a.example?ca=ca.pem&cert=probe.pem&key=probe.key'
      send them encrypted, both sides with certificates
  flowtap config; flowtap check flowtap.toml; flowtap capture --config flowtap.toml
      do all of it by a file: one to begin with, what is wrong with it, and run it
  flowtap show flows.ipfix --format json
      print the records of an IPFIX file, one JSON object a line
  flowtap show flows.ipfix --where 'dst port 443' --group src --top 10
      print who fetched most by HTTPS";

#[derive(Debug, Args)]
#[command(after_help = examples::PROFILES)]
pub(super) struct Profiles {
    /// How to print them
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    pub(super) format: ProfilesFormat,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::values::{DEFAULT_PROBE, probe};
    use crate::flow;
    use crate::telemetry::Address;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_probe_is_where_a_probe_is_or_what_a_browser_is_told() {
        assert_eq!(probe(DEFAULT_PROBE), Ok(Address::default()));
        assert_eq!(probe("http://127.0.0.1:9739/"), Ok(Address::default()));
        assert_eq!(probe("unix:/run/x/").map(|it| it.to_string()), Ok("unix:/run/x/".to_owned()));
        assert!(probe("off").is_err() && probe("traffic.pcap").is_err());
        let Ok(Arguments { command: Command::Plan(plan) }) =
            Arguments::try_parse_from(["flowtap", "plan", "--probe", "--outage", "1h"])
        else {
            panic!("it needs no value")
        };
        assert_eq!(plan.probe, Some(Address::default()));
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
        assert_eq!([parse("1"), parse("256")], [Ok(()); 2]);
        for number in ["0", "257", "-1", "many", "99999999999999999999"] {
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
    fn the_memory_of_a_flow_is_told_as_it_is() {
        let help = Arguments::command().find_subcommand("capture").cloned().unwrap();
        let argument = help.get_arguments().find(|it| it.get_id() == "max_flows").unwrap();
        let told = argument.get_long_help().unwrap().to_string();
        let numbers: Vec<usize> = told
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .filter(|number| *number > 9)
            .collect();
        let sizes = [flow::OCTETS_PER_FLOW, flow::OCTETS_FOR_IPV6, flow::OCTETS_FOR_EXTRA];
        assert_eq!(numbers, sizes, "{told}");
    }

    #[test]
    fn absurd_cache_sizes_are_refused() {
        for size in ["0", "-1", "many", "99999999999999"] {
            let arguments = ["flowtap", "replay", "x", "--max-flows", size];
            assert!(Arguments::try_parse_from(arguments).is_err(), "{size}");
        }
    }
}
