//! What a policy keeps back is in no octet of what leaves.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::decode::{Address, IpVersion, MacAddresses};
use crate::export::layout::Layout;
use crate::export::mapping::{Content as _, template};
use crate::export::profile::TimeUnit;
use crate::export::testing::{any_mapping, any_record, messages, tcp_biflow};
use crate::flow::Direction;
use crate::privacy::{
    AddressTreatment, Level, MacTreatment, PortTreatment, PrefixLengths, Subject, Treatment,
    elements,
};
use crate::time::Timestamp;

#[test]
fn every_element_of_every_template_is_in_the_table_and_what_is_withheld_in_none() {
    let mut used = Vec::new();
    // What differs between the others is in no Template.
    let differ = |policy: &Policy| policy.macs == MacTreatment::Drop && policy.time_step.is_none();
    for policy in policies().into_iter().filter(differ) {
        for time in TimeUnit::ALL {
            for biflow in [true, false] {
                let mapping = Mapping { time, biflow, ..Mapping::default() };
                let mapping = Disclosure::open(&policy, mapping).unwrap().mapping();
                for layout in layouts().filter(|layout| layout.is_of(mapping)) {
                    for field in template(layout, mapping).fields() {
                        let subject =
                            elements::subject(&field.element).expect("it is in the table");
                        // Records that are metered with MAC addresses lose them one by one.
                        let is_withheld = policy.treatment(subject) == Treatment::Withheld
                            && subject != Subject::MacAddress;
                        assert!(!is_withheld, "{:?} under {policy:?}", field.element);
                        if !used.contains(&field.element) {
                            used.push(field.element);
                        }
                    }
                }
            }
        }
    }
    // And the table names nothing that is never sent.
    for (_, elements) in elements::SUBJECTS {
        for element in *elements {
            assert!(used.contains(element), "{element:?}");
            let times = elements::SUBJECTS.iter().flat_map(|(_, all)| *all);
            assert_eq!(times.filter(|other| *other == element).count(), 1, "{element:?}");
        }
    }
}

