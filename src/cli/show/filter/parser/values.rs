//! What stands after a keyword.

use super::Parser;
use crate::cli::show::filter::SyntaxError;
use crate::cli::show::filter::expression::{Comparison, Numbers};
use crate::cli::show::filter::lexer::Kind;
use crate::cli::show::filter::literal;
use crate::cli::table::Moment;
use crate::flow::{Network, NetworkError};

/// A kind of number.
pub(super) struct Wanted {
    read: fn(&str) -> Option<u64>,
    help: &'static str,
}

pub(super) const PORT: Wanted = Wanted {
    read: literal::port,
    help: "Ports are 0 to 65535: port 443, port 1024-65535, port > 1023, port in [80, 443].",
};
pub(super) const COUNT: Wanted = Wanted {
    read: literal::count,
    help: "As in: > 1000, >= 10k, < 1.5M, 100-200; k, M, G, T are powers of 1000.",
};
pub(super) const TYPE_OF_SERVICE: Wanted =
    Wanted { read: literal::octet, help: "As in: tos 0xb8, tos in [0x28, 0xb8]; 0 to 255." };
pub(super) const CODE_POINT: Wanted =
    Wanted { read: literal::code_point, help: "As in: dscp 46, dscp in [10, 46]; 0 to 63." };
pub(super) const PROTOCOL: Wanted = Wanted {
    read: literal::protocol,
    help: "As in: proto tcp, proto 47, proto in [udp, sctp]; names or 0 to 255.",
};
pub(super) const VLAN: Wanted = Wanted {
    read: literal::vlan,
    help: "As in: vlan 100, vlan 100-199, vlan alone for any; 0 to 4095.",
};
pub(super) const DURATION: Wanted = Wanted {
    read: literal::duration,
    help: "A comparison and a unit, as in: duration > 10s; ns, us, ms, s, m, h, d.",
};
pub(super) const END_REASON: Wanted = Wanted {
    read: literal::end_reason,
    help: "One of idle, active, end, forced, full, or a number.",
};
pub(super) const NUMBER: Wanted = Wanted {
    read: literal::number,
    help: "A number, as in: 3, > 3, 3-5, in [3, 5]; 0x for hexadecimal.",
};
pub(super) const INTERFACE: Wanted = Wanted {
    read: literal::number,
    help: "A number or a name, as in: interface 3, interface eth0.",
};

impl Numbers {
    pub(super) const fn equal(number: u64) -> Self {
        Self::Is(Comparison::Equal, number)
    }
}

impl Parser<'_> {
    /// A number, a range, a comparison or a list.
    pub(super) fn numbers(&mut self, wanted: &Wanted) -> Result<Numbers, SyntaxError> {
        if let Kind::Comparison(comparison) = *self.peek() {
            self.next += 1;
            let (first, last) = self.range(wanted)?;
            if first != last {
                self.next -= 1;
                return Err(self.error("one number is wanted after a comparison", wanted.help));
            }
            return Ok(Numbers::Is(comparison, first));
        }
        let mut ranges = self.one_or_list(|parser| parser.range(wanted))?;
        match ranges.as_slice() {
            &[(first, last)] if first == last => Ok(Numbers::equal(first)),
            _ => Ok(Numbers::In(std::mem::take(&mut ranges))),
        }
    }

    /// `5` or `5-10`.
    fn range(&mut self, wanted: &Wanted) -> Result<(u64, u64), SyntaxError> {
        let Kind::Word(word) = self.peek() else {
            return Err(self.error("a value is missing here", wanted.help));
        };
        let range = match (wanted.read)(word) {
            Some(number) => Some((number, number)),
            None => word
                .split_once('-')
                .and_then(|(first, last)| Some(((wanted.read)(first)?, (wanted.read)(last)?))),
        };
        match range {
            Some((first, last)) if first > last => {
                Err(self.error("the range ends before it begins", wanted.help))
            }
            Some(range) => {
                self.next += 1;
                Ok(range)
            }
            None => Err(self.error(&format!("`{word}` is no such value"), wanted.help)),
        }
    }

    /// Whether there are values at all.
    pub(super) fn is_at_values(&self) -> bool {
        match self.peek() {
            Kind::Comparison(_) | Kind::OpenList => true,
            Kind::Word(word) => {
                word.eq_ignore_ascii_case("in") || word.starts_with(|c: char| c.is_ascii_digit())
            }
            _ => false,
        }
    }

    pub(super) fn prefixes(&mut self) -> Result<Vec<Network>, SyntaxError> {
        self.take(&Kind::Comparison(Comparison::Equal));
        self.one_or_list(Self::prefix)
    }

    pub(super) fn prefix(&mut self) -> Result<Network, SyntaxError> {
        const HELP: &str = "As in: host 192.0.2.1, host 2001:db8::1, net 10.0.0.0/8, net 2001:db8::/32, \
            host in [192.0.2.1, 192.0.2.2].";
        let Kind::Word(word) = self.peek() else {
            return Err(self.error("an address is missing here", HELP));
        };
        match literal::prefix(word) {
            Ok(prefix) => {
                self.next += 1;
                Ok(prefix)
            }
            Err(NetworkError::BitsBehind(prefix)) => Err(self.error(
                "bits are set behind the prefix",
                &format!("The network of this address is {prefix}."),
            )),
            Err(_) => Err(self.error(&format!("`{word}` is no address and no prefix"), HELP)),
        }
    }

    pub(super) fn macs(&mut self) -> Result<Vec<[u8; 6]>, SyntaxError> {
        self.take(&Kind::Comparison(Comparison::Equal));
        self.one_or_list(Self::mac)
    }

    pub(super) fn mac(&mut self) -> Result<[u8; 6], SyntaxError> {
        self.literal(literal::mac, "a MAC address is missing here", "As in: mac 02:00:5e:00:53:01.")
    }

    /// A comparison and a point in time.
    pub(super) fn time(&mut self) -> Result<(Comparison, Moment), SyntaxError> {
        const HELP: &str = "As in: start >= 2026-01-31T10:15:00Z, end < 2026-02-01; UTC unless an \
            offset is given.";
        let Kind::Comparison(comparison) = *self.peek() else {
            return Err(self.error("a comparison is missing here", HELP));
        };
        self.next += 1;
        Ok((comparison, self.literal(literal::time, "a time is missing here", HELP)?))
    }

    /// One value, of a word or of a text in quotes.
    pub(super) fn literal<T>(
        &mut self,
        read: impl Fn(&str) -> Option<T>,
        message: &str,
        help: &str,
    ) -> Result<T, SyntaxError> {
        let value = match self.peek() {
            Kind::Word(word) | Kind::Quoted(word) => read(word),
            _ => None,
        };
        let value = value.ok_or_else(|| self.error(message, help))?;
        self.next += 1;
        Ok(value)
    }

    /// One value, or `in [a, b]`; `in` may be left out before a bracket, and brackets after it.
    pub(super) fn one_or_list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        if matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case("in")) {
            self.next += 1;
        }
        if !self.take(&Kind::OpenList) {
            return Ok(vec![one(self)?]);
        }
        let mut values = vec![one(self)?];
        while self.take(&Kind::Comma) {
            values.push(one(self)?);
        }
        if !self.take(&Kind::CloseList) {
            return Err(self.error("the list goes on or ends here", "With , or with ] ."));
        }
        Ok(values)
    }
}
