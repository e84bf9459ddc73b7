//! Where the messages come from: a file or standard input, compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Opens `path`, or standard input for `-`, and undoes gzip and zstd, told by their first octets.
pub(super) fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if is_standard_input(path) {
        return decompress(io::stdin().lock(), path);
    }
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    decompress(file, path)
}

/// Something that can be read from the front as often as needed.
pub(super) enum Source<'a> {
    /// A file that stays where it is.
    File(&'a Path),
    /// What came through a pipe.
    Memory(Vec<u8>),
}

/// All of them, each with its name; what cannot be kept is told when it is its turn.
pub(super) fn sources(files: &[PathBuf]) -> Vec<(&Path, anyhow::Result<Source<'_>>)> {
    let mut room = SPOOL_LIMIT;
    let mut sources = Vec::new();
    for path in files {
        let source = Source::new(path, room);
        if let Ok(Source::Memory(octets)) = &source {
            room -= octets.len() as u64;
        }
        sources.push((path.as_path(), source));
    }
    sources
}

impl<'a> Source<'a> {
    /// Keeps what cannot be read twice, in memory: flows are not spooled to a disk unasked.
    fn new(path: &'a Path, room: u64) -> anyhow::Result<Self> {
        if !is_standard_input(path) && path.is_file() {
            return Ok(Self::File(path));
        }
        let mut octets = Vec::new();
        let read = open_raw(path)?.take(room + 1).read_to_end(&mut octets);
        read.with_context(|| format!("{}: cannot read", path.display()))?;
        if octets.len() as u64 > room {
            bail!(
                "{}: more than {} MiB, which cannot be read twice; save it and show the file",
                path.display(),
                SPOOL_LIMIT >> 20
            );
        }
        Ok(Self::Memory(octets))
    }

    pub(super) fn open(&self) -> anyhow::Result<Box<dyn Read + '_>> {
        match self {
            Self::File(path) => open(path),
            Self::Memory(octets) => decompress(octets.as_slice(), Path::new("-")),
        }
    }
}

fn open_raw(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if is_standard_input(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
    Ok(Box::new(file))
}

fn decompress<'a>(mut input: impl Read + 'a, path: &Path) -> anyhow::Result<Box<dyn Read + 'a>> {
    let mut head = Vec::new();
    let read = input.by_ref().take(4).read_to_end(&mut head);
    read.with_context(|| format!("{}: cannot read", path.display()))?;
    let magic = <[u8; 4]>::try_from(head.as_slice()).unwrap_or_default();
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(input));
    Ok(match magic {
        // RFC 1952 §2.3.1.
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        // RFC 8878 §3.1.1.
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(whole);
            Box::new(decoder.with_context(|| format!("{}: cannot read", path.display()))?)
        }
        _ => Box::new(whole),
    })
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

const BUFFER: usize = 1 << 17;
/// What is kept of standard input when it is needed twice.
const SPOOL_LIMIT: u64 = 512 << 20;
