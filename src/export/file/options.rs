//! What describes the records of a file, and is written into it (RFC 5655 §4.2).

use std::fmt;
use std::sync::Arc;

use crate::ipfix::message::SET_HEADER_LENGTH;
use crate::ipfix::template::Template;

/// An Options Template, and encoded records of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OptionsData {
    pub(crate) template: Arc<Template>,
    pub(crate) records: Vec<Vec<u8>>,
}

impl OptionsData {
    /// Octets of the Template and the records, if each has a Set of its own.
    pub(super) fn octets(&self) -> usize {
        let one = |octets: usize| SET_HEADER_LENGTH + octets;
        let records: usize = self.records.iter().map(|record| one(record.len())).sum();
        one(self.template.definition().len()) + records
    }
}

/// Where in a file options records stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// Ahead of all records: what a reader needs to know of them.
    Top,
    /// Behind all records: what was counted meanwhile.
    End,
}

/// Who knows the options records of a target.
#[derive(Default)]
#[expect(clippy::type_complexity, reason = "said once, and a name for it would hide what it is")]
pub(crate) struct OptionsSource(Option<Box<dyn FnMut(Part) -> Vec<OptionsData> + Send>>);

impl OptionsSource {
    /// Asks `describe` at the top and at the end of every file.
    pub(crate) fn new(describe: impl FnMut(Part) -> Vec<OptionsData> + Send + 'static) -> Self {
        Self(Some(Box::new(describe)))
    }

    pub(super) fn of(&mut self, part: Part) -> Vec<OptionsData> {
        self.0.as_mut().map(|describe| describe(part)).unwrap_or_default()
    }
}

impl fmt::Debug for OptionsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OptionsSource").field(&self.0.is_some()).finish()
    }
}
