//! A small writer of captures, right and wrong ones.

/// The byte order of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Big,
    Little,
}

pub(super) const ORDERS: [Order; 2] = [Order::Big, Order::Little];

impl Order {
    pub(super) fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn u64(self, value: u64) -> [u8; 8] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }
}

pub(super) const MICROSECONDS: u32 = 0xa1b2_c3d4;
pub(super) const NANOSECONDS: u32 = 0xa1b2_3c4d;
pub(super) const MODIFIED: u32 = 0xa1b2_cd34;
pub(super) const IXIA_HARDWARE: u32 = 0x1c00_01ac;
pub(super) const IXIA_SOFTWARE: u32 = 0x1c00_01ab;

/// A pcap file header of Ethernet, version 2.4.
pub(super) fn pcap_header(order: Order, magic: u32) -> Vec<u8> {
    pcap_header_of(order, magic, (2, 4), 1)
}

pub(super) fn pcap_header_of(
    order: Order,
    magic: u32,
    (major, minor): (u16, u16),
    network: u32,
) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend(order.u16(major));
    file.extend(order.u16(minor));
    file.extend(order.words(&[0, 0, 65_535, network]));
    if matches!(magic, IXIA_HARDWARE | IXIA_SOFTWARE) {
        file.extend(order.u32(1_234));
    }
    file
}

/// A record: seconds, fraction, captured and original length as given, then the packet.
pub(super) fn record(order: Order, header: [u32; 4], packet: &[u8]) -> Vec<u8> {
    let mut record = order.words(&header);
    record.extend(packet);
    record
}

/// A record of the "modified" variant.
pub(super) fn modified_record(order: Order, header: [u32; 4], packet: &[u8]) -> Vec<u8> {
    let mut record = order.words(&header);
    record.extend([0xee; 8]);
    record.extend(packet);
    record
}

/// A little-endian microsecond capture with a packet of each length, one a second from 1,000 on;
/// with the offsets of the records and of the end.
pub(super) fn pcap_of(lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
    let mut file = pcap_header(Order::Little, MICROSECONDS);
    let mut offsets = vec![file.len()];
    for (index, length) in (0_u32..).zip(lengths) {
        let captured = u32::try_from(*length).unwrap();
        let header = [1_000 + index, 7, captured, captured + 100];
        file.extend(record(Order::Little, header, &packet(*length)));
        offsets.push(file.len());
    }
    (file, offsets)
}

/// Octets that look random, so that they do not pack well; the same for the same length.
pub(super) fn packet(length: usize) -> Vec<u8> {
    let mut state = length as u64;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A block, padded, with its length before and behind.
pub(super) fn block(order: Order, block_type: u32, body: &[u8]) -> Vec<u8> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = u32::try_from(body.len() + padding + 12).unwrap();
    let mut block = order.words(&[block_type, length]);
    block.extend(body);
    block.extend(vec![0; padding]);
    block.extend(order.u32(length));
    block
}

pub(super) fn section(order: Order) -> Vec<u8> {
    section_of(order, (1, 0), &[])
}

pub(super) fn section_of(order: Order, (major, minor): (u16, u16), options: &[u8]) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(major));
    body.extend(order.u16(minor));
    body.extend(order.u64(u64::MAX));
    body.extend(options);
    block(order, 0x0a0d_0d0a, &body)
}

pub(super) fn interface(order: Order, link_type: u16, snap_length: u32, options: &[u8]) -> Vec<u8> {
    let mut body = order.u16(link_type).to_vec();
    body.extend([0, 0]);
    body.extend(order.u32(snap_length));
    body.extend(options);
    block(order, 1, &body)
}

pub(super) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = order.u16(code).to_vec();
    option.extend(order.u16(u16::try_from(value.len()).unwrap()));
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

pub(super) fn enhanced(order: Order, interface: u32, ticks: u64, packet: &[u8]) -> Vec<u8> {
    let captured = u32::try_from(packet.len()).unwrap();
    enhanced_of(order, interface, ticks, [captured, captured + 100], packet, &[])
}

pub(super) fn enhanced_of(
    order: Order,
    interface: u32,
    ticks: u64,
    [captured, original]: [u32; 2],
    packet: &[u8],
    options: &[u8],
) -> Vec<u8> {
    let [high, low] = time(ticks);
    let mut body = order.words(&[interface, high, low, captured, original]);
    body.extend(packet);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    block(order, 6, &body)
}

pub(super) fn obsolete(order: Order, interface: u16, ticks: u64, packet: &[u8]) -> Vec<u8> {
    let captured = u32::try_from(packet.len()).unwrap();
    let mut body = order.u16(interface).to_vec();
    body.extend(order.u16(3));
    let [high, low] = time(ticks);
    body.extend(order.words(&[high, low, captured, captured + 100]));
    body.extend(packet);
    block(order, 2, &body)
}

pub(super) fn simple(order: Order, original: u32, packet: &[u8]) -> Vec<u8> {
    let mut body = order.u32(original).to_vec();
    body.extend(packet);
    block(order, 3, &body)
}

pub(super) fn statistics(order: Order, interface: u32, options: &[u8]) -> Vec<u8> {
    let mut body = order.words(&[interface, 0, 0]);
    body.extend(options);
    block(order, 5, &body)
}

/// The upper and the lower half of a time.
fn time(ticks: u64) -> [u32; 2] {
    [ticks >> 32, ticks & 0xffff_ffff].map(|half| half.try_into().unwrap())
}
