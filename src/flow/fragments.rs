//! Fragments: every one is counted, and credited to the Flow of the first fragment of its datagram.
//!
//! Only the first fragment carries ports. The table remembers them for the others; a fragment that
//! overtakes its first waits here as plain header values until the first comes or its time is up,
//! and is then accounted without ports. Nothing is reassembled and no payload is held.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::decode::{Address, Headers, IpVersion, PacketAnomaly};
use crate::flow::icmp;
use crate::time::Timestamp;

/// What is known of the datagrams that are arriving in fragments.
#[derive(Debug)]
pub(super) struct FragmentTable {
    datagrams: HashMap<DatagramKey, Datagram, RandomState>,
    /// Keys in the order of their first fragment, for timeouts and for room.
    by_age: VecDeque<(Timestamp, DatagramKey)>,
    waiting: usize,
}

/// What all fragments of one datagram have in common (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct DatagramKey {
    source: Address,
    destination: Address,
    identification: u32,
    protocol: u8,
    version: IpVersion,
    vlan: u16,
}

#[derive(Debug)]
struct Datagram {
    began: Timestamp,
    /// What the first fragment said, once it has come.
    transport: Option<Transport>,
    /// Octets covered so far, as disjoint ranges.
    covered: [Range; RANGES],
    ranges: usize,
    /// Octets of the whole, once the last fragment has come.
    total: Option<u32>,
    waiting: Vec<Headers>,
}

/// The parts of the Flow Key that only a first fragment has.
#[derive(Clone, Copy, Debug)]
struct Transport {
    protocol: u8,
    source_port: u16,
    destination_port: u16,
    icmp_type_code: u16,
}

#[derive(Clone, Copy, Debug, Default)]
struct Range {
    start: u32,
    end: u32,
}

/// What is to become of a fragment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It is complete now: account it.
    Account,
    /// It waits in the table for its first fragment.
    Wait,
}

impl FragmentTable {
    pub(super) fn new(hash: RandomState) -> Self {
        Self { datagrams: HashMap::with_hasher(hash), by_age: VecDeque::new(), waiting: 0 }
    }

    /// Takes one fragment in: completes its ports, or keeps it waiting. Fragments that waited for
    /// this one, or had to make room for it, go to `released`.
    pub(super) fn observe(&mut self, headers: &mut Headers, released: &mut Vec<Headers>) -> Fate {
        let Some(fragment) = headers.fragment else { return Fate::Account };
        let key = DatagramKey {
            source: headers.source,
            destination: headers.destination,
            identification: fragment.identification,
            // RFC 791 §3.2 tells datagrams apart by protocol too. In IPv6 a later fragment does not
            // know it: its Next Header may be an extension header that only the first carries.
            protocol: match headers.version {
                IpVersion::V4 => headers.protocol,
                IpVersion::V6 => 0,
            },
            version: headers.version,
            vlan: headers.vlan.outer_id(),
        };
        if !self.datagrams.contains_key(&key) {
            while self.datagrams.len() >= MAX_DATAGRAMS || self.by_age.len() >= MAX_REMEMBERED {
                self.release_oldest(released);
            }
            self.by_age.push_back((headers.at, key));
        }
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::begun(headers.at));
        if datagram.cover(fragment.offset, fragment.length) {
            headers.anomalies.insert(PacketAnomaly::FragmentOverlap);
        }
        if !fragment.more {
            datagram.total = Some(fragment.offset.saturating_add(fragment.length));
        }
        if fragment.offset == 0 {
            let transport = Transport {
                protocol: headers.protocol,
                source_port: headers.source_port,
                destination_port: headers.destination_port,
                icmp_type_code: headers.icmp_type_code,
            };
            datagram.transport = Some(transport);
            self.waiting -= datagram.waiting.len();
            for mut waited in datagram.waiting.drain(..) {
                transport.give_to(&mut waited);
                released.push(waited);
            }
        }
        let fate = match datagram.transport {
            Some(transport) => {
                transport.give_to(headers);
                Fate::Account
            }
            None if self.waiting < MAX_WAITING => {
                datagram.waiting.push(*headers);
                self.waiting += 1;
                Fate::Wait
            }
            None => {
                *headers = without_first(*headers);
                Fate::Account
            }
        };
        if datagram.is_complete() {
            // The identification may be used for another datagram from now on. Its entry in
            // `by_age` finds nothing, or a younger datagram, and is then passed over.
            self.datagrams.remove(&key);
        }
        fate
    }

    /// Gives up datagrams that began more than [`TIMEOUT`] before `now`.
    pub(super) fn expire(&mut self, now: Timestamp, released: &mut Vec<Headers>) {
        while let Some(&(began, _)) = self.by_age.front() {
            // A capture clock set back leaves entries from its future; they go by their number.
            if began <= now && now.since(began) < TIMEOUT {
                break;
            }
            if began > now && began.since(now) < TIMEOUT {
                break;
            }
            self.release_oldest(released);
        }
    }

    /// Releases everything that waits: the Metering Process is stopping.
    pub(super) fn flush(&mut self, released: &mut Vec<Headers>) {
        while !self.by_age.is_empty() {
            self.release_oldest(released);
        }
    }

    fn release_oldest(&mut self, released: &mut Vec<Headers>) {
        let Some((began, key)) = self.by_age.pop_front() else { return };
        if self.datagrams.get(&key).is_none_or(|datagram| datagram.began != began) {
            return;
        }
        if let Some(datagram) = self.datagrams.remove(&key) {
            self.waiting -= datagram.waiting.len();
            released.extend(datagram.waiting.into_iter().map(without_first));
        }
    }
}

