//! How Flows leave a shard: by their deadline, by a packet that comes after it, for lack of room, and
//! at the end.

#![expect(
    clippy::indexing_slicing,
    reason = "slots come from this shard's own index, wheel and free list and are below `hot.len()`"
)]

use std::ops::Range;
use std::time::Duration;

use crate::flow::entry::{CLOCK_STEP, Hot, NO_EXTRA, Parts, State};
use crate::flow::index::Slot;
use crate::flow::record::{FlowEndReason, FlowRecord};
use crate::flow::shard::{ACK, Packet, RST, SYN, Shard, TCP, tag_of};
use crate::flow::timers::Wheel;
use crate::sys::memory;
use crate::time::{Timestamp, saturating_nanos};

/// When a Flow will be over, or its slice full, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Timestamp,
    reason: FlowEndReason,
}

impl Shard {
    /// Exports everything whose deadline has come at `now`, up to `budget` records; returns
    /// whether that was all.
    pub(in crate::flow) fn sweep(
        &mut self,
        now: Timestamp,
        budget: usize,
        expired: &mut Vec<FlowRecord>,
    ) -> bool {
        if now.saturating_add(CLOCK_STEP) < self.swept {
            self.settled = now.saturating_add(Wheel::TURN);
        }
        self.swept = now;
        let limit = expired.len().saturating_add(budget);
        while expired.len() < limit {
            let Some(slot) = self.wheel.pop(now) else { return true };
            self.fetch_upcoming();
            let flow = &self.hot[slot as usize];
            let deadline = self.deadline(flow);
            if now < self.settled && flow.is_ahead_of(now) {
                // Its deadline belongs to a clock that is no more.
                let reason = self.reason_at(slot, now, FlowEndReason::ForcedEnd);
                self.export(slot, reason, expired);
                self.remove(slot);
            } else if deadline.at > now {
                self.wheel.arm(slot, deadline.at);
            } else if deadline.reason == FlowEndReason::ActiveTimeout {
                self.export(slot, deadline.reason, expired);
                let next = self.deadline(&self.hot[slot as usize]);
                self.wheel.arm(slot, next.at);
            } else {
                self.export(slot, deadline.reason, expired);
                self.remove(slot);
            }
        }
        false
    }

    /// Changes the timeouts, also of Flows that are in the cache. What thereby is over leaves with
    /// the next sweep, by the timeout that was passed.
    pub(in crate::flow) fn set_timeouts(&mut self, active: Duration, idle: Duration) {
        (self.config.active_timeout, self.config.idle_timeout) = (active, idle);
        [self.idle, self.linger, self.active] = nanos_of(active, idle);
        for slot in 0..self.hot.len() {
            let flow = &self.hot[slot];
            if flow.state.is_in_use() {
                let deadline = self.deadline(flow);
                #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
                let slot = slot as Slot;
                self.wheel.disarm(slot);
                self.wheel.arm(slot, deadline.at);
            }
        }
    }

    /// Fetches what it takes to end the Flows that are next on the wheel: of the second one its
    /// lines, by which the place of the first one in the index is known already.
    #[inline]
    fn fetch_upcoming(&self) {
        let [first, second] = self.wheel.upcoming();
        if let Some(flow) = first.and_then(|slot| self.hot.get(slot as usize)) {
            self.index.prefetch(tag_of(self.hash.hash_one(flow.key)));
        }
        if let Some(slot) = second {
            self.prefetch_flow(slot as usize);
            memory::prefetch(&self.cold, slot as usize);
        }
    }

    /// Slots that hold a Flow, or have held one.
    pub(in crate::flow) fn slots(&self) -> usize {
        self.hot.len()
    }

    /// Exports what is in these `slots`: the Metering Process is stopping.
    pub(in crate::flow) fn flush(
        &mut self,
        slots: Range<usize>,
        now: Timestamp,
        expired: &mut Vec<FlowRecord>,
    ) {
        for slot in slots.start..slots.end.min(self.hot.len()) {
            if self.hot[slot].state.is_in_use() {
                #[expect(clippy::cast_possible_truncation, reason = "the capacity is below 2³¹")]
                let slot = slot as Slot;
                let reason = self.reason_at(slot, now, FlowEndReason::ForcedEnd);
                self.export(slot, reason, expired);
            }
        }
    }

    /// Handles a packet that comes after `deadline`; says whether it needs a new Flow.
    #[cold]
    pub(super) fn expire_before(
        &mut self,
        slot: Slot,
        packet: Packet<'_>,
        deadline: Deadline,
        expired: &mut Vec<FlowRecord>,
    ) -> bool {
        if packet.headers.at < deadline.at {
            // The ports are being used again before the linger is over, or the clock was set back.
            let reason = self.reason_at(slot, packet.headers.at, FlowEndReason::ForcedEnd);
            self.export(slot, reason, expired);
            self.wheel.disarm(slot);
            self.remove(slot);
            return true;
        }
        self.export(slot, deadline.reason, expired);
        if deadline.reason == FlowEndReason::ActiveTimeout {
            // The slice is out; is the Flow itself still alive?
            let rest = self.deadline(&self.hot[slot as usize]);
            if packet.headers.at < rest.at {
                return false;
            }
        }
        self.wheel.disarm(slot);
        self.remove(slot);
        true
    }

    /// A SYN on a Flow that TCP has ended is a new connection between the same ports.
    #[inline]
    pub(super) fn is_new_connection(&self, flow: &Hot, packet: Packet<'_>) -> bool {
        flow.state.has_ended(self.config.biflow)
            && packet.headers.tcp_flags & (SYN | ACK | RST) == SYN
            && packet.mark.key.protocol() == TCP
    }

