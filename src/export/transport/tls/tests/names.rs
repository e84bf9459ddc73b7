//! Who a Collector has to be (RFC 7011 §11.3).

use super::certificates::Wanted;
use super::*;

/// A session with a Collector that has this certificate, asked for by `name`, if not by address.
fn open_to(wanted: &Wanted<'_>, name: Option<&str>, peers: &[&str]) -> Result<(), TlsError> {
    let mut world = World::new();
    world.options.name = name.map(str::to_owned);
    world.options.peers = peers.iter().map(|&peer| peer.to_owned()).collect();
    let behaviour = Behaviour::new(world.authority.issue(wanted), &world.authority);
    let (address, peer) = behaviour.read();
    let opened = world.open(address).and_then(|mut session| {
        world.send(&mut session, b"a message").unwrap();
        world.close(&mut session).map_err(TlsError::Io)
    });
    let received = peer.join().unwrap();
    assert_eq!(received.octets.is_empty(), opened.is_err());
    opened
}

fn error_of(wanted: &Wanted<'_>, name: Option<&str>, peers: &[&str]) -> String {
    open_to(wanted, name, peers).expect_err("this is not who it should be").to_string()
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    // T43 of RFC 5471 §3.7.7.
    assert_eq!(
        error_of(&COLLECTOR, Some("other.example"), &[]),
        "the collector's certificate is for `collector.example`, not for `other.example`"
    );
    assert_eq!(
        error_of(&COLLECTOR, None, &[]),
        "the collector's certificate is for `collector.example`, not for `127.0.0.1`"
    );
}

#[test]
fn names_match_without_case_and_with_the_dot_of_the_root() {
    open_to(&COLLECTOR, Some("Collector.EXAMPLE"), &[]).unwrap();
    open_to(&COLLECTOR, Some("collector.example."), &[]).unwrap();
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let wanted = Wanted { names: &["*.site.example"], ..COLLECTOR };
    open_to(&wanted, Some("a.site.example"), &[]).unwrap();
    error_of(&wanted, Some("site.example"), &[]);
    error_of(&wanted, Some("a.b.site.example"), &[]);
}

#[test]
fn an_address_is_a_name() {
    let wanted = Wanted { addresses: &["127.0.0.1", "::1"], ..COLLECTOR };
    open_to(&wanted, None, &[]).unwrap();
    open_to(&wanted, Some("::1"), &[]).unwrap();
    assert_eq!(
        error_of(&wanted, Some("192.0.2.1"), &[]),
        "the collector's certificate is for `collector.example`, `127.0.0.1`, `::1`, \
         not for `192.0.2.1`"
    );
}

#[test]
fn a_common_name_counts_where_there_is_no_other() {
    // RFC 7011 §11.3, RFC 6125 §6.4.4.
    let plain = Wanted { common_name: "collector.example", names: &[], ..COLLECTOR };
    open_to(&plain, Some("collector.example"), &[]).unwrap();
    assert_eq!(
        error_of(&plain, Some("other.example"), &[]),
        "the collector's certificate is for `collector.example` (Common Name), \
         not for `other.example`"
    );
    let wildcard = Wanted { common_name: "*.site.example", names: &[], ..COLLECTOR };
    open_to(&wildcard, Some("a.site.example"), &[]).unwrap();
    error_of(&wildcard, Some("a.b.site.example"), &[]);
    let too_wide = Wanted { common_name: "*.example", names: &[], ..COLLECTOR };
    error_of(&too_wide, Some("collector.example"), &[]);
    let with_others = Wanted { common_name: "other.example", ..COLLECTOR };
    error_of(&with_others, Some("other.example"), &[]);
    let address = Wanted { common_name: "127.0.0.1", names: &[], ..COLLECTOR };
    error_of(&address, None, &[]);
}

#[test]
fn only_listed_peers_are_exported_to() {
    // RFC 7011 §11.3: an explicit list, by Common Name or DNS-ID.
    let name = Some("collector.example");
    open_to(&COLLECTOR, name, &["elsewhere.example", "collector.example"]).unwrap();
    open_to(&COLLECTOR, name, &["A Collector"]).unwrap();
    assert_eq!(
        error_of(&COLLECTOR, name, &["elsewhere.example", "b.example"]),
        "the collector is `collector.example`, which is none of the peers that may be exported to \
         (elsewhere.example, b.example)"
    );
    let unnamed = Wanted { common_name: "collector.example", names: &[], ..COLLECTOR };
    open_to(&unnamed, name, &["collector.example"]).unwrap();
    error_of(&unnamed, name, &["elsewhere.example"]);
    let both = Wanted { names: &["collector.example", "*.site.example"], ..COLLECTOR };
    open_to(&both, name, &["a.site.example"]).unwrap();
    let address = Wanted { addresses: &["192.0.2.9"], ..COLLECTOR };
    open_to(&address, name, &["192.0.2.9"]).unwrap();
    error_of(&address, name, &["192.0.2.8"]);
}

#[test]
fn being_listed_is_no_substitute_for_the_name() {
    let text = error_of(&COLLECTOR, Some("other.example"), &["collector.example"]);
    assert!(text.ends_with("not for `other.example`"), "{text}");
}

#[test]
fn what_a_certificate_says_makes_no_second_line() {
    let wanted = Wanted { common_name: "a\nb`\u{1b}[31m", names: &[], ..COLLECTOR };
    assert_eq!(
        error_of(&wanted, Some("collector.example"), &[]),
        "the collector's certificate is for `a?b??[31m` (Common Name), not for `collector.example`"
    );
}

#[test]
fn a_host_that_no_certificate_could_be_for_is_an_error_of_the_configuration() {
    let mut world = World::new();
    world.options.name = Some("not a name".to_owned());
    let mut collector = Collector::new(Transport::Tls, "127.0.0.1", 4740);
    collector.options.tls = world.options.clone();
    let error = check(&collector).unwrap_err().to_string();
    assert!(error.starts_with("`not a name` is no host name"), "{error}");
}

#[test]
fn a_link_local_address_is_named_without_its_zone() {
    let expected = Expected::new("fe80::1%eth0", &[]).unwrap();
    assert_eq!(expected.name.to_str(), "fe80::1");
}
