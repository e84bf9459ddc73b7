//! What is known of a file at its end: the File Time Window and the Export Session Details.

use std::sync::{Arc, LazyLock};

use crate::export::options::OptionsRecord;
use crate::export::profile::TimeUnit;
use crate::ipfix::date_time::{DateTime, Precision};
use crate::ipfix::element::InformationElement;
use crate::ipfix::exported as element;
use crate::ipfix::template::{FieldSpecifier, Template, TemplateId};
use crate::ipfix::value::Value;
use crate::time::Timestamp;

/// RFC 5655 §8.1.2: no Flow of the file begins before it or ends after it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Window(Option<(Timestamp, Timestamp)>);

impl Window {
    /// Widens the window to the times of a Data Record.
    #[inline]
    pub(super) fn cover(&mut self, (first, last): (Timestamp, Timestamp)) {
        let (begin, end) = self.0.unwrap_or((first, last));
        self.0 = Some((begin.min(first), end.max(last)));
    }

    /// As a record; `None` if there was no Flow, or if its times have no number in
    /// this unit.
    pub(super) fn record(self, unit: TimeUnit) -> Option<OptionsRecord> {
        let (begin, end) = self.0?;
        let template = window_template(unit);
        let (begin, end) = (date_time(begin, unit), date_time(rounded_up(end, unit)?, unit));
        let values = [SESSION, Value::DateTime(begin), Value::DateTime(end)];
        Some(OptionsRecord {
            template: Arc::clone(template),
            octets: template.encode(&values).ok()?,
        })
    }
}

/// The Options Templates that a file with times of this unit has at its end.
pub(crate) fn file_templates(unit: TimeUnit) -> [Arc<Template>; 2] {
    [Arc::clone(window_template(unit)), Arc::clone(&DETAILS)]
}

fn window_template(unit: TimeUnit) -> &'static Arc<Template> {
    match unit {
        TimeUnit::Milliseconds => &MILLISECONDS,
        TimeUnit::Microseconds => &MICROSECONDS,
        TimeUnit::Nanoseconds => &NANOSECONDS,
    }
}

/// RFC 5655 §8.1.3: of the session that a file is, there is the version and the first and the last
/// Export Time. It has no addresses and no transport.
pub(super) fn session_details(first: u64, last: u64) -> Option<OptionsRecord> {
    let seconds = |seconds: u64| {
        let seconds = i64::try_from(seconds).ok()?;
        Some(Value::DateTime(DateTime { seconds, nanoseconds: 0, precision: Precision::Seconds }))
    };
    let values = [SESSION, Value::Unsigned(VERSION), seconds(first)?, seconds(last)?];
    Some(OptionsRecord { template: Arc::clone(&DETAILS), octets: DETAILS.encode(&values).ok()? })
}

fn date_time(time: Timestamp, unit: TimeUnit) -> DateTime {
    let precision = match unit {
        TimeUnit::Milliseconds => Precision::Milliseconds,
        TimeUnit::Microseconds => Precision::Microseconds,
        TimeUnit::Nanoseconds => Precision::Nanoseconds,
    };
    let seconds = time.as_secs().cast_signed();
    DateTime { seconds, nanoseconds: time.subsec_nanos(), precision }
}

/// RFC 5655 §8.1.2: the end is rounded up. What is encoded is cut, which rounds the begin down.
fn rounded_up(time: Timestamp, unit: TimeUnit) -> Option<Timestamp> {
    let unit = match unit {
        TimeUnit::Milliseconds => 1_000_000,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Nanoseconds => 1,
    };
    time.as_nanos().checked_next_multiple_of(unit).map(Timestamp::from_nanos)
}

/// `sessionScope` (IE 267): the only value it has.
const SESSION: Value<'static> = Value::Unsigned(0);

/// `exportProtocolVersion` (IE 214) of IPFIX.
const VERSION: u64 = 10;

static MILLISECONDS: LazyLock<Arc<Template>> = LazyLock::new(|| {
    window(element::MIN_FLOW_START_MILLISECONDS, element::MAX_FLOW_END_MILLISECONDS)
});
static MICROSECONDS: LazyLock<Arc<Template>> = LazyLock::new(|| {
    window(element::MIN_FLOW_START_MICROSECONDS, element::MAX_FLOW_END_MICROSECONDS)
});
static NANOSECONDS: LazyLock<Arc<Template>> = LazyLock::new(|| {
    window(element::MIN_FLOW_START_NANOSECONDS, element::MAX_FLOW_END_NANOSECONDS)
});
static DETAILS: LazyLock<Arc<Template>> = LazyLock::new(|| {
    let fields = [
        (element::SESSION_SCOPE, 1),
        (element::EXPORT_PROTOCOL_VERSION, 1),
        (element::MIN_EXPORT_SECONDS, 4),
        (element::MAX_EXPORT_SECONDS, 4),
    ];
    options_template(DETAILS_ID, &fields)
});

fn window(begin: InformationElement, end: InformationElement) -> Arc<Template> {
    options_template(WINDOW_ID, &[(element::SESSION_SCOPE, 1), (begin, 8), (end, 8)])
}

/// The first field is the scope.
fn options_template(id: u16, fields: &[(InformationElement, u16)]) -> Arc<Template> {
    let fields = fields.iter().map(|&(element, length)| FieldSpecifier { element, length });
    let template = TemplateId::new(id).map(|id| Template::options(id, 1, fields.collect()));
    Arc::new(template.expect("a Template ID").expect("a test makes each of them"))
}

/// Above the Templates of every layout, and those of other options.
const WINDOW_ID: u16 = 65_280;
const DETAILS_ID: u16 = 65_281;
