//! Flow Records under a policy.

use crate::decode::{Address, IpVersion, MacAddresses, Tunnel};
use crate::flow::{Direction, FlowRecord};
use crate::key_file::{KeyFileError, SecretKey};
use crate::privacy::addresses::Addresses;
use crate::privacy::policy::{AddressTreatment, MacTreatment, Policy, PortTreatment};
use crate::privacy::pseudonyms::{Periods, Pseudonyms};
use crate::privacy::{mac, ports};
use crate::time::{Timestamp, saturating_nanos};

/// Makes of Flow Records what may leave.
///
/// What is not told at all is not only left out of Templates: the record that comes out has it no
/// more, so that nothing that is made of it can.
#[derive(Debug)]
pub struct Obfuscator {
    addresses: Addresses,
    periods: Option<Periods>,
    macs: MacTreatment,
    ports: PortTreatment,
    /// Nanoseconds; at least one.
    time_step: u64,
}

impl Obfuscator {
    /// What `policy` asks for; `None` if records leave as they are, or not at all.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] if there are to be pseudonyms and there is no key for them.
    pub fn open(policy: &Policy) -> Result<Option<Self>, KeyFileError> {
        if policy.is_as_is() || policy.is_statistical() {
            return Ok(None);
        }
        let key = match &policy.key_file {
            _ if !policy.has(AddressTreatment::Pseudonym) => None,
            Some(path) => Some(SecretKey::from_file(path)?),
            None => Some(SecretKey::random()?),
        };
        Ok(Some(Self::new(policy, key)))
    }

    /// The same with a key that is not from a file.
    pub(super) fn new(policy: &Policy, key: Option<SecretKey>) -> Self {
        Self {
            addresses: Addresses::new(policy),
            periods: key.map(|key| Periods::new(key, policy.rotation)),
            macs: policy.macs,
            ports: policy.ports,
            time_step: policy.time_step.map_or(1, saturating_nanos).max(1),
        }
    }

    /// What may leave of `record`.
    ///
    /// Pseudonyms are those of the time at which the record ends: they depend on it alone, and not on
    /// when it is exported.
    pub fn obfuscated(&mut self, record: &FlowRecord) -> FlowRecord {
        let Self { addresses, periods, macs, ports, time_step } = self;
        let end = record.forward.last.max(record.reverse.last);
        let mut pseudonyms = periods.as_mut().map(|periods| periods.at(end));
        let mut treated =
            |version, address| addresses.treated(version, address, pseudonyms.as_deref_mut());
        let source = treated(record.version, record.source);
        let destination = treated(record.version, record.destination);
        let tunnel = record.tunnel.map(|tunnel| without_names(tunnel, &mut treated));
        let (source_port, destination_port) =
            told_ports(*ports, (record.source_port, record.destination_port));
        FlowRecord {
            flow_id: pseudonyms.map_or(0, |names: &mut Pseudonyms| names.flow_id(record.flow_id)),
            interface: record.interface,
            version: record.version,
            protocol: record.protocol,
            end_reason: record.end_reason,
            source,
            destination,
            source_port,
            destination_port,
            forward: told_direction(&record.forward, *time_step),
            reverse: told_direction(&record.reverse, *time_step),
            mac: record.mac.and_then(|addresses| told_macs(*macs, addresses)),
            vlan: record.vlan,
            mpls: record.mpls,
            tunnel,
        }
    }
}

/// The id of a tunnel is that of a subscriber, a tenant, or a session of theirs.
fn without_names(
    tunnel: Tunnel,
    treated: &mut impl FnMut(IpVersion, Address) -> Address,
) -> Tunnel {
    let Tunnel { id: _, kind, version, source, destination } = tunnel;
    Tunnel {
        id: None,
        kind,
        version,
        source: treated(version, source),
        destination: treated(version, destination),
    }
}

fn told_direction(direction: &Direction, time_step: u64) -> Direction {
    let coarse = |time: Timestamp| {
        let nanoseconds = time.as_nanos();
        Timestamp::from_nanos(nanoseconds - nanoseconds % time_step)
    };
    Direction {
        first: coarse(direction.first),
        last: coarse(direction.last),
        // Drawn at random by a host: whoever has seen the packet finds it again by these.
        tcp_sequence: 0,
        flow_label: 0,
        ..*direction
    }
}

fn told_macs(treatment: MacTreatment, addresses: MacAddresses) -> Option<MacAddresses> {
    let MacAddresses { source, destination } = addresses;
    match treatment {
        MacTreatment::AsIs => Some(addresses),
        MacTreatment::Vendor => Some(MacAddresses {
            source: mac::vendor(source),
            destination: mac::vendor(destination),
        }),
        MacTreatment::Drop => None,
    }
}

const fn told_ports(treatment: PortTreatment, told: (u16, u16)) -> (u16, u16) {
    match treatment {
        PortTreatment::AsIs => told,
        PortTreatment::Service => ports::of_services(told),
        PortTreatment::Drop => (0, 0),
    }
}
