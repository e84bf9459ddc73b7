//! `flowtap plan`: what collectors receive and keep of this traffic, and what to configure for it.
//!
//! Nothing is estimated that can be measured: packets are metered, and records encoded and compressed
//! as ever, but counted where they would leave. Nothing is sent and nothing is written.

mod figures;
mod flows;
mod print;
mod probe;
mod targets;
mod wanted;
mod words;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::bail;

use crate::capture::file::Replay;
use crate::capture::live::{self, LiveConfig, LiveSource};
use crate::cli::args::{Meter, Plan, PlanFormat};
use crate::cli::{capture, config, confinement, ending, log, selection};
use crate::confine;
use crate::export::{
    self, Clock, Counting, Exporter, Metering, Pace, RecordSink, StillClock, SystemClock, Target,
    UdpConfig,
};
use crate::flow::{self, PacketFilter, Seed};
use crate::pipeline::{self, CountedSource, LiveRun, Outcome, Suspects, TrafficTotal};

use figures::Seen;
use flows::{FlowCounter, Flows};
use targets::{Planned, Subject};
use wanted::Wanted;

/// Plans by captures, by live traffic, or by what a probe has counted.
pub(super) fn run(mut arguments: Plan, words: &[OsString]) -> anyhow::Result<()> {
    if let Some(address) = &arguments.probe {
        config::refuse_all_but(words, &["probe", "outage", "format", "quiet"])?;
        return probe::run(address, arguments.outage, arguments.format);
    }
    let Wanted { mut meter, interfaces, backend, workers, filter: expression, configured } =
        Wanted::of(&mut arguments, words)?;
    let subjects = Subject::all(std::mem::take(&mut meter.export))?;
    // What is planned for is neither reached nor written: the process is confined to nothing.
    let meter = Meter { export: vec![Target::Null], ..meter };
    let filter = selection::filter(&meter.metering.selection)?;
    let rehearsal = Rehearsal { subjects, meter, filter };
    let (outcome, seen, planned) = match arguments.live {
        None => rehearsal.files(&arguments.files, &arguments.confine)?,
        Some(duration) => rehearsal.live(
            LiveConfig {
                interfaces,
                filter: expression.clone(),
                reopen: false,
                ..LiveConfig::default()
            },
            (backend, workers, duration),
            &arguments.confine,
        )?,
    };
    if seen.ledger.received_packets > 0 {
        let filter = expression.filter(|_| !seen.is_live);
        let report = print::Report {
            seen: &seen,
            planned: &planned,
            outage: arguments.outage,
            configured,
            filter,
        };
        let text = match arguments.format {
            PlanFormat::Table => report.text(),
            PlanFormat::Json => report.json(),
        };
        io::stdout().lock().write_all(text.as_bytes())?;
    }
    ending::failure(&outcome, Ok(()))?;
    if seen.ledger.received_packets == 0 {
        bail!("there was no packet: nothing can be planned");
    }
    Ok(())
}

/// Everything is done as ever, for nobody.
struct Rehearsal {
    subjects: Vec<Subject>,
    meter: Meter,
    filter: Option<Arc<PacketFilter>>,
}

type Rehearsed = (Outcome, Seen, Vec<Planned>);

/// What counts in a run.
struct Counters {
    counting: Counting,
    flows: Arc<Mutex<Flows>>,
    traffic: TrafficTotal,
    flow: flow::Config,
}

impl Rehearsal {
    /// By capture files.
    fn files(
        self,
        paths: &[std::path::PathBuf],
        options: &crate::cli::args::Confine,
    ) -> anyhow::Result<Rehearsed> {
        let files = Replay::open(paths)?;
        let stop = match files.progress().total {
            Some(_) => ending::stop_on_signals()?,
            None => Arc::default(),
        };
        let run = confinement::Run { inputs: paths, ..Default::default() };
        confinement::enter(options, &self.meter, &run)?;
        let flow = self.meter.metering.flow(Seed::Fixed, 1);
        let facts = Arc::new(ending::facts(&flow, self.filter.is_some(), None));
        let metering = Metering { facts, ..Metering::default() };
        let (exporter, counters) = self.exporter(Pace::Replay, &metering, flow)?;
        let config = self.config(flow, 1);
        let traffic = &counters.traffic;
        let outcome = pipeline::replay_counted(config, &metering, &files, exporter, &stop, traffic);
        self.seen(outcome, &counters, false)
    }

