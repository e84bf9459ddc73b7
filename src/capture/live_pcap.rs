//! Live capture by libpcap: one handle per interface, each read by one worker.
//!
//! libpcap puts VLAN tags back into frames by itself, and has no notion of several readers.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::time::Instant;

use pcap::Capture;
use pcap::Linktype;

use crate::capture::CaptureError;
use crate::capture::Drops;
use crate::capture::FrameSource;
use crate::capture::Polled;
use crate::capture::live::Cut;
use crate::capture::live::DOWN_FOR_GOOD;
use crate::capture::live::DRAIN_PATIENCE;
use crate::capture::live::LINK_CHECK_INTERVAL;
use crate::capture::live::LOST_FOR_GOOD;
use crate::capture::live::LiveConfig;
use crate::capture::live::NewFilter;
use crate::capture::live::Notice;
use crate::capture::live::ObservationPoint;
use crate::capture::live::SETTLING_TIME;
use crate::capture::live::now;
use crate::capture::pcap_handle::Handle;
use crate::capture::pcap_handle::Settings;
use crate::capture::pcap_handle::message;
use crate::capture::pcap_handle::refusal;
use crate::capture::pcap_handle::timestamp;
use crate::capture::watch::Left;
use crate::capture::watch::LinkState;
use crate::capture::watch::Watch;
use crate::capture::watch::look_up;
use crate::frame::Frame;
use crate::frame::LinkType;
use crate::sys::link::Links;
#[cfg(target_os = "linux")]
use crate::sys::packet_socket;
use crate::sys::readiness;
use crate::sys::readiness::Readiness;
use crate::time::Timestamp;

/// The interfaces that are one worker's to read.
#[derive(Debug)]
pub struct PcapSource {
    ports: Vec<Port>,
    left: Left,
    /// The port to read first next time, so that a busy interface does not silence another.
    turn: usize,
    links: Links,
    next_check: Instant,
    stopped: Option<Stopped>,
    notices: Vec<Notice>,
}

/// When intake ended, and when the last frame came.
#[derive(Clone, Copy, Debug)]
struct Stopped {
    since: Instant,
    last_frame: Instant,
}

impl PcapSource {
    /// Opens the interfaces of `config` and deals them out to its workers.
    ///
    /// # Errors
    ///
    /// As [`open`](crate::capture::live::open).
    pub fn open(config: &LiveConfig) -> Result<Vec<Self>, CaptureError> {
        let mut sources = Vec::new();
        for left in Left::of(config.interfaces.len(), config.workers.max(1)) {
            let links = Links::open()
                .map_err(|error| refusal(&config.interfaces.join(", "), error.to_string()))?;
            sources.push(Self {
                ports: Vec::new(),
                left,
                turn: 0,
                links,
                next_check: now(),
                stopped: None,
                notices: Vec::new(),
            });
        }
        let workers = sources.len();
        let busy = workers.min(config.interfaces.len());
        if let Some(first) = sources.first_mut()
            && busy < workers
        {
            first.notices.push(Notice::IdleWorkers { idle: workers - busy, busy });
        }
        for (place, interface) in config.interfaces.iter().enumerate() {
            if let Some(source) = sources.get_mut(place % workers) {
                config.go_on()?;
                let port = Port::open(&source.links, interface, config)?;
                if port.point.index == 0 {
                    port.watch.absent(interface, &mut source.notices);
                }
                source.ports.push(port);
            }
        }
        Ok(sources)
    }

    /// The interfaces this source reads.
    pub fn interfaces(&self) -> impl Iterator<Item = &ObservationPoint> {
        self.ports.iter().map(|port| &port.point)
    }

