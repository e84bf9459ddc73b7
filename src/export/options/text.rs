//! Text of any origin as a `string`.

/// `octets` as text that can be shown: what is not UTF-8 and every control character is replaced by
/// U+FFFD, what stands behind a NUL is not part of it.
///
/// RFC 7011 §6.1.6: an Exporting Process must not send a string that is not UTF-8. And a name that
/// a capture brought must not steer the terminal of whoever reads the Collector's output.
pub(super) fn readable(octets: &[u8]) -> String {
    let end = octets.iter().position(|&octet| octet == 0).unwrap_or(octets.len());
    let text = String::from_utf8_lossy(octets.get(..end).unwrap_or(octets));
    let shown = |character: char| {
        if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
    };
    text.trim().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_reader_should_see_is_replaced() {
        assert_eq!(readable(b" eth0\0rest"), "eth0");
        assert_eq!(readable(b"\xff\x1b[2J"), "\u{fffd}\u{fffd}[2J");
        assert_eq!(readable("\u{85}x".as_bytes()), "x", "a line separator is space");
        assert_eq!(readable("uplink-für-2".as_bytes()), "uplink-für-2");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_become_text_without_control_characters(
            octets in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let text = readable(&octets);
            prop_assert!(!text.contains(char::is_control));
            prop_assert_eq!(readable(text.as_bytes()), text);
        }
    }
}
