use proptest::collection::vec;
use proptest::prelude::*;

use super::expression::*;
use super::*;
use crate::cli::show::subject::Session;
use crate::cli::table::Facts;
use crate::flow::Network;
use crate::ipfix::element::{DataType, InformationElement};
use crate::ipfix::field::Field;
use crate::ipfix::reader::Reader;
use crate::ipfix::reader::build::*;

/// What an expression is of the flows below, in their order.
fn matching(text: &str) -> Vec<usize> {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let again = Filter::parse(&filter.to_string()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, filter, "{text} is printed as {filter}");
    let octets = flows();
    let mut reader = Reader::new(octets.as_slice());
    let (mut facts, mut session) = (Facts::default(), Session::default());
    let mut found = Vec::new();
    let mut number = 0;
    while let Some(record) = reader.next_record().unwrap() {
        if record.template().is_options() {
            session.learn(&record);
            continue;
        }
        facts.read(record.fields(), session.time_base(&record));
        if filter.matches(&Subject { record: &record, facts: &facts, session: &session }) {
            found.push(number);
        }
        number += 1;
    }
    assert_eq!(number, 3);
    found
}

/// 0: a TCP biflow over IPv4 from 10.1.2.3:49152 to 192.0.2.80:443, VLAN 100, on eth1.
/// 1: a DNS request over IPv6 from 2001:db8::1:5353 to 2001:db8:1::53:53, in domain 2.
/// 2: an ICMP echo from 192.0.2.80 to 10.1.2.3.
fn flows() -> Vec<u8> {
    let tcp = [
        (0, 8, 4),
        (0, 12, 4),
        (0, 7, 2),
        (0, 11, 2),
        (0, 4, 1),
        (0, 2, 4),
        (29305, 2, 4),
        (0, 1, 4),
        (29305, 1, 4),
        (0, 6, 1),
        (29305, 6, 1),
        (0, 243, 2),
        (0, 10, 4),
        (0, 136, 1),
        (0, 5, 1),
        (29305, 5, 1),
        (0, 152, 8),
        (0, 153, 8),
        (0, 186, 2),
        (0, 56, 6),
        (0, 80, 6),
    ];
    let mut first = vec![10, 1, 2, 3, 192, 0, 2, 80, 0xc0, 0, 1, 187, 6, 0, 0, 0, 5, 0, 0, 0, 3];
    first.extend([0, 0, 4, 0, 0, 0x1e, 0x84, 0x80, 0x1b, 0x12, 0, 100, 0, 0, 0, 7, 3, 0xb8, 0]);
    first.extend(1_700_000_000_000_u64.to_be_bytes());
    first.extend(1_700_000_012_500_u64.to_be_bytes());
    first.extend([0xff, 0xff, 2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0x5e, 0, 0x53, 2]);
    let names = options_template(400, 1, &[(0, 10, 4), (0, 82, 4)]);

    let dns = [(0, 27, 16), (0, 28, 16), (0, 7, 2), (0, 11, 2), (0, 4, 1), (0, 2, 8), (0, 1, 8)];
    let mut second = vec![0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    second.extend([0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53]);
    second.extend([0x14, 0xe9, 0, 53, 17, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 80]);

    let icmp = [(0, 8, 4), (0, 12, 4), (0, 4, 1), (0, 32, 2), (0, 2, 2), (0, 1, 2), (0, 136, 1)];
    let third = [192, 0, 2, 80, 10, 1, 2, 3, 1, 8, 0, 0, 10, 3, 0xe8, 1];
    [
        message(1, 0, &[names, set(400, &[0, 0, 0, 7, b'e', b't', b'h', b'1'])]),
        message(1, 1, &[template(256, &tcp), set(256, &first)]),
        message(2, 0, &[template(256, &dns), set(256, &second)]),
        message(1, 2, &[template(257, &icmp), set(257, &third)]),
    ]
    .concat()
}

#[test]
fn every_test_finds_its_flows() {
    for (text, expected) in [
        ("host 10.1.2.3", &[0, 2][..]),
        ("ip 10.1.2.3", &[0, 2]),
        ("src host 10.1.2.3", &[0]),
        ("src 10.1.2.3", &[0]),
        ("dst 10.1.2.3", &[2]),
        ("host 2001:db8::1", &[1]),
        ("ip 2001:db8::1", &[1]),
        ("host in [10.1.2.3, 2001:db8::1]", &[0, 1, 2]),
        ("net 10.0.0.0/8", &[0, 2]),
        ("src net 10/8", &[0]),
        ("src net 192.0.2", &[2]),
        ("dst net 2001:db8:1::/48", &[1]),
        ("net 0.0.0.0/0", &[0, 2]),
        ("src and dst net 2001:db8::/32", &[1]),
        ("src and dst net 10.0.0.0/8", &[]),
        ("src or dst net 10.0.0.0/8", &[0, 2]),
        ("port 443", &[0]),
        ("dst port 443", &[0]),
        ("src port 443", &[]),
        ("port 50-60", &[1]),
        ("port > 1023", &[0, 1]),
        ("src and dst port > 100", &[0]),
        ("port in [22, 50-60, 443]", &[0, 1]),
        ("port != 443", &[1]),
        ("not port 443", &[1, 2]),
        ("tcp", &[0]),
        ("UDP", &[1]),
        ("icmp", &[2]),
        ("icmp6", &[]),
        ("proto tcp", &[0]),
        ("proto 17", &[1]),
        ("proto in [icmp, udp]", &[1, 2]),
        ("sctp", &[]),
        ("tcp port 443", &[0]),
        ("udp port 443", &[]),
        ("udp dst port 53", &[1]),
        ("ip6 host 2001:db8::1", &[1]),
        ("ipv4", &[0, 2]),
        ("ipv6", &[1]),
        ("vlan", &[0]),
        ("vlan 100", &[0]),
        ("vlan 101", &[]),
        ("not vlan", &[1, 2]),
        ("mac 02:00:5e:00:53:01", &[0]),
        ("dst mac 02:00:5e:00:53:01", &[]),
        ("dst mac 02-00-5E-00-53-02", &[0]),
        ("interface 7", &[0]),
        ("interface eth1", &[0]),
        ("dst interface eth1", &[]),
        ("interface \"eth0\"", &[]),
        ("flags S", &[0]),
        ("flags SA", &[0]),
        ("src flags F", &[0]),
        ("dst flags F", &[]),
        ("flags = SA", &[0]),
        ("src flags = SA", &[]),
        ("flags 0x1b", &[0]),
        ("packets > 7", &[0, 2]),
        ("packets = 8", &[0]),
        ("packets 8", &[0]),
        ("src packets 5", &[0]),
        ("dst packets 3", &[0]),
        ("octets > 2M", &[0]),
        ("octets >= 2.001024M", &[0]),
        ("octets > 2.001024M", &[]),
        ("src octets < 1k", &[1]),
        ("bytes <= 1k", &[1, 2]),
        ("octets 50-100", &[1]),
        ("duration > 10s", &[0]),
        ("duration > 12500ms", &[]),
        ("duration >= 12.5s", &[0]),
        ("duration < 1h", &[0]),
        ("start = 2023-11-14T22:13:20Z", &[0]),
        ("start >= 2023-11-14T23:13:20+01:00", &[0]),
        ("start < 2023-11-15", &[0]),
        ("start < 2023-11-14", &[]),
        ("end > 2023-11-14T22:13:32.499", &[0]),
        ("end > '2023-11-14 22:13:32.5'", &[]),
        ("end reason end", &[0]),
        ("end reason idle", &[2]),
        ("reason in [end, 1]", &[0, 2]),
        ("tos 0xb8", &[0]),
        ("dst tos 0xb8", &[]),
        ("dscp 46", &[0]),
        ("domain 2", &[1]),
        ("domain != 2", &[0, 2]),
        ("flowEndReason = 3", &[0]),
        ("flowendreason != 3", &[2]),
        ("tcpWindowSize > 1000", &[0]),
        ("tcpWindowSize in [1-5, 65535]", &[0]),
        ("reverseOctetDeltaCount = 2M", &[0]),
        ("sourceIPv4Address = 10.1.2.3", &[0]),
        ("sourceIPv4Address != 10.1.2.3", &[2]),
        ("sourceIPv4Address in [10.0.0.0/8, 192.0.2.0/24]", &[0, 2]),
        ("sourceMacAddress = 02:00:5e:00:53:01", &[0]),
        ("flowStartMilliseconds > 2023-11-14", &[0]),
        ("exists dot1qVlanId", &[0]),
        ("exists reverseOctetDeltaCount", &[0]),
        ("not exists flowEndReason", &[1]),
        ("interfaceName = \"eth1\"", &[]),
    ] {
        assert_eq!(matching(text), expected, "{text}");
    }
}

#[test]
fn not_binds_before_and_and_that_before_or() {
    for (text, grouped) in [
        ("udp or tcp and icmp", "udp or (tcp and icmp)"),
        ("not udp and tcp", "(not udp) and tcp"),
        ("! udp && tcp || icmp", "((not udp) and tcp) or icmp"),
        ("not tcp port 443", "not (tcp and port 443)"),
        ("NOT not udp", "not (not udp)"),
    ] {
        assert_eq!(matching(text), matching(grouped), "{text}");
        assert_eq!(Filter::parse(text), Filter::parse(grouped), "{text}");
    }
    assert_eq!(matching("udp or tcp and icmp"), [1]);
    assert_eq!(matching("(udp or tcp) and icmp"), [0; 0]);
    assert_eq!(matching("not tcp port 443"), [1, 2]);
}

#[test]
fn errors_point_at_the_place_and_say_what_would_be_right() {
    for (text, wrong, help) in [
        ("dst prt 443", "prt", "Did you mean `port`?"),
        ("prot tcp", "prot", "Did you mean `port`?"),
        ("octest > 5", "octest", "Did you mean `octets`?"),
        ("flowEndReson = 3", "flowEndReson", "Did you mean `flowEndReason`?"),
        ("port 65536", "65536", "0 to 65535"),
        ("port 10-5", "10-5", "port 1024-65535"),
        ("port > 5-6", "5-6", "port > 1023"),
        ("net 10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8"),
        ("net 10.0.0.0/33", "10.0.0.0/33", "net 10.0.0.0/8"),
        ("host example.org", "example.org", "host 192.0.2.1"),
        ("port 80 or 443", "443", "Did you mean `port 443`?"),
        ("10.0.0.1", "10.0.0.1", "`host 10.0.0.1`"),
        ("port 443 udp", "udp", "Join tests by `and` or `or`"),
        ("tcp)", ")", "Leave it out"),
        ("vlan 5000", "5000", "0 to 4095"),
        ("duration > 10", "10", "10s"),
        ("duration > 0.1ns", "0.1ns", "10s"),
        ("octets > 1Q", "1Q", "powers of 1000"),
        ("start > yesterday", "yesterday", "2026-01-31T10:15:00Z"),
        ("start > 2023-02-30", "2023-02-30", "2026-01-31T10:15:00Z"),
        ("src vlan 5", "vlan", "host, net, port"),
        ("src or port 4", "port", "src or dst port 53"),
        ("src and dst octets > 1", "octets", "src octets > 1M"),
        ("flags Q", "Q", "S A F R"),
        ("end reason never", "never", "idle, active"),
        ("sourceIPv4Address < 10.0.0.1", "<", "= or !="),
        ("exists nothing", "nothing", "Information Element"),
        ("basicList = 3", "=", "exists basicList"),
        ("tcp $ udp", "$", "Join tests"),
        ("tcp & udp", "&", "&&"),
        ("mac 02:00", "02:00", "mac 02:00:5e:00:53:01"),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(text.get(error.place()), Some(wrong), "{text}: {error}");
        assert!(error.to_string().contains(help), "{text}: {error}");
    }
    for (text, place) in [
        ("", 0),
        ("   ", 0),
        ("tcp and", 7),
        ("(tcp", 4),
        ("port", 4),
        ("src ", 3),
        ("flowEndReason", 13),
        ("port in [80", 11),
        ("port in [80 443]", 12),
        ("interfaceName = 'eth", 16),
        ("tcp and and udp", 8),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.place().start, place, "{text}: {error}");
    }
}

