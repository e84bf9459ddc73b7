//! From facts to options records.

use std::sync::Arc;
use std::time::Duration;

use crate::export::account::Totals;
use crate::export::options::kind::{Kind, OptionsTemplates};
use crate::export::options::metering::{Interface, Metering, Selection};
use crate::export::profile::{InterfaceScope, Mapping, OptionsRules, SamplingElements};
use crate::ipfix::date_time::DateTime;
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported::{self as element, ElementType, FLOWTAP_ELEMENT_TYPES};
use crate::ipfix::template::{FieldSpecifier, Template};
use crate::ipfix::value::Value;
use crate::privacy::{Policy, Treatment, elements};
use crate::time::Timestamp;

/// One options record to send: its Options Template, and the record's octets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OptionsRecord {
    pub(crate) template: Arc<Template>,
    pub(crate) octets: Vec<u8>,
}

/// What the Exporting Process knows at this moment, per Collecting Process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Exported {
    /// Messages before the one that will carry the record.
    pub(crate) messages: u64,
    /// Flow Records in them; options records do not count.
    pub(crate) flow_records: u64,
    /// Octets of them.
    pub(crate) octets: u64,
    /// What will never arrive.
    pub(crate) not_sent: Totals,
    /// When the first of it was given up.
    pub(crate) first_not_sent: Option<Timestamp>,
    /// When the last of it was given up.
    pub(crate) last_not_sent: Option<Timestamp>,
}

/// Everything that is said at the start of a session, of a file, and on the options clock.
#[derive(Debug)]
pub(crate) struct Options {
    metering: Metering,
    observation_domain: u32,
    rules: OptionsRules,
    policy: Policy,
    templates: OptionsTemplates,
}

impl Options {
    /// What a target is told by these rules, of `metering` and of Flow Records that are sent under
    /// `mapping` in `observation_domain`, whatever the domain of the options records themselves.
    pub(crate) fn new(
        metering: Metering,
        observation_domain: u32,
        mapping: Mapping,
        rules: OptionsRules,
    ) -> Self {
        let rules = rules.under(mapping);
        let (policy, templates) = (Policy::default(), OptionsTemplates::new());
        Self { metering, observation_domain, rules, policy, templates }
    }

