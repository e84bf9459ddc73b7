use std::fs;

use super::*;
use crate::cli::args::Direction;
use crate::export::{Collector, PrivacyOptions, Profile, Transport};
use crate::flow::Seed;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn with(line: &str, text: &str) -> Result<Effective, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flowtap.toml");
    fs::write(&file, text).unwrap();
    Effective::of(&words(line), &file).map_err(|error| {
        let text = error.in_full();
        let place = format!("{}:", file.display());
        text.strip_prefix(&place).unwrap_or(&text).to_owned()
    })
}

fn read(text: &str) -> Effective {
    with("flowtap capture", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const EVERYTHING: &str = r#"
[[interface]]
name = "tap0"
direction = "ingress"
description = "from the provider"
[[interface]]
name = "tap1"
direction = "egress"

[capture]
backend = "libpcap"
workers = 2
filter = "not port 22"
[meter]
active_timeout = "30s"
idle_timeout = "5s"
max_flows = 5_000
biflow = false
tunnels = "outer"
vlan_key = false
[networks]
exclude = ["192.0.2.0/24", "10.0.0.0/8"]
[export]
observation_domain = 0x10
queue = "32MiB"
targets = ["null:"]
[spool]
directory = "spool"
size = "2G"
age = "1d"
key = "spool.key"
[confinement]
user = "nobody"
reopen = false
[log]
format = "json"
level = "debug"
quiet = true
[privacy]
level = "obfuscated"
[[collector]]
url = "tls://collector.example"
profile = "nfdump"
[collector.tls]
ca = "/etc/ca.pem"
[collector.privacy]
level = "as-is"
[[group]]
mode = "failover"
[[group.collector]]
url = "udp://[2001:db8::1]:9995"
[[group.collector]]
url = "udp://192.0.2.2"
[[file]]
path = "flows-%H%M.ipfix"
rotate = "5m"
size = "100M"
compress = "zstd"
[[json]]
path = "-"
"#;

#[test]
fn a_file_says_what_the_flags_say() {
    let by_flags = words(
        "flowtap capture -i tap0 -i tap1 --backend libpcap --workers 2 --filter=not&port&22 \
         --active-timeout 30s --idle-timeout 5s --max-flows 5000 --biflow off --tunnels outer \
         --vlan-key off --exclude-net 192.0.2.0/24,10.0.0.0/8 --observation-domain 16 \
         --queue 32MiB --export null: --spool spool --spool-size 2G --spool-age 1d \
         --spool-key spool.key --user nobody --no-reopen --quiet --log-format json \
         --log-level debug \
         --export tls://collector.example?profile=nfdump&ca=/etc/ca.pem&privacy=as-is \
         --export failover:udp://[2001:db8::1]:9995?privacy=obfuscated,udp://192.0.2.2?privacy=obfuscated \
         --export file:flows-%H%M.ipfix?rotate=5m&size=100M&compress=zstd&privacy=obfuscated \
         --export json:-?privacy=obfuscated",
    );
    let by_flags = by_flags.into_iter().map(|word| match word.to_str() {
        Some("--filter=not&port&22") => OsString::from("--filter=not port 22"),
        _ => word,
    });
    let Effective { capture, .. } = read(EVERYTHING);
    let Ok(Arguments { command: Command::Capture(expected) }) =
        <Arguments as clap::Parser>::try_parse_from(by_flags)
    else {
        panic!("flags")
    };
    assert_eq!(capture.described[0].direction, Some(Direction::Ingress));
    assert_eq!(capture.described[0].description.as_deref(), Some("from the provider"));
    let expected = Capture {
        config: capture.config.clone(),
        described: capture.described.clone(),
        ..expected
    };
    assert_eq!(format!("{capture:#?}"), format!("{expected:#?}"));
}

#[test]
fn what_is_in_effect_can_be_fed_back() {
    for text in [EVERYTHING, "", "[[collector]]\nurl = \"tcp://192.0.2.1\"\ntls = {}\n"] {
        let once = read(text).text();
        assert_eq!(read(&once).text(), once);
    }
    let text = read(EVERYTHING).text();
    for line in [
        "name = \"tap0\"\ndirection = \"ingress\"\ndescription = \"from the provider\"\n",
        "idle_timeout = \"5s\"\n",
        "vlan_key = false\n",
        "reopen = false\n",
        "targets = [\"null:\"]\n",
        "exclude = [\"192.0.2.0/24\", \"10.0.0.0/8\"]\n",
        "[collector.tls]\nca = \"/etc/ca.pem\"\n",
        "url = \"udp://[2001:db8::1]:9995\"\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(read("").text().contains("active_timeout = \"60s\"\n"), "defaults are in effect");
}

#[test]
fn flags_override_the_file_and_the_file_overrides_defaults() {
    let file = "
        [[interface]]\nname = 'tap0'\ndescription = 'a'
        [[interface]]\nname = 'tap1'
        [meter]\nidle_timeout = '5s'\nactive_timeout = '7s'\nbiflow = false
        [networks]\nexclude = ['10.0.0.0/8']
        [[collector]]\nurl = 'udp://192.0.2.1'";
    let line = "flowtap capture --config x --idle-timeout 9s -i tap1 --exclude-net 192.0.2.0/24 \
                --export null:";
    let Capture { interface, described, meter, .. } = with(line, file).unwrap().capture;
    assert_eq!(interface, ["tap1"]);
    assert_eq!(described.len(), 2, "what is said of interfaces stays");
    assert_eq!(meter.metering.idle_timeout.as_secs(), 9);
    assert_eq!(meter.metering.active_timeout.as_secs(), 7);
    let flow = meter.metering.flow(Seed::Fixed, 1);
    assert_eq!((flow.biflow, flow.vlan_key), (false, true));
    assert_eq!(meter.metering.selection.exclude_net, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(meter.export, [Target::Null]);
    let manifest = with("flowtap manifest x --format json --lang=ja --idle-timeout 9s", file);
    assert_eq!(manifest.unwrap().capture.meter.metering.idle_timeout.as_secs(), 9);
}

#[test]
fn privacy_of_all_is_that_of_targets_that_say_nothing_also_of_flags() {
    let file = "[privacy]\nlevel = 'obfuscated'\nports = 'drop'\n";
    let line = "flowtap capture --config x --export file:x --export json:y?privacy=as-is";
    let targets = with(line, file).unwrap().capture.meter.export;
    let policies: Vec<_> =
        targets.iter().flat_map(Target::privacy).map(PrivacyOptions::policy).collect();
    assert_eq!(policies.iter().map(|it| it.is_as_is()).collect::<Vec<_>>(), [false, true]);
    let error = with("flowtap capture", file).unwrap_err();
    assert!(error.starts_with("1:2: `privacy`: there is no target"), "{error}");
}

#[test]
fn errors_name_line_column_key_and_what_would_be_right() {
    for (text, expected) in [
        ("[meter\n", "1:"),
        ("[metr]\n", "1:2: `metr` is no table: did you mean `meter`?"),
        ("x = 1\n", "1:1: `x` is no table: use interface, capture, meter"),
        ("meter = 5\n", "1:9: `meter`: is a table: write [meter]"),
        (
            "[meter]\nflush = '5s'\n",
            "2:1: `flush` is no key of [meter]: use active_timeout, idle_timeout",
        ),
        (
            "[meter]\nidle_timout = '5s'\n",
            "2:1: `idle_timout` is no key of [meter]: did you mean `idle_timeout`?",
        ),
        (
            "[meter]\n  idle_timeout = 15\n",
            "2:18: `meter.idle_timeout`: is of type integer: use text with a unit, as in idle_timeout = \"15s\"",
        ),
        ("[meter]\nidle_timeout = '15'\n", "2:16: `meter.idle_timeout`: `15`: time unit needed"),
        ("[meter]\nidle_timeout = ''\n", "2:16: `meter.idle_timeout`: "),
        (
            "[meter]\nmax_flows = 0\n",
            "2:13: `meter.max_flows`: `0`: must be between 1 and 128000000",
        ),
        (
            "[meter]\nmax_flows = '5'\n",
            "2:13: `meter.max_flows`: is of type string: use a whole number",
        ),
        ("[meter]\nbiflow = 'on'\n", "2:10: `meter.biflow`: is of type string: use true or false"),
        ("[meter]\ntunnels = 'inside'\n", "2:11: `meter.tunnels`: `inside`: use inner, outer"),
        ("[networks]\nexclude = ['10.0.0.1/8']\n", "2:11: `networks.exclude`: `10.0.0.1/8`: "),
        (
            "[networks]\nexclude = '10.0.0.0/8'\n",
            "2:11: `networks.exclude`: is of type string: use a list of texts",
        ),
        ("[spool]\ndirectory = 's'\nsize = '5'\n", "3:8: `spool.size`: `5`: must be 1M or more"),
        ("[spool]\nsize = '5G'\n", "2:1: `spool.size`: needs `spool.directory` besides"),
        (
            "[confinement]\nuser = 'a'\nunconfined = true\n",
            "2:1: `confinement.user`: does not go with `confinement.unconfined`",
        ),
        (
            "[export]\ntargets = ['udp://c?mtu=1']\n",
            "2:11: `export.targets`: `udp://c?mtu=1`: udp://c:4739: `mtu=1` cannot be",
        ),
        ("[[interface]]\nname = ''\n", "2:8: `interface[0].name`: is empty"),
        (
            "[[interface]]\ndirection = 'in'\n",
            "2:13: `interface[0].direction`: `in`: use `ingress` or `egress`",
        ),
        ("[[interface]]\n", "1:1: `interface[0]`: missing field `name`"),
        (
            "[interface]\nname = 'a'\n",
            "1:1: `interface`: there may be several: write [[interface]]",
        ),
        (
            "[[interface]]\nname = 'a'\n[[interface]]\nname = 'a'\n",
            "4:8: `interface[1].name`: a: given twice",
        ),
        ("[[collector]]\nprofile = 'nfdump'\n", "1:1: `collector[0]`: has no `url`: add url = "),
        ("[[collector]]\nurl = 'udp://c?mtu=5'\n", "2:7: `collector[0].url`: options are keys"),
        ("[[collector]]\nurl = 'http://c'\n", "2:7: `collector[0].url`: `http:` is no kind"),
        (
            "[[collector]]\nurl = 'udp://c'\nprofil = 'nfdump'\n",
            "3:1: `profil` is no key of collector[0]: did you mean `profile`?",
        ),
        ("[[collector]]\nurl = 'udp://c'\nprofile = 'nfcapd'\n", "3:11: `collector[0].profile`: "),
        (
            "[[collector]]\nurl = 'tcp://c'\nmtu = 1400\n",
            "3:1: `collector[0].mtu`: `mtu` means nothing for `tcp:`",
        ),
        (
            "[[collector]]\nurl = 'tls://c'\n[collector.tls]\ncert = 'c'\n",
            "4:1: `collector[0].tls.cert`: `cert` needs `key`",
        ),
        (
            "[[collector]]\nurl = 'tls://c'\nreconnect = '5'\n",
            "3:13: `collector[0].reconnect`: `5` is no time",
        ),
        (
            "[[collector]]\nurl = 'tls://c'\n[collector.privacy]\nports = 'drop'\n",
            "4:1: `collector[0].privacy.ports`: ",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\n[[collector]]\nurl = 'udp://c'\n",
            "3:1: `collector[1]`: udp://c:4739 is given twice",
        ),
        (
            "[[group]]\nmode = 'both'\n",
            "2:8: `group[0].mode`: `both` is no mode: use failover or balance",
        ),
        ("[[group]]\nmode = 'balance'\n", "1:1: `group[0]`: has no collectors"),
        (
            "[[group]]\nmode = 'balance'\n[[group.collector]]\nurl = 'udp://c'\n",
            "1:1: `group[0]`: `balance:` needs two",
        ),
        (
            "[[group]]\nmode = 'balance'\n[[group.collector]]\nurl = 'udp://c'\nmtu = 1\n",
            "5:1: `group[0].collector[0].mtu`: ",
        ),
        ("[[file]]\npath = 'x'\nrotate = '5'\n", "3:10: `file[0].rotate`: `rotate=5` cannot be"),
        (
            "[[file]]\npath = 'x'\nmtu = 1400\n",
            "3:1: `file[0].mtu`: `mtu` means nothing for `file:`",
        ),
        ("[[file]]\npath = '-'\n", "2:8: `file[0].path`: `file:-` is not supported"),
        (
            "[[json]]\npath = '/no-such-flows'\n[[file]]\npath = '/no-such-flows'\n",
            "3:1: `file[0]`: file:/no-such-flows would overwrite json:/no-such-flows",
        ),
        ("[[json]]\npath = 'x'\nprofile = 'ipfix'\n", "3:1: `profile` is no key of json[0]: "),
        ("[privacy]\nlevel = 'none'\n", "2:9: `privacy.level`: "),
        (
            "[privacy]\npseudonym_key = 'k'\n",
            "2:1: `privacy.pseudonym_key`: json:-: `pseudonym_key` means nothing for",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\nrate = 99999999999999\n",
            "3:8: `collector[0].rate`: `99999999999999`: use messages a second, 0 to 4294967295",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\nrate = -1\n",
            "3:8: `collector[0].rate`: `-1`: use messages a second, 0 to 4294967295",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\nmtu = 99999999999999999999\n",
            "3:7: `collector[0].mtu`: `99999999999999999999`: use octets of an IP packet, 512 to 65535",
        ),
        (
            "[privacy]\nlevel = 'statistical'\nk = 99999999999\n[[collector]]\nurl = 'udp://c'\n",
            "3:5: `privacy.k`: `99999999999`: use a number of flows, 2 to 1000",
        ),
        (
            "[[file]]\npath = 'x'\n[file.privacy]\nlevel = 'obfuscated'\nprefix4 = 300\n",
            "5:11: `file[0].privacy.prefix4`: `300`: use leading bits, 8 to 31",
        ),
        (
            "[meter]\nmax_flows = 99999999999999999999\n",
            "2:13: `meter.max_flows`: `99999999999999999999`: must be between 1 and 128000000",
        ),
        (
            "[export]\nobservation_domain = 4294967296\n",
            "2:22: `export.observation_domain`: `4294967296`: must be a number from 0 to 4294967295",
        ),
        (
            "[capture]\nworkers = 257\n",
            "2:11: `capture.workers`: `257`: must be a number from 1 to 256",
        ),
        (
            "[[interface]]\nname = eth1\n",
            "2:8: `name`: `eth1`: text stands in quotes: name = \"eth1\"",
        ),
        ("[meter]\nidle_timeout = 5s\n", "2:16: `idle_timeout`: `5s`: text stands in quotes"),
        ("[meter]\nbiflow = yes\n", "2:10: `biflow`: `yes`: use true"),
        ("[meter]\nmax_flows = 1.000.000\n", "2:18: `max_flows`: `1.000.000` is no number: "),
        (
            "[networks]\nexclude = [10.0.0.0/8]\n",
            "2:16: `exclude`: `[10.0.0.0/8]` is no number: text",
        ),
        ("[meter]\nidle_timeout '5s'\n", "2:14: a key has a value: write KEY = VALUE"),
        ("name: eth1\n", "1:7: a key has a value: write KEY = VALUE"),
        ("[meter]\nidle_timeout = '5s\n", "2:19: `idle_timeout`: the quote at the end"),
        (
            "[meter]\nidle_timeout = '5s'\nidle_timeout = '6s'\n",
            "3:1: `idle_timeout`: is there twice",
        ),
        ("[meter\nidle_timeout = '5s'\n", "1:7: is no TOML: unclosed table, expected `]`"),
        ("max_flows = 5\n", "1:1: `max_flows` is no table: it stands in [meter]"),
        ("interfaces = ['eth1']\n", "1:1: `interfaces` is no table: did you mean `interface`?"),
        (
            "[capture]\ninterface = 'eth1'\n",
            "2:1: `interface` is no key of [capture]: it stands in tables of its own: [[interface]]",
        ),
        ("[spool]\ndir = 's'\n", "2:1: `dir` is no key of [spool]: did you mean `directory`?"),
        (
            "[telemetry]\nlisten = 9739\n",
            "2:10: `telemetry.listen`: is of type integer: use text, as in listen = \"127.0.0.1:9739\"",
        ),
        (
            "privacy = 'obfuscated'\n",
            "1:11: `privacy`: is of type string: use a table, with its keys",
        ),
        (
            "[privacy]\nlevel = 'statistical'\nk = 1\n[[collector]]\nurl = 'udp://c'\n",
            "3:1: `privacy.k`: udp://c:4739: `k=1` cannot be",
        ),
        (
            "[[collector]]\nurl = 'udb://c'\n",
            "2:7: `collector[0].url`: `udb:` is no kind of target: did you mean `udp:`?",
        ),
        (
            "[export]\ntargets = ['fil:x']\n",
            "2:11: `export.targets`: `fil:x`: `fil:` is no kind of target: did you mean `file:`?",
        ),
        (
            "[[collector]]\nurl = 'tls://c'\nca = '/ca.pem'\n",
            "3:1: `ca` is no key of collector[0]: it stands in the table `tls` of this one",
        ),
        (
            "[[collector]]\nurl = 'tls://c'\nlevel = 'obfuscated'\n",
            "3:1: `level` is no key of collector[0]: it stands in the table `privacy`",
        ),
        (
            "[[collector]]\nurl = 'tls://c'\n[collector.tls]\ncafile = 'x'\n",
            "4:1: `cafile` is no key of collector[0].tls: use ca, cert",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\ntemplate_refresh = 60\n",
            "3:20: `collector[0].template_refresh`: is of type integer: use text in quotes, of times",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\nbiflow = 'off'\n",
            "3:10: `collector[0].biflow`: is of type string: use true or false",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\nrate = '5'\n",
            "3:8: `collector[0].rate`: is of type string: use a whole number, without quotes",
        ),
        (
            "[[collector]]\nurl = 'udp://c'\nprofile = 'nfdumpp'\n",
            "3:11: `collector[0].profile`: `nfdumpp` is no profile: did you mean `nfdump`?",
        ),
    ] {
        let error =
            with("flowtap capture", text).map(|it| panic!("{text}: {}", it.text())).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}\nexpected: {expected}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// What [`Effective::check`] finds.
fn found(line: &str, text: &str) -> String {
    let error = with(line, text).unwrap_or_else(|error| panic!("{error}\n{text}")).check();
    let error = error.err().map(|error| error.to_string()).unwrap_or_default();
    error.split_once("flowtap.toml:").map(|(_, rest)| rest.to_owned()).unwrap_or(error)
}

#[test]
fn what_no_machine_can_do_is_an_error_at_its_place() {
    let tls = "tls://c:4740: `cert` is not given";
    for (text, expected) in [
        (
            "[capture]\nfilter = 'not prot 22'\n",
            "2:1: `capture.filter`: `not prot 22`: can't parse filter expression: syntax error",
        ),
        ("[capture]\nfilter = 'host no-such-host.invalid'\n", ""),
        ("[[collector]]\nurl = 'tls://c'\n", &format!("1:1: `collector[0]`: {tls}")),
        (
            "[[collector]]\nurl = 'udp://c'\n[[group]]\nmode = 'failover'\n[[group.collector]]\n\
             url = 'udp://d'\n[[group.collector]]\nurl = 'tls://c'\n",
            &format!("3:1: `group[0]`: {tls}"),
        ),
        ("[export]\ntargets = ['null:', 'tls://c']\n", &format!("2:1: `export.targets`: {tls}")),
        (
            "[[collector]]\nurl = 'tls://a_b%2Fc'\ntls = { cert = 'c', key = 'k' }\n",
            "1:1: `collector[0]`: tls://a_b%2Fc:4740: `a_b%2Fc` is no host name",
        ),
        ("[[collector]]\nurl = 'tls://c'\ntls = { cert = 'c', key = 'k' }\n", ""),
    ] {
        let error = found("flowtap capture", text);
        assert!(error.starts_with(expected), "{text}: {error}\nexpected: {expected}");
        assert_eq!(error.is_empty(), expected.is_empty(), "{text}: {error}");
    }
    for (text, expected) in [
        (
            "[log]\nsummary = '-'\n[[json]]\npath = '-'\n",
            "2:1: `log.summary`: the ledger would stand",
        ),
        ("[log]\nlevel = 'debug'\nquiet = true\n", "2:1: `log.level`: `debug`: with quiet"),
        ("[log]\nlevel = 'error'\nquiet = true\n", ""),
        (
            "[networks]\nonly = ['192.0.2.0/24', '10.1.0.0/16']\nexclude = ['10.0.0.0/8']\n",
            "2:1: `networks.only`: its network 2 is within network 1 of those excluded",
        ),
        ("[networks]\nonly = ['10.0.0.0/8']\nexclude = ['10.1.0.0/16', '::/0']\n", ""),
        (
            "[networks]\nexclude = ['0.0.0.0/0', '::/0']\n",
            "2:1: `networks.exclude`: every network is excluded",
        ),
        ("[networks]\nexclude = ['0.0.0.0/0']\n", ""),
        (
            "[networks]\nexclude_files = ['/l/a', '/l/b']\nonly_files = ['/l/b']\n",
            "3:1: `networks.only_files`: `/l/b`: its networks are excluded too",
        ),
        (
            "[spool]\ndirectory = 's'\n[export]\ntargets = ['null:']\n",
            "2:1: `spool.directory`: there is no collector",
        ),
    ] {
        let error = found("flowtap capture", text);
        assert!(error.starts_with(expected), "{text}: {error}\nexpected: {expected}");
        assert_eq!(error.is_empty(), expected.is_empty(), "{text}: {error}");
    }
    // Flags override the file, and do not contradict it.
    let spool = "[spool]\ndirectory = 's'\n[[collector]]\nurl = 'udp://c'\n[log]\nquiet = true\n";
    assert_eq!(found("flowtap capture --export null: --log-level debug", spool), "");
    let typed = found("flowtap capture --quiet --log-level debug", spool);
    assert!(typed.starts_with("--log-level: `debug`: with quiet"), "{typed}");
    // What was typed stands nowhere in the file.
    let typed = found("flowtap capture --filter and", "[meter]\nmax_flows = 5\n");
    assert!(typed.starts_with("--filter: `and`: "), "{typed}");
    let typed = found("flowtap capture --export tls://c", "[[collector]]\nurl = 'udp://c'\n");
    assert!(typed.starts_with(tls), "{typed}");
}

#[test]
fn no_place_is_for_two_things() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let file = path("flowtap.toml");
    std::os::unix::fs::symlink(&file, path("link")).unwrap();
    let collector = format!(
        "[[collector]]\nurl = 'tls://c'\ntls = {{ ca = '{0}', cert = '{0}', key = '{0}' }}\n",
        path("pem")
    );
    let json = |name: &str| format!("[[json]]\npath = '{}'\n", path(name));
    let pseudonyms = |name: &str| {
        format!("[json.privacy]\nlevel = 'obfuscated'\npseudonym_key = '{}'\n", path(name))
    };
    let spool = format!("[spool]\ndirectory = 's'\nkey = '{}'\n", path("key"));
    for (text, expected) in [
        (format!("[log]\nsummary = '{file}'\n"), "2:1: `log.summary`: the ledger "),
        (json("link"), "1:1: `json[0]`: json:"),
        (spool.replace("/key'", "/flowtap.toml'"), "3:1: `spool.key`: the key of the spool "),
        (collector.clone() + &json("pem"), "4:1: `json[0]`: json:"),
        (spool.clone() + &json("key"), "4:1: `json[0]`: json:"),
        (spool.clone() + &json("x") + &pseudonyms("key"), "4:1: `json[0]`: the key of pseudonyms "),
        (
            collector.clone() + &json("x") + &pseudonyms("pem"),
            "4:1: `json[0]`: the key of pseudonyms ",
        ),
        (
            format!("[networks]\nonly_files = ['{0}']\n[log]\nsummary = '{0}'\n", path("ours")),
            "4:1: `log.summary`: the ledger ",
        ),
        (
            format!("[telemetry]\nlisten = 'unix:{}'\n", path("socket")) + &json("socket"),
            "3:1: `json[0]`: json:",
        ),
        // Also where nothing is there as yet.
        (
            json("not/made/x") + &format!("[log]\nsummary = '{}'\n", path("not/made/x")),
            "4:1: `log.summary`: the ledger ",
        ),
    ] {
        fs::write(&file, &text).unwrap();
        let error = of_file(&file).map(|_| panic!("{text}")).unwrap_err().to_string();
        let error = error.strip_prefix(&format!("{file}:")).unwrap_or(&error).to_owned();
        assert!(error.starts_with(expected), "{text}: {error}\nexpected: {expected}");
        assert!(error.contains(" of its own"), "what would be right: {error}");
    }
    // One key for two targets gives both the same pseudonyms; certificates may share a file.
    let two = json("a") + &pseudonyms("key") + &json("b") + &pseudonyms("key") + &collector;
    fs::write(&file, two).unwrap();
    of_file(&file).unwrap();
    fs::write(&file, "[meter]\nmax_flows = 5\n").unwrap();
    let typed = words(&format!("flowtap capture --summary {file}"));
    let error = Effective::of(&typed, Path::new(&file)).unwrap_err().to_string();
    assert!(error.starts_with("--summary: the ledger "), "{error}");
}

fn of_file(file: impl AsRef<Path>) -> Result<Effective, ConfigError> {
    super::of_file(file.as_ref())
}

#[test]
fn what_cannot_be_read_names_the_file() {
    for (file, expected) in [
        ("/nonexistent/x.toml", "cannot read /nonexistent/x.toml: "),
        ("/dev/zero", "cannot read /dev/zero: it is a device"),
    ] {
        let error = Effective::of(&[], Path::new(file)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn files_of_any_editor_are_read_and_what_is_no_text_is_told_where() {
    let lines = "[[interface]]\nname = 'tap0'\n[meter]\nmax_flows = 5\n";
    let windows = lines.replace('\n', "\r\n");
    for text in [windows.clone(), format!("\u{feff}{lines}"), format!("\u{feff}{windows}")] {
        let Capture { interface, meter, .. } = with("flowtap capture", &text).unwrap().capture;
        assert_eq!((interface, meter.metering.max_flows), (vec!["tap0".to_owned()], 5), "{text:?}");
    }
    for nothing in ["", "\n", "\r\n", "\u{feff}", "# a comment without an end"] {
        assert!(with("flowtap capture", nothing).unwrap().capture.interface.is_empty());
    }
    let deep = format!("x = {}", "[".repeat(100_000));
    let dotted = format!("{}x = 1", "x.".repeat(100_000));
    for (text, expected) in [
        ("[meter]\nmax_flows = 5\nmax_flows = 6\n", "3:1: `max_flows`: is there twice"),
        ("[meter]\nmax_flows = 5\n[meter]\nbiflow = true\n", "3:"),
        ("meter.max_flows = 5\n[meter]\nbiflow = true\n", "2:"),
        ("\u{feff}[metr]\n", "1:"),
        ("[meter]\r\nmax_flows = 0\r\n", "2:13: `meter.max_flows`"),
        ("[meter]\nmax_flows = 5\0\n", "2:"),
        ("[meter]\rmax_flows = 5\n", "1:"),
        (&deep, "1:"),
        (&dotted, "1:"),
    ] {
        let error = with("flowtap capture", text).unwrap_err();
        let shown: String = text.chars().take(40).collect();
        assert!(error.starts_with(expected), "{shown:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.len() < 1000, "{shown:?}: {}", error.len());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flowtap.toml");
    fs::write(&file, b"[meter]\n# gr\xfc\xdfe\nmax_flows = 5\n").unwrap();
    let error = of_file(&file).unwrap_err().to_string();
    assert!(error.contains("flowtap.toml:2:5: "), "{error}");
}

#[test]
fn every_option_of_capture_has_a_key_and_every_key_an_option() {
    let command = Arguments::command();
    let capture = command.find_subcommand("capture").unwrap();
    let mut options: Vec<_> =
        capture.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    options.retain(|id| !keys::NO_KEYS.contains(id));
    options.sort_unstable();
    let mut keyed: Vec<_> = keys::KEYS.iter().map(|key| key.option).collect();
    keyed.sort_unstable();
    assert_eq!(keyed, options);
}

/// The text with what stands behind a `#`, comments in words left out.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_default_configuration_is_that_of_no_configuration() {
    assert_eq!(read(&default_text()).text(), read("").text());
    // What is said of options for the opposite, and of how to repeat one, is not said of keys.
    let is_opposite = |key: &&Key| key.shape == keys::Shape::Unless;
    let opposite: Vec<_> = keys::KEYS.iter().filter(is_opposite).map(|key| key.name).collect();
    assert_eq!(opposite, ["reopen"]);
    assert!(default_text().contains("# Keep CAP_NET_RAW, to open an interface again"));
    assert!(!default_text().contains("repeat it"));
}

#[test]
fn every_key_is_in_the_default_configuration_with_a_value_that_can_be() {
    let text = uncommented(&default_text());
    // These two cannot stand together.
    let effective = read(&text.replace("unconfined = true", ""));
    let file = Path::new("x");
    let document = Document::read(Source { file, text: &text }).unwrap();
    for key in keys::KEYS {
        let count = document.given.iter().filter(|given| given.key == key).count();
        assert_eq!(count, 1, "{}", key.path());
    }
    // Of collectors, all that there is to say of one.
    let named: Vec<_> =
        effective.capture.meter.export.iter().map(|target| format!("{target} ")).collect();
    for option in crate::export::option_names() {
        let is_named = named.iter().any(|url| {
            url.contains(&format!("?{option}=")) || url.contains(&format!("&{option}="))
        });
        assert!(is_named, "{option} in {named:?}");
    }
    let tls = Collector::new(Transport::Tls, "collector.example", 4740);
    let is_tls = |target: &&Target| {
        target
            .collectors()
            .first()
            .is_some_and(|it| it.address().to_string() == tls.address().to_string())
    };
    let first = effective.capture.meter.export.iter().find(is_tls).unwrap();
    assert_eq!(first.collectors()[0].options.profile, Some(Profile::Standard));
}
