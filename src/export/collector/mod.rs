//! Collectors over the network: two threads, and a store between them.
//!
//! The first one takes Flow Records from the queue and encodes them; it waits for nobody, so a
//! Collector that is slow or gone costs bounded memory, and the spool if there is one. The second one
//! sends.

mod context;
mod link;
mod members;
mod running;
mod share;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use context::Context;
use link::{Link, LinkConfig};
use members::Members;
pub(crate) use share::Share;
use store::Store;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::body::Body;
use crate::export::clock::Clock;
use crate::export::config::{Config, Pace};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::high_water::HighWater;
use crate::export::mapping::{Content, Disclosure, Templates};
use crate::export::notice::Notice;
use crate::export::options::Options;
use crate::export::pacing::{FlushTimer, Pacer};
use crate::export::profile::{Mapping, OptionsDomain};
use crate::export::sink::RecordSink;
use crate::export::spool::Spool;
use crate::export::statistical::{AggregateSink, Aggregates};
use crate::export::target::{Collector, Transport};
use crate::export::transport::{Settings, tls};
use crate::export::watch::{QueueState, Watch};
use crate::ipfix::message::Refused;
use crate::ipfix::sets::DataSets;

/// Exports to one Collector, or to a group of which one is in use.
#[derive(Debug)]
pub(crate) struct CollectorSink {
    target: String,
    disclosure: Disclosure,
    /// Which Flows are this target's.
    share: Share,
    templates: Templates,
    sets: DataSets,
    /// What `sets` tell of.
    pending: Totals,
    flush_timer: FlushTimer,
    /// Replay: Export Time of the last batch.
    export_seconds: u64,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    pace: Pace,
    queue_mark: HighWater,
    link: Option<JoinHandle<Account>>,
    early: Early,
}

/// What happened before there was an account.
#[derive(Debug, Default)]
struct Early {
    recovered: Totals,
    unreadable: Totals,
}

impl CollectorSink {
    /// Opens the spool, in a replay also the first session, and starts the thread that sends.
    ///
    /// Live, that thread opens the session, however long it takes. All `members` are told the same in the same
    /// way: the options of the first one say how. `watch` knows what does not even get here.
    pub(crate) fn start(
        members: &[Collector],
        share: Share,
        target: &str,
        config: &Config,
        ending: &Arc<Ending>,
        watch: &Arc<Watch>,
    ) -> Result<Self, ExportError> {
        let Some(first) = members.first() else {
            unreachable!("a target has a collector, and a group has two")
        };
        let is_sent = config.counting.is_none();
        for member in members.iter().filter(|m| is_sent && m.transport == Transport::Tls) {
            // What is wrong with our own files will not mend by itself.
            tls::check(member)
                .map_err(|source| ExportError::Tls { target: target.to_owned(), source })?;
        }
        let rules = first.options.rules();
        let policy = first.options.privacy.policy();
        let disclosure = Disclosure::open(&policy, first.options.mapping(config.biflow))
            .map_err(|source| ExportError::Privacy { target: target.to_owned(), source })?;
        let mapping = disclosure.mapping();
        let observation_domain =
            first.options.observation_domain.unwrap_or(config.observation_domain);
        let context = Context { observation_domain, mapping };
        let context_text = context.to_string();
        let clock = Arc::clone(&config.clock);
        let now = clock.wall();
        let mut early = Early::default();
        let spool = match &config.spool {
            Some(spool) if config.pace == Pace::Live => {
                let (spool, recovery) =
                    Spool::open(spool, &place_in_spool(members, share), &context_text, now)
                        .map_err(|source| ExportError::Spool {
                            target: target.to_owned(),
                            source,
                        })?;
                early.recovered += recovery.readable;
                early.recovered += recovery.lost;
                early.unreadable += recovery.lost;
                if !recovery.readable.is_zero() {
                    let readable = recovery.readable;
                    config.observer.notice(&Notice::Spooled { target, readable });
                }
                Some(spool)
            }
            _ => None,
        };
        let message_size = match first.transport {
            Transport::Udp => DATAGRAM_SIZE,
            _ => config.tcp.message_size,
        };
        let store = Arc::new(Store::new(
            config.queue_octets,
            message_size,
            config.pace,
            &context_text,
            spool,
        ));
        let rate = first.options.rate;
        let pacer = match (first.transport, rate) {
            // No more at once than in a second: the pause behind it is half as long.
            (_, Some(rate)) => Pacer::new(rate, config.udp.datagram_burst.min(rate)),
            (Transport::Udp, None) => {
                Pacer::new(config.udp.datagram_rate, config.udp.datagram_burst)
            }
            (_, None) => Pacer::new(0, 0),
        };
        let options =
            Options::new(config.metering.clone(), observation_domain, mapping, rules.options)
                .under(policy);
        let settings = |member: &Collector| {
            let interval = member.options.reconnect.unwrap_or(match member.transport {
                Transport::Udp => config.udp.retry_interval,
                _ => config.tcp.reconnect_interval,
            });
            (member.clone(), Settings::new(config), interval)
        };
        let members = Members::new(members.iter().map(settings), Arc::clone(&clock));
        let mut link = Link::new(LinkConfig {
            target: target.to_owned(),
            members,
            store: Arc::clone(&store),
            options,
            options_apart: rules.options.domain == OptionsDomain::Zero,
            context,
            refresh: first.options.refresh(),
            pacer,
            ending: Arc::clone(ending),
            watch: Arc::clone(watch),
            config: config.clone(),
        });
        watch.begin(early.recovered, early.unreadable);
        let records = early.unreadable.records;
        if records > 0 {
            // Said, as it is removed: nobody may think that it still waits.
            link.trouble(|target| ExportError::SpoolUnreadable { target, records });
        }
        // In a replay a Collector that is not there is an error. Live nobody waits for one: not the
        // interfaces, which are deaf as yet, nor the service manager that started us.
        match config.pace {
            Pace::Replay => link.open()?,
            Pace::Live => link.show(),
        }
        let link = thread::Builder::new()
            .name("send".to_owned())
            .spawn(move || link.run())
            .map_err(|source| ExportError::Thread { target: target.to_owned(), source })?;
        Ok(Self {
            target: target.to_owned(),
            disclosure,
            share,
            templates: Templates::new(mapping),
            sets: DataSets::new(message_size),
            pending: Totals::default(),
            flush_timer: FlushTimer::new(config.flush_timer()),
            export_seconds: 0,
            store,
            clock,
            watch: Arc::clone(watch),
            pace: config.pace,
            queue_mark: HighWater::default(),
            link: Some(link),
            early,
        })
    }

