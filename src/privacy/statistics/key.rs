//! What tells cells apart, and in which order it is given up.

use crate::decode::IpVersion;
use crate::flow::{Direction, FlowRecord};
use crate::privacy::statistics::classes::{PortClass, SizeClass};
use crate::privacy::statistics::networks::{ConfiguredNetworks, NetworkClass};

/// What tells one cell from another, at a level: what that drops is the same in every key of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// How much of the rest counts.
    pub level: Level,
    /// `ipVersion` (IE 60).
    pub version: IpVersion,
    /// `ingressInterface` (IE 10).
    pub interface: u32,
    /// `protocolIdentifier` (IE 4).
    pub protocol: u8,
    /// Who sent.
    pub sender: Sender,
    /// Network of the source.
    pub source: NetworkClass,
    /// Network of the destination.
    pub destination: NetworkClass,
    /// Class of the ports.
    pub ports: PortClass,
    /// Class of the packets' mean length.
    pub size: SizeClass,
}

/// `biflowDirection` (IE 239) of a cell: which side of its Flows sent what it counts.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Sender {
    /// Directions were metered apart: nobody knows.
    Unknown = 0,
    /// The side that began.
    Initiator = 1,
    /// The other one.
    Responder = 2,
}

/// How much of a key counts: each level drops one property more, the finest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Level {
    /// All of it.
    Finest = 0,
    /// Not the class of sizes.
    WithoutSize = 1,
    /// Nor the class of ports.
    WithoutPorts = 2,
    /// Nor the networks.
    WithoutNetworks = 3,
    /// Nor who sent.
    WithoutSender = 4,
    /// Nor the protocol.
    WithoutProtocol = 5,
    /// Nor the interface.
    WithoutInterface = 6,
    /// Nor the IP version: everything.
    Total = 7,
}

impl Level {
    /// Every level, the finest first.
    pub const ALL: [Self; 8] = [
        Self::Finest,
        Self::WithoutSize,
        Self::WithoutPorts,
        Self::WithoutNetworks,
        Self::WithoutSender,
        Self::WithoutProtocol,
        Self::WithoutInterface,
        Self::Total,
    ];
}

impl Key {
    /// The key of everything.
    pub(super) const TOTAL: Self = Self {
        level: Level::Total,
        version: IpVersion::V4,
        interface: 0,
        protocol: 0,
        sender: Sender::Unknown,
        source: NetworkClass::OTHER,
        destination: NetworkClass::OTHER,
        ports: PortClass::NONE,
        size: SizeClass::ANY,
    };

    /// The finest key of the forward direction of a record; size and sender are those of neither.
    #[inline]
    pub(super) fn of(record: &FlowRecord, networks: &ConfiguredNetworks) -> Self {
        let &FlowRecord { version, interface, protocol, source, destination, .. } = record;
        Self {
            level: Level::Finest,
            version,
            interface,
            protocol,
            sender: Sender::Unknown,
            source: networks.class(version, source),
            destination: networks.class(version, destination),
            ports: PortClass::of(record),
            size: SizeClass::ANY,
        }
    }

    /// The same of `direction`, that `sender` sent, at `level`.
    #[inline]
    pub(super) fn sent(self, sender: Sender, direction: &Direction, level: Level) -> Self {
        let Self { source, destination, .. } = self;
        let (source, destination) = match sender {
            Sender::Responder => (destination, source),
            Sender::Initiator | Sender::Unknown => (source, destination),
        };
        let key = Self { sender, source, destination, size: SizeClass::of(direction), ..self };
        if level == Level::Finest { key } else { key.at(level) }
    }

    /// This key with what `level` drops left out.
    pub(super) fn at(self, level: Level) -> Self {
        let level = level.max(self.level);
        let total = Self::TOTAL;
        let mut key = Self { level, ..self };
        if level >= Level::WithoutSize {
            key.size = total.size;
        }
        if level >= Level::WithoutPorts {
            key.ports = total.ports;
        }
        if level >= Level::WithoutNetworks {
            (key.source, key.destination) = (total.source, total.destination);
        }
        if level >= Level::WithoutSender {
            key.sender = total.sender;
        }
        if level >= Level::WithoutProtocol {
            key.protocol = total.protocol;
        }
        if level >= Level::WithoutInterface {
            key.interface = total.interface;
        }
        if level >= Level::Total {
            key.version = total.version;
        }
        key
    }

    /// For an order that does not depend on hashes: what leaves is the same in every run.
    pub(super) const fn order(
        &self,
    ) -> (Level, u32, u8, u8, Sender, NetworkClass, NetworkClass, PortClass, SizeClass) {
        let &Self { level, version, interface, protocol, sender, source, destination, ports, size } =
            self;
        (level, interface, version as u8, protocol, sender, source, destination, ports, size)
    }
}