    /// What happened since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Lets frames through by another filter from now on, also of handles that are opened later.
    pub fn refilter(&mut self, filter: &NewFilter) {
        for port in &mut self.ports {
            let old = std::mem::replace(&mut port.settings.filter, filter.expression.clone());
            let Some(handle) = &mut port.handle else { continue };
            match handle.refilter(filter, &port.point.name, &port.settings) {
                Ok(cut) => port.point.learn(cut, &mut self.notices),
                Err(error) => {
                    port.settings.filter = old;
                    let (interface, what) = (port.point.name.clone(), error.to_string());
                    self.notices.push(Notice::FilterRefused { interface, what });
                }
            }
        }
    }

    /// Lets nothing in any more, where the system allows to say so; what was captured is still to
    /// be polled.
    pub fn stop(&mut self) {
        if self.stopped.is_none() {
            let now = now();
            self.stopped = Some(Stopped { since: now, last_frame: now });
            #[cfg(target_os = "linux")]
            for handle in self.ports.iter().filter_map(|port| port.handle.as_ref()) {
                // Behind libpcap's back: its own call would filter what is in the ring as well.
                // Were there no memory for it, the drain would end by its deadline.
                let _ = packet_socket::Program::drop_everything().attach(handle.as_fd());
            }
        }
    }

    /// Lends frames that are at hand.
    fn take<F: FnMut(Frame<'_>)>(&mut self, max: usize, each: &mut F) -> (usize, Timestamp) {
        let mut count = 0;
        let mut clock = Timestamp::EPOCH;
        let (before, from) = self.ports.split_at_mut(self.turn);
        for port in from.iter_mut().chain(before) {
            let mut lend = |frame: Frame<'_>| {
                clock = clock.max(frame.at);
                each(frame);
            };
            match port.lend(max - count, &mut lend) {
                Ok(lent) => count += lent,
                // What is wrong shows when the interface is looked after; once is enough.
                Err(_) if port.failed => {}
                Err(_) => {
                    port.failed = true;
                    self.next_check = self.next_check.min(now() + SETTLING_TIME);
                }
            }
        }
        self.turn = if self.turn + 1 < self.ports.len() { self.turn + 1 } else { 0 };
        if count > 0
            && let Some(stopped) = &mut self.stopped
        {
            stopped.last_frame = now();
        }
        (count, clock)
    }

    /// Waits for frames, or for trouble.
    fn wait(&mut self, patience: Duration) -> Result<(), CaptureError> {
        let patience = match self.stopped {
            // The last frames come when the kernel hands over the block they are in; that there
            // were none is announced by nothing.
            Some(_) => patience.min(Duration::from_millis(1)),
            None => patience.min(self.next_check.saturating_duration_since(now())),
        };
        let handles = self.ports.iter().filter_map(|port| port.handle.as_ref());
        let descriptors: Vec<BorrowedFd<'_>> = handles.map(AsFd::as_fd).collect();
        match readiness::wait(&descriptors, patience) {
            // libpcap takes the error from the socket when it is read next.
            Ok(Readiness::Trouble) => {
                self.next_check = self.next_check.min(now() + SETTLING_TIME);
            }
            Ok(Readiness::Readable | Readiness::Nothing) => {}
            Err(error) => {
                let names: Vec<_> = self.interfaces().map(|point| point.name.as_str()).collect();
                return Err(refusal(&names.join(", "), error.to_string()));
            }
        }
        Ok(())
    }

    /// Looks after the interfaces when it is time to.
    fn look_after(&mut self) {
        let now = now();
        if now >= self.next_check && self.stopped.is_none() {
            self.next_check = now + LINK_CHECK_INTERVAL;
            for port in &mut self.ports {
                port.look_after(&self.links, &mut self.notices);
            }
        }
    }

    /// Whether nothing more comes after [`Self::stop`].
    fn is_drained(&mut self, Stopped { since, last_frame }: Stopped) -> bool {
        // libpcap keeps some frames from us (outgoing ones, where the kernel cannot), so its books
        // may never balance; then silence has to do.
        self.ports.iter_mut().all(Port::is_drained)
            || now().saturating_duration_since(last_frame) > QUIET
            || now().saturating_duration_since(since) > DRAIN_PATIENCE
    }
}

