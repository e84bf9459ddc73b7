//! Options of a probe, without what they say of anybody.

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use crate::cli::args::Arguments;
use crate::cli::config::Effective;
use crate::cli::installation;
use crate::export::{
    Collector, CollectorOptions, FileTarget, Group, JsonOutput, JsonTarget, PrivacyOptions, Target,
    TlsOptions,
};

/// One line for each option that is given. Values are told where they can be nothing but a number, a
/// time, a size or one of a few words; of all others only how many there are.
pub(super) fn redacted(options: &[String]) -> String {
    let parsed = Arguments::command().try_get_matches_from(installation::command_line(options));
    let Ok(matches) = parsed else {
        return format!("{} words that are not options of this version: left out\n", options.len());
    };
    let Some((_, matches)) = matches.subcommand() else { return String::new() };
    let targets: Vec<&Target> = matches.get_many(EXPORT).into_iter().flatten().collect();
    lines_of(matches, &targets)
}

/// The same of a configuration file; what is wrong with one would repeat it.
pub(super) fn redacted_file(configured: Result<&Effective, ()>) -> String {
    let Ok(effective) = configured else {
        return "a configuration file that is not valid: left out\n".to_owned();
    };
    let capture = &effective.capture;
    let Some((_, matches)) = effective.matches().subcommand() else { return String::new() };
    let targets: Vec<&Target> = capture.meter.export.iter().collect();
    format!(
        "a configuration file with {} interfaces and:\n{}",
        capture.interface.len(),
        lines_of(matches, &targets)
    )
}

fn lines_of(matches: &ArgMatches, targets: &[&Target]) -> String {
    let command = Arguments::command();
    let Some(capture) = command.find_subcommand("capture") else { return String::new() };
    let mut lines = Vec::new();
    for argument in capture.get_arguments() {
        let (id, Some(long)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        let given = matches.value_source(id) == Some(ValueSource::CommandLine);
        let given = given || id == EXPORT && !targets.is_empty();
        if given && id != INTERFACE {
            let told = match argument.get_action().takes_values() {
                true if id == EXPORT => {
                    targets.iter().map(|target| format!(" {}", target_told(target))).collect()
                }
                true => told(id, matches),
                false => vec![String::new()],
            };
            lines.extend(told.into_iter().map(|told| format!("--{long}{told}\n")));
        }
    }
    lines.concat()
}

fn told(id: &str, matches: &ArgMatches) -> Vec<String> {
    let values: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
    if PLAIN.contains(&id) {
        let values = values.iter().map(|value| value.to_string_lossy());
        return vec![values.map(|value| format!(" {value}")).collect()];
    }
    vec![match values.len() {
        1 => " (left out)".to_owned(),
        count => format!(" ({count} values, left out)"),
    }]
}

/// Its kind and what is asked of it; not where it is.
fn target_told(target: &Target) -> String {
    match target {
        Target::File(FileTarget { rotate, size, compress, options, .. }) => {
            let rotated = [rotate.is_some(), size.is_some(), *compress];
            let names = ["rotate", "size", "compress"].into_iter().zip(rotated);
            let given: String =
                names.filter(|(_, given)| *given).map(|(name, _)| format!(" {name}")).collect();
            format!("file{}{given}", options_told(options))
        }
        Target::Collector(collector) => collector_told(collector),
        Target::Group(Group { mode, members }) => {
            let members: Vec<_> = members.iter().map(collector_told).collect();
            format!("{} of: {}", mode.name(), members.join("; "))
        }
        Target::Json(JsonTarget { output, privacy }) => {
            let place = match output {
                JsonOutput::Standard => " on standard output",
                JsonOutput::File(_) => "",
            };
            format!("json{place}{}", privacy_told(privacy))
        }
        Target::Null => "null".to_owned(),
    }
}

fn collector_told(collector: &Collector) -> String {
    let place = if collector.is_on_this_host() { " on this host" } else { "" };
    format!("{}{place}{}", collector.transport.name(), options_told(&collector.options))
}

fn options_told(options: &CollectorOptions) -> String {
    // A new option is to be thought of here.
    let CollectorOptions {
        profile,
        biflow,
        time,
        template_refresh,
        options_refresh,
        mtu,
        source,
        observation_domain,
        reconnect,
        rate,
        tls: TlsOptions { ca, cert, key, name, peers },
        privacy,
    } = options;
    let mut told = String::new();
    let mut tell = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            told.push_str(&format!(" {name}={value}"));
        }
    };
    let hidden = |given: bool| given.then(|| "(left out)".to_owned());
    tell("profile", profile.map(|profile| profile.name().to_owned()));
    tell("biflow", biflow.map(|on| if on { "on" } else { "off" }.to_owned()));
    tell("time", time.map(|time| time.name().to_owned()));
    tell("template_refresh", template_refresh.map(|it| format!("{it:?}")));
    tell("options_refresh", options_refresh.map(|it| format!("{it:?}")));
    tell("mtu", mtu.map(|it| it.to_string()));
    tell("reconnect", reconnect.map(|it| format!("{it:?}")));
    tell("rate", rate.map(|it| it.to_string()));
    tell("source", hidden(source.is_some()));
    tell("observation_domain", hidden(observation_domain.is_some()));
    tell("ca", hidden(ca.is_some()));
    tell("cert", hidden(cert.is_some()));
    tell("key", hidden(key.is_some()));
    tell("name", hidden(name.is_some()));
    tell("peer", hidden(!peers.is_empty()));
    told + &privacy_told(privacy)
}

