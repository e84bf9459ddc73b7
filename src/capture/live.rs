//! Live capture: one source per worker, each reading every interface, or its share of them.

#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::capture::CaptureError;
use crate::capture::Drops;
use crate::capture::FrameSource;
use crate::capture::Polled;
#[cfg(target_os = "linux")]
use crate::capture::af_packet::AfPacketSource;
#[cfg(target_os = "linux")]
use crate::capture::filter;
use crate::capture::live_pcap::PcapSource;
#[cfg(target_os = "linux")]
use crate::capture::screen::Screen;
use crate::capture::truncation;
use crate::capture::truncation::Reach;
use crate::frame::Frame;
use crate::frame::LinkType;

/// By what means frames are had from the system.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Backend {
    /// Packet sockets with a ring shared with the kernel (Linux).
    #[default]
    AfPacket,
    /// libpcap, wherever there is one.
    Libpcap,
}

/// The most sources there can be: the kernel lets so many sockets share an interface (packet(7),
/// `PACKET_FANOUT`).
pub const MOST_WORKERS: usize = 256;

/// What to capture, and how.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// The interfaces, by name. Each is an Observation Point.
    pub interfaces: Vec<String>,
    /// How many sources to open: one for each thread that will read.
    pub workers: usize,
    /// A BPF expression (pcap-filter(7)), run by the kernel; none lets every frame pass.
    pub filter: Option<String>,
    /// Memory for frames on their way, in octets. With AF_PACKET that of one worker, shared by its
    /// interfaces; as every worker has its part of the traffic, several share it, down to 32 MiB
    /// for each. With libpcap that of an interface.
    ///
    /// It is for the time in which a worker is not at work: 128 MiB last for 150 ms of 600,000
    /// frames of 1,400 octets a second (893 MB/s), for 800 ms of a million small ones (160 MB/s).
    pub ring_octets: usize,
    /// Whether to ask interfaces for frames that are not addressed to this host.
    pub promiscuous: bool,
    /// Whether an interface that is gone is opened again when there is one of its name. To open one
    /// takes privileges.
    pub reopen: bool,
    /// Whether an interface that is not there is waited for, as one is that goes; else it is an error.
    /// Without [`Self::reopen`] it is one in any case.
    pub awaits: bool,
    /// Which headers are let through; what follows them is cut off.
    pub reach: Reach,
    /// Once set no further source is opened: many rings take their time.
    pub stop: Arc<AtomicBool>,
}

impl LiveConfig {
    /// To be asked before each ring.
    pub(super) fn go_on(&self) -> Result<(), CaptureError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(CaptureError::Stopped),
            false => Ok(()),
        }
    }
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            workers: 1,
            filter: None,
            ring_octets: 128 << 20,
            promiscuous: true,
            reopen: true,
            awaits: false,
            reach: Reach::default(),
            stop: Arc::default(),
        }
    }
}

/// An interface under observation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObservationPoint {
    /// Its number when capture from it began, which every [`Frame`] from it carries, also after the
    /// interface was deleted and made again under another. Zero until there is one.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// How its frames begin.
    pub link_type: LinkType,
    /// Where payload is cut off.
    pub cut: Cut,
}

/// Where the payload of an interface's frames ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cut {
    /// In the kernel: it is not copied and never reaches this process.
    InKernel,
    /// In the kernel, but for frames with tunnels: as with [`Self::OnArrival`]. With the reason.
    InKernelButTunnels(String),
    /// It reaches the memory shared with the kernel, and is cut off before the frame is lent. With the
    /// reason.
    OnArrival(String),
    /// Nothing is captured yet: the interface is down, or not there.
    Waiting,
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InKernel => formatter.write_str("payload cut in the kernel"),
            Self::InKernelButTunnels(why) => {
                write!(formatter, "payload cut in the kernel, in tunnels on arrival: {why}")
            }
            Self::OnArrival(why) => {
                write!(formatter, "payload cut on arrival, not in the kernel: {why}")
            }
            Self::Waiting => formatter.write_str("no payload: waiting for the interface"),
        }
    }
}

impl ObservationPoint {
    /// Lends `frame`, cut unless the kernel did it.
    #[inline]
    pub(super) fn lend<F: FnMut(Frame<'_>)>(&self, frame: Frame<'_>, reach: Reach, each: &mut F) {
        match self.cut {
            Cut::InKernel => each(frame),
            Cut::InKernelButTunnels(_) | Cut::OnArrival(_) | Cut::Waiting => {
                each(truncation::cut(frame, reach));
            }
        }
    }