impl FrameSource for PcapSource {
    fn poll<F: FnMut(Frame<'_>)>(
        &mut self,
        max: usize,
        patience: Duration,
        mut each: F,
    ) -> Result<Polled, CaptureError> {
        self.look_after();
        let lost = self.ports.iter().filter(|port| port.is_lost()).count();
        if self.left.is_lost_with(lost) && self.stopped.is_none() {
            let names: Vec<_> = self.interfaces().map(|point| point.name.as_str()).collect();
            return Err(refusal(&names.join(", "), String::from(LOST_FOR_GOOD)));
        }
        let (mut count, mut clock) = self.take(max, &mut each);
        if count == 0 {
            if self.stopped.is_some_and(|stopped| self.is_drained(stopped)) {
                return Ok(Polled::End);
            }
            self.wait(patience)?;
            self.look_after();
            (count, clock) = self.take(max, &mut each);
        }
        Ok(Polled::Frames { count, ticket: 0, clock })
    }

    fn drops(&mut self) -> Drops {
        self.point_drops().map(|(_, drops)| drops).sum()
    }
}

impl PcapSource {
    /// What was dropped of each interface, by its number.
    pub(super) fn point_drops(&mut self) -> impl Iterator<Item = (u32, Drops)> {
        self.ports.iter_mut().map(|port| {
            port.refresh();
            let (kernel, interface) = (port.counted.dropped, port.counted.interface);
            (port.point.index, Drops { kernel, interface })
        })
    }
}

/// One interface and the handle on it.
#[derive(Debug)]
struct Port {
    point: ObservationPoint,
    settings: Settings,
    /// None while there is nothing to capture from.
    handle: Option<Handle>,
    watch: Watch,
    /// Whether a handle is opened again in place of one whose interface is gone.
    reopen: bool,
    /// The handle said that it cannot go on.
    failed: bool,
    /// How often the handle has been found without its interface.
    looks_since_gone: u32,
    counted: Counted,
    /// Frames that came out of libpcap.
    read: u64,
}

/// Totals over all handles there were.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    arrived: u64,
    dropped: u64,
    interface: u64,
}

impl Port {
    fn open(links: &Links, interface: &str, config: &LiveConfig) -> Result<Self, CaptureError> {
        let link = look_up(links, interface, config)?;
        let is_up = link.is_some_and(|link| link.up);
        let settings = Settings {
            filter: config.filter.clone(),
            buffer_octets: i32::try_from(config.ring_octets).unwrap_or(i32::MAX),
            promiscuous: config.promiscuous,
            reach: config.reach,
        };
        if !is_up && !config.reopen {
            return Err(refusal(interface, String::from(DOWN_FOR_GOOD)));
        }
        let handle = if is_up {
            Some(Handle::open(interface, &settings)?)
        } else {
            // libpcap does not open an interface that is not up; it is opened when it comes up. A
            // filter is not to wait that long for its errors.
            if let Some(expression) = &settings.filter {
                let dead = Capture::dead(Linktype::ETHERNET);
                dead.and_then(|dead| dead.compile(expression, true)).map_err(|problem| {
                    CaptureError::Filter { expression: expression.clone(), what: message(&problem) }
                })?;
            }
            None
        };
        let link_type = handle.as_ref().map_or(LinkType::Ethernet, |handle| handle.link_type);
        let cut = handle.as_ref().map_or(Cut::Waiting, |handle| handle.cut.clone());
        let index = link.map_or(0, |link| link.index);
        let waits = || Watch::of_absent(true);
        Ok(Self {
            point: ObservationPoint { index, name: interface.into(), link_type, cut },
            settings,
            handle,
            watch: link.map_or_else(waits, |_| Watch::new(true, config.reopen)),
            reopen: config.reopen,
            failed: false,
            looks_since_gone: 0,
            counted: Counted::default(),
            read: 0,
        })
    }

