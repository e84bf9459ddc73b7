//! Words and signs of an expression.

use std::ops::Range;

use super::SyntaxError;
use super::expression::Comparison;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Octets of the text.
    pub(super) place: Range<usize>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Word(String),
    /// What stood in quotes.
    Quoted(String),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Comparison(Comparison),
    And,
    Or,
    Not,
    /// After the last.
    Nothing,
}

/// Splits a text into tokens; the last one is [`Kind::Nothing`].
pub(super) fn split(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut offset = 0;
    while let Some(token) = next(text, offset)? {
        offset = token.place.end;
        tokens.push(token);
    }
    let end = text.trim_end().len();
    tokens.push(Token { kind: Kind::Nothing, place: end..end });
    Ok(tokens)
}

fn next(text: &str, offset: usize) -> Result<Option<Token>, SyntaxError> {
    let rest = text.get(offset..).unwrap_or_default();
    let start = offset + rest.len() - rest.trim_start().len();
    let rest = rest.trim_start();
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let sign = |kind, length| Ok(Some(Token { kind, place: start..start + length }));
    if let Some((text, kind)) = SIGNS.iter().find(|(text, _)| rest.starts_with(text)) {
        return sign(kind.clone(), text.len());
    }
    if matches!(first, '"' | '\'') {
        return quoted(text, start, first).map(Some);
    }
    let length = rest.find(ends_word).unwrap_or(rest.len());
    if length == 0 {
        return Err(SyntaxError {
            text: text.to_owned(),
            place: start..start + first.len_utf8(),
            message: format!("`{first}` has no meaning here"),
            help: "Signs are ( ) [ ] , = != < <= > >= && || ! and quotes around text.".to_owned(),
        });
    }
    let word = rest.get(..length).unwrap_or_default();
    let kind = match word.to_ascii_lowercase().as_str() {
        "and" => Kind::And,
        "or" => Kind::Or,
        "not" => Kind::Not,
        _ => Kind::Word(word.to_owned()),
    };
    sign(kind, length)
}

/// Text in quotes; a backslash takes the next character as it is.
fn quoted(text: &str, start: usize, quote: char) -> Result<Token, SyntaxError> {
    let mut content = String::new();
    let mut characters = text.get(start + 1..).unwrap_or_default().char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\\' => content.extend(characters.next().map(|(_, character)| character)),
            c if c == quote => {
                let place = start..start + 1 + offset + 1;
                return Ok(Token { kind: Kind::Quoted(content), place });
            }
            c => content.push(c),
        }
    }
    Err(SyntaxError {
        text: text.to_owned(),
        place: start..text.len(),
        message: "a quote that does not end".to_owned(),
        help: format!("Close it with {quote} ."),
    })
}

fn ends_word(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '(' | ')' | '[' | ']' | ',' | '=' | '<' | '>' | '!' | '&' | '|' | '"' | '\''
        )
}

/// Longer ones before those that they begin with.
static SIGNS: &[(&str, Kind)] = &[
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("!=", Kind::Comparison(Comparison::NotEqual)),
    ("<>", Kind::Comparison(Comparison::NotEqual)),
    ("==", Kind::Comparison(Comparison::Equal)),
    ("<=", Kind::Comparison(Comparison::AtMost)),
    (">=", Kind::Comparison(Comparison::AtLeast)),
    ("=", Kind::Comparison(Comparison::Equal)),
    ("<", Kind::Comparison(Comparison::Less)),
    (">", Kind::Comparison(Comparison::More)),
    ("!", Kind::Not),
    ("(", Kind::Open),
    (")", Kind::Close),
    ("[", Kind::OpenList),
    ("]", Kind::CloseList),
    (",", Kind::Comma),
];
