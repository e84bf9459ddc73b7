//! Options records: octet for octet, and as our own strict reader sees them.

mod interop;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::kind::{Kind, OptionsTemplates};
use super::*;
use crate::export::account::Totals;
use crate::export::profile::{InterfaceScope, Mapping, OptionsRules, Profile, SamplingElements};
use crate::export::testing::read_strictly;
use crate::ipfix::element::{DataType, InformationElement};
use crate::ipfix::exported as element;
use crate::ipfix::message::MessageWriter;
use crate::ipfix::reader::Reader;
use crate::ipfix::template::{FieldSpecifier, Template, TemplateId};
use crate::privacy::{AddressTreatment, Level, OwnNetworks, Policy};
use crate::time::Timestamp;

#[test]
fn t16_metering_process_statistics_are_scoped_by_domain_and_process() {
    // RFC 7011 §4.1, RFC 5471 §3.4.3.
    let [record] = &options().statistics(&EXPORTED, NOW)[..] else { panic!("nothing was lost") };
    assert_definition(
        record,
        "fde8 0005 0002  0095 0004  008f 0004  0029 0008  002a 0008  0028 0008",
    );
    assert_octets(
        record,
        "01020304 0000000b  0000000000000003  000000000000002a  0000000000001000",
    );
}

#[test]
fn t17_what_metering_ignored_is_told_with_the_times_of_the_first_and_the_last_packet() {
    // RFC 7011 §4.2, RFC 5471 §3.4.4.
    let options = options();
    let mut ignored = Ignored::default();
    ignored.add(1, 60, at(1_700_000_002));
    ignored.add(4, 0, at(1_700_000_009));
    options.counters().ignore(ignored);
    let records = options.statistics(&EXPORTED, NOW);
    let [_, record] = &records[..] else { panic!("{records:?}") };
    assert_definition(
        record,
        "fde9 0006 0002  0095 0004  008f 0004  00a4 0008  00a5 0008  0143 0008  0143 0008",
    );
    assert_octets(
        record,
        "01020304 0000000b  0000000000000005  000000000000003c
         0000018bcfe56fd0 0000018bcfe58b28",
    );
}

#[test]
fn t18_what_was_not_sent_is_scoped_by_the_exporting_process_and_never_by_its_address() {
    // RFC 7011 §4.3, RFC 5471 §3.4.5.
    let not_sent = Totals { records: 7, packets: 8, octets: 900 };
    let exported = Exported {
        not_sent,
        first_not_sent: Some(at(1_700_000_002)),
        last_not_sent: Some(at(1_700_000_009)),
        ..EXPORTED
    };
    let records = options().statistics(&exported, NOW);
    let [_, record] = &records[..] else { panic!("{records:?}") };
    assert_definition(
        record,
        "fdea 0006 0001  0090 0004  00a6 0008  00a7 0008  00a8 0008  0143 0008  0143 0008",
    );
    assert_octets(
        record,
        "0000000c  0000000000000007 0000000000000008 0000000000000384
         0000018bcfe56fd0 0000018bcfe58b28",
    );

    // Without times the loss is as of now, and both times are the same.
    let records = options().statistics(&Exported { not_sent, ..EXPORTED }, NOW);
    let now = NOW.as_millis().to_be_bytes();
    assert_eq!(records[1].octets[28..], [now, now].concat());
}

