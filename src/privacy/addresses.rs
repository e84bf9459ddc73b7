//! What a policy makes of addresses.

use crate::decode::{Address, IpVersion};
use crate::privacy::classes::{Class, Classes};
use crate::privacy::network::{Network, prefix_mask};
use crate::privacy::policy::{AddressTreatment, OwnNetworks, Policy, PrefixLengths};
use crate::privacy::pseudonyms::Pseudonyms;

/// What becomes of every address.
///
/// Pseudonyms are one for one, and two addresses with `n` leading bits in common have pseudonyms with
/// exactly `n` in common, those of classes included. That holds over all addresses also where own
/// networks are left as they are, or are the only ones that are not. The pseudonym of an address is in
/// a class, or in an own network that is treated otherwise than the rest, only if the address is.
///
/// None of this is true of prefixes: that is what they are for.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    treatment: AddressTreatment,
    own: OwnNetworks,
    prefixes: PrefixLengths,
    v4: Classes,
    v6: Classes,
}

impl Addresses {
    pub(super) fn new(policy: &Policy) -> Self {
        let Policy { addresses: treatment, own, prefixes, .. } = policy;
        let classes = |version| Classes::new(version, own_classes(policy, version));
        Self {
            treatment: *treatment,
            own: own.clone(),
            prefixes: *prefixes,
            v4: classes(IpVersion::V4),
            v6: classes(IpVersion::V6),
        }
    }

    /// What becomes of `address`; `pseudonyms` are there if the policy has any.
    #[inline]
    pub(super) fn treated(
        &self,
        version: IpVersion,
        address: Address,
        pseudonyms: Option<&mut Pseudonyms>,
    ) -> Address {
        match version {
            IpVersion::V4 => {
                let number = u32::from_be_bytes(address.to_v4());
                let treated = match pseudonyms {
                    Some(names) => names.v4(number, |flips| self.of_bits_v4(number, flips)),
                    None => lowered(self.of_bits_v4(number, 0)),
                };
                Address::v4(treated.to_be_bytes())
            }
            IpVersion::V6 => {
                let number = u128::from_be_bytes(address.0);
                let treated = match pseudonyms {
                    Some(names) => names.v6(number, |flips| self.of_bits(version, number, flips)),
                    None => self.of_bits(version, number, 0),
                };
                Address(treated.to_be_bytes())
            }
        }
    }

    fn of_bits_v4(&self, address: u32, flips: u128) -> u128 {
        self.of_bits(IpVersion::V4, u128::from(address) << 96, flips)
    }

    fn of_bits(&self, version: IpVersion, address: u128, flips: u128) -> u128 {
        let (classes, prefix) = match version {
            IpVersion::V4 => (&self.v4, self.prefixes.v4),
            IpVersion::V6 => (&self.v6, self.prefixes.v6),
        };
        match self.treatment_of(version, address) {
            AddressTreatment::AsIs => address,
            AddressTreatment::Pseudonym => {
                address ^ flips & !prefix_mask(classes.free_from(address))
            }
            AddressTreatment::Prefix => {
                address & prefix_mask(classes.kept(address).max(prefix.into()))
            }
        }
    }

    fn treatment_of(&self, version: IpVersion, address: u128) -> AddressTreatment {
        let is_in = |network: &Network| {
            let shared = (address ^ network.bits()).leading_zeros();
            network.version() == version && shared >= network.length().into()
        };
        if self.own.networks.iter().any(is_in) { self.own.addresses } else { self.treatment }
    }
}

/// Where own networks and the rest are treated differently, no pseudonym may cross the line: it would
/// be taken for an address of the other side, which may be a true one.
fn own_classes(policy: &Policy, version: IpVersion) -> Vec<Class> {
    let OwnNetworks { networks, addresses } = &policy.own;
    if *addresses == policy.addresses {
        return Vec::new();
    }
    let of_version = networks.iter().filter(|network| network.version() == version);
    of_version.map(|network| Class::of(*network, 0)).collect()
}

/// The upper 32 bits.
const fn lowered(bits: u128) -> u32 {
    (bits >> 96) as u32
}
