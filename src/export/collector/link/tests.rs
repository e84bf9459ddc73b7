use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::export::body::Body;
use crate::export::mapping::{Content as _, Templates, data_records};
use crate::export::target::{Collector, Target, Transport};
use crate::export::testing::{read_flows, udp_uniflow};
use crate::export::transport::{Patience, SendError, Session, Settings};
use crate::export::watch::SpoolState;
use crate::ipfix::sets::DataSets;

/// What becomes of a Message, by its number; the size is that of the Messages to come.
type Fate = fn(number: usize, message: &[u8], size: &AtomicUsize) -> Result<(), SendError>;

/// A session that does as it is told.
#[derive(Clone, Debug)]
struct Told {
    fate: Fate,
    size: Arc<AtomicUsize>,
    tried: usize,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    wants_renewal: bool,
    /// Its peer is known to read what is sent.
    is_read: bool,
    advice: Option<&'static str>,
}

impl Told {
    fn new(size: usize, fate: Fate) -> Self {
        let size = Arc::new(AtomicUsize::new(size));
        let (wants_renewal, is_read, advice) = (false, true, None);
        Self { fate, size, tried: 0, sent: Arc::default(), wants_renewal, is_read, advice }
    }

    fn opened(&self) -> Opened {
        Opened { session: Box::new(self.clone()), is_datagrams: true }
    }

    fn flows(&self) -> u64 {
        let sent = self.sent.lock().unwrap();
        if sent.is_empty() { 0 } else { read_flows(&sent.concat()).0 }
    }
}

impl Session for Told {
    fn send(&mut self, message: &[u8], _: Patience<'_>) -> Result<(), SendError> {
        self.tried += 1;
        (self.fate)(self.tried, message, &self.size)?;
        self.sent.lock().unwrap().push(message.to_vec());
        Ok(())
    }

    fn look(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn advice(&mut self) -> Option<io::Error> {
        self.advice.take().map(io::Error::other)
    }

    fn delivered(&mut self) -> u64 {
        if self.is_read { self.sent.lock().unwrap().len() as u64 } else { 0 }
    }

    fn delivered_at_end(&mut self) -> u64 {
        self.delivered()
    }

    fn close(&mut self, _: Duration, _: &dyn Clock) -> io::Result<()> {
        Ok(())
    }

    fn message_size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    fn wants_renewal(&self) -> bool {
        self.wants_renewal
    }
}

fn collector() -> Collector {
    match "udp://127.0.0.1:9".parse() {
        Ok(Target::Collector(collector)) => collector,
        other => panic!("{other:?}"),
    }
}

fn context(observation_domain: u32) -> Context {
    Context { observation_domain, mapping: collector().options.mapping(true) }
}

/// A link, and its store, whose Bodies are encoded as `context` says.
fn link(context_of_bodies: &str) -> (Link, Arc<Store>) {
    let (config, collector) = (Config::default(), collector());
    let store = Arc::new(Store::new(1 << 20, 1_452, Pace::Live, context_of_bodies, None));
    let rules = collector.options.rules();
    let Context { observation_domain, mapping } = context(1);
    let options = Options::new(config.metering.clone(), observation_domain, mapping, rules.options);
    let refresh = collector.options.refresh();
    let member = (collector, Settings::new(&config), Duration::from_secs(60));
    let link = Link::new(LinkConfig {
        target: "udp://c".to_owned(),
        members: Members::new([member], Arc::clone(&config.clock)),
        store: Arc::clone(&store),
        options,
        options_apart: false,
        context: context(1),
        refresh,
        pacer: Pacer::new(0, 0),
        ending: Arc::default(),
        watch: Arc::new(Watch::new("udp://c".to_owned(), "1".to_owned(), "udp", Vec::new())),
        config,
    });
    (link, store)
}

/// A Body of `count` records.
fn push(store: &Store, count: u32) {
    let mapping = context(1).mapping;
    let (mut templates, mut sets) = (Templates::new(mapping), DataSets::new(65_535));
    let mut totals = Totals::default();
    for record in (0..count).map(udp_uniflow) {
        for data in data_records(&record, mapping) {
            let template = templates.template(data.number());
            sets.add_record(template, |octets| data.visit(octets)).unwrap();
            totals += Totals::of_data(&data);
        }
    }
    store.push(Body { sets: sets.take(), totals }, 0, Timestamp::EPOCH);
}

fn sends(_: usize, _: &[u8], _: &AtomicUsize) -> Result<(), SendError> {
    Ok(())
}

#[test]
fn a_spool_that_fills_up_is_told_of_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = crate::export::config::SpoolConfig {
        directory: directory.path().join("spool"),
        maximum_octets: 1_000_000,
        maximum_age: Duration::from_secs(3_600),
        key_file: None,
    };
    let context = context(1).to_string();
    let (spool, _) =
        crate::export::spool::Spool::open(&config, "udp://c", &context, Timestamp::EPOCH).unwrap();
    let (mut link, _) = link(&context);
    link.store = Arc::new(Store::new(1 << 20, 1_452, Pace::Live, &context, Some(spool)));
    let mut warned_at = None;
    for _ in 0..900 {
        push(&link.store, 15);
        link.tick_store();
        let SpoolState { octets: filled, maximum_octets, limit_octets, .. } =
            link.store.spool().unwrap();
        assert_eq!([maximum_octets, limit_octets], [1_000_000; 2]);
        if link.account.spool_nearly_full_times() == 1 {
            warned_at.get_or_insert(filled);
        }
        if filled > 950_000 {
            break;
        }
    }
    let warned_at = warned_at.expect("it is told");
    assert!((800_000..810_000).contains(&warned_at), "{warned_at}");
    assert_eq!(link.account.spool_nearly_full_times(), 1);
}

