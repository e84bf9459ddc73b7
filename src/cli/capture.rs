//! `flowtap capture`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::capture::CaptureError;
use crate::capture::live::{self, Cut, LiveConfig, LiveSource, Notice, ObservationPoint};
use crate::cli::args::{Backend, Capture, Described, Direction, Meter};
use crate::cli::confinement::Entered;
use crate::cli::reload::{self, Reloader, Start};
use crate::cli::service::{Attendant, Keeper, ServiceManager};
use crate::cli::{config, confinement, ending, log, selection, silence, symptoms, telemetry};
use crate::confine::{self, Reopens};
use crate::export::{Collector, Interface, Metering, Pace, Target};
use crate::flow::Seed;
use crate::pipeline::{self, LiveRun, OpenBooks, Suspects};
use crate::telemetry::{Configuration, Interfaces, Observed, Subject};
use crate::time::Timestamp;

/// Meters live traffic until a signal or the end of `--duration`.
pub(super) fn run(arguments: Capture, words: &[OsString]) -> anyhow::Result<()> {
    // A name that was just typed is misspelt if there is no such interface.
    let is_typed = arguments.config.is_none() || !arguments.interface.is_empty();
    let (capture, started) = config::merged(arguments, words)?;
    config::check(&capture, started.as_ref())?;
    let said = &capture.log;
    log::go_on_for_long(said.log_format, said.level(capture.meter.quiet));
    let Capture {
        config: file,
        described,
        interface,
        backend,
        workers,
        filter,
        duration,
        silence: patience,
        telemetry: address,
        spool,
        no_reopen,
        confine: confine_options,
        meter,
        log: _,
    } = capture;
    let ordered = file.as_ref().map(|_| reload::order_on_signal()).transpose()?;
    ending::check_memory(&meter)?;
    let packet_filter = selection::filter(&meter.metering.selection)?;
    let workers =
        workers.map_or_else(|| default_workers(backend, interface.len()), NonZeroUsize::get);
    // Signals first: whoever starts us may also stop us before the first packet.
    let stop = ending::stop_on_signals()?;
    let hung_up = match &file {
        Some(_) => Arc::default(),
        None => ending::stop_on_hang_up(&stop)?,
    };
    let backend = backend.into();
    let reopens = (!no_reopen).then_some(match backend {
        live::Backend::AfPacket => Reopens::PacketSocket,
        live::Backend::Libpcap => Reopens::Libpcap,
    });
    let manager = ServiceManager::of_environment()
        .context("cannot reach the service manager at NOTIFY_SOCKET")?;
    let live_config = LiveConfig {
        interfaces: interface,
        workers,
        filter,
        reach: pipeline::reach(meter.metering.decode()),
        reopen: reopens.is_some(),
        awaits: !is_typed || manager.is_there(),
        stop: Arc::clone(&stop),
        ..LiveConfig::default()
    };
    confine::limit_descriptors(confinement::descriptor_limit(
        reload::collectors_of(&meter.export),
        workers,
        live_config.interfaces.len(),
    ))?;
    let surroundings =
        symptoms::Surroundings::open(&live_config.interfaces, spool.directory.clone());
    // Deaf as yet, but open: from here on there are fewer rights.
    let mut sources = match live::prepare(backend, &live_config) {
        Err(CaptureError::Stopped) => {
            // That is done, and there is nothing to report.
            log::start_stopped();
            return Ok(());
        }
        other => other?,
    };
    let endpoint = telemetry::open(&address);
    let listens_at = endpoint.is_some().then(|| address.clone());
    let live = confinement::Live {
        reopens,
        filter: live_config.filter.as_deref(),
        telemetry: listens_at.as_ref(),
    };
    let run = confinement::Run {
        live: Some(live),
        spool: spool.config(),
        config: file.as_deref(),
        ..Default::default()
    };
    let Entered { confinement, summary, policy, is_root } =
        confinement::enter(&confine_options, &meter, &run)?;
    let wall_clock = wall_clock();
    let flow = meter.metering.flow(
        // Flows of two runs must not share an id: at one new Flow a nanosecond they would.
        Seed::Random { first_flow_id: wall_clock.as_nanos() },
        workers,
    );
    // With a configuration, networks may come with the next one.
    let is_filtered = packet_filter.is_some() || file.is_some();
    let facts = Arc::new(ending::facts(&flow, is_filtered, Some(wall_clock)));
    let metering = Metering { facts, ..Metering::default() };
    let exporter = ending::exporter(&meter, Pace::Live, &metering, Some(&spool))?;
    ending::say_unclaimed(&spool);
    live::let_in(&mut sources)?;
    metering.points.learn(usize::MAX, |_, _| observation_points(&sources, &described));
    sources.iter_mut().flat_map(LiveSource::notices).for_each(|notice| log::interface(&notice));
    if let Some(filter) = &packet_filter {
        log::networks_filtered(&selection::told(filter));
    }
    let points = points(&sources);
    points.iter().for_each(log::payload_cut);
    let names = live_config.interfaces.join(", ");
    log::capture_started(&names, workers);
    let books = Arc::new(OpenBooks::new(workers));
    let interfaces = points.iter().map(|it| observed(it, &described));
    let interfaces = Arc::new(Interfaces::new(interfaces, patience));
    let configuration = Arc::new(Configuration::new(wall_clock));
    let troubles = Arc::default();
    let subject = Subject {
        configuration: Arc::clone(&configuration),
        books: Arc::clone(&books),
        interfaces: Arc::clone(&interfaces),
        targets: exporter.watches(),
        troubles: Arc::clone(&troubles),
        confinement: confinement.clone(),
        workers,
        maximum_flows: meter.metering.max_flows,
        started: wall_clock,
    };
    let telemetry = telemetry::serve(endpoint, &address, subject);
    let observed = Arc::clone(&metering.points);
    let packets = packet_filter.clone();
    let run = LiveRun {
        config: pipeline::Config {
            decode: meter.metering.decode(),
            filter: packet_filter,
            flow,
            workers,
        },
        metering,
        sources,
        stop,
        duration,
        observer: ending::observer(),
        wall_clock,
        books: Arc::clone(&books),
        suspects: suspects(&points, &meter),
    };
    let watch =
        symptoms::Watch::start(Arc::clone(&books), exporter.watches(), surroundings, troubles);
    let silence = silence::Watch::start(Arc::clone(&books), Arc::clone(&interfaces));
    let notify = |notice: &Notice| {
        if let Notice::InterfaceNumbered { interface, index } = notice {
            observed
                .learn(usize::MAX, |_, _| vec![observation_point(*index, interface, &described)]);
        }
        interfaces.note(notice);
        log::interface(notice);
    };
    let reloader = file.zip(started).zip(ordered).map(|((file, started), ordered)| {
        let start = Start {
            words: words.to_vec(),
            file,
            effective: Arc::new(started),
            points: points.clone(),
            policy,
            is_root,
            reopens,
            workers,
            telemetry: listens_at,
            configuration,
        };
        Reloader::new(ordered, start, packets.clone())
    });
    let keeper = Keeper::new(&manager, &books, &interfaces, log::worker_stalled);
    let outcome = run.run(exporter, notify, &mut Attendant { keeper, reloader, hung_up });
    watch.finish();
    drop(silence);
    telemetry::end(telemetry, &address);
    ending::report(&outcome, &meter, &confinement, summary, &points)
}