impl Datagram {
    const fn begun(at: Timestamp) -> Self {
        Self {
            began: at,
            transport: None,
            covered: [Range { start: 0, end: 0 }; RANGES],
            ranges: 0,
            total: None,
            waiting: Vec::new(),
        }
    }

    /// Adds a range; returns whether it overlaps an earlier one. A datagram in more pieces than
    /// [`RANGES`] with gaps between them is no longer followed, only credited.
    fn cover(&mut self, offset: u32, length: u32) -> bool {
        let mut new = Range { start: offset, end: offset.saturating_add(length) };
        let mut overlaps = false;
        let mut kept = 0;
        for at in 0..self.ranges {
            let Some(&range) = self.covered.get(at) else { break };
            overlaps |= new.start < range.end && range.start < new.end;
            if new.start <= range.end && range.start <= new.end {
                new = Range { start: new.start.min(range.start), end: new.end.max(range.end) };
            } else if let Some(place) = self.covered.get_mut(kept) {
                *place = range;
                kept += 1;
            }
        }
        if let Some(place) = self.covered.get_mut(kept) {
            *place = new;
            kept += 1;
        }
        self.ranges = kept;
        overlaps
    }

    fn is_complete(&self) -> bool {
        match (self.total, self.covered.first()) {
            (Some(total), Some(range)) if self.ranges == 1 => {
                range.start == 0 && range.end >= total && self.transport.is_some()
            }
            _ => false,
        }
    }
}

impl Transport {
    const fn give_to(self, headers: &mut Headers) {
        headers.protocol = self.protocol;
        headers.source_port = self.source_port;
        headers.destination_port = self.destination_port;
        headers.icmp_type_code = self.icmp_type_code;
    }
}

/// A fragment whose first never came has no ports; an ICMP one must not pass for an echo.
const fn without_first(mut headers: Headers) -> Headers {
    if icmp::is_icmp(headers.version, headers.protocol) {
        headers.icmp_type_code = icmp::UNKNOWN_TYPE_CODE;
    }
    headers
}

/// A datagram whose fragments are further apart is given up.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Datagrams followed at once.
const MAX_DATAGRAMS: usize = 16_384;
/// Entries of `by_age`, those of completed datagrams included.
const MAX_REMEMBERED: usize = 4 * MAX_DATAGRAMS;
/// Fragments waiting at once for their first.
const MAX_WAITING: usize = 65_536;
/// Separate pieces of one datagram that are told apart.
const RANGES: usize = 8;
