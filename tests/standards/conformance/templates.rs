//! E-14 to E-33: Templates and their life (RFC 7011 §3.4, §8).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is wrong here fails the test that asked"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flowtap::export::{Config, Exporter, Pace, Profile};
use flowtap::ipfix::exported;
use flowtap::ipfix::template::{FieldSpecifier, Template, TemplateError, TemplateId};
use proptest::prelude::*;

use super::capture::{Capture, Packet};
use super::exporter::{TestClock, any_run, batch, config, few, over_tcp, over_udp};
use crate::program::wait_until;
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::records::{plain, varied_records};
use crate::run::sample;
use crate::strict::{Session, Specifier};

#[test]
fn e14_ids_are_unique_over_both_kinds_and_stay_over_restarts() {
    // RFC 7011 §3.4.1, §8: 256 and above. The session refuses a number with a second meaning.
    let records = varied_records();
    let ids = |records: &[_]| -> BTreeMap<u16, Vec<Specifier>> {
        let (_, session) = over_udp("", &[records]);
        session.definitions().map(|(_, d)| (d.id, d.fields.clone())).collect()
    };
    let all = ids(&records);
    assert!(all.keys().all(|id| *id >= 256));
    // Another run, in another order, with fewer layouts.
    let mut others = records.clone();
    others.reverse();
    for (id, fields) in ids(&others[..100]) {
        assert_eq!(all.get(&id), Some(&fields), "{id}");
    }
}

#[test]
fn e15_e16_templates_have_fields_and_options_templates_a_scope() {
    // RFC 7011 §3.4.1, §8.1: none would be a withdrawal; §3.4.2.2: scope fields come first.
    let id = TemplateId::new(256).unwrap();
    let field = FieldSpecifier { element: exported::INGRESS_INTERFACE, length: 4 };
    assert_eq!(Template::new(id, Vec::new()), Err(TemplateError::NoFields));
    for scope in [0, 2] {
        let refused = Template::options(id, scope, vec![field]);
        assert_eq!(refused, Err(TemplateError::ScopeFieldCount { scope, fields: 1 }));
    }
    let (_, session) = over_udp("", &[&[plain(1)]]);
    let scopes: BTreeMap<u16, Vec<u16>> = session
        .definitions()
        .filter(|(_, definition)| definition.scope_fields > 0)
        .map(|(_, d)| (d.id, d.fields.iter().take(d.scope_fields).map(|f| f.id).collect()))
        .collect();
    assert!(scopes.len() > 8);
    for (id, scope) in scopes {
        // Domain and Metering Process, Exporting Process, Template, element and enterprise,
        // interface, Selector.
        let known: [&[u16]; 6] = [&[149, 143], &[144], &[145], &[303, 346], &[10], &[302]];
        assert!(known.contains(&scope.as_slice()), "{id}: {scope:?}");
    }
}

#[test]
fn e18_the_first_time_is_told_before_the_last() {
    // RFC 7011 §8, §4.3: of a repeated element, the order is that of what happened.
    let (_, session) = over_udp("", &[&[plain(1)]]);
    for id in [164, 166] {
        let (_, definition) = session
            .definitions()
            .find(|(_, definition)| definition.position(Specifier::is_iana(id)).is_some())
            .unwrap();
        let times = definition.fields.iter().filter(|field| field.id == 323).count();
        assert_eq!(times, 2, "{definition:?}");
    }
}