#[test]
fn records_without_mac_addresses_have_templates_without_them() {
    let mac = Some(MacAddresses { source: [2; 6], destination: [4; 6] });
    let record = FlowRecord { mac, ..tcp_biflow() };
    let mut disclosure = Disclosure::open(&obfuscated(), Mapping::default()).unwrap();
    let disclosed = disclosure.of(&record).unwrap();
    let layout = disclosed.data_records().next().unwrap().shape.layout;
    assert!(!layout.mac);
    let fields = template(layout, disclosure.mapping());
    for field in fields.fields() {
        let subject = elements::subject(&field.element).unwrap();
        assert_ne!(obfuscated().treatment(subject), Treatment::Withheld, "{field:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Non-interference: two records that differ in what is kept back only are the same octets.
    #[test]
    fn what_is_kept_back_changes_no_octet(
        record in any_host(),
        other in any_host(),
        policy in prop::sample::select(policies()),
        mapping in any_mapping(),
    ) {
        let mut disclosure = Disclosure::open(&policy, mapping).unwrap();
        let twin = twin(&record, &other, &policy);
        prop_assert_eq!(encoded(&mut disclosure, &twin), encoded(&mut disclosure, &record));
    }

    /// Octets of addresses, MAC addresses, Flow ids and sequence numbers, wherever they might stand.
    #[test]
    fn no_octets_of_a_name_leave(record in any_host(), mapping in any_mapping()) {
        let mut disclosure = Disclosure::open(&obfuscated(), mapping).unwrap();
        let sent = encoded(&mut disclosure, &record);
        let mut names = vec![record.flow_id.to_be_bytes().to_vec()];
        let mut add = |version, address: Address| names.push(match version {
            IpVersion::V4 => address.to_v4().to_vec(),
            IpVersion::V6 => address.0.to_vec(),
        });
        add(record.version, record.source);
        add(record.version, record.destination);
        if let Some(tunnel) = record.tunnel {
            add(tunnel.version, tunnel.source);
            add(tunnel.version, tunnel.destination);
        }
        for address in record.mac.iter().flat_map(|mac| [mac.source, mac.destination]) {
            names.push(address.to_vec());
        }
        for direction in [record.forward, record.reverse] {
            names.push(direction.tcp_sequence.to_be_bytes().to_vec());
        }
        for name in names.iter().filter(|name| name.iter().any(|&octet| octet != 0)) {
            let found = sent.windows(name.len()).any(|octets| octets == name);
            prop_assert!(!found, "{:02x?} in {:02x?}", name, sent);
        }
    }

    /// The books balance whatever is told.
    #[test]
    fn a_policy_changes_no_count(
        record in any_record(),
        policy in prop::sample::select(policies()),
        mapping in any_mapping(),
    ) {
        let counts = |disclosure: &mut Disclosure| {
            let disclosed = disclosure.of(&record).unwrap();
            let data = disclosed.data_records();
            data.map(|data| (data.packets(), data.octets())).collect::<Vec<_>>()
        };
        let mut disclosure = Disclosure::open(&policy, mapping).unwrap();
        prop_assert_eq!(counts(&mut disclosure), counts(&mut Disclosure::as_is(mapping)));
    }
}

/// `record` with everything of `other` that `policy` keeps back.
fn twin(record: &FlowRecord, other: &FlowRecord, policy: &Policy) -> FlowRecord {
    if policy.is_as_is() {
        return *record;
    }
    let mut twin = *record;
    for (direction, others) in
        [(&mut twin.forward, &other.forward), (&mut twin.reverse, &other.reverse)]
    {
        *direction = Direction {
            tcp_sequence: others.tcp_sequence,
            flow_label: others.flow_label,
            first: within_step(direction.first, others.first, policy),
            last: within_step(direction.last, others.last, policy),
            ..*direction
        };
    }
    if let (Some(tunnel), Some(others)) = (&mut twin.tunnel, other.tunnel) {
        tunnel.id = others.id;
    }
    match policy.macs {
        MacTreatment::AsIs => {}
        MacTreatment::Drop => twin.mac = other.mac,
        MacTreatment::Vendor => {
            if let (Some(mac), Some(others)) = (&mut twin.mac, other.mac) {
                mac.source[3..].copy_from_slice(&others.source[3..]);
                mac.destination[3..].copy_from_slice(&others.destination[3..]);
            }
        }
    }
    match policy.ports {
        PortTreatment::AsIs => {}
        PortTreatment::Drop => {
            (twin.source_port, twin.destination_port) = (other.source_port, other.destination_port);
        }
        PortTreatment::Service => {
            for port in [&mut twin.source_port, &mut twin.destination_port] {
                if *port >= 32_768 {
                    *port = 32_768 | other.destination_port;
                }
            }
        }
    }
    if policy.withheld().flow_id {
        twin.flow_id = other.flow_id;
    }
    if policy.addresses == AddressTreatment::Prefix {
        let PrefixLengths { v4, v6 } = policy.prefixes;
        let behind = |version, address: &mut Address, others: Address| {
            let length = match version {
                IpVersion::V4 => 96 + u32::from(v4),
                IpVersion::V6 => u32::from(v6),
            };
            let [bits, others] = [*address, others].map(|address| u128::from_be_bytes(address.0));
            let rest = u128::MAX >> length;
            *address = Address((bits & !rest | others & rest).to_be_bytes());
        };
        behind(twin.version, &mut twin.source, other.source);
        behind(twin.version, &mut twin.destination, other.destination);
        if let (Some(tunnel), Some(others)) = (&mut twin.tunnel, other.tunnel) {
            behind(tunnel.version, &mut tunnel.source, others.source);
            behind(tunnel.version, &mut tunnel.destination, others.destination);
        }
    }
    twin
}

fn within_step(time: Timestamp, other: Timestamp, policy: &Policy) -> Timestamp {
    let Some(step) = policy.time_step else { return time };
    let step = u64::try_from(step.as_nanos()).unwrap();
    let start = time.as_nanos() - time.as_nanos() % step;
    Timestamp::from_nanos(start.saturating_add(other.as_nanos() % step))
}

/// Records between hosts: of no class that stays recognisable. Every number is long enough to be
/// found.
fn any_host() -> impl Strategy<Value = FlowRecord> {
    (any_record(), any::<[u8; 4]>()).prop_map(|(mut record, [a, b, c, d])| {
        let of_host = |version, address: &mut Address, random: u8| match version {
            IpVersion::V4 => address.0[12] = 11 + random % 100,
            IpVersion::V6 => address.0[0] = 0x20 | random & 0x1f,
        };
        of_host(record.version, &mut record.source, a);
        of_host(record.version, &mut record.destination, b);
        if let Some(tunnel) = &mut record.tunnel {
            of_host(tunnel.version, &mut tunnel.source, c);
            of_host(tunnel.version, &mut tunnel.destination, d);
        }
        // Given by a vendor, to one station.
        for address in record.mac.iter_mut().flat_map(|mac| [&mut mac.source, &mut mac.destination])
        {
            address[0] &= 0xfc;
        }
        record
    })
}

fn encoded(disclosure: &mut Disclosure, record: &FlowRecord) -> Vec<u8> {
    let disclosed = disclosure.of(record).unwrap();
    let data: Vec<_> = disclosed.data_records().collect();
    messages(&data, disclosure.mapping())
}

fn obfuscated() -> Policy {
    Policy { level: Level::Obfuscated, ..Policy::default() }
}

/// Every combination of treatments, with and without steps of time.
fn policies() -> Vec<Policy> {
    let mut policies = vec![Policy::default()];
    for &addresses in AddressTreatment::ALL {
        for &macs in MacTreatment::ALL {
            for &ports in PortTreatment::ALL {
                for step in [None, Some(1), Some(60_000)] {
                    let time_step = step.map(Duration::from_millis);
                    policies.push(Policy { addresses, macs, ports, time_step, ..obfuscated() });
                }
            }
        }
    }
    policies
}

fn layouts() -> impl Iterator<Item = Layout> {
    (0..u16::try_from(Layout::COUNT).unwrap()).filter_map(Layout::from_number)
}