    #[inline]
    fn add<'a>(&mut self, record: &impl Content<'a>) -> Result<(), ExportError> {
        let template = self.templates.template(record.number());
        let mut added = self.sets.add_record(template, |octets| record.visit(octets));
        if added == Err(Refused::MessageFull) {
            self.end_body();
            let template = self.templates.template(record.number());
            added = self.sets.add_record(template, |octets| record.visit(octets));
        }
        added.map_err(|source| ExportError::Encode { target: self.target.clone(), source })?;
        self.pending += Totals::of_data(record);
        Ok(())
    }

    fn end_body(&mut self) {
        self.flush_timer.restart();
        if self.sets.is_empty() {
            return;
        }
        let body = Body { sets: self.sets.take(), totals: std::mem::take(&mut self.pending) };
        self.store.push(body, self.export_seconds, self.clock.wall());
        self.sets.limit_size(self.store.message_size());
    }

    /// Shows what waits: as long as a Collector takes nothing, the thread that sends waits for it.
    fn show_waiting(&mut self, account: &Account) {
        let (queue, spool) = (self.store.queue(), self.store.spool());
        self.watch.tell_waiting(queue, spool);
        let QueueState { octets, maximum_octets } = queue;
        // In a replay, and before a spool, there is nothing to lose.
        let may_lose = self.pace == Pace::Live && spool.is_none();
        if may_lose && self.queue_mark.look(octets, maximum_octets) {
            account.queue_nearly_full(&self.target, octets, maximum_octets);
        }
    }

    /// Ends the thread that sends, and brings its books home.
    fn join(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let Some(link) = self.link.take() else { return Ok(()) };
        let panicked = match link.join() {
            Ok(books) => {
                account.merge(books);
                Ok(())
            }
            Err(_) => Err(ExportError::Panicked { target: self.target.clone() }),
        };
        let closed = self.store.end(self.clock.wall());
        for (reason, totals) in self.store.tick(self.clock.wall()).0 {
            account.lost(reason, totals);
        }
        account.carry_over(self.early.recovered);
        account.lost(LossReason::SpoolDamaged, self.early.unreadable);
        account.keep(closed.kept);
        account.lost(LossReason::Undelivered, closed.dropped);
        panicked
    }
}

impl RecordSink for CollectorSink {
    fn write(&mut self, batch: &RecordBatch, _: &mut Account) -> Result<(), ExportError> {
        self.export_seconds = batch.clock.as_secs();
        let share = self.share;
        for record in batch.records.iter().filter(|record| share.has(record)) {
            let Some(disclosed) = self.disclosure.of(record) else { continue };
            for data in disclosed.data_records() {
                self.add(&data)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if self.flush_timer.is_due(!self.sets.is_empty(), self.clock.monotonic()) {
            self.end_body();
        }
        self.show_waiting(account);
        Ok(())
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.end_body();
        self.store.close();
        self.join(account)
    }
}

impl AggregateSink for CollectorSink {
    fn mapping(&self) -> Mapping {
        self.disclosure.mapping()
    }

    fn write_aggregates(
        &mut self,
        aggregates: &Aggregates<'_>,
        _: &mut Account,
    ) -> Result<(), ExportError> {
        self.export_seconds = aggregates.end().as_secs();
        let mapping = self.disclosure.mapping();
        aggregates.data_records(mapping).try_for_each(|data| self.add(&data))
    }
}

impl Drop for CollectorSink {
    fn drop(&mut self) {
        // The run was abandoned: the thread that sends sees that too.
        self.store.abandon();
        if let Some(link) = self.link.take() {
            let _ = link.join();
            // What the spool has is left as it should be.
            let _ = self.store.end(self.clock.wall());
        }
    }
}

/// What the records of these Collectors wait under: where they go and how they are told, so that
/// another certificate or interval, or another member in a balanced group, does not part a run from
/// what the last one left. What was told under another privacy policy is: it might not leave now.
fn place_in_spool(members: &[Collector], share: Share) -> String {
    let members: Vec<_> = members.iter().map(Collector::as_encoded).collect();
    let prefix = match (share, members.len()) {
        (Share::ALL, 1) => "",
        (Share::ALL, _) => "failover:",
        _ => "balance:",
    };
    format!("{prefix}{}", members.join(","))
}

/// What an Ethernet path takes with IPv6 and UDP headers, until a session knows better.
const DATAGRAM_SIZE: usize = 1_452;
