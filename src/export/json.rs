//! `json:PATH` and `json:-`: one JSON object a Data Record, a line each.

use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::clock::Clock;
use crate::export::config::Config;
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::fields::FieldVisitor;
use crate::export::mapping::{Content, DisclosedRecord, Disclosure};
use crate::export::output::{Output, reader_has_left};
use crate::export::profile::Mapping;
use crate::export::sink::RecordSink;
use crate::export::statistical::{AggregateSink, Aggregates};
use crate::export::target::{JsonOutput, JsonTarget};
use crate::flow::FlowRecord;
use crate::ipfix::date_time::{DateTime, Precision};
use crate::ipfix::element::InformationElement;
use crate::ipfix::field::Field;
use crate::ipfix::json::JsonRecord;
use crate::ipfix::value::Value;
use crate::time::Timestamp;

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct JsonSink {
    target: String,
    output: Output,
    disclosure: Disclosure,
    clock: Arc<dyn Clock>,
    flush_timeout: Duration,
    flushed_at: Duration,
    reader_is_gone: bool,
}

impl JsonSink {
    /// Opens the output.
    pub(crate) fn open(
        json: &JsonTarget,
        target: &str,
        config: &Config,
    ) -> Result<Self, ExportError> {
        let mapping = Mapping { biflow: config.biflow, ..Mapping::default() };
        let disclosure = Disclosure::open(&json.privacy.policy(), mapping)
            .map_err(|source| ExportError::Privacy { target: target.to_owned(), source })?;
        let output = match &json.output {
            JsonOutput::Standard => Output::standard(),
            JsonOutput::File(path) => Output::create(path)
                .map_err(|source| ExportError::Create { target: target.to_owned(), source })?,
        };
        Ok(Self {
            target: target.to_owned(),
            output,
            disclosure,
            clock: Arc::clone(&config.clock),
            flush_timeout: config.flush_timeout,
            flushed_at: config.clock.monotonic(),
            reader_is_gone: false,
        })
    }
}

impl JsonSink {
    /// As [`Output::wait_until`].
    pub(crate) fn waiting_until(mut self, ending: &Arc<Ending>) -> Self {
        self.output.wait_until(ending);
        self
    }

    fn add<'a>(
        &mut self,
        record: &impl Content<'a>,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        let mut fields = NamedFields(Vec::with_capacity(64));
        record.visit(&mut fields);
        let done = self.output.add(Totals::of_data(record), account, |out| {
            serde_json::to_writer(&mut *out, &JsonRecord(&fields.0))
                .expect("the keys are text and memory takes every octet");
            out.push(b'\n');
        });
        self.reader_is_gone |= reader_has_left(&self.target, done)?;
        Ok(())
    }
}

impl AggregateSink for JsonSink {
    fn mapping(&self) -> Mapping {
        self.disclosure.mapping()
    }

    fn reader_is_gone(&self) -> bool {
        self.reader_is_gone
    }

    fn write_aggregates(
        &mut self,
        aggregates: &Aggregates<'_>,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        let mapping = self.disclosure.mapping();
        aggregates.data_records(mapping).try_for_each(|data| self.add(&data, account))
    }
}

impl RecordSink for JsonSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if self.reader_is_gone {
            let biflow = self.disclosure.mapping().biflow;
            account.lost(LossReason::ReaderGone, Totals::of(&batch.records, biflow));
            return Ok(());
        }
        for record in &batch.records {
            let Some(disclosed) = self.disclosure.of(record) else { continue };
            for data in disclosed.data_records() {
                self.add(&data, account)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.flushed_at) < self.flush_timeout {
            return Ok(());
        }
        self.flushed_at = now;
        let done = self.output.flush(account);
        self.reader_is_gone |= reader_has_left(&self.target, done)?;
        Ok(())
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let done = self.output.finish(account);
        self.reader_is_gone |= reader_has_left(&self.target, done)?;
        if self.reader_is_gone {
            account.lost(LossReason::ReaderGone, self.output.take_unwritten());
        }
        Ok(())
    }
}

