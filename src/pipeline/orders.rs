//! What changes while a live run goes on.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::capture::live::NewFilter;
use crate::export::{Exporter, Metering};
use crate::flow::{FlowCache, PacketFilter};

/// What workers are to do from now on. They look once a block of frames, which costs a load.
#[derive(Debug, Default)]
pub(super) struct Orders {
    number: AtomicU64,
    latest: Mutex<Order>,
}

/// What a worker is to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// The packets that are metered; none where that is as it was at the start.
    pub(super) packets: Option<Option<Arc<PacketFilter>>>,
    /// The frames that the kernel lets through.
    pub(super) frames: Option<Arc<NewFilter>>,
    /// Collectors of ours, as [`Suspects`](super::Suspects) has them.
    pub(super) collectors: Option<Vec<(IpAddr, u16)>>,
}

impl Orders {
    /// The latest order, if it came after that with the number `seen`, which becomes its.
    #[inline]
    pub(super) fn after(&self, seen: &mut u64) -> Option<Order> {
        let number = self.number.load(Ordering::Acquire);
        if number == *seen {
            return None;
        }
        *seen = number;
        Some(self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn give(&self, change: impl FnOnce(&mut Order)) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut latest);
        self.number.fetch_add(1, Ordering::Release);
    }
}

/// Who follows a live run, on the thread that called [`LiveRun::run`](super::LiveRun::run).
pub trait Watch {
    /// Called every 20 ms or so while the workers capture; what can be changed of `running` may be
    /// changed. `at` is the time now.
    fn look(&mut self, running: &Running<'_>, at: Instant);

    /// Called once, when the run is to end, before it is flushed and its targets are closed.
    fn ending(&mut self);
}

/// Nobody.
impl Watch for () {
    fn look(&mut self, _: &Running<'_>, _: Instant) {}
    fn ending(&mut self) {}
}

/// A live run, as the thread sees it that waits for its end.
#[derive(Debug)]
pub struct Running<'a> {
    pub(super) exporter: &'a Exporter,
    pub(super) cache: &'a FlowCache,
    pub(super) metering: &'a Metering,
    pub(super) orders: &'a Orders,
}

impl Running<'_> {
    /// Where records go.
    pub const fn exporter(&self) -> &Exporter {
        self.exporter
    }

    /// Changes the timeouts, also of Flows in the cache, and what Collectors are told of them.
    pub fn set_timeouts(&self, active: Duration, idle: Duration) {
        // Every Flow is looked at for it, while workers wait.
        if self.metering.timeouts() == (active, idle) {
            return;
        }
        self.cache.set_timeouts(active, idle);
        self.metering.timeouts.set(active, idle);
    }

    /// Lets workers meter other packets, from their next block of frames on.
    pub fn set_packet_filter(&self, filter: Option<Arc<PacketFilter>>) {
        self.orders.give(|order| order.packets = Some(filter));
    }

    /// Lets other frames through, as soon as each worker comes to it.
    pub fn set_capture_filter(&self, filter: NewFilter) {
        self.orders.give(|order| order.frames = Some(Arc::new(filter)));
    }

    /// Lets records be held against other Collectors of ours.
    pub fn set_collectors(&self, collectors: Vec<(IpAddr, u16)>) {
        self.orders.give(|order| order.collectors = Some(collectors));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_followed_once_by_each_and_the_latest_counts() {
        let orders = Orders::default();
        let (mut one, mut other) = (0, 0);
        assert!(orders.after(&mut one).is_none());
        orders.give(|order| order.packets = Some(Some(Arc::default())));
        assert!(orders.after(&mut one).is_some_and(|order| order.packets.is_some()));
        assert!(orders.after(&mut one).is_none());
        orders.give(|order| order.packets = Some(None));
        let both = [orders.after(&mut one), orders.after(&mut other)];
        assert!(both.iter().flatten().all(|order| matches!(order.packets, Some(None))));
        assert!(orders.after(&mut other).is_none());
    }
}