fn has_flows(message: &[u8]) -> bool {
    matches!(message.get(16..18), Some([high, low]) if (256..65_000)
        .contains(&u16::from_be_bytes([*high, *low])))
}

#[test]
fn a_session_that_is_renewed_takes_no_body_with_it() {
    let (mut link, store) = link(&context(1).to_string());
    let old = Told { wants_renewal: true, ..Told::new(1_452, sends) };
    link.begin(old.opened());
    assert!(link.step().unwrap()); // announced
    push(&store, 5);
    assert!(link.step().unwrap());
    assert!(link.session.is_none() || old.flows() == 5);
    while link.session.is_some() {
        assert!(link.step().unwrap());
    }
    push(&store, 7);
    let new = Told::new(1_452, sends);
    link.begin(new.opened());
    store.close();
    while link.step().unwrap() {}
    assert_eq!(old.flows() + new.flows(), 12);
    assert!(store.is_ended());
    assert_eq!(link.account.settled().records, 12);
}

#[test]
fn what_was_written_and_may_be_unread_is_shown_apart_from_what_waits() {
    let (mut link, store) = link(&context(1).to_string());
    let shown = |link: &Link| {
        link.show();
        let state = link.watch.state();
        let session = state.session.unwrap();
        let written = session.last_written.is_some();
        (state.sent.records, session.unconfirmed, state.waiting, state.queued, written)
    };
    link.watch.given.add(Totals { records: 12, ..Totals::default() });
    let unread = Told { is_read: false, ..Told::new(1_452, sends) };
    link.begin(unread.opened());
    assert!(link.step().unwrap()); // announced
    assert_eq!(shown(&link), (0, 0, 12, 12, false), "Templates are no records");
    push(&store, 5);
    assert!(link.step().unwrap());
    push(&store, 7);
    assert_eq!(unread.flows(), 5);
    assert_eq!(shown(&link), (0, 5, 7, 12, true));
    link.session_broke(io::ErrorKind::ConnectionReset.into()).unwrap();
    assert_eq!(shown(&link), (0, 0, 12, 12, true), "they wait again");
    link.begin(Told::new(1_452, sends).opened());
    store.close();
    while link.step().unwrap() {}
    assert_eq!(shown(&link), (12, 0, 0, 0, true));
}

#[test]
fn advice_ends_no_session_though_records_could_wait_elsewhere() {
    let (mut link, store) = link(&context(1).to_string());
    let members = ["192.0.2.1", "192.0.2.2"].map(|host| {
        let settings = Settings::new(&link.config);
        (Collector::new(Transport::Tls, host, 4740), settings, Duration::ZERO)
    });
    link.members = Members::new(members, Arc::clone(&link.clock));
    assert!(link.has_alternative());
    let told = Told { advice: Some("every user can read the key"), ..Told::new(1_452, sends) };
    link.begin(told.opened());
    push(&store, 5);
    store.close();
    while link.step().unwrap() {}
    assert_eq!(told.flows(), 5);
    assert_eq!(link.account.settled().records, 5);
}

