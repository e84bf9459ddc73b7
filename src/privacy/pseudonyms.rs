//! Pseudonyms of addresses, each reckoned as rarely as bounded memory allows, and the keys that they
//! change with.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::key_file::{KEY_LENGTH, SecretKey};
use crate::privacy::crypto_pan::CryptoPan;
use crate::privacy::flow_id::FlowIds;
use crate::privacy::table::Table;
use crate::time::{Timestamp, saturating_nanos};

/// What the addresses and Flows of one period are called.
///
/// The tables take half a MiB, whatever addresses there are. They are no secret from whoever can read
/// our memory, for so is the key.
#[derive(Debug)]
pub(super) struct Pseudonyms {
    function: CryptoPan,
    flow_ids: FlowIds,
    /// What became of whole addresses.
    whole_v4: Table<u32, u32>,
    whole_v6: Table<u128, u128>,
    /// Inverted bits of upper halves: the networks of addresses that were not seen before mostly
    /// were.
    upper_v4: Table<u16, u16>,
    upper_v6: Table<u64, u64>,
}

impl Pseudonyms {
    fn new(function: CryptoPan, flow_ids: FlowIds) -> Self {
        Self {
            function,
            flow_ids,
            whole_v4: Table::new(12),
            whole_v6: Table::new(12),
            upper_v4: Table::new(14),
            upper_v6: Table::new(12),
        }
    }

    /// What becomes of an IPv4 address: `treat` is given the bits of it that are inverted, the first
    /// of them the highest of 128, and asked once in a while only.
    #[inline]
    pub(super) fn v4(&mut self, address: u32, treat: impl FnOnce(u128) -> u128) -> u32 {
        let Self { function, whole_v4, upper_v4, .. } = self;
        whole_v4.get(address.into(), address, || {
            let bits = u128::from(address) << 96;
            let upper = (address >> 16) as u16;
            let upper =
                upper_v4.get(upper.into(), upper, || (function.flips(bits, 0..16) >> 112) as u16);
            let flips = u128::from(upper) << 112 | function.flips(bits, 16..32);
            (treat(flips) >> 96) as u32
        })
    }

    /// The same of an IPv6 address.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the address")]
    pub(super) fn v6(&mut self, address: u128, treat: impl FnOnce(u128) -> u128) -> u128 {
        let Self { function, whole_v6, upper_v6, .. } = self;
        let (upper, lower) = ((address >> 64) as u64, address as u64);
        whole_v6.get(upper ^ lower, address, || {
            let upper =
                upper_v6.get(upper, upper, || (function.flips(address, 0..64) >> 64) as u64);
            treat(u128::from(upper) << 64 | function.flips(address, 64..128))
        })
    }

    /// What a Flow is called.
    #[inline]
    pub(super) fn flow_id(&self, id: u64) -> u64 {
        self.flow_ids.permuted(id)
    }
}

/// The pseudonyms of every period.
#[derive(Debug)]
pub(super) struct Periods {
    key: SecretKey,
    rotation: Option<Duration>,
    /// By number, those last used first. Two, because about the turn of a period records of both
    /// come in turn.
    known: Vec<(u64, Box<Pseudonyms>)>,
}

impl Periods {
    pub(super) const fn new(key: SecretKey, rotation: Option<Duration>) -> Self {
        Self { key, rotation, known: Vec::new() }
    }

    /// The pseudonyms at a time. Periods are counted from 1970-01-01T00:00:00Z, so a run that begins
    /// within one goes on as the run before it did.
    #[inline]
    pub(super) fn at(&mut self, time: Timestamp) -> &mut Pseudonyms {
        let length = self.rotation.map(saturating_nanos).filter(|&length| length > 0);
        let number = length.map_or(0, |length| time.as_nanos() / length);
        let is_known = self.known.first().is_some_and(|(known, _)| *known == number);
        if !is_known {
            self.turn_to(number);
        }
        let Some((_, pseudonyms)) = self.known.first_mut() else {
            unreachable!("a period was turned to")
        };
        pseudonyms
    }

    #[cold]
    fn turn_to(&mut self, number: u64) {
        match self.known.iter().position(|(known, _)| *known == number) {
            Some(place) => self.known.swap(0, place),
            None => {
                self.known.truncate(MOST_PERIODS - 1);
                self.known.insert(0, (number, Box::new(self.pseudonyms(number))));
            }
        }
    }

    /// Without rotation the key is that of Crypto-PAn as it stands in the file: another program with
    /// the same key calls addresses the same.
    fn pseudonyms(&self, number: u64) -> Pseudonyms {
        let Some(rotation) = self.rotation else {
            return Pseudonyms::new(
                CryptoPan::new(self.key.octets()),
                FlowIds::new(&self.key, b""),
            );
        };
        let about = [saturating_nanos(rotation).to_be_bytes(), number.to_be_bytes()].concat();
        let mut derived = Zeroizing::new([0; KEY_LENGTH]);
        self.key.derive(b"flowtap pseudonyms", &[&about], derived.as_mut_slice());
        Pseudonyms::new(CryptoPan::new(&derived), FlowIds::new(&self.key, &about))
    }
}

const MOST_PERIODS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn name_of(periods: &mut Periods, time: Timestamp) -> (u32, u128, u64) {
        let pseudonyms = periods.at(time);
        let v4 = pseudonyms.v4(0x0a01_0203, |flips| flips);
        (v4, pseudonyms.v6(0x2001 << 112, |flips| flips), pseudonyms.flow_id(7))
    }

    #[test]
    fn names_hold_for_a_period_and_over_a_restart() {
        let day = Duration::from_secs(86_400);
        let new = || Periods::new(SecretKey::of([5; 32]), Some(day));
        let mut periods = new();
        // 1,700,000,000 is 22:13:20 of its day in UTC.
        let first = name_of(&mut periods, at(1_700_000_000));
        assert_eq!(name_of(&mut periods, at(1_700_006_399)), first);
        let second = name_of(&mut periods, at(1_700_006_400));
        assert!(first.0 != second.0 && first.1 != second.1 && first.2 != second.2);
        // Records of the day before may come late, and a year later we begin anew.
        assert_eq!(name_of(&mut periods, at(1_700_000_000)), first);
        let third = name_of(&mut periods, at(1_731_536_000));
        assert!(![first, second].contains(&third));
        assert_eq!(name_of(&mut periods, at(1_700_006_401)), second);
        assert_eq!(name_of(&mut new(), at(1_700_000_001)), first);
        assert!(periods.known.len() <= MOST_PERIODS);
    }

    #[test]
    fn without_rotation_a_name_is_for_ever_and_the_key_is_the_one_in_the_file() {
        let mut periods = Periods::new(SecretKey::of(*b"32-char-str-for-AES-key-and-pad."), None);
        let names = periods.at(Timestamp::EPOCH).v4(0xc000_0201, |flips| flips ^ 0xc000_0201 << 96);
        assert_eq!(names.to_be_bytes(), [192, 0, 125, 244]);
        assert_eq!(name_of(&mut periods, at(0)), name_of(&mut periods, Timestamp::MAX));
        assert_eq!(periods.known.len(), 1);
    }
}
