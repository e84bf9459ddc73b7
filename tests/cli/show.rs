//! The command line of `show`, on the built program and on files that it wrote itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::run::{Ended, flowtap, flowtap_reading, sample};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn groups_are_the_sums_of_the_records() {
    let files = Files::new();
    let mut by_host: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    let mut by_service: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for record in files.records(&[]) {
        let sums = [1, both(&record, "packetDeltaCount"), both(&record, "octetDeltaCount")];
        let mut hosts = [address(&record, "source"), address(&record, "destination")].to_vec();
        hosts.dedup();
        for host in hosts {
            add(by_host.entry(host).or_default(), sums);
        }
        if let Some(port) = record["destinationTransportPort"].as_u64() {
            let protocol = match record["protocolIdentifier"].as_u64() {
                Some(6) => "tcp",
                Some(17) => "udp",
                other => panic!("protocol {other:?} with ports"),
            };
            add(by_service.entry(format!("{port}/{protocol}")).or_default(), sums);
        }
    }
    assert!(by_host.len() > 4 && by_service.len() > 4, "{by_host:?} {by_service:?}");
    for (key, expected) in [("host", by_host), ("service", by_service)] {
        let groups = files.records(&["--group", key]);
        let groups: BTreeMap<_, _> = groups
            .iter()
            .filter_map(|group| {
                let sums = ["flows", "packets", "octets"].map(|name| group[name].as_u64().unwrap());
                Some((group[key].as_str()?.to_owned(), sums))
            })
            .collect();
        assert_eq!(groups, expected, "{key}");
    }
}

#[test]
fn an_expression_and_its_opposite_share_the_records() {
    let files = Files::new();
    let all = files.records(&[]).len();
    for expression in [
        "dst port 443 and src net 192.0.2.0/24",
        "tcp",
        "host 192.0.2.10 or host 192.0.2.80",
        "octets > 1k",
        "flags S and not flags R",
        "vlan",
        "end reason idle",
        "src or dst net 2001:db8::/32 && ! udp",
        "duration > 5ms",
        "exists greKey",
        "tcpWindowSize > 1000",
    ] {
        let chosen = files.records(&["--where", expression]).len();
        let others = files.records(&["--where", &format!("not ({expression})")]).len();
        assert_eq!(chosen + others, all, "{expression}");
    }
    let secure = files.records(&["--where", "tcp dst port 443"]);
    assert!(!secure.is_empty());
    for record in secure {
        assert_eq!(record["destinationTransportPort"], 443);
        assert_eq!(record["protocolIdentifier"], 6);
    }
}

#[test]
fn the_largest_are_the_first_of_all_in_order() {
    let files = Files::new();
    let octets = |arguments: &[&str]| -> Vec<u64> {
        let records = files.records(arguments);
        records.iter().map(|record| both(record, "octetDeltaCount")).collect()
    };
    let mut expected = octets(&[]);
    expected.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(octets(&["--sort", "octets"]), expected);
    assert_eq!(octets(&["--top", "5"]), expected[..5]);
    assert_eq!(octets(&["--sort", "octets", "--limit", "5"]), expected[..5]);
    let packets = files.records(&["--top", "1", "--by", "packets"]);
    let most = files.records(&[]).iter().map(|record| both(record, "packetDeltaCount")).max();
    assert_eq!(Some(both(&packets[0], "packetDeltaCount")), most);
    expected.reverse();
    assert_eq!(octets(&["--sort", "octets", "--reverse"]), expected);
    let starts: Vec<_> = files
        .records(&["--sort", "start"])
        .iter()
        .map(|record| record["flowStartMilliseconds"].as_str().unwrap().to_owned())
        .collect();
    assert!(starts.is_sorted(), "{starts:?}");
}

#[test]
fn files_and_standard_input_are_read_in_the_order_given() {
    let files = Files::new();
    let octets = fs::read(&files.plain).unwrap();
    let count = files.records(&[]).len();
    let (gzip, zstd) = (files.folder.path().join("a.gz"), files.folder.path().join("b.zst"));
    let mut encoder = GzEncoder::new(fs::File::create(&gzip).unwrap(), Compression::fast());
    encoder.write_all(&octets).unwrap();
    encoder.finish().unwrap();
    fs::write(&zstd, zstd::encode_all(octets.as_slice(), 1).unwrap()).unwrap();

    let plain = files.plain.to_str().unwrap();
    let (gzip, zstd) = (gzip.to_str().unwrap(), zstd.to_str().unwrap());
    for format in ["json", "csv"] {
        let arguments = ["show", "--format", format, plain, gzip, "-", zstd];
        let ended = flowtap_reading(arguments, &octets).well();
        let header = usize::from(format == "csv");
        assert_eq!(flow_lines(&ended), 4 * count + header, "{format}");
    }
    // Standard input alone, with and without a name.
    for arguments in [&["show", "--format", "json", "-"][..], &["show", "--format", "json"]] {
        let ended = flowtap_reading(arguments, &octets).well();
        assert_eq!(flow_lines(&ended), count);
    }
    let table = flowtap(["show", plain, gzip, zstd]).well();
    assert!(table.text().contains(&format!("\n{} flows: ", 3 * count)), "{}", table.text());
    assert!(table.text().contains(" in 3 files"), "{}", table.text());
}