    /// Takes note of where payload is cut off from now on; what is less than in the kernel is told.
    pub(super) fn learn(&mut self, cut: Cut, notices: &mut Vec<Notice>) {
        if self.cut != cut && cut != Cut::InKernel {
            notices.push(Notice::Payload { interface: self.name.clone(), cut: cut.clone() });
        }
        self.cut = cut;
    }
}

/// Something that happened to capture and that an operator wants to read once.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The interface is not there as yet. Capture begins when it is.
    InterfaceAbsent {
        /// Its name.
        interface: String,
        /// Those that are there.
        there: String,
    },
    /// An interface that was not there has come, and frames from it carry this number from now on.
    InterfaceNumbered {
        /// Its name.
        interface: String,
        /// Its number.
        index: u32,
    },
    /// The interface is back and frames are captured again.
    InterfaceBack(String),
    /// The interface was set down. Capture goes on when it is up again.
    InterfaceDown(String),
    /// The interface is not there any more. Capture goes on when there is one of that name again.
    InterfaceGone(String),
    /// The interface is not there any more, and is not opened again.
    InterfaceLost(String),
    /// The interface is there again, but cannot be captured from. Tried again all the time.
    InterfaceRefused {
        /// Its name.
        interface: String,
        /// Why not.
        what: String,
    },
    /// The kernel does not cut payload off this interface any more.
    Payload {
        /// Its name.
        interface: String,
        /// What is done instead.
        cut: Cut,
    },
    /// A new filter is not in force: the old one is.
    FilterRefused {
        /// The name of the interface.
        interface: String,
        /// Why not.
        what: String,
    },
    /// There is nothing to do for some workers.
    IdleWorkers {
        /// How many have nothing to do.
        idle: usize,
        /// How many have an interface.
        busy: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceAbsent { interface, there } => {
                write!(formatter, "{interface}: is not there, waiting for it (there are: {there})")
            }
            Self::InterfaceNumbered { interface, index } => {
                write!(formatter, "{interface}: is there, as number {index}")
            }
            Self::InterfaceBack(name) => write!(formatter, "{name}: back, capturing again"),
            Self::InterfaceDown(name) => {
                write!(formatter, "{name}: is down, waiting for it to come up")
            }
            Self::InterfaceGone(name) => {
                write!(formatter, "{name}: is gone, waiting for it to come back")
            }
            Self::InterfaceLost(name) => {
                write!(formatter, "{name}: is gone, and is not opened again")
            }
            Self::InterfaceRefused { interface, what } => {
                write!(formatter, "{interface}: is there again, but {what}; trying on")
            }
            Self::FilterRefused { interface, what } => {
                write!(formatter, "{interface}: the old filter goes on: {what}")
            }
            Self::Payload { interface, cut } => write!(formatter, "{interface}: {cut}"),
            Self::IdleWorkers { idle, busy } => write!(
                formatter,
                "libpcap cannot share an interface between workers: {busy} at work, {idle} idle"
            ),
        }
    }
}

/// Why a filter is none, as far as can be told without an interface. In words, the expression first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FilterFault {
    /// On no machine and for no kind of interface.
    Anywhere(String),
    /// Here, or for interfaces of Ethernet: a name that is not known, a field that it does not have.
    Here(String),
}

/// Checks a filter without an interface.
///
/// # Errors
///
/// What libpcap says of it.
pub fn check_filter(expression: &str) -> Result<(), FilterFault> {
    filter::check(expression)
}

/// Another filter for interfaces that are under observation, compiled for each link type.
#[derive(Debug)]
pub struct NewFilter {
    pub(super) expression: Option<String>,
    /// By the names of the interfaces, each for a link layer.
    #[cfg(target_os = "linux")]
    screens: BTreeMap<String, (LinkType, Arc<Screen>)>,
    #[cfg(target_os = "linux")]
    reach: Reach,
}

impl NewFilter {
    /// Compiles `expression` for every one of `points`. Names of hosts in it are asked for, once for each
    /// link type, which may take long.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Filter`] for an expression that does not compile.
    pub fn compile(
        points: &[ObservationPoint],
        expression: Option<&str>,
        reach: Reach,
    ) -> Result<Self, CaptureError> {
        #[cfg(target_os = "linux")]
        let screens = {
            let mut screens = BTreeMap::new();
            for ObservationPoint { name, link_type, .. } in points {
                if screens.contains_key(name) {
                    continue;
                }
                let alike = points.iter().filter(|point| point.link_type == *link_type);
                let alike: Vec<&str> = alike.map(|point| point.name.as_str()).collect();
                let compile = |expression| filter::compile_for(&alike, *link_type, expression);
                let filter = expression.map(compile).transpose()?;
                let screen = Arc::new(Screen::new(filter.as_deref(), *link_type, reach));
                let screen = |name: &&str| ((*name).to_owned(), (*link_type, Arc::clone(&screen)));
                screens.extend(alike.iter().map(screen));
            }
            screens
        };
        Ok(Self {
            expression: expression.map(str::to_owned),
            #[cfg(target_os = "linux")]
            screens,
            #[cfg(target_os = "linux")]
            reach,
        })
    }

