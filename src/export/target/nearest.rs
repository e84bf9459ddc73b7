//! What somebody may have meant.

/// The word that is most like `text`, if one is like it at all.
pub(crate) fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, word) =
        words.into_iter().map(|word| (distance(text, word), word)).min_by_key(|(d, _)| *d)?;
    // A third of the letters wrong: more is another word.
    (distance <= (word.len() / 3).max(1)).then_some(word)
}

/// How many letters are to be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().flat_map(char::to_lowercase).take(LONGEST).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, theirs) in row.iter_mut().skip(1).zip(&other) {
            let change = diagonal + usize::from(letter != *theirs);
            diagonal = *cell;
            left = change.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Letters that are compared: far above those of any word of ours.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("biflow", "Biflow", 0),
            ("mtu", "mut", 2),
            ("reconect", "reconnect", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn only_a_like_word_is_meant() {
        let words = ["profile", "biflow", "template_refresh", "mtu"];
        assert_eq!(nearest("template-refresh", words), Some("template_refresh"));
        assert_eq!(nearest("porfile", words), Some("profile"));
        assert_eq!(nearest("colour", words), None);
    }
}
