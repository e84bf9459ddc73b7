//! Options as a table of a configuration file.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::Serializer;

use crate::export::profile::{Profile, TimeUnit};
use crate::export::target::units::{duration_text, parse_duration};

/// A duration as text with its unit.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    parse_duration(&text).map(Some).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is no time with its unit, as in \"30s\""))
    })
}

/// What [`duration`] reads.
pub(super) fn write_duration<S: Serializer>(
    duration: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    text(&duration.map(duration_text), to)
}

/// A value as its word, which is read again by `Deserialize` of its type.
pub(super) fn text<T: fmt::Display, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// As [`text`], of several.
pub(super) fn texts<T: fmt::Display, S: Serializer>(
    values: &[T],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(ToString::to_string))
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for TimeUnit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::target::CollectorOptions;
    use crate::privacy::Level;

    fn read(table: serde_json::Value) -> Result<CollectorOptions, String> {
        serde_json::from_value(table).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_says_what_a_url_says() {
        let options = read(serde_json::json!({
            "profile": "nfdump",
            "biflow": false,
            "time": "ms",
            "template_refresh": "30s",
            "options_refresh": "5m",
            "mtu": 1400,
            "source": "192.0.2.1",
            "observation_domain": 7,
            "reconnect": "1s",
            "rate": 100,
            "privacy": { "level": "obfuscated", "addresses": "prefix", "prefix4": 16,
                         "own": ["10.0.0.0/8"], "own_addresses": "pseudonym",
                         "pseudonym_key": "/etc/flowtap/names.key", "pseudonym_rotation": "1d",
                         "macs": "vendor", "ports": "service", "time_step": "1m" },
            "tls": { "ca": "/etc/ca.pem", "cert": "c.pem", "key": "k.pem", "name": "collector",
                     "peers": ["a.example", "b.example"] },
        }))
        .unwrap();
        assert_eq!(options.profile, Some(Profile::Nfdump));
        assert_eq!(options.biflow, Some(false));
        assert_eq!(options.time, Some(TimeUnit::Milliseconds));
        assert_eq!(options.options_refresh, Some(Duration::from_secs(300)));
        assert_eq!(options.source, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(options.tls.peers, ["a.example", "b.example"]);
        assert_eq!(options.privacy.level, Some(Level::Obfuscated));
        assert_eq!(options.privacy.own, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(options.privacy.pseudonym_rotation, Some(Duration::from_secs(86_400)));
        assert_eq!(options.privacy.time_step, Some(Duration::from_secs(60)));
        let statistical = read(serde_json::json!({
            "privacy": { "level": "statistical", "interval": "5m", "k": 20, "net": ["10.0.0.0/8"] },
        }));
        let statistical = statistical.unwrap().privacy;
        assert_eq!(
            (statistical.interval, statistical.k),
            (Some(Duration::from_secs(300)), Some(20))
        );
        assert_eq!(statistical.net, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(read(serde_json::json!({})), Ok(CollectorOptions::default()));
        let written = serde_json::to_value(&options).unwrap();
        assert_eq!(read(written), Ok(options));
        let nothing = serde_json::to_value(CollectorOptions::default()).unwrap();
        assert_eq!(nothing, serde_json::json!({}), "what is not said is not written");
    }

    #[test]
    fn a_table_with_what_is_not_known_is_an_error() {
        for (table, hint) in [
            (serde_json::json!({ "profil": "nfdump" }), "profil"),
            (serde_json::json!({ "tls": { "skip_verify": true } }), "skip_verify"),
            (serde_json::json!({ "privacy": { "salt": 1 } }), "salt"),
            (serde_json::json!({ "privacy": { "level": "none" } }), "as-is, obfuscated"),
            (serde_json::json!({ "privacy": { "own": ["10.0.0.1/8"] } }), "10.0.0.0/8"),
            (serde_json::json!({ "profile": "nfcapd" }), "nfdump"),
            (serde_json::json!({ "time": "s" }), "ms, us or ns"),
            (serde_json::json!({ "reconnect": "5" }), "30s"),
            (serde_json::json!({ "reconnect": 5 }), "string"),
            (serde_json::json!({ "biflow": "on" }), "boolean"),
            (serde_json::json!({ "mtu": 70_000 }), "u16"),
            (serde_json::json!({ "source": "eth0" }), "IP"),
        ] {
            let error = read(table.clone()).unwrap_err();
            assert!(error.contains(hint), "{table}: {error}");
        }
    }
}
