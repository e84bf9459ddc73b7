use std::collections::BTreeSet;
use std::io;

use serde_json::Value;
use tracing::level_filters::LevelFilter;

use super::*;
use crate::cli::finding::{Check, Verdict};
use crate::cli::log::catalogue::{KINDS, kind};
use crate::cli::log::journal::name_of;
use crate::cli::log::logger::testing::written;
use crate::cli::log::output::Form;
use crate::export::LossReason;

/// Every notice of capture, export and the rest, one of each.
fn everything() {
    let name = || "eth1".to_owned();
    let what = || "no memory".to_owned();
    for notice in [
        Notice::InterfaceBack(name()),
        Notice::InterfaceAbsent { interface: name(), there: "lo".to_owned() },
        Notice::InterfaceDown(name()),
        Notice::InterfaceGone(name()),
        Notice::InterfaceLost(name()),
        Notice::InterfaceRefused { interface: name(), what: what() },
        Notice::FilterRefused { interface: name(), what: what() },
        Notice::Payload { interface: name(), cut: Cut::OnArrival(what()) },
        Notice::IdleWorkers { idle: 1, busy: 1 },
    ] {
        interface(&notice);
    }
    for is_over in [false, true] {
        silence(&Silence { interface: name(), time: Duration::from_secs(300), is_over });
    }
    capture_started("eth1", 2);
    survey_started("eth1", Duration::from_secs(10));
    networks_filtered("packets of 1 network are not metered");
    worker_stalled(1, 2.5);
    let finding =
        Finding::new(Check::OwnExport, Verdict::Warning, "7 packets").fixed_by("a filter");
    symptom(&finding);
    symptom_over(&finding);
    let target = "tcp://c:4739";
    let of = || target.to_owned();
    let source = || io::Error::other("refused");
    for error in [
        ExportError::Connect { target: of(), source: source() },
        ExportError::Session { target: of(), source: source() },
        ExportError::Write { target: of(), source: source() },
        ExportError::SpoolWrite { target: of(), source: source() },
        ExportError::Panicked { target: of() },
    ] {
        exporting(&export::Notice::Trouble(&error));
    }
    for notice in [
        export::Notice::Advice { target, text: "put it right" },
        export::Notice::SpoolNearlyFull { target, filled: 8, bound: 10, by_disk: false },
        export::Notice::QueueNearlyFull { target, filled: 8, bound: 10 },
        export::Notice::CacheNearlyFull { flows: 8, bound: 10 },
        export::Notice::Recovered { target },
        export::Notice::Resumed { target },
        export::Notice::LeftOver { target, first: Path::new("x"), count: 2 },
        export::Notice::Spooled { target, readable: export::Totals::default() },
    ] {
        exporting(&notice);
    }
    spool_unclaimed(Path::new("spool/1"), 7);
    plain_transport("everybody reads it");
    for records in [7, 0] {
        let (target, reason) = (target.to_owned(), LossReason::QueueFull);
        losing_records(&Loss { target, reason, records });
    }
    records_lost(target, 1, 1000);
    records_kept(target, 1, 1000);
    records_withheld(target, 1, 1000);
    confined(&Confinement::Off);
    running_as_root();
    let source = source();
    configuration_unreadable(&ConfineError::Refused { action: "read it", source });
    configuration_reloaded(Path::new("flowtap.toml"), "the targets are the same");
    configuration_refused(Path::new("flowtap.toml"), "7:16");
    telemetry_started(&Address::default());
    telemetry_left(&Address::Off);
    telemetry_failed(&Address::Off, &io::ErrorKind::AddrInUse.into());
    manager_told("ready");
    started();
    run_stopped();
    start_stopped();
    hung_up();
    run_ended(&Ledger::default());
    run_failed("cannot read it");
}

fn objects(level: LevelFilter) -> Vec<serde_json::Map<String, Value>> {
    let text = written(Form::Json, level, everything);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_event_is_listed_and_has_fields_of_known_names() {
    let objects = objects(LevelFilter::DEBUG);
    let readme = include_str!("../../../../README.md");
    let mut seen = BTreeSet::new();
    for object in &objects {
        let event = object["event"].as_str().unwrap();
        seen.insert(event.to_owned());
        assert!(kind(event).is_some(), "{event}");
        assert!(!object["component"].as_str().unwrap().is_empty(), "{event}");
        assert!(!object["message"].as_str().unwrap().is_empty(), "{event}");
        for field in object.keys() {
            assert!(readme.contains(&format!("`{field}`")), "README.md does not explain {field}");
            let name = name_of(field);
            // systemd.journal-fields(7): what has another form is dropped.
            assert!(name.len() <= 64 && name.bytes().all(|it| matches!(it, b'A'..=b'Z' | b'_')));
        }
    }
    // What a process that is confined says of that takes one.
    let unseen = KINDS.iter().map(|kind| kind.name).filter(|name| !seen.contains(*name));
    assert_eq!(unseen.collect::<Vec<_>>(), ["confined"]);
}

#[test]
fn what_a_message_says_is_in_its_fields_too() {
    let objects = objects(LevelFilter::INFO);
    let of = |event: &str| objects.iter().find(|it| it["event"] == event).unwrap();
    let unreachable = of("collector-unreachable");
    assert_eq!(unreachable["message"], "tcp://c:4739: cannot connect: refused");
    assert_eq!(unreachable["target"], "tcp://c:4739");
    assert_eq!(unreachable["reason"], "cannot connect: refused");
    assert_eq!(unreachable["level"], "error");
    let down = of("interface-down");
    assert_eq!((&down["interface"], &down["level"]), (&"eth1".into(), &"warn".into()));
    let symptom = of("symptom");
    assert_eq!(symptom["check"], "own-export");
    assert!(symptom["message"].as_str().unwrap().starts_with("own-export: 7 packets: "));
    let full = of("spool-nearly-full");
    assert_eq!((&full["octets"], &full["maximum_octets"]), (&8.into(), &10.into()));
}

#[test]
fn quiet_says_errors_and_what_must_be_read() {
    let said: BTreeSet<_> = objects(LevelFilter::ERROR)
        .iter()
        .map(|object| (object["level"].as_str() == Some("error"), object["event"].clone()))
        .filter_map(|(is_error, event)| (!is_error).then(|| event.as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(said.iter().collect::<Vec<_>>(), ["configuration-reloaded", "unconfined"]);
}
