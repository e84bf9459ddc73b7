//! A field of a record: an Information Element, known or not, and the direction it speaks of.

use std::borrow::Cow;
use std::fmt;

use super::element::{DataType, InformationElement, REVERSE_ENTERPRISE};

/// What one field of a Data Record holds.
///
/// The name that users see is its `Display`: the registry's name; `reverse` before it for the
/// reverse direction of a Biflow (`reverseOctetDeltaCount`, RFC 5103 §6.1); `enterprise32473id7`
/// for what the table does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field {
    /// The element of the forward direction; without a name if it is not in the table.
    pub element: InformationElement,
    /// Whether the value is of the reverse direction.
    pub reverse: bool,
}

impl Field {
    /// The field that a Field Specifier names (RFC 7011 §3.2); `id` without the enterprise bit.
    pub fn look_up(enterprise: u32, id: u16) -> Self {
        let found = |enterprise, id| InformationElement::look_up(enterprise, id).copied();
        let forward = match enterprise {
            // RFC 5103 §6.1: the reverse of an IANA element is its number in this enterprise.
            REVERSE_ENTERPRISE => found(0, id),
            0 => None,
            // RFC 5103 §6.2: an enterprise marks its own, and all we know of use this bit.
            _ if id & ENTERPRISE_REVERSE_BIT != 0 => {
                found(enterprise, id & !ENTERPRISE_REVERSE_BIT)
            }
            _ => None,
        };
        if let Some(element) = forward {
            return Self { element, reverse: true };
        }
        let element = found(enterprise, id).unwrap_or(InformationElement {
            enterprise,
            id,
            name: "",
            data_type: DataType::OctetArray,
        });
        Self { element, reverse: false }
    }

    /// The field with the name that `Display` gives, `reverseOctetDeltaCount` and the like included.
    pub fn by_name(name: &str) -> Option<Self> {
        // A few elements are called reverse… themselves, so the table comes first.
        if let Some(element) = InformationElement::by_name(name) {
            return Some(Self::look_up(element.enterprise, element.id));
        }
        let rest = name.strip_prefix("reverse")?;
        let first = rest.chars().next()?;
        let forward = format!("{}{}", first.to_ascii_lowercase(), rest.get(first.len_utf8()..)?);
        // Some names begin with a capital letter (IPSecSPI).
        let element =
            InformationElement::by_name(&forward).or_else(|| InformationElement::by_name(rest))?;
        Some(Self { element: *element, reverse: true })
    }

    /// Whether the element is in the table.
    pub const fn is_known(&self) -> bool {
        !self.element.name.is_empty()
    }

    /// The number of the IANA element this is, in the given direction.
    ///
    /// Lets a reader `match` on numbers: `Some((2, false))` is `packetDeltaCount`.
    pub const fn iana(&self) -> Option<(u16, bool)> {
        if self.element.enterprise == 0 { Some((self.element.id, self.reverse)) } else { None }
    }

    /// The name as text.
    pub fn name(&self) -> Cow<'static, str> {
        if self.is_known() && !self.reverse {
            Cow::Borrowed(self.element.name)
        } else {
            Cow::Owned(self.to_string())
        }
    }
}

impl From<InformationElement> for Field {
    /// Takes elements of enterprise 29305 for what they reverse, and any other as it is.
    fn from(element: InformationElement) -> Self {
        let known = Self::look_up(element.enterprise, element.id);
        if known.is_known() { known } else { Self { element, reverse: false } }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InformationElement { enterprise, id, name, .. } = self.element;
        let mut letters = name.chars();
        match (letters.next(), self.reverse) {
            (Some(_), false) => f.write_str(name),
            (Some(first), true) => {
                write!(f, "reverse{}{}", first.to_ascii_uppercase(), letters.as_str())
            }
            (None, _) => write!(f, "enterprise{enterprise}id{id}"),
        }
    }
}

/// The bit that CERT and we add to the number of an enterprise element for its reverse.
const ENTERPRISE_REVERSE_BIT: u16 = 0x4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_elements_are_the_iana_elements_marked() {
        // RFC 5103 §6.1.
        let field = Field::look_up(REVERSE_ENTERPRISE, 1);
        assert_eq!((field.element.enterprise, field.element.id, field.reverse), (0, 1, true));
        assert_eq!(field.name(), "reverseOctetDeltaCount");
        assert_eq!(field.iana(), Some((1, true)));
        assert_eq!(Field::by_name("reverseOctetDeltaCount"), Some(field));
        assert_eq!(Field::by_name("reverseIPSecSPI"), Some(Field::look_up(29305, 295)));
    }

    #[test]
    fn reverse_of_an_enterprise_element_has_a_bit_of_its_own() {
        // RFC 5103 §6.2.
        let field = Field::look_up(32473, 0x4003);
        assert_eq!((field.element.id, field.reverse), (3, true));
        assert_eq!(field.name(), "reverseFlowtapFragmentDeltaCount");
        assert_eq!(Field::by_name("reverseFlowtapFragmentDeltaCount"), Some(field));
        assert_eq!(Field::look_up(6871, 14 | 0x4000).name(), "reverseInitialTCPFlags");
    }

    #[test]
    fn unknown_elements_are_named_by_their_numbers() {
        assert_eq!(Field::look_up(32473, 77).name(), "enterprise32473id77");
        assert_eq!(Field::look_up(0, 32_767).name(), "enterprise0id32767");
        assert_eq!(Field::look_up(29305, 32_767).name(), "enterprise29305id32767");
        assert_eq!(Field::look_up(32473, 0x4001 | 0x77).name(), "enterprise32473id16503");
        assert!(!Field::look_up(1, 1).is_known());
        assert_eq!(Field::by_name("reverse"), None);
        assert_eq!(Field::by_name("noSuchElement"), None);
    }

    #[test]
    fn elements_made_by_hand_become_the_fields_of_their_numbers() {
        let reverse = InformationElement {
            enterprise: REVERSE_ENTERPRISE,
            id: 2,
            name: "packetDeltaCount",
            data_type: DataType::Unsigned64,
        };
        assert_eq!(Field::from(reverse).name(), "reversePacketDeltaCount");
        let own = InformationElement { enterprise: 99_999, name: "ourOwn", ..reverse };
        assert_eq!(Field::from(own).name(), "ourOwn");
    }
}
