//! Whether a probe is running on this machine.
//!
//! A probe that has a spool holds a lock on it. One without is found among the processes: `capture` of
//! a program that is this file, or has its name. What cannot be seen is not found: processes of another
//! PID namespace (a container), or of other users where `/proc` is mounted with `hidepid`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Processes that capture, but for this one.
pub(super) fn probes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let us = Program::of(Path::new("/proc/self"));
    let mut probes: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&id: &u32| id != std::process::id())
        .filter(|id| {
            let process = Path::new("/proc").join(id.to_string());
            Program::of(&process).is_same(&us) && captures(&process)
        })
        .collect();
    probes.sort_unstable();
    probes
}

/// The program of a process, as far as it may be seen.
struct Program {
    /// Device and number of the file.
    file: Option<(u64, u64)>,
    /// Its name, which stays when an upgrade has replaced the file.
    name: Option<String>,
    /// What the kernel calls the process, in 15 octets: this everyone may see.
    short_name: Option<String>,
}

impl Program {
    fn of(process: &Path) -> Self {
        let link = process.join("exe");
        let file = fs::metadata(&link).ok().map(|it| (it.dev(), it.ino()));
        let name = fs::read_link(&link).ok().and_then(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(name.strip_suffix(" (deleted)").map_or_else(|| name.clone(), str::to_owned))
        });
        let short_name = fs::read_to_string(process.join("comm")).ok();
        Self { file, name, short_name }
    }

    fn is_same(&self, us: &Self) -> bool {
        match (&self.file, &self.name) {
            (None, None) => self.short_name.is_some() && self.short_name == us.short_name,
            (file, name) => {
                (file.is_some() && *file == us.file) || (name.is_some() && *name == us.name)
            }
        }
    }
}

/// Whether its command line says so; one that cannot be read might.
fn captures(process: &Path) -> bool {
    match fs::read(process.join("cmdline")) {
        // A process that has ended and was not waited for has none.
        Ok(line) if line.is_empty() => false,
        Ok(line) => {
            let mut words = line.split(|&octet| octet == 0).skip(1);
            words.find(|word| !word.starts_with(b"-")) == Some(b"capture")
        }
        Err(_) => process.exists(),
    }
}
