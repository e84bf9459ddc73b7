use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::export::profile::{Mapping, OptionsDomain, Profile, Refresh, TimeUnit};
use crate::privacy::{AddressTreatment, Level, MacTreatment, NetworkError, PortTreatment};

fn collector(transport: Transport, host: &str, port: u16) -> Target {
    Target::Collector(Collector::new(transport, host, port))
}

fn options(text: &str) -> CollectorOptions {
    match text.parse() {
        Ok(Target::Collector(collector)) => collector.options,
        Ok(Target::File(file)) => file.options,
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> String {
    text.parse::<Target>().map(|target| panic!("{text} is {target:?}")).unwrap_err().to_string()
}

#[test]
fn every_form_is_read_and_written() {
    for (text, target) in [
        ("file:/tmp/a:b.ipfix", Target::file("/tmp/a:b.ipfix")),
        ("udp://collector.example:9995", collector(Transport::Udp, "collector.example", 9995)),
        ("tcp://192.0.2.1:1", collector(Transport::Tcp, "192.0.2.1", 1)),
        ("tcp://[2001:db8::1]:65535", collector(Transport::Tcp, "2001:db8::1", 65535)),
        ("udp://[fe80::1%eth1]:4739", collector(Transport::Udp, "fe80::1%eth1", 4739)),
        ("tls://collector.example:4740", collector(Transport::Tls, "collector.example", 4740)),
        ("sctp://192.0.2.1:4739", collector(Transport::Sctp, "192.0.2.1", 4739)),
        ("json:flows.json", Target::Json(JsonOutput::File("flows.json".into()).into())),
        ("json:-", Target::Json(JsonOutput::Standard.into())),
        ("null:", Target::Null),
        (
            "failover:tcp://a:1,tls://b:2",
            Target::Group(Group {
                mode: GroupMode::Failover,
                members: vec![
                    Collector::new(Transport::Tcp, "a", 1),
                    Collector::new(Transport::Tls, "b", 2),
                ],
            }),
        ),
    ] {
        assert_eq!(text.parse(), Ok(target.clone()), "{text}");
        assert_eq!(target.to_string(), text);
        assert_eq!(target.check(), Ok(()));
    }
}

#[test]
fn the_port_is_that_of_the_registry_when_absent() {
    // RFC 7011 §10.1.
    assert_eq!("udp://c".parse(), Ok(collector(Transport::Udp, "c", 4739)));
    assert_eq!("tcp://[::1]".parse(), Ok(collector(Transport::Tcp, "::1", 4739)));
    assert_eq!("sctp://c/".parse(), Ok(collector(Transport::Sctp, "c", 4739)));
    assert_eq!("tls://c".parse(), Ok(collector(Transport::Tls, "c", 4740)));
    assert_eq!("tls://c?rate=5".parse::<Target>().unwrap().to_string(), "tls://c:4740?rate=5");
}

#[test]
fn errors_say_what_would_be_right() {
    for (text, hint) in [
        ("out.ipfix", "use file:PATH"),
        ("http://x", "tls://HOST:PORT"),
        ("file:", "use file:PATH"),
        ("file:?rotate=5m", "use file:PATH"),
        ("file:-", "file:/dev/stdout"),
        ("json:", "use json:PATH"),
        ("null:x", "takes no argument"),
        ("json:?privacy=obfuscated", "use json:PATH"),
        ("json:-?profile=nfdump", "`profile` means nothing for `json:`: it is for collectors"),
        ("json:flows.json?time=us", "`time` means nothing for `json:`"),
        ("json:flows.json?rotate=5m", "`rotate` means nothing for `json:`"),
        // Were it a part of the path, everything would leave as it is.
        ("json:flows.json?privcy=obfuscated", "did you mean `privacy`?"),
        ("json:flows.json?obfuscated", "use KEY=VALUE"),
        ("tcp://c?mtu=1400", "`mtu` means nothing for `tcp:`: this transport"),
        ("udp:host:1", "use udp://HOST:PORT"),
        ("udp://", "use udp://HOST:PORT"),
        ("udp://?mtu=1400", "use udp://HOST:PORT"),
        ("udp://:4739", "use udp://HOST:PORT"),
        ("tcp://host:0", "from 1 to 65535"),
        ("tls://host:65536", "leave it out for 4740"),
        ("tcp://host:", "from 1 to 65535"),
        ("tcp://host:+1", "from 1 to 65535"),
        ("tcp://::1:4739", "use tcp://[ADDRESS]:PORT"),
        ("sctp://[::1", "use sctp://[ADDRESS]:PORT"),
        ("tcp://[::1]4739", "from 1 to 65535"),
        ("udp://host/path:1", "is not a host"),
        ("udp://user@host", "is not a host"),
        ("failover:", "use failover:URL,URL"),
        ("balance:udp://a", "use balance:URL,URL"),
        ("balance:udp://a,udp://a:4739", "name each collector once"),
        ("balance:udp://a,file:b", "is no collector"),
        ("balance:udp://a,failover:udp://b,udp://c", "is no collector"),
    ] {
        let error = error(text);
        assert!(error.contains(hint), "{text}: {error}");
    }
}

#[test]
fn options_of_a_collector_are_read() {
    let options = options(
        "udp://c?profile=nfdump&biflow=off&time=ms&template_refresh=30s&options_refresh=5m\
         &mtu=1400&source=192.0.2.9&observation_domain=7&rate=500",
    );
    assert_eq!(
        options,
        CollectorOptions {
            profile: Some(Profile::Nfdump),
            biflow: Some(false),
            time: Some(TimeUnit::Milliseconds),
            template_refresh: Some(Duration::from_secs(30)),
            options_refresh: Some(Duration::from_secs(300)),
            mtu: Some(1400),
            source: Some("192.0.2.9".parse().unwrap()),
            observation_domain: Some(7),
            rate: Some(500),
            ..CollectorOptions::default()
        }
    );
}

#[test]
fn options_of_tls_are_read_and_decoded() {
    let options = options(
        "tls://c?ca=/etc/ca.pem&cert=my%20cert.pem&key=%FF&name=collector.example\
         &peer=a.example&peer=Common%20,Name"
            .replace("%20,", "%2C")
            .as_str(),
    );
    assert_eq!(options.tls.ca.unwrap().to_str(), Some("/etc/ca.pem"));
    assert_eq!(options.tls.cert.unwrap().to_str(), Some("my cert.pem"));
    // A path need not be UTF-8.
    assert_eq!(options.tls.key.unwrap().as_os_str().as_encoded_bytes(), [0xff]);
    assert_eq!(options.tls.name.as_deref(), Some("collector.example"));
    assert_eq!(options.tls.peers, ["a.example", "Common,Name"]);
}

#[test]
fn options_of_privacy_are_read_of_every_target_that_has_records() {
    let query = "privacy=obfuscated&addresses=prefix&own=10.0.0.0/8&own=2001%3Adb8::/32\
                 &own_addresses=pseudonym&prefix4=16&prefix6=40&pseudonym_key=/etc/k%20ey\
                 &pseudonym_rotation=1d&macs=vendor&ports=drop&time_step=1m";
    let expected = PrivacyOptions {
        level: Some(Level::Obfuscated),
        addresses: Some(AddressTreatment::Prefix),
        own: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        own_addresses: Some(AddressTreatment::Pseudonym),
        prefix4: Some(16),
        prefix6: Some(40),
        pseudonym_key: Some("/etc/k ey".into()),
        pseudonym_rotation: Some(Duration::from_secs(86_400)),
        macs: Some(MacTreatment::Vendor),
        ports: Some(PortTreatment::Drop),
        time_step: Some(Duration::from_secs(60)),
        ..PrivacyOptions::default()
    };
    for kind in ["udp://c", "tcp://c", "tls://c", "sctp://c", "file:x"] {
        assert_eq!(options(&format!("{kind}?{query}")).privacy, expected, "{kind}");
    }
    for (path, output) in [
        ("-", JsonOutput::Standard),
        ("flows.json", JsonOutput::File("flows.json".into())),
        ("what?now", JsonOutput::File("what?now".into())),
    ] {
        let json = JsonTarget { output, privacy: expected.clone() };
        assert_eq!(format!("json:{path}?{query}").parse(), Ok(Target::Json(json)), "{path}");
    }
    let policy = expected.policy();
    assert_eq!((policy.prefixes.v4, policy.own.networks.len()), (16, 2));
    // Where nothing is said the most is kept back, but for times.
    let policy = options("udp://c?privacy=obfuscated").privacy.policy();
    assert_eq!(policy.addresses, AddressTreatment::Pseudonym);
    assert_eq!((policy.macs, policy.ports), (MacTreatment::Drop, PortTreatment::Service));
    assert_eq!((policy.time_step, policy.key_file), (None, None));
    assert!(options("udp://c").privacy.policy().is_as_is());
}

#[test]
fn options_of_aggregation_are_read_of_every_target_that_has_records() {
    let query = "privacy=statistical&interval=5m&k=20&net=10.0.0.0/8&net=2001%3Adb8::/32";
    let expected = PrivacyOptions {
        level: Some(Level::Statistical),
        interval: Some(Duration::from_secs(300)),
        k: Some(20),
        net: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ..PrivacyOptions::default()
    };
    for kind in ["udp://c", "tcp://c", "tls://c", "sctp://c", "file:x"] {
        assert_eq!(options(&format!("{kind}?{query}")).privacy, expected, "{kind}");
    }
    let json = JsonTarget { output: JsonOutput::Standard, privacy: expected.clone() };
    assert_eq!(format!("json:-?{query}").parse(), Ok(Target::Json(json)));
    let policy = expected.policy();
    assert!(policy.is_statistical() && !policy.is_as_is());
    let by_default = options("udp://c?privacy=statistical").privacy.policy().aggregation;
    assert_eq!((by_default.k, by_default.interval), (10, Duration::from_secs(60)));
    assert_eq!(by_default.networks, []);
}

#[test]
fn what_waits_is_parted_by_the_policy_it_was_told_under() {
    let encoded = |text: &str| match text.parse() {
        Ok(Target::Collector(collector)) => collector.as_encoded(),
        other => panic!("{text}: {other:?}"),
    };
    let plain = encoded("tls://c?ca=/etc/ca.pem");
    assert_eq!(plain, "tls://c:4740");
    let private = encoded("tls://c?privacy=obfuscated&ports=drop");
    assert_eq!(private, "tls://c:4740?privacy=obfuscated&ports=drop");
}

#[test]
fn options_of_a_file_are_read() {
    let Ok(Target::File(file)) =
        "file:/var/%Y-%m-%d?.ipfix?rotate=5m&size=100MB&compress=zstd&time=µs&observation_domain=3"
            .parse()
    else {
        panic!("a file")
    };
    assert_eq!(file.path.to_str(), Some("/var/%Y-%m-%d?.ipfix"), "% belongs to strftime");
    assert_eq!(file.rotate, Some(Duration::from_secs(300)));
    assert_eq!(file.size, Some(100_000_000));
    assert!(file.compress);
    assert_eq!(file.options.time, Some(TimeUnit::Microseconds));
    assert_eq!(file.options.observation_domain, Some(3));
    // A path with the mark of options in it.
    assert_eq!("file:what?".parse(), Ok(Target::file("what")));
    assert_eq!("file:what??".parse(), Ok(Target::file("what?")));
    assert_eq!(Target::file("what?now").to_string(), "file:what?now?");
}

#[test]
fn errors_of_options_name_the_key_and_what_would_be_right() {
    for (text, key, hint) in [
        // Keys.
        ("udp://c?profil=nfdump", "`profil`", "did you mean `profile`?"),
        ("udp://c?templaterefresh=5s", "`templaterefresh`", "`template_refresh`"),
        ("udp://c?colour=red", "`colour`", "profile, biflow"),
        ("udp://c?mtu", "`mtu`", "KEY=VALUE"),
        ("udp://c?mtu=1400&rate=1&mtu=1500", "`mtu`", "once"),
        ("file:x?size=1M&size=1M", "`size`", "once"),
        ("tcp://c?mtu=1400", "`mtu`", "leave it out"),
        ("tls://c?template_refresh=5s", "`template_refresh`", "once in each session"),
        ("udp://c?reconnect=5s", "`reconnect`", "no connection"),
        ("tcp://c?cert=x&key=y", "`cert`", "for tls:"),
        ("file:x?mtu=1400", "`mtu`", "for collectors"),
        ("udp://c?rotate=5m", "`rotate`", "for file:"),
        // Values.
        ("udp://c?profile=nfcapd", "`profile=nfcapd`", "standard, nfdump"),
        ("udp://c?biflow=yes", "`biflow=yes`", "on or off"),
        ("udp://c?time=s", "`time=s`", "ms, us or ns"),
        ("udp://c?template_refresh=30", "`template_refresh=30`", "template_refresh=60s"),
        ("udp://c?template_refresh=0s", "`template_refresh=0s`", "1s to 1day"),
        ("udp://c?options_refresh=999ms", "`options_refresh=999ms`", "1s to 1day"),
        ("tcp://c?reconnect=25h", "`reconnect=1day1h`", "1s to 1day"),
        ("udp://c?mtu=511", "`mtu=511`", "512 to 65535"),
        ("udp://c?mtu=65536", "`mtu=65536`", "512 to 65535"),
        ("udp://c?source=eth0", "`source=eth0`", "an IP address"),
        ("udp://c?observation_domain=-1", "`observation_domain=-1`", "0 to 4294967295"),
        ("udp://c?observation_domain=4294967296", "observation_domain", "0 to 4294967295"),
        ("udp://c?rate=fast", "`rate=fast`", "messages a second"),
        ("tls://c?name=", "`name=`", "in a certificate"),
        ("tls://c?peer=a%20b", "`peer=a b`", "in a certificate"),
        ("tls://c?name=%ff", "`name`", "UTF-8"),
        ("tls://c?ca=", "`ca=`", "PEM file"),
        ("file:x?rotate=1ms", "`rotate=1ms`", "1s or longer"),
        ("file:x?size=1k", "`size=1kB`", "64Ki or more"),
        ("file:x?size=big", "`size=big`", "size=100M"),
        ("file:x?compress=gzip", "`compress=gzip`", "zstd"),
        ("udp://c?privacy=statistics", "`privacy=statistics`", "as-is, obfuscated, statistical"),
        ("json:x?privacy=obfuscated&addresses=hash", "`addresses=hash`", "pseudonym, prefix"),
        ("file:x?privacy=obfuscated&macs=no", "`macs=no`", "as-is, vendor, drop"),
        ("udp://c?privacy=obfuscated&ports=no", "`ports=no`", "as-is, service, drop"),
        ("udp://c?privacy=obfuscated&own=10.0.0.1/8", "`own=10.0.0.1/8`", "10.0.0.0/8"),
        ("udp://c?privacy=obfuscated&own=lan", "`own=lan`", "192.0.2.0/24"),
        ("udp://c?privacy=obfuscated&own_addresses=as-is", "`own`", "give both"),
        ("udp://c?privacy=obfuscated&own=10.0.0.0/8", "`own_addresses`", "give both"),
        ("udp://c?privacy=obfuscated&prefix4=24", "`prefix4`", "addresses=prefix"),
        ("udp://c?privacy=obfuscated&addresses=prefix&prefix4=7", "`prefix4=7`", "8 to 31"),
        ("udp://c?privacy=obfuscated&addresses=prefix&prefix4=32", "`prefix4=32`", "8 to 31"),
        ("udp://c?privacy=obfuscated&addresses=prefix&prefix6=128", "`prefix6=128`", "16 to 127"),
        ("udp://c?privacy=obfuscated&addresses=prefix&prefix6=-1", "`prefix6=-1`", "16 to 127"),
        ("udp://c?privacy=obfuscated&pseudonym_key=", "`pseudonym_key=`", "path of a file"),
        ("udp://c?privacy=obfuscated&pseudonym_rotation=59s", "`pseudonym_rotation=59s`", "1m to"),
        ("udp://c?privacy=obfuscated&time_step=25h", "`time_step=1day1h`", "1ms to 1day"),
        ("udp://c?privacy=obfuscated&time_step=1", "`time_step=1`", "time_step=1m"),
        ("udp://c?privacy=statistical&interval=2days", "`interval=2days`", "1s to 1day"),
        ("udp://c?privacy=statistical&interval=60", "`interval=60`", "interval=1m"),
        ("udp://c?privacy=statistical&k=1", "`k=1`", "2 to 1000"),
        ("udp://c?privacy=statistical&k=few", "`k=few`", "2 to 1000"),
        ("json:x?privacy=statistical&net=10.0.0.1/8", "`net=10.0.0.1/8`", "10.0.0.0/8"),
        ("json:x?privacy=statistical&net=10.0.0.1", "`net=10.0.0.1/32`", "28 leading bits"),
        ("json:x?privacy=statistical&net=2001:db8::/65", "`net=2001:db8::/65`", "IPv6 64"),
        // What does not go together.
        ("udp://c?privacy=statistical&ports=drop", "`ports`", "use privacy=obfuscated"),
        ("udp://c?privacy=obfuscated&k=5", "`k`", "use privacy=statistical"),
        ("file:x?net=10.0.0.0/8", "`net`", "use privacy=statistical"),
        ("udp://c?ports=drop", "`ports`", "use privacy=obfuscated"),
        ("json:x?privacy=as-is&own=10.0.0.0/8", "`own`", "use privacy=obfuscated"),
        (
            "file:x?privacy=obfuscated&addresses=prefix&pseudonym_key=k",
            "`pseudonym_key`",
            "no address has a pseudonym",
        ),
        ("tls://c?cert=c.pem", "`key`", "give both"),
        ("tls://c?key=k.pem", "`cert`", "give both"),
        ("udp://c?profile=nfdump&time=us", "`time=us`", "use time=ms"),
        ("udp://c?time=ns&profile=akvorado", "`time=ns`", "use time=ms"),
        ("file:x?profile=pmacct&time=ns", "`time=ns`", "use time=ms"),
        ("udp://c?profile=goflow2&biflow=on", "`biflow=on`", "use biflow=off"),
        ("udp://c?profile=nfdump&observation_domain=0", "`observation_domain=0`", "other number"),
        ("udp://192.0.2.1?source=::1", "`source=::1`", "IPv4"),
        ("tcp://[fe80::1%25eth1]?source=192.0.2.1", "`source=192.0.2.1`", "IPv6"),
        ("balance:udp://a,tcp://b?mtu=1400", "tcp://b:4739", "leave it out"),
    ] {
        let error = error(text);
        assert!(error.contains(key) && error.contains(hint), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn members_of_a_failover_group_are_alike() {
    for (text, key) in [
        ("failover:udp://a?profile=nfdump,udp://b", "profile"),
        ("failover:udp://a?biflow=off,udp://b", "biflow"),
        ("failover:udp://a?time=us,udp://b,tcp://c?time=us", "time"),
        ("failover:udp://a,udp://b?observation_domain=1", "observation_domain"),
        ("failover:udp://a,udp://b?privacy=obfuscated", "privacy"),
        ("failover:udp://a?privacy=statistical,udp://b?privacy=statistical&k=9", "privacy"),
        (
            "failover:udp://a?privacy=obfuscated&ports=drop,udp://b?privacy=obfuscated&macs=drop",
            "privacy",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(&format!("same `{key}`")) && error.contains("udp://b"), "{error}");
    }
    // What is said once by the profile and once in so many words is the same.
    for text in [
        "failover:udp://a?biflow=on,tls://b",
        "failover:udp://a?mtu=1400,tcp://b?reconnect=1s",
        "balance:udp://a?profile=nfdump,udp://b?time=ns",
        "failover:udp://a?privacy=obfuscated,udp://b?privacy=obfuscated&macs=drop",
        "failover:udp://a?privacy=as-is,udp://b",
        "balance:udp://a?privacy=obfuscated,udp://b",
    ] {
        assert!(text.parse::<Target>().is_ok(), "{text}");
    }
}

#[test]
fn options_override_the_profile() {
    let mapping = |text, metered| options(text).mapping(metered);
    let ns = TimeUnit::Nanoseconds;
    assert_eq!(mapping("udp://c", true), Mapping::default());
    assert_eq!(
        mapping("udp://c?time=ns&biflow=off", true),
        Mapping { biflow: false, time: ns, ..Mapping::default() }
    );
    // Where one direction only is metered there is no other one to tell of.
    assert!(!mapping("udp://c?biflow=on", false).biflow);
    let goflow2 = mapping("udp://c?profile=goflow2", true);
    assert!(!goflow2.biflow && !goflow2.enterprise_elements);
    assert!(mapping("udp://c?profile=flowmon&biflow=on", true).biflow);

    let refresh = |text| options(text).refresh();
    let seconds = Duration::from_secs;
    assert_eq!(refresh("udp://c"), Refresh { templates: seconds(60), options: seconds(60) });
    assert_eq!(
        refresh("udp://c?template_refresh=5s&options_refresh=7s&profile=elastic"),
        Refresh { templates: seconds(5), options: seconds(7) }
    );
    assert_eq!(refresh("udp://c?profile=elastic").options, seconds(300));

    let records = |text, metered| options(text).options_records(metered);
    assert_eq!(records("udp://c?profile=nfdump", true).domain, OptionsDomain::Zero);
    assert!(records("udp://c", true).biflow_method && records("udp://c", true).element_types);
    assert!(!records("udp://c", false).biflow_method);
    assert!(!records("udp://c?biflow=off", true).biflow_method);
}

fn any_options(transport: Option<Transport>) -> impl Strategy<Value = CollectorOptions> {
    let interval = || {
        prop::option::of((1_u64..=86_400_000).prop_map(|ms| Duration::from_millis(ms.max(1_000))))
    };
    let text = || prop::option::of("[!-~äßµ]{1,12}");
    let path = || prop::option::of("\\PC{1,12}".prop_map(PathBuf::from));
    let name = || "[a-zA-Z0-9äß.,&=?%+#*-]{1,20}";
    let records = (
        prop::option::of(prop::sample::select(Profile::ALL.to_vec())),
        prop::option::of(any::<bool>()),
        prop::option::of(prop::sample::select(TimeUnit::ALL.to_vec())),
        prop::option::of(any::<u32>()),
    );
    let session = (interval(), interval(), interval());
    let socket = (
        prop::option::of(512_u16..),
        prop::option::of(any::<IpAddr>()),
        prop::option::of(any::<u32>()),
    );
    let tls = (
        path(),
        prop::option::of(("\\PC{1,9}", "\\PC{1,9}")),
        prop::option::of(name()),
        prop::collection::vec(name(), 0..4),
        text(),
    );
    let parts = (records, session, socket, tls, any_privacy());
    parts.prop_map(move |(records, session, socket, tls, privacy)| {
        let (profile, biflow, time, observation_domain) = records;
        let (template_refresh, options_refresh, reconnect) = session;
        let (mtu, source, rate) = socket;
        let (ca, pair, name, peers, _) = tls;
        let (cert, key) = pair.map(|(c, k)| (PathBuf::from(c), PathBuf::from(k))).unzip();
        let is = |kinds: &[Transport]| transport.is_some_and(|t| kinds.contains(&t));
        use Transport::{Sctp, Tcp, Tls, Udp};
        CollectorOptions {
            profile,
            biflow,
            time,
            observation_domain,
            privacy,
            template_refresh: template_refresh.filter(|_| is(&[Udp])),
            options_refresh: options_refresh.filter(|_| transport.is_some()),
            mtu: mtu.filter(|_| is(&[Udp])),
            source: source.filter(|_| transport.is_some()),
            reconnect: reconnect.filter(|_| is(&[Tcp, Tls, Sctp])),
            rate: rate.filter(|_| transport.is_some()),
            tls: if is(&[Tls]) {
                TlsOptions { ca, cert, key, name, peers }
            } else {
                TlsOptions::default()
            },
        }
    })
}

/// More often sound than not.
fn any_privacy() -> impl Strategy<Value = PrivacyOptions> {
    let network = (any::<IpAddr>(), 0_u8..33).prop_map(|(address, length)| {
        let text = format!("{address}/{length}");
        text.parse().unwrap_or_else(|error| match error {
            NetworkError::HostBits { meant, .. } => meant,
            error => panic!("{error}"),
        })
    });
    let own = (prop::collection::vec(network, 1..4), prop::sample::select(AddressTreatment::ALL));
    let prefixes = (prop::option::of(8_u8..33), prop::option::of(16_u8..=128));
    let key = (prop::option::of("\\PC{1,9}"), prop::option::of(60_u64..1 << 25));
    let rest = (
        prop::option::of(prop::sample::select(MacTreatment::ALL)),
        prop::option::of(prop::sample::select(PortTreatment::ALL)),
        prop::option::of(1_u64..86_400_000),
    );
    let addresses = prop::option::of(prop::sample::select(AddressTreatment::ALL));
    let some = (addresses, prop::option::of(own), prefixes, key, rest).prop_map(
        |(addresses, own, (prefix4, prefix6), (key, rotation), (macs, ports, step))| {
            let (own, own_addresses) = own.unzip();
            PrivacyOptions {
                level: Some(Level::Obfuscated),
                addresses,
                own: own.unwrap_or_default(),
                own_addresses,
                prefix4,
                prefix6,
                pseudonym_key: key.map(PathBuf::from),
                pseudonym_rotation: rotation.map(Duration::from_secs),
                macs,
                ports,
                time_step: step.map(Duration::from_millis),
                ..PrivacyOptions::default()
            }
        },
    );
    let net = (any::<u32>(), 1_u8..33).prop_map(|(bits, length)| {
        let bits = bits & u32::MAX << (32 - length);
        format!("{}/{length}", std::net::Ipv4Addr::from_bits(bits)).parse().expect("a network")
    });
    let statistical = (
        prop::option::of(0_u64..100_000),
        prop::option::of(any::<u16>()),
        prop::collection::vec(net, 0..4),
    )
        .prop_map(|(interval, k, net)| PrivacyOptions {
            level: Some(Level::Statistical),
            interval: interval.map(Duration::from_secs),
            k,
            net,
            ..PrivacyOptions::default()
        });
    let as_is = PrivacyOptions { level: Some(Level::AsIs), ..PrivacyOptions::default() };
    prop_oneof![Just(PrivacyOptions::default()), Just(as_is), some.boxed(), statistical.boxed(),]
        .boxed()
}

fn any_collector() -> impl Strategy<Value = Collector> {
    prop::sample::select(Transport::ALL.to_vec()).prop_flat_map(|transport| {
        let host =
            prop_oneof!["[a-z][a-z0-9.-]{0,20}", any::<IpAddr>().prop_map(|ip| ip.to_string())];
        (host, 1_u16.., any_options(Some(transport)))
            .prop_map(move |(host, port, options)| Collector { transport, host, port, options })
    })
}

fn any_target() -> impl Strategy<Value = Target> {
    let file = (
        "[^?\\pC][^\\pC]{1,20}",
        prop::option::of(1_u64..1 << 30),
        prop::option::of(65_536_u64..),
        any::<bool>(),
        any_options(None),
    )
        .prop_map(|(path, rotate, size, compress, options)| {
            let rotate = rotate.map(Duration::from_secs);
            Target::File(FileTarget { path: path.into(), rotate, size, compress, options })
        });
    let mode = prop::sample::select(vec![GroupMode::Balance, GroupMode::Failover]);
    let group = (mode, prop::collection::vec(any_collector(), 2..4))
        .prop_map(|(mode, members)| Target::Group(Group { mode, members }));
    prop_oneof![
        file,
        any_collector().prop_map(Target::Collector),
        group,
        ("[^\\pC]{2,20}", any_privacy()).prop_map(|(path, privacy)| {
            Target::Json(JsonTarget { output: JsonOutput::File(path.into()), privacy })
        }),
        any_privacy()
            .prop_map(|privacy| Target::Json(JsonTarget { output: JsonOutput::Standard, privacy })),
        Just(Target::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What we write is read as it was, or refused for the same reason.
    #[test]
    fn a_target_comes_back_from_its_text(target in any_target()) {
        match target.check() {
            Ok(()) => prop_assert_eq!(target.to_string().parse(), Ok(target)),
            Err(error) => prop_assert_eq!(target.to_string().parse::<Target>(), Err(error)),
        }
    }

    #[test]
    fn no_text_brings_us_down(text in "(udp|tcp|tls|file|json|failover|balance)?(:|//|\\[|\\]|,|\\?|=|&|%|peer|mtu|privacy|obfuscated|own|\\PC){0,12}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }
    }
}
