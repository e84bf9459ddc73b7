//! What cannot be on any machine though each part of it is well formed: parts that contradict each
//! other, and outputs where something else has its place.

mod places;

use std::net::IpAddr;

use crate::capture::live::{self, FilterFault};
use crate::cli::args::{Capture, Meter, Selection};
use crate::cli::log::LogLevel;
use crate::cli::{UsageError, config};
use crate::export::{JsonOutput, JsonTarget, Target, Transport, check_tls_options};
use crate::flow::Network;

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
    let faults = [
        filter(capture),
        without_certificate(meter),
        nobody_left(&meter.metering.selection),
        mixed_on_standard_output(meter),
        quiet_and_loud(capture),
        spool_for_nobody(capture),
    ];
    faults.into_iter().flatten().collect()
}

/// Networks that are metered and excluded: an exclusion counts more.
fn nobody_left(selection: &Selection) -> Option<Fault> {
    let Selection { exclude_net, exclude_net_file, only_net, only_net_file } = selection;
    let is_all = |is_ours: fn(&IpAddr) -> bool| {
        exclude_net.iter().any(|it| it.length() == 0 && is_ours(&it.address()))
    };
    if is_all(IpAddr::is_ipv4) && is_all(IpAddr::is_ipv6) {
        let what = "every network is excluded: nothing would be metered";
        return Some(Fault::new(Place::Option("exclude_net"), what));
    }
    let around = |network: &Network| {
        let holds =
            |it: &Network| it.length() <= network.length() && it.contains(network.address());
        exclude_net.iter().position(holds)
    };
    let mut only = only_net.iter().enumerate();
    if let Some((only, excluded)) = only.find_map(|(place, it)| Some((place, around(it)?))) {
        // The log, which may say this, is no place for their addresses.
        let (only, excluded) = (only + 1, excluded + 1);
        let what = format!(
            "its network {only} is within network {excluded} of those excluded, and no packet of it would be \
             metered: leave one out"
        );
        return Some(Fault::new(Place::Option("only_net"), what));
    }
    let excluded: Vec<_> = exclude_net_file.iter().filter_map(|path| place_of(path)).collect();
    let both =
        only_net_file.iter().find(|it| place_of(it).is_some_and(|it| excluded.contains(&it)));
    both.map(|path| {
        let what = format!("`{}`: its networks are excluded too: leave one out", path.display());
        Fault::new(Place::Option("only_net_file"), what)
    })
}

fn mixed_on_standard_output(meter: &Meter) -> Option<Fault> {
    meter.summary.as_deref().filter(|path| is_standard_output(path))?;
    let is_there = |target: &Target| match target {
        Target::Json(JsonTarget { output: JsonOutput::Standard, .. }) => true,
        target => target.output_path().is_some_and(is_standard_output),
    };
    let target = meter.export.iter().find(|target| is_there(target))?;
    let what = format!("the ledger would stand among the records of {target}: give it a file");
    Some(Fault::new(Place::Option("summary"), what))
}

fn quiet_and_loud(capture: &Capture) -> Option<Fault> {
    let is_loud = |level: &LogLevel| capture.meter.quiet && *level != LogLevel::Error;
    let level = capture.log.log_level.filter(is_loud)?;
    let level = format!("{level:?}").to_lowercase();
    let what = format!("`{level}`: with quiet nothing but errors is said: leave one out");
    Some(Fault { against: Some("quiet"), ..Fault::new(Place::Option("log_level"), what) })
}

/// Only records for collectors wait.
fn spool_for_nobody(capture: &Capture) -> Option<Fault> {
    capture.spool.directory.as_ref()?;
    let is_for_anybody = capture.meter.export.iter().any(|it| !it.collectors().is_empty());
    let what =
        "there is no collector for whom records could wait: add [[collector]], or leave it out";
    let fault = Fault::new(Place::Option("directory"), what);
    (!is_for_anybody).then_some(Fault { against: Some("export"), ..fault })
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
