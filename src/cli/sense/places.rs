//! Files and sockets that a run names, each for a purpose of its own.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{self, Path, PathBuf};

use crate::cli::args::{Capture, Meter, Selection, Spool};
use crate::cli::sense::{Fault, Place};
use crate::export::{Target, TlsOptions};
use crate::telemetry::Address;

/// Where a run reads and writes.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Places<'a> {
    pub(in crate::cli) meter: &'a Meter,
    /// Capture files.
    pub(in crate::cli) inputs: &'a [PathBuf],
    pub(in crate::cli) config: Option<&'a Path>,
    pub(in crate::cli) spool: Option<&'a Spool>,
    pub(in crate::cli) telemetry: Option<&'a Address>,
}

/// What a place is for. Two may share one only if both read it for the same purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    /// To be read; certificates and their key may be in one file.
    Read,
    /// The key of the spool, which is made if it is not there.
    SpoolKey,
    /// A key of pseudonyms, which is made if it is not there.
    PseudonymKey,
    /// To be written.
    Write,
}

/// A place, and what people call it.
#[derive(Debug)]
struct Use {
    path: PathBuf,
    place: Place,
    purpose: Purpose,
    name: String,
}

impl<'a> Places<'a> {
    /// Those of a capture.
    pub(in crate::cli) fn of(capture: &'a Capture) -> Self {
        let Capture { meter, spool, telemetry, config, .. } = capture;
        let (spool, telemetry) = (Some(spool), Some(telemetry));
        Self { meter, inputs: &[], config: config.as_deref(), spool, telemetry }
    }

    /// Those of a replay.
    pub(in crate::cli) const fn of_replay(meter: &'a Meter, inputs: &'a [PathBuf]) -> Self {
        Self { meter, inputs, config: None, spool: None, telemetry: None }
    }

    /// The first output that would overwrite something, and the first key that is something else too.
    pub(in crate::cli) fn clash(&self) -> Option<Fault> {
        self.twice().or_else(|| {
            let mut taken: HashMap<PathBuf, Use> = HashMap::new();
            self.uses().into_iter().find_map(|used| {
                let place = place_of(&used.path)?;
                let fault = taken.get(&place).and_then(|other| used.against(other));
                taken.entry(place).or_insert(used);
                fault
            })
        })
    }

    fn twice(&self) -> Option<Fault> {
        let targets = &self.meter.export;
        targets.iter().enumerate().find_map(|(number, target)| {
            let is_twice = targets.iter().take(number).any(|other| other == target);
            (is_twice && !matches!(target, Target::Null))
                .then(|| Fault::new(Place::Target(number), format!("{target} is given twice")))
        })
    }

    /// What is read comes first: of two, the later one is to blame.
    fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        let mut add = |path: &Path, place, purpose, name: String| {
            uses.push(Use { path: path.to_owned(), place, purpose, name });
        };
        let shown = |path: &Path| path.display().to_string();
        let of_run = Place::Option("config");
        for input in self.inputs {
            add(input, of_run, Purpose::Read, format!("the capture {}", shown(input)));
        }
        if let Some(config) = self.config {
            add(config, of_run, Purpose::Read, format!("the configuration {}", shown(config)));
        }
        let Meter { metering, export, summary, .. } = self.meter;
        let Selection { exclude_net_file, only_net_file, .. } = &metering.selection;
        for (list, option) in
            [(exclude_net_file, "exclude_net_file"), (only_net_file, "only_net_file")]
        {
            for path in list {
                let name = format!("the list of networks {}", shown(path));
                add(path, Place::Option(option), Purpose::Read, name);
            }
        }
        for (number, target) in export.iter().enumerate() {
            for collector in target.collectors() {
                let TlsOptions { ca, cert, key, .. } = &collector.options.tls;
                for (path, what) in
                    [(ca, "authorities"), (cert, "certificate"), (key, "private key")]
                {
                    let Some(path) = path else { continue };
                    let name = format!("the {what} {}", shown(path));
                    add(path, Place::Target(number), Purpose::Read, name);
                }
            }
        }
        if let Some(key) = self.spool.and_then(|spool| spool.key.as_deref()) {
            let name = format!("the key of the spool {}", shown(key));
            add(key, Place::Option("key"), Purpose::SpoolKey, name);
        }
        for (number, target) in export.iter().enumerate() {
            let keys = target.privacy().into_iter().filter_map(|it| it.pseudonym_key.as_deref());
            for key in keys {
                let name = format!("the key of pseudonyms {}", shown(key));
                add(key, Place::Target(number), Purpose::PseudonymKey, name);
            }
        }
        if let Some(Address::Unix(socket)) = self.telemetry {
            let name = format!("the socket of telemetry {}", shown(socket));
            add(socket, Place::Option("telemetry"), Purpose::Write, name);
        }
        for (number, target) in export.iter().enumerate() {
            if let Some(path) = target.output_path() {
                add(path, Place::Target(number), Purpose::Write, target.to_string());
            }
        }
        if let Some(path) = summary.as_deref().filter(|path| !is_standard_output(path)) {
            let name = format!("the ledger {}", shown(path));
            add(path, Place::Option("summary"), Purpose::Write, name);
        }
        uses
    }
}

impl Use {
    /// What is wrong with this if `other` has the same place.
    fn against(&self, other: &Self) -> Option<Fault> {
        let (name, theirs) = (&self.name, &other.name);
        let what = match (self.purpose, other.purpose) {
            (Purpose::Write, _) | (_, Purpose::Write) => {
                format!("{name} would overwrite {theirs}: give it a place of its own")
            }
            (one, another) if one == another => return None,
            _ => format!("{name} is {theirs} too: give it a file of its own"),
        };
        Some(Fault::new(self.place, what))
    }
}

pub(in crate::cli) fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| Path::new(name) == path)
}

/// The one name of a regular file or a socket, whether it is there or not; devices and pipes may be
/// shared.
pub(in crate::cli) fn place_of(path: &Path) -> Option<PathBuf> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.file_type().is_socket() => None,
        Ok(_) => fs::canonicalize(path).ok(),
        Err(_) => {
            let folder = match path.parent()? {
                folder if folder.as_os_str().is_empty() => Path::new("."),
                folder => folder,
            };
            let folder = fs::canonicalize(folder).or_else(|_| path::absolute(folder)).ok()?;
            Some(folder.join(path.file_name()?))
        }
    }
}