/// What the records of this run may show of mirror and box.
fn suspects(points: &[ObservationPoint], meter: &Meter) -> Suspects {
    Suspects {
        mtus: points.iter().filter_map(|it| Some((it.index, live::mtu(&it.name)?))).collect(),
        collectors: collectors(meter),
        biflow: meter.metering.is_biflow(),
    }
}

/// Those that are named by address: nobody waits for a resolver here.
pub(super) fn collectors(meter: &Meter) -> Vec<(IpAddr, u16)> {
    let collectors = meter.export.iter().flat_map(Target::collectors);
    let address = |collector: &Collector| Some((collector.host.parse().ok()?, collector.port));
    collectors.filter_map(address).collect()
}

/// The interfaces, each once; of several workers the one counts whose payload is not cut in the kernel.
fn points(sources: &[LiveSource]) -> Vec<ObservationPoint> {
    let mut points: Vec<ObservationPoint> = Vec::new();
    for point in sources.iter().flat_map(LiveSource::interfaces) {
        match points.iter_mut().find(|known| known.name == point.name) {
            Some(known) if known.cut == Cut::InKernel => known.clone_from(point),
            Some(_) => {}
            None => points.push(point.clone()),
        }
    }
    points
}

/// The interfaces under observation, each once, with what their operator says of them.
pub(super) fn observation_points(
    sources: &[LiveSource],
    described: &[Described],
) -> Vec<Interface> {
    let points: BTreeMap<_, _> = sources
        .iter()
        .flat_map(LiveSource::interfaces)
        // One that is not there has no number as yet.
        .filter(|point| point.index != 0)
        .map(|point| (point.index, point.name.as_str()))
        .collect();
    points.into_iter().map(|(index, name)| observation_point(index, name, described)).collect()
}

