//! What every profile promises, held over the wire: `flowtap replay` sends to a collector of our own,
//! which forgives nothing.
//!
//! Where a collector can be had, `interop.rs` asks the collector itself. goflow2, Akvorado, Elastic's
//! inputs, IPFIXcol2 and Flowmon cannot be had here: for them the documented rule is what is tested.

use crate::replayed;
use crate::run;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::receiver::UdpReceiver;
use crate::records::varied_records;
use crate::replayed::{Replayed, cases, profiles};
use crate::run::flowtap;
use crate::strict::{REVERSE, Record, Session, Specifier, Sums, VARIABLE};
use flowtap::export::{Config, Exporter, Pace, RecordBatch, Totals};
use flowtap::time::Timestamp;
use serde_json::Value;

/// What stands in the documentation of the profiles, said once more: a slip in the table of the
/// program shall not pass as its own rule.
const RULES: [Rule; 8] = [
    Rule { profile: "standard", biflow: true, ours: true, legacy: false, apart: false },
    Rule { profile: "nfdump", biflow: true, ours: false, legacy: false, apart: true },
    Rule { profile: "pmacct", biflow: false, ours: true, legacy: false, apart: false },
    Rule { profile: "goflow2", biflow: false, ours: false, legacy: true, apart: false },
    Rule { profile: "akvorado", biflow: true, ours: false, legacy: false, apart: false },
    Rule { profile: "elastic", biflow: true, ours: false, legacy: false, apart: false },
    Rule { profile: "ipfixcol2", biflow: true, ours: true, legacy: false, apart: false },
    Rule { profile: "flowmon", biflow: false, ours: false, legacy: false, apart: true },
];

struct Rule {
    profile: &'static str,
    /// Reverse elements (RFC 5103), or one record for each direction.
    biflow: bool,
    /// Enterprise elements of our own.
    ours: bool,
    /// `samplingInterval` (IE 34) instead of a selector report (RFC 5476 §6.5.2).
    legacy: bool,
    /// Options records in Observation Domain 0.
    apart: bool,
}

#[test]
fn the_program_tells_the_rules() {
    let told = profiles();
    assert_eq!(told.len(), RULES.len());
    for (profile, rule) in told.iter().zip(&RULES) {
        let is = |pointer: &str| profile.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(is("/profile"), rule.profile);
        assert_eq!(is("/biflow"), rule.biflow, "{}", rule.profile);
        assert_eq!(is("/enterprise_elements"), rule.ours, "{}", rule.profile);
        assert_eq!(is("/options/sampling"), if rule.legacy { "legacy" } else { "selector" });
        assert_eq!(is("/options/domain"), if rule.apart { "zero" } else { "flows" });
        // The only unit that all collectors read.
        assert_eq!(is("/time"), "ms", "{}", rule.profile);
        assert_ne!(is("/reasons/0/because"), &Value::Null, "{}", rule.profile);
    }
}

#[test]
fn replays_keep_the_rules_and_lose_nothing() {
    for case in cases() {
        for rule in &RULES {
            let about = format!("{} for {}", case.name, rule.profile);
            let (session, replayed) = replay(&case.capture, &format!("profile={}", rule.profile));
            let sent = replayed.sent;
            let sums = Sums { flows: sent.flows, packets: sent.packets, octets: sent.octets };
            assert_eq!(session.sums(), sums, "{about}");
            check(&session, rule, &about);
            // The times of all directions, in milliseconds.
            let mut starts: Vec<_> = session.flows().flat_map(|flow| times(flow, 152)).collect();
            starts.sort_unstable();
            let told = replayed.starts.iter().flatten().flatten();
            assert_eq!(
                starts,
                replayed::sorted(told.map(|&t| u64::try_from(t).unwrap())),
                "{about}"
            );
        }
    }
}

#[test]
fn records_of_every_kind_keep_the_rules() {
    let records = varied_records();
    for rule in &RULES {
        let collector = UdpReceiver::start();
        let target = format!("udp://{}?profile={}", collector.address(), rule.profile);
        let config = Config {
            observation_domain: 7,
            targets: vec![target.parse().unwrap()],
            pace: Pace::Replay,
            ..Config::default()
        };
        let exporter = Exporter::start(&config, Vec::new()).unwrap();
        let clock = Timestamp::from_parts(1_700_000_100, 0);
        exporter.send(&RecordBatch { records: records.clone(), clock, interfaces: 0 }.into());
        let reports = exporter.finish();
        let datagrams = collector.finish();
        let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
        let Totals { records: flows, packets, octets } = Totals::of(&records, rule.biflow);
        assert_eq!(session.sums(), Sums { flows, packets, octets }, "{}", rule.profile);
        assert_eq!(reports.first().unwrap().sent, Totals { records: flows, packets, octets });
        check(&session, rule, rule.profile);
    }
}

