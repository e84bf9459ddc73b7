//! From text to tree: recursive descent, of bounded depth.
//!
//! ```text
//! any      = all { ("or" | "||") all }
//! all      = unary { ("and" | "&&") unary }
//! unary    = ("not" | "!") unary | "(" any ")" | test
//! test     = [protocol] [end] keyword values | …
//! values   = value | value "-" value | comparison value | "in" "[" value { "," value } "]"
//! ```

mod element;
mod values;

use super::SyntaxError;
use super::expression::{End, Expression, Flags, Interface, Numbers, Test};
use super::lexer::{self, Kind, Token};
use super::literal;
use crate::cli::show::suggest;
use crate::cli::table::names;
use values::Wanted;

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    let mut parser = Parser { text, tokens: lexer::split(text)?, next: 0, depth: 0 };
    if parser.peek() == &Kind::Nothing {
        return Err(parser.error("there is no expression", EXAMPLES));
    }
    let expression = parser.any()?;
    match parser.peek() {
        Kind::Nothing => Ok(expression),
        Kind::Close => Err(parser.error("there is no ( for this )", "Leave it out.")),
        Kind::Or | Kind::And | Kind::Not | Kind::Word(_) => Err(parser.error(
            "the expression is complete before this",
            "Join tests by `and` or `or`; several values stand in brackets: port in [80, 443].",
        )),
        _ => Err(parser.error("the expression is complete before this", EXAMPLES)),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expression, SyntaxError> {
        let mut terms = vec![self.all()?];
        while self.take(&Kind::Or) {
            terms.push(self.all()?);
        }
        Ok(joined(terms, Expression::Or))
    }

    fn all(&mut self) -> Result<Expression, SyntaxError> {
        let mut terms = vec![self.unary()?];
        while self.take(&Kind::And) {
            terms.push(self.unary()?);
        }
        Ok(joined(terms, Expression::And))
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        if !matches!(self.peek(), Kind::Not | Kind::Open) {
            return self.test();
        }
        if self.depth == MAXIMUM_DEPTH {
            return Err(self.error("too deep", "Use fewer parentheses within parentheses."));
        }
        self.depth += 1;
        let expression = if self.take(&Kind::Not) {
            Expression::Not(Box::new(self.unary()?))
        } else {
            self.next += 1;
            let expression = self.any()?;
            if !self.take(&Kind::Close) {
                return Err(self.error("a parenthesis is open", "Close it with ) here."));
            }
            expression
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn test(&mut self) -> Result<Expression, SyntaxError> {
        let Kind::Word(word) = self.peek().clone() else {
            return Err(self.error("a test is missing here", EXAMPLES));
        };
        let keyword = word.to_ascii_lowercase();
        if let Some(qualifier) = qualifier(&keyword) {
            self.next += 1;
            return Ok(match self.qualified(&keyword)? {
                None => Expression::Test(qualifier),
                // `ip 192.0.2.1` says the version well enough.
                Some(test) if keyword == "ip" && matches!(test, Test::Address(End::Either, _)) => {
                    Expression::Test(test)
                }
                Some(test) => {
                    Expression::And(vec![Expression::Test(qualifier), Expression::Test(test)])
                }
            });
        }
        let end = self.end()?;
        let Kind::Word(word) = self.peek().clone() else {
            let help = format!("After src and dst: {}.", DIRECTED.join(", "));
            return Err(self.error("what of this end?", &help));
        };
        if let Some(test) = self.directed(&word, end.unwrap_or(End::Either))? {
            return Ok(Expression::Test(test));
        }
        if end.is_some() {
            // `src 192.0.2.1` needs no further word.
            if literal::prefix(&word).is_ok() {
                let prefixes = self.prefixes()?;
                return Ok(Expression::Test(Test::Address(end.unwrap_or(End::Either), prefixes)));
            }
            let help = match suggest::closest_of(&word, DIRECTED.iter().copied()) {
                Some(known) => format!("Did you mean `{known}`?"),
                None => format!("After src and dst: {}.", DIRECTED.join(", ")),
            };
            return Err(self.error(&format!("`{word}` has no ends or directions"), &help));
        }
        self.undirected(&word).map(Expression::Test)
    }

    /// What may follow a protocol: `tcp dst port 443`, `ip6 net 2001:db8::/32`.
    fn qualified(&mut self, qualifier: &str) -> Result<Option<Test>, SyntaxError> {
        let Kind::Word(word) = self.peek().clone() else { return Ok(None) };
        let keyword = word.to_ascii_lowercase();
        let is_version = matches!(qualifier, "ip" | "ip6" | "ipv4" | "ipv6");
        if is_version && literal::prefix(&word).is_ok() {
            return Ok(Some(Test::Address(End::Either, self.prefixes()?)));
        }
        if !matches!(keyword.as_str(), "src" | "dst" | "host" | "net" | "port" | "flags" | "proto")
        {
            return Ok(None);
        }
        match self.test()? {
            Expression::Test(test) => Ok(Some(test)),
            _ => Err(self.error("a test is missing here", EXAMPLES)),
        }
    }

    /// `src`, `dst`, and both joined by `or` or `and`.
    fn end(&mut self) -> Result<Option<End>, SyntaxError> {
        let Some(one) = self.one_end() else { return Ok(None) };
        let joint = match self.peek() {
            Kind::Or => End::Either,
            Kind::And => End::Both,
            _ => return Ok(Some(one)),
        };
        self.next += 1;
        match self.one_end() {
            Some(other) if other != one => Ok(Some(joint)),
            _ => Err(self.error(
                "the other end is missing here",
                "As in: src or dst port 53; src and dst net 10.0.0.0/8.",
            )),
        }
    }

    fn one_end(&mut self) -> Option<End> {
        let Kind::Word(word) = self.peek() else { return None };
        let end = match word.to_ascii_lowercase().as_str() {
            "src" => End::Source,
            "dst" => End::Destination,
            _ => return None,
        };
        self.next += 1;
        Some(end)
    }

    /// Tests of one end or direction.
    fn directed(&mut self, word: &str, end: End) -> Result<Option<Test>, SyntaxError> {
        let keyword = word.to_ascii_lowercase();
        if matches!(keyword.as_str(), "packets" | "octets" | "bytes") && end == End::Both {
            return Err(self.error(
                "one direction, please, or none for the sum of both",
                "As in: octets > 1M, src octets > 1M, dst octets > 1M.",
            ));
        }
        let build: fn(End, Numbers) -> Test = match keyword.as_str() {
            "host" | "net" => {
                self.next += 1;
                return Ok(Some(Test::Address(end, self.prefixes()?)));
            }
            "mac" => {
                self.next += 1;
                return Ok(Some(Test::Mac(end, self.macs()?)));
            }
            "interface" | "if" => {
                self.next += 1;
                return self.interface().map(|interface| Some(Test::Interface(end, interface)));
            }
            "flags" => {
                self.next += 1;
                return self.flags().map(|flags| Some(Test::Flags(end, flags)));
            }
            "port" => Test::Port,
            "packets" => Test::Packets,
            "octets" | "bytes" => Test::Octets,
            "tos" => Test::TypeOfService,
            "dscp" => Test::CodePoint,
            _ => return Ok(None),
        };
        self.next += 1;
        let wanted = match keyword.as_str() {
            "port" => values::PORT,
            "tos" => values::TYPE_OF_SERVICE,
            "dscp" => values::CODE_POINT,
            _ => values::COUNT,
        };
        self.numbers(&wanted).map(|numbers| Some(build(end, numbers)))
    }

    /// All other tests.
    fn undirected(&mut self, word: &str) -> Result<Test, SyntaxError> {
        let (build, wanted): (fn(Numbers) -> Test, Wanted) = match word
            .to_ascii_lowercase()
            .as_str()
        {
            "proto" | "protocol" => (Test::Protocol, values::PROTOCOL),
            "vlan" => {
                self.next += 1;
                if !self.is_at_values() {
                    return Ok(Test::Vlan(None));
                }
                return self.numbers(&values::VLAN).map(|numbers| Test::Vlan(Some(numbers)));
            }
            "duration" => (Test::Duration, values::DURATION),
            "domain" => (Test::Domain, values::NUMBER),
            "reason" => (Test::EndReason, values::END_REASON),
            "start" => {
                self.next += 1;
                return self.time().map(|(comparison, time)| Test::Start(comparison, time));
            }
            "end" => {
                self.next += 1;
                let is_reason =
                    matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case("reason"));
                if !is_reason {
                    let (comparison, time) = self.time()?;
                    return Ok(Test::EndTime(comparison, time));
                }
                (Test::EndReason, values::END_REASON)
            }
            "exists" => {
                self.next += 1;
                return self.element_name().map(Test::Exists);
            }
            _ => {
                let field = self.element_name()?;
                return self.element_test(field);
            }
        };
        self.next += 1;
        self.numbers(&wanted).map(build)
    }

    fn interface(&mut self) -> Result<Interface, SyntaxError> {
        let is_word = |name: &str| literal::number(name).is_none() && name != "in";
        match self.peek().clone() {
            Kind::Word(name) if is_word(&name) && !name.contains('-') => {
                self.next += 1;
                Ok(Interface::Name(name))
            }
            Kind::Quoted(name) => {
                self.next += 1;
                Ok(Interface::Name(name))
            }
            _ => self.numbers(&values::INTERFACE).map(Interface::Number),
        }
    }

    fn flags(&mut self) -> Result<Flags, SyntaxError> {
        let is_exact = self.take(&Kind::Comparison(super::expression::Comparison::Equal));
        let bits = match self.peek() {
            Kind::Word(word) => literal::flags(word),
            _ => None,
        };
        let bits = bits.ok_or_else(|| {
            self.error(
                "flags are missing here",
                "Letters of S A F R P U E C: flags SA means both are set, flags = S no others.",
            )
        })?;
        self.next += 1;
        Ok(Flags { bits, is_exact })
    }

    fn peek(&self) -> &Kind {
        self.tokens.get(self.next).map_or(&Kind::Nothing, |token| &token.kind)
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let is_it = self.peek() == kind;
        self.next += usize::from(is_it);
        is_it
    }

    /// An error at the next token.
    fn error(&self, message: &str, help: &str) -> SyntaxError {
        self.error_at(self.next, message, help)
    }

    fn error_at(&self, token: usize, message: &str, help: &str) -> SyntaxError {
        let end = self.text.len();
        let place = self.tokens.get(token).map_or(end..end, |token| token.place.clone());
        SyntaxError {
            text: self.text.to_owned(),
            place,
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// A word that is a test by itself and may stand before another one.
fn qualifier(keyword: &str) -> Option<Test> {
    match keyword {
        "ip" | "ipv4" => Some(Test::Version(4)),
        "ip6" | "ipv6" => Some(Test::Version(6)),
        // These are more often meant as something else than as what IP carries.
        "mpls" | "ethernet" => None,
        name => names::protocol_number(name).map(|number| Test::Protocol(Numbers::equal(number))),
    }
}

fn joined(mut terms: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            join(terms)
        }
    }
}

/// What may stand after `src` and `dst`.
const DIRECTED: &[&str] =
    &["host", "net", "port", "mac", "interface", "packets", "octets", "flags", "tos", "dscp"];
/// What is not the name of an element.
const KEYWORDS: &[&str] = &[
    "src",
    "dst",
    "host",
    "net",
    "port",
    "proto",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp",
    "ipv4",
    "ipv6",
    "vlan",
    "mac",
    "interface",
    "flags",
    "packets",
    "octets",
    "duration",
    "start",
    "end",
    "reason",
    "tos",
    "dscp",
    "domain",
    "exists",
    "and",
    "or",
    "not",
];
const EXAMPLES: &str = "For example: dst port 443 and src net 10.0.0.0/8; octets > 1M; not tcp; \
    tcpWindowSize > 1000.";
/// Parentheses and `not` within each other.
const MAXIMUM_DEPTH: usize = 100;
