//! What drivers say of their interfaces (SIOCETHTOOL), questions only: this module sets nothing.
//!
//! There is a crate for the newer netlink interface of it; it takes an asynchronous runtime to ask four
//! questions.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use super::link::named_request;

/// Answers questions about the drivers of one network namespace: that of the thread that made it.
#[derive(Debug)]
pub struct Ethtool {
    socket: UnixDatagram,
}

/// What a driver does to frames before anybody sees them. `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Offloads {
    /// Generic receive offload: the kernel merges segments.
    pub gro: Option<bool>,
    /// Large receive offload: the interface merges segments.
    pub lro: Option<bool>,
    /// Segments are left to be made by the interface, on transmission (TSO).
    pub tso: Option<bool>,
    /// The interface takes VLAN tags out of frames.
    pub vlan_stripping: Option<bool>,
}

/// Descriptors of the receive ring of an interface: frames that it can have received before the kernel
/// looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReceiveRing {
    /// How many there are.
    pub current: u32,
    /// How many there could be.
    pub maximum: u32,
}

/// How an interface gives frames to its queues (receive side scaling).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hashing {
    /// The key of the Toeplitz hash; empty if the driver does not tell.
    pub key: Vec<u8>,
    /// Source and destination are made the same before they are hashed (Linux 6.8).
    pub symmetric_xor: bool,
}

impl Hashing {
    /// Whether both directions of a connection reach one queue; `None` if nobody can tell.
    ///
    /// The Toeplitz hash of source and destination is that of destination and source if its key is the
    /// same sixteen bits over and over.
    pub fn is_symmetric(&self) -> Option<bool> {
        if self.symmetric_xor {
            return Some(true);
        }
        if self.key.len() < 4 || self.key.iter().all(|&octet| octet == 0) {
            return None;
        }
        Some(self.key.iter().zip(self.key.iter().skip(2)).all(|(one, other)| one == other))
    }
}

impl Ethtool {
    /// Opens the view on the drivers.
    ///
    /// # Errors
    ///
    /// What socket(2) says: no descriptors left.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()? })
    }

    /// What the driver of `interface` does to frames.
    pub fn offloads(&self, interface: &str) -> Offloads {
        let value = |command| {
            let mut words = [command, 0];
            self.ask(interface, &mut words).ok().map(|()| words[1])
        };
        let flags = value(GET_FLAGS);
        Offloads {
            gro: value(GET_GRO).map(|on| on != 0),
            lro: flags.map(|flags| flags & FLAG_LRO != 0),
            tso: value(GET_TSO).map(|on| on != 0),
            vlan_stripping: flags.map(|flags| flags & FLAG_RX_VLAN != 0),
        }
    }

    /// The receive ring of `interface`.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` for an interface that has none.
    pub fn receive_ring(&self, interface: &str) -> io::Result<ReceiveRing> {
        // struct ethtool_ringparam: cmd, four maxima, four sizes, of which the first are of rx.
        let mut words = [GET_RING, 0, 0, 0, 0, 0, 0, 0, 0];
        self.ask(interface, &mut words)?;
        let [_, maximum, _, _, _, current, ..] = words;
        Ok(ReceiveRing { current, maximum })
    }

    /// How `interface` gives frames to its queues.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` for an interface that does not, or does not tell.
    pub fn hashing(&self, interface: &str) -> io::Result<Hashing> {
        // struct ethtool_rxfh: cmd, context, size of the table, size of the key, hash function with
        // input_xfrm, reserved; then table (words) and key (octets).
        let mut sizes = [GET_HASH, 0, 0, 0, 0, 0];
        self.ask(interface, &mut sizes)?;
        let [_, _, table, key, ..] = sizes;
        let (table, key) = (table.min(LARGEST_TABLE) as usize, key.min(LARGEST_KEY) as usize);
        let mut words = vec![0; HASH_HEADER_WORDS + table + key.div_ceil(4)];
        let (header, _) = words.split_at_mut(HASH_HEADER_WORDS);
        header.copy_from_slice(&[GET_HASH, 0, word(table)?, word(key)?, 0, 0]);
        self.ask(interface, &mut words)?;
        let input = words.get(4).map(|word| word.to_ne_bytes()[1]).unwrap_or_default();
        let octets = words.iter().skip(HASH_HEADER_WORDS + table).flat_map(|it| it.to_ne_bytes());
        Ok(Hashing { key: octets.take(key).collect(), symmetric_xor: input & SYMMETRIC_XOR != 0 })
    }

    /// Lets the driver answer in place of the question, whose first word is the command.
    ///
    /// Private: each caller gives as many words as the command has.
    fn ask(&self, interface: &str, words: &mut [u32]) -> io::Result<()> {
        let mut request =
            named_request(interface).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        let question: libc::c_ulong = SIOCETHTOOL;
        // SAFETY: `request` is live, and so are the words that it points to. What the kernel reads and
        // writes there is the structure of the command: two words for a value, nine for a ring, and for
        // a hash six and as many more as these say, which the callers above have set aside. With a size
        // of zero the kernel writes sizes only.
        let answer =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), question as _, &raw mut request) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn word(size: usize) -> io::Result<u32> {
    u32::try_from(size).map_err(io::Error::other)
}

// linux/sockios.h, linux/ethtool.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_RING: u32 = 0x10;
const GET_TSO: u32 = 0x1e;
const GET_FLAGS: u32 = 0x25;
const GET_GRO: u32 = 0x2b;
const GET_HASH: u32 = 0x46;
const FLAG_RX_VLAN: u32 = 1 << 8;
const FLAG_LRO: u32 = 1 << 15;
/// RXH_XFRM_SYM_XOR, and RXH_XFRM_SYM_OR_XOR (Linux 6.16).
const SYMMETRIC_XOR: u8 = 3;
const HASH_HEADER_WORDS: usize = 6;
/// Far above those of any driver.
const LARGEST_TABLE: u32 = 1 << 16;
const LARGEST_KEY: u32 = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_has_no_ring_is_an_error() {
        let ethtool = Ethtool::open().unwrap();
        assert_eq!(ethtool.offloads("not-there-1"), Offloads::default());
        assert!(ethtool.receive_ring("not-there-1").is_err());
        assert!(ethtool.hashing("sixteen_is_toobig").is_err());
        // The loopback interface has offloads, and neither ring nor queues to choose from.
        assert_eq!(ethtool.offloads("lo").lro, Some(false));
        assert!(ethtool.receive_ring("lo").is_err());
    }

    #[test]
    fn a_key_of_the_same_sixteen_bits_over_and_over_is_symmetric() {
        let hashing = |key: &[u8]| Hashing { key: key.to_vec(), symmetric_xor: false };
        assert_eq!(hashing(&[0x6d, 0x5a].repeat(20)).is_symmetric(), Some(true));
        // The key that Microsoft published and many drivers have.
        let usual = [0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2];
        assert_eq!(hashing(&usual).is_symmetric(), Some(false));
        assert_eq!(Hashing { symmetric_xor: true, ..hashing(&usual) }.is_symmetric(), Some(true));
        assert_eq!([hashing(&[]).is_symmetric(), hashing(&[0; 40]).is_symmetric()], [None, None]);
    }
}
