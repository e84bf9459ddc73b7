//! The ledger of a run (`--summary`), its numbers only.

use std::fs;
use std::path::Path;

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::cli::summary;
use crate::decode::Layer;

/// The numbers of the ledger in `path`, under keys that a ledger of ours has. Every text is left out:
/// targets are named by their hosts, and errors name them too.
///
/// # Errors
///
/// Those of the file, and what is not JSON.
pub(super) fn redacted(path: &Path) -> anyhow::Result<Value> {
    let length = fs::metadata(path)?.len();
    if length > LARGEST {
        bail!("{length} octets are more than a ledger has");
    }
    let given = serde_json::from_slice(&fs::read(path)?)?;
    Ok(like(&given, &summary::blank()))
}

/// What of `given` has its place in `pattern`.
fn like(given: &Value, pattern: &Value) -> Value {
    match (given, pattern) {
        (Value::Object(given), Value::Object(pattern)) => {
            let kept = pattern.iter().filter_map(|(key, pattern)| {
                let value = given.get(key)?;
                let kept = match key.as_str() {
                    "ignored_packets" => reasons(value),
                    _ => like(value, pattern),
                };
                Some((key.clone(), kept))
            });
            Value::Object(kept.collect())
        }
        (Value::Array(given), Value::Array(pattern)) => {
            let first = pattern.first().unwrap_or(&Value::Null);
            given.iter().take(MOST_TARGETS).map(|given| like(given, first)).collect()
        }
        (Value::Number(_) | Value::Bool(_) | Value::Null, _) => given.clone(),
        _ => json!("(left out)"),
    }
}

/// Counts by reason; others than ours are summed up.
fn reasons(given: &Value) -> Value {
    let mut kept = Map::new();
    let mut others = 0_u64;
    for (reason, count) in given.as_object().into_iter().flatten() {
        let count = count.as_u64().unwrap_or(0);
        if is_reason(reason) {
            kept.insert(reason.clone(), count.into());
        } else {
            others = others.saturating_add(count);
        }
    }
    if others > 0 {
        kept.insert("others".to_owned(), others.into());
    }
    Value::Object(kept)
}

/// Whether it is one of [`DecodeError::reason`](crate::decode::DecodeError::reason).
fn is_reason(text: &str) -> bool {
    let link_type = text.strip_prefix("unsupported_link_type_");
    let layer = text.strip_suffix("_truncated").or_else(|| text.strip_suffix("_malformed"));
    matches!(text, "not_ip" | "nesting_too_deep")
        || link_type.is_some_and(|number| number.parse::<u16>().is_ok())
        || layer.is_some_and(|name| Layer::ALL.iter().any(|layer| layer.name() == name))
}

const LARGEST: u64 = 1 << 20;
const MOST_TARGETS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::DecodeError;

    #[test]
    fn every_reason_of_the_decoder_is_known_and_no_other() {
        let mut reasons = vec![DecodeError::NotIp, DecodeError::NestingTooDeep];
        reasons.push(DecodeError::UnsupportedLinkType(147));
        for layer in Layer::ALL {
            reasons.extend([DecodeError::Truncated(layer), DecodeError::Malformed(layer)]);
        }
        for reason in reasons {
            assert!(is_reason(&reason.reason()), "{reason}");
        }
        for text in ["alice_truncated", "unsupported_link_type_1.2", "", "192.0.2.1"] {
            assert!(!is_reason(text), "{text}");
        }
    }

    #[test]
    fn numbers_stay_and_texts_and_unknown_keys_go() {
        let given = json!({
            "received_packets": 7,
            "alice": 1,
            "peak_flows": "alice",
            "ignored_packets": { "not_ip": 2, "alice": 3 },
            "targets": [{ "target": "tcp://alice:1", "sent_flows": 5, "error": "alice: refused" }],
        });
        let kept = like(&given, &summary::blank());
        assert_eq!(kept["received_packets"], 7);
        assert_eq!(kept["ignored_packets"], json!({ "not_ip": 2, "others": 3 }));
        assert_eq!(kept["targets"][0]["sent_flows"], 5);
        assert!(!kept.to_string().contains("alice"), "{kept}");
    }
}
