//! What would leave, counted and dropped: for whoever wants to know how much it will be.
//!
//! Targets do all they do otherwise, up to the octets: the same records make the same Messages, and
//! the same frames of zstd. There is no session and no file behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::export::clock::Clock;
use crate::export::target::{Collector, Transport};
use crate::export::transport::{MINIMUM_MESSAGE_SIZE, Patience, SendError, Session};
use crate::ipfix::message::MESSAGE_HEADER_LENGTH;

/// Has targets count what they would send or write, and do neither: `Config::counting`.
#[derive(Clone, Debug, Default)]
pub struct Counting(Arc<Mutex<BTreeMap<String, Counter>>>);

impl Counting {
    /// What was counted of a Collector or file; it is called as it was written, with its options.
    pub fn of(&self, name: &str) -> Counted {
        self.counter(name).lock(|tally| tally.counted)
    }

    pub(crate) fn counter(&self, name: &str) -> Counter {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.entry(name.to_owned()).or_default().clone()
    }
}

/// How much would have left.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counted {
    /// Octets, all of them; compressed, if they would be.
    pub octets: u64,
    /// IPFIX Messages.
    pub messages: u64,
    /// Messages with Flow Records in them.
    pub flow_messages: u64,
    /// Octets of Data Sets of Flow Records, and of the headers of the Messages that they are in.
    pub flow_octets: u64,
    /// Octets of Template Sets, each that says the same once.
    pub template_octets: u64,
    /// Octets of everything else that describes records, and of the headers of its Messages.
    pub options_octets: u64,
}

/// What counts for one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<Mutex<Tally>>);

#[derive(Debug, Default)]
struct Tally {
    counted: Counted,
    /// Template Sets that were seen; those of all our layouts are some hundred.
    templates: BTreeSet<Vec<u8>>,
    /// Options Templates, by Observation Domain and ID.
    options: BTreeSet<(u32, u16)>,
}

impl Counter {
    fn lock<T>(&self, with: impl FnOnce(&mut Tally) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts octets that leave.
    pub(crate) fn count_octets(&self, octets: usize) {
        self.lock(|tally| tally.counted.octets += octets as u64);
    }

    /// Counts what a whole Message is made of.
    pub(crate) fn count_message(&self, message: &[u8]) {
        self.lock(|tally| tally.count(message));
    }
}

impl Tally {
    fn count(&mut self, message: &[u8]) {
        let Some((header, mut sets)) = message.split_first_chunk::<MESSAGE_HEADER_LENGTH>() else {
            return;
        };
        let &[.., a, b, c, d] = header;
        let domain = u32::from_be_bytes([a, b, c, d]);
        self.counted.messages += 1;
        let (mut flows, mut others) = (0, 0);
        while let Some(&[a, b, c, d]) = sets.first_chunk() {
            let (id, length) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let length = usize::from(length).max(SET_HEADER_LENGTH);
            let Some((set, rest)) = sets.split_at_checked(length) else { break };
            sets = rest;
            match id {
                TEMPLATE_SET => self.count_templates(set),
                OPTIONS_TEMPLATE_SET => {
                    self.learn_options(domain, set);
                    others += length;
                }
                _ if self.options.contains(&(domain, id)) => others += length,
                _ => flows += length,
            }
        }
        if flows > 0 {
            self.counted.flow_messages += 1;
            self.counted.flow_octets += (MESSAGE_HEADER_LENGTH + flows) as u64;
        } else {
            others += MESSAGE_HEADER_LENGTH;
        }
        self.counted.options_octets += others as u64;
    }

    fn count_templates(&mut self, set: &[u8]) {
        if self.templates.len() < MOST_TEMPLATES && self.templates.insert(set.to_vec()) {
            self.counted.template_octets += set.len() as u64;
        }
    }

