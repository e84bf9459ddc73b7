//! Opening a libpcap handle that receives nothing yet.

use pcap::Capture;
use pcap::Inactive;

/// Makes the handle, once opened, receive only frames of a protocol that no frame is of.
///
/// libpcap takes no filter before it has opened a handle, and by then frames come in. The socket of
/// this one waits until it is bound to all protocols.
///
/// # Errors
///
/// What libpcap says, by number: the handle is open already.
pub fn receive_nothing(handle: &Capture<Inactive>) -> Result<(), i32> {
    // SAFETY: the handle is live, borrowed and not activated, as the function wants it, which keeps
    // no pointer to it.
    match unsafe { pcap_set_protocol_linux(handle.as_ptr().cast(), NO_PROTOCOL) } {
        0 => Ok(()),
        error => Err(error),
    }
}

// Of libpcap, to which the crate links: since version 1.9.
unsafe extern "C" {
    fn pcap_set_protocol_linux(handle: *mut libc::c_void, protocol: libc::c_int) -> libc::c_int;
}

/// An EtherType that the registry of the IEEE reserves (RFC 9542 §B.1).
const NO_PROTOCOL: libc::c_int = 0xffff;