/// What is made of records; not of whose, and not where the key is.
fn privacy_told(options: &PrivacyOptions) -> String {
    let PrivacyOptions {
        level,
        addresses,
        own,
        own_addresses,
        prefix4,
        prefix6,
        pseudonym_key,
        pseudonym_rotation,
        macs,
        ports,
        time_step,
        interval,
        k,
        net,
    } = options;
    let hidden = |given: bool| given.then(|| "(left out)".to_owned());
    let told = [
        ("privacy", level.map(|it| it.to_string())),
        ("addresses", addresses.map(|it| it.to_string())),
        ("own", hidden(!own.is_empty())),
        ("own_addresses", own_addresses.map(|it| it.to_string())),
        ("prefix4", prefix4.map(|it| it.to_string())),
        ("prefix6", prefix6.map(|it| it.to_string())),
        ("pseudonym_key", hidden(pseudonym_key.is_some())),
        ("pseudonym_rotation", pseudonym_rotation.map(|it| format!("{it:?}"))),
        ("macs", macs.map(|it| it.to_string())),
        ("ports", ports.map(|it| it.to_string())),
        ("time_step", time_step.map(|it| format!("{it:?}"))),
        ("interval", interval.map(|it| format!("{it:?}"))),
        ("k", k.map(|it| it.to_string())),
        ("net", hidden(!net.is_empty())),
    ];
    let given = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.map(|(name, value)| format!(" {name}={value}")).collect()
}

/// Which interfaces there are is told by none of these.
const INTERFACE: &str = "interface";
/// Targets may have tables.
const EXPORT: &str = "export";
/// Options whose values the parser holds to numbers, times, sizes and words of its own.
const PLAIN: [&str; 12] = [
    "backend",
    "workers",
    "duration",
    "size",
    "age",
    "queue",
    "active_timeout",
    "idle_timeout",
    "max_flows",
    "biflow",
    "tunnels",
    "vlan_key",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted_line(options: &str) -> String {
        redacted(&options.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_and_words_of_ours_are_told_and_all_else_only_counted() {
        let text = redacted_line(
            "--idle-timeout 30s --max-flows 5000 --backend libpcap --quiet --filter host=acme \
             --exclude-net 192.0.2.0/24,198.51.100.0/24 --spool /srv/acme --spool-size 10G \
             --export tls://alice@x?x --export null:",
        );
        assert!(text.ends_with("left out\n") && !text.contains("acme"), "not options: {text}");
        let text = redacted_line(
            "--idle-timeout 30s --max-flows 5000 --backend libpcap --quiet --filter host=acme \
             --exclude-net 192.0.2.0/24,198.51.100.0/24 --spool /srv/acme --spool-size 10G \
             --export tls://acme.example?profile=nfdump&ca=/acme.pem&peer=acme --export file:acme \
             --export json:acme?privacy=obfuscated&pseudonym_key=acme&ports=drop \
             --export json:acme?privacy=statistical&k=20&net=198.51.100.0/24&net=192.0.2.0/24 \
             --export failover:udp://192.0.2.9,tcp://localhost --observation-domain 4711",
        );
        for line in [
            "--idle-timeout 30s\n",
            "--max-flows 5000\n",
            "--backend libpcap\n",
            "--quiet\n",
            "--filter (left out)\n",
            "--exclude-net (2 values, left out)\n",
            "--spool (left out)\n",
            "--spool-size 10G\n",
            "--export tls profile=nfdump ca=(left out) peer=(left out)\n",
            "--export file\n",
            "--export json privacy=obfuscated pseudonym_key=(left out) ports=drop\n",
            "--export json privacy=statistical k=20 net=(left out)\n",
            "--export failover of: udp; tcp on this host\n",
            "--observation-domain (left out)\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        for word in ["acme", "192.0", "198.51", "4711", "srv"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn every_plain_option_exists() {
        let command = Arguments::command();
        let capture = command.find_subcommand("capture").unwrap();
        for id in PLAIN.iter().chain([&INTERFACE, &EXPORT]) {
            let found = capture.get_arguments().any(|argument| argument.get_id() == id);
            assert!(found, "{id}");
        }
    }
}