#[test]
fn units_of_time_are_those_that_the_collector_reads() {
    let capture = run::sample();
    let mut nanoseconds = None;
    for profile in profiles() {
        let name = profile["profile"].as_str().unwrap();
        let times: Vec<&str> = profile["times"]
            .as_array()
            .unwrap()
            .iter()
            .map(|time| time.as_str().unwrap())
            .collect();
        for (unit, element) in [("ms", 152), ("us", 154), ("ns", 156)] {
            let options = format!("profile={name}&time={unit}&biflow=off");
            if !times.contains(&unit) {
                // It would be misread, so it is refused, with what would be right.
                let target = format!("udp://127.0.0.1:4739?{options}");
                let refused =
                    flowtap(["replay", &run::sample().display().to_string(), "--export", &target]);
                assert!(refused.with(2).stderr.contains("use time=ms"), "{options}");
                continue;
            }
            let (session, _) = replay(&capture, &options);
            // RFC 7011 §6.1.7–§6.1.10: all tell the same, as exactly as they can.
            let starts: Vec<u128> =
                session.flows().map(|flow| as_nanoseconds(flow, element, unit)).collect();
            let exact = nanoseconds.get_or_insert_with(|| {
                let (session, _) = replay(&capture, "time=ns&biflow=off");
                session.flows().map(|flow| as_nanoseconds(flow, 156, "ns")).collect::<Vec<_>>()
            });
            let step = match unit {
                "ms" => 1_000_000,
                "us" => 1_000,
                _ => 1,
            };
            let cut: Vec<u128> = exact.iter().map(|time| time / step * step).collect();
            assert_eq!(starts, cut, "{options}");
        }
    }
}

#[test]
fn biflows_are_refused_where_half_of_them_would_vanish() {
    for profile in profiles() {
        let name = profile["profile"].as_str().unwrap();
        let target = format!("udp://127.0.0.1:9?profile={name}&biflow=on");
        let parsed = target.parse::<flowtap::export::Target>();
        assert_eq!(parsed.is_ok(), profile["reads_biflows"].as_bool().unwrap(), "{name}");
        if let Err(error) = parsed {
            assert!(error.to_string().contains("use biflow=off"), "{error}");
        }
    }
}

/// Sends a capture to a collector of our own.
fn replay(capture: &Path, options: &str) -> (Session, Replayed) {
    let collector = UdpReceiver::start();
    let replayed = Replayed::into(capture, &format!("udp://{}?{options}", collector.address()));
    let datagrams = collector.finish();
    (Session::of_datagrams(datagrams.iter().map(Vec::as_slice)), replayed)
}

/// The rule of a profile, and what holds for all.
#[track_caller]
fn check(session: &Session, rule: &Rule, about: &str) {
    check_fields(session, rule, about);
    check_sampling(session, rule, about);
    check_options(session, rule, about);
}

#[track_caller]
fn check_fields(session: &Session, rule: &Rule, about: &str) {
    for template in session.templates() {
        for field in &template.fields {
            let Specifier { enterprise, id, length } = *field;
            match enterprise {
                0 => {}
                REVERSE => assert!(rule.biflow, "{about}: {field:?}"),
                _ => assert!(rule.ours, "{about}: {field:?}"),
            }
            // Some read integers of 1, 2, 4 and 8 octets only (pmacct counters of 4 and 8), and take
            // padding for records where there are variable lengths (goflow2). MPLS label sections
            // are three octets by definition.
            let label = enterprise == 0 && (70..=79).contains(&id);
            assert!(
                label && length == 3 || [1, 2, 4, 6, 8, 16].contains(&length),
                "{about}: {field:?}"
            );
            if enterprise == 0 && matches!(id, 1 | 2) {
                assert_eq!(length, 8, "{about}: {field:?}");
            }
        }
        // One pair of times a direction, in one unit: with two, some take the last (goflow2#400).
        for enterprise in [0, REVERSE] {
            let of_time = |field: &&Specifier| {
                field.enterprise == enterprise && (150..=161).contains(&field.id)
            };
            let times: Vec<_> =
                template.fields.iter().filter(of_time).map(|field| field.id).collect();
            let expected: &[u16] = match enterprise {
                0 => &[152, 153],
                _ if template.position(|field| field.enterprise == REVERSE).is_some() => {
                    &[152, 153]
                }
                _ => &[],
            };
            assert_eq!(times, expected, "{about}: {template:?}");
        }
        // No element twice: which of them counts is different everywhere.
        let elements: BTreeSet<_> = template.fields.iter().map(|f| (f.enterprise, f.id)).collect();
        assert_eq!(elements.len(), template.fields.len(), "{about}: {template:?}");
        // Both families of addresses are never in one record.
        let has = |id| template.position(Specifier::is_iana(id)).is_some();
        assert!(has(8) != has(27), "{about}: {template:?}");
    }
    // The direction is in every record of a biflow, because over UDP options may be lost (RFC 5103
    // §6.3), and in no other.
    for flow in session.flows() {
        assert_eq!(flow.iana(239).is_some(), rule.biflow, "{about}");
    }
    let reverse = session.flows().filter(|flow| flow.reverse(2).is_some()).count();
    assert_eq!(reverse > 0, rule.biflow, "{about}");
}

