//! Purpose limitation (`--exclude-net`, `--only-net`): whose packets are left out appears nowhere, all
//! others are metered as if there were no filter, and the books balance in public.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::run::{Summary, flowtap, replay, sample};
use serde_json::{Map, Value};
use tempfile::TempDir;

type Record = Map<String, Value>;

/// An option and its value, several times.
type Lists = &'static [(&'static str, &'static str)];

const SELECTIONS: [Lists; 9] = [
    &[("--exclude-net", "198.51.100.0/24")],
    &[("--exclude-net", "192.0.2.0/24,2001:db8:10::/48")],
    &[("--exclude-net", "0.0.0.0/0")],
    &[("--exclude-net", "::/0")],
    &[("--only-net", "192.0.2.10")],
    &[("--only-net", "198.51.100.0/24"), ("--only-net", "2001:db8::/32")],
    &[("--only-net", "192.0.2.0/24"), ("--exclude-net", "192.0.2.80")],
    &[("--only-net", "10.0.0.0/8")],
    &[("--only-net", "0.0.0.0/0,::/0"), ("--exclude-net", "203.0.113.0/24,fe80::/10,ff00::/8")],
];

#[test]
fn a_selection_of_the_sample_is_what_the_lists_say_of_every_packet_read_one_by_one() {
    for tunnels in ["inner", "outer"] {
        let whole = Run::packets(&sample(), tunnels, &[]);
        let mut distinct = Vec::new();
        for lists in SELECTIONS {
            let part = Run::packets(&sample(), tunnels, lists);
            let expected: Vec<_> =
                whole.records.iter().filter(|record| is_selected(record, lists)).cloned().collect();
            assert_eq!(part.records, expected, "{tunnels} {lists:?}");
            assert_balance(&part.summary, &whole.summary);
            distinct.push(expected.len());
        }
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 5, "the lists hardly differ: {distinct:?}");
    }
}

#[test]
fn any_number_of_workers_selects_the_same() {
    let lists = ["--exclude-net", "192.0.2.0/24", "--only-net", "198.51.100.0/24"];
    let one = replay(&sample(), &lists);
    let several = replay(&sample(), &[&lists[..], &["--workers", "3"]].concat());
    for key in ["filtered_packets", "filtered_octets", "metered_octets", "exported_flows"] {
        assert!(one.count(key) > 0, "{key}: {one:?}");
        assert_eq!(several.count(key), one.count(key), "{key}");
    }
}

#[test]
fn a_filter_that_takes_everything_changes_no_octet_of_a_flow() {
    let folder = TempDir::new().unwrap();
    let flows = |name: &str, more: &[&str]| {
        let json = folder.path().join(name);
        let target = format!("json:{}", json.display());
        replay(&sample(), &[&["--export", &target], more].concat());
        fs::read(json).unwrap()
    };
    let usual = flows("usual", &[]);
    assert_eq!(flows("open", &["--only-net", "0.0.0.0/0,::/0"]), usual);
    assert_eq!(flows("absent", &["--exclude-net", "240.0.0.0/4"]), usual);
}

#[test]
fn a_collector_is_told_how_many_were_left_out_and_never_whose() {
    // RFC 5476 §6.5.3.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("flows.ipfix");
    let list = folder.path().join("guests.txt");
    fs::write(&list, "# guests\n203.0.113.64/27\n192.0.2.0/24\n").unwrap();
    let target = format!("file:{}", file.display());
    let list = list.display().to_string();
    let summary = replay(&sample(), &["--export", &target, "--exclude-net-file", &list]);
    let (metered, filtered) = (summary.count("metered_packets"), summary.count("filtered_packets"));
    assert!(filtered > 0 && metered > 0, "{summary:?}");

    let shown = flowtap(["show", &file.display().to_string(), "--format", "json"]).well();
    let told = |record: &Record, name: &str| record.get(name).and_then(Value::as_u64);
    let statistics: Vec<_> = records(shown.text())
        .into_iter()
        .filter_map(|record| {
            let observed = told(&record, "selectorIdTotalPktsObserved")?;
            Some((observed, told(&record, "selectorIdTotalPktsSelected")?))
        })
        .collect();
    assert_eq!(statistics.last(), Some(&(metered + filtered, metered)), "{}", shown.text());
    for text in ["203.0.113.6", "192.0.2.", "guests"] {
        assert!(!shown.text().contains(text), "{text}: {}", shown.text());
    }
    // The addresses of the list as octets, in the file itself.
    let octets = fs::read(&file).unwrap();
    for prefix in [[203, 0, 113, 64], [192, 0, 2, 0], [192, 0, 2, 10], [192, 0, 2, 80]] {
        assert!(!octets.windows(4).any(|window| window == prefix), "{prefix:?}");
    }
}