#[test]
fn t19_flow_keys_are_bits_from_the_first_field_on() {
    // RFC 7011 §4.4, RFC 5471 §3.4.6.
    let options = options();
    let fields = [
        element::SOURCE_IPV4_ADDRESS,
        element::OCTET_DELTA_COUNT,
        element::DESTINATION_IPV4_ADDRESS,
        element::PROTOCOL_IDENTIFIER,
        element::INGRESS_INTERFACE,
        element::REVERSE_OCTET_DELTA_COUNT,
        element::DOT1Q_VLAN_ID,
        element::REVERSE_ICMP_TYPE_CODE_IPV4,
        element::ICMP_TYPE_CODE_IPV4,
    ];
    let template = flow_template(300, &fields);
    let record = options.flow_keys(&template).expect("there are keys");
    assert_definition(&record, "fdeb 0002 0001  0091 0002  00ad 0008");
    assert_octets(&record, "012c 000000000000014d");

    // Without VLANs in the key their bit is not set.
    let facts = Facts { vlan_key: false, ..facts() };
    let without = standard(facts).flow_keys(&template).expect("keys");
    assert_octets(&without, "012c 000000000000010d");

    // An indicator beyond the fields, or of an unknown Template, cannot be asked for; and neither
    // a Template without keys nor an Options Template has one.
    let counters = flow_template(301, &[element::OCTET_DELTA_COUNT, element::PACKET_DELTA_COUNT]);
    assert_eq!(options.flow_keys(&counters), None);
    for template in options.templates() {
        assert_eq!(options.flow_keys(&template), None);
    }
}

#[test]
fn what_became_of_a_field_is_told_by_its_place_in_the_template() {
    // RFC 6235 §6.1.
    let fields = [
        element::SOURCE_IPV4_ADDRESS,
        element::PROTOCOL_IDENTIFIER,
        element::SOURCE_TRANSPORT_PORT,
        element::FLOW_ID,
        element::REVERSE_FLOW_START_MILLISECONDS,
        element::FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS,
    ];
    let template = flow_template(300, &fields);
    let policy = Policy {
        level: Level::Obfuscated,
        key_file: Some("names.key".into()),
        time_step: Some(Duration::from_secs(60)),
        ..Policy::default()
    };
    let told = |policy: &Policy| {
        let records = options().under(policy.clone()).about(&template);
        let of_policy = records.into_iter().filter(|record| is(record, Kind::Anonymization));
        of_policy.collect::<Vec<_>>()
    };
    let records = told(&policy);
    let [address, port, flow_id, time, tunnel] = &records[..] else { panic!("{records:?}") };
    assert_definition(
        address,
        "fdf5 0006 0004  0091 0002  012f 0002  015a 0004  011f 0002  011d 0002  011e 0002",
    );
    // Structured permutation, stable for a pair of exporter and collector.
    assert_octets(address, "012c 0008 00000000 0000  0002 0006");
    // Binning; permutation; precision degradation. What needs no key is stable.
    assert_octets(port, "012c 0007 00000000 0002  0003 0003");
    assert_octets(flow_id, "012c 0094 00000000 0003  0002 0005");
    assert_octets(time, "012c 0098 00007279 0004  0003 0002");
    assert_octets(tunnel, "012c 0004 00007ed9 0005  0002 0006");

    // Nothing is promised of how long pseudonyms hold that rotate, or end with the process.
    let rotation = Some(Duration::from_secs(86_400));
    for policy in
        [Policy { rotation, ..policy.clone() }, Policy { key_file: None, ..policy.clone() }]
    {
        assert_octets(&told(&policy)[0], "012c 0008 00000000 0000  0000 0006");
    }
    // Of prefixes; of two kinds of addresses in one element; of two of which one is true.
    let networks = vec!["10.0.0.0/8".parse().unwrap()];
    let treated = |addresses, own| Policy {
        addresses,
        own: OwnNetworks { networks: networks.clone(), addresses: own },
        ..policy.clone()
    };
    use AddressTreatment::{AsIs, Prefix, Pseudonym};
    for (addresses, own, flags_and_technique) in [
        (Prefix, Prefix, "0003 0002"),
        (Pseudonym, Prefix, "0002 0000"),
        (AsIs, Pseudonym, "0002 0006"),
        (Prefix, AsIs, "0003 0002"),
    ] {
        let expected = format!("012c 0008 00000000 0000  {flags_and_technique}");
        assert_octets(&told(&treated(addresses, own))[0], &expected);
    }
    // Where nothing was done nothing is said, and neither under rules that leave it out.
    assert_eq!(told(&Policy::default()), []);
    let quiet = under(OptionsRules { anonymization: false, ..RULES }).under(policy.clone());
    assert!(quiet.about(&template).iter().all(|record| is(record, Kind::FlowKeys)));
    for template in options().under(policy).templates() {
        assert_eq!(options().about(&template), []);
    }
}

