//! Frame → [`Headers`]: the first wall. Payload does not exist behind it.
//!
//! Pure functions over borrowed octets: no I/O, no clock, no allocation, no state.

mod anomaly;
mod error;
mod headers;

pub use anomaly::{AnomalySet, PacketAnomaly};
pub use error::{DecodeError, Layer};
pub use headers::{
    Address, Fragment, Headers, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind, VlanTags,
};

use crate::frame::Frame;

/// What the decoder is asked to meter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where to stop in a tunnel.
    pub tunnels: Tunnels,
}

/// Which IP packet of a tunnelled frame is metered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tunnels {
    /// The innermost one that decodes; the outer addresses and the tunnel id are kept beside it.
    #[default]
    Inner,
    /// The outermost one; what it carries is not looked at.
    Outer,
}

/// Decodes one frame.
///
/// # Errors
///
/// [`DecodeError`] when no IP packet could be reached; the frame is then counted as ignored.
pub fn decode(frame: &Frame<'_>, config: Config) -> Result<Headers, DecodeError> {
    let _ = (frame, config);
    Err(DecodeError::NotIp)
}
