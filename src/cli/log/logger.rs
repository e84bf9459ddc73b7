//! Takes the events of `tracing`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, callsite};

use crate::cli::log::catalogue::kind;
use crate::cli::log::entry::{Entry, OURS};
use crate::cli::log::output::Output;
use crate::cli::log::repeats::Repeats;

/// The subscriber of the program.
#[derive(Debug)]
pub(super) struct Logger(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    level: LevelFilter,
    output: Output,
    repeats: Repeats,
}

impl Logger {
    pub(super) fn new(output: Output, level: LevelFilter) -> Self {
        Self(Mutex::new(Inner { level, output, repeats: Repeats::default() }))
    }

    pub(super) fn set_level(&self, level: LevelFilter) {
        self.lock().level = level;
        // What was not of interest may be now.
        callsite::rebuild_interest_cache();
    }

    pub(super) fn write_to(&self, output: Output) {
        self.lock().output = output;
    }

    pub(super) fn is_for_people(&self) -> bool {
        self.lock().output.is_for_people()
    }

    /// Says what was held back in windows that are over.
    pub(super) fn turn(&self, now: Instant) {
        let mut inner = self.lock();
        let due = inner.repeats.due(now);
        due.iter().for_each(|entry| inner.output.write(entry));
    }

    /// Says everything that was held back.
    pub(super) fn finish(&self) {
        let mut inner = self.lock();
        let held = inner.repeats.finish();
        held.iter().for_each(|entry| inner.output.write(entry));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Logger {
    /// Asked once for each event that there is, and again after a change of the level. What libraries
    /// have to say is not for us to vouch for.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with(OURS)
            && (*metadata.level() <= self.lock().level
                || kind(metadata.name()).is_some_and(|kind| kind.always))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Some are for every level.
        Some(self.lock().level.max(LevelFilter::INFO))
    }

    fn event(&self, event: &Event<'_>) {
        let entry = Entry::of(event);
        self.turn(entry.at);
        let mut inner = self.lock();
        if let Some(entry) = inner.repeats.admit(entry) {
            inner.output.write(&entry);
        }
    }

    // There are no spans.

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
pub(super) mod testing {
    use std::io::{self, Write};
    use std::sync::Arc;

    use super::*;
    use crate::cli::log::output::Form;

    /// What was written, for the test that looks at it.
    #[derive(Clone, Debug, Default)]
    pub(in crate::cli::log) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(in crate::cli::log) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `say` makes a logger write.
    pub(in crate::cli::log) fn written(
        form: Form,
        level: LevelFilter,
        say: impl FnOnce(),
    ) -> String {
        let written = Written::default();
        let logger = Arc::new(Logger::new(Output::to(form, Box::new(written.clone())), level));
        tracing::subscriber::with_default(Arc::clone(&logger), say);
        logger.finish();
        written.text()
    }

    /// An entry with nothing in it.
    pub(in crate::cli::log) fn entry(event: &'static str) -> Entry {
        #[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
        let at = Instant::now();
        Entry {
            at,
            time: jiff::Timestamp::new(1_700_000_000, 123_456_789).unwrap(),
            level: tracing::Level::WARN,
            event,
            component: "export",
            file: Some("src/x.rs"),
            line: Some(7),
            message: "all is well".to_owned(),
            fields: Vec::new(),
            repeats: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::written;
    use super::*;
    use crate::cli::log::output::Form;

    #[test]
    fn a_level_holds_back_what_is_less_and_some_is_said_at_every_level() {
        let all = || {
            tracing::error!(name: "run-failed", target: "flowtap::cli", "one");
            tracing::warn!(name: "interface-down", target: "flowtap::cli", "two");
            tracing::info!(name: "interface-back", target: "flowtap::cli", "three");
            tracing::debug!(name: "started", target: "flowtap::cli", "four");
            tracing::info!(name: "configuration-reloaded", target: "flowtap::cli", "five");
            tracing::error!(target: "rustls", "six");
        };
        for (level, expected) in [
            (LevelFilter::ERROR, "one five"),
            (LevelFilter::WARN, "one two five"),
            (LevelFilter::INFO, "one two three five"),
            (LevelFilter::DEBUG, "one two three four five"),
        ] {
            let text = written(Form::Text { colour: false }, level, all);
            let words: Vec<_> =
                text.lines().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect();
            assert_eq!(words.join(" "), expected);
        }
    }

    #[test]
    fn the_level_changes_while_it_runs() {
        let written = testing::Written::default();
        let output = Output::to(Form::Text { colour: false }, Box::new(written.clone()));
        let logger = std::sync::Arc::new(Logger::new(output, LevelFilter::ERROR));
        let say = || tracing::warn!(name: "interface-down", target: "flowtap::cli", "eth1: down");
        tracing::subscriber::with_default(std::sync::Arc::clone(&logger), || {
            say();
            logger.set_level(LevelFilter::WARN);
            say();
            logger.set_level(LevelFilter::ERROR);
            say();
        });
        assert_eq!(written.text(), "flowtap: warning: eth1: down\n");
    }

    #[test]
    fn a_storm_of_events_is_counted() {
        let text = written(Form::Text { colour: false }, LevelFilter::INFO, || {
            for second in 0..500 {
                tracing::warn!(name: "interface-down", target: "flowtap::cli", interface = "eth1", "{second}");
            }
        });
        assert_eq!(text.lines().count(), 11);
        assert!(text.ends_with("flowtap: warning: 499 (and 489 more of these in 1 s)\n"), "{text}");
    }
}