#[test]
fn e19_what_a_packet_does_not_have_has_no_field() {
    // RFC 7011 §8: a zero would be a statement.
    let mut capture = Capture::default();
    for protocol in [1, 6, 17, 47] {
        capture.push(Packet { protocol, ..Packet::default() });
    }
    let (session, _) = capture.replay(&[], "");
    let flows: Vec<_> = session.flows().collect();
    assert_eq!(flows.len(), 4);
    for flow in flows {
        let has = |id| flow.iana(id).is_some();
        let protocol = flow.iana(4).unwrap();
        let ports = [6, 17].contains(&protocol);
        assert_eq!([has(7), has(11)], [ports; 2], "ports of protocol {protocol}");
        let tcp = protocol == 6;
        assert_eq!([has(6), has(184), has(186)], [tcp; 3], "TCP fields of protocol {protocol}");
        assert_eq!(has(32), protocol == 1, "ICMP type of protocol {protocol}");
        // No VLAN tag, no label, no tunnel, and not seen on the way out.
        assert_eq!([58, 243, 70, 351, 14].map(has), [false; 5]);
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn e20_e22_templates_go_ahead_of_their_data(run in any_run()) {
        // RFC 7011 §8, §8.2: also in one Message. The session reads no Data Set before its Template.
        let (_, session) = run.export();
        let mut defined = BTreeSet::<u16>::new();
        for message in &session.messages {
            let data = message.sets.iter().position(|set| *set >= 256);
            let last_template = message.sets.iter().rposition(|set| *set < 256);
            prop_assert!(data.is_none_or(|data| last_template.is_none_or(|t| t < data)));
            defined.extend(&message.defined);
            prop_assert!(message.sets.iter().all(|set| *set < 256 || defined.contains(set)));
        }
    }
}

#[test]
fn e21_export_time_does_not_step_back_with_the_clock() {
    // RFC 7011 §8.2: no data may be earlier than their Template; with options in a domain of their
    // own too, for IPFIXcol2 closes the session.
    for profile in ["standard", "nfdump"] {
        let collector = TcpReceiver::start();
        let clock = TestClock::at(1_800_000_000);
        let target = format!("tcp://{}?profile={profile}&options_refresh=1s", collector.address());
        let mut config = config(Pace::Live, &[target]);
        config.clock = clock.clone();
        let exporter = Exporter::start(&config, Vec::new()).unwrap();
        let sent = |flows: u64| {
            wait_until("its Flows", || {
                clock.advance(1);
                let streams = collector.so_far();
                streams.first().is_some_and(|stream| {
                    let whole = whole_messages(stream);
                    Session::of_stream(whole).sums().flows == flows
                })
            });
        };
        exporter.send(&batch(&[plain(1)]));
        sent(1);
        clock.step(-100_000);
        exporter.send(&batch(&varied_records()[..3]));
        sent(4);
        clock.step(200_000);
        exporter.send(&batch(&[plain(2)]));
        exporter.finish();
        // The session reads no Message that is earlier than the one before.
        let session = Session::of_stream(&collector.finish()[0]);
        let times = session.messages.iter().map(|message| message.export_time);
        assert!(
            times.clone().max().unwrap() > 1_800_000_000 + 90_000,
            "it follows the clock again"
        );
        assert_eq!(session.sums().flows, 5);
    }
}

#[test]
fn e23_options_templates_are_sent_together() {
    // RFC 7011 §8: what depends on each other in one Message, where it fits.
    let (_, session) = over_udp("mtu=1500", &[&[plain(1)]]);
    let options: BTreeSet<u16> = session
        .definitions()
        .filter(|(_, definition)| definition.scope_fields > 0)
        .map(|(_, definition)| definition.id)
        .collect();
    assert_eq!(BTreeSet::from_iter(session.messages[0].defined.clone()), options);
}

#[test]
fn e27_nothing_is_withdrawn_over_udp() {
    // RFC 7011 §8.4; the session refuses a Template without fields. Here over many refreshes.
    let (session, _) = refreshed("template_refresh=1s&options_refresh=1s", 10, |_| {});
    assert!(session.messages.len() > 20);
}

#[test]
fn e28_templates_and_options_templates_are_sent_again_each_on_its_own_clock() {
    // RFC 7011 §8.4: also while there is no Flow.
    for (templates, options) in [(2, 7), (7, 2)] {
        let target = format!("template_refresh={templates}s&options_refresh={options}s");
        let (session, passes) = refreshed(&target, 14, |_| {});
        let count = |is: fn(&u16) -> bool| {
            let defined = session.messages.iter().flat_map(|message| &message.defined);
            let mut copies = BTreeMap::<u16, u32>::new();
            defined.copied().filter(is).for_each(|id| *copies.entry(id).or_default() += 1);
            copies
        };
        // At the start a Template is sent twice, an Options Template once.
        for (copies, at_start, every) in
            [(count(|id| *id < 60_000), 2, templates), (count(|id| *id >= 65_000), 1, options)]
        {
            assert!(!copies.is_empty());
            for (id, copies) in copies {
                let expected = at_start + passes / every;
                assert!((expected - 1..=expected + 1).contains(&copies), "{id}: {copies}");
            }
        }
    }
}

#[test]
fn e29_over_udp_a_new_template_is_sent_twice_in_messages_of_its_own() {
    // RFC 7011 §8.4.
    let (_, session) = over_udp("", &[&varied_records()]);
    for template in session.templates() {
        let with = session.messages.iter().filter(|message| message.defined.contains(&template.id));
        let with: Vec<_> = with.collect();
        assert_eq!(with.len(), 2, "Template {}", template.id);
        assert!(with.iter().all(|message| message.data_records == 0));
    }
    // RFC 7011 §8.1: over TCP once.
    let (_, session) = over_tcp("", &[&varied_records()], |_| {});
    let mut defined: Vec<u16> =
        session.messages.iter().flat_map(|message| &message.defined).copied().collect();
    let sent = defined.len();
    defined.sort_unstable();
    defined.dedup();
    assert_eq!(defined.len(), sent);
}

#[test]
fn e31_every_session_begins_with_the_templates() {
    // RFC 7011 §8.1: the end of a session withdraws them all.
    let collector = TcpReceiver::start_at("127.0.0.1:0", 2);
    let target = format!("tcp://{}?reconnect=1s", collector.address());
    let exporter = Exporter::start(&config(Pace::Live, &[target]), Vec::new()).unwrap();
    wait_until("the third session", || {
        exporter.send(&batch(&[plain(1)]));
        std::thread::sleep(Duration::from_millis(50));
        collector.so_far().get(2).is_some_and(|stream| !stream.is_empty())
    });
    exporter.finish();
    let streams = collector.finish();
    let session = Session::of_stream(streams.last().unwrap());
    assert!(session.sums().flows > 0 && session.options(302).count() > 0);
    // It knows all Templates by this session alone; and its options come first.
    assert!(session.messages[0].sets.iter().all(|set| *set == 3));
}

#[test]
fn e32_templates_are_sent_again_every_minute_at_least() {
    // RFC 7011 §8.4, and a Collector's 1800 s: three refreshes are far below.
    assert!(Config::default().udp.template_refresh_messages <= 10_000);
    for profile in Profile::ALL {
        assert!(profile.rules().refresh.templates <= Duration::from_secs(60), "{profile}");
        assert!(profile.rules().refresh.options <= Duration::from_secs(600), "{profile}");
    }
    // And after so many Messages, however fast they are.
    let records: Vec<_> = (0..600).map(plain).collect();
    let collector = UdpReceiver::start();
    let mut config = config(Pace::Replay, &[format!("udp://{}?mtu=512", collector.address())]);
    config.udp.template_refresh_messages = 20;
    super::exporter::export(&config, &[&records]);
    let datagrams = collector.finish();
    let session = Session::of_datagrams(datagrams.iter().map(Vec::as_slice));
    let id = session.templates().next().unwrap().id;
    let with = session.messages.iter().positions(|message| message.defined.contains(&id));
    let most = with.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(with.len() > 5 && most <= 25, "{with:?}");
}

#[test]
fn e33_options_records_are_sent_again_on_their_clock() {
    // RFC 7011 §4, §8.4: a Collector that was restarted has none. Sampling, interfaces, timeouts,
    // biflow method, types of elements.
    let (session, passes) = refreshed("options_refresh=2s", 10, |_| {});
    for element in [305, 82, 36, 239, 339] {
        let records = session.options(element).count();
        assert!(records >= usize::try_from(passes / 2).unwrap(), "element {element}: {records}");
    }
}

#[test]
fn e19_the_sample_has_no_field_that_only_others_need() {
    // RFC 7011 §8: ARP, ICMP, UDP and TCP, real ones.
    let (session, _) = super::capture::replay(&sample(), &[], "");
    for flow in session.flows() {
        let protocol = flow.iana(4).unwrap();
        assert!(protocol == 6 || flow.iana(6).is_none());
        assert_eq!(
            flow.iana(32).is_some() || flow.iana(139).is_some(),
            [1, 58].contains(&protocol)
        );
    }
}

/// One Flow, then silence while so many seconds pass; what a collector over UDP gets, and the
/// seconds.
fn refreshed(options: &str, seconds: u32, change: impl FnOnce(&mut Config)) -> (Session, u32) {
    let collector = UdpReceiver::start();
    let clock = TestClock::at(1_800_000_000);
    let target = format!("udp://{}?{options}", collector.address());
    let mut config = config(Pace::Live, &[target]);
    config.clock = clock.clone();
    change(&mut config);
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    exporter.send(&batch(&[plain(1)]));
    let flows = || {
        let datagrams = collector.so_far();
        Session::of_datagrams(datagrams.iter().map(Vec::as_slice)).sums().flows
    };
    // The Message leaves when the flush timer is over.
    let mut passed = 0;
    wait_until("the Flow", || {
        let arrived = flows() == 1;
        if !arrived {
            clock.advance(1);
            passed += 1;
            std::thread::sleep(Duration::from_millis(150));
        }
        arrived
    });
    for _ in 0..seconds {
        clock.advance(1);
        // An idle link looks around ten times a second.
        std::thread::sleep(Duration::from_millis(220));
    }
    exporter.finish();
    let datagrams = collector.finish();
    (Session::of_datagrams(datagrams.iter().map(Vec::as_slice)), seconds)
}

/// A stream up to its last whole Message.
fn whole_messages(stream: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(length) = stream.get(end + 2..end + 4) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if end + length > stream.len() {
            break;
        }
        end += length;
    }
    &stream[..end]
}

/// Where something is.
trait Positions: Iterator + Sized {
    fn positions(self, is: impl Fn(Self::Item) -> bool) -> Vec<usize> {
        self.enumerate().filter_map(|(at, item)| is(item).then_some(at)).collect()
    }
}

impl<I: Iterator> Positions for I {}