    /// The same of Flow Records that leave under `policy`.
    pub(crate) fn under(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The Options Templates of all records that the target may get.
    pub(crate) fn templates(&self) -> Vec<Arc<Template>> {
        let told = |kind: &Kind| self.tells(*kind);
        Kind::ALL.iter().copied().filter(told).map(|kind| self.templates.of(kind).clone()).collect()
    }

    /// What does not change: sampling, timeouts, biflow method, types of our elements, and the first
    /// `interfaces` Observation Points.
    pub(crate) fn standing(&self, interfaces: usize) -> Vec<OptionsRecord> {
        let mut records = vec![self.sampling()];
        records.extend(self.timeouts());
        records.extend(self.biflow_method());
        records.extend(self.element_types());
        records.extend(self.interfaces(0, interfaces));
        records
    }

    /// Names of the Observation Points from `start` up to `end`, in the order they were met.
    pub(crate) fn interfaces(&self, start: usize, end: usize) -> Vec<OptionsRecord> {
        if !self.rules.interfaces {
            return Vec::new();
        }
        let points = self.metering.points.range(start, end);
        points.iter().map(|interface| self.interface(interface)).collect()
    }

    /// What changes: statistics of the Metering Process, and what was lost, if anything was.
    pub(crate) fn statistics(&self, exported: &Exported, now: Timestamp) -> Vec<OptionsRecord> {
        if !self.rules.statistics {
            return Vec::new();
        }
        let mut records = vec![self.metering_statistics(exported)];
        records.extend(self.metering_reliability());
        records.extend(self.selection_statistics());
        records.extend(self.exporting_reliability(exported, now));
        records
    }

    /// What is to be sent with a Template: which of its fields are Flow Keys, and what became of them.
    pub(crate) fn about(&self, template: &Template) -> Vec<OptionsRecord> {
        let mut records = self.anonymization(template);
        records.extend(self.value_distribution(template));
        records.extend(self.flow_keys(template));
        records
    }

    /// RFC 6235 §6.1: what became of the fields of a Template, but for those that are as they were
    /// metered. The number of a reverse element is that of the forward one, under its enterprise.
    fn anonymization(&self, template: &Template) -> Vec<OptionsRecord> {
        if template.is_options() || !self.tells(Kind::Anonymization) {
            return Vec::new();
        }
        let told = |(index, field): (u16, &FieldSpecifier)| {
            let element = &field.element;
            let treatment = match self.policy.is_statistical() {
                true => self.policy.aggregated(element)?,
                false => self.policy.treatment(elements::subject(element)?),
            };
            let values = [
                number(template.id().get()),
                number(element.id),
                number(element.enterprise),
                number(index),
                number(self.policy.anonymization_flags(treatment)),
                number(treatment.technique()?),
            ];
            Some(self.record(Kind::Anonymization, &values))
        };
        (0..).zip(template.fields()).filter_map(told).collect()
    }

    /// RFC 7015 §6.4: every counter of a Flow is in the interval in which it ended.
    fn value_distribution(&self, template: &Template) -> Option<OptionsRecord> {
        let values = [number(template.id().get()), number(END_INTERVAL)];
        let is_told = !template.is_options() && self.tells(Kind::ValueDistribution);
        is_told.then(|| self.record(Kind::ValueDistribution, &values))
    }

    /// Which fields of a Template are Flow Keys.
    ///
    /// RFC 7011 §4.4: the first field is the lowest bit.
    pub(super) fn flow_keys(&self, template: &Template) -> Option<OptionsRecord> {
        if template.is_options() || !self.rules.flow_keys {
            return None;
        }
        let fields = template.fields().iter().map(|field| &field.element);
        let bits = fields.zip(0..u64::BITS).filter(|(element, _)| self.is_flow_key(element));
        let indicator = bits.fold(0, |indicator, (_, bit)| indicator | 1 << bit);
        let values = [number(template.id().get()), Value::Unsigned(indicator)];
        (indicator != 0).then(|| self.record(Kind::FlowKeys, &values))
    }

    #[cfg(test)]
    pub(super) const fn metering(&self) -> &Metering {
        &self.metering
    }

    fn tells(&self, kind: Kind) -> bool {
        let OptionsRules {
            domain: _,
            statistics,
            flow_keys,
            anonymization,
            interfaces,
            interface_scope,
            sampling,
            timeouts,
            biflow_method,
            element_types,
        } = self.rules;
        let started = self.metering.facts.started.is_some();
        let of_flows = !self.policy.is_statistical();
        match kind {
            Kind::MeteringStatistics => statistics,
            // Packets, octets and times of what was ignored, lost or left out may be those of a
            // single Flow, and totals without what has left already are those of the few that have
            // not.
            Kind::MeteringReliability | Kind::ExportingReliability => statistics && of_flows,
            Kind::SelectionStatistics => statistics && of_flows && self.metering.facts.is_filtered,
            // A Template ID means something in its own domain only, as for these.
            Kind::ValueDistribution => anonymization && !of_flows,
            Kind::FlowKeys => flow_keys,
            Kind::Anonymization => anonymization && !self.policy.is_as_is(),
            Kind::Interface => interfaces && interface_scope == InterfaceScope::Interface,
            Kind::DomainInterface => interfaces && interface_scope == InterfaceScope::Domain,
            Kind::Timeouts => timeouts && !started,
            Kind::TimeoutsAndStart => timeouts && started,
            Kind::BiflowMethod => biflow_method,
            Kind::ElementType | Kind::ElementTypeAndRange => element_types,
            Kind::Selector => sampling == SamplingElements::Selector,
            Kind::LegacySampling => sampling == SamplingElements::Legacy,
        }
    }

    /// RFC 7011 §4.1. `exported` is told without the Message that will carry this.
    fn metering_statistics(&self, exported: &Exported) -> OptionsRecord {
        let [domain, process] = self.metering_process();
        let &Exported { messages, flow_records, octets, .. } = exported;
        let [messages, flow_records, octets] =
            [messages, flow_records, octets].map(Value::Unsigned);
        let values = [domain, process, messages, flow_records, octets];
        self.record(Kind::MeteringStatistics, &values)
    }

    /// RFC 7011 §4.2; nothing as long as nothing was ignored, for there would be no times to tell.
    fn metering_reliability(&self) -> Option<OptionsRecord> {
        let ignored = self.metering.counters.ignored();
        let [domain, process] = self.metering_process();
        let values = [
            domain,
            process,
            Value::Unsigned(ignored.packets),
            Value::Unsigned(ignored.octets),
            milliseconds(ignored.first),
            milliseconds(ignored.last),
        ];
        (ignored.packets != 0 && self.tells(Kind::MeteringReliability))
            .then(|| self.record(Kind::MeteringReliability, &values))
    }

    /// RFC 5476 §6.5.3. Not among what RFC 7011 §4.2 counts: that says how far metering can be relied
    /// on, and to leave out what nobody may meter is no failure. Nor is it said which networks: those
    /// who are left out are nobody else's business.
    fn selection_statistics(&self) -> Option<OptionsRecord> {
        let Selection { observed, selected } = self.metering.counters.selection();
        let values = [number(FILTER_SEQUENCE), number(observed), number(selected)];
        self.tells(Kind::SelectionStatistics)
            .then(|| self.record(Kind::SelectionStatistics, &values))
    }

    /// RFC 7011 §4.3; nothing as long as everything arrived, or may yet.
    fn exporting_reliability(&self, exported: &Exported, now: Timestamp) -> Option<OptionsRecord> {
        let &Exported { not_sent, first_not_sent, last_not_sent, .. } = exported;
        let last = last_not_sent.unwrap_or(now);
        let values = [
            number(self.metering.facts.exporting_process),
            Value::Unsigned(not_sent.records),
            Value::Unsigned(not_sent.packets),
            Value::Unsigned(not_sent.octets),
            milliseconds(first_not_sent.unwrap_or(last)),
            milliseconds(last),
        ];
        (!not_sent.is_zero() && self.tells(Kind::ExportingReliability))
            .then(|| self.record(Kind::ExportingReliability, &values))
    }

    /// Every packet is metered, and that is said too: a Collector that is told nothing goes on
    /// multiplying by the rate of the exporter that had this address before.
    fn sampling(&self) -> OptionsRecord {
        match self.rules.sampling {
            // RFC 5476 §6.5.2.1: one packet is taken, none is left out.
            SamplingElements::Selector => {
                let values = [number(SELECTOR), number(COUNT_BASED), number(1_u32), number(0_u32)];
                self.record(Kind::Selector, &values)
            }
            SamplingElements::Legacy => {
                let values =
                    [number(self.observation_domain), number(1_u32), number(DETERMINISTIC)];
                self.record(Kind::LegacySampling, &values)
            }
        }
    }

    fn timeouts(&self) -> Option<OptionsRecord> {
        if !self.rules.timeouts {
            return None;
        }
        let facts = &self.metering.facts;
        let [domain, process] = self.metering_process();
        let (active, idle) = self.metering.timeouts();
        let [active, idle] = [active, idle].map(|timeout| number(seconds(timeout)));
        Some(match facts.started {
            None => self.record(Kind::Timeouts, &[domain, process, active, idle]),
            Some(started) => {
                let values = [domain, process, active, idle, milliseconds(started)];
                self.record(Kind::TimeoutsAndStart, &values)
            }
        })
    }

    /// RFC 7011 §6.1.6: text is cut between characters, by the encoder.
    fn interface(&self, interface: &Interface) -> OptionsRecord {
        let Interface { index, name, description } = interface;
        let (index, description) = (number(*index), Value::String(description));
        match self.rules.interface_scope {
            InterfaceScope::Interface => {
                self.record(Kind::Interface, &[index, Value::String(name), description])
            }
            InterfaceScope::Domain => {
                let domain = number(self.observation_domain);
                self.record(Kind::DomainInterface, &[domain, index, description])
            }
        }
    }

    /// RFC 5103 §6.3. Over UDP it stands in every record besides, because this may get lost.
    fn biflow_method(&self) -> Option<OptionsRecord> {
        let process = number(self.metering.facts.exporting_process);
        let values = [process, number(DIRECTION_BY_INITIATOR)];
        self.rules.biflow_method.then(|| self.record(Kind::BiflowMethod, &values))
    }

    /// RFC 5610 §3.
    fn element_types(&self) -> Vec<OptionsRecord> {
        if !self.rules.element_types {
            return Vec::new();
        }
        FLOWTAP_ELEMENT_TYPES.iter().map(|told| self.element_type(told)).collect()
    }

    fn element_type(&self, told: &ElementType) -> OptionsRecord {
        let &ElementType { element, data_type_code, semantics, units, range, description } = told;
        // The number without the enterprise bit, which a reverse element has none of either.
        let mut values = vec![number(element.id), number(element.enterprise)];
        values.extend([number(data_type_code), number(semantics), number(units)]);
        if let Some((begin, end)) = range {
            values.extend([Value::Unsigned(begin), Value::Unsigned(end)]);
        }
        values.push(Value::String(element.name));
        values.push(Value::String(description));
        let kind = if range.is_some() { Kind::ElementTypeAndRange } else { Kind::ElementType };
        self.record(kind, &values)
    }

    fn is_flow_key(&self, element: &InformationElement) -> bool {
        if self.policy.is_statistical() {
            // Sums and times are no keys; everything else that a class has is.
            let treatment = self.policy.aggregated(element);
            return !matches!(treatment, None | Some(Treatment::Sum | Treatment::Steps(_)));
        }
        let vlan = VLAN_KEYS.contains(element) && self.metering.facts.vlan_key;
        vlan || FLOW_KEYS.contains(element)
    }

    /// RFC 7011 §4.1: the scope of what one Metering Process says of one Observation Domain.
    fn metering_process(&self) -> [Value<'static>; 2] {
        [self.observation_domain, self.metering.facts.metering_process].map(number)
    }

    fn record(&self, kind: Kind, values: &[Value<'_>]) -> OptionsRecord {
        let template = self.templates.of(kind).clone();
        let octets = template.encode(values).expect("every field has the size of its type");
        OptionsRecord { template, octets }
    }
}

fn number(number: impl Into<u64>) -> Value<'static> {
    Value::Unsigned(number.into())
}

fn milliseconds(time: Timestamp) -> Value<'static> {
    Value::DateTime(DateTime::from_milliseconds(time.as_millis()))
}

