//! Messages for tests, right or wrong.

/// Field Specifiers: number and length, with an enterprise number if that is not zero.
pub(crate) type Specifier = (u32, u16, u16);

/// A message whose Length is right.
pub(crate) fn message(domain: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let length = u16::try_from(16 + sets.len()).expect("short enough for a message");
    message_of_length(length, domain, sequence, &sets)
}

/// A message that claims `length`.
pub(crate) fn message_of_length(length: u16, domain: u32, sequence: u32, sets: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 10];
    octets.extend(length.to_be_bytes());
    octets.extend(EXPORT_TIME.to_be_bytes());
    octets.extend(sequence.to_be_bytes());
    octets.extend(domain.to_be_bytes());
    octets.extend(sets);
    octets
}

/// A Set whose Length is right.
pub(crate) fn set(id: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + content.len()).expect("short enough for a set");
    [&id.to_be_bytes(), &length.to_be_bytes(), content].concat()
}

/// A Template Set of one Template.
pub(crate) fn template(id: u16, fields: &[Specifier]) -> Vec<u8> {
    set(2, &template_record(id, None, fields))
}

/// An Options Template Set of one Options Template.
pub(crate) fn options_template(id: u16, scope: u16, fields: &[Specifier]) -> Vec<u8> {
    set(3, &template_record(id, Some(scope), fields))
}

/// A Template Record, or an Options Template Record if it has a scope.
pub(crate) fn template_record(id: u16, scope: Option<u16>, fields: &[Specifier]) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend(u16::try_from(fields.len()).expect("few enough fields").to_be_bytes());
    octets.extend(scope.into_iter().flat_map(u16::to_be_bytes));
    for &(enterprise, id, length) in fields {
        let id = if enterprise == 0 { id } else { id | 0x8000 };
        octets.extend(id.to_be_bytes());
        octets.extend(length.to_be_bytes());
        if enterprise != 0 {
            octets.extend(enterprise.to_be_bytes());
        }
    }
    octets
}

/// RFC 5471 §3.6.4 has this one.
pub(crate) const EXPORT_TIME: u32 = 1_155_202_151;