    /// What the kernel is to run on frames of interface `name`, if it is one of those it was made for.
    /// Which link layer one has that came later nobody knew when it was compiled.
    #[cfg(target_os = "linux")]
    pub(super) fn screen(
        &self,
        name: &str,
        link_type: LinkType,
    ) -> Result<Option<Arc<Screen>>, CaptureError> {
        Ok(match self.screens.get(name) {
            None => None,
            Some((of, screen)) if *of == link_type => Some(Arc::clone(screen)),
            Some(_) => {
                let compile = |expression| filter::compile(name, link_type, expression);
                let filter = self.expression.as_deref().map(compile).transpose()?;
                Some(Arc::new(Screen::new(filter.as_deref(), link_type, self.reach)))
            }
        })
    }
}

/// The frames of one worker.
#[derive(Debug)]
pub enum LiveSource {
    /// From packet sockets.
    #[cfg(target_os = "linux")]
    AfPacket(AfPacketSource),
    /// From libpcap.
    Libpcap(PcapSource),
}

/// Opens the interfaces of `config` and returns one source per worker.
///
/// Frames are captured from the moment this returns, each by one source, and none from before.
///
/// # Errors
///
/// [`CaptureError::Interface`] for an interface that is not there or may not be read, and
/// [`CaptureError::Filter`] for an expression that does not compile.
pub fn open(backend: Backend, config: &LiveConfig) -> Result<Vec<LiveSource>, CaptureError> {
    let mut sources = prepare(backend, config)?;
    let_in(&mut sources)?;
    Ok(sources)
}

/// As [`open`], but for what comes between the opening, which takes privileges, and the start, which
/// takes none: nothing is captured before [`let_in`]. With libpcap frames wait in its buffer until
/// then.
///
/// # Errors
///
/// As [`open`].
pub fn prepare(backend: Backend, config: &LiveConfig) -> Result<Vec<LiveSource>, CaptureError> {
    check_names(&config.interfaces)?;
    match backend {
        #[cfg(target_os = "linux")]
        Backend::AfPacket => {
            let sources = AfPacketSource::open(config)?;
            Ok(sources.into_iter().map(LiveSource::AfPacket).collect())
        }
        #[cfg(not(target_os = "linux"))]
        Backend::AfPacket => Err(CaptureError::Interface {
            interface: config.interfaces.first().cloned().unwrap_or_default(),
            what: String::from("packet sockets are of Linux; use the libpcap backend"),
        }),
        Backend::Libpcap => {
            let sources = PcapSource::open(config)?;
            Ok(sources.into_iter().map(LiveSource::Libpcap).collect())
        }
    }
}

/// Whether interfaces with these names can be observed together.
///
/// # Errors
///
/// [`CaptureError::Interface`] for one that is given twice.
pub fn check_names(interfaces: &[String]) -> Result<(), CaptureError> {
    for (place, name) in interfaces.iter().enumerate() {
        if interfaces.iter().skip(place + 1).any(|other| other == name) {
            let what = String::from("given twice: its frames would count twice");
            return Err(CaptureError::Interface { interface: name.clone(), what });
        }
    }
    Ok(())
}

/// Captures from now on, in all of `sources`.
///
/// # Errors
///
/// [`CaptureError::Interface`] when the kernel does not take a filter.
pub fn let_in(sources: &mut [LiveSource]) -> Result<(), CaptureError> {
    sources.iter_mut().try_for_each(|source| match source {
        #[cfg(target_os = "linux")]
        LiveSource::AfPacket(source) => source.let_in(),
        LiveSource::Libpcap(_) => Ok(()),
    })
}

