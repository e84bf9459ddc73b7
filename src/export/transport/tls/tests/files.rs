//! The files of certificates: what can be wrong with them, and that they are read again.

use std::fs;
use std::path::Path;

use super::certificates::{Wanted, set_mode};
use super::*;

fn problem_of(options: &TlsOptions) -> String {
    let mut collector = Collector::new(Transport::Tls, "collector.example", 4740);
    collector.options.tls = options.clone();
    let text = check(&collector).expect_err("this cannot be used").to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn good_files_are_no_problem() {
    let world = World::new();
    let mut collector = Collector::new(Transport::Tls, "collector.example", 4740);
    collector.options.tls = world.options.clone();
    check(&collector).unwrap();
}

#[test]
fn tls_needs_a_certificate_and_its_key() {
    // RFC 7011 §11.2.
    let world = World::new();
    let without = TlsOptions { cert: None, ..world.options.clone() };
    assert!(problem_of(&without).starts_with("`cert` is not given: "));
    let without = TlsOptions { key: None, ..world.options.clone() };
    assert!(problem_of(&without).starts_with("`key` is not given: "));
    assert!(problem_of(&TlsOptions::default()).starts_with("`cert` is not given: "));
}

#[test]
fn a_file_that_is_no_use_is_named_with_its_problem() {
    let world = World::new();
    let file = |name: &str, text: &str| {
        let path = world.path(name);
        fs::write(&path, text).unwrap();
        Some(path)
    };
    let good = &world.options;
    let text_of = |path: &Option<PathBuf>| fs::read_to_string(path.as_ref().unwrap()).unwrap();
    let (certificate, key) = (text_of(&good.cert), text_of(&good.key));
    let with = |change: &dyn Fn(&mut TlsOptions)| {
        let mut options = good.clone();
        change(&mut options);
        problem_of(&options).replace(&world.directory.path().display().to_string(), "DIR")
    };

    let missing = Some(world.path("missing"));
    assert_eq!(
        with(&|options| options.cert.clone_from(&missing)),
        "cannot read the certificate (cert) DIR/missing: No such file or directory (os error 2)"
    );
    assert!(with(&|options| options.ca.clone_from(&missing)).contains("authorities (ca)"));
    assert!(with(&|options| options.key.clone_from(&missing)).contains("private key (key)"));

    assert_eq!(
        with(&|options| options.cert = file("empty", "")),
        "the certificate (cert) DIR/empty holds no certificate in PEM form"
    );
    assert_eq!(
        with(&|options| options.ca = file("key-as-ca", &key)),
        "the authorities (ca) DIR/key-as-ca holds no certificate in PEM form"
    );
    assert_eq!(
        with(&|options| options.key = file("cert-as-key", &certificate)),
        "the private key (key) DIR/cert-as-key holds no private key in PEM form"
    );
    let cut: String = certificate.lines().take(3).collect::<Vec<_>>().join("\n");
    let text = with(&|options| options.cert = file("cut", &cut));
    assert!(text.starts_with("the certificate (cert) DIR/cut is damaged"), "{text}");
    let garbage = "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n";
    let text = with(&|options| options.cert = file("garbage", garbage));
    assert!(text.starts_with("the certificate (cert) DIR/garbage is no use"), "{text}");
    assert_eq!(
        with(&|options| options.ca = file("garbage", garbage)),
        "the authorities (ca) DIR/garbage holds 1 certificates, none of which can be used"
    );
    let garbage = garbage.replace("CERTIFICATE", "PRIVATE KEY");
    let text = with(&|options| options.key = file("garbage.key", &garbage));
    assert!(text.starts_with("the private key (key) DIR/garbage.key is no use"), "{text}");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let text = with(&|options| options.key = file("encrypted.key", &encrypted));
    assert!(text.contains("DIR/encrypted.key is encrypted"), "{text}");
    let (_, other) = world.authority.issue(&EXPORTER).write(world.directory.path(), "other");
    assert_eq!(
        with(&|options| options.key = Some(other.clone())),
        "the key DIR/other.key does not match the certificate DIR/exporter.crt"
    );
}

#[test]
fn a_key_that_everybody_can_read_is_told_of() {
    let world = World::new();
    set_mode(&world.path("exporter.key"), 0o644);
    let (address, peer) = world.collector().read();
    let mut session = world.open(address).unwrap();
    let trouble = session.advice().unwrap().to_string();
    assert!(trouble.contains("exporter.key: chmod o-r"), "{trouble}");
    world.close(&mut session).unwrap();
    peer.join().unwrap();

    set_mode(&world.path("exporter.key"), 0o640);
    let (address, peer) = world.collector().read();
    let mut session = world.open(address).unwrap();
    assert!(session.advice().is_none(), "a group is made to share a key");
    world.close(&mut session).unwrap();
    peer.join().unwrap();
}

/// An open session, and what changes under it.
fn while_open(world: &World, what: impl FnOnce(&mut TlsSession)) {
    let (address, peer) = world.collector().read();
    let mut session = world.open(address).unwrap();
    session.look().unwrap();
    assert!(!session.wants_renewal());
    what(&mut session);
    world.close(&mut session).unwrap();
    peer.join().unwrap();
}

/// Replaces a file as careful programs do.
fn replace(path: &Path, text: &str) {
    let other = path.with_extension("new");
    fs::write(&other, text).unwrap();
    set_mode(&other, 0o600);
    fs::rename(other, path).unwrap();
}

#[test]
fn new_certificates_want_a_new_session() {
    let world = World::new();
    while_open(&world, |session| {
        let new = world.authority.issue(&EXPORTER);
        replace(&world.path("exporter.crt"), &new.certificate);
        // The key is not there yet: no session, and no reason to worry anybody.
        session.look().unwrap();
        assert!(!session.wants_renewal());
        assert!(session.advice().is_none());
        replace(&world.path("exporter.key"), &new.key);
        session.look().unwrap();
        assert!(session.wants_renewal());
        assert!(session.advice().is_none());
        world.send(session, b"a message").unwrap();
    });
    // And the next session uses them.
    while_open(&world, |session| assert!(!session.wants_renewal()));
}

#[test]
fn new_authorities_want_a_new_session() {
    let world = World::new();
    while_open(&world, |session| {
        let both = world.authority.pem() + &Authority::new("another authority").pem();
        replace(&world.path("authority.crt"), &both);
        session.look().unwrap();
        assert!(session.wants_renewal());
    });
    while_open(&world, |_| {});
}

#[test]
fn files_that_only_look_new_want_nothing() {
    let world = World::new();
    while_open(&world, |session| {
        for name in ["exporter.crt", "exporter.key", "authority.crt"] {
            let path = world.path(name);
            replace(&path, &fs::read_to_string(&path).unwrap());
            session.look().unwrap();
            assert!(!session.wants_renewal());
        }
        assert!(session.advice().is_none());
    });
}

#[test]
fn new_files_that_are_no_use_are_told_of_once_and_the_session_stays() {
    let world = World::new();
    while_open(&world, |session| {
        let path = world.path("exporter.crt");
        let good = fs::read_to_string(&path).unwrap();
        replace(&path, "nothing");
        for _ in 0..5 {
            session.look().unwrap();
        }
        let trouble = session.advice().unwrap().to_string();
        assert!(
            trouble.starts_with("new certificates cannot be used, the old ones stay: the cert"),
            "{trouble}"
        );
        assert!(session.advice().is_none());
        assert!(!session.wants_renewal());
        world.send(session, b"a message").unwrap();

        fs::remove_file(&path).unwrap();
        for _ in 0..5 {
            session.look().unwrap();
        }
        assert!(session.advice().unwrap().to_string().contains("cannot read"));
        assert!(session.advice().is_none());

        replace(&path, &good);
        session.look().unwrap();
        assert!(!session.wants_renewal(), "they are the old ones again");
    });
}

#[test]
fn files_are_not_looked_at_all_the_time() {
    let mut world = World::new();
    world.settings.renewal_interval = Duration::from_secs(3_600);
    while_open(&world, |session| {
        let new = world.authority.issue(&Wanted { ..EXPORTER });
        new.write(world.directory.path(), "exporter");
        session.look().unwrap();
        assert!(!session.wants_renewal());
    });
}
