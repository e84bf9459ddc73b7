//! Every event that there is: its name, and the number by which the journal knows it.

/// A kind of event.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// `MESSAGE_ID` of the journal: made once, at random (sd-id128(3)), and never changed.
    pub(super) id: &'static str,
    /// Said at every level, and each time: somebody waits for it, or has to have read it.
    pub(super) always: bool,
}

/// The kind with this name.
pub(super) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

pub(super) const KINDS: &[Kind] = &[
    event("capture-started", "5fd0384619f64f0baa0e71b021cf5b76"),
    event("survey-started", "ef269b68ab5e4f82a8cb32fc3d06f78d"),
    event("payload-cut", "606c90d1e8ca481384c77d9d46a70e3e"),
    event("interface-absent", "8021ad9fc40244ec9682df23a03d3af5"),
    event("interface-down", "f85152a26d574af29a56ad3afc62c929"),
    event("interface-gone", "cae6633d02d743a7b0be27df30dcb503"),
    event("interface-lost", "e3bcf9685bc34c189a53d9c7ab76b4bc"),
    event("interface-back", "8eed7b5d6f1141a399d3090e7751f4a6"),
    event("interface-silent", "6da8f70133fa4bc1981ad5301cc3e5c4"),
    event("interface-heard", "015197fd70a24990a319428a04d78992"),
    event("interface-refused", "836c4f8dbe4f4df58d6d6e9aab8c8c20"),
    event("filter-refused", "0bbfc55c71c24221899741cb0ec49fe2"),
    event("workers-idle", "3650e05044364bec8d3049d325dbaeda"),
    event("networks-filtered", "0d4c1423dd954d93ba1a278cfac42313"),
    event("worker-stalled", "b8b36f7c448f43c38e95fb519dfcb9f7"),
    event("cache-nearly-full", "7bba591a1f584002b8d4ba18d9e4001f"),
    event("symptom", "21639cff4a944b14b8e8aebc3f03b05e"),
    event("symptom-over", "91b2c86001464344899bf51dfbd4af8e"),
    event("collector-unreachable", "f39832c433ca4e6f882e243ad1047d48"),
    event("session-broken", "b68b87c1095e4d4da7dbf6913809bd31"),
    event("session-restored", "5ef72cfe621d457b8700049f4af446e6"),
    event("file-failed", "0543d5bd080641619ebd43058909183f"),
    event("file-resumed", "c64087449e2e4911b9ae151bb1aa2f04"),
    event("file-left-over", "bf40f3281d5b46f68bbcdabb05234588"),
    event("queue-nearly-full", "14b19a7e0e5e47cebe6d979d6a621b85"),
    event("spool-failed", "fc7ea7f276a54e44a00a5a70f6803134"),
    event("spool-nearly-full", "2f3c7dc3fdfa451e9f019b0083c9e6e9"),
    event("spool-carried-over", "c7c860e879504372982556b852e61d08"),
    event("spool-unclaimed", "208f8c78feff48919db5782eeed7526e"),
    event("export-failed", "ddfd1369ba4d4014bf08053f737144f0"),
    event("export-advice", "bbf85014a31644569c07c7b6330adcdd"),
    event("plain-transport", "585de3dbfc64491593c1c9b11736d615"),
    event("records-losing", "a8faf73fb6e041c3a7c0f83365e72bd4"),
    event("records-losing-over", "e01ca9f48db74d06bdd9143243ca2f34"),
    event("records-lost", "f2ab08d2c02d4ffbbb397568a1855ec1"),
    event("records-kept", "c44c02bd39d343768d720403f91ce851"),
    event("records-withheld", "d9e07377f8ef41d18267cb0213cb4fcd"),
    event("confined", "97e3b5f597ac4b84ba89d053db816483"),
    always("unconfined", "d6ee09742fb74adb97b2ee557b2f94b3"),
    event("running-as-root", "62e84854301b4f0db4f969fffec0ab82"),
    always("configuration-reloaded", "bfdae6648c804c35914c8b4ab5620f06"),
    always("configuration-refused", "6aeb4103c1a44a27a5029f4c016d8c0c"),
    event("configuration-unreadable", "1769a677a43542609f0035b3532286da"),
    event("telemetry-started", "11cf96f623e04230bc9ad4abde4add89"),
    event("telemetry-failed", "65afbde2abc544b08064256a81457077"),
    event("telemetry-left", "798f31714645491bb7f23154fdc67890"),
    event("manager-told", "e3db23c131b84007b0f370c65640ea16"),
    event("started", "63e520643d8d4489819901bd6f68ca9f"),
    event("run-stopped", "c1c1493005324ec9bcb1ebf26a59195a"),
    event("start-stopped", "2edeae9d9d914d5e8b1ed64c54954a8a"),
    event("hung-up", "2548dc08b04b403682e3d963bae92f00"),
    event("run-ended", "29c601b4e1ea4d9dbe0decd4c5eabff5"),
    event("run-failed", "3d2387f8b155410a97b00411ba826f4c"),
];

const fn event(name: &'static str, id: &'static str) -> Kind {
    Kind { name, id, always: false }
}

const fn always(name: &'static str, id: &'static str) -> Kind {
    Kind { name, id, always: true }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_has_a_number_of_its_own() {
        let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        let ids: BTreeSet<_> = KINDS.iter().map(|kind| kind.id).collect();
        assert_eq!([names.len(), ids.len()], [KINDS.len(); 2]);
        for id in ids {
            let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
            assert!(id.len() == 32 && id.chars().all(is_digit), "{id}");
            // RFC 9562 §5.4: a random one.
            assert_eq!(id.get(12..13), Some("4"), "{id}");
        }
    }

    #[test]
    fn what_is_said_and_what_is_listed_are_the_same() {
        let source = include_str!("events.rs");
        let said: BTreeSet<_> =
            source.split("say!(").skip(1).filter_map(|call| call.split('"').nth(1)).collect();
        assert_eq!(said, KINDS.iter().map(|kind| kind.name).collect());
    }

    #[test]
    fn the_catalog_of_the_journal_explains_every_event_and_no_other() {
        let catalog = include_str!("../../../systemd/flowtap.catalog");
        let entries: Vec<_> = catalog
            .split("\n# ")
            .filter_map(|entry| entry.split_once("\n-- "))
            .filter_map(|(name, rest)| Some((name, rest.get(..32)?)))
            .collect();
        let kinds: Vec<_> = KINDS.iter().map(|kind| (kind.name, kind.id)).collect();
        assert_eq!(entries, kinds);
    }
}