#[test]
fn a_path_that_narrows_within_a_body_sees_every_record_once() {
    // RFC 7011 §10.3.3.
    let (mut link, store) = link(&context(1).to_string());
    let narrows = |_: usize, message: &[u8], size: &AtomicUsize| {
        static DATA: AtomicUsize = AtomicUsize::new(0);
        let is_third = has_flows(message) && DATA.fetch_add(1, Ordering::Relaxed) == 2;
        if is_third {
            size.store(500, Ordering::Relaxed);
        }
        if message.len() > size.load(Ordering::Relaxed) {
            return Err(SendError::TooLarge);
        }
        Ok(())
    };
    let session = Told::new(800, narrows);
    link.begin(session.opened());
    push(&store, 50);
    store.close();
    while link.step().unwrap() {}
    let sent = session.sent.lock().unwrap().clone();
    assert!(sent.iter().filter(|message| has_flows(message)).count() > 5);
    assert_eq!(read_flows(&sent.concat()).0, 50);
    assert_eq!(link.account.settled().records, 50);
}

#[test]
fn a_network_that_is_down_does_not_keep_the_end_waiting() {
    let (mut link, store) = link(&context(1).to_string());
    let down = |_: usize, _: &[u8], _: &AtomicUsize| {
        Err(SendError::NotSent(io::ErrorKind::NetworkUnreachable.into()))
    };
    link.begin(Told::new(1_452, down).opened());
    push(&store, 3);
    push(&store, 4);
    store.close();
    for _ in 0..3 {
        if !link.step().unwrap() {
            assert_eq!(store.not_sent().totals.records, 7);
            assert_eq!(link.account.settled().records, 7);
            return;
        }
    }
    panic!("the end is never reached");
}

#[test]
fn a_template_that_did_not_leave_leaves_before_its_data() {
    // RFC 7011 §8: the network comes up after the first Template was refused.
    let (mut link, store) = link(&context(1).to_string());
    let late = |_: usize, message: &[u8], _: &AtomicUsize| {
        static REFUSED: AtomicUsize = AtomicUsize::new(0);
        let is_template = message.get(16..18) == Some(&[0, 2]);
        if is_template && REFUSED.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(SendError::NotSent(io::ErrorKind::NetworkUnreachable.into()));
        }
        Ok(())
    };
    let session = Told::new(1_452, late);
    link.begin(session.opened());
    push(&store, 3);
    push(&store, 4);
    store.close();
    while link.step().unwrap() {}
    // The reader refuses data without Template.
    assert_eq!(session.flows(), 4);
    assert_eq!(store.not_sent().totals.records, 3);
}

#[test]
fn records_of_another_configuration_have_a_session_of_their_own() {
    // RFC 7011 §8.1.
    let (mut link, store) = link(&context(2).to_string());
    let own = Told::new(1_452, sends);
    link.begin(own.opened());
    push(&store, 5);
    assert!(link.step().unwrap());
    assert!(link.session.is_none());
    let other = Told::new(1_452, sends);
    link.begin(other.opened());
    store.close();
    while link.step().unwrap() {}
    assert_eq!((own.flows(), other.flows()), (0, 5));
    let sent = other.sent.lock().unwrap();
    assert!(sent.iter().filter(|m| has_flows(m)).all(|m| m.get(12..16) == Some(&[0, 0, 0, 2])));
    assert_eq!(link.account.settled().records, 5);
}

#[test]
fn records_of_another_version_do_not_stand_in_the_way() {
    let (mut link, store) = link("a later version");
    let session = Told::new(1_452, sends);
    push(&store, 5);
    link.begin(session.opened());
    store.close();
    while link.step().unwrap() {}
    assert_eq!(session.flows(), 0);
    assert_eq!((link.account.settled().records, store.not_sent().totals.records), (5, 5));
}

#[test]
fn what_found_no_room_in_the_queue_is_told_to_the_collector() {
    // RFC 7011 §4.3.
    let (mut link, store) = link(&context(1).to_string());
    link.begin(Told::new(1_452, sends).opened());
    let lost = Totals { records: 3, packets: 30, octets: 300 };
    link.watch.queue_full.add(lost);
    assert!(link.step().unwrap());
    assert_eq!(store.not_sent().totals, lost);
    link.watch.queue_full.add(lost);
    store.close();
    assert!(!link.step().unwrap());
    assert_eq!(store.not_sent().totals.records, 6);
}
