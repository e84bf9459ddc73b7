//! What somebody may have meant.

use crate::ipfix::element::InformationElement;
use crate::ipfix::field::Field;

/// The element of this name, in any case if only one has it so.
pub(super) fn element(name: &str) -> Option<Field> {
    if let Some(field) = Field::by_name(name) {
        return Some(field);
    }
    if let Some(field) = by_number(name) {
        return Some(field);
    }
    let spelt = |element: &&InformationElement| element.name.eq_ignore_ascii_case(name);
    if let Some(element) = InformationElement::all().iter().find(spelt) {
        return Field::by_name(element.name);
    }
    let forward = name.get(.."reverse".len()).filter(|start| start.eq_ignore_ascii_case("reverse"));
    let name = name.get(forward?.len()..)?;
    let spelt = |element: &&InformationElement| element.name.eq_ignore_ascii_case(name);
    let element = InformationElement::all().iter().find(spelt)?;
    Some(Field { element: *element, reverse: true })
}

/// `enterprise32473id7`, as elements without a known name are called in our output.
fn by_number(name: &str) -> Option<Field> {
    let (enterprise, id) = name.strip_prefix("enterprise")?.split_once("id")?;
    let field = Field::look_up(enterprise.parse().ok()?, id.parse().ok()?);
    // Of several ways to write a number only the one that we write.
    (field.to_string() == name).then_some(field)
}

/// The one of `known`, or the element, that differs least from `word`, if that is little.
pub(super) fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    closest_of(word, known.chain(InformationElement::all().iter().map(|element| element.name)))
}

/// The one of `known` that differs least from `word`, if that is little.
pub(super) fn closest_of<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    if word.len() > LONGEST_WORD {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(1);
    known
        .filter(|known| known.len().abs_diff(word.len()) <= allowed)
        .map(|known| (distance(&word, &known.to_ascii_lowercase()), known))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, known)| known)
}

/// Letters that must be put in, left out, replaced or swapped with the next to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (index, letter) in one.chars().enumerate() {
        let mut row = vec![index + 1];
        for (column, &wanted) in other.iter().enumerate() {
            let at =
                |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(&last, column) + usize::from(letter != wanted))
                .min(at(&last, column + 1) + 1)
                .min(at(&row, column) + 1);
            let is_swap =
                column > 0 && previous == Some(wanted) && other.get(column - 1) == Some(&letter);
            if is_swap {
                least = least.min(at(&before_last, column - 1) + 1);
            }
            row.push(least);
        }
        previous = Some(letter);
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_close() {
        for (word, meant) in [
            ("prt", "port"),
            ("prot", "port"),
            ("octest", "octets"),
            ("flowendreson", "flowEndReason"),
        ] {
            assert_eq!(closest(word, ["port", "octets"].into_iter()), Some(meant), "{word}");
        }
        assert_eq!(closest("xyzzy", ["port", "octets"].into_iter()), None);
    }

    #[test]
    fn elements_are_found_in_any_case_and_by_number() {
        let name = |text| element(text).map(|field| field.name().into_owned());
        assert_eq!(name("TCPWINDOWSIZE").as_deref(), Some("tcpWindowSize"));
        assert_eq!(name("reverseoctetdeltacount").as_deref(), Some("reverseOctetDeltaCount"));
        assert_eq!(name("enterprise9id12").as_deref(), Some("enterprise9id12"));
        assert_eq!(name("enterprise09id12"), None);
        assert_eq!(name("nonsense"), None);
    }
}