/// Sampling is announced at 1:1, before the first Flow, in the elements that are understood.
#[track_caller]
fn check_sampling(session: &Session, rule: &Rule, about: &str) {
    let (expected, others): (&[(u16, u64, usize)], u16) = if rule.legacy {
        (&[(34, 1, 4), (35, 1, 1)], 305)
    } else {
        // pmacct reads these at four octets only.
        (&[(302, 1, 8), (304, 1, 2), (305, 1, 4), (306, 0, 4)], 34)
    };
    assert_eq!(session.options(others).count(), 0, "{about}");
    let (first, ..) = *expected.first().expect("there are some");
    let records: Vec<&Record> = session.options(first).collect();
    assert!(!records.is_empty(), "{about}");
    for record in &records {
        for &(id, value, length) in expected {
            assert_eq!(record.iana(id), Some(value), "{about}: {id}");
            assert_eq!(record.octets(0, id).map(<[u8]>::len), Some(length), "{about}: {id}");
        }
    }
    let first_flow = session.flows().next().expect("there are Flows");
    assert!(records.iter().any(|record| record.message < first_flow.message), "{about}");
}

#[track_caller]
fn check_options(session: &Session, rule: &Rule, about: &str) {
    let flow_domains: BTreeSet<u32> = session.flows().map(|flow| flow.domain).collect();
    let options = session.records.iter().filter(|record| record.is_options());
    let options_domains: BTreeSet<u32> = options.clone().map(|record| record.domain).collect();
    assert_eq!(flow_domains.len(), 1, "{about}");
    if rule.apart {
        // Each domain has its own sequence, which the session has checked.
        assert_eq!(options_domains, [0].into(), "{about}");
        assert!(!flow_domains.contains(&0), "{about}");
    } else {
        assert_eq!(options_domains, flow_domains, "{about}");
    }
    // RFC 7011 §4.4: of every Template, or of none. A Template ID means nothing in another domain.
    let keyed: BTreeSet<u64> = session.options(173).filter_map(|record| record.iana(145)).collect();
    let templates: BTreeSet<u64> = session.templates().map(|template| template.id.into()).collect();
    assert_eq!(keyed, if rule.apart { BTreeSet::new() } else { templates }, "{about}");
    // RFC 5610: every element of ours that is used is described, and no other Options Template has
    // text of variable length.
    let ours: BTreeSet<(u64, u64)> = session
        .templates()
        .flat_map(|template| &template.fields)
        .filter(|field| !matches!(field.enterprise, 0 | REVERSE))
        .map(|field| (field.enterprise.into(), field.id.into()))
        .collect();
    let described: BTreeSet<(u64, u64)> = session
        .options(339)
        .filter_map(|record| Some((record.iana(346)?, record.iana(303)?)))
        .collect();
    assert!(ours.is_subset(&described), "{about}: {ours:?} of {described:?}");
    assert_eq!(described.is_empty(), !rule.ours, "{about}");
    for (_, definition) in
        session.definitions().filter(|(_, definition)| definition.scope_fields > 0)
    {
        let text = definition.fields.iter().filter(|field| field.length == VARIABLE);
        let lengths: BTreeMap<u16, usize> =
            text.map(|field| (field.id, definition.fields.len())).collect();
        let types = definition.position(Specifier::is_iana(339)).is_some();
        assert!(types && rule.ours || lengths.is_empty(), "{about}: {definition:?}");
    }
    // pmacct would take an address of ours for the origin of all Flows.
    for address in [130, 131] {
        assert_eq!(session.options(address).count(), 0, "{about}");
    }
}

/// Both directions of a record.
fn times(flow: &Record, element: u16) -> impl Iterator<Item = u64> {
    [flow.iana(element), flow.reverse(element)].into_iter().flatten()
}

/// A start, decoded as RFC 7011 §6.1.8–§6.1.10 has it, without any code of ours.
fn as_nanoseconds(flow: &Record, element: u16, unit: &str) -> u128 {
    let value = u128::from(flow.iana(element).expect("a start"));
    if unit == "ms" {
        return value * 1_000_000;
    }
    const SECONDS_FROM_1900_TO_1970: u128 = 2_208_988_800;
    let (seconds, fraction) = (value >> 32, value & 0xffff_ffff);
    let scale: u128 = if unit == "us" { 1_000_000 } else { 1_000_000_000 };
    if unit == "us" {
        assert_eq!(fraction & 0x7ff, 0, "RFC 7011 §6.1.9");
    }
    let parts = (fraction * scale) >> 32;
    (seconds - SECONDS_FROM_1900_TO_1970) * 1_000_000_000 + parts * (1_000_000_000 / scale)
}
