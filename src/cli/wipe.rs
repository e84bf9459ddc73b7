//! `flowtap wipe`: erases what probes keep on this machine, and lists it.

mod erase;
mod find;
mod report;
mod running;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::bail;

use crate::cli::UsageError;
use crate::cli::args::Wipe;
use erase::Erasure;
use find::Found;

/// Finds, asks, erases, tells.
pub(super) fn run(arguments: &Wipe) -> anyhow::Result<()> {
    let Wipe { yes, dry_run, format, .. } = *arguments;
    let found = Found::by(arguments);
    let probes = running::probes();
    let in_use = found.spools_in_use();
    if !dry_run {
        refuse_while_running(&probes, &in_use)?;
        if !yes {
            confirm(&found)?;
        }
    }
    let erasure = if dry_run { Erasure::Pretended } else { Erasure::Real };
    let report = found.erase(erasure);
    let mut text = match format {
        super::args::ReportFormat::Text => report.text(),
        super::args::ReportFormat::Json => report.json(),
    };
    if dry_run && !(probes.is_empty() && in_use.is_empty()) {
        let _ = writeln!(io::stderr(), "flowtap: {}", running_text(&probes, &in_use));
    }
    text.push('\n');
    io::stdout().write_all(text.as_bytes())?;
    match report.failures() {
        0 => Ok(()),
        1 => bail!("one of these could not be erased"),
        failures => bail!("{failures} of these could not be erased"),
    }
}

fn refuse_while_running(probes: &[u32], in_use: &[String]) -> anyhow::Result<()> {
    if probes.is_empty() && in_use.is_empty() {
        return Ok(());
    }
    bail!("{}: stop it first, nothing was erased", running_text(probes, in_use))
}

fn running_text(probes: &[u32], in_use: &[String]) -> String {
    let processes: Vec<_> = probes.iter().map(|id| format!("process {id}")).collect();
    let spools = in_use.iter().map(|path| format!("spool {path}"));
    let all: Vec<_> = processes.into_iter().chain(spools).collect();
    format!("a probe is running ({})", all.join(", "))
}

/// Lists what would be erased and waits for a word of consent.
fn confirm(found: &Found) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        bail!(UsageError("nobody can be asked here: use --yes, or --dry-run to look first".into()));
    }
    let mut error = io::stderr();
    for path in found.paths() {
        let _ = writeln!(error, "  {path}");
    }
    let _ = write!(error, "Erase all of this for good? Type yes: ");
    let _ = error.flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { bail!("nothing was erased") }
}
