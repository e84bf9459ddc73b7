//! Nothing of a single Flow has an element in what is told of many.

use super::*;
use crate::export::mapping::template_by_id;
use crate::ipfix::element::DataType;
use crate::ipfix::template::TemplateId;
use crate::privacy::{Subject, Treatment, Withheld, elements};

fn mappings() -> impl Iterator<Item = Mapping> {
    TimeUnit::ALL.into_iter().flat_map(|time| {
        [true, false].map(|enterprise_elements| Mapping {
            time,
            enterprise_elements,
            withheld: Withheld { flow_records: true, ..Withheld::NONE },
            ..Mapping::default()
        })
    })
}

#[test]
fn no_layout_has_the_number_of_another_and_each_comes_back() {
    let mut seen = 0;
    for number in 0..u16::try_from(Layout::COUNT).unwrap() {
        if let Some(layout) = AggregateLayout::from_number(number) {
            assert_eq!(Layout::from_number(number), None, "{number}");
            assert_eq!(layout.number(), number);
            seen += 1;
        }
    }
    assert_eq!(seen, 8 * 2 * 2);
}

#[test]
fn a_template_id_tells_its_template_and_no_flow_record_has_one() {
    for mapping in mappings() {
        let flows = Mapping { withheld: Withheld::NONE, ..mapping };
        for has_networks in [true, false] {
            for layout in AggregateLayout::all(mapping, has_networks) {
                let template = layout.template(mapping);
                let id = template.id().get();
                assert_eq!(template_by_id(id, mapping), Some(template));
                assert_eq!(template_by_id(id, flows), None, "they are not told as well");
            }
        }
        // What an earlier run left in a spool under these IDs is never sent here.
        for number in
            (0..u16::MAX).take(Layout::COUNT).filter(|n| Layout::from_number(*n).is_some())
        {
            let id = template_id_of(number, mapping.time);
            assert_eq!(template_by_id(id.get(), mapping), None, "{number}");
        }
    }
}

#[test]
fn every_element_is_in_the_table_and_none_can_name_a_host_or_a_flow() {
    let mut used = Vec::new();
    for mapping in mappings() {
        for has_networks in [true, false] {
            for layout in AggregateLayout::all(mapping, has_networks) {
                for field in layout.template(mapping).fields() {
                    let element = &field.element;
                    let treatment = crate::privacy::Policy::default().aggregated(element);
                    let treatment = treatment.expect("it is in the table");
                    let is_address = matches!(
                        element.data_type,
                        DataType::Ipv4Address | DataType::Ipv6Address | DataType::MacAddress
                    );
                    // An address there is one that the operator wrote.
                    assert!(!is_address || treatment == Treatment::Network, "{element:?}");
                    let subject = elements::subject(element);
                    let harmless = [None, Some(Subject::Time), Some(Subject::Measure)];
                    assert!(harmless.contains(&subject), "{element:?}");
                    used.push(*element);
                }
            }
        }
    }
    for (_, elements) in elements::AGGREGATED {
        for element in *elements {
            assert!(used.contains(element), "{element:?} is never sent");
        }
    }
}

#[test]
fn the_finest_template_has_all_and_the_coarsest_sums_alone() {
    let names = |layout: AggregateLayout, mapping| -> Vec<&str> {
        let template = layout.template(mapping);
        assert!(template.id().get() >= TemplateId::FIRST);
        template.fields().iter().map(|field| field.element.name).collect()
    };
    let mapping = mappings().next().unwrap();
    let finest = AggregateLayout { level: Level::Finest, version: IpVersion::V6, networks: true };
    assert_eq!(
        names(finest, mapping),
        [
            "flowStartMilliseconds",
            "flowEndMilliseconds",
            "ingressInterface",
            "ipVersion",
            "protocolIdentifier",
            "biflowDirection",
            "sourceIPv6Prefix",
            "sourceIPv6PrefixLength",
            "destinationIPv6Prefix",
            "destinationIPv6PrefixLength",
            "portRangeStart",
            "portRangeEnd",
            "flowtapPacketSizeClass",
            "octetDeltaCount",
            "packetDeltaCount",
            "deltaFlowCount",
            "originalFlowsPresent",
        ]
    );
    let total = AggregateLayout { level: Level::Total, version: IpVersion::V4, networks: false };
    assert_eq!(
        names(total, mapping)[2..],
        ["octetDeltaCount", "packetDeltaCount", "deltaFlowCount", "originalFlowsPresent"]
    );
    // Where elements of ours are misread there are none.
    let plain = Mapping { enterprise_elements: false, ..mapping };
    assert!(AggregateLayout::all(plain, true).all(|layout| layout.level > Level::Finest));
}
