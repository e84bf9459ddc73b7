//! `flowtap doctor`: what is wrong with this machine, its interfaces and their traffic for a probe.
//!
//! Questions to the system come first, then interfaces are opened, and what the doctor does not need
//! while it looks at packets of strangers is given up, as in a capture. Nothing is exported or kept.

pub(super) mod export;
pub(super) mod interface;
pub(super) mod look;
pub(super) mod machine;
mod print;
pub(super) mod traffic;
mod way;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

use crate::capture::CaptureError;
use crate::capture::live::{self, Backend, Cut, LiveConfig, LiveSource};
use crate::cli::UsageError;
use crate::cli::args::{Capture, Doctor, DoctorFormat};
use crate::cli::capture::wall_clock;
use crate::cli::config;
use crate::cli::finding::{Check, Finding, Verdict};
use crate::cli::installation::CONFIGURATION_FILE;
use crate::cli::stacking;
use crate::confine::{self, Confinement, Files, Policy};
use crate::decode;
use crate::pipeline::{self, Survey, SurveyConfig, Suspects};
use crate::sys::disk::free_octets;

use interface::Interface;

/// What was looked at, and found.
#[derive(Debug)]
struct Report {
    interfaces: Vec<String>,
    /// None if nothing could be seen.
    survey: Option<Survey>,
    seconds: f64,
    findings: Vec<Finding>,
}

