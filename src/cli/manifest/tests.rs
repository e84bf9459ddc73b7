use clap::Parser as _;

use super::*;
use crate::cli::args::{Arguments, Command};

fn document(arguments: &[&str]) -> Document {
    let all = ["flowtap", "manifest", "-i", "eth1"].iter().chain(arguments);
    let Command::Manifest(manifest) = Arguments::try_parse_from(all).unwrap().command else {
        panic!("not manifest")
    };
    Document::of(&manifest.capture, manifest.language)
}

fn text(arguments: &[&str]) -> String {
    let mut out = Vec::new();
    document(arguments).write_text(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_target_and_every_place_is_told_with_its_protection() {
    let arguments = [
        "--export",
        "failover:tls://a.example?cert=c.pem&key=k.pem&ca=ca.pem,udp://192.0.2.1",
        "--export",
        "file:/var/flows.ipfix",
        "--spool",
        "/var/spool/flowtap",
        "--spool-key",
        "/etc/flowtap/spool.key",
        "--summary",
        "/var/ledger.json",
        "--exclude-net",
        "198.51.100.0/24,2001:db8:9::/48",
        "--only-net-file",
        "customers.txt",
        "--user",
        "flowtap",
    ];
    let text = text(&arguments);
    for part in [
        "networks that are left out: 198.51.100.0/24, 2001:db8:9::/48",
        "networks that it is kept to: customers.txt",
        "runs as: flowtap",
        "2.1 tls://a.example:4740",
        "both sides show certificates",
        "2.2 udp://192.0.2.1:4739",
        "WITHOUT PROTECTION",
        "2.3 file:/var/flows.ipfix",
        "where: /var/spool/flowtap",
        "at most 7 days",
        "where: /etc/flowtap/spool.key",
        "where: k.pem",
        "where: /var/ledger.json",
        "source address (IPv4): as it is",
        "29305/1 ",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn each_language_stands_alone() {
    let arguments = ["--lang", "ja", "--export", "udp://192.0.2.1", "--spool", "s"];
    let japanese = text(&arguments);
    for part in ["観測の対象", "送信元アドレス(IPv4)", "保護なし", "スプール", "行わないこと"]
    {
        assert!(japanese.contains(part), "{part} is missing in:\n{japanese}");
    }
    for word in [" the ", " of ", "where:", "until"] {
        assert!(!japanese.contains(word), "{word} in:\n{japanese}");
    }
    let english = text(&arguments[2..]);
    assert!(english.is_ascii(), "{english}");
    let place = "where: s, in the working directory of the probe (the service: /var/lib/flowtap)";
    assert!(english.contains(place), "{english}");
    assert!(japanese.contains("最長7日"), "{japanese}");
}

#[test]
fn what_a_policy_does_is_told_in_both_languages() {
    let arguments =
        ["--export", "udp://192.0.2.1?privacy=obfuscated&pseudonym_key=k&time_step=1m&ports=drop"];
    let english = text(&arguments);
    for part in [
        "source address (IPv4): pseudonym that keeps prefixes",
        "time of the first packet: steps of 1m",
        "source MAC address of the first packet: withheld",
        "source port: withheld",
        "where: k",
    ] {
        assert!(english.contains(part), "{part} is missing in:\n{english}");
    }
    let japanese = text(&[&["--lang", "ja"], &arguments[..]].concat());
    for part in ["仮名(プレフィックス保持)", "1m単位", "出力しない", "仮名の鍵"]
    {
        assert!(japanese.contains(part), "{part} is missing in:\n{japanese}");
    }
}

#[test]
fn sums_are_told_as_such_in_both_languages() {
    let target = "tcp://192.0.2.1?privacy=statistical&k=20&interval=5m&net=10.0.0.0/8";
    let arguments = ["--export", target];
    let english = text(&arguments);
    for part in [
        "Aggregated Flows (RFC 7015) of at least 20 flows each, once in 5m; networks that are told apart: 10.0.0.0/8",
        "Elements of aggregates",
        "network of the source, as configured (IPv4): configured networks, all zero for others",
        "first port of the class of services: class",
        "octets of IP packets: sum over flows",
        "time of the first packet: steps of 5m",
        "source address (IPv4): withheld",
        "until the end of an interval, 5m at most",
        "flow, given by the probe: withheld",
    ] {
        assert!(english.contains(part), "{part} is missing in:\n{english}");
    }
    for absent in ["address (IPv4): as it is", "packets: withheld", "that were ignored"] {
        assert!(!english.contains(absent), "{absent} in:\n{english}");
    }
    let japanese = text(&[&["--lang", "ja"], &arguments[..]].concat());
    for part in [
        "5mごとに20フロー以上の合計のみ",
        "複数フローの合計",
        "集計レコードの要素",
        "合計中のフローの区分",
    ] {
        assert!(japanese.contains(part), "{part} is missing in:\n{japanese}");
    }
    let json = document(&arguments).json();
    assert!(json["leaves"][0]["aggregation"].as_str().unwrap().contains("20 flows"));
    assert!(document(&["--export", "udp://c"]).json()["leaves"][0]["aggregation"].is_null());
}

#[test]
fn without_a_target_only_the_table_leaves() {
    let text = text(&[]);
    assert!(text.contains("table of flows on standard output"), "{text}");
}

#[test]
fn json_has_the_numbers_of_the_elements() {
    let json = document(&["--export", "tcp://127.0.0.1"]).json();
    let records = json["leaves"][0]["flow_records"].as_array().unwrap();
    let address = records.iter().find(|element| element["name"] == "sourceIPv4Address").unwrap();
    assert_eq!((&address["enterprise"], &address["id"]), (&json!(0), &json!(8)));
    assert_eq!(json["leaves"][0]["protected"], true, "it stays on this host");
}