#[test]
fn flow_keys_beyond_the_64th_field_are_left_out() {
    // RFC 7011 §4.4: the indicator has 64 bits.
    let mut fields = vec![element::OCTET_DELTA_COUNT; 63];
    fields.extend([element::PROTOCOL_IDENTIFIER, element::SOURCE_TRANSPORT_PORT]);
    let record = options().flow_keys(&flow_template(300, &fields)).expect("one of them");
    assert_octets(&record, "012c 8000000000000000");
}

#[test]
fn interfaces_have_name_and_description_in_fixed_length() {
    // The registry's ifName and ifDescr (IE 82, 83); RFC 7011 §6.1.6.
    let options = options();
    options.learn([
        Interface::new(7, b"eth0", "Verbindung für 2".as_bytes()),
        Interface::new(9, "\u{fc}".repeat(40).as_bytes(), b""),
    ]);
    let records = options.interfaces(0, 2);
    assert_definition(&records[0], "fdec 0003 0001  000a 0004  0052 0020  0053 0040");
    let mut expected = b"\0\0\0\x07eth0".to_vec();
    expected.resize(4 + 32, 0);
    expected.extend("Verbindung für 2".as_bytes());
    expected.resize(4 + 32 + 64, 0);
    assert_eq!(records[0].octets, expected);
    let text = |length: usize| "\u{fc}".repeat(length / 2).into_bytes();
    assert_eq!(records[1].octets[4..], [text(32), text(64)].concat());

    assert_eq!(options.interfaces(1, 2), records[1..]);
    assert_eq!(options.interfaces(2, 9), []);

    // For nfcapd, which does not look into scopes.
    let options = under(OptionsRules { interface_scope: InterfaceScope::Domain, ..RULES });
    options.learn([Interface::new(7, b"eth0", b"uplink")]);
    let record = options.interfaces(0, 1).remove(0);
    assert_definition(&record, "fdf4 0003 0001  0095 0004  000a 0004  0053 0040");
    let mut expected = hex("01020304 00000007");
    expected.extend(b"uplink");
    expected.resize(4 + 4 + 64, 0);
    assert_eq!(record.octets, expected);
}

#[test]
fn only_the_interfaces_asked_for_are_among_what_stands() {
    let options = options();
    let none = options.standing(0).len();
    options.learn([Interface::new(1, b"a", b""), Interface::new(2, b"b", b"")]);
    assert_eq!(options.standing(0).len(), none);
    assert_eq!(options.standing(1).len(), none + 1);
    assert_eq!(options.standing(usize::MAX).len(), none + 2);
}

#[test]
fn timeouts_are_whole_seconds_and_the_start_is_told_where_it_is_known() {
    let record = record_of(&options(), Kind::TimeoutsAndStart);
    assert_definition(
        &record,
        "fdee 0005 0002  0095 0004  008f 0004  0024 0002  0025 0002  00a0 0008",
    );
    assert_octets(&record, "01020304 0000000b  003c 000f  0000018bcfe56800");

    for (timeout, told) in [
        (Duration::ZERO, 0_u16),
        (Duration::from_nanos(1), 1),
        (Duration::from_millis(1_500), 2),
        (Duration::from_secs(65_535), 65_535),
        (Duration::MAX, 65_535),
    ] {
        let facts = Facts { active_timeout: timeout, started: None, ..facts() };
        let record = record_of(&standard(facts), Kind::Timeouts);
        assert_definition(&record, "fded 0004 0002  0095 0004  008f 0004  0024 0002  0025 0002");
        assert_eq!(record.octets[8..10], told.to_be_bytes(), "{timeout:?}");
    }
}

#[test]
fn the_biflow_method_is_that_of_the_exporting_process() {
    // RFC 5103 §6.3.
    let record = record_of(&options(), Kind::BiflowMethod);
    assert_definition(&record, "fdef 0002 0001  0090 0004  00ef 0001");
    assert_octets(&record, "0000000c 01");
}