    /// By what an interface shows for a time.
    fn live(
        self,
        mut config: LiveConfig,
        (backend, workers, duration): (
            crate::cli::args::Backend,
            Option<NonZeroUsize>,
            std::time::Duration,
        ),
        options: &crate::cli::args::Confine,
    ) -> anyhow::Result<Rehearsed> {
        let interfaces = config.interfaces.len();
        let workers = workers
            .map_or_else(|| capture::default_workers(backend, interfaces), NonZeroUsize::get);
        let stop = ending::stop_on_signals()?;
        config.workers = workers;
        config.reach = pipeline::reach(self.meter.metering.decode());
        confine::limit_descriptors(confinement::descriptors(1, workers, interfaces))?;
        let mut sources = live::prepare(backend.into(), &config)?;
        let live =
            confinement::Live { reopens: None, filter: config.filter.as_deref(), telemetry: None };
        let run = confinement::Run { live: Some(live), ..Default::default() };
        confinement::enter(options, &self.meter, &run)?;
        let wall_clock = capture::wall_clock();
        let seed = Seed::Random { first_flow_id: wall_clock.as_nanos() };
        let flow = self.meter.metering.flow(seed, workers);
        let facts = Arc::new(ending::facts(&flow, self.filter.is_some(), Some(wall_clock)));
        let metering = Metering { facts, ..Metering::default() };
        let (exporter, counters) = self.exporter(Pace::Live, &metering, flow)?;
        live::let_in(&mut sources)?;
        metering.points.learn(usize::MAX, |_, _| capture::observation_points(&sources, &[]));
        sources.iter_mut().flat_map(LiveSource::notices).for_each(|it| log::interface(&it));
        log::survey_started(&config.interfaces.join(", "), duration);
        let counted = |source| CountedSource::new(source, &counters.traffic);
        let run = LiveRun {
            config: self.config(flow, workers),
            metering,
            sources: sources.into_iter().map(counted).collect(),
            stop,
            duration: Some(duration),
            observer: ending::observer(),
            wall_clock,
            books: Arc::default(),
            suspects: Suspects::default(),
        };
        let outcome = run.run(exporter, log::interface, &mut ());
        self.seen(outcome, &counters, true)
    }

    fn config(&self, flow: flow::Config, workers: usize) -> pipeline::Config {
        let decode = self.meter.metering.decode();
        pipeline::Config { decode, filter: self.filter.clone(), flow, workers }
    }

    fn exporter(
        &self,
        pace: Pace,
        metering: &Metering,
        flow: flow::Config,
    ) -> anyhow::Result<(Exporter, Counters)> {
        let counting = Counting::default();
        let clock: Arc<dyn Clock> = match pace {
            Pace::Replay => Arc::new(StillClock),
            Pace::Live => Arc::new(SystemClock::new()),
        };
        let config = export::Config {
            observation_domain: self.meter.observation_domain,
            targets: self.subjects.iter().flat_map(Subject::opened).collect(),
            pace,
            queue_batches: if pace == Pace::Replay { 8 } else { 512 },
            biflow: flow.biflow,
            // Nobody's socket is too small.
            udp: UdpConfig { datagram_rate: 0, ..UdpConfig::default() },
            metering: metering.clone(),
            clock,
            counting: Some(counting.clone()),
            observer: ending::observer(),
            ..export::Config::default()
        };
        let (counter, flows) = FlowCounter::new(&flow);
        let extra: Box<dyn RecordSink> = Box::new(counter);
        let exporter = Exporter::start(&config, vec![("flows".to_owned(), extra)])?;
        let traffic = TrafficTotal::default();
        Ok((exporter, Counters { counting, flows, traffic, flow }))
    }

    fn seen(
        self,
        outcome: Outcome,
        counters: &Counters,
        is_live: bool,
    ) -> anyhow::Result<Rehearsed> {
        let traffic = counters.traffic.take();
        let flows =
            std::mem::take(&mut *counters.flows.lock().unwrap_or_else(PoisonError::into_inner));
        let seconds = match (is_live, traffic.period) {
            (true, _) => outcome.ledger.elapsed,
            (false, period) => period.map(|(first, last)| last.since(first)).unwrap_or_default(),
        };
        let planned = self
            .subjects
            .into_iter()
            .map(|subject| subject.counted(&counters.counting, &outcome.targets))
            .collect();
        for report in &outcome.targets {
            let lost = report.lost_totals().records;
            if lost > 0 {
                // On the way to be counted.
                log::records_lost(&report.target, lost, report.given.records);
            }
        }
        let seen = Seen {
            ledger: outcome.ledger.clone(),
            traffic,
            flows,
            // Of less no rate can be made.
            seconds: seconds.as_secs_f64().max(1.0),
            is_live,
            active_timeout: counters.flow.active_timeout,
            idle_timeout: counters.flow.idle_timeout,
            max_flows: counters.flow.max_flows,
        };
        Ok((outcome, seen, planned))
    }
}
