//! What targets, and the run, tell the log.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::export::account::Totals;
use crate::export::error::ExportError;

/// A change in the state of a target, for the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// Something went wrong; the target goes on as well as it can.
    Trouble(&'a ExportError),
    /// Something is not as it should be; nothing is lost by it.
    Advice {
        /// The target as written.
        target: &'a str,
        /// What, and what to do about it.
        text: &'a str,
    },
    /// The spool of a target has little room left; what does not fit any more is lost.
    SpoolNearlyFull {
        /// The target as written.
        target: &'a str,
        /// Octets in it.
        filled: u64,
        /// Octets that it may have.
        bound: u64,
        /// That is less than is configured: its disk has no room for more.
        by_disk: bool,
    },
    /// The memory for what waits for a target has little room left; without a spool, what does not fit is
    /// lost.
    QueueNearlyFull {
        /// The target as written.
        target: &'a str,
        /// Octets in it.
        filled: u64,
        /// Octets that it may have.
        bound: u64,
    },
    /// The Flow Cache has little room left; when it has none, Flows leave early.
    CacheNearlyFull {
        /// Flows in it.
        flows: u64,
        /// Flows that it may have.
        bound: u64,
    },
    /// A session is up again.
    Recovered {
        /// The target as written.
        target: &'a str,
    },
    /// A file is written again after trouble.
    Resumed {
        /// The target as written.
        target: &'a str,
    },
    /// There are files of a run that was killed; nobody writes them any more.
    LeftOver {
        /// The target as written.
        target: &'a str,
        /// The first of them.
        first: &'a Path,
        /// How many there are.
        count: usize,
    },
    /// An earlier run has left records in the spool.
    Spooled {
        /// The target as written.
        target: &'a str,
        /// Those that will be delivered.
        readable: Totals,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trouble(error) => error.fmt(f),
            Self::Advice { target, text } => write!(f, "{target}: {text}"),
            Self::SpoolNearlyFull { target, filled, bound, by_disk } => write!(
                f,
                "{target}: the spool is nearly full, {filled} of {bound} octets{}: what does not fit \
                 is lost; bring the collector back, or {}",
                if *by_disk { " that its disk has room for" } else { "" },
                if *by_disk { "make room on that disk" } else { "use a larger --spool-size" },
            ),
            Self::QueueNearlyFull { target, filled, bound } => write!(
                f,
                "{target}: the queue is nearly full, {filled} of {bound} octets: what does not fit is \
                 lost; the collector is away, or takes less than there is: --spool DIR keeps on disk \
                 what waits, --queue SIZE more in memory"
            ),
            Self::CacheNearlyFull { flows, bound } => write!(
                f,
                "the flow cache is nearly full, {flows} of {bound} flows: when it is full, flows \
                 are exported early; use a larger --max-flows"
            ),
            Self::Recovered { target } => write!(f, "{target}: session restored"),
            Self::Resumed { target } => write!(f, "{target}: written again"),
            Self::LeftOver { target, first, count } => {
                let first = first.display();
                write!(f, "{target}: a run that was killed left {first}")?;
                if *count > 1 {
                    write!(f, " and {} more", count - 1)?;
                }
                f.write_str(", which `flowtap show` reads as far as it was written")
            }
            Self::Spooled { target, readable } => {
                let records = readable.records;
                write!(f, "{target}: an earlier run left {records} flow records in the spool")
            }
        }
    }
}

/// Who is told of a [`Notice`]; nobody by default. Called from the threads of the targets.
#[derive(Clone, Default)]
#[expect(clippy::type_complexity, reason = "said once, and a name for it would hide what it is")]
pub struct Observer(Option<Arc<dyn Fn(&Notice<'_>) + Send + Sync>>);

impl Observer {
    /// Calls `observe` for every notice.
    pub fn new(observe: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// Tells of `notice`.
    pub fn notice(&self, notice: &Notice<'_>) {
        if let Some(observe) = &self.0 {
            observe(notice);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}
