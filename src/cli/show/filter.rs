//! The expressions of `--where`: which flows are meant.
//!
//! The words are those of tcpdump(8) and nfdump(1). Where a flow has two ends or two directions:
//!
//! - `src` is the end that the flow comes from, in a biflow the initiator (RFC 5103 §2), and `dst`
//!   the other. Without either, one end is enough: `port 53` is `src port 53 or dst port 53`.
//! - `packets` and `octets` are the sum of both directions; `src octets` are those that the source
//!   sent, `dst octets` those that came back. `flags` and `tos` are of either direction likewise.
//! - `!=` is true when none is equal: `port != 53` is `not port 53` for flows that have ports.
//! - What a record does not tell is never equal, less or more: a test of it is false.

mod evaluate;
mod expression;
mod lexer;
mod literal;
mod parser;
mod print;

use std::ops::Range;

use super::subject::Subject;
pub(super) use evaluate::same_element;
use expression::Expression;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Expression);

impl Filter {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// If it is none; says where, and what would be right.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parser::parse(text).map(Self)
    }

    /// Whether the expression is true of a flow.
    pub(super) fn matches(&self, subject: &Subject<'_, '_>) -> bool {
        evaluate::holds(&self.0, subject)
    }
}

impl std::str::FromStr for Filter {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

/// What is wrong with an expression; `Display` points at the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}\n{quoted}\n{help}", quoted = pointed_out(.text, .place))]
pub struct SyntaxError {
    text: String,
    /// Octets of the text that are wrong.
    place: Range<usize>,
    message: String,
    /// What would be right.
    help: String,
}

impl SyntaxError {
    /// The octets of the expression that are wrong.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }
}

/// The text around the place, and a line below with a caret under it.
fn pointed_out(text: &str, place: &Range<usize>) -> String {
    let before = text.get(..place.start).unwrap_or(text).chars().count();
    let marked = text.get(place.clone()).map_or(0, |text| text.chars().count());
    let first = before.saturating_sub(SHOWN_BEFORE);
    // One character for one: what cannot be printed would move what follows.
    let shown: String = text
        .chars()
        .skip(first)
        .take(SHOWN_BEFORE + SHOWN_FROM)
        .map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c })
        .collect();
    let indent = " ".repeat(before - first);
    let tail = "~".repeat(marked.saturating_sub(1).min(SHOWN_FROM));
    format!("  {}\n  {indent}^{tail}", shown.trim_end())
}

const SHOWN_BEFORE: usize = 50;
const SHOWN_FROM: usize = 40;

#[cfg(test)]
mod tests;
