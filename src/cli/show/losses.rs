//! What exporters say they could not tell, from their options records (RFC 7011 §4.2, §4.3).

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, Write};

use crate::cli::summary::counted as count;
use crate::ipfix::reader::Record;
use crate::ipfix::value::Value;

/// The latest totals of each that counts.
#[derive(Debug, Default)]
pub(super) struct Losses {
    totals: HashMap<(u32, u64, u16), Total>,
    hasher: RandomState,
}

/// A total that only grows until its exporter starts anew.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    before_restart: u64,
    latest: u64,
}

impl Losses {
    /// Takes the totals of an options record, in place of those that it told before.
    pub(super) fn learn(&mut self, record: &Record<'_>) {
        let mut fields = record.fields();
        let scope = record.template().scope().len();
        let domain = record.header().map_or(0, |header| header.observation_domain);
        let scope: Vec<_> =
            fields.by_ref().take(scope).map(|(field, value)| format!("{field}={value}")).collect();
        let scope = self.hasher.hash_one(scope);
        for (field, value) in fields {
            let (Some((id @ 164..=168, false)), Value::Unsigned(number)) = (field.iana(), value)
            else {
                continue;
            };
            let key = (domain, scope, id);
            if self.totals.len() >= MAXIMUM_TOTALS && !self.totals.contains_key(&key) {
                continue;
            }
            let total = self.totals.entry(key).or_default();
            if number < total.latest {
                total.before_restart = total.before_restart.saturating_add(total.latest);
            }
            total.latest = number;
        }
    }

    /// Writes a line for each kind of loss that there was.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let sum = |id: u16| {
            let totals = self.totals.iter().filter(|((.., other), _)| *other == id);
            totals.fold(0_u64, |sum, (_, total)| {
                sum.saturating_add(total.before_restart).saturating_add(total.latest)
            })
        };
        for (verb, parts) in LOSSES {
            let parts: Vec<_> = parts
                .iter()
                .map(|&(id, what)| (sum(id), what))
                .filter(|&(number, _)| number > 0)
                .map(|(number, what)| count(number, what))
                .collect();
            if !parts.is_empty() {
                writeln!(out, "exporter: {} {verb}", parts.join(", "))?;
            }
        }
        Ok(())
    }
}

/// `ignoredPacketTotalCount` (IE 164), `ignoredOctetTotalCount` (165), `notSentFlowTotalCount` (166),
/// `notSentPacketTotalCount` (167), `notSentOctetTotalCount` (168).
const LOSSES: [(&str, &[(u16, &str)]); 2] = [
    ("not sent", &[(166, "flow"), (167, "packet"), (168, "octet")]),
    ("ignored by its meter", &[(164, "packet"), (165, "octet")]),
];
const MAXIMUM_TOTALS: usize = 4_096;
