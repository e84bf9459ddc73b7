//! What cannot be on any machine though each part of it is well formed: parts that contradict each
//! other, and outputs where something else has its place.

mod places;

use crate::capture::live::{self, FilterFault};
use crate::cli::args::{Capture, Meter};
use crate::cli::{UsageError, config};
use crate::export::{Transport, check_tls_options};

pub(super) use places::{Places, is_standard_output, place_of};

/// What is wrong, and which part is to blame.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    /// The other part, where a flag that contradicts the file only overrides it.
    pub(super) against: Option<&'static str>,
    pub(super) what: String,
}

/// A part of what a run is told to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// An option of `flowtap capture`, by its id.
    Option(&'static str),
    /// A target, by its number.
    Target(usize),
}

impl Fault {
    /// For who has typed what is wrong.
    pub(super) fn typed(self) -> UsageError {
        match self.place {
            Place::Option(id) => {
                UsageError(format!("--{}: {}", config::option_name(id), self.what))
            }
            Place::Target(_) => UsageError(self.what),
        }
    }

    fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, against: None, what: what.into() }
    }
}

/// Checks that no output is where another or something that the run reads has its place.
pub(super) fn check_places(places: &Places<'_>) -> Result<(), UsageError> {
    places.clash().map_or(Ok(()), |fault| Err(UsageError(fault.what)))
}

/// Everything that contradicts itself, but for places.
pub(super) fn contradictions(capture: &Capture) -> Vec<Fault> {
    let meter = &capture.meter;
    filter(capture).into_iter().chain(without_certificate(meter)).collect()
}

/// A syntax error is one for every interface; what libpcap does not know by name, another machine may.
fn filter(capture: &Capture) -> Option<Fault> {
    match live::check_filter(capture.filter.as_deref()?) {
        Err(FilterFault::Anywhere(what)) => Some(Fault::new(Place::Option("filter"), what)),
        Ok(()) | Err(FilterFault::Here(_)) => None,
    }
}

/// RFC 7011 §11.2: both sides of a session over TLS have certificates.
fn without_certificate(meter: &Meter) -> Option<Fault> {
    let all = meter.export.iter().enumerate();
    let mut all = all.flat_map(|(number, target)| {
        target.collectors().iter().map(move |collector| (number, collector))
    });
    all.find_map(|(number, collector)| {
        let is_tls = collector.transport == Transport::Tls;
        let error = is_tls.then(|| check_tls_options(collector).err())??;
        let what = format!("{}: {error}", collector.address());
        Some(Fault::new(Place::Target(number), what))
    })
}
