//! Configurations as text: the one in effect, and one to begin with.

use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, ArgMatches, CommandFactory as _};
use serde::Serialize;

use crate::cli::args::{Arguments, Capture, Described, Direction};
use crate::cli::config::document::alone;
use crate::cli::config::keys::{KEYS, Key, SECTIONS, Shape};
use crate::cli::config::targets::Tables;

/// What `capture` asks for, with every default.
pub(super) fn effective(capture: &Capture, matches: &ArgMatches) -> String {
    let Some((_, matches)) = matches.subcommand() else { return String::new() };
    let mut text = String::new();
    for name in &capture.interface {
        let described = capture.described.iter().find(|it| it.name == *name);
        let _ = writeln!(text, "\n[[interface]]\nname = {}", quoted(name));
        let Some(Described { direction, description, .. }) = described else { continue };
        if let Some(direction) = direction {
            let _ = writeln!(text, "direction = {}", quoted(direction.name()));
        }
        if let Some(description) = description {
            let _ = writeln!(text, "description = {}", quoted(description));
        }
    }
    let (tables, others) = Tables::of(&capture.meter.export);
    for (section, _) in SECTIONS {
        if section == "spool" && capture.spool.directory.is_none() {
            continue; // what is said of a spool needs one
        }
        let keys = Key::of(section).filter_map(|key| {
            let value = match key.option {
                "export" => list(&others),
                _ => value(key, matches),
            };
            Some(format!("{} = {}\n", key.name, value?))
        });
        let keys: String = keys.collect();
        if !keys.is_empty() {
            let _ = write!(text, "\n[{section}]\n{keys}");
        }
    }
    // What has no text as TOML is a path that no file of ours can have named.
    let tables = toml::to_string(&tables).unwrap_or_default();
    let _ = write!(text, "\n{tables}");
    text.trim_start().to_owned()
}

