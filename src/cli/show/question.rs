//! What is asked of the files.

use super::filter::Filter;
use super::group::Key;
use super::measure::Measure;

/// Which records, and what of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Only flows of which this is true.
    pub filter: Option<Filter>,
    /// What is made of them.
    pub view: View,
    /// Print no more than this many records or groups.
    pub limit: Option<u64>,
    /// How they are printed.
    pub format: ShowFormat,
}

/// What is made of the flows.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum View {
    /// Each is printed as it comes.
    #[default]
    Records,
    /// Each is printed, in the order of a measure.
    Ranked {
        /// The measure.
        by: Measure,
        /// The other way round.
        is_reversed: bool,
        /// The first ones only.
        most: Option<usize>,
    },
    /// Sums of those with the same keys.
    Grouped {
        /// The keys.
        keys: Vec<Key>,
        /// The measure by which groups are ordered.
        by: Measure,
        /// The other way round.
        is_reversed: bool,
        /// The first ones only.
        most: Option<usize>,
        /// Groups that memory is used for.
        most_groups: usize,
    },
}

impl View {
    /// Whether it is not every flow that is shown, but some, or sums.
    pub(super) const fn is_answer(&self) -> bool {
        match self {
            Self::Records => false,
            Self::Ranked { most, .. } => most.is_some(),
            Self::Grouped { .. } => true,
        }
    }
}

/// How flows are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum ShowFormat {
    /// Aligned columns for people, and sums below them
    #[default]
    Table,
    /// One JSON object a record or group and line
    Json,
    /// One header row, one row a flow or group, for spreadsheets
    Csv,
}

impl From<ShowFormat> for Question {
    /// All records in this format.
    fn from(format: ShowFormat) -> Self {
        Self { format, ..Self::default() }
    }
}
