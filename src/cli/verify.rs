//! `flowtap verify`: shows on anyone's own captures that no output depends on payload.
//!
//! A capture is replayed as always, cut behind the last header of every frame; its twin, which has
//! other octets there, is replayed beside it without being cut. What comes out of both is compared
//! while it is made: the same octets say that neither the cut nor what it cuts off makes a difference.
//! Nothing is stored: what goes through the pipes between are flow records.

mod compare;
mod side;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::cli::args::{Metering, Verify, VerifyFormat};
use crate::cli::selection;
use crate::cli::summary::grouped;
use crate::flow::PacketFilter;
use crate::pipeline::{Filling, Replaced};

use compare::{Compared, Unit, compare};
use side::{Side, Streams, Told};

/// Verifies every file, and fails if there was a difference.
pub(super) fn run(arguments: &Verify) -> anyhow::Result<()> {
    let Verify { files, format, quiet, metering } = arguments;
    let filter = selection::filter(&metering.selection)?;
    let mut out = io::stdout().lock();
    let mut differing = 0_usize;
    let mut unread = 0_usize;
    for file in files {
        match verify(file, metering, filter.as_ref()) {
            Ok(verified) => {
                differing += usize::from(!verified.is_same());
                if !quiet || !verified.is_same() {
                    verified.write(*format, &mut out)?;
                }
            }
            Err(error) if files.len() > 1 => {
                unread += 1;
                super::complain(&error);
            }
            Err(error) => return Err(error),
        }
        out.flush()?;
    }
    let verified = files.len() - unread;
    if differing > 0 {
        bail!("verdict: OUTPUT DEPENDS ON PAYLOAD in {differing} of {verified} captures");
    }
    if *format == VerifyFormat::Text {
        let captures = if verified == 1 { "capture" } else { "captures" };
        writeln!(out, "verdict: in {verified} {captures} no octet of output depends on payload")?;
    }
    if unread > 0 {
        bail!("{unread} of {} files could not be verified", files.len());
    }
    Ok(())
}

/// What came of one capture.
#[derive(Debug)]
struct Verified {
    file: PathBuf,
    twins: Vec<Twin>,
    /// What is wrong with the capture. What comes before was verified.
    damage: Vec<String>,
}

/// What came of one pair of replays.
#[derive(Debug)]
struct Twin {
    filling: Filling,
    replaced: Replaced,
    /// Each output by its name.
    outputs: [(&'static str, Compared); 5],
}

fn verify(
    file: &PathBuf,
    metering: &Metering,
    filter: Option<&Arc<PacketFilter>>,
) -> anyhow::Result<Verified> {
    if file == Path::new("-") {
        bail!(super::UsageError("verify reads each file several times; - can be read once".into()));
    }
    let mut verified = Verified { file: file.clone(), twins: Vec::new(), damage: Vec::new() };
    for filling in Filling::ALL {
        let original = Side::open(file, None, metering, filter)?;
        let twin = Side::open(file, Some(filling), metering, filter)?;
        let (twin, damage) = side_by_side(filling, original, twin)
            .with_context(|| format!("cannot compare the outputs of {}", file.display()))?;
        verified.twins.push(twin);
        verified.damage = damage;
    }
    Ok(verified)
}

/// Runs two replays and compares what comes out of them.
fn side_by_side(
    filling: Filling,
    original: (Side, Streams),
    twin: (Side, Streams),
) -> io::Result<(Twin, Vec<String>)> {
    let ((original, one), (twin, other)) = (original, twin);
    thread::scope(|scope| {
        let ipfix = scope.spawn(|| compare(Unit::Message, one.ipfix, other.ipfix));
        let json = scope.spawn(|| compare(Unit::JsonLine, one.json, other.json));
        let table = scope.spawn(|| compare(Unit::Line, one.table, other.table));
        let twin = scope.spawn(|| twin.run());
        let one = original.run();
        let other = joined(twin)?;
        let Told { ledger, log, damage, replaced: _ } = one;
        let ledger = compare(Unit::JsonLine, ledger.as_bytes(), other.ledger.as_bytes())?;
        let log = compare(Unit::Line, log.as_bytes(), other.log.as_bytes())?;
        let outputs = [
            ("IPFIX", joined(ipfix)??),
            ("JSON", joined(json)??),
            ("table", joined(table)??),
            ("ledger", ledger),
            ("log", log),
        ];
        let damage = damage.iter().map(ToString::to_string).collect();
        Ok((Twin { filling, replaced: other.replaced, outputs }, damage))
    })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> io::Result<T> {
    thread.join().map_err(|_| io::Error::other("a thread died of a defect"))
}

impl Verified {
    fn is_same(&self) -> bool {
        self.twins.iter().all(Twin::is_same)
    }

    fn write(&self, format: VerifyFormat, out: &mut impl Write) -> io::Result<()> {
        match format {
            VerifyFormat::Text => self.write_text(out),
            VerifyFormat::Json => self.write_json(out),
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let Replaced { frames, frames_with_payload, octets, .. } =
            self.twins.first().map(|twin| twin.replaced).unwrap_or_default();
        writeln!(
            out,
            "{}: {} packets, {} of them with payload, {} octets of it",
            self.file.display(),
            grouped(frames),
            grouped(frames_with_payload),
            grouped(octets)
        )?;
        for damage in &self.damage {
            writeln!(out, "  verified as far as it can be read: {damage}")?;
        }
        for twin in &self.twins {
            let (name, changed) = (twin.filling.name(), grouped(twin.replaced.changed_octets));
            write!(out, "  replaced by {name:<14} {changed:>15} octets changed  ")?;
            if twin.is_same() {
                let sizes = twin
                    .outputs
                    .iter()
                    .map(|(output, compared)| format!("{output} {}", grouped(compared.octets)));
                let sizes: Vec<_> = sizes.collect();
                writeln!(out, "every octet of output is the same: {}", sizes.join(", "))?;
                continue;
            }
            writeln!(out, "OUTPUT DIFFERS")?;
            for (output, compared) in &twin.outputs {
                if let Some(difference) = &compared.difference {
                    writeln!(out, "    {output}: {difference}")?;
                }
            }
        }
        Ok(())
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let twins: Vec<_> = self.twins.iter().map(Twin::json).collect();
        let object = json!({
            "file": self.file.display().to_string(),
            "is_same": self.is_same(),
            "damage": self.damage,
            "twins": twins,
        });
        writeln!(out, "{object}")
    }
}

impl Twin {
    fn is_same(&self) -> bool {
        self.outputs.iter().all(|(_, compared)| compared.difference.is_none())
    }

    fn json(&self) -> serde_json::Value {
        let outputs = self.outputs.iter().map(|(output, compared)| {
            let told = json!({ "octets": compared.octets, "difference": compared.difference });
            ((*output).to_owned(), told)
        });
        json!({
            "replaced_by": self.filling.name(),
            "packets": self.replaced.frames,
            "packets_with_payload": self.replaced.frames_with_payload,
            "payload_octets": self.replaced.octets,
            "changed_octets": self.replaced.changed_octets,
            "outputs": outputs.collect::<serde_json::Map<_, _>>(),
        })
    }
}

#[cfg(test)]
mod tests;