/// Calls `each` with the fields of every Data Record that `record` becomes as it is, for sinks of
/// people.
pub fn each_data_record(
    record: &FlowRecord,
    biflow: bool,
    mut each: impl FnMut(Vec<(Field, Value<'_>)>),
) {
    let mut disclosure = Disclosure::as_is(Mapping { biflow, ..Mapping::default() });
    for data in disclosure.of(record).iter().flat_map(DisclosedRecord::data_records) {
        let mut fields = NamedFields(Vec::with_capacity(64));
        data.visit(&mut fields);
        each(fields.0);
    }
}

/// Names and values of a record.
struct NamedFields<'a>(Vec<(Field, Value<'a>)>);

impl NamedFields<'_> {
    fn push_number(&mut self, element: &InformationElement, value: u64) {
        self.0.push((Field::from(*element), Value::Unsigned(value)));
    }

    fn push_time(&mut self, element: &InformationElement, value: Timestamp, precision: Precision) {
        let seconds = value.as_secs().cast_signed();
        let time = DateTime { seconds, nanoseconds: value.subsec_nanos(), precision };
        self.0.push((Field::from(*element), Value::DateTime(time)));
    }
}

impl<'a> FieldVisitor<'a> for NamedFields<'a> {
    fn unsigned8(&mut self, element: &'static InformationElement, value: u8) {
        self.push_number(element, value.into());
    }

    fn unsigned16(&mut self, element: &'static InformationElement, value: u16) {
        self.push_number(element, value.into());
    }

    fn unsigned32(&mut self, element: &'static InformationElement, value: u32) {
        self.push_number(element, value.into());
    }

    fn unsigned64(&mut self, element: &'static InformationElement, value: u64) {
        self.push_number(element, value);
    }

    fn milliseconds(&mut self, element: &'static InformationElement, value: Timestamp) {
        self.push_time(element, value, Precision::Milliseconds);
    }

    fn microseconds(&mut self, element: &'static InformationElement, value: Timestamp) {
        self.push_time(element, value, Precision::Microseconds);
    }

    fn nanoseconds(&mut self, element: &'static InformationElement, value: Timestamp) {
        self.push_time(element, value, Precision::Nanoseconds);
    }

    fn ipv4_address(&mut self, element: &'static InformationElement, value: [u8; 4]) {
        self.0.push((Field::from(*element), Value::Ipv4(value.into())));
    }

    fn ipv6_address(&mut self, element: &'static InformationElement, value: [u8; 16]) {
        self.0.push((Field::from(*element), Value::Ipv6(value.into())));
    }

    fn mac_address(&mut self, element: &'static InformationElement, value: [u8; 6]) {
        self.0.push((Field::from(*element), Value::Mac(value)));
    }

    fn label_section(&mut self, element: &'static InformationElement, value: &'a [u8; 3]) {
        self.0.push((Field::from(*element), Value::Octets(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Address, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind};
    use crate::export::target::Target;
    use crate::export::testing::{account, batch, tcp_biflow, udp_uniflow};
    use crate::flow::FlowRecord;

    fn lines(records: Vec<FlowRecord>) -> Vec<serde_json::Value> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows.json");
        let output = JsonOutput::File(path.clone()).into();
        let mut sink = JsonSink::open(&output, "json:flows.json", &Config::default()).unwrap();
        let (mut account, _) = account();
        sink.write(&batch(records), &mut account).unwrap();
        sink.finish(&mut account).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_record_is_an_object_of_element_names() {
        let mut record = tcp_biflow();
        record.mac = Some(MacAddresses { source: [2, 0, 0, 0, 0, 1], destination: [0xfe; 6] });
        record.mpls = MplsLabels { sections: [[0, 1, 0xff], [0; 3], [0; 3]], count: 1 };
        let lines = lines(vec![record, udp_uniflow(1)]);
        let [first, second] = lines.as_slice() else { panic!("two lines") };
        assert_eq!(
            first.to_string(),
            serde_json::json!({
                "sourceIPv4Address": "192.0.2.1",
                "destinationIPv4Address": "198.51.100.7",
                "sourceTransportPort": 40000,
                "destinationTransportPort": 443,
                "protocolIdentifier": 6,
                "ipVersion": 4,
                "ingressInterface": 3,
                "flowId": 0x1122_3344_5566_7788_u64,
                "flowEndReason": 3,
                "biflowDirection": 1,
                "sourceMacAddress": "02:00:00:00:00:01",
                "destinationMacAddress": "fe:fe:fe:fe:fe:fe",
                "mplsTopLabelStackSection": "0001ff",
                "octetDeltaCount": 1500,
                "packetDeltaCount": 10,
                "flowStartMilliseconds": "2023-11-14T22:13:20.123Z",
                "flowEndMilliseconds": "2023-11-14T22:13:21.000Z",
                "minimumIpTotalLength": 40,
                "maximumIpTotalLength": 576,
                "minimumTTL": 63,
                "maximumTTL": 64,
                "ipClassOfService": 184,
                "tcpControlBits": 27,
                "tcpSequenceNumber": 0x0102_0304,
                "tcpWindowSize": 64240,
                "reverseOctetDeltaCount": 9000,
                "reversePacketDeltaCount": 8,
                "reverseFlowStartMilliseconds": "2023-11-14T22:13:20.123Z",
                "reverseFlowEndMilliseconds": "2023-11-14T22:13:21.000Z",
                "reverseMinimumIpTotalLength": 40,
                "reverseMaximumIpTotalLength": 576,
                "reverseMinimumTTL": 63,
                "reverseMaximumTTL": 64,
                "reverseIpClassOfService": 184,
                "reverseTcpControlBits": 19,
                "reverseTcpSequenceNumber": 0x0102_0304,
                "reverseTcpWindowSize": 64240,
            })
            .to_string()
        );
        assert_eq!(second["protocolIdentifier"], 17);
        assert!(second.get("reversePacketDeltaCount").is_none());
    }

    #[test]
    fn a_policy_holds_for_text_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows.json");
        let target = format!("json:{}?privacy=obfuscated&time_step=1m", path.display());
        let Ok(Target::Json(json)) = target.parse() else { panic!("{target}") };
        let mut sink = JsonSink::open(&json, "json:flows.json", &Config::default()).unwrap();
        let (mut account, _) = account();
        let mac = Some(MacAddresses { source: [0xb2; 6], destination: [0xfe; 6] });
        let given = batch(vec![FlowRecord { mac, ..tcp_biflow() }]);
        sink.write(&given, &mut account).unwrap();
        sink.finish(&mut account).unwrap();
        assert_eq!(account.settled(), Totals::of(&given.records, true));
        let text = std::fs::read_to_string(path).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        for name in ["192.0.2.1", "198.51.100.7", "40000", "b2:b2", "fe:fe", "16909060", ":20.123"]
        {
            assert!(!text.contains(name), "{name} in {text}");
        }
        assert_eq!(record["destinationTransportPort"], 443);
        assert_eq!(record["sourceTransportPort"], 0);
        assert_eq!(record["flowEndMilliseconds"], "2023-11-14T22:13:00.000Z");
        assert_eq!(record["packetDeltaCount"], 10);
        assert!(record["sourceIPv4Address"].is_string() && record["flowId"].is_u64());
        for absent in ["sourceMacAddress", "tcpSequenceNumber", "reverseTcpSequenceNumber"] {
            assert!(record.get(absent).is_none(), "{absent} in {text}");
        }
    }

    #[test]
    fn a_tunnel_keeps_the_inner_addresses_plain_values() {
        let record = FlowRecord {
            tunnel: Some(Tunnel {
                kind: TunnelKind::Vxlan,
                version: IpVersion::V6,
                source: Address([0xfd; 16]),
                destination: Address([0xfe; 16]),
                id: Some(4_096),
            }),
            ..tcp_biflow()
        };
        let lines = lines(vec![record]);
        let record = &lines[0];
        assert_eq!(record["sourceIPv4Address"], "192.0.2.1");
        assert_eq!(record["flowtapTunnelType"], 5);
        assert_eq!(record["flowtapTunnelId"], 4_096);
        assert_eq!(record["layer2SegmentId"], 0x0100_0000_0000_1000_u64);
        assert_eq!(
            record["flowtapTunnelSourceIPv6Address"],
            "fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd"
        );
    }
}
