//! B-01 to B-08: biflows (RFC 5103).

use flowtap::ipfix::element::InformationElement;
use flowtap::ipfix::exported;
use flowtap::ipfix::template::{FieldSpecifier, Template, TemplateError, TemplateId};

use super::capture::{BEGIN, Capture, Packet};
use super::exporter::over_udp;
use crate::records::varied_records;
use crate::strict::{REVERSE, Record, Session, Specifier};

const SYN: u16 = 0x002;
const ACK: u16 = 0x010;
const SECOND: u64 = 1_000_000_000;

#[test]
fn b01_a_reverse_element_is_the_same_number_in_the_reverse_enterprise() {
    // RFC 5103 §6.1; §6.2: one of our own marks it by a bit of its number.
    let (_, session) = over_udp("", &[&varied_records()]);
    let template = session
        .templates()
        .find(|template| template.position(Specifier::is(REVERSE, 1)).is_some())
        .unwrap();
    for field in template.fields.iter().filter(|field| field.enterprise == REVERSE) {
        assert!(template.position(Specifier::is_iana(field.id)).is_some(), "{field:?}");
    }
    let ours = session.templates().flat_map(|template| &template.fields);
    let mut reverse = ours.filter(|field| field.enterprise == 32_473 && field.id & 0x4000 != 0);
    assert!(reverse.next().is_some(), "fragments of the way back");
}

#[test]
fn b02_b03_reverse_elements_need_a_direction_and_a_reverse() {
    // RFC 5103 §4, §6.1.
    let id = TemplateId::new(256).unwrap();
    let field = |element, length| FieldSpecifier { element, length };
    let reverse =
        |element: InformationElement| InformationElement { enterprise: REVERSE, ..element };
    let counter = field(reverse(exported::OCTET_DELTA_COUNT), 8);
    let alone = Template::new(id, vec![counter, field(exported::PROTOCOL_IDENTIFIER, 1)]);
    assert_eq!(alone, Err(TemplateError::ReverseWithoutDirection));
    let source = field(exported::SOURCE_IPV4_ADDRESS, 4);
    assert!(Template::new(id, vec![source, counter]).is_ok());
    for (element, length) in
        [(exported::BIFLOW_DIRECTION, 1), (exported::FLOW_ID, 8), (exported::TEMPLATE_ID, 2)]
    {
        let refused = Template::new(id, vec![source, field(reverse(element), length)]);
        assert!(matches!(refused, Err(TemplateError::NotReversible(_))), "{}", element.name);
    }
    // What we send keeps both: the session checks it.
    over_udp("", &[&varied_records()]);
}

#[test]
fn b04_a_flow_without_answer_has_no_reverse_elements() {
    // RFC 5103 §4: zeros may not stand for what was not seen.
    let mut capture = Capture::default();
    capture.push(Packet::default());
    capture.push(Packet { client: 2, ..Packet::default() });
    capture.push(Packet { client: 2, is_reply: true, at: 5, ..Packet::default() });
    let (session, _) = capture.replay(&[], "");
    let mut reverse: Vec<bool> =
        session.flows().map(|flow| flow.has(|field| field.enterprise == REVERSE)).collect();
    reverse.sort_unstable();
    assert_eq!(reverse, [false, true]);
}

#[test]
fn b05_the_source_is_who_began() {
    // RFC 5103 §5, §6.3: by the first packet, by the flags of TCP, by the types of ICMP.
    let packet = |protocol, flags, is_reply, at| Packet {
        protocol,
        flags,
        is_reply,
        at,
        ..Packet::default()
    };
    for (packets, source) in [
        // The whole handshake, and its middle alone.
        (vec![packet(6, SYN, false, 0), packet(6, SYN | ACK, true, 1)], CLIENT),
        (vec![packet(6, SYN | ACK, true, 0), packet(6, ACK, false, 1)], CLIENT),
        // A SYN that comes late knows better.
        (vec![packet(6, ACK, true, 0), packet(6, SYN, false, 1)], CLIENT),
        // Mid-stream nobody can say: who is seen first.
        (vec![packet(6, ACK, true, 0), packet(6, ACK, false, 1)], SERVER),
        (vec![packet(17, 0, true, 0), packet(17, 0, false, 1)], SERVER),
        // An answer to a question that was missed.
        (vec![packet(1, 0, true, 0), packet(1, 0, false, 1)], CLIENT),
    ] {
        let mut capture = Capture::default();
        packets.iter().for_each(|&packet| capture.push(packet));
        let (session, _) = capture.replay(&[], "");
        let [flow] = session.flows().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(flow.octets(0, 8), Some(&source[..]), "{packets:?}");
        // biflowDirection: the initiator.
        assert_eq!(flow.iana(239), Some(1));
    }
}

#[test]
fn b06_slices_of_a_flow_keep_its_direction() {
    // RFC 5103 §5.1.
    let mut capture = Capture::default();
    for slice in 0..5 {
        // From the second slice on the server speaks first.
        for (number, is_reply) in [slice > 0, slice == 0].into_iter().enumerate() {
            let at = slice * 11 * SECOND + number as u64;
            capture.push(Packet { is_reply, at, ..Packet::default() });
        }
    }
    // In the last one it alone speaks.
    capture.push(Packet { is_reply: true, at: 56 * SECOND, ..Packet::default() });
    let (session, _) = capture.replay(&["--active-timeout", "10s"], "");
    let flows: Vec<&Record> = session.flows().collect();
    assert!(flows.len() >= 5, "{}", flows.len());
    for flow in &flows {
        assert_eq!(flow.iana(148), flows[0].iana(148), "flowId");
        if flow.iana(239) == Some(1) {
            assert_eq!(flow.octets(0, 8), Some(&CLIENT[..]));
        } else {
            // RFC 5103 §6.3: turned, and says so: reverseInitiator.
            assert_eq!((flow.iana(239), flow.octets(0, 8)), (Some(2), Some(&SERVER[..])));
        }
    }
}

#[test]
fn b08_both_halves_have_their_own_times_and_come_from_one_domain() {
    // RFC 5103 §3, §6.1: the start of each direction is that of its own first packet.
    let mut capture = Capture::default();
    for (at, is_reply) in [(0, false), (7_000_001, true), (30_000_000, false), (45_999_999, true)] {
        capture.push(Packet { at, is_reply, ..Packet::default() });
    }
    let (session, _) = capture.replay(&[], "");
    let [flow] = session.flows().collect::<Vec<_>>().try_into().unwrap();
    let begin = BEGIN / 1_000_000;
    assert_eq!([flow.iana(152), flow.iana(153)], [Some(begin), Some(begin + 30)]);
    assert_eq!([flow.reverse(152), flow.reverse(153)], [Some(begin + 7), Some(begin + 45)]);
    let domains = |session: &Session| session.flows().all(|flow| flow.domain == 1);
    assert!(domains(&session));
}

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 200];
