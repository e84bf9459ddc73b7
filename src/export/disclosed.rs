//! What a target gets, told before anything is sent: read off the Templates that it would be sent
//! under, so that it cannot say anything else than they do.

use crate::export::config::Config;
use crate::export::file::file_templates;
use crate::export::layout::Layout;
use crate::export::mapping::{AggregateLayout, template};
use crate::export::options::Options;
use crate::export::profile::{Mapping, OptionsRules};
use crate::export::target::{Collector, CollectorOptions, FileTarget, JsonTarget, Target};
use crate::ipfix::element::InformationElement;
use crate::ipfix::template::Template;
use crate::privacy::{Policy, Subject, Treatment, Withheld, elements};

/// The Information Elements that can leave for one target, each once, in the order of the Templates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Disclosed {
    /// Of Flow Records, and what becomes of each. A record has those that its packets had a value for,
    /// but for those that are withheld.
    pub flow_records: Vec<(InformationElement, Treatment)>,
    /// Of options records (RFC 7011 §3.4.2): they tell of the probe and not of any Flow.
    pub options_records: Vec<InformationElement>,
}

impl Disclosed {
    /// What leaves for `target`, all of its members together.
    pub fn by(target: &Target, config: &Config) -> Self {
        let mut disclosed = Self::default();
        match target {
            Target::Null => {}
            Target::Json(JsonTarget { privacy, .. }) => {
                let mapping = Mapping { biflow: config.biflow, ..Mapping::default() };
                disclosed.add_flow_records(&privacy.policy(), mapping);
            }
            Target::File(FileTarget { options, .. }) => {
                disclosed.add(options, config);
                let time = options.mapping(config.biflow).time;
                disclosed.add_options_records(&file_templates(time));
            }
            Target::Collector(_) | Target::Group(_) => {
                for Collector { options, .. } in target.collectors() {
                    disclosed.add(options, config);
                }
            }
        }
        disclosed
    }

    fn add(&mut self, options: &CollectorOptions, config: &Config) {
        let mapping = options.mapping(config.biflow);
        let policy = options.privacy.policy();
        let rules: OptionsRules = options.options_records(config.biflow);
        let domain = options.observation_domain.unwrap_or(config.observation_domain);
        self.add_flow_records(&policy, mapping);
        let options = Options::new(config.metering.clone(), domain, mapping, rules).under(policy);
        self.add_options_records(&options.templates());
    }

    /// What a policy withholds is told as well: that it does.
    fn add_flow_records(&mut self, policy: &Policy, mapping: Mapping) {
        let statistical = Mapping { withheld: policy.withheld(), ..mapping };
        if policy.is_statistical() {
            self.add_aggregates(policy, statistical);
        }
        let mapping = Mapping { withheld: Withheld::NONE, ..mapping };
        let numbers = (0..u16::MAX).take(Layout::COUNT);
        let mut all = Vec::new();
        for layout in numbers.filter_map(Layout::from_number).filter(|l| l.is_of(mapping)) {
            add_elements(&mut all, &template(layout, mapping));
        }
        let treated = all.into_iter().map(|element| {
            // A test has a subject for every element; of one without nothing is done.
            let subject = elements::subject(&element).unwrap_or(Subject::Measure);
            (element, policy.treatment(subject))
        });
        for (element, treatment) in treated {
            // Of what is withheld something may be left: the sum over Flows, say.
            let mut known = self.flow_records.iter().filter(|(other, _)| *other == element);
            let is_known = match treatment {
                Treatment::Withheld => known.next().is_some(),
                _ => known.any(|(_, other)| *other == treatment),
            };
            if !is_known {
                self.flow_records.push((element, treatment));
            }
        }
    }

    fn add_aggregates(&mut self, policy: &Policy, mapping: Mapping) {
        let has_networks = !policy.aggregation.networks.is_empty();
        let mut all = Vec::new();
        for layout in AggregateLayout::all(mapping, has_networks) {
            add_elements(&mut all, &layout.template(mapping));
        }
        for element in all {
            let told = (element, policy.aggregated(&element).unwrap_or(Treatment::AsIs));
            if !self.flow_records.contains(&told) {
                self.flow_records.push(told);
            }
        }
    }

    fn add_options_records<T: AsRef<Template>>(&mut self, templates: &[T]) {
        for template in templates {
            add_elements(&mut self.options_records, template.as_ref());
        }
    }
}

