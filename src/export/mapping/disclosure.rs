//! What of a Flow Record a target is told.

use std::borrow::Cow;

use crate::export::mapping::{DataRecord, records_of};
use crate::export::profile::Mapping;
use crate::flow::FlowRecord;
use crate::key_file::KeyFileError;
use crate::privacy::{Obfuscator, Policy};

/// The one way from Flow Records to the Data Records of a target: through its privacy policy.
#[derive(Debug)]
pub(crate) struct Disclosure {
    mapping: Mapping,
    told: Told,
}

/// What of Flow Records may leave.
#[derive(Debug)]
enum Told {
    /// Everything.
    AsIs,
    /// What is left of them.
    Obfuscated(Box<Obfuscator>),
    /// Nothing: what leaves is made by [`Statistical`](crate::export::statistical::Statistical),
    /// and is no Flow Record.
    Nothing,
}

/// What of one Flow Record may leave.
#[derive(Debug)]
pub(crate) struct DisclosedRecord<'a> {
    record: Cow<'a, FlowRecord>,
    mapping: Mapping,
}

impl Disclosure {
    /// Under `policy`; of `mapping` what it withholds does not count.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] if the policy asks for a key that is not to be had.
    pub(crate) fn open(policy: &Policy, mapping: Mapping) -> Result<Self, KeyFileError> {
        let mapping = Mapping { withheld: policy.withheld(), ..mapping };
        let told = if policy.is_statistical() {
            Told::Nothing
        } else {
            match Obfuscator::open(policy)? {
                Some(obfuscator) => Told::Obfuscated(Box::new(obfuscator)),
                None => Told::AsIs,
            }
        };
        Ok(Self { mapping, told })
    }

    /// Everything as it was metered.
    pub(crate) fn as_is(mapping: Mapping) -> Self {
        Self { mapping, told: Told::AsIs }
    }

    /// How records are told.
    pub(crate) const fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// What of `record` may leave; `None` if nothing of any.
    #[inline]
    pub(crate) fn of<'a>(&mut self, record: &'a FlowRecord) -> Option<DisclosedRecord<'a>> {
        let record = match &mut self.told {
            Told::AsIs => Cow::Borrowed(record),
            Told::Obfuscated(obfuscator) => Cow::Owned(obfuscator.obfuscated(record)),
            Told::Nothing => return None,
        };
        Some(DisclosedRecord { record, mapping: self.mapping })
    }
}

impl DisclosedRecord<'_> {
    /// The Data Records that tell of it.
    #[inline]
    pub(crate) fn data_records(&self) -> impl Iterator<Item = DataRecord<'_>> {
        records_of(&self.record, self.mapping)
    }
}

#[cfg(test)]
mod tests;
