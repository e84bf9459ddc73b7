//! How the Bodies of a target are encoded, as text that is kept with those on disk.

use std::fmt;
use std::str::FromStr;

use crate::export::profile::Mapping;

/// What has to be known to send a Body: which Observation Domain it is of, and which Templates the
/// IDs of its Sets mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Context {
    pub(super) observation_domain: u32,
    pub(super) mapping: Mapping,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{} {}", self.observation_domain, self.mapping)
    }
}

impl FromStr for Context {
    type Err = ();

    /// Reads what `Display` wrote; anything else is of a version that we do not know.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (domain, mapping) =
            text.strip_prefix(PREFIX).and_then(|t| t.split_once(' ')).ok_or(())?;
        Ok(Self {
            observation_domain: domain.parse().map_err(drop)?,
            mapping: mapping.parse().map_err(drop)?,
        })
    }
}

const PREFIX: &str = "domain=";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_it_was_written() {
        let mapping = Mapping { biflow: false, ..Mapping::default() };
        let context = Context { observation_domain: u32::MAX, mapping };
        assert_eq!(context.to_string().parse(), Ok(context));
        for other in ["", "domain=1", "domain=x y", "domain=1 what"] {
            assert_eq!(other.parse::<Context>(), Err(()), "{other}");
        }
    }
}