/// Looks, prints, and tells by the exit status whether there is something to put right.
pub(super) fn run(arguments: Doctor) -> anyhow::Result<ExitCode> {
    let arguments = configured(arguments)?;
    let report = examine(&arguments)?;
    let mut out = io::stdout().lock();
    match arguments.format {
        DoctorFormat::Json => print::json(&report, &mut out)?,
        DoctorFormat::Text => {
            let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print::text(&report, colour, &mut out)?;
        }
    }
    out.flush()?;
    let is_trouble = report.findings.iter().any(|finding| finding.verdict.is_trouble());
    Ok(if is_trouble { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is not said by flags is that of the configuration: the one that is named, or where no interface
/// is, that of the service.
fn configured(mut arguments: Doctor) -> anyhow::Result<Doctor> {
    if arguments.config.is_none() && arguments.interface.is_empty() {
        let usual = Path::new(CONFIGURATION_FILE);
        if !usual.exists() {
            bail!(UsageError(format!(
                "name an interface (-i eth1) or a configuration (--config {CONFIGURATION_FILE})"
            )));
        }
        arguments.config = Some(usual.to_owned());
    }
    let Some(file) = &arguments.config else { return Ok(arguments) };
    let Capture { interface, meter, spool, .. } = config::of_file(file)?.capture;
    if arguments.interface.is_empty() {
        arguments.interface = interface;
    }
    if arguments.export.is_empty() {
        arguments.export = meter.export;
    }
    if arguments.spool.directory.is_none() {
        arguments.spool = spool;
    }
    if arguments.interface.is_empty() {
        bail!(UsageError(format!("{} names no interface: give -i IFACE", file.display())));
    }
    Ok(arguments)
}

fn examine(arguments: &Doctor) -> anyhow::Result<Report> {
    let Doctor { interface: names, duration, export: targets, spool, .. } = arguments;
    let distinct: BTreeSet<_> = names.iter().collect();
    if distinct.len() < names.len() {
        bail!(UsageError("an interface is given twice".to_owned()));
    }
    let collectors: Vec<_> = targets.iter().flat_map(|target| target.collectors()).collect();
    let may_capture = look::may_capture();
    let mut findings = vec![
        machine::privilege(may_capture),
        machine::clock(look::clock()),
        machine::governor(&look::governors()),
    ];
    let before: Vec<_> = names.iter().map(|name| look::interface(name)).collect();
    findings.extend(before.iter().flat_map(interface::state));
    findings.extend(stacking::findings(names));
    findings.extend(export::collectors(&collectors));
    findings.extend(export::certificates(&collectors, wall_clock()));
    let disk = spool.directory.as_deref().map(|directory| (directory, free_octets(directory)));
    let suspects = Suspects {
        mtus: before.iter().filter_map(|it| it.index.zip(it.mtu)).collect(),
        collectors: collectors.iter().flat_map(|it| crate::export::addresses(it)).collect(),
        biflow: true,
    };

    // Deaf as yet; from here on there are fewer rights.
    let watched = watched(&before);
    let sources = open(&watched);
    findings.push(machine::confinement(&confine()?));
    let config = SurveyConfig {
        duration: *duration,
        decode: decode::Config { tunnels: decode::Tunnels::Inner },
        suspects,
    };
    let mut promiscuous = Vec::new();
    let looked = sources.and_then(|mut sources| {
        live::let_in(&mut sources)?;
        findings.extend(cuts(&sources));
        let names = watched.iter().map(|it| &it.name);
        let during = || promiscuous.extend(names.map(|name| look::is_promiscuous(name)));
        Ok(pipeline::survey(sources, &config, during))
    });
    let seconds = duration.as_secs_f64();
    let survey = match looked {
        Ok(survey) => survey,
        Err(error) => {
            let any_up = watched.iter().any(|it| it.up);
            findings.push(traffic::unseen(&error, may_capture, any_up));
            return Ok(Report { interfaces: names.clone(), survey: None, seconds, findings });
        }
    };
    for (before, promiscuous) in watched.iter().zip(promiscuous) {
        let name = &before.name;
        findings.push(interface::promiscuous(name, promiscuous));
        findings.extend(traffic::of_interface(before, look::losses(name), &survey, *duration));
    }
    findings.extend(traffic::of_survey(&survey));
    if let [only] = &names[..] {
        name_interface(&mut findings, only);
    }
    if collectors.is_empty() {
        findings.retain(|finding| finding.check != Check::OwnExport);
    }
    findings.extend(export::spool(disk, spool.size, collectors.len(), &survey));
    Ok(Report { interfaces: names.clone(), survey: Some(survey), seconds, findings })
}

/// What counts of all interfaces tell to do is to be done to the only one there is.
fn name_interface(findings: &mut [Finding], name: &str) {
    let long = findings.iter_mut().filter(|finding| finding.check == Check::FrameLength);
    for fix in long.filter_map(|finding| finding.fix.as_mut()) {
        *fix = fix.replace("IFACE", name);
    }
}

/// One that is down is said to be, and keeps nobody from looking at the others.
fn watched(interfaces: &[Interface]) -> Vec<&Interface> {
    let up: Vec<_> = interfaces.iter().filter(|it| it.up).collect();
    if up.is_empty() { interfaces.iter().collect() } else { up }
}

fn open(interfaces: &[&Interface]) -> Result<Vec<LiveSource>, CaptureError> {
    if let Some(down) = interfaces.iter().find(|it| !it.up) {
        let (interface, what) = (down.name.clone(), "it is not up".to_owned());
        return Err(CaptureError::Interface { interface, what });
    }
    let config = LiveConfig {
        interfaces: interfaces.iter().map(|it| it.name.clone()).collect(),
        workers: pipeline::processors().len().clamp(1, live::MOST_WORKERS),
        reopen: false,
        ..LiveConfig::default()
    };
    live::prepare(Backend::AfPacket, &config)
}

/// Gives up everything but to read what interfaces count.
fn confine() -> anyhow::Result<Confinement> {
    let privileges = confine::give_up_privileges(None, None)?;
    let read: BTreeSet<_> = ["/sys/class/net", "/sys/devices"].map(PathBuf::from).into();
    let files = Files { read, ..Files::default() };
    let fence = confine::raise_fence(&Policy { files, ..Policy::default() })?;
    Ok(Confinement::On { privileges, fence })
}

/// Where payload is cut, of each interface once, and the worst of its workers.
fn cuts(sources: &[LiveSource]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for point in sources.iter().flat_map(LiveSource::interfaces) {
        let verdict = match point.cut {
            Cut::InKernel | Cut::Waiting => Verdict::Ok,
            Cut::InKernelButTunnels(_) | Cut::OnArrival(_) => Verdict::Warning,
        };
        let mut finding =
            Finding::new(Check::PayloadCut, verdict, point.cut.to_string()).of(&point.name);
        if verdict.is_trouble() {
            finding = finding.fixed_by("sysctl -w net.core.optmem_max=131072");
        }
        match findings.iter_mut().find(|known| known.subject == finding.subject) {
            Some(known) if known.verdict < finding.verdict => *known = finding,
            Some(_) => {}
            None => findings.push(finding),
        }
    }
    findings
}