#[test]
fn elements_of_ours_are_described_by_type_semantics_units_and_name() {
    // RFC 5610 §3.9.
    let options = options();
    let range = record_of(&options, Kind::ElementTypeAndRange);
    assert_definition(
        &range,
        "fdf1 0009 0002  012f 0002  015a 0004  0153 0001  0158 0001  0159 0002
         0156 0008  0157 0008  0155 ffff  0154 ffff",
    );
    let mut expected = hex("0001 00007ed9  01 04 0000  0000000000000001 000000000000000a");
    expected.extend(b"\x11flowtapTunnelType");
    let description = element::FLOWTAP_ELEMENT_TYPES[0].description;
    expected.push(u8::try_from(description.len()).unwrap());
    expected.extend(description.as_bytes());
    assert_eq!(range.octets, expected);

    let records = options.standing(0);
    let plain: Vec<_> = records.iter().filter(|record| is(record, Kind::ElementType)).collect();
    assert_definition(
        plain[0],
        "fdf0 0007 0002  012f 0002  015a 0004  0153 0001  0158 0001  0159 0002
         0155 ffff  0154 ffff",
    );
    // A reverse element has its own number, in which the enterprise bit is not set either.
    let reverse = plain.last().expect("some");
    assert_eq!(reverse.octets[..10], hex("4003 00007ed9  04 03 0003"));
    assert_eq!(plain.len() + 2, element::FLOWTAP_ELEMENTS.len());
}

#[test]
fn sampling_is_announced_as_one_of_one() {
    // RFC 5476 §6.5.2.1: interval 1, space 0; four octets each.
    let record = record_of(&options(), Kind::Selector);
    assert_definition(&record, "fdf2 0004 0001  012e 0008  0130 0002  0131 0004  0132 0004");
    assert_octets(&record, "0000000000000001  0001 00000001 00000000");

    let options = under(OptionsRules { sampling: SamplingElements::Legacy, ..RULES });
    let record = record_of(&options, Kind::LegacySampling);
    assert_definition(&record, "fdf3 0003 0001  0095 0004  0022 0004  0023 0001");
    assert_octets(&record, "01020304  00000001 01");
    assert!(!options.standing(9).iter().any(|record| is(record, Kind::Selector)));
}

#[test]
fn what_a_filter_left_out_is_told_as_statistics_of_a_selection_and_not_as_unreliability() {
    // RFC 5476 §6.5.3: packets observed, packets selected.
    let options = standard(Facts { is_filtered: true, ..facts() });
    options.counters().select(Selection { observed: 9, selected: 5 });
    let records = options.statistics(&EXPORTED, NOW);
    let [_, record] = &records[..] else { panic!("{records:?}") };
    assert_definition(record, "fdf6 0003 0001  012d 0008  013e 0008  013f 0008");
    assert_octets(record, "0000000000000001  0000000000000009 0000000000000005");

    let unfiltered = standard(facts()).statistics(&EXPORTED, NOW);
    assert_eq!(unfiltered.len(), 1, "nothing is said of a filter that is not there");
}

#[test]
fn ids_of_options_templates_are_what_they_always_were() {
    // RFC 7011 §8: a Collector may keep them over our restart.
    let templates = OptionsTemplates::new();
    let ids: Vec<_> = Kind::ALL.map(|kind| templates.of(kind).id().get()).to_vec();
    assert_eq!(ids, (65_000..65_016).collect::<Vec<_>>());
}