#[test]
fn a_bad_file_is_named_and_the_others_are_read() {
    let files = Files::new();
    let plain = files.plain.to_str().unwrap();
    let count = files.records(&[]).len();
    let octets = fs::read(&files.plain).unwrap();
    let cut = files.folder.path().join("cut.ipfix");
    fs::write(&cut, &octets[..octets.len() - 1]).unwrap();
    let cut = cut.to_str().unwrap();
    let arguments = ["show", "--format", "json", cut, "/nonexistent.ipfix", plain];
    let ended = flowtap(arguments).with(1);
    assert!(flow_lines(&ended) > count, "the front of the one and all of the other");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let [damage, missing, sum] = lines[..] else { panic!("{}", ended.stderr) };
    let offset = format!("{cut}: truncated at offset {}", octets.len() - 1);
    assert!(damage.contains(&offset), "{damage}");
    assert!(missing.contains("/nonexistent.ipfix: cannot open"), "{missing}");
    assert!(sum.contains("2 of 3 files could not be read whole"), "{sum}");
}

#[test]
fn wrong_usage_is_told_as_such() {
    let files = Files::new();
    let plain = files.plain.to_str().unwrap();
    for (arguments, expected) in [
        (&["--where", "dst prt 443"][..], "\n  dst prt 443\n      ^~~\n"),
        (&["--where", ""], "there is no expression"),
        (&["--group", "srcprot"], "did you mean srcport"),
        (&["--top", "0"], "must be a number from 1"),
        (&["--limit", "0"], "--limit"),
        (&["--top", "3", "--by", "flows"], "--by flows needs --group"),
        (&["--by", "octets"], "--by needs --top"),
        (&["--reverse"], "--reverse needs --top"),
        (&["--sort", "octets", "--top", "3"], "cannot be used with"),
        (&["--sort", "sourceIPv4Address"], "sourceIPv4Address is not a number"),
    ] {
        let ended = flowtap([&["show", plain], arguments].concat()).with(2);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_has_examples_and_the_words_of_expressions() {
    let long = flowtap(["show", "--help"]).well();
    for text in ["dst port 443 and src net 10.0.0.0/8", "--group src", "src octets", "exists"] {
        assert!(long.text().contains(text), "{text}: {}", long.text());
    }
    let short = flowtap(["show", "-h"]).well();
    assert!(short.text().contains("Examples:"), "{}", short.text());
    assert!(short.text().lines().count() < 60, "{}", short.text());
}

/// A file of flows as the program writes it.
struct Files {
    folder: TempDir,
    plain: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plain = folder.path().join("sample.ipfix");
        let target = format!("file:{}", plain.display());
        let sample = sample().display().to_string();
        flowtap(["replay", &sample, "--quiet", "--export", &target]).well();
        Self { folder, plain }
    }

    /// Flows, or groups of them, as these arguments have them printed.
    #[track_caller]
    fn records(&self, arguments: &[&str]) -> Vec<Value> {
        let plain = self.plain.to_str().expect("a path of ours");
        let ended: Ended =
            flowtap([&["show", "--format", "json", plain], arguments].concat()).well();
        let lines = ended.text().lines();
        let records = lines.map(|line| serde_json::from_str(line).expect("an object a line"));
        records.filter(|record: &Value| record.get("optionsTemplateId").is_none()).collect()
    }
}

/// Lines that are no options records.
fn flow_lines(ended: &Ended) -> usize {
    ended.text().lines().filter(|line| !line.contains("optionsTemplateId")).count()
}

/// The innermost address of one end.
fn address(record: &Value, end: &str) -> String {
    let version = if record["ipVersion"] == 6 { "IPv6" } else { "IPv4" };
    let value = &record[format!("{end}{version}Address")];
    let address = value.as_array().and_then(|all| all.last()).unwrap_or(value);
    let address: IpAddr = address.as_str().expect("an address").parse().expect("an address");
    address.to_string()
}

/// The counts of both directions.
fn both(record: &Value, name: &str) -> u64 {
    let reverse = format!("reverse{}{}", name[..1].to_uppercase(), &name[1..]);
    [name, &reverse].iter().filter_map(|name| record[*name].as_u64()).sum()
}

fn add(sums: &mut [u64; 3], more: [u64; 3]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