#[test]
fn a_caret_stands_under_the_place() {
    let error = Filter::parse("tcp and dst prt 443").unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[1..3], ["  tcp and dst prt 443", "              ^~~"], "{error}");
    // Whatever stands before it, and however much.
    let error = Filter::parse(&format!("{}\t\"ü\" = 3", "tcp or ".repeat(1_000))).unwrap_err();
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    let at = lines[2].find('^').unwrap();
    assert_eq!(lines[1].chars().nth(at), Some('"'), "{text}");
    assert!(text.lines().all(|line| line.len() < 120), "{text}");
}

#[test]
fn depth_is_bounded_and_length_is_not() {
    assert!(Filter::parse(&format!("{}tcp{}", "(".repeat(100), ")".repeat(100))).is_ok());
    let error = Filter::parse(&"(".repeat(100_000)).unwrap_err();
    assert_eq!(error.place(), 100..101);
    assert!(Filter::parse(&format!("{}tcp", "not ".repeat(101))).is_err());
    assert_eq!(matching(&vec!["udp"; 10_000].join(" or ")), [1]);
}

fn numbers(values: impl Strategy<Value = u64> + Clone + 'static) -> BoxedStrategy<Numbers> {
    let range =
        (values.clone(), values.clone()).prop_map(|(one, other)| (one.min(other), one.max(other)));
    prop_oneof![
        (comparison(), values).prop_map(|(comparison, value)| Numbers::Is(comparison, value)),
        vec(range, 1..4).prop_map(|ranges| match ranges[..] {
            [(first, last)] if first == last => Numbers::Is(Comparison::Equal, first),
            _ => Numbers::In(ranges),
        }),
    ]
    .boxed()
}