#[test]
fn without_a_filter_nothing_is_said_of_one() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("flows.ipfix");
    let summary = replay(&sample(), &["--export", &format!("file:{}", file.display())]);
    assert_eq!(summary.count("filtered_packets"), 0);
    let shown = flowtap(["show", &file.display().to_string(), "--format", "json"]).well();
    assert!(!shown.text().contains("selectorIdTotalPkts"), "{}", shown.text());
    let ledger = flowtap(["replay", &sample().display().to_string(), "--export", "null:"]).well();
    assert!(!ledger.stderr.contains("filtered"), "{}", ledger.stderr);
}

#[test]
fn the_ledger_for_people_names_what_was_filtered() {
    let capture = sample().display().to_string();
    let options = ["--export", "null:", "--exclude-net", "192.0.2.0/24"];
    let ended = flowtap([&["replay", &capture], &options[..]].concat()).well();
    assert!(ended.stderr.contains("\nfiltered "), "{}", ended.stderr);
    assert!(ended.stderr.contains("received = metered + ignored + filtered"), "{}", ended.stderr);
}

#[test]
fn a_wrong_list_is_the_fault_of_the_command_line_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    let (list, summary) = (folder.path().join("list"), folder.path().join("summary.json"));
    fs::write(&list, "192.0.2.0/24\nguests\n").unwrap();
    let [list, summary] = [&list, &summary].map(|path| path.display().to_string());
    let capture = sample().display().to_string();
    for option in ["--exclude-net-file", "--only-net-file"] {
        let ended = flowtap(["replay", &capture, "--summary", &summary, option, &list]).with(2);
        assert!(ended.stderr.contains("list:2: is no address"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(!Path::new(&summary).exists());
    }
}

#[test]
fn no_shared_capture_shows_an_excluded_network_and_the_books_of_each_balance() {
    let captures = shared_captures();
    if captures.is_empty() {
        println!("nothing to do: ../shared/captures is not there");
        return;
    }
    let (mut filtered, mut faults) = (0, Vec::new());
    for capture in &captures {
        let Some(whole) = Run::of(capture, &[]) else { continue };
        // The networks of one of its own packets: something is left out of every capture.
        let middle = whole.records.get(whole.records.len() / 2);
        let Some(address) = middle.and_then(|record| metered(record).next()) else { continue };
        let network = match address {
            IpAddr::V4(address) => format!("{}/16", address & Ipv4Addr::new(255, 255, 0, 0)),
            IpAddr::V6(address) => format!("{}/32", address & Ipv6Addr::from(u128::MAX << 96)),
        };
        for option in ["--exclude-net", "--only-net"] {
            let lists = [(option, network.as_str())];
            let Some(part) = Run::of(capture, &lists) else {
                faults.push(format!("{}: {lists:?}: no output", capture.display()));
                continue;
            };
            assert_balance(&part.summary, &whole.summary);
            filtered += part.summary.count("filtered_packets");
            if let Some(record) = part.records.iter().find(|record| !is_selected(record, &lists)) {
                faults.push(format!("{}: {lists:?}: {record:?}", capture.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(filtered > 1000, "{filtered} packets were filtered");
}

/// A replay, its records as JSON, in order and without what depends on the others.
struct Run {
    records: Vec<Record>,
    summary: Summary,
}

impl Run {
    /// Each packet is a record of its own.
    fn packets(capture: &Path, tunnels: &str, lists: &[(&str, &str)]) -> Self {
        let more = ["--tunnels", tunnels, "--idle-timeout", "0s", "--biflow", "off"];
        let mut run = Self::by(capture, lists, &more).expect("a whole capture");
        for record in &mut run.records {
            record.remove("flowId");
        }
        run.records.sort_by_key(|record| Value::Object(record.clone()).to_string());
        run
    }

    /// `None` for what is no capture at all.
    fn of(capture: &Path, lists: &[(&str, &str)]) -> Option<Self> {
        Self::by(capture, lists, &[])
    }

    fn by(capture: &Path, lists: &[(&str, &str)], more: &[&str]) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let [json, summary] = ["flows", "summary"].map(|name| folder.path().join(name));
        let mut arguments = vec!["replay".to_owned(), capture.display().to_string()];
        arguments.extend(["--quiet".into(), "--export".into(), format!("json:{}", json.display())]);
        arguments.extend(["--summary".into(), summary.display().to_string()]);
        arguments.extend(lists.iter().flat_map(|&(option, value)| [option.into(), value.into()]));
        arguments.extend(more.iter().map(|&option| option.to_owned()));
        let ended = flowtap(arguments);
        assert!(matches!(ended.status, Some(0 | 1)), "{}: {}", capture.display(), ended.stderr);
        summary.exists().then(|| Self {
            records: records(&fs::read_to_string(json).unwrap()),
            summary: Summary::read(&summary),
        })
    }
}

fn records(text: &str) -> Vec<Record> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What was metered without a filter is metered or filtered with one, and the rest is as it was.
#[track_caller]
fn assert_balance(part: &Summary, whole: &Summary) {
    part.assert_balanced();
    let sum = part.count("metered_packets") + part.count("filtered_packets");
    assert_eq!(sum, whole.count("metered_packets"), "{part:?}");
    for key in ["received_packets", "received_octets", "ignored_octets"] {
        assert_eq!(part.count(key), whole.count(key), "{key}");
    }
    let ignored = |summary: &Summary| -> BTreeMap<_, _> {
        summary.counts("ignored_packets").into_iter().collect()
    };
    assert_eq!(ignored(part), ignored(whole));
}

/// The lists, read one by one.
fn is_selected(record: &Record, lists: &[(&str, &str)]) -> bool {
    let networks = |option: &str| -> Vec<(IpAddr, u32)> {
        let lists = lists.iter().filter(|&&(name, _)| name == option);
        lists.flat_map(|(_, list)| list.split(',')).map(network).collect()
    };
    let (excluded, only) = (networks("--exclude-net"), networks("--only-net"));
    let any = |list: &[(IpAddr, u32)], address| list.iter().any(|&it| lies_in(address, it));
    let is_excluded = metered(record).chain(outer(record)).any(|address| any(&excluded, address));
    let is_kept = only.is_empty() || metered(record).any(|address| any(&only, address));
    is_kept && !is_excluded
}

fn metered(record: &Record) -> impl Iterator<Item = IpAddr> {
    addresses(record, ["source", "destination"])
}

fn outer(record: &Record) -> impl Iterator<Item = IpAddr> {
    addresses(record, ["flowtapTunnelSource", "flowtapTunnelDestination"])
}

fn addresses(record: &Record, ends: [&str; 2]) -> impl Iterator<Item = IpAddr> {
    let names = ends.map(|end| ["IPv4Address", "IPv6Address"].map(|kind| format!("{end}{kind}")));
    names.into_iter().flatten().filter_map(|name| record.get(&name)?.as_str()?.parse().ok())
}

fn network(text: &str) -> (IpAddr, u32) {
    let (address, length) = text.split_once('/').unwrap_or((text, "999"));
    (address.parse().unwrap(), length.parse().unwrap())
}

/// Bit by bit.
fn lies_in(address: IpAddr, (network, length): (IpAddr, u32)) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        octets.iter().flat_map(|octet| (0..8).map(move |bit| octet >> (7 - bit) & 1 == 1)).collect()
    };
    let mapped = match address {
        IpAddr::V6(address) => address.to_ipv4_mapped().map(IpAddr::V4),
        IpAddr::V4(_) => None,
    };
    [Some(address), mapped].into_iter().flatten().any(|address| {
        let (address, network) = (bits(address), bits(network));
        let length = network.len().min(length as usize);
        address.len() == network.len() && address[..length] == network[..length]
    })
}

fn shared_captures() -> Vec<PathBuf> {
    let mut captures = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a folder can be listed").path()) {
            if path.is_dir() { folders.push(path) } else { captures.push(path) }
        }
    }
    captures.sort();
    captures
}
