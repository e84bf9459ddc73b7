//! A libpcap handle on a live interface.

use std::fmt;
#[cfg(target_os = "linux")]
use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use pcap::Active;
use pcap::Capture;
use pcap::Direction;
#[cfg(target_os = "linux")]
use pcap::Precision;
use pcap::Stat;

use crate::capture::CaptureError;
#[cfg(target_os = "linux")]
use crate::capture::filter;
use crate::capture::live::Cut;
use crate::capture::live::NewFilter;
use crate::capture::live::RETIRE_MILLISECONDS;
#[cfg(target_os = "linux")]
use crate::capture::ring::Ring;
#[cfg(target_os = "linux")]
use crate::capture::screen::Screen;
use crate::capture::truncation::Reach;
#[cfg(target_os = "linux")]
use crate::capture::truncation::program::Instruction;
use crate::frame::LinkType;
use crate::sys::link::Link;
use crate::sys::link::Links;
#[cfg(target_os = "linux")]
use crate::sys::mapping;
#[cfg(target_os = "linux")]
use crate::sys::packet_socket;
#[cfg(target_os = "linux")]
use crate::sys::packet_socket::Program;
#[cfg(target_os = "linux")]
use crate::sys::pcap_protocol;
use crate::time::Timestamp;

/// A libpcap handle that is capturing.
pub(super) struct Handle {
    pub(super) capture: Capture<Active>,
    pub(super) link_type: LinkType,
    /// Where payload is cut off.
    pub(super) cut: Cut,
    /// What its counters said last.
    pub(super) last: Stat,
}

impl Handle {
    pub(super) fn open(interface: &str, settings: &Settings) -> Result<Self, CaptureError> {
        let error = |problem: pcap::Error| refusal(interface, message(&problem));
        // libpcap words a missing privilege in several ways; ask the kernel first.
        #[cfg(target_os = "linux")]
        Ring::socket().map_err(|what| refusal(interface, what))?;

        let capture = Capture::from_device(interface)
            .map_err(error)?
            .promisc(settings.promiscuous)
            .snaplen(SNAP_LENGTH)
            .buffer_size(settings.buffer_octets)
            .timeout(i32::from(RETIRE_MILLISECONDS))
            .immediate_mode(false);
        // Elsewhere libpcap may not have it, and does not say in a way that reaches us.
        #[cfg(target_os = "linux")]
        let capture = capture.precision(Precision::Nano);
        // Until the screen is before it, so that not even the first frame comes with its payload.
        #[cfg(target_os = "linux")]
        pcap_protocol::receive_nothing(&capture)
            .map_err(|error| refusal(interface, format!("libpcap refuses to wait: {error}")))?;
        let mut capture = capture.open().and_then(Capture::setnonblock).map_err(error)?;

        // Where neither is known, frames that this host sends are captured as well.
        let _ = capture.direction(Direction::In);
        #[cfg(target_os = "linux")]
        let _ = packet_socket::ignore_outgoing(capture.as_fd());

        let number = capture.get_datalink().0;
        let link_type = LinkType::from_number(u16::try_from(number).unwrap_or(u16::MAX));
        let cut = let_in(&mut capture, interface, link_type, settings)?;
        let last = Stat { received: 0, dropped: 0, if_dropped: 0 };
        Ok(Self { capture, link_type, cut, last })
    }

    /// Puts another filter in place of the one it has.
    #[cfg(target_os = "linux")]
    pub(super) fn refilter(
        &mut self,
        filter: &NewFilter,
        interface: &str,
        settings: &Settings,
    ) -> Result<Cut, CaptureError> {
        if !is_screened(self.link_type) {
            // With no expression libpcap compiles one that everything passes.
            let expression = settings.filter.clone().or_else(|| Some(String::new()));
            filter_by_libpcap(
                &mut self.capture,
                &Settings { filter: expression, ..settings.clone() },
            )?;
        } else if let Some(screen) = filter.screen(interface, self.link_type)? {
            let attached = screen.attach(self.capture.as_fd());
            self.cut = attached.map_err(|error| refusal(interface, error.to_string()))?;
        }
        Ok(self.cut.clone())
    }

