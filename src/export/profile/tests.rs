use super::*;
use crate::export::layout::Layout;
use crate::export::mapping::template;
use crate::ipfix::element::REVERSE_ENTERPRISE;
use crate::ipfix::exported::FLOWTAP_ENTERPRISE;

#[test]
fn every_profile_has_rules_of_its_own_and_a_name_that_is_read() {
    for profile in Profile::ALL {
        let rules = profile.rules();
        assert_eq!(rules.profile, profile);
        assert_eq!(profile.to_string().parse(), Ok(profile));
        assert_eq!(profile.name().to_uppercase().parse(), Ok(profile));
        assert!(!rules.reasons.is_empty() && !rules.collectors.is_empty());
    }
    let error = "nfcapd".parse::<Profile>().unwrap_err().to_string();
    assert!(error.contains("nfdump"), "{error}");
}

#[test]
fn a_profile_asks_for_nothing_that_its_collector_cannot_read() {
    for rules in Profile::ALL.map(Profile::rules) {
        assert!(rules.times.contains(&rules.mapping.time), "{rules:?}");
        assert!(rules.reads_biflows || !rules.mapping.biflow, "{rules:?}");
        // Milliseconds are what all of them read.
        assert_eq!(rules.mapping.time, TimeUnit::Milliseconds);
        // RFC 7011 §8: a Template ID means nothing in another domain.
        assert!(rules.options.domain == OptionsDomain::Flows || !rules.options.flow_keys);
        assert_eq!(rules.options.anonymization, rules.options.flow_keys);
        let options = rules.options.under(rules.mapping);
        assert!(!options.biflow_method || rules.mapping.biflow, "{rules:?}");
        assert!(!options.element_types || rules.mapping.enterprise_elements, "{rules:?}");
        // RFC 7011 §8.4: three times the interval is the least that a Template lives; goflow2,
        // Telegraf and others are blind until then.
        assert!(rules.refresh.templates <= Duration::from_secs(60));
        assert!(rules.refresh.options <= Duration::from_secs(600));
    }
}

/// What every Template of a profile has to be like: the rule for Collectors that no test can start.
#[test]
fn templates_of_a_profile_hold_what_its_collector_reads() {
    for rules in Profile::ALL.map(Profile::rules) {
        let mapping = rules.mapping;
        let layouts = (0..u16::try_from(Layout::COUNT).unwrap()).filter_map(Layout::from_number);
        for layout in layouts.filter(|layout| layout.is_of(mapping)) {
            for field in template(layout, mapping).fields() {
                let enterprise = field.element.enterprise;
                match enterprise {
                    0 => {}
                    REVERSE_ENTERPRISE => assert!(mapping.biflow, "{rules:?} {field:?}"),
                    FLOWTAP_ENTERPRISE => {
                        assert!(mapping.enterprise_elements, "{rules:?} {field:?}");
                    }
                    _ => panic!("{field:?}"),
                }
                // No variable length and no odd sizes, which Logstash and others misread; MPLS
                // label stack sections have three octets everywhere.
                let mpls = enterprise == 0 && (70..73).contains(&field.element.id);
                let sizes: &[u16] = if mpls { &[3] } else { &[1, 2, 4, 6, 8, 16] };
                assert!(sizes.contains(&field.length), "{field:?}");
                // pmacct reads counters of four and eight octets.
                assert!(
                    ![1, 2].contains(&field.element.id) || field.length == 8 || enterprise > 29305
                );
                // Logstash of old knows no element of later years.
                assert!(enterprise != 0 || field.element.id < 433, "{field:?}");
            }
        }
    }
}

#[test]
fn profiles_that_the_issue_of_their_collector_names_keep_to_it() {
    let mapping = |profile: Profile| profile.rules().mapping;
    // Every enterprise element is skipped by goflow2, the reverse half included.
    assert!(!mapping(Profile::Goflow2).biflow && !mapping(Profile::Goflow2).enterprise_elements);
    assert!(!mapping(Profile::Pmacct).biflow);
    assert!(!mapping(Profile::Elastic).enterprise_elements);
    assert_eq!(mapping(Profile::Standard), Mapping::default());
    assert_eq!(Profile::Nfdump.rules().options.domain, OptionsDomain::Zero);
    for profile in [Profile::Nfdump, Profile::Pmacct, Profile::Akvorado] {
        assert_eq!(profile.rules().times, [TimeUnit::Milliseconds]);
    }
}