    /// RFC 7011 §3.4.2.2: which IDs are those of Options Templates.
    fn learn_options(&mut self, domain: u32, set: &[u8]) {
        let mut rest = set.get(SET_HEADER_LENGTH..).unwrap_or_default();
        while let Some((&[a, b, c, d, _, _], fields)) = rest.split_first_chunk() {
            self.options.insert((domain, u16::from_be_bytes([a, b])));
            rest = fields;
            for _ in 0..u16::from_be_bytes([c, d]) {
                // The highest bit says that an enterprise number follows.
                let is_own = rest.first().is_some_and(|octet| octet & 0x80 != 0);
                rest = rest.get(if is_own { 8 } else { 4 }..).unwrap_or_default();
            }
        }
    }
}

/// A session with nobody, in which everything arrives.
#[derive(Debug)]
pub(crate) struct CountingSession {
    counter: Counter,
    message_size: usize,
    sent: u64,
}

impl CountingSession {
    /// A session as there would be one with `collector`; over a stream, Messages have as many octets
    /// as `stream_size` at most.
    pub(crate) fn new(collector: &Collector, counter: Counter, stream_size: usize) -> Self {
        let is_v6 = collector.host.parse::<Ipv6Addr>().is_ok();
        let ip_header = if is_v6 { 40 } else { 20 };
        let mtu = collector.options.mtu.map(usize::from);
        let message_size = match (collector.transport, mtu) {
            (Transport::Udp, mtu) => mtu.unwrap_or(ETHERNET_MTU).saturating_sub(ip_header + 8),
            // RFC 9260 §3.1, §3.3.1: with an MTU, one chunk in one packet.
            (Transport::Sctp, Some(mtu)) => stream_size.min(mtu.saturating_sub(ip_header + 28)),
            _ => stream_size,
        };
        Self { counter, message_size: message_size.max(MINIMUM_MESSAGE_SIZE), sent: 0 }
    }
}

impl Session for CountingSession {
    fn send(&mut self, message: &[u8], _: Patience<'_>) -> Result<(), SendError> {
        self.counter.count_octets(message.len());
        self.counter.count_message(message);
        self.sent += 1;
        Ok(())
    }

    fn look(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn delivered(&mut self) -> u64 {
        self.sent
    }

    fn delivered_at_end(&mut self) -> u64 {
        self.sent
    }

    fn close(&mut self, _: Duration, _: &dyn Clock) -> io::Result<()> {
        Ok(())
    }

    fn message_size(&self) -> usize {
        self.message_size
    }
}

/// RFC 7011 §3.3.2.
const TEMPLATE_SET: u16 = 2;
const OPTIONS_TEMPLATE_SET: u16 = 3;
const SET_HEADER_LENGTH: usize = 4;
/// More than all layouts under a policy that changes them.
const MOST_TEMPLATES: usize = 8_192;
/// Of a path of which nothing is known.
const ETHERNET_MTU: usize = 1_500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipfix::reader::build::{message, options_template, set, template};

    #[test]
    fn sets_are_told_apart_by_what_they_are_for() {
        let counter = Counter::default();
        // One scope field, one of an enterprise.
        let options = options_template(300, 1, &[(0, 149, 4), (4_660, 1, 8)]);
        let first = [template(256, &[(0, 4, 1)]), options, set(300, &[0; 12])];
        let flows = set(256, &[6; 10]);
        counter.count_message(&message(0, 1, &first));
        // The same Template again, and flows behind it.
        counter.count_message(&message(1, 1, &[first[0].clone(), flows.clone()]));
        // ID 300 of another Observation Domain is no Options Template.
        counter.count_message(&message(1, 2, &[set(300, &[0; 12])]));
        let Counted {
            messages, flow_messages, flow_octets, template_octets, options_octets, ..
        } = counter.lock(|tally| tally.counted);
        assert_eq!((messages, flow_messages), (3, 2));
        assert_eq!(flow_octets, (16 + flows.len() + 16 + 16) as u64);
        assert_eq!(template_octets, first[0].len() as u64);
        assert_eq!(options_octets, (16 + first[1].len() + first[2].len()) as u64);
    }

    #[test]
    fn messages_are_as_large_as_the_path_would_let_them_be() {
        let size = |target: &str| {
            let collector =
                target.parse::<crate::export::Target>().unwrap().collectors()[0].clone();
            CountingSession::new(&collector, Counter::default(), 16_384).message_size()
        };
        assert_eq!(size("udp://192.0.2.1"), 1_472);
        assert_eq!(size("udp://[2001:db8::1]"), 1_452);
        assert_eq!(size("udp://192.0.2.1?mtu=1400"), 1_372);
        assert_eq!([size("tcp://c"), size("sctp://c")], [16_384; 2]);
    }
}