fn add_elements(elements: &mut Vec<InformationElement>, template: &Template) {
    for field in template.fields() {
        if !elements.contains(&field.element) {
            elements.push(field.element);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipfix::exported as element;

    fn by(target: &str, biflow: bool) -> Disclosed {
        let config = Config { biflow, ..Config::default() };
        Disclosed::by(&target.parse().unwrap(), &config)
    }

    #[test]
    fn a_profile_and_a_direction_change_what_is_disclosed() {
        let all = by("file:flows", true);
        for expected in [
            element::SOURCE_IPV4_ADDRESS,
            element::DESTINATION_IPV6_ADDRESS,
            element::REVERSE_OCTET_DELTA_COUNT,
            element::FLOWTAP_TUNNEL_SOURCE_IPV4_ADDRESS,
        ] {
            let expected = (expected, Treatment::AsIs);
            assert!(all.flow_records.contains(&expected), "{}", expected.0.name);
        }
        assert!(all.options_records.contains(&element::SESSION_SCOPE), "RFC 5655 §8.1");
        let one_way = by("udp://c", false);
        let reverse = (element::REVERSE_OCTET_DELTA_COUNT, Treatment::AsIs);
        assert!(!one_way.flow_records.contains(&reverse));
        assert!(!one_way.options_records.contains(&element::SESSION_SCOPE));
        assert_eq!(by("null:", true), Disclosed::default());
        assert_eq!(by("json:flows", true).options_records, []);
    }

    #[test]
    fn a_group_discloses_what_any_member_gets() {
        let group = by("failover:udp://a?time=us,udp://b?time=us", true);
        assert_eq!(group, by("udp://c?time=us", true));
        assert!(group.flow_records.contains(&(element::FLOW_START_MICROSECONDS, Treatment::AsIs)));
    }

    #[test]
    fn a_policy_is_told_element_by_element() {
        let obfuscated = by("udp://c?privacy=obfuscated", true).flow_records;
        for told in [
            (element::SOURCE_IPV4_ADDRESS, Treatment::Pseudonym),
            (element::SOURCE_MAC_ADDRESS, Treatment::Withheld),
            (element::TCP_SEQUENCE_NUMBER, Treatment::Withheld),
            (element::OCTET_DELTA_COUNT, Treatment::AsIs),
        ] {
            assert!(obfuscated.contains(&told), "{}: {}", told.0.name, told.1);
        }
    }

    #[test]
    fn of_sums_the_elements_of_flow_records_are_withheld() {
        let sums = by("udp://c?privacy=statistical", true);
        for told in [
            (element::SOURCE_IPV4_ADDRESS, Treatment::Withheld),
            (element::SOURCE_TRANSPORT_PORT, Treatment::Withheld),
            (element::TCP_CONTROL_BITS, Treatment::Withheld),
            (element::OCTET_DELTA_COUNT, Treatment::Sum),
            (element::PORT_RANGE_START, Treatment::Class),
        ] {
            assert!(sums.flow_records.contains(&told), "{}: {}", told.0.name, told.1);
        }
        let told = |element| sums.flow_records.iter().any(|(other, _)| *other == element);
        assert!(!told(element::SOURCE_IPV4_PREFIX), "no network is configured");
        assert!(sums.options_records.contains(&element::VALUE_DISTRIBUTION_METHOD));
        for absent in [
            element::IGNORED_PACKET_TOTAL_COUNT,
            element::NOT_SENT_OCTET_TOTAL_COUNT,
            element::SELECTOR_ID_TOTAL_PKTS_SELECTED,
        ] {
            assert!(!sums.options_records.contains(&absent), "{}", absent.name);
        }
    }

    #[test]
    fn no_element_stands_twice() {
        for target in ["file:flows", "file:flows?privacy=statistical&net=10.0.0.0/8"] {
            assert_once(target);
        }
    }

    #[track_caller]
    fn assert_once(target: &str) {
        let Disclosed { flow_records, options_records } = by(target, true);
        let flow_records = flow_records.into_iter().map(|(element, _)| element).collect();
        for elements in [flow_records, options_records] {
            let elements: Vec<_> = elements;
            for (place, element) in elements.iter().enumerate() {
                assert!(!elements[place + 1..].contains(element), "{}", element.name);
            }
        }
    }
}