impl Direction {
    /// As it is written.
    pub(in crate::cli) const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Every key with the value that it has in effect.
pub(super) fn values(matches: &ArgMatches) -> Vec<(&'static Key, Option<String>)> {
    let Some((_, matches)) = matches.subcommand() else { return Vec::new() };
    KEYS.iter().map(|key| (key, value(key, matches))).collect()
}

/// The value that a key has in effect.
fn value(key: &Key, matches: &ArgMatches) -> Option<String> {
    let raw = || matches.get_raw(key.option).into_iter().flatten();
    let texts: Vec<_> = raw().map(|text| text.to_string_lossy().into_owned()).collect();
    match key.shape {
        Shape::Flag => Some(matches.get_flag(key.option).to_string()),
        Shape::Unless => Some((!matches.get_flag(key.option)).to_string()),
        Shape::List => list(&texts),
        Shape::Text => texts.last().map(|text| quoted(text)),
        Shape::Number => texts.last().map(|text| text.replace('_', "")),
        Shape::Switch => texts.last().map(|text| (text == "on").to_string()),
    }
}

fn list(texts: &[String]) -> Option<String> {
    let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    (!quoted.is_empty()).then(|| format!("[{}]", quoted.join(", ")))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    let written = text.serialize(toml::ser::ValueSerializer::new(&mut quoted));
    written.map(|_| ()).map(|()| quoted).unwrap_or_default()
}

/// A configuration with every key: those with a default have it, the others stand behind a `#`.
pub(in crate::cli) fn default_text() -> String {
    let command = Arguments::command();
    let mut text = BEGIN.to_owned();
    let Ok(matches) = alone(&[]) else { return text };
    let Some(((_, matches), capture)) =
        matches.subcommand().zip(command.find_subcommand("capture"))
    else {
        return text;
    };
    for (section, about) in SECTIONS {
        if Key::of(section).next().is_none() {
            continue;
        }
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for key in Key::of(section) {
            let argument = capture.get_arguments().find(|it| it.get_id() == key.option);
            let help = argument.and_then(|it| it.get_help()).map(ToString::to_string);
            let help = help.unwrap_or_default();
            let about = match key.shape {
                // The option is for the opposite.
                Shape::Unless => REOPEN,
                // How several are given is another thing here.
                Shape::List => help.split("; repeat it").next().unwrap_or_default(),
                _ => &help,
            };
            for line in wrapped(about) {
                let _ = writeln!(text, "# {line}");
            }
            if let Some(values) = argument.and_then(|it| one_of(it, key.shape)) {
                let _ = writeln!(text, "# {values}.");
            }
            let default = value(key, matches);
            let line = format!("{} = {}", key.name, default.as_deref().unwrap_or(key.example));
            // What needs another key cannot stand alone.
            let is_alone = || Some(alone(&key.words_of(default.as_deref()?)?).is_ok());
            let mark = if is_alone().unwrap_or(false) { "" } else { "#" };
            let _ = writeln!(text, "{mark}{line}");
        }
    }
    text.push_str(TARGETS);
    text
}

/// What a text may be, where that is a word of a list: `a, b or c`.
fn one_of(argument: &Arg, shape: Shape) -> Option<String> {
    let values = argument.get_possible_values();
    let names: Vec<_> = values.iter().map(PossibleValue::get_name).collect();
    let (last, others) = names.split_last().filter(|_| shape == Shape::Text)?;
    Some(format!("{} or {last}", others.join(", ")))
}

impl Key {
    /// The words for a value that is TOML.
    fn words_of(&self, value: &str) -> Option<Vec<String>> {
        let value = toml::de::DeValue::parse(value).ok()?;
        let command = Arguments::command();
        self.words(&super::document::long_of(&command, self), value.get_ref()).ok()
    }
}

/// Lines of a comment.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

const WIDTH: usize = 96;
/// Of `confinement.reopen`.
const REOPEN: &str = "Keep CAP_NET_RAW, to open an interface again that was lost";

const BEGIN: &str = "\
# Configuration of flowtap, as TOML (https://toml.io). Its place is /etc/flowtap/flowtap.toml.
#
#   flowtap check FILE                what is wrong with it, and what is in effect
#   flowtap capture --config FILE     flags override it
#   flowtap manifest FILE             what leaves the probe with it
#
# Keys that are not behind a # have their default here. Times and sizes have units: \"30s\", \"5m\",
# \"7d\"; \"64M\", \"64MiB\". Paths that are not absolute begin in the working directory of the probe.
#
# On SIGHUP the probe reads it again. Targets, networks, filter, privacy, timeouts and the level of
# the log change then, everything else with a restart. With a mistake in it nothing changes, and the
# log says which.

# What is observed: a table for each interface. The two directions of a TAP meet in one flow.
# One that is not there is waited for (not with reopen = false).
#[[interface]]
# The name, as ip link tells it.
#name = \"eth1\"
# Which traffic it carries, ingress or egress of the observed network; told to collectors with the
# description.
#direction = \"ingress\"
# What collectors are told of it (interfaceDescription); the alias of the interface without.
#description = \"TAP at the uplink, from the provider\"
";

const TARGETS: &str = "
# What leaves for targets that say nothing of privacy themselves. as-is is the default; obfuscated
# gives addresses pseudonyms and leaves out what tells whose a communication is; statistical gives
# Aggregated Flows (RFC 7015) only. Further keys are those of [collector.privacy] below.
#[privacy]
#level = \"obfuscated\"

# Collectors: a table for each, each gets every record. See flowtap profiles for what they can read.
#[[collector]]
# udp, tcp, tls or sctp; without a port 4739, and 4740 for tls.
#url = \"tls://collector.example:4740\"
# What the collector can read.
#profile = \"standard\"
# Both directions in one record (RFC 5103), or one record for each.
#biflow = true
# Unit of the times: ms, us or ns.
#time = \"ms\"
# Options records are sent again after this time.
#options_refresh = \"5m\"
# Our address; of the same family as that of the collector.
#source = \"192.0.2.1\"
# Observation Domain ID, if it is another than that of [export].
#observation_domain = 7
# No two attempts to connect within this time; not over UDP.
#reconnect = \"10s\"
# Messages a second at most; 0 for no limit.
#rate = 0
# Who we are and whom we trust. PEM files; they are read again when they are replaced.
#[collector.tls]
# Authorities that may vouch for the collector; those of the system without.
#ca = \"/etc/flowtap/ca.pem\"
# Our certificate, and its private key.
#cert = \"/etc/flowtap/probe.pem\"
#key = \"/etc/flowtap/probe.key\"
# The name that the certificate has to have; the host of the url without.
#name = \"collector.example\"
# Names of the only collectors that may be exported to.
#peers = [\"collector.example\"]
# What of the records leaves for this collector. Files and JSON have the same table.
#[collector.privacy]
#level = \"obfuscated\"
# pseudonym, prefix or as-is.
#addresses = \"pseudonym\"
# Networks whose addresses are treated otherwise, and how.
#own = [\"10.0.0.0/8\", \"2001:db8::/32\"]
#own_addresses = \"prefix\"
# Leading bits that are a prefix.
#prefix4 = 24
#prefix6 = 48
# Made if it is not there; without it the key is in memory, and pseudonyms change with a restart.
#pseudonym_key = \"/var/lib/flowtap/pseudonym.key\"
# After this time every address gets another pseudonym.
#pseudonym_rotation = \"1d\"
# drop, vendor or as-is.
#macs = \"drop\"
# service, drop or as-is.
#ports = \"service\"
# Times are cut to a multiple of this.
#time_step = \"1m\"

# Over UDP there are two keys more.
#[[collector]]
#url = \"udp://192.0.2.10:4739\"
# Templates are sent again after this time.
#template_refresh = \"60s\"
# Octets of an IP packet at most.
#mtu = 1400

# Collectors that share the records: failover (the first that can be reached) or balance (each flow
# to one of them). Members have the keys of a collector.
#[[group]]
#mode = \"failover\"
#[[group.collector]]
#url = \"tls://a.example\"
#[[group.collector]]
#url = \"tls://b.example\"

# IPFIX files (RFC 5655), with the keys profile, biflow, time, observation_domain and privacy too.
#[[file]]
# With rotate a pattern for strftime, in UTC.
#path = \"flows-%Y%m%d-%H%M%S.ipfix\"
# A new file begins after this time, and before one has more octets than size.
#rotate = \"5m\"
#size = \"100M\"
#compress = \"zstd\"

# One JSON object a flow; - is standard output.
#[[json]]
#path = \"flows.json\"
# Aggregated Flows of k flows at least, once an interval, by networks and more: nothing of a single
# flow.
#[json.privacy]
#level = \"statistical\"
#interval = \"1m\"
#k = 10
#net = [\"10.0.0.0/8\", \"2001:db8::/32\"]
";