impl LiveSource {
    /// The interfaces this source reads.
    pub fn interfaces(&self) -> impl Iterator<Item = &ObservationPoint> {
        let points: Box<dyn Iterator<Item = &ObservationPoint>> = match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => Box::new(source.interfaces()),
            Self::Libpcap(source) => Box::new(source.interfaces()),
        };
        points
    }

    /// What happened since the last call. Of all sources opened together, one reports it.
    pub fn notices(&mut self) -> Vec<Notice> {
        match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => source.notices(),
            Self::Libpcap(source) => source.notices(),
        }
    }

    /// Lets frames through by another filter from now on; those that are in the ring have passed the old
    /// one. Where the kernel does not take it the old one stays, and a notice says so.
    pub fn refilter(&mut self, filter: &NewFilter) {
        match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => source.refilter(filter),
            Self::Libpcap(source) => source.refilter(filter),
        }
    }

    /// What was dropped of each interface, by its number: the parts of [`FrameSource::drops`].
    pub fn point_drops(&mut self) -> Vec<(u32, Drops)> {
        match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => source.point_drops().collect(),
            Self::Libpcap(source) => source.point_drops().collect(),
        }
    }

    /// Lets no further frame in. [`FrameSource::poll`] brings what was captured until now and then
    /// [`Polled::End`]; after that [`FrameSource::drops`] is final.
    pub fn stop(&mut self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => source.stop(),
            Self::Libpcap(source) => source.stop(),
        }
    }
}

impl FrameSource for LiveSource {
    fn poll<F: FnMut(Frame<'_>)>(
        &mut self,
        max: usize,
        patience: Duration,
        each: F,
    ) -> Result<Polled, CaptureError> {
        match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => source.poll(max, patience, each),
            Self::Libpcap(source) => source.poll(max, patience, each),
        }
    }

    fn drops(&mut self) -> Drops {
        match self {
            #[cfg(target_os = "linux")]
            Self::AfPacket(source) => source.drops(),
            Self::Libpcap(source) => source.drops(),
        }
    }
}

/// What the operator of interface `name` wrote about it (`ifAlias`), in whatever octets; empty if
/// nothing, or where the system does not know such a thing.
pub fn alias(name: &str) -> Vec<u8> {
    alias_in(Path::new("/sys/class/net"), name)
}

/// The MTU of an interface, in octets of an IP packet; `None` where the system does not say.
pub fn mtu(name: &str) -> Option<u32> {
    fs::read_to_string(Path::new("/sys/class/net").join(name).join("mtu")).ok()?.trim().parse().ok()
}

fn alias_in(interfaces: &Path, name: &str) -> Vec<u8> {
    let mut alias = fs::read(interfaces.join(name).join("ifalias")).unwrap_or_default();
    if alias.last() == Some(&b'\n') {
        alias.pop();
    }
    alias
}

/// Said of interfaces that are not opened again.
pub(super) const LOST_FOR_GOOD: &str = "gone, and not to be opened again: start the probe anew";
/// Said of an interface that could only be opened later.
pub(super) const DOWN_FOR_GOOD: &str =
    "is down, and is not opened later: set it up before the probe starts";

/// Monotonic time, to pace look-ups of links and to end a drain. Packet time comes from the kernel.
#[expect(clippy::disallowed_methods, reason = "a live source waits for the world, not for packets")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// How often interfaces are looked after when nothing has drawn attention to them.
pub(super) const LINK_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long after trouble an interface is looked at: one that is being deleted goes down first, and
/// is to be told as gone, not as down and then gone.
pub(super) const SETTLING_TIME: Duration = Duration::from_millis(50);
/// How long a stopped source waits for the last frames of the kernel; they take some 10 ms.
pub(super) const DRAIN_PATIENCE: Duration = Duration::from_secs(1);
/// After how many milliseconds the kernel hands over frames that do not fill a block.
pub(super) const RETIRE_MILLISECONDS: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_given_twice_is_an_error() {
        let interfaces = ["lo", "eth9", "lo"].map(String::from).to_vec();
        let config = LiveConfig { interfaces, ..LiveConfig::default() };
        for backend in [Backend::AfPacket, Backend::Libpcap] {
            let error = open(backend, &config).unwrap_err().to_string();
            assert!(error.starts_with("lo: given twice"), "{error}");
        }
    }

    #[test]
    fn the_alias_is_what_the_operator_wrote() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("eth5")).unwrap();
        assert!(alias_in(directory.path(), "eth5").is_empty());
        for (file, alias) in [("uplink für 2\n", "uplink für 2"), ("\n", ""), ("", "")] {
            fs::write(directory.path().join("eth5/ifalias"), file).unwrap();
            assert_eq!(alias_in(directory.path(), "eth5"), alias.as_bytes());
        }
        assert!(alias("no-such-link").is_empty());
    }

    #[test]
    fn an_unknown_interface_is_an_error_that_names_those_there_are() {
        let interfaces = vec![String::from("no-such-link")];
        let config = LiveConfig { interfaces, ..LiveConfig::default() };
        for backend in [Backend::AfPacket, Backend::Libpcap] {
            let error = open(backend, &config).unwrap_err().to_string();
            assert!(error.starts_with("no-such-link: no such interface"), "{error}");
            assert!(error.contains("lo"), "{error}");
        }
    }
}