    #[inline]
    pub(super) fn deadline(&self, flow: &Hot) -> Deadline {
        let (quiet, reason) = if flow.state.has_ended(self.config.biflow) {
            (self.linger, FlowEndReason::EndOfFlowDetected)
        } else {
            (self.idle, FlowEndReason::IdleTimeout)
        };
        let idle = Deadline { at: after(flow.last(), quiet), reason };
        if flow.is_empty() {
            return idle;
        }
        let [lower, upper] = &flow.directions;
        let active = if lower.packets.max(upper.packets) < u32::MAX {
            after(flow.slice_start, self.active)
        } else {
            Timestamp::EPOCH // the counter is full: the slice ends with the next packet
        };
        if active < idle.at {
            Deadline { at: active, reason: FlowEndReason::ActiveTimeout }
        } else {
            idle
        }
    }

    /// The reason for a Flow to leave now: its deadline's if that has come, else `otherwise`.
    fn reason_at(&self, slot: Slot, now: Timestamp, otherwise: FlowEndReason) -> FlowEndReason {
        let flow = &self.hot[slot as usize];
        let deadline = self.deadline(flow);
        if deadline.at <= now {
            deadline.reason
        } else if flow.state.has_ended(self.config.biflow) {
            FlowEndReason::EndOfFlowDetected
        } else {
            otherwise
        }
    }

    /// Makes room: of a sample of those whose deadlines come first, the Flow that has been idle
    /// longest leaves.
    ///
    /// In a flood of new Flows the first of the sample has had no packet since it was armed, and
    /// none can have been idle for much longer: then the sample ends with it.
    pub(super) fn give_up_one(&mut self, now: Timestamp, expired: &mut Vec<FlowRecord>) {
        let Some((first, is_idle)) = self.take_earliest() else { return };
        let oldest = if is_idle { first } else { self.oldest_of_sample(first) };
        let reason = self.reason_at(oldest, now, FlowEndReason::LackOfResources);
        self.export(oldest, reason, expired);
        self.remove(oldest);
    }

    /// Takes the next slot off the wheel; says whether it has had no packet since it was armed.
    #[inline]
    fn take_earliest(&mut self) -> Option<(Slot, bool)> {
        let (slot, due) = self.wheel.pop_earliest()?;
        self.fetch_upcoming();
        let deadline = self.deadline(&self.hot[slot as usize]);
        Some((slot, deadline.at <= due && deadline.reason != FlowEndReason::ActiveTimeout))
    }

    /// Takes more slots off the wheel, and puts all but the one that has been idle longest back.
    #[cold]
    fn oldest_of_sample(&mut self, first: Slot) -> Slot {
        let mut oldest = first;
        let mut others = [first; SAMPLE - 1];
        let mut taken = 0;
        for place in &mut others {
            let Some((slot, is_idle)) = self.take_earliest() else { break };
            let last = |slot: Slot| self.hot[slot as usize].last();
            *place = slot;
            if last(slot) < last(oldest) {
                std::mem::swap(place, &mut oldest);
            }
            taken += 1;
            if is_idle {
                break;
            }
        }
        for &slot in others.iter().take(taken) {
            let deadline = self.deadline(&self.hot[slot as usize]);
            self.wheel.arm(slot, deadline.at);
        }
        oldest
    }

    /// Appends the record of the current slice, if it holds a packet, and begins an empty one.
    fn export(&mut self, slot: Slot, reason: FlowEndReason, expired: &mut Vec<FlowRecord>) {
        let slot = slot as usize;
        let hot = &mut self.hot[slot];
        if hot.is_empty() {
            return;
        }
        let extra = self.extra.get_mut(hot.extra as usize);
        let parts = Parts {
            hot,
            cold: &self.cold[slot],
            endpoints: self.endpoints.get(slot),
            extra: extra.as_deref(),
        };
        expired.push(FlowRecord::BLANK);
        if let Some(record) = expired.last_mut() {
            parts.write(reason, record);
        }
        // All slices of a Flow have the same source.
        hot.state.0 |= State::INITIATOR_IS_KNOWN;
        for direction in &mut hot.directions {
            direction.packets = 0;
        }
        if let Some(extra) = extra {
            extra.fragments = [0; 2];
        }
    }

    /// Frees a slot that is off the wheel.
    fn remove(&mut self, slot: Slot) {
        let flow = &mut self.hot[slot as usize];
        flow.state.0 &= !State::IN_USE;
        self.index.remove(tag_of(self.hash.hash_one(flow.key)), slot);
        if flow.extra != NO_EXTRA {
            self.free_extra.push(flow.extra);
        }
        self.free.push(slot);
    }
}

/// In nanoseconds: how long a Flow is kept without packets, how long once TCP has ended it, and how
/// long a slice is.
pub(super) fn nanos_of(active: Duration, idle: Duration) -> [u64; 3] {
    [idle, LINGER.min(idle), active].map(saturating_nanos)
}

/// So many nanoseconds after `at`.
#[inline]
pub(super) const fn after(at: Timestamp, nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos().saturating_add(nanoseconds))
}

/// How long a Flow that TCP has ended waits for late segments, at most: the last ACK of a close
/// comes after both FINs and must not open a new Flow.
const LINGER: Duration = Duration::from_secs(2);
/// Flows compared when one has to leave.
const SAMPLE: usize = 16;
