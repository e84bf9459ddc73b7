//! One packet socket with its ring: how it is set up, read and balanced.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::capture::live::Cut;
use crate::capture::live::LiveConfig;
use crate::capture::live::ObservationPoint;
use crate::capture::live::RETIRE_MILLISECONDS;
use crate::capture::screen::Screen;
use crate::capture::truncation::Reach;
use crate::frame::Frame;
use crate::frame::StrippedVlan;
use crate::sys::block::BlockFrame;
use crate::sys::block::Frames;
use crate::sys::block::Position;
use crate::sys::block_ring::BlockRing;
use crate::sys::packet_socket;
use crate::sys::packet_socket::Arrivals;
use crate::sys::packet_socket::PacketSocket;
use crate::sys::packet_socket::Program;
use crate::sys::packet_socket::RingGeometry;
use crate::time::Timestamp;

/// A worker's ring on an interface.
#[derive(Debug)]
pub(super) struct Ring {
    socket: PacketSocket,
    blocks: BlockRing,
    reach: Reach,
    /// Where to go on in the front block, when it was not read to its end.
    position: Option<Position>,
    /// Frames the kernel wrote and dropped, so far as it has been asked.
    arrivals: Arrivals,
    /// Frames read, of those written.
    read: u64,
    /// Frames written that will never be read: a block promised them and did not hold them.
    missing: u64,
}

impl Ring {
    /// Opens a ring on the interface numbered `index` and makes it a member of `group`.
    ///
    /// Nothing is let in yet.
    ///
    /// # Errors
    ///
    /// What is wrong and what to do about it, in a few words.
    pub(super) fn open(
        config: &RingConfig,
        index: u32,
        group: Option<&Mutex<FanoutGroup>>,
    ) -> Result<Self, String> {
        let socket = Self::socket()?;
        // From here to `let_in` nothing passes, whatever the socket is bound to.
        Program::drop_everything().attach(socket.as_fd()).map_err(plain("attaching a filter"))?;
        let octets = config.geometry.octets();
        let blocks =
            socket.receive_ring(config.geometry).map_err(|error| match error.raw_os_error() {
                Some(libc::ENOMEM) => format!("no memory for a ring of {octets} octets"),
                _ => plain("setting up the ring")(error),
            })?;
        if config.promiscuous {
            socket.join_promiscuous(index).map_err(plain("entering promiscuous mode"))?;
        }
        // Kernels that cannot do it mark such frames instead, and `lend` leaves them out.
        let _ = packet_socket::ignore_outgoing(socket.as_fd());
        socket.bind(index).map_err(plain("binding to the interface"))?;
        if let Some(group) = group {
            // A poisoned lock holds a whole group all the same: it is written in one go.
            let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
            group.add(&socket, index).map_err(plain("joining the workers' fanout group"))?;
        }
        let arrivals = Arrivals::default();
        let reach = config.reach;
        Ok(Self { socket, blocks, reach, position: None, arrivals, read: 0, missing: 0 })
    }