fn comparison() -> impl Strategy<Value = Comparison> + Clone {
    prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::AtMost),
        Just(Comparison::More),
        Just(Comparison::AtLeast),
    ]
}

fn one_of<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<OneOf<T>> {
    (any::<bool>(), vec(value, 1..4))
        .prop_map(|(is_negated, values)| OneOf {
            is_negated: is_negated && values.len() == 1,
            values,
        })
        .boxed()
}

fn prefix() -> impl Strategy<Value = Network> + Clone {
    (any::<std::net::IpAddr>(), 0..=128_u8).prop_map(|(address, length)| {
        let length = if address.is_ipv4() { length % 33 } else { length };
        Network::of(address, length)
    })
}

fn test() -> impl Strategy<Value = Test> {
    let end = || {
        prop_oneof![Just(End::Source), Just(End::Destination), Just(End::Either), Just(End::Both)]
    };
    let direction = || prop_oneof![Just(End::Source), Just(End::Destination), Just(End::Either)];
    let moment = || (-1_000_000_000..100_000_000_000_i64, 0..1_000_000_000_u32);
    let ports = || numbers(0..=65_535_u64);
    let octets = || numbers(0..=255_u64);
    let element =
        (0..InformationElement::all().len(), any::<bool>()).prop_map(|(index, reverse)| {
            let element = &InformationElement::all()[index];
            let name =
                if reverse { format!("reverse{}", element.name) } else { element.name.to_owned() };
            crate::cli::show::suggest::element(&name).expect("an element by its name")
        });
    let element_test = element.prop_flat_map(element_test);
    prop_oneof![
        (end(), vec(prefix(), 1..4)).prop_map(|(end, prefixes)| Test::Address(end, prefixes)),
        (end(), ports()).prop_map(|(end, numbers)| Test::Port(end, numbers)),
        octets().prop_map(Test::Protocol),
        prop_oneof![Just(4), Just(6)].prop_map(Test::Version),
        proptest::option::of(numbers(0..=4_095_u64)).prop_map(Test::Vlan),
        (end(), vec(any::<[u8; 6]>(), 1..4)).prop_map(|(end, macs)| Test::Mac(end, macs)),
        (end(), numbers(any::<u64>()))
            .prop_map(|(end, numbers)| Test::Interface(end, Interface::Number(numbers))),
        (end(), any::<String>())
            .prop_map(|(end, name)| Test::Interface(end, Interface::Name(name))),
        (end(), 0..=65_535_u64, any::<bool>())
            .prop_map(|(end, bits, is_exact)| Test::Flags(end, Flags { bits, is_exact })),
        (direction(), numbers(any::<u64>())).prop_map(|(end, numbers)| Test::Packets(end, numbers)),
        (direction(), numbers(any::<u64>())).prop_map(|(end, numbers)| Test::Octets(end, numbers)),
        numbers(any::<u64>()).prop_map(Test::Duration),
        (comparison(), moment()).prop_map(|(comparison, time)| Test::Start(comparison, time)),
        (comparison(), moment()).prop_map(|(comparison, time)| Test::EndTime(comparison, time)),
        octets().prop_map(Test::EndReason),
        (end(), octets()).prop_map(|(end, numbers)| Test::TypeOfService(end, numbers)),
        (end(), numbers(0..64_u64)).prop_map(|(end, numbers)| Test::CodePoint(end, numbers)),
        numbers(any::<u64>()).prop_map(Test::Domain),
        element_test,
    ]
}