#[test]
fn every_record_that_a_target_gets_has_its_template_announced() {
    let lost = Exported { not_sent: Totals { records: 1, packets: 1, octets: 1 }, ..EXPORTED };
    for bits in 0..1 << 14 {
        let on = |bit: u32| bits >> bit & 1 == 1;
        let mapping = Mapping { biflow: on(0), enterprise_elements: on(1), ..Mapping::default() };
        let rules = OptionsRules {
            domain: RULES.domain,
            statistics: on(2),
            flow_keys: on(3),
            anonymization: on(11),
            interfaces: on(4),
            interface_scope: if on(5) { InterfaceScope::Domain } else { InterfaceScope::Interface },
            sampling: if on(6) { SamplingElements::Legacy } else { SamplingElements::Selector },
            timeouts: on(7),
            biflow_method: on(8),
            element_types: on(9),
        };
        let started = on(10).then_some(NOW);
        let metering = metering(Facts { started, is_filtered: on(13), ..facts() });
        let level = if on(12) { Level::Obfuscated } else { Level::AsIs };
        let policy = Policy { level, ..Policy::default() };
        let options = Options::new(metering, DOMAIN, mapping, rules).under(policy);
        options.learn([Interface::new(1, b"eth0", b"")]);
        options.counters().ignore(Ignored { packets: 1, octets: 60, first: NOW, last: NOW });

        let mut records = options.standing(1);
        records.extend(options.statistics(&lost, NOW));
        let fields = [element::PROTOCOL_IDENTIFIER, element::SOURCE_IPV4_ADDRESS];
        records.extend(options.about(&flow_template(300, &fields)));
        let templates = options.templates();
        for record in &records {
            assert!(templates.contains(&record.template), "{record:?}");
        }
        for template in &templates {
            let used = records.iter().any(|record| record.template == *template);
            assert!(used, "{} is announced and never used", template.id().get());
        }
        let count = |kinds: &[Kind]| {
            records.iter().filter(|record| kinds.iter().any(|kind| is(record, *kind))).count()
        };
        let told = |told: bool, count: usize| if told { count } else { 0 };
        let types = count(&[Kind::ElementType, Kind::ElementTypeAndRange]);
        assert_eq!(types, told(on(1) && on(9), element::FLOWTAP_ELEMENTS.len()));
        assert_eq!(count(&[Kind::BiflowMethod]), told(on(0) && on(8), 1));
        assert_eq!(count(&[Kind::Timeouts, Kind::TimeoutsAndStart]), told(on(7), 1));
        assert_eq!(count(&[Kind::Interface, Kind::DomainInterface]), told(on(4), 1));
        assert_eq!(count(&[Kind::FlowKeys]), told(on(3), 1));
        assert_eq!(count(&[Kind::Anonymization]), told(on(11) && on(12), 1));
        assert_eq!(count(&[Kind::Selector, Kind::LegacySampling]), 1, "always");
        assert_eq!(count(&[Kind::SelectionStatistics]), told(on(2) && on(13), 1));
        assert_eq!(options.statistics(&lost, NOW).len(), told(on(2), 3 + usize::from(on(13))));
    }
}

#[test]
fn of_sums_nothing_is_told_that_a_single_flow_could_be_read_from() {
    // What was lost, ignored or left out may be packets of one Flow; what is told of everything, less
    // what has left, is what was too little to leave.
    let policy = Policy { level: Level::Statistical, ..Policy::default() };
    let facts = Facts { is_filtered: true, ..facts() };
    let plain = || Options::new(metering(facts.clone()), DOMAIN, Mapping::default(), RULES);
    let options = plain().under(policy.clone());
    options.counters().ignore(Ignored { packets: 1, octets: 60, first: NOW, last: NOW });
    options.counters().select(Selection { observed: 9, selected: 5 });
    let not_sent = Totals { records: 1, packets: 2, octets: 3 };
    let lost = Exported { not_sent, ..EXPORTED };
    let told = options.statistics(&lost, NOW);
    assert_eq!(told.len(), 1);
    assert!(is(&told[0], Kind::MeteringStatistics), "Messages and records of ours");
    let every = OptionsTemplates::new();
    for kind in [Kind::MeteringReliability, Kind::ExportingReliability, Kind::SelectionStatistics] {
        let template = every.of(kind);
        assert!(!options.templates().contains(template), "{kind:?}");
        assert!(plain().templates().contains(template), "{kind:?}");
    }
    // RFC 7015 §6.4: End Interval. RFC 6235 §6.1: binning is 3, precision degradation 2.
    let fields = [
        element::FLOW_START_MILLISECONDS,
        element::SOURCE_IPV4_PREFIX,
        element::PORT_RANGE_START,
        element::OCTET_DELTA_COUNT,
    ];
    let template = flow_template(300, &fields);
    let about = options.about(&template);
    let [time, network, ports, method, keys] = &about[..] else { panic!("{about:?}") };
    assert_octets(time, "012c 0098 00000000 0000  0003 0002");
    assert_octets(network, "012c 002c 00000000 0001  0003 0002");
    assert_octets(ports, "012c 0169 00000000 0002  0003 0003");
    assert_definition(method, "fdf7 0002 0001  0091 0002  0180 0001");
    assert_octets(method, "012c 02");
    assert_octets(keys, "012c 0000000000000006");
    assert_eq!(plain().about(&template), [], "as it is nothing of it is said");
}