    /// Opens a packet socket that receives nothing.
    ///
    /// # Errors
    ///
    /// What is wrong and what to do about it, in a few words.
    pub(super) fn socket() -> Result<PacketSocket, String> {
        PacketSocket::open().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => String::from(NEEDS_PRIVILEGE),
            _ => plain("opening a packet socket")(error),
        })
    }

    /// Lets frames in: those that pass the filter of `screen`. Says where their payload is cut off.
    ///
    /// # Errors
    ///
    /// What is wrong, in a few words.
    pub(super) fn let_in(&self, screen: &Screen) -> Result<Cut, String> {
        // Until now nothing passed, so nothing was counted. Should a kernel see that otherwise, its
        // count from before is not of our frames.
        let _ = self.socket.statistics();
        screen.attach(self.socket.as_fd()).map_err(plain("attaching the filter"))
    }

    /// Puts another screen in place of the one that lets frames in. The kernel exchanges them in one
    /// step; what it has counted stays.
    ///
    /// # Errors
    ///
    /// What the kernel says of it; the old one is in force then.
    pub(super) fn replace_screen(&self, screen: &Screen) -> Result<Cut, String> {
        screen.attach(self.socket.as_fd()).map_err(plain("attaching the filter"))
    }

    /// Lets nothing in any more.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory for the one instruction it takes.
    pub(super) fn let_nothing_in(&self) -> io::Result<()> {
        Program::drop_everything().attach(self.socket.as_fd())
    }

    /// When the next frame at hand was observed.
    pub(super) fn next_time(&mut self) -> Option<Timestamp> {
        loop {
            let block = self.blocks.front()?;
            let frames = walk(block.octets(), self.position);
            if let Some((seconds, nanoseconds)) = frames.next_time() {
                block.keep();
                return Some(Timestamp::from_parts(u64::from(seconds), nanoseconds));
            }
            // Dropping the block returns it to the kernel.
            self.missing += u64::from(frames.left());
            self.position = None;
        }
    }

    /// Lends up to `max` frames of the front block, but after the first none later than `horizon`.
    pub(super) fn lend<F: FnMut(Frame<'_>)>(
        &mut self,
        max: usize,
        horizon: Timestamp,
        point: &ObservationPoint,
        each: &mut F,
    ) -> Taken {
        let mut taken = Taken::default();
        let Some(block) = self.blocks.front() else { return taken };
        let mut frames = walk(block.octets(), self.position.take());
        let resume = loop {
            let here = frames.position();
            if taken.count == max {
                break Some(here);
            }
            let Some(found) = frames.next() else { break None };
            let frame = frame(&found, point);
            if frame.at > horizon && taken.count > 0 {
                break Some(here);
            }
            self.read += 1;
            if !found.outgoing {
                taken.count += 1;
                taken.clock = taken.clock.max(frame.at);
                point.lend(frame, self.reach, each);
            }
        };
        let left = frames.left();
        match resume {
            Some(position) if position.left() > 0 => {
                self.position = Some(position);
                block.keep();
            }
            _ => self.missing += u64::from(left),
        }
        taken
    }

    /// Whether a single block is a small part of the ring.
    pub(super) const fn has_many_blocks(&self) -> bool {
        self.blocks.count() >= FEW_BLOCKS
    }

    /// Whether every frame that the kernel wrote has been read.
    pub(super) fn is_drained(&mut self) -> bool {
        self.refresh();
        self.read + self.missing >= self.arrivals.stored
    }

    /// Frames that were for this ring and never came out of it, since it was opened.
    pub(super) fn lost(&mut self) -> u64 {
        self.refresh();
        self.arrivals.dropped + self.missing
    }

    /// Gives up what has not been read: it counts as lost.
    pub(super) fn abandon(&mut self) {
        self.refresh();
        self.missing += self.arrivals.stored.saturating_sub(self.read + self.missing);
    }

    /// Asks the kernel for its counters, which are 32 bits wide: not to be put off for hours.
    pub(super) fn refresh(&mut self) {
        if let Ok(Arrivals { stored, dropped }) = self.socket.statistics() {
            self.arrivals.stored += stored;
            self.arrivals.dropped += dropped;
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What was lent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// How many frames.
    pub(super) count: usize,
    /// The latest time among them.
    pub(super) clock: Timestamp,
}

/// How rings are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingConfig {
    geometry: RingGeometry,
    promiscuous: bool,
    reach: Reach,
}

impl RingConfig {
    /// Divides the memory by workers, and that of a worker by its interfaces.
    pub(super) fn new(config: &LiveConfig) -> Self {
        let least = SMALLEST_SHARE.min(config.ring_octets);
        let share = (config.ring_octets / config.workers.max(1)).max(least);
        let share = share / config.interfaces.len().max(1);
        let LiveConfig { promiscuous, reach, .. } = *config;
        Self { geometry: geometry(share), promiscuous, reach }
    }
}

/// Large blocks for few hand-overs, but enough of them that one being read is a small part.
fn geometry(octets: usize) -> RingGeometry {
    let mut block_octets = LARGEST_BLOCK;
    while block_octets > SMALLEST_BLOCK && octets / block_octets < FEW_BLOCKS {
        block_octets /= 2;
    }
    // The kernel counts the octets of a ring in 32 bits.
    let most = (u32::MAX as usize) / block_octets;
    let block_count = (octets / block_octets).clamp(2, most);
    RingGeometry { block_octets, block_count, retire_milliseconds: u32::from(RETIRE_MILLISECONDS) }
}

/// The sockets that share the frames of an interface.
#[derive(Debug, Default)]
pub(super) struct FanoutGroup {
    /// The number of the interface, and the id of the group on it.
    on: Option<(u32, u16)>,
}

impl FanoutGroup {
    /// Adds `socket`, bound to the interface numbered `index`; the first one there founds the
    /// group.
    fn add(&mut self, socket: &PacketSocket, index: u32) -> io::Result<()> {
        match self.on {
            Some((of, id)) if of == index => socket.join_fanout(id),
            // A group stays with its interface, also in death: the interface made again under the
            // same name needs a new one.
            _ => {
                self.on = Some((index, socket.found_fanout()?));
                Ok(())
            }
        }
    }
}