fn element_test(field: Field) -> BoxedStrategy<Test> {
    let exists = Just(Test::Exists(field)).boxed();
    let test = match field.element.data_type {
        DataType::Unsigned8
        | DataType::Unsigned16
        | DataType::Unsigned32
        | DataType::Unsigned64
        | DataType::Unsigned256 => numbers(any::<u64>()).prop_map(ElementTest::Unsigned).boxed(),
        DataType::Signed8 | DataType::Signed16 | DataType::Signed32 | DataType::Signed64 => {
            (comparison(), any::<i64>())
                .prop_map(|(comparison, number)| ElementTest::Signed(comparison, number))
                .boxed()
        }
        DataType::Float32 | DataType::Float64 => (comparison(), -1e9..1e9_f64)
            .prop_map(|(comparison, number)| ElementTest::Float(comparison, number))
            .boxed(),
        DataType::Boolean => any::<bool>().prop_map(ElementTest::Boolean).boxed(),
        DataType::DateTimeSeconds
        | DataType::DateTimeMilliseconds
        | DataType::DateTimeMicroseconds
        | DataType::DateTimeNanoseconds => {
            (comparison(), (0..100_000_000_000_i64, 0..1_000_000_000_u32))
                .prop_map(|(comparison, time)| ElementTest::Time(comparison, time))
                .boxed()
        }
        DataType::Ipv4Address | DataType::Ipv6Address => {
            one_of(prefix()).prop_map(ElementTest::Address).boxed()
        }
        DataType::MacAddress => one_of(any::<[u8; 6]>()).prop_map(ElementTest::Mac).boxed(),
        DataType::String => one_of(any::<String>()).prop_map(ElementTest::Text).boxed(),
        DataType::OctetArray => {
            one_of(vec(any::<u8>(), 1..9)).prop_map(ElementTest::Octets).boxed()
        }
        DataType::BasicList | DataType::SubTemplateList | DataType::SubTemplateMultiList => {
            return exists;
        }
    };
    prop_oneof![test.prop_map(move |test| Test::Element(field, test)), exists].boxed()
}

