//! Frames as tests put them on a wire: only what a capture looks at is filled in.

/// A UDP packet of `length` octets, link layer included, that carries `id`; eight destination
/// ports, and one flow for each of 20,000 ids.
pub(crate) fn udp(id: u32, length: usize) -> Vec<u8> {
    let id_octets = id.to_be_bytes();
    let source_port = u16::try_from(20_000 + id % 20_000).expect("below 40,000").to_be_bytes();
    let destination_port = u16::try_from(1000 + id % 8).expect("below 1008").to_be_bytes();
    let mut frame = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 1, 0, length);
    frame.splice(34..36, source_port);
    frame.splice(36..38, destination_port);
    let udp_length = u16::try_from(length - 34).expect("a frame");
    frame.splice(38..40, udp_length.to_be_bytes());
    // In the source's address: what follows the headers is not captured.
    frame.splice(8..12, id_octets);
    assert_eq!(frame.len(), length);
    frame
}

/// An Ethernet frame of `length` octets with an IPv4 header, UDP by number, and zeros.
fn ipv4(
    source: [u8; 4],
    destination: [u8; 4],
    identification: u16,
    fragment: u16,
    length: usize,
) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00];
    frame.extend([0x45, 0]);
    frame.extend(u16::try_from(length - 14).expect("a frame").to_be_bytes());
    frame.extend(identification.to_be_bytes());
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, 17, 0, 0]);
    frame.extend(source);
    frame.extend(destination);
    frame.resize(length, 0);
    frame
}

/// The same packet the other way.
pub(crate) fn answer(frame: &[u8]) -> Vec<u8> {
    let part = |range: std::ops::Range<usize>| frame.get(range).expect("a whole header");
    let parts = [
        part(6..12),
        part(0..6),
        part(12..26),
        part(30..34),
        part(26..30),
        part(36..38),
        part(34..36),
        part(38..frame.len()),
    ];
    parts.concat()
}

/// The three fragments of a UDP datagram of 4,008 octets; every datagram has its own addresses.
pub(crate) fn fragments(datagram: u16) -> [Vec<u8>; 3] {
    const MORE: u16 = 0x2000;
    let [high, low] = datagram.to_be_bytes();
    let fragment = |flags, length: usize| {
        ipv4([10, 1, high, low], [10, 2, low, high], datagram, flags, 34 + length)
    };
    let mut first = fragment(MORE, 1480);
    // Ports, which the others do not have.
    first.splice(34..38, [high, low, 0, 53]);
    [first, fragment(MORE | 185, 1480), fragment(370, 1048)]
}

pub(crate) fn with_tag(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &tpid.to_be_bytes(), &tci.to_be_bytes(), rest].concat()
}

/// An ARP request.
pub(crate) fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.resize(60, 0);
    frame
}