/// Whole seconds, rounded up: a timeout of 0 would say that every packet is a Flow.
fn seconds(timeout: Duration) -> u16 {
    let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
    u16::try_from(seconds).unwrap_or(u16::MAX)
}

/// What makes packets a Flow, wherever it stands in a Template. Type and code take the place of
/// ports for ICMP.
const FLOW_KEYS: &[InformationElement] = &[
    element::SOURCE_IPV4_ADDRESS,
    element::DESTINATION_IPV4_ADDRESS,
    element::SOURCE_IPV6_ADDRESS,
    element::DESTINATION_IPV6_ADDRESS,
    element::SOURCE_TRANSPORT_PORT,
    element::DESTINATION_TRANSPORT_PORT,
    element::PROTOCOL_IDENTIFIER,
    element::IP_VERSION,
    element::ICMP_TYPE_CODE_IPV4,
    element::ICMP_TYPE_CODE_IPV6,
];

/// The outermost VLAN id, where it is part of the key.
const VLAN_KEYS: &[InformationElement] = &[element::VLAN_ID, element::DOT1Q_VLAN_ID];

/// `biflowDirection` (IE 239): who sent the first packet is the source.
const DIRECTION_BY_INITIATOR: u8 = 1;

/// Our one Selector.
const SELECTOR: u64 = 1;
/// `valueDistributionMethod` (IE 384): End Interval (RFC 7015 §5.1.1).
const END_INTERVAL: u8 = 2;
/// `selectionSequenceId` (IE 301) of the filter, the one there is.
const FILTER_SEQUENCE: u64 = 1;
/// `selectorAlgorithm` (IE 304): systematic count-based sampling.
const COUNT_BASED: u16 = 1;
/// `samplingAlgorithm` (IE 35).
const DETERMINISTIC: u8 = 1;