fn expression() -> impl Strategy<Value = Expression> {
    test().prop_map(Expression::Test).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Expression::And),
            vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.prop_map(|term| Expression::Not(Box::new(term))),
        ]
    })
}

/// Words that expressions are made of, in no order that makes sense.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        proptest::sample::select(
            &[
                "src",
                "dst",
                "host",
                "net",
                "port",
                "proto",
                "tcp",
                "vlan",
                "mac",
                "interface",
                "flags",
                "packets",
                "octets",
                "duration",
                "start",
                "end",
                "reason",
                "tos",
                "domain",
                "exists",
                "and",
                "or",
                "not",
                "in",
                "(",
                ")",
                "[",
                "]",
                ",",
                "=",
                "!=",
                "<",
                ">=",
                "&&",
                "!",
                "5",
                "443",
                "10-5",
                "10.0.0.0/8",
                "2001:db8::1",
                "1.5M",
                "10s",
                "'x'",
                "2026-01-31",
                "idle",
                "flowEndReason",
                "interfaceName",
                "\\",
                "µs",
                "S",
            ][..]
        )
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    vec(word, 0..12).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_parsed_into_the_same_tree(expression in expression()) {
        let filter = Filter(expression);
        let text = filter.to_string();
        let parsed = Filter::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(parsed, filter, "{}", text);
    }

    #[test]
    fn no_text_is_too_much(text in words()) {
        match Filter::parse(&text) {
            Ok(filter) => prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter)),
            Err(error) => {
                prop_assert!(text.get(error.place()).is_some(), "{text:?}: {error:?}");
                prop_assert!(error.to_string().contains('^'));
            }
        }
    }
}
