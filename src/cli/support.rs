//! `flowtap support-bundle`: what a vendor needs to help, and nothing that identifies a user of the
//! network, or its operator.
//!
//! Everything in it is built from scratch out of values that are known to be harmless: numbers, and
//! words of a list. Nothing is copied and then cleaned: what nobody thought of stays out.

mod build;
mod configuration;
mod health;
mod ledger;
mod system;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};

use crate::cli::args::SupportBundle;
use crate::cli::installation;

/// Collects the bundle and writes it.
pub(super) fn run(arguments: &SupportBundle) -> anyhow::Result<()> {
    let contents = contents(arguments)?;
    let SupportBundle { file, .. } = arguments;
    if file == Path::new("-") {
        return write(&contents, io::stdout().lock()).context("cannot write the bundle");
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let shown = file.display();
    let opened: File = opened.with_context(|| format!("cannot create {shown}"))?;
    let written = write(&contents, &opened).and_then(|()| opened.sync_all());
    written.with_context(|| format!("cannot write {shown}"))?;
    let _ = writeln!(io::stderr(), "flowtap: {shown}: read README.txt in it before you send it");
    Ok(())
}

/// A file of the bundle.
struct Part {
    name: &'static str,
    /// What the README says of it.
    about: &'static str,
    text: String,
}

fn contents(arguments: &SupportBundle) -> anyhow::Result<Vec<Part>> {
    let SupportBundle { config, environment_file, state_directory, spool, summary, .. } = arguments;
    let options = installation::options_in(environment_file);
    let configured = installation::configured(config);
    let configured = configured.as_ref().map(|it| it.as_ref().map_err(|_| ()));
    let mut parts = vec![
        Part {
            name: "build.json",
            about: "version and build of flowtap, and the hash of its program",
            text: pretty(&build::facts()),
        },
        Part {
            name: "system.json",
            about: "version of the kernel, kind of system and processor, drivers of network cards",
            text: pretty(&system::facts()),
        },
        Part {
            name: "configuration.txt",
            about: "which options the probes have; hosts, networks, names, paths and filters left out",
            text: match (&options, configured) {
                (Err(_), Some(file)) => configuration::redacted_file(file),
                (Ok(options), Some(file)) => {
                    configuration::redacted(options) + &configuration::redacted_file(file)
                }
                (Ok(options), None) => configuration::redacted(options),
                (Err(error), None) => format!("not read: {}\n", error.kind()),
            },
        },
        Part {
            name: "spool.json",
            about: "how much waits in the spools, and for how long",
            text: pretty(&health::facts(
                spool,
                options.as_deref().ok(),
                configured.and_then(Result::ok).map(|it| &it.capture),
                state_directory,
            )),
        },
    ];
    if let Some(path) = summary {
        let shown = path.display();
        let text = ledger::redacted(path).map_err(|error| anyhow!("{shown}: {error}"))?;
        parts.push(Part {
            name: "ledger.json",
            about: "counters of a run: packets and octets, received to exported; errors left out",
            text: pretty(&text),
        });
    }
    let readme = readme(&parts);
    let about = "this text";
    parts.insert(0, Part { name: "README.txt", about, text: readme });
    Ok(parts)
}

fn readme(parts: &[Part]) -> String {
    let mut text = README_BEGIN.to_owned();
    for Part { name, about, .. } in parts {
        text.push_str(&format!("  {name:<18}  {about}\n"));
    }
    text.push_str(README_END);
    text
}

fn pretty(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes a tar archive, compressed by zstd. Neither who made it nor when is told.
fn write(contents: &[Part], out: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?);
    for Part { name, text, .. } in contents {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.flush()
}

const FOLDER: &str = "flowtap-support";

const README_BEGIN: &str = "\
A support bundle of flowtap, a network probe. Every file is plain text; look at it before you send it.

What is in it:
";

const README_END: &str = "
What was left out, on purpose: all records, spooled or written; keys and certificates; addresses,
ports, MAC addresses and names of the observed network; names and addresses of collectors, hosts,
interfaces, users and organisations; paths of files; networks and filters of the configuration; texts
of errors, which name such things; the journal of the system; serial numbers and machine ids.

Numbers are as they were counted. If how much traffic a network has, or when, is a secret of yours,
leave ledger.json out.
";