#[test]
fn every_record_fits_the_smallest_message() {
    // RFC 7011 §10.3.3: 512 octets with the IPv6 and UDP headers.
    let mut writer = MessageWriter::new(1, 512 - 40 - 8);
    for OptionsRecord { template, octets } in everything() {
        writer.add_template(&template).unwrap();
        writer.add_octets(&template, &octets).unwrap();
        writer.finish(1);
    }
}

#[test]
fn records_are_read_back_with_their_names_and_values() {
    let file = file();
    assert_eq!(read_strictly(&file).0, everything().len() as u64);
    let text = as_text(&file);
    for line in [
        "observationDomainId=16909060 meteringProcessId=11 exportedMessageTotalCount=3 \
         exportedFlowRecordTotalCount=42 exportedOctetTotalCount=4096",
        "observationDomainId=16909060 meteringProcessId=11 ignoredPacketTotalCount=5 \
         ignoredOctetTotalCount=60 observationTimeMilliseconds=2023-11-14T22:13:22.000Z \
         observationTimeMilliseconds=2023-11-14T22:13:29.000Z",
        "exportingProcessId=12 notSentFlowTotalCount=7 notSentPacketTotalCount=8 \
         notSentOctetTotalCount=900 observationTimeMilliseconds=2023-11-14T22:15:00.000Z \
         observationTimeMilliseconds=2023-11-14T22:15:00.000Z",
        "templateId=300 flowKeyIndicator=1",
        "ingressInterface=7 interfaceName=eth0 interfaceDescription=Verbindung für 2",
        "observationDomainId=16909060 meteringProcessId=11 flowActiveTimeout=60 \
         flowIdleTimeout=15 systemInitTimeMilliseconds=2023-11-14T22:13:20.000Z",
        "exportingProcessId=12 biflowDirection=1",
        "selectorId=1 selectorAlgorithm=1 samplingPacketInterval=1 samplingPacketSpace=0",
        "informationElementId=3 privateEnterpriseNumber=32473 informationElementDataType=4 \
         informationElementSemantics=3 informationElementUnits=3 \
         informationElementName=flowtapFragmentDeltaCount \
         informationElementDescription=Packets of the Flow that were IP fragments.",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_of_a_name_are_sent_as_utf_8_of_the_fixed_length(
        name in prop::collection::vec(any::<u8>(), 0..90),
        description in any::<String>(),
    ) {
        // RFC 7011 §6.1.6.
        let options = options();
        options.learn([Interface::new(1, &name, description.as_bytes())]);
        let record = options.interfaces(0, 1).remove(0);
        prop_assert_eq!(record.octets.len(), 4 + 32 + 64);
        let (name, description) = record.octets[4..].split_at(32);
        for text in [name, description] {
            let text = std::str::from_utf8(text).expect("UTF-8").trim_end_matches('\0');
            prop_assert!(!text.is_empty() && !text.contains(char::is_control));
        }
    }
}

const NOW: Timestamp = at(1_700_000_100);

const DOMAIN: u32 = 0x0102_0304;

const RULES: OptionsRules = Profile::Standard.rules().options;

const EXPORTED: Exported = Exported {
    messages: 3,
    flow_records: 42,
    octets: 4_096,
    not_sent: Totals { records: 0, packets: 0, octets: 0 },
    first_not_sent: None,
    last_not_sent: None,
};

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}

