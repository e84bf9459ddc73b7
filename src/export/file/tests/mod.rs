mod properties;
mod reading;
mod rotation;
mod trouble;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::ipfix_file::MESSAGE_SIZE;
use super::place::SMALLEST_FILE;
use super::*;
use crate::export::clock::TestClock;
use crate::export::options::{Facts, Interface, Metering};
use crate::export::profile::TimeUnit;
use crate::export::target::CollectorOptions;
use crate::export::testing::{account, tcp_biflow, udp_uniflow};
use crate::flow::FlowRecord;
use reading::{Found, decompressed, inspect};

/// 2026-11-22 00:05:00 UTC.
const TIME: u64 = 1_795_305_900;

/// A sink at work in a directory of its own.
#[derive(Debug)]
struct Bench {
    directory: tempfile::TempDir,
    clock: Arc<TestClock>,
    sink: FileSink,
    account: Account,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn replay(name: &str, change: impl FnOnce(&mut FileTarget)) -> Self {
        Self::new(Pace::Replay, name, change)
    }

    /// Live; the clock is at 2023-11-14 22:13:20 UTC.
    fn live(name: &str, change: impl FnOnce(&mut FileTarget)) -> Self {
        Self::new(Pace::Live, name, change)
    }

    fn new(pace: Pace, name: &str, change: impl FnOnce(&mut FileTarget)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        let file = target(directory.path(), name, change);
        let sink = FileSink::create(&file, "file:flows", &config(pace, &clock)).unwrap();
        let (account, notices) = account();
        Self { directory, clock, sink, account, notices }
    }

    /// Gives the sink records that expired `seconds` after [`TIME`].
    fn write_at(&mut self, seconds: u64, records: Vec<FlowRecord>) {
        let clock = Timestamp::from_parts(TIME + seconds, 0);
        let batch = RecordBatch { records, clock, interfaces: 0 };
        self.sink.write(&batch, &mut self.account).unwrap();
        self.sink.tick(&mut self.account).unwrap();
    }

    /// Lets time pass on a live clock.
    fn pass(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.sink.tick(&mut self.account).unwrap();
    }

    fn finish(&mut self) {
        self.sink.finish(&mut self.account).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Paths of all files below the directory, sorted.
    fn names(&self) -> Vec<String> {
        names(self.directory.path())
    }

    fn read(&self, name: &str) -> Found {
        inspect(&decompressed(fs::read(self.path(name)).unwrap()))
    }

    fn report(self) -> (crate::export::TargetReport, Vec<String>) {
        let notices = self.notices.lock().unwrap().clone();
        (self.account.into_report("file:flows".to_owned(), Totals::default()), notices)
    }
}

fn target(directory: &Path, name: &str, change: impl FnOnce(&mut FileTarget)) -> FileTarget {
    let mut file = FileTarget { path: directory.join(name), ..FileTarget::default() };
    change(&mut file);
    file
}

fn config(pace: Pace, clock: &Arc<TestClock>) -> Config {
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(clock);
    Config { pace, clock, ..Config::default() }
}

fn names(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(directory, &mut found);
    let name = |path: PathBuf| path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = found.into_iter().map(name).collect();
    names.sort();
    names
}

fn minutes(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(60 * count))
}

fn totals(found: &[Found]) -> Totals {
    let mut totals = Totals::default();
    found.iter().for_each(|found| totals += found.totals);
    totals
}
