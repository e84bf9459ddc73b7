//! What a target gets, told before anything is sent: read off the Templates that it would be sent
//! under, so that it cannot say anything else than they do.

use crate::export::config::Config;
use crate::export::file::file_templates;
use crate::export::layout::Layout;
use crate::export::mapping::template;
use crate::export::options::Options;
use crate::export::profile::{Mapping, OptionsRules};
use crate::export::target::{Collector, CollectorOptions, FileTarget, Target};
use crate::ipfix::element::InformationElement;
use crate::ipfix::template::Template;

/// The Information Elements that can leave for one target, each once, in the order of the Templates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Disclosed {
    /// Of Flow Records. A record has those that its packets had a value for.
    pub flow_records: Vec<InformationElement>,
    /// Of options records (RFC 7011 §3.4.2): they tell of the probe and not of any Flow.
    pub options_records: Vec<InformationElement>,
}

impl Disclosed {
    /// What leaves for `target`, all of its members together.
    pub fn by(target: &Target, config: &Config) -> Self {
        let mut disclosed = Self::default();
        match target {
            Target::Null => {}
            Target::Json(_) => {
                let mapping = Mapping { biflow: config.biflow, ..Mapping::default() };
                disclosed.add_flow_records(mapping);
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
        let rules: OptionsRules = options.options_records(config.biflow);
        let domain = options.observation_domain.unwrap_or(config.observation_domain);
        self.add_flow_records(mapping);
        let options = Options::new(config.metering.clone(), domain, mapping, rules);
        self.add_options_records(&options.templates());
    }

    fn add_flow_records(&mut self, mapping: Mapping) {
        let numbers = (0..u16::MAX).take(Layout::COUNT);
        for layout in numbers.filter_map(Layout::from_number).filter(|l| l.is_of(mapping)) {
            add_elements(&mut self.flow_records, &template(layout, mapping));
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
            assert!(all.flow_records.contains(&expected), "{}", expected.name);
        }
        assert!(all.options_records.contains(&element::SESSION_SCOPE), "RFC 5655 §8.1");
        let one_way = by("udp://c", false);
        assert!(!one_way.flow_records.contains(&element::REVERSE_OCTET_DELTA_COUNT));
        assert!(!one_way.options_records.contains(&element::SESSION_SCOPE));
        assert_eq!(by("null:", true), Disclosed::default());
        assert_eq!(by("json:flows", true).options_records, []);
    }

    #[test]
    fn a_group_discloses_what_any_member_gets() {
        let group = by("failover:udp://a?time=us,udp://b?time=us", true);
        assert_eq!(group, by("udp://c?time=us", true));
        assert!(group.flow_records.contains(&element::FLOW_START_MICROSECONDS));
    }

    #[test]
    fn no_element_stands_twice() {
        let Disclosed { flow_records, options_records } = by("file:flows", true);
        for elements in [flow_records, options_records] {
            for (place, element) in elements.iter().enumerate() {
                assert!(!elements[place + 1..].contains(element), "{}", element.name);
            }
        }
    }
}
