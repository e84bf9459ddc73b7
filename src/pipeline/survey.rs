//! A look at live traffic for some seconds: is what arrives what a probe should see? Nothing is exported,
//! and nothing is left of it but counts.

use std::hash::RandomState;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::{CaptureError, Drops, Polled};
use crate::decode::{self, Identity};
use crate::flow::{self, Batch, FlowCache, Seed, Turn};
use crate::frame::Frame;
use crate::pipeline::symptoms::{Suspects, SymptomCounts};
use crate::pipeline::{LiveFrames, now};
use crate::time::Timestamp;

/// How long to look, and for what.
#[derive(Clone, Debug)]
pub struct SurveyConfig {
    /// How long.
    pub duration: Duration,
    /// How frames are decoded.
    pub decode: decode::Config,
    /// What to look for in records.
    pub suspects: Suspects,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Survey {
    /// Frames by the number of their interface.
    pub frames: Vec<(u32, u64)>,
    /// Octets on the wire.
    pub octets: u64,
    /// Frames whose VLAN tag the interface had taken out.
    pub stripped_tags: u64,
    /// Packets that could be told from others.
    pub compared_packets: u64,
    /// Those of them that came a second time within milliseconds, with the same Time to Live or one less.
    pub duplicates: u64,
    /// Flows that began in the second half, a second.
    pub new_flows_per_second: f64,
    /// What records tell; the drops as well.
    pub counts: SymptomCounts,
    /// What went wrong.
    pub errors: Vec<CaptureError>,
}

/// Looks at what `sources` bring, each in a thread of its own; `during` is called in this one when half
/// of the time is over.
pub fn survey<S: LiveFrames>(
    sources: Vec<S>,
    config: &SurveyConfig,
    during: impl FnOnce(),
) -> Survey {
    let cache = FlowCache::new(flow::Config {
        // One record a Flow: it is to be seen from its beginning to the end.
        active_timeout: FOR_EVER,
        idle_timeout: FOR_EVER,
        max_flows: MOST_FLOWS,
        vlan_key: false,
        seed: Seed::Random { first_flow_id: 0 },
        live_workers: sources.len(),
        ..flow::Config::default()
    });
    let half = config.duration / 2;
    let until = now() + config.duration;
    let mut survey = Survey::default();
    let mut halfway = Timestamp::MAX;
    let mut clock = Timestamp::EPOCH;
    thread::scope(|scope| {
        let look = |source| {
            let observer = Observer::new(&cache, config);
            scope.spawn(move || observer.run(source, until, half))
        };
        let threads: Vec<_> = sources.into_iter().map(look).collect();
        thread::sleep(half);
        during();
        for share in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            survey.add(share.survey);
            clock = clock.max(share.clock);
            halfway = halfway.min(share.halfway.unwrap_or(Timestamp::MAX));
        }
    });
    let mut begun = 0_u32;
    cache.flush(clock, |records| {
        for record in &records {
            survey.counts.look_at(record, &config.suspects);
            let first = [record.forward, record.reverse]
                .iter()
                .filter(|direction| direction.packets > 0)
                .map(|direction| direction.first)
                .min();
            begun += u32::from(first.is_some_and(|first| first >= halfway));
        }
    });
    survey.new_flows_per_second = f64::from(begun) / half.as_secs_f64().max(1e-3);
    survey
}

impl Survey {
    /// Frames of all interfaces.
    pub fn packets(&self) -> u64 {
        self.frames.iter().map(|(_, count)| count).sum()
    }

    fn add(&mut self, other: Self) {
        let Self {
            frames,
            octets,
            stripped_tags,
            compared_packets,
            duplicates,
            counts,
            errors,
            ..
        } = other;
        for (interface, count) in frames {
            count_frames(&mut self.frames, interface, count);
        }
        self.octets += octets;
        self.stripped_tags += stripped_tags;
        self.compared_packets += compared_packets;
        self.duplicates += duplicates;
        self.counts.received_packets += counts.received_packets;
        self.counts.kernel_dropped_packets += counts.kernel_dropped_packets;
        self.counts.interface_dropped_packets += counts.interface_dropped_packets;
        self.counts.flows += counts.flows;
        self.errors.extend(errors);
    }
}

/// What one thread brings home.
struct Share {
    survey: Survey,
    /// The latest packet.
    clock: Timestamp,
    /// The latest packet when half of the time was over.
    halfway: Option<Timestamp>,
}

/// One thread.
struct Observer<'a> {
    cache: &'a FlowCache,
    config: &'a SurveyConfig,
    batch: Batch,
    recent: Recent,
    survey: Survey,
}