fn observation_point(index: u32, name: &str, described: &[Described]) -> Interface {
    Interface::new(index, name.as_bytes(), &description(name, described))
}

/// An interface as telemetry shows it.
fn observed(point: &ObservationPoint, described: &[Described]) -> Observed {
    let ObservationPoint { index, name, cut, .. } = point;
    let (direction, description) = shown(name, described);
    Observed { index: *index, name: name.clone(), cut: cut.clone(), direction, description }
}

/// As [`said`], in one line of text.
fn shown(name: &str, described: &[Described]) -> (Option<&'static str>, Option<String>) {
    let (direction, text) = said(name, described);
    let text = String::from_utf8_lossy(&text).replace(char::is_control, " ");
    (direction.map(Direction::name), Some(text).filter(|text| !text.trim().is_empty()))
}

/// Which traffic an interface carries, and what the configuration says of it, or else the system.
fn said(name: &str, described: &[Described]) -> (Option<Direction>, Vec<u8>) {
    let said = described.iter().find(|it| it.name == name);
    let text = said.and_then(|it| it.description.clone()).map(String::into_bytes);
    let text = text.unwrap_or_else(|| live::alias(name));
    (said.and_then(|it| it.direction), text)
}

/// What Collectors are told of an interface.
fn description(name: &str, described: &[Described]) -> Vec<u8> {
    let (direction, mut text) = said(name, described);
    if let Some(direction) = direction {
        let before = if text.is_empty() { name.as_bytes().to_vec() } else { text };
        text = [&before, &b" ("[..], direction.name().as_bytes(), &b")"[..]].concat();
    }
    text
}

/// One for each processor; with libpcap, which cannot share an interface, no more than interfaces.
pub(super) fn default_workers(backend: Backend, interfaces: usize) -> usize {
    let processors = pipeline::processors().len().clamp(1, live::MOST_WORKERS);
    match backend {
        Backend::AfPacket => processors,
        Backend::Libpcap => processors.min(interfaces.max(1)),
    }
}

#[expect(clippy::disallowed_methods, reason = "where packet time begins, until a packet tells")]
pub(super) fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.saturating_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_told_of_an_interface_what_the_configuration_says() {
        let said = |direction, description: Option<&str>| Described {
            name: "tap0".to_owned(),
            direction,
            description: description.map(str::to_owned),
        };
        let text = |said: Described| String::from_utf8(description("tap0", &[said])).unwrap();
        assert_eq!(text(said(None, Some("uplink"))), "uplink");
        assert_eq!(text(said(Some(Direction::Egress), Some("uplink"))), "uplink (egress)");
        assert_eq!(text(said(Some(Direction::Ingress), None)), "tap0 (ingress)");
        assert_eq!(text(said(None, None)), "");
    }

    #[test]
    fn what_is_shown_of_an_interface_keeps_to_its_line() {
        let said = |direction, description: Option<&str>| {
            let (name, description) = ("tap0".to_owned(), description.map(str::to_owned));
            shown("tap0", &[Described { name, direction, description }])
        };
        let uplink = Some("up link [2J".to_owned());
        assert_eq!(
            said(Some(Direction::Egress), Some("up\nlink\x1b[2J")),
            (Some("egress"), uplink)
        );
        assert_eq!(said(None, Some(" ")), (None, None));
        assert_eq!(shown("tap0", &[]), (None, None), "there is no such interface");
    }

    #[test]
    fn without_a_number_no_worker_is_started_to_be_idle() {
        assert_eq!(default_workers(Backend::Libpcap, 1), 1);
        assert!(default_workers(Backend::Libpcap, 2) <= 2);
        assert!(default_workers(Backend::AfPacket, 1) >= 1);
    }
}
