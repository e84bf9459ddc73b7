//! Tests of Information Elements by their registered names.

use super::values::NUMBER;
use super::{KEYWORDS, Parser};
use crate::cli::show::filter::SyntaxError;
use crate::cli::show::filter::expression::{Comparison, ElementTest, OneOf, Test};
use crate::cli::show::filter::lexer::Kind;
use crate::cli::show::filter::literal;
use crate::cli::show::suggest;
use crate::ipfix::element::DataType;
use crate::ipfix::field::Field;

impl Parser<'_> {
    pub(super) fn element_name(&mut self) -> Result<Field, SyntaxError> {
        let Kind::Word(word) = self.peek() else {
            return Err(self.error("the name of an element is missing here", ELEMENT_HELP));
        };
        if let Some(field) = suggest::element(word) {
            self.next += 1;
            return Ok(field);
        }
        if literal::prefix(word).is_ok() {
            let help = format!("Did you mean `host {word}` or `net {word}`?");
            return Err(self.error("an address stands alone", &help));
        }
        if literal::count(word).is_some() {
            let help = format!("Did you mean `port {word}`? {}", super::EXAMPLES);
            return Err(self.error("a number stands alone", &help));
        }
        let help = match suggest::closest(word, KEYWORDS.iter().copied()) {
            Some(known) => format!("Did you mean `{known}`?"),
            None => format!("Known are {}; {ELEMENT_HELP}", KEYWORDS.join(", ")),
        };
        Err(self.error(&format!("`{word}` is not known"), &help))
    }

    pub(super) fn element_test(&mut self, field: Field) -> Result<Test, SyntaxError> {
        let is_list = matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case("in"));
        let comparison = match *self.peek() {
            Kind::Comparison(comparison) => comparison,
            _ if is_list || self.peek() == &Kind::OpenList => Comparison::Equal,
            _ => {
                let help = format!("As in: {field} = …, {field} in […], exists {field}.");
                return Err(self.error("a comparison is missing here", &help));
            }
        };
        let test = match field.element.data_type {
            DataType::Unsigned8
            | DataType::Unsigned16
            | DataType::Unsigned32
            | DataType::Unsigned64
            | DataType::Unsigned256 => ElementTest::Unsigned(self.numbers(&NUMBER)?),
            DataType::Signed8 | DataType::Signed16 | DataType::Signed32 | DataType::Signed64 => {
                self.comparison()?;
                let number =
                    self.literal(|text| text.parse().ok(), "a whole number is missing here", "")?;
                ElementTest::Signed(comparison, number)
            }
            DataType::Float32 | DataType::Float64 => {
                self.comparison()?;
                let read = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
                ElementTest::Float(comparison, self.literal(read, "a number is missing here", "")?)
            }
            DataType::Boolean => {
                self.equality()?;
                let truth = self.literal(
                    |text| text.to_ascii_lowercase().parse::<bool>().ok(),
                    "a truth value is missing here",
                    "true or false.",
                )?;
                ElementTest::Boolean(truth == (comparison == Comparison::Equal))
            }
            DataType::DateTimeSeconds
            | DataType::DateTimeMilliseconds
            | DataType::DateTimeMicroseconds
            | DataType::DateTimeNanoseconds => {
                let (comparison, time) = self.time()?;
                ElementTest::Time(comparison, time)
            }
            DataType::Ipv4Address | DataType::Ipv6Address => {
                ElementTest::Address(self.one_of(Self::prefix)?)
            }
            DataType::MacAddress => ElementTest::Mac(self.one_of(Self::mac)?),
            DataType::String => ElementTest::Text(self.one_of(|parser| {
                parser.literal(
                    |text| Some(text.to_owned()),
                    "a text is missing here",
                    "As in: \"eth0\".",
                )
            })?),
            DataType::OctetArray => ElementTest::Octets(self.one_of(|parser| {
                parser.literal(literal::octets, "octets are missing here", "As in: 0x00010f.")
            })?),
            DataType::BasicList | DataType::SubTemplateList | DataType::SubTemplateMultiList => {
                let help = format!("As in: exists {field}.");
                return Err(self.error("a list cannot be compared", &help));
            }
        };
        Ok(Test::Element(field, test))
    }

    /// One comparison, no list.
    fn comparison(&mut self) -> Result<(), SyntaxError> {
        if !matches!(self.peek(), Kind::Comparison(_)) {
            return Err(self.error("a comparison is missing here", "One of = != < <= > >= ."));
        }
        self.next += 1;
        Ok(())
    }

    fn equality(&mut self) -> Result<bool, SyntaxError> {
        let is_negated = match *self.peek() {
            Kind::Comparison(Comparison::Equal) => false,
            Kind::Comparison(Comparison::NotEqual) => true,
            _ => {
                let help = "Such values are equal or not: = or != .";
                return Err(self.error("these are not more or less than others", help));
            }
        };
        self.next += 1;
        Ok(is_negated)
    }

    fn one_of<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<OneOf<T>, SyntaxError> {
        if !matches!(self.peek(), Kind::Comparison(_)) {
            return Ok(OneOf { is_negated: false, values: self.one_or_list(one)? });
        }
        let is_negated = self.equality()?;
        Ok(OneOf { is_negated, values: vec![one(self)?] })
    }
}

const ELEMENT_HELP: &str =
    "any Information Element goes by its name: flowEndReason = 3, exists dot1qVlanId.";