impl<'a> Observer<'a> {
    fn new(cache: &'a FlowCache, config: &'a SurveyConfig) -> Self {
        let (batch, recent) = (Batch::default(), Recent::default());
        Self { cache, config, batch, recent, survey: Survey::default() }
    }

    fn run(mut self, mut source: impl LiveFrames, until: Instant, half: Duration) -> Share {
        let mut stopped = false;
        let mut clock = Timestamp::EPOCH;
        let mut halfway = None;
        loop {
            let at = now();
            if at >= until && !stopped {
                source.stop();
                stopped = true;
            }
            if halfway.is_none() && until.saturating_duration_since(at) <= half {
                halfway = Some(clock);
            }
            match source.poll(BLOCK, PATIENCE, |frame| self.observe(&frame)) {
                Ok(Polled::Frames { clock: latest, .. }) => clock = clock.max(latest),
                Ok(Polled::End) => break,
                Err(error) => {
                    self.survey.errors.push(error);
                    break;
                }
            }
            self.meter();
        }
        self.meter();
        let Drops { kernel, interface } = source.drops();
        self.survey.counts.kernel_dropped_packets = kernel;
        self.survey.counts.interface_dropped_packets = interface;
        Share { survey: self.survey, clock, halfway }
    }

    fn observe(&mut self, frame: &Frame<'_>) {
        let survey = &mut self.survey;
        survey.counts.received_packets += 1;
        survey.octets += u64::from(frame.wire_length);
        survey.stripped_tags += u64::from(frame.stripped_vlan.is_some());
        count_frames(&mut survey.frames, frame.interface, 1);
        if let Some(identity) = decode::identity(frame, &self.recent.key) {
            survey.compared_packets += 1;
            survey.duplicates += u64::from(self.recent.has_seen(identity, frame.at));
        }
        // What cannot be decoded is counted in a ledger, of which there is none here.
        let _ = self.cache.enqueue_with(&mut self.batch, |headers| {
            decode::decode_into(frame, self.config.decode, headers)
        });
        if self.batch.len() >= BATCH {
            self.meter();
        }
    }

    fn meter(&mut self) {
        let mut expired = Vec::new();
        self.cache.meter(&mut self.batch, Turn::Any, None, &mut expired);
        for record in &expired {
            self.survey.counts.look_at(record, &self.config.suspects);
        }
    }
}

/// Packets of the last milliseconds, each by a number that says nothing of it to anybody else.
struct Recent {
    key: RandomState,
    /// By the low bits of the hash; the latest packet stays.
    places: Vec<Option<(Identity, Timestamp)>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { key: RandomState::new(), places: vec![None; PLACES] }
    }
}

impl Recent {
    /// Whether this packet, or the same before or behind a router, came just now. Remembers it.
    fn has_seen(&mut self, identity: Identity, at: Timestamp) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        let place = self.places.get_mut(identity.hash as usize % PLACES);
        let Some((before, since)) = place.and_then(|place| place.replace((identity, at))) else {
            return false;
        };
        before.hash == identity.hash
            && before.ttl.abs_diff(identity.ttl) <= 1
            && at.as_nanos().abs_diff(since.as_nanos()) <= SOON.as_nanos().try_into().unwrap_or(0)
    }
}

fn count_frames(frames: &mut Vec<(u32, u64)>, interface: u32, more: u64) {
    match frames.iter_mut().find(|(known, _)| *known == interface) {
        Some((_, count)) => *count += more,
        None => frames.push((interface, more)),
    }
}

/// Both copies of a packet leave a switch at once; no sender repeats itself so soon.
const SOON: Duration = Duration::from_millis(10);
/// At a million packets a second and thread, those of the last 65 ms.
const PLACES: usize = 1 << 16;
const BLOCK: usize = 4096;
const BATCH: usize = 512;
const PATIENCE: Duration = Duration::from_millis(20);
const MOST_FLOWS: usize = 500_000;
const FOR_EVER: Duration = Duration::from_secs(1 << 31);

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    #[test]
    fn a_packet_is_seen_twice_within_milliseconds_and_one_hop_only() {
        let mut recent = Recent::default();
        let packet = |hash, ttl| Identity { hash, ttl };
        let mut has_seen = |identity, milliseconds: u64| {
            recent.has_seen(identity, Timestamp::from_nanos(milliseconds * MILLISECOND))
        };
        assert!(!has_seen(packet(1, 64), 1000));
        assert!(has_seen(packet(1, 64), 1001), "the other end of a SPAN");
        assert!(has_seen(packet(1, 63), 1005), "behind a router");
        assert!(!has_seen(packet(1, 61), 1006), "a loop, or another packet");
        assert!(!has_seen(packet(1, 61), 1017), "sent again");
        assert!(!has_seen(packet(1 << 20 | 1, 61), 1018), "another packet in its place");
    }
}