fn facts() -> Facts {
    Facts {
        metering_process: 11,
        exporting_process: 12,
        active_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(15),
        started: Some(at(1_700_000_000)),
        vlan_key: true,
        is_filtered: false,
    }
}

fn metering(facts: Facts) -> Metering {
    Metering { facts: Arc::new(facts), ..Metering::default() }
}

fn options() -> Options {
    standard(facts())
}

fn standard(facts: Facts) -> Options {
    Options::new(metering(facts), DOMAIN, Mapping::default(), RULES)
}

fn under(rules: OptionsRules) -> Options {
    Options::new(metering(facts()), DOMAIN, Mapping::default(), rules)
}

impl Options {
    fn counters(&self) -> &MeteringCounters {
        &self.metering().counters
    }

    fn learn<const N: usize>(&self, interfaces: [Interface; N]) {
        self.metering().points.learn(usize::MAX, |start, _| interfaces[start..].to_vec());
    }
}

fn flow_template(id: u16, elements: &[InformationElement]) -> Template {
    let length = |element: &InformationElement| match element.data_type {
        DataType::Unsigned8 => 1,
        DataType::Unsigned16 => 2,
        DataType::Unsigned64 | DataType::DateTimeMilliseconds => 8,
        _ => 4,
    };
    let field = |element: &InformationElement| FieldSpecifier {
        element: *element,
        length: length(element),
    };
    let fields = elements.iter().map(field).collect();
    Template::new(TemplateId::new(id).unwrap(), fields).unwrap()
}

fn is(record: &OptionsRecord, kind: Kind) -> bool {
    record.template.id().get() == 65_000 + kind as u16
}

fn record_of(options: &Options, kind: Kind) -> OptionsRecord {
    options.standing(0).into_iter().find(|record| is(record, kind)).expect("it is told")
}

/// A record of every kind but legacy sampling.
fn everything() -> Vec<OptionsRecord> {
    let options = options();
    options.learn([Interface::new(7, b"eth0", "Verbindung für 2".as_bytes())]);
    let (first, last) = (at(1_700_000_002), at(1_700_000_009));
    options.counters().ignore(Ignored { packets: 5, octets: 60, first, last });
    let not_sent = Totals { records: 7, packets: 8, octets: 900 };
    let mut records = options.standing(1);
    records.extend(options.statistics(&Exported { not_sent, ..EXPORTED }, NOW));
    records.extend(options.flow_keys(&flow_template(300, &[element::PROTOCOL_IDENTIFIER])));
    records
}

/// One Message with all of it.
fn file() -> Vec<u8> {
    let mut writer = MessageWriter::new(DOMAIN, 65_535);
    let records = everything();
    for OptionsRecord { template, .. } in &records {
        writer.add_template(template).unwrap();
    }
    for OptionsRecord { template, octets } in &records {
        writer.add_octets(template, octets).unwrap();
    }
    writer.finish(NOW.as_secs()).unwrap().to_vec()
}

/// Name and value of every field, a record a line.
fn as_text(messages: &[u8]) -> String {
    let mut reader = Reader::new(messages);
    let mut text = String::new();
    while let Some(record) = reader.next_record().unwrap() {
        for (position, (field, value)) in record.fields().enumerate() {
            let space = if position == 0 { "" } else { " " };
            let _ = write!(text, "{space}{field}={value}");
        }
        text.push('\n');
    }
    text
}

fn assert_definition(record: &OptionsRecord, expected: &str) {
    assert_eq!(record.template.definition(), hex(expected), "{:02x?}", record.template);
}

fn assert_octets(record: &OptionsRecord, expected: &str) {
    assert_eq!(record.octets, hex(expected), "{:02x?}", record.octets);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}
