//! Packet sockets (packet(7)), receive side only: this module holds no call that sends.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use super::block_ring::BlockRing;
use super::mapping::Mapping;

/// A packet socket that sees whole frames, link-layer header first.
///
/// It is born deaf: no frame reaches it before [`PacketSocket::bind`].
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens a socket for no protocol at all, which receives nothing yet.
    ///
    /// # Errors
    ///
    /// `EPERM` without CAP_NET_RAW, among what socket(2) may say.
    pub fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket(2) takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is open, just made, and known to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd })
    }

    /// Gives the socket its receive ring and maps it.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the kernel cannot have that much, `EINVAL` for a geometry it does not take.
    pub fn receive_ring(&self, geometry: RingGeometry) -> io::Result<BlockRing> {
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
        // Nanoseconds by the system clock: that of records. Hardware stamps are of another.
        let stamps = libc::SOF_TIMESTAMPING_SOFTWARE;
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_TIMESTAMP, &stamps)?;
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_RX_RING, &geometry.request()?)?;
        let RingGeometry { block_octets, block_count, .. } = geometry;
        let mapping = Mapping::shared(self.as_fd(), geometry.octets())?;
        BlockRing::new(mapping, block_octets, block_count)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }

    /// Begins to receive every frame of the interface with that index.
    ///
    /// An interface that is down is bound as well; frames come when it goes up.
    ///
    /// # Errors
    ///
    /// `ENODEV` when there is no such interface.
    pub fn bind(&self, index: u32) -> io::Result<()> {
        receive_from(self.as_fd(), index)
    }

    /// Asks for frames that are not for this host, for as long as the socket lives.
    ///
    /// # Errors
    ///
    /// What the interface's driver says.
    pub fn join_promiscuous(&self, index: u32) -> io::Result<()> {
        let membership = libc::packet_mreq {
            mr_ifindex: signed(index)?,
            mr_type: PROMISCUOUS,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
    }

    /// Makes a fanout group of this bound socket, under an id that the kernel finds unused, and
    /// returns the id.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the socket is not bound (before Linux 6.13 also: not to an interface that is
    /// up).
    pub fn found_fanout(&self) -> io::Result<u16> {
        self.fanout(0, libc::PACKET_FANOUT_FLAG_UNIQUEID)?;
        let word: libc::c_int = option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_FANOUT)?;
        // The id in the low half, type and flags in the high one.
        let [low, high, ..] = word.to_le_bytes();
        Ok(u16::from_le_bytes([low, high]))
    }

    /// Joins this bound socket to the fanout group `id` of the same interface.
    ///
    /// # Errors
    ///
    /// `EINVAL` as in [`Self::found_fanout`], or when the group is of another interface.
    pub fn join_fanout(&self, id: u16) -> io::Result<()> {
        self.fanout(id, 0)
    }

    /// Members share frames by the kernel's own symmetric flow hash: both directions of a flow
    /// reach one member, unless its ring is full, when another takes over.
    ///
    /// PACKET_FANOUT_FLAG_DEFRAG is left out on purpose. It hands over a reassembled datagram in
    /// place of its fragments, so that packets and octets would no longer be those on the wire.
    /// Nor is it needed to keep fragments together: the symmetric hash of a fragment, the first one
    /// included, is over the addresses only (the flow dissector stops at a fragment before the
    /// ports), so all fragments of a datagram reach one member.
    fn fanout(&self, id: u16, extra: libc::c_uint) -> io::Result<()> {
        let flags = libc::PACKET_FANOUT_HASH
            | libc::PACKET_FANOUT_FLAG_ROLLOVER
            // A group has a hook of its own, on which the sockets' PACKET_IGNORE_OUTGOING has no
            // say. Kernels that do not know the flag ignore it.
            | libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING
            | extra;
        let type_flags = u16::try_from(flags).map_err(io::Error::other)?;
        // The option has taken one integer ever since; the struct with the member limit is newer.
        let word = u32::from(type_flags) << 16 | u32::from(id);
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_FANOUT, &word)
    }

    /// Frames since the last call: the kernel counts from zero again each time.
    ///
    /// # Errors
    ///
    /// None that a live socket is known to give.
    pub fn statistics(&self) -> io::Result<Arrivals> {
        let counters: libc::tpacket_stats_v3 =
            option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        let (arrived, dropped) = (u64::from(counters.tp_packets), u64::from(counters.tp_drops));
        Ok(Arrivals { stored: arrived.saturating_sub(dropped), dropped })
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What became of the frames that passed a socket's filter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Arrivals {
    /// Written to the ring.
    pub stored: u64,
    /// Dropped, for the ring was full.
    pub dropped: u64,
}

/// The shape of a receive ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RingGeometry {
    /// Octets of a block: a multiple of the page size.
    pub block_octets: usize,
    /// How many blocks.
    pub block_count: usize,
    /// After how many milliseconds the kernel hands over a block that is not full.
    pub retire_milliseconds: u32,
}

impl RingGeometry {
    /// Octets of the whole ring.
    pub const fn octets(&self) -> usize {
        self.block_octets.saturating_mul(self.block_count)
    }