    /// Puts another filter in place of the one it has.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn refilter(
        &mut self,
        _filter: &NewFilter,
        _interface: &str,
        settings: &Settings,
    ) -> Result<Cut, CaptureError> {
        let expression = settings.filter.clone().or_else(|| Some(String::new()));
        filter_by_libpcap(&mut self.capture, &Settings { filter: expression, ..settings.clone() })?;
        Ok(self.cut.clone())
    }

    /// The interface this handle captures from, if it is still there.
    pub(super) fn link(&self, links: &Links, name: &str) -> Option<Link> {
        #[cfg(target_os = "linux")]
        {
            let _ = name;
            let index = packet_socket::bound_interface(self.capture.as_fd()).ok()??;
            links.numbered(index)
        }
        #[cfg(not(target_os = "linux"))]
        links.named(name)
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capture: _, link_type, cut, last } = self;
        formatter
            .debug_struct("Handle")
            .field("link_type", link_type)
            .field("cut", cut)
            .field("last", last)
            .finish_non_exhaustive()
    }
}

/// How handles are made.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) filter: Option<String>,
    pub(super) buffer_octets: i32,
    pub(super) promiscuous: bool,
    pub(super) reach: Reach,
}

/// Puts the screen before a handle that receives nothing yet, and lets it receive.
#[cfg(target_os = "linux")]
fn let_in(
    capture: &mut Capture<Active>,
    interface: &str,
    link_type: LinkType,
    settings: &Settings,
) -> Result<Cut, CaptureError> {
    let system = |error: io::Error| refusal(interface, error.to_string());
    match mapping::leave_rings_out_of_dumps(capture.as_fd()) {
        // A process that is confined cannot read its own map, and makes no core dump at all.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        done => drop(done.map_err(system)?),
    }
    let index = packet_socket::bound_interface(capture.as_fd()).map_err(system)?;
    let index = index.ok_or_else(|| refusal(interface, String::from("it is gone")))?;
    let cut = if is_screened(link_type) {
        // Behind libpcap's back, whose own call would turn what the program returns into all or nothing.
        Program::drop_everything().attach(capture.as_fd()).map_err(system)?;
        let filter = settings.filter.as_deref().map(|expression| compile(capture, expression));
        let filter = filter.transpose()?;
        let screen = Screen::new(filter.as_deref(), link_type, settings.reach);
        screen.attach(capture.as_fd()).map_err(system)?
    } else {
        filter_by_libpcap(capture, settings)?;
        Cut::OnArrival(String::from("the kernel's program does not know this link layer"))
    };
    packet_socket::receive_from(capture.as_fd(), index).map_err(system)?;
    Ok(cut)
}

/// Other link types libpcap may make up by itself, so that the kernel does not see the frames as we do;
/// then the filter is best left to libpcap.
#[cfg(target_os = "linux")]
const fn is_screened(link_type: LinkType) -> bool {
    matches!(link_type, LinkType::Ethernet | LinkType::RawIp)
}

#[cfg(target_os = "linux")]
fn compile(capture: &Capture<Active>, expression: &str) -> Result<Vec<Instruction>, CaptureError> {
    let error = |what| CaptureError::Filter { expression: expression.into(), what };
    let compiled = capture.compile(expression, true).map_err(|problem| error(message(&problem)))?;
    filter::instructions(&compiled).map_err(|problem| error(problem.to_string()))
}

#[cfg(not(target_os = "linux"))]
fn let_in(
    capture: &mut Capture<Active>,
    _interface: &str,
    _link_type: LinkType,
    settings: &Settings,
) -> Result<Cut, CaptureError> {
    filter_by_libpcap(capture, settings)?;
    Ok(Cut::OnArrival(String::from("this takes Linux")))
}

fn filter_by_libpcap(
    capture: &mut Capture<Active>,
    settings: &Settings,
) -> Result<(), CaptureError> {
    let Some(expression) = &settings.filter else { return Ok(()) };
    capture.filter(expression, true).map_err(|problem| CaptureError::Filter {
        expression: expression.clone(),
        what: message(&problem),
    })
}

/// The time of a frame: with `Precision::Nano` the second half of a `timeval` is nanoseconds.
pub(super) fn timestamp(time: libc::timeval) -> Timestamp {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let fraction = u32::try_from(time.tv_usec).unwrap_or(0);
    let nanoseconds =
        if cfg!(target_os = "linux") { fraction } else { fraction.saturating_mul(1000) };
    Timestamp::from_parts(seconds, nanoseconds)
}

/// What libpcap said, without the wrapping of the crate.
pub(super) fn message(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.trim().into(),
        other => other.to_string(),
    }
}

pub(super) fn refusal(interface: &str, what: String) -> CaptureError {
    CaptureError::Interface { interface: interface.into(), what }
}

/// Octets of a frame that libpcap captures: more than any frame has.
const SNAP_LENGTH: i32 = 262_144;