fn walk(block: &[u8], position: Option<Position>) -> Frames<'_> {
    match position {
        Some(position) => Frames::resume(block, position),
        None => Frames::begin(block),
    }
}

fn frame<'b>(found: &BlockFrame<'b>, point: &ObservationPoint) -> Frame<'b> {
    let BlockFrame { bytes, wire_length, seconds, nanoseconds, stripped_tag, outgoing: _ } = *found;
    let stripped_vlan = stripped_tag.map(|(tpid, tci)| StrippedVlan { tpid, tci });
    // The kernel's length is without the tag; on the wire the tag was there.
    let stripped_octets = if stripped_vlan.is_some() { VLAN_TAG_OCTETS } else { 0 };
    Frame {
        bytes,
        wire_length: wire_length.saturating_add(stripped_octets),
        at: Timestamp::from_parts(u64::from(seconds), nanoseconds),
        link_type: point.link_type,
        interface: point.index,
        stripped_vlan,
    }
}

/// Says what was tried when the system refused.
fn plain(trying: &'static str) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{trying}: {error}")
}

/// What to do about a missing privilege.
pub(super) const NEEDS_PRIVILEGE: &str = "permission denied: needs CAP_NET_RAW (run as root, or \
    `setcap cap_net_raw+ep` the program)";
/// However many workers there are, one may meet a large flow.
const SMALLEST_SHARE: usize = 32 << 20;
const VLAN_TAG_OCTETS: u32 = 4;
const LARGEST_BLOCK: usize = 1 << 20;
/// Holds the largest frame the kernel passes up by default, a merged one of 64 KiB, twice.
const SMALLEST_BLOCK: usize = 1 << 17;
const FEW_BLOCKS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_stay_within_their_memory() {
        let shape = |octets| {
            let RingGeometry { block_octets, block_count, .. } = geometry(octets);
            (block_octets, block_count)
        };
        assert_eq!(shape(64 << 20), (1 << 20, 64));
        assert_eq!(shape(16 << 20), (1 << 20, 16));
        assert_eq!(shape((16 << 20) - 1), (1 << 19, 31));
        assert_eq!(shape(1 << 20), (1 << 17, 8));
        assert_eq!(shape(0), (1 << 17, 2), "the least there can be");
        assert_eq!(shape(usize::MAX), (1 << 20, 4095), "the most the kernel takes");
        for octets in [1 << 18, 3_000_000, 50_000_000, 123_456_789] {
            assert!(geometry(octets).octets() <= octets, "{octets}");
        }
    }

    #[test]
    fn workers_share_the_memory_and_each_has_enough() {
        let of_a_worker = |ring_octets, workers, interfaces| {
            let interfaces = vec![String::from("eth0"); interfaces];
            let config = LiveConfig { ring_octets, workers, interfaces, ..LiveConfig::default() };
            RingConfig::new(&config).geometry.octets()
        };
        for (workers, octets) in [(1, 128 << 20), (2, 64 << 20), (4, 32 << 20), (64, 32 << 20)] {
            assert_eq!(of_a_worker(128 << 20, workers, 1), octets, "{workers} workers");
        }
        assert_eq!(of_a_worker(128 << 20, 2, 2), 32 << 20);
        assert_eq!(of_a_worker(1 << 20, 2, 1), 1 << 20, "not more than was asked for");
    }

    #[test]
    fn a_stripped_tag_counts_as_octets_on_the_wire() {
        let point = ObservationPoint {
            index: 3,
            name: String::from("eth0"),
            link_type: crate::frame::LinkType::Ethernet,
            cut: Cut::InKernel,
        };
        let found = BlockFrame {
            bytes: &[0; 60],
            wire_length: 60,
            seconds: 2,
            nanoseconds: 1,
            stripped_tag: None,
            outgoing: false,
        };
        assert_eq!(frame(&found, &point).wire_length, 60);
        let tagged = BlockFrame { stripped_tag: Some((0x88a8, 0x6005)), ..found };
        let tagged = frame(&tagged, &point);
        assert_eq!((tagged.wire_length, tagged.bytes.len(), tagged.interface), (64, 60, 3));
        assert_eq!(tagged.stripped_vlan, Some(StrippedVlan { tpid: 0x88a8, tci: 0x6005 }));
        assert_eq!(tagged.at, Timestamp::from_nanos(2_000_000_001));
    }
}