    /// Whether nothing will ever come from it again.
    const fn is_lost(&self) -> bool {
        self.handle.is_none() && !self.reopen
    }

    fn lend<F: FnMut(Frame<'_>)>(
        &mut self,
        max: usize,
        each: &mut F,
    ) -> Result<usize, pcap::Error> {
        let Some(handle) = &mut self.handle else { return Ok(0) };
        let (point, reach) = (&self.point, self.settings.reach);
        let mut lent = 0;
        // Not its return value: what was lent before an error was lent.
        let result = handle.capture.dispatch(Some(max), |packet| {
            lent += 1;
            let frame = Frame {
                bytes: packet.data,
                wire_length: packet.header.len,
                at: timestamp(packet.header.ts),
                link_type: point.link_type,
                interface: point.index,
                stripped_vlan: None,
            };
            point.lend(frame, reach, each);
        });
        self.read += u64::try_from(lent).unwrap_or(u64::MAX);
        match result {
            Err(error) if lent == 0 => Err(error),
            _ => Ok(lent),
        }
    }

    fn look_after(&mut self, links: &Links, notices: &mut Vec<Notice>) {
        self.refresh();
        if let Some(handle) = &self.handle {
            let name = &self.point.name;
            let link = handle.link(links, name);
            match link {
                None => self.watch.found(name, LinkState::Gone, notices),
                Some(link) if !link.up => self.watch.found(name, LinkState::Down, notices),
                Some(_) if !self.failed => self.watch.found(name, LinkState::Up, notices),
                Some(_) => {}
            }
            if link.is_some() && !self.failed {
                return;
            }
            // What the handle holds comes first; it takes one more look as a rule.
            self.looks_since_gone += 1;
            if !self.is_drained() && self.looks_since_gone < MOST_LOOKS_SINCE_GONE {
                return;
            }
            self.close();
        }
        let Self { point, watch, .. } = self;
        match links.named(&point.name).filter(|_| self.reopen) {
            None => watch.found(&point.name, LinkState::Gone, notices),
            Some(link) if !link.up => watch.found(&point.name, LinkState::Down, notices),
            Some(link) => match Handle::open(&point.name, &self.settings) {
                Ok(handle) => {
                    if point.index == 0 {
                        point.index = link.index;
                        watch.numbered(&point.name, link.index, notices);
                    }
                    point.link_type = handle.link_type;
                    point.learn(handle.cut.clone(), notices);
                    self.handle = Some(handle);
                    watch.found(&point.name, LinkState::Up, notices);
                }
                Err(error) => watch.refused(&point.name, &error, notices),
            },
        }
    }

    /// Lets go of a handle that will bring nothing more.
    fn close(&mut self) {
        self.refresh();
        let Self { counted, read, .. } = self;
        // What arrived and was neither read nor dropped is lost with the handle.
        counted.dropped += counted.arrived.saturating_sub(counted.dropped + *read);
        self.handle = None;
        self.failed = false;
        self.looks_since_gone = 0;
    }

    /// Whether every frame that arrived has been read or dropped.
    fn is_drained(&mut self) -> bool {
        self.refresh();
        self.read + self.counted.dropped >= self.counted.arrived
    }

    fn refresh(&mut self) {
        let Some(handle) = &mut self.handle else { return };
        let Ok(stat) = handle.capture.stats() else { return };
        let last = std::mem::replace(&mut handle.last, stat);
        // The counters of libpcap are 32 bits wide and wrap, less often than they are asked for.
        let since = |now: u32, last: u32| u64::from(now.wrapping_sub(last));
        self.counted.arrived += since(stat.received, last.received);
        self.counted.dropped += since(stat.dropped, last.dropped);
        self.counted.interface += since(stat.if_dropped, last.if_dropped);
    }
}

/// Ten times what the kernel takes to hand over a block.
const QUIET: Duration = Duration::from_millis(100);
/// Long enough for the kernel to hand over the last block of an interface.
const MOST_LOOKS_SINCE_GONE: u32 = 4;
