//! `balance:URL,URL` and `failover:URL,URL`.

use std::fmt;

use crate::export::target::collector::Collector;
use crate::export::target::error::TargetError;
use crate::export::target::key::OptionKey;
use crate::export::target::privacy::PrivacyOptions;
use crate::privacy::Level;

/// Collectors that share the records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// How they share.
    pub mode: GroupMode,
    /// In order of preference; at least two.
    pub members: Vec<Collector>,
}

/// How Collectors share the records.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum GroupMode {
    /// Each gets a part of the Flows; all records of a Flow go to the same.
    Balance,
    /// One gets all; when it is lost the next one does, until it is back.
    Failover,
}

impl Group {
    /// Reads what follows `balance:` or `failover:`.
    pub(super) fn parse(mode: GroupMode, text: &str) -> Result<Self, TargetError> {
        let kind = mode.name();
        let mut members = Vec::new();
        for member in text.split(',').filter(|member| !member.is_empty()) {
            members.push(member.parse().map_err(|error| match error {
                TargetError::NoKind(_) | TargetError::UnknownKind(_) => {
                    TargetError::NoCollector { kind, member: member.to_owned() }
                }
                error => error,
            })?);
        }
        let group = Self { mode, members };
        group.check_members()?;
        Ok(group)
    }

    /// Whether its members and their options go together.
    ///
    /// # Errors
    ///
    /// [`TargetError`] says what would.
    pub fn check(&self) -> Result<(), TargetError> {
        self.members.iter().try_for_each(Collector::check)?;
        self.check_members()
    }

    fn check_members(&self) -> Result<(), TargetError> {
        let kind = self.mode.name();
        let [first, others @ ..] = self.members.as_slice() else {
            return Err(TargetError::LonelyMember { kind });
        };
        if others.is_empty() {
            return Err(TargetError::LonelyMember { kind });
        }
        for (place, member) in self.members.iter().enumerate() {
            let same = |other: &Collector| {
                (other.transport, &other.host, other.port)
                    == (member.transport, &member.host, member.port)
            };
            if self.members.iter().take(place).any(same) {
                let member = member.address().to_string();
                return Err(TargetError::RepeatedMember { kind, member });
            }
        }
        match self.mode {
            GroupMode::Balance => Ok(()),
            GroupMode::Failover => others.iter().try_for_each(|other| check_alike(first, other)),
        }
    }
}

/// What waits for one member is encoded already when it goes to another one.
fn check_alike(first: &Collector, second: &Collector) -> Result<(), TargetError> {
    let differ = |key: OptionKey, one: String, other: String| {
        if one == other {
            return Ok(());
        }
        let (first, second) = (first.address().to_string(), second.address().to_string());
        Err(TargetError::UnlikeMembers { key: key.name(), first, one, second, other })
    };
    let (one, other) = (&first.options, &second.options);
    differ(OptionKey::Profile, one.rules().profile.to_string(), other.rules().profile.to_string())?;
    let (ours, theirs) = (one.mapping(true), other.mapping(true));
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    differ(OptionKey::Biflow, switch(ours.biflow), switch(theirs.biflow))?;
    differ(OptionKey::Time, ours.time.to_string(), theirs.time.to_string())?;
    let domain = |domain: Option<u32>| match domain {
        Some(domain) => domain.to_string(),
        None => "that of the probe".to_owned(),
    };
    differ(
        OptionKey::ObservationDomain,
        domain(one.observation_domain),
        domain(other.observation_domain),
    )?;
    if one.privacy.policy() == other.privacy.policy() {
        return Ok(());
    }
    // Two may be the same in other words: only if they are not the words count.
    let policy = |options: &PrivacyOptions| match options.policy().is_as_is() {
        true => Level::AsIs.to_string(),
        false => options.to_string(),
    };
    differ(OptionKey::Privacy, policy(&one.privacy), policy(&other.privacy))
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.mode.name())?;
        for (place, member) in self.members.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{member}")?;
        }
        Ok(())
    }
}

impl GroupMode {
    /// As it stands in front of the members.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Failover => "failover",
        }
    }
}
