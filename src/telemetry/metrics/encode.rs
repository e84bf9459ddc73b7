//! Metric families into text, by `prometheus-client`.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// A metric with all its samples.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    samples: Vec<(Labels, Value)>,
}

/// A value of a sample.
#[derive(Debug)]
pub(super) enum Value {
    Number(u64),
    Histogram {
        sum: f64,
        count: u64,
        /// The bound of each bucket, and what is in it and in none before it.
        buckets: Vec<(f64, u64)>,
    },
    Info,
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

#[derive(Debug, Default)]
struct Labels(Vec<(&'static str, String)>);

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.as_slice().encode(encoder)
    }
}

pub(super) fn counter(name: &'static str, help: &'static str) -> Family {
    family(name, help, MetricType::Counter)
}

pub(super) fn gauge(name: &'static str, help: &'static str) -> Family {
    family(name, help, MetricType::Gauge)
}

pub(super) fn info(
    name: &'static str,
    help: &'static str,
    labels: &[(&'static str, &str)],
) -> Family {
    let mut family = family(name, help, MetricType::Info);
    family.add(labels, Value::Info);
    family
}

/// A histogram; the bound of its last bucket is [`f64::INFINITY`], which stands for none.
pub(super) fn histogram(
    name: &'static str,
    help: &'static str,
    sum: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
) -> Family {
    family(name, help, MetricType::Histogram).of(Value::Histogram { sum, count, buckets })
}

fn family(name: &'static str, help: &'static str, kind: MetricType) -> Family {
    Family { name, help, unit: None, kind, samples: Vec::new() }
}

impl Family {
    /// Its values are octets, which Prometheus calls bytes, and so its name ends.
    pub(super) fn in_bytes(self) -> Self {
        Self { unit: Some(Unit::Bytes), ..self }
    }

    /// Its values are seconds, and so its name ends.
    pub(super) fn in_seconds(self) -> Self {
        Self { unit: Some(Unit::Seconds), ..self }
    }

    /// With one value, without labels.
    pub(super) fn of(mut self, value: impl Into<Value>) -> Self {
        self.add(&[], value);
        self
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, labels: &[(&'static str, &str)], value: impl Into<Value>) {
        let labels = labels.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        self.samples.push((Labels(labels), value.into()));
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric =
            encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), self.kind)?;
        for (labels, value) in &self.samples {
            match value {
                Value::Info => metric.encode_info(labels)?,
                value if labels.0.is_empty() => self.encode_value(&mut metric, value)?,
                value => self.encode_value(&mut metric.encode_family(labels)?, value)?,
            }
        }
        Ok(())
    }

    fn encode_value(&self, encoder: &mut MetricEncoder<'_>, value: &Value) -> fmt::Result {
        match (value, self.kind) {
            (Value::Number(number), MetricType::Counter) => {
                encoder.encode_counter::<NoLabelSet, u64, u64>(number, None)
            }
            (Value::Number(number), _) => encoder.encode_gauge(number),
            (Value::Histogram { sum, count, buckets }, _) => {
                encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
            }
            (Value::Info, _) => Ok(()),
        }
    }
}

/// The text of all `families`; each name begins with that of the program.
pub(super) fn text(families: Vec<Family>) -> String {
    let mut registry = Registry::with_prefix("flowtap");
    registry.register_collector(Box::new(Families(families)));
    let mut told = String::new();
    // To write into a text does not fail.
    let _ = text::encode(&mut told, &registry);
    told
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_as_openmetrics_has_them() {
        let mut lost = counter("lost_records", "Lost, by reason");
        lost.add(&[("target", "1"), ("reason", "a \"b\"\n")], 7);
        let buckets = vec![(0.5, 2), (f64::INFINITY, 1)];
        let told = text(vec![
            lost,
            gauge("spool", "On disk").in_bytes().of(9),
            info("build", "Version", &[("version", "0.1")]),
            histogram("delay", "Late", 1.5, 3, buckets).in_seconds(),
        ]);
        assert_eq!(
            told,
            r#"# HELP flowtap_lost_records Lost, by reason
# TYPE flowtap_lost_records counter
flowtap_lost_records_total{target="1",reason="a \"b\"\n"} 7
# HELP flowtap_spool_bytes On disk
# TYPE flowtap_spool_bytes gauge
# UNIT flowtap_spool_bytes bytes
flowtap_spool_bytes 9
# HELP flowtap_build Version
# TYPE flowtap_build info
flowtap_build_info{version="0.1"} 1
# HELP flowtap_delay_seconds Late
# TYPE flowtap_delay_seconds histogram
# UNIT flowtap_delay_seconds seconds
flowtap_delay_seconds_sum 1.5
flowtap_delay_seconds_count 3
flowtap_delay_seconds_bucket{le="0.5"} 2
flowtap_delay_seconds_bucket{le="+Inf"} 3
# EOF
"#
        );
    }
}