    fn request(&self) -> io::Result<libc::tpacket_req3> {
        let word = |value: usize| libc::c_uint::try_from(value).map_err(io::Error::other);
        Ok(libc::tpacket_req3 {
            tp_block_size: word(self.block_octets)?,
            tp_block_nr: word(self.block_count)?,
            // Frames lie back to back in a block, whatever this says; the kernel only wants the
            // numbers to agree.
            tp_frame_size: word(NOMINAL_FRAME_OCTETS)?,
            tp_frame_nr: word(self.octets() / NOMINAL_FRAME_OCTETS)?,
            tp_retire_blk_tov: self.retire_milliseconds,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        })
    }
}

/// A classic BPF program, for the kernel to run on each frame.
#[derive(Clone, Debug)]
pub struct Program {
    instructions: Vec<libc::sock_filter>,
}

impl Program {
    /// The program that lets nothing pass.
    pub fn drop_everything() -> Self {
        Self::from_instructions([(RETURN_CONSTANT, 0, 0, 0)])
    }

    /// The program of these instructions: code, jump if true, jump if false, operand.
    pub fn from_instructions(instructions: impl IntoIterator<Item = (u16, u8, u8, u32)>) -> Self {
        let instruction = |(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k };
        Self { instructions: instructions.into_iter().map(instruction).collect() }
    }

    /// Puts the program before `socket`, in place of the one there, without a gap between them.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a program the kernel finds unsound, `ENOMEM` for one that is too long.
    pub fn attach(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: libc::c_ushort::try_from(self.instructions.len()).map_err(io::Error::other)?,
            // The kernel copies the instructions and does not write to them.
            filter: self.instructions.as_ptr().cast_mut(),
        };
        set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }
}

/// Makes packet socket `socket` receive every frame of the interface with that index.
///
/// # Errors
///
/// As [`PacketSocket::bind`].
pub fn receive_from(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain integers and octets, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = ADDRESS_FAMILY;
    address.sll_protocol = ALL_PROTOCOLS.to_be();
    address.sll_ifindex = signed(index)?;
    // SAFETY: `address` is a live sockaddr_ll and the length is its own.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of_socket_address(),
        )
    })
}

/// Takes the program from before `socket` away: everything passes.
///
/// # Errors
///
/// `ENOENT` when there is none.
pub fn detach_program(socket: BorrowedFd<'_>) -> io::Result<()> {
    let unused: libc::c_int = 0;
    set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &unused)
}

/// Spares packet socket `socket` the frames that this host sends.
///
/// # Errors
///
/// `ENOPROTOOPT` before Linux 4.20; such frames are then to be known by their packet type.
pub fn ignore_outgoing(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    set_option(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &on)
}

/// Takes the error that waits on `socket`, if any: `ENETDOWN` after its interface went down.
pub fn take_error(socket: BorrowedFd<'_>) -> Option<io::Error> {
    let code: libc::c_int = option(socket, libc::SOL_SOCKET, libc::SO_ERROR).ok()?;
    (code != 0).then(|| io::Error::from_raw_os_error(code))
}

/// The interface that packet socket `socket` is bound to; none once that is gone for good.
///
/// The kernel unbinds the sockets of a deleted interface, so this holds even if another
/// one has its name or number by now.
///
/// # Errors
///
/// None that a live packet socket is known to give.
pub fn bound_interface(socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    // SAFETY: sockaddr_ll is plain integers and octets, for which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length = size_of_socket_address();
    // SAFETY: `address` and `length` are live and ours, and the kernel writes at most `length`
    // octets, which is the size of `address`.
    check(unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            std::ptr::from_mut(&mut address).cast(),
            &raw mut length,
        )
    })?;
    Ok(u32::try_from(address.sll_ifindex).ok().filter(|&index| index != 0))
}

fn set_option<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `length` octets from `value`, which is exactly a live `T`; what a
    // `T` may point to (the instructions of a program) outlives the call at its one caller.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
    })
}

/// Reads an option whose value is plain integers.
fn option<T: PlainIntegers>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<T> {
    let mut value = T::ZERO;
    let mut length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` octets to `value`, which is exactly a live `T`
    // that any octets are a value of.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut length,
        )
    })?;
    Ok(value)
}

/// Types that any octets are a value of.
trait PlainIntegers {
    const ZERO: Self;
}

impl PlainIntegers for libc::c_int {
    const ZERO: Self = 0;
}

impl PlainIntegers for libc::tpacket_stats_v3 {
    const ZERO: Self = Self { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn signed(index: u32) -> io::Result<libc::c_int> {
    libc::c_int::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}

#[expect(clippy::cast_possible_truncation, reason = "twenty octets")]
const fn size_of_socket_address() -> libc::socklen_t {
    size_of::<libc::sockaddr_ll>() as libc::socklen_t
}

#[expect(clippy::cast_possible_truncation, reason = "17")]
const ADDRESS_FAMILY: libc::sa_family_t = libc::AF_PACKET as libc::sa_family_t;
#[expect(clippy::cast_possible_truncation, reason = "3")]
const ALL_PROTOCOLS: u16 = libc::ETH_P_ALL as u16;
#[expect(clippy::cast_possible_truncation, reason = "1")]
const PROMISCUOUS: libc::c_ushort = libc::PACKET_MR_PROMISC as libc::c_ushort;
/// BPF_RET | BPF_K: how many octets of the frame pass.
#[expect(clippy::cast_possible_truncation, reason = "6")]
const RETURN_CONSTANT: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const NOMINAL_FRAME_OCTETS: usize = 2048;
